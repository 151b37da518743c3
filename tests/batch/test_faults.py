"""What goes wrong with machines: kills at any moment, disks that fill up, shares that go away."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from batch_cases import plan_of

from masksynth.batch import Summary, pool
from masksynth.batch.folder import parts_folder
from masksynth.errors import BatchError, OutputError
from masksynth.store import unlike_datasets

NAMES = [f"{i:02d}" for i in range(4)]
Run = Callable[..., Summary]


def command(
    root: Path, out: Path, names: list[str], *, pause: float = 0.0, before: str = "", **config: object
) -> list[str]:
    """A run in a process of its own; `before` is executed first."""
    code = f"""
import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})
from pathlib import Path
from batch_cases import *
from masksynth.batch import run_plan
from masksynth.errors import MasksynthError
plan = plan_of(Path({str(root)!r}), {names!r}, **{config!r})
{before}
arguments = {{"root": str(plan.root), "side": plan.config.side, "pause": {pause}}}
try:
    run_plan(plan, Path({str(out)!r}), workers=2, function="batch_photos:SmallWalk", arguments=arguments)
except MasksynthError as error:
    sys.exit(str(error))
"""
    return [sys.executable, "-c", code]


@pytest.mark.usefixtures("small_walk")
def test_a_file_limit_is_one_sentence_and_the_run_goes_on_later(tmp_path: Path, run: Run) -> None:
    """The system refuses writes beyond a size, first in a worker's part, then in the joined file."""
    plan = plan_of(tmp_path / "data", NAMES)
    run(plan, tmp_path / "whole.h5", workers=1)
    out = tmp_path / "m.h5"
    sizes = [10_000, (tmp_path / "whole.h5").stat().st_size // 2]
    for size, what in zip(sizes, (r"m\.h5\.parts/0000\d\.h5", r"m\.h5"), strict=True):
        before = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, {size}))"
        words = command(tmp_path / "data", out, NAMES, before=before)
        ended = subprocess.run(words, capture_output=True, text=True, check=False, timeout=300)
        assert ended.returncode == 1
        with pytest.raises(OutputError, match=rf"{what}: could not be written \(File too large\)\.\n$"):
            raise OutputError(ended.stderr)
        assert not out.exists()
    assert len(list(parts_folder(out).glob("0*.h5"))) == plan.parts
    assert run(plan, out, workers=1).done_here == 0
    assert not unlike_datasets(out, tmp_path / "whole.h5")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1M", "none", str(place)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("file systems cannot be mounted here")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk_is_one_sentence_and_the_run_goes_on_when_there_is_room(
    tmp_path: Path, small_disk: Path, run: Run
) -> None:
    plan = plan_of(tmp_path / "data", NAMES, compression="none")
    run(plan, tmp_path / "whole.h5", workers=1)
    ballast = small_disk / "ballast"
    for room in (150_000, 300_000):  # the parts have not all room; the parts have, the joined file has not
        ballast.write_bytes(bytes(1024 * 1024 - room))
        with pytest.raises(OutputError, match=r"could not be written \(No space left on device\)"):
            run(plan, small_disk / "m.h5", workers=2)
        assert not (small_disk / "m.h5").exists()
        assert not list(small_disk.glob(".m.*"))
    ballast.unlink()
    run(plan, small_disk / "m.h5", workers=1)
    assert not unlike_datasets(small_disk / "m.h5", tmp_path / "whole.h5")


def test_a_read_only_place_is_one_sentence(tmp_path: Path, small_disk: Path, run: Run) -> None:
    plan = plan_of(tmp_path / "data", NAMES)
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(OutputError, match=r"m\.h5\.parts: could not be written \(Read-only file system\)"):
        run(plan, small_disk / "m.h5", workers=1)


def test_a_data_set_that_vanishes_ends_the_run_and_is_not_skipped(tmp_path: Path) -> None:
    from masksynth.batch.photo import PhotoWalk

    plan = plan_of(tmp_path / "data", NAMES)
    walk = PhotoWalk.of_plan(plan)
    (tmp_path / "data" / plan.photos[0].path).unlink()  # the folder of a share that was unmounted is there and empty
    with pytest.raises(BatchError, match=rf"{plan.photos[0].path}: was there when the run began and is gone"):
        walk(plan.photos[0])
    shutil.rmtree(tmp_path / "data")
    with pytest.raises(BatchError, match="data: was there when the run began and is gone"):
        walk(plan.photos[1])


