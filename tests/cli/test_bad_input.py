"""Bad input: an exit code, one sentence, nothing left behind."""

from __future__ import annotations

import os
import signal
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image as PillowImage

from masksynth.cli.main import main
from masksynth.photos import read_photo
from masksynth.resources import user_weights

PHOTO_COMMANDS = {
    "apply": ["-t", "surgical-blue", "-o", "out.png"],
    "reconstruct": ["-o", "out.npz"],
    "extract-template": ["-o", "out.png"],
}
STORE_COMMANDS = {
    "report": ["-o", "out.html"],
    "train-hsst": ["-o", "run", "--iterations", "1"],
    "evaluate": [],
    "verify": [],
}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder, and the user's folder in it with nothing but the networks that are there already."""
    weights = user_weights()
    home = tmp_path / "home"
    home.mkdir()
    if weights.is_dir():
        (home / "weights").symlink_to(weights)
    monkeypatch.setenv("MASKSYNTH_HOME", str(home))
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def everything(folder: Path) -> set[str]:
    """Every file and folder below, but not through links."""
    return {os.path.join(base, name) for base, dirs, files in os.walk(folder.parent) for name in dirs + files}


def one_sentence(result: Result, code: int) -> str:
    """The one line that was said; with nothing on standard output and no traceback."""
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    lines = [line for line in result.stderr.splitlines() if line.strip()]
    assert result.exit_code == code, result.output
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("masksynth: ")
    assert result.stdout == ""
    return lines[0]


def refused(here: Path, *words: str, code: int = 1) -> str:
    before = everything(here)
    said = one_sentence(CliRunner().invoke(main, [str(word) for word in words]), code)
    assert everything(here) == before
    return said


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def grey_image(path: Path) -> None:
    PillowImage.new("L", (320, 240), 128).save(path)


def truncated(path: Path) -> None:
    rng = np.random.default_rng(0)
    PillowImage.fromarray(rng.integers(0, 256, (200, 200, 3), np.uint8)).save(path, "JPEG")
    path.write_bytes(path.read_bytes()[:3000])


def bomb(path: Path) -> None:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0))
    body = chunk(b"IDAT", zlib.compress(bytes(100_000))) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + header + body)


BAD_PHOTOS: dict[str, tuple[Callable[[Path], object], str]] = {
    "no image": (lambda path: path.write_text("a letter\n" * 100), "is not an image"),
    "truncated": (truncated, "is damaged or cut short"),
    "empty": (lambda path: path.write_bytes(b""), "is empty"),
    "one pixel": (lambda path: PillowImage.new("RGB", (1, 1)).save(path, "PNG"), "is 1 x 1 px"),
    "a folder": (lambda path: path.mkdir(), "is a folder"),
    "missing": (lambda path: None, "there is no such file"),
    "bomb": (bomb, "claims 60000 x 60000 px"),
    "no face": (grey_image, "no face"),
}


@pytest.mark.parametrize("command", PHOTO_COMMANDS)
@pytest.mark.parametrize("kind", BAD_PHOTOS)
def test_a_bad_photo(here: Path, command: str, kind: str):
    make, expected = BAD_PHOTOS[kind]
    photo = here / "mein Bild ü.jpg"
    make(photo)
    said = refused(here, command, photo.name, *PHOTO_COMMANDS[command])
    assert expected in said
    assert photo.name in said


@pytest.mark.parametrize("command", PHOTO_COMMANDS)
def test_a_photo_that_may_not_be_read(here: Path, command: str):
    photo = here / "secret.png"
    grey_image(photo)
    photo.chmod(0)
    if os.geteuid() == 0:  # whom permissions do not bind
        if not Path("/proc/self/mem").exists():
            pytest.skip("no file here that root cannot read")
        photo.unlink()
        photo.symlink_to("/proc/self/mem")  # reading its first byte fails with an input/output error
    assert "could not be read" in refused(here, command, "secret.png", *PHOTO_COMMANDS[command])


@pytest.mark.parametrize(
    ("command", "option"),
    [
        *((command, "photo") for command in PHOTO_COMMANDS),
        ("apply", "--landmarks"),
        ("extract-template", "--segmentation"),
    ],
)
def test_a_pipe_is_not_waited_for(here: Path, face_photo: Path, command: str, option: str):
    os.mkfifo(here / "pipe.png")
    given = ["pipe.png"] if option == "photo" else [str(face_photo), option, "pipe.png"]
    code = 2 if option == "--landmarks" else 1
    assert "it is a pipe or a device" in refused(here, command, *given, *PHOTO_COMMANDS[command], code=code)


def test_a_pattern_that_matched_nothing_is_told_as_a_missing_photo(here: Path):
    assert "photos/*.jpg: there is no such file" in refused(here, "apply", "photos/*.jpg", "-o", "masked")


def test_a_folder_that_is_missing_is_said_before_any_work(here: Path, face_photo: Path):
    other = here / "other.png"
    grey_image(other)
    for words in (
        ["apply", face_photo, other, "-o", "none/deep"],
        ["extract-template", other, "-o", "none/out.png"],
        ["extract-template", other, "--preview", "none/preview.png"],
        ["reconstruct", other, "-o", "out.npz", "--draw", "none/out.png"],
    ):
        assert "the folder none does not exist" in refused(here, *words)


@pytest.fixture
def locked(here: Path) -> None:
    (here / "locked").mkdir(mode=0)


