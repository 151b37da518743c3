"""A template put on a generated face and taken off it again agrees with itself; poor photos are named."""

from __future__ import annotations

import dataclasses
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from masksynth.arrays import Pose, Reconstruction
from masksynth.cli.main import main
from masksynth.compose import ComposeConfig, compose
from masksynth.compose.colour import to_linear
from masksynth.compose.light import NIR_SKIN
from masksynth.datasets.generated import View, draw_view, identity, render_face
from masksynth.datasets.generated.truly_masked import render_masked
from masksynth.detect import load_detector
from masksynth.errors import ConfigError, NoFaceError, SegmentationError, ShapeError
from masksynth.extract import ExtractConfig, ExtractedTemplate, extract_template
from masksynth.extract.fill import fill_hidden, merge
from masksynth.extract.judge import judge_cover
from masksynth.extract.straps import find_straps
from masksynth.extract.texture import Unwrapped, draped, unwrap_view, visibility
from masksynth.extract.texture import View as MaskView
from masksynth.photos import Photo, read_photo, write_photo
from masksynth.reconstruct import find_faces, load_reconstructor
from masksynth.report.preview import preview
from masksynth.resources import user_weights
from masksynth.segment import given_segmentation
from masksynth.template import load_template, read_template
from masksynth.template.tent import cloth_height


@cache
def worn(
    name: str = "surgical-blue", yaw: float = 0.0, spectrum: str = "vis", between: float = 110.0
) -> tuple[Photo, np.ndarray, Reconstruction]:
    """A generated face that wears a packaged template, the alpha it was drawn with, the face as found without."""
    view = View(pose=Pose(np.radians(yaw), 0.0, 0.0), interocular=between)
    clean = render_face(identity(0, 3), view, spectrum, (480, 480)).pixels  # type: ignore[arg-type]
    rgb = clean if clean.ndim == 3 else np.repeat(clean[..., None], 3, 2)
    faces, _ = find_faces(rgb, load_detector(), load_reconstructor())
    made = compose(clean, faces[0], load_template(name), spectrum, ComposeConfig(relief=False))  # type: ignore[arg-type]
    return Photo(made.image, Path(f"{name}.png")), (made.alpha / 255).astype(np.float32), faces[0]


@cache
def extracted(name: str = "surgical-blue", yaw: float = 0.0, spectrum: str = "vis") -> ExtractedTemplate:
    photo, alpha, _ = worn(name, yaw, spectrum)
    return extract_template([photo], ExtractConfig(spectrum=spectrum), segmentations=[alpha])  # type: ignore[arg-type]


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    return float(((a > 0.5) & (b > 0.5)).sum() / ((a > 0.5) | (b > 0.5)).sum())


@pytest.mark.parametrize(("yaw", "least"), [(0.0, 0.93), (-35.0, 0.93), (35.0, 0.93)])
def test_round_trip_keeps_the_outline(yaw: float, least: float) -> None:
    truth = load_template("surgical-blue").resized(256)
    photo, alpha, face = worn(yaw=yaw)
    view = MaskView(photo, face, given_segmentation(alpha, photo.rgb))
    filled, _, _ = fill_hidden(unwrap_view(view, 256, "vis", 1.0))
    assert overlap(filled.alpha, truth.alpha) > least


def test_the_command_of_it_finds_the_face_under_the_mask() -> None:
    truth = load_template("surgical-blue").resized(256)
    assert overlap(extracted().template.alpha, truth.alpha) > 0.7  # Face Mesh sits less well on a masked face


def test_round_trip_keeps_the_hue() -> None:
    truth, found = load_template("surgical-blue").resized(256), extracted().template
    both = (truth.alpha > 0.99) & (found.alpha > 0.99)

    def chromaticity(rgb: np.ndarray) -> np.ndarray:
        return rgb[both].mean(0) / rgb[both].mean()

    assert np.abs(chromaticity(truth.rgba[..., :3]) - chromaticity(found.rgba[..., :3])).max() < 0.12


def test_what_the_pose_hides_is_mirrored_and_said() -> None:
    frontal, turned = (extracted(yaw=yaw).template.metadata["texels"] for yaw in (0.0, 35.0))
    assert turned["mirrored"] > frontal["mirrored"]
    for texels in (frontal, turned):
        assert sum(texels.values()) == pytest.approx(1, abs=1e-3)
        assert texels["measured"] > 0.4


