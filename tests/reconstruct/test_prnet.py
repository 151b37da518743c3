"""PRNet: plain against lean, the crop against its published rule, and the map in the photo."""

import numpy as np
import pytest
import torch
from drawn_faces import drawn_face
from prnet_files import arrays_of, random_network

from masksynth.arrays import Box, Detection, Validity
from masksynth.errors import ConfigError
from masksynth.reconstruct.generic import generic_landmarks68, generic_position_map
from masksynth.reconstruct.plausible import implausible
from masksynth.reconstruct.pose import similarity
from masksynth.reconstruct.prnet import (
    PRNetConfig,
    crop,
    crop_from_photo,
    landmarks68,
    reconstruction_of_positions,
    run_network,
    to_photo,
    validity,
)
from masksynth.reconstruct.prnet_torch import LeanPRNet, PlainPRNet, network_of
from masksynth.reconstruct.uv_layout import position_map_from_mesh


@pytest.fixture(scope="module")
def plain():
    torch.set_num_threads(1)
    return random_network()


def detection(left, top, right, bottom, points=0, given=False):
    return Detection(Box(left, top, right, bottom), 0.9, np.zeros((points, 2), np.float32), given)


def test_lean_network_computes_the_same(plain):
    crops = np.random.default_rng(0).integers(0, 256, (2, 256, 256, 3), dtype=np.uint8)
    one = run_network(plain, crops, PRNetConfig())
    other = run_network(LeanPRNet(plain), crops, PRNetConfig())
    assert one.std() > 5  # px: the random network does say something
    assert np.abs(one - other).max() < 1e-3


@pytest.mark.slow
def test_lean_network_is_the_same_function_in_double_precision(plain):
    lean = LeanPRNet(plain).double()
    x = torch.rand(1, 3, 256, 256, dtype=torch.float64)
    with torch.inference_mode():
        assert (random_network().double()(x) - lean(x)).abs().max() < 1e-6


def test_batches_do_not_mix_faces(plain):
    lean = LeanPRNet(plain)
    crops = np.random.default_rng(1).integers(0, 256, (3, 256, 256, 3), dtype=np.uint8)
    together = run_network(lean, crops, PRNetConfig(chunk=2))
    for k in range(3):
        assert np.allclose(together[k], run_network(lean, crops[k : k + 1], PRNetConfig())[0], atol=1e-3)


def test_bfloat16_stays_near(plain):
    arrays = arrays_of(plain)
    crops = np.random.default_rng(2).integers(0, 256, (1, 256, 256, 3), dtype=np.uint8)
    exact = run_network(network_of(arrays, PRNetConfig()), crops, PRNetConfig())
    short = PRNetConfig(precision="bfloat16")
    rough = run_network(network_of(arrays, short), crops, short)
    assert np.abs(exact - rough).mean() < 0.05 * exact.std()


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_gpu_agrees_with_cpu(plain, precision):
    arrays = arrays_of(plain)
    crops = np.random.default_rng(3).integers(0, 256, (4, 256, 256, 3), dtype=np.uint8)
    exact = run_network(network_of(arrays, PRNetConfig()), crops, PRNetConfig())
    config = PRNetConfig(device="cuda", precision=precision)
    there = run_network(network_of(arrays, config), crops, config)
    assert np.abs(exact - there).mean() < (0.01 if precision == "float32" else 0.05) * exact.std()


def test_plain_network_has_the_published_size():
    used = sum(p.numel() for p in PlainPRNet().state_dict().values() if p.ndim)
    assert used == 13_365_508


@pytest.mark.parametrize(
    ("given", "points", "factor", "shift"), [(True, 0, 1.6, 0.0), (False, 0, 1.58, 0.14), (False, 6, 1.447, 0.057)]
)
def test_crop_follows_the_published_rule(given, points, factor, shift):
    matrix = crop_from_photo(detection(100, 50, 180, 150, points, given))
    side = int(90 * factor)
    scale = 255 / side
    assert np.isclose(matrix[0, 0], scale)
    assert np.allclose(matrix[:, :2], np.eye(2) * scale)
    middle = np.array([140, 100 + shift * 90])
    assert np.allclose(matrix[:, :2] @ (middle - side / 2) + matrix[:, 2], 0)
    assert np.allclose(matrix[:, :2] @ (middle + side / 2) + matrix[:, 2], 255)


def test_crop_and_inverse_are_inverse():
    matrix = crop_from_photo(detection(10, 20, 300, 280))
    points = np.random.default_rng(0).uniform(0, 255, (256, 256, 3)).astype(np.float32)
    back = to_photo(points, matrix)
    assert np.allclose(back[..., :2] @ matrix[:, :2].T + matrix[:, 2], points[..., :2], atol=1e-3)
    assert np.allclose(back[..., 2] * matrix[0, 0], points[..., 2], atol=1e-3)


