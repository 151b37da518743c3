"""Contact sheets of a masked data set: faces, the least sure of them, and the templates with their wearers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from masksynth.arrays import Photo8, Spectrum
from masksynth.errors import MasksynthError, counted
from masksynth.report.charts import histogram
from masksynth.report.markup import Content, Markup, element, joined
from masksynth.report.page import Section, titled
from masksynth.report.pictures import blank_card, card, cards, fitted, picture, strip
from masksynth.report.sampling import Rows, brightness, sources, spread
from masksynth.seeds import rng_for
from masksynth.store import SPECTRA, MaskEntry, Store
from masksynth.template import Template, load_template
from masksynth.template.design import MaskDesign
from masksynth.template.generator import generate
from masksynth.template.worn import worn

FACES = 12  # on each contact sheet
WEARERS = 6  # of each template
MOST_TEMPLATES = 40  # with pictures
MEASURED = 400  # rows on which brightness is measured


def masked_spectrum(store: Store) -> Spectrum | None:
    """The spectrum whose rows wear masks, NIR first; None where none does."""
    for spectrum in SPECTRA:
        if "alpha" in store.kinds(spectrum) and (store.column(spectrum, "mask") >= 0).any():
            return spectrum
    return None


def faces_section(store: Store, seed: int) -> Section:
    """Faces at random: original, masked and alpha; then those without a mask."""
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
    return Section("Faces", body, "Chosen at random, of as many people as there are.")


def lowest_section(store: Store) -> Section:
    """The masked photos that the reconstruction was least sure of."""
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


def templates_section(store: Store, given: Sequence[Template], seed: int) -> Section:
    """Every template, who wears it, and how bright it is; `given` are templates that the library need not have."""
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
        words = [counted(len(rows), "wearer"), *(str(entry.params[k]) for k in ("kind", "use") if entry.params.get(k))]
        if len(ratio):
            words.append(f"{np.median(ratio):.2f} times as bright as the skin")
        chosen = rows[spread(store.labels(masked, rows), WEARERS, rng_for(seed, "report", "wearers", index))]
        shown = _template_pictures(known.get(entry.sha256) or _template_as_used(entry))
        shown += [
            element("figure", picture(image, f"wears {entry.template}"))
            for image in (store.images(masked, chosen) if len(chosen) else [])
        ]
        heading = element("h3", entry.template, element("small", " · ".join(words)))
        blocks.append(element("div", heading, cards(shown, "row"), class_="together"))
    body: list[Content] = [joined(blocks)]
    if len(store.templates) > MOST_TEMPLATES:
        further = counted(len(store.templates) - MOST_TEMPLATES, "more is", "more are")
        body.append(element("p", f"{further} not shown.", class_="quiet"))
    if np.isfinite(measured.ratio).any():
        edges = np.linspace(0, max(2.0, float(np.nanpercentile(measured.ratio, 99))), 31)
        kinds = _by_kind(store, worn_by_measured)
        groups = [(kind, measured.ratio[kinds == kind]) for kind, _ in Counter(kinds.tolist()).most_common(4)]
        chart = histogram(groups, edges=edges, x_label="brightness of the mask over that of the skin")
        text = (
            "Medians of grey level over the mask and over the bare skin below the eyes, on "
            f"{counted(len(measured.rows), f'{masked.upper()} crop')}."
        )
        body.append(titled("Brightness of mask against skin", [element("p", text, class_="quiet"), chart]))
    return Section(
        "Mask templates", body, "Each template in the UV layout and on the generic face, then some who wear it."
    )


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


def _template_pictures(template: Template | None) -> list[Markup]:
    if template is None:
        return [blank_card("not in the library of this machine")]
    flat = card(fitted(template_pixels(template), 144), alt=template.name, class_="card uv")
    return [flat, card(worn(template, side=144), alt=f"{template.name} on the generic face")]


def template_pixels(template: Template) -> Photo8:
    """(S, S, 4) uint8, transparent texels black so that they pack well."""
    pixels = np.rint(np.clip(template.rgba, 0, 1) * 255).astype(np.uint8)
    pixels[pixels[..., 3] == 0] = 0
    return pixels


def _template_as_used(entry: MaskEntry) -> Template | None:
    """From the library, or made again from its design; None where that is not the one that was used."""
    for find in (_from_library, _from_design):
        template = find(entry)
        if template is not None and template.sha256 == entry.sha256:
            return template
    return None


def _from_library(entry: MaskEntry) -> Template | None:
    try:
        return load_template(entry.template)
    except MasksynthError:
        return None


def _from_design(entry: MaskEntry) -> Template | None:
    design = entry.params.get("design")
    try:
        return generate(MaskDesign(**design), entry.template) if isinstance(design, dict) else None
    except (MasksynthError, TypeError, ValueError):  # the design of another version
        return None


def _by_kind(store: Store, masks: np.ndarray) -> np.ndarray:
    kinds = np.array([str(entry.params.get("kind") or entry.template) for entry in store.templates], dtype=object)
    return kinds[masks]


def _triple_names(store: Store, spectrum: Spectrum) -> str:
    names = {"clean": "original", "image": "masked", "alpha": "share of the mask"}
    return ", ".join(names[kind] for kind in ("clean", "image", "alpha") if kind in store.kinds(spectrum))


def _degrees(angle: float) -> str:
    return f"{round(float(angle)) + 0:+d}°".replace("-", "−") if np.isfinite(angle) else "?"
