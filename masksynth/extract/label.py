"""Reading where a mask is from a picture that a person drew."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image as PillowImage
from PIL import ImageOps

from masksynth.arrays import Alpha, Photo8
from masksynth.errors import SegmentationError
from masksynth.photos import PILLOW_AT_EASE, read_photo

DARK = 48  # brightest channel up to which a pixel is black
COLOURED = 48  # difference of two channels from which a picture is not grey
SAME_COLOUR = 0.25  # of full scale, that a pixel of the brightest channel 1 may differ from the label's colour
STRAY = 0.03  # share of what is not black that may be of another colour
BETWEEN = 0.4  # share of the picture that may be neither black nor white: a photo has more
HOW = "Draw white, or one colour, on the mask and black elsewhere; or make all but the mask transparent."


def read_alpha(path: Path) -> Alpha:
    """A segmentation that a person drew, (H, W) in [0, 1].

    The alpha of a picture that has one; else how bright it is, white or any one colour on black. Of two values, as in
    pictures of 0 and 1, the larger is the mask.

    Raises
    ------
    PhotoError
        As `read_photo` does.
    SegmentationError
        If the picture does not say clearly where the mask is: nothing drawn, several colours, a photo, upside down.
    """
    photo = read_photo(path)
    with PILLOW_AT_EASE, PillowImage.open(path) as image:
        if "A" in image.getbands():
            alpha = np.asarray(ImageOps.exif_transpose(image).getchannel("A"))
            if alpha.max() == 0:
                raise SegmentationError(f"{path}: is transparent all over, so nothing says where the mask is. {HOW}")
            if alpha.min() < 255:
                return np.asarray(alpha / 255, np.float32)
    rgb = photo.rgb
    brightest = rgb.max(axis=2)
    values = np.unique(brightest)
    if len(values) == 1:
        raise SegmentationError(f"{path}: is of one colour all over, so nothing says where the mask is. {HOW}")
    if (brightest - rgb.min(axis=2)).max() > COLOURED:
        found = _one_colour(path, rgb, brightest)
    elif len(values) == 2 and values[0] == 0:
        found = (brightest > 0).astype(np.float32)
    else:
        found = rgb.mean(axis=2, dtype=np.float32) / np.float32(255)
    return _clear(path, found)


def _one_colour(path: Path, rgb: Photo8, brightest: Alpha) -> Alpha:
    """How much of each pixel is of the label's colour; its edges are mixed with black."""
    drawn = brightest > DARK
    pure = rgb[drawn] / brightest[drawn][:, None].astype(np.float32)
    other = np.abs(pure - np.median(pure, axis=0)).max(axis=1) > SAME_COLOUR
    if other.mean() > STRAY:
        raise SegmentationError(
            f"{path}: {100 * other.mean():.0f} % of what is drawn is of another colour than the rest, so it is not "
            f"clear what is mask. {HOW}"
        )
    return np.minimum(brightest / np.float32(np.median(brightest[drawn])), np.float32(1)).astype(np.float32)


def _clear(path: Path, alpha: Alpha) -> Alpha:
    """The alpha itself where it is black and white and not the other way round."""
    between = float(((alpha > 0.2) & (alpha < 0.8)).mean())
    if between > BETWEEN:
        raise SegmentationError(
            f"{path}: {100 * between:.0f} % of it is neither black nor white, as of a photo (at most "
            f"{100 * BETWEEN:.0f} %). {HOW}"
        )
    rim = np.concatenate([alpha[0], alpha[: len(alpha) // 2, 0], alpha[: len(alpha) // 2, -1]])
    if (rim > 0.5).mean() > 0.9:
        raise SegmentationError(f"{path}: is white along its upper rim, where no mask is; turned inside out? {HOW}")
    if not (alpha >= 0.5).any():
        raise SegmentationError(f"{path}: no pixel is half white or more, so there is no mask in it. {HOW}")
    return alpha
