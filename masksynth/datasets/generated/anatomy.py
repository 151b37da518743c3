"""Where things are on a face: points of the 468-point mesh, and the flat sheet on which skin is painted.

Head frame: x right, y down, z to the camera; origin midway between the outer eye corners, whose distance is 1.
The sheet is a cylinder round the vertical axis of the head, unrolled: (angle times radius, y), so that eyes and lips
have their natural size on it and the back of the head has a place too.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from masksynth.reconstruct import generic

Points = npt.NDArray[np.float64]  # (N, 3) head frame
Sheet = npt.NDArray[np.float64]  # (N, 2) on the sheet, in interocular distances

# fmt: off
OVAL = (10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377,
        152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109)
LIPS_OUTER = (61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291, 375, 321, 405, 314, 17, 84, 181, 91, 146)
LIPS_INNER = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308, 324, 318, 402, 317, 14, 87, 178, 88, 95)
EYES = (  # corner to corner: upper lid, lower lid; image-left eye, image-right eye
    ((33, 246, 161, 160, 159, 158, 157, 173, 133), (33, 7, 163, 144, 145, 153, 154, 155, 133)),
    ((362, 398, 384, 385, 386, 387, 388, 466, 263), (362, 382, 381, 380, 374, 373, 390, 249, 263)),
)
LIDS = (  # the skin round the eye that follows the upper lid: first ring, second ring
    (247, 30, 29, 27, 28, 56, 190), (414, 286, 258, 257, 259, 260, 467),
)
BROWS = (  # upper edge, lower edge, from the side inwards
    ((70, 63, 105, 66, 107), (46, 53, 52, 65, 55)),
    ((300, 293, 334, 296, 336), (276, 283, 282, 295, 285)),
)
NOSTRILS = ((98, 97, 2), (327, 326, 2))
NOSE_TIP, CHIN, FOREHEAD = 4, 152, 10
MOUTH_CORNERS = (61, 291)
CHEEKS = (50, 280)
# fmt: on

AXIS_Z = -0.75  # of the cylinder
RADIUS = 0.85
MOUTH_GAP = 0.10  # the sheet is laid out with the lips this far apart, so that the inside of the mouth has room


def to_sheet(points: Points) -> Sheet:
    """Unroll points of the head frame."""
    angle = np.arctan2(points[..., 0], points[..., 2] - AXIS_Z)
    return np.stack([RADIUS * angle, points[..., 1]], axis=-1)


@lru_cache(maxsize=1)
def mean_face() -> Points:
    """(468, 3) the mean face, mouth closed."""
    return np.asarray(generic.generic_mesh(), np.float64)


@lru_cache(maxsize=1)
def sheet_points() -> Sheet:
    """(468, 2) where each mesh point lies on the sheet."""
    return to_sheet(opened(mean_face(), MOUTH_GAP))


def opened(points: Points, gap: float) -> Points:
    """The same face with the jaw dropped until the lips stand `gap` apart."""
    return points + gap * jaw_direction(points)


def jaw_direction(points: Points) -> Points:
    """(468, 3) how the mesh moves as the lips part by one unit."""
    mean = mean_face()
    middle = (mean[13] + mean[14]) / 2
    width = np.abs(mean[MOUTH_CORNERS[1], 0] - mean[MOUTH_CORNERS[0], 0])
    below = _smooth((mean[:, 1] - middle[1]) / 0.10 + 0.5)
    ahead = _smooth((mean[:, 2] + 0.45) / 0.5)  # the jaw's hinge does not move
    weight = below * ahead
    for index in LIPS_INNER[:11]:  # the upper lip stays, up to the corners
        weight[index] = 0.0
    for index in (*LIPS_OUTER[:11], 62, 76, 183, 42, 41, 38, 12, 268, 271, 272, 407, 292, 306):
        weight[index] = 0.0
    for index in LIPS_INNER[11:]:
        across = abs(mean[index, 0] - middle[0]) / (0.5 * width)
        weight[index] = np.clip(1 - across**3, 0, 1)
    move = np.zeros_like(points)
    move[:, 1] = weight
    move[:, 2] = -0.25 * weight
    return move


def _smooth(t: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """0 below 0, 1 above 1, smooth between."""
    t = np.clip(t, 0.0, 1.0)
    return t * t * (3 - 2 * t)