def test_a_nir_photo_gives_a_grey_template_with_its_own_reflectance() -> None:
    template = extracted("surgical-blue", 0.0, "nir").template
    assert template.metadata["spectrum"] == "nir"
    assert np.ptp(template.rgba[..., :3], axis=2).max() < 1e-6
    assert template.nir is not None
    assert 0.2 < template.nir[template.alpha > 0.5].mean() <= 1
    assert "measured" in template.metadata["nir"]
    assert "converted from VIS" in extracted().template.metadata["nir"]


@pytest.mark.parametrize(("name", "yaw", "between"), [("surgical-blue", 0.0, 100.0), ("cloth-navy", 25.0, 80.0)])
def test_the_reflectance_in_nir_is_that_of_the_mask_truly_worn(name: str, yaw: float, between: float) -> None:
    """Against skin of the reflectance that is taken for everybody's: this person's differs by what is divided out."""
    person, truth = identity(3, 5), load_template(name).resized(256)
    rng = np.random.default_rng(1)
    view = dataclasses.replace(draw_view(rng, "nir"), pose=Pose(np.radians(yaw), 0.0, 0.0), interocular=between)
    shot = render_masked(person, view, truth, "nir", (400, 400))
    config = ExtractConfig(spectrum="nir")
    made = extract_template([Photo(shot.masked, Path("a.png"))], config, segmentations=[shot.alpha]).template
    both = (made.alpha > 0.95) & (truth.alpha > 0.95)
    assert made.nir is not None
    assert truth.nir is not None
    own_skin = 0.60 - 0.16 * person.melanin + 0.05 * person.nir_tone
    ratio = float(np.median(made.nir[both]) / np.median(truth.nir[both])) * own_skin / NIR_SKIN
    assert ratio == pytest.approx(1, abs=0.15)


def test_a_template_from_a_photo_hangs_as_cloth_between_nose_and_chin() -> None:
    template = extracted().template
    assert template.height is not None
    assert template.drapes
    assert not load_template("surgical-blue").metadata.get("drapes", False)  # said by its source, not by this key
    assert template.height[template.alpha < 0.5].max() == 0  # along its edge it lies on the skin
    middle = template.height[100:190, 100:156]
    assert middle[template.alpha[100:190, 100:156] > 0.9].min() >= 0.02


def test_the_largest_face_that_wears_a_mask_is_taken() -> None:
    """Beside a larger, bare face."""
    photo, _, _ = worn(between=70.0)
    bare = render_face(identity(0, 4), View(interocular=100), "vis", (480, 480)).pixels
    both = Photo(np.hstack([bare, photo.pixels]), Path("both.png"))
    made = extract_template([both])
    assert made.views[0].face.landmarks68[:, 0].mean() > 480
    assert "the mask is that of face 2 of 2" in made.warnings[0]
    with pytest.raises(SegmentationError, match=r"both\.png: no mask can be told"):
        extract_template([both], ExtractConfig(face=1))
    with pytest.raises(SegmentationError, match=r"bare\.png: no mask can be told"):
        extract_template([Photo(bare, Path("bare.png"))])
    drawn = np.hstack([np.zeros((480, 480), np.float32), worn(between=70.0)[1]])
    given = extract_template([both], segmentations=[drawn])
    assert given.views[0].face.landmarks68[:, 0].mean() > 480


def test_a_print_beside_the_middle_is_not_mirrored_but_a_symmetric_one_is() -> None:
    """What the pose hides right of u = 150: a valve at the left of plain cloth stays one, one over the middle whole."""
    v, u = np.mgrid[:256, :256]
    cloth = load_template("kn95-white").resized(256).alpha.astype(float)
    weight = np.where(u < 150, 1.0, 0.0)

    def valves(centre: float) -> np.ndarray:
        colour = np.where(np.hypot(u - centre, v - 150)[..., None] < 18, (0.9, 0.1, 0.1), (0.4, 0.5, 0.6))
        colour = np.where(u[..., None] < 150, colour, 0.0)
        filled, origin, _ = fill_hidden(Unwrapped(colour, cloth, weight, weight))
        assert origin["mirrored"] > 0.2
        return filled.colour[..., 0] - filled.colour[..., 1] > 0.4

    left = valves(90.0)
    assert left[:, :128].sum() > 800
    assert left[:, 150:].sum() == 0
    middle = valves(127.5)
    assert middle[:, 128:].sum() == pytest.approx(middle[:, :128].sum(), rel=0.1)


