"""Whether what lies in a file is what was handed to it, at less than the cost of unpacking and hashing it."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import numpy.typing as npt

from masksynth.errors import StoreError

PIECE = 1 << 18  # bytes read at once: few enough for the processor's own cache


def unfollowed(_: int) -> None:
    """Progress that nobody follows."""


@dataclass(frozen=True)
class Stretch:
    """Consecutive rows of a dataset, from the end of the stretch before it up to `stop`, and the CRC-32 of how they are
    stored: of their values, or, where the dataset is packed, of its chunks, a row each."""

    stop: int
    crc32: int


def wrong_stretches(
    path: Path, dataset: h5py.Dataset, stretches: Sequence[Stretch], progress: Callable[[int], None] = unfollowed
) -> list[int]:
    """The end of each stretch of `dataset`, in the file `path`, that is not stored as it was written.

    `progress` is called with the number of rows of each stretch. Raises StoreError where the file cannot be read.
    """
    wrong, start, buffer = [], 0, bytearray(PIECE)
    try:
        places = _places(dataset)
        with path.open("rb", buffering=0) as file:
            for stretch in stretches:
                checksum = 0
                for offset, size in _joined(places[start : stretch.stop]):
                    file.seek(offset)
                    while size and (count := file.readinto(memoryview(buffer)[: min(size, PIECE)])):
                        checksum, size = zlib.crc32(memoryview(buffer)[:count], checksum), size - count
                if checksum != stretch.crc32:
                    wrong.append(stretch.stop)
                progress(stretch.stop - start)
                start = stretch.stop
    except (OSError, RuntimeError) as error:
        raise StoreError(f"{path}: '{dataset.name.strip('/')}' cannot be read ({error}).") from error
    return wrong


def _places(dataset: h5py.Dataset) -> npt.NDArray[np.int64]:
    """(N, 2) where in the file each row begins, and its bytes there; no bytes for rows that are not stored."""
    places = np.zeros((len(dataset), 2), np.int64)
    if not len(dataset):
        return places
    if dataset.chunks is None:
        places[:, 1] = math.prod(dataset.shape[1:]) * dataset.dtype.itemsize
        places[:, 0] = (dataset.id.get_offset() or 0) + places[:, 1] * np.arange(len(dataset))
        return places

    def note(chunk: h5py.h5d.StoreInfo) -> None:
        places[chunk.chunk_offset[0]] = chunk.byte_offset, chunk.size

    dataset.id.chunk_iter(note)
    return places


def _joined(places: npt.NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Offset and size of each piece of a file that rows at `places` fill one behind the other."""
    if not len(places):
        return
    breaks = np.nonzero(places[1:, 0] != places[:-1].sum(1))[0] + 1
    for rows in np.split(places, breaks):
        yield int(rows[0, 0]), int(rows[:, 1].sum())
