"""Figures on a split of our own making say so."""

from __future__ import annotations

import numpy as np

from masksynth.evaluate.network import own_splits
from masksynth.store.reader import StoredProtocol
from masksynth.store.schema import PARTS


def protocol(name: str, published: bool) -> StoredProtocol:
    rows = {part: np.zeros(0, np.int64) for part in PARTS}
    return StoredProtocol(
        name, **rows, expected=dict.fromkeys(PARTS, 0), missing=dict.fromkeys(PARTS, ()), published=published
    )


def test_unpublished_splits_are_named_and_published_ones_are_not() -> None:
    assert own_splits([protocol("fold01", True)]) == ()
    assert own_splits([protocol("test", False), protocol("fold01", True)]) == (
        "The split of test is of masksynth's own making, not the published one.",
    )
