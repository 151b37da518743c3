"""Reading files whole, and writing them so that nobody ever reads half of one."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from masksynth.errors import OutputError


def read_bytes(path: Path) -> bytes:
    """The bytes of the regular file `path`; OSError for anything else, where reading might never begin or never end."""
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    with open(descriptor, "rb") as file:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, "it is a pipe or a device")
        return file.read()


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A name beside `path` to write to; renamed to `path` when the block ends well, removed when it does not.

    The file is flushed to the disk before it is renamed. A symbolic link is followed: what it points to is replaced.
    Whatever goes wrong with the file system (no such folder, no permission, disk full) comes out as one OutputError
    that names `path`.
    """
    path = Path(path)
    temporary: Path | None = None
    try:
        target = Path(os.path.realpath(path))
        if target.is_dir():
            raise OutputError(f"{path}: is a folder, but a file is to be written there. Give a file name.")
        if not target.parent.is_dir():
            raise OutputError(f"{path}: the folder {target.parent} does not exist. Create it, or give another place.")
        if target.exists() and not target.is_file():
            raise OutputError(f"{path}: is a device or a pipe, but a file is to be written. Give a file name.")
        # The suffix stays last: image writers choose the format by it.
        temporary = target.with_name(f".{target.stem[:20]}.{os.getpid()}-{secrets.token_hex(4)}{target.suffix}")
        yield temporary
        _flush(temporary)
        os.replace(temporary, target)
        _flush_folder(target.parent)
    except OutputError:
        raise
    except OSError as error:
        raise OutputError(f"{path}: could not be written ({error.strerror or error}).") from error
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                temporary.unlink()


@contextlib.contextmanager
def together(paths: Iterable[Path]) -> Iterator[None]:
    """Where the block fails, those of `paths` that were not there before it are removed again."""
    new = [path for path in paths if not path.exists()]
    try:
        yield
    except BaseException:
        for path in new:
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
        raise


def require_folder(path: Path) -> None:
    """Raise OutputError where nothing can be written at `path`: before the work that would be lost."""
    folder = Path(os.path.realpath(path)).parent
    if not folder.is_dir():
        raise OutputError(f"{path}: the folder {path.parent} does not exist. Create it, or give another place.")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OutputError(f"{path}: could not be written (the folder {path.parent} is not yours to write to).")


def make_folder(path: Path) -> None:
    """Make the folder `path` where it is not there; its parent must be. Raises OutputError."""
    try:
        path.mkdir(exist_ok=True)
    except OSError as error:
        raise OutputError(f"{path}: the folder could not be made ({error.strerror or error}).") from error


def write_bytes(path: Path, data: bytes) -> None:
    """Write `data` to `path`, whole or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _flush_folder(path: Path) -> None:
    """Make the new name itself survive a power loss, where the file system can."""
    with contextlib.suppress(OSError):
        _flush(path)
