"""Oulu-CASIA NIR&VIS (Zhao et al., Image and Vision Computing 2011), as face recognition uses it.

On disk: ``OriginalImg/{NI,VL}/{Strong,Weak,Dark}/P001 ... P080/<expression>/000.jpeg ...``; the aligned crops lie in
``PreProcess_Img/{NI,VL}_Acropped``. Of each sequence a few frames are used, the same in both spectra. Which forty
persons and which frames the literature took was never published, so without the user's own lists a seeded split stands
in, and is marked as such.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from masksynth.arrays import Spectrum
from masksynth.datasets.files import find_root, folders, images, without_twins
from masksynth.datasets.registry import DatasetOptions
from masksynth.datasets.splits import (
    contradictions,
    lists_in,
    protocol_from_split,
    read_split,
    seeded_halves,
    split_by_subject,
)
from masksynth.datasets.trees import cut_tree, part_folders, spectrum_folders
from masksynth.datasets.types import FaceDataset, Protocol, Sample, named_only
from masksynth.datasets.wording import shortened
from masksynth.errors import DatasetError, counted
from masksynth.seeds import rng_for

LIGHTS = ("strong", "weak", "dark")
EXPRESSIONS = ("anger", "disgust", "fear", "happiness", "sadness", "surprise")
WANTED = "a folder with NI and VL in it, and below these Strong, P001 and so on, as in OriginalImg"
FIRST_OF_CASIA = 51

_PERSON = re.compile(r"p?0*(\d+)", re.IGNORECASE)
_FLAT = re.compile(r"(ni|vl)_(strong|weak|dark)_p?(\d+)_([a-z]+)_0*(\d+)", re.IGNORECASE)


class _Frame(NamedTuple):
    """One frame of one sequence."""

    spectrum: Spectrum
    light: str
    person: int
    expression: str
    number: int
    path: str

    @property
    def sequence(self) -> tuple[str, int, str]:
        return self.light, self.person, self.expression


def scan(root: Path, options: DatasetOptions) -> FaceDataset:
    """Scan the copy of Oulu-CASIA at or near `root`.

    The samples are the frames in use: of the light asked for, `options.frames` of each sequence, chosen among the frame
    numbers that both spectra have.

    Raises
    ------
    DatasetError
        If no folder near `root` looks like this data set, or it has nothing in the light asked for.
    """
    notes: list[str] = []
    faults: list[str] = []
    root = _root(root, options, notes)
    if part_folders(root):
        return cut_tree("oulu", root, options.gallery or "all", options, notes)
    every = without_twins(_frames(root), lambda frame: frame[:-1], lambda frame: frame.path, notes)
    frames = [frame for frame in every if options.light in ("all", frame.light)]
    if not frames:
        there = ", ".join(sorted({frame.light for frame in every}))
        raise DatasetError(
            f"{root}: there are no photos in the light '{options.light}', "
            + (f"only in {there}. Say which with --oulu-light." if there else f"nor in another of {', '.join(LIGHTS)}.")
        )
    source = options.split or (root if lists_in(root) else None)
    by_photo = source is not None and bool(read_split(source).paths)
    chosen = frames if by_photo else _chosen(frames, options, notes)
    samples = tuple(_sample(frame) for frame in sorted(chosen, key=_order))
    protocol = _protocol(root, source, samples, options, notes, faults)
    if by_photo:
        samples = named_only(samples, protocol, notes)
    faults += contradictions(protocol, {sample.id: sample for sample in samples})
    return FaceDataset("oulu", root, samples, (protocol,), tuple(notes), tuple(faults), len(every))


def _root(given: Path, options: DatasetOptions, notes: list[str]) -> Path:
    """The nearest folder of the variant asked for, or of the other where there is none."""

    def holds(folder: Path, cropped: bool) -> bool:
        found = spectrum_folders(folder)
        if len(found) == 2:
            return any("crop" in path.name.lower() for path in found.values()) == cropped
        return not cropped and (bool(part_folders(folder)) or _any_flat(folder))

    wanted = options.variant == "cropped"
    try:
        return find_root(given, lambda folder: holds(folder, wanted), WANTED)
    except DatasetError:
        try:
            root = find_root(given, lambda folder: holds(folder, not wanted), WANTED)
        except DatasetError:
            half = find_root(given, _is_half, WANTED)
            there = "NI" if "nir" in spectrum_folders(half) else "VL"
            raise DatasetError(
                f"{half}: there is {there}, but no {'VL' if there == 'NI' else 'NI'} beside it."
            ) from None
        notes.append(f"There are no {'cropped' if wanted else 'whole'} photos here; the others are used.")
        return root


def _is_half(folder: Path) -> bool:
    found = spectrum_folders(folder)
    return len(found) == 1 and any(light in LIGHTS for holder in found.values() for light in folders(holder))


def _any_flat(folder: Path) -> bool:
    return any(_FLAT.fullmatch(name[: -len(suffix)]) for name, suffix in images(folder))


def _frames(root: Path) -> Iterator[_Frame]:
    for spectrum, holder in spectrum_folders(root).items():
        for light, sequences in folders(holder).items():
            if light not in LIGHTS:
                continue
            for person_name, person in folders(sequences).items():
                match = _PERSON.fullmatch(person_name)
                if match is None:
                    continue
                for expression, sequence in folders(person).items():
                    if expression in EXPRESSIONS:
                        place = sequence.relative_to(root).as_posix()
                        yield from _numbered(place, sequence, spectrum, light, int(match[1]), expression)
    for folder in (root, *spectrum_folders(root).values()):
        yield from _flat(root, folder)


def _numbered(
    place: str, folder: Path, spectrum: Spectrum, light: str, person: int, expression: str
) -> Iterator[_Frame]:
    for name, suffix in images(folder):
        stem = name[: -len(suffix)]
        if stem.isdigit():
            yield _Frame(spectrum, light, person, expression, int(stem), f"{place}/{name}")


def _flat(root: Path, folder: Path) -> Iterator[_Frame]:
    """Frames renamed to ``NI_Strong_P001_Disgust_001.jpeg`` and put into one folder."""
    for name, suffix in images(folder):
        match = _FLAT.fullmatch(name[: -len(suffix)])
        if match and match[4].lower() in EXPRESSIONS:
            spectrum: Spectrum = "nir" if match[1].lower() == "ni" else "vis"
            path = (folder / name).relative_to(root).as_posix()
            yield _Frame(spectrum, match[2].lower(), int(match[3]), match[4].lower(), int(match[5]), path)


def _chosen(frames: list[_Frame], options: DatasetOptions, notes: list[str]) -> list[_Frame]:
    """Of each sequence the frames that both spectra have, and of these as many as asked for."""
    numbers: dict[tuple[str, int, str], dict[str, set[int]]] = {}
    for frame in frames:
        numbers.setdefault(frame.sequence, {}).setdefault(frame.spectrum, set()).add(frame.number)
    chosen: dict[tuple[str, int, str], set[int]] = {}
    lonely, few = [], []
    for sequence, spectra in sorted(numbers.items()):
        if len(spectra) < 2:
            lonely.append("/".join(map(str, sequence)))
            continue
        common = sorted(set.intersection(*spectra.values()))
        if 0 < options.frames > len(common):
            few.append("/".join(map(str, sequence)))
        chosen[sequence] = set(choose_frames(common, options.frames, options.frame_choice))
    if lonely:
        notes.append(
            f"{counted(len(lonely), 'sequence is', 'sequences are')} there in one spectrum only and left out: "
            f"{shortened(lonely)}."
        )
    if few:
        short = counted(len(few), "sequence has", "sequences have")
        notes.append(f"{short} fewer than {counted(options.frames, 'frame')} in both: {shortened(few)}.")
    return [frame for frame in frames if frame.number in chosen.get(frame.sequence, ())]


def choose_frames(numbers: list[int], count: int, choice: str) -> list[int]:
    """`count` of the sorted frame numbers: the first, the last, or evenly spaced from first to last; 0 means all."""
    if count == 0 or count >= len(numbers):
        return numbers
    if choice == "first":
        return numbers[:count]
    if choice == "last":
        return numbers[-count:]
    return [numbers[index] for index in np.rint(np.linspace(0, len(numbers) - 1, count)).astype(int)]


def _order(frame: _Frame) -> tuple[str, str, int, str, int]:
    return frame.spectrum, frame.light, frame.person, frame.expression, frame.number


def _sample(frame: _Frame) -> Sample:
    kind = "NI" if frame.spectrum == "nir" else "VL"
    subject = f"P{frame.person:03d}"
    name = f"{kind}/{frame.light.capitalize()}/{subject}/{frame.expression.capitalize()}/{frame.number:03d}"
    return Sample(name, frame.path, subject, frame.spectrum)


def _protocol(
    root: Path,
    source: Path | None,
    samples: tuple[Sample, ...],
    options: DatasetOptions,
    notes: list[str],
    faults: list[str],
) -> Protocol:
    gallery = options.gallery or "all"  # every VIS photo of a tested person, as the literature has it
    if source is not None:
        notes.append(f"The split is that of {source}.")
        return protocol_from_split(read_split(source), samples, gallery, notes, faults)
    people = sorted({sample.subject for sample in samples})
    of_oulu = [name for name in people if int(name[1:]) < FIRST_OF_CASIA]
    of_casia = [name for name in people if int(name[1:]) >= FIRST_OF_CASIA]
    rng = rng_for(options.seed, "oulu", "persons")
    picked = [
        *sorted(rng.permutation(of_oulu)[: options.persons[0]].tolist()),
        *sorted(rng_for(options.seed, "oulu", "persons of CASIA").permutation(of_casia)[: options.persons[1]].tolist()),
    ]
    if not of_oulu or not of_casia:
        picked = people[: sum(options.persons)]
    halves = seeded_halves(picked, options.seed, "oulu", options.train)
    train = sum(half == "train" for half in halves.values())
    notes.append(
        f"No list of the split is here: {counted(len(picked), 'person was', 'persons were')} drawn by the seed "
        f"{options.seed}, {train} of them "
        "to train. This is not the published split; give yours with --split."
    )
    return split_by_subject(samples, halves, gallery, published=False)
