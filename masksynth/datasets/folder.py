"""One's own photos: ``nir/<id>/*`` and ``vis/<id>/*``, or ``<id>/*`` of one kind; below train and test if one likes.

A folder that holds ``manifest.csv`` is read by that instead; see manifest.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from masksynth.arrays import Spectrum
from masksynth.datasets import manifest
from masksynth.datasets.files import find_root, folders, images
from masksynth.datasets.registry import DatasetOptions
from masksynth.datasets.splits import (
    contradictions,
    protocol_from_split,
    read_split,
    seeded_protocol,
    split_by_subject,
)
from masksynth.datasets.trees import cut_tree, part_folders, spectrum_folders, walk
from masksynth.datasets.types import FaceDataset, Protocol, Sample
from masksynth.datasets.wording import shortened
from masksynth.errors import DatasetError, counted

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
        return cut_tree("folder", root, gallery, options, notes)
    if not _spectra(root) and len(spectrum_folders(root)) == len(folders(root)) == 2:
        raise DatasetError(f"{root}: photos lie in nir and vis themselves, but a folder for each identity is wanted.")
    halves = {} if _spectra(root) else _plain_parts(root)
    samples = tuple(_samples(root, halves, options, notes))
    if not samples:
        raise DatasetError(f"{root}: no photo was found. Wanted are {WANTED}.")
    subjects = sorted({sample.subject for sample in samples})
    if options.split is not None:
        notes.append(f"The split is that of {options.split}.")
        protocol = protocol_from_split(read_split(options.split), samples, gallery, notes, faults)
    elif halves:
        below = f"{halves['train'].name}/"
        training = tuple(sample.id for sample in samples if sample.id.startswith(below))
        parts = {"nir_train": (), "vis_train": (), f"{samples[0].spectrum}_train": training}
        protocol = Protocol("test", **parts, nir_probe=(), vis_gallery=(), published=True)
        notes.append("There is one spectrum only: the photos below 'train' train, none is compared.")
    elif len({sample.spectrum for sample in samples}) == 1:
        protocol = split_by_subject(samples, dict.fromkeys(subjects, "train"), gallery, published=False)
        notes.append("There is one spectrum only: all photos train, none is compared.")
    else:
        protocol = seeded_protocol(samples, gallery, options.seed, "folder", options.train, notes)
        train = len({sample.subject for sample in samples} - _tested(protocol, samples))
        notes.append(
            f"No split was given: the seed {options.seed} drew {train} of "
            f"{counted(len(subjects), 'identity', 'identities')} to train. "
            "Give yours with --split, or write a manifest."
        )
    faults += contradictions(protocol, {sample.id: sample for sample in samples})
    return FaceDataset("folder", root, samples, (protocol,), tuple(notes), tuple(faults))


def _is_root(folder: Path) -> bool:
    if part_folders(folder) or _spectra(folder) or _plain_parts(folder):
        return True
    return _holds_people(folder)


def _spectra(folder: Path) -> dict[Spectrum, Path]:
    """The folders of one spectrum that have folders in them; a person's may be named Nir_Barkat."""
    return {spectrum: path for spectrum, path in spectrum_folders(folder).items() if folders(path)}


def _plain_parts(folder: Path) -> dict[str, Path]:
    """The folders ``train`` and ``test`` that hold persons in one spectrum."""
    inside = folders(folder)
    found: dict[str, Path] = {}
    for part in ("train", "test"):
        if part in inside and _holds_people(inside[part]):
            found[part] = inside[part]
    return found if len(found) == 2 else {}


def _holds_people(folder: Path) -> bool:
    return any(next(images(path), None) is not None for path in list(folders(folder).values())[:50])


def _samples(root: Path, halves: dict[str, Path], options: DatasetOptions, notes: list[str]) -> Iterator[Sample]:
    """The photos, spectrum by spectrum and identity by identity; those in no folder of an identity are noted."""
    spectra = _spectra(root)
    if not spectra and options.spectrum is None:
        notes.append(
            "There are no folders nir and vis: all photos are taken for VIS. If they are not, say --spectrum nir."
        )
    holders = sorted(spectra.items()) or [(options.spectrum or "vis", path) for path in halves.values() or (root,)]
    loose: list[str] = []
    for spectrum, holder in holders:
        for photo in walk(root, holder, spectrum):
            yield Sample(photo.path, photo.path, photo.subject, photo.spectrum)
        loose += [(holder / name).relative_to(root).as_posix() for name, _ in images(holder)]
    if loose:
        notes.append(f"{counted(len(loose), 'photo')} in no folder of an identity left out: {shortened(loose)}.")


def _tested(protocol: Protocol, samples: tuple[Sample, ...]) -> set[str]:
    named = {*protocol.nir_probe, *protocol.vis_gallery}
    return {sample.subject for sample in samples if sample.id in named}
