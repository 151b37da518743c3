"""The photos of a data set that have no crop: why, and what they look like."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from masksynth.arrays import Photo8
from masksynth.datasets.reading import read_at
from masksynth.datasets.recordio import split_place
from masksynth.errors import PhotoError
from masksynth.report.markup import Content, Markup, count, element, table
from masksynth.report.page import Section, folded
from masksynth.report.pictures import blank_card, card, cards, fitted, rgb
from masksynth.report.sampling import sources
from masksynth.store import SPECTRA, Skipped, Store

MOST_SKIPPED = 24  # with a thumbnail
MOST_LISTED = 200  # in the list


def skipped_section(store: Store, root: Path | None) -> Section:
    """Reasons counted, some of the photos, and the list; `root` is where the photos are, or a folder or two above."""
    root = photo_root(store, root)
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


def photo_root(store: Store, root: Path | None) -> Path | None:
    """The folder that the sources start from: `root`, or one at most two levels below it; None where there is none."""
    if root is None:
        return None
    names = [
        name for spectrum in SPECTRA for name in sources(store, spectrum, np.arange(min(3, store.count(spectrum))))
    ]
    names += [one.source for one in store.skipped[:3]]
    for folder in (root, *sorted(root.glob("*/")), *sorted(root.glob("*/*/"))):
        if any((folder / (split_place(name) or (name,))[0]).is_file() for name in names if name):
            return folder
    return None


def short_reason(one: Skipped) -> str:
    """The reason without the path that it may begin with."""
    reason = one.reason.strip()
    head, colon, rest = reason.partition(": ")
    return rest if colon and (head == one.source or head.endswith("/" + one.source)) else reason


def reason_kind(one: Skipped) -> str:
    """The reason with its numbers left out, so that like reasons count together."""
    return re.sub(r"\d+(?:[.,]\d+)*", "…", short_reason(one))


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


def _thumbnail(source: str, root: Path | None) -> Photo8 | None:
    """The photo made small, or None: it is not there, cannot be read, or its name leads out of the root."""
    name = PurePosixPath(source)
    if root is None or not source or name.is_absolute() or ".." in name.parts:
        return None
    try:
        return rgb(fitted(read_at(root, source).pixels, 144))
    except PhotoError:
        return None
