"""The checksum of TensorFlow's checkpoints (CRC-32C, Castagnoli) with numpy alone.

A checksum without its initial and final inversion is linear: that of two pieces is that of the first, moved on by the
length of the second, plus (exclusive or) that of the second. So many pieces are summed side by side.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

POLYNOMIAL = 0x82F63B78  # reflected
PIECE = 256  # bytes; a power of two
MASK = 0xA282EAD8  # TensorFlow stores a checksum turned by 15 bits and with this added

Words = npt.NDArray[np.uint32]


def crc32c(data: bytes) -> int:
    """CRC-32C of some bytes; that of ``b"123456789"`` is 0xE3069283."""
    head = bytes(byte ^ 0xFF for byte in data[:4]).ljust(4, b"\xff")  # the initial inversion
    if len(data) < 4:
        return _short(data)
    pieces = 1 << max(0, (-(-len(data) // PIECE) - 1).bit_length())
    padded = np.zeros(pieces * PIECE, np.uint8)  # zeros in front change nothing
    padded[-len(data) :] = np.frombuffer(data, np.uint8)
    padded[len(padded) - len(data) :][:4] = np.frombuffer(head, np.uint8)
    columns = np.ascontiguousarray(padded.reshape(pieces, PIECE).T)
    sums = np.zeros(pieces, np.uint32)
    for column in columns:
        sums = _table()[(sums ^ column) & 0xFF] ^ (sums >> np.uint32(8))
    move = _moved_on(PIECE)
    while len(sums) > 1:
        sums = _applied(move, sums[::2]) ^ sums[1::2]
        move = _applied(move, move)
    return int(sums[0]) ^ 0xFFFFFFFF


def unmasked(stored: int) -> int:
    """The checksum that TensorFlow wrote as `stored`."""
    turned = (stored - MASK) & 0xFFFFFFFF
    return (turned >> 17 | turned << 15) & 0xFFFFFFFF


def _short(data: bytes) -> int:
    state = 0xFFFFFFFF
    for byte in data:
        state = int(_table()[(state ^ byte) & 0xFF]) ^ state >> 8
    return state ^ 0xFFFFFFFF


@cache
def _table() -> Words:
    """What each value of the lowest byte turns into after eight steps."""
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = np.where(table & 1, table >> 1 ^ np.uint32(POLYNOMIAL), table >> 1).astype(np.uint32)
    return table


@cache
def _moved_on(length: int) -> Words:
    """(32,): what each single bit turns into after `length` bytes of zero, a power of two."""
    bits = np.left_shift(np.uint32(1), np.arange(32, dtype=np.uint32))
    move: Words = _table()[bits & 0xFF] ^ (bits >> np.uint32(8))
    while length > 1:
        move, length = _applied(move, move), length // 2
    return move


def _applied(move: Words, sums: Words) -> Words:
    result = np.zeros_like(sums)
    for bit, image in enumerate(move.tolist()):
        result ^= (sums >> np.uint32(bit) & np.uint32(1)) * np.uint32(image)
    return result
