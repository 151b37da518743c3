"""A photo in memory, and what is known of the file that it came from."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from masksynth.arrays import Photo8, Spectrum

PHOTO_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp")
STRIP = 512  # rows looked at at a time


@dataclass(frozen=True)
class JpegSettings:
    """How a JPEG was encoded, so that it can be encoded anew alike."""

    tables: dict[int, list[int]]  # quantization tables by number
    subsampling: int  # Pillow's code: 0 4:4:4, 1 4:2:2, 2 4:2:0, -1 another
    orientation: int = 1  # EXIF's, 1 to 8, which the pixels were turned by

    @property
    def options(self) -> dict[str, Any]:
        """What Pillow's JPEG writer takes for it; the file must have tables."""
        return {"qtables": self.tables, "subsampling": max(self.subsampling, 0)}

    def as_stored(self, upright: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """A view of the pixels as they lie in the file, of an array that was turned upright."""
        if self.orientation in (3, 4, 7, 8):
            upright = upright[::-1]
        if self.orientation in (2, 3, 6, 7):
            upright = upright[:, ::-1]
        return upright.swapaxes(0, 1) if self.orientation in (5, 6, 7, 8) else upright


@dataclass(frozen=True)
class Photo:
    """A photo as read from disk."""

    pixels: Photo8  # (H, W, 3) RGB or (H, W), uint8
    source: Path
    notes: tuple[str, ...] = ()  # what was done to the pixels on reading, one phrase each
    jpeg: JpegSettings | None = None
    icc_profile: bytes | None = field(default=None, repr=False)

    def without_pixels(self) -> Photo:
        """What is known of the file alone: enough for `write_photo`'s `like`, and room for pixels that are new."""
        return replace(self, pixels=np.zeros((0, 0), np.uint8))

    @property
    def rgb(self) -> Photo8:
        """(H, W, 3): one channel is repeated."""
        if self.pixels.ndim == 3:
            return self.pixels
        import cv2

        return np.asarray(cv2.cvtColor(self.pixels, cv2.COLOR_GRAY2RGB), np.uint8)


def is_grey(pixels: Photo8) -> bool:
    """True where no pixel has chroma: one channel, or three that are equal everywhere."""
    if pixels.ndim == 2:
        return True
    strips = (pixels[row : row + STRIP] for row in range(0, len(pixels), STRIP))  # colour mostly shows in the first
    return all(bool((s[..., 0] == s[..., 1]).all() and (s[..., 1] == s[..., 2]).all()) for s in strips)


def spectrum_of(pixels: Photo8, choice: Literal["nir", "vis", "auto"]) -> Spectrum:
    """The spectrum as stated; ``auto`` takes a photo without chroma for NIR."""
    if choice != "auto":
        return choice
    return "nir" if is_grey(pixels) else "vis"
