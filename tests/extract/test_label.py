"""What is read from a picture in which a person drew where the mask is, and what is not clear enough."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from masksynth.errors import SegmentationError
from masksynth.extract import read_alpha


def drawn() -> np.ndarray:
    label = np.zeros((60, 80), np.uint8)
    cv2.ellipse(label, (40, 38), (25, 15), 0, 0, 360, 255, -1)
    return label


@pytest.mark.parametrize("colour", [(255, 255, 255), (255, 0, 0), (0, 0, 255), (0, 128, 0), (200, 30, 90)])
def test_any_one_colour_on_black_is_mask(tmp_path: Path, colour: tuple[int, int, int]) -> None:
    soft = cv2.GaussianBlur(drawn(), (0, 0), 1.0)[..., None] / 255
    Image.fromarray(np.rint(soft * colour).astype(np.uint8)).save(tmp_path / "label.png")
    assert np.abs(read_alpha(tmp_path / "label.png") - soft[..., 0]).max() < 0.02


@pytest.mark.parametrize("value", [1, 7, 128, 255])
def test_of_two_values_the_larger_is_mask(tmp_path: Path, value: int) -> None:
    Image.fromarray((drawn() > 0).astype(np.uint8) * np.uint8(value)).save(tmp_path / "label.png")
    assert np.array_equal(read_alpha(tmp_path / "label.png"), drawn() > 0)


def test_a_coloured_label_survives_jpeg(tmp_path: Path) -> None:
    Image.fromarray(drawn()[..., None] * np.array([1, 0, 1], np.uint8)).save(tmp_path / "label.jpg", quality=90)
    assert ((read_alpha(tmp_path / "label.jpg") >= 0.5) != (drawn() > 0)).mean() < 0.02


def test_alpha_goes_before_colour(tmp_path: Path) -> None:
    picture = np.dstack([np.random.default_rng(0).integers(0, 256, (60, 80, 3)).astype(np.uint8), drawn()])
    Image.fromarray(picture).save(tmp_path / "label.png")
    assert np.array_equal(read_alpha(tmp_path / "label.png"), drawn() / np.float32(255))


def two_colours() -> np.ndarray:
    label = drawn()[..., None] * np.array([1, 0, 0], np.uint8)
    label[:, 40:] = label[:, 40:, ::-1]
    return label


@pytest.mark.parametrize(
    ("picture", "words"),
    [
        (
            two_colours(),
            "4[0-9] % of what is drawn is of another colour",
        ),
        (np.zeros((60, 80), np.uint8), "of one colour all over"),
        (np.full((60, 80), 255, np.uint8), "of one colour all over"),
        (255 - cv2.GaussianBlur(drawn(), (0, 0), 1.0), "white along its upper rim"),
        (
            cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (60, 80)).astype(np.uint8), (0, 0), 1),
            "as of a photo",
        ),
        (drawn() // 4 + (drawn() > 0) * np.arange(80, dtype=np.uint8) // 40, "no pixel is half white"),
        (np.dstack([np.full((60, 80, 3), 9, np.uint8), np.zeros((60, 80), np.uint8)]), "transparent all over"),
    ],
)
def test_an_unclear_label_is_refused_in_one_sentence(tmp_path: Path, picture: np.ndarray, words: str) -> None:
    Image.fromarray(picture).save(tmp_path / "label.png")
    with pytest.raises(SegmentationError, match=words) as found:
        read_alpha(tmp_path / "label.png")
    assert "label.png" in str(found.value)
    assert "\n" not in str(found.value)
