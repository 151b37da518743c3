"""The rigid motion between the generic face and a reconstructed one: head pose, head frame and size.

References
----------
Umeyama, "Least-squares estimation of transformation parameters between two point patterns", PAMI 1991.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property

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

    @cached_property
    def pose(self) -> Pose:
        """The rotation as head pose."""
        return Pose.from_matrix(self.rotation)


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
    a_mean = w @ a
    a0 = a - a_mean
    return _onto(a0 * w[:, None], a_mean, float(w @ (a0**2).sum(1)), b, w)


def _onto(centred: Matrix, mean: Matrix, variance: float, target: Matrix, weights: Matrix) -> Similarity:
    """The similarity from source points, given as weight times (point minus mean), their mean and variance."""
    u, s, vt = np.linalg.svd(target.T @ centred)  # the target needs no centring: the source has it
    rotation, trace = u @ vt, float(s.sum())
    if _determinant(rotation) < 0:  # a mirror image: turned back along the axis that says least
        rotation, trace = rotation - 2 * np.outer(u[:, 2], vt[2]), trace - 2 * float(s[2])
    scale = trace / max(variance, 1e-12)
    return Similarity(scale, rotation, weights @ target - scale * rotation @ mean)


def _determinant(matrix: Matrix) -> float:
    (a, b, c), (d, e, f), (g, h, i) = matrix.tolist()
    return float(a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g))


@cache
def _generic_rigid() -> tuple[Matrix, Matrix, float, Matrix]:
    """What `_onto` takes of the generic face's rigid points."""
    from masksynth.reconstruct.generic import generic_landmarks68

    points = generic_landmarks68()[list(RIGID_68)]
    centred = points - points.mean(0)
    weights = np.full(len(points), 1 / len(points))
    return centred / len(points), points.mean(0), float((centred**2).sum(1).mean()), weights


def head_frame(landmarks68: npt.NDArray[np.floating]) -> Similarity:
    """From the generic face's frame (interocular distances) to the photo frame (pixels), by the rigid points."""
    points = np.asarray(landmarks68, np.float64)
    if points.shape != (68, 3):
        raise ShapeError(f"landmarks are (68, 3), got {points.shape}")
    return head_of_rigid(points[list(RIGID_68)])


def head_of_rigid(points: npt.NDArray[np.floating]) -> Similarity:
    """As `head_frame`, of the (11, 3) rigid points alone."""
    centred, mean, variance, weights = _generic_rigid()
    return _onto(centred, mean, variance, np.asarray(points, np.float64), weights)


def pose_of(landmarks68: npt.NDArray[np.floating]) -> Pose:
    """Head pose from (68, 3) landmarks in the photo frame; the generic face, frontal, has pose 0."""
    return head_frame(landmarks68).pose
