"""The template files: what is written comes back, and what is no template is refused in one sentence."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from masksynth.errors import TemplateError
from masksynth.template import (
    Template,
    add_template,
    library,
    load_template,
    read_template,
    resolve_templates,
    save_template,
)
from masksynth.template.format import name_from


def plain(side: int = 256, name: str = "plain") -> Template:
    """A soft-edged ellipse over nose and mouth, with NIR and height that vary."""
    v, u = np.mgrid[:side, :side] * (256 / side)
    alpha = np.clip((1 - np.hypot((u - 128) / 90, (v - 140) / 55)) * 20, 0, 1)
    rgba = np.stack([u / 255, v / 255, 0.5 + 0 * u, alpha], axis=2).astype(np.float32)
    rgba[alpha == 0, :3] = 0
    return Template(
        name, rgba, (u / 300).astype(np.float32), (v / 2560).astype(np.float32), {"kind": "cloth", "x": "ü"}
    )


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MASKSYNTH_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.mark.parametrize("side", [256, 512])
def test_what_is_saved_is_read_again(tmp_path: Path, side: int) -> None:
    template = plain(side)
    written = save_template(tmp_path / "plain.png", template)
    assert [path.name for path in written] == ["plain.nir.png", "plain.height.png", "plain.png"]
    again = read_template(tmp_path / "plain.png")
    assert again.sha256 == template.sha256
    inside = template.alpha > 0
    assert np.abs(again.rgba - template.rgba)[inside].max() <= 0.5 / 255 + 1e-6
    assert again.nir is not None
    assert again.height is not None
    assert np.abs(again.nir - template.nir)[inside].max() <= 0.5 / 255 + 1e-6
    assert np.abs(again.height - template.height).max() <= 0.5 / 65535 + 1e-6
    assert again.metadata["kind"] == "cloth"
    assert again.metadata["x"] == "ü"
    assert again.kind == "cloth"


def test_saving_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        save_template(tmp_path / name, dataclasses.replace(plain(), name="same"))
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_saving_without_height_removes_the_old_height(tmp_path: Path) -> None:
    save_template(tmp_path / "m.png", plain())
    save_template(tmp_path / "m.png", dataclasses.replace(plain(), height=None))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.nir.png", "m.png"]
    assert read_template(tmp_path / "m.png").height is None


def test_transparent_texels_carry_the_nearest_colour(tmp_path: Path) -> None:
    save_template(tmp_path / "m.png", plain())
    rgba = read_template(tmp_path / "m.png").rgba
    row = rgba[140]
    first = int(np.argmax(row[:, 3] > 0))
    assert first > 0
    assert np.array_equal(row[first - 1, :3], row[first, :3])


def test_resizing_keeps_alpha_and_colour() -> None:
    template = read_and_continue(plain())
    large = template.resized(512)
    assert large.size == 512
    assert large.alpha.mean() == pytest.approx(template.alpha.mean(), rel=1e-5)
    small = large.resized(256)
    solid = template.alpha > 0.99
    assert np.abs(small.rgba - template.rgba)[solid, :3].max() < 0.01
    assert template.resized(256) is template


def read_and_continue(template: Template) -> Template:
    from masksynth.template.format import continued

    return dataclasses.replace(template, rgba=continued(template.rgba))


def test_a_plain_rgba_picture_is_a_template(tmp_path: Path) -> None:
    pixels = np.rint(plain().rgba * 255).astype(np.uint8)
    Image.fromarray(pixels, "RGBA").save(tmp_path / "bare mask.png")
    template = read_template(tmp_path / "bare mask.png")
    assert template.name == "bare-mask"
    assert template.metadata == {}
    assert template.nir is None


def test_published_templates_load_as_they_are(test_data: Path) -> None:
    templates = resolve_templates([test_data / "fma3d_templates"])
    assert [template.name for template in templates] == [str(k) for k in range(8)]
    assert all(0.15 < template.alpha.mean() < 0.4 for template in templates)


def rgba8() -> np.ndarray:
    return np.rint(plain().rgba * 255).astype(np.uint8)


def moved_to_the_eyes() -> np.ndarray:
    return np.roll(rgba8(), -60, axis=0)


@pytest.mark.parametrize(
    ("picture", "words"),
    [
        (lambda: rgba8()[:200], "256 x 200 px, but a template is 256 x 256 or 512 x 512"),
        (lambda: np.zeros((100, 100, 4), np.uint8), "100 x 100 px"),
        (lambda: np.zeros((600, 600, 4), np.uint8), "600 x 600 px"),
        (lambda: rgba8()[..., :3], "no alpha channel"),
        (lambda: rgba8() * np.uint8([1, 1, 1, 0]), "alpha is empty"),
        (lambda: np.full((256, 256, 4), 255, np.uint8), "not in the UV layout"),
        (moved_to_the_eyes, "not in the UV layout: it covers"),
    ],
)
def test_what_is_no_template_is_refused(tmp_path: Path, picture, words: str) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "x.png"
    Image.fromarray(picture()).save(path)
    with pytest.raises(TemplateError, match=words) as caught:
        read_template(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_files_that_are_no_png_are_refused(tmp_path: Path) -> None:
    for name, data in (("e.png", b""), ("t.png", b"not a picture" * 9)):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(TemplateError, match="not a PNG"):
            read_template(tmp_path / name)
    whole = tmp_path / "whole.png"
    Image.fromarray(rgba8()).save(whole)
    (tmp_path / "cut.png").write_bytes(whole.read_bytes()[:800])
    with pytest.raises(TemplateError, match="damaged or cut short"):
        read_template(tmp_path / "cut.png")
    with pytest.raises(TemplateError, match="no such file"):
        read_template(tmp_path / "none.png")
    with pytest.raises(TemplateError, match="is a folder"):
        read_template(tmp_path)


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "bomb.png"
    Image.fromarray(rgba8()).save(path)
    data = bytearray(path.read_bytes())
    data[16:24] = (60000).to_bytes(4, "big") * 2
    path.write_bytes(bytes(data))
    with pytest.raises(TemplateError, match="60000 x 60000 px"):
        read_template(path)


def test_a_nir_of_another_size_is_refused(tmp_path: Path) -> None:
    save_template(tmp_path / "m.png", plain())
    Image.fromarray(np.zeros((128, 128, 2), np.uint8), "LA").save(tmp_path / "m.nir.png")
    with pytest.raises(TemplateError, match="128 x 128 px, but its template is 256 x 256"):
        read_template(tmp_path / "m.png")


def test_a_template_of_a_later_version_is_refused(tmp_path: Path) -> None:
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_itxt("masksynth", '{"version": 99}')
    Image.fromarray(rgba8()).save(tmp_path / "m.png", pnginfo=info)
    with pytest.raises(TemplateError, match="version 99"):
        read_template(tmp_path / "m.png")


@pytest.mark.parametrize("name", ["", "../up", "a/b", ".hidden", "x.png", "x.nir", "a\nb", "n" * 81])
def test_names_that_cannot_be_files_are_refused(name: str) -> None:
    with pytest.raises(TemplateError, match="cannot name a template"):
        Template(name, plain().rgba)


@pytest.mark.parametrize(
    ("stem", "name"), [("my photo (1)", "my-photo-1"), ("mäske", "mäske"), ("..", "mask"), ("a.nir", "a")]
)
def test_any_stem_gives_a_name(stem: str, name: str) -> None:
    assert name_from(stem) == name


def test_the_library_takes_ones_own_and_keeps_what_is_there(home: Path) -> None:
    path = add_template(plain(name="mine"))
    assert path == home / "templates" / "mine.png"
    assert add_template(plain(name="mine")) == path  # the same again is no replacement
    other = dataclasses.replace(plain(name="mine"), nir=None)
    with pytest.raises(TemplateError, match="in your library already"):
        add_template(other)
    add_template(other, replace=True)
    assert load_template("mine").nir is None
    assert "mine" in [entry.name for entry in library() if not entry.packaged]


def test_an_unknown_name_says_what_comes_close(home: Path) -> None:
    add_template(plain(name="striped"))
    with pytest.raises(TemplateError, match="Did you mean striped"):
        load_template("stripped")


def test_names_files_and_folders_resolve_in_order(home: Path, tmp_path: Path) -> None:
    add_template(plain(name="mine"))
    folder = tmp_path / "set"
    folder.mkdir()
    for name in ("b", "a"):
        save_template(folder / f"{name}.png", plain(name=name))
    names = [template.name for template in resolve_templates(["mine", folder, folder / "a.png"])]
    assert names == ["mine", "a", "b"]
    (tmp_path / "none").mkdir()
    with pytest.raises(TemplateError, match="holds no template"):
        resolve_templates([tmp_path / "none"])
