"""Which photos train and which are compared, where the data set itself does not say: the user's list, or a seeded one.

A split file is CSV with a heading, one of

    part,subject            part,path
    train,P001              nir_train,NI/Strong/P001/Anger/000.jpeg
    test,P031               vis_gallery,VL/Strong/P031/Anger/000.jpeg

where a part is train, test, probe or gallery, or one of nir_train, vis_train, nir_probe, vis_gallery. A path may lack
its extension or be a sample's id. Instead of one file a folder of lists as papers publish them will do:
``{nir,vis}_{train,test,probe,gallery}*.txt`` or ``test_nir_paths.txt``, one path a line, what follows it passed over.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Literal

from masksynth.arrays import Spectrum
from masksynth.datasets.files import SUFFIXES, files, read_lines
from masksynth.datasets.types import PARTS, Protocol, Sample
from masksynth.datasets.wording import shortened
from masksynth.errors import DatasetError
from masksynth.seeds import rng_for

WORDS = ("train", "test", "probe", "gallery", *PARTS)
_LIST = re.compile(r"(?:load)?(?:\w+?_)??(nir|vis)_(train|test|probe|gallery)\w*\.(txt|csv)", re.IGNORECASE)
_TURNED = re.compile(r"(train|test|probe|gallery)_(nir|vis)\w*\.(txt|csv)", re.IGNORECASE)

Gallery = Literal["first", "all"]


@dataclass
class Assignment:
    """What a split says, before it meets the samples."""

    source: Path
    subjects: dict[str, str] = field(default_factory=dict)  # subject -> "train" or "test"
    paths: list[tuple[str, str]] = field(default_factory=list)  # (part, path or id)


def read_split(source: Path) -> Assignment:
    """Read a split file or a folder of list files.

    Raises
    ------
    DatasetError
        If it is neither, a line cannot be understood (with its number), or a subject is in both halves.
    """
    if source.is_dir():
        return _read_folder(source)
    lines = read_lines(source)
    while lines and lines[0][1].startswith("#"):
        lines = lines[1:]
    if not lines:
        raise DatasetError(f"{source}: the split file is empty.")
    heading = [word.strip().lower() for word in lines[0][1].split(",")]
    if heading not in (["part", "subject"], ["part", "path"]):
        raise DatasetError(f"{source}: the first line is '{lines[0][1]}', but 'part,subject' or 'part,path' is wanted.")
    split = Assignment(source)
    for number, line in lines[1:]:
        fields = [word.strip() for word in next(csv.reader(io.StringIO(line)))]
        if len(fields) != 2 or fields[0].lower() not in WORDS or not fields[1]:
            raise DatasetError(
                f"{source}: line {number} is '{line}', but a part ({', '.join(WORDS)}) and a {heading[1]} are wanted."
            )
        part, value = fields[0].lower(), fields[1]
        if heading[1] == "path":
            split.paths.append((part, value))
            continue
        half = "train" if part.endswith("train") else "test"
        if split.subjects.setdefault(value, half) != half:
            raise DatasetError(f"{source}: line {number}: the subject '{value}' is both in training and in test.")
    return split


def lists_in(folder: Path) -> bool:
    """Whether `folder` holds list files as papers publish them, for both spectra of the test."""
    found = {(spectrum, word) for _, spectrum, word in _list_files(folder)}
    return {spectrum for spectrum, word in found if word != "train"} == {"nir", "vis"}


def _list_files(folder: Path) -> list[tuple[Path, str, str]]:
    found = []
    for name, path in sorted(files(folder).items()):
        match = _LIST.fullmatch(name)
        turned = _TURNED.fullmatch(name)
        if match:
            found.append((path, match[1], match[2]))
        elif turned:
            found.append((path, turned[2], turned[1]))
    return found


def _read_folder(folder: Path) -> Assignment:
    split = Assignment(folder)
    for path, spectrum, word in _list_files(folder):
        part = {"test": "nir_probe" if spectrum == "nir" else "vis_gallery"}.get(word, f"{spectrum}_{word}")
        for _, line in read_lines(path):
            split.paths.append((part, re.split(r"[,\s]", line, maxsplit=1)[0]))
    if not split.paths:
        raise DatasetError(f"{folder}: holds no list files such as nir_train.txt or test_vis_paths.txt.")
    return split


def protocol_from_split(
    split: Assignment, samples: Sequence[Sample], gallery: Gallery, notes: list[str], faults: list[str]
) -> Protocol:
    """The protocol ``test`` that a split makes of the samples; what it names but the data set lacks becomes a fault."""
    if split.subjects:
        known = {sample.subject for sample in samples}
        same = {_canonical(name): name for name in known}
        halves = {same.get(_canonical(name), name): half for name, half in split.subjects.items()}
        strange = sorted(set(halves) - known)
        if strange:
            faults.append(f"{split.source}: {len(strange)} subjects are not in the data set: {shortened(strange)}.")
        idle = sorted(known - set(halves))
        if idle:
            notes.append(f"{len(idle)} subjects are in neither half of {split.source.name}: {shortened(idle)}.")
        return split_by_subject(samples, halves, gallery, published=True)
    lookup = _lookup(samples)
    rows: dict[str, dict[str, None]] = {part: {} for part in PARTS}
    unknown = []
    for part, name in split.paths:
        sample = lookup.get(_key(name))
        if sample is None:
            unknown.append(name)
            continue
        full = part if part in PARTS else _full(part, sample.spectrum)
        rows[full][sample.id] = None
    if unknown:
        faults.append(f"{split.source}: {len(unknown)} photos are not in the data set: {shortened(unknown)}.")
    return Protocol("test", **{part: tuple(names) for part, names in rows.items()}, published=True)


def split_by_subject(
    samples: Iterable[Sample], halves: dict[str, str], gallery: Gallery, *, published: bool
) -> Protocol:
    """The protocol ``test`` of two sets of subjects: the one trains, NIR of the other is looked for in its VIS."""
    rows: dict[str, list[str]] = {part: [] for part in PARTS}
    seen: set[str] = set()
    for sample in samples:
        half = halves.get(sample.subject)
        if half is None:
            continue
        part = _full("train" if half == "train" else "test", sample.spectrum)
        if part == "vis_gallery" and gallery == "first":
            if sample.subject in seen:
                continue
            seen.add(sample.subject)
        rows[part].append(sample.id)
    return Protocol("test", **{part: tuple(names) for part, names in rows.items()}, published=published)


def seeded_halves(subjects: Sequence[str], seed: int, name: str, train: int | None = None) -> dict[str, str]:
    """Subject -> "train" or "test", drawn from the seed; `train` subjects train, half of them where not given."""
    ordered = sorted(subjects)
    count = len(ordered) // 2 if train is None else train
    order = rng_for(seed, "split", name).permutation(len(ordered))
    return {ordered[index]: "train" if position < count else "test" for position, index in enumerate(order)}


def contradictions(protocol: Protocol, samples: dict[str, Sample]) -> list[str]:
    """What makes a protocol unfit to be evaluated, one sentence each."""
    subjects = {part: {samples[name].subject for name in getattr(protocol, part)} for part in PARTS}
    train, test = subjects["nir_train"] | subjects["vis_train"], subjects["nir_probe"] | subjects["vis_gallery"]
    faults = []
    shared = sorted(train & test)
    if shared:
        faults.append(f"{protocol.name}: {len(shared)} identities both train and are tested: {shortened(shared)}.")
    lonely = sorted(subjects["nir_probe"] - subjects["vis_gallery"])
    if lonely and subjects["vis_gallery"]:
        faults.append(f"{protocol.name}: {len(lonely)} probe identities have no gallery photo: {shortened(lonely)}.")
    return faults


def _full(part: str, spectrum: Spectrum) -> str:
    if part == "test":
        return "nir_probe" if spectrum == "nir" else "vis_gallery"
    return {"train": f"{spectrum}_train", "probe": "nir_probe", "gallery": "vis_gallery"}[part]


def _canonical(subject: str) -> str:
    """``P012``, ``12`` and ``012`` are one subject."""
    match = re.fullmatch(r"[A-Za-z]?0*(\d+)", subject)
    return match[1] if match else subject


def _key(name: str) -> str:
    path = PurePosixPath(name)
    stem = path.with_suffix("") if path.suffix.lower() in SUFFIXES else path
    return str(stem).lower().removeprefix("./")


def _lookup(samples: Iterable[Sample]) -> dict[str, Sample]:
    """Samples by id and by path without extension, and by ever shorter ends of it that are unique."""
    found: dict[str, Sample] = {}
    ends: dict[str, Sample | None] = {}
    for sample in samples:
        for name in {sample.id, sample.path or sample.id}:
            key = _key(name)
            found[key] = sample
            parts = key.split("/")
            for start in range(1, len(parts) - 1):
                end = "/".join(parts[start:])
                ends[end] = sample if ends.get(end, sample) is sample else None
    return {**{key: sample for key, sample in ends.items() if sample is not None}, **found}
