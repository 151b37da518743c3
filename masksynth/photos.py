"""Photos as files: reading whatever people have, and writing without surprise.

Reading gives 8-bit pixels in the order a viewer shows them: EXIF orientation applied, palettes and CMYK made RGB, alpha
laid over black, 16-bit scaled to 8. Each of these is said in `Photo.notes`.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import re
import threading
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from PIL import Image as PillowImage
from PIL import UnidentifiedImageError

from masksynth.arrays import Photo8, Spectrum
from masksynth.errors import ConfigError, OutputError, PhotoError
from masksynth.files import atomic_path, read_bytes

MAX_PIXELS = (
    500_000_000  # 25,000 x 20,000: more than any camera makes; a header that claims more is a decompression bomb
)
MIN_SIDE = 16  # no face can be told in fewer pixels
WHITE_PERCENTILE = 99.9  # of a 16-bit photo's values, taken as white where the caller names no white
PHOTO_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp")
JPEG_QUALITY = 95  # where there is no source JPEG whose tables could be kept


class _Shared:
    """A change to the whole process that several threads may want at once: the first to enter makes it, the last to
    leave takes it back."""

    def __init__(self, change: Callable[[], contextlib.AbstractContextManager[None]]) -> None:
        self._change, self._lock, self._inside, self._undo = change, threading.Lock(), 0, contextlib.ExitStack()

    def __enter__(self) -> None:
        with self._lock:
            if self._inside == 0:
                self._undo.enter_context(self._change())
            self._inside += 1

    def __exit__(self, *error: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._undo.close()


@contextlib.contextmanager
def _without_pillows_limit() -> Iterator[None]:
    limit, PillowImage.MAX_IMAGE_PIXELS = PillowImage.MAX_IMAGE_PIXELS, None
    logger, silent = logging.getLogger("PIL"), logging.NullHandler()
    logger.addHandler(silent)  # where the program at large has no handler, Python would print
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")
        try:
            yield
        finally:
            PillowImage.MAX_IMAGE_PIXELS = limit
            logger.removeHandler(silent)


@contextlib.contextmanager
def _without_standard_error() -> Iterator[None]:
    try:
        kept = os.dup(2)
    except OSError:  # there is none
        yield
        return
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


PILLOW_AT_EASE = _Shared(_without_pillows_limit)
"""Pillow without its own size limit (ours is checked instead), and without warnings about odd headers, which are
harmless or end in a PhotoError."""
_HUSHED = _Shared(_without_standard_error)  # libtiff, libpng and OpenCV print about damage that becomes a PhotoError


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

    @property
    def rgb(self) -> Photo8:
        """(H, W, 3): one channel is repeated."""
        return self.pixels if self.pixels.ndim == 3 else np.repeat(self.pixels[:, :, None], 3, axis=2)


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
    with image, _HUSHED if image.format == "TIFF" or _is_deep_rgb(image) else contextlib.nullcontext():
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
            pixels, notes = _pixels(image, data, white)
            jpeg = _jpeg_settings(image)
            notes += _left_as_it_is(image)
        except Exception as error:  # likewise for a damaged body
            raise PhotoError(f"{source}: is damaged or cut short ({_reason(error)}).") from error
        return Photo(pixels, source, tuple(notes), jpeg, image.info.get("icc_profile"))


def is_grey(pixels: Photo8) -> bool:
    """True where no pixel has chroma: one channel, or three that are equal everywhere."""
    if pixels.ndim == 2:
        return True
    return bool((pixels[..., 0] == pixels[..., 1]).all() and (pixels[..., 1] == pixels[..., 2]).all())


def spectrum_of(pixels: Photo8, choice: Literal["nir", "vis", "auto"]) -> Spectrum:
    """The spectrum as stated; ``auto`` takes a photo without chroma for NIR."""
    if choice != "auto":
        return choice
    return "nir" if is_grey(pixels) else "vis"


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
        options |= {"compress_level": 3}
    image = PillowImage.fromarray(np.ascontiguousarray(pixels))
    with atomic_path(path) as temporary:
        try:
            image.save(temporary, **options)
        except ValueError as error:  # a format's own limit, such as WebP's 16,383 px
            raise OutputError(f"{path}: could not be written ({error}).") from error


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


def _pixels(image: PillowImage.Image, data: bytes, white: float | None) -> tuple[Photo8, list[str]]:
    """The pixels turned upright, and what was done to them."""
    notes: list[str] = []
    deep_rgb = _is_deep_rgb(image)  # before anything loads the image: then its tiles are gone
    if image.format == "PNG":
        image.load()  # its EXIF may stand behind the pixels
    orientation = _orientation(image)
    if orientation != 1:
        notes.append("EXIF orientation applied")
    if deep_rgb:
        deep = _deep_rgb(image, data)
        if image.format != "TIFF":  # those cv2 turns itself, whatever it is asked
            deep = _oriented(deep, orientation)
        return _scaled(deep, white, notes), notes
    image.load()
    orientation = _orientation(image)  # newer versions of Pillow turn a TIFF on loading, and then say 1
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        return _scaled(_oriented(np.array(image).astype(np.float64), orientation), white, notes), notes
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
    pixels = np.array(image, np.uint8)
    if image.mode in ("RGBA", "LA"):
        alpha = pixels[..., -1:].astype(np.uint16)
        if alpha.min() < 255:
            notes.append("alpha laid over black")
        pixels = ((pixels[..., :-1] * alpha + 127) // 255).astype(np.uint8)
        if pixels.shape[2] == 1:
            pixels = pixels[..., 0]
    return np.ascontiguousarray(_oriented(pixels, orientation)), notes


def _left_as_it_is(image: PillowImage.Image) -> list[str]:
    """What is in the file and not heeded: further pictures, and a colour space that is not sRGB."""
    notes = []
    with contextlib.suppress(Exception):  # damage behind the pixels is no reason to refuse them
        count = getattr(image, "n_frames", 1)
        if count > 1 and image.format != "MPO":  # a JPEG's second picture is a thumbnail or a depth map
            notes.append(f"the first of the {count} pictures in the file is taken")
    profile = image.info.get("icc_profile")
    if profile and image.mode in ("RGB", "RGBA"):
        from PIL import ImageCms

        with contextlib.suppress(Exception):
            name = ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(profile))).strip()
            if "srgb" not in name.lower().replace(" ", ""):
                notes.append(f"its colour profile, {name}, is handed on; colours are taken as sRGB")
    return notes


def _orientation(image: PillowImage.Image) -> int:
    """EXIF orientation, 1 to 8; damaged EXIF is no reason to refuse sound pixels."""
    try:
        orientation = image.getexif().get(0x0112, 1)
    except Exception:  # any, as with every damaged header
        return 1
    return orientation if orientation in range(1, 9) else 1


def _is_deep_rgb(image: PillowImage.Image) -> bool:
    """Pillow opens 16-bit RGB, and grey with alpha, as 8-bit; the raw mode of the tile still tells."""
    words = [word for tile in getattr(image, "tile", None) or [] for word in _flat(tile[3])]
    return any(isinstance(word, str) and re.fullmatch(r"(L|LA|RGB|RGBA|RGBa|RGBX);16[BLN]", word) for word in words)


def _flat(arguments: Any) -> tuple[Any, ...]:
    return tuple(arguments) if isinstance(arguments, (tuple, list)) else (arguments,)


def _deep_rgb(image: PillowImage.Image, data: bytes) -> npt.NDArray[np.float64]:
    """(H, W) or (H, W, 3) values of 16 bits; alpha is laid over black. Orientation is not applied, but in a TIFF."""
    import cv2

    raw = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION)
    if raw is None:
        raise ValueError("the 16-bit pixels cannot be decoded")
    full = 65535.0 if raw.dtype == np.uint16 else 255.0
    values: npt.NDArray[np.float64] = np.asarray(raw, np.float64)
    if values.ndim == 3 and values.shape[2] == 4:
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


def _scaled(values: npt.NDArray[np.float64], white: float | None, notes: list[str]) -> Photo8:
    finite = values[np.isfinite(values)]
    if white is not None:
        top, how = float(white), "as given"
    else:
        top, how = 0.0, f"its {WHITE_PERCENTILE}th percentile"
        if finite.size:
            top = float(np.percentile(finite, WHITE_PERCENTILE))
    notes.append(f"more than 8 bits, scaled so that {top:g} ({how}) is white")
    scaled = np.nan_to_num(values, nan=0.0, posinf=top, neginf=0.0) * (255.0 / top if top > 0 else 0.0)
    return np.ascontiguousarray(np.clip(np.rint(scaled), 0, 255).astype(np.uint8))


def _jpeg_settings(image: PillowImage.Image) -> JpegSettings | None:
    if image.format not in ("JPEG", "MPO"):
        return None
    from PIL.JpegImagePlugin import get_sampling

    tables = {number: list(table) for number, table in image.quantization.items()}  # type: ignore[attr-defined]
    return JpegSettings(tables, get_sampling(image), _orientation(image))


def _jpeg_options(like: Photo | None) -> dict[str, Any]:
    if like is None or like.jpeg is None or not like.jpeg.tables:
        return {"quality": JPEG_QUALITY, "subsampling": 0}
    return like.jpeg.options


def _profile_fits(like: Photo, pixels: npt.NDArray[np.uint8]) -> bool:
    """A grey profile on RGB pixels, or the other way round, makes viewers refuse the file."""
    assert like.icc_profile is not None
    return like.icc_profile[16:20] == (b"GRAY" if pixels.ndim == 2 else b"RGB ")


def _reason(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "no known image format"
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__
