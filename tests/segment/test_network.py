"""The network's arithmetic, and that the weights shipped find masks and refuse bare faces."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

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
from masksynth.segment.frame import face_frame
from masksynth.segment.network import (
    INPUTS,
    SIDE,
    WIDTH,
    convolve,
    doubled,
    forward,
    planes_of,
    predict,
    weights,
)
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


def test_the_network_agrees_with_the_one_that_is_trained() -> None:
    torch = pytest.importorskip("torch")
    sys.path.insert(0, str(Path(__file__).parents[2] / "tools"))
    from train_segmentation import SegmentationNet, folded

    torch.manual_seed(0)
    net = SegmentationNet().eval()
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.2)
            module.running_var.uniform_(0.3, 2)
    planes = np.random.default_rng(0).random((INPUTS, 64, 64)).astype(np.float32)
    with torch.no_grad():
        there, score_there = net(torch.from_numpy(planes[None]))
    here, score_here = forward(planes, {name: value.astype(np.float32) for name, value in folded(net).items()})
    spread = float(there.std())
    assert np.abs(here - there[0].numpy()).max() < 0.01 * spread  # the weights were rounded to 16 bits
    assert abs(score_here - float(score_there)) < 0.01


def test_generated_hosts_wear_the_mask_that_they_are_said_to_wear() -> None:
    pytest.importorskip("torch")
    sys.path.insert(0, str(Path(__file__).parents[2] / "tools"))
    from segmentation_samples import POOL_SIDE, Garment, truly_masked_hosts

    template = load_template("surgical-blue").resized(256)
    nir, vis = truly_masked_hosts(2, [Garment(template, None)], 0)
    assert (nir.crop[..., 0] == nir.crop[..., 2]).all()
    assert vis.mask is not None
    cloth = np.median(vis.crop[vis.mask > 0.9], axis=0).astype(int)
    assert cloth[2] > cloth[0]  # it is blue, as no skin is
    for host in (nir, vis):
        assert host.mask is not None
        assert host.photo == -1  # no outlined photo: no fold leaves it out
        x, y = (host.matrix @ np.append(host.face.landmarks68[62, :2], 1.0)).astype(int)
        assert host.mask.shape == (POOL_SIDE, POOL_SIDE)
        assert host.mask[y, x] > 0.9  # the mouth
        assert host.mask[: POOL_SIDE // 4].max() < 0.1  # the brow


def test_the_weights_are_small_and_give_a_map_and_a_score() -> None:
    assert asset("segmentation.safetensors").stat().st_size < 3_000_000
    logits, score = forward(np.zeros((INPUTS, SIDE, SIDE), np.float32), weights())
    assert logits.shape == (SIDE, SIDE)
    assert np.isfinite(logits).all()
    assert np.isfinite(score)


def test_a_mirrored_square_has_the_mirrored_answer() -> None:
    view = View(pose=Pose(np.radians(20.0), 0.0, 0.0), interocular=80)
    rgb = render_face(identity(0, 3), view, "vis", (300, 300)).pixels
    faces, _ = find_faces(rgb, load_detector(), load_reconstructor())
    frame = face_frame(rgb, faces[0], SIDE, WIDTH)
    turned = dataclasses.replace(
        frame,
        rgb=frame.rgb[:, ::-1],
        u=255 - frame.u[:, ::-1],
        v=frame.v[:, ::-1],
        on_face=frame.on_face[:, ::-1],
        in_photo=frame.in_photo[:, ::-1],
    )
    (share, score), (mirrored, score_mirrored) = predict(frame), predict(turned)
    # Texels are rounded, and a half to the even one: the two inputs differ in a few last bits.
    assert np.abs(share - mirrored[:, ::-1]).max() < 0.05
    assert abs(score - score_mirrored) < 0.01


def test_the_input_has_colours_prior_texels_and_the_photos_extent() -> None:
    grid = np.full((SIDE, SIDE), 127.0)
    rgb = np.full((SIDE, SIDE, 3), 9, np.uint8)
    inside, face = np.zeros((SIDE, SIDE), bool), np.ones((SIDE, SIDE), bool)
    inside[:10] = True
    face[:, 100:] = False
    planes = planes_of(rgb, grid, np.full_like(grid, 150.0), face, inside)
    assert planes.shape == (SIDE, SIDE, INPUTS)
    assert (planes[..., :3] == 9).all()
    assert (planes[:, :100, 3] == 255).all()  # the mouth: every mask covers it
    assert (planes[:, 100:, 3] == 127).all()  # half as much beside the face
    assert (planes[:10, :, 4] == 255).all()
    assert (planes[10:, :, 4] == 0).all()
    assert (planes[..., 5] == np.where(face, 255, 0)).all()
    assert (planes[..., 6] == 127).all()
    assert (planes[..., 7] == 150).all()


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
