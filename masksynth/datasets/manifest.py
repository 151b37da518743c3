"""A data set as a table: CSV with a heading, one photo a line.

    # masksynth manifest 1
    path,subject,spectrum,split
    nir/ann/1.png,ann,nir,train
    vis/ann/1.png,ann,vis,train
    nir/ben/1.png,ben,nir,probe
    vis/ben/1.png,ben,vis,gallery

`path` starts from the manifest's folder, or from the one that a line ``# root: DIR`` names; `split` is train, probe,
gallery, test (probe in NIR, gallery in VIS) or empty. Further columns, all optional: ``split:NAME`` for more than one
protocol, `points` (ten numbers x y x y ..., or four for the eyes, image-left first), `box` (left top right bottom) and
`id`. A line ``# not published: NAME`` marks protocols of our own making.
"""

from __future__ import annotations

import csv
import io
import os
import posixpath
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import chain
from pathlib import Path
from sys import intern
from typing import TextIO

import numpy as np

from masksynth.arrays import Box, Points2, Spectrum
from masksynth.datasets.files import open_text
from masksynth.datasets.recordio import split_place
from masksynth.datasets.registry import DatasetOptions
from masksynth.datasets.splits import contradictions, protocol_from_split, read_split
from masksynth.datasets.types import PARTS, FaceDataset, Protocol, Sample
from masksynth.datasets.wording import shortened
from masksynth.errors import DatasetError, counted
from masksynth.files import write_bytes

NAME = "manifest.csv"
FIRST_LINE = "# masksynth manifest 1"
NEEDED = ("path", "subject", "spectrum")
MOST = 20  # wrong lines that are told one by one
KEPT = 512  # folders whose names are held at a time
SPLITS = ("train", "probe", "gallery", "test", "")
_WORDS_OF = {"nir_train": "train", "vis_train": "train", "nir_probe": "probe", "vis_gallery": "gallery"}


def scan(root: Path, options: DatasetOptions) -> FaceDataset:
    """Read the manifest `root`, or ``manifest.csv`` in the folder `root`.

    Every line that cannot be used is a fault with its number. Photos that are not there are samples without a path.

    Raises
    ------
    DatasetError
        If there is no such file, or its heading lacks a column that is needed.
    """
    path = root / NAME if root.is_dir() else root
    if not path.is_file():
        raise DatasetError(f"{root}: there is no {NAME} here. masksynth datasets manifest writes one from a known set.")
    faults: list[str] = []
    notes: list[str] = []
    with open_text(path) as text:
        table = _Table(path, text)
        base, heading = table.base, table.heading
        strange = [name or "without a name" for name in heading if not _is_known(name)]
        if strange:
            notes.append(f"{path.name}: columns that mean nothing here are passed over: {shortened(strange)}.")
        samples, lines, members = _read_rows(table, faults)
    absent = [f"line {lines[sample.id]} {sample.id}" for sample in samples if sample.path is None]
    if absent:
        notes.append(f"{path.name}: {len(absent)} of {counted(len(samples), 'photo')} not there: {shortened(absent)}.")
    if samples and len(absent) == len(samples):
        faults.append(f"{path.name}: none of its photos is there; paths start from {base}.")
    if not samples and not faults:
        faults.append(f"{path.name}: it has a heading, but no photos.")
    if len(faults) > MOST:
        further = counted(len(faults) - MOST, "more line is", "more lines are")
        faults = [*faults[:MOST], f"{path.name}: {further} wrong."]
    protocols = [
        Protocol(name, **{part: tuple(ids) for part, ids in lists.items()}, published=name not in table.unpublished)
        for name, lists in members.items()
    ]
    if options.split is not None:
        protocols = [protocol_from_split(read_split(options.split), samples, options.gallery or "all", notes, faults)]
    by_id = {sample.id: sample for sample in samples}
    for protocol in protocols:
        faults += contradictions(protocol, by_id, _TellLines(protocol, by_id, lines))
    return FaceDataset("manifest", base, tuple(samples), tuple(protocols), tuple(notes), tuple(faults))


