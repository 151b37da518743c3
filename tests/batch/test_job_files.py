"""The job files that dask-jobqueue writes; nothing is submitted."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("dask_jobqueue", reason="the extra 'cluster' is not installed")

SCRIPT = Path(__file__).parents[2] / "docs" / "cluster" / "dask_jobs.py"


@pytest.mark.parametrize(
    ("system", "lines"),
    [
        ("slurm", ("#SBATCH --cpus-per-task=1", "#SBATCH --mem=2G", "#SBATCH -t 05:00:00")),
        ("pbs", ("#PBS -l select=1:ncpus=1:mem=1908MB", "#PBS -l walltime=05:00:00")),
        ("lsf", ("#BSUB -n 1", "#BSUB -M 2000000", "#BSUB -W 05:00")),
        ("sge", ("#$ -l h_rt=05:00:00",)),
    ],
)
def test_each_batch_system_gets_its_job_file(system: str, lines: tuple[str, ...]) -> None:
    words = [sys.executable, "-W", "ignore", str(SCRIPT), system, "--show", "--hours", "5"]
    shown = subprocess.run(words, capture_output=True, text=True, check=True, timeout=120).stdout.splitlines()
    assert set(lines) <= set(shown)
    (worker,) = (line for line in shown if "dask_worker" in line)
    assert "--nthreads 1 " in worker
    assert worker.startswith(sys.executable)
