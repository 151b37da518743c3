"""Faces of known place are found there: large, small, many, turned, filling the picture, grey."""

import numpy as np
import pytest
from drawn_faces import drawn_face

from masksynth.detect import load_detector
from masksynth.errors import ConfigError, ShapeError


@pytest.fixture(scope="module")
def detector():
    return load_detector()


def eyes(face):
    return face.mesh[[33, 133]].mean(0)[:2], face.mesh[[263, 362]].mean(0)[:2]


def assert_at(detection, face, tolerance=0.25):
    """The detector's eyes lie within a share of the eye distance of the true ones."""
    left, right = eyes(face)
    reach = tolerance * np.linalg.norm(right - left)
    assert np.linalg.norm(detection.points[0] - left) < reach
    assert np.linalg.norm(detection.points[1] - right) < reach


@pytest.mark.parametrize("yaw", [-60, -30, 0, 30, 60])
@pytest.mark.parametrize("grey", [False, True])
def test_face_is_found_where_it_is(detector, yaw, grey):
    face = drawn_face(yaw=yaw)
    rgb = np.repeat(face.rgb.mean(2, keepdims=True), 3, 2).astype(np.uint8) if grey else face.rgb
    found = detector.detect(rgb)
    assert len(found) == 1
    assert 0.5 <= found[0].score <= 1
    if abs(yaw) <= 30:
        assert_at(found[0], face)


def test_small_face_in_a_large_picture_is_found(detector):
    face = drawn_face(size=26, shape=(900, 1300), centre=(1010.0, 610.0))
    found = detector.detect(face.rgb)
    assert len(found) == 1
    assert_at(found[0], face, 0.4)


def test_two_faces_of_different_size_come_largest_first(detector):
    near = drawn_face(size=90, shape=(300, 300))
    far = drawn_face(size=60, shape=(300, 300))
    found = detector.detect(np.concatenate([far.rgb, near.rgb], axis=1))
    assert len(found) == 2
    assert found[0].box.width > found[1].box.width
    assert found[0].box.centre[0] > 300 > found[1].box.centre[0]


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_turned_picture_gives_the_turned_face(detector, quarters):
    face = drawn_face(size=110)
    turned = np.ascontiguousarray(np.rot90(face.rgb, quarters))
    found = detector.detect(turned)
    assert found
    left, right = eyes(face)
    side = face.rgb.shape[0] - 1
    for _ in range(quarters):
        left, right = (np.array([p[1], side - p[0]]) for p in (left, right))
    reach = 0.4 * np.linalg.norm(right - left)
    assert np.linalg.norm(found[0].points[0] - left) < reach
    assert np.linalg.norm(found[0].points[1] - right) < reach


def test_face_that_fills_the_picture_is_found(detector):
    face = drawn_face(size=110, shape=(400, 400))
    close = np.ascontiguousarray(face.rgb[115:290, 110:290])
    assert len(detector.detect(close)) == 1


def test_empty_picture_has_no_face(detector):
    assert detector.detect(np.full((300, 400, 3), 128, np.uint8)) == []
    assert detector.detect(np.zeros((16, 16, 3), np.uint8)) == []


def test_noise_has_no_face(detector):
    noise = np.random.default_rng(5).integers(0, 256, (300, 400, 3), dtype=np.uint8)
    assert detector.detect(noise) == []


def test_wrong_array_is_refused(detector):
    with pytest.raises(ShapeError, match="uint8"):
        detector.detect(np.zeros((100, 100), np.uint8))
    with pytest.raises(ShapeError, match="uint8"):
        detector.detect(np.zeros((100, 100, 3), np.float32))


def test_unknown_detector_is_named():
    with pytest.raises(ConfigError, match="blazeface"):
        load_detector("haar")
