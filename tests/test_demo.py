"""The whole walk, small."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from PIL import Image as PillowImage

from masksynth.cli.main import main
from masksynth.demo import MARK, DemoConfig, Walk, masked_person, one_thread, photo_files, run_demo, spoil, spoken
from masksynth.errors import ConfigError
from masksynth.store import open_store

SMALL = DemoConfig(subjects=10, nir_photos=2, vis_photos=2, damaged=3, iterations=2, batch=2, workers=1)


@pytest.mark.slow
def test_the_whole_walk_ends_in_a_page_and_a_second_call_does_nothing_twice(tmp_path: Path):
    said: list[str] = []
    page = run_demo(tmp_path / "demo", SMALL, say=said.append)
    html = page.read_text(encoding="utf-8")
    for words in (
        "A template from a photo",
        "Mask templates",
        "3</strong><span>skipped photos",
        "Too short to mean anything",
        "Trained from scratch.",
        "VR @ FAR 0.1 %",
        "person-mask",
    ):
        assert words in html, words
    assert html.count("<img ") > 40
    assert "<script" not in html
    assert said[-1].endswith(str(page.resolve()))
    assert [line for line in said if "masksynth demo-dataset" in line]
    assert json.loads((tmp_path / "demo" / "run" / "config.json").read_text())["threads"] == 1
    with open_store(tmp_path / "demo" / "masked.h5") as store:
        assert len(store.skipped) == 3
        assert store.complete
        assert "person-mask" in [entry.template for entry in store.templates]

    kept = (".h5", ".bmp", ".pt", ".safetensors")
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "demo").rglob("*") if p.suffix in kept}
    before[tmp_path / "demo" / "run" / "evaluation.json"] = (
        (tmp_path / "demo" / "run" / "evaluation.json").stat().st_mtime_ns
    )
    steps = html[html.index("The walk") : html.index("The commands")]
    results = [line for line in said if "rank-1" in line]
    said.clear()
    run_demo(tmp_path / "demo", SMALL, say=said.append)
    assert before == {p: p.stat().st_mtime_ns for p in before}
    assert [line for line in said if "rank-1" in line] == results
    assert steps in page.read_text(encoding="utf-8")  # with the times of the call that did the work


def test_torch_has_one_thread_while_the_demo_trains_and_as_many_as_before_then() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        with one_thread():
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_a_folder_of_somebody_elses_is_left_alone(tmp_path: Path):
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(ConfigError, match="is no demo's folder"):
        run_demo(tmp_path, SMALL, say=lambda line: None)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_the_command_says_it_in_one_sentence(tmp_path: Path):
    (tmp_path / "file").write_text("")
    result = CliRunner().invoke(main, ["demo", "-o", str(tmp_path / "file")])
    assert result.exit_code == 2
    assert result.stderr.startswith("masksynth: ")
    assert len(result.stderr.splitlines()) == 1


def test_other_settings_begin_anew_and_touch_only_what_is_the_demos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = tmp_path / "demo"
    (folder / "casia").mkdir(parents=True)
    (folder / "notes.txt").write_text("mine")
    (folder / "masked.h5").write_text("old")
    (folder / MARK).write_text(json.dumps({"settings": {"masksynth": "0.0.0"}, "done": ["faces", "template"]}))
    walk = Walk(folder, SMALL, lambda line: None)
    assert not walk.done("faces")
    assert sorted(path.name for path in folder.iterdir()) == [MARK, "notes.txt"]
    walk.mark("faces")
    assert Walk(folder, SMALL, lambda line: None).done("faces")


def test_the_time_of_a_step_is_that_of_the_call_that_did_it(tmp_path: Path):
    first = Walk(tmp_path / "demo", SMALL, lambda line: None)
    with first.step("Something", "true") as step:
        step.results.append("done so")
    again = Walk(tmp_path / "demo", SMALL, lambda line: None)
    assert again.told("Something") == ["done so"]
    with again.step("Something", "true") as later:
        time.sleep(0.01)
    assert later.seconds == step.seconds


def test_spoilt_photos_are_as_many_as_asked_for(tmp_path: Path):
    for k in range(20):
        place = tmp_path / "s1" / "NIR" / f"{k:05d}" / "001.bmp"
        place.parent.mkdir(parents=True)
        PillowImage.new("L", (64, 64), k).save(place)
    before = {path: path.read_bytes() for path in photo_files(tmp_path)}
    assert len(before) == 20
    spoil(tmp_path, SMALL)
    assert sum(path.read_bytes() != data for path, data in before.items()) == 3


def test_the_person_in_the_photo_is_always_the_same():
    one = masked_person()
    assert one.shape == (640, 480, 3)
    assert (one == masked_person()).all()


def test_times_are_spoken_in_minutes_and_seconds():
    assert spoken(42.4) == "42 s"
    assert spoken(135) == "2 min 15 s"
