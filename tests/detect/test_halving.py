"""A grey picture is looked at as one plane, and as if it had three."""

from __future__ import annotations

import numpy as np
import pytest

from masksynth.detect.blazeface import letterboxed
from masksynth.detect.halving import halved, in_colour, planes_of
from masksynth.reconstruct.region import Region, crop_region, snapped


@pytest.fixture
def grey():
    return np.random.default_rng(0).integers(0, 256, (250, 333), np.uint8)


def test_planes_of_a_grey_picture_are_one_and_of_a_colour_picture_itself(grey):
    assert in_colour(grey).shape == (250, 333, 3)
    np.testing.assert_array_equal(planes_of(in_colour(grey)), grey)
    colour = np.repeat(grey[:, :, None], 3, axis=2)
    assert planes_of(colour) is colour


@pytest.mark.parametrize("side", [30, 128, 700])
def test_a_grey_picture_gives_the_network_what_its_copy_in_three_channels_does(grey, side):
    colour = np.repeat(grey[:, :, None], 3, axis=2)
    for seen, expected in zip(letterboxed(in_colour(grey), side), letterboxed(colour, side), strict=True):
        np.testing.assert_array_equal(seen, expected)
    np.testing.assert_array_equal(halved(grey, 2), halved(colour, 2)[..., 0])


@pytest.mark.parametrize("angle", [0.0, 0.3])
@pytest.mark.parametrize(("centre", "side"), [((150, 120), 180), ((20, 240), 150), ((160, 125), 900), ((9e3, 9e3), 50)])
def test_a_region_of_a_grey_picture_is_that_of_its_copy_in_three_channels(grey, centre, side, angle):
    colour = np.repeat(grey[:, :, None], 3, axis=2)
    region = snapped(Region(np.array(centre, float), float(side), angle))
    crop, _ = crop_region(in_colour(grey), region)
    assert crop.shape == (192, 192, 3)
    np.testing.assert_array_equal(crop, crop_region(colour, region)[0])
