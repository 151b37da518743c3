"""Face Mesh in the UV layout: from 468 points to a position map.

The layout is PRNet's (Feng et al., ECCV 2018). assets/facemesh_uv.npz holds the place of each mesh point in it, found
by tools/make_uv_layout.py. Between the points the surface is a smoothing thin-plate spline over (u, v); as the places
never change, that is one fixed matrix from the 468 points to the grid, cut off where it hardly weighs and then sparse.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from masksynth.arrays import UV_SIZE, Points3, PositionMap, Validity, sampled_rows
from masksynth.errors import ShapeError
from masksynth.reconstruct.generic import generic_mesh
from masksynth.reconstruct.points68 import MESH_INDEX_68, points68
from masksynth.reconstruct.pose import RIGID_68, Similarity, head_of_rigid
from masksynth.reconstruct.stretch import Stretch, rim, stretch_at
from masksynth.resources import asset

STEP = 4  # texels between the grid's places; what lies between is interpolated bicubically
SMOOTHING = 8.0  # of the spline: the places are known to about half a texel, so it need not pass through every point
KEYS = -0.5  # the free number of cubic convolution: so it leaves planes and parabolas what they are
CUT_OFF = 4e-3  # weights below are dropped
RIM_STEP = 6  # texels, about, between the rim points that lead the spline
RIM_OUT = (0.002, 0.0055)  # interocular distances a texel that the rim lies outwards of the outline: cheek, chin
RIM_BACK = (0.012, 0.0085)  # and back of it
TOP = 5  # first row of the layout's face
LEFT = 5  # first column

# The mesh's outline, from the forehead's middle clockwise as seen in the image.
# fmt: off
OUTLINE = (
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152,
    148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
)
# fmt: on
_RIGID = np.array([MESH_INDEX_68[k] for k in RIGID_68], np.intp)  # none of these lies between two points of the mesh


@cache
def _asset() -> dict[str, npt.NDArray[np.generic]]:
    with np.load(asset("facemesh_uv.npz"), allow_pickle=False) as stored:
        values = {name: stored[name] for name in stored.files}
    for array in values.values():
        array.flags.writeable = False
    return values


def mesh_uv() -> npt.NDArray[np.float32]:
    """(468, 2) u, v of each mesh point in the 256 layout; read-only."""
    return _asset()["uv"].astype(np.float32)


def mesh_mirror() -> npt.NDArray[np.int64]:
    """(468,) the mesh point on the other side of the face."""
    return _asset()["mirror"].astype(np.int64)


@cache
def face_region() -> npt.NDArray[np.bool_]:
    """(256, 256) where the layout has a face: PRNet's face pixels, but for some on their rim."""
    import cv2

    points, normals = rim()
    points = points - 0.6 * normals
    right = UV_SIZE - 1 - LEFT
    shape = np.concatenate([[[LEFT, TOP]], points, [[right, TOP]]])
    region = np.zeros((UV_SIZE, UV_SIZE), np.uint8)
    cv2.fillPoly(region, [np.round(shape * 16).astype(np.int32)], 1, shift=4)
    return region > 0


@cache
def validity() -> npt.NDArray[np.uint8]:
    """(256, 256) uint8 of Validity for maps made from the mesh; read-only."""
    import cv2

    measured = np.zeros((UV_SIZE, UV_SIZE), np.uint8)
    cv2.fillPoly(measured, [np.round(mesh_uv()[list(OUTLINE)] * 16).astype(np.int32)], 1, shift=4)
    return with_stretch(np.where(measured > 0, Validity.MEASURED, Validity.EXTRAPOLATED) * face_region())


def with_stretch(values: npt.NDArray[np.integer]) -> npt.NDArray[np.uint8]:
    """(256, 256) validity of a reconstructor, with the stretch where it has no surface; read-only."""
    result = np.array(values, np.uint8)
    v, u = np.nonzero(result == Validity.ABSENT)
    within = stretch_at(np.stack([u, v], axis=1).astype(np.float64)).within
    result[v[within], u[within]] = Validity.STRETCHED
    result.flags.writeable = False
    return result


