"""The walk on generated faces, with the real detector and mesh."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from faces import lower_face_template, posed

from masksynth.arrays import Pose
from masksynth.datasets.generated import View, identity, render_face
from masksynth.detect import load_detector
from masksynth.errors import ConfigError, NoFaceError
from masksynth.photos import Photo
from masksynth.reconstruct import load_reconstructor
from masksynth.synthesize import crop_face, mask_crop, mask_crops, mask_photo


@pytest.fixture(scope="module")
def networks():
    return {"detector": load_detector(), "reconstructor": load_reconstructor()}


def photo_of(spectrum, seed=3, size=(320, 280), yaw=0.0):
    view = View(pose=Pose(np.radians(yaw), 0.0, 0.0), interocular=70)
    return Photo(render_face(identity(0, seed), view, spectrum, size).pixels, Path(f"{spectrum}.png"))


@pytest.mark.parametrize("spectrum", ["vis", "nir"])
def test_every_face_of_a_photo_is_masked_and_nothing_else_changes(networks, spectrum):
    pair = [photo_of(spectrum, seed).pixels for seed in (3, 5)]
    photo = Photo(np.concatenate(pair, axis=1), Path("two.png"))
    made = mask_photo(photo, [lower_face_template(nir=0.6)], spectrum, **networks)
    assert len(made.faces) == 2
    assert made.image.shape == photo.pixels.shape
    np.testing.assert_array_equal(made.image[~made.touched], photo.pixels[~made.touched])
    for half in (made.alpha[:, :280], made.alpha[:, 280:]):
        assert (half == 255).sum() > 1500


def test_each_face_draws_its_template_by_the_seed(networks):
    photo = photo_of("vis")
    choice = [lower_face_template(f"t{k}") for k in range(50)]
    drawn = [mask_photo(photo, choice, "vis", seed=seed, **networks).templates for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]


def test_no_face_and_no_template_are_one_sentence(networks):
    blank = Photo(np.full((200, 200, 3), 128, np.uint8), Path("wall.png"))
    with pytest.raises(NoFaceError, match=r"wall\.png: no face found"):
        mask_photo(blank, [lower_face_template()], "vis", **networks)
    with pytest.raises(ConfigError):
        mask_photo(blank, [], "vis", **networks)


@pytest.mark.parametrize(("spectrum", "shape"), [("nir", (144, 144)), ("vis", (144, 144, 3))])
@pytest.mark.parametrize("channels", [1, 3])
def test_masked_and_clean_crop_differ_in_touched_pixels_only(spectrum, shape, channels):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (256, 256, 3) if channels == 3 else (256, 256), np.uint8)
    made = mask_crop(pixels, posed(20, roll=15), lower_face_template(nir=0.6), spectrum)
    assert made.image.shape == made.clean.shape == shape
    np.testing.assert_array_equal(made.image[~made.touched], made.clean[~made.touched])
    assert (made.alpha == 255).sum() > 3000
    face = crop_face(pixels, posed(20, roll=15), spectrum)
    clean, points = face.pixels, face.landmarks
    np.testing.assert_array_equal(clean, made.clean)
    np.testing.assert_array_equal(points, made.landmarks)


def test_mask_sits_in_the_crop_where_it_sits_in_the_photo():
    """Drawn in the crop's frame, the mask covers what the crop of the mask drawn in the photo covers."""
    from masksynth.align import crop, crop_from_photo
    from masksynth.compose import compose

    face = posed(-25, roll=-20, interocular=90, centre=(128, 90))
    pixels = np.full((256, 256, 3), 90, np.uint8)
    made = mask_crop(pixels, face, lower_face_template(), "vis")
    whole = compose(pixels, face, lower_face_template(), "vis")
    carried = crop(whole.alpha, crop_from_photo(face.five_points, 144), 144)
    assert np.abs(carried.astype(int) - made.alpha).mean() < 1.5
    assert np.abs(carried.astype(float).sum() / made.alpha.sum() - 1) < 0.01


def test_several_masks_of_one_face_are_as_one_by_one():
    face, pixels = posed(10), np.random.default_rng(1).integers(60, 90, (256, 256), np.uint8)
    pair = [lower_face_template("a", nir=0.3), lower_face_template("b", nir=0.8)]
    together = mask_crops(pixels, face, pair, "nir", seeds=[5, 6])
    for template, seed, made in zip(pair, (5, 6), together, strict=True):
        np.testing.assert_array_equal(mask_crop(pixels, face, template, "nir", seed=seed).image, made.image)


def test_margin_crop_is_the_small_one_with_more_around():
    """The margin template keeps the 112 px places: the same points, moved by the margin."""
    pixels = np.zeros((256, 256), np.uint8)
    small = mask_crop(pixels, posed(), lower_face_template(), "nir", side=112)
    margin = mask_crop(pixels, posed(), lower_face_template(), "nir", side=144, crop_template="margin")
    np.testing.assert_allclose(margin.landmarks, small.landmarks + 16, atol=1e-3)
    inner = margin.alpha[16:128, 16:128].astype(int)
    np.testing.assert_allclose(inner[:-3], small.alpha[:-3], atol=3)  # the last rows are at the small one's edge


def test_a_mask_in_a_photo_from_a_jpeg_file_takes_its_loss(networks, tmp_path):
    """Its blocks show in the mask as in the skin; without grain, and in a lossless file, they do not."""
    import io
    from dataclasses import replace

    from PIL import Image as PillowImage

    from masksynth.compose import ComposeConfig, Composer
    from masksynth.photos import decode_photo

    buffer = io.BytesIO()
    PillowImage.fromarray(photo_of("nir").pixels).save(buffer, "JPEG", quality=15)
    photo = decode_photo(buffer.getvalue(), tmp_path / "host.jpg")

    def steps_at_blocks(made):
        """Mean step between neighbours across the grid's lines, over that between others, within the mask."""
        whole = made.alpha == 255
        steps = np.abs(np.diff(made.image.astype(int), axis=1))
        inside = whole[:, 1:] & whole[:, :-1]
        across = np.arange(steps.shape[1]) % 8 == 7
        return steps[:, across][inside[:, across]].mean() / steps[:, ~across][inside[:, ~across]].mean()

    v, u = np.mgrid[:256, :256] / 256.0
    template = lower_face_template(nir=0.5)
    template = replace(template, nir=(0.4 + 0.2 * np.sin(9 * u) * np.cos(7 * v)).astype(np.float32))
    compressed = mask_photo(photo, [template], "nir", **networks)
    plain = mask_photo(photo, [template], "nir", composer=Composer(ComposeConfig(grain=False)), **networks)
    np.testing.assert_array_equal(compressed.image[~compressed.touched], photo.pixels[~compressed.touched])
    assert steps_at_blocks(compressed) > 1.5 * steps_at_blocks(plain)
    lossless = replace(photo, jpeg=None)
    assert steps_at_blocks(mask_photo(lossless, [template], "nir", **networks)) < 1.3 * steps_at_blocks(plain)
