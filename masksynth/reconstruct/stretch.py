"""The stretch: surface continued below the jaw and beside the cheeks, where masks reach and reconstructors end.

The layout's face ends in a rim, and below and beside it the layout is empty. Let r be the texel's nearest point on
the rim, t its distance from there in texels, n = (n_u, n_v) the rim's outward normal at r. With J(r) the surface at
the rim, smoothed along it, R the head's rotation and d the interocular distance, the texel lies at

    J(r) + d R [ a(n) (sin φ - sin φ₀) (n_u, n_v, 0)  -  b (cos φ₀ - cos φ) (0, 0, 1) ],    φ = φ₀ + (π/2 - φ₀) t / T,

a piece of an ellipse that leaves the rim outwards and back, as the surface does there, and ends going straight back:

    a(n) = a_cheek + (a_chin - a_cheek) max(n_v, 0)²        its half-axis in the plane of the face
    b                                                       its half-axis in depth

It takes nothing but the rim and the head frame, so it is the same for every reconstructor, and it turns with the head.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter1d
from scipy.spatial import cKDTree

from masksynth.arrays import UV_SIZE

REACH = 52.0  # T, texels: from the chin's rim to the lowest rows that are used
START = np.radians(35.0)  # φ₀
OUTWARDS_CHIN = 0.45  # a_chin, interocular distances
OUTWARDS_CHEEK = 0.05  # a_cheek
BACKWARDS = 0.5  # b
SMOOTHING = 4.0  # texels along the rim: standard deviation of the weights of J

# Where the layout's face ends below the ears, to within a texel, from image-left to image-right of the middle.
# fmt: off
_RIM_LEFT = (
    (5, 96), (5, 110), (7, 116), (11, 124), (14.5, 132), (18, 140), (21.2, 148), (24.8, 156), (29.5, 164), (35, 172),
    (41, 180), (47.5, 186), (55.5, 190.5), (63.5, 194), (73, 197), (84, 199.5), (97, 201), (110, 201.7), (127.5, 202),
)
# fmt: on
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Stretch:
    """The formula's fixed numbers on a grid of places in the layout."""

    beyond: npt.NDArray[np.bool_]  # (P,) the place lies beyond the rim
    within: npt.NDArray[np.bool_]  # (P,) and no farther from it than the reach, or on it: the stretch proper
    rim_weights: Floats  # (B, M) of the M rim points for each of the B places beyond; rows add up to 1
    offsets: Floats  # (B, 3) head frame, interocular distances


@cache
def rim() -> tuple[Floats, Floats]:
    """(M, 2) points of the rim a texel apart, image-left ear over chin to image-right, and (M, 2) outward normals."""
    left = np.array(_RIM_LEFT)
    corners = np.concatenate([left, (left[:-1] * [-1, 1] + [UV_SIZE - 1, 0])[::-1]])
    along = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(corners, axis=0), axis=1))])
    places = np.linspace(0, along[-1], round(along[-1]) + 1)
    points = np.stack([np.interp(places, along, corners[:, axis]) for axis in (0, 1)], axis=1)
    points = _smooth(points, 3.0)
    tangent = _smooth(np.gradient(points, axis=0), 6.0)
    normals = np.stack([-tangent[:, 1], tangent[:, 0]], axis=1)
    return points, normals / np.linalg.norm(normals, axis=1, keepdims=True)


def stretch_at(places: Floats) -> Stretch:
    """The formula's numbers at (P, 2) places (u, v) of the layout. Beyond the reach the curve goes straight back."""
    points, normals = rim()
    t, nearest = cKDTree(points).query(places)
    outside = ((places - points[nearest]) * normals[nearest]).sum(1) > 0
    beside = (nearest > 0) & (nearest < len(points) - 1)  # beyond the rim's ends is the forehead's side
    beyond = outside & beside
    at_rim = beside & (t < 1.5)  # the rim runs between texels: no row of them is left out
    n = normals[nearest[beyond]]
    turning = np.pi / 2 - START
    phi = START + turning * np.minimum(t[beyond] / REACH, 1.0)
    straight = turning * np.maximum(t[beyond] / REACH - 1.0, 0.0)
    outwards = OUTWARDS_CHEEK + (OUTWARDS_CHIN - OUTWARDS_CHEEK) * np.clip(n[:, 1], 0, None) ** 2
    out = outwards * (np.sin(phi) - np.sin(START))
    back = BACKWARDS * (np.cos(START) - np.cos(phi) + straight)
    offsets = np.stack([out * n[:, 0], out * n[:, 1], -back], axis=1)
    weights = np.exp(-0.5 * ((np.arange(len(points))[None] - nearest[beyond][:, None]) / SMOOTHING) ** 2)
    return Stretch(beyond, at_rim | (beyond & (t <= REACH)), weights / weights.sum(1, keepdims=True), offsets)


def _smooth(values: Floats, sigma: float) -> Floats:
    """A Gaussian along the first axis; the ends are held by reflection through the end points."""
    reach = int(4 * sigma) + 1
    head, tail = 2 * values[0] - values[reach:0:-1], 2 * values[-1] - values[-2 : -reach - 2 : -1]
    return gaussian_filter1d(np.concatenate([head, values, tail]), sigma, axis=0)[reach:-reach]
