"""Faces turned far aside: what Face Mesh makes of them, put right.

The network was trained on faces that look at the camera or half past it. Of a face turned further it marks the near
side well, draws the far side out into the open, and stays at about 60° of yaw. How a mesh errs can be read off the
mesh: its first principal components, with one matrix, give the change of every point. assets/profile.npz holds both,
learned by tools/make_profile.py on generated faces and on photos turned in depth.

References
----------
Zhu et al., "Face Alignment Across Large Poses: A 3D Solution", CVPR 2016, section 4.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

from masksynth.arrays import Points3
from masksynth.reconstruct.region import Region, region_of_mesh
from masksynth.resources import asset

FROM_YAW_DEG, WHOLE_YAW_DEG = 38.0, 50.0  # of the mesh as the network gives it: no change below, all of it above

Floats = npt.NDArray[np.float64]


def put_right(points: Points3, yaw_deg: float, mirror: npt.NDArray[np.int64]) -> Points3:
    """(468, 3) points of a face whose mesh has this yaw, changed where the network is known to err.

    Parameters
    ----------
    points : (468, 3) float32
        Photo frame.
    yaw_deg : the yaw that they show
    mirror : (468,) the point on the other side of the face
    """
    share = float(np.clip((abs(yaw_deg) - FROM_YAW_DEG) / (WHOLE_YAW_DEG - FROM_YAW_DEG), 0, 1))
    if share == 0:
        return points
    region = region_of_mesh(points)
    if not region.side > 0:
        return points
    own = in_region(points, region)
    if yaw_deg < 0:
        own = own[mirror] * [-1, 1, 1]
    learned = _learned()
    scores = learned["modes"] @ (own.ravel() - learned["mean"])
    own += share * (learned["offset"] + scores @ learned["change"]).reshape(-1, 3)
    if yaw_deg < 0:
        own = own[mirror] * [-1, 1, 1]
    turn = _turn(region) * region.side
    xy = own[:, :2] @ turn.T + region.centre
    z = own[:, 2] * region.side + points[:, 2].mean()
    return np.column_stack([xy, z]).astype(np.float32)


def in_region(points: npt.NDArray[np.floating], region: Region) -> Floats:
    """(N, 3) points of the photo in sides of the region, from its middle, level; depth from its mean."""
    own = np.asarray(points, np.float64).copy()
    own[:, :2] = (own[:, :2] - region.centre) @ _turn(region)
    own[:, 2] -= own[:, 2].mean()
    return own / region.side


def _turn(region: Region) -> Floats:
    cos, sin = np.cos(region.angle), np.sin(region.angle)
    return np.array([[cos, -sin], [sin, cos]])


@cache
def _learned() -> dict[str, Floats]:
    """``mean`` (1404,), ``modes`` (K, 1404), ``offset`` (1404,), ``change`` (K, 1404)."""
    with np.load(asset("profile.npz"), allow_pickle=False) as stored:
        return {name: stored[name].astype(np.float64) for name in stored.files}
