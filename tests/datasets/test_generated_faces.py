"""Generated persons: the same everywhere, different from each other, and true to their truth."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from hashlib import sha256

import numpy as np
import pytest

from masksynth.arrays import Pose, Spectrum
from masksynth.datasets.generated import Expression, View, draw_view, identity, render_face
from masksynth.datasets.generated.anatomy import mean_face, opened
from masksynth.datasets.generated.identity import mirror
from masksynth.datasets.generated.look import posed_mesh
from masksynth.datasets.generated.skin import paint
from masksynth.datasets.generated.surface import dense, surface
from masksynth.reconstruct.points68 import points68
from masksynth.reconstruct.pose import pose_of
from masksynth.seeds import rng_for

SMALL = (320, 240)


def small_view(name: str, spectrum: Spectrum, **changes: object) -> View:
    view = draw_view(rng_for(5, name), spectrum)
    return replace(view, interocular=70.0, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("spectrum", ["vis", "nir"])
def test_the_same_names_give_the_same_pixels_in_another_process(spectrum: Spectrum) -> None:
    code = (
        "from hashlib import sha256; from masksynth.datasets.generated import *; from masksynth.seeds import rng_for; "
        f"identity(1, 2); print(sha256(render_face(identity(1, 7), draw_view(rng_for(1, 'x'), '{spectrum}'), "
        f"'{spectrum}', (160, 120)).pixels.tobytes()).hexdigest())"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    photo = render_face(identity(1, 7), draw_view(rng_for(1, "x"), spectrum), spectrum, (160, 120))
    assert sha256(photo.pixels.tobytes()).hexdigest() == answer


def test_nir_has_one_channel_and_vis_three() -> None:
    assert render_face(identity(1, 0), small_view("a", "nir"), "nir", SMALL).pixels.shape == SMALL
    assert render_face(identity(1, 0), small_view("a", "vis"), "vis", SMALL).pixels.shape == (*SMALL, 3)


def test_persons_differ_more_than_photos_of_one() -> None:
    shapes = np.stack([identity(1, number).mesh for number in range(12)])
    apart = np.linalg.norm(shapes[:, None] - shapes[None], axis=-1).mean(-1)
    assert apart[~np.eye(12, dtype=bool)].min() > 0.015
    assert not np.array_equal(identity(1, 0).mesh, identity(2, 0).mesh)


def test_outer_eye_corners_are_one_apart_at_height_zero() -> None:
    mesh = identity(4, 4).mesh
    np.testing.assert_allclose(np.linalg.norm(mesh[263] - mesh[33]), 1.0)
    np.testing.assert_allclose((mesh[263] + mesh[33]) / 2, 0, atol=1e-12)


def test_the_mirror_of_the_mesh_is_its_own_inverse() -> None:
    np.testing.assert_array_equal(mirror()[mirror()], np.arange(468))


@pytest.mark.parametrize("degrees", [(0, 0, 0), (40, 0, 0), (-30, 12, 8), (15, -15, -10)])
def test_the_truth_has_the_pose_asked_for(degrees: tuple[int, int, int]) -> None:
    pose = Pose(*np.radians(degrees))
    view = View(pose=pose, interocular=70.0, distance=1e4)
    photo = render_face(identity(1, 3), view, "nir", SMALL)
    found = pose_of(photo.landmarks68).degrees
    neutral = pose_of(points68(identity(1, 3).mesh)).degrees
    if degrees[1:] == (0, 0):  # angles add up about one axis only
        np.testing.assert_allclose(np.subtract(found, neutral), degrees, atol=1.5)
    else:
        np.testing.assert_allclose(found, degrees, atol=8)


def test_the_size_of_the_face_is_the_one_asked_for() -> None:
    photo = render_face(identity(1, 3), View(interocular=70.0, distance=1e4), "nir", SMALL)
    np.testing.assert_allclose(np.linalg.norm(photo.mesh[263] - photo.mesh[33]), 70, rtol=1e-3)


def test_pupils_are_dark_where_the_truth_has_the_eyes() -> None:
    """A frontal photo without noise: the middle of each eye is darker than the skin a quarter below it."""
    view = replace(small_view("eyes", "nir"), pose=Pose(0, 0, 0), expression=Expression(), gaze=(0.0, 0.0), noise=0.0)
    photo = render_face(identity(1, 3), view, "nir", SMALL)
    for x, y in photo.eyes:
        pupil = photo.pixels[round(y) - 2 : round(y) + 3, round(x) - 3 : round(x) + 4].min()
        cheek = photo.pixels[round(y + 18), round(x)]
        assert pupil < 0.6 * cheek


def test_the_drawn_surface_is_the_position_map_of_the_truth() -> None:
    """Both are splines through the same points, of different smoothness: 1 % of an interocular distance apart."""
    photo = render_face(identity(1, 3), View(interocular=100.0, distance=1e4), "nir", SMALL)
    drawn = dense(photo.mesh)
    positions = photo.position_map.positions.reshape(-1, 3)
    from masksynth.arrays import Validity
    from masksynth.reconstruct.uv_layout import validity

    told = positions[(validity() == Validity.MEASURED).reshape(-1)]
    from scipy.spatial import cKDTree

    distances, _ = cKDTree(told).query(drawn)
    assert np.median(distances) < 1.0
    assert surface().from_mesh.sum(1) == pytest.approx(1.0, abs=1e-3)


def test_blink_shuts_the_eyes_and_open_parts_the_lips() -> None:
    mesh = mean_face()

    def gap(points: np.ndarray, upper: int, lower: int) -> float:
        return float(points[lower, 1] - points[upper, 1])

    assert gap(posed_mesh(mesh, Expression(blink=1.0)), 159, 145) < 0.25 * gap(mesh, 159, 145)
    apart = gap(posed_mesh(mesh, Expression(open=1.0)), 13, 14) - gap(mesh, 13, 14)
    assert apart == pytest.approx(0.30, abs=0.02)
    np.testing.assert_allclose(opened(mesh, 0.1)[[33, 10, 4]], mesh[[33, 10, 4]])


def test_melanin_matters_in_vis_and_hardly_in_nir() -> None:
    people = sorted((identity(1, number) for number in range(20)), key=lambda person: person.melanin)
    light, dark = paint(people[0]), paint(people[-1])
    cheek = (slice(300, 330), slice(480, 510))
    assert light.vis[cheek].mean() > 3 * dark.vis[cheek].mean()
    assert light.nir[cheek].mean() < 1.6 * dark.nir[cheek].mean()


def test_slow_variations_of_the_two_spectra_are_correlated_as_stated() -> None:
    from masksynth.datasets.generated.skin import CORRELATION, _slow_pair

    pairs = [_slow_pair(rng_for(0, "pair", k), (300, 300)) for k in range(12)]
    found = np.mean([np.corrcoef(one.ravel(), two.ravel())[0, 1] for one, two in pairs])
    assert found == pytest.approx(CORRELATION, abs=0.15)


@pytest.mark.parametrize("spectrum", ["vis", "nir"])
def test_detector_and_mesh_find_generated_faces_near_the_truth(spectrum: Spectrum) -> None:
    from masksynth.detect import load_detector
    from masksynth.errors import WeightsError
    from masksynth.reconstruct import find_faces, load_reconstructor

    try:
        detector, reconstructor = load_detector(), load_reconstructor()
    except WeightsError as error:
        pytest.skip(f"the networks are not here: {error}")
    for number, yaw in enumerate((0, 45, -45, 20)):
        view = draw_view(rng_for(6, spectrum, number), spectrum, yaw=0.0)
        view = replace(view, pose=Pose(np.radians(yaw), view.pose.pitch, view.pose.roll))
        photo = render_face(identity(6, number), view, spectrum)
        rgb = photo.pixels if photo.pixels.ndim == 3 else np.repeat(photo.pixels[..., None], 3, axis=2)
        faces, dropped = find_faces(rgb, detector, reconstructor)
        assert len(faces) == 1, dropped
        off = np.linalg.norm(faces[0].landmarks68[:, :2] - photo.landmarks68[:, :2], axis=1).mean()
        assert off < 0.09 * view.interocular
