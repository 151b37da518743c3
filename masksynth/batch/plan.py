"""The plan: what is to be made, in which order, decided before the first photo is read.

Everything after it is a pure function of the plan and a part's number, so workers, order and restarts change nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from masksynth import __version__
from masksynth.arrays import Spectrum
from masksynth.batch.config import LEAST_PART, PART_SIZE, PARTS_OF_SMALL, BatchConfig
from masksynth.batch.masks import Use, deal, split_templates
from masksynth.datasets import PARTS, FaceDataset, Sample
from masksynth.errors import DatasetError, counted
from masksynth.store import MaskEntry
from masksynth.template import Template

ABSENT_REASON = "listed, but there is no file of that name"
UNMASKED = -1


@dataclass(frozen=True, slots=True)
class Slot:
    """One row that a photo is to give."""

    use: Use
    mask: int  # index into the plan's masks, or UNMASKED


@dataclass(frozen=True, slots=True)
class PlannedPhoto:
    """A photo and its rows."""

    number: int  # place in the data set; becomes image_id
    id: str
    path: str  # relative to the root
    subject: int  # index into the plan's subjects
    spectrum: Spectrum
    points: tuple[tuple[float, float], ...]  # shipped with the data set: eyes or five points; else empty
    slots: tuple[Slot, ...]
    box: tuple[float, ...] = ()  # shipped with the data set: left, top, right, bottom; else empty


@dataclass(frozen=True)
class PlannedProtocol:
    """A protocol over numbers of photos, absent ones included."""

    name: str
    parts: dict[str, tuple[int, ...]]
    published: bool


@dataclass(frozen=True)
class Plan:
    """The whole run, without the pixels."""

    dataset: str
    root: Path  # where the photos are on this machine; not part of the hash
    config: BatchConfig
    subjects: tuple[str, ...]
    masks: tuple[MaskEntry, ...]
    templates: tuple[Template, ...] = field(repr=False)  # of the masks, in their order
    photos: tuple[PlannedPhoto, ...] = field(repr=False)  # those that have a file, in the data set's order
    absent: tuple[tuple[int, Sample], ...] = field(repr=False)  # number and sample of those that have none
    protocols: tuple[PlannedProtocol, ...] = field(repr=False)

    @property
    def parts(self) -> int:
        """How many parts the photos fall into."""
        return -(-len(self.photos) // self.part_size)

    @property
    def part_size(self) -> int:
        """Photos of a part; from the plan alone, never from the number of workers."""
        return self.config.part_size or min(PART_SIZE, max(LEAST_PART, -(-len(self.photos) // PARTS_OF_SMALL)))

    def part(self, k: int) -> tuple[PlannedPhoto, ...]:
        """The photos of part `k`, counted from 0."""
        return self.photos[k * self.part_size : (k + 1) * self.part_size]

    def rows(self, spectrum: Spectrum) -> int:
        """How many rows there are of a spectrum if no photo is skipped."""
        return sum(len(photo.slots) for photo in self.photos if photo.spectrum == spectrum)

    @cached_property
    def sha256(self) -> str:
        """Hash of all that decides the content; the root, the workers and the time are no part of it."""
        digest = hashlib.sha256()
        head = {
            "masksynth": __version__,
            "dataset": self.dataset,
            "config": asdict(self.config),
            "subjects": self.subjects,
            "masks": [(mask.template, dict(mask.params), mask.sha256) for mask in self.masks],
            "absent": [(number, sample.id) for number, sample in self.absent],
        }
        digest.update(_line(head))
        for photo in self.photos:
            digest.update(_line(encode_photo(photo)))
        for protocol in self.protocols:
            digest.update(_line([protocol.name, protocol.parts, protocol.published]))
        return digest.hexdigest()


def make_plan(dataset: FaceDataset, templates: Sequence[Template], config: BatchConfig) -> Plan:
    """Decide every row of the run.

    A photo that a protocol lists for training gives `masks_per_image` rows, one that is a probe gives one; a photo that
    is both (in different folds) gives both kinds, since their templates differ, unless templates are shared.

    Raises
    ------
    DatasetError
        If no photo of the data set is there.
    ConfigError
        If there are too few templates.
    """
    subjects = dataset.subjects
    subject_index = {name: index for index, name in enumerate(subjects)}
    groups = split_templates([(template.kind, template.name) for template in templates], share=config.share_templates)
    uses = _uses(dataset, config)
    masks_of = _deal_all(dataset, groups, uses, config)

    photos: list[PlannedPhoto] = []
    absent: list[tuple[int, Sample]] = []
    for number, sample in enumerate(dataset.samples):
        if sample.path is None:
            absent.append((number, sample))
            continue
        slots = tuple(Slot(use, mask) for use in uses[sample.id] for mask in masks_of[use].get(sample.id, (UNMASKED,)))
        points = () if sample.points is None else tuple((float(x), float(y)) for x, y in np.asarray(sample.points))
        box = (
            ()
            if sample.box is None
            else tuple(map(float, (sample.box.left, sample.box.top, sample.box.right, sample.box.bottom)))
        )
        subject = subject_index[sample.subject]
        photos.append(PlannedPhoto(number, sample.id, sample.path, subject, sample.spectrum, points, slots, box))
    if not photos:
        listed = counted(len(dataset.samples), "photo")
        raise DatasetError(f"{dataset.root}: none of {listed} of '{dataset.name}' is there.")
    numbers = {sample.id: number for number, sample in enumerate(dataset.samples)}
    used: list[Use] = ["any"] * len(templates)
    for use, indices in groups.items():
        for index in indices:
            used[index] = use
    return Plan(
        dataset=dataset.name,
        root=dataset.root,
        config=config,
        subjects=subjects,
        masks=tuple(
            MaskEntry(t.name, {"use": use, "kind": t.kind} | _design(t), t.sha256)
            for t, use in zip(templates, used, strict=True)
        ),
        templates=tuple(templates),
        photos=tuple(photos),
        absent=tuple(absent),
        protocols=tuple(
            PlannedProtocol(
                protocol.name,
                {part: tuple(numbers[name] for name in getattr(protocol, part)) for part in PARTS},
                protocol.published,
            )
            for protocol in dataset.protocols
        ),
    )


def encode_photo(photo: PlannedPhoto) -> list[Any]:
    """`photo` as JSON values."""
    slots = [[slot.use, slot.mask] for slot in photo.slots]
    points = [list(point) for point in photo.points]
    return [photo.number, photo.id, photo.path, photo.subject, photo.spectrum, points, slots, list(photo.box)]


def decode_photo(values: list[Any]) -> PlannedPhoto:
    """The photo that `encode_photo` wrote."""
    number, name, path, subject, spectrum, points, slots, box = values
    places = tuple((x, y) for x, y in points)
    return PlannedPhoto(number, name, path, subject, spectrum, places, tuple(Slot(u, m) for u, m in slots), tuple(box))


def _uses(dataset: FaceDataset, config: BatchConfig) -> dict[str, tuple[Use, ...]]:
    """Sample id → the kinds of rows it gives. Unmasked rows serve for anything; so do masked ones with shared masks."""
    training: set[str] = set()
    probing: set[str] = set()
    for protocol in dataset.protocols:
        training.update(protocol.nir_train, protocol.vis_train)
        probing.update(protocol.nir_probe, protocol.vis_gallery)
    uses: dict[str, tuple[Use, ...]] = {}
    for sample in dataset.samples:
        if config.share_templates or not config.masks(sample.spectrum):
            uses[sample.id] = ("any",)
        elif sample.id in probing:
            uses[sample.id] = ("train", "probe") if sample.id in training else ("probe",)
        else:
            uses[sample.id] = ("train",)
    return uses


def _deal_all(
    dataset: FaceDataset, groups: dict[Use, tuple[int, ...]], uses: dict[str, tuple[Use, ...]], config: BatchConfig
) -> dict[Use, dict[str, tuple[int, ...]]]:
    """Use → sample id → indices of its masks."""
    training = {name for protocol in dataset.protocols for name in (*protocol.nir_train, *protocol.vis_train)}
    listed = {name for protocol in dataset.protocols for part in PARTS for name in getattr(protocol, part)}
    dealt: dict[Use, dict[str, tuple[int, ...]]] = {"train": {}, "probe": {}, "any": {}}
    for use, indices in groups.items():
        for spectrum in ("nir", "vis"):
            if not config.masks(spectrum):
                continue
            ids = [s.id for s in dataset.samples if s.spectrum == spectrum and use in uses[s.id]]
            each = 1 if use == "probe" else config.masks_per_image
            for name, places in deal(ids, len(indices), each, seed=config.seed, purpose=f"{spectrum} {use}").items():
                if use == "any" and name in listed and name not in training:
                    places = places[:1]  # a probe alone wears one mask
                dealt[use][name] = tuple(indices[place] for place in places)
    return dealt


def _line(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _design(template: Template) -> dict[str, Any]:
    """The parameters of a generated mask, from which it can be made again."""
    design = template.metadata.get("design")
    return {"design": design} if design else {}
