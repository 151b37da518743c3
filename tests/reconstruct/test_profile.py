"""What is changed of faces turned far aside, and what is not."""

from dataclasses import replace

import numpy as np
import pytest

from masksynth.arrays import Box, Pose
from masksynth.datasets.generated import draw_view, identity, render_face
from masksynth.detect import load_detector
from masksynth.reconstruct import find_faces
from masksynth.reconstruct.facemesh import FaceMeshReconstructor, reconstruction_of_mesh, yaw_deg_of
from masksynth.reconstruct.generic import generic_mesh
from masksynth.reconstruct.profile import FROM_YAW_DEG, WHOLE_YAW_DEG, put_right
from masksynth.reconstruct.region import region_of_detection
from masksynth.reconstruct.uv_layout import landmarks68_from_mesh, mesh_mirror
from masksynth.seeds import rng_for


def mesh_at(yaw):
    turned = generic_mesh() @ Pose(yaw=np.radians(yaw), pitch=0.05, roll=0.1).matrix.T
    return (turned * 90 + [240, 210, 0]).astype(np.float32)


@pytest.mark.parametrize("yaw", [-37, -10, 0, 25, 37])
def test_faces_up_to_half_profile_are_left_alone(yaw):
    mesh = mesh_at(yaw)
    assert put_right(mesh, yaw, mesh_mirror()) is mesh


def test_the_change_sets_in_without_a_step():
    mesh = mesh_at(45)
    whole = put_right(mesh, WHOLE_YAW_DEG, mesh_mirror()) - mesh
    assert np.abs(whole[:, :2]).max() > 1
    least = put_right(mesh, FROM_YAW_DEG + 0.12, mesh_mirror()) - mesh
    assert np.allclose(least[:, :2], whole[:, :2] / 100, atol=2e-3)
    assert np.array_equal(put_right(mesh, 80.0, mesh_mirror()), put_right(mesh, WHOLE_YAW_DEG, mesh_mirror()))


def test_the_mirrored_face_is_changed_likewise():
    mesh, mirror = mesh_at(60), mesh_mirror()
    other = (mesh[mirror] * [-1, 1, 1]).astype(np.float32)
    expected = put_right(mesh, 60.0, mirror)[mirror] * [-1, 1, 1]
    assert np.abs(put_right(other, -60.0, mirror) - expected)[:, :2].max() < 0.02


def test_the_change_goes_with_the_face_where_it_is_moved_turned_and_scaled():
    mesh, mirror = mesh_at(60), mesh_mirror()
    turn = Pose(yaw=0.0, pitch=0.0, roll=0.7).matrix
    moved = (1.7 * mesh @ turn.T + [300, -40, 12]).astype(np.float32)
    expected = 1.7 * put_right(mesh, 60.0, mirror) @ turn.T + [300, -40, 12]
    assert np.abs(put_right(moved, 60.0, mirror) - expected).max() < 0.05


@pytest.fixture(scope="module")
def profiles():
    faces = []
    for k, yaw in enumerate((68, -72, 76, -80, 70, -70, 78, -76)):
        spectrum = ("vis", "nir")[k // 2 % 2]
        view = draw_view(rng_for(5, "profiles", k), spectrum, yaw=0.0)
        view = replace(view, pose=Pose(yaw=np.radians(yaw), pitch=view.pose.pitch, roll=view.pose.roll))
        photo = render_face(identity(5, k), view, spectrum)
        pixels = photo.pixels if photo.pixels.ndim == 3 else np.repeat(photo.pixels[:, :, None], 3, axis=2)
        faces.append((pixels, photo))
    return faces


def test_profiles_come_nearer_to_the_truth_in_points_and_yaw(profiles):
    detector, reconstructor = load_detector(), FaceMeshReconstructor()
    errors, yaws = [], []
    for rgb, photo in profiles:
        truth = landmarks68_from_mesh(photo.mesh.astype(np.float32))
        detection = detector.detect(rgb)[0]
        plain = reconstructor.evened(rgb, reconstructor.look(rgb, region_of_detection(detection)))
        before = reconstruction_of_mesh(plain.points, Box(0, 0, 1, 1), 1.0)
        after = find_faces(rgb, detector, reconstructor)[0][0]
        size = np.sqrt(np.ptp(truth[:, :2], axis=0).prod())
        gaps = [np.linalg.norm((f.landmarks68 - truth)[17:, :2], axis=1).mean() / size for f in (before, after)]
        errors.append(gaps)
        yaws.append([abs(f.pose.degrees[0] - photo.pose.degrees[0]) for f in (before, after)])
        assert abs(yaw_deg_of(after.mesh)) > abs(yaw_deg_of(plain.points))
    errors, yaws = np.mean(errors, axis=0), np.mean(yaws, axis=0)
    assert errors[1] < 0.8 * errors[0]
    assert errors[1] < 0.05
    assert yaws[1] < 0.8 * yaws[0]
