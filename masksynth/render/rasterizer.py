"""Triangles to pixels: the plain z-buffer, for any mesh and any size of triangle."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from masksynth.errors import ShapeError
from masksynth.render._kernels import draw_nearest

Vertices = npt.NDArray[np.float64]  # (N, 3) x, y, z in the photo frame
Triangles = npt.NDArray[np.int64]  # (T, 3) indices of vertices


@dataclass(frozen=True)
class Fragments:
    """What a pixel sees of a mesh."""

    depth: npt.NDArray[np.float64]  # (H, W) z of the nearest point, -inf where there is none
    face: npt.NDArray[np.int64]  # (H, W) triangle, -1 where there is none
    weights: npt.NDArray[np.float64]  # (H, W, 3) barycentric, of that triangle's corners in order; 0 where none

    @property
    def covered(self) -> npt.NDArray[np.bool_]:
        """(H, W) where a triangle was drawn."""
        return self.face >= 0

    def interpolate(self, values: npt.NDArray[np.floating], triangles: Triangles) -> npt.NDArray[np.float64]:
        """(H, W, C) values (N, C) of the vertices, interpolated linearly over each triangle; 0 where none."""
        corners = np.asarray(values)[triangles[np.maximum(self.face, 0)]]  # (H, W, 3, C)
        return np.einsum("hwk,hwkc->hwc", self.weights, corners)


def rasterize(
    vertices: npt.NDArray[np.floating], triangles: npt.NDArray[np.integer], shape: tuple[int, int]
) -> Fragments:
    """Find the triangle that each pixel sees.

    A pixel is sampled at its centre, at whole coordinates; a centre on an edge belongs to the triangle. Both sides of a
    triangle are drawn; the largest z wins. Triangles without area cover nothing.

    Parameters
    ----------
    vertices : (N, 3) floating
        x right, y down, z towards the camera, in pixels.
    triangles : (T, 3) integer
        Indices of `vertices`.
    shape : (height, width) of the picture

    Raises
    ------
    ShapeError
        If an array is not of the form above, a vertex is not finite or an index is out of range.
    """
    vertices, triangles = check_mesh(vertices, triangles)
    height, width = int(shape[0]), int(shape[1])
    if height < 0 or width < 0:
        raise ShapeError(f"a picture's shape is (height, width), got {shape}")
    depth = np.full((height, width), -np.inf)
    face = np.full((height, width), -1, np.int64)
    weights = np.zeros((height, width, 3))
    draw_nearest(vertices, triangles, depth, face, weights)
    return Fragments(depth, face, weights)


def check_mesh(vertices: npt.NDArray[np.floating], triangles: npt.NDArray[np.integer]) -> tuple[Vertices, Triangles]:
    """The mesh as contiguous float64 and int64; raises ShapeError where it is not one. Kernels rely on it."""
    if np.ndim(vertices) != 2 or np.shape(vertices)[1] != 3:
        raise ShapeError(f"vertices are (N, 3), got {np.shape(vertices)}")
    if np.ndim(triangles) != 2 or np.shape(triangles)[1] != 3 or np.asarray(triangles).dtype.kind not in "iu":
        raise ShapeError(f"triangles are (T, 3) integers, got {np.shape(triangles)} {np.asarray(triangles).dtype}")
    points = np.ascontiguousarray(vertices, np.float64)
    corners = np.ascontiguousarray(triangles, np.int64)
    if not np.isfinite(points).all():
        raise ShapeError(f"{int((~np.isfinite(points).all(axis=1)).sum())} of {len(points)} vertices are not finite")
    if corners.size and (corners.min() < 0 or corners.max() >= len(points)):
        raise ShapeError(f"triangles name vertices {corners.min()} to {corners.max()}, but there are {len(points)}")
    return points, corners


def grid_triangles(validity: npt.NDArray[np.integer], step: int = 1) -> Triangles:
    """Triangulate the texels of a UV layout that have a surface.

    A cell of 2 x 2 texels gives (TL, BL, TR) and (TR, BL, BR) where all four are there, and the one triangle of the
    other three where one is missing, all in the same sense: in a photo, y down, a triangle that faces the camera has
    negative signed area.

    Parameters
    ----------
    validity : (S, S) integer
        Not 0 where the layout has a surface.
    step : int
        Cells of every `step`-th row and column; the last row and column are always among them.

    Returns
    -------
    triangles : (T, 3) int64
        Row-major indices into the S * S texels, in row-major order of the cells.
    """
    present = np.asarray(validity) != 0
    if present.ndim != 2:
        raise ShapeError(f"validity is (S, S), got {present.shape}")
    if step < 1:
        raise ShapeError(f"a step is at least 1, got {step}")
    rows, columns = (np.minimum(np.arange(0, n - 1 + step, step), n - 1) for n in present.shape)
    index = rows[:, None] * present.shape[1] + columns[None, :]
    here = present[np.ix_(rows, columns)]
    tl, tr, bl, br = (here[:-1, :-1], here[:-1, 1:], here[1:, :-1], here[1:, 1:])
    itl, itr, ibl, ibr = (index[:-1, :-1], index[:-1, 1:], index[1:, :-1], index[1:, 1:])
    first = np.stack([itl, ibl, np.where(tr, itr, ibr)], axis=-1)  # without BR, or with TR missing
    second = np.stack([np.where(bl, itr, itl), np.where(bl, ibl, ibr), np.where(bl, ibr, itr)], axis=-1)
    draw_first = tl & bl & (tr | br)
    draw_second = tr & br & (bl | tl)
    both = np.stack([first, second], axis=2)  # (rows, columns, 2, 3)
    wanted = np.stack([draw_first, draw_second], axis=2)
    return np.ascontiguousarray(both[wanted], np.int64)
