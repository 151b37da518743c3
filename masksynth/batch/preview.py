"""What a plan would do, before it does it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from masksynth.arrays import Spectrum
from masksynth.batch.folder import part_form
from masksynth.batch.part import PhotoFunction
from masksynth.batch.plan import UNMASKED, Plan
from masksynth.errors import MasksynthError
from masksynth.store import PARTS, SPECTRA
from masksynth.store.schema import image_shape

TRIALS = 24  # photos that the time is measured on, spread evenly


@dataclass(frozen=True)
class Preview:
    """Counts of a plan."""

    rows: Mapping[Spectrum, int]
    masked: Mapping[Spectrum, int]
    templates: Mapping[str, tuple[str, ...]]  # use → names
    worn: Mapping[str, tuple[int, int]]  # use → least and most rows that a template of it gets
    protocols: Mapping[str, Mapping[str, tuple[int, int]]]  # name → part → photos listed, of them absent
    pixel_bytes: int  # of all images, unpacked


def preview(plan: Plan) -> Preview:
    """Counts of `plan`."""
    form = part_form(plan)
    rows = {spectrum: plan.rows(spectrum) for spectrum in SPECTRA}
    slots = [(photo.spectrum, slot) for photo in plan.photos for slot in photo.slots]
    masked = Counter(spectrum for spectrum, slot in slots if slot.mask != UNMASKED)
    worn = Counter(slot.mask for _, slot in slots if slot.mask != UNMASKED)
    templates: dict[str, list[int]] = {}
    for index, mask in enumerate(plan.masks):
        templates.setdefault(str(mask.params["use"]), []).append(index)
    absent = {number for number, _ in plan.absent}
    size = sum(
        rows[spectrum] * int(np.prod(image_shape(spectrum, kind, form.side)))
        for spectrum in SPECTRA
        for kind in form.kinds(spectrum)
    )
    return Preview(
        rows=rows,
        masked={spectrum: masked[spectrum] for spectrum in SPECTRA},
        templates={use: tuple(plan.masks[i].template for i in found) for use, found in templates.items()},
        worn={use: (min(worn[i] for i in found), max(worn[i] for i in found)) for use, found in templates.items()},
        protocols={
            protocol.name: {
                part: (len(protocol.parts[part]), sum(number in absent for number in protocol.parts[part]))
                for part in PARTS
            }
            for protocol in plan.protocols
        },
        pixel_bytes=size,
    )


def seconds_a_photo(plan: Plan, function: PhotoFunction, trials: int = TRIALS) -> tuple[float, int]:
    """Mean seconds of one process for a photo, measured on some of them, and how many of those would be skipped."""
    some = [plan.photos[int(i)] for i in np.linspace(0, len(plan.photos) - 1, min(trials, len(plan.photos)))]
    skipped, spent = 0, 0.0
    for index, photo in enumerate([some[0], *some]):
        begun = time.perf_counter()
        try:
            function.make(photo, function.find(photo))
        except MasksynthError:
            skipped += index > 0
        if index:  # the first run of all loads and compiles
            spent += time.perf_counter() - begun
    return spent / len(some), skipped