def _read_rows(
    table: _Table, faults: list[str]
) -> tuple[list[Sample], dict[str, int], dict[str, dict[str, list[str]]]]:
    """The samples, the line of each by its id, and protocol -> part -> ids."""
    samples: list[Sample] = []
    members: dict[str, dict[str, list[str]]] = {}
    splits = [column for column in table.heading if column == "split" or column.startswith("split:")]
    places = _Places(table.base)
    lines: dict[str, int] = {}
    others: dict[str, int] = {}  # lines of paths that are not the photos' ids
    for number, row in table.rows(faults):
        problem = _problem(row, splits)
        sample = None if problem else _sample(row, places)
        if sample is not None:
            path = _normal(row["path"])
            earlier = others.get(path, lines.get(path))
            if earlier is not None:
                problem = f"the path '{path}' stands in line {earlier} already"
            elif sample.id in lines:
                problem = f"the id '{sample.id}' is that of line {lines[sample.id]} already"
            elif path != sample.id:
                others[path] = number
        if problem or sample is None:
            faults.append(f"{table.name}: line {number}: {problem}.")
            continue
        lines[sample.id] = number
        samples.append(sample)
        for column in splits:
            word = row[column].strip().lower()
            if word:
                name = column.partition(":")[2] or "test"
                lists = members.setdefault(name, {part: [] for part in PARTS})
                lists[_part(word, sample.spectrum)].append(sample.id)
    return samples, lines, members


class _TellLines:
    """Words an identity that both trains and is tested, with a line of each."""

    def __init__(self, protocol: Protocol, samples: dict[str, Sample], lines: dict[str, int]) -> None:
        self._protocol, self._samples, self._lines = protocol, samples, lines

    def __call__(self, subject: str) -> str:
        where = []
        for parts in (("nir_train", "vis_train"), ("nir_probe", "vis_gallery")):
            names = (name for part in parts for name in getattr(self._protocol, part))
            where.append(min(self._lines[name] for name in names if self._samples[name].subject == subject))
        return f"{subject} (lines {where[0]} and {where[1]})"


def write_manifest(dataset: FaceDataset, path: Path) -> None:
    """Write `dataset` as a manifest to `path`, whole or not at all; reading it gives the same samples and protocols."""
    inside = path.absolute().parent == dataset.root.absolute()
    lines = [FIRST_LINE]
    if not inside:
        lines.append(f"# root: {dataset.root.absolute()}")
    unpublished = [protocol.name for protocol in dataset.protocols if not protocol.published]
    if unpublished:
        lines.append(f"# not published: {', '.join(unpublished)}")
    with_points = any(sample.points is not None for sample in dataset.samples)
    with_box = any(sample.box is not None for sample in dataset.samples)
    words = [_words(protocol) for protocol in dataset.protocols]
    columns = ["path", "subject", "spectrum", *(f"split:{protocol.name}" for protocol in dataset.protocols)]
    columns += ["points"] * with_points + ["box"] * with_box + ["id"]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for sample in dataset.samples:
        row = [sample.path or f"absent/{sample.id}", sample.subject, sample.spectrum]
        row += [table.get(sample.id, "") for table in words]
        if with_points:
            row.append("" if sample.points is None else " ".join(f"{value:g}" for value in sample.points.ravel()))
        if with_box:
            box = sample.box
            row.append("" if box is None else f"{box.left:g} {box.top:g} {box.right:g} {box.bottom:g}")
        writer.writerow([*row, sample.id])
    write_bytes(path, ("\n".join(lines) + "\n" + text.getvalue()).encode())


class _Places:
    """Which paths are there; the names of few folders are held at a time."""

    def __init__(self, base: Path) -> None:
        self._base = base
        self._names = lru_cache(KEPT)(self._listed)

    def has(self, path: str) -> bool:
        place = split_place(path)
        folder, _, name = (place[0] if place else path).rpartition("/")
        return name in self._names(folder)

    def _listed(self, folder: str) -> frozenset[str]:
        try:
            return frozenset(os.listdir(self._base / folder))
        except OSError:
            return frozenset()


