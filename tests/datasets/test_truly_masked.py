"""Faces that truly wear a mask."""

from __future__ import annotations

import numpy as np
import pytest

from masksynth.datasets.generated import Light, View, identity
from masksynth.datasets.generated.truly_masked import render_masked
from masksynth.errors import ShapeError
from masksynth.template import Template, load_template

SIZE = (160, 140)


def view(right=0.0):
    direction = np.array([[np.sin(right), -0.1, np.cos(right)]])
    light = Light(directions=direction / np.linalg.norm(direction), colours=np.full((1, 3), 0.9))
    return View(interocular=42, light=light, noise=0.0, blur=0.0)


@pytest.mark.parametrize("spectrum", ["vis", "nir"])
def test_only_the_mask_differs_from_the_clean_photo(spectrum):
    made = render_masked(identity(0, 1), view(), load_template("surgical-blue"), spectrum, SIZE)
    assert made.masked.shape == made.clean.shape
    away = made.alpha == 0
    assert np.abs(made.masked[away].astype(int) - made.clean[away]).max() <= 1  # decoded and encoded again
    assert (made.alpha > 0.99).sum() > 800


@pytest.mark.parametrize("side", [-1, 1])
def test_mask_is_lit_from_the_side_of_the_lamp_and_shaded_on_the_other(side):
    made = render_masked(identity(0, 1), view(side * 1.1), load_template("n95-cup"), "nir", SIZE)
    rows, columns = np.nonzero(made.alpha > 0.99)
    right = columns > np.median(columns)
    values = made.masked[rows, columns].astype(float)
    assert side * (values[right].mean() - values[~right].mean()) > 20


def test_nir_needs_the_reflectance():
    template = load_template("surgical-blue")
    bare = Template(name="bare", rgba=template.rgba)
    with pytest.raises(ShapeError, match="bare"):
        render_masked(identity(0, 1), view(), bare, "nir", SIZE)
