"""The network's arithmetic, and that the weights shipped find masks and refuse bare faces."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import correlate2d

from masksynth.arrays import Pose
from masksynth.compose import compose
from masksynth.datasets.generated import View, identity, render_face
from masksynth.detect import load_detector
from masksynth.errors import SegmentationError
from masksynth.reconstruct import find_faces, load_reconstructor
from masksynth.resources import asset
from masksynth.segment import segment_mask
from masksynth.segment.network import SIDE, convolve, doubled, forward, network_input
from masksynth.template import load_template


@pytest.mark.parametrize("stride", [1, 2])
def test_convolution_is_correlation_with_zeros_around(stride: int) -> None:
    rng = np.random.default_rng(0)
    planes = rng.standard_normal((3, 10, 8)).astype(np.float32)
    weight, bias = rng.standard_normal((4, 3, 3, 3)).astype(np.float32), rng.standard_normal(4).astype(np.float32)
    full = [sum(correlate2d(planes[i], weight[o, i], "same") for i in range(3)) + bias[o] for o in range(4)]
    expected = np.stack(full)[:, ::stride, ::stride]
    assert np.abs(convolve(planes, weight, bias, stride) - expected).max() < 1e-4


def test_convolution_and_doubling_agree_with_torch() -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(1)
    planes = rng.standard_normal((5, 16, 16)).astype(np.float32)
    weight, bias = rng.standard_normal((6, 5, 3, 3)).astype(np.float32), rng.standard_normal(6).astype(np.float32)
    for stride in (1, 2):
        there = torch.nn.functional.conv2d(*map(torch.from_numpy, (planes[None], weight, bias)), stride, 1)[0].numpy()
        assert np.abs(convolve(planes, weight, bias, stride) - there).max() < 1e-4
    there = torch.nn.functional.interpolate(torch.from_numpy(planes[None]), scale_factor=2, mode="nearest")[0].numpy()
    assert np.array_equal(doubled(planes), there)


def test_the_weights_are_small_and_give_a_map_and_a_score() -> None:
    assert asset("segmentation.safetensors").stat().st_size < 3_000_000
    logits, score = forward(np.zeros((5, SIDE, SIDE), np.float32))
    assert logits.shape == (SIDE, SIDE)
    assert np.isfinite(logits).all()
    assert np.isfinite(score)


def test_the_input_has_colours_prior_and_the_photos_extent() -> None:
    grid = np.full((SIDE, SIDE), 127.0)
    rgb = np.full((SIDE, SIDE, 3), 9, np.uint8)
    inside = np.zeros((SIDE, SIDE), bool)
    inside[:10] = True
    planes = network_input(rgb, grid, np.full_like(grid, 150.0), np.ones_like(inside), inside)
    assert planes.shape == (SIDE, SIDE, 5)
    assert (planes[..., :3] == 9).all()
    assert (planes[..., 3] == 255).all()  # the mouth: every mask covers it
    assert (planes[:10, :, 4] == 255).all()
    assert (planes[10:, :, 4] == 0).all()


@pytest.mark.parametrize("spectrum", ["vis", "nir"])
def test_the_network_finds_masks_and_refuses_bare_faces(spectrum: str) -> None:
    view = View(pose=Pose(np.radians(-15.0), 0.0, 0.0), interocular=90)
    clean = render_face(identity(0, 3), view, spectrum, (400, 400)).pixels  # type: ignore[arg-type]
    rgb = clean if clean.ndim == 3 else np.repeat(clean[..., None], 3, 2)
    faces, _ = find_faces(rgb, load_detector(), load_reconstructor())
    with pytest.raises(SegmentationError, match=r"score 0\.\d\d, needs 0\.50"):
        segment_mask(rgb, faces[0], "network")
    for name in ("surgical-blue", "cloth-flowers", "n95-valve"):
        made = compose(clean, faces[0], load_template(name), spectrum)  # type: ignore[arg-type]
        image = made.image if made.image.ndim == 3 else np.repeat(made.image[..., None], 3, 2)
        found = segment_mask(image, faces[0], "network")
        a, b = found.alpha >= 0.5, made.alpha >= 128
        assert (a & b).sum() / (a | b).sum() > 0.8, name
        assert found.method == "network"
        assert found.score > 0.5
