"""Writing photos without surprise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image as PillowImage

from masksynth.errors import OutputError
from masksynth.files import atomic_path
from masksynth.photos.photo import PHOTO_SUFFIXES, Photo

LARGE = 150_000_000  # values
JPEG_QUALITY = 95  # where there is no source JPEG whose tables could be kept


def write_photo(path: Path | str, pixels: npt.NDArray[np.uint8], *, like: Photo | None = None) -> None:
    """Write pixels to `path`, in the format of its suffix, whole or not at all.

    Lossless in every format but JPEG, which is encoded with the quantization tables of the photo `like` where that was
    a JPEG, else at quality 95. `like` also hands on its colour profile.

    Parameters
    ----------
    pixels : (H, W), (H, W, 3) or (H, W, 4) uint8
        Grey, RGB or RGBA with straight alpha.

    Raises
    ------
    OutputError
        If the suffix is none of those known or the file cannot be written.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in PHOTO_SUFFIXES:
        known = " ".join(PHOTO_SUFFIXES)
        raise OutputError(f"{path}: the suffix '{path.suffix}' names no image format. Use one of {known}.")
    options: dict[str, Any] = {}
    if like is not None and like.icc_profile and _profile_fits(like, pixels):
        options["icc_profile"] = like.icc_profile
    if suffix in (".jpg", ".jpeg"):
        options |= _jpeg_options(like)
        if pixels.ndim == 3 and pixels.shape[2] == 4:
            raise OutputError(f"{path}: JPEG has no alpha. Use .png.")
    elif suffix == ".webp":
        options |= {"lossless": True, "exact": True}
    elif suffix == ".png":
        # Of a very large photo, 3 takes half as long again as 1, for a few per cent of the size.
        options |= {"compress_level": 3 if pixels.size < LARGE else 1}
    image = PillowImage.fromarray(np.ascontiguousarray(pixels))
    with atomic_path(path) as temporary:
        try:
            image.save(temporary, **options)
        except ValueError as error:  # a format's own limit, such as WebP's 16,383 px
            raise OutputError(f"{path}: could not be written ({error}).") from error


def _jpeg_options(like: Photo | None) -> dict[str, Any]:
    if like is None or like.jpeg is None or not like.jpeg.tables:
        return {"quality": JPEG_QUALITY, "subsampling": 0}
    return like.jpeg.options


def _profile_fits(like: Photo, pixels: npt.NDArray[np.uint8]) -> bool:
    """A grey profile on RGB pixels, or the other way round, makes viewers refuse the file."""
    assert like.icc_profile is not None
    return like.icc_profile[16:20] == (b"GRAY" if pixels.ndim == 2 else b"RGB ")
