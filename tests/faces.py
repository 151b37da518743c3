"""The generic face, posed: a reconstruction without any photo, network or file."""

from __future__ import annotations

import numpy as np

from masksynth.arrays import Box, Pose, PositionMap, Reconstruction
from masksynth.reconstruct.generic import generic_landmarks68, generic_position_map


def posed(yaw=0.0, pitch=0.0, roll=0.0, interocular=70.0, centre=(128.0, 100.0)) -> Reconstruction:
    """The generic face; angles in degrees, `interocular` in pixels, `centre` of the outer eye corners."""
    pose = Pose(*np.radians([yaw, pitch, roll]))
    place = np.array([*centre, 0.0])

    def moved(points):
        return (points @ pose.matrix.T * interocular + place).astype(np.float32)

    mean = generic_position_map()
    points = moved(generic_landmarks68())
    low, high = points[:, :2].min(0), points[:, :2].max(0)
    return Reconstruction(
        PositionMap(moved(mean.positions), mean.validity), points, pose, Box(*low, *high), 1.0, "generic"
    )


def lower_face_template(name="plain", size=256, colour=(0.5, 0.7, 0.9), nir=None, height=None):
    """A mask over nose and mouth with a soft, curved upper rim, in one colour."""
    from masksynth.template import Template

    v, u = (np.mgrid[:size, :size] + 0.5) * (256 / size) - 0.5
    inside = np.minimum.reduce([v - (92 + 0.004 * (u - 128) ** 2), 188 - v, u - 40, 216 - u])
    rgba = np.zeros((size, size, 4), np.float32)
    rgba[..., :3] = colour
    rgba[..., 3] = np.clip(0.5 + inside / 1.5, 0, 1)
    plane = None if nir is None else np.full((size, size), nir, np.float32)
    return Template(name=name, rgba=rgba, nir=plane, height=height)
