"""Options and types that more than one command uses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from masksynth.errors import ConfigError

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
force_option = click.option("--force", is_flag=True, help="Replace what is there.")

detector_option = click.option(
    "--detector", default="blazeface", show_default=True, metavar="NAME", help="What finds the faces."
)
reconstructor_option = click.option(
    "--reconstructor", default="facemesh", show_default=True, metavar="NAME", help="What makes the faces' surface."
)


def refuse_existing(path: Path, force: bool) -> None:
    """Raise ConfigError where `path` is there already and may not be replaced."""
    if path.exists() and not force:
        raise ConfigError(f"{path}: is there already. Give another name, or --force to replace it.")