def test_crop_is_black_outside_the_photo():
    photo = np.full((60, 60, 3), 200, np.uint8)
    picture = crop(photo, crop_from_photo(detection(0, 0, 60, 60, given=True)))
    assert picture.shape == (256, 256, 3)
    assert (picture[128, 128] == 200).all()
    assert not picture[2, 2].any()


def true_map(face, matrix):
    """What a perfect network would say of a drawn face, in crop pixels."""
    photo = position_map_from_mesh(face.mesh.astype(np.float32)).positions
    z = photo[..., 2:] - photo[..., 2:].min()
    xy = photo[..., :2] @ matrix[:, :2].T + matrix[:, 2]
    return np.concatenate([xy, z * matrix[0, 0]], axis=2).astype(np.float32)


def test_map_from_another_reconstructor_gets_the_same_stretch():
    """A template's rim lies at one place, whoever reconstructed the face: within a fiftieth of the eye distance."""
    for yaw, pitch in ((0, 0), (40, 10), (-60, -15)):
        face = drawn_face(yaw=yaw, pitch=pitch)
        matrix = crop_from_photo(detection(100, 100, 260, 280))
        whole = reconstruction_of_positions(to_photo(true_map(face, matrix), matrix), Box(0, 0, 1, 1), 1.0).position_map
        direct = position_map_from_mesh(face.mesh.astype(np.float32)).positions
        band = validity() == Validity.STRETCHED
        gap = np.linalg.norm((whole.positions - direct)[..., :2], axis=2)[band] / 80
        assert gap.mean() < 0.02
        assert gap.max() < 0.08
        assert np.isfinite(whole.positions).all()


def test_validity_has_no_extrapolation_and_no_gap():
    values = validity()
    assert set(np.unique(values)) == {Validity.ABSENT, Validity.MEASURED, Validity.STRETCHED}
    assert (values[10:250, 128] != Validity.ABSENT).all()


def test_landmarks_of_the_generic_map_are_the_generic_landmarks():
    points = landmarks68(generic_position_map().positions)
    gap = np.linalg.norm(points - generic_landmarks68(), axis=1)
    assert gap[27:].mean() < 0.06  # two definitions of the same 68 points
    move = similarity(generic_landmarks68()[27:], points[27:])
    assert np.abs(move.rotation - np.eye(3)).max() < 0.06


@pytest.mark.parametrize("yaw", [0, 45, -80])
def test_gate_accepts_faces_at_every_yaw(yaw):
    face = drawn_face(yaw=yaw)
    assert implausible(true_map(face, crop_from_photo(detection(100, 100, 260, 280)))) == ""


def test_gate_accepts_prnets_canonical_face(test_data):
    vertices = np.load(test_data / "prnet_uv" / "canonical_vertices.npy", allow_pickle=False)
    index = np.loadtxt(test_data / "prnet_uv" / "face_ind.txt").astype(int)
    positions = np.zeros((65536, 3))
    positions[index] = vertices - vertices.mean(0) + [128, 128, 60]
    assert implausible(positions.reshape(256, 256, 3)) == ""


def _network_map(seed):
    crops = np.random.default_rng(seed).integers(0, 256, (1, 256, 256, 3), dtype=np.uint8)
    return run_network(random_network(seed), crops, PRNetConfig())[0]


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: np.full((256, 256, 3), 140.0), "collapsed"),
        (lambda: generic_position_map().positions * 3.0, "px between the eyes"),
        (lambda: np.full((256, 256, 3), np.nan), "finite"),
        (lambda: np.random.default_rng(0).uniform(0, 281, (256, 256, 3)), ""),
        (lambda: generic_position_map().positions[::-1] * 90, "differs"),
        (lambda: generic_position_map().positions * [90, 90, -90], "differs"),
        (lambda: generic_position_map().positions * 90 + np.random.default_rng(0).normal(0, 6, (256, 256, 3)), "rough"),
        (lambda: _network_map(1), ""),
        (lambda: _network_map(2), ""),
    ],
    ids=["collapsed", "tiny", "nan", "noise", "upside down", "inside out", "rough", "random net 1", "random net 2"],
)
def test_gate_rejects_what_is_no_face(make, reason):
    said = implausible(make())
    assert said
    assert reason in said


def test_settings_are_checked():
    with pytest.raises(ConfigError, match="float32 or bfloat16"):
        PRNetConfig(precision="float16")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="chunk"):
        PRNetConfig(chunk=0)
    with pytest.raises(ConfigError, match="device"):
        network_of(arrays_of(random_network()), PRNetConfig(device="cuda:99"))
