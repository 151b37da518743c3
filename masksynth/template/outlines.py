"""Where a mask's edge lies in the UV layout, by kind and by the way it is worn.

One texel of the 256 layout is about 1.3 mm of an adult's skin, along rows as along columns, so that lengths here can be
compared with a ruler. x is |u - 128|; the bridge of the nose is at v 68, its tip at 96, the chin at 193; rows beyond
202 lie under the chin.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from masksynth.arrays import UV_SIZE
from masksynth.template.design import Kind, MaskDesign

Field = npt.NDArray[np.floating]  # (S, S)

MIDDLE_U = 127.5
SLIDE_ROWS = 46.0  # from the bridge to under the nose
SUPERSAMPLING = 4

# Half outlines as (x, v): along the upper edge outwards, along the side down, along the lower edge inwards.
_HALVES: dict[Kind, tuple[list[tuple[float, float]], ...]] = {
    "surgical": (
        [(0, 68), (9, 71), (30, 87), (55, 101), (83, 110)],
        [(83, 110), (85, 130), (84, 152), (77, 180)],
        [(77, 180), (66, 202), (47, 217), (24, 225), (0, 227)],
    ),
    "n95": (
        [(0, 64), (8, 66), (20, 79), (36, 93), (54, 108), (66, 124)],
        [(66, 124), (71, 140), (71, 156), (66, 176)],
        [(66, 176), (55, 196), (37, 210), (17, 217), (0, 219)],
    ),
    "kn95": (
        [(0, 63), (7, 66), (24, 84), (48, 102), (82, 114)],
        [(82, 114), (87, 124), (87, 140), (82, 152)],
        [(82, 152), (71, 180), (54, 204), (28, 222), (0, 229)],
    ),
    "cloth": (
        [(0, 69), (10, 72), (28, 88), (52, 103), (81, 109)],
        [(81, 109), (87, 122), (86, 144), (79, 170)],
        [(79, 170), (68, 196), (49, 214), (25, 225), (0, 228)],
    ),
    "sport": (
        [(0, 66), (10, 69), (30, 85), (56, 99), (90, 105)],
        [(90, 105), (100, 116), (100, 132), (91, 150)],
        [(91, 150), (79, 182), (58, 208), (29, 225), (0, 230)],
    ),
    "bandana": (
        [(0, 77), (12, 79), (40, 90), (80, 98), (119, 100)],
        [(119, 100), (119, 118), (112, 150), (102, 184)],
        [(102, 184), (90, 214), (68, 236), (34, 247), (0, 250)],
    ),
    "gaiter": (
        [(0, 74), (12, 76), (40, 90), (80, 102), (120, 110)],
        [(120, 110), (120, 150), (116, 200), (112, 246)],
        [(112, 246), (80, 250), (40, 251), (0, 251)],
    ),
    "respirator": (
        [(0, 62), (9, 65), (16, 78), (24, 94), (36, 112), (48, 124)],
        [(48, 124), (55, 138), (57, 154), (53, 176)],
        [(53, 176), (45, 196), (32, 210), (16, 217), (0, 219)],
    ),
}
_ROUNDING: dict[Kind, float] = {"surgical": 1.5, "kn95": 4.0, "cloth": 6.0, "sport": 6.0}  # texels, at the corners


@dataclass(frozen=True)
class Shape:
    """The outline of a mask and coordinates within it, over (S, S) texels; lengths in texels of the 256 layout."""

    u: Field
    v: Field
    inside: Field  # distance to the edge, positive within the mask
    from_top: Field  # rows below the upper edge
    from_bottom: Field  # rows above the lower edge
    from_side: Field  # columns within the nearer side edge
    across: Field  # -1 at the image-left side, 1 at the right
    down: Field  # 0 at the upper edge, 1 at the lower


def outline_of(design: MaskDesign) -> npt.NDArray[np.float64]:
    """(N, 2) places (u, v) around `design` as it is worn; its corners are not rounded."""
    worn = _edges(design)
    return np.concatenate([*worn[:3], np.concatenate(worn[3:])[::-1]])


def shape_of(design: MaskDesign) -> Shape:
    """The outline of `design` as it is worn."""
    worn = _edges(design)
    inside = signed_distance(outline_of(design), design.size, _ROUNDING.get(design.kind, 2.0))

    ticks = (np.arange(design.size) + 0.5) * UV_SIZE / design.size - 0.5
    u, v = (grid.astype(np.float32) for grid in np.meshgrid(ticks, ticks))
    upper = _along(worn[0], worn[3], ticks)[None, :]
    lower = _along(worn[2], worn[5], ticks)[None, :]
    right_edge, left_edge = _sides(worn[1], ticks), _sides(worn[4], ticks)
    middle, half = (right_edge + left_edge) / 2, (right_edge - left_edge) / 2
    across = (u - middle[:, None]) / half[:, None]
    return Shape(
        u=u,
        v=v,
        inside=inside,
        from_top=(v - upper).astype(np.float32),
        from_bottom=(lower - v).astype(np.float32),
        from_side=((1 - np.abs(across)) * half[:, None]).astype(np.float32),
        across=across.astype(np.float32),
        down=np.clip((v - upper) / np.maximum(lower - upper, 1), 0, 1).astype(np.float32),
    )


def _curve(points: list[tuple[float, float]], steps: int = 24) -> npt.NDArray[np.float64]:
    """(N, 2): a centripetal-like smooth line through the points (Catmull-Rom), ends included."""
    knots = np.array(points, float)
    padded = np.vstack([2 * knots[0] - knots[1], knots, 2 * knots[-1] - knots[-2]])
    if points[0][0] == 0:
        padded[0] = knots[1] * (-1, 1)  # smooth over the middle
    if points[-1][0] == 0:
        padded[-1] = knots[-2] * (-1, 1)
    t = np.linspace(0, 1, steps, endpoint=False)[:, None]
    pieces = []
    for a, b, c, d in zip(padded, padded[1:], padded[2:], padded[3:], strict=False):
        pieces.append(0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3))
    return np.vstack([*pieces, knots[-1:]])


def _edges(design: MaskDesign) -> list[npt.NDArray[np.float64]]:
    """Upper edge, side and lower edge of the right half, then of the left, from the middle outwards and back."""
    halves = [_curve(points) * (design.width, 1.0) for points in _HALVES[design.kind]]
    reach = float(max(halves[0][:, 0].max(), halves[1][:, 0].max()))
    return [_worn(curve, sign, reach, design) for sign in (1, -1) for curve in halves]


def _worn(curve: npt.NDArray[np.float64], sign: int, reach: float, design: MaskDesign) -> npt.NDArray[np.float64]:
    """One half in the layout, after sliding and tilting; the lower edge stays under the chin when the upper slides."""
    x, v = curve[:, 0], curve[:, 1]
    follows = np.clip((205 - v) / 110, 0, 1)
    slid = v + design.drop * SLIDE_ROWS * follows * (1 - 0.65 * np.clip(x / reach, 0, 1))
    tilted = slid + np.tan(np.radians(design.tilt_deg)) * sign * x * 0.8
    return np.stack([MIDDLE_U + sign * x, tilted], axis=1)


def signed_distance(polygon: npt.NDArray[np.float64], size: int, rounding: float) -> Field:
    """(size, size), texels of the 256 layout; convex corners are rounded to a radius of `rounding`."""
    fine = size * SUPERSAMPLING
    scale = fine / UV_SIZE
    corners = ((polygon + 0.5) * scale - 0.5) * 256  # cv2 takes 8 fractional bits
    filled = np.zeros((fine, fine), np.uint8)
    cv2.fillPoly(filled, [np.rint(corners).astype(np.int32)], 1, shift=8)
    distance = _two_sided(filled) / scale
    if rounding > 0:
        core = (distance > rounding).astype(np.uint8)
        distance = np.where(core > 0, distance, rounding + _two_sided(core) / scale)
    blocks = distance.reshape(size, SUPERSAMPLING, size, SUPERSAMPLING)
    return blocks.mean(axis=(1, 3), dtype=np.float64).astype(np.float32)


def _two_sided(filled: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    within = cv2.distanceTransform(filled, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    without = cv2.distanceTransform(1 - filled, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.where(filled > 0, within - 0.5, 0.5 - without).astype(np.float32)


def _along(
    right: npt.NDArray[np.float64], left: npt.NDArray[np.float64], ticks: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """The row of an upper or lower edge at each column."""
    both = np.vstack([left, right])
    both = both[np.argsort(both[:, 0], kind="stable")]
    return np.interp(ticks, both[:, 0], both[:, 1])


def _sides(side: npt.NDArray[np.float64], ticks: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The column of a side edge at each row; its ends go on straight down and up."""
    order = np.argsort(side[:, 1], kind="stable")
    return np.interp(ticks, side[order, 1], side[order, 0])
