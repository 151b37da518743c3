"""FaceBoxes: anchors, decoding, import, and faces found with the published weights."""

import hashlib

import numpy as np
import pytest
import torch
from drawn_faces import drawn_face

from masksynth.detect import load_detector
from masksynth.detect.faceboxes_torch import FaceBoxesNet, _decoded, anchors
from masksynth.errors import WeightsError
from masksynth.reconstruct.cache import FaceCache
from masksynth.weights import import_network, known, state
from masksynth.weights.faceboxes_layout import FACEBOXES_SHA256, faceboxes_shapes
from masksynth.weights.imported import origin


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("MASKSYNTH_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_network_has_the_published_tensors():
    ours = {k: tuple(v.shape) for k, v in FaceBoxesNet().state_dict().items() if not k.endswith("tracked")}
    assert ours == faceboxes_shapes()


@pytest.mark.parametrize(("height", "width"), [(128, 128), (720, 1080), (90, 131)])
def test_one_anchor_for_each_output(height, width):
    network = FaceBoxesNet().eval()
    with torch.inference_mode():
        regressions, scores = network(torch.zeros(1, 3, height, width))
    boxes = anchors(height, width)
    assert regressions.shape[1] == scores.shape[1] == len(boxes)
    assert set(boxes[:, 2]) == {32.0, 64.0, 128.0, 256.0, 512.0}


def test_dense_anchors_tile_the_cell():
    cell = anchors(128, 128)[:21]
    assert np.allclose(cell[:4], [[0, 0, 32, 32], [8, 0, 32, 32], [16, 0, 32, 32], [24, 0, 32, 32]])
    assert np.allclose(cell[16:20, :2], [[0, 0], [16, 0], [0, 16], [16, 16]])
    assert np.allclose(cell[20], [16, 16, 128, 128])


def test_decoding_without_regression_gives_the_anchors_and_drops_overlaps():
    base = anchors(256, 256)
    scores = np.zeros(len(base), np.float32)
    far, near = 20, int(np.argmin(np.abs(base - [48, 16, 128, 128]).sum(1)))
    scores[far], scores[near] = 0.9, 0.6
    boxes, best = _decoded(np.zeros((len(base), 4), np.float32), scores, 256, 256)
    assert np.allclose(boxes, [[16 - 64, 16 - 64, 16 + 64, 16 + 64]])
    assert np.allclose(best, [0.9])


def test_import_by_hash_and_detection(home, test_data):
    path = test_data / "weights" / "FaceBoxesProd.pth"
    assert hashlib.sha256(path.read_bytes()).hexdigest() == FACEBOXES_SHA256
    import_network("faceboxes", path)
    assert origin(known("faceboxes"))["genuine"] == "yes"
    torch.set_num_threads(1)
    detector = load_detector("faceboxes")
    face = drawn_face(size=70, shape=(500, 700), centre=(430.0, 210.0))
    found = detector.detect(face.rgb)
    assert len(found) == 1
    middle = face.mesh[:, :2].mean(0)
    box = found[0].box
    assert box.left < middle[0] < box.right
    assert box.top < middle[1] < box.bottom
    size = np.ptp(face.mesh[:, 1])
    assert 0.6 * size < box.height < 1.6 * size
    assert found[0].points.shape == (0, 2)


def test_other_weights_need_to_be_asked_for(home, tmp_path):
    torch.manual_seed(0)
    torch.save(FaceBoxesNet().state_dict(), tmp_path / "mine.pth")
    with pytest.raises(WeightsError, match="not the published file"):
        import_network("faceboxes", tmp_path / "mine.pth")
    assert state(known("faceboxes")) == "missing"
    import_network("faceboxes", tmp_path / "mine.pth", unchecked=True)
    assert state(known("faceboxes")) == "here"
    assert origin(known("faceboxes"))["checked"] == "unchecked"


def test_what_other_weights_found_is_not_taken_from_a_cache(home, tmp_path):
    places = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        torch.save(FaceBoxesNet().state_dict(), tmp_path / "mine.pth")
        import_network("faceboxes", tmp_path / "mine.pth", unchecked=True)
        places.append(
            FaceCache(tmp_path / "cache").path(np.zeros((9, 9), np.uint8), load_detector("faceboxes"), Named())
        )
    assert places[0] != places[1]


class Named:
    name = "facemesh"


def test_missing_weights_name_the_line_to_type(home):
    with pytest.raises(WeightsError, match="weights import faceboxes PATH"):
        load_detector("faceboxes")
