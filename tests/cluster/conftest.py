"""A real Slurm on this machine: munge, a controller and one node on loopback, all in a temporary folder."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

CONFIG = """
ClusterName=masksynth
SlurmctldHost={host}(127.0.0.1)
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
SlurmUser=root
SlurmctldPort={port}
SlurmdPort={node_port}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=sched_interval=2,sched_min_interval=0,batch_sched_delay=0
ReturnToService=2
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory={memory} State=UNKNOWN
PartitionName=all Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""
CGROUP = "CgroupPlugin=cgroup/v1\nIgnoreSystemd=yes\nCgroupAutomount=no\n"
NEEDED = ("munged", "slurmctld", "slurmd", "sbatch", "scontrol")


@dataclass(frozen=True)
class Slurm:
    folder: Path
    environment: dict[str, str]

    def __call__(self, *words: str, check: bool = True) -> str:
        """Run a command of Slurm; what it printed."""
        ended = subprocess.run(words, env=self.environment, capture_output=True, text=True, check=False, timeout=60)
        if check and ended.returncode:
            raise AssertionError(f"{' '.join(words)}: {ended.stderr}{ended.stdout}")
        return ended.stdout.strip()

    def states(self, job: str) -> set[str]:
        """States of all tasks of a job that Slurm still knows."""
        lines = self("scontrol", "-o", "show", "job", job, check=False).splitlines()
        return {word.split("=")[1] for line in lines for word in line.split() if word.startswith("JobState=")}

    def wait(self, job: str, seconds: float = 300) -> None:
        """Until all tasks are completed; AssertionError with the logs where one failed or time is up."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            states = self.states(job)
            if states == {"COMPLETED"}:
                return
            if states & {"FAILED", "CANCELLED", "NODE_FAIL", "TIMEOUT", "OUT_OF_MEMORY"}:
                break
            time.sleep(0.5)
        logs = "\n".join(f"{p.name}:\n{p.read_text()[-1500:]}" for p in sorted(self.folder.glob("*.log")))
        raise AssertionError(f"job {job} is {self.states(job)}\n{logs}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slurm]:
    lacking = [name for name in NEEDED if shutil.which(name) is None]
    if lacking:
        pytest.skip(f"no Slurm here ({', '.join(lacking)}): apt install slurm-wlm munge")
    if os.geteuid() != 0:
        pytest.skip("Slurm's daemons need root")
    folder = tmp_path_factory.mktemp("slurm")
    folder.chmod(0o755)
    host = socket.gethostname().split(".")[0]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20
    values = {"folder": folder, "host": host, "cpus": os.cpu_count(), "memory": memory}
    values |= {"port": _free_port(), "node_port": _free_port()}
    (folder / "slurm.conf").write_text(CONFIG.format(**values))
    (folder / "cgroup.conf").write_text(CGROUP)
    (folder / "state").mkdir()
    (folder / "spool").mkdir()
    key = folder / "munge.key"
    key.write_bytes(os.urandom(1024))
    key.chmod(0o400)
    environment = {**os.environ, "SLURM_CONF": str(folder / "slurm.conf")}
    slurm = Slurm(folder, environment)
    daemons = [
        ["munged", "--foreground", "--force", f"--key-file={key}", f"--socket={folder}/munge.socket",
         f"--pid-file={folder}/munge.pid", f"--log-file={folder}/munge.log", f"--seed-file={folder}/munge.seed"],
        ["slurmctld", "-D", "-i", "-f", str(folder / "slurm.conf")],
        ["slurmd", "-D", "-N", host, "-f", str(folder / "slurm.conf")],
    ]  # fmt: skip
    log = (folder / "daemons.log").open("w")
    processes = []
    try:
        for words in daemons:
            processes.append(subprocess.Popen(words, env=environment, stdout=log, stderr=log))
            time.sleep(1)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if "idle" in slurm("sinfo", "-h", "-o", "%T", check=False):
                break
            time.sleep(0.5)
        else:
            logs = "\n".join(p.read_text()[-1500:] for p in sorted(folder.glob("*.log")))
            pytest.fail(f"Slurm does not come up: {slurm('sinfo', check=False)}\n{logs}")
        yield slurm
    finally:
        for process in reversed(processes):
            process.terminate()
        for process in processes:
            process.wait(timeout=30)
        log.close()
