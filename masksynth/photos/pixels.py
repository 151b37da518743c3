"""From an image that Pillow has opened to upright 8-bit pixels."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image as PillowImage

from masksynth.arrays import Photo8
from masksynth.photos.jpeg import plain_jpeg

LARGE = 50_000_000  # pixels: above, room counts
STRIP_PIXELS = 4_000_000  # worked on at a time
WHITE_PERCENTILE = 99.9  # of a 16-bit photo's values, taken as white where the caller names no white


def upright_pixels(image: PillowImage.Image, data: bytes, white: float | None) -> tuple[Photo8, list[str]]:
    """The pixels turned upright, and what was done to them."""
    notes: list[str] = []
    deep_rgb = is_deep_rgb(image)  # before anything loads the image: then its tiles are gone
    if image.format == "PNG":
        image.load()  # its EXIF may stand behind the pixels
    orientation = orientation_of(image)
    if orientation != 1:
        notes.append("EXIF orientation applied")
    if deep_rgb:
        deep = _deep_rgb(image, data)
        if image.format != "TIFF":  # those cv2 turns itself, whatever it is asked
            deep = _oriented(deep, orientation)
        return _scaled(deep, white, notes), notes
    direct = plain_jpeg(image, data) if image.format == "JPEG" else None
    if image.format == "WEBP" and image.width * image.height > LARGE:
        direct = _large_webp(image, data)
    if direct is not None:
        return _upright(direct, orientation), notes
    image.load()
    orientation = orientation_of(image)  # newer versions of Pillow turn a TIFF on loading, and then say 1
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        return _scaled(_oriented(np.array(image), orientation), white, notes), notes
    mode = image.mode
    if mode in ("P", "PA"):
        notes.append("palette made RGB")
        image = image.convert("RGBA" if mode == "PA" or "transparency" in image.info else "RGB")
    elif mode == "1":
        image = image.convert("L")
    elif mode in ("L", "RGB") and "transparency" in image.info:
        image = image.convert("LA" if mode == "L" else "RGBA")
    elif mode == "La":
        image = image.convert("LA")
    elif mode == "RGBa":
        image = image.convert("RGBA")
    elif mode not in ("L", "RGB", "LA", "RGBA"):  # CMYK, YCbCr, LAB, HSV
        notes.append(f"{mode} made RGB")
        image = image.convert("RGB")
    pixels, least = _over_black(image)
    if least < 255:
        notes.append("alpha laid over black")
    return _upright(pixels, orientation), notes


def _over_black(image: PillowImage.Image) -> tuple[Photo8, int]:
    """(H, W) or (H, W, 3) pixels of an L, LA, RGB or RGBA image, alpha laid over black, and the least alpha.

    Strip by strip: beside what Pillow holds, there is never more than the result.
    """
    width, height = image.size
    pixels = np.zeros((height, width, 3) if image.mode.startswith("RGB") else (height, width), np.uint8)
    least = 255
    rows = max(STRIP_PIXELS // width, 1)
    for top in range(0, height, rows):
        strip = image if rows >= height else image.crop((0, top, width, min(top + rows, height)))
        part = np.asarray(strip, np.uint8)
        if image.mode in ("RGBA", "LA"):
            alpha = part[..., -1:].astype(np.uint16)
            least = min(least, int(alpha.min()))
            part = ((part[..., :-1] * alpha + 127) // 255).astype(np.uint8)
            part = part if image.mode == "RGBA" else part[..., 0]
        pixels[top : top + rows] = part
    return pixels, least


def _large_webp(image: PillowImage.Image, data: bytes) -> Photo8 | None:
    """A WebP without alpha, decoded by OpenCV: Pillow holds four copies of its pixels at a time."""
    if image.mode != "RGB":
        return None
    import cv2

    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION)
    if pixels is None:
        raise ValueError("the pixels cannot be decoded")
    return np.asarray(pixels, np.uint8)


def _upright(pixels: Photo8, orientation: int) -> Photo8:
    return np.ascontiguousarray(_oriented(pixels, orientation))


def orientation_of(image: PillowImage.Image) -> int:
    """EXIF orientation, 1 to 8; damaged EXIF is no reason to refuse sound pixels."""
    try:
        orientation = image.getexif().get(0x0112, 1)
    except Exception:  # any, as with every damaged header
        return 1
    return orientation if orientation in range(1, 9) else 1


def is_deep_rgb(image: PillowImage.Image) -> bool:
    """Pillow opens 16-bit RGB, and grey with alpha, as 8-bit; the raw mode of the tile still tells."""
    words = [word for tile in getattr(image, "tile", None) or [] for word in _flat(tile[3])]
    return any(isinstance(word, str) and re.fullmatch(r"(L|LA|RGB|RGBA|RGBa|RGBX);16[BLN]", word) for word in words)


def _flat(arguments: Any) -> tuple[Any, ...]:
    return tuple(arguments) if isinstance(arguments, (tuple, list)) else (arguments,)


def _deep_rgb(image: PillowImage.Image, data: bytes) -> npt.NDArray[Any]:
    """(H, W) or (H, W, 3) values of 16 bits, as uint16 or, where alpha was laid over black, float64. Orientation is not
    applied, but in a TIFF."""
    import cv2

    values: Any = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION)
    if values is None:
        raise ValueError("the 16-bit pixels cannot be decoded")
    if values.ndim == 3 and values.shape[2] == 4:
        full = 65535.0 if values.dtype == np.uint16 else 255.0
        values = values[..., :3] * (values[..., 3:] / full)
    if values.ndim == 3 and image.mode in ("L", "LA"):
        return values[..., 0]
    return values[..., ::-1] if values.ndim == 3 else values


def _oriented(values: npt.NDArray[Any], orientation: int) -> npt.NDArray[Any]:
    """EXIF orientation 1 to 8 applied to an array (CIPA DC-008, tag 0x0112)."""
    if orientation in (5, 6, 7, 8):
        values = values.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        values = values[:, ::-1]
    if orientation in (3, 4, 7, 8):
        values = values[::-1]
    return values


def _scaled(values: npt.NDArray[Any], white: float | None, notes: list[str]) -> Photo8:
    """8-bit pixels of values of more bits, of which `white` becomes 255."""
    if white is not None:
        top, how = float(white), "as given"
    else:
        top, how = _percentile(values), f"its {WHITE_PERCENTILE}th percentile"
    notes.append(f"more than 8 bits, scaled so that {top:g} ({how}) is white")
    factor = 255.0 / top if top > 0 else 0.0
    if values.dtype == np.uint16:
        table = np.clip(np.rint(np.arange(1 << 16) * factor), 0, 255).astype(np.uint8)
        return np.ascontiguousarray(table[values])
    scaled = np.nan_to_num(values.astype(np.float64), nan=0.0, posinf=top, neginf=0.0) * factor
    return np.ascontiguousarray(np.clip(np.rint(scaled), 0, 255).astype(np.uint8))


def _percentile(values: npt.NDArray[Any]) -> float:
    """The WHITE_PERCENTILE of the values that are finite; of 16-bit ones by counting, which takes no room."""
    if values.dtype != np.uint16:
        finite = values[np.isfinite(values)]
        return float(np.percentile(finite, WHITE_PERCENTILE)) if finite.size else 0.0
    rows = max(STRIP_PIXELS // max(values[0].size, 1), 1)
    counts = sum(np.bincount(values[k : k + rows].ravel(), minlength=1 << 16) for k in range(0, len(values), rows))
    below = np.cumsum(counts)
    place = WHITE_PERCENTILE / 100 * (values.size - 1)
    low, high = (
        int(np.searchsorted(below, k, side="right")) for k in (int(place), min(int(place) + 1, values.size - 1))
    )
    return low + (high - low) * (place - int(place))
