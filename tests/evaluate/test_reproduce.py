"""The paper's tables: their rows, the share of a job, and the table made of the rows that are there."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import h5py
import numpy as np
import pytest
from click.testing import CliRunner
from pattern_faces import write_pattern_store

from masksynth.cli.main import main
from masksynth.errors import ConfigError, StoreError
from masksynth.evaluate.plots import roc_svg
from masksynth.evaluate.reproduce import markdown, part_of, reproduce, rows_of

SVG = "{http://www.w3.org/2000/svg}"

TRIAL = ["--iterations", "1", "--batch", "4", "--width", "0.25", "--device", "cpu"]


def test_tables_have_the_papers_rows_and_settings():
    one, two = rows_of("1", {}), rows_of("2", {})
    assert len(one) == 4
    assert len(two) == 10
    assert {r.config.backbone for r in one} == {"mobilefacenet"}
    assert {r.config.backbone for r in two} == {"ir50"}
    assert all(r.config.iterations == 10_000 and r.config.protocol == "fold01" for r in (*one, *two))
    assert [r.config.nir for r in one] == ["clean", "masked", "clean", "masked"]
    assert [r.config.method for r in two] == ["plain"] * 4 + ["idr", "wcnn"] + ["hsst"] * 4
    assert [getattr(r.config, "loss", "") for r in two] == [
        *("softmax", "am", "arc", "triplet"), "", "", *("softmax", "am", "arc", "triplet")
    ]  # fmt: skip
    assert len({r.folder for r in two}) == 10
    with pytest.raises(ConfigError, match="no table '7'"):
        rows_of("7", {})


@pytest.mark.parametrize("n", [1, 3, 10, 12])
def test_tasks_share_the_rows_without_overlap(n):
    rows = rows_of("2", {})
    shares = [part_of(rows, (k, n)) for k in range(1, n + 1)]
    assert sorted(r.name for share in shares for r in share) == sorted(r.name for r in rows)
    with pytest.raises(ConfigError, match="K from 1 to N"):
        part_of(rows, (n + 1, n))


def test_table_shows_what_is_there_beside_the_papers_figures(tmp_path):
    rows = rows_of("2", {})
    folder = tmp_path / rows[0].folder
    folder.mkdir()
    result = {
        "network": {"origin": "from scratch"},
        "protocols": {
            "fold01": {
                "masked": {
                    "rank1": {"rate": 0.5},
                    "verification": [{"far": 0.01, "vr": 0.4}, {"far": 0.001, "vr": 0.25}],
                }
            }
        },
    }
    (folder / "evaluation-casia.json").write_text(json.dumps(result))
    lines = markdown("2", rows, tmp_path, ("casia", "oulu")).splitlines()
    assert lines[2] == "| Softmax | from scratch | 50.00 (93.81) | 25.00 | – | – |"
    assert lines[3] == "| AM-softmax | – | – (95.00) | – | – | – |"
    assert len(lines) == 12


def test_rows_are_done_by_two_tasks_and_never_twice(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_pattern_store(tmp_path / "casia.h5")
    write_pattern_store(tmp_path / "buaa.h5", plan="p2", lost=1)
    command = ["reproduce", "--casia", "casia.h5", "--buaa", "buaa.h5", "--table", "1", *TRIAL]
    first = CliRunner().invoke(main, [*command, "--row", "1/2"])
    assert first.exit_code == 0, first.output
    assert "from scratch" in first.output
    assert "The figures are not comparable" in first.output
    runs = tmp_path / "reproduction" / "table1"
    assert len([p for p in runs.iterdir() if p.is_dir()]) == 2
    before = {p: p.stat().st_mtime_ns for p in runs.glob("*/*") if "config" not in p.name}
    second = CliRunner().invoke(main, command)
    assert second.exit_code == 0, second.output
    assert all(p.stat().st_mtime_ns == t for p, t in before.items())
    table = (runs / "table.md").read_text()
    assert table.count("from scratch") == 4
    assert "(83.90)" in table
    assert "(90.25)" in table
    assert "buaa unmasked rank-1" in table


def test_another_file_in_the_place_of_the_first_is_tested_anew(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, seed in (("casia", 0), ("a", 1), ("b", 2)):
        write_pattern_store(tmp_path / f"{name}.h5", plan=name)
        with h5py.File(tmp_path / f"{name}.h5", "a") as file:
            file.attrs["content_sha256"] = f"content of {name}"
            file["nir/image"][:] = np.random.default_rng(seed).integers(0, 255, file["nir/image"].shape)
    command = ["reproduce", "--casia", "casia.h5", "--table", "1", *TRIAL, "--row"]
    result = CliRunner().invoke(main, [*command, "1/2", "--oulu", "a.h5"])
    assert result.exit_code == 0, result.output
    rows = {line.split(" | ")[0]: line.split(" | ")[8] for line in result.output.splitlines() if line.startswith("| S")}
    assert rows["| Softmax, trained without masks"] != "–"
    kept = tmp_path / "reproduction/table1/softmax-trained-without-masks/evaluation-oulu.json"
    first = json.loads(kept.read_text())
    other = CliRunner().invoke(main, [*command, "4/4", "--oulu", "b.h5"])  # another row: the first one's are of a.h5
    assert other.exit_code == 0, other.output
    (line,) = [line for line in other.output.splitlines() if line.startswith("| Softmax, trained without")]
    assert line.split(" | ")[8] == "–"
    again = CliRunner().invoke(main, [*command, "1/4", "--oulu", "b.h5"])
    assert again.exit_code == 0, again.output
    assert json.loads(kept.read_text())["content_sha256"] == "content of b"
    assert json.loads(kept.read_text())["protocols"] != first["protocols"]


def test_absent_file_leaves_a_dash_and_other_settings_want_force(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_pattern_store(tmp_path / "casia.h5")
    command = ["reproduce", "--casia", "casia.h5", "--table", "1", "--row", "4/4", *TRIAL]
    done = CliRunner().invoke(main, command)
    assert done.exit_code == 0, done.output
    (line,) = [line for line in done.output.splitlines() if line.startswith("| HSST, trained with masks")]
    assert line.endswith("| – | – | – | – | – | – | – | – |")  # Oulu and BUAA, with masks and without
    other = CliRunner().invoke(main, [*command, "--seed", "1"])
    assert other.exit_code == 2
    assert "or --force to replace it" in other.output
    forced = CliRunner().invoke(main, [*command, "--seed", "1", "--force"])
    assert forced.exit_code == 0, forced.output


def test_figure_draws_the_rows_of_table_2_that_are_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_pattern_store(tmp_path / "casia.h5")
    write_pattern_store(tmp_path / "oulu.h5", plan="p2")
    command = ["reproduce", "--casia", "casia.h5", "--oulu", "oulu.h5", "--table", "fig4", *TRIAL, "--row", "1/10"]
    done = CliRunner().invoke(main, [*command, "--batch", "8"])  # triplets need eight
    assert done.exit_code == 0, done.output
    assert "the paper's own are not known as numbers" in done.output
    root = ElementTree.parse(tmp_path / "reproduction" / "fig4.svg").getroot()
    assert len(list(root.iter(SVG + "polyline"))) == 2  # one row on two data sets
    words = [e.text for e in root.iter(SVG + "text")]
    assert {"casia", "oulu", "Softmax"} <= set(words)
    assert (tmp_path / "reproduction" / "table2" / "softmax" / "evaluation-oulu.json").is_file()


def test_curve_starts_at_the_left_edge_with_what_was_reached_below(tmp_path):
    text = roc_svg({"casia": {"a & b": [(0.0, 0.25), (0.01, 0.5), (1.0, 1.0)]}})
    (line,) = ElementTree.fromstring(text).iter(SVG + "polyline")
    points = [tuple(map(float, p.split(","))) for p in line.get("points").split()]
    assert points == [(60.0, 210.0), (232.5, 150.0), (405.0, 30.0)]  # VR 25, 50, 100 %; FAR 0.01, 1, 100 %


def test_file_without_unmasked_crops_is_named(tmp_path):
    path = write_pattern_store(tmp_path / "casia.h5")
    with h5py.File(path, "a") as file:
        del file["nir/clean"]
    rows = rows_of("1", {"iterations": 1})
    with pytest.raises(StoreError, match=r"casia\.h5: lacks the crops without masks"):
        reproduce(rows, {"casia": path}, tmp_path / "t", init={})


def test_wrong_use_is_one_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for arguments, words in [
        (["--init", "ir50"], "--init is BACKBONE=WEIGHTS"),
        (["--init", "resnet50=a.pt"], "--init resnet50=…: the tables' backbones are mobilefacenet and ir50"),
        (["--row", "one"], "--row is K/N"),
        (["--row", "3/2"], "K from 1 to N"),
    ]:
        result = CliRunner().invoke(main, ["reproduce", "--casia", "c.h5", "--table", "2", *arguments])
        assert result.exit_code == 2, result.output
        assert words in result.output