def test_what_is_mirrored_meets_what_was_measured_without_a_step() -> None:
    """The right half is a little brighter than the left and hidden from u = 150 on: mirrored cloth is as bright."""
    u = np.broadcast_to(np.arange(256), (256, 256))
    cloth = load_template("kn95-white").resized(256).alpha.astype(float)
    weight = np.where(u < 150, 1.0, 0.0)
    grey = np.where(u < 128, 0.50, 0.58)[..., None] * np.ones(3)
    filled, origin, _ = fill_hidden(Unwrapped(grey, cloth, weight, weight))
    assert origin["mirrored"] > 0.2
    assert filled.colour[140, 152:172, 0] == pytest.approx(0.58, abs=0.015)
    assert np.abs(np.diff(filled.colour[140, 132:200, 0])).max() < 0.01


def test_flowers_all_over_are_mirrored() -> None:
    truth = load_template("cloth-flowers").resized(256)
    weight = np.broadcast_to(np.where(np.arange(256) < 135, 1.0, 0.0), (256, 256)).astype(float)
    seen = Unwrapped(truth.rgba[..., :3].astype(float), truth.alpha.astype(float), weight, weight)
    filled, _, _ = fill_hidden(seen)
    inside = (truth.alpha > 0.9) & (np.arange(256) > 140)
    assert filled.colour[inside].std() > 0.6 * truth.rgba[inside, :3].std()


def test_a_cheek_within_the_outline_is_no_cloth() -> None:
    """A disc of skin at the mask's edge, taken for mask: it neither colours the template nor belongs to it."""
    photo, alpha, face = worn("surgical-blue")
    wide, pixels = alpha.copy(), photo.pixels.copy()
    u, v = 205, 150
    centre = tuple(np.rint(face.position_map.positions[v, u, :2]).astype(int).tolist())
    cheek = cv2.circle(np.zeros(alpha.shape, np.uint8), centre, 14, 1, -1) > 0
    places = face.position_map.positions[100:110, 40:46, :2].reshape(-1, 2).mean(0).astype(int)
    skin = photo.pixels[places[1] - 3 : places[1] + 4, places[0] - 3 : places[0] + 4].reshape(-1, 3)
    pixels[cheek] = np.median(skin, axis=0).astype(np.uint8)
    wide[cheek] = 1
    view = MaskView(dataclasses.replace(photo, pixels=pixels), face, given_segmentation(wide, photo.rgb))
    read = unwrap_view(view, 256, "vis", 0.0)
    assert read.alpha[v, u] == 0
    assert read.weight[v, u] == 0
    clean = unwrap_view(MaskView(photo, face, given_segmentation(alpha, photo.rgb)), 256, "vis", 0.0)
    taken = (clean.weight == 0) & (visibility(face, 256)[0] > 0)
    assert taken[clean.alpha > 0.97].mean() < 0.01


def test_the_far_side_of_the_nose_is_seen_on_cloth_that_is_not_on_skin() -> None:
    _, _, face = worn(yaw=35.0)
    photo, alpha, _ = worn(yaw=35.0)
    view = MaskView(photo, face, given_segmentation(alpha, photo.rgb))
    height = cloth_height(np.full((256, 256), 50.0), 0.03)
    over = draped(view, height)
    on_skin, on_cloth = (visibility(one.face, 256)[0][120:140, 128:150] for one in (view, over))
    assert on_cloth.mean() > on_skin.mean() + 0.05
    flat = draped(view, np.zeros((256, 256)))
    assert np.array_equal(flat.face.position_map.positions, face.position_map.positions)


def test_two_photos_measure_more_than_either() -> None:
    pairs = [worn(yaw=yaw) for yaw in (-40.0, 40.0)]
    both = extract_template([photo for photo, _, _ in pairs], segmentations=[alpha for _, alpha, _ in pairs])
    alone = [extract_template([photo], segmentations=[alpha]) for photo, alpha, _ in pairs]
    measured = [made.template.metadata["texels"]["measured"] for made in (both, *alone)]
    assert measured[0] > max(measured[1:]) + 0.1
    assert len(both.template.metadata["sources"]) == 2


def test_side_light_is_divided_out() -> None:
    photo, alpha, _ = worn()
    ramp = np.linspace(0.55, 1.0, photo.pixels.shape[1])[None, :, None]
    lit = dataclasses.replace(photo, pixels=np.rint(photo.pixels * ramp).astype(np.uint8))

    def slope(share: float) -> float:
        made = extract_template([lit], ExtractConfig(even_light=share), segmentations=[alpha])
        luminance = cv2.GaussianBlur(made.template.rgba[..., :3].mean(axis=2), (0, 0), 4)
        return abs(float(np.log(luminance[130:190, 160:190].mean() / luminance[130:190, 66:96].mean())))

    assert slope(1.0) < 0.5 * slope(0.0)


