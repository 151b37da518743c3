"""What every loader delivers: photos with an identity and a spectrum, and the protocols over them.

A data set holds names only. Nothing is decoded until `FaceDataset.read` is asked for one photo.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from masksynth.arrays import Box, Points2, Spectrum
from masksynth.datasets.wording import shortened
from masksynth.errors import DatasetError, counted
from masksynth.photos import Photo

PARTS = ("nir_train", "vis_train", "nir_probe", "vis_gallery")
"""The four lists of a protocol, in the order of the HDF5 schema."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One photo of a data set, known by name."""

    id: str  # stable: the same on every machine and for raw and cropped copies, so that seeds may depend on it
    path: str | None  # relative to the root, POSIX, or FILE.rec@BYTE; None where the photo is listed but not there
    subject: str  # the identity, as the data set writes it
    spectrum: Spectrum
    points: Points2 | None = None  # (5, 2) or (2, 2) eyes alone, pixels of the photo, image-left first; if shipped
    box: Box | None = None  # of the face, if shipped


@dataclass(frozen=True)
class Protocol:
    """Which photos train and which are compared; each tuple holds sample ids in the order of the list file."""

    name: str  # view1, fold01 ... fold10, test, ...
    nir_train: tuple[str, ...]
    vis_train: tuple[str, ...]
    nir_probe: tuple[str, ...]
    vis_gallery: tuple[str, ...]
    published: bool  # False for a split of our own making, which must never be called the published one


@dataclass(frozen=True)
class FaceDataset:
    """A data set on disk, scanned.

    `samples` are in a fixed order (by stable id, or as a list file gives them), whatever the file system answers with.
    """

    name: str  # casia, oulu, buaa, ms1m, folder, manifest
    root: Path  # the folder that the samples' paths start from
    samples: tuple[Sample, ...] = field(repr=False)
    protocols: tuple[Protocol, ...] = field(repr=False)
    notes: tuple[str, ...] = ()  # what differs from what was expected, one sentence each
    faults: tuple[
        str, ...
    ] = ()  # what must not be worked with; `open_dataset` raises them, `datasets check` lists them
    on_disk: int | None = None  # image files of the whole copy, where `samples` are a choice among them

    @cached_property
    def by_id(self) -> dict[str, Sample]:
        """Sample id -> sample."""
        return {sample.id: sample for sample in self.samples}

    @property
    def subjects(self) -> tuple[str, ...]:
        """The identities, sorted."""
        return tuple(sorted({sample.subject for sample in self.samples}))

    def protocol(self, name: str) -> Protocol:
        """The protocol `name`. Raises DatasetError that names those there are."""
        for protocol in self.protocols:
            if protocol.name == name:
                return protocol
        known = ", ".join(protocol.name for protocol in self.protocols) or "none"
        raise DatasetError(f"{self.root}: the data set '{self.name}' has no protocol '{name}'. It has: {known}.")

    def read(self, sample: Sample, *, white: float | None = None) -> Photo:
        """Read one photo. Raises as `reading.read_sample` does."""
        from masksynth.datasets.reading import read_sample

        return read_sample(self.root, sample, white=white)


def named_only(samples: tuple[Sample, ...], protocol: Protocol, notes: list[str]) -> tuple[Sample, ...]:
    """The samples that a protocol names; how many others there are is noted."""
    named = {name for part in PARTS for name in getattr(protocol, part)}
    kept = tuple(sample for sample in samples if sample.id in named)
    if len(kept) < len(samples):
        notes.append(f"{counted(len(samples) - len(kept), 'photo')} that the lists do not name left out.")
    return kept


def structural_faults(dataset: FaceDataset) -> list[str]:
    """What no data set may have, one sentence each: ids that occur twice, protocols that name what is not there."""
    faults = []
    spectra = {sample.id: sample.spectrum for sample in dataset.samples}
    if len(spectra) != len(dataset.samples):
        counts = Counter(sample.id for sample in dataset.samples)
        twice = sorted(name for name, count in counts.items() if count > 1)
        faults.append(f"{counted(len(twice), 'photo is', 'photos are')} there more than once: {shortened(twice)}.")
    for protocol in dataset.protocols:
        for part in PARTS:
            spectrum: Spectrum = "nir" if part.startswith("nir") else "vis"
            names = getattr(protocol, part)
            unknown = [name for name in names if name not in spectra]
            if unknown:
                faults.append(
                    f"{protocol.name}: {part} names photos that are not in the data set: {shortened(unknown)}."
                )
            other = [name for name in names if spectra.get(name, spectrum) != spectrum]
            if other:
                faults.append(f"{protocol.name}: {part} has photos of the other spectrum: {shortened(other)}.")
    return faults


def check_dataset(dataset: FaceDataset) -> FaceDataset:
    """`dataset` itself, if it has no faults. Raises DatasetError with all of them if it has."""
    if dataset.faults:
        raise DatasetError(f"{dataset.root}: {' '.join(dataset.faults)}")
    return dataset
