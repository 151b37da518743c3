from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
from click.testing import CliRunner

from masksynth.cli.main import main
from masksynth.store import Header, Rows, write_store


def write_small(path: Path) -> None:
    def rows(shape: tuple[int, ...]) -> Rows:
        count = shape[0]
        return Rows(
            image=np.full(shape, 7, np.uint8),
            subject=np.zeros(count, np.int32),
            source=tuple(f"{i}.png" for i in range(count)),
            image_id=np.arange(count, dtype=np.int32),
            landmarks=np.zeros((count, 5, 2), np.float32),
            pose=np.zeros((count, 3), np.float32),
            score=np.ones(count, np.float32),
            mask=np.full(count, -1, np.int32),
        )

    header = Header(dataset="small", side=16, reconstructor="facemesh", detector="blazeface")
    write_store(path, header, subjects=["p0"], nir=rows((3, 16, 16)), vis=rows((2, 16, 16, 3)))


def test_verify_says_what_is_in_a_sound_file(tmp_path: Path) -> None:
    path = tmp_path / "m.h5"
    write_small(path)
    result = CliRunner().invoke(main, ["verify", str(path)])
    assert result.exit_code == 0, result.output
    assert "sound. 3 NIR and 2 VIS rows, 0 masked, 0 protocols, 24 hashes compared" in result.output


def test_verify_names_what_is_wrong_and_fails(tmp_path: Path) -> None:
    path = tmp_path / "m.h5"
    write_small(path)
    with h5py.File(path, "r+") as file:
        file["nir/image"][0, 0, 0] = 8
    result = CliRunner().invoke(main, ["verify", str(path)])
    assert result.exit_code == 1
    assert "'nir/image' has other values than were written" in result.output


def test_verify_of_something_else_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "x.h5").write_text("no")
    result = CliRunner().invoke(main, ["verify", str(tmp_path / "x.h5")])
    assert result.exit_code == 1
    assert "is not an HDF5 file" in result.output
