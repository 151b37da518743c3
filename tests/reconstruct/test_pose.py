"""Rigid motions come back as they went in."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from masksynth.arrays import Pose
from masksynth.errors import ShapeError
from masksynth.reconstruct.generic import generic_landmarks68
from masksynth.reconstruct.pose import head_frame, pose_of, similarity


@given(st.floats(-85, 85), st.floats(-80, 80), st.floats(-179, 179), st.floats(0.5, 500))
def test_pose_of_the_turned_generic_face_is_the_turn(yaw, pitch, roll, size):
    pose = Pose(yaw=np.radians(yaw), pitch=np.radians(pitch), roll=np.radians(roll))
    points = generic_landmarks68() @ pose.matrix.T * size + [12, -7, 3]
    assert np.allclose(pose_of(points).matrix, pose.matrix, atol=1e-6)
    assert np.isclose(head_frame(points).scale, size)


def test_similarity_is_never_a_mirror_image():
    rng = np.random.default_rng(0)
    points = rng.normal(size=(20, 3))
    move = similarity(points, points * [-1, 1, 1])
    assert np.isclose(np.linalg.det(move.rotation), 1)


def test_similarity_is_the_least_squares_one():
    rng = np.random.default_rng(1)
    source, target = rng.normal(size=(30, 3)), rng.normal(size=(30, 3))
    target += 3 * source
    best = similarity(source, target)
    error = ((best.apply(source) - target) ** 2).sum()
    for _ in range(50):
        small = Pose(*rng.normal(0, 0.01, 3)).matrix
        scale, shift = best.scale * (1 + rng.normal(0, 0.01)), best.offset + rng.normal(0, 0.01, 3)
        assert ((scale * source @ (best.rotation @ small).T + shift - target) ** 2).sum() > error


def test_undo_is_the_inverse_of_apply():
    rng = np.random.default_rng(2)
    points = rng.normal(size=(5, 3))
    move = similarity(points, points @ Pose(0.3, -0.2, 1.0).matrix.T * 2 + 1)
    assert np.allclose(move.undo(move.apply(points)), points)


def test_weights_leave_points_out():
    points = np.random.default_rng(4).normal(size=(6, 3))
    target = points + 5.0
    target[0] += 100
    assert np.allclose(similarity(points, target, np.array([0.0, 1, 1, 1, 1, 1])).apply(points[1:]), target[1:])


def test_wrong_shapes_are_refused():
    with pytest.raises(ShapeError):
        similarity(np.zeros((2, 3)), np.zeros((2, 3)))
    with pytest.raises(ShapeError):
        pose_of(np.zeros((67, 3)))
