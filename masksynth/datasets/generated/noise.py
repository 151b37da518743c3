"""Smooth random pictures."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def smooth_noise(
    rng: np.random.Generator, shape: tuple[int, int], cell: tuple[float, float]
) -> npt.NDArray[np.float32]:
    """(H, W) noise of zero mean and unit spread whose blobs are about `cell` = (rows, columns) pixels large."""
    import cv2

    coarse = (max(2, round(shape[0] / cell[0]) + 1), max(2, round(shape[1] / cell[1]) + 1))
    values = rng.standard_normal(coarse).astype(np.float32)
    large = cv2.resize(values, shape[::-1], interpolation=cv2.INTER_CUBIC)
    return np.asarray((large - large.mean()) / (large.std() + 1e-6), np.float32)


def octaves(rng: np.random.Generator, shape: tuple[int, int], cell: float, count: int) -> npt.NDArray[np.float32]:
    """(H, W) noise with details down to ``cell / 2 ** (count - 1)``, unit spread."""
    total = np.zeros(shape, np.float32)
    for octave in range(count):
        size = cell / 2**octave
        total += smooth_noise(rng, shape, (size, size)) * 0.6**octave
    return np.asarray(total / (total.std() + 1e-6), np.float32)
