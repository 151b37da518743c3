"""Augmentation: what a warp does to known pixels, and what it leaves alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from masksynth.train.augment import InputFormat, Warp, _crop, _flip, _rotation, draw_warp, prepare

FORM = InputFormat(side=48)


def ramp(side=48):
    """Red grows to the right, green downwards, blue is constant."""
    x, y = np.meshgrid(np.arange(side), np.arange(side))
    return torch.from_numpy(np.stack([x * 4, y * 4, np.full_like(x, 90)], -1).astype(np.uint8))[None]


def pixels(x):
    return x * FORM.std + FORM.mean


def test_plain_input_is_the_scaled_pixel():
    x = prepare(ramp(), FORM)
    assert x.shape == (1, 3, 48, 48)
    torch.testing.assert_close(x, (ramp().permute(0, 3, 1, 2).float() - 127.5) / 128)


def test_bgr_network_gets_blue_first():
    x = prepare(ramp(), InputFormat(side=48, channel_order="bgr"))
    torch.testing.assert_close(x.flip(1), prepare(ramp(), FORM))


def test_one_channel_is_repeated():
    x = prepare(ramp()[..., 0], FORM)
    assert x.shape == (1, 3, 48, 48)
    assert (x[:, 0] == x[:, 2]).all()


def test_identity_warp_changes_nothing():
    warp = Warp(np.eye(3)[None, :2], np.zeros(1, bool))
    torch.testing.assert_close(prepare(ramp(), FORM, warp), prepare(ramp(), FORM), atol=2e-6, rtol=0)


def test_flip_mirrors_exactly():
    warp = Warp(_flip(48)[None, :2], np.zeros(1, bool))
    torch.testing.assert_close(prepare(ramp(), FORM, warp), prepare(ramp(), FORM).flip(3), atol=2e-6, rtol=0)


def test_rotation_turns_about_the_middle():
    matrix = _rotation(np.random.default_rng(0), 64, 23.5)
    middle = np.array([23.5, 23.5, 1.0])
    assert matrix @ middle == pytest.approx(np.broadcast_to(middle, (64, 3)))
    degrees = np.degrees(np.arctan2(matrix[:, 0, 1], matrix[:, 0, 0]))
    assert degrees == pytest.approx(np.round(degrees))
    assert abs(degrees).max() <= 10.0001
    warped = pixels(prepare(ramp().expand(64, -1, -1, -1), FORM, Warp(matrix[:, :2], np.zeros(64, bool))))
    x, y = np.meshgrid(np.arange(12, 36), np.arange(12, 36))
    for k in range(0, 64, 9):  # inside the picture the ramp itself says where a pixel came from
        source = matrix[k, :2] @ np.stack([x.ravel(), y.ravel(), np.ones(x.size)])
        assert warped[k, 0, 12:36, 12:36].ravel().numpy() == pytest.approx(4 * source[0], abs=0.02)
        assert warped[k, 1, 12:36, 12:36].ravel().numpy() == pytest.approx(4 * source[1], abs=0.02)


def test_crop_takes_at_most_a_sixteenth_off_each_side():
    matrix = _crop(np.random.default_rng(1), 500, 144)
    corners = np.array([[-0.5, 143.5], [-0.5, 143.5], [1, 1]])  # outer edges
    edges = matrix @ corners
    assert edges[:, :2, 0].min() == pytest.approx(-0.5)
    assert edges[:, :2, 0].max() == pytest.approx(7.5)
    assert edges[:, :2, 1].min() == pytest.approx(143.5 - 9)
    assert edges[:, :2, 1].max() == pytest.approx(143.5 - 1)


def test_grey_fills_all_three_channels():
    warp = Warp(np.eye(3)[None, :2], np.ones(1, bool))
    x = pixels(prepare(ramp(), FORM, warp))
    assert (x[:, 0] == x[:, 2]).all()
    r, g, b = ramp()[0, 10, 30].tolist()
    assert float(x[0, 0, 10, 30]) == pytest.approx(0.299 * r + 0.587 * g + 0.114 * b, abs=0.01)


def test_compat_greys_one_channel_and_turns_about_the_corner():
    warp = Warp(np.eye(3)[None, :2], np.ones(1, bool), compat=True)
    for form, images in ((FORM, ramp()), (FORM, ramp()[..., 0])):
        x = prepare(images, form, warp)
        assert (x[:, 1:] == 0).all()
        assert x[:, 0].std() > 0.1
    drawn = draw_warp(np.random.default_rng(0), 500, 48, "hsst-compat")
    assert drawn.compat
    m = drawn.source_from_crop
    turned = (abs(m[:, 0, 1]) > 1e-9) & (np.linalg.det(m[:, :, :2]) > 0.999)  # neither cropped nor flipped
    assert turned.sum() > 20
    assert m[turned, :, 2] == pytest.approx(0)


def test_each_change_comes_about_half_of_the_time():
    warp = draw_warp(np.random.default_rng(0), 4000, 48, "hsst")
    m = warp.source_from_crop
    assert np.mean(np.linalg.det(m[:, :, :2]) < 0) == pytest.approx(0.5, abs=0.03)  # flipped
    assert np.mean(abs(m[:, 0, 1]) > 1e-9) == pytest.approx(0.5 * 20 / 21, abs=0.03)  # turned
    assert warp.grey.mean() == pytest.approx(0.2, abs=0.03)
    assert draw_warp(np.random.default_rng(0), 4, 48, "none") is None
    flips = draw_warp(np.random.default_rng(0), 400, 48, "flip")
    assert not flips.grey.any()
    assert set(np.round(flips.source_from_crop[:, 0, 0])) == {-1.0, 1.0}
