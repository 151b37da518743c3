"""BUAA-VisNir (Huang, Sun, Wang, technical report, Beihang University 2012).

On disk: ``<id>/<n>.bmp`` with ids 1 to 150 and n up to 40, visible and near-infrared photos taking turns. Which of the
two has the odd numbers is told differently by different users, so the photos themselves decide. Copies in circulation
are sorted into ``{NIR,VIS}/<id>/``, or further into train and test. No split was ever published; without the user's own
lists a seeded one stands in, and is marked as such.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from masksynth.arrays import Spectrum
from masksynth.datasets.files import find_root, folders, images
from masksynth.datasets.registry import DatasetOptions
from masksynth.datasets.splits import (
    contradictions,
    lists_in,
    protocol_from_split,
    read_split,
    seeded_halves,
    split_by_subject,
)
from masksynth.datasets.trees import cut_tree, natural, part_folders, spectrum_folders, walk_spectra
from masksynth.datasets.types import FaceDataset, Protocol, Sample
from masksynth.datasets.wording import shortened
from masksynth.errors import DatasetError
from masksynth.photos import Photo, read_photo

TRAIN = 50  # persons of 150
NEVER = 28  # files with higher numbers are of neither list
GREY = 3.0  # mean difference of the channels, of 255, below which a photo has no colour
LOOKED_AT = 12  # photos of each parity, spread over the persons
WANTED = "folders named by numbers with 1.bmp, 2.bmp and so on in them, or NIR and VIS with such folders"


def scan(root: Path, options: DatasetOptions) -> FaceDataset:
    """Scan the copy of BUAA-VisNir at or near `root`.

    The samples are the first `options.pairs` pairs of each person.

    Raises
    ------
    DatasetError
        If no folder near `root` looks like this data set, or its two halves cannot be told apart by their colour.
    """
    root = find_root(root, _is_root, WANTED)
    notes: list[str] = []
    faults: list[str] = []
    gallery = options.gallery or "first"
    if part_folders(root):
        return cut_tree("buaa", root, gallery, notes)
    samples = _sorted_tree(root, options) if len(spectrum_folders(root)) == 2 else _mixed_tree(root, options, notes)
    source = options.split or (root if lists_in(root) else None)
    protocol: Protocol
    if source is not None:
        notes.append(f"The split is that of {source}.")
        protocol = protocol_from_split(read_split(source), samples, gallery, notes, faults)
    else:
        subjects = sorted({sample.subject for sample in samples})
        train = TRAIN if len(subjects) > TRAIN else len(subjects) // 3
        notes.append(
            f"No list of the split is here: {train} of {len(subjects)} persons were drawn by the seed {options.seed} "
            "to train. This is not the published split; give yours with --split."
        )
        halves = seeded_halves(subjects, options.seed, "buaa", train)
        protocol = split_by_subject(samples, halves, gallery, published=False)
    faults += contradictions(protocol, {sample.id: sample for sample in samples})
    return FaceDataset("buaa", root, samples, (protocol,), tuple(notes), tuple(faults))


def _is_root(folder: Path) -> bool:
    names = folders(folder)
    if part_folders(folder):
        return True
    spectra = spectrum_folders(folder)
    if len(spectra) == 2:
        return all(any(name.isdigit() for name in folders(path)) for path in spectra.values())
    numbered = [path for name, path in names.items() if name.isdigit()]
    return bool(numbered) and any(name[: -len(suffix)].isdigit() for name, suffix in images(numbered[0]))


def _sorted_tree(root: Path, options: DatasetOptions) -> tuple[Sample, ...]:
    """``{NIR,VIS}/<id>/<n>``: the spectrum is that of the folder, the numbers are those of one spectrum."""
    found = sorted(walk_spectra(root, root), key=lambda p: (p.spectrum, natural(p.subject), natural(p.stem)))
    kept: dict[tuple[str, str], int] = {}
    samples = []
    for photo in found:
        key = (photo.spectrum, photo.subject)
        kept[key] = kept.get(key, 0) + 1
        if options.pairs == 0 or kept[key] <= options.pairs:
            name = f"{photo.spectrum.upper()}/{photo.subject}/{photo.stem}"
            samples.append(Sample(name, photo.path, photo.subject, photo.spectrum))
    return tuple(samples)


def _mixed_tree(root: Path, options: DatasetOptions, notes: list[str]) -> tuple[Sample, ...]:
    """``<id>/<n>``: the spectrum is told by whether n is odd, and which of the two it is by the photos."""
    numbered: list[tuple[int, int, str]] = []
    last = NEVER if options.pairs == 0 else 2 * options.pairs
    beyond = 0
    for name, folder in folders(root).items():
        if not name.isdigit():
            continue
        place = folder.relative_to(root).as_posix()
        for file, suffix in images(folder):
            stem = file[: -len(suffix)]
            if not stem.isdigit():
                continue
            if int(stem) <= last:
                numbered.append((int(name), int(stem), f"{place}/{file}"))
            else:
                beyond += 1
    numbered.sort()
    if beyond:
        notes.append(f"{beyond} photos with numbers above {last} are left out.")
    odd = odd_spectrum(root, numbered, notes)
    even: Spectrum = "nir" if odd == "vis" else "vis"
    _note_gaps(numbered, last, notes)
    return tuple(
        Sample(f"{person}/{number}", path, str(person), odd if number % 2 else even)
        for person, number, path in numbered
    )


def odd_spectrum(root: Path, numbered: list[tuple[int, int, str]], notes: list[str]) -> Spectrum:
    """The spectrum of the odd numbers, by the colour of some photos of each kind.

    Raises
    ------
    DatasetError
        If both kinds have colour, or neither has.
    """
    chroma = {}
    for odd in (1, 0):
        paths = [path for _, number, path in numbered if number % 2 == odd]
        if not paths:
            raise DatasetError(f"{root}: all photos have {'even' if odd else 'odd'} numbers; both kinds are wanted.")
        picked = [paths[index] for index in np.unique(np.linspace(0, len(paths) - 1, LOOKED_AT).astype(int))]
        chroma[odd] = float(np.median([_chroma(read_photo(root / path)) for path in picked]))
    grey = {odd: value < GREY for odd, value in chroma.items()}
    if grey[1] == grey[0]:
        raise DatasetError(
            f"{root}: cannot tell NIR from VIS: the photos with odd numbers and those with even ones "
            f"{'have both no colour' if grey[1] else 'are both in colour'} "
            f"(channels differ by {chroma[1]:.1f} and {chroma[0]:.1f} of 255). Sort them into folders NIR and VIS."
        )
    if grey[1]:
        notes.append(
            "Odd numbers are NIR and even ones VIS here, told by their colour; most copies have it the other way."
        )
    return "nir" if grey[1] else "vis"


def _chroma(photo: Photo) -> float:
    """Mean difference of the channels; 0 for one channel."""
    if photo.pixels.ndim == 2:
        return 0.0
    red, green, blue = (photo.pixels[..., channel].astype(np.int16) for channel in range(3))
    return float((np.abs(red - green) + np.abs(green - blue)).mean() / 2)


def _note_gaps(numbered: list[tuple[int, int, str]], last: int, notes: list[str]) -> None:
    counts: dict[int, int] = {}
    for person, _, _ in numbered:
        counts[person] = counts.get(person, 0) + 1
    most = max(counts.values())
    few = [str(person) for person, count in sorted(counts.items()) if count < min(most, last)]
    if few:
        notes.append(
            f"{len(few)} persons have fewer than {min(most, last)} of the photos 1 to {last}: {shortened(few)}."
        )
