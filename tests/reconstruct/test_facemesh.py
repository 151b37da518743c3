"""Face Mesh on faces of known geometry."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from drawn_faces import drawn_face

from masksynth.arrays import Box, Detection
from masksynth.detect import load_detector
from masksynth.errors import ConfigError, NoFaceError, ShapeError
from masksynth.reconstruct import find_faces, load_reconstructor
from masksynth.reconstruct.region import SIDE, Region, crop_region, region_of_mesh, snapped
from masksynth.reconstruct.uv_layout import landmarks68_from_mesh, mesh_mirror, position_map_from_mesh


@pytest.fixture(scope="module")
def detector():
    return load_detector()


@pytest.fixture(scope="module")
def reconstructor():
    return load_reconstructor()


@pytest.mark.parametrize(("yaw", "limit"), [(0, 0.05), (25, 0.05), (-25, 0.05), (45, 0.07), (-45, 0.07)])
@pytest.mark.parametrize("grey", [False, True])
def test_points_lie_on_the_drawn_face(detector, reconstructor, yaw, limit, grey):
    face = drawn_face(yaw=yaw)
    rgb = np.repeat(face.rgb.mean(2, keepdims=True), 3, 2).astype(np.uint8) if grey else face.rgb
    faces, dropped = find_faces(rgb, detector, reconstructor)
    assert len(faces) == 1
    assert not dropped
    inner = slice(17, 68)
    true = landmarks68_from_mesh(face.mesh)[inner, :2]
    gap = np.linalg.norm(faces[0].landmarks68[inner, :2] - true, axis=1).mean()
    assert gap < limit * 80  # interocular distances
    assert abs(faces[0].pose.degrees[0] - yaw) < 10
    assert abs(faces[0].pose.degrees[2]) < 4
    assert faces[0].score > 0.9


@pytest.mark.parametrize("roll", [-90, -40, 40, 90, 180])
def test_rolled_face_is_read_as_such(detector, reconstructor, roll):
    faces, _ = find_faces(drawn_face(roll=roll).rgb, detector, reconstructor)
    assert len(faces) == 1
    assert abs((faces[0].pose.degrees[2] - roll + 180) % 360 - 180) < 6


def test_place_and_size_follow_the_picture(detector, reconstructor):
    small = drawn_face(size=60, shape=(300, 300), centre=(120.0, 160.0))
    large = drawn_face(size=240, shape=(1200, 1200), centre=(480.0, 640.0))
    one = find_faces(small.rgb, detector, reconstructor)[0][0]
    four = find_faces(large.rgb, detector, reconstructor)[0][0]
    assert np.abs(one.landmarks68[17:] * 4 - four.landmarks68[17:]).mean() < 5
    assert np.isclose(four.interocular / one.interocular, 4, rtol=0.06)


def test_no_face_after_all_is_said_with_the_presence(reconstructor):
    flat = np.full((200, 200, 3), 90, np.uint8)
    with pytest.raises(NoFaceError, match=r"presence 0\.\d\d, needs 0\.50"):
        reconstructor.reconstruct(flat, Detection(Box(50, 50, 150, 150), 0.9, np.zeros((0, 2), np.float32)))


def test_box_without_points_is_enough(reconstructor):
    face = drawn_face(roll=20)
    low, high = face.mesh[:, :2].min(0), face.mesh[:, :2].max(0)
    result = reconstructor.reconstruct(
        face.rgb, Detection(Box(*low.tolist(), *high.tolist()), 1.0, np.zeros((0, 2), np.float32))
    )
    gap = np.linalg.norm(result.landmarks68[17:, :2] - landmarks68_from_mesh(face.mesh)[17:, :2], axis=1)
    assert gap.mean() < 4


def test_dropped_detections_are_counted_and_doubles_are_not(detector, reconstructor):
    face = drawn_face()

    class Twice:
        name = "twice"

        def detect(self, rgb):
            found = detector.detect(rgb)
            return [*found, *found, Detection(Box(0, 0, 60, 60), 0.6, np.zeros((0, 2), np.float32))]

    faces, dropped = find_faces(face.rgb, Twice(), reconstructor)
    assert len(faces) == 1
    assert len(dropped) == 1
    assert "(0, 0, 60, 60)" in dropped[0]


def test_result_does_not_depend_on_what_was_seen_before(reconstructor, detector):
    face = drawn_face(yaw=15)
    first = find_faces(face.rgb, detector, reconstructor)[0][0]
    find_faces(drawn_face(yaw=-40, size=60).rgb, detector, reconstructor)
    again = find_faces(face.rgb, detector, reconstructor)[0][0]
    assert np.array_equal(first.position_map.positions, again.position_map.positions)


def test_crop_of_a_large_region_shows_the_same_as_of_a_small_one():
    ramp = np.add.outer(np.arange(800), np.arange(800)) / 1600 * 255
    picture = np.repeat(ramp[:, :, None], 3, 2).astype(np.uint8)
    for side in (150.0, 390.0, 700.0):
        region = Region(np.array([400.0, 380.0]), side, 0.4)
        crop, photo_from_crop = crop_region(picture, region)
        for x, y in ((20, 20), (96, 96), (170, 60)):
            px, py = photo_from_crop @ [x, y, 1]
            if 0 <= px < 799 and 0 <= py < 799:
                assert abs(float(crop[y, x, 0]) - (px + py) / 1600 * 255) < 1.5


def test_a_level_region_is_snapped_to_pixels_and_shows_the_same():
    rng = np.random.default_rng(1)
    for side in (100.0, 285.3, 411.7, 900.2):
        picture = cv2.GaussianBlur(rng.integers(0, 256, (900, 800, 3)).astype(np.uint8), (0, 0), side / 40)
        region = Region(np.array([401.3, 380.8]), side, np.radians(1.0))
        level = snapped(region)
        assert level.angle == 0
        assert abs(level.side - side) <= 2
        assert np.abs(level.centre - region.centre).max() <= 1
        crop, photo_from_crop = crop_region(picture, level)
        exact = crop_region(picture, Region(level.centre, level.side + 1e-9, 0.0))[0]  # not on whole pixels: warped
        assert np.abs(crop.astype(int) - exact).mean() < 1
        assert np.allclose(photo_from_crop @ [95.5, 95.5, 1], level.centre)
    assert snapped(Region(np.array([40.0, 38.0]), 50.5, 0.0)).side == 50.5
    assert snapped(Region(np.array([40.0, 38.0]), 300.0, 0.1)).angle == 0.1


def test_a_level_region_beyond_the_photo_is_black_there():
    picture = np.full((300, 200, 3), 200, np.uint8)
    crop, _ = crop_region(picture, Region(np.array([-0.5, 149.5]), 192.0, 0.0))
    assert not crop[:, :96].any()
    assert (crop[:, 96:] == 200).all()
    crop, _ = crop_region(picture, Region(np.array([5000.0, 149.5]), 192.0 + 1, 0.0))
    assert not crop.any()


def test_the_mirrored_look_is_the_look_at_the_mirrored_photo(reconstructor):
    face = drawn_face(yaw=35)
    region, last = region_of_mesh(face.mesh), face.rgb.shape[1] - 1
    across = Region(np.array([last - region.centre[0], region.centre[1]]), region.side, -region.angle)
    other = reconstructor._mesh.fit(np.ascontiguousarray(face.rgb[:, ::-1]), across)
    expected = other.points[mesh_mirror()] * [-1, 1, 1] + [last, 0, 0]
    found = reconstructor._mesh.fit(face.rgb, region, mirrored=True)
    assert np.abs(found.points - expected).max() < 0.6
    assert np.isclose(found.presence, other.presence, atol=0.01)


def test_the_map_is_made_once_and_only_when_asked_for(reconstructor, detector):
    face = find_faces(drawn_face().rgb, detector, reconstructor)[0][0]
    assert "position_map" not in vars(face)
    assert face.position_map is face.position_map
    assert np.array_equal(face.position_map.positions, position_map_from_mesh(face.mesh).positions)


def test_a_face_that_the_mesh_is_sure_of_is_not_looked_at_turned(reconstructor, detector, monkeypatch):
    looks = []
    look = detector._look
    monkeypatch.setattr(
        detector, "_look", lambda rgb: looks.append(0) or [replace(d, score=d.score - 0.15) for d in look(rgb)]
    )
    face = drawn_face(size=110)
    found, _ = find_faces(face.rgb, detector, reconstructor)
    assert len(looks) == 1
    hanging, _ = find_faces(np.ascontiguousarray(face.rgb[::-1, ::-1]), detector, reconstructor)
    assert len(found) == len(hanging) == 1
    assert abs(hanging[0].pose.degrees[2]) > 150


def test_a_masked_face_in_grey_stands_where_the_mesh_is_surer_of_it_than_hanging(test_data, detector, reconstructor):
    from masksynth.photos import read_photo

    grey = cv2.cvtColor(read_photo(test_data / "photos" / "masked" / "023.jpg").rgb, cv2.COLOR_RGB2GRAY)
    found, _ = find_faces(np.asarray(grey, np.uint8), detector, reconstructor)
    assert len(found) == 1
    assert abs(found[0].pose.degrees[2]) < 15


@pytest.mark.parametrize(("name", "mask"), [("010", "gaiter-black"), ("038", "n95-cup")])
def test_a_masked_face_that_fills_the_photo_is_looked_at_near_by_before_hanging(
    test_data, detector, reconstructor, name, mask
):
    from masksynth.compose import compose
    from masksynth.photos import read_photo
    from masksynth.template import load_template

    bare = read_photo(test_data / "photos" / "unmasked" / f"{name}.jpg").rgb
    face = find_faces(bare, detector, reconstructor)[0][0]
    found, _ = find_faces(compose(bare, face, load_template(mask), "vis").image, detector, reconstructor)
    off = np.linalg.norm(found[0].landmarks68[:, :2] - face.landmarks68[:, :2], axis=1).mean()
    assert off < 0.2 * face.interocular


def test_region_far_outside_the_photo_is_black():
    crop, _ = crop_region(np.full((50, 50, 3), 200, np.uint8), Region(np.array([5000.0, 5000.0]), 900.0, 0.0))
    assert crop.shape == (SIDE, SIDE, 3)
    assert not crop.any()


def test_region_of_a_rolled_mesh_is_the_rolled_region():
    face = drawn_face()
    upright = region_of_mesh(face.mesh)
    turned = region_of_mesh(drawn_face(roll=35).mesh)
    assert np.isclose(np.degrees(turned.angle), 35, atol=0.5)
    assert np.isclose(turned.side, upright.side, rtol=1e-3)


def test_wrong_array_and_name_are_refused(reconstructor):
    with pytest.raises(ShapeError):
        reconstructor.reconstruct(np.zeros((10, 10)), Detection(Box(0, 0, 5, 5), 1.0, np.zeros((0, 2), np.float32)))
    with pytest.raises(ConfigError, match="facemesh"):
        load_reconstructor("3ddfa")


def test_development_photos_keep_their_faces(test_data, detector, reconstructor):
    from masksynth.photos import read_photo

    photos = sorted((test_data / "photos" / "unmasked").iterdir())[::8]
    found = [bool(find_faces(read_photo(path).rgb, detector, reconstructor)[0]) for path in photos]
    assert sum(found) >= len(found) - 1
