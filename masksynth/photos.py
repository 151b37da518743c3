"""Photos as files: reading whatever people have, and writing without surprise.

Reading gives 8-bit pixels in the order a viewer shows them: EXIF orientation applied, palettes and CMYK made RGB, alpha
laid over black, 16-bit scaled to 8. Each of these is said in `Photo.notes`.
"""

from __future__ import annotations

import io
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from PIL import Image as PillowImage
from PIL import ImageOps, UnidentifiedImageError

from masksynth.arrays import Photo8, Spectrum
from masksynth.errors import OutputError, PhotoError
from masksynth.files import atomic_path

MAX_PIXELS = (
    500_000_000  # 25,000 x 20,000: more than any camera makes; a header that claims more is a decompression bomb
)
MIN_SIDE = 16  # no face can be told in fewer pixels
WHITE_PERCENTILE = 99.9  # of a 16-bit photo's values, taken as white where the caller names no white
PHOTO_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp")
JPEG_QUALITY = 95  # where there is no source JPEG whose tables could be kept

_PILLOW_LIMIT = threading.Lock()


@dataclass(frozen=True)
class JpegSettings:
    """How a JPEG was encoded, so that it can be encoded anew alike."""

    tables: dict[int, list[int]]  # quantization tables by number
    subsampling: int  # Pillow's code: 0 4:4:4, 1 4:2:2, 2 4:2:0, -1 another


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
        If the file is missing, a folder, not readable, not an image, truncated, below 16 px or claims over 500
        megapixels.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except IsADirectoryError:
        raise PhotoError(f"{path}: is a folder, but a photo is wanted. Name the photos in it.") from None
    except FileNotFoundError:
        raise PhotoError(f"{path}: there is no such file.") from None
    except OSError as error:
        raise PhotoError(f"{path}: could not be read ({error.strerror or error}).") from error
    return decode_photo(data, path, white=white)


def decode_photo(data: bytes, source: Path, *, white: float | None = None) -> Photo:
    """Decode the bytes of an image file; `source` names them in messages. Raises PhotoError as `read_photo` does."""
    if not data:
        raise PhotoError(f"{source}: the file is empty (0 bytes).")
    try:
        image = _open(data)
    except Exception as error:  # a damaged header makes Pillow's plugins raise nearly anything
        raise PhotoError(f"{source}: is not an image that can be read ({_reason(error)}).") from error
    with image:
        width, height = image.size
        if width * height > MAX_PIXELS:
            raise PhotoError(
                f"{source}: claims {width} x {height} px, over the limit of {MAX_PIXELS // 1_000_000} megapixels. "
                "Scale it down first if it is a real photo."
            )
        if min(width, height) < MIN_SIDE:
            raise PhotoError(f"{source}: is {width} x {height} px, but at least {MIN_SIDE} x {MIN_SIDE} px are needed.")
        try:
            pixels, notes = _pixels(image, data, white)
            jpeg = _jpeg_settings(image)
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


def _open(data: bytes) -> PillowImage.Image:
    with _PILLOW_LIMIT:  # our own limit is checked by the caller; Pillow's would warn about large real photos
        limit, PillowImage.MAX_IMAGE_PIXELS = PillowImage.MAX_IMAGE_PIXELS, None
        try:
            return PillowImage.open(io.BytesIO(data))
        finally:
            PillowImage.MAX_IMAGE_PIXELS = limit


def _pixels(image: PillowImage.Image, data: bytes, white: float | None) -> tuple[Photo8, list[str]]:
    notes: list[str] = []
    orientation = image.getexif().get(0x0112, 1)
    if orientation not in (0, 1):
        notes.append("EXIF orientation applied")
    if _is_deep(image):
        deep = _oriented(_deep_values(image, data), orientation)
        return _scaled(deep, white, notes), notes
    if orientation not in (0, 1):
        image = ImageOps.exif_transpose(image)
    mode = image.mode
    if mode == "P":
        notes.append("palette made RGB")
        image = image.convert("RGBA" if "transparency" in image.info else "RGB")
    elif mode in ("PA", "La", "RGBa"):
        image = image.convert("RGBA")
    elif mode == "CMYK":
        notes.append("CMYK made RGB")
        image = image.convert("RGB")
    elif mode == "1":
        image = image.convert("L")
    elif mode in ("L", "RGB") and "transparency" in image.info:
        image = image.convert("RGBA")
    elif mode not in ("L", "RGB", "LA", "RGBA"):  # YCbCr, LAB, HSV
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
    return pixels, notes


def _is_deep(image: PillowImage.Image) -> bool:
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        return True
    # Pillow opens 16-bit RGB as 8-bit, having dropped the lower byte; the raw mode of the tile still tells.
    tiles = getattr(image, "tile", None) or []
    return any("16" in str(argument) for tile in tiles for argument in _flat(tile[3]) if isinstance(argument, str))


def _flat(arguments: Any) -> tuple[Any, ...]:
    return tuple(arguments) if isinstance(arguments, (tuple, list)) else (arguments,)


def _deep_values(image: PillowImage.Image, data: bytes) -> npt.NDArray[np.float64]:
    """(H, W) or (H, W, 3) values of more than 8 bits; alpha is laid over black. Orientation is not applied."""
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        return np.array(image).astype(np.float64)
    import cv2

    raw = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION)
    if raw is None:
        raise ValueError("the 16-bit pixels cannot be decoded")
    full = 65535.0 if raw.dtype == np.uint16 else 255.0
    values: npt.NDArray[np.float64] = np.asarray(raw, np.float64)
    if values.ndim == 3 and values.shape[2] == 4:
        values = values[..., :3] * (values[..., 3:] / full)
    return values[..., ::-1] if values.ndim == 3 else values


def _oriented(values: npt.NDArray[np.float64], orientation: int) -> npt.NDArray[np.float64]:
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
    if image.format != "JPEG":
        return None
    from PIL.JpegImagePlugin import get_sampling

    tables = {number: list(table) for number, table in image.quantization.items()}  # type: ignore[attr-defined]
    return JpegSettings(tables, get_sampling(image))


def _jpeg_options(like: Photo | None) -> dict[str, Any]:
    if like is None or like.jpeg is None or not like.jpeg.tables:
        return {"quality": JPEG_QUALITY, "subsampling": 0}
    return {"qtables": like.jpeg.tables, "subsampling": max(like.jpeg.subsampling, 0)}


def _profile_fits(like: Photo, pixels: npt.NDArray[np.uint8]) -> bool:
    """A grey profile on RGB pixels, or the other way round, makes viewers refuse the file."""
    assert like.icc_profile is not None
    return like.icc_profile[16:20] == (b"GRAY" if pixels.ndim == 2 else b"RGB ")


def _reason(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "no known image format"
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__
