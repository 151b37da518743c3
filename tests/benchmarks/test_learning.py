"""The benchmark of methods chooses, pairs and reports as it says."""

from __future__ import annotations

import dataclasses
import json
import math
import sys
import xml.etree.ElementTree as ElementTree
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from masksynth.evaluate import reproduce

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
import learning
import learning_data
import learning_page
import learning_rates
from learning_rows import EARLY, FORMS, MOST, plan, rows_of

ROOT = Path(__file__).parents[2]
TINY = dataclasses.replace(
    FORMS["medium"], pretrain_people=4, pretrain_vis=2, train_people=16, vis=1, nir=1, validation_people=3,
    test_people=3, probes=1, epochs=1, iterations=2, batch=8, queue=8, seeds=2, lrs=(0.02, 0.06), further=0,
    rows=MOST[1:3],
)  # fmt: skip


def run_of(row, seed, rank1, lr=0.02, validation=0.5):
    figures = {p: {"rank1": rank1, "vr@0.01": rank1, "vr@0.001": rank1 / 2} for p in ("masked", "shared", "unmasked")}
    return {
        "row": row, "seed": seed, "lr": lr, "run": f"{row}{seed}", "seconds": 10.0, "cpu_seconds": 9.0,
        "validation": {"rank1": validation, "vr@0.01": 0.5}, "test": figures | {"vis": {"rank1": 0.9}},
    }  # fmt: skip


def results_of(runs, form="medium"):
    before = {p: {"rank1": 0.1, "vr@0.01": 0.1, "vr@0.001": 0.1} for p in ("masked", "shared", "unmasked", "vis")}
    machine = {"processor": "P", "device": "cpu", "threads": 1, "torch": "2", "masksynth": "0"}
    settings = json.loads(json.dumps(dataclasses.asdict(FORMS[form])))
    return {"form": form, "settings": settings, "machine": machine, "pretrained": before, "runs": runs}


def test_all_rows_of_the_papers_second_table_are_there():
    assert {row.name.lower() for row in reproduce.rows_of("2", {})} <= {name.lower() for name in rows_of(FORMS["full"])}


@pytest.mark.parametrize("form", FORMS)
def test_plan_goes_by_seeds_and_begins_with_the_rows_that_say_most(form):
    form = FORMS[form]
    most = set(rows_of(form)) & set(MOST)
    others = set(rows_of(form)) - most
    done = Counter()
    for name, seed in plan(form):
        assert seed == done[name]
        if name in others:
            assert min(done[row] for row in most) >= min(EARLY, form.seeds)
        done[name] += 1
        for rows in filter(None, (most, others)):  # within either, no row is more than one seed ahead
            assert max(done[row] for row in rows) - min(done[row] for row in rows) <= 1
    assert set(done.values()) == {form.seeds}
    assert set(done) == set(rows_of(form))


@pytest.mark.parametrize("form", FORMS)
def test_nobody_has_two_uses_and_no_probe_wears_a_training_mask(form):
    people = learning_data.persons(FORMS[form])
    assert [len(p) for p in people] == [
        getattr(FORMS[form], f"{use}_people") for use in ("pretrain", "train", "validation", "test")
    ]
    assert len(set().union(*people)) == sum(map(len, people))
    assert not set(learning_data.TRAIN_MASKS) & set(learning_data.PROBE_MASKS)


@pytest.mark.parametrize("form", FORMS)
def test_training_persons_suffice_for_batch_and_queue(form):
    assert FORMS[form].train_people >= FORMS[form].batch + FORMS[form].queue


def test_best_rate_goes_by_rank1_then_verification_then_the_smaller():
    def tried(lr, rank1, vr):
        return {"lr": lr, "validation": {"rank1": rank1, "vr@0.01": vr}}

    assert learning_rates.best_rate([tried(0.1, 0.4, 0.9), tried(0.2, 0.5, 0.1)]) == 0.2
    assert learning_rates.best_rate([tried(0.1, 0.5, 0.2), tried(0.2, 0.5, 0.3), tried(0.3, 0.5, 0.3)]) == 0.2
    assert learning_rates.best_rate([{"lr": 0.2, "validation": None}, tried(0.1, 0.0, 0.0)]) == 0.1
    assert learning_rates.best_rate([{"lr": 0.2, "validation": None}]) is None


@pytest.mark.parametrize(
    ("tried", "further"),
    [
        ({0.02: 0.5, 0.06: 0.6, 0.2: 0.5}, None),
        ({0.02: 0.5, 0.06: 0.6, 0.2: 0.7}, 0.7),
        ({0.02: 0.5, 0.06: 0.6, 0.2: 0.7, 0.7: 0.8}, 2.0),
        ({0.02: 0.5, 0.06: 0.6, 0.2: 0.7, 0.7: 0.8, 2.0: 0.9}, None),
        ({0.02: 0.7, 0.06: 0.6, 0.2: 0.5}, 0.007),
        ({0.02: 0.7, 0.06: 0.6, 0.2: 0.5, 0.007: 0.6}, None),
        ({0.02: 0.5}, None),
    ],
)
def test_grid_is_continued_where_its_outermost_rate_is_best(tried, further):
    runs = [{"lr": lr, "validation": {"rank1": rank1, "vr@0.01": 0.5}} for lr, rank1 in tried.items()]
    assert learning_rates.next_rate(runs, FORMS["medium"]) == further


