"""From five points to an aligned square crop, as face recognition networks want it."""

from __future__ import annotations

from functools import cache
from typing import Literal

import numpy as np
import numpy.typing as npt

from masksynth.arrays import Matrix, Photo8
from masksynth.errors import ConfigError, ShapeError

Template = Literal["scaled", "margin"]
TEMPLATES: tuple[Template, ...] = ("scaled", "margin")
BORDER = "constant 0"  # what a crop holds where it reaches beyond the photo

REFERENCE_SIDE = 112
REFERENCE_POINTS = (
    (38.2946, 51.6963),
    (73.5318, 51.5014),
    (56.0252, 71.7366),
    (41.5493, 92.3655),
    (70.7299, 92.2041),
)
"""Eye centres, nose tip and mouth corners in a 112 x 112 crop: the points that ArcFace's and MobileFaceNet's published
training data are aligned to (Deng et al., "ArcFace", CVPR 2019, released code)."""


def reference_points(side: int, template: Template = "scaled") -> npt.NDArray[np.float64]:
    """(5, 2) where the five points belong in a crop of `side`.

    ``scaled`` multiplies the 112 x 112 places by side / 112, as public code does between its sizes, so that the face
    fills the crop alike; ``margin`` keeps their size and puts the 112 x 112 square in the middle, so that more of the
    head shows.
    """
    if side < 16:
        raise ConfigError(f"the side of a crop must be at least 16 px, got {side}")
    points = np.array(REFERENCE_POINTS)
    if template == "scaled":
        return points * (side / REFERENCE_SIDE)
    if template == "margin":
        return points + (side - REFERENCE_SIDE) / 2
    raise ConfigError(f"template must be one of {', '.join(TEMPLATES)}, got {template!r}")


def crop_from_photo(five_points: npt.NDArray[np.floating], side: int = 144, template: Template = "scaled") -> Matrix:
    """The similarity that takes five points of a photo nearest to where they belong in the crop.

    Least squares over turn, size and place; never a mirror image.

    Parameters
    ----------
    five_points : (5, 2) float
        Image-left eye, image-right eye, nose tip, image-left and image-right mouth corner, in pixels of the photo.
    side : int
        Of the crop, in pixels.

    Returns
    -------
    matrix : (2, 3) float64
        ``crop = matrix[:, :2] @ photo + matrix[:, 2]``, both in pixels with centres at whole coordinates.

    Raises
    ------
    ShapeError
        If the points are not (5, 2), not finite, or all in one place.
    """
    source = np.asarray(five_points, np.float64)
    if source.shape != (5, 2):
        raise ShapeError(f"five points are (5, 2), got {source.shape}")
    if not np.isfinite(source).all():
        raise ShapeError("the five points are not finite")
    # In complex numbers a similarity is w = a z + b, and least squares for a is one division.
    wanted, wanted_mean = _complex_reference(side, template)
    z = [complex(x, y) for x, y in source.tolist()]
    mean = sum(z) / 5
    spread = [point - mean for point in z]
    size = sum(abs(point) ** 2 for point in spread)
    if size < 1e-6:
        raise ShapeError("the five points all lie in one place")
    a = sum(point.conjugate() * place for point, place in zip(spread, wanted, strict=True)) / size
    b = wanted_mean - a * mean
    return np.array([[a.real, -a.imag, b.real], [a.imag, a.real, b.imag]])


@cache
def _complex_reference(side: int, template: Template) -> tuple[list[complex], complex]:
    """The reference points as complex numbers, less their mean, and their mean."""
    w = [complex(x, y) for x, y in reference_points(side, template).tolist()]
    mean = sum(w) / 5
    return [place - mean for place in w], mean


def crop(pixels: Photo8, matrix: Matrix, side: int) -> Photo8:
    """The (side, side[, 3]) crop of (H, W[, 3]) uint8 under a (2, 3) crop_from_photo; bilinear, 0 outside the photo."""
    import cv2

    if np.shape(matrix) != (2, 3):
        raise ShapeError(f"crop_from_photo is (2, 3), got {np.shape(matrix)}")
    if pixels.dtype != np.uint8 or pixels.ndim not in (2, 3):
        raise ShapeError(f"a photo is (H, W) or (H, W, 3) uint8, got {pixels.shape} {pixels.dtype}")
    return cv2.warpAffine(  # type: ignore[return-value]
        np.ascontiguousarray(pixels), np.asarray(matrix, np.float64), (side, side), flags=cv2.INTER_LINEAR
    )
