"""Points and boxes from outside say where a face is."""

import json
from pathlib import Path

import numpy as np
import pytest
from drawn_faces import drawn_face
from faces import posed

from masksynth.errors import ConfigError, ShapeError
from masksynth.reconstruct import find_faces, load_reconstructor
from masksynth.reconstruct.given import GivenFaces, detection_of_box, detection_of_points, read_faces
from masksynth.reconstruct.uv_layout import landmarks68_from_mesh


@pytest.fixture(scope="module")
def face():
    return drawn_face(yaw=15, roll=25, size=70, shape=(300, 400), centre=(170.0, 130.0))


@pytest.fixture(scope="module")
def landmarks(face):
    return landmarks68_from_mesh(face.mesh)[:, :2].astype(np.float64)


def five(p):
    return np.stack([p[36:42].mean(0), p[42:48].mean(0), p[30], p[48], p[54]])


def shown(p, count):
    return {2: five(p)[:2], 5: five(p), 68: p}[count]


@pytest.mark.parametrize("count", [2, 5, 68])
def test_points_lead_to_the_face(face, landmarks, count):
    given = GivenFaces([detection_of_points(shown(landmarks, count))])
    faces, dropped = find_faces(face.rgb, given, load_reconstructor())
    assert not dropped
    assert np.linalg.norm(faces[0].landmarks68[17:, :2] - landmarks[17:], axis=1).mean() < 4


def test_box_of_68_points_is_their_extent(landmarks):
    box = detection_of_points(landmarks).box
    assert np.allclose([box.left, box.top, box.right, box.bottom], [*landmarks.min(0), *landmarks.max(0)])


def test_box_of_five_points_is_near_that_of_68(landmarks):
    few, many = detection_of_points(five(landmarks)).box, detection_of_points(landmarks).box
    assert np.allclose(few.centre, many.centre, atol=0.2 * many.width)
    assert np.isclose(few.width, many.width, rtol=0.25)


def test_106_points_have_the_eyes_last():
    p = np.random.default_rng(0).uniform(0, 100, (106, 2))
    assert np.allclose(detection_of_points(p).points, p[104:], atol=1e-4)


def test_largest_given_face_comes_first():
    small, large = detection_of_box(0, 0, 10, 10), detection_of_box(0, 0, 30, 30)
    assert GivenFaces([small, large]).detect(np.zeros((50, 50, 3), np.uint8)) == [large, small]


def write(path, content):
    path.write_text(content, encoding="utf-8")
    return path


@pytest.mark.parametrize("separator", [" ", ",", "; ", "\t"])
def test_text_with_a_face_a_line(tmp_path, landmarks, separator):
    line = separator.join(f"{v:.3f}" for v in landmarks.ravel())
    found = read_faces(write(tmp_path / "f.csv", f"\n{line}\n{line}\n"), Path("a.jpg"))
    assert len(found) == 2
    assert np.isclose(found[0].box.left, landmarks[:, 0].min(), atol=1e-2)


def test_text_with_a_point_a_line_and_words_round_it(tmp_path, landmarks):
    body = "\n".join(f"{x} {y}" for x, y in landmarks)
    found = read_faces(write(tmp_path / "f.pts", f"version: 1\nn_points: 68\n{{\n{body}\n}}\n"), Path("a.jpg"))
    assert len(found) == 1
    assert np.isclose(found[0].box.right, landmarks[:, 0].max())


def test_eye_file_gives_only_this_photos_eyes(tmp_path):
    text = "NIR\\00001\\001.jpg 160 352 282 342\r\nNIR\\00002\\001.jpg 10 20 60 22\r\nVIS\\00001\\001.jpg 5 5 50 5\r\n"
    path = write(tmp_path / "s1_nir_eyes.txt", text)
    found = read_faces(path, Path("/data/s1/NIR/00001/001.bmp"))
    assert len(found) == 1
    assert np.allclose(found[0].points, [[160, 352], [282, 342]])
    with pytest.raises(ConfigError, match=r"no face for 009\.bmp"):
        read_faces(path, Path("/data/s1/NIR/00001/009.bmp"))


@pytest.mark.parametrize(
    "content",
    [
        [[10, 20], [60, 22]],
        {"points": [[10, 20], [60, 22]]},
        {"landmarks": [[10, 20], [60, 22]]},
        [{"points": [[10, 20], [60, 22]]}],
        [[[10, 20], [60, 22]]],
        {"photos/a.jpg": {"points": [[10, 20], [60, 22]]}, "b.jpg": {"points": [[0, 0], [5, 5]]}},
        {"a": [[10, 20], [60, 22]]},
    ],
    ids=["points", "object", "landmarks", "list of objects", "list of lists", "by path", "by stem"],
)
def test_json_forms(tmp_path, content):
    found = read_faces(write(tmp_path / "f.json", json.dumps(content)), Path("photos/a.jpg"))
    assert len(found) == 1
    assert np.allclose(found[0].points, [[10, 20], [60, 22]])


def test_json_box(tmp_path):
    found = read_faces(write(tmp_path / "f.json", '{"box": [1, 2, 30, 40]}'), Path("a.jpg"))
    assert (found[0].box.left, found[0].box.bottom) == (1, 40)
    assert found[0].given


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("f.json", "{"),
        ("f.json", "3"),
        ("f.json", '{"points": [[1, 2], [3, "x"]]}'),
        ("f.json", '{"box": [1, 2, 3]}'),
        ("f.csv", "1 2 3 4 5 6"),
        ("f.json", "[1, 2, 30, 40]"),
        ("f.json", "[[1, 2, 3], [30, 2, 3]]"),
        ("f.json", "[[" + "9" * 400 + ", 1], [1, 2]]"),
        ("f.json", '{"box": [1, 2, 1e7, 40]}'),
        ("f.csv", "1 1 1e30 1"),
        ("f.csv", "a.jpg,,,,,,,30,40,50,60"),
        ("f.csv", "1 1 1 1"),
        ("f.csv", ""),
        ("f.csv", "hello"),
    ],
    ids=[
        *("cut", "number", "word", "short box", "flat", "three axes", "huge number", "far box", "far point"),
        *("empty fields", "six numbers", "one place", "empty", "text"),
    ],
)
def test_bad_files_are_one_sentence(tmp_path, name, content):
    with pytest.raises(ConfigError, match=r"f\.(json|csv): ") as error:
        read_faces(write(tmp_path / name, content), Path("a.jpg"))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ['"a.jpg"', '"photos/a"', "a.jpg"])
