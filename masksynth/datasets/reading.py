"""One photo of a data set, from a file of its own or out of a record file."""

from __future__ import annotations

from pathlib import Path

from masksynth.datasets.recordio import read_record, split_place, unpack
from masksynth.datasets.types import Sample
from masksynth.errors import DatasetError, PhotoError
from masksynth.photos import Photo, decode_photo, read_photo


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
    place = split_place(path)
    if place is None:
        return read_photo(root / path, white=white)
    name, offset = place
    try:
        record = unpack(read_record(root / name, offset), f"{root / name}, byte {offset}")
    except DatasetError as error:
        raise PhotoError(str(error)) from error
    return decode_photo(record.payload, Path(f"{root / name}@{offset}"), white=white)