def test_a_place_that_others_keep_for_themselves_is_one_sentence(
    here: Path, face_photo: Path, locked: None, nobody: None
):
    for command in ("apply", "reconstruct"):
        options = PHOTO_COMMANDS[command]
        place = f"locked/out{Path(options[-1]).suffix}"
        assert "locked" in refused(here, command, face_photo, *options[:-1], place)


def test_an_interrupt_leaves_whole_photos_and_says_how_many(here: Path, face_photo: Path):
    for k in range(400):  # so many that it is still at work when the signal comes, however busy the machine
        (here / f"{k}.png").symlink_to(face_photo)
    command = [sys.executable, "-m", "masksynth", "apply", *(f"{k}.png" for k in range(400)), "-o", "masked"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=here)
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=300)
    assert process.returncode == 130
    lines = said.splitlines()
    assert lines[-1] == "masksynth: interrupted; nothing half-written is left behind."
    made = list((here / "masked").iterdir())
    assert 1 <= len(made) < 400
    done = int(lines[-2].split(" of 400 photos done")[0])
    assert done in (len(made), len(made) - 1)  # it may strike between the file and the counting
    assert all(not path.name.startswith(".") and read_photo(path).pixels.size for path in made)


@pytest.mark.parametrize("command", ["apply", "reconstruct"])
@pytest.mark.parametrize("out", ["none/out", "/proc/out"])
def test_an_output_that_cannot_be_written(here: Path, face_photo: Path, command: str, out: str):
    options = PHOTO_COMMANDS[command]
    place = out + Path(options[-1]).suffix
    said = refused(here, command, str(face_photo), *options[:-1], place)
    assert place in said


def test_an_output_of_no_known_format(here: Path, face_photo: Path):
    assert "out.xyz" in refused(here, "apply", str(face_photo), "-t", "surgical-blue", "-o", "out.xyz", code=2)


@pytest.mark.parametrize(
    "kind", ["no image", "truncated", "empty", "one pixel", "a folder", "missing", "photo", "opaque"]
)
def test_a_template_not_in_the_layout(here: Path, face_photo: Path, kind: str):
    template = here / "template.png"
    if kind == "photo":
        PillowImage.new("RGB", (640, 480), (10, 20, 30)).save(template)
    elif kind == "opaque":
        PillowImage.new("RGBA", (256, 256), (10, 20, 30, 255)).save(template)
    else:
        BAD_PHOTOS[kind][0](template)
    said = refused(here, "apply", str(face_photo), "-t", "template.png", "-o", "out.png")
    assert "template.png" in said


def test_a_template_that_no_library_has(here: Path, face_photo: Path):
    said = refused(here, "apply", str(face_photo), "-t", "no-such-mask", "-o", "out.png")
    assert "no-such-mask" in said


def other_schema(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file.attrs["schema"] = "masksynth/99"


def foreign(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["x"] = [1, 2, 3]


def cut_short(path: Path) -> None:
    foreign(path)
    path.write_bytes(path.read_bytes()[:700])


BAD_STORES: dict[str, Callable[[Path], object]] = {
    "another schema": other_schema,
    "another program's": foreign,
    "cut short": cut_short,
    "no HDF5": lambda path: path.write_text("text"),
    "empty": lambda path: path.write_bytes(b""),
    "missing": lambda path: None,
}


@pytest.mark.parametrize("command", STORE_COMMANDS)
@pytest.mark.parametrize("kind", BAD_STORES)
def test_a_file_that_is_no_masked_data_set(here: Path, command: str, kind: str):
    BAD_STORES[kind](here / "data.h5")
    result_code = 2 if kind == "missing" and command == "report" else 1
    assert "data.h5" in refused(here, command, "data.h5", *STORE_COMMANDS[command], code=result_code)


@pytest.mark.parametrize("command", ["train-hsst", "evaluate", "verify"])
def test_a_folder_where_a_data_set_is_meant(here: Path, command: str):
    (here / "data.h5").mkdir()
    assert "data.h5" in refused(here, command, "data.h5", *STORE_COMMANDS[command])


def test_a_folder_that_is_no_run(here: Path):
    (here / "run").mkdir()
    assert "no training run" in refused(here, "report", "run", code=2)


def test_an_existing_page_is_not_replaced(here: Path):
    (here / "report.html").write_text("mine")
    assert "--force" in refused(here, "report", "data.h5", code=2)
    assert (here / "report.html").read_text() == "mine"


def test_a_data_set_without_a_place(here: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("MASKSYNTH_DATA_CASIA", raising=False)
    said = refused(here, "apply", "--dataset", "casia", "--out", "masked.h5", code=2)
    for way in ("--root", "MASKSYNTH_DATA_CASIA", "config.toml"):
        assert way in said


def test_a_folder_that_is_no_data_set(here: Path):
    (here / "data").mkdir()
    assert "data" in refused(here, "apply", "--dataset", "casia", "--root", "data", "--out", "masked.h5")


def test_the_real_command_says_the_same_and_its_exit_code_is_seen_by_the_shell(here: Path):
    (here / "photo.jpg").write_bytes(b"")
    command = [sys.executable, "-m", "masksynth", "reconstruct", "photo.jpg", "-o", "out.npz"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=here)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr == "masksynth: photo.jpg: the file is empty (0 bytes).\n"
    assert [path.name for path in here.iterdir()] == ["photo.jpg"]
