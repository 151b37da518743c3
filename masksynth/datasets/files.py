"""What all loaders share: finding a root by what it holds, scanning folders, reading list files as people have them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from masksynth.errors import DatasetError
from masksynth.files import read_bytes

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
    """Names of the folders in `path`, and (name, suffix in lower case) of its image files; sorted, none hidden."""
    inside, found = [], []
    for entry in _entries(path):
        name = entry.name
        if name.startswith("."):
            continue
        dot = name.rfind(".")
        suffix = name[dot:].lower() if dot > 0 else ""
        if suffix in SUFFIXES and entry.is_file():
            found.append((name, suffix))
        elif entry.is_dir():
            inside.append(name)
    return sorted(inside), sorted(found)


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
    for _ in range(DEPTH + 1):
        for folder in level:
            if holds(folder):
                return folder
        seen += len(level)
        if seen > WIDTH:
            break
        level = [child for folder in level for _, child in sorted(folders(folder).items())]
    for parent in list(given.resolve().parents)[:2] if above else ():
        if holds(parent):
            return parent
    raise DatasetError(f"{given}: no data set found here, nor in the folders below it: looked for {wanted}.")


def read_lines(path: Path) -> list[tuple[int, str]]:
    """(line number from 1, text) of the lines of a list file that are not blank.

    Byte order marks, UTF-16, CR LF and surrounding blanks are taken off; backslashes become slashes.

    Raises
    ------
    DatasetError
        If the file cannot be read.
    """
    try:
        data = read_bytes(path)
    except OSError as error:
        raise DatasetError(f"{path}: could not be read ({error.strerror or error}).") from error
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        text = data.decode("utf-16", errors="replace")
    else:
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = data.decode("cp1252", errors="replace")
    lines = ((number, line.strip().replace("\\", "/")) for number, line in enumerate(text.splitlines(), 1))
    return [(number, line) for number, line in lines if line]


def _entries(path: str | Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(path) as entries:
            return list(entries)
    except OSError as error:
        raise DatasetError(f"{path}: the folder could not be read ({error.strerror or error}).") from error
