"""Several photos in one texture, and what none of them shows filled in."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter

from masksynth.arrays import UV_SIZE
from masksynth.compose.colour import to_encoded, to_linear
from masksynth.errors import SegmentationError
from masksynth.extract.outline import Outline, fit_outline
from masksynth.extract.texture import FACING, Field, Unwrapped
from masksynth.template.format import surface

LEGIBLE = 0.38  # cosine from which on a texel's colour is taken as it is
TURNED = 3  # power of the yaw's cosine by which an outline is believed
SLOW_TEXELS = 6.0  # of the 256 layout: detail of several photos that is coarser is blended, finer detail is not
SOFTLY, SHARPLY = 4, 24  # powers of how well a texel is seen
EDGE_TEXELS = 1.5  # width of the soft edge, in texels of the 256 layout
COVER_MARGIN = 4.0  # texels of the 256 layout within the outline, from which bare places are covered and not beside it
STEP, STEP_TEXELS = 0.1, 5.0  # encoded: how far left and right differ at most by light, over texels of the 256 layout
GROUND_TEXELS = 12.0  # of the 256 layout: cloth without its print is about the same over this
PRINT_STRAY = 18.0  # steps of CIELAB from the cloth around it, from which a place is print
FOLD = 0.6  # weight of lightness in that: folds differ in little else
MOST_PRINT = 0.4  # share of the mask within `PRINT_GAP` of it: more is a pattern
LEAST_PRINT = 40.0  # texels of the 256 layout
SAME_PRINT = 0.6  # correlation with its mirror image, from which both sides have it ...
PRINT_SHIFT = 4.0  # ... for a shift by so many texels of the 256 layout at most ...
LEAST_COMPARED = 0.3  # ... over at least this share of it
PRINT_GAP = 4.0  # texels that part letters of one print
MIN_SHOWN = 0.03  # share of the layout that must show mask


def merge(seen: Sequence[Unwrapped], yaws_rad: Sequence[float]) -> Unwrapped:
    """Several photos of one mask in one: each texel from where it is seen best, their brightness made equal.

    Where the edge lies is believed the less, the more a face is turned: reconstructions sit less well on those.
    """
    if len(seen) == 1:
        return seen[0]
    first = seen[0]
    levelled = [first]
    for other in seen[1:]:
        both = (first.weight > 0) & (other.weight > 0) & (first.alpha > 0.9) & (other.alpha > 0.9)
        colour = other.colour
        if both.sum() > 50:
            one, another = (np.median(to_linear(of[both]), axis=0) for of in (first.colour, colour))
            gain = np.clip(one / np.maximum(another, 1e-4), 0.25, 4)
            colour = np.asarray(to_encoded(to_linear(colour) * gain), np.float64)
        levelled.append(Unwrapped(colour, other.alpha, other.weight, other.trust))
    # What is slow in them passes softly from one to another; what is fine is taken from one, lest a print be doubled.
    trusts = np.stack([(one.trust * np.cos(yaw) ** TURNED) ** 2 for one, yaw in zip(levelled, yaws_rad, strict=True)])
    texel = len(first.alpha) / UV_SIZE
    shown = [one.weight * (one.alpha > 0.9) for one in levelled]
    slow = [_blurred(one.colour, where > 0, SLOW_TEXELS * texel) for one, where in zip(levelled, shown, strict=True)]
    colour = np.zeros_like(first.colour)
    for power, band in (
        (SOFTLY, slow),
        (SHARPLY, [one.colour - low for one, low in zip(levelled, slow, strict=True)]),
    ):
        weights = np.stack([gaussian_filter(where, texel) * (where > 0) for where in shown]) ** power
        total = weights.sum(0)
        share = weights / np.where(total > 0, total, 1)
        colour += np.einsum("kij,kijc->ijc", share, np.stack(band))
    unseen = np.max(shown, axis=0) <= 0
    colour[unseen] = levelled[0].colour[unseen]
    alpha = (trusts * np.stack([one.alpha for one in levelled])).sum(0) / np.maximum(trusts.sum(0), 1e-12)
    weight, trust = (np.max([getattr(one, name) for one in levelled], axis=0) for name in ("weight", "trust"))
    return Unwrapped(colour, alpha, weight, trust)


def _blurred(colour: Field, known: npt.NDArray[np.bool_], sigma: float) -> Field:
    """(S, S, 3) Gaussian mean over what is known."""
    weight = gaussian_filter(known.astype(np.float64), sigma)[..., None]
    return np.asarray(gaussian_filter(colour * known[..., None], (sigma, sigma, 0)) / np.maximum(weight, 1e-6))


def found_outline(seen: Unwrapped) -> Outline:
    """The mask's outline: the photo's where it is seen well, the other side's where that is better, and that of masks
    at large where neither is (see `masksynth.extract.outline`). Raises SegmentationError where too little is seen."""
    own = seen.trust
    shown = float((own * (seen.alpha > 0.5)).mean())
    if shown < MIN_SHOWN:
        raise SegmentationError(
            f"too little of a mask is seen on the face: {100 * shown:.1f} % of the layout, at least "
            f"{100 * MIN_SHOWN:.0f} % are needed."
        )
    other = own[:, ::-1] * (1 - own)
    sure = own + 0.7 * other
    rough = np.where(sure > 1e-6, (own * seen.alpha + 0.7 * other * seen.alpha[:, ::-1]) / np.maximum(sure, 1e-6), 0.5)
    return fit_outline(rough, np.clip(sure, 0, 1))


def fill_hidden(seen: Unwrapped, outline: Outline | None = None) -> tuple[Unwrapped, dict[str, float], float]:
    """What the pose hid: mirrored from the other side, then continued from the surroundings. A print or a valve that
    the other side is seen not to have is not mirrored.

    Returns the filled texture, the shares of the mask's texels that were measured, mirrored and continued (and of those
    that something covers: within the outline, well seen, and not mask), and the share of the outline that strays from
    what masks look like.
    """
    texel = len(seen.alpha) / UV_SIZE
    own = seen.trust
    outline = outline or found_outline(seen)
    alpha = np.clip(0.5 + outline.inside / EDGE_TEXELS, 0, 1) * surface(len(own))

    # Its colour is read where the place is less sure too: a print is better slanted than mirrored.
    mask = seen.alpha > 0.9
    legible = np.clip((seen.weight - FACING) / (LEGIBLE - FACING), 0, 1) * mask
    print_, one_sided = prints(seen.colour, legible > 0, outline.inside)
    a = legible
    b = (legible * ~one_sided)[:, ::-1] * (1 - legible)
    other = seen.colour[:, ::-1]
    shared = (a > 0) & (legible[:, ::-1] > 0) & ~print_ & ~print_[:, ::-1]
    other = other + _step(seen.colour - other, shared, texel)
    feather = 1.5 * texel
    a, b = gaussian_filter(a, feather) * (a > 0), gaussian_filter(b, feather) * (b > 0)
    both = np.maximum(a + b, 1e-9)[..., None]
    colour = (a[..., None] * seen.colour + b[..., None] * other) / both
    known = (a + b) > 1e-3
    ground = known & ~np.where(a >= b, print_, print_[:, ::-1])
    colour = np.where(known[..., None], colour, _continued_smoothly(colour, ground if ground.any() else known))

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


def _step(difference: Field, shared: npt.NDArray[np.bool_], texel: float) -> Field:
    """(S, S, 3) what is slow in how one side differs in colour from the other where both are seen, carried on over the
    rest: with it what is mirrored meets what was measured without a step."""
    if not shared.any():
        return np.zeros_like(difference)
    off = np.abs(difference).max(axis=2)
    weight = shared / (1 + (off / STEP) ** 4)
    sigma = STEP_TEXELS * texel
    total = gaussian_filter(weight, sigma)
    slow = gaussian_filter(difference * weight[..., None], (sigma, sigma, 0)) / np.maximum(total, 1e-6)[..., None]
    near = shared & (total > 0.05)
    if not near.any():
        return np.zeros_like(difference)
    carried = np.where(near[..., None], slow, _continued_smoothly(slow, near))
    return np.asarray(gaussian_filter(carried, (sigma, sigma, 0)))


def prints(
    colour: Field, known: npt.NDArray[np.bool_], inside: Field
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """(S, S) where a print, a valve or a label is on plain cloth, and (S, S) what of it the other side has not.

    It is what strays in colour from the cloth around it and hangs together. Cloth that is patterned all over has none.
    What lies along the edge (`inside` (S, S), texels) is a trim or a weld, which both sides have.
    """
    texel = len(colour) / UV_SIZE
    lab = cv2.cvtColor(np.clip(colour, 0, 1).astype(np.float32), cv2.COLOR_RGB2LAB) * (FOLD, 1.0, 1.0)
    weight = known.astype(np.float64)
    sigma = GROUND_TEXELS * texel
    ground = np.zeros_like(lab)
    for _ in range(4):
        total = gaussian_filter(weight, sigma)[..., None] + 1e-6
        ground = gaussian_filter(lab * weight[..., None], (sigma, sigma, 0)) / total
        stray = np.linalg.norm(lab - ground, axis=2)
        weight = known / (1 + (stray / PRINT_STRAY) ** 4)
    none = np.zeros(known.shape, bool)
    found = known & (stray > PRINT_STRAY)
    reach = 2 * round(PRINT_GAP * texel) + 1
    joined = cv2.dilate(found.astype(np.uint8), cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach)))
    if joined[known].sum() > MOST_PRINT * known.sum():
        return none, none
    count, labels = cv2.connectedComponents(joined)
    print_, one_sided = none.copy(), none.copy()
    for k in range(1, count):
        part = (labels == k) & found
        if part.sum() < LEAST_PRINT * texel**2 or (inside[part] < COVER_MARGIN).mean() > 0.3:
            continue
        print_ |= labels == k
        if _likeness(lab - ground, known, labels == k, texel) < SAME_PRINT:
            one_sided |= labels == k
    return print_, one_sided


def _likeness(stray: Field, known: npt.NDArray[np.bool_], part: npt.NDArray[np.bool_], texel: float) -> float:
    """Correlation of a print with its mirror image, where both sides are known, the better for a shift of a few texels;
    0 where hardly any of it can be compared."""
    best = 0.0
    reach = round(PRINT_SHIFT * texel)
    for shift in range(-reach, reach + 1, max(1, round(texel))):
        other = np.roll(stray[:, ::-1], shift, axis=1)
        other_known, other_part = (np.roll(field[:, ::-1], shift, axis=1) for field in (known, part))
        where = known & other_known & (part | other_part)
        if where.sum() < LEAST_COMPARED * part.sum():
            continue
        here, there = (field[where] - field[where].mean(axis=0) for field in (stray, other))
        best = max(best, float((here * there).sum() / np.sqrt((here**2).sum() * (there**2).sum() + 1e-9)))
    return best


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
