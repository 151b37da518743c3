"""How sharp a photo is, by the edges of the eyes and brows in it."""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt

import masksynth.compiled  # noqa: F401 - before the kernels
from masksynth.arrays import Photo8
from masksynth.compose import _kernels
from masksynth.render.canvas import Window

FINE, COARSE = 1.0, 2.0  # pixels: standard deviations of the two blurs that edges are compared under
STRONG = 0.92  # quantile of gradient above which a pixel is an edge
SHARPEST = 0.75  # quantile of the edges' ratios that stands for the photo: many edges of a face are soft by nature
LEAST_EDGES = 24
LEAST_STEP = 6.0  # grey levels a pixel: weaker gradients are noise
LARGEST = 4.0  # pixels
NATURAL = 0.008  # of the interocular distance: how soft the edges of lids and brows are by nature
OWN = 0.5  # pixels: how soft the renderer's own edges are
LARGEST_SIDE = 640  # pixels: of larger bands the middle is looked at


class Room:
    """Arrays to work in: they grow, never shrink."""

    def __init__(self) -> None:
        self._flat = np.zeros(0, np.float32)
        self.gradients = np.zeros(_kernels.STEEPEST * _kernels.STEPS_A_LEVEL, np.int64)
        self.ratios = np.zeros(_kernels.RATIOS, np.int64)

    def of(self, shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
        """An array that the next call overwrites."""
        count = math.prod(shape)
        if count > len(self._flat):
            self._flat = np.zeros(count, np.float32)
        return self._flat[:count].reshape(shape)


def blur_of(pixels: Photo8, band: Window, interocular: float, room: Room) -> float:
    """Standard deviation in pixels of the blur that makes a mask, as it is drawn, as soft as the photo.

    The gradient at an edge of blur s, under two further blurs a < b, differs by R = sqrt((s² + b²) / (s² + a²)) (after
    Zhuo and Sim, "Defocus map estimation from a single image", Pattern Recognition 2011, whose a is 0: too little in
    noise).

    Parameters
    ----------
    pixels : (H, W) or (H, W, 3) uint8
    band : Window
        Where the eyes and brows are.
    interocular : float
        In pixels.
    room : Room
        To work in.
    """
    left, top = band.left, band.top
    width, height = min(band.width, LARGEST_SIDE), min(band.height, LARGEST_SIDE)
    left, top = left + (band.width - width) // 2, top + (band.height - height) // 2
    if width < 8 or height < 8:
        return 0.0
    part = pixels[top : top + height, left : left + width]
    grey, fine, coarse, steep = room.of((4, height, width))
    grey[...] = part if part.ndim == 2 else part[..., 1]
    cv2.GaussianBlur(grey, (0, 0), FINE, dst=fine)
    cv2.GaussianBlur(grey, (0, 0), COARSE, dst=coarse)
    ratio = float(
        _kernels.edge_ratio(fine, coarse, STRONG, LEAST_STEP, LEAST_EDGES, SHARPEST, steep, room.gradients, room.ratios)
    )
    if ratio <= 0:
        return 0.0
    variance = (COARSE**2 - ratio**2 * FINE**2) / max(ratio**2 - 1, 1e-3)
    beyond = variance - (NATURAL * interocular) ** 2 - OWN**2
    return float(min(np.sqrt(max(beyond, 0.0)), LARGEST))