@pytest.mark.parametrize("name", ["surgical-blue", "n95-cup"])
def test_the_light_on_the_skin_tells_how_bright_the_mask_is(name: str) -> None:
    """Of a mask truly worn: nearer to the truth than as photographed, in each colour."""
    truth = load_template(name).resized(256)
    shot = render_masked(identity(1, 0), View(interocular=100.0), truth, "vis", (440, 440))

    def off(share: float) -> np.ndarray:
        config = ExtractConfig(even_light=share)
        made = extract_template([Photo(shot.masked, Path("a.png"))], config, segmentations=[shot.alpha]).template
        both = (made.alpha > 0.95) & (truth.alpha > 0.95)
        found, true = (np.median(to_linear(one.rgba[both, :3]), axis=0) for one in (made, truth))
        return np.abs(np.log(found / true))

    assert (off(1.0) < off(0.0) - 0.05).all()
    assert off(1.0).max() < 0.35


def test_two_photos_in_one_keep_the_finest_of_each() -> None:
    """Stripes that the second photo sees a little beside the first: they are not blended to grey."""
    u = np.broadcast_to(np.arange(256), (256, 256))
    alpha = load_template("kn95-white").resized(256).alpha.astype(float)

    def seen(shift: int, weight: np.ndarray) -> Unwrapped:
        stripes = np.where((u + shift) // 4 % 2 == 0, 0.8, 0.2)
        return Unwrapped(np.repeat(stripes[..., None], 3, axis=2), alpha, weight, weight)

    left = np.clip(1 - u / 255, 0.3, 0.9)
    merged = merge([seen(0, left), seen(4, left[:, ::-1])], [-0.4, 0.4])
    inner = alpha > 0.99
    assert np.abs(merged.colour[..., 0] - 0.5)[inner].mean() > 0.24  # 0.3 in either; 0 where both are mixed alike


def test_a_side_lit_mask_has_no_darker_side() -> None:
    """A lamp from the side in the scene, and one of a warm colour: left and right of the template are alike."""
    view = View(interocular=110.0)
    clean = render_face(identity(0, 3), view, "vis", (480, 480)).pixels
    faces, _ = find_faces(clean, load_detector(), load_reconstructor())
    made = compose(clean, faces[0], load_template("cloth-navy"), "vis", ComposeConfig(relief=False))
    fold = np.where(np.arange(480) < faces[0].landmarks68[33, 0], [[1.0], [0.9], [0.8]], [[0.5], [0.55], [0.6]])
    lit = np.rint(made.image * fold.T[None]).astype(np.uint8)
    photo = Photo(lit, Path("lit.png"))
    template = extract_template([photo], segmentations=[(made.alpha / 255).astype(np.float32)]).template
    linear = template.rgba[..., :3] ** 2.2
    left, right = (linear[130:190, part].mean(axis=(0, 1)) for part in (slice(70, 110), slice(146, 186)))
    assert np.abs(np.log(left / right)).max() < 0.25  # the photo's own: 1.5 in red, 1.1 in green


def test_a_hand_before_the_mask_leaves_no_notch() -> None:
    truth = load_template("kn95-white").resized(256)
    alpha = truth.alpha.astype(float).copy()
    v, u = np.mgrid[:256, :256]
    hand = (np.abs(u - 150) < 11) & (v > 150)
    alpha[hand] = 0
    seen = np.ones((256, 256))
    colour = truth.rgba[..., :3].astype(float)
    colour[hand] = (1.0, 0.0, 0.0)
    filled, origin, stray = fill_hidden(Unwrapped(colour, alpha, seen, seen))
    whole, none, _ = fill_hidden(Unwrapped(truth.rgba[..., :3].astype(float), truth.alpha.astype(float), seen, seen))
    assert 0.04 < origin["covered"] < 0.12
    assert "covers 8 % of the mask" in judge_cover(Photo(np.zeros((4, 4, 3), np.uint8), Path("a.png")), 0.08)[0]
    assert judge_cover(Photo(np.zeros((4, 4, 3), np.uint8), Path("a.png")), none["covered"]) == []
    assert none["covered"] < 0.01
    inside = hand & (truth.alpha > 0.9)
    assert np.abs(filled.colour - whole.colour)[inside].mean() < 0.05  # and not the hand's colour
    assert overlap(filled.alpha, truth.alpha) > 0.95
    assert (filled.alpha[hand & (truth.alpha > 0.5)] > 0.5).mean() > 0.9
    assert 0.02 < stray < 0.2


def test_a_hand_over_the_mouth_and_chin_leaves_a_whole_mask() -> None:
    truth = load_template("kn95-white").resized(256)
    v, u = np.mgrid[:256, :256]
    alpha = np.where((np.abs(u - 127) < 18) & (v > 130), 0.0, truth.alpha.astype(float))
    seen = np.ones((256, 256))
    filled, origin, _ = fill_hidden(Unwrapped(truth.rgba[..., :3].astype(float), alpha, seen, seen))
    assert overlap(filled.alpha, truth.alpha) > 0.85
    assert filled.alpha[135:170, 100:155].min() > 0.5
    assert origin["covered"] > 0.08


def test_what_the_photo_shows_of_the_mask_is_judged() -> None:
    photo, alpha, face = worn()
    left = int(face.landmarks68[33, 0])
    cut = dataclasses.replace(photo, pixels=np.ascontiguousarray(photo.pixels[:, : left + 30]))
    made = extract_template([cut], segmentations=[np.ascontiguousarray(alpha[:, : left + 30])])
    assert any("the mask is cut off: " in warning for warning in made.warnings)
    bright = dataclasses.replace(photo, pixels=np.where(alpha[..., None] > 0.5, np.uint8(255), photo.pixels))
    warnings = extract_template([bright], segmentations=[alpha]).warnings
    assert any("100 % of the mask is overexposed" in warning for warning in warnings)
    chin = alpha * (np.arange(480)[:, None] > face.landmarks68[57, 1] + 8)
    assert any("of the layout" in warning for warning in extract_template([photo], segmentations=[chin]).warnings)


def test_straps_are_left_out_unless_asked() -> None:
    """Two white loops are drawn over the cheek of a face in a cup; and once by hand into its segmentation."""
    photo, alpha, face = worn("n95-cup")
    looped, drawn = photo.pixels.copy(), alpha.copy()
    for row in (118, 160):
        for end in (214, 41):
            start = 190 if end > 128 else 65
            line = [face.position_map.positions[row, u, :2] for u in (start, end)]
            ends = [tuple(np.rint(place * 16).astype(int).tolist()) for place in line]
            cv2.line(looped, ends[0], ends[1], (245, 245, 245), 4, cv2.LINE_AA, 4)
            cv2.line(drawn, ends[0], ends[1], 1.0, 4, cv2.LINE_AA, 4)
    source = dataclasses.replace(photo, pixels=looped)
    without, kept = (
        extract_template([source], ExtractConfig(straps=straps), segmentations=[drawn]).template
        for straps in (False, True)
    )
    gained = (kept.alpha > 0.5) & (without.alpha < 0.5)
    assert gained[100:180, 200:216].sum() > 20
    assert gained[100:180, 40:56].sum() > 20
    assert gained[:90].sum() == 0
    assert kept.rgba[gained, :3].mean() > 0.75
    assert kept.metadata["straps"]
    found = find_straps(looped, face, alpha)
    assert found[(drawn > 0.9) & (alpha < 0.1)].mean() > 0.3
    assert find_straps(photo.pixels, face, alpha).sum() < 0.2 * found.sum()


def test_only_what_the_head_does_not_hide_is_visible() -> None:
    seen, _ = visibility(extracted(yaw=35.0).views[0].face, 256)
    left, right = seen[100:180, 30:60].mean(), seen[100:180, 196:226].mean()
    assert left > 0.5  # yaw > 0: the face turns to the image's right and shows its image-left cheek
    assert right < 0.25
    assert seen[:4].max() == 0  # above the layout's forehead


def test_512_is_sharper_than_256() -> None:
    photo, alpha, _ = worn("cloth-striped", between=190.0)
    side = [extract_template([photo], ExtractConfig(size=size), segmentations=[alpha]).template for size in (256, 512)]
    assert [template.size for template in side] == [256, 512]
    assert overlap(side[0].alpha, side[1].resized(256).alpha) > 0.97


def test_poor_photos_are_refused_or_warned_about_with_the_figure() -> None:
    photo, alpha, _ = worn()
    small = dataclasses.replace(
        photo, pixels=cv2.resize(photo.pixels, None, fx=0.33, fy=0.33, interpolation=cv2.INTER_AREA)
    )
    made = extract_template([small], segmentations=[cv2.resize(alpha, small.pixels.shape[1::-1])])
    assert any("the face is small (3" in warning for warning in made.warnings)
    blurred = dataclasses.replace(photo, pixels=cv2.GaussianBlur(photo.pixels, (0, 0), 4))
    assert any("is blurred" in warning for warning in extract_template([blurred], segmentations=[alpha]).warnings)
    assert extracted().warnings == ()
    grey = Photo(np.full((200, 200, 3), 128, np.uint8), Path("grey.png"))
    with pytest.raises(NoFaceError, match=r"grey\.png: no face was found"):
        extract_template([grey])
    with pytest.raises(NoFaceError, match="has 1 face, but face 2 is wanted"):
        extract_template([photo], ExtractConfig(face=2))
    with pytest.raises(ShapeError, match="but its photo is"):
        extract_template([photo], segmentations=[alpha[:-1]])
    with pytest.raises(ConfigError, match="2 segmentations were given for 1 photo:"):
        extract_template([photo], segmentations=[alpha, alpha])
    with pytest.raises(SegmentationError, match="too little of a mask is seen"):
        extract_template([photo], segmentations=[np.zeros_like(alpha)])


def test_filling_keeps_what_was_seen() -> None:
    truth = load_template("n95-cup").resized(256)
    weight = np.ones((256, 256))
    filled, origin, stray = fill_hidden(
        Unwrapped(truth.rgba[..., :3].astype(float), truth.alpha.astype(float), weight, weight)
    )
    assert overlap(filled.alpha, truth.alpha) > 0.98
    assert origin["measured"] > 0.9
    assert stray < 0.05
    inside = truth.alpha > 0.99
    assert np.abs(filled.colour - truth.rgba[..., :3])[inside].mean() < 0.02


def test_the_preview_shows_photo_texture_and_three_faces() -> None:
    picture = preview(extracted(), tile=96)
    assert picture.shape == (96, 5 * 96, 3)
    outlined = picture[:, :96].astype(int)
    assert ((outlined[..., 1] - outlined[..., 0] > 120) & (outlined[..., 1] - outlined[..., 2] > 100)).sum() > 40


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    weights = user_weights()
    load_detector()
    load_reconstructor()  # the networks are there now
    home = tmp_path / "home"
    home.mkdir()
    (home / "weights").symlink_to(weights)
    monkeypatch.setenv("MASKSYNTH_HOME", str(home))
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    return home


def run(*arguments: object):  # type: ignore[no-untyped-def]
    return CliRunner().invoke(main, ["extract-template", *map(str, arguments)])


def test_the_command_fills_the_library_and_says_what_to_type(home: Path) -> None:
    photo, alpha, _ = worn()
    write_photo(Path("my photo.png"), photo.pixels)
    result = run("my photo.png")
    assert result.exit_code == 0, result.output
    assert "masksynth apply photo.jpg -t my-photo -o masked.png" in result.output
    assert sorted(path.name for path in Path().iterdir()) == [
        "my photo.png",
        "my-photo.alpha.png",
        "my-photo.preview.png",
    ]
    assert load_template("my-photo").kind == "unknown"
    found = read_photo(Path("my-photo.alpha.png")).pixels / 255
    assert overlap(found, alpha) > 0.8
    assert run("my photo.png").exit_code == 0  # the same again

    write_photo(Path("drawn.png"), np.rint(alpha * 255).astype(np.uint8))
    other = run("my photo.png", "--segmentation", "drawn.png")
    assert other.exit_code != 0
    assert "--force" in other.output
    forced = run("my photo.png", "--segmentation", "drawn.png", "--force", "-o", "own.png")
    assert forced.exit_code == 0, forced.output
    assert read_template(Path("own.png")).metadata["sources"][0]["segmentation"] == "given"
    assert "-t own " in forced.output


def test_the_command_refuses_a_bare_face_and_leaves_nothing(home: Path) -> None:
    write_photo(Path("bare.png"), render_face(identity(0, 3), View(interocular=90), "vis", (400, 400)).pixels)
    result = run("bare.png")
    assert result.exit_code == 1
    assert "bare.png: no mask can be told from the face (score 0." in result.output
    assert [path.name for path in Path().iterdir()] == ["bare.png"]
    assert not (home / "templates").exists()