@dataclass(frozen=True)
class _Operator:
    """The fixed numbers on the coarse grid, which has a ring more than the layout on every side."""

    from_mesh: tuple[npt.NDArray[Any], ...]  # the grid's places, column by column, from mesh points, sparse by rows:
    # (G·G + 1,) int32 where each begins, its (N,) uint16 points, and (N,) float32 weights of them
    offsets: npt.NDArray[np.float32]  # (G·G, 3) added, in the head frame and interocular distances
    side: int  # G
    taps: npt.NDArray[np.uint64]  # (256, 4) columns of the grid that a column of the map lies between; rows likewise
    weights: npt.NDArray[np.float32]  # (256, 4) of them


@cache
def _operator() -> _Operator:
    from scipy.sparse import csr_matrix

    side = UV_SIZE // STEP + 2
    ticks = np.arange(side) * STEP + (STEP - 1) / 2 - STEP
    places = np.stack(np.meshgrid(ticks, ticks, indexing="ij"), axis=-1).reshape(-1, 2)  # column by column
    stretch: Stretch = stretch_at(places)
    points, _ = rim()
    weights, offsets = _surface_at(np.concatenate([places, points]))
    at_rim, offsets_at_rim = weights[len(places) :], offsets[len(places) :]
    weights, offsets = weights[: len(places)], offsets[: len(places)]
    weights[stretch.beyond] = stretch.rim_weights @ at_rim
    offsets[stretch.beyond] = stretch.rim_weights @ offsets_at_rim + stretch.offsets
    thin = thinned(weights, generic_mesh()).astype(np.float32)
    sparse = csr_matrix(thin)
    from_mesh = sparse.indptr.astype(np.int32), sparse.indices.astype(np.uint16), sparse.data
    return _Operator(from_mesh, offsets.astype(np.float32), side, *_cubic(side, UV_SIZE))


@cache
def _taps_of(step: int) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.float32]]:
    """Taps and weights of the rows, or columns, that `PositionMap.every` takes."""
    operator, rows = _operator(), sampled_rows(step)
    return operator.taps[rows], operator.weights[rows]


def _cubic(side: int, size: int) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.float32]]:
    """(size, 4) taps and weights from a grid of `side` places, with a ring more than the layout, to its `size` texels.

    See Keys, "Cubic Convolution Interpolation for Digital Image Processing", 1981.
    """
    places = (np.arange(size) + 0.5) / STEP + 0.5  # the grid begins a step before the layout
    first = np.floor(places).astype(int) - 1
    distance = np.abs(places[:, None] - (first[:, None] + np.arange(4)))
    near = ((KEYS + 2) * distance - (KEYS + 3)) * distance**2 + 1
    far = ((distance - 5) * distance + 8) * distance * KEYS - 4 * KEYS
    taps = np.clip(first[:, None] + np.arange(4), 0, side - 1)
    return taps.astype(np.uint64), np.where(distance <= 1, near, far).astype(np.float32)


