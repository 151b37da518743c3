"""BUAA-VisNir (Huang, Sun, Wang, technical report, Beihang University 2012).

On disk: ``<id>/<n>.bmp`` with ids 1 to 150 and n up to 40, visible and near-infrared photos taking turns. Which of the
two has the odd numbers is told differently by different users, so the photos themselves decide. Copies in circulation
are sorted into ``{NIR,VIS}/<id>/``, or further into train and test. No split was ever published; without the user's own
lists a seeded one stands in, and is marked as such.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np

from masksynth.arrays import Spectrum
from masksynth.datasets.files import find_root, folders, images, without_twins
from masksynth.datasets.registry import DatasetOptions
from masksynth.datasets.splits import (
    contradictions,
    lists_in,
    protocol_from_split,
    read_split,
    seeded_protocol,
)
from masksynth.datasets.trees import cut_tree, natural, part_folders, spectrum_folders, walk_spectra
from masksynth.datasets.types import FaceDataset, Protocol, Sample, named_only
from masksynth.datasets.wording import shortened
from masksynth.errors import DatasetError, PhotoError, counted
from masksynth.photos import Photo, read_photo

TRAIN = 50  # persons of 150
PAIRED = 28  # files with higher numbers are no pairs
VIS_AGAIN = range(37, 41)  # visible photos, whatever their parity; what 29 to 36 show is not known
GREY = 3.0  # mean difference of the channels, of 255, below which a photo has no colour
LOOKED_AT = 12  # photos of each parity, spread over the persons
WANTED = "folders named by numbers with 1.bmp, 2.bmp and so on in them, or NIR and VIS with such folders"


def scan(root: Path, options: DatasetOptions) -> FaceDataset:
    """Scan the copy of BUAA-VisNir at or near `root`.

    The samples are the first `options.pairs` pairs of each person, or the photos that lists name.

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
        return cut_tree("buaa", root, gallery, options, notes)
    source = options.split or (root if lists_in(root) else None)
    split = None if source is None else read_split(source)
    by_photo = split is not None and bool(split.paths)
    mixed = len(spectrum_folders(root)) < 2
    pairs = None if by_photo else options.pairs
    on_disk: int | None
    samples, on_disk = _mixed_tree(root, pairs, notes) if mixed else _sorted_tree(root, pairs, notes)
    protocol: Protocol
    if split is not None:
        notes.append(f"The split is that of {source}.")
        protocol = protocol_from_split(split, samples, gallery, notes, faults)
        samples = named_only(samples, protocol, notes) if by_photo else samples
    else:
        subjects = sorted({sample.subject for sample in samples})
        train = options.train or (TRAIN if len(subjects) > TRAIN else len(subjects) // 3)
        notes.append(
            f"No list of the split is here: the seed {options.seed} drew {train} of {counted(len(subjects), 'person')} "
            "to train. This is not the published split; give yours with --split."
        )
        protocol = seeded_protocol(samples, gallery, options.seed, "buaa", train, notes)
    faults += contradictions(protocol, {sample.id: sample for sample in samples})
    return FaceDataset("buaa", root, samples, (protocol,), tuple(notes), tuple(faults), on_disk)


def _is_root(folder: Path) -> bool:
    names = folders(folder)
    if part_folders(folder):
        return True
    spectra = spectrum_folders(folder)
    if len(spectra) == 2:
        return all(any(name.isdigit() for name in folders(path)) for path in spectra.values())
    numbered = [path for name, path in names.items() if name.isdigit()]
    return bool(numbered) and any(name[: -len(suffix)].isdigit() for name, suffix in images(numbered[0]))


def _sorted_tree(root: Path, pairs: int | None, notes: list[str]) -> tuple[tuple[Sample, ...], None]:
    """``{NIR,VIS}/<id>/<n>``: the spectrum is that of the folder, the numbers are those of one spectrum.

    The first `pairs` photos of each person and spectrum (0 or None: all). How many files there are says nothing, since
    such copies hold what somebody has chosen.
    """
    walked = without_twins(walk_spectra(root, root), lambda p: (p.spectrum, p.subject, p.stem), lambda p: p.path, notes)
    walked.sort(key=lambda p: (p.spectrum, natural(p.subject), natural(p.stem)))
    kept: dict[tuple[str, str], int] = {}
    samples = []
    for photo in walked:
        key = (photo.subject, photo.spectrum)
        kept[key] = kept.get(key, 0) + 1
        if not pairs or kept[key] <= pairs:
            name = f"{photo.spectrum.upper()}/{photo.subject}/{photo.stem}"
            samples.append(Sample(name, photo.path, photo.subject, photo.spectrum))
    if len(samples) < len(walked):
        notes.append(f"{counted(len(walked) - len(samples), 'photo')} beyond the first {pairs} of a person left out.")
    if pairs:
        people = sorted({person for person, _ in kept}, key=natural)
        counts = {(person, kind): kept.get((person, kind), 0) for person in people for kind in ("nir", "vis")}
        few = [f"{person} ({n} {kind.upper()})" for (person, kind), n in counts.items() if n < pairs]
        if few:
            notes.append(
                f"{counted(len(few), 'time')} a person has fewer than {pairs} photos of a spectrum: {shortened(few)}."
            )
    return tuple(samples), None


def _mixed_tree(root: Path, pairs: int | None, notes: list[str]) -> tuple[tuple[Sample, ...], int]:
    """``<id>/<n>``: the spectrum is told by whether n is odd, and which of the two it is by the photos.

    The photos of the first `pairs` pairs (0: all pairs; None: every photo, since a list says which), and how many files
    there are. More than the fourteen pairs that there are means the visible photos 37 to 40 as well.
    """
    found: list[tuple[int, int, str]] = []
    for name, folder in folders(root).items():
        if not name.isdigit():
            continue
        place = folder.relative_to(root).as_posix()
        for file, suffix in images(folder):
            stem = file[: -len(suffix)]
            if stem.isdigit():
                found.append((int(name), int(stem), f"{place}/{file}"))
    found = sorted(without_twins(found, lambda photo: photo[:2], lambda photo: photo[2], notes))
    if not found:
        raise DatasetError(f"{root}: no photo was found. Wanted are {WANTED}.")
    last = PAIRED if pairs == 0 else min(2 * (pairs or 0), PAIRED)
    extra = VIS_AGAIN if pairs and 2 * pairs > PAIRED else ()
    numbered = found if pairs is None else [photo for photo in found if photo[1] <= last or photo[1] in extra]
    if len(numbered) < len(found):
        numbers = f"above {last}" if not extra else f"above {last} that are not 37 to 40"
        notes.append(f"{counted(len(found) - len(numbered), 'photo')} with numbers {numbers} left out.")
    odd = odd_spectrum(root, [photo for photo in found if photo[1] <= PAIRED], notes)
    even: Spectrum = "nir" if odd == "vis" else "vis"
    if pairs is not None:
        _note_gaps(numbered, last, notes)
    samples = tuple(
        Sample(f"{person}/{number}", path, str(person), "vis" if number in VIS_AGAIN else odd if number % 2 else even)
        for person, number, path in numbered
    )
    return samples, len(found)


def odd_spectrum(root: Path, numbered: list[tuple[int, int, str]], notes: list[str]) -> Spectrum:
    """The spectrum of the odd numbers, by the colour of some photos of each kind.

    Raises
    ------
    DatasetError
        If both kinds have colour, or neither has, or none of the photos of a kind can be read.
    """
    chroma = {}
    for odd in (1, 0):
        paths = [path for _, number, path in numbered if number % 2 == odd]
        if not paths:
            raise DatasetError(f"{root}: all photos have {'even' if odd else 'odd'} numbers; both kinds are wanted.")
        picked = [paths[index] for index in np.unique(np.linspace(0, len(paths) - 1, LOOKED_AT).astype(int))]
        chroma[odd] = _colour(root, picked, notes)
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


def _colour(root: Path, paths: list[str], notes: list[str]) -> float:
    """The median chroma of those of the photos that can be read."""
    values, broken = [], []
    for path in paths:
        try:
            values.append(_chroma(read_photo(root / path)))
        except PhotoError as error:
            broken.append(str(error))
    if not values:
        raise DatasetError(f"{root}: cannot tell NIR from VIS, since no photo looked at could be read. {broken[0]}")
    notes += [f"Looking at the colours: {sentence}" for sentence in broken]
    return float(np.median(values))


def _chroma(photo: Photo) -> float:
    """Mean difference of the channels; 0 for one channel."""
    if photo.pixels.ndim == 2:
        return 0.0
    red, green, blue = (photo.pixels[..., channel].astype(np.int16) for channel in range(3))
    return float((np.abs(red - green) + np.abs(green - blue)).mean() / 2)


def _note_gaps(numbered: list[tuple[int, int, str]], last: int, notes: list[str]) -> None:
    counts = Counter(person for person, number, _ in numbered if number <= last)
    few = [f"{person} has {counts[person]}" for person in sorted(counts) if counts[person] < last]
    if few:
        lacking = last * len(counts) - sum(counts.values())
        notes.append(
            f"{counted(len(few), 'person has', 'persons have')} fewer than {last} of the photos 1 to {last}"
            f": {shortened(few)}; {counted(lacking, 'is', 'are')} missing."
        )
