"""From mesh to position map: exact where it must be, smooth, and the same surface wherever the head is moved."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from masksynth.arrays import Pose, Validity
from masksynth.errors import ShapeError
from masksynth.reconstruct._kernels import refine, swap_axes
from masksynth.reconstruct.generic import generic_landmarks68, generic_mesh, generic_position_map, shape_modes
from masksynth.reconstruct.pose import head_frame
from masksynth.reconstruct.stretch import REACH, rim, stretch_at
from masksynth.reconstruct.uv_layout import (
    STEP,
    _cubic,
    _operator,
    face_region,
    head_of_mesh,
    landmarks68_from_mesh,
    mesh_mirror,
    mesh_uv,
    position_map_from_mesh,
    spline_weights,
    validity,
)

GOLDEN = Path(__file__).parent / "stretch_golden.npz"


def at(positions, uv):
    u, v = (np.ascontiguousarray(uv[:, k : k + 1], np.float32) for k in (0, 1))
    return cv2.remap(positions, u, v, cv2.INTER_LINEAR)[:, 0]


def test_layout_is_left_right_symmetric():
    uv, mirror = mesh_uv(), mesh_mirror()
    assert np.array_equal(mirror[mirror], np.arange(468))
    assert np.allclose(uv[mirror] * [-1, 1] + [255, 0], uv, atol=1e-3)


def test_map_passes_by_every_mesh_point():
    mesh = generic_mesh().astype(np.float32)
    gap = np.linalg.norm(at(position_map_from_mesh(mesh).positions, mesh_uv()) - mesh, axis=1)
    assert gap.mean() < 0.006  # interocular distances
    assert gap.max() < 0.05  # at the nostrils, where the surface folds


def test_generic_map_is_symmetric():
    positions = generic_position_map().positions
    assert np.allclose(positions[:, ::-1] * [-1, 1, 1], positions, atol=0.01)


@settings(max_examples=20)
@given(st.floats(-1.5, 1.5), st.floats(-0.7, 0.7), st.floats(-3.1, 3.1), st.floats(5, 2000), st.floats(-3000, 3000))
def test_moved_mesh_gives_the_moved_surface_stretch_included(yaw, pitch, roll, size, place):
    turn = Pose(yaw=yaw, pitch=pitch, roll=roll).matrix
    moved = generic_mesh() @ turn.T * size + [place, -place, place / 2]
    expected = generic_position_map().positions @ turn.T * size + [place, -place, place / 2]
    got = position_map_from_mesh(moved.astype(np.float32)).positions
    assert np.abs(got - expected).max() < 2e-4 * (size + abs(place))


def test_expression_moves_the_surface_where_it_moves_the_mesh():
    modes, deviations = shape_modes()
    mesh = (generic_mesh() + 2 * deviations[0] * modes[0]).astype(np.float32)
    gap = np.linalg.norm(at(position_map_from_mesh(mesh).positions, mesh_uv()) - mesh, axis=1)
    assert gap.mean() < 0.008


def test_map_is_smooth_within_the_face():
    positions = generic_position_map().positions
    steps = np.linalg.norm(np.diff(positions, axis=1), axis=2)
    both = (validity()[:, 1:] != Validity.ABSENT) & (validity()[:, :-1] != Validity.ABSENT)
    assert steps[both].max() < 0.05  # of an interocular distance from texel to texel
    assert np.isfinite(positions).all()


def test_validity_is_measured_inside_the_outline_and_stretched_only_beyond_the_rim():
    values = validity()
    assert not values.flags.writeable
    assert set(np.unique(values)) == {0, 1, 2, 3}
    uv = np.round(mesh_uv()).astype(int)
    inner = uv[[1, 4, 33, 263, 61, 291, 205, 425, 199]]
    assert (values[inner[:, 1], inner[:, 0]] == Validity.MEASURED).all()
    stretched = values == Validity.STRETCHED
    assert not (stretched & face_region()).any()
    rows, columns = np.nonzero(stretched)
    assert rows.min() > 90
    assert (values[195:250, 128] != Validity.ABSENT).all()  # no gap at the rim
    assert stretched[204:250, 128].all()
    assert columns.min() < 8
    assert columns.max() > 247


def test_face_region_is_that_of_prnet(test_data):
    from PIL import Image

    theirs = np.array(Image.open(test_data / "prnet_uv" / "uv_face_mask.png").convert("L")) > 0
    ours = face_region()
    differing = theirs ^ ours
    grown = cv2.dilate(theirs.astype(np.uint8), np.ones((5, 5))) - cv2.erode(theirs.astype(np.uint8), np.ones((5, 5)))
    assert not (differing & (grown == 0)).any()  # all within two texels of the rim
    assert differing.mean() < 0.01


def test_surface_agrees_with_prnets_mean_face(test_data):
    from masksynth.reconstruct.pose import similarity

    vertices = np.load(test_data / "prnet_uv" / "canonical_vertices.npy", allow_pickle=False)
    index = np.loadtxt(test_data / "prnet_uv" / "face_ind.txt").astype(int)
    ours = generic_position_map().positions.reshape(-1, 3)[index]
    measured = validity().ravel()[index] == Validity.MEASURED
    move = similarity(vertices[measured], ours[measured])
    gap = np.linalg.norm(move.apply(vertices) - ours, axis=1)
    assert gap[measured].mean() < 0.05  # interocular distances; two mean faces of different people
    assert gap[~measured].mean() < 0.08
    assert np.abs(Pose.from_matrix(move.rotation).degrees).max() < 4


def test_stretch_continues_the_surface_without_a_gap():
    positions = generic_position_map().positions
    for column in (60, 90, 128, 165, 195):
        rows = np.flatnonzero(validity()[:, column] == Validity.STRETCHED)
        steps = np.linalg.norm(np.diff(positions[rows[0] - 3 : rows[-1] + 1, column], axis=0), axis=1)
        assert steps.max() < 0.035
    chin = positions[:, 128]
    assert chin[250, 1] > chin[205, 1]  # on downwards
    assert chin[250, 2] < chin[205, 2] - 0.2  # and back, towards the neck


def test_stretch_has_not_changed():
    """Templates reach onto the stretch: a change of the formula moves their rims. Change the golden file knowingly."""
    v, u = np.mgrid[100:256:6, 2:256:7]
    places = np.stack([u.ravel(), v.ravel()], 1).astype(np.float64)
    stretch = stretch_at(places)
    points, normals = rim()
    now = {
        "within": stretch.within,
        "offsets": stretch.offsets,
        "rim": points,
        "normals": normals,
        "surface": generic_position_map().positions[v.ravel(), u.ravel()][stretch.within],
    }
    if not GOLDEN.exists():  # written once, then committed
        np.savez_compressed(GOLDEN, **{name: np.asarray(value, np.float32) for name, value in now.items()})
    with np.load(GOLDEN, allow_pickle=False) as golden:
        for name, value in now.items():
            assert np.allclose(golden[name], value, atol=2e-4), name


def test_stretch_weights_are_means_of_the_rim():
    stretch = stretch_at(np.array([[127.5, 230.0], [10.0, 180.0], [127.5, 100.0]]))
    assert list(stretch.beyond) == [True, True, False]
    assert np.allclose(stretch.rim_weights.sum(1), 1)
    assert (stretch.rim_weights >= 0).all()
    points, _ = rim()
    assert np.linalg.norm(stretch.rim_weights[0] @ points - [127.5, 202], axis=0) < 1
    far = stretch_at(np.array([[2.0, 254.0]]))
    assert far.beyond[0]
    assert not far.within[0]
    assert REACH == 52


def test_spline_reproduces_linear_functions_and_passes_through_points_without_smoothing():
    rng = np.random.default_rng(3)
    sites, places = rng.uniform(0, 100, (40, 2)), rng.uniform(-20, 120, (30, 2))
    weights = spline_weights(sites, places, 5.0)
    plane = sites @ [0.3, -0.7] + 2
    assert np.allclose(weights @ plane, places @ [0.3, -0.7] + 2)
    assert np.allclose(spline_weights(sites, sites, 0.0), np.eye(40), atol=1e-6)


def test_landmarks_are_the_named_mesh_points():
    points = np.arange(468 * 3, dtype=np.float32).reshape(468, 3)
    landmarks = landmarks68_from_mesh(points)
    assert landmarks.shape == (68, 3)
    assert np.array_equal(landmarks[[8, 30, 36, 45, 48, 54]], points[[152, 4, 33, 263, 61, 291]])


def test_generic_face_is_in_its_stated_frame():
    points = generic_landmarks68()
    assert np.allclose((points[36] + points[45]) / 2, 0, atol=1e-6)
    assert np.isclose(np.linalg.norm(points[45] - points[36]), 1, atol=1e-6)
    assert points[45, 0] > 0 > points[36, 0]  # x right
    assert points[8, 1] > points[30, 1] > 0  # y down
    assert points[30, 2] > points[36, 2] > points[0, 2]  # z to the camera


def test_shape_modes_are_orthonormal_symmetric_and_sorted():
    modes, deviations = shape_modes()
    flat = modes.reshape(len(modes), -1)
    assert np.allclose(flat @ flat.T, np.eye(len(modes)), atol=5e-3)
    assert (np.diff(deviations) <= 0).all()
    assert (deviations > 0).all()
    assert np.abs(modes[:, mesh_mirror()] * [-1, 1, 1] - modes).max() < 5e-3


@pytest.mark.parametrize("points", [np.zeros((467, 3)), np.zeros((468, 2)), np.full((468, 3), np.nan)])
def test_what_is_no_mesh_is_refused(points):
    with pytest.raises(ShapeError, match="mesh"):
        position_map_from_mesh(points)


def test_landmarks_between_mesh_points_lie_there_and_are_symmetric():
    points = generic_landmarks68()
    assert np.abs(points[:17][::-1] * [-1, 1, 1] - points[:17]).max() < 1e-6
    assert np.abs(points[17:27][::-1] * [-1, 1, 1] - points[17:27]).max() < 1e-6
    mesh = generic_mesh()
    assert np.allclose(points[19], 0.6 * mesh[105] + 0.4 * mesh[66], atol=1e-7)
    assert np.array_equal(points[36], mesh[33])


def refined(grid, size):
    """(size, size, 3) of a (G, G, 3) float32 grid, by the kernels."""
    taps, weights = _cubic(len(grid), size)
    side = len(grid)
    by_columns, by_rows = np.zeros((size, side, 3), np.float32), np.zeros((side, size, 3), np.float32)
    fine = np.zeros((size, size, 3), np.float32)
    refine(grid.transpose(1, 0, 2).reshape(side, -1), taps, weights, by_columns.reshape(size, -1))
    swap_axes(by_columns, by_rows)
    refine(by_rows.reshape(side, -1), taps, weights, fine.reshape(size, -1))
    return fine


def test_what_lies_between_the_places_of_a_plane_is_the_plane():
    """And what lies between those of a parabola is the parabola: the map has no ripple of its own."""
    ticks = np.arange(18) * STEP + (STEP - 1) / 2 - STEP
    u, v = np.meshgrid(ticks, ticks)
    fine = refined(np.stack([u, 2 * v - u, 0.01 * u * u], axis=-1).astype(np.float32), 64)
    u, v = np.meshgrid(np.arange(64.0), np.arange(64.0))
    inside = np.s_[2:-2, 2:-2]  # at the rim the ring's own neighbours are missing
    np.testing.assert_allclose(fine[inside], np.stack([u, 2 * v - u, 0.01 * u * u], axis=-1)[inside], atol=2e-4)


def test_the_map_is_a_matrix_product_filled_in_between():
    mesh = (generic_mesh() * 90 + [120, 300, 5]).astype(np.float32)
    operator, head = _operator(), head_of_mesh(mesh)
    first, columns, weights = operator.from_mesh
    sparse = csr_matrix((weights, columns, first), (operator.side**2, len(mesh)))
    grid = sparse @ mesh + operator.offsets @ (head.scale * head.rotation.T)
    by_columns = grid.astype(np.float32).reshape(operator.side, operator.side, 3)
    slow = refined(by_columns.transpose(1, 0, 2), 256)
    assert np.abs(position_map_from_mesh(mesh).positions - slow).max() < 1e-3


def test_head_of_a_mesh_is_that_of_its_landmarks():
    turn = Pose(yaw=0.5, pitch=-0.2, roll=0.3).matrix
    mesh = (generic_mesh() @ turn.T * 80 + [50, 60, 7]).astype(np.float32)
    one, other = head_of_mesh(mesh), head_frame(landmarks68_from_mesh(mesh))
    assert np.allclose(one.rotation, other.rotation)
    assert np.allclose(one.offset, other.offset)
    assert np.allclose(one.rotation, turn, atol=1e-5)