def _surface_at(
    places: npt.NDArray[np.float64],
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """The surface at (P, 2) places up to the rim: (P, 468) weights of mesh points and (P, 3) head-frame offsets.

    A spline left to itself runs on straight below the chin and behind the cheek. So it is also led through the rim:
    each rim point lies as many texels beyond the mesh's outline as the layout says, outwards and back by RIM_OUT and
    RIM_BACK a texel.
    """
    points, normals = rim()
    chosen = np.linspace(0, len(points) - 1, len(points) // RIM_STEP).round().astype(int)
    points, normals = points[chosen], normals[chosen]
    outline = mesh_uv()[list(OUTLINE)].astype(np.float64)
    corners = np.concatenate([outline, outline[:1]])
    share = (np.arange(20) + 0.5) / 20
    along = corners[:-1, None] * (1 - share[None, :, None]) + corners[1:, None] * share[None, :, None]
    flat = along.reshape(-1, 2)
    distance = np.linalg.norm(points[:, None] - flat[None], axis=2)
    nearest = distance.argmin(1)
    texels = distance[np.arange(len(points)), nearest]
    at_outline = np.zeros((len(points), 468))
    rows, first, second = np.arange(len(points)), nearest // len(share), nearest // len(share) + 1
    np.add.at(at_outline, (rows, np.take(OUTLINE, first)), 1 - share[nearest % len(share)])
    np.add.at(at_outline, (rows, np.take(OUTLINE, second % len(OUTLINE))), share[nearest % len(share)])
    out = RIM_OUT[0] * normals[:, 0] ** 2 + RIM_OUT[1] * normals[:, 1] ** 2
    back = RIM_BACK[0] * normals[:, 0] ** 2 + RIM_BACK[1] * normals[:, 1] ** 2
    at_rim = np.stack([out * normals[:, 0], out * normals[:, 1], -back], axis=1) * texels[:, None]
    sites = np.concatenate([mesh_uv().astype(np.float64), points])
    weights = spline_weights(sites, places, SMOOTHING)
    return weights[:, :468] + weights[:, 468:] @ at_outline, weights[:, 468:] @ at_rim


class MeshMap(PositionMap):
    """The surface through Face Mesh's points (468, 3) float32, whose frame from the generic face's is `head`; texels
    are made when they are asked for, and no more of them."""

    def __init__(self, mesh: Points3, head: Similarity) -> None:
        self.validity = validity()
        self._mesh, self._head = mesh, head
        self._kept = {}

    def _sampled(self, step: int) -> npt.NDArray[np.float32]:
        from masksynth.reconstruct._kernels import between_places

        taps, weights = _taps_of(step)
        grid, count, side = self._grid, len(taps), _operator().side
        made, (by_columns, by_rows) = np.zeros((count, count, 3), np.float32), _room_between(count, side)
        between_places(grid.reshape(side, -1), taps, weights, by_columns, by_rows, made.reshape(count, -1))
        return made

    @cached_property
    def _grid(self) -> npt.NDArray[np.float32]:
        """(G · G, 3) the operator's coarse grid."""
        import masksynth.compiled  # noqa: F401 - before the kernels
        from masksynth.reconstruct._kernels import grid_from_mesh

        operator = _operator()
        mesh, turn = np.zeros((len(self._mesh), 4), np.float32), np.zeros((3, 4), np.float32)
        mesh[:, :3], turn[:, :3] = self._mesh, self._head.scale * self._head.rotation.T
        grid = np.zeros((operator.side**2, 3), np.float32)
        first, columns, weights = operator.from_mesh
        grid_from_mesh(first, columns, weights, mesh, operator.offsets, turn, grid)
        return grid


_OWN = threading.local()


def _room_between(count: int, side: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """(count, side, 3) and (side, count, 3) to work in, this thread's own; the next call gives the same."""
    kept: dict[tuple[int, int], tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]]
    kept = _OWN.__dict__.setdefault("room", {})
    if (count, side) not in kept:
        kept[count, side] = np.zeros((count, side, 3), np.float32), np.zeros((side, count, 3), np.float32)
    return kept[count, side]


def position_map_from_mesh(points: Points3, head: Similarity | None = None) -> PositionMap:
    """The surface through the mesh, over the whole layout, the stretch included.

    Parameters
    ----------
    points : (468, 3) float
        Face Mesh's points in the photo frame.
    head : optional
        `head_of_mesh` of them, where it is known already.
    """
    mesh = check_mesh_points(points)
    return MeshMap(mesh, head or head_of_mesh(mesh))


_Texels = tuple[npt.NDArray[np.intp], ...]  # rows, columns

RIM_DEPTHS = (2.0, 6.0)  # texels inside the rim between which a given map is continued to it


@cache
def _beyond_the_face() -> tuple[_Texels, Any, npt.NDArray[np.float32], _Texels]:
    """Texels (v, u) beyond the rim, their weights of the rim's points and offsets; and for all others the nearest
    texel of the face."""
    from scipy.ndimage import distance_transform_edt
    from scipy.sparse import csr_matrix

    v, u = np.nonzero(~face_region())
    stretch = stretch_at(np.stack([u, v], axis=1).astype(np.float64))
    weights = np.where(stretch.rim_weights < 1e-4, 0.0, stretch.rim_weights)
    weights /= weights.sum(1, keepdims=True)
    nearest = distance_transform_edt(~face_region(), return_distances=False, return_indices=True)
    texels = (v[stretch.beyond], u[stretch.beyond])
    return texels, csr_matrix(weights.astype(np.float32)), stretch.offsets.astype(np.float32), tuple(nearest)


def continued(positions: npt.NDArray[np.float32], head: Similarity) -> npt.NDArray[np.float32]:
    """A map that another reconstructor measured on the layout's face, with the stretch and all else round it.

    Parameters
    ----------
    positions : (256, 256, 3) float32
        Only what lies in `face_region` is used.
    head : from the generic face's frame to that of the positions
    """
    import cv2

    texels, weights, offsets, nearest = _beyond_the_face()
    points, normals = rim()
    near, far = (
        cv2.remap(positions, place[:, :1].copy(), place[:, 1:].copy(), cv2.INTER_LINEAR)[:, 0]
        for place in ((points - depth * normals).astype(np.float32) for depth in RIM_DEPTHS)
    )
    at_rim = near + (near - far) * (RIM_DEPTHS[0] / (RIM_DEPTHS[1] - RIM_DEPTHS[0]))
    whole: npt.NDArray[np.float32] = positions[nearest]
    whole[texels] = weights @ at_rim + offsets @ (head.scale * head.rotation.T)
    return whole


def landmarks68_from_mesh(points: Points3) -> Points3:
    """(68, 3) iBUG points of (468, 3) mesh points, in the same frame."""
    return points68(check_mesh_points(points))


def head_of_mesh(points: Points3) -> Similarity:
    """From the generic face's frame to that of (468, 3) mesh points."""
    return head_of_rigid(points[_RIGID])


def check_mesh_points(points: npt.NDArray[np.floating]) -> Points3:
    """`points` as (468, 3) float32; raises ShapeError where they are not that many or not finite."""
    mesh = np.ascontiguousarray(points, np.float32)
    if mesh.shape != (468, 3):
        raise ShapeError(f"a mesh is (468, 3), got {mesh.shape}")
    if not np.isfinite(mesh).all():
        raise ShapeError("a mesh has points that are not finite")
    return mesh


def spline_weights(
    sites: npt.NDArray[np.float64], places: npt.NDArray[np.float64], smoothing: float
) -> npt.NDArray[np.float64]:
    """(P, N) weights that give the smoothing thin-plate spline through values at (N, 2) `sites` at (P, 2) `places`.

    Rows add up to 1 and reproduce every function linear in (u, v). See Wahba, "Spline Models for Observational Data",
    1990, section 2.4.
    """
    n = len(sites)
    system = np.zeros((n + 3, n + 3))
    system[:n, :n] = _kernel(sites, sites) + smoothing * np.eye(n)
    system[:n, n:] = np.column_stack([np.ones(n), sites])
    system[n:, :n] = system[:n, n:].T
    right = np.concatenate([_kernel(places, sites), np.ones((len(places), 1)), places], axis=1)
    return np.linalg.solve(system, right.T)[:n].T


def thinned(weights: npt.NDArray[np.float64], shape: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """(P, N) weights without those below the cut-off; the others are changed, by least squares, so that the result for
    the (N, 3) `shape`, wherever it is moved, turned and scaled, stays what it was."""
    known = np.concatenate([shape, np.ones((len(shape), 1))], axis=1)  # (N, 4)
    kept = np.abs(weights) >= CUT_OFF
    thin = np.where(kept, weights, 0.0)
    missing = (weights - thin) @ known  # (P, 4)
    normal = kept @ (known[:, :, None] * known[:, None, :]).reshape(len(known), 16)
    normal = normal.reshape(-1, 4, 4) + np.diag([1e-6, 1e-6, 1e-6, 0.0])  # a flat patch has no depth to keep
    return thin + kept * (np.linalg.solve(normal, missing[:, :, None])[:, :, 0] @ known.T)


def _kernel(a: npt.NDArray[np.float64], b: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    squared = ((a[:, None] - b[None]) ** 2).sum(2)
    return squared * np.log(np.maximum(squared, 1e-12)) / 2
