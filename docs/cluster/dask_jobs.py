"""Masks a data set on workers that dask-jobqueue starts under Slurm, PBS, LSF or SGE.

    python -m pip install 'masksynth[cluster]'
    masksynth warm-up
    python docs/cluster/dask_jobs.py pbs --jobs 40 -- --dataset casia --root /data/NIR-VIS-2.0 --out masked.h5

Everything behind ``--`` is given to ``masksynth apply``. ``--show`` prints the job file and submits nothing. Queue,
project and what else a site wants go into ``~/.config/dask/jobqueue.yaml``; see https://jobqueue.dask.org. Run it where
jobs can be submitted and the output can be written; it ends with the work, and a second call goes on where it was.
"""

from __future__ import annotations

import argparse
import subprocess
import sys

import dask_jobqueue

SYSTEMS = {
    "slurm": dask_jobqueue.SLURMCluster,
    "pbs": dask_jobqueue.PBSCluster,
    "lsf": dask_jobqueue.LSFCluster,
    "sge": dask_jobqueue.SGECluster,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.usage = "dask_jobs.py {slurm,pbs,lsf,sge} [options] -- WORDS FOR MASKSYNTH APPLY"
    parser.add_argument("system", choices=SYSTEMS)
    parser.add_argument("--jobs", type=int, default=40, help="one single-threaded worker each")
    parser.add_argument("--memory", default="2GB", help="of a job")
    parser.add_argument("--hours", type=int, default=4, help="of a job; one that ends early is replaced")
    parser.add_argument("--show", action="store_true", help="print the job file and submit nothing")
    typed = sys.argv[1:]
    end = typed.index("--") if "--" in typed else len(typed)
    given, words = parser.parse_args(typed[:end]), typed[end + 1 :]
    # LSF counts hours and minutes, the others hours, minutes and seconds.
    walltime = f"{given.hours:02d}:00" + ("" if given.system == "lsf" else ":00")
    with SYSTEMS[given.system](
        cores=1, processes=1, memory=given.memory, walltime=walltime, scheduler_options={"dashboard_address": ":0"}
    ) as cluster:
        if given.show:
            print(cluster.job_script())
            return 0
        cluster.adapt(minimum_jobs=given.jobs, maximum_jobs=given.jobs)  # unlike scale, replaces jobs that end
        apply = [sys.executable, "-m", "masksynth", "apply", *words, "--scheduler", cluster.scheduler_address]
        return subprocess.run(apply, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
