"""What all loaders share: finding a root by what it holds, scanning folders, reading list files as people have them."""

from __future__ import annotations

import codecs
import errno
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TextIO, TypeVar

from masksynth.datasets.wording import shortened
from masksynth.errors import DatasetError, counted

T = TypeVar("T")

SUFFIXES = (".jpg", ".bmp", ".png", ".jpeg", ".tif", ".tiff", ".webp")
"""Of image files, compared without regard to case; the order is that of preference where a stem occurs twice."""

DEPTH = 4  # levels of folders below the one given in which a root is looked for
WIDTH = 2000  # folders looked into on that search; a root is never among so many


def folders(path: Path) -> dict[str, Path]:
    """The folders in `path` by lower-case name."""
    return {entry.name.lower(): Path(entry.path) for entry in _entries(path) if entry.is_dir()}


def files(path: Path) -> dict[str, Path]:
    """The files in `path` by lower-case name."""
    return {entry.name.lower(): Path(entry.path) for entry in _entries(path) if entry.is_file()}


def images(path: str | Path) -> Iterator[tuple[str, str]]:
    """(name, suffix in lower case) of the image files in the folder `path`, sorted by name; all else is passed over."""
    return iter(listing(path)[1])


def listing(path: str | Path) -> tuple[list[str], list[tuple[str, str]]]:
    """Names of the folders in `path`, and (name, suffix in lower case) of its image files; sorted, none hidden.

    Links to folders are followed, but for those that lead back up.
    """
    inside, found = [], []
    for entry in _entries(path):
        name = entry.name
        if name.startswith("."):
            continue
        dot = name.rfind(".")
        suffix = name[dot:].lower() if dot > 0 else ""
        if suffix in SUFFIXES and entry.is_file():
            found.append((name, suffix))
        elif entry.is_dir(follow_symlinks=False) or (entry.is_symlink() and _leads_elsewhere(entry, path)):
            inside.append(name)
    return sorted(inside), sorted(found)


def _leads_elsewhere(link: os.DirEntry[str], path: str | Path) -> bool:
    """Whether a link in the folder `path` leads to a folder, and not to one that it lies in."""
    target, here = os.path.realpath(link.path), os.path.realpath(path)
    return os.path.isdir(target) and here != target and not here.startswith(f"{target}{os.sep}")


def without_twins(
    found: Iterable[T], key: Callable[[T], object], path: Callable[[T], str], notes: list[str]
) -> list[T]:
    """`found` with one file for each key: of one photo in several formats, that of the first of SUFFIXES."""
    chosen: dict[object, T] = {}
    twice = []
    for item in found:
        name = key(item)
        other = chosen.setdefault(name, item)
        if other is not item:
            twice.append(path(item))
            if _preference(path(item)) < _preference(path(other)):
                chosen[name] = item
    if twice:
        notes.append(
            f"{counted(len(twice), 'photo is', 'photos are')} there in several formats; one file of each is used"
            f": {shortened(twice)}."
        )
    return list(chosen.values())


def _preference(path: str) -> int:
    return SUFFIXES.index(path[path.rfind(".") :].lower())


def find_root(given: Path, holds: Callable[[Path], bool], wanted: str, *, above: bool = False) -> Path:
    """The nearest folder for which `holds` is true: `given`, then the folders below it level by level.

    Where `above` is set, the two folders above `given` come last; only for layouts that nothing else looks like.

    Raises
    ------
    DatasetError
        If there is none; `wanted` says in the message what such a folder looks like.
    """
    if not given.is_dir():
        raise DatasetError(f"{given}: is not a folder, but a data set is wanted: {wanted}.")
    level, seen = [given], 0
    list(_entries(given))  # a folder that may not be read is named
    closed: list[str] = []

    def found(folder: Path) -> bool:
        try:
            return holds(folder)
        except DatasetError as error:
            closed.append(str(error))
            return False

    for _ in range(DEPTH + 1):
        for folder in level:
            if found(folder):
                return folder
        seen += len(level)
        if seen > WIDTH:
            break
        level = [child for folder in level for _, child in sorted(_readable(folder).items())]
    for parent in list(given.resolve().parents)[:2] if above else ():
        if found(parent):
            return parent
    unread = f" {closed[0]}" if closed else ""
    raise DatasetError(f"{given}: no data set found here, nor in the folders below it: looked for {wanted}.{unread}")


def read_lines(path: Path) -> list[tuple[int, str]]:
    """As `iterate_lines`, all of them."""
    return list(iterate_lines(path))


def iterate_lines(path: Path) -> Iterator[tuple[int, str]]:
    """(line number from 1, text) of the lines of a list file that are not blank, one held at a time.

    Line ends of any kind; surrounding blanks are taken off, and backslashes become slashes.

    Raises
    ------
    DatasetError
        If the file cannot be read.
    """
    with open_text(path) as text:
        for number, line in enumerate(text, 1):
            line = line.strip().replace("\\", "/")
            if line:
                yield number, line


@contextmanager
def open_text(path: Path) -> Iterator[TextIO]:
    """A list file, opened to be read; in the encoding that `encoding_of` tells, or else in Windows' code page 1252.

    Raises
    ------
    DatasetError
        If the file cannot be read, then or later.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # opening a pipe might never end
            raise OSError(errno.EINVAL, "it is no regular file")
        with path.open("rb") as data:
            head = data.read(4096)
            encoding = encoding_of(head)
            if encoding == "utf-8-sig" and not _is_utf8(head, data):
                encoding = "cp1252"
        with path.open(encoding=encoding, errors="replace") as text:
            yield text
    except OSError as error:
        raise DatasetError(f"{path}: could not be read ({error.strerror or error}).") from error


def _is_utf8(head: bytes, rest: BinaryIO) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        while head:
            decoder.decode(head)
            head = rest.read(1 << 20)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def encoding_of(head: bytes) -> str:
    """Of a list file: UTF-16 with a byte order mark or without one, else UTF-8."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    if len(head) > 1 and (head[0] == 0) != (head[1] == 0):  # half of a first letter that is ASCII
        return "utf-16-le" if head[1] == 0 else "utf-16-be"
    return "utf-8-sig"


def _readable(path: Path) -> dict[str, Path]:
    """As `folders`; none where the folder may not be read, such as ``lost+found`` beside a data set."""
    try:
        return folders(path)
    except DatasetError:
        return {}


def _entries(path: str | Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(path) as entries:
            return list(entries)
    except OSError as error:
        raise DatasetError(f"{path}: the folder could not be read ({error.strerror or error}).") from error
