"""masksynth apply on photos."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from faces import lower_face_template
from PIL import Image as PillowImage

from masksynth.cli.main import main
from masksynth.photos import read_photo
from masksynth.template import save_template


@pytest.fixture
def template(tmp_path: Path) -> str:
    path = tmp_path / "own.png"
    save_template(path, lower_face_template("own", nir=0.6))
    return str(path)


def run(*arguments: object):
    return CliRunner().invoke(main, ["apply", *map(str, arguments)])


def test_photo_to_file(tmp_path, face_photo, template):
    out = tmp_path / "out file é.png"
    result = run(face_photo, "-t", template, "-o", out)
    assert result.exit_code == 0, result.output
    assert result.stdout == f"{out}: 1 face masked (own)\n"
    before, after = read_photo(face_photo).pixels, read_photo(out).pixels
    changed = (before != after).any(axis=2)
    assert 0.02 < changed.mean() < 0.4
    assert not changed[: changed.shape[0] // 4].any()


def test_photos_to_folder_go_on_after_a_bad_one(tmp_path, face_photo, template):
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"not an image")
    grey = tmp_path / "grey.jpg"
    PillowImage.fromarray(read_photo(face_photo).pixels).convert("L").save(grey, quality=60)
    out = tmp_path / "folder"
    result = run(face_photo, bad, grey, "-t", template, "-o", out)
    assert result.exit_code == 0, result.output
    assert result.stderr.count("bad.jpg") == 1
    assert "taken for NIR" in result.stderr
    assert "1 of 3 photos skipped" in result.stderr
    assert sorted(path.name for path in out.iterdir()) == ["face.png", "grey.jpg"]
    source, masked = read_photo(grey), read_photo(out / "grey.jpg")
    assert source.jpeg == masked.jpeg is not None
    assert masked.pixels.ndim == 2
    assert run(face_photo, bad, "-t", template, "-o", out, "--force", "--strict").exit_code == 3
    assert run(bad, bad.with_name("missing.png"), "-t", template, "-o", tmp_path / "none").exit_code == 1
    assert not (tmp_path / "none").exists()


def test_existing_output_needs_force(tmp_path, face_photo, template):
    out = tmp_path / "there.png"
    out.write_bytes(b"kept")
    result = run(face_photo, "-t", template, "-o", out)
    assert result.exit_code == 2
    assert out.read_bytes() == b"kept"
    assert run(face_photo, "-t", template, "-o", out, "--force").exit_code == 0


def test_photo_is_never_its_own_output(face_photo, template):
    before = face_photo.read_bytes()
    assert run(face_photo, "-t", template, "-o", face_photo, "--force").exit_code == 2
    assert run(face_photo, "-t", template, "-o", face_photo.parent, "--force").exit_code == 2
    assert face_photo.read_bytes() == before


def test_two_photos_of_one_name_are_told_apart(tmp_path, face_photo, template):
    (tmp_path / "b").mkdir()
    twin = tmp_path / "b" / face_photo.name
    twin.write_bytes(face_photo.read_bytes())
    result = run(face_photo, twin, "-t", template, "-o", tmp_path / "both")
    assert result.exit_code == 2
    assert "both become" in result.stderr


def test_unknown_suffix_is_said_before_any_work(tmp_path, face_photo, template):
    result = run(face_photo, "-t", template, "-o", tmp_path / "out.doc")
    assert result.exit_code == 2
    assert ".doc" in result.stderr


def test_full_render_and_no_shadow(tmp_path, face_photo, template):
    before = read_photo(face_photo).pixels
    changed = {}
    for name, options in {"mask": (), "bare": ("--no-shadow",), "full": ("--render", "full")}.items():
        out = tmp_path / f"{name}.png"
        assert run(face_photo, "-t", template, "-o", out, *options).exit_code == 0
        changed[name] = int((np.asarray(read_photo(out).pixels) != before).any(axis=2).sum())
    assert changed["bare"] < changed["mask"] < changed["full"]
