"""Record files: the framing, its traps, and what damage looks like."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from masksynth.datasets.recordio import (
    MAGIC,
    framed,
    pack,
    read_index,
    read_record,
    records,
    split_place,
    unpack,
)
from masksynth.errors import DatasetError

MARK = struct.pack("<I", MAGIC)
JPEG = b"\xff\xd8\xff\xe0" + b"picture"


def write(path: Path, *blocks: bytes) -> Path:
    path.write_bytes(b"".join(framed(block) for block in blocks))
    return path


def test_a_whole_record_has_magic_length_and_padding() -> None:
    assert framed(b"abcde") == bytes.fromhex("0a23d7ce") + b"\x05\0\0\0" + b"abcde\0\0\0"


def test_the_magic_inside_a_record_cuts_it_into_numbered_parts() -> None:
    data = b"abcd" + MARK + b"efgh" + MARK + b"i"
    block = framed(data)
    words = [struct.unpack_from("<II", block, offset) for offset in (0, 12, 24)]
    assert [(magic == MAGIC, word >> 29, word & (1 << 29) - 1) for magic, word in words] == [
        (True, 1, 4),
        (True, 2, 4),
        (True, 3, 1),
    ]


def test_the_magic_off_the_grid_of_four_is_left_alone() -> None:
    assert struct.unpack_from("<II", framed(b"a" + MARK + b"bcd"))[1] >> 29 == 0


@settings(deadline=None)
@given(st.lists(st.lists(st.sampled_from([b"a", b"bcd", MARK, b"\0\0\0\0"]), max_size=8).map(b"".join), max_size=5))
def test_what_is_framed_is_read_back_whole_and_by_offset(blocks: list[bytes]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = write(Path(folder) / "x.rec", *blocks)
        found = list(records(path))
        assert [data for _, data in found] == blocks
        assert [read_record(path, offset) for offset, _ in found] == blocks


def test_the_head_of_a_record_is_enough_to_look_at(tmp_path: Path) -> None:
    path = write(tmp_path / "x.rec", b"0123456789", b"ab" * 2 + MARK + b"cd")
    assert [data for _, data in records(path, 4)] == [b"0123", b"abab"]


def test_pictures_with_two_labels_are_told_by_their_first_bytes() -> None:
    record = unpack(pack((7.0, 1.0), 5, JPEG), "x")
    assert (record.labels, record.key, record.payload, record.is_picture) == ((7.0, 1.0), 5, JPEG, True)
    assert not unpack(pack((1.0, 9.0), 0, b""), "x").is_picture
    assert unpack(pack((7.0,), 5, JPEG), "x").labels == (7.0,)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (framed(b"abcdefgh")[:-3], "cut short in the record at byte 0"),
        (framed(b"abcd") + b"\x0a\x23", "cut short in the record at byte 12"),
        (framed(b"abcd") + b"nonsense", "no record at byte 12"),
        (MARK + struct.pack("<I", 3 << 29 | 0), "do not follow each other"),
        (MARK + struct.pack("<I", 1 << 29 | 0) + framed(b""), "do not follow each other"),
    ],
)
def test_damage_is_named_with_its_byte(tmp_path: Path, data: bytes, said: str) -> None:
    path = tmp_path / "x.rec"
    path.write_bytes(data)
    with pytest.raises(DatasetError, match=said):
        list(records(path))


def test_reading_at_a_wrong_offset_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "x.rec", b"abcdefgh")
    with pytest.raises(DatasetError, match="no record at byte 4"):
        read_record(path, 4)
    with pytest.raises(DatasetError, match="cut short in the record at byte 16"):
        read_record(path, 16)


@pytest.mark.parametrize("data", [b"short", struct.pack("<IfQQ", 9, 0, 0, 0)])
def test_a_record_too_short_for_its_header_is_named(data: bytes) -> None:
    with pytest.raises(DatasetError, match="x: the record"):
        unpack(data, "x")


def test_an_index_gives_keys_by_offset(tmp_path: Path) -> None:
    path = tmp_path / "x.idx"
    path.write_text("0\t0\n7\t64\r\n\n")
    assert read_index(path) == {0: 0, 64: 7}
    path.write_text("0\tzero\n")
    with pytest.raises(DatasetError, match="line 1 is '0\tzero'"):
        read_index(path)


def test_places_in_record_files() -> None:
    assert split_place("a/train.rec@1024") == ("a/train.rec", 1024)
    assert split_place("a/b@2.jpg") is None
