"""The rigid motion between the generic face and a reconstructed one: head pose, head frame and size.

References
----------
Umeyama, "Least-squares estimation of transformation parameters between two point patterns", PAMI 1991.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from masksynth.arrays import Matrix, Pose
from masksynth.errors import ShapeError

RIGID_68 = (27, 28, 29, 30, 31, 33, 35, 36, 39, 42, 45)
"""Points of the 68 that expressions move least: bridge, tip and base of the nose, corners of the eyes."""


@dataclass(frozen=True)
class Similarity:
    """``target = scale * rotation @ source + offset``."""

    scale: float
    rotation: Matrix  # (3, 3)
    offset: npt.NDArray[np.float64]  # (3,)

    def apply(self, points: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
        """(N, 3) source points in the target's frame."""
        return self.scale * (np.asarray(points, np.float64) @ self.rotation.T) + self.offset

    def undo(self, points: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
        """(N, 3) target points in the source's frame."""
        return (np.asarray(points, np.float64) - self.offset) @ self.rotation / self.scale


def similarity(
    source: npt.NDArray[np.floating],
    target: npt.NDArray[np.floating],
    weights: npt.NDArray[np.floating] | None = None,
) -> Similarity:
    """The similarity that takes (N, 3) `source` to `target` with least weighted squared distance; never a mirror."""
    a, b = np.asarray(source, np.float64), np.asarray(target, np.float64)
    if a.shape != b.shape or a.ndim != 2 or a.shape[1] != 3 or len(a) < 3:
        raise ShapeError(f"two sets of at least 3 points (N, 3) are needed, got {a.shape} and {b.shape}")
    w = np.full(len(a), 1 / len(a)) if weights is None else np.asarray(weights, np.float64) / np.sum(weights)
    a_mean, b_mean = w @ a, w @ b
    a0, b0 = a - a_mean, b - b_mean
    u, s, vt = np.linalg.svd((b0 * w[:, None]).T @ a0)
    sign = np.array([1.0, 1.0, np.sign(np.linalg.det(u) * np.linalg.det(vt))])
    rotation = (u * sign) @ vt
    variance = float(w @ (a0**2).sum(1))
    scale = float((s * sign).sum()) / max(variance, 1e-12)
    return Similarity(scale, rotation, b_mean - scale * rotation @ a_mean)


def head_frame(landmarks68: npt.NDArray[np.floating]) -> Similarity:
    """From the generic face's frame (interocular distances) to the photo frame (pixels), by the rigid points."""
    from masksynth.reconstruct.generic import generic_landmarks68

    points = np.asarray(landmarks68, np.float64)
    if points.shape != (68, 3):
        raise ShapeError(f"landmarks are (68, 3), got {points.shape}")
    rigid = list(RIGID_68)
    return similarity(generic_landmarks68()[rigid], points[rigid])


def pose_of(landmarks68: npt.NDArray[np.floating]) -> Pose:
    """Head pose from (68, 3) landmarks in the photo frame; the generic face, frontal, has pose 0."""
    return Pose.from_matrix(head_frame(landmarks68).rotation)