def test_names_may_stand_in_quotation_marks(tmp_path, name):
    path = write(tmp_path / "f.csv", f'"file","x1","y1","x2","y2"\r\n"b.jpg",1,2,3,9\r\n{name},"10","20",60,22\r\n')
    assert np.allclose(read_faces(path, Path("photos/a.jpg"))[0].points, [[10, 20], [60, 22]])


def test_a_name_may_be_a_number(tmp_path):
    path = write(tmp_path / "f.txt", "00001 1 2 30 2\n00002 10 20 60 22\n")
    (found,) = read_faces(path, Path("photos/00002.png"))
    assert np.allclose(found.points, [[10, 20], [60, 22]])


def test_a_box_far_larger_than_the_photo_gives_no_face_and_needs_no_memory(face):
    faces, dropped = find_faces(face.rgb, GivenFaces([detection_of_box(0, 0, 9e5, 9e5)]), load_reconstructor())
    assert not faces
    assert "no face after all" in dropped[0]


def test_missing_and_binary_files_are_named(tmp_path):
    with pytest.raises(ConfigError, match="No such file"):
        read_faces(tmp_path / "none.csv", Path("a.jpg"))
    (tmp_path / "b.csv").write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(ConfigError, match="as text"):
        read_faces(tmp_path / "b.csv", Path("a.jpg"))


def test_a_box_of_another_form_is_told_how_one_looks(tmp_path):
    path = write(tmp_path / "f.json", '{"box": [1, 2, 3]}')
    with pytest.raises(ConfigError, match=r"a box is \[left, top, right, bottom\], got \[1, 2, 3\]"):
        read_faces(path, Path("a.jpg"))


def test_bad_points_and_boxes_are_refused():
    for points in (np.zeros((3, 2)), np.zeros((5, 3)), np.zeros((5, 2)), np.full((68, 2), np.nan)):
        with pytest.raises(ShapeError):
            detection_of_points(points)
    for box in ((0, 0, 0, 10), (10, 0, 5, 10), (0, 0, float("inf"), 10)):
        with pytest.raises(ShapeError):
            detection_of_box(*box)


def test_lists_nested_too_deeply_are_one_sentence(tmp_path):
    path = tmp_path / "deep.json"
    path.write_text("[" * 100_000)
    with pytest.raises(ConfigError, match="nested too deeply"):
        read_faces(path, Path("ann.jpg"))


def test_a_line_of_the_photo_with_a_wrong_count_says_the_count(tmp_path):
    path = tmp_path / "points.csv"
    path.write_text("ann.jpg,1,2,3\n")
    with pytest.raises(ConfigError, match="a line has 3 numbers, but 4, 10, 136 or 212 are wanted"):
        read_faces(path, Path("ann.jpg"))


@pytest.mark.parametrize("order", [1, -1], ids=["left first", "right first"])
@pytest.mark.parametrize("hanging", [False, True], ids=["standing", "hanging"])
def test_two_eyes_may_be_named_either_way_and_the_face_may_hang(landmarks, face, order, hanging):
    rgb, points = face.rgb, landmarks
    if hanging:
        rgb, points = np.ascontiguousarray(rgb[::-1, ::-1]), [rgb.shape[1] - 1, rgb.shape[0] - 1] - landmarks
    given = GivenFaces([detection_of_points(five(points)[:2][::order])])
    faces, dropped = find_faces(rgb, given, load_reconstructor())
    assert not dropped
    assert np.linalg.norm(faces[0].landmarks68[17:, :2] - points[17:], axis=1).mean() < 4


def test_eyes_of_a_face_turned_far_aside_lead_to_it():
    face = drawn_face(yaw=60, size=70, shape=(300, 400), centre=(170.0, 130.0))
    truth = landmarks68_from_mesh(face.mesh)[:, :2].astype(np.float64)
    for count in (2, 5):
        faces, dropped = find_faces(
            face.rgb, GivenFaces([detection_of_points(shown(truth, count))]), load_reconstructor()
        )
        assert not dropped
        assert np.linalg.norm(faces[0].landmarks68[36:48, :2] - truth[36:48], axis=1).mean() < 10


@pytest.mark.parametrize("yaw", [-80, -60, 0, 60, 80])
def test_five_points_of_a_turned_face_give_the_box_of_all(yaw):
    points = posed(yaw=yaw).landmarks68[:, :2].astype(np.float64)
    few, many = detection_of_points(five(points)).box, detection_of_points(points).box
    assert np.allclose(few.centre, many.centre, atol=0.1 * many.height)
    assert np.isclose(few.height, many.height, rtol=0.12)


def test_a_face_that_is_not_where_its_eyes_are_given_is_dropped_with_the_reason(face, landmarks):
    elsewhere = five(landmarks)[:2] + np.array([30, 25])  # on the cheek: the mesh finds the face all the same
    faces, dropped = find_faces(face.rgb, GivenFaces([detection_of_points(elsewhere)]), load_reconstructor())
    assert not faces
    assert "interocular distances from them" in dropped[0]
