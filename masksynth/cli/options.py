"""Options and types that more than one command uses."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from masksynth.errors import ConfigError

if TYPE_CHECKING:
    from masksynth.detect import Detector

PATH: Any = click.Path(path_type=Path)

spectrum_option = click.option(
    "--spectrum",
    type=click.Choice(["nir", "vis", "auto"]),
    default="auto",
    show_default=True,
    help="What light the photo was taken in; auto takes a photo without chroma for NIR.",
)
seed_option = click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of every random choice."
)
vary_option = click.option(
    "--vary", type=click.IntRange(1, 2000), metavar="N",
    help="Wear N masks generated at random by --seed, besides the templates named.",
)  # fmt: skip
force_option = click.option("--force", is_flag=True, help="Replace what is there.")


@cache
def tell_of_compiling(kernel: str = "find_surface", about: str = "about half a minute") -> None:
    """Say why the first run is slow; once a run, however often it is called. `kernel`: one that this work compiles."""
    from masksynth.compiled import compiled_before

    if not compiled_before(kernel):
        click.echo(f"compiling for this machine, this once: {about}", err=True)


def _preferred(key: str, fallback: str) -> Callable[[], str]:
    """What the configuration file says under `key`, else `fallback`; asked when a command runs."""

    def ask() -> str:
        from masksynth.resources import user_config

        return str(user_config().get(key, fallback))

    return ask


detector_option = click.option(
    "--detector",
    default=_preferred("detector", "blazeface"),
    show_default="blazeface, or as in the configuration file",
    metavar="NAME",
    help="What finds the faces: blazeface or faceboxes.",
)
reconstructor_option = click.option(
    "--reconstructor",
    default=_preferred("reconstructor", "facemesh"),
    show_default="facemesh, or as in the configuration file",
    metavar="NAME",
    help="What makes the faces' surface: facemesh or prnet.",
)

landmarks_option = click.option(
    "--landmarks",
    type=PATH,
    help="Where the faces are, instead of a detector: 2, 5, 68 or 106 points a face, text or JSON.",
)
box_option = click.option(
    "--box",
    type=float,
    nargs=4,
    metavar="LEFT TOP RIGHT BOTTOM",
    help="Where the face is (brows to chin), instead of a detector.",
)
cache_option = click.option(
    "--cache", type=PATH, help="Folder that keeps reconstructions, so that the same photo costs no network again."
)


def chosen_detector(name: str, photo: Path, landmarks: Path | None, box: tuple[float, ...] | None) -> Detector:
    """The detector `name`, or one that answers with what the user gives for `photo`."""
    from masksynth.detect import load_detector
    from masksynth.errors import ShapeError
    from masksynth.reconstruct.given import GivenFaces, detection_of_box, read_faces

    if landmarks is not None and box:
        raise ConfigError("--landmarks and --box both say where the face is. Give one of them.")
    if landmarks is not None:
        return GivenFaces(read_faces(landmarks, photo))
    if box:
        try:
            return GivenFaces([detection_of_box(*box)])
        except ShapeError as error:
            raise ConfigError(f"--box: {error}.") from error
    return load_detector(name)


def refuse_existing(path: Path, force: bool) -> None:
    """Raise ConfigError where `path` is there already and may not be replaced."""
    if path.exists() and not force:
        raise ConfigError(f"{path}: is there already. Give another name, or --force to replace it.")
