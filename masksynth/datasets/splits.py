"""Which photos train and which are compared, where the data set itself does not say: the user's list, or a seeded one.

A split file is CSV with a heading, one of

    part,subject            part,path
    train,P001              nir_train,NI/Strong/P001/Anger/000.jpeg
    test,P031               vis_gallery,VL/Strong/P031/Anger/000.jpeg

where a part is train, test, probe or gallery, or one of nir_train, vis_train, nir_probe, vis_gallery. A path may lack
its extension or be a sample's id. Instead of one file a folder of lists as papers publish them will do, or one of them:
``{nir,vis}_{train,test,probe,gallery}*.txt`` or ``test_nir_paths.txt``, one path a line, with a label or without.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Literal

from masksynth.arrays import Spectrum
from masksynth.datasets.files import SUFFIXES, files, read_lines
from masksynth.datasets.types import PARTS, Protocol, Sample
from masksynth.datasets.wording import shortened
from masksynth.errors import DatasetError, counted
from masksynth.seeds import rng_for

WORDS = ("train", "test", "probe", "gallery", *PARTS)
_LIST = re.compile(r"(?:load)?(?:\w+?_)??(nir|vis)_(train|test|probe|gallery)\w*\.(txt|csv)", re.IGNORECASE)
_TURNED = re.compile(r"(train|test|probe|gallery)_(nir|vis)\w*\.(txt|csv)", re.IGNORECASE)

Gallery = Literal["first", "all"]


@dataclass(frozen=True, slots=True)
class Named:
    """A photo that a split names."""

    part: str
    path: str  # or its id
    label: str  # what stands beside the path in a list; "" where nothing does
    told_by: str  # name of the file


@dataclass
class Assignment:
    """What a split says, before it meets the samples."""

    source: Path
    subjects: dict[str, str] = field(default_factory=dict)  # subject -> "train" or "test"
    paths: list[Named] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def read_split(source: Path) -> Assignment:
    """Read a split file or a folder of list files.

    Raises
    ------
    DatasetError
        If it is neither, a line cannot be understood (with its number), or a subject is in both halves.
    """
    if source.is_dir():
        return _read_lists(source, _list_files(source))
    alone = _part_of(source.name)
    if alone is not None and source.suffix.lower() == ".txt":
        return _read_lists(source, [(source, *alone)])
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
            split.paths.append(Named(part, value, "", source.name))
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
    named = [(path, _part_of(name)) for name, path in sorted(files(folder).items())]
    return [(path, *told) for path, told in named if told is not None]


def _part_of(name: str) -> tuple[str, str] | None:
    """("nir", "train") of the name of a list file; None where it is none."""
    match, turned = _LIST.fullmatch(name), _TURNED.fullmatch(name)
    if match:
        return match[1].lower(), match[2].lower()
    return (turned[2].lower(), turned[1].lower()) if turned else None


def _read_lists(source: Path, lists: Sequence[tuple[Path, str, str]]) -> Assignment:
    split = Assignment(source)
    of_part: dict[str, list[str]] = {}
    for path, spectrum, word in lists:
        of_part.setdefault(f"{spectrum}_{word}", []).append(path.name)
        part = {"test": "nir_probe" if spectrum == "nir" else "vis_gallery"}.get(word, f"{spectrum}_{word}")
        lines = read_lines(path)
        if not lines:
            split.faults.append(f"{path.name}: the list is empty.")
        for _, line in lines:
            fields = line.split(",") if "," in line else line.split()
            split.paths.append(Named(part, fields[0].strip(), "".join(fields[1:2]).strip(), path.name))
    split.notes += [f"{' and '.join(names)} are put together." for names in of_part.values() if len(names) > 1]
    if not lists:
        raise DatasetError(f"{source}: holds no list files such as nir_train.txt or test_vis_paths.txt.")
    return split


def protocol_from_split(
    split: Assignment, samples: Sequence[Sample], gallery: Gallery, notes: list[str], faults: list[str]
) -> Protocol:
    """The protocol ``test`` that a split makes of the samples; what it names but the data set lacks becomes a fault."""
    faults += split.faults
    notes += split.notes
    if split.subjects:
        known = {sample.subject for sample in samples}
        same = {_canonical(name): name for name in known}
        halves = {same.get(_canonical(name), name): half for name, half in split.subjects.items()}
        strange = sorted(set(halves) - known)
        if strange:
            people = counted(len(strange), "subject is", "subjects are")
            faults.append(f"{split.source}: {people} not in the data set: {shortened(strange)}.")
        idle = sorted(known - set(halves))
        if idle:
            people = counted(len(idle), "subject is", "subjects are")
            notes.append(f"{people} in neither half of {split.source.name}: {shortened(idle)}.")
        return split_by_subject(samples, halves, gallery, published=True)
    lookup = _lookup(samples)
    rows: dict[str, dict[str, None]] = {part: {} for part in PARTS}
    unknown = []
    labelled: dict[str, list[tuple[str, Sample]]] = {}
    for named in split.paths:
        sample = lookup(named.path)
        if sample is None:
            unknown.append(named.path)
            continue
        full = named.part if named.part in PARTS else _full(named.part, sample.spectrum)
        rows[full][sample.id] = None
        if named.label:
            labelled.setdefault(named.told_by, []).append((named.label, sample))
    if unknown:
        faults.append(
            f"{split.source}: {counted(len(unknown), 'photo is', 'photos are')} not in the data set"
            f": {shortened(unknown)}."
        )
    for told_by, found in labelled.items():
        strange = _strange_labels(found)
        if strange:
            labels = counted(len(strange), "label is not that of its photo", "labels are not those of their photos")
            notes.append(f"{told_by}: {labels}: {shortened(strange)}.")
    if not rows["nir_probe"] and not rows["vis_gallery"]:
        notes.append(f"{split.source.name} names no photo to be compared: there is training only.")
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


def seeded_protocol(
    samples: Sequence[Sample], gallery: Gallery, seed: int, name: str, train: int | None, notes: list[str]
) -> Protocol:
    """The protocol ``test`` of a seeded split: half of the identities, or `train` of them, train.

    Identities that are there in one spectrum only cannot be compared, so they train.
    """
    spectra: dict[str, set[str]] = {}
    for sample in samples:
        spectra.setdefault(sample.subject, set()).add(sample.spectrum)
    paired = sorted(subject for subject, found in spectra.items() if len(found) == 2)
    single = sorted(set(spectra) - set(paired))
    if single:
        notes.append(
            f"{counted(len(single), 'identity is', 'identities are')} there in one spectrum only and cannot be compared"
            f": {shortened(single)}."
        )
    halves = {**dict.fromkeys(single, "train"), **seeded_halves(paired, seed, name, train)}
    return split_by_subject(samples, halves, gallery, published=False)


def contradictions(protocol: Protocol, samples: dict[str, Sample], told: Callable[[str], str] = str) -> list[str]:
    """What makes a protocol unfit to be evaluated, one sentence each; `told` words the name of an identity in both."""
    subjects = {part: {samples[name].subject for name in getattr(protocol, part)} for part in PARTS}
    train, test = subjects["nir_train"] | subjects["vis_train"], subjects["nir_probe"] | subjects["vis_gallery"]
    faults = []
    probes, gallery = len(protocol.nir_probe), len(protocol.vis_gallery)
    if bool(probes) != bool(gallery) and len({sample.spectrum for sample in samples.values()}) == 2:
        number, there, lacking = (probes, "probe", "gallery photo") if probes else (gallery, "gallery photo", "probe")
        faults.append(
            f"{protocol.name}: there {'is' if number == 1 else 'are'} {counted(number, there)}, but no {lacking}."
        )
    shared = sorted(train & test)
    if shared:
        faults.append(
            f"{protocol.name}: {counted(len(shared), 'identity', 'identities')} in training and in testing: "
            f"{shortened([told(name) for name in shared])}."
        )
    lonely = sorted(subjects["nir_probe"] - subjects["vis_gallery"])
    if lonely and subjects["vis_gallery"]:
        people = counted(len(lonely), "probe identity has", "probe identities have")
        faults.append(f"{protocol.name}: {people} no gallery photo: {shortened(lonely)}.")
    return faults


def _strange_labels(rows: list[tuple[str, Sample]]) -> list[str]:
    """The labels of a list that contradict its paths: another's identity, or one label for several identities."""
    other = [(label, sample) for label, sample in rows if _canonical(label) != _canonical(sample.subject)]
    if 2 * len(other) <= len(rows):  # they are identities
        return [f"{label} for {sample.id}" for label, sample in other]
    subjects: dict[str, set[str]] = {}
    for label, sample in rows:
        subjects.setdefault(label, set()).add(sample.subject)
    if len(subjects) == 1:  # one word for all is no identity
        return []
    return [f"{label} for {' and '.join(sorted(names)[:3])}" for label, names in subjects.items() if len(names) > 1]


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


def _lookup(samples: Iterable[Sample]) -> Callable[[str], Sample | None]:
    """What finds the sample that a list names.

    By its id or its path without extension, by the id with underscores for slashes, by an end of these that is unique,
    or where the list's path goes on to the left of them.
    """
    found: dict[str, Sample] = {}
    flat: dict[str, Sample] = {}
    ends: dict[str, Sample | None] = {}
    for sample in samples:
        for name in {sample.id, sample.path or sample.id}:
            key = _key(name)
            found[key] = sample
            parts = key.split("/")
            for start in range(1, len(parts) - 1):
                end = "/".join(parts[start:])
                ends[end] = sample if ends.get(end, sample) is sample else None
        flat[_key(sample.id).replace("/", "_")] = sample

    def look(name: str) -> Sample | None:
        key = _key(name)
        sample = found.get(key) or ends.get(key)
        parts = key.split("/")
        for start in range(1, len(parts) - 1):
            sample = sample or found.get("/".join(parts[start:]))
        return sample or flat.get(parts[-1])

    return look
