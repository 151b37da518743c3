"""The generic face: the mean of Face Mesh fits on photos of many people, and how faces differ from it.

Frame: the photo frame's axes (x right, y down, z towards the camera), the face frontal, the origin midway between the
outer eye corners, their distance 1. The numbers are in assets/generic_face.npz, made by tools/make_generic_face.py.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

from masksynth.arrays import PositionMap
from masksynth.reconstruct.points68 import points68
from masksynth.resources import asset


@cache
def _numbers() -> dict[str, npt.NDArray[np.float64]]:
    with np.load(asset("generic_face.npz"), allow_pickle=False) as stored:
        numbers = {name: stored[name].astype(np.float64) for name in stored.files}
    # 16-bit storage shortens the modes by up to 1e-3: unit length again.
    numbers["modes"] /= np.linalg.norm(numbers["modes"], axis=(1, 2), keepdims=True)
    for values in numbers.values():
        values.flags.writeable = False
    return numbers


def generic_mesh() -> npt.NDArray[np.float64]:
    """(468, 3) the mean face; read-only."""
    return _numbers()["mean"]


def shape_modes() -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """(K, 468, 3) orthonormal left-right symmetric directions of variation, and their (K,) standard deviations.

    A plausible face is ``generic_mesh() + sum over k of normal() * deviations[k] * modes[k]``. Identity and expression
    are mixed, as in the photos. Read-only.
    """
    return _numbers()["modes"], _numbers()["deviations"]


def generic_landmarks68() -> npt.NDArray[np.float64]:
    """(68, 3) the iBUG points of the mean face."""
    return points68(generic_mesh())


@cache
def generic_position_map() -> PositionMap:
    """The mean face as a position map, in interocular distances."""
    from masksynth.reconstruct.uv_layout import position_map_from_mesh

    return position_map_from_mesh(generic_mesh().astype(np.float32))
