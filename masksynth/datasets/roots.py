"""Where a data set is on this machine."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from masksynth.errors import ConfigError
from masksynth.resources import config_path, user_config


def environment_name(name: str) -> str:
    """The environment variable that names the root of the data set `name`: casia -> MASKSYNTH_DATA_CASIA."""
    return f"MASKSYNTH_DATA_{name.upper()}"


def resolve_root(name: str, root: Path | str | None = None) -> Path:
    """The root of the data set `name`: `root`, else the environment variable, else ``roots.NAME`` of the user's config.

    Raises
    ------
    ConfigError
        If none of the three says where it is (the message names all three), or if the place named does not exist.
    """
    if root is not None:
        return _existing(Path(root).expanduser(), "--root")
    variable = environment_name(name)
    if os.environ.get(variable):
        return _existing(Path(os.environ[variable]).expanduser(), f"${variable}")
    roots = user_config().get("roots", {})
    if not isinstance(roots, Mapping):
        raise ConfigError(f"{config_path()}: 'roots' must be a table: write [roots] and below it {name} = \"/path\".")
    entry = roots.get(name)
    if entry is None:
        raise ConfigError(
            f"Where is the data set '{name}'? Say it with --root DIR, or export {variable}=DIR, or write "
            f'{name} = "DIR" below [roots] in {config_path()}.'
        )
    if not isinstance(entry, str):
        raise ConfigError(f"{config_path()}: roots.{name} must be a path in quotes, got {entry!r}.")
    return _existing(Path(entry).expanduser(), f"roots.{name} in {config_path()}")


def _existing(path: Path, said_by: str) -> Path:
    if not path.exists():
        raise ConfigError(f"{path}: there is no such folder (from {said_by}).")
    return path
