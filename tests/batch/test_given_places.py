"""Eyes, points and boxes that a data set ships decide which face is meant, typed as a user would."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from drawn_faces import drawn_face

from masksynth.cli.main import main
from masksynth.photos import write_photo
from masksynth.store import open_store

SMALL = (270.0, 120.0)  # where the smaller of two faces is


@pytest.fixture(scope="module")
def two_faces(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, np.ndarray]]:
    """A photo with a large face on its left and a smaller one on its right; the points of the smaller one."""
    folder = tmp_path_factory.mktemp("two")
    large = drawn_face(yaw=-15, size=75, shape=(240, 360), centre=(100, 120))
    small = drawn_face(yaw=15, size=50, shape=(240, 360), centre=SMALL)
    pixels = large.rgb.copy()
    pixels[:, 190:] = small.rgb[:, 190:]
    write_photo(folder / "a.png", pixels)
    xy = small.mesh[:, :2]
    eyes = np.stack([xy[[33, 133]].mean(0), xy[[263, 362]].mean(0)])
    five = np.concatenate([eyes, xy[[1, 61, 291]]])
    low, high = xy.min(0), xy.max(0)
    box = np.concatenate([low, high])
    return folder, {"eyes": eyes, "five": five, "box": box}


def yaw_of(folder: Path, columns: str, values: str, *words: str) -> tuple[int, float, str]:
    """Exit code, yaw of the one row, and what was printed, of a run over a manifest of the one photo."""
    (folder / "m.csv").write_text(f"path,subject,spectrum,split,{columns}\na.png,ann,nir,train,{values}\n")
    return applied("manifest", folder / "m.csv", folder / "m.h5", *words)


def applied(dataset: str, root: Path, out: Path, *words: str) -> tuple[int, float, str]:
    out.unlink(missing_ok=True)
    typed = ["apply", "--dataset", dataset, "--root", str(root), "--out", str(out), "--force", "--workers", "1"]
    result = CliRunner().invoke(main, [*typed, "--templates", "surgical-blue", "--share-templates", *words])
    if not out.exists():
        return result.exit_code, float("nan"), result.output
    with open_store(out) as store:
        poses = store.column("nir", "pose")
        return result.exit_code, float(poses[0, 0]) if len(poses) else float("nan"), result.output


def numbers(values: np.ndarray) -> str:
    return " ".join(f"{value:.1f}" for value in values.ravel())


@pytest.mark.parametrize("form", ["eyes", "five", "box"])
@pytest.mark.parametrize("given", ["fallback", "always"])
def test_a_given_place_picks_the_face(two_faces, form, given):
    folder, places = two_faces
    column = "box" if form == "box" else "points"
    code, yaw, text = yaw_of(folder, column, numbers(places[form]), "--given", given)
    assert code == 0, text
    assert yaw == pytest.approx(15, abs=8)


@pytest.mark.parametrize(("given", "expected"), [("fallback", 15), ("always", 15), ("never", -15)])
def test_the_eye_files_of_casia_are_used(two_faces, tmp_path, given, expected):
    folder, places = two_faces
    person = tmp_path / "s1/NIR/00001"
    person.mkdir(parents=True)
    (person / "001.bmp").write_bytes((folder / "a.png").read_bytes())
    eyes = " ".join(str(int(value)) for value in places["eyes"].round().ravel())
    (tmp_path / "s1/s1_nir_eyes.txt").write_bytes(f"NIR\\00001\\001.bmp {eyes}\r\n".encode())
    code, yaw, text = applied("casia", tmp_path, tmp_path / "m.h5", "--given", given)
    assert code == 0, text
    assert yaw == pytest.approx(expected, abs=8)


@pytest.mark.parametrize("words", [(), ("--given", "never")])
def test_without_a_place_the_largest_face_is_taken(two_faces, words):
    folder, places = two_faces
    code, yaw, text = yaw_of(folder, "box", numbers(places["box"]) if words else "", *words)
    assert code == 0, text
    assert yaw == pytest.approx(-15, abs=8)


@pytest.mark.parametrize("box", ["300 40 200 180", "200 40 200 180", "1 2 3"])
def test_a_box_that_is_none_is_a_fault_with_its_line(two_faces, box):
    code, _, text = yaw_of(two_faces[0], "box", box)
    assert code == 1
    assert "m.csv: line 2: box is" in text
