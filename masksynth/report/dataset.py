"""What a page says about a masked data set."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from masksynth.arrays import Photo8, Spectrum
from masksynth.errors import MasksynthError, PhotoError
from masksynth.photos import read_photo
from masksynth.report.charts import histogram
from masksynth.report.markup import Content, Markup, count, element, facts, joined, table, tiles
from masksynth.report.page import Section, folded, note, side_by_side, titled
from masksynth.report.pictures import blank_card, card, cards, fitted, picture, rgb, strip
from masksynth.report.sampling import Rows, brightness, sources, spread
from masksynth.seeds import rng_for
from masksynth.store import PARTS, SPECTRA, Skipped, Store
from masksynth.template import Template, load_template
from masksynth.template.worn import worn

FACES = 12  # on each contact sheet
WEARERS = 6  # of each template
MOST_TEMPLATES = 40  # with pictures
MOST_SKIPPED = 24  # with a thumbnail
MOST_LISTED = 200  # skipped photos in the list
MEASURED = 400  # rows on which brightness is measured
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
    sections = [_summary(store), _faces(store, seed), _lowest(store), _templates(store, templates, seed)]
    sections += [_poses(store, seed), _protocols(store), _skipped(store, photo_root(store, root)), _provenance(store)]
    return [section for section in sections if section.body]


def masked_spectrum(store: Store) -> Spectrum | None:
    """The spectrum whose rows wear masks, NIR first; None where none does."""
    for spectrum in SPECTRA:
        if "alpha" in store.kinds(spectrum) and (store.column(spectrum, "mask") >= 0).any():
            return spectrum
    return None


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


def _faces(store: Store, seed: int) -> Section:
    body: list[Content] = []
    masked = masked_spectrum(store)
    if masked is not None:
        wearing = np.flatnonzero(store.column(masked, "mask") >= 0)
        rng = rng_for(seed, "report", "faces")
        rows = wearing[spread(store.labels(masked, wearing), FACES, rng)]
        body.append(titled(f"{masked.upper()}: {_triple_names(store, masked)}", face_cards(store, masked, rows)))
    for spectrum in SPECTRA:
        bare = np.flatnonzero(store.column(spectrum, "mask") < 0)
        if len(bare):
            rng = rng_for(seed, "report", "bare", spectrum)
            rows = bare[spread(store.labels(spectrum, bare), FACES, rng)]
            shown = [
                card(image, store.subjects[subject], source)
                for image, subject, source in zip(
                    store.images(spectrum, rows),
                    store.labels(spectrum, rows),
                    sources(store, spectrum, rows),
                    strict=True,
                )
            ]
            body.append(titled(f"{spectrum.upper()}, without masks", cards(shown)))
    return Section("Faces", body, "Chosen at random, one crop a person.")


def _lowest(store: Store) -> Section:
    masked = masked_spectrum(store)
    if masked is None:
        return Section("Least sure", None)
    score = store.column(masked, "score")
    wearing = np.flatnonzero(store.column(masked, "mask") >= 0)
    known = wearing[np.isfinite(score[wearing])]
    _, first = np.unique(store.column(masked, "image_id", known), return_index=True)
    photos = known[first]
    rows = photos[np.argsort(score[photos], kind="stable")[:FACES]]
    return Section(
        "Least sure",
        face_cards(store, masked, rows) if len(rows) else None,
        "The masked faces with the lowest presence score: look here first for masks that sit wrong.",
    )


def _templates(store: Store, given: Sequence[Template], seed: int) -> Section:
    masked = masked_spectrum(store)
    if masked is None:
        return Section("Mask templates", None)
    worn_by = store.column(masked, "mask")
    wearing = np.flatnonzero(worn_by >= 0)
    rng = rng_for(seed, "report", "brightness")
    measured = brightness(store, masked, wearing[np.sort(rng.permutation(len(wearing))[:MEASURED])])
    worn_by_measured = worn_by[measured.rows]
    known = {template.sha256: template for template in given}
    blocks: list[Content] = []
    for index, entry in enumerate(store.templates[:MOST_TEMPLATES]):
        rows = np.flatnonzero(worn_by == index)
        ratio = measured.ratio[worn_by_measured == index]
        ratio = ratio[np.isfinite(ratio)]
        words = [f"{count(len(rows))} wearers", *(str(entry.params[k]) for k in ("kind", "use") if entry.params.get(k))]
        if len(ratio):
            words.append(f"{np.median(ratio):.2f} times as bright as the skin")
        chosen = rows[spread(store.labels(masked, rows), WEARERS, rng_for(seed, "report", "wearers", index))]
        shown = _template_pictures(known.get(entry.sha256) or _template_in_library(entry.template, entry.sha256))
        shown += [
            element("figure", picture(image, f"wears {entry.template}"))
            for image in (store.images(masked, chosen) if len(chosen) else [])
        ]
        heading = element("h3", entry.template, element("small", " · ".join(words)))
        blocks.append(element("div", heading, cards(shown, "row"), class_="together"))
    body: list[Content] = [joined(blocks)]
    if len(store.templates) > MOST_TEMPLATES:
        body.append(element("p", f"{count(len(store.templates) - MOST_TEMPLATES)} more are not shown.", class_="quiet"))
    if np.isfinite(measured.ratio).any():
        edges = np.linspace(0, max(2.0, float(np.nanpercentile(measured.ratio, 99))), 31)
        kinds = _by_kind(store, worn_by_measured)
        groups = [(kind, measured.ratio[kinds == kind]) for kind, _ in Counter(kinds.tolist()).most_common(4)]
        chart = histogram(groups, edges=edges, x_label="brightness of the mask over that of the skin")
        text = (
            "Medians of grey level over the mask and over the bare skin below the eyes, on "
            f"{count(len(measured.rows))} {masked.upper()} crops."
        )
        body.append(titled("Brightness of mask against skin", [element("p", text, class_="quiet"), chart]))
    return Section(
        "Mask templates", body, "Each template in the UV layout and on the generic face, then some who wear it."
    )


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


def _skipped(store: Store, root: Path | None) -> Section:
    skipped = store.skipped
    if not skipped:
        return Section("Skipped", element("p", "No photo was skipped."))
    kinds = Counter((reason_kind(one), one.spectrum) for one in skipped)
    reasons = sorted({kind for kind, _ in kinds}, key=lambda kind: -sum(kinds[kind, s] for s in SPECTRA))
    body: list[Content] = [
        table(["reason", "NIR", "VIS"], ([kind, *(count(kinds[kind, s]) for s in SPECTRA)] for kind in reasons))
    ]
    body.append(cards([_skipped_card(one, root) for one in _varied(skipped, MOST_SKIPPED)]))
    listed = [[one.source, one.subject, one.spectrum.upper(), short_reason(one)] for one in skipped[:MOST_LISTED]]
    left = len(skipped) - len(listed)
    more = element("p", f"{count(left)} more are listed in the file, under /skipped.", class_="quiet") if left else None
    body.append(
        folded("Every skipped photo", [table(["photo", "person", "light", "reason"], listed, numbers_from=9), more])
    )
    return Section("Skipped", body, "Every input that has no crop, with its reason.")


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
    pairs: list[tuple[str, Content]] = [("file", store.path.name), ("size", _size(store.path))]
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


# Pieces


def face_cards(store: Store, spectrum: Spectrum, rows: Rows) -> Markup:
    """Original, masked and alpha of some masked rows, with who, what and how."""
    kinds = store.kinds(spectrum)
    columns = [store.images(spectrum, rows, kind) for kind in ("clean", "image", "alpha") if kind in kinds]
    masks, poses = store.column(spectrum, "mask", rows), store.column(spectrum, "pose", rows)
    scores, labels = store.column(spectrum, "score", rows), store.labels(spectrum, rows)
    names = sources(store, spectrum, rows)
    shown = []
    for k in range(len(rows)):
        template = store.templates[masks[k]].template if masks[k] >= 0 else "no mask"
        shown.append(
            card(
                strip([column[k] for column in columns]),
                f"{store.subjects[labels[k]]} · {template}",
                f"yaw {_degrees(poses[k][0])}, pitch {_degrees(poses[k][1])} · score {scores[k]:.3f}",
                names[k],
            )
        )
    return cards(shown, "wide")


def short_reason(one: Skipped) -> str:
    """The reason without the path that it may begin with."""
    reason = one.reason.strip()
    head, colon, rest = reason.partition(": ")
    return rest if colon and (head == one.source or head.endswith("/" + one.source)) else reason


def reason_kind(one: Skipped) -> str:
    """The reason with its numbers left out, so that like reasons count together."""
    return re.sub(r"\d+(?:[.,]\d+)*", "…", short_reason(one))


def _triple_names(store: Store, spectrum: Spectrum) -> str:
    names = {"clean": "original", "image": "masked", "alpha": "share of the mask"}
    return ", ".join(names[kind] for kind in ("clean", "image", "alpha") if kind in store.kinds(spectrum))


def _template_pictures(template: Template | None) -> list[Markup]:
    if template is None:
        return [blank_card("not in the library of this machine")]
    flat = card(fitted(template_pixels(template), 144), alt=template.name, class_="card uv")
    return [flat, card(worn(template, side=144), alt=f"{template.name} on the generic face")]


def _degrees(angle: float) -> str:
    return f"{round(float(angle)) + 0:+d}°".replace("-", "−") if np.isfinite(angle) else "?"


def _score_edges(groups: Sequence[tuple[str, np.ndarray]]) -> np.ndarray:
    """Bins from the highest of some round numbers that nearly all scores reach, to 1."""
    scores = np.concatenate([values for _, values in groups])
    scores = scores[np.isfinite(scores)]
    least = float(np.percentile(scores, 0.5)) if len(scores) else 0.0
    low = max(bound for bound in (0.0, 0.5, 0.8, 0.9, 0.95, 0.99, 0.999) if bound <= max(least, 0.0))
    return np.linspace(low, 1.0, 26)


def template_pixels(template: Template) -> Photo8:
    """(S, S, 4) uint8, transparent texels black so that they pack well."""
    pixels = np.rint(np.clip(template.rgba, 0, 1) * 255).astype(np.uint8)
    pixels[pixels[..., 3] == 0] = 0
    return pixels


def _template_in_library(name: str, sha256: str) -> Template | None:
    """The template as it was used, where the library still has it so."""
    try:
        template = load_template(name)
    except MasksynthError:
        return None
    return template if template.sha256 == sha256 else None


def _by_kind(store: Store, masks: np.ndarray) -> np.ndarray:
    kinds = np.array([str(entry.params.get("kind") or entry.template) for entry in store.templates], dtype=object)
    return kinds[masks]


def _varied(skipped: Sequence[Skipped], number: int) -> list[Skipped]:
    """Some of `skipped`, every kind of reason among them while there is room."""
    by_kind: dict[str, list[Skipped]] = defaultdict(list)
    for one in skipped:
        by_kind[reason_kind(one)].append(one)
    chosen: list[Skipped] = []
    while len(chosen) < min(number, len(skipped)):
        for group in by_kind.values():
            if group and len(chosen) < number:
                chosen.append(group.pop(0))
    return chosen


def _skipped_card(one: Skipped, root: Path | None) -> Markup:
    name = one.source.rsplit("/", 1)[-1]
    pixels = _thumbnail(one.source, root)
    if pixels is not None:
        return card(pixels, one.source, short_reason(one), alt=name)
    return blank_card("no picture", one.source, short_reason(one))


def photo_root(store: Store, root: Path | None) -> Path | None:
    """The folder that the sources start from: `root`, or one at most two levels below it; None where there is none."""
    if root is None:
        return None
    names = [
        name for spectrum in SPECTRA for name in sources(store, spectrum, np.arange(min(3, store.count(spectrum))))
    ]
    names += [one.source for one in store.skipped[:3]]
    for folder in (root, *sorted(root.glob("*/")), *sorted(root.glob("*/*/"))):
        if any((folder / name).is_file() for name in names if name):
            return folder
    return None


def _thumbnail(source: str, root: Path | None) -> Photo8 | None:
    """The photo made small, or None: it is not there, cannot be read, or lies outside the root."""
    if root is None or not source:
        return None
    path = (root / source).resolve()
    if not path.is_relative_to(root.resolve()):
        return None
    try:
        return rgb(fitted(read_photo(path).pixels, 144))
    except PhotoError:
        return None


def _size(path: Path) -> str:
    size = float(path.stat().st_size)
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"
