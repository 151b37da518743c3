"""The plain z-buffer against slow obvious code."""

from __future__ import annotations

import naive
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from masksynth.errors import ShapeError
from masksynth.render import grid_triangles, rasterize


def fan(centre, rim):
    """A closed fan of triangles around one vertex."""
    vertices = np.array([centre, *rim], float)
    vertices = np.column_stack([vertices, np.zeros(len(vertices))])
    count = len(rim)
    return vertices, np.array([[0, 1 + k, 1 + (k + 1) % count] for k in range(count)])


@pytest.mark.parametrize("seed", range(5))
def test_depth_agrees_with_the_slow_checker(seed):
    rng = np.random.default_rng(seed)
    vertices = rng.uniform(-4, 20, (30, 3))
    triangles = rng.integers(0, 30, (25, 3))
    depth, covered = naive.rasterize(vertices, triangles, (14, 17))
    fragments = rasterize(vertices, triangles, (14, 17))
    np.testing.assert_array_equal(fragments.covered, covered)
    np.testing.assert_allclose(fragments.depth, depth, atol=1e-9)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(3, 12), st.floats(0, 2 * np.pi))
def test_shared_edge_leaves_no_pinhole(seed, count, start):
    """A fan whose spokes run through pixel centres covers its inside whole, and no pixel outside it."""
    rng = np.random.default_rng(seed)
    angles = start + 2 * np.pi * np.arange(count) / count
    centre = rng.integers(8, 12, 2) + rng.choice([0.0, 0.5, 1 / 3], 2)
    vertices, triangles = fan(centre, centre + 7 * np.column_stack([np.cos(angles), np.sin(angles)]))
    covered = rasterize(vertices, triangles, (20, 20)).covered
    y, x = np.mgrid[:20, :20]
    inside = 7 * np.cos(np.pi / count)  # radius of the circle inscribed in the regular polygon
    assert covered[np.hypot(x - centre[0], y - centre[1]) < inside - 1e-9].all()
    assert not covered[np.hypot(x - centre[0], y - centre[1]) > 7 + 1e-9].any()


def test_nearest_surface_wins_in_any_order():
    low = np.array([[0, 0, 1], [9, 0, 1], [0, 9, 1]], float)
    tilted = np.array([[0, 0, 0], [9, 0, 3], [0, 9, 0]], float)  # in front where z = x / 3 > 1
    for vertices, triangles in [
        (np.vstack([low, tilted]), np.array([[0, 1, 2], [3, 4, 5]])),
        (np.vstack([tilted, low]), np.array([[0, 1, 2], [3, 4, 5]])),
    ]:
        fragments = rasterize(vertices, triangles, (10, 10))
        y, x = np.mgrid[:10, :10]
        np.testing.assert_allclose(fragments.depth[x + y < 9], np.maximum(1, x / 3)[x + y < 9])


def test_weights_times_corners_reproduce_the_pixel():
    rng = np.random.default_rng(1)
    vertices, triangles = rng.uniform(0, 30, (40, 3)), rng.integers(0, 40, (40, 3))
    fragments = rasterize(vertices, triangles, (30, 30))
    at = fragments.interpolate(vertices, triangles)
    y, x = np.mgrid[:30, :30]
    np.testing.assert_allclose(at[fragments.covered][:, :2], np.stack([x, y], -1)[fragments.covered], atol=1e-9)
    np.testing.assert_allclose(at[fragments.covered][:, 2], fragments.depth[fragments.covered], atol=1e-9)
    np.testing.assert_allclose(fragments.weights.sum(-1)[fragments.covered], 1)


def test_edge_on_triangle_covers_nothing():
    vertices = np.array([[0, 0, 0], [5, 5, 1], [9, 9, 2]], float)
    assert not rasterize(vertices, np.array([[0, 1, 2]]), (10, 10)).covered.any()


def test_mesh_outside_the_picture_is_harmless():
    vertices = np.array([[1e30, -1e30, 0], [-1e30, -1e30, 0], [0, -1e29, 0], [-7, 3, 0], [-2, 3, 0], [-2, 9, 0]])
    assert not rasterize(vertices, np.array([[0, 1, 2], [3, 4, 5]]), (10, 10)).covered.any()


@pytest.mark.parametrize(
    ("vertices", "triangles"),
    [
        (np.zeros((3, 2)), np.array([[0, 1, 2]])),
        (np.zeros((3, 3)), np.array([[0, 1, 3]])),
        (np.zeros((3, 3)), np.array([[0, -1, 2]])),
        (np.zeros((3, 3)), np.array([[0.0, 1.0, 2.0]])),
        (np.full((3, 3), np.nan), np.array([[0, 1, 2]])),
    ],
)
def test_what_is_no_mesh_is_refused(vertices, triangles):
    with pytest.raises(ShapeError):
        rasterize(vertices, triangles, (4, 4))


def test_grid_triangles_agree_with_the_cell_rule():
    rng = np.random.default_rng(3)
    validity = (rng.random((12, 15)) < 0.7).astype(np.uint8)
    assert [tuple(t) for t in grid_triangles(validity)] == naive.grid_triangles(validity)


def test_grid_triangles_face_the_camera_alike():
    rng = np.random.default_rng(4)
    validity = (rng.random((20, 20)) < 0.6).astype(np.uint8)
    for step in (1, 3):
        t = grid_triangles(validity, step)
        x, y = t % 20, t // 20
        area = (x[:, 1] - x[:, 0]) * (y[:, 2] - y[:, 0]) - (y[:, 1] - y[:, 0]) * (x[:, 2] - x[:, 0])
        assert (area < 0).all()
        assert len(t)


def test_coarse_grid_reaches_the_last_row_and_column():
    t = grid_triangles(np.ones((10, 10), np.uint8), 4)
    assert set((t // 10).ravel()) == {0, 4, 8, 9} == set((t % 10).ravel())
