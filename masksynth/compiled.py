"""Where numba keeps the compiled kernels; imported before any of them.

Beside the source, else in ``$MASKSYNTH_HOME/kernels``, else in the user's folder for caches, else in a folder that only
this user may read, in the place for temporary files; ``NUMBA_CACHE_DIR`` goes before all of them. (Numba alone fails
where an administrator installed the package and the user has no home that may be written.)

In there the folder's name stands for what is in all of the kernels. Numba itself looks at one file alone: a kernel into
which another file's function is drawn would stay as it was when only that one changes.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import tempfile
from pathlib import Path
from typing import Any

import numba

from masksynth.resources import user_kernels

CONFIG: Any = numba.config


def kernel_files(package: Path) -> list[Path]:
    """All of `package` that numba compiles."""
    return sorted([*package.rglob("_*kernels.py"), package / "_vectors.py"])


def kernel_folder(package: Path) -> Path | None:
    """Where the kernels of `package` are to be kept; None where numba was told."""
    if CONFIG.CACHE_DIR:
        return None
    digest = hashlib.sha256()
    for file in kernel_files(package):
        digest.update(file.read_bytes() + b"\0")
    name = f"kernels-{digest.hexdigest()[:12]}"
    beside = package / "__pycache__"
    if _writable(beside / name):
        for other in beside.glob("kernels-*"):
            if other.name != name:  # of an older state of the package
                shutil.rmtree(other, ignore_errors=True)
        return beside / name
    for folder in (user_kernels(), Path(tempfile.gettempdir()) / f"masksynth-kernels-{os.getuid()}"):
        if _writable(folder) and _own(folder):
            return folder / name
    return Path(tempfile.mkdtemp(prefix="masksynth-kernels-")) / name


def compiled_before(kernel: str) -> bool:
    """Whether `kernel`, and so what is compiled with it, was compiled on this machine."""
    return bool(CONFIG.DISABLE_JIT) or any(Path(CONFIG.CACHE_DIR).rglob(f"*.{kernel}-*.nbi"))


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
