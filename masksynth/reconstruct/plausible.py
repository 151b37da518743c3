"""Whether a position map shows a face at all: a gate on what a network gives, and on networks of unknown origin."""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

from masksynth.reconstruct.generic import generic_position_map
from masksynth.reconstruct.pose import similarity
from masksynth.reconstruct.uv_layout import face_region

STEP = 4  # texels between those that are looked at
MAX_MISFIT = 0.20  # interocular distances: real faces differ from the generic one by 0.05 to 0.12
MAX_ROUGHNESS = 0.06  # interocular distances: mean second difference over STEP texels; real faces have 0.01 to 0.03
MIN_INTEROCULAR = 15.0  # pixels of the 256 x 256 crop; a face that fills it as it should has about 90
MAX_INTEROCULAR = 250.0


def implausible(positions: npt.NDArray[np.floating]) -> str:
    """Why a (256, 256, 3) map in crop pixels is no face, in a few words; "" where it may well be one.

    The map is laid on the generic face by a similarity. A face fits, is of a sensible size, and is smooth; a collapsed
    map has no size, and that of a network with random weights neither fits nor is smooth.
    """
    if not np.isfinite(positions).all():
        return "the map has values that are not finite"
    on_face, generic = _generic()
    grid = np.asarray(positions, np.float64)[::STEP, ::STEP]
    points = grid[on_face]
    if np.linalg.norm(points - points.mean(0), axis=1).mean() < 1e-3:
        return "the map has collapsed to a point"
    move = similarity(generic, points)
    if not MIN_INTEROCULAR <= move.scale <= MAX_INTEROCULAR:
        return f"the face would have {move.scale:.1f} px between the eyes in the crop of 256"
    misfit = float(np.sqrt(((move.undo(points) - generic) ** 2).sum(1).mean()))
    if misfit > MAX_MISFIT:
        return f"the map differs from a face by {misfit:.2f} interocular distances, at most {MAX_MISFIT} is wanted"
    bends = grid[:, 2:] - 2 * grid[:, 1:-1] + grid[:, :-2]
    inside = on_face[:, 2:] & on_face[:, 1:-1] & on_face[:, :-2]
    roughness = float(np.linalg.norm(bends[inside], axis=1).mean()) / move.scale
    if roughness > MAX_ROUGHNESS:
        return f"the map is rough ({roughness:.2f} interocular distances, at most {MAX_ROUGHNESS} is wanted)"
    return ""


@cache
def _generic() -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.float64]]:
    on_face = face_region()[::STEP, ::STEP]
    return on_face, generic_position_map().positions[::STEP, ::STEP][on_face].astype(np.float64)
