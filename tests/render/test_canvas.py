"""The fast renderer: against the plain z-buffer, and what a drawn texture must be."""

from __future__ import annotations

import numpy as np
import pytest
from faces import lower_face_template, posed

from masksynth.arrays import UV_SIZE
from masksynth.render import grid_triangles, rasterize
from masksynth.render.canvas import Canvas, Window, window_of
from masksynth.render.pyramid import build_pyramid

SHAPE = (256, 256)
WHOLE = Window(0, 0, 256, 256)


def waves(period=40.0):
    """A smooth texture of full alpha."""
    v, u = np.mgrid[:UV_SIZE, :UV_SIZE]
    colour = np.stack([np.sin(u / period), np.sin(v / period), np.sin((u + v) / period)], -1) * 0.5 + 0.5
    return build_pyramid(colour.astype(np.float32), np.ones((UV_SIZE, UV_SIZE), np.float32))


def template_pyramid():
    """A mask over the lower face."""
    rgba = lower_face_template().rgba
    return build_pyramid(np.ascontiguousarray(rgba[..., :3]), np.ascontiguousarray(rgba[..., 3]))


def plain(position_map, shape=SHAPE):
    triangles = grid_triangles(position_map.validity)
    x, y = position_map.positions[..., 0].ravel(), position_map.positions[..., 1].ravel()
    a, b, c = triangles.T
    area = (x[b] - x[a]) * (y[c] - y[a]) - (y[b] - y[a]) * (x[c] - x[a])
    front = triangles[area < 0]
    return rasterize(position_map.positions.reshape(-1, 3), front, shape), front


@pytest.mark.parametrize("yaw", [-80, -40, 0, 25, 60])
def test_visible_texels_agree_with_the_plain_z_buffer(yaw):
    face = posed(yaw).position_map
    canvas = Canvas()
    canvas.look(face, WHOLE, step=1)
    fragments, triangles = plain(face)
    v, u = np.divmod(np.arange(UV_SIZE**2), UV_SIZE)
    texels = fragments.interpolate(np.stack([u, v], 1), triangles)
    seen = canvas.uv[0] > -1
    assert (seen & ~fragments.covered).mean() < 0.003  # cells that are only partly in the layout
    assert not (fragments.covered & ~seen).any()
    off = np.abs(np.moveaxis(canvas.uv, 0, 2) - texels).max(-1)[seen & fragments.covered]
    assert np.mean(off > 0.01) < 0.003


@pytest.mark.parametrize("yaw", [-60, -25, 0, 40, 75])
def test_no_pixel_sees_a_place_beyond_the_layout(yaw):
    """Cells that are grown reach beyond their triangles, needles very far: arrays were then read outside."""
    canvas = Canvas()
    for interocular in (40, 65, 90):
        canvas.look(posed(yaw, pitch=10, interocular=interocular, centre=(72, 60)).position_map, Window(0, 0, 144, 144))
        u, v = canvas.uv
        seen = u > -1e29
        assert seen.sum() > 1000
        for places in (u[seen], v[seen]):
            assert 0 <= places.min() <= places.max() <= UV_SIZE / canvas.step


@pytest.mark.parametrize("interocular", [12, 40, 90, 400])
@pytest.mark.parametrize("yaw", [0, 50])
def test_nothing_shines_through_inside_the_face(yaw, interocular):
    side = int(interocular * 4)
    face = posed(yaw, interocular=interocular, centre=(side / 2, side / 3)).position_map
    canvas = Canvas()
    canvas.look(face, Window(0, 0, side, side))
    alpha = canvas.draw(waves())[..., 3]
    fragments, _ = plain(face, (side, side))
    inside = fragments.covered.copy()
    for axis in (0, 1):
        for by in (-2, -1, 1, 2):
            inside &= np.roll(fragments.covered, by, axis)
    assert (alpha[inside] < 0.999).sum() <= 2  # a sample or two behind the wing of the nose
    assert alpha[inside].min() > 0.8
    assert ((alpha > 0) & (alpha < 1)).any()  # the outline is soft


@pytest.mark.parametrize("yaw", [0, 35, 70])
def test_coverage_adds_up_to_the_area(yaw):
    """Summed alpha of the head is its area, as a picture four times as fine counts it."""
    face = posed(yaw, interocular=40, centre=(80, 60)).position_map
    canvas = Canvas()
    canvas.look(face, Window(0, 0, 160, 160), step=1)
    alpha = canvas.draw(waves())[..., 3]
    fine = face.moved(np.array([[4.0, 0, 1.5], [0, 4.0, 1.5]]))
    area = plain(fine, (640, 640))[0].covered.sum() / 16
    assert alpha.sum() == pytest.approx(area, rel=0.012)  # half a texel of rim more


def test_coarse_grid_stays_within_a_grey_level():
    for yaw in (0, 30):
        face = posed(yaw, interocular=60).position_map
        canvas = Canvas()
        canvas.look(face, WHOLE, step=1)
        fine = canvas.draw(waves()).copy()
        canvas.look(face, WHOLE)
        coarse = canvas.draw(waves())
        inside = (fine[..., 3] == 1) & (coarse[..., 3] == 1)
        off = np.abs(fine - coarse).max(-1)[inside] * 255
        assert np.quantile(off, 0.98) < 1
        assert np.quantile(off, 0.995) < 4
        assert inside.sum() > 5000


def test_a_window_shows_the_same_as_the_whole():
    face = posed(40).position_map
    canvas = Canvas()
    canvas.look(face, WHOLE)
    whole = canvas.draw(waves()).copy()
    canvas.look(face, Window(70, 90, 50, 60))
    part = canvas.draw(waves())
    np.testing.assert_allclose(part[1:-1, 1:-1], whole[91:149, 71:119], atol=2e-3)


