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
import re
from collections.abc import Sequence
from pathlib import Path
from sys import intern

import numpy as np

from masksynth.arrays import Box, Points2, Spectrum
from masksynth.datasets.recordio import split_place
from masksynth.datasets.registry import DatasetOptions
from masksynth.datasets.splits import contradictions, protocol_from_split, read_split
from masksynth.datasets.types import PARTS, FaceDataset, Protocol, Sample
from masksynth.datasets.wording import shortened
from masksynth.errors import DatasetError
from masksynth.files import write_bytes

NAME = "manifest.csv"
FIRST_LINE = "# masksynth manifest 1"
NEEDED = ("path", "subject", "spectrum")
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
    base, unpublished, heading, rows = _read(path)
    faults: list[str] = []
    notes: list[str] = []
    samples: list[Sample] = []
    members: dict[str, dict[str, list[str]]] = {}
    splits = [column for column in heading if column == "split" or column.startswith("split:")]
    places = _Places(base)
    for number, row in rows:
        problem = _problem(row, heading, splits)
        if problem:
            faults.append(f"{path.name}: line {number}: {problem}.")
            continue
        sample = _sample(row, places)
        samples.append(sample)
        for column in splits:
            word = row[column].strip().lower()
            if word:
                name = column.partition(":")[2] or "test"
                lists = members.setdefault(name, {part: [] for part in PARTS})
                lists[_part(word, sample.spectrum)].append(sample.id)
    absent = [sample.id for sample in samples if sample.path is None]
    if absent:
        notes.append(f"{len(absent)} of {len(samples)} photos are not there: {shortened(absent)}.")
    if samples and len(absent) == len(samples):
        faults.append(f"{path.name}: none of its photos is there; paths start from {base}.")
    if not samples and not faults:
        faults.append(f"{path.name}: it has no lines.")
    protocols = [
        Protocol(name, **{part: tuple(ids) for part, ids in lists.items()}, published=name not in unpublished)
        for name, lists in members.items()
    ]
    if options.split is not None:
        protocols = [protocol_from_split(read_split(options.split), samples, options.gallery or "all", notes, faults)]
    by_id = {sample.id: sample for sample in samples}
    for protocol in protocols:
        faults += contradictions(protocol, by_id)
    return FaceDataset("manifest", base, tuple(samples), tuple(protocols), tuple(notes), tuple(faults[:20]))


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
    """Which paths are there; each folder is listed once."""

    def __init__(self, base: Path) -> None:
        self._base = base
        self._known: dict[str, frozenset[str]] = {}

    def has(self, path: str) -> bool:
        place = split_place(path)
        folder, _, name = (place[0] if place else path).rpartition("/")
        if folder not in self._known:
            try:
                self._known[folder] = frozenset(os.listdir(self._base / folder))
            except OSError:
                self._known[folder] = frozenset()
        return name in self._known[folder]


def _read(path: Path) -> tuple[Path, set[str], list[str], list[tuple[int, dict[str, str]]]]:
    """Folder of the paths, protocols that are not published, column names, and (line number, row) of each photo."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise DatasetError(f"{path}: could not be read ({error.strerror or error}).") from error
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path}: is not UTF-8 text ({error.reason} at byte {error.start}).") from error
    base, unpublished, skipped = path.absolute().parent, set(), 0
    lines = text.splitlines(keepends=True)
    while skipped < len(lines) and (lines[skipped].startswith("#") or not lines[skipped].strip()):
        root = re.match(r"#\s*root:\s*(.+)", lines[skipped])
        own = re.match(r"#\s*not published:\s*(.+)", lines[skipped])
        if root:
            base = base / root[1].strip()
        if own:
            unpublished = {name.strip() for name in own[1].split(",")}
        skipped += 1
    reader = csv.reader(io.StringIO("".join(lines[skipped:])))
    try:
        heading = [
            name.strip().lower() if not name.strip().lower().startswith("split:") else name.strip()
            for name in next(reader)
        ]
    except StopIteration:
        raise DatasetError(f"{path}: the manifest is empty; a heading '{','.join(NEEDED)},split' is wanted.") from None
    missing = [name for name in NEEDED if name not in heading]
    if missing:
        raise DatasetError(f"{path}: the heading '{','.join(heading)}' lacks {', '.join(missing)}.")
    twice = sorted({name for name in heading if heading.count(name) > 1})
    if twice:
        raise DatasetError(f"{path}: the heading has {', '.join(twice)} more than once.")
    rows = []
    for values in reader:
        if any(value.strip() for value in values):
            number = skipped + reader.line_num
            rows.append((number, dict(zip(heading, [*values, *[""] * (len(heading) - len(values))], strict=False))))
    return base, unpublished, heading, rows


def _problem(row: dict[str, str], heading: Sequence[str], splits: Sequence[str]) -> str | None:
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
    path = row["path"].strip().replace("\\", "/")
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
