"""What benchmarks/segmentation.py takes for a label, and what it counts."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from segmentation import answers, boundary_f, face_under, iou, pairs, read_label

from masksynth.arrays import Pose
from masksynth.datasets.generated import View, identity, render_face
from masksynth.detect import load_detector
from masksynth.reconstruct import find_faces, load_reconstructor


def square() -> np.ndarray:
    label = np.zeros((40, 60), bool)
    label[10:30, 20:50] = True
    return label


def test_labels_may_be_grey_rgba_palette_ones_or_of_another_size(tmp_path: Path) -> None:
    label = square()
    grey = label.astype(np.uint8) * 255
    Image.fromarray(grey).save(tmp_path / "grey.png")
    Image.fromarray(label.astype(np.uint8)).save(tmp_path / "ones.png")
    Image.fromarray(np.dstack([np.full((40, 60, 3), 7, np.uint8), grey])).save(tmp_path / "rgba.png")
    palette = Image.fromarray(label.astype(np.uint8), mode="P")
    palette.putpalette([0, 0, 0, 255, 255, 255])
    palette.save(tmp_path / "palette.png")
    Image.fromarray(cv2.resize(grey, (120, 80), interpolation=cv2.INTER_NEAREST)).save(tmp_path / "double.png")
    for path in sorted(tmp_path.iterdir()):
        assert np.array_equal(read_label(path, (40, 60)), label), path.name
    with pytest.raises(SystemExit, match="is 60 x 40 px, its photo 40 x 60 px"):
        read_label(tmp_path / "grey.png", (60, 40))


def test_labels_are_found_by_their_names(tmp_path: Path) -> None:
    photo, alpha = Image.fromarray(np.full((40, 60, 3), 99, np.uint8)), Image.fromarray(square().astype(np.uint8) * 255)
    names = {
        "a.jpg": "a.png",
        "b.png": "b.alpha.png",
        "c.png": "alphas/c.png",
        "d.jpeg": "d_mask.png",
        "e_mask.jpg": "e_mask.png",
    }
    (tmp_path / "alphas").mkdir()
    for name, label in names.items():
        photo.save(tmp_path / name)
        alpha.save(tmp_path / label)
    alpha.save(tmp_path / "b.alpha2.png")
    photo.save(tmp_path / "without.jpg")
    found = pairs(tmp_path, None)
    assert sorted(pair.photo.name for pair in found) == sorted(names)
    assert all(np.array_equal(pair.label, square()) for pair in found)
    assert [pair.name for pair in found if pair.second is not None] == ["b"]


def test_outlines_are_filled(tmp_path: Path) -> None:
    Image.fromarray(np.full((40, 60, 3), 99, np.uint8)).save(tmp_path / "a.png")
    corners = [[19.5, 9.5], [49.5, 9.5], [49.5, 29.5], [19.5, 29.5]]
    (tmp_path / "o.json").write_text(json.dumps({"first": {"a.png": corners}, "second": {}}))
    (pair,) = pairs(tmp_path, tmp_path / "o.json")
    assert np.array_equal(pair.label, square())
    assert pair.second is None


def test_overlap_and_outline_scores_of_a_shifted_square() -> None:
    a, b = square(), np.roll(square(), 2, axis=1)
    assert iou(a, b) == pytest.approx(28 / 32)
    assert boundary_f(a, b, 2.0) == 1
    assert boundary_f(a, b, 1.0) < 0.8
    assert boundary_f(a, np.zeros_like(a)) == 0


def test_the_face_that_the_label_covers_is_taken() -> None:
    left, right = (
        render_face(identity(0, k), View(pose=Pose(0.0, 0.0, 0.0), interocular=70), "vis", (260, 260)).pixels
        for k in (1, 2)
    )
    faces, _ = find_faces(np.hstack([left, right]), load_detector(), load_reconstructor())
    assert len(faces) == 2
    for face in faces:
        label = np.zeros((260, 520), bool)
        x, y = np.rint(face.landmarks68[57, :2]).astype(int)
        label[y - 25 : y + 35, x - 35 : x + 35] = True
        assert face_under(label, faces) is face


def test_a_bare_face_counts_as_refused_and_not_as_a_fault() -> None:
    rgb = render_face(identity(0, 1), View(pose=Pose(0.0, 0.0, 0.0), interocular=70), "vis", (260, 260)).pixels
    faces, _ = find_faces(rgb, load_detector(), load_reconstructor())
    found, score, _ = answers(rgb, faces[0], "network")
    assert found.mean() < 0.02
    assert score is not None
    assert score < 0.5


@pytest.mark.slow
def test_known_masks_are_put_on_looked_for_and_counted(tmp_path: Path, monkeypatch, capsys) -> None:
    import segmentation_worn

    for k in range(2):
        shot = render_face(identity(5, k), View(pose=Pose(0.1 * k, 0.0, 0.0), interocular=90.0), "vis", (300, 300))
        Image.fromarray(shot.pixels).save(tmp_path / f"{k}.png")
    sheet = tmp_path / "out" / "sheet.png"
    sheet.parent.mkdir()
    line = ["worn", str(tmp_path), "--each", "1", "--generated", "1", "--sheet", str(sheet)]
    monkeypatch.setattr(sys, "argv", line)
    segmentation_worn.main()
    printed = capsys.readouterr().out
    for group, count in (("on photos, vis", 2), ("on photos, nir", 2), ("generated, vis", 1), ("generated, nir", 1)):
        assert any(row.startswith(group) and f"n {count:>4}" in row for row in printed.splitlines()), printed
    assert "bare, vis, hosts of the training: 0 of 2 taken for masked" in printed
    with Image.open(sheet) as picture:
        assert picture.size == (4 * 240, 2 * 260)