class _Table:
    """A manifest that is being read: what its first lines say, and its rows."""

    def __init__(self, path: Path, text: TextIO) -> None:
        self.path, self.name, self.base = path, path.name, path.absolute().parent
        self.unpublished: set[str] = set()  # protocols
        self._skipped = 0
        first = ""
        for first in text:
            if first.strip() and not first.startswith("#"):
                break
            self._skipped += 1
            root = re.match(r"#\s*root:\s*(.+)", first)
            own = re.match(r"#\s*not published:\s*(.+)", first)
            if root:
                self.base = Path(os.path.normpath(self.base / root[1].strip()))
            if own:
                self.unpublished = {name.strip() for name in own[1].split(",")}
            first = ""
        if not first:
            raise DatasetError(f"{path}: the manifest is empty; a heading '{','.join(NEEDED)},split' is wanted.")
        self._reader = csv.reader(chain([first], text), strict=True)
        self.heading = [_column(name) for name in next(self._reader)]
        told = f"{path}: the heading '{first.strip()[:200]}'"
        missing = [name for name in NEEDED if name not in self.heading]
        if missing and any(mark in first for mark in ";\t") and "," not in first:
            raise DatasetError(f"{told} has other marks than commas between its columns; commas are wanted.")
        if missing:
            raise DatasetError(f"{told} lacks {', '.join(missing)}.")
        twice = sorted({name for name in self.heading if self.heading.count(name) > 1})
        if twice:
            raise DatasetError(f"{told} has {', '.join(twice)} more than once.")

    def rows(self, faults: list[str]) -> Iterator[tuple[int, dict[str, str]]]:
        """(line number, column -> value) of each photo; what is no row of the table goes to `faults`."""
        wide = len(self.heading)
        while True:
            number = self._skipped + self._reader.line_num + 1
            try:
                values = next(self._reader, None)
            except csv.Error as error:
                faults.append(f"{self.name}: line {number}: cannot be read as CSV ({error}).")
                return
            if values is None:
                return
            if not any(value.strip() for value in values):
                continue
            if len(values) > wide and any(value.strip() for value in values[wide:]):
                told = f"has {counted(len(values), 'value')}, but the heading {counted(wide, 'column')}"
                faults.append(f"{self.name}: line {number}: {told}.")
                continue
            yield number, dict(zip(self.heading, [*values, *[""] * (wide - len(values))], strict=False))


def _column(name: str) -> str:
    """Of a heading; names of protocols keep their case."""
    name = name.strip()
    return f"split:{name[6:]}" if name.lower().startswith("split:") else name.lower()


def _is_known(column: str) -> bool:
    return column in (*NEEDED, "split", "points", "box", "id") or column.startswith("split:")


def _normal(path: str) -> str:
    return posixpath.normpath(path.strip().replace("\\", "/"))


def _problem(row: dict[str, str], splits: Sequence[str]) -> str | None:
    """What is wrong with a row, or None."""
    for name in ("path", "subject"):
        if not row[name].strip():
            return f"{name} is empty"
    path = row["path"].strip()
    if path.startswith(("/", "\\")) or ".." in path.replace("\\", "/").split("/") or re.match(r"[A-Za-z]:", path):
        return f"the path '{path}' leaves the manifest's folder; say '# root: DIR' in the first lines instead"
    if row["spectrum"].strip().lower() not in ("nir", "vis"):
        return f"spectrum is '{row['spectrum']}', but nir or vis is wanted"
    for column in splits:
        word = row[column].strip().lower()
        if word not in SPLITS:
            return f"{column} is '{row[column]}', but one of train, probe, gallery, test or nothing is wanted"
        if word in ("probe", "gallery") and (word == "probe") != (row["spectrum"].strip().lower() == "nir"):
            return (
                f"{column} is '{word}' for a {row['spectrum'].strip().upper()} photo; probes are NIR, the gallery VIS"
            )
    for name, sizes in (("points", (4, 10)), ("box", (4,))):
        if row.get(name, "").strip() and _numbers(row[name], sizes) is None:
            return f"{name} is '{row[name]}', but {' or '.join(map(str, sizes))} numbers are wanted"
    box = _numbers(row.get("box", ""), (4,))
    if box is not None and not (box[2] - box[0] >= 2 and box[3] - box[1] >= 2):
        return f"box is '{row['box']}', but left top right bottom are wanted, with left < right and top < bottom"
    return None


def _sample(row: dict[str, str], places: _Places) -> Sample:
    path = _normal(row["path"])
    spectrum: Spectrum = "nir" if row["spectrum"].strip().lower() == "nir" else "vis"
    points, box = _numbers(row.get("points", ""), (4, 10)), _numbers(row.get("box", ""), (4,))
    return Sample(
        row.get("id", "").strip() or path,
        path if places.has(path) else None,
        intern(row["subject"].strip()),
        spectrum,
        None if points is None else points.reshape(-1, 2),
        None if box is None else Box(*(float(value) for value in box)),
    )


def _numbers(text: str, sizes: tuple[int, ...]) -> Points2 | None:
    try:
        values = np.array([float(word) for word in text.split()], np.float32)
    except ValueError:
        return None
    return values if len(values) in sizes and np.isfinite(values).all() else None


def _part(word: str, spectrum: Spectrum) -> str:
    if word == "train":
        return f"{spectrum}_train"
    return "nir_probe" if spectrum == "nir" else "vis_gallery"


def _words(protocol: Protocol) -> dict[str, str]:
    """Sample id -> the word of the manifest's column."""
    return {name: _WORDS_OF[part] for part in PARTS for name in getattr(protocol, part)}
