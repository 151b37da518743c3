"""The host's JPEG compression, for what is drawn into it."""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt
from PIL import Image as PillowImage

from masksynth.arrays import Photo8
from masksynth.photos import JpegSettings

UNIT = 16  # pixels: a unit of 8 x 8 blocks where chroma has half the resolution; a multiple of every other unit
STRIP = 1024  # rows at a time, so that room to work in stays small


def compress_touched(image: Photo8, touched: npt.NDArray[np.bool_], jpeg: JpegSettings) -> None:
    """Give the pixels that are touched the loss that a JPEG file gave the others.

    The part of the picture that holds them is encoded with the file's own tables and colour sampling, on the file's own
    grid of blocks, and decoded again; only touched pixels are taken from it.

    Parameters
    ----------
    image : (H, W) or (H, W, 3) uint8
        As `read_photo` gives it: turned upright. In place.
    touched : (H, W) bool
    jpeg : JpegSettings
        Of the file that `image` comes from.
    """
    if not jpeg.tables or not touched.any():
        return
    stored, inside = jpeg.as_stored(image), jpeg.as_stored(touched)  # views: the blocks count from the file's corner
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    # A unit more on each side: a decoder takes the chroma of a pixel from its neighbours' too.
    left, right = max(int(columns[0]) // UNIT - 1, 0) * UNIT, (int(columns[-1]) // UNIT + 2) * UNIT
    above = stored[:0, left:right]  # rows that the strip before has written already, as they were
    for first in range(int(rows[0]) // UNIT * UNIT, int(rows[-1]) + 1, STRIP):
        part = np.concatenate([above, stored[first : first + STRIP + UNIT, left:right]])
        buffer = io.BytesIO()
        PillowImage.fromarray(part).save(buffer, "JPEG", **jpeg.options)
        with PillowImage.open(buffer) as decoded:
            loss = np.asarray(decoded)[len(above) :]
        above = stored[first + STRIP - UNIT : first + STRIP, left:right].copy()
        where = inside[first : first + STRIP, left:right]
        stored[first : first + STRIP, left:right][where] = loss[: len(where)][where]
