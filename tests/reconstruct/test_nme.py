"""The benchmark on labelled photos computes what it says, on drawn faces whose labels are known."""

import sys
from pathlib import Path

import numpy as np
import pytest
from drawn_faces import drawn_face
from scipy.io import savemat

from masksynth.photos import write_photo
from masksynth.reconstruct.uv_layout import landmarks68_from_mesh

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
import nme


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("aflw")
    for k, yaw in enumerate((0, 20, -45, 50)):
        face = drawn_face(yaw=yaw)
        write_photo(path / f"image{k:05d}.png", face.rgb)
        labels = {
            "pt3d_68": landmarks68_from_mesh(face.mesh).T + 1.0,
            "Pose_Para": np.radians([[0.0, yaw, 0, 0, 0, 0, 1]]),
        }
        savemat(path / f"image{k:05d}.mat", labels)
    return path


def test_labels_are_read_from_zero(folder):
    points, yaw = nme.read_labels(folder / "image00002.mat")
    assert np.isclose(yaw, -45)
    assert np.allclose(points, landmarks68_from_mesh(drawn_face(yaw=-45).mesh)[:, :2], atol=1e-3)


@pytest.mark.parametrize("detect", [False, True])
def test_drawn_faces_have_small_errors_in_every_variant(folder, detect):
    yaws, errors, names = nme.measure(folder, list(nme.VARIANTS)[:4], detect)
    assert len(names) == 4
    assert np.allclose(yaws, [0, 20, -45, 50])
    for values in errors.values():
        assert values.shape == (4, 4)
        assert (values[:, 1] < 4).all()


def test_what_cannot_be_read_or_found_is_counted_and_named(folder, tmp_path, capsys, monkeypatch):
    for path in folder.glob("image00000.*"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    write_photo(tmp_path / "image00001.png", np.full((450, 450, 3), 90, np.uint8))
    (tmp_path / "image00001.mat").write_bytes((folder / "image00001.mat").read_bytes())
    (tmp_path / "image00002.mat").write_bytes(b"no MATLAB file")
    savemat(tmp_path / "image00003.mat", {"pt2d": np.zeros((2, 21))})
    write_photo(tmp_path / "image00003.png", np.full((450, 450, 3), 90, np.uint8))
    monkeypatch.setattr(sys, "argv", ["nme.py", str(tmp_path), "--variants", "facemesh"])
    nme.main()
    printed = capsys.readouterr().out
    assert "found 1 of 2" in printed
    assert "facemesh found no face in 1: image00001.png" in printed
    assert "image00002.mat: has no photo beside it" in printed
    assert "image00003.mat: has no pt3d_68" in printed


def test_interval_is_that_of_the_mean():
    mean, half = nme.interval(np.array([1.0, 3.0]))
    assert mean == 2
    assert np.isclose(half, 1.96 * np.sqrt(2) / np.sqrt(2))
