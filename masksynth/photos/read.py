"""Reading whatever files of photos people have; what cannot be one gets one sentence."""

from __future__ import annotations

import contextlib
import io
from functools import lru_cache
from pathlib import Path

from PIL import Image as PillowImage
from PIL import UnidentifiedImageError

from masksynth.errors import ConfigError, PhotoError
from masksynth.files import read_bytes
from masksynth.photos.jpeg import jpeg_settings
from masksynth.photos.photo import Photo
from masksynth.photos.pillow import HUSHED, PILLOW_AT_EASE
from masksynth.photos.pixels import is_deep_rgb, orientation_of, upright_pixels

MAX_PIXELS = (
    500_000_000  # 25,000 x 20,000: more than any camera makes; a header that claims more is a decompression bomb
)
MIN_SIDE = 16  # no face can be told in fewer pixels


def read_photo(path: Path | str, *, white: float | None = None) -> Photo:
    """Read the photo in the file `path`.

    Parameters
    ----------
    path : path of a file
        JPEG, PNG, BMP, TIFF, WebP and whatever else Pillow reads.
    white : float, optional
        The value of a 16-bit photo that becomes 255; its 99.9th percentile where not given. No effect on 8-bit photos.

    Raises
    ------
    PhotoError
        If the file is missing, a folder, a pipe, not readable, not an image, truncated, below 16 px or claims over 500
        megapixels.
    ConfigError
        If `white` is not above zero.
    """
    path = Path(path)
    return decode_photo(read_photo_bytes(path), path, white=white)


def read_photo_bytes(path: Path) -> bytes:
    """The bytes of the image file `path`. Raises PhotoError where there are none to be read."""
    try:
        return read_bytes(path)
    except IsADirectoryError:
        raise PhotoError(f"{path}: is a folder, but a photo is wanted. Name the photos in it.") from None
    except FileNotFoundError:
        raise PhotoError(f"{path}: there is no such file.") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise PhotoError(f"{path}: could not be read ({getattr(error, 'strerror', None) or error}).") from error


def decode_photo(data: bytes, source: Path, *, white: float | None = None) -> Photo:
    """Decode the bytes of an image file; `source` names them in messages. Raises PhotoError as `read_photo` does."""
    if white is not None and not 0 < white < float("inf"):
        raise ConfigError(f"white must be above 0, got {white}")
    if not data:
        raise PhotoError(f"{source}: the file is empty (0 bytes).")
    with PILLOW_AT_EASE:
        return _decode(data, source, white)


def _decode(data: bytes, source: Path, white: float | None) -> Photo:
    try:
        image = PillowImage.open(io.BytesIO(data))
    except Exception as error:  # a damaged header makes Pillow's plugins raise nearly anything
        raise PhotoError(f"{source}: is not an image that can be read ({_reason(error)}).") from error
    with image, HUSHED if image.format == "TIFF" or is_deep_rgb(image) else contextlib.nullcontext():
        if image.format == "EPS":  # Pillow would hand it to Ghostscript, which runs it
            raise PhotoError(f"{source}: is PostScript, a program and not a photo. Convert it to PNG.")
        width, height = image.size
        if width * height > MAX_PIXELS:
            raise PhotoError(
                f"{source}: claims {width} x {height} px, over the limit of {MAX_PIXELS // 1_000_000} megapixels. "
                "Scale it down first if it is a real photo."
            )
        if width * height > _most_pixels(image, len(data)):
            raise PhotoError(
                f"{source}: claims {width} x {height} px in {len(data)} bytes, more than they can hold. "
                "The file is cut short, or its header lies."
            )
        if min(width, height) < MIN_SIDE:
            raise PhotoError(f"{source}: is {width} x {height} px, but at least {MIN_SIDE} x {MIN_SIDE} px are needed.")
        try:
            pixels, notes = upright_pixels(image, data, white)
            jpeg = jpeg_settings(image, orientation_of(image))
            notes += _left_as_it_is(image)
        except Exception as error:  # likewise for a damaged body
            raise PhotoError(f"{source}: is damaged or cut short ({_reason(error)}).") from error
        return Photo(pixels, source, tuple(notes), jpeg, image.info.get("icc_profile"))


def _most_pixels(image: PillowImage.Image, size: int) -> float:
    """The most pixels that `size` bytes of this format can hold, so that a header's lie costs no memory.

    JPEG spends at least one bit on a block of 8 x 8 px; deflate packs at most 1032 bytes into one; the codes of GIF and
    LZW, of at most 12 bits, stand for at most 4096 bytes each.
    """
    if image.format in ("JPEG", "MPO"):
        return 8.0 * 64.0 * size
    if image.format == "PNG":
        return 1032.0 * size / (len(image.getbands()) if image.mode in ("RGB", "RGBA") else 1 / 8)
    if image.format == "GIF":
        return 4096.0 * 8 / 12 * size
    if image.format == "TIFF":  # one bit a pixel at the least
        densest = {"raw": 1.0, "packbits": 64.0, "tiff_lzw": 4096 * 8 / 12, "tiff_adobe_deflate": 1032.0}
        return 8 * size * densest.get(image.info.get("compression", ""), float("inf"))
    return float("inf")


def _left_as_it_is(image: PillowImage.Image) -> list[str]:
    """What is in the file and not heeded: further pictures, and a colour space that is not sRGB."""
    notes = []
    with contextlib.suppress(Exception):  # damage behind the pixels is no reason to refuse them
        count = getattr(image, "n_frames", 1)
        if count > 1 and image.format != "MPO":  # a JPEG's second picture is a thumbnail or a depth map
            notes.append(f"the first of the {count} pictures in the file is taken")
    profile = image.info.get("icc_profile")
    if profile and image.mode in ("RGB", "RGBA"):
        name = _profile_name(profile)
        if name and "srgb" not in name.lower().replace(" ", ""):
            notes.append(f"its colour profile, {name}, is handed on; colours are taken as sRGB")
    return notes


@lru_cache(maxsize=64)
def _profile_name(profile: bytes) -> str:
    """What a colour profile calls itself; "" where it is damaged."""
    from PIL import ImageCms

    with contextlib.suppress(Exception):
        return ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(profile))).strip()
    return ""


def _reason(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "no known image format"
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__
