"""Which rows a page shows, and what is measured on them: a fixed number, however large the file is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from masksynth.arrays import Spectrum
from masksynth.store import Store

Rows = npt.NDArray[np.int64]

FULL_MASK = 250  # alpha from which a pixel counts as mask alone
PATCH = (0.15, 0.42)  # rows of skin below the eyes that a mask leaves bare, in distances between the eyes
FEWEST_PIXELS = 12  # of a patch, for its median to mean something


def spread(labels: npt.NDArray[np.integer], number: int, rng: np.random.Generator) -> Rows:
    """`number` places at random, as many different labels among them as there are, in rising order."""
    order = rng.permutation(len(labels))
    _, first = np.unique(labels[order], return_index=True)
    firsts = np.sort(first)
    chosen = order[firsts[:number]]
    if len(chosen) < number:
        rest = np.setdiff1d(np.arange(len(order)), firsts, assume_unique=True)
        chosen = np.concatenate([chosen, order[rest[: number - len(chosen)]]])
    return np.sort(chosen)


def sources(store: Store, spectrum: Spectrum, rows: Rows) -> list[str]:
    """Source of each of a few rows, without reading the whole column."""
    column = store.file[spectrum]["source"].asstr()
    return [str(column[int(row)]) for row in rows]


@dataclass(frozen=True)
class Brightness:
    """Grey levels of mask and skin in masked crops; NaN where there is too little of either."""

    rows: Rows
    mask: npt.NDArray[np.float64]  # (N,) median over the mask
    skin: npt.NDArray[np.float64]  # (N,) median over bare skin below the eyes

    @property
    def ratio(self) -> npt.NDArray[np.float64]:
        """(N,) mask over skin."""
        return np.divide(self.mask, self.skin, out=np.full(len(self.mask), np.nan), where=self.skin > 0)


def brightness(store: Store, spectrum: Spectrum, rows: Rows) -> Brightness:
    """How bright the mask is against the skin in some masked rows."""
    images = store.images(spectrum, rows)
    alphas = store.images(spectrum, rows, "alpha")
    points = store.column(spectrum, "landmarks", rows)
    mask, skin = np.full(len(rows), np.nan), np.full(len(rows), np.nan)
    for k, (image, alpha, five) in enumerate(zip(images, alphas, points, strict=True)):
        grey = image if image.ndim == 2 else image.mean(axis=2)
        left, right = sorted((float(five[0, 0]), float(five[1, 0])))
        eyes, apart = float(five[:2, 1].mean()), float(np.hypot(*(five[1] - five[0])))
        if not np.isfinite([left, right, eyes, apart]).all():
            continue
        top, bottom = max(0, round(eyes + PATCH[0] * apart)), max(0, round(eyes + PATCH[1] * apart))
        patch = np.s_[top:bottom, max(0, round(left)) : max(0, round(right))]
        bare = grey[patch][alpha[patch] == 0]
        covered = grey[alpha >= FULL_MASK]
        if len(bare) >= FEWEST_PIXELS and len(covered) >= FEWEST_PIXELS:
            mask[k], skin[k] = np.median(covered), np.median(bare)
    return Brightness(rows, mask, skin)
