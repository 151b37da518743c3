"""The table of quirks in the docs names tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

HERE = Path(__file__).parent
TESTS = (*HERE.glob("test_*.py"), HERE.parent / "batch/test_given_places.py")


def test_every_test_named_in_the_table_is_there() -> None:
    page = (HERE.parents[1] / "docs/datasets.md").read_text(encoding="utf-8")
    table = page.split("## What copies have")[1].split("\n## ")[0]
    defined = {name for path in TESTS for name in re.findall(r"^def (test_\w+)", path.read_text(), re.MULTILINE)}
    files = {path.stem for path in TESTS}
    named = set(re.findall(r"\btest_\w+", table)) - files
    assert len(named) > 35
    assert named - defined == set()
