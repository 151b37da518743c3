"""How cloth stands off a face: drawn over the nose and the chin it touches them and spans the hollows between.

The generic face is the obstacle and the cloth a membrane over it: every point lies where its neighbours would have it,
or on the skin where that is higher.
"""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter, zoom

from masksynth.arrays import UV_SIZE
from masksynth.reconstruct.generic import generic_position_map

SMOOTH_TEXELS = 16.0  # the stand-off is measured along the normals of the face smoothed by this
REGION_UV = (12.0, 56.0, 243.0, 236.0)  # left, top, right, bottom: the cloth lies on the skin outside
EDGE_TEXELS = 9.0  # within the edge, cloth leaves the skin over about this
_STEPS = ((4, 260), (2, 90))  # coarse to fine: texels a cell, rounds of relaxation


def normals_of(points: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """(S, S, 3) unit normals of (S, S, 3) positions in the layout, away from the head."""
    down, right = np.gradient(np.asarray(points, np.float64), axis=(0, 1))
    normal = np.cross(right, down)  # x right, y down, z to the camera: right x down = towards the camera
    return normal / np.maximum(np.linalg.norm(normal, axis=2, keepdims=True), 1e-12)


def smooth_normals(points: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """(S, S, 3) unit normals away from the head, of (S, S, 3) positions smoothed over `SMOOTH_TEXELS`.

    Stand-off is measured along these: the normals of the face itself fan out over lips and nostrils.
    """
    sigma = SMOOTH_TEXELS * len(points) / UV_SIZE
    return normals_of(gaussian_filter(np.asarray(points, np.float64), (sigma, sigma, 0), mode="nearest"))


def cloth_height(inside: npt.NDArray[np.floating], thickness: float = 0.0) -> npt.NDArray[np.float32]:
    """(S, S) stand-off, in interocular distances, of cloth drawn over the nose and the chin that lies on the skin along
    its edge.

    `inside` (S, S) is how many texels of the 256 layout a place lies within that edge; 0 or less outside.
    """
    at_edge = 1 - np.exp(-np.clip(inside, 0, None) / EDGE_TEXELS)
    over_skin = cv2.resize(tent(), inside.shape[::-1], interpolation=cv2.INTER_LINEAR)
    return np.asarray(at_edge * (over_skin + thickness), np.float32)


@cache
def tent() -> npt.NDArray[np.float32]:
    """(256, 256) stand-off of a membrane over the generic face, in interocular distances; read-only."""
    points = generic_position_map().positions.astype(np.float64)
    normals = smooth_normals(points)
    left, top, right, bottom = REGION_UV
    height = np.zeros((UV_SIZE, UV_SIZE))
    for cell, rounds in _STEPS:
        skin, along, h = (field[cell // 2 :: cell, cell // 2 :: cell] for field in (points, normals, height))
        v, u = np.mgrid[cell // 2 : UV_SIZE : cell, cell // 2 : UV_SIZE : cell]
        free = (u > left) & (u < right) & (v > top) & (v < bottom)
        for _ in range(rounds):
            cloth = skin + h[..., None] * along
            mean = cloth.copy()
            mean[1:-1, 1:-1] = (cloth[:-2, 1:-1] + cloth[2:, 1:-1] + cloth[1:-1, :-2] + cloth[1:-1, 2:]) / 4
            h = np.where(free, np.maximum(((mean - skin) * along).sum(2), 0), 0)
        height = zoom(h, cell, order=1, mode="nearest", grid_mode=True)
    height = gaussian_filter(height, 2.0).astype(np.float32)
    height.flags.writeable = False
    return height
