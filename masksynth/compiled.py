"""Where numba keeps the compiled kernels; imported before any of them.

Beside the source, as always with numba. Where that may not be written (a package that an administrator installed, a
container), numba's own choice is a folder of the user's for all projects, and where that may not be written either it
fails. So in such a place it is told one: ``$MASKSYNTH_HOME/kernels``, else the user's folder for caches, else a folder
that only this user may read, in the place for temporary files. ``NUMBA_CACHE_DIR`` goes before all of them.
"""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path
from typing import Any

import numba

from masksynth.resources import user_kernels

CONFIG: Any = numba.config


def kernel_folder(package: Path) -> Path | None:
    """Where the kernels of `package` are to be kept; None where its own folder serves, or what numba was told."""
    if CONFIG.CACHE_DIR or _writable(package / "__pycache__"):
        return None
    for folder in (user_kernels(), Path(tempfile.gettempdir()) / f"masksynth-kernels-{os.getuid()}"):
        if _writable(folder) and _own(folder):
            return folder
    return Path(tempfile.mkdtemp(prefix="masksynth-kernels-"))


def _writable(folder: Path) -> bool:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def _own(folder: Path) -> bool:
    """Whether nobody else can put anything there: what is kept is code."""
    status = folder.lstat()
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid() and not status.st_mode & 0o022


_folder = kernel_folder(Path(__file__).parent)
if _folder is not None:
    CONFIG.CACHE_DIR = str(_folder)
