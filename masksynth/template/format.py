"""The mask template T_M as files: an RGBA picture in the UV layout, and what is known beside it.

``NAME.png``
    RGBA, straight alpha, 256 x 256 or 512 x 512. Its metadata is JSON in a PNG text chunk named ``masksynth``. A bare
    RGBA picture is a template too.
``NAME.nir.png``
    Grey and alpha, 8 bits: linear reflectance in NIR, 255 = 1.
``NAME.height.png``
    Grey, 16 bits: how far the mask stands off the skin, 65535 = one interocular distance.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import struct
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image as PillowImage
from PIL.PngImagePlugin import PngInfo

from masksynth.arrays import UV_SIZE, Alpha, Texture
from masksynth.errors import ShapeError, TemplateError
from masksynth.files import read_bytes, together, write_bytes

SIZES = (UV_SIZE, 2 * UV_SIZE)
LAYOUT = "prnet-256"
VERSION = 1
NIR_SUFFIX = ".nir.png"
HEIGHT_SUFFIX = ".height.png"
HEIGHT_WHITE = 65535  # the stored value of one interocular distance
MAX_OUTSIDE = 0.05  # share of the alpha that may lie off the layout's surface; published templates reach 0.02
MAX_OVER_EYES = 0.25  # share of either eye that may be covered
MIN_COVER = 0.005  # share of the square that a mask covers at least
EYES_UV = ((91.0, 65.0), (164.0, 65.0))  # centres (u, v) of the eye points of the layout
EYE_RADII_UV = (13.0, 5.0)  # half width and half height of the eyes there
BROW_ROW = 36  # nothing of a mask lies above: the brows of the layout

_CHUNK = "masksynth"
_OTHER_FILES = (NIR_SUFFIX, HEIGHT_SUFFIX, ".alpha.png", ".preview.png")  # beside a template, no templates themselves
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_NAME = re.compile(r"\w[\w.+-]{0,79}")


@dataclass(frozen=True)
class Template:
    """A mask in the UV layout; S is 256 or 512.

    Texels with no alpha carry the colour of the nearest one that has some, so that interpolation at the rim draws no
    halo.
    """

    name: str
    rgba: Texture  # (S, S, 4) sRGB-encoded, straight alpha
    nir: Alpha | None = None  # (S, S) linear reflectance in NIR, in [0, 1]
    height: npt.NDArray[np.float32] | None = None  # (S, S) stand-off from the skin in interocular distances, >= 0
    metadata: dict[str, Any] = field(default_factory=dict)  # JSON values only

    def __post_init__(self) -> None:
        check_name(self.name)
        if self.rgba.ndim != 3 or self.rgba.shape not in [(s, s, 4) for s in SIZES] or self.rgba.dtype != np.float32:
            raise ShapeError(
                f"a template's rgba is (256, 256, 4) or (512, 512, 4) float32, got {self.rgba.shape} {self.rgba.dtype}"
            )
        for what, array in (("nir", self.nir), ("height", self.height)):
            if array is not None and (array.shape != self.rgba.shape[:2] or array.dtype != np.float32):
                raise ShapeError(
                    f"a template's {what} is {self.rgba.shape[:2]} float32, got {array.shape} {array.dtype}"
                )

    @property
    def size(self) -> int:
        """Side S in texels."""
        return self.rgba.shape[0]

    @property
    def alpha(self) -> Alpha:
        """(S, S) in [0, 1]."""
        return self.rgba[..., 3]

    @property
    def kind(self) -> str:
        """surgical, n95, kn95, cloth, ...; unknown where the metadata do not say."""
        return str(self.metadata.get("kind", "unknown"))

    @property
    def drapes(self) -> bool:
        """True where the height is that of cloth over the generic face, and follows another face as cloth would."""
        return bool(self.metadata.get("drapes", self.metadata.get("source") == "generated"))

    @property
    def sha256(self) -> str:
        """Hash of the decoded 8-bit pixels, NIR and height; colours where alpha is 0 do not count."""
        rgba = _to8(self.rgba)
        rgba[rgba[..., 3] == 0] = 0
        digest = hashlib.sha256(rgba.tobytes())
        if self.nir is not None:
            digest.update(b"nir" + np.where(rgba[..., 3] > 0, _to8(self.nir), 0).astype(np.uint8).tobytes())
        if self.height is not None:
            digest.update(b"height" + _to16(self.height).tobytes())
        return digest.hexdigest()

    def resized(self, size: int) -> Template:
        """The same mask at side `size`, 256 or 512; colours are averaged with their alpha as weight."""
        if size not in SIZES:
            raise ShapeError(f"a template has side 256 or 512, got {size}")
        if size == self.size:
            return self
        scale = _halved if size < self.size else _doubled
        alpha = self.alpha[..., None]
        planes = [self.rgba[..., :3]] + [p[..., None] for p in (self.nir, self.height) if p is not None]
        stacked = np.concatenate(planes, axis=2)
        soft = np.maximum(alpha, 1e-4)  # transparent texels keep their continued colour
        mean = scale(stacked * soft) / scale(soft)
        rgba = np.concatenate([mean[..., :3], scale(alpha)], axis=2).astype(np.float32)
        rest = [np.ascontiguousarray(mean[..., k]) for k in range(3, mean.shape[2])]
        nir = rest.pop(0) if self.nir is not None else None
        height = rest.pop(0) if self.height is not None else None
        return replace(self, rgba=rgba, nir=nir, height=height)


def check_name(name: str) -> str:
    """`name` itself, where it can name a template and its files on every system.

    Letters and digits of any alphabet, then those and ``. _ + -``, at most 80.

    Raises
    ------
    TemplateError
        If it cannot.
    """
    if not _NAME.fullmatch(name) or is_beside(f"{name}.png") or name.lower().endswith(".png"):
        raise TemplateError(
            f"'{name}' cannot name a template: use letters, digits and . _ + -, at most 80, not ending in .png, .nir, "
            ".height, .alpha or .preview."
        )
    return name


def name_from(text: str) -> str:
    """A template name made of any text, such as the stem of a photo: what cannot stay becomes a hyphen."""
    name = re.sub(r"[^\w.+-]+", "-", text.strip()).strip("-._+")[:80]
    while is_beside(f"{name}.png") or name.lower().endswith(".png"):
        name = name.rpartition(".")[0]
    return name or "mask"


def is_beside(file_name: str) -> bool:
    """True for the name of a file that lies beside a template: its NIR, height, segmentation or preview."""
    return file_name.lower().endswith(_OTHER_FILES)


def picture_name(path: Path) -> Path:
    """`path` itself, where a template can be written there. Raises TemplateError where it does not end in NAME.png."""
    if path.suffix.lower() != ".png" or is_beside(path.name):
        raise TemplateError(f"{path}: a template is written as NAME.png. Give a name with that suffix.")
    return path


def read_template(path: Path | str, *, name: str | None = None) -> Template:
    """Read the template in the file `path`, with ``.nir.png`` and ``.height.png`` of the same stem where they are.

    Parameters
    ----------
    path : path of a PNG
    name : str, optional
        The template's name; the file's stem where not given.

    Raises
    ------
    TemplateError
        If the file is missing or not a PNG, not 256 or 512 square, has no alpha or an empty one, is not in the UV
        layout (alpha off the layout's surface or over the eyes), or if a file beside it does not fit it.
    """
    path = Path(path)
    image = _open_png(path)
    if image.size[0] != image.size[1] or image.size[0] not in SIZES:
        raise TemplateError(
            f"{path}: is {image.size[0]} x {image.size[1]} px, but a template is 256 x 256 or 512 x 512 in the UV "
            "layout."
        )
    if "A" not in image.getbands() and "transparency" not in image.info:
        raise TemplateError(f"{path}: has no alpha channel, so nothing says where the mask is. Save it as RGBA.")
    rgba = np.asarray(image.convert("RGBA"), np.float32) / np.float32(255)
    check_layout(rgba[..., 3], str(path))
    rgba = continued(np.where(surface(len(rgba))[..., None], rgba, np.float32(0)))
    metadata = _metadata(image, path)
    return Template(
        name=name or name_from(path.stem),
        rgba=rgba,
        nir=_read_nir(path.with_name(path.stem + NIR_SUFFIX), rgba),
        height=_read_height(path.with_name(path.stem + HEIGHT_SUFFIX), len(rgba)),
        metadata=metadata,
    )


def save_template(path: Path | str, template: Template, *, compress_level: int = 9) -> list[Path]:
    """Write `template` to `path` (``NAME.png``) and what else it knows beside it; the paths written, `path` last.

    Each file is written whole or not at all, the picture last: a reader that finds it finds the rest. Files beside it
    that an earlier template of the same name left are removed. `compress_level`, from 0 to 9, is of the PNG files: 1
    takes a tenth of the time, for files that are soon thrown away.

    Raises
    ------
    TemplateError
        If `path` does not end in .png or its alpha is not in the UV layout.
    OutputError
        If a file cannot be written.
    """
    path = picture_name(Path(path))
    check_layout(template.alpha, str(path))
    beside = {
        NIR_SUFFIX: None if template.nir is None else _nir_png(template, compress_level),
        HEIGHT_SUFFIX: None if template.height is None else _height_png(template, compress_level),
    }
    written = []
    with together(files_of(path)):
        for suffix, data in beside.items():
            place = path.with_name(path.stem + suffix)
            if data is not None:
                write_bytes(place, data)
                written.append(place)
            else:
                place.unlink(missing_ok=True)
        write_bytes(path, _rgba_png(template, compress_level))
    return [*written, path]


def files_of(path: Path) -> list[Path]:
    """The files that a template at `path` may have: the picture and what lies beside it."""
    return [path, *(path.with_name(path.stem + suffix) for suffix in (NIR_SUFFIX, HEIGHT_SUFFIX))]


def check_layout(alpha: Alpha, what: str) -> None:
    """Raise TemplateError, naming `what`, where alpha (S, S) is not that of a mask in the UV layout."""
    total = float(alpha.sum())
    side = len(alpha)
    if total < MIN_COVER * alpha.size:
        raise TemplateError(
            f"{what}: its alpha is {'empty' if total == 0 else 'nearly empty'} ({100 * total / alpha.size:.2f} % of "
            f"the square, a mask covers at least {100 * MIN_COVER:.1f} %)."
        )
    outside = float(alpha[~surface(side)].sum()) / total
    if outside > MAX_OUTSIDE:
        raise TemplateError(
            f"{what}: is not in the UV layout: {100 * outside:.0f} % of its alpha lies off the face's surface "
            f"(at most {100 * MAX_OUTSIDE:.0f} %). A plain photo of a mask goes through masksynth extract-template."
        )
    scale = side / UV_SIZE
    v, u = (np.mgrid[:side, :side] + 0.5) / scale - 0.5
    for u0, v0 in EYES_UV:
        eye = ((u - u0) / EYE_RADII_UV[0]) ** 2 + ((v - v0) / EYE_RADII_UV[1]) ** 2 <= 1
        covered = float(alpha[eye].mean())
        if covered > MAX_OVER_EYES:
            raise TemplateError(
                f"{what}: is not in the UV layout: it covers {100 * covered:.0f} % of an eye (at most "
                f"{100 * MAX_OVER_EYES:.0f} %)."
            )
    brow = float(alpha[v < BROW_ROW].sum()) / total
    if brow > MAX_OUTSIDE:
        raise TemplateError(
            f"{what}: is not in the UV layout: {100 * brow:.0f} % of its alpha lies over the brows and the forehead "
            f"(at most {100 * MAX_OUTSIDE:.0f} %)."
        )


def continued(rgba: Texture) -> Texture:
    """(S, S, 4) with the colour of the nearest texel that has alpha in every texel that has none."""
    from scipy.ndimage import distance_transform_edt

    empty = rgba[..., 3] <= 0
    if not empty.any() or empty.all():
        return np.ascontiguousarray(rgba)
    rows, columns = distance_transform_edt(empty, return_distances=False, return_indices=True)
    out = rgba.copy()
    out[empty, :3] = rgba[rows, columns, :3][empty]
    return out


def surface(side: int) -> npt.NDArray[np.bool_]:
    """(side, side): where the layout has a surface, measured, continued or stretched."""
    from masksynth.reconstruct.uv_layout import validity

    return np.kron(validity() > 0, np.ones((side // UV_SIZE, side // UV_SIZE), bool))


def _open_png(path: Path) -> PillowImage.Image:
    """The PNG, decoded; its size is looked at before anything is unpacked."""
    try:
        data = read_bytes(path)
    except FileNotFoundError:
        raise TemplateError(f"{path}: there is no such file.") from None
    except IsADirectoryError:
        raise TemplateError(f"{path}: is a folder, but a template is a PNG file.") from None
    except OSError as error:
        raise TemplateError(f"{path}: could not be read ({error.strerror or error}).") from error
    if len(data) < 33 or not data.startswith(_PNG_SIGNATURE):
        raise TemplateError(f"{path}: is not a PNG file, but a template is an RGBA PNG in the UV layout.")
    width, height = struct.unpack(">II", data[16:24])
    if not (0 < width <= SIZES[-1] and 0 < height <= SIZES[-1]):
        raise TemplateError(
            f"{path}: is {width} x {height} px, but a template is 256 x 256 or 512 x 512 in the UV layout. "
            "A plain photo of a mask goes through masksynth extract-template."
        )
    try:
        image = PillowImage.open(io.BytesIO(data), formats=["PNG"])
        image.load()
    except Exception as error:  # a damaged file makes Pillow raise nearly anything
        raise TemplateError(f"{path}: is damaged or cut short ({str(error).splitlines()[0][:120]}).") from error
    return image


def _metadata(image: PillowImage.Image, path: Path) -> dict[str, Any]:
    text = image.info.get(_CHUNK)
    if text is None:
        return {}
    try:
        metadata = json.loads(text)
    except (ValueError, TypeError, RecursionError) as error:
        raise TemplateError(f"{path}: its metadata are not JSON ({str(error)[:120]}).") from None
    if not isinstance(metadata, dict):
        raise TemplateError(f"{path}: its metadata are not a JSON object.")
    layout = metadata.get("layout", LAYOUT)
    if layout != LAYOUT:
        raise TemplateError(f"{path}: is in the layout '{layout}', but {LAYOUT} is wanted.")
    version = metadata.get("version", VERSION)
    if not isinstance(version, int) or version > VERSION:
        raise TemplateError(f"{path}: is of template version {version}, but this masksynth reads {VERSION}. Update it.")
    return metadata


def _read_nir(path: Path, rgba: Texture) -> Alpha | None:
    if not path.is_file():
        return None
    image = _open_png(path)
    side = len(rgba)
    if image.size != (side, side):
        raise TemplateError(f"{path}: is {image.size[0]} x {image.size[1]} px, but its template is {side} x {side}.")
    values = np.asarray(image.convert("LA"), np.float32) / np.float32(255)
    known = values[..., 1] > 0
    if not (known & (rgba[..., 3] > 0)).any():
        raise TemplateError(f"{path}: its alpha is empty where the mask is.")
    grey = continued(np.dstack([values[..., [0, 0, 0]], known.astype(np.float32)]))
    return np.ascontiguousarray(grey[..., 0])


def _read_height(path: Path, side: int) -> npt.NDArray[np.float32] | None:
    if not path.is_file():
        return None
    image = _open_png(path)
    if image.size != (side, side):
        raise TemplateError(f"{path}: is {image.size[0]} x {image.size[1]} px, but its template is {side} x {side}.")
    if image.mode not in ("I;16", "I;16B", "I"):
        raise TemplateError(f"{path}: has mode {image.mode}, but a height is a grey picture of 16 bits.")
    return np.asarray(image.convert("I"), np.float32) / np.float32(HEIGHT_WHITE)


def _rgba_png(template: Template, compress_level: int) -> bytes:
    metadata = {**template.metadata, "name": template.name, "layout": LAYOUT, "version": VERSION}
    info = PngInfo()
    info.add_itxt(_CHUNK, json.dumps(metadata, ensure_ascii=False, sort_keys=True))
    return _png(PillowImage.fromarray(_to8(template.rgba), "RGBA"), compress_level, info)


def _nir_png(template: Template, compress_level: int) -> bytes:
    assert template.nir is not None
    planes = np.dstack([_to8(template.nir), _to8(template.alpha)])
    return _png(PillowImage.fromarray(planes, "LA"), compress_level)


def _height_png(template: Template, compress_level: int) -> bytes:
    assert template.height is not None
    return _png(PillowImage.fromarray(_to16(template.height)), compress_level)


def _png(image: PillowImage.Image, compress_level: int, info: PngInfo | None = None) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", pnginfo=info, compress_level=compress_level)
    return buffer.getvalue()


def _to8(values: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    return np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8)


def _to16(values: npt.NDArray[np.float32]) -> npt.NDArray[np.uint16]:
    return np.rint(np.clip(values, 0, 1) * HEIGHT_WHITE).astype(np.uint16)


def _halved(planes: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """(S, S, C) to (S/2, S/2, C): the mean of each 2 x 2 block, whose centre is the coarse texel's."""
    total = planes[0::2, 0::2] + planes[1::2, 0::2] + planes[0::2, 1::2] + planes[1::2, 1::2]
    return (total / 4).astype(np.float32)


def _doubled(planes: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """(S, S, C) to (2S, 2S, C), bilinear with centre u at 2u + 1/2."""
    for axis in (0, 1):
        first, last = planes.take([0], axis), planes.take([-1], axis)
        before = np.concatenate([first, planes.take(range(planes.shape[axis] - 1), axis)], axis)
        after = np.concatenate([planes.take(range(1, planes.shape[axis]), axis), last], axis)
        pairs = np.stack([0.75 * planes + 0.25 * before, 0.75 * planes + 0.25 * after], axis + 1)
        shape = list(planes.shape)
        shape[axis] *= 2
        planes = pairs.reshape(shape)
    return planes.astype(np.float32)
