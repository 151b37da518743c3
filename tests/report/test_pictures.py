from __future__ import annotations

import base64
import io

import numpy as np
from PIL import Image as PillowImage

from masksynth.report.pictures import GAP, Cell, contact_sheet, data_uri, fitted, picture, rgb, strip


def ramp(height: int, width: int, value: int = 0) -> np.ndarray:
    return ((np.arange(width) + value) % 256).astype(np.uint8) * np.ones((height, 1), np.uint8)


def decoded(uri: str) -> np.ndarray:
    return np.array(PillowImage.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))))


def test_a_strip_holds_the_pictures_unchanged():
    one, two = ramp(20, 30), ramp(20, 10, 7)
    grey = strip([one, two])
    assert grey.shape == (20, 30 + GAP + 10)
    np.testing.assert_array_equal(grey[:, :30], one)
    np.testing.assert_array_equal(grey[:, 30 + GAP :], two)
    assert strip([one, rgb(two)]).shape == (20, 30 + GAP + 10, 3)


def test_a_contact_sheet_holds_every_picture_in_its_place():
    cells = [Cell(np.full((50, 50), 40 * k, np.uint8), f"number {k}") for k in range(5)]
    sheet = contact_sheet(cells, columns=3, side=50)
    height = (sheet.shape[0] - GAP) // 2
    for k in range(5):
        x, y = GAP + k % 3 * (50 + GAP), GAP + k // 3 * height
        assert (sheet[y : y + 50, x : x + 50] == 40 * k).all()
    assert (sheet[GAP + height :, GAP + 2 * (50 + GAP) :] == 255).all()  # the sixth place is empty


def test_labels_are_drawn_below_and_cut_where_too_long():
    blank = np.full((50, 50), 255, np.uint8)
    plain = contact_sheet([Cell(blank)], columns=1, side=50)
    labelled = contact_sheet([Cell(blank, "a very long label that cannot fit")], columns=1, side=50)
    assert (plain == 255).all()
    assert labelled.shape[1] == plain.shape[1]
    assert labelled[GAP + 50 :].min() < 100
    assert contact_sheet([Cell(blank)], columns=1, side=50, title="Title").min() < 100


def test_a_large_picture_is_fitted_and_keeps_its_shape():
    assert fitted(ramp(100, 400), 200).shape == (50, 200)
    assert fitted(ramp(10, 1000), 100).shape == (1, 100)
    small = ramp(10, 20)
    assert fitted(small, 100) is small


def test_transparency_shows_a_light_board():
    pixels = np.zeros((48, 48, 4), np.uint8)
    pixels[:24, :, 3] = 255
    shown = rgb(pixels)
    assert (shown[:24] == 0).all()
    assert set(np.unique(shown[24:])) == {228, 255}


def test_data_uris_decode_to_the_picture():
    rgba = np.dstack([ramp(20, 20)] * 3 + [np.full((20, 20), 90, np.uint8)])
    np.testing.assert_array_equal(decoded(data_uri(rgba)), rgba)
    grey = decoded(data_uri(ramp(16, 16)))
    assert grey.shape == (16, 16)
    assert np.abs(grey.astype(int) - ramp(16, 16)).max() <= 4


def test_an_image_states_its_size_so_that_the_page_does_not_jump():
    markup = picture(ramp(30, 60), 'a "face"', width=20)
    assert 'width="20"' in markup
    assert 'height="10"' in markup
    assert "a &quot;face&quot;" in markup
