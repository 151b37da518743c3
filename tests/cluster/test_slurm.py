"""The shipped job files on a real Slurm, with generated faces; see conftest.py."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from masksynth.store import unlike_datasets

pytestmark = pytest.mark.cluster

JOBS = Path(__file__).parents[2] / "docs" / "cluster"
TEMPLATES = "surgical-blue,n95-cup,cloth-striped,kn95-white"


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("faces")
    words = ["demo-dataset", str(root), "--subjects", "8", "--nir-photos", "5", "--vis-photos", "3", "--force"]
    subprocess.run([sys.executable, "-m", "masksynth", *words], check=True)
    subprocess.run([sys.executable, "-m", "masksynth", "warm-up"], check=True)
    return root


@pytest.fixture(scope="module")
def words(faces: Path) -> list[str]:
    return ["--dataset", "casia", "--root", str(faces), "--templates", TEMPLATES, "--part-size", "6"]


@pytest.fixture(scope="module")
def whole(words: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What one process makes."""
    out = tmp_path_factory.mktemp("whole") / "whole.h5"
    apply = [sys.executable, "-m", "masksynth", "apply", *words]
    subprocess.run([*apply, "--out", str(out), "--workers", "1"], check=True)
    return out


def test_the_shipped_job_array_gives_the_same_bytes_though_a_task_is_killed(
    slurm, words: list[str], whole: Path, tmp_path: Path
) -> None:
    out = tmp_path / "masked.h5"
    words = [*words, "--out", str(out)]
    place = ["--chdir", str(slurm.folder), f"--export=ALL,PATH={Path(sys.executable).parent}:{os.environ['PATH']}"]
    array = slurm(
        "sbatch", "--parsable", "--array=1-3", "--mem-per-cpu=0", *place, str(JOBS / "mask-array.sbatch"), *words
    )
    join = slurm(
        "sbatch", "--parsable", "--mem-per-cpu=0", f"--dependency=afterany:{array}", *place,
        str(JOBS / "assemble.sbatch"), *words,
    )  # fmt: skip

    folder = tmp_path / "masked.h5.parts"
    deadline = time.monotonic() + 120
    killed = ""
    while not killed and time.monotonic() < deadline:
        for lock in folder.glob("0*.lock"):
            try:
                pid = int(lock.read_text().split('"pid": ')[1].split(",")[0])
                environment = Path(f"/proc/{pid}/environ").read_bytes().decode().split("\0")
                variables = dict(item.split("=", 1) for item in environment if "=" in item)
                os.kill(pid, signal.SIGKILL)
                killed = f"{array}_{variables['SLURM_ARRAY_TASK_ID']}"
                break
            except (OSError, IndexError, ValueError):
                continue
        time.sleep(0.05)
    assert killed, "no task was seen at work"
    while not slurm.states(killed) & {"FAILED", "COMPLETED"} and time.monotonic() < deadline:
        time.sleep(0.2)
    slurm("scontrol", "requeue", killed)
    slurm("scontrol", "update", f"JobId={killed}", "StartTime=now")  # else Slurm waits for two minutes
    slurm.wait(array)
    slurm.wait(join)
    assert not unlike_datasets(out, whole)
    assert not folder.exists()
    assert "\r" not in "".join(path.read_text() for path in slurm.folder.glob("masksynth-*.log"))


def test_dask_workers_as_jobs_give_the_same_bytes(slurm, words: list[str], whole: Path, tmp_path: Path) -> None:
    pytest.importorskip("dask_jobqueue", reason="the extra 'cluster' is not installed")
    out = tmp_path / "masked.h5"
    script = [sys.executable, str(JOBS / "dask_jobs.py"), "slurm", "--jobs", "1", "--memory", "1GB"]
    ended = subprocess.run(
        [*script, "--", *words, "--out", str(out)],
        env=slurm.environment, cwd=tmp_path, check=False, timeout=400, capture_output=True, text=True,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert "1 worker with 1 thread at tcp://" in ended.stderr
    assert not unlike_datasets(out, whole)


def test_assembly_names_what_is_missing(slurm, words: list[str], tmp_path: Path) -> None:
    words = [*words, "--out", str(tmp_path / "m.h5")]
    place = ["--chdir", str(slurm.folder), f"--export=ALL,PATH={Path(sys.executable).parent}:{os.environ['PATH']}"]
    job = slurm("sbatch", "--parsable", "--mem-per-cpu=0", *place, str(JOBS / "assemble.sbatch"), *words)
    with pytest.raises(AssertionError, match=r"parts missing: 0, 1, 2"):
        slurm.wait(job)
