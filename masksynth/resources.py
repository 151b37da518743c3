"""Where things are: files packaged with masksynth, and the user's own folders.

``MASKSYNTH_HOME`` puts everything of the user's (networks, templates, configuration) below one folder; without it each
goes where the operating system keeps such things.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from masksynth.errors import ConfigError


def asset(name: str) -> Path:
    """The packaged file `name` of ``assets/``."""
    return Path(str(files("masksynth.assets") / name))


def packaged_templates() -> Path:
    """The folder of the packaged templates."""
    return Path(str(files("masksynth.templates")))


def user_weights() -> Path:
    """Where fetched and imported networks are kept."""
    return _user_folder("weights", "user_cache_path")


def user_kernels() -> Path:
    """Where compiled kernels are kept if they cannot stand beside their source; see compiled.py."""
    return _user_folder("kernels", "user_cache_path")


def user_templates() -> Path:
    """The user's own template library."""
    return _user_folder("templates", "user_data_path")


def config_path() -> Path:
    """Where the user's configuration file is, or would be."""
    return _user_folder("", "user_config_path") / "config.toml"


def user_config() -> Mapping[str, Any]:
    """The user's configuration file, parsed; empty where there is none.

    Raises
    ------
    ConfigError
        If the file is there but is not TOML.
    """
    path = config_path()
    if not path.is_file():
        return {}
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: is not a TOML file ({error}). Mend it or move it away.") from error


def _user_folder(name: str, kind: str) -> Path:
    home = os.environ.get("MASKSYNTH_HOME")
    if home:
        return Path(home).expanduser() / name
    import platformdirs

    return Path(getattr(platformdirs, kind)("masksynth")) / name
