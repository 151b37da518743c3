"""Several photos in one texture, and what none of them shows filled in."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter

from masksynth.arrays import UV_SIZE
from masksynth.errors import SegmentationError
from masksynth.extract.outline import fit_outline
from masksynth.extract.texture import FACING, Field, Unwrapped
from masksynth.template.format import surface

LEGIBLE = 0.38  # cosine from which on a texel's colour is taken as it is
EDGE_TEXELS = 1.5  # width of the soft edge, in texels of the 256 layout
COVER_MARGIN = 4.0  # texels of the 256 layout within the outline, from which bare places are covered and not beside it
MIN_SHOWN = 0.03  # share of the layout that must show mask


def merge(seen: Sequence[Unwrapped]) -> Unwrapped:
    """Several photos of one mask in one: each texel from where it is seen best, their brightness made equal."""
    if len(seen) == 1:
        return seen[0]
    first = seen[0]
    levelled = [first]
    for other in seen[1:]:
        both = (first.weight > 0) & (other.weight > 0) & (first.alpha > 0.9) & (other.alpha > 0.9)
        colour = other.colour
        if both.sum() > 50:
            gain = np.median(first.colour[both] ** 2.2, axis=0) / np.maximum(
                np.median(colour[both] ** 2.2, axis=0), 1e-4
            )
            colour = np.clip(colour**2.2 * np.clip(gain, 0.25, 4), 0, 1) ** (1 / 2.2)
        levelled.append(Unwrapped(colour, other.alpha, other.weight, other.trust))
    weights = np.stack([one.weight**4 for one in levelled])
    trusts = np.stack([one.trust**2 for one in levelled])
    mask_weights = weights * np.stack([one.alpha for one in levelled])
    mask_total = np.where(mask_weights.sum(0) > 1e-9, mask_weights.sum(0), 1)
    colour = np.einsum("kij,kijc->ijc", mask_weights / mask_total, np.stack([one.colour for one in levelled]))
    unseen = mask_weights.sum(0) <= 1e-9
    colour[unseen] = levelled[0].colour[unseen]
    alpha = (trusts * np.stack([one.alpha for one in levelled])).sum(0) / np.maximum(trusts.sum(0), 1e-12)
    weight, trust = (np.max([getattr(one, name) for one in levelled], axis=0) for name in ("weight", "trust"))
    return Unwrapped(colour, alpha, weight, trust)


def fill_hidden(seen: Unwrapped) -> tuple[Unwrapped, dict[str, float], float]:
    """What the pose hid: mirrored from the other side, then continued from the surroundings.

    The outline comes from the photo where it is seen well, from the other side where that is better, and is that of
    masks at large where neither is (see `masksynth.extract.outline`).

    Returns the filled texture, the shares of the mask's texels that were measured, mirrored and continued (and of those
    that something covers: within the outline, well seen, and not mask), and the share of the outline that strays from
    what masks look like.
    """
    texel = len(seen.alpha) / UV_SIZE
    own = seen.trust
    other = own[:, ::-1] * (1 - own)
    shown = float((own * (seen.alpha > 0.5)).mean())
    if shown < MIN_SHOWN:
        raise SegmentationError(
            f"too little of a mask is seen on the face: {100 * shown:.1f} % of the layout, at least "
            f"{100 * MIN_SHOWN:.0f} % are needed."
        )

    # The other side's word counts where it is seen better.
    sure = own + 0.7 * other
    rough = np.where(sure > 1e-6, (own * seen.alpha + 0.7 * other * seen.alpha[:, ::-1]) / np.maximum(sure, 1e-6), 0.5)
    outline = fit_outline(rough, np.clip(sure, 0, 1))
    alpha = np.clip(0.5 + outline.inside / EDGE_TEXELS, 0, 1) * surface(len(own))

    # Its colour is read where the place is less sure too: a print is better slanted than mirrored.
    mask = seen.alpha > 0.9
    legible = np.clip((seen.weight - FACING) / (LEGIBLE - FACING), 0, 1) * mask
    a, b = legible, legible[:, ::-1] * (1 - legible)
    feather = 1.5 * texel
    a, b = gaussian_filter(a, feather) * (a > 0), gaussian_filter(b, feather) * (b > 0)
    both = np.maximum(a + b, 1e-9)[..., None]
    colour = (a[..., None] * seen.colour + b[..., None] * seen.colour[:, ::-1]) / both
    known = (a + b) > 1e-3
    colour = np.where(known[..., None], colour, _continued_smoothly(colour, known))

    worn = alpha > 0.5
    inner = outline.inside > COVER_MARGIN
    count = max(int(worn.sum()), 1)
    measured = worn & known & (a >= b)
    mirrored = worn & known & (a < b)
    origin = {
        "measured": round(float(measured.sum() / count), 4),
        "mirrored": round(float(mirrored.sum() / count), 4),
        "continued": round(float((worn & ~known).sum() / count), 4),
        "covered": round(float((inner & (own > 0.5) & (seen.alpha < 0.5)).sum() / count), 4),
    }
    return Unwrapped(colour, alpha, seen.weight, seen.trust), origin, outline.stray


def _continued_smoothly(colour: Field, known: npt.NDArray[np.bool_]) -> Field:
    """(S, S, 3) with every unknown texel the mean of what is known around it, as near as there is any."""
    out = np.zeros_like(colour)
    missing = np.ones(known.shape, bool)
    sigma = 2.0
    while missing.any() and sigma < 4 * len(known):
        weight = gaussian_filter(known.astype(np.float64), sigma, truncate=3.0)
        reached = missing & (weight > 0.02)
        mean = gaussian_filter(colour * known[..., None], (sigma, sigma, 0), truncate=3.0)
        out[reached] = mean[reached] / weight[reached][:, None]
        missing &= ~reached
        sigma *= 2
    return out
