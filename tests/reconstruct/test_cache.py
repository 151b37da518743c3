"""What was kept comes back, and only for the same picture and settings."""

import numpy as np
import pytest
from drawn_faces import drawn_face

from masksynth.arrays import Box
from masksynth.detect import load_detector
from masksynth.errors import OutputError
from masksynth.reconstruct import find_faces, load_reconstructor
from masksynth.reconstruct.cache import FaceCache
from masksynth.reconstruct.given import GivenFaces, detection_of_box
from masksynth.reconstruct.prnet import reconstruction_of_positions
from masksynth.reconstruct.uv_layout import position_map_from_mesh


@pytest.fixture(scope="module")
def face():
    return drawn_face(yaw=20)


def same(a, b, tolerance=0.0):
    assert np.abs(a.position_map.positions - b.position_map.positions).max() <= tolerance
    assert np.array_equal(a.position_map.validity, b.position_map.validity)
    assert np.abs(a.landmarks68 - b.landmarks68).max() <= tolerance
    assert np.allclose(a.pose.degrees, b.pose.degrees, atol=max(tolerance, 1e-9))
    assert (a.box, a.score, a.reconstructor) == (b.box, b.score, b.reconstructor)


def test_second_time_costs_no_network_and_gives_the_same(face, tmp_path):
    detector, cached = load_detector(), load_reconstructor(cache=tmp_path / "new" / "cache")
    first, _ = find_faces(face.rgb, detector, cached)

    class NoDetector:
        name = "blazeface"

        def detect(self, rgb):
            raise AssertionError("the network was asked")

    again, dropped = find_faces(face.rgb, NoDetector(), cached)
    assert (cached.cache.hits, cached.cache.misses) == (1, 1)
    assert not dropped
    same(first[0], again[0])
    files = list((tmp_path / "new" / "cache").glob("*/*.faces"))
    assert len(files) == 1
    assert files[0].stat().st_size < 8000


def test_other_pictures_and_other_given_faces_have_their_own_file(face, tmp_path):
    cache, detector, reconstructor = FaceCache(tmp_path), load_detector(), load_reconstructor()
    changed = face.rgb.copy()
    changed[0, 0, 0] ^= 1
    paths = {
        cache.path(face.rgb, detector, reconstructor),
        cache.path(changed, detector, reconstructor),
        cache.path(face.rgb.reshape(180, 720, 3), detector, reconstructor),
        cache.path(face.rgb, GivenFaces([detection_of_box(0, 0, 9, 9)]), reconstructor),
        cache.path(face.rgb, GivenFaces([detection_of_box(0, 0, 9, 8)]), reconstructor),
    }
    assert len(paths) == 5


def test_picture_without_a_face_is_kept_with_its_reasons(tmp_path):
    flat = np.full((200, 200, 3), 90, np.uint8)
    cached = load_reconstructor(cache=tmp_path)
    given = GivenFaces([detection_of_box(50, 50, 150, 150)])
    assert find_faces(flat, given, cached) == find_faces(flat, given, cached)
    assert cached.cache.hits == 1
    assert "presence" in find_faces(flat, given, cached)[1][0]


def test_map_of_another_reconstructor_is_kept_to_a_hundredth_of_a_pixel(face, tmp_path):
    positions = position_map_from_mesh(face.mesh.astype(np.float32)).positions
    made = reconstruction_of_positions(positions, Box(1, 2, 3, 4), 0.75)
    cache = FaceCache(tmp_path)
    path = tmp_path / "ab" / "x.faces"
    cache.store(path, [made], ["one was dropped"])
    assert path.stat().st_size < 270_000
    faces, dropped = cache.load(path)
    assert dropped == ["one was dropped"]
    gap = np.abs(faces[0].position_map.positions - made.position_map.positions)
    assert gap[made.position_map.validity == 1].max() < 0.01
    assert gap.max() < 0.05
    same(faces[0], made, 0.05)


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04", b"nonsense"], ids=["empty", "cut", "text"])
def test_damaged_file_is_made_anew(face, tmp_path, damage):
    cached, detector = load_reconstructor(cache=tmp_path), load_detector()
    first, _ = find_faces(face.rgb, detector, cached)
    file = next(tmp_path.glob("*/*.faces"))
    good = file.read_bytes()
    file.write_bytes(damage)
    same(first[0], find_faces(face.rgb, detector, cached)[0][0])
    assert file.read_bytes() == good


def test_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "f").write_bytes(b"")
    with pytest.raises(OutputError, match="could not be created"):
        FaceCache(tmp_path / "f" / "cache")
