"""The schema ``masksynth/1``: what a masked data set holds, under which names and types.

```text
/              attrs: schema, masksynth_version, dataset, side, crop, border, reconstructor, detector, config (JSON),
                      seed, plan_sha256, complete, content_sha256; created, command
/subject       (S,) utf-8
/{nir,vis}/    image (N, side, side[, 3]) u1; where masked also clean, alpha, touched u1
               subject i4 · source utf-8 · image_id i4 · landmarks (N, 5, 2) f4 · pose (N, 3) f4 · score f4 · mask i4
/mask/         template utf-8 · params utf-8 (JSON) · sha256 utf-8
/protocol/NAME/{nir_train,vis_train,nir_probe,vis_gallery} i4, attrs: expected, missing (counts)
               and beside each PART_missing i4, rows of /skipped; group attr: published
/skipped/      source, reason, subject (utf-8), spectrum
```
Every dataset carries an attribute ``sha256`` of its values in C order, which `verify_store` compares.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from masksynth.align import BORDER
from masksynth.arrays import Spectrum
from masksynth.errors import ShapeError, counted

SCHEMA = "masksynth/1"
SPECTRA: tuple[Spectrum, ...] = ("nir", "vis")
PARTS = ("nir_train", "vis_train", "nir_probe", "vis_gallery")
CHANNELS: Mapping[str, int | None] = {"nir": None, "vis": 3}  # None: images have no channel axis

Kind = Literal["image", "clean", "alpha", "touched"]
MASKED_ONLY: tuple[Kind, ...] = ("clean", "alpha", "touched")

COLUMNS: Mapping[str, tuple[Any, tuple[int, ...]]] = {
    "subject": (np.int32, ()),  # index into /subject
    "source": (str, ()),  # path of the photo, relative to the root of the data set, POSIX
    "image_id": (np.int32, ()),  # number of the photo; rows of one photo under several masks share it
    "landmarks": (np.float32, (5, 2)),  # eye centres, nose tip, mouth corners; pixels of the crop
    "pose": (np.float32, (3,)),  # yaw, pitch, roll in degrees
    "score": (np.float32, ()),  # face presence in [0, 1]
    "mask": (np.int32, ()),  # index into /mask; -1 where the face wears none
}
"""Column of /nir and /vis beside the images → (dtype, shape of one row)."""


@dataclass(frozen=True, kw_only=True)
class Header:
    """The attributes of the root, without those that follow from the content."""

    dataset: str  # casia, oulu, ...
    side: int  # of a crop, pixels
    reconstructor: str
    detector: str
    crop: str = "scaled"  # how the alignment's 112 px places became `side`; one of align.TEMPLATES
    border: str = BORDER  # what crops hold beyond the edge of the photo
    config: Mapping[str, Any] = field(default_factory=dict)  # everything that decides the content; stored as JSON
    seed: int = 0
    plan_sha256: str = ""
    complete: bool = True  # False where more photos were skipped than allowed
    command: str = ""  # as typed; outside the promise of equal bytes


@dataclass(frozen=True, kw_only=True)
class Rows:
    """N rows of one spectrum; see COLUMNS for the meaning and types of the columns."""

    image: npt.NDArray[np.uint8]  # (N, side, side) for NIR, (N, side, side, 3) for VIS
    subject: npt.NDArray[np.int32]
    source: tuple[str, ...]
    image_id: npt.NDArray[np.int32]
    landmarks: npt.NDArray[np.float32]
    pose: npt.NDArray[np.float32]
    score: npt.NDArray[np.float32]
    mask: npt.NDArray[np.int32]
    clean: npt.NDArray[np.uint8] | None = None  # like image, without the mask; where masked and kept
    alpha: npt.NDArray[np.uint8] | None = None  # (N, side, side) share of the mask, 255 all; where masked
    touched: npt.NDArray[np.uint8] | None = None  # (N, side, side) 1 where image may differ from clean; where masked

    def __len__(self) -> int:
        return len(self.image)


@dataclass(frozen=True)
class MaskEntry:
    """One template as it was used."""

    template: str  # its name
    params: Mapping[str, Any]  # its use ("train", "probe" or "any") and whatever was varied; stored as JSON
    sha256: str  # of the template's decoded pixels


@dataclass(frozen=True)
class ProtocolRows:
    """One protocol, as rows of /nir and /vis."""

    name: str
    rows: Mapping[str, npt.NDArray[np.int32]]  # part of PARTS → rows, in the order of the list file
    expected: Mapping[str, int]  # part → photos that the list names
    missing: Mapping[str, npt.NDArray[np.int32]]  # part → rows of /skipped of those that the list names and have no row
    published: bool


@dataclass(frozen=True)
class Skipped:
    """An input that has no row."""

    source: str
    reason: str
    subject: str
    spectrum: Spectrum


def image_shape(spectrum: Spectrum, kind: Kind, side: int) -> tuple[int, ...]:
    """Shape of one image of a kind: VIS images and clean crops have three channels, everything else none."""
    channels = CHANNELS[spectrum] if kind in ("image", "clean") else None
    return (side, side) if channels is None else (side, side, channels)


def check_rows(rows: Rows, spectrum: Spectrum, side: int, kinds: Iterable[str]) -> None:
    """Raise ShapeError where an array of `rows` is not as the schema has it; `kinds` are the image kinds wanted."""
    count = len(rows.image)
    every: tuple[Kind, ...] = ("image", *MASKED_ONLY)
    for kind in every:
        pixels = getattr(rows, kind)
        if (pixels is not None) != (kind in kinds):
            wanted = "are wanted" if kind in kinds else "are not wanted"
            raise ShapeError(f"{spectrum} rows: '{kind}' images {wanted} here, got {type(pixels).__name__}")
        if pixels is None:
            continue
        shape = (count, *image_shape(spectrum, kind, side))
        if pixels.shape != shape or pixels.dtype != np.uint8:
            raise ShapeError(f"{spectrum} rows: '{kind}' is {shape} uint8, got {pixels.shape} {pixels.dtype}")
    for name, (dtype, shape) in COLUMNS.items():
        values = getattr(rows, name)
        if len(values) != count:
            found = f"{counted(len(values), 'value')} for {counted(count, 'image')}"
            raise ShapeError(f"{spectrum} rows: '{name}' has {found}")
        if dtype is not str and (values.dtype != dtype or values.shape[1:] != shape):
            wanted = f"(N{''.join(f', {n}' for n in shape)}) {np.dtype(dtype)}"
            raise ShapeError(f"{spectrum} rows: '{name}' is {wanted}, got {values.shape} {values.dtype}")


class ContentHash:
    """sha256 of a dataset's values, fed in C order; a string counts as its utf-8 bytes and a zero byte."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()

    def update(self, values: npt.NDArray[Any] | Iterable[str]) -> None:
        if isinstance(values, np.ndarray) and values.dtype != object:
            little = values.astype(values.dtype.newbyteorder("<"), copy=False)
            self._hash.update(np.ascontiguousarray(little).data)
        else:
            for text in values:
                self._hash.update(str(text).encode("utf-8") + b"\0")

    def hexdigest(self) -> str:
        return self._hash.hexdigest()
