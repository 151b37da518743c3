"""Five points to an aligned crop."""

import numpy as np
import pytest

from masksynth.align import REFERENCE_POINTS, crop, crop_from_photo, reference_points
from masksynth.errors import ConfigError, ShapeError


def move(points, angle, scale, shift):
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return points @ turn.T + shift


def test_points_already_in_place_give_the_identity():
    matrix = crop_from_photo(np.array(REFERENCE_POINTS), side=112)
    assert np.allclose(matrix, [[1, 0, 0], [0, 1, 0]])


@pytest.mark.parametrize("template", ["scaled", "margin"])
def test_moved_points_come_back_to_where_they_belong(template):
    target = reference_points(144, template)
    photo = move(target, 0.7, 3.1, [500, -20])
    matrix = crop_from_photo(photo, 144, template)
    assert np.allclose(photo @ matrix[:, :2].T + matrix[:, 2], target)


def test_fit_is_the_least_squares_one():
    rng = np.random.default_rng(0)
    photo = np.array(REFERENCE_POINTS) * 2 + rng.normal(0, 4, (5, 2))
    target = reference_points(144)
    best = crop_from_photo(photo)

    def error(m):
        return ((photo @ m[:, :2].T + m[:, 2] - target) ** 2).sum()

    for _ in range(40):
        a, b, x, y = rng.normal(0, 1e-3, 4)
        assert error(best + np.array([[a, -b, x], [b, a, y]])) > error(best)


def test_fit_is_that_of_umeyama_where_no_mirror_helps():
    """The closed form by singular values, Umeyama, PAMI 1991, Eqs. 40-43, which scikit-image uses."""
    rng = np.random.default_rng(3)
    for _ in range(50):
        target = reference_points(144)
        photo = move(target, rng.uniform(-3, 3), rng.uniform(0.3, 8), rng.uniform(-500, 4000, 2))
        photo += rng.normal(0, 3, (5, 2))
        spread, goal = photo - photo.mean(0), target - target.mean(0)
        u, s, vt = np.linalg.svd(goal.T @ spread / 5)
        assert np.linalg.det(u @ vt) > 0
        linear = u @ vt * s.sum() / spread.var(0).sum()
        shift = target.mean(0) - linear @ photo.mean(0)
        assert np.allclose(crop_from_photo(photo), np.column_stack([linear, shift]), rtol=0, atol=1e-8)


def test_mirrored_face_is_turned_not_mirrored():
    matrix = crop_from_photo(np.array(REFERENCE_POINTS) * [-1, 1] + [112, 0], 112)
    assert np.linalg.det(matrix[:, :2]) > 0


def test_margin_keeps_size_and_scaled_fills():
    assert np.allclose(reference_points(144, "margin") - reference_points(112, "margin"), 16)
    assert np.allclose(reference_points(144, "scaled"), np.array(REFERENCE_POINTS) * 9 / 7)


READINGS = {
    ("scaled", 112): "38.2946 51.6963  73.5318 51.5014  56.0252 71.7366  41.5493 92.3655  70.7299 92.2041",
    ("margin", 112): "38.2946 51.6963  73.5318 51.5014  56.0252 71.7366  41.5493 92.3655  70.7299 92.2041",
    ("scaled", 144): "49.2359 66.4667  94.5409 66.2161  72.0324 92.2328  53.4205 118.7556  90.9384 118.5481",
    ("margin", 144): "54.2946 67.6963  89.5318 67.5014  72.0252 87.7366  57.5493 108.3655  86.7299 108.2041",
}


@pytest.mark.parametrize(("template", "side"), READINGS)
def test_both_readings_of_a_144_crop_and_the_112_one(template, side):
    places = np.array([float(word) for word in READINGS[template, side].split()]).reshape(5, 2)
    assert np.array_equal(np.round(reference_points(side, template), 4), places)


@pytest.mark.parametrize("shape", [(90, 120), (90, 120, 3)])
def test_crop_samples_the_photo_and_is_black_outside(shape):
    rng = np.random.default_rng(1)
    photo = rng.integers(1, 256, shape, dtype=np.uint8)
    shifted = crop(photo, np.array([[1.0, 0, -30], [0, 1.0, -40]]), 60)
    assert shifted.shape == (60, 60, *shape[2:])
    assert np.array_equal(shifted[:50], photo[40:90, 30:90])
    assert not shifted[50:].any()


def test_bad_input_is_named():
    with pytest.raises(ShapeError, match=r"\(5, 2\)"):
        crop_from_photo(np.zeros((4, 2)))
    with pytest.raises(ShapeError, match="one place"):
        crop_from_photo(np.ones((5, 2)))
    with pytest.raises(ShapeError, match="finite"):
        crop_from_photo(np.full((5, 2), np.nan))
    with pytest.raises(ConfigError, match="scaled, margin"):
        reference_points(112, "tight")
    with pytest.raises(ConfigError, match="16"):
        reference_points(8)