@pytest.mark.slow
@pytest.mark.usefixtures("small_walk")
def test_fifty_random_kills_change_no_byte(tmp_path: Path, run: Run) -> None:
    """SIGKILL of a worker, of the parent or of all, at random moments; the same command again and again."""
    names = [f"{i:02d}" for i in range(100)]
    plan = plan_of(tmp_path / "data", names, part_size=3)
    run(plan, tmp_path / "whole.h5", workers=2)
    out = tmp_path / "m.h5"
    words = command(tmp_path / "data", out, names, pause=0.25, part_size=3)
    chance = random.Random(0)
    process = subprocess.Popen(words)
    for kill in range(50):
        target = ("worker", "all", "parent")[kill % 3]
        workers: list[int] = []
        while target != "parent" and not workers:
            time.sleep(0.05)
            assert process.poll() is None, f"the run ended before it could be killed {kill + 1} times"
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
            workers = [int(pid) for pid in children.split()]
        time.sleep(chance.uniform(0.0, 2.5))
        victims = {"worker": workers[:1], "all": [*workers, process.pid], "parent": [process.pid]}[target]
        for pid in victims:
            with contextlib.suppress(ProcessLookupError):  # it was done between the two looks
                os.kill(pid, signal.SIGKILL)
        if target != "worker":
            process.wait()
            process = subprocess.Popen(words)
    assert process.wait(timeout=600) == 0
    assert not unlike_datasets(out, tmp_path / "whole.h5")
    assert not parts_folder(out).exists()


@pytest.mark.slow
def test_a_thousand_damaged_files_lose_no_row_and_end_no_worker(tmp_path: Path) -> None:
    """Bits turned over, cut short, headers that lie: each file gives its row or a reason."""
    from batch_cases import TEMPLATES

    from masksynth.batch import BatchConfig, make_plan, run_plan
    from masksynth.datasets import FaceDataset, Sample
    from masksynth.photos import write_photo

    rng = np.random.default_rng(0)
    smooth = np.kron(rng.integers(0, 256, (12, 16, 3), np.uint8), np.ones((10, 10, 1), np.uint8))
    whole = []
    for name in ("a.jpg", "a.png", "a.bmp", "a.tif"):
        write_photo(tmp_path / name, smooth)
        whole.append((name[1:], (tmp_path / name).read_bytes()))
    samples = []
    for number in range(1000):
        suffix, data = whole[number % len(whole)]
        damaged = bytearray(data)
        kind = number // len(whole) % 4
        if kind == 0:  # bits anywhere
            for place in rng.integers(0, len(damaged), int(rng.integers(1, 30))):
                damaged[place] ^= 1 << int(rng.integers(8))
        elif kind == 1:  # cut short
            damaged = damaged[: int(rng.integers(0, len(damaged)))]
        elif kind == 2:  # a header that lies: any value in its first bytes, sizes among them
            start = int(rng.integers(2, 60))
            damaged[start : start + 4] = rng.integers(0, 256, 4, np.uint8).tobytes()
        else:  # huge sizes where the format keeps them
            start = {".jpg": damaged.find(b"\xff\xc0") + 5, ".png": 16, ".bmp": 18, ".tif": 10}[suffix]
            damaged[start : start + 4] = b"\x7f\xff\x7f\xff"
        path = f"{number:04d}{suffix}"
        (tmp_path / path).write_bytes(damaged)
        samples.append(Sample(path, path, f"p{number % 7}", "nir"))
    plan = make_plan(
        FaceDataset("damaged", tmp_path, tuple(samples), ()), TEMPLATES, BatchConfig(side=32, part_size=100)
    )
    summary = run_plan(plan, tmp_path / "out.h5", workers=2, max_skipped=1.0)
    assert summary.content is not None
    assert len(summary.content.skipped) + summary.content.rows["nir"] == 1000
    reasons = " ".join(item.reason for item in summary.content.skipped)
    assert "the process died" not in reasons
    assert "unforeseen" not in reasons


def test_a_worker_that_hangs_counts_as_dead(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stopped process answers nobody, whatever it is at; the photo that stops two of them is skipped."""
    monkeypatch.setattr(pool, "FIRST_PHOTO_S", 0.0)
    plan = plan_of(tmp_path / "data", [*NAMES, "stops", "stops-once"])
    summary = run(plan, tmp_path / "m.h5", workers=2, photo_limit=2.0, max_skipped=1.0)
    assert summary.content is not None
    reasons = {item.source: item.reason for item in summary.content.skipped}
    assert reasons == {"nir/p0/stops.png": "the process died at this photo 2 times (no answer for 2 s)"}


def test_the_first_photo_of_a_worker_may_take_longer(tmp_path: Path, run: Run) -> None:
    """It loads kernels then, or compiles them; all photos were skipped where that took longer than the limit."""
    summary = run(plan_of(tmp_path / "data", NAMES), tmp_path / "m.h5", workers=2, photo_limit=1.0, loading=4.0)
    assert summary.content is not None
    assert not summary.content.skipped


def test_photos_below_the_limit_are_never_charged_for_those_before(tmp_path: Path, run: Run) -> None:
    """Each takes half of the limit, and any look at the workers finds one of them at work."""
    plan = plan_of(tmp_path / "data", NAMES)
    summary = run(plan, tmp_path / "m.h5", workers=2, photo_limit=1.0, pause=0.5)
    assert summary.content is not None
    assert not summary.content.skipped


def test_a_photo_too_large_for_the_memory_is_skipped_with_a_reason_people_understand(tmp_path: Path, run: Run) -> None:
    plan = plan_of(tmp_path / "data", ["00", "large"])
    summary = run(plan, tmp_path / "m.h5", workers=1, max_skipped=1.0)
    assert summary.reasons() == {"there was not enough memory for this photo": 8}
