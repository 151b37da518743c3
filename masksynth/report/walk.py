"""The page of a whole walk: from a photo to a template, a masked data set, a training run and its figures."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from masksynth.arrays import Alpha, Photo8
from masksynth.report.dataset import dataset_sections
from masksynth.report.gallery import template_pixels
from masksynth.report.markup import Content, element, table
from masksynth.report.page import Section, folded, write_page
from masksynth.report.pictures import card, cards, fitted
from masksynth.report.run import run_sections
from masksynth.store import open_store
from masksynth.template import Template
from masksynth.template.worn import worn
from masksynth.train.run import RunFolder

YAWS = (-40.0, 0.0, 40.0)
EDGE = np.array([255, 70, 40], np.float32)  # of the mask that was found, drawn into the photo


@dataclass
class Step:
    """One thing that was done."""

    title: str
    command: str  # that a user would type
    seconds: float = 0.0
    results: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Extraction:
    """A template and the photo that it comes from."""

    photo: Photo8  # (H, W, 3)
    alpha: Alpha  # (H, W) where the mask was found in it
    template: Template
    truth: Template | None = None  # the mask that is worn in the photo, where it is known


def write_walk(
    path: Path,
    steps: Sequence[Step],
    extraction: Extraction,
    masked: Path,
    run: Path,
    *,
    root: Path | None = None,
    seed: int = 0,
) -> None:
    """Write the page to `path`; `root` is where thumbnails of skipped photos are read from."""
    with open_store(masked) as store:
        data = dataset_sections(store, root=root, templates=[extraction.template], seed=seed)
    trained = run_sections(RunFolder(run))
    names = {"At a glance": "The data set", "How it was made": "How the data set was made"}
    data = [dataclasses.replace(section, title=names.get(section.title, section.title)) for section in data]
    names = {"At a glance": "The training run", "Settings": "Settings of the run"}
    trained = [dataclasses.replace(section, title=names.get(section.title, section.title)) for section in trained]
    lead = (
        "Every face on this page is generated; none of these persons exists. Each step below is what a command of "
        "masksynth does to real photos."
    )
    write_page(path, "masksynth, the whole walk", lead, [_steps(steps), _extraction(extraction), *data, *trained])


def _steps(steps: Sequence[Step]) -> Section:
    rows: list[list[Content]] = [
        [k, step.title, f"{step.seconds:.1f} s"] for k, step in enumerate(steps, 1) if step.seconds
    ]
    commands = "\n".join(step.command for step in steps)
    body = [table(["", "step", "time"], rows, numbers_from=2), folded("The commands", element("pre", commands))]
    return Section("The walk", body)


def _extraction(one: Extraction) -> Section:
    side = 232
    outlined = fitted(outline(one.photo, one.alpha), side)
    first = [card(fitted(one.photo, side), "The photo"), card(outlined, "The mask found in it")]
    first.append(
        card(fitted(template_pixels(one.template), side), "The template", "in the UV layout", class_="card uv")
    )
    if one.truth is not None:
        true = card(
            fitted(template_pixels(one.truth), side),
            "The mask as it was made",
            "which the program never saw",
            class_="card uv",
        )
        first.append(true)
    views = [card(worn(one.template, yaw_deg=yaw, side=side), f"Worn, turned {yaw:.0f}°") for yaw in YAWS]
    return Section(
        "A template from a photo",
        cards([*first, *views], "big"),
        "A person who wears a mask; the mask told from the face, unwrapped, and completed where the pose hid it.",
    )


def outline(photo: Photo8, alpha: Alpha) -> Photo8:
    """The photo with the rim of `alpha` drawn in and what lies outside paler."""
    inside = alpha > 0.5
    width = max(1, round(max(inside.shape) / 250))
    rim = np.zeros_like(inside)
    for shift in range(1, width + 1):
        for axis in (0, 1):
            for sign in (-shift, shift):
                rim |= inside & ~np.roll(inside, sign, axis)
    pale = photo.astype(np.float32)
    pale = np.where(inside[..., None], pale, 0.45 * pale + 0.55 * 255)
    return np.rint(np.where(rim[..., None], EDGE, pale)).astype(np.uint8)
