"""What is drawn into a photo from a JPEG file takes its loss, on its grid, and nothing else does."""

from __future__ import annotations

import io

import cv2
import numpy as np
import pytest
from PIL import Image as PillowImage

from masksynth.compose.compression import compress_touched
from masksynth.photos import decode_photo


def jpeg_photo(tmp_path, orientation=1, grey=True, quality=20):
    rng = np.random.default_rng(4)
    pixels = cv2.GaussianBlur(rng.integers(0, 256, (104, 152, 3), np.uint8), (0, 0), 2.0)
    image = PillowImage.fromarray(pixels[..., 0] if grey else pixels)
    exif, buffer = PillowImage.Exif(), io.BytesIO()
    exif[0x0112] = orientation
    image.save(buffer, "JPEG", quality=quality, exif=exif)
    return decode_photo(buffer.getvalue(), tmp_path / "host.jpg")


def off_the_steps(stored, table, inside):
    """How far, in pixels' grey levels, the DCT of whole blocks lies off whole multiples of the quantisation steps."""
    zigzag = np.array(table, float).reshape(8, 8)  # Pillow gives tables in natural order
    found = []
    for y in range(0, stored.shape[0] - 7, 8):
        for x in range(0, stored.shape[1] - 7, 8):
            if inside[y : y + 8, x : x + 8].all():
                terms = cv2.dct(stored[y : y + 8, x : x + 8].astype(np.float32) - 128)
                off = terms / zigzag - np.rint(terms / zigzag)
                found.append(np.abs(off * zigzag).max())
    assert len(found) >= 12
    return float(np.median(found))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_blocks_are_quantised_on_the_grid_of_the_file(tmp_path, orientation):
    photo = jpeg_photo(tmp_path, orientation)
    image = photo.pixels.copy()
    touched = np.zeros(image.shape, bool)
    touched[21:83, 19:91] = True
    drawn = np.random.default_rng(1).integers(60, 200, image.shape, np.uint8)
    image[touched] = drawn[touched]
    kept = image.copy()
    compress_touched(image, touched, photo.jpeg)
    np.testing.assert_array_equal(image[~touched], photo.pixels[~touched])
    stored, inside = photo.jpeg.as_stored(image), photo.jpeg.as_stored(touched)
    table = photo.jpeg.tables[0]
    assert off_the_steps(photo.jpeg.as_stored(kept), table, inside) > 8
    assert off_the_steps(stored, table, inside) < 3  # rounding and clipping of the decoded pixels


@pytest.mark.parametrize("grey", [True, False])
def test_what_the_file_could_hold_already_stays(tmp_path, grey):
    """The loss of a picture that has it is nothing more, to a grey level or two."""
    photo = jpeg_photo(tmp_path, grey=grey, quality=60)
    image = photo.pixels.copy()
    touched = np.ones(image.shape[:2], bool)
    compress_touched(image, touched, photo.jpeg)
    assert np.abs(image.astype(int) - photo.pixels).mean() < 0.7
    compress_touched(image, np.zeros(image.shape[:2], bool), photo.jpeg)


def test_a_mask_across_strips_is_compressed_without_a_seam(tmp_path, monkeypatch):
    from masksynth.compose import compression

    photo = jpeg_photo(tmp_path, grey=False)
    touched = np.zeros(photo.pixels.shape[:2], bool)
    touched[5:97, 30:140] = True
    noise = np.random.default_rng(2).integers(0, 256, photo.pixels.shape, np.uint8)
    whole = np.where(touched[..., None], noise, photo.pixels)
    pieces = whole.copy()
    compress_touched(whole, touched, photo.jpeg)
    monkeypatch.setattr(compression, "STRIP", 32)
    compress_touched(pieces, touched, photo.jpeg)
    np.testing.assert_array_equal(whole, pieces)
