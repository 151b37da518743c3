"""The outline of a mask in the layout, from what a photo shows of it: certain where it is seen well, and elsewhere as
the outlines of masks are.

An outline is its distance from a place on the lower lip in each of `ANGLES` directions. How such distances go together
(the left side with the right, the upper edge with the sides) is learnt from many generated masks; beyond that an
outline may differ smoothly from all of them. Both make a Gaussian process, whose mean, given what is seen, is the
outline (Rasmussen and Williams, "Gaussian Processes for Machine Learning", MIT Press 2006, section 2.2).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter1d, map_coordinates

from masksynth.arrays import UV_SIZE
from masksynth.template.design import vary
from masksynth.template.outlines import outline_of, signed_distance

Field = npt.NDArray[np.floating]

ANGLES = 120
CENTRE = (127.5, 150.0)  # u, v that every mask covers
REACH = 132.0  # texels from there to the farthest place looked at
STEP = 0.5  # texels between places on a ray
DESIGNS = 240  # generated masks that say what outlines are like
OWN_SHAPE = 3.5  # texels: how far an outline may differ from all of them ...
OWN_ANGLES = 7.0  # ... and over how many degrees such a difference is of one kind
SLACK = 3.0  # texels of evidence by which another place on a ray may be as good as the best
ALWAYS = 2.0  # standard deviations of generated masks' outlines within the mean: nearer places are mask ...
COVERED = 0.2  # ... to this, where none is seen
MOST_COVER = 0.4  # share of what nearly every mask covers that a hand may hide
STRAY = 7.0  # texels off what masks at large suggest, from which a place counts half: a hand, hair, a loop
ROUNDS = 6
ROUNDING = 1.5  # texels, of the corners


@dataclass(frozen=True)
class Outline:
    """An outline, and how well it agrees with the photo."""

    inside: Field  # (S, S) distance to the edge in texels of the 256 layout, positive within
    stray: float  # share of what was seen of the edge that lies farther than `STRAY` off


def fit_outline(alpha: Field, trust: Field) -> Outline:
    """The outline of the mask that alpha (S, S) shows as far as trust (S, S), in [0, 1], says it can be believed."""
    size = len(alpha)
    evidence = _along_rays(alpha, trust)
    observed, spread = _edges(_uncovered(evidence))
    mean, learnt, own = _what_masks_are_like()
    noise = spread**2
    weight = np.ones(ANGLES)
    for _ in range(ROUNDS):  # first without its own shape: what strays from every mask is found out
        expected = mean + learnt @ np.linalg.solve(learnt + np.diag((noise + OWN_SHAPE**2) / weight), observed - mean)
        weight = 1 / (1 + ((observed - expected) / (STRAY + spread)) ** 2)
    both = learnt + own
    radius = mean + both @ np.linalg.solve(both + np.diag(noise / weight**3), observed - mean)
    radius = gaussian_filter1d(np.clip(radius, 4.0, REACH), 0.6, mode="wrap")
    seen, seen_spread = _edges(evidence)
    certain = seen_spread < 4
    far = np.abs(seen - expected)[certain] > STRAY
    polygon = np.array(CENTRE) + radius[:, None] * _directions()
    return Outline(signed_distance(polygon, size, ROUNDING), float(far.mean()) if certain.any() else 0.0)


def _along_rays(alpha: Field, trust: Field) -> Field:
    """(A, R) on each ray: 1 where mask is seen, -1 where certainly none, 0 where nothing is known."""
    along = np.arange(0.0, REACH, STEP)
    u = CENTRE[0] + _directions()[:, :1] * along
    v = CENTRE[1] + _directions()[:, 1:] * along
    scale = len(alpha) / UV_SIZE
    places = np.stack([(v + 0.5) * scale - 0.5, (u + 0.5) * scale - 0.5])
    return np.asarray(map_coordinates(trust * (2 * alpha - 1), places, order=1, mode="constant", cval=0.0))


def _uncovered(evidence: Field) -> Field:
    """The evidence less what lies over the mask: nearly every mask covers the places near the mouth, and one that shows
    none there is under a hand or hair. Where that is most of them, it is a mask worn elsewhere and not covered."""
    mean, learnt, _ = _what_masks_are_like()
    along = np.arange(0.0, REACH, STEP)
    always = along < (mean - ALWAYS * np.sqrt(np.diag(learnt)))[:, None]
    bare = (evidence < -0.5) & always
    if (bare * along).sum() > MOST_COVER * (always * along).sum():
        return evidence
    return np.where(always, np.maximum(evidence, COVERED), evidence)


def _edges(evidence: Field) -> tuple[Field, Field]:
    """Where the edge lies on each ray, in texels of the 256 layout, and how sure that is (a standard deviation).

    It lies where the evidence is best: for mask before it, and against mask beyond.
    """
    along = np.arange(0.0, REACH, STEP)
    total = np.cumsum(evidence, axis=1) * STEP
    slack = total.max(axis=1, keepdims=True) - total
    likely = np.exp(-slack / (SLACK / 3)) + 1e-9
    likely /= likely.sum(axis=1, keepdims=True)
    edge = (likely * along).sum(axis=1)
    spread = np.sqrt((likely * (along - edge[:, None]) ** 2).sum(axis=1))
    return edge + STEP / 2, np.maximum(spread, 0.8)


@cache
def _directions() -> npt.NDArray[np.float64]:
    angle = np.arange(ANGLES) * 2 * np.pi / ANGLES
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)


@cache
def _what_masks_are_like() -> tuple[Field, Field, Field]:
    """(A,) mean distance, (A, A) how generated masks vary about it, (A, A) how much more any mask may, smoothly."""
    radii = np.array([_radii(outline_of(vary(0, "outlines", k))) for k in range(DESIGNS)])
    turns = np.arange(ANGLES) * 360 / ANGLES
    apart = np.abs(turns[:, None] - turns[None, :])
    apart = np.minimum(apart, 360 - apart)
    own = OWN_SHAPE**2 * np.exp(-0.5 * (apart / OWN_ANGLES) ** 2)
    return radii.mean(axis=0), np.cov(radii.T), own


def _radii(polygon: npt.NDArray[np.float64]) -> Field:
    """Distance from the centre to a closed polygon (N, 2) in each direction, the farthest where there are several."""
    a = polygon - CENTRE
    b = np.roll(a, -1, axis=0)
    found = np.full(ANGLES, 4.0)
    for k, (x, y) in enumerate(_directions()):
        side_a, side_b = a[:, 1] * x - a[:, 0] * y, b[:, 1] * x - b[:, 0] * y
        crossing = (side_a <= 0) != (side_b <= 0)
        share = side_a[crossing] / (side_a[crossing] - side_b[crossing])
        points = a[crossing] + share[:, None] * (b[crossing] - a[crossing])
        ahead = points @ (x, y)
        if (ahead > 0).any():
            found[k] = ahead.max()
    return np.minimum(found, REACH)
