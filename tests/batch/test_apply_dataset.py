"""The whole walk over generated faces, through the command line."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from masksynth.cli.main import main
from masksynth.store import open_store

TEMPLATES = "surgical-blue,n95-cup,cloth-striped,kn95-white"


@pytest.fixture(scope="session")
def generated_casia(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four generated persons in the layout of CASIA NIR-VIS 2.0, one of the listed photos damaged, one gone."""
    from masksynth.datasets.generated.demo import DemoConfig, write_demo

    root = tmp_path_factory.mktemp("casia")
    write_demo(root, DemoConfig(layout="casia", subjects=4, nir_photos=2, vis_photos=1, yaw=10, seed=1))
    photos = sorted(path for path in root.rglob("*.bmp") if "NIR" in path.parts)
    photos[0].write_bytes(photos[0].read_bytes()[:1000])
    photos[1].unlink()
    return root


def apply(*words: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["apply", "--dataset", "casia", "--templates", TEMPLATES, *words])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.output


def test_a_file_of_one_spectrum_is_not_sent_on_to_hsst(generated_casia: Path, tmp_path: Path) -> None:
    photo = next(path for path in generated_casia.rglob("*.jpg") if "VIS" in path.parts)
    (tmp_path / "faces" / "ann").mkdir(parents=True)
    shutil.copy(photo, tmp_path / "faces" / "ann" / "1.jpg")
    words = ["--dataset", "folder", "--root", str(tmp_path / "faces"), "--spectrum", "vis", "--mask-spectrum", "vis"]
    words += ["--templates", TEMPLATES, "--out", str(tmp_path / "m.h5"), "--workers", "1"]
    result = CliRunner().invoke(main, ["apply", *words])
    assert result.exit_code == 0, result.output
    assert f"next: masksynth report {tmp_path / 'm.h5'}" in result.output


def test_probes_and_a_gallery_alone_are_not_sent_on_to_training(generated_casia: Path, tmp_path: Path) -> None:
    rows = [f"# root: {generated_casia}", "path,subject,spectrum,split"]
    for spectrum, suffix, part in (("nir", ".bmp", "probe"), ("vis", ".jpg", "gallery")):
        photos = (path for path in generated_casia.rglob(f"*{suffix}") if spectrum.upper() in path.parts)
        photo = max(photos, key=lambda path: (path.stat().st_size, path))
        rows.append(f"{photo.relative_to(generated_casia)},ann,{spectrum},{part}")
    (tmp_path / "m.csv").write_text("\n".join(rows))
    words = ["--dataset", "manifest", "--root", str(tmp_path / "m.csv"), "--templates", TEMPLATES, "--workers", "1"]
    result = CliRunner().invoke(main, ["apply", *words, "--out", str(tmp_path / "m.h5")])
    assert result.exit_code == 0, result.output
    assert "1 NIR row (1 masked) and 1 VIS row (0 masked) of 1 person, 0.1 MB" in result.output
    assert f"next: masksynth report {tmp_path / 'm.h5'}" in result.output


