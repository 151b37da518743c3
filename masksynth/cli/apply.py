"""masksynth apply: single photos here, data sets in `apply_dataset`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from masksynth.cli.options import (
    PATH,
    box_option,
    cache_option,
    chosen_detector,
    detector_option,
    force_option,
    landmarks_option,
    reconstructor_option,
    refuse_existing,
    seed_option,
    spectrum_option,
    tell_of_compiling,
    vary_option,
)
from masksynth.compose.config import RENDERS, ComposeConfig
from masksynth.errors import ConfigError, MasksynthError, counted

if TYPE_CHECKING:
    from masksynth.photos import Photo

DEFAULTS = ComposeConfig()


class _Apply(click.Command):
    """With ``--dataset`` among the arguments, the command of `apply_dataset` takes over."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        options = args[: args.index("--")] if "--" in args else args
        if any(word == "--dataset" or word.startswith("--dataset=") for word in options):
            from masksynth.cli.apply_dataset import command as dataset_command

            return dataset_command.make_context(info_name, args, parent, **extra)
        return super().make_context(info_name, args, parent, **extra)


@click.command(cls=_Apply)
@click.argument("photos", metavar="PHOTO...", nargs=-1, required=True, type=PATH)
@click.option(
    "-t", "--template", "templates", multiple=True, metavar="TEMPLATE",
    help="Name, file or folder of templates; may be given again. Of several, each face draws one; of none, from the "
    "whole library.",
)  # fmt: skip
@vary_option
@click.option("-o", "--out", type=PATH, required=True, help="File to write for one PHOTO, else a folder.")
@spectrum_option
@click.option(
    "--render", type=click.Choice(RENDERS), default=DEFAULTS.render, show_default=True,
    help="Draw the mask alone, or the whole face anew as the paper does.",
)  # fmt: skip
@click.option("--light/--no-light", default=DEFAULTS.light, show_default=True, help="Take the light of the photo.")
@click.option(
    "--shadow", type=click.FloatRange(0, 1), default=DEFAULTS.shadow, show_default=True,
    help="Light that the mask takes from the skin along its edge.",
)  # fmt: skip
@click.option("--no-shadow", is_flag=True, help="The same as --shadow 0: nothing outside the mask changes.")
@click.option("--blur/--no-blur", default=DEFAULTS.blur, show_default=True, help="Take the sharpness of the photo.")
@click.option(
    "--grain/--no-grain",
    default=DEFAULTS.grain,
    show_default=True,
    help="Take the noise of the photo, and its JPEG loss.",
)
@click.option(
    "--relief/--no-relief", default=DEFAULTS.relief, show_default=True, help="Let the mask stand off the skin."
)
@landmarks_option
@box_option
@detector_option
@reconstructor_option
@cache_option
@click.option("--white", type=float, help="Value of a 16-bit photo that is white; else its 99.9th percentile.")
@seed_option
@click.option("--strict", is_flag=True, help="Exit with 3 where any photo had to be skipped.")
@force_option
def command(
    photos: tuple[Path, ...],
    templates: tuple[str, ...],
    vary: int | None,
    out: Path,
    spectrum: Any,
    landmarks: Path | None,
    box: tuple[float, ...] | None,
    detector: str,
    reconstructor: str,
    cache: Path | None,
    white: float | None,
    no_shadow: bool,
    seed: int,
    strict: bool,
    force: bool,
    **settings: Any,
) -> None:
    """Put masks on photos, or on a whole data set.

    Every face found in each PHOTO gets a mask. Pixels that no mask touches stay as they are, bit by bit, in lossless
    formats; a JPEG is encoded anew at its source's quality. For a whole data set into one HDF5 file see masksynth apply
    --dataset NAME --help.

    \b
    Example: masksynth apply ann.jpg -t surgical-blue -o ann_masked.png
    """
    config = ComposeConfig(**settings | ({"shadow": 0.0} if no_shadow else {}))
    targets = _targets(photos, out, force)
    from masksynth.compose import Composer
    from masksynth.files import make_folder
    from masksynth.photos import read_photo, spectrum_of, write_photo
    from masksynth.reconstruct import load_reconstructor
    from masksynth.synthesize import mask_photo
    from masksynth.template.variety import chosen_templates

    chosen = chosen_templates(templates, vary, seed)
    if not chosen:
        raise ConfigError("the template library is empty: name a template file with -t.")
    finder = None if landmarks or box else chosen_detector(detector, photos[0], None, None)
    surface, composer = load_reconstructor(reconstructor, cache=cache), Composer(config)
    done = failed = 0
    try:
        for source, target in zip(photos, targets, strict=True):
            try:
                photo = read_photo(source, white=white)
                stated = spectrum_of(photo.pixels, spectrum)
                tell_of_compiling()
                masked = mask_photo(
                    photo,
                    chosen,
                    stated,
                    detector=finder or chosen_detector(detector, source, landmarks, box),
                    reconstructor=surface,
                    composer=composer,
                    seed=seed,
                )
                if len(photos) > 1:
                    make_folder(out)
                image, worn, dropped, photo = masked.image, masked.templates, masked.dropped, photo.without_pixels()
                del masked  # of a very large photo, writing needs the room
                write_photo(target, image, like=photo)
            except MasksynthError as error:
                if len(photos) == 1:
                    raise
                failed += 1
                click.echo(f"masksynth: {error}", err=True)
                continue
            done += 1
            _report(photo, target, worn, stated if spectrum == "auto" else None, dropped)
    except KeyboardInterrupt:
        if len(photos) > 1:
            click.echo(f"{done} of {counted(len(photos), 'photo')} done. Name the others, or use --force.", err=True)
        raise
    if failed == len(photos):
        raise SystemExit(1)
    if failed:
        click.echo(f"{failed} of {counted(len(photos), 'photo')} skipped.", err=True)
        if strict:
            raise SystemExit(3)


