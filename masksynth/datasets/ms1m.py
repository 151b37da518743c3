"""MS1M (MS-Celeb-1M, cleaned as MS1M-v1c): visible photos to pretrain on, in the three forms they go round in.

- RecordIO: ``train.rec`` with ``train.idx`` and ``property`` or without them.
- A list: lines ``path label`` (FaceX-Zoo), ``path label x1 y1 ... x5 y5`` (msra_lmk), or tab-separated ``train.lst`` of
  MXNet tools, whose five points stand as five x and then five y. Paths start from the list's folder or one below it.
- Folders: ``<identity>/*.jpg``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from sys import intern

import numpy as np

from masksynth.arrays import Points2
from masksynth.datasets.files import SUFFIXES, files, find_root, folders, images, read_lines
from masksynth.datasets.recordio import read_index, records, unpack
from masksynth.datasets.registry import DatasetOptions
from masksynth.datasets.trees import walk
from masksynth.datasets.types import FaceDataset, Protocol, Sample
from masksynth.datasets.wording import shortened
from masksynth.errors import DatasetError

HEAD = 256  # bytes of a record that are looked at: labels and the first of the picture
WANTED = "a .rec file, a list of lines 'path label', or folders of photos named by identity"
LIST_SUFFIXES = (".txt", ".lst", ".list")


def scan(root: Path, options: DatasetOptions) -> FaceDataset:
    """Scan the copy of MS1M at or near `root`; the one protocol, ``train``, has all photos.

    Raises
    ------
    DatasetError
        If no folder near `root` holds any of the three forms, or a record file is damaged.
    """
    root = find_root(root.parent if root.is_file() else root, _is_root, WANTED)
    notes: list[str] = []
    record, listed = _record_file(root), _list_file(root)
    if record is not None:
        samples = tuple(_from_records(record, notes))
    elif listed is not None:
        samples = tuple(_from_list(root, listed, notes))
    else:
        samples = tuple(Sample(photo.path, photo.path, photo.subject, "vis") for photo in walk(root, root, "vis"))
    if not any(sample.path is not None for sample in samples):
        raise DatasetError(f"{root}: no photo was found.")
    protocol = Protocol("train", (), tuple(sample.id for sample in samples), (), (), published=True)
    return FaceDataset("ms1m", root, samples, (protocol,), tuple(notes))


def _is_root(folder: Path) -> bool:
    if _record_file(folder) is not None or _list_file(folder) is not None:
        return True
    return any(next(images(path), None) is not None for path in list(folders(folder).values())[:50])


def _record_file(folder: Path) -> Path | None:
    """``train.rec``, else the only record file."""
    found = {name: path for name, path in files(folder).items() if name.endswith(".rec")}
    return found.get("train.rec") or (next(iter(found.values())) if len(found) == 1 else None)


def _from_records(path: Path, notes: list[str]) -> Iterator[Sample]:
    """A sample for each record that is a picture; its identity is the first label, however many there are."""
    index = path.with_suffix(".idx")
    keys = read_index(index) if index.is_file() else {}
    if not keys:
        notes.append(f"{path.name} has no index beside it; keys are those of the records.")
    classes = _property(path.with_name("property"), notes)
    subjects, empty = set(), 0
    for offset, data in records(path, HEAD):
        record = unpack(data, f"{path}, byte {offset}")
        if not record.is_picture:
            empty += 1
            continue
        subject = intern(str(int(record.labels[0])))
        subjects.add(subject)
        key = keys.pop(offset, record.key)
        yield Sample(f"{key:08d}", f"{path.name}@{offset}", subject, "vis")
    if empty:
        notes.append(f"{empty} records of {path.name} hold no picture; they bound the identities.")
    if len(keys) > empty:
        notes.append(f"{index.name}: {len(keys) - empty} entries name no picture of {path.name}.")
    if classes is not None and classes != len(subjects):
        notes.append(f"'property' says {classes} identities, the records have {len(subjects)}.")


def _property(path: Path, notes: list[str]) -> int | None:
    if not path.is_file():
        return None
    match = re.match(r"\s*(\d+)\s*,\s*(\d+)\s*,\s*(\d+)", path.read_text(errors="replace"))
    if match is None:
        notes.append(f"{path.name} is not of the form 'identities,height,width'.")
        return None
    return int(match[1])


def _list_file(folder: Path) -> Path | None:
    """The first list whose first line names a photo below the folder, the longer list of two."""
    found = []
    for name, path in files(folder).items():
        if name.endswith(LIST_SUFFIXES):
            with path.open("rb") as file:
                first = file.readline(4096).decode("utf-8-sig", errors="replace").strip()
            parsed = parse_line(first) if first else None
            if parsed is not None and parsed[1] is not None:
                found.append((path.stat().st_size, path))
    return max(found)[1] if found else None


def parse_line(line: str) -> tuple[str, str | None, Points2 | None] | None:
    """(path, label, five points) of a line of any of the list forms; None where it is none of them."""
    line = line.replace("\\", "/")
    fields = line.split("\t") if "\t" in line else line.split()
    if "\t" in line and len(fields) >= 3 and fields[0] in ("0", "1"):  # train.lst: aligned, path, label, box, points
        numbers = _numbers(fields[7:17])
        points = None if numbers is None else np.stack([numbers[:5], numbers[5:]], axis=1)
        return _known(fields[1], fields[2], points)
    if len(fields) == 12:
        numbers = _numbers(fields[2:])
        return _known(fields[0], fields[1], None if numbers is None else numbers.reshape(5, 2))
    if len(fields) in (2, 3):  # the third is a domain: 0 NIR, 1 VIS
        return _known(fields[0], fields[1], None)
    return None


def _known(path: str, label: str, points: Points2 | None) -> tuple[str, str | None, Points2 | None] | None:
    if not path.lower().endswith(SUFFIXES) or not re.fullmatch(r"-?\d+(\.0*)?", label):
        return None
    return path, label.split(".")[0], points


def _numbers(fields: list[str]) -> Points2 | None:
    try:
        values = np.array([float(field) for field in fields], np.float32)
    except ValueError:
        return None
    return values if values.shape == (10,) and np.isfinite(values).all() else None


def _from_list(root: Path, listed: Path, notes: list[str]) -> Iterator[Sample]:
    lines = read_lines(listed)
    base = _base(root, lines)
    known: dict[str, frozenset[str]] = {}
    strange, absent, seen, twice = [], [], set(), 0
    previous = 0
    for number, line in lines:
        if number > previous + 1 and previous:
            notes.append(f"{listed.name}: line {number - 1} is blank; FaceX-Zoo's own reader would stop there.")
        previous = number
        parsed = parse_line(line)
        if parsed is None:
            strange.append(f"line {number} '{line[:60]}'")
            continue
        path, label, points = parsed
        if path in seen:
            twice += 1
            continue
        seen.add(path)
        folder, _, name = path.rpartition("/")
        if folder not in known:
            place = root / base / folder
            known[folder] = frozenset(name for name, _ in images(place)) if place.is_dir() else frozenset()
        there = name in known[folder]
        if not there:
            absent.append(path)
        yield Sample(path, f"{base}{path}" if there else None, intern(str(label)), "vis", points)
    for what, found in (("lines name no photo", strange), ("listed photos are not there", absent)):
        if found:
            notes.append(f"{listed.name}: {len(found)} {what}: {shortened(found)}.")
    if twice:
        notes.append(f"{listed.name}: {twice} photos are listed more than once; each is used once.")


def _base(root: Path, lines: list[tuple[int, str]]) -> str:
    """The folder below `root` from which the list's paths start, "" or ending in a slash."""
    for _, line in lines[:20]:
        parsed = parse_line(line)
        if parsed is None:
            continue
        for base in ("", *(f"{path.name}/" for path in folders(root).values())):
            if (root / base / parsed[0]).is_file():
                return base
    return ""
