"""Making pictures smaller by means of four, which costs a fraction of averaging over areas of any size; and grey ones
as one plane, at a third of the work, whatever their shape says."""

from __future__ import annotations

import numpy as np

from masksynth.arrays import Photo8


def in_colour(grey: Photo8) -> Photo8:
    """(H, W, 3) of (H, W) uint8: a read-only view whose three channels are one plane."""
    return np.broadcast_to(grey[:, :, None], (*grey.shape, 3))


def planes_of(rgb: Photo8) -> Photo8:
    """(H, W) where `in_colour` made the picture, else the picture itself."""
    return rgb[:, :, 0] if rgb.ndim == 3 and rgb.strides[2] == 0 else rgb


def halved(rgb: Photo8, times: int) -> Photo8:
    """(H, W, 3), or (H, W), uint8, each side halved so often; a last row or column without a partner is left out."""
    import cv2

    for _ in range(times):
        height, width = rgb.shape[0] // 2, rgb.shape[1] // 2
        rgb = cv2.resize(rgb[: 2 * height, : 2 * width], (width, height), interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
    return rgb


def halvings(shape: tuple[int, ...], side: float) -> int:
    """How often a picture of `shape` can be halved before its longer side is less than twice `side`."""
    times, longer, shorter = 0, max(shape[:2]), min(shape[:2])
    while longer >> times >= 2 * side and shorter >> times >= 2:
        times += 1
    return times