def _targets(photos: tuple[Path, ...], out: Path, force: bool) -> list[Path]:
    """Where each photo goes; raises ConfigError where two would meet or something is in the way."""
    from masksynth.files import require_folder
    from masksynth.photos import PHOTO_SUFFIXES

    def inside(folder: Path, photo: Path) -> Path:
        return folder / (photo.name if photo.suffix.lower() in PHOTO_SUFFIXES else f"{photo.name}.png")

    if len(photos) == 1:
        targets = [inside(out, photos[0]) if out.is_dir() else out]
        if targets[0].suffix.lower() not in PHOTO_SUFFIXES and photos[0].exists():  # a missing photo is told first
            raise ConfigError(
                f"{targets[0]}: the suffix '{targets[0].suffix}' names no image format. "
                f"Use one of {' '.join(PHOTO_SUFFIXES)}, or the name of a folder that is there."
            )
    else:
        if out.exists() and not out.is_dir():
            raise ConfigError(f"{out}: is a file, but {len(photos)} photos go into a folder. Name a folder.")
        targets = [inside(out, photo) for photo in photos]
        known: dict[Path, Path] = {}
        for photo, target in zip(photos, targets, strict=True):
            if target in known:
                raise ConfigError(f"{photo} and {known[target]} would both become {target}. Mask them in two runs.")
            known[target] = photo
    if photos[0].exists():
        require_folder(targets[0] if len(photos) == 1 or out.is_dir() else out)
    for photo, target in zip(photos, targets, strict=True):
        if target.exists() and photo.exists() and target.samefile(photo):
            raise ConfigError(f"{target}: is the photo itself. Name another file or folder for the result.")
        refuse_existing(target, force)
    return targets


def _report(photo: Photo, target: Path, worn: tuple[str, ...], assumed: str | None, dropped: tuple[str, ...]) -> None:
    notes = [*photo.notes, *(["no chroma, taken for NIR; --spectrum vis if it is not"] if assumed == "nir" else [])]
    for note in (*notes, *dropped):
        click.echo(f"note: {photo.source}: {note}", err=True)
    count = counted(len(worn), "face")
    click.echo(f"{target}: {count} masked ({', '.join(worn)})")
