"""What a page says about a masked data set."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from masksynth.report.charts import histogram
from masksynth.report.gallery import faces_section, lowest_section, templates_section
from masksynth.report.markup import Content, count, element, facts, file_size, table, tiles
from masksynth.report.page import Section, folded, note, side_by_side
from masksynth.report.skipped import skipped_section
from masksynth.seeds import rng_for
from masksynth.store import PARTS, SPECTRA, Store
from masksynth.template import Template

MOST_FOR_HISTOGRAMS = 200_000  # rows of a spectrum
PART_NAMES = {
    "nir_train": "NIR training",
    "vis_train": "VIS training",
    "nir_probe": "NIR probes",
    "vis_gallery": "VIS gallery",
}


def dataset_sections(
    store: Store, *, root: Path | None = None, templates: Sequence[Template] = (), seed: int = 0
) -> list[Section]:
    """The parts of a page about `store`.

    Parameters
    ----------
    root : folder of the data set's photos, optional
        Where thumbnails of skipped photos are read from; it may also be a folder or two above.
    templates : Template, optional
        Those that the library does not have.
    seed : of the choice of rows shown
    """
    sections = [
        _summary(store),
        faces_section(store, seed),
        lowest_section(store),
        templates_section(store, templates, seed),
    ]
    sections += [_poses(store, seed), _protocols(store), skipped_section(store, root), _provenance(store)]
    return [section for section in sections if section.body]


# The parts of the page, in their order


def _summary(store: Store) -> Section:
    rows = {spectrum: store.count(spectrum) for spectrum in SPECTRA}
    figures: list[tuple[str, Content]] = [
        ("people", count(len(store.subjects))),
        ("NIR crops", count(rows["nir"])),
        ("VIS crops", count(rows["vis"])),
        ("mask templates", count(len(store.templates))),
        ("protocols", count(len(store.protocols))),
        ("skipped photos", count(len(store.skipped))),
    ]
    photos = {spectrum: len(np.unique(store.column(spectrum, "image_id"))) for spectrum in SPECTRA}
    body: list[Content] = [tiles(figures)]
    if not store.complete:
        body.append(
            note(
                "This file is marked incomplete: more photos were skipped than the run allowed. Figures measured on it "
                "do not count as figures of the data set.",
                warning=True,
            )
        )
    body.append(
        table(
            ["", "crops", "photos", "people", "masked"],
            (
                [
                    spectrum.upper(),
                    count(rows[spectrum]),
                    count(photos[spectrum]),
                    count(len(np.unique(store.labels(spectrum)))),
                    count(int((store.column(spectrum, "mask") >= 0).sum())),
                ]
                for spectrum in SPECTRA
            ),
        )
    )
    return Section("At a glance", body)


def _poses(store: Store, seed: int) -> Section:
    groups: dict[str, list[tuple[str, np.ndarray]]] = defaultdict(list)
    for spectrum in SPECTRA:
        rows = np.arange(store.count(spectrum))
        if len(rows) > MOST_FOR_HISTOGRAMS:
            rows = np.sort(rng_for(seed, "report", "poses", spectrum).choice(rows, MOST_FOR_HISTOGRAMS, replace=False))
        pose = store.column(spectrum, "pose", rows)
        for k, name in enumerate(("yaw", "pitch", "roll")):
            groups[name].append((spectrum.upper(), pose[:, k]))
        groups["score"].append((spectrum.upper(), store.column(spectrum, "score", rows)))
    charts = [
        histogram(groups["yaw"], edges=np.arange(-90, 91, 7.5), x_label="yaw, degrees (right is positive)"),
        histogram(groups["pitch"], edges=np.arange(-60, 61, 5), x_label="pitch, degrees (up is positive)"),
        histogram(groups["roll"], edges=np.arange(-60, 61, 5), x_label="roll, degrees (clockwise is positive)"),
        histogram(groups["score"], edges=_score_edges(groups["score"]), x_label="face presence score"),
    ]
    return Section("Poses and scores", side_by_side(*charts), "Head pose as reconstructed, in the image's own sense.")


def _protocols(store: Store) -> Section:
    if not store.protocols:
        return Section("Protocols", None)
    rows, missing_any, own = [], False, False
    for name in store.protocols:
        protocol = store.protocol(name)
        cells: list[Content] = [name if protocol.published else f"{name} *"]
        own |= not protocol.published
        for part in PARTS:
            missing = protocol.missing_count(part)
            missing_any |= missing > 0
            cells.append(count(protocol.expected[part]))
            cells.append(element("span", count(missing), class_="bad") if missing else "0")
        rows.append(cells)
    head = ["protocol", *(word for part in PARTS for word in (PART_NAMES[part], "missing"))]
    body: list[Content] = [table(head, rows)]
    if own:
        body.append(element("p", "* A split of masksynth's own making, not a published one.", class_="quiet"))
    if missing_any:
        body.append(
            note(
                "Missing photos are listed by the protocol but have no crop. Evaluation counts missing probes as wrong."
            )
        )
    return Section("Protocols", body, "How many photos each list names, and how many of them have no crop.")


def _provenance(store: Store) -> Section:
    attrs = store.attrs
    names = {
        "dataset": "data set",
        "created": "made",
        "command": "command",
        "masksynth_version": "masksynth",
        "detector": "detector",
        "reconstructor": "reconstruction",
        "side": "crop side, px",
        "seed": "seed",
        "plan_sha256": "plan",
    }
    pairs: list[tuple[str, Content]] = [("file", store.path.name), ("size", file_size(store.path))]
    for key, name in names.items():
        value = attrs.get(key, "")
        if value not in ("", None):
            pairs.append((name, element("code", str(value)) if key in ("command", "plan_sha256") else str(value)))
    config = json.dumps(attrs["config"], indent=2, ensure_ascii=False, default=str)
    return Section(
        "How it was made",
        [facts(pairs), folded("All settings", element("pre", config))],
        "The plan is the hash of everything that decides the content: the same plan gives the same bytes.",
    )


def _score_edges(groups: Sequence[tuple[str, np.ndarray]]) -> np.ndarray:
    """Bins from the highest of some round numbers that nearly all scores reach, to 1."""
    scores = np.concatenate([values for _, values in groups])
    scores = scores[np.isfinite(scores)]
    least = float(np.percentile(scores, 0.5)) if len(scores) else 0.0
    low = max(bound for bound in (0.0, 0.5, 0.8, 0.9, 0.95, 0.99, 0.999) if bound <= max(least, 0.0))
    return np.linspace(low, 1.0, 26)