@pytest.mark.parametrize("shape", [(96, 90), (131, 77), (40, 143)])
def test_what_a_canvas_saw_before_changes_nothing(shape):
    """Room to work in is used again, for windows of every shape: nothing may be read of it that was not written."""
    used = Canvas()
    for k in range(4):
        used.look(posed(20 * k, interocular=40 + 20 * k).position_map, Window(-20 * k, 0, 200 - 30 * k, 120 + 11 * k))
        used.draw(waves(3))
        for room in vars(used._pixels).values():
            if isinstance(room, np.ndarray):
                kind = np.uint32 if room.itemsize == 4 else np.uint8
                room.view(kind)[:] |= kind(0xF8F8F8F8 & np.iinfo(kind).max)  # NaN, and flags that mean nothing
    texture = template_pyramid()
    for yaw in (0, 55):
        face, fresh = posed(yaw, interocular=60, centre=(45, 40)).position_map, Canvas()
        for canvas in (used, fresh):
            canvas.look(face, Window(0, 0, *shape), texture=texture)
        np.testing.assert_array_equal(used.uv, fresh.uv)
        np.testing.assert_array_equal(used.draw(texture), fresh.draw(texture))


def test_far_side_is_hidden_by_the_nose():
    """At 70 degrees a patch on the far cheek cannot be seen; frontal it can."""
    v, u = np.mgrid[:UV_SIZE, :UV_SIZE]
    patch = (((u - 75) ** 2 + (v - 115) ** 2) < 15**2).astype(np.float32)
    texture = build_pyramid(np.ones((UV_SIZE, UV_SIZE), np.float32), patch)
    canvas = Canvas()
    seen = []
    for yaw in (0, -70, 70):
        canvas.look(posed(yaw).position_map, WHOLE)
        seen.append(canvas.draw(texture)[..., 3].sum())
    assert seen[0] > 150
    assert min(seen[1:]) < 3 < max(seen[1:])


def test_large_template_on_a_small_face_does_not_alias():
    """A fine checkerboard becomes grey, as its mean is, not a pattern of black and white."""
    v, u = np.mgrid[:512, :512]
    board = ((u // 4 + v // 4) % 2).astype(np.float32)
    texture = build_pyramid(board, np.ones((512, 512), np.float32))
    face = posed(0, interocular=20, centre=(40, 30)).position_map
    canvas = Canvas()
    canvas.look(face, Window(0, 0, 80, 80))
    layer = canvas.draw(texture)
    inside = layer[..., 3] == 1
    assert inside.sum() > 500
    assert layer[inside][:, 0].mean() == pytest.approx(0.5, abs=0.02)
    assert layer[inside][:, 0].std() < 0.06


def test_soft_rim_of_the_template_is_soft_in_the_photo():
    template = lower_face_template(size=512)
    texture = build_pyramid(template.rgba[..., :3], template.alpha)
    canvas = Canvas()
    canvas.look(posed(0, interocular=60).position_map, WHOLE)
    alpha = canvas.draw(texture)[..., 3]
    steps = np.abs(np.diff(alpha[60:160, 100:156], axis=0))
    assert steps.max() < 0.9  # no stair: the rim takes more than one pixel
    assert alpha.max() == pytest.approx(1)


@pytest.mark.parametrize("yaw", [0, 60, 75])
def test_coverage_is_that_of_sixty_four_samples_a_pixel(yaw):
    """Also where the middle of a pixel misses the head: against the plain z-buffer, eight times as fine each way."""
    from masksynth.template.worn import sample

    side, fine = 128, 8
    face = posed(yaw, interocular=40, centre=(64, 42)).position_map
    template = lower_face_template()
    alpha = template.alpha * (face.validity > 0)
    canvas = Canvas()
    texture = build_pyramid(template.rgba[..., :3], alpha)
    canvas.look(face, Window(0, 0, side, side), texture=texture)
    ours = canvas.draw(texture)[..., 3]
    shift = (fine - 1) / 2
    fragments, triangles = plain(face.moved(np.array([[fine, 0, shift], [0, fine, shift]])), (side * fine, side * fine))
    v, u = np.divmod(np.arange(UV_SIZE**2), UV_SIZE)
    places = fragments.interpolate(np.stack([u, v], 1), triangles)
    seen = sample(alpha[..., None], places[..., 0], places[..., 1])[..., 0] * fragments.covered
    truth = seen.reshape(side, fine, side, fine).mean(axis=(1, 3))
    rim = (truth > 0.004) & (truth < 0.996)
    assert rim.sum() > 100
    assert np.abs(ours - truth).max() < 0.3
    assert np.sqrt(np.mean((ours - truth)[rim] ** 2)) < 0.12


def test_face_outside_the_picture_draws_nothing():
    face = posed(centre=(5000.0, -4000.0)).position_map
    window = window_of(face, SHAPE)
    assert window.width * window.height == 0
    canvas = Canvas()
    canvas.look(face, Window(0, 0, 16, 16))
    assert not canvas.draw(waves())[..., 3].any()


def test_tiles_cover_the_window_once():
    window = Window(3, 5, 1100, 700)
    count = np.zeros((720, 1120), int)
    for tile in window.tiles(512):
        count[tile.top : tile.top + tile.height, tile.left : tile.left + tile.width] += 1
    assert (count[5:705, 3:1103] == 1).all()
    assert count.sum() == 1100 * 700


def test_texel_spacing_is_that_of_the_eyes():
    assert posed(interocular=99).position_map.texel_px == pytest.approx(1, rel=0.15)
