"""masksynth extract-template"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from masksynth.cli.options import (
    PATH,
    detector_option,
    force_option,
    reconstructor_option,
    spectrum_option,
    tell_of_compiling,
)

if TYPE_CHECKING:
    from masksynth.arrays import Photo8


@click.command()
@click.argument("photos", type=PATH, nargs=-1, required=True, metavar="PHOTO...")
@click.option("-o", "--out", type=PATH, help="Also write the template here (.png).")
@click.option("--name", help="Name in the library; without it the stem of OUT, else of the first photo.")
@click.option(
    "--segmentation",
    "segmentations",
    type=PATH,
    multiple=True,
    help="Where the mask is: a grey picture of the photo's size, white on the mask. Once for each photo.",
)
@click.option("--save-segmentation", type=PATH, help="Where to write it; NAME.alpha.png where not given.")
@click.option("--preview", "preview_path", type=PATH, help="Where to write it; NAME.preview.png where not given.")
@click.option(
    "--face",
    type=click.IntRange(min=1),
    help="Which face, from the largest. Without it the largest that wears a mask.",
)
@click.option(
    "--size", type=click.Choice(["256", "512"]), default="256", show_default=True, help="Side; 512 for large faces."
)
@click.option(
    "--segmenter",
    type=click.Choice(["auto", "network", "grabcut"]),
    default="auto",
    show_default=True,
    help="How the mask is found; auto takes the trained network.",
)
@click.option("--straps", is_flag=True, help="Keep the straps and ear loops that cross the cheek.")
@spectrum_option
@detector_option
@reconstructor_option
@force_option
def command(
    photos: tuple[Path, ...],
    out: Path | None,
    name: str | None,
    segmentations: tuple[Path, ...],
    save_segmentation: Path | None,
    preview_path: Path | None,
    face: int | None,
    size: str,
    segmenter: str,
    straps: bool,
    spectrum: str,
    detector: str,
    reconstructor: str,
    force: bool,
) -> None:
    """Make a mask template from photos of a person who wears the mask.

    Each PHOTO shows the same mask; one is enough. The template goes into your library, where -t finds it by name. Its
    preview and the segmentation are written beside OUT, or into the current folder.

    Example: masksynth extract-template real_masked.jpg
    """
    import numpy as np

    from masksynth.extract import ExtractConfig, extract_template, read_alpha
    from masksynth.files import require_folder, together
    from masksynth.photos import read_photo
    from masksynth.report.preview import preview
    from masksynth.template import add_template, save_template
    from masksynth.template.format import check_name, files_of, name_from, picture_name

    name = check_name(name or name_from((out or photos[0]).stem))
    if out is not None:
        picture_name(out)
    for path in filter(None, (out or Path(name), save_segmentation, preview_path)):
        require_folder(path)
    config = ExtractConfig(
        size=int(size),
        spectrum=spectrum,  # type: ignore[arg-type]
        face=face,
        straps=straps,
        segmenter=segmenter,  # type: ignore[arg-type]
        detector=detector,
        reconstructor=reconstructor,
    )
    sources = [read_photo(photo) for photo in photos]
    given = [read_alpha(path) for path in segmentations] or None
    tell_of_compiling("draw_nearest", "some seconds")
    made = extract_template(sources, config, name=name, segmentations=given)

    folder = out.parent if out is not None else Path()
    written: dict[Path, Photo8] = {preview_path or folder / f"{name}.preview.png": preview(made)}
    for k, view in enumerate(made.views):
        suffix = "" if len(made.views) == 1 else f"-{k + 1}"
        place = save_segmentation if save_segmentation and k == 0 else folder / f"{name}{suffix}.alpha.png"
        if save_segmentation and k > 0:
            place = save_segmentation.with_name(f"{save_segmentation.stem}{suffix}{save_segmentation.suffix}")
        written[place] = np.rint(view.segmentation.alpha * 255).astype(np.uint8)
    _refuse_other_content(written, force)
    if out is not None:
        _refuse_other_template(out, made.template.sha256, force)
    with together([*written, *files_of(out)] if out is not None else written):
        _write(written)
        if out is not None:
            save_template(out, made.template)
        kept = add_template(made.template, replace=force)

    for warning in made.warnings:
        click.echo(f"warning: {warning}", err=True)
    share = made.template.metadata["texels"]
    click.echo(
        f"{kept}: {made.template.size} x {made.template.size}, {100 * share['measured']:.0f} % measured, "
        f"{100 * share['mirrored']:.0f} % mirrored, {100 * share['continued']:.0f} % continued from its surroundings"
    )
    if out is not None:
        click.echo(f"{out}: the same template")
    (preview_file, *alphas) = written
    click.echo(f"{preview_file}: preview")
    for view, path in zip(made.views, alphas, strict=True):
        click.echo(f"{path}: segmentation ({view.segmentation.method}, score {view.segmentation.score:.2f})")
    click.echo(f"Put it on a photo:  masksynth apply photo.jpg -t {name} -o masked.png")


def _refuse_other_content(pictures: dict[Path, Photo8], force: bool) -> None:
    """Raise ConfigError where a file is there already and holds anything but these pixels."""
    import numpy as np

    from masksynth.errors import ConfigError, PhotoError
    from masksynth.photos import read_photo

    for path, pixels in pictures.items():
        if force or not path.exists():
            continue
        try:
            same = np.array_equal(read_photo(path).pixels, pixels)
        except PhotoError:
            same = False
        if not same:
            raise ConfigError(f"{path}: is there already. Give another name, or --force to replace it.")


def _refuse_other_template(path: Path, sha256: str, force: bool) -> None:
    from masksynth.errors import ConfigError, TemplateError
    from masksynth.template import read_template

    if force or not path.exists():
        return
    try:
        same = read_template(path).sha256 == sha256
    except TemplateError:
        same = False
    if not same:
        raise ConfigError(f"{path}: is there already. Give another name, or --force to replace it.")


def _write(pictures: dict[Path, Photo8]) -> None:
    from masksynth.photos import write_photo

    for path, pixels in pictures.items():
        write_photo(path, pixels)
