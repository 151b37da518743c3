"""How sharp a photo is, by the edges of the eyes and brows in it."""

from __future__ import annotations

import cv2
import numpy as np

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


def blur_of(pixels: Photo8, band: Window, interocular: float) -> float:
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
    """
    left, top = band.left, band.top
    width, height = min(band.width, LARGEST_SIDE), min(band.height, LARGEST_SIDE)
    left, top = left + (band.width - width) // 2, top + (band.height - height) // 2
    if width < 8 or height < 8:
        return 0.0
    part = pixels[top : top + height, left : left + width]
    grey = np.ascontiguousarray(part if part.ndim == 2 else part[..., 1]).astype(np.float32)
    fine, coarse = (np.asarray(cv2.GaussianBlur(grey, (0, 0), s), np.float32) for s in (FINE, COARSE))
    ratio = float(_kernels.edge_ratio(fine, coarse, STRONG, LEAST_STEP, LEAST_EDGES, SHARPEST, np.zeros_like(fine)))
    if ratio <= 0:
        return 0.0
    variance = (COARSE**2 - ratio**2 * FINE**2) / max(ratio**2 - 1, 1e-3)
    beyond = variance - (NATURAL * interocular) ** 2 - OWN**2
    return float(min(np.sqrt(max(beyond, 0.0)), LARGEST))