def test_only_tests_with_the_rate_that_is_best_now_are_shown():
    runs = [run_of("softmax", s, 0.3) for s in range(2)] + [run_of("softmax", 0, 0.4, lr=0.06, validation=0.6)]
    assert {seed: run["lr"] for seed, run in learning_page.tested_runs(results_of(runs))["softmax"].items()} == {
        0: 0.06
    }


def test_difference_is_students_over_the_seeds_that_both_have():
    a, b = {0: 40.0, 1: 44.0, 2: 43.0, 7: 99.0}, {2: 41.0, 1: 39.0, 0: 38.5, 5: 0.0}
    d = learning_page.difference(a, b)
    known = stats.ttest_rel([40, 44, 43], [38.5, 39, 41]).confidence_interval(0.95)
    assert d.n == 3
    assert (d.mean - d.half, d.mean + d.half) == pytest.approx((known.low, known.high))


def test_difference_of_one_seed_has_no_interval_and_of_none_is_none():
    d = learning_page.difference({0: 3.0}, {0: 1.0, 1: 9.0})
    assert (d.n, d.mean, math.isnan(d.half), d.sign) == (1, 2.0, True, 0)
    assert learning_page.difference({0: 3.0}, {1: 1.0}) is None


@pytest.mark.parametrize(
    ("n", "mean", "half", "paper", "words"),
    [
        (1, 9.0, math.nan, "+1", "one seed"),
        (2, -0.4, 0.0, "+1", "two seeds"),
        (5, 2.0, 3.0, "+1", "open"),
        (5, 4.0, 3.0, "+1", "as in the paper"),
        (5, -4.0, 3.0, "+1", "contradicts the paper"),
        (5, 4.0, 3.0, "", "ahead"),
        (5, -4.0, 3.0, "", "behind"),
    ],
)
def test_verdict_needs_the_whole_interval_on_one_side(n, mean, half, paper, words):
    pair = learning_page.Pair("a", "b", paper)
    assert learning_page.verdict(learning_page.Difference(n, mean, half), pair) == words


def test_tables_give_n_for_each_row_and_leave_out_what_is_not_there():
    runs = [run_of("softmax", s, 0.30 + 0.02 * s) for s in range(3)]
    runs += [run_of("HSST (softmax)", s, 0.20, lr=0.06) for s in range(2)]
    results = results_of(runs)
    table = learning_page.figures_table(results)
    assert "| softmax | 0.02 | 3 | 32.0 ± 2.0 |" in table
    assert "| HSST (softmax) | 0.06 | 2 | 20.0 ± 0.0 |" in table
    assert "IDR" not in table
    lines = learning_page.differences_table(results).splitlines()[2:]
    assert len(lines) == 1
    assert lines[0].startswith("| HSST (softmax) − softmax | 2 | -11.0 ± 12.7 |")


def test_rate_without_a_number_is_said_and_the_chosen_one_is_bold():
    failed = run_of("softmax", 0, 0.3, lr=0.2) | {"validation": None, "test": None}
    other = run_of("softmax", 0, 0.3, lr=0.06, validation=0.4) | {"test": None}
    table = learning_page.rates_table(results_of([failed, other, run_of("softmax", 0, 0.3), run_of("softmax", 1, 0.3)]))
    assert "| softmax | **50.0** | 40.0 | no number |" in table


def test_page_names_what_contradicts_the_paper_and_draws_every_seed(tmp_path):
    (tmp_path / "pictures").mkdir()
    runs = [run_of("softmax", s, 0.40 + 0.01 * s) for s in range(3)]
    runs += [run_of("HSST (softmax)", s, 0.20 + 0.01 * s + 0.001 * s * s) for s in range(3)]
    learning_page.write_page(results_of(runs), tmp_path / "results.md")
    text = (tmp_path / "results.md").read_text()
    assert "has it ahead:**\n\n- HSST (softmax) − softmax: -19.8 ± 0.5 (n = 3, contradicts the paper)" in text
    assert "No seed is done yet of: softmax, trained without masks; " in text
    assert "(pictures/results.svg)" in text
    assert "{" not in text
    drawn = ElementTree.parse(tmp_path / "pictures" / "results.svg").getroot()
    circles = drawn.findall("{http://www.w3.org/2000/svg}circle")
    assert len(circles) == len(runs) + 1  # and one difference


def test_page_in_the_docs_is_that_of_the_committed_results(tmp_path):
    (tmp_path / "pictures").mkdir()
    learning_page.write_page(json.loads((ROOT / "docs" / "results.json").read_text()), tmp_path / "results.md")
    for name in ("results.md", "pictures/results.svg"):
        assert (tmp_path / name).read_text() == (ROOT / "docs" / name).read_text(), name


@pytest.mark.slow
def test_benchmark_goes_on_where_it_was_ended(tmp_path):
    def state():
        return {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*") if p.is_file()}

    whole = learning.run_all(tmp_path, TINY, "tiny", "cpu", minutes=60)
    assert len(whole["runs"]) == 2 * (2 + 1)
    assert Counter(run["row"] for run in whole["runs"] if run.get("test")) == {MOST[1]: 2, MOST[2]: 2}
    with np.load(tmp_path / "test.npz") as data:
        assert (data["masked"] != data["unmasked"]).any(axis=(1, 2)).all()
        assert (data["masked"] != data["shared"]).any(axis=(1, 2)).all()
    before = state()
    for minutes in (0, 60):
        assert learning.run_all(tmp_path, TINY, "tiny", "cpu", minutes=minutes) == whole
    assert state() == before
