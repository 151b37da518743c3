"""masksynth reconstruct and masksynth weights, as typed."""

import numpy as np
import pytest
from click.testing import CliRunner
from drawn_faces import drawn_face

from masksynth.cli import main
from masksynth.photos import read_photo, write_photo


@pytest.fixture(scope="module")
def photo(tmp_path_factory):
    path = tmp_path_factory.mktemp("photos") / "ein Gesicht é.png"
    faces = [drawn_face(size=90, shape=(300, 300)).rgb, drawn_face(size=60, yaw=20, shape=(300, 300)).rgb]
    write_photo(path, np.concatenate(faces, axis=1))
    return path


def run(*arguments):
    return CliRunner().invoke(main, [str(a) for a in arguments])


def test_arrays_are_as_documented(photo, tmp_path):
    result = run("reconstruct", photo, "-o", tmp_path / "f.npz", "--all-faces", "--draw", tmp_path / "d.png")
    assert result.exit_code == 0, result.output
    with np.load(tmp_path / "f.npz", allow_pickle=False) as stored:
        assert stored["position_map"].shape == (2, 256, 256, 3)
        assert stored["validity"].shape == (2, 256, 256)
        assert stored["landmarks68"].shape == (2, 68, 3)
        assert stored["pose_deg"].shape == (2, 3)
        assert stored["box"].shape == (2, 4)
        assert stored["score"].shape == (2,)
        eyes = np.linalg.norm(stored["landmarks68"][:, 45] - stored["landmarks68"][:, 36], axis=1)
        assert eyes[0] > eyes[1]
        assert set(stored["reconstructor"]) == {"facemesh"}
    drawn = read_photo(tmp_path / "d.png").rgb
    assert (drawn != read_photo(photo).rgb).any()


def test_largest_face_alone_by_default_and_nothing_is_overwritten(photo, tmp_path):
    out = tmp_path / "f.npz"
    result = run("reconstruct", photo, "-o", out)
    assert "1 face (of 2; --all-faces writes all)" in result.output
    again = run("reconstruct", photo, "-o", out)
    assert again.exit_code == 2
    assert "--force" in again.output
    assert run("reconstruct", photo, "-o", out, "--force").exit_code == 0


def test_mesh_files_hold_a_face_of_the_right_size(photo, tmp_path):
    assert run("reconstruct", photo, "-o", tmp_path / "a b.obj", "--all-faces").exit_code == 0
    lines = (tmp_path / "a b.obj").read_text().splitlines()
    vertices = np.array([line.split()[1:] for line in lines if line.startswith("v ")], float)
    corners = np.array([[w.split("/")[0] for w in line.split()[1:]] for line in lines if line.startswith("f ")], int)
    assert sum(line.startswith("vt ") for line in lines) == len(vertices)
    assert corners.min() == 1
    assert corners.max() == len(vertices)
    a, b, c = (vertices[corners[:, k] - 1] for k in range(3))
    normals = np.cross(b - a, c - a)
    assert (normals[:, 2] > 0).mean() > 0.8  # the front faces the camera
    material = next(line.split()[1] for line in lines if line.startswith("mtllib"))
    described = (tmp_path / material).read_text()
    for k in range(2):
        name = f"a_b_{k}.png"
        assert name in described
        assert read_photo(tmp_path / name).pixels.shape == (512, 512, 3)

    assert run("reconstruct", photo, "-o", tmp_path / "f.ply").exit_code == 0
    raw = (tmp_path / "f.ply").read_bytes()
    header, body = raw.split(b"end_header\n", 1)
    counts = {line.split()[1]: int(line.split()[2]) for line in header.split(b"\n") if line.startswith(b"element")}
    assert len(body) == counts[b"vertex"] * 15 + counts[b"face"] * 13
    points = np.frombuffer(body, np.dtype([("xyz", "<f4", 3), ("rgb", "u1", 3)]), counts[b"vertex"])
    assert np.isclose(np.ptp(points["xyz"][:, 0]), np.ptp(vertices[: len(points), 0]), rtol=0.02)
    assert points["rgb"].std() > 10


def test_box_and_landmarks_replace_the_detector(photo, tmp_path):
    face = drawn_face(size=60, yaw=20, shape=(300, 300))
    mesh = face.mesh[:, :2] + np.array([300, 0])
    low, high = mesh.min(0), mesh.max(0)
    box = [f"{v:.1f}" for v in (*low, *high)]
    assert run("reconstruct", photo, "-o", tmp_path / "f.npz", "--box", *box).exit_code == 0
    with np.load(tmp_path / "f.npz") as stored:
        assert stored["landmarks68"][0, 30, 0] > 400
    wrong = run("reconstruct", photo, "-o", tmp_path / "g.npz", "--box", 5, 5, 2, 9)
    assert wrong.exit_code == 2
    assert "--box" in wrong.output
    (tmp_path / "p.csv").write_text("121 119 179 119")
    assert run("reconstruct", photo, "-o", tmp_path / "h.npz", "--landmarks", tmp_path / "p.csv").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["reconstruct", "none.jpg", "-o", "f.npz"], 1, "no such file"),
        (["reconstruct", "PHOTO", "-o", "f.stl"], 1, "names no face format"),
        (["reconstruct", "PHOTO", "-o", "f.npz", "--detector", "haar"], 2, "no such detector"),
        (["reconstruct", "EMPTY", "-o", "f.npz"], 1, "no face found"),
        (["weights", "path", "nothing"], 1, "no such network"),
    ],
    ids=["missing", "format", "detector", "no face", "network"],
)
def test_bad_input_is_one_sentence_and_leaves_nothing(photo, tmp_path, monkeypatch, arguments, code, message):
    monkeypatch.chdir(tmp_path)
    write_photo(tmp_path / "grey.png", np.full((80, 80), 128, np.uint8))
    words = [{"PHOTO": str(photo), "EMPTY": "grey.png"}.get(a, a) for a in arguments]
    result = run(*words)
    assert result.exit_code == code
    assert message in result.output
    assert sorted(p.name for p in tmp_path.iterdir()) == ["grey.png"]


def test_weights_list_names_every_network():
    result = run("weights", "list")
    assert result.exit_code == 0
    for name in ("blazeface", "facemesh", "faceboxes", "prnet"):
        assert name in result.output