def test_a_data_set_becomes_one_file(generated_casia: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MASKSYNTH_DATA_CASIA", str(generated_casia))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["masksynth", "apply", "--dataset", "casia"])
    code, text = apply("--out", "masked.h5", "--workers", "1", "--max-skipped", "50", "--strict")
    assert code == 3, text  # done, but two photos have no row
    assert "next: masksynth train-hsst masked.h5" in text
    assert "without a row: 2 photos, each with its reason in /skipped (" in text
    assert "listed, but there is no file of that name: 1" in text
    assert "is damaged or cut short: 1" in text
    lost = {line.split(":")[0]: line for line in text.splitlines() if line.startswith("  missing in ")}
    with open_store("masked.h5") as store:
        for name in store.protocols:
            for part, items in store.protocol(name).missing.items():
                assert (f"{part} {len(items)} (" in lost.get(f"  missing in {name}", "")) == bool(items)
    with open_store("masked.h5") as store:
        assert store.attrs["dataset"] == "casia"
        assert store.attrs["command"] == "masksynth apply --dataset casia"
        assert "fold01" in store.protocols
        for kind in ("image", "clean", "alpha", "touched"):
            assert store.images("nir", None, kind).shape[1:] == (144, 144)
        image, clean, touched = (store.images("nir", None, kind) for kind in ("image", "clean", "touched"))
        np.testing.assert_array_equal(image[touched == 0], clean[touched == 0])
        assert ((image != clean).mean((1, 2)) > 0.1).all()  # every row wears something
        assert set(store.column("vis", "mask")) == {-1}
        eyes = store.column("nir", "landmarks")[:, :2].mean(0)
        np.testing.assert_allclose(eyes, [[49.4, 66.6], [94.7, 66.4]], atol=6)  # a least-squares fit of five points
        assert sum(len(store.protocol(n).missing["nir_probe"]) for n in store.protocols) > 0
    assert CliRunner().invoke(main, ["verify", "masked.h5"]).exit_code == 0
    code, text = apply("--out", "masked.h5", "--export", "files")
    assert (code, "of this plan, but for 2 photos without a row. Nothing to do" in text) == (0, True)
    assert apply("--out", "masked.h5", "--strict")[0] == 3  # as when it was made
    with open_store("masked.h5") as store:
        assert len(list(Path("files").rglob("*.png"))) == store.count("nir") + store.count("vis")
    assert apply("--out", "masked.h5", "--export", "files")[0] == 2
    assert apply("--out", "masked.h5", "--size", "112")[0] == 2


def test_too_many_skipped_photos_fail_and_keep_the_file(generated_casia: Path, tmp_path: Path) -> None:
    out = tmp_path / "m.h5"
    code, text = apply("--root", str(generated_casia), "--out", str(out), "--workers", "1", "--size", "64")
    assert code == 1
    assert "more than --max-skipped 5 %. The file is kept and marked incomplete" in text
    assert "next:" not in text
    with open_store(out) as store:
        assert not store.complete


def test_a_dry_run_says_what_would_be_made_and_writes_nothing(generated_casia: Path, tmp_path: Path) -> None:
    code, text = apply("--root", str(generated_casia), "--out", str(tmp_path / "m.h5"), "--dry-run")
    assert code == 0, text
    assert "templates for probe rows" in text
    assert re.search(r"about (1 second|\d+ seconds) with ", text)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--out", "m.h5", "--part", "5/4"], "--part wants K/N with 1 <= K <= N, for example --part 3/40, got '5/4'"),
        (["--out", "m.h5", "--part", "1/4", "--assemble"], "only one can be used"),
        (["--out", "m.h5", "--part", "1/4", "--force"], "would throw away what other tasks made"),
        (["--out", "m.h5", "--size", "7"], "size must be 32 to 1024 px, got 7"),
        ([], "Say --out FILE"),
    ],
)
def test_wrong_usage_is_one_sentence(words: list[str], sentence: str, generated_casia: Path) -> None:
    code, text = apply("--root", str(generated_casia), *words)
    assert code == 2
    assert sentence in text


def start_long_run(photo: Path, folder: Path) -> subprocess.Popen[str]:
    """A run over 400 photos into folder/m.h5 that has begun its first part: so many that it is still at work when the
    test does something to it, however busy the machine."""
    (folder / "photos").mkdir()
    rows = ["path,subject,spectrum,split"]
    for number in range(400):
        os.link(photo, folder / "photos" / f"{number}.bmp")
        rows.append(f"{number}.bmp,p{number % 7},nir,train")
    (folder / "photos" / "manifest.csv").write_text("\n".join(rows))
    words = ["apply", "--dataset", "manifest", "--root", str(folder / "photos" / "manifest.csv")]
    words += ["--templates", TEMPLATES, "--out", str(folder / "m.h5"), "--workers", "1"]
    process = subprocess.Popen([sys.executable, "-m", "masksynth", *words], stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 300
    while not list((folder / "m.h5.parts").glob(".0*.h5")):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return process


@pytest.fixture
def nir_photo(generated_casia: Path) -> Path:
    return sorted(path for path in generated_casia.rglob("*.bmp") if "NIR" in path.parts)[-1]


@pytest.mark.parametrize("with_signal", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_an_interrupted_run_says_how_to_go_on_and_leaves_nothing_half_written(
    nir_photo: Path, tmp_path: Path, with_signal: int
) -> None:
    process = start_long_run(nir_photo, tmp_path)
    process.send_signal(with_signal)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 130
    assert "Use the same command to go on" in errors
    assert "Traceback" not in errors
    assert not (tmp_path / "m.h5").exists()
    assert not list((tmp_path / "m.h5.parts").glob(".0*"))
    assert not list((tmp_path / "m.h5.parts").glob("*.lock"))


def test_a_folder_of_parts_that_vanishes_is_said_with_how_to_go_on(nir_photo: Path, tmp_path: Path) -> None:
    process = start_long_run(nir_photo, tmp_path)
    (tmp_path / "m.h5.parts").rename(tmp_path / "away")
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 1
    assert f"{tmp_path / 'm.h5.parts'} was there when the run began and is gone; when it is back, use the" in errors
    assert "Traceback" not in errors
    assert not (tmp_path / "m.h5").exists()
