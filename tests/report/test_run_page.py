from __future__ import annotations

import json
import math
import re
from pathlib import Path

import pytest

from masksynth.errors import ConfigError, EvaluationError
from masksynth.report import write_report
from masksynth.report.evaluation import evaluation_section
from masksynth.report.markup import joined
from masksynth.train.config import HsstConfig
from masksynth.train.run import RunFolder


def write_run(folder: Path, *, iterations: int = 60, start: object = "from scratch", evaluate: bool = True) -> Path:
    run = RunFolder(folder)
    folder.mkdir()
    settings = HsstConfig(iterations=iterations, batch=8, queue=16).as_dict()
    run.write_config(
        {
            "format": "masksynth-run/1",
            "method": "hsst",
            "settings": settings,
            "settings_used": settings,
            "data": {"path": "/data/masked<1>.h5", "complete": True, "identities": 24, "nir_images": 240},
            "start": start,
            "notes": ["24 identities are too few <b>"],
            "finished": True,
            "seconds": 12.4,
        }
    )
    for step in range(1, 61):
        loss = 3 * math.exp(-step / 30)
        run.log({"iteration": step, "loss": loss, "bound_nir": 2 - loss, "bound_vis": 2.1 - loss, "lr": 5e-4})
    if evaluate:
        (folder / "evaluation.json").write_text(json.dumps(evaluation()))
    return folder


def evaluation(missing: int = 3) -> dict:
    def result(rate: float) -> dict:
        points = [
            {"far": 0.01, "vr": rate / 2, "vr_present": rate / 2 + 0.01, "note": "", "missing": missing},
            {"far": 0.001, "vr": None, "vr_present": None, "note": "rests on 2 impostor scores"},
        ]
        rank = {"rate": rate, "rate_present": rate + 0.02, "present": 97, "missing": missing}
        roc = [[0.0, 0.0], [1e-4, rate / 4], [0.01, rate / 2], [1.0, 1.0]]
        return {"rank1": rank, "verification": points, "roc": roc, "cmc": [rate, rate + 0.1, 0.95]}

    def over(rate: float) -> dict:
        return {
            "rank1": {"mean": rate, "std": 0.05, "folds": [0.5, 0.6]},
            "vr@0.01": {"mean": rate / 2, "std": 0.025, "folds": [0.25, 0.3]},
            "vr@0.001": {"mean": None, "std": None, "folds": [None, None]},
        }

    return {
        "format": "masksynth-evaluation/1",
        "protocols": {
            "fold01": {"masked": result(0.5), "unmasked": result(0.7)},
            "fold02": {"masked": result(0.6), "unmasked": result(0.8)},
        },
        "over_folds": {"masked": over(0.55), "unmasked": over(0.75)},
        "notes": ["the network was trained from scratch"],
    }


def text_of(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", re.sub(r"<style>.*?</style>", "", html, flags=re.S)))


def page_of(folder: Path, tmp_path: Path) -> str:
    write_report(folder, tmp_path / "run.html")
    return (tmp_path / "run.html").read_text(encoding="utf-8")


def test_a_short_run_from_scratch_is_called_both(tmp_path: Path):
    text = text_of(page_of(write_run(tmp_path / "run"), tmp_path))
    assert "Too short to mean anything: 60 iterations, where the paper has 10,000." in text
    assert "Trained from scratch." in text
    assert "60 iterations" in text
    assert "24 people trained on" in text


def test_a_full_run_from_weights_is_called_neither(tmp_path: Path):
    text = text_of(page_of(write_run(tmp_path / "run", iterations=10_000, start={"path": "w.pt"}), tmp_path))
    assert "Too short" not in text
    assert "Trained from scratch." not in text


def test_the_curves_are_drawn_and_nothing_is_fetched(tmp_path: Path):
    html = page_of(write_run(tmp_path / "run"), tmp_path)
    assert html.count("<svg") == 4  # the loss, the two bounds in one, ROC, CMC
    assert "ROC, fold01" in html
    assert "<script" not in html
    assert "://" not in html
    assert "masked<1>" not in html


def test_the_table_counts_missing_probes_as_wrong_and_says_so(tmp_path: Path):
    text = text_of(page_of(write_run(tmp_path / "run"), tmp_path))
    assert "fold01 masked 97 3 50.00 % (52.00) 25.00 % (26.00) – *" in text
    assert "fold01 not masked 97 3 70.00 % (72.00)" in text
    assert "mean of 2 folds masked 55.00 ± 5.00 % 27.50 ± 2.50 % –" in text
    assert "Missing probes count as wrong" in text
    assert "* rests on 2 impostor scores" in text


def test_without_missing_probes_there_are_no_brackets():
    text = text_of(joined(evaluation_section(evaluation(missing=0)).body))
    assert "fold01 masked 97 0 50.00 % 25.00 %" in text
    assert "Missing probes" not in text


def test_a_network_of_one_fold_has_no_mean_over_folds():
    text = text_of(joined(evaluation_section({**evaluation(), "network": {"trained": "hsst, fold02"}}).body))
    assert "mean of" not in text
    assert "only fold02 says how well it tells strangers apart" in text


def test_a_run_that_was_not_evaluated_says_what_to_type(tmp_path: Path):
    text = text_of(page_of(write_run(tmp_path / "run", evaluate=False), tmp_path))
    assert f"masksynth evaluate /data/masked&lt;1&gt;.h5 --weights {tmp_path / 'run'}" in text


@pytest.mark.parametrize("damage", ["{", "[]", '{"format": "another"}'])
def test_damaged_figures_are_one_sentence(tmp_path: Path, damage: str):
    folder = write_run(tmp_path / "run")
    (folder / "evaluation.json").write_text(damage)
    with pytest.raises(EvaluationError, match=r"evaluation\.json: "):
        write_report(folder, tmp_path / "run.html")
    assert not (tmp_path / "run.html").exists()


@pytest.mark.parametrize("damage", [{"protocols": [1]}, {"protocols": {"fold01": {"masked": 3}}}, {"notes": 7}])
def test_figures_of_another_shape_are_one_sentence(tmp_path: Path, damage: dict):
    folder = write_run(tmp_path / "run")
    (folder / "evaluation.json").write_text(json.dumps({**evaluation(), **damage}))
    with pytest.raises(ConfigError, match=r"evaluation\.json is damaged"):
        write_report(folder, tmp_path / "run.html")
    assert not (tmp_path / "run.html").exists()


def test_a_damaged_run_is_one_sentence(tmp_path: Path):
    folder = write_run(tmp_path / "run")
    (folder / "config.json").write_text("{")
    with pytest.raises(ConfigError, match=r"config\.json"):
        write_report(folder, tmp_path / "run.html")


def test_a_run_with_next_to_nothing_in_it_still_has_a_page(tmp_path: Path):
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    assert "Nothing was logged." in page_of(folder, tmp_path)
