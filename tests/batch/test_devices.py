"""Several photos at work at once in a worker, and workers dealt out to devices."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from batch_cases import plan_of
from click.testing import CliRunner

from masksynth.batch import run_plan
from masksynth.cli.main import main
from masksynth.errors import ConfigError
from masksynth.reconstruct.prnet_torch import devices_of
from masksynth.store import unlike_datasets

NAMES = [f"{i:02d}" for i in range(4)]


def test_threads_change_no_byte_and_the_photo_that_kills_is_found_among_them(tmp_path: Path, small_walk: str) -> None:
    plan = plan_of(tmp_path / "data", [*NAMES, "kills", "noface"], part_size=12)
    said: list[str] = []

    class Listening:
        def begin(self, what: str, total: int, done: int = 0) -> None: ...

        def advance(self, steps: int = 1) -> None:
            counted.append(steps)

        def say(self, text: str) -> None:
            said.append(text)

    for threads in (1, 4):
        counted: list[int] = []
        arguments = {"root": str(plan.root), "side": plan.config.side, "threads": threads, "pause": 0.02}
        out = tmp_path / f"{threads}.h5"
        summary = run_plan(
            plan, out, workers=2, max_skipped=1.0, function=small_walk, arguments=arguments, progress=Listening()
        )
        assert summary.content is not None
        killed = [item.source for item in summary.content.skipped if "process died" in item.reason]
        assert killed == ["nir/p0/kills.png"]
        rows = summary.content.rows["nir"] + summary.content.rows["vis"]
        assert sum(counted) == len(plan.photos) + 2 * rows  # for the work, for joining and for reading back
    assert not unlike_datasets(tmp_path / "1.h5", tmp_path / "4.h5")
    assert any(" at one of " in text for text in said)
    assert said[-1].endswith("kills.png, which is skipped from now on; part 0 is done again.")


def test_workers_are_dealt_out_to_the_devices(tmp_path: Path, small_walk: str) -> None:
    plan = plan_of(tmp_path / "data", NAMES, part_size=2)
    (tmp_path / "log").mkdir()
    arguments = {"root": str(plan.root), "side": plan.config.side, "pause": 0.1, "log": str(tmp_path / "log")}
    run_plan(
        plan, tmp_path / "m.h5", workers=4, devices=("one", "two"), function=small_walk, arguments=arguments
    )  # fmt: skip
    assert sorted(path.name.split("-")[0] for path in (tmp_path / "log").iterdir()) == ["one", "one", "two", "two"]


def test_devices_are_those_of_this_machine() -> None:
    assert devices_of("cpu") == ("cpu",)
    assert devices_of("auto") == (tuple(f"cuda:{k}" for k in range(torch.cuda.device_count())) or ("cpu",))
    with pytest.raises(ConfigError, match=r"device 'cuda:99' cannot be used"):
        devices_of("cuda:99")
    with pytest.raises(ConfigError, match="devices of one kind are wanted"):
        devices_of("cpu,meta")


def test_a_device_that_the_default_cannot_use_is_one_sentence(tmp_path: Path) -> None:
    words = ["apply", "--dataset", "casia", "--root", str(tmp_path), "--out", str(tmp_path / "m.h5")]
    result = CliRunner().invoke(main, [*words, "--device", "cuda"])
    assert result.exit_code == 2
    assert "facemesh runs on the processor. Only prnet runs elsewhere" in result.output
