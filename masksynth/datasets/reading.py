"""One photo of a data set, from a file of its own or out of a record file."""

from __future__ import annotations

from pathlib import Path

from masksynth.datasets.recordio import read_record, split_place, unpack
from masksynth.datasets.types import Sample
from masksynth.errors import DatasetError, PhotoError
from masksynth.photos import Photo, decode_photo, read_photo_bytes


def read_sample(root: Path, sample: Sample, *, white: float | None = None) -> Photo:
    """Read the photo of `sample` below `root`.

    Raises
    ------
    DatasetError
        If the sample is listed by a protocol but has no file.
    PhotoError
        If the file is not a photo that can be read, or its record is damaged.
    """
    if sample.path is None:
        raise DatasetError(f"{root}: the photo {sample.id} is listed, but there is no file of that name.")
    return read_at(root, sample.path, white=white)


def read_at(root: Path, path: str, *, white: float | None = None) -> Photo:
    """As `read_sample`, from the path of a sample: ``a/b.jpg`` or ``train.rec@1024``."""
    data, source = read_bytes_at(root, path)
    return decode_photo(data, source, white=white)


def read_bytes_at(root: Path, path: str) -> tuple[bytes, Path]:
    """The bytes of the image file at the path of a sample, and what to call it in messages."""
    place = split_place(path)
    if place is None:
        return read_photo_bytes(root / path), root / path
    name, offset = place
    try:
        record = unpack(read_record(root / name, offset), f"{root / name}, byte {offset}")
    except DatasetError as error:
        raise PhotoError(str(error)) from error
    return record.payload, Path(f"{root / name}@{offset}")
