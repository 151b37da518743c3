"""MS1M (MS-Celeb-1M, cleaned as MS1M-v1c): visible photos to pretrain on, in the three forms they go round in.

- RecordIO: ``train.rec`` with ``train.idx`` and ``property`` or without them.
- A list: lines ``path label`` (FaceX-Zoo), ``path label x1 y1 ... x5 y5`` (msra_lmk), or tab-separated ``train.lst`` of
  MXNet tools, whose five points stand as five x and then five y. Paths start from the list's folder, one below it or,
  of a list that is named, the one above it.
- Folders: ``<identity>/*.jpg``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import islice
from pathlib import Path
from sys import intern
from typing import NamedTuple

import numpy as np

from masksynth.arrays import Points2, Spectrum
from masksynth.datasets.files import SUFFIXES, encoding_of, files, find_root, folders, images, iterate_lines
from masksynth.datasets.recordio import read_index, records, unpack
from masksynth.datasets.registry import DatasetOptions
from masksynth.datasets.splits import contradictions, protocol_from_split, read_split
from masksynth.datasets.trees import walk
from masksynth.datasets.types import FaceDataset, Protocol, Sample
from masksynth.datasets.wording import shortened
from masksynth.errors import DatasetError, counted

LOOKED_AT = 20  # first lines of a text file that may be a list
KEPT = 512  # folders whose names are held while a list is read
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
    notes: list[str] = []
    faults: list[str] = []
    if root.is_file():
        record, listed = (root, None) if root.suffix.lower() == ".rec" else (None, root)
        root = root.parent if record is not None else _root_of_list(root)
    else:
        root = find_root(root, _is_root, WANTED)
        record, listed = _record_file(root), _list_file(root, notes)
    if record is not None:
        samples = tuple(_from_records(record, notes))
    elif listed is not None:
        samples = tuple(_from_list(root, listed, notes))
    else:
        samples = tuple(Sample(photo.path, photo.path, photo.subject, "vis") for photo in walk(root, root, "vis"))
    if not any(sample.path is not None for sample in samples):
        what = f"; {record or listed} names {len(samples)}, but none is there" if samples else ""
        raise DatasetError(f"{root}: no photo was found{what}.")
    if options.split is not None:
        notes.append(f"The split is that of {options.split}.")
        protocol = protocol_from_split(read_split(options.split), samples, options.gallery or "all", notes, faults)
        faults += contradictions(protocol, {sample.id: sample for sample in samples})
    else:
        nir, vis = (tuple(sample.id for sample in samples if sample.spectrum == kind) for kind in ("nir", "vis"))
        protocol = Protocol("train", nir, vis, (), (), published=True)
    return FaceDataset("ms1m", root, samples, (protocol,), tuple(notes), tuple(faults))


def _is_root(folder: Path) -> bool:
    if _record_file(folder) is not None or _list_file(folder, []) is not None:
        return True
    return any(next(images(path), None) is not None for path in list(folders(folder).values())[:50])


def _record_file(folder: Path) -> Path | None:
    """``train.rec``, else the only record file."""
    found = {name: path for name, path in files(folder).items() if name.endswith(".rec")}
    return found.get("train.rec") or (next(iter(found.values())) if len(found) == 1 else None)


def _from_records(path: Path, notes: list[str]) -> Iterator[Sample]:
    """A sample for each record that is a picture; its identity is the first label, however many there are."""
    beside = files(path.parent)
    index = beside.get(path.with_suffix(".idx").name.lower())
    keys = read_index(index) if index is not None else {}
    if not keys:
        notes.append(f"{path.name} has no index beside it; keys are those of the records.")
    classes = _property(beside["property"], notes) if "property" in beside else None
    offsets: list[int] = []
    own: list[int] = []
    labels: list[str] = []
    empty, indexed, strange = 0, 0, []
    for offset, data in records(path, HEAD):
        record = unpack(data, f"{path}, byte {offset}")
        indexed += offset in keys
        if not record.is_picture:
            empty += 1
            if record.payload:
                strange.append(f"byte {offset}")
            continue
        if not np.isfinite(record.labels[0]):
            raise DatasetError(f"{path}: the record at byte {offset} has the label {record.labels[0]}, no identity.")
        subject = intern(str(int(record.labels[0])))
        offsets.append(offset)
        own.append(record.key)
        labels.append(subject)
    if empty > len(strange):
        notes.append(
            f"{counted(empty - len(strange), 'record')} of {path.name} without a picture, as between identities."
        )
    if strange:
        notes.append(f"{counted(len(strange), 'record')} of {path.name} with what is no picture: {shortened(strange)}.")
    if index is not None and len(keys) > indexed:
        without = counted(len(keys) - indexed, "entry names", "entries name")
        notes.append(f"{index.name}: {without} no picture of {path.name}.")
    wrong = sum(offset not in keys for offset in offsets) if keys else 0
    if index is not None and wrong:
        pictures = counted(len(offsets), "picture")
        notes.append(f"{index.name} lacks {wrong} of {pictures}, so keys are those of the records.")
    numbers = own if wrong or not keys else [keys[offset] for offset in offsets]
    if len(set(numbers)) < len(numbers):
        notes.append(f"The keys of {path.name} are not unique; the pictures are numbered in turn.")
        numbers = list(range(len(numbers)))
    if classes is not None and classes != len(set(labels)):
        stated = counted(classes, "identity", "identities")
        notes.append(f"'property' says {stated}, the records have {len(set(labels))}.")
    for number, offset, subject in zip(numbers, offsets, labels, strict=True):
        yield Sample(f"{number:08d}", f"{path.name}@{offset}", subject, "vis")


def _property(path: Path, notes: list[str]) -> int | None:
    match = re.match(r"\s*(\d+)\s*,\s*(\d+)\s*,\s*(\d+)", path.read_text(errors="replace"))
    if match is None:
        notes.append(f"{path.name} is not of the form 'identities,height,width'.")
        return None
    return int(match[1])


def _list_file(folder: Path, notes: list[str]) -> Path | None:
    """The list in the folder that names photos in one of its first lines, the longest of several."""
    found = []
    for name, path in files(folder).items():
        if name.endswith(LIST_SUFFIXES) or name == "msra_lmk":
            with path.open("rb") as file:
                start = file.read(4096)
                head = start.decode(encoding_of(start), errors="replace").splitlines()[:LOOKED_AT]
            if any(parse_line(line.strip()) for line in head):
                found.append((path.stat().st_size, path))
    if len(found) > 1:
        others = sorted(path.name for _, path in found if path != max(found)[1])
        notes.append(
            f"{max(found)[1].name} is taken for the list, not {shortened(others)}; give the list's own path to choose."
        )
    return max(found)[1] if found else None


class Line(NamedTuple):
    """One photo of a list."""

    path: str
    label: str
    points: Points2 | None = None
    spectrum: Spectrum = "vis"


def parse_line(line: str) -> Line | None:
    """A line of any of the list forms; None where it is none of them."""
    line = line.replace("\\", "/")
    fields = line.split("\t") if "\t" in line else line.split()
    if "\t" in line and len(fields) >= 3 and fields[0] in ("0", "1"):  # train.lst: aligned, path, label, box, points
        numbers = _numbers(fields[7:17])
        points = None if numbers is None else np.stack([numbers[:5], numbers[5:]], axis=1)
        return _known(fields[1], fields[2], points)
    if len(fields) == 12:
        numbers = _numbers(fields[2:])
        return _known(fields[0], fields[1], None if numbers is None else numbers.reshape(5, 2))
    if len(fields) == 3 and fields[2] in ("0", "1"):  # the domain: 0 NIR, 1 VIS
        return _known(fields[0], fields[1], None, "nir" if fields[2] == "0" else "vis")
    path, _, label = line.replace("\t", " ").rpartition(" ")  # the path may have blanks
    return _known(path.rstrip(), label, None)


def _known(path: str, label: str, points: Points2 | None, spectrum: Spectrum = "vis") -> Line | None:
    if not path.lower().endswith(SUFFIXES) or not re.fullmatch(r"-?\d+(\.0*)?", label):
        return None
    return Line(path, label.split(".")[0], points, spectrum)


def _numbers(fields: list[str]) -> Points2 | None:
    try:
        values = np.array([float(field) for field in fields], np.float32)
    except ValueError:
        return None
    return values if values.shape == (10,) and np.isfinite(values).all() else None


def _from_list(root: Path, listed: Path, notes: list[str]) -> Iterator[Sample]:
    base, dropped = _base(root, listed) or ("", 0)
    there = _Folders(root / base)
    strange: list[str] = []
    absent: list[str] = []
    unusable: list[str] = []
    blank: list[int] = []
    seen: set[str] = set()
    twice, previous = 0, 0
    for number, line in iterate_lines(listed):
        blank += range(previous + 1, number)
        previous = number
        parsed = parse_line(line)
        if parsed is None:
            strange.append(f"line {number} '{line[:60]}'")
            continue
        path = parsed.path.split("/", dropped)[-1]
        if path in seen:
            twice += 1
            continue
        seen.add(path)
        if parsed.points is None and line.count(" ") >= 11:
            unusable.append(f"line {number}")
        place = there.find(path)
        if place is None:
            absent.append(path)
        where = None if place is None else path if not base and place == path else base + place
        yield Sample(path, where, intern(parsed.label), parsed.spectrum, parsed.points)
    if blank:
        notes.append(
            f"{listed.name}: line {blank[0]} is blank{f', and {len(blank) - 1} more' if len(blank) > 1 else ''}; "
            "FaceX-Zoo's own reader would stop there."
        )
    for one, many, what, found in (
        ("line names", "lines name", "no photo", strange),
        ("listed photo is", "listed photos are", "not there", absent),
        ("line holds", "lines hold", "what are no five points", unusable),
    ):
        if found:
            notes.append(f"{listed.name}: {counted(len(found), one, many)} {what}: {shortened(found)}.")
    if twice:
        notes.append(f"{listed.name}: {counted(twice, 'photo is', 'photos are')} listed more than once, and used once.")


class _Folders:
    """Finds listed photos below a folder, in any case and with any extension; few folders' names are held at a time."""

    def __init__(self, base: Path) -> None:
        self._base = base
        self._names = lru_cache(KEPT)(self._listed)

    def find(self, path: str) -> str | None:
        """The photo's path as it is on disk."""
        folder, _, name = path.rpartition("/")
        real, names = self._names(folder)
        found = names.get(name) or names.get(_stem(name).lower())
        if found is None:
            return None
        if found == name and real == folder:
            return path
        return f"{real}/{found}" if real else found

    def _listed(self, folder: str) -> tuple[str, dict[str, str]]:
        """The folder's own name, and its photos by their names and by their stems in lower case."""
        place = self._base / folder
        if not place.is_dir():
            above, _, name = folder.rpartition("/")
            inside = folders(self._base / above) if (self._base / above).is_dir() else {}
            if name.lower() not in inside:
                return folder, {}
            place = inside[name.lower()]
        found = images(place)
        names: dict[str, str] = {}
        for name, _ in found:
            names[name] = name
            names.setdefault(_stem(name).lower(), name)
        return place.relative_to(self._base).as_posix() if folder else "", names


def _stem(name: str) -> str:
    return name.rpartition(".")[0] or name


def _root_of_list(listed: Path) -> Path:
    """The list's folder; where its photos are not there, the one above, as that of msra_lmk is packed."""
    for root in (listed.parent, listed.absolute().parent.parent):
        if _base(root, listed) is not None:
            return root
    return listed.parent


def _base(root: Path, listed: Path) -> tuple[str, int] | None:
    """Where the list's paths start: a folder below `root`, "" or ending in a slash, and how many of a path's own
    leading folders are another machine's. None where none of its first photos is found."""
    bases = ("", *(f"{path.name}/" for path in folders(root).values()))
    for _, line in islice(iterate_lines(listed), LOOKED_AT):
        parsed = parse_line(line)
        parts = parsed.path.split("/") if parsed else []
        for dropped in range(max(1, len(parts) - 1)):  # the folder of a photo stays
            for base in bases:
                if _Folders(root / base).find("/".join(parts[dropped:])) is not None:
                    return base, dropped
    return None
