"""Geometry of detections, on boxes whose answers are known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from masksynth.arrays import Box, Detection
from masksynth.detect.blazeface import anchors, letterboxed
from masksynth.detect.boxes import distinct, merged, overlaps
from masksynth.detect.search import NEAR_SIGHTED, search, turned_back


def test_anchors_are_two_grids_of_cell_centres():
    a = anchors()
    assert a.shape == (896, 2)
    assert np.allclose(a[:2], 0.5 / 16)
    assert np.allclose(a[2], [1.5 / 16, 0.5 / 16])
    assert np.allclose(a[512:518], 0.5 / 8)
    assert np.allclose(a[-1], 7.5 / 8)


def test_overlap_of_half_shifted_squares_is_a_third():
    box = np.array([0.0, 0, 2, 2])
    others = np.array([[1.0, 0, 3, 2], [0, 0, 2, 2], [2, 2, 4, 4]])
    assert np.allclose(overlaps(box, others), [1 / 3, 1, 0])


def test_merging_weighs_by_score_and_keeps_groups_apart():
    boxes = np.array([[0.0, 0, 10, 10], [1, 0, 11, 10], [50, 50, 60, 60]])
    rows, scores = merged(boxes, np.array([0.6, 0.9, 0.7]), boxes, 0.3)
    assert np.allclose(scores, [0.9, 0.7])
    assert np.allclose(rows[0], (0.6 * boxes[0] + 0.9 * boxes[1]) / 1.5)
    assert np.allclose(rows[1], boxes[2])


def test_merging_ends_on_boxes_without_area():
    boxes = np.zeros((3, 4))
    rows, _ = merged(boxes, np.array([0.9, 0.8, 0.7]), boxes, 0.3)
    assert len(rows) == 3


def _detection(box, score):
    return Detection(Box(*box), score, np.zeros((0, 2), np.float32))


def test_distinct_drops_the_worse_of_two_nested_boxes():
    outer, inner = _detection((0, 0, 100, 100), 0.6), _detection((30, 30, 60, 60), 0.9)
    apart = _detection((200, 0, 240, 40), 0.55)
    assert distinct([outer, inner, apart]) == [apart, inner]


@given(st.integers(1, 3), st.integers(20, 60), st.integers(20, 60))
def test_turning_a_picture_and_its_detection_back_hits_the_same_pixel(quarters, height, width):
    picture = np.zeros((height, width), np.uint8)
    picture[7, 13] = 255
    turned = np.rot90(picture, quarters)
    y, x = np.argwhere(turned == 255)[0]
    points = np.array([[x, y]], np.float32)
    back = turned_back(Detection(Box(x - 2, y - 1, x + 2, y + 1), 0.9, points), quarters, turned.shape)
    assert np.allclose(back.points, [[13, 7]])
    assert np.allclose(back.box.centre, (13, 7))
    assert back.box.width == (2 if quarters % 2 else 4)


def test_letterboxing_maps_the_corners_of_the_picture():
    _, scale, offset = letterboxed(np.zeros((50, 100, 3), np.uint8), 128)
    assert np.allclose(np.array([0, 0]) * scale + offset, [0, 32])
    assert np.allclose(np.array([100, 50]) * scale + offset, [128, 96])


@pytest.mark.parametrize("shape", [(50, 100), (128, 128), (301, 1000), (1001, 701), (2560, 40), (1, 900)])
def test_letterboxing_puts_a_spot_where_it_says(shape):
    height, width = shape
    picture = np.zeros((height, width, 3), np.uint8)
    reach = max(shape) // 40 + 1
    y, x = height // 3, 2 * width // 3
    picture[max(y - reach, 0) : y + reach + 1, max(x - reach, 0) : x + reach + 1] = 255
    rows, columns = (picture[..., 0].sum(1 - axis).nonzero()[0] for axis in (0, 1))
    square, scale, offset = letterboxed(picture, 128)
    weight = square[..., 0].astype(float)
    found = (np.array([weight.sum(0) @ np.arange(128), weight.sum(1) @ np.arange(128)]) / weight.sum()) + 0.5
    assert np.allclose(found, (np.array([columns.mean(), rows.mean()]) + 0.5) * scale + offset, atol=0.5)


class Looks:
    """A detector's look that counts, and sees one face of a given score in any picture of more than one colour."""

    def __init__(self, score):
        self.count, self.score = 0, score

    def __call__(self, rgb):
        self.count += 1
        return [Detection(Box(10, 10, 60, 60), self.score, np.zeros((0, 2), np.float32))]


@pytest.mark.parametrize("score", [0.6, 0.9])
@pytest.mark.parametrize("answer", [None, True, False])
def test_a_picture_is_looked_at_turned_only_where_nobody_vouches_for_its_faces(score, answer):
    look, asked = Looks(score), []

    def accepted(detections):
        asked.append(detections)
        return answer

    found = search(np.zeros((100, 120, 3), np.uint8), look, NEAR_SIGHTED, None if answer is None else accepted)
    unsure = score < 0.8
    assert look.count == (4 if unsure and not answer else 1)
    assert len(asked) == (unsure and answer is not None)
    assert [d.score for d in found] == [score]
    if asked and answer:
        assert found is asked[0]
