"""The face as a dense surface: the mesh's 468 points carried to a grid of the UV layout."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from masksynth.arrays import UV_SIZE, Validity
from masksynth.datasets.generated import anatomy
from masksynth.reconstruct.uv_layout import mesh_uv, spline_weights, validity
from masksynth.render import grid_triangles

STEP = 2  # texels between vertices
SMOOTHING = 1.0  # of the spline; less than a reconstructor's, so that lids and lips stay crisp


@dataclass(frozen=True)
class Surface:
    """The fixed numbers of the dense surface, of G vertices."""

    from_mesh: npt.NDArray[np.float32]  # (G, 468) vertices from mesh points
    oval_from_mesh: npt.NDArray[np.float64]  # (36, 468) the outline of the same surface
    inside_from_mesh: npt.NDArray[np.float64]  # (36, 468) a line a little inside it
    triangles: npt.NDArray[np.int64]  # (T, 3)
    sheet: npt.NDArray[np.float64]  # (G, 2) each vertex on the painted sheet


@lru_cache(maxsize=1)
def surface() -> Surface:
    """The part of the layout that the mesh itself covers, its outline included."""
    measured = validity() == Validity.MEASURED
    measured |= np.roll(measured, 1, 0) | np.roll(measured, -1, 0) | np.roll(measured, 1, 1) | np.roll(measured, -1, 1)
    triangles = grid_triangles(measured.astype(np.uint8), STEP)
    used, renumbered = np.unique(triangles, return_inverse=True)
    places = np.stack([used % UV_SIZE, used // UV_SIZE], axis=1).astype(np.float64)
    weights = spline_weights(mesh_uv().astype(np.float64), places, SMOOTHING)
    sites = mesh_uv().astype(np.float64)
    oval = sites[list(anatomy.OVAL)]
    return Surface(
        weights.astype(np.float32),
        spline_weights(sites, oval, SMOOTHING),
        spline_weights(sites, oval + 0.06 * (sites.mean(0) - oval), SMOOTHING),
        np.ascontiguousarray(renumbered.reshape(-1, 3)),
        weights @ anatomy.sheet_points(),
    )


def dense(mesh: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """(G, 3) the surface through (468, 3) mesh points, in the same frame."""
    return np.asarray(surface().from_mesh @ np.asarray(mesh, np.float32), np.float64)
