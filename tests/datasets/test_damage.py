"""Damaged copies: every fault is named."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from masksynth.cli.main import main
from masksynth.datasets import scan_dataset


@pytest.mark.parametrize(
    ("layout", "faults"), [("casia", 6), ("oulu", 4), ("buaa", 4), ("ms1m-rec", 0), ("ms1m-list", 0)]
)
def test_every_fault_of_a_damaged_copy_is_named(tmp_path: Path, layout: str, faults: int) -> None:
    words = ["--layout", layout, "--damaged", "--subjects", "4", "--nir-photos", "1", "--vis-photos", "2"]
    made = CliRunner().invoke(main, ["demo-dataset", str(tmp_path / "demo"), *words])
    assert made.exit_code == 0, made.output
    name = layout.partition("-")[0]
    assert made.output.splitlines()[-1] == f"next: masksynth datasets check {name} --root {tmp_path / 'demo'}"
    told = (tmp_path / "demo/DAMAGE.txt").read_text().splitlines()
    assert len(told) > 2
    dataset = scan_dataset(name, tmp_path / "demo")
    said = [*dataset.notes, *dataset.faults]
    assert [line for line in told if not any(line in sentence for sentence in said)] == []
    assert len(dataset.faults) >= faults
    checked = CliRunner().invoke(main, ["datasets", "check", name, "--root", str(tmp_path / "demo")])
    assert checked.exit_code == (1 if faults else 0)
