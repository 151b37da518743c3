"""Record files of MXNet: reading, and writing them as they are found in the wild.

Framing, little-endian: magic, then 3 bits of flag and 29 of length, then that many bytes, zero-padded to a multiple of
4. Flag 0 is a whole record; 1, 2, 3 are first, middle and last part of one whose bytes held the magic at a multiple of
4: it was cut out there and goes back in between. The bytes are a header (flag, label, id, id2: ``<IfQQ``), then, where
the header's flag is above 0, that many float32 labels that replace the header's, then an encoded picture or nothing.

References
----------
apache/mxnet ``python/mxnet/recordio.py``; NVIDIA DALI, "recordio" parser.
"""

from __future__ import annotations

import mmap
import re
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from masksynth.errors import DatasetError

MAGIC = 0xCED7230A
_MAGIC_BYTES = struct.pack("<I", MAGIC)
_FRAME = struct.Struct("<II")
_HEADER = struct.Struct("<IfQQ")
_PLACE = re.compile(r"(.+\.rec)@(\d+)", re.IGNORECASE)
_PICTURES = (b"\xff\xd8\xff", b"\x89PNG", b"BM", b"RIFF")


@dataclass(frozen=True)
class Record:
    """One record, taken apart."""

    labels: tuple[float, ...]
    key: int
    payload: bytes  # an encoded picture, or empty

    @property
    def is_picture(self) -> bool:
        """Told by its first bytes: pictures too may carry several labels, so the header's flag tells nothing."""
        return self.payload.startswith(_PICTURES)


def split_place(path: str) -> tuple[str, int] | None:
    """("train.rec", 1024) of ``train.rec@1024``; None where the path is that of a file."""
    match = _PLACE.fullmatch(path)
    return (match[1], int(match[2])) if match else None


def records(path: Path, most: int | None = None) -> Iterator[tuple[int, bytes]]:
    """(offset, bytes) of every record of a file in turn, one held at a time; or only its first `most` bytes.

    Raises
    ------
    DatasetError
        If the file cannot be read, or is damaged or cut short, with the byte where that is.
    """
    try:
        with path.open("rb") as file:
            if path.stat().st_size == 0:
                return
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                offset = 0
                while offset < len(data):
                    start = offset
                    parts, offset = _record(data, offset, path, most)
                    yield start, _MAGIC_BYTES.join(parts) if most is None else parts[0]
    except OSError as error:
        raise DatasetError(f"{path}: could not be read ({error.strerror or error}).") from error


def read_record(path: Path, offset: int) -> bytes:
    """The bytes of the record that begins at `offset`. Raises as `records` does."""
    parts: list[bytes] = []
    try:
        with path.open("rb") as file:
            file.seek(offset)
            while True:
                flag, data = _read_part(file, path)
                parts.append(data)
                if _is_last(flag, len(parts), path, offset):
                    return _MAGIC_BYTES.join(parts)
    except OSError as error:
        raise DatasetError(f"{path}: could not be read ({error.strerror or error}).") from error


def unpack(data: bytes, source: str) -> Record:
    """Take a record apart; `source` names it in messages. Raises DatasetError where it is too short."""
    if len(data) < _HEADER.size:
        raise DatasetError(f"{source}: the record has {len(data)} bytes, too few for its header.")
    count, label, key, _ = _HEADER.unpack_from(data)
    start = _HEADER.size + 4 * count
    if start > len(data):
        raise DatasetError(f"{source}: the record says it has {count} labels, but is too short for them.")
    labels = struct.unpack_from(f"<{count}f", data, _HEADER.size) if count else (label,)
    return Record(labels, key, data[start:])


def pack(labels: Sequence[float], key: int, payload: bytes) -> bytes:
    """The bytes of a record; several labels go before the payload, as face2rec2.py of insightface writes them."""
    if len(labels) == 1:
        return _HEADER.pack(0, labels[0], key, 0) + payload
    return _HEADER.pack(len(labels), 0.0, key, 0) + struct.pack(f"<{len(labels)}f", *labels) + payload


def framed(data: bytes) -> bytes:
    """A record's bytes as they stand in the file: cut where they hold the magic at a multiple of 4."""
    cuts = [place for place in range(0, len(data) - 3, 4) if data[place : place + 4] == _MAGIC_BYTES]
    parts, start = [], 0
    for cut in cuts:
        parts.append(data[start:cut])
        start = cut + 4
    parts.append(data[start:])
    out = []
    for number, part in enumerate(parts):
        flag = 0 if len(parts) == 1 else (1 if number == 0 else (3 if number == len(parts) - 1 else 2))
        out.append(_FRAME.pack(MAGIC, flag << 29 | len(part)) + part + b"\0" * (-len(part) % 4))
    return b"".join(out)


def read_index(path: Path) -> dict[int, int]:
    """Offset -> key of a ``.idx`` file. Raises DatasetError for a line that is not two integers."""
    offsets = {}
    for number, line in enumerate(path.read_text(encoding="utf-8-sig", errors="replace").splitlines(), 1):
        fields = line.split()
        if not fields:
            continue
        if len(fields) != 2 or not all(field.isdigit() for field in fields):
            raise DatasetError(f"{path}: line {number} is '{line}', but a key and a byte offset are wanted.")
        offsets[int(fields[1])] = int(fields[0])
    return offsets


def _record(data: mmap.mmap, offset: int, path: Path, most: int | None) -> tuple[list[bytes], int]:
    parts: list[bytes] = []
    start = offset
    while True:
        if offset + _FRAME.size > len(data):
            raise DatasetError(f"{path}: is cut short in the record at byte {start}.")
        magic, word = _FRAME.unpack_from(data, offset)
        length = _checked(magic, word, path, offset)
        begin = offset + _FRAME.size
        if begin + length > len(data):
            raise DatasetError(f"{path}: is cut short in the record at byte {start}.")
        if most is None:
            parts.append(data[begin : begin + length])
        else:
            parts.append(data[begin : begin + min(length, most)] if not parts else b"")
        offset = begin + length + (-length % 4)
        if _is_last(word >> 29, len(parts), path, start):
            return parts, offset


def _read_part(file: BinaryIO, path: Path) -> tuple[int, bytes]:
    offset = file.tell()
    frame = file.read(_FRAME.size)
    if len(frame) < _FRAME.size:
        raise DatasetError(f"{path}: is cut short in the record at byte {offset}.")
    magic, word = _FRAME.unpack(frame)
    length = _checked(magic, word, path, offset)
    data = file.read(length)
    if len(data) < length:
        raise DatasetError(f"{path}: is cut short in the record at byte {offset}.")
    file.read(-length % 4)
    return word >> 29, data


def _checked(magic: int, word: int, path: Path, offset: int) -> int:
    if magic != MAGIC:
        raise DatasetError(f"{path}: there is no record at byte {offset}; the file is damaged or no RecordIO file.")
    return word & (1 << 29) - 1


def _is_last(flag: int, count: int, path: Path, offset: int) -> bool:
    if flag not in (0, 1, 2, 3) or (flag in (0, 1)) != (count == 1):
        raise DatasetError(f"{path}: the parts of the record at byte {offset} do not follow each other.")
    return flag in (0, 3)
