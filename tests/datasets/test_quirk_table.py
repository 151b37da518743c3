"""The table of quirks in the docs names tests that exist, in the files that it says."""

from __future__ import annotations

import re
from pathlib import Path

HERE = Path(__file__).parent


def test_every_test_named_in_the_table_is_there() -> None:
    page = (HERE.parents[1] / "docs/datasets.md").read_text(encoding="utf-8")
    table = page.split("## What copies have")[1].split("\n## ")[0]
    named = []
    for row in table.splitlines():
        file = "test_casia"  # of the rows below CASIA; others name theirs
        for name, function in re.findall(r"`(?:((?:tests/batch/)?test_\w+): )?(test_\w+)`", row):
            file = name or file
            named.append((file, function))
    assert len(named) > 90
    missing = [f"{file}: {function}" for file, function in named if function not in _defined(file)]
    assert missing == []


def _defined(name: str) -> set[str]:
    path = HERE.parents[1] / f"{name}.py" if "/" in name else HERE / f"{name}.py"
    return set(re.findall(r"^def (test_\w+)", path.read_text(encoding="utf-8"), re.MULTILINE))
