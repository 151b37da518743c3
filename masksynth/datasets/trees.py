"""Folders that several data sets share: one for each spectrum, one for each identity, one for training and test."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from sys import intern

from masksynth.arrays import Spectrum
from masksynth.datasets.files import folders, listing, without_twins
from masksynth.datasets.registry import DatasetOptions
from masksynth.datasets.splits import Gallery, contradictions, protocol_from_split, read_split, split_by_subject
from masksynth.datasets.types import FaceDataset, Sample
from masksynth.datasets.wording import shortened
from masksynth.errors import counted

_NAMES: tuple[tuple[Spectrum, re.Pattern[str]], ...] = (
    ("nir", re.compile(r"(ni|nir|ir|infrared|near[-_ ]?infrared)([-_ ].*)?", re.IGNORECASE)),
    ("vis", re.compile(r"(vl|vis|visible|rgb|colou?r)([-_ ].*)?", re.IGNORECASE)),
)


@dataclass(frozen=True, slots=True)
class Found:
    """An image file below a folder of one identity."""

    path: str  # relative to the root, POSIX
    subject: str
    stem: str
    spectrum: Spectrum
    part: str  # "train" or "test" where the tree says so, else ""


def spectrum_folders(folder: Path) -> dict[Spectrum, Path]:
    """The children of `folder` that hold one spectrum each, told by their names; exact names go before longer ones."""
    found: dict[Spectrum, Path] = {}
    for name, path in sorted(folders(folder).items(), key=lambda item: (len(item[0]), item[0])):
        for spectrum, pattern in _NAMES:
            if pattern.fullmatch(name):
                found.setdefault(spectrum, path)
    return found


def part_folders(folder: Path) -> dict[str, Path]:
    """The children named ``train`` and ``test`` (or ..._train, ..._test) that hold spectrum folders."""
    found = {}
    for name, path in sorted(folders(folder).items()):
        for part in ("train", "test"):
            if re.fullmatch(rf"(.*[-_ ])?{part}(ing)?", name) and spectrum_folders(path):
                found[part] = path
    return found if len(found) == 2 else {}


def walk(root: Path, holder: Path, spectrum: Spectrum, part: str = "") -> Iterator[Found]:
    """The images of ``holder/<identity>/...``, however deep, folder by folder in the order of their names."""
    inside = holder.relative_to(root).as_posix()
    place = "" if inside == "." else f"{inside}/"
    for subject in listing(holder)[0]:
        yield from _below(str(root), f"{place}{subject}", intern(subject), spectrum, part)


def walk_spectra(root: Path, holder: Path, part: str = "") -> Iterator[Found]:
    """The images of ``holder/{nir,vis}/<identity>/...``, NIR first."""
    for spectrum, folder in sorted(spectrum_folders(holder).items()):
        yield from walk(root, folder, spectrum, part)


def natural(stem: str) -> tuple[int, str]:
    """Order of file names: numbers by their value, others after them."""
    return (int(stem), "") if stem.isdigit() else (1 << 62, stem)


def cut_tree(name: str, root: Path, gallery: Gallery, options: DatasetOptions, notes: list[str]) -> FaceDataset:
    """A data set that somebody has cut into folders ``..._train`` and ``..._test`` already."""
    walked = (photo for part, folder in part_folders(root).items() for photo in walk_spectra(root, folder, part))
    found = without_twins(walked, lambda p: (p.part, p.spectrum, p.path[: p.path.rfind(".")]), lambda p: p.path, notes)
    found.sort(key=lambda photo: (photo.part, photo.spectrum, photo.subject, natural(photo.stem)))
    samples = tuple(
        Sample(
            f"{photo.part}/{photo.spectrum.upper()}/{photo.subject}/{photo.stem}",
            photo.path,
            photo.subject,
            photo.spectrum,
        )
        for photo in found
    )
    if options.split is not None:
        notes.append(f"The split is that of {options.split}, not that of the folders 'train' and 'test'.")
        told: list[str] = []
        protocol = protocol_from_split(read_split(options.split), samples, gallery, notes, told)
        told += contradictions(protocol, {sample.id: sample for sample in samples})
        return FaceDataset(name, root, samples, (protocol,), tuple(notes), tuple(told))
    notes.append("The split is that of the folders 'train' and 'test'.")
    subjects = {part: {photo.subject for photo in found if photo.part == part} for part in ("train", "test")}
    both = sorted(subjects["train"] & subjects["test"])
    faults = (
        [f"{counted(len(both), 'identity is', 'identities are')} below both 'train' and 'test': {shortened(both)}."]
        if both
        else []
    )
    halves = {subject: part for part, names in subjects.items() for subject in names}
    protocol = split_by_subject(samples, halves, gallery, published=True)
    return FaceDataset(name, root, samples, (protocol,), tuple(notes), tuple(faults))


def _below(root: str, place: str, subject: str, spectrum: Spectrum, part: str) -> Iterator[Found]:
    deeper, found = listing(f"{root}/{place}")
    for name, suffix in sorted(found, key=lambda photo: natural(photo[0][: -len(photo[1])])):
        yield Found(f"{place}/{name}", subject, name[: -len(suffix)], spectrum, part)
    for child in deeper:
        yield from _below(root, f"{place}/{child}", subject, spectrum, part)
