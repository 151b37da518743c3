"""Half a file is never there to be read."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from masksynth.errors import OutputError
from masksynth.files import atomic_path, together, write_bytes

NOBODY = 65534  # the user of the fixture


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_written_bytes_are_there_and_nothing_else(tmp_path: Path):
    write_bytes(tmp_path / "a.bin", b"new")
    assert (tmp_path / "a.bin").read_bytes() == b"new"
    assert names(tmp_path) == ["a.bin"]


def test_the_old_file_stands_until_the_new_one_is_whole(tmp_path: Path):
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    with atomic_path(path) as temporary:
        temporary.write_bytes(b"half")
        assert path.read_bytes() == b"old"
        temporary.write_bytes(b"whole")
    assert path.read_bytes() == b"whole"
    assert names(tmp_path) == ["a.bin"]


@pytest.mark.parametrize("error", [RuntimeError("broken"), KeyboardInterrupt(), OSError(28, "No space left on device")])
def test_a_failure_inside_leaves_the_old_file_and_no_other(tmp_path: Path, error: BaseException):
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")

    def fail() -> None:
        with atomic_path(path) as temporary:
            temporary.write_bytes(b"half")
            raise error

    with pytest.raises(OutputError if isinstance(error, OSError) else type(error)):
        fail()
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["a.bin"]


def test_disk_full_is_one_sentence_that_names_the_file():
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full here")

    def fill() -> None:
        with atomic_path(Path("/tmp/never-there.bin")), open("/dev/full", "wb", buffering=0) as full:
            full.write(b"x")

    with pytest.raises(OutputError, match=r"^/tmp/never-there\.bin: .* \(No space left on device\)\.$"):
        fill()
    assert not Path("/tmp/never-there.bin").exists()


def test_the_temporary_name_keeps_the_suffix_and_the_folder(tmp_path: Path):
    with atomic_path(tmp_path / "a b.tar.png") as temporary:
        assert temporary.suffix == ".png"
        assert temporary.parent == tmp_path.resolve()
        temporary.write_bytes(b"x")


def test_a_missing_folder_is_named(tmp_path: Path):
    with pytest.raises(OutputError, match=r"the folder .*none does not exist"):
        write_bytes(tmp_path / "none" / "a.bin", b"x")


def test_a_file_as_parent_folder_is_refused(tmp_path: Path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError):
        write_bytes(tmp_path / "file" / "a.bin", b"x")
    assert names(tmp_path) == ["file"]


def test_a_folder_is_not_overwritten(tmp_path: Path):
    (tmp_path / "out.png").mkdir()
    with pytest.raises(OutputError, match="is a folder"):
        write_bytes(tmp_path / "out.png", b"x")
    assert names(tmp_path) == ["out.png"]


def test_a_device_is_not_replaced():
    before = os.stat("/dev/null")
    with pytest.raises(OutputError, match="device or a pipe"):
        write_bytes(Path("/dev/null"), b"x")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)
    assert os.stat("/dev/null").st_ino == before.st_ino


def test_a_symbolic_link_stays_and_its_target_is_replaced(tmp_path: Path):
    (tmp_path / "real").mkdir()
    target, link = tmp_path / "real" / "a.bin", tmp_path / "link.bin"
    target.write_bytes(b"old")
    link.symlink_to(target)
    write_bytes(link, b"new")
    assert link.is_symlink()
    assert target.read_bytes() == b"new"
    assert names(tmp_path / "real") == ["a.bin"]


def test_no_permission_is_one_sentence(tmp_path: Path, nobody: None):
    locked = tmp_path / "locked"
    if os.geteuid() == NOBODY:
        os.seteuid(0)
        locked.mkdir(mode=0o755)
        os.seteuid(NOBODY)
    else:
        locked.mkdir(mode=0o555)
    with pytest.raises(OutputError, match=r"a\.bin: could not be written \(Permission denied\)\.$"):
        write_bytes(locked / "a.bin", b"x")
    assert names(locked) == []


def test_a_folder_that_may_not_be_entered_is_one_sentence(tmp_path: Path, nobody: None):
    locked = tmp_path / "locked"
    if os.geteuid() == NOBODY:
        os.seteuid(0)
        locked.mkdir(mode=0o700)
        os.seteuid(NOBODY)
    else:
        locked.mkdir(mode=0o000)
    with pytest.raises(OutputError, match="Permission denied"):
        write_bytes(locked / "a.bin", b"x")


def test_a_name_as_long_as_the_file_system_takes(tmp_path: Path):
    path = tmp_path / ("面" * 80 + ".bin")  # 244 bytes of at most 255
    write_bytes(path, b"x")
    assert path.read_bytes() == b"x"


def test_a_name_too_long_is_one_sentence(tmp_path: Path):
    with pytest.raises(OutputError, match="could not be written"):
        write_bytes(tmp_path / ("a" * 300), b"x")
    assert names(tmp_path) == []


def test_together_takes_back_new_files_and_leaves_old_ones(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    write_bytes(old, b"1")

    def write(third: Path) -> None:
        with together([old, new, tmp_path / "never"]):
            write_bytes(new, b"2")
            write_bytes(third, b"3")

    with pytest.raises(OutputError, match="folder"):
        write(tmp_path / "folder" / "third")
    assert names(tmp_path) == ["old"]
    write(tmp_path / "third")
    assert names(tmp_path) == ["new", "old", "third"]
