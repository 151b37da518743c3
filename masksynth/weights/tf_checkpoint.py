"""Reading a TensorFlow V2 checkpoint with numpy alone.

NAME.index is a sorted string table in LevelDB's form: blocks of prefix-compressed keys, an index block that says where
they are, a footer. Each value is a protocol buffer (BundleEntryProto) that says where in NAME.data-00000-of-00001 the
tensor lies. See LevelDB's doc/table_format.md and TensorFlow's tensor_bundle.proto.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from masksynth.errors import WeightsError
from masksynth.weights.crc32c import crc32c, unmasked

MAGIC = 0xDB4775248B80FB57
FOOTER = 48  # bytes
FLOAT32 = 1  # TensorFlow's DT_FLOAT
MAX_INDEX = 64 << 20  # bytes; a checkpoint's index is some kilobytes


@dataclass(frozen=True)
class Entry:
    """Where one tensor lies."""

    dtype: int
    shape: tuple[int, ...]
    shard: int
    offset: int
    size: int  # bytes
    checksum: int = 0  # CRC-32C as TensorFlow masks it; 0 where the index has none


def checkpoint_files(path: Path) -> tuple[Path, Path]:
    """The index and the data file of the checkpoint that `path` names: either of them, the .meta file, or their stem.

    Raises
    ------
    WeightsError
        If one of the two is missing; the message names it.
    """
    name = path.name
    for ending in (".index", ".meta", ".data-00000-of-00001"):
        name = name.removesuffix(ending)
    index, data = path.with_name(name + ".index"), path.with_name(name + ".data-00000-of-00001")
    for file in (index, data):
        if not file.is_file():
            raise WeightsError(f"{file}: is missing; a TensorFlow checkpoint is {index.name} and {data.name}.")
    return index, data


def read_checkpoint(path: Path, wanted: dict[str, tuple[int, ...]]) -> dict[str, npt.NDArray[np.float32]]:
    """The tensors `wanted` (name to shape) of the checkpoint that `path` names, float32; others are skipped.

    Raises
    ------
    WeightsError
        If a file is missing, damaged or short, or a tensor is missing, of another shape or type, or not that of
        its checksum.
    """
    index_file, data_file = checkpoint_files(path)
    entries = read_index(index_file)
    size, wanted_size = data_file.stat().st_size, max((e.offset + e.size for e in entries.values()), default=0)
    if size < wanted_size:
        raise WeightsError(f"{data_file}: is short: it has {size} bytes of {wanted_size}. Copy it anew.")
    found = {}
    with data_file.open("rb") as stream:
        for name, shape in wanted.items():
            entry = entries.get(name)
            if entry is None:
                raise WeightsError(f"{index_file}: has no tensor {name}. Is it PRNet's checkpoint?")
            if entry.shape != shape or entry.dtype != FLOAT32 or entry.size != 4 * int(np.prod(shape)):
                raise WeightsError(f"{index_file}: {name} is {entry.shape}, but {shape} float32 is wanted.")
            stream.seek(entry.offset)
            data = stream.read(entry.size)
            if entry.checksum and crc32c(data) != unmasked(entry.checksum):
                raise WeightsError(f"{data_file}: is damaged: {name} differs from its checksum. Copy it anew.")
            found[name] = np.frombuffer(data, "<f4").reshape(shape).astype(np.float32)
    return found


def read_index(path: Path) -> dict[str, Entry]:
    """Every tensor's entry, by name."""
    try:
        if path.stat().st_size > MAX_INDEX:
            raise WeightsError(f"{path}: is {path.stat().st_size} bytes, too many for a checkpoint's index.")
        data = path.read_bytes()
        if len(data) < FOOTER or struct.unpack("<Q", data[-8:])[0] != MAGIC:
            raise WeightsError(f"{path}: is not the index of a TensorFlow checkpoint, or is cut short.")
        footer = data[-FOOTER:]
        _, position = _block_handle(footer, 0)
        index_handle, _ = _block_handle(footer, position)
        entries = {}
        for _, handle in _block(data, *index_handle):
            place, _ = _block_handle(handle, 0)
            for key, value in _block(data, *place):
                if key:  # the empty key is the header
                    entries[key.decode()] = _entry(value)
        return entries
    except (IndexError, ValueError, struct.error) as error:
        raise WeightsError(f"{path}: is damaged ({error}).") from error


def _block(data: bytes, offset: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values of one block."""
    if offset + size + 5 > len(data):
        raise ValueError("a block lies beyond the end of the file")
    if data[offset + size] != 0:
        raise ValueError("its blocks are compressed")
    block = data[offset : offset + size]
    restarts = struct.unpack("<I", block[-4:])[0]
    end = size - 4 - 4 * restarts
    position, key = 0, b""
    while position < end:
        shared, position = _varint(block, position)
        own, position = _varint(block, position)
        length, position = _varint(block, position)
        key = key[:shared] + block[position : position + own]
        position += own
        yield key, block[position : position + length]
        position += length


def _block_handle(data: bytes, position: int) -> tuple[tuple[int, int], int]:
    offset, position = _varint(data, position)
    size, position = _varint(data, position)
    return (offset, size), position


def _entry(value: bytes) -> Entry:
    """BundleEntryProto: 1 dtype, 2 shape, 3 shard, 4 offset, 5 size, 6 checksum."""
    numbers = {1: 0, 3: 0, 4: 0, 5: 0}
    shape: tuple[int, ...] = ()
    checksum = 0
    for field, content in _fields(value):
        if field == 2 and isinstance(content, bytes):
            shape = tuple(_dimension(dim) for f, dim in _fields(content) if f == 2 and isinstance(dim, bytes))
        elif field in numbers and isinstance(content, int):
            numbers[field] = content
        elif field == 6 and isinstance(content, bytes):
            checksum = int.from_bytes(content, "little")
    return Entry(numbers[1], shape, numbers[3], numbers[4], numbers[5], checksum)


def _dimension(value: bytes) -> int:
    """TensorShapeProto.Dim: 1 size; left out where it is 0."""
    return next((content for field, content in _fields(value) if field == 1 and isinstance(content, int)), 0)


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Field numbers and contents of a protocol buffer."""
    position = 0
    while position < len(data):
        tag, position = _varint(data, position)
        kind = tag & 7
        if kind == 0:
            number, position = _varint(data, position)
            yield tag >> 3, number
        elif kind == 2:
            length, position = _varint(data, position)
            if position + length > len(data):
                raise ValueError("an entry is cut short")
            yield tag >> 3, data[position : position + length]
            position += length
        elif kind in (1, 5):
            width = 8 if kind == 1 else 4
            yield tag >> 3, data[position : position + width]
            position += width
        else:
            raise ValueError(f"an entry has a field of kind {kind}")


def _varint(data: bytes, position: int) -> tuple[int, int]:
    result = shift = 0
    while True:
        byte = data[position]
        position += 1
        result |= (byte & 0x7F) << shift
        if byte < 0x80:
            return result, position
        shift += 7
        if shift > 63:
            raise ValueError("a number is too long")
