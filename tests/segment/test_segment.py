"""Finding the mask on generated faces that wear generated masks."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
import pytest

from masksynth.arrays import Photo8, Pose, Reconstruction
from masksynth.compose import compose
from masksynth.datasets.generated import View, identity, render_face
from masksynth.detect import load_detector
from masksynth.errors import ConfigError, SegmentationError, ShapeError
from masksynth.reconstruct import find_faces, load_reconstructor
from masksynth.segment import given_segmentation, segment_mask
from masksynth.segment.frame import WIDTH, crop_matrix, face_frame, to_photo
from masksynth.segment.refine import agreed_by_colours, cleaned, edge_by_colour, guided_filter, pieces, soft_edge
from masksynth.template import load_template


@cache
def bare(number: int = 3, yaw: float = 0.0, roll: float = 0.0) -> tuple[Photo8, Reconstruction]:
    view = View(pose=Pose(np.radians(yaw), 0.0, np.radians(roll)), interocular=90)
    photo = render_face(identity(0, number), view, "vis", (400, 400)).pixels
    faces, _ = find_faces(photo, load_detector(), load_reconstructor())
    return photo, faces[0]


@cache
def masked(name: str, yaw: float = 0.0) -> tuple[Photo8, np.ndarray, Reconstruction]:
    photo, face = bare(yaw=yaw)
    made = compose(photo, face, load_template(name), "vis")
    return made.image, made.alpha / 255, face


def overlap(found: np.ndarray, truth: np.ndarray) -> float:
    a, b = found >= 0.5, truth >= 0.5
    return float((a & b).sum() / (a | b).sum())


@pytest.mark.parametrize(("name", "yaw"), [("surgical-blue", 0), ("cloth-navy", 0), ("surgical-green", -30)])
def test_grabcut_finds_a_plain_mask(name: str, yaw: float) -> None:
    photo, truth, face = masked(name, yaw)
    found = segment_mask(photo, face, "grabcut")
    assert found.alpha.shape == photo.shape[:2]
    assert found.method == "grabcut"
    assert overlap(found.alpha, truth) > 0.8
    assert found.alpha.min() >= 0
    assert found.alpha.max() <= 1


def test_the_answer_is_the_same_each_time() -> None:
    photo, _, face = masked("cloth-navy")
    one, two = segment_mask(photo, face, "grabcut"), segment_mask(photo, face, "grabcut")
    assert np.array_equal(one.alpha, two.alpha)
    assert one.score == two.score


def test_a_bare_face_is_refused_with_its_score() -> None:
    photo, face = bare()
    with pytest.raises(SegmentationError, match=r"no mask can be told from the face \(score 0\.\d\d, needs 0\.50\)"):
        segment_mask(photo, face, "grabcut")


def test_an_unknown_method_is_refused() -> None:
    photo, face = bare()
    with pytest.raises(ConfigError, match="magic"):
        segment_mask(photo, face, "magic")


@pytest.mark.parametrize("least", [-0.1, 1.5, float("nan")])
def test_a_least_score_that_is_none_is_refused(least: float) -> None:
    photo, face = bare()
    with pytest.raises(ConfigError, match=r"min_score must be in \[0, 1\]"):
        segment_mask(photo, face, "grabcut", min_score=least)


def test_where_nothing_looks_like_mask_the_sentence_says_so_and_not_that_zero_is_less_than_zero() -> None:
    photo, face = bare()
    with pytest.raises(SegmentationError, match="not one pixel looks like mask"):
        segment_mask(photo // 8, face, "network", min_score=0.0)


def test_a_given_segmentation_must_have_the_photos_size() -> None:
    photo, _ = bare()
    alpha = np.zeros(photo.shape[:2], np.float32)
    assert given_segmentation(alpha, photo).score == 1
    with pytest.raises(ShapeError, match="10 x 10 px, but its photo is 400 x 400 px"):
        given_segmentation(np.zeros((10, 10), np.float32), photo)


def test_the_frame_turns_with_the_head_and_scales_with_it() -> None:
    _, level = bare(roll=0)
    _, rolled = bare(roll=25)
    a, b = crop_matrix(level, 128), crop_matrix(rolled, 128)
    turned = np.degrees(np.arctan2(b[1, 0], b[0, 0]) - np.arctan2(a[1, 0], a[0, 0]))
    assert turned == pytest.approx(-25, abs=4)
    assert np.hypot(*a[:, 0]) == pytest.approx(128 / (WIDTH * level.interocular), rel=0.12)
    eyes = np.concatenate([rolled.five_points[:2], np.ones((2, 1))], axis=1) @ b.T
    assert abs(eyes[0, 1] - eyes[1, 1]) < 4
    assert (eyes[:, 1] < 45).all()  # in the upper third


def test_the_frame_knows_the_texel_of_each_pixel() -> None:
    photo, face = bare()
    frame = face_frame(photo, face, 160)
    nose = np.append(face.landmarks68[30, :2], 1) @ frame.crop_from_photo.T
    x, y = np.rint(nose).astype(int)
    assert frame.on_face[y, x]
    assert abs(frame.u[y, x] - 127.5) < 4
    assert abs(frame.v[y, x] - 96) < 8
    assert frame.from_face[y, x] == 0
    assert not frame.on_face[0, 0] or frame.v[0, 0] < 60


def test_a_field_goes_to_the_photo_and_back() -> None:
    photo, face = bare()
    matrix = crop_matrix(face, 200)
    ramp = np.tile(np.linspace(0, 1, 200, dtype=np.float32), (200, 1))
    back = cv2.warpAffine(to_photo(ramp, matrix, photo.shape[:2]), matrix, (200, 200))
    assert np.abs(back - ramp)[60:140, 60:140].max() < 0.02


def test_straps_islands_and_small_holes_are_cleaned_away() -> None:
    region = np.zeros((120, 120), bool)
    region[40:90, 30:90] = True
    region[42:44, 0:30] = True  # a strap
    region[5:15, 5:15] = True  # an island
    region[60:63, 60:63] = False  # a print
    region[70:90, 70:90] = False  # a hand
    core = np.zeros_like(region)
    core[50:60, 50:60] = True
    clean = cleaned(region, core, 80.0)
    assert not clean[43, :25].any()
    assert not clean[5:15, 5:15].any()
    assert clean[60:63, 60:63].all()
    assert not clean[75:, 75:].any()
    assert clean[45:85, 35:65].all()


def test_pieces_keep_what_a_hand_cuts_in_two_and_lose_leaks() -> None:
    share = np.full((120, 120), 0.1, np.float32)
    share[40:90, 30:60] = 0.9
    share[40:90, 66:90] = 0.8  # beyond a finger
    share[5:8, 5:8] = 0.9  # a leak
    share[50:53, 40:43] = 0.2  # a dot of a print
    share[60:80, 40:55] = 0.2  # a hand
    kept = pieces(share, 53.0)
    assert kept[5:8, 5:8].max() == 0
    assert kept[50:53, 40:43].min() == 1
    untouched = np.ones_like(share, bool)
    untouched[5:8, 5:8] = untouched[50:53, 40:43] = False
    assert np.array_equal(kept[untouched], share[untouched])


def test_a_piece_that_is_nowhere_sure_is_given_up() -> None:
    share = np.full((120, 120), 0.1, np.float32)
    share[20:60, 30:90] = 0.95
    share[70:110, 40:80] = 0.7  # the neck
    share[75, 50] = 0.79
    assert np.array_equal(pieces(share, 53.0) > 0.5, (share == np.float32(0.95)))
    share[75, 50] = 0.9
    assert np.array_equal(pieces(share, 53.0), share)


def test_the_largest_piece_stays_however_small() -> None:
    share = np.zeros((60, 60), np.float32)
    share[30:34, 30:34] = 0.7
    share[10, 10] = 0.7
    kept = pieces(share, 100.0)
    assert kept[30:34, 30:34].min() == np.float32(0.7)
    assert kept[10, 10] == 0


def patchwork(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """(96, 96, 3) uint8 of a blue square on a brown ground, noisy, and (96, 96) where the square is."""
    truth = np.zeros((96, 96), bool)
    truth[30:80, 20:76] = True
    rgb = np.where(truth[..., None], (90, 120, 190), (180, 130, 100))
    return np.rint(rgb + np.random.default_rng(seed).normal(0, 5, rgb.shape)).clip(0, 255).astype(np.uint8), truth


def test_what_has_the_masks_colours_is_mask_and_what_has_not_is_none_where_the_network_is_unsure() -> None:
    rgb, truth = patchwork()
    share = np.where(truth, 0.98, 0.02).astype(np.float32)
    share[60:80, 20:50] = 0.35  # a pleat that was missed
    share[40:60, 80:92] = 0.65  # a finger that was taken for mask
    found = agreed_by_colours(share, rgb, np.ones(truth.shape, bool), 35.0) > 0.5
    assert (found != truth).mean() < 0.01


def test_brightness_alone_is_believed_half_as_much_as_colours() -> None:
    rgb, truth = patchwork()
    grey = np.repeat(rgb[..., 2:], 3, 2)
    hardly = grey.copy()
    hardly[0, 0, 0] ^= 1  # no longer grey
    share = np.where(truth, 0.9, 0.1).astype(np.float32)

    def moved(seen: np.ndarray) -> np.ndarray:
        agreed = agreed_by_colours(share, seen, np.ones(truth.shape, bool), 35.0)
        return np.asarray(np.log(agreed / (1 - agreed)) - np.log(share / (1 - share)))

    assert np.abs(moved(hardly)).max() > 0.5
    assert np.allclose(moved(grey)[10:], 0.5 * moved(hardly)[10:], atol=0.01)


def test_colours_do_not_undo_what_the_network_is_fairly_sure_of() -> None:
    rgb, truth = patchwork()
    share = np.where(truth, 0.99, 0.01).astype(np.float32)
    rgb[50:60, 40:50] = (180, 130, 100)  # a print of the skin's colour
    share[50:60, 40:50] = 0.85
    found = agreed_by_colours(share, rgb, np.ones(truth.shape, bool), 35.0) > 0.5
    assert np.array_equal(found, truth)


def test_colours_that_tell_nothing_or_are_not_known_leave_the_answer_as_it_is() -> None:
    share = np.where(patchwork()[1], 0.9, 0.1).astype(np.float32)
    flat = np.full((96, 96, 3), 120, np.uint8)
    assert np.allclose(agreed_by_colours(share, flat, np.ones((96, 96), bool), 35.0), share, atol=0.02)
    unsure = np.full((96, 96), 0.4, np.float32)
    assert np.array_equal(agreed_by_colours(unsure, flat, np.ones((96, 96), bool), 35.0), unsure)


def test_colours_near_by_move_the_edge_even_where_the_colours_elsewhere_say_the_contrary() -> None:
    truth = np.zeros((120, 160), bool)
    truth[40:] = True
    # At the left a dark mask on light skin, at the right a light mask on dark skin.
    light = np.clip((np.arange(160)[None, :] - 60) / 40, 0, 1)
    grey = np.where(truth, 60 + 130 * light, 190 - 130 * light)
    grey = grey + np.random.default_rng(0).normal(0, 4, grey.shape)
    rgb = np.rint(np.repeat(grey[..., None], 3, 2)).clip(0, 255).astype(np.uint8)
    rough = np.zeros(truth.shape, np.float32)
    rough[42:] = 1  # two pixels low
    rough = cv2.GaussianBlur(rough, (0, 0), 1.5)
    found = edge_by_colour(rough, rgb, np.ones(truth.shape, bool), 100.0) > 0.5
    for columns in (slice(0, 50), slice(110, 160)):
        assert (found[:, columns] == truth[:, columns]).mean() > 0.995
    assert found[60:].all()
    assert not found[:30].any()


def test_where_colours_say_nothing_the_networks_edge_stands() -> None:
    rough = np.zeros((80, 80), np.float32)
    rough[30:] = 1
    rough = cv2.GaussianBlur(rough, (0, 0), 1.5)
    flat = np.full((80, 80, 3), 120, np.uint8)
    found = edge_by_colour(rough, flat, np.ones((80, 80), bool), 80.0) > 0.5
    assert np.array_equal(found, rough > 0.5)


def test_the_edge_moves_to_that_of_the_photo() -> None:
    truth = np.zeros((80, 80), np.float32)
    truth[:, 40:] = 1
    rgb = np.rint(60 + 140 * np.repeat(truth[..., None], 3, 2)).astype(np.uint8)
    rough = np.zeros_like(truth)
    rough[:, 42:] = 1  # two pixels off
    found = soft_edge(rough, rgb, 120.0)
    assert overlap(found, truth) > overlap(rough, truth) + 0.02
    assert found[:, :30].max() == 0
    assert found[:, 55:].min() == 1


def test_the_guided_filter_of_a_flat_guide_is_a_mean_of_means() -> None:
    guide = np.full((40, 40, 3), 0.5, np.float32)
    values = np.zeros((40, 40), np.float32)
    values[:, 20:] = 1
    filtered = guided_filter(guide, values, 3, 1e-3)
    expected = cv2.blur(cv2.blur(values, (7, 7), borderType=cv2.BORDER_REFLECT), (7, 7), borderType=cv2.BORDER_REFLECT)
    assert np.abs(filtered - expected).max() < 1e-4
