from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from masksynth.batch import Plan, Summary, run_plan

HERE = str(Path(__file__).parent)
sys.path.append(HERE)  # batch_cases.py and batch_photos.py
FUNCTION = "batch_photos:SmallWalk"


@pytest.fixture
def small_walk(monkeypatch: pytest.MonkeyPatch) -> str:
    """Lets worker processes find the function over photos of these tests."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([HERE, os.environ.get("PYTHONPATH", "")]))
    return FUNCTION


@pytest.fixture
def run(tmp_path: Path, small_walk: str) -> Callable[..., Summary]:
    """run(plan, out, ...) with that function."""

    def start(plan: Plan, out: Path, *, pause: float = 0.0, loading: float = 0.0, **options: Any) -> Summary:
        once = tmp_path / "once"
        once.mkdir(exist_ok=True)
        arguments = {"root": str(plan.root), "side": plan.config.side, "pause": pause, "once": str(once)}
        arguments["loading"] = loading
        return run_plan(plan, out, function=small_walk, arguments=arguments, **options)

    return start
