"""One photo of a data set, from a file of its own or out of a record file."""

from __future__ import annotations

from pathlib import Path

from masksynth.datasets.types import Sample
from masksynth.errors import DatasetError
from masksynth.photos import Photo, read_photo


def read_sample(root: Path, sample: Sample, *, white: float | None = None) -> Photo:
    """Read the photo of `sample` below `root`.

    Raises
    ------
    DatasetError
        If the sample is listed by a protocol but has no file.
    PhotoError
        If the file is not a photo that can be read.
    """
    if sample.path is None:
        raise DatasetError(f"{root}: the photo {sample.id} is listed, but there is no file of that name.")
    return read_photo(root / sample.path, white=white)
