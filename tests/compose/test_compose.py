"""A mask on a face: what changes, what does not, and whose light it has."""

from __future__ import annotations

import numpy as np
import pytest
from faces import lower_face_template, posed

from masksynth.compose import ComposeConfig, Composer, compose
from masksynth.compose.colour import to_encoded, to_linear
from masksynth.compose.mask import nir_reflectance
from masksynth.errors import ConfigError, ShapeError
from masksynth.template import load_template

SHAPE = (256, 256)


def lit_face(face, light=(0.0, 0.0, 1.0), skin=(0.45, 0.31, 0.24), ambient=0.3, grey=False, noise=0.0):
    """A picture of the face with Lambertian skin under one far lamp: the truth that the light meter looks for."""
    from masksynth.render import grid_triangles, rasterize

    positions = face.position_map.positions.astype(float)
    down, right = np.gradient(positions, axis=(0, 1))
    normal = np.cross(right, down)
    normal /= np.linalg.norm(normal, axis=2, keepdims=True) + 1e-12
    lamp = np.array(light) / np.linalg.norm(light)
    shade = ambient + (1 - ambient) * np.maximum(normal @ lamp, 0)
    triangles = grid_triangles(face.position_map.validity)
    fragments = rasterize(positions.reshape(-1, 3), triangles, SHAPE)
    shading = fragments.interpolate(shade.reshape(-1, 1), triangles)
    linear = shading * np.array(skin) * fragments.covered[..., None] + 0.1 * ~fragments.covered[..., None]
    linear = linear + noise * np.random.default_rng(0).standard_normal(linear.shape)
    encoded = np.rint(to_encoded(linear) * 255).astype(np.uint8)
    return np.ascontiguousarray(encoded[..., 1]) if grey else encoded


@pytest.mark.parametrize("render", ["mask", "full"])
@pytest.mark.parametrize("spectrum", ["vis", "nir"])
def test_untouched_pixels_are_the_host(render, spectrum):
    face = posed(20)
    host = np.random.default_rng(1).integers(0, 256, (*SHAPE, 3) if spectrum == "vis" else SHAPE, np.uint8)
    made = compose(host, face, lower_face_template(nir=0.7), spectrum, ComposeConfig(render=render))
    assert made.image.shape == host.shape
    assert made.image.dtype == np.uint8
    np.testing.assert_array_equal(made.image[~made.touched], host[~made.touched])
    assert made.touched[made.alpha > 0].all()
    assert 2000 < made.touched.sum() < 40000


def test_without_shadow_only_the_mask_is_touched():
    host = lit_face(posed())
    made = compose(host, posed(), lower_face_template(), "vis", ComposeConfig(shadow=0))
    np.testing.assert_array_equal(made.touched, made.alpha > 0)
    shaded = compose(host, posed(), lower_face_template(), "vis", ComposeConfig(shadow=0.5))
    around = shaded.touched & (shaded.alpha == 0)
    assert around.sum() > 100
    assert (shaded.image[around] <= host[around]).all()


def test_host_is_not_written():
    host = lit_face(posed())
    kept = host.copy()
    compose(host, posed(), lower_face_template(), "vis")
    np.testing.assert_array_equal(host, kept)


def test_whole_alpha_without_light_gives_the_template_itself():
    made = compose(
        lit_face(posed()), posed(), lower_face_template(colour=(0.2, 0.4, 0.8)), "vis", ComposeConfig(light=False)
    )
    whole = made.image[made.alpha == 255].astype(int)
    assert len(whole) > 2000
    assert np.abs(whole - np.rint(np.array([0.2, 0.4, 0.8]) * 255)).max() <= 1


def test_soft_pixels_lie_between_mask_and_skin():
    host = lit_face(posed())
    template = lower_face_template(colour=(0.9, 0.2, 0.1))
    made = compose(host, posed(), template, "vis", ComposeConfig(light=False, shadow=0))
    soft = (made.alpha > 0) & (made.alpha < 255)
    mask = np.rint(np.array([0.9, 0.2, 0.1]) * 255)
    low, high = np.minimum(host[soft], mask) - 1, np.maximum(host[soft], mask) + 1
    assert soft.sum() > 100
    assert (made.image[soft] >= low).all()
    assert (made.image[soft] <= high).all()


@pytest.mark.parametrize("side", [-1, 1])
def test_mask_is_brighter_on_the_side_of_the_lamp(side):
    face = posed()
    made = compose(lit_face(face, (side, -0.3, 0.6)), face, lower_face_template(), "vis", ComposeConfig(grain=False))
    linear = to_linear(made.image.astype(np.float32) / 255)[..., 1]
    whole = made.alpha == 255
    x = np.arange(256)[None, :] * np.ones((256, 1))
    left, right = linear[whole & (x < 105)].mean(), linear[whole & (x > 151)].mean()
    assert (right / left if side > 0 else left / right) > 1.7


