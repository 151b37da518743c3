"""On a real scheduler and real workers, on this machine."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from batch_cases import SIDE, plan_of

from masksynth.batch import Summary
from masksynth.batch.folder import parts_folder
from masksynth.errors import BatchError, ConfigError
from masksynth.store import unlike_datasets

pytest.importorskip("distributed", reason="the extra 'cluster' is not installed")
pytestmark = pytest.mark.filterwarnings("default")  # distributed warns about itself

NAMES = [f"{i:02d}" for i in range(4)]
Run = Callable[..., Summary]


@pytest.fixture
def cluster(tmp_path: Path, small_walk: str) -> Iterator[Path]:
    """The scheduler file of a cluster of two workers, each a nanny with one process of one thread."""
    file = tmp_path / "scheduler.json"
    log = (tmp_path / "dask.log").open("w")

    def start(*words: str) -> subprocess.Popen[bytes]:
        environment = {**os.environ, "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "1"}
        return subprocess.Popen(
            [sys.executable, "-m", "dask", *words, "--scheduler-file", str(file)],
            stdout=log, stderr=log, env=environment, cwd=tmp_path,
        )  # fmt: skip

    processes = [start("scheduler", "--port", "0", "--no-dashboard", "--host", "127.0.0.1")]
    deadline = time.monotonic() + 300
    while not file.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    for _ in range(2):
        processes.append(start("worker", "--nthreads", "1", "--no-dashboard", "--local-directory", str(tmp_path)))
    yield file
    for process in reversed(processes):
        process.send_signal(signal.SIGINT)
    for process in processes:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=10)
        process.kill()
        process.wait()
    log.close()


@pytest.mark.slow
def test_a_cluster_gives_the_same_bytes_though_a_worker_is_killed(tmp_path: Path, cluster: Path, run: Run) -> None:
    from masksynth.batch.dask_runner import DaskRunner

    plan = plan_of(tmp_path / "data", NAMES)
    run(plan, tmp_path / "here.h5", workers=2)
    out = tmp_path / "m.h5"
    killed: list[int] = []

    def kill_one() -> None:
        """The process that holds the lock of a part."""
        deadline = time.monotonic() + 300
        while time.monotonic() < deadline and not killed:
            for lock in parts_folder(out).glob("0*.lock"):
                with contextlib.suppress(OSError, ValueError, IndexError):
                    pid = int(lock.read_text().split('"pid": ')[1].split(",")[0])
                    os.kill(pid, signal.SIGKILL)
                    killed.append(pid)
                    return
            time.sleep(0.01)

    killer = threading.Thread(target=kill_one)
    killer.start()
    run(plan, out, runner=DaskRunner(str(cluster)), pause=0.1)
    killer.join()
    assert killed
    assert not unlike_datasets(out, tmp_path / "here.h5")


@pytest.mark.slow
def test_a_photo_that_kills_workers_of_a_cluster_is_skipped(tmp_path: Path, cluster: Path, run: Run) -> None:
    from masksynth.batch.dask_runner import DaskRunner

    plan = plan_of(tmp_path / "data", [*NAMES, "kills"])
    summary = run(plan, tmp_path / "m.h5", runner=DaskRunner(str(cluster)), max_skipped=1.0)
    assert summary.content is not None
    assert [item.source for item in summary.content.skipped] == ["nir/p0/kills.png"]


def test_no_scheduler_is_one_sentence(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from masksynth.batch import dask_runner

    monkeypatch.setattr(dask_runner, "WAIT_S", 1.0)
    plan = plan_of(tmp_path / "data", ["00"], side=SIDE)
    with pytest.raises(BatchError, match="no Dask scheduler answers there"):
        run(plan, tmp_path / "m.h5", runner=dask_runner.DaskRunner("tcp://127.0.0.1:1"))
    with pytest.raises(ConfigError, match=r"is neither tcp://HOST:PORT nor the scheduler file"):
        run(plan, tmp_path / "m.h5", runner=dask_runner.DaskRunner(str(tmp_path / "none.json")))
