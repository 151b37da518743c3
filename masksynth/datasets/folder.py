"""One's own photos: ``nir/<id>/*`` and ``vis/<id>/*``, below train and test if one likes, or ``<id>/*`` of one kind.

A folder that holds ``manifest.csv`` is read by that instead; see manifest.py.
"""

from __future__ import annotations

from pathlib import Path

from masksynth.datasets import manifest
from masksynth.datasets.files import find_root, folders, images
from masksynth.datasets.registry import DatasetOptions
from masksynth.datasets.splits import (
    contradictions,
    protocol_from_split,
    read_split,
    seeded_halves,
    split_by_subject,
)
from masksynth.datasets.trees import cut_tree, natural, part_folders, spectrum_folders, walk, walk_spectra
from masksynth.datasets.types import FaceDataset, Sample
from masksynth.errors import DatasetError

WANTED = (
    "folders nir and vis with one folder for each identity in them, or such folders of one spectrum, or manifest.csv"
)


def scan(root: Path, options: DatasetOptions) -> FaceDataset:
    """Scan one's own photos at `root`.

    Of two spectra half of the identities train by a seeded choice, unless the folders or `options.split` say otherwise;
    of one spectrum all photos train.

    Raises
    ------
    DatasetError
        If there are no photos in folders of identities.
    """
    if root.is_file() or (root / manifest.NAME).is_file():
        return manifest.scan(root, options)
    root = find_root(root, _is_root, WANTED)
    notes: list[str] = []
    faults: list[str] = []
    gallery = options.gallery or "all"
    if part_folders(root):
        return cut_tree("folder", root, gallery, notes)
    if spectrum_folders(root):
        found = list(walk_spectra(root, root))
    else:
        found = list(walk(root, root, options.spectrum or "vis"))
        if options.spectrum is None:
            notes.append(
                "There are no folders nir and vis: all photos are taken for VIS. If they are not, say --spectrum nir."
            )
    found.sort(key=lambda photo: (photo.spectrum, photo.subject, natural(photo.stem), photo.path))
    samples = tuple(Sample(photo.path, photo.path, photo.subject, photo.spectrum) for photo in found)
    if not samples:
        raise DatasetError(f"{root}: no photo was found. Wanted are {WANTED}.")
    subjects = sorted({sample.subject for sample in samples})
    if options.split is not None:
        notes.append(f"The split is that of {options.split}.")
        protocol = protocol_from_split(read_split(options.split), samples, gallery, notes, faults)
    elif len({sample.spectrum for sample in samples}) == 1:
        protocol = split_by_subject(samples, dict.fromkeys(subjects, "train"), gallery, published=False)
        notes.append("There is one spectrum only: all photos train, none is compared.")
    else:
        protocol = split_by_subject(samples, seeded_halves(subjects, options.seed, "folder"), gallery, published=False)
        notes.append(
            f"No split was given: half of the {len(subjects)} identities were drawn by the seed {options.seed} "
            "to train. Give yours with --split, or write a manifest."
        )
    faults += contradictions(protocol, {sample.id: sample for sample in samples})
    return FaceDataset("folder", root, samples, (protocol,), tuple(notes), tuple(faults))


def _is_root(folder: Path) -> bool:
    if part_folders(folder):
        return True
    spectra = spectrum_folders(folder)
    if spectra:
        return any(folders(path) for path in spectra.values())
    return any(next(images(path), None) is not None for path in list(folders(folder).values())[:50])
