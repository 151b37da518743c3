"""The paper's tables: their rows, the share of a job, and the table made of the rows that are there."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner
from pattern_faces import write_pattern_store

from masksynth.cli.main import main
from masksynth.errors import ConfigError
from masksynth.evaluate.reproduce import markdown, part_of, rows_of

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


def test_wrong_use_is_one_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for arguments, words in [
        (["--init", "ir50"], "--init is BACKBONE=WEIGHTS"),
        (["--row", "one"], "--row is K/N"),
        (["--row", "3/2"], "K from 1 to N"),
    ]:
        result = CliRunner().invoke(main, ["reproduce", "--casia", "c.h5", "--table", "2", *arguments])
        assert result.exit_code == 2, result.output
        assert words in result.output