@pytest.mark.parametrize("brightness", [0.4, 0.8])
def test_nir_mask_is_as_much_brighter_than_skin_as_its_reflectance(brightness):
    face = posed()
    skin = 0.55 * brightness
    host = lit_face(face, (0, 0, 1), skin=(skin, skin, skin), grey=True)
    config = ComposeConfig(grain=False, shadow=0)
    bright, dark = (compose(host, face, lower_face_template(nir=r), "nir", config) for r in (0.7, 0.35))
    whole = bright.alpha == 255
    linear = [to_linear(made.image.astype(np.float32) / 255)[whole].mean() for made in (bright, dark)]
    assert linear[0] / linear[1] == pytest.approx(2, rel=0.03)
    under = to_linear(host.astype(np.float32) / 255)[whole].mean()
    assert linear[0] / under == pytest.approx(0.7 / 0.60, rel=0.12)


def test_light_off_on_a_dark_photo_is_brighter_than_on():
    face = posed()
    host = lit_face(face, skin=(0.03, 0.02, 0.015))
    on, off = (compose(host, face, lower_face_template(), "vis", ComposeConfig(light=light)) for light in (True, False))
    whole = on.alpha == 255
    assert on.image[whole].mean() < 0.9 * off.image[whole].mean()


def test_same_input_gives_the_same_bytes_and_the_seed_the_grain():
    face = posed(15)
    host = lit_face(face, noise=0.02)
    first, again, other = (
        compose(host, face, lower_face_template(), "vis", ComposeConfig(seed=seed)).image for seed in (3, 3, 4)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


@pytest.mark.parametrize("yaw", [20, 50])
def test_masks_worn_before_change_nothing(yaw):
    """Coarse lookups on silhouettes read the light beyond the mask: it was that of whatever was worn before."""
    face, bright = posed(yaw), posed()

    def worn(composer, face, host, template):
        image = host.copy()
        composer.look(host, face.position_map, "vis")
        composer.wear(template, image, np.zeros(SHAPE, np.uint8), np.zeros(SHAPE, np.bool_))
        return image

    used, host = Composer(), lit_face(face)
    worn(used, bright, lit_face(bright, ambient=1.0, skin=(3, 3, 3)), load_template("gaiter-black"))
    template = load_template("n95-cup")
    np.testing.assert_array_equal(worn(used, face, host, template), worn(Composer(), face, host, template))


def test_grain_follows_the_noise_of_the_host():
    face = posed(interocular=90)
    spread = []
    for noise in (0.0, 0.03):
        made = compose(lit_face(face, noise=noise), face, lower_face_template(), "vis", ComposeConfig(relief=False))
        patch = made.image[150:170, 110:146, 1].astype(float)
        spread.append(np.std(np.diff(patch, axis=1)) / np.sqrt(2))
    assert spread[0] < 1
    assert 3 < spread[1] < 12


def test_full_render_redraws_the_face_and_mask_does_not():
    face = posed()
    host = lit_face(face, noise=0.02)
    mask, full = (compose(host, face, lower_face_template(), "vis", ComposeConfig(render=r)) for r in ("mask", "full"))
    assert full.touched.sum() > 1.5 * mask.touched.sum()
    bare = full.touched & ~mask.touched
    assert np.abs(full.image[bare].astype(int) - host[bare]).mean() < 12


def test_mask_stands_off_where_it_has_height():
    face = posed(60)
    host = lit_face(face)
    v, u = np.mgrid[:256, :256]
    height = (0.15 * np.exp(-(((u - 128) / 40) ** 2 + ((v - 140) / 30) ** 2))).astype(np.float32)
    flat = compose(host, face, lower_face_template(height=height), "vis", ComposeConfig(relief=False))
    raised = compose(host, face, lower_face_template(height=height), "vis")
    gained = (raised.alpha > 0) & (flat.alpha == 0)
    assert gained.sum() > 50


def profile_hollow(template):
    """How far the mask's silhouette lies behind the line from the nose's tip to the chin, in pixels, on a face turned
    aside by 90 degrees."""
    face = posed(90)
    made = compose(np.full((*SHAPE, 3), 120, np.uint8), face, template, "vis", ComposeConfig(blur=False))
    tip, chin = face.landmarks68[30, :2], face.landmarks68[8, :2]
    rows = np.arange(int(tip[1]) + 2, int(chin[1]) - 6)
    line = np.interp(rows, [tip[1], chin[1]], [tip[0], chin[0]])
    outermost = np.array([np.flatnonzero(made.alpha[row] > 127).max() for row in rows])
    return float((line - outermost).max())


def test_cloth_spans_the_hollow_between_nose_and_chin():
    """A generated mask is drawn over this face as taut cloth; one whose height was measured keeps it."""
    v, u = np.mgrid[:256, :256]
    height = (0.02 * ((np.abs(u - 128) < 80) & (v > 96) & (v < 184))).astype(np.float32)
    plain = lower_face_template(height=height)
    drawn = lower_face_template(height=height)
    drawn.metadata["source"] = "generated"
    assert profile_hollow(plain) > 3
    assert profile_hollow(drawn) < 0.4 * profile_hollow(plain)


def test_light_on_a_profile_is_of_the_colour_that_the_skin_shows():
    """The fit sees few normals there; its constant term alone may be of any colour."""
    face = posed(75)
    host = lit_face(face, (0.9, -0.2, 0.3), skin=(0.5, 0.32, 0.2), ambient=0.02)
    made = compose(host, face, lower_face_template(colour=(0.9, 0.9, 0.9)), "vis", ComposeConfig(grain=False, shadow=0))
    colour = to_linear(made.image[made.alpha == 255].astype(np.float32) / 255).mean(axis=0)
    assert colour[0] > 0.97 * colour[2]


def test_highlights_are_clipped_where_those_of_the_photo_are():
    """A photo whose white is 225, as of a flat scan or a dim screen; one without clipped highlights keeps the range."""
    face = posed()
    host = lit_face(face, skin=(0.75, 0.72, 0.7), ambient=0.9)
    white = lower_face_template(colour=(1.0, 1.0, 1.0))
    free = compose(host, face, white, "vis", ComposeConfig(grain=False))
    assert free.image[free.alpha == 255].max() > 240
    flat = np.minimum(host, 225).astype(np.uint8)
    flat[:90] = 225  # a white wall
    made = compose(flat, face, white, "vis", ComposeConfig(grain=False))
    assert made.image[made.alpha == 255].max() == 225


def test_face_in_the_dark_or_off_the_picture_is_harmless():
    template = lower_face_template()
    assert compose(np.zeros((*SHAPE, 3), np.uint8), posed(), template, "vis").touched.any()
    assert not compose(np.zeros((64, 64, 3), np.uint8), posed(centre=(900.0, 900.0)), template, "vis").touched.any()
    assert compose(
        np.full((64, 64), 255, np.uint8), posed(interocular=300, centre=(32.0, -100.0)), template, "nir"
    ).touched.any()


def test_nir_colour_says_where_it_comes_from():
    assert nir_reflectance(lower_face_template(nir=0.3))[1] == "reflectance"
    values, source = nir_reflectance(lower_face_template(colour=(0, 0, 0)))
    assert source == "by material"
    assert 0.3 < values.mean() < 0.7
    grey = lower_face_template(colour=(0.5, 0.5, 0.5))
    grey.metadata["spectrum"] = "nir"
    values, source = nir_reflectance(grey)
    assert source == "nir photo"
    assert values.mean() == pytest.approx(to_linear(np.array(0.5)), abs=1e-4)


def test_mask_is_as_soft_as_the_photo():
    """On a blurred photo the rim of the mask takes more pixels; on a sharp one it does not."""
    import cv2

    face = posed(interocular=80)
    sharp = lit_face(face)
    rows = face.position_map.positions[60:70, 80:110, :2].reshape(-1, 2)  # a dark bar with sharp ends for an eye
    left, top = rows.min(0).astype(int)
    right, bottom = rows.max(0).astype(int)
    sharp[top:bottom, left:right] = 10
    width = []
    for host in (sharp, cv2.GaussianBlur(sharp, (0, 0), 2.5)):
        made = compose(host, face, lower_face_template(), "vis", ComposeConfig(shadow=0))
        column = made.alpha[:200, 128].astype(int)
        width.append(int(((column > 12) & (column < 243)).sum()))
    assert width[0] <= 4
    assert width[1] >= width[0] + 3


def test_what_is_no_photo_is_refused():
    with pytest.raises(ShapeError):
        compose(np.zeros((64, 64, 4), np.uint8), posed(), lower_face_template(), "vis")
    with pytest.raises(ConfigError):
        ComposeConfig(shadow=2)
    with pytest.raises(ConfigError):
        ComposeConfig(render="half")  # type: ignore[arg-type]


def test_a_face_drawn_in_pieces_has_no_seams(monkeypatch):
    import cv2

    from masksynth.compose import composer

    face = posed(25, interocular=70)
    host = cv2.GaussianBlur(lit_face(face), (0, 0), 1.5)
    whole = compose(host, face, lower_face_template(), "vis")
    monkeypatch.setattr(composer, "TILE", 40)
    pieces = compose(host, face, lower_face_template(), "vis")
    assert np.abs(whole.image.astype(int) - pieces.image).max() <= 2
    assert np.abs(whole.alpha.astype(int) - pieces.alpha).max() <= 3
    assert whole.alpha.max() == 255
