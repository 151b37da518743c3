"""A run over a data set: plan → parts → the one file."""

from __future__ import annotations

import os
import shutil
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from masksynth.batch.assemble import Assembled, DamagedPartError, assemble, kind_of_reason
from masksynth.batch.config import PHOTO_LIMIT_S
from masksynth.batch.folder import PHOTO_FUNCTION, Job, is_done, open_job
from masksynth.batch.locks import Heartbeat
from masksynth.batch.part import part_path
from masksynth.batch.plan import Plan
from masksynth.batch.pool import Pool
from masksynth.batch.work import LockedParts, only_run
from masksynth.errors import BatchError, ConfigError, counted

REPAIRS = 2  # how often a damaged part is made again before giving up


@dataclass(frozen=True)
class Summary:
    """What a run did."""

    out: Path
    content: Assembled | None  # None where the file was there already
    photos: int  # in the plan
    done_here: int  # photos looked at in this run; fewer where it went on with an earlier one
    seconds: float
    next_line: str  # what to type next

    def reasons(self) -> Counter[str]:
        """Kinds of reasons of skipping, with how many photos each has."""
        if self.content is None:
            return Counter()
        return Counter(kind_of_reason(item.reason) for item in self.content.skipped)


@dataclass(frozen=True)
class Share:
    """What one task of a job array did."""

    mine: int  # parts that are this task's
    done_here: int  # of them, those that were not there yet
    parts: int  # of the whole plan
    photos: int  # done here
    seconds: float


class Progress(Protocol):
    """What a run tells while it is at work."""

    def begin(self, what: str, total: int, done: int = 0) -> None:
        """`total` steps are to be done, `done` of them were done earlier."""

    def advance(self, steps: int = 1) -> None:
        """So many more are done; negative where some have to be done again."""

    def say(self, text: str) -> None:
        """Something worth a line."""


class Silent:
    """A progress that tells nobody."""

    def begin(self, what: str, total: int, done: int = 0) -> None: ...

    def advance(self, steps: int = 1) -> None: ...

    def say(self, text: str) -> None: ...


class Runner(Protocol):
    """Whatever gets parts done: processes of this machine, or a cluster."""

    def __call__(self, job: Job, parts: list[int], heartbeat: Heartbeat, progress: Progress) -> None:
        """Do `parts` of `job`, those that others have under lock included, and return when all are there."""


class LocalRunner:
    """Worker processes of this machine; one a core that this process may use where no number is given.

    With `devices` each gets one of them, in turn. One that does not come back from a photo for `photo_limit` seconds
    counts as dead.
    """

    def __init__(
        self, workers: int | None = None, devices: Sequence[str] = (), photo_limit: float = PHOTO_LIMIT_S
    ) -> None:
        self.workers, self.devices, self.photo_limit = workers or available_cores(), devices, photo_limit

    def __call__(self, job: Job, parts: list[int], heartbeat: Heartbeat, progress: Progress) -> None:
        with LockedParts(job, parts, heartbeat) as work:
            pool = Pool(min(self.workers, len(parts)), job.setup, job.folder, self.devices, self.photo_limit)
            pool.run(work, progress.advance, progress.say)


def run_plan(
    plan: Plan,
    out: Path,
    *,
    workers: int | None = None,
    runner: Runner | None = None,
    force: bool = False,
    max_skipped: float = 0.05,
    command: str = "",
    progress: Progress | None = None,
    devices: Sequence[str] = (),
    photo_limit: float = PHOTO_LIMIT_S,
    cache: Path | None = None,
    function: str = PHOTO_FUNCTION,
    arguments: dict[str, Any] | None = None,
) -> Summary:
    """Do all of `plan` and write the file `out`.

    A run that was killed goes on where it was: the same plan and `out` find the parts that are done.

    Parameters
    ----------
    workers : int, optional
        Processes of this machine; one a core that this process may use where not given.
    runner : Runner, optional
        Does the parts instead of processes of this machine.
    force : bool
        Whether an output, or parts, of another plan may be replaced.
    max_skipped : share in [0, 1]
        Of photos that may be skipped before the file is marked incomplete.
    command : str
        As typed; written into the file.
    devices : names, optional
        As PyTorch gives them, of the kind in the plan's config; the workers of this machine are dealt out to them.
    photo_limit : seconds
        At one photo, after which a worker of this machine counts as dead.
    cache : folder, optional
        Keeps reconstructions, so that another run on the same photos costs no network. It changes no byte.
    function : "module:name"
        Makes the function over photos in each worker, called with `arguments` (JSON values).

    Raises
    ------
    ConfigError
        If `out` is of another plan and not to be replaced.
    BatchError
        If another run is at work on `out`, or workers do not start.
    OutputError
        If something cannot be written.
    """
    progress = progress or Silent()
    runner = runner or LocalRunner(workers, devices, photo_limit)
    begun = time.monotonic()
    if is_done(plan, out, force):
        return _summary(plan, out, None, 0, begun)
    job = open_job(plan, out, force=force, function=function, arguments=arguments, cache=cache)
    with Heartbeat() as heartbeat, only_run(job.folder / "run.lock", heartbeat, out):
        done_here, content, repairs = 0, None, Counter[int]()
        while content is None:
            done_here += _do_parts(job, job.missing(), runner, heartbeat, progress)
            try:
                content = _join(job, max_skipped, command, heartbeat, progress)
            except DamagedPartError as error:
                repairs[error.k] += 1
                if repairs[error.k] > REPAIRS:
                    raise
                progress.say(f"{error} It is made again.")
                part_path(job.folder, error.k).unlink(missing_ok=True)
    shutil.rmtree(job.folder, ignore_errors=True)
    return _summary(plan, out, content, done_here, begun)


def run_share(
    plan: Plan,
    out: Path,
    *,
    share: tuple[int, int],
    workers: int | None = None,
    progress: Progress | None = None,
    devices: Sequence[str] = (),
    photo_limit: float = PHOTO_LIMIT_S,
    cache: Path | None = None,
    function: str = PHOTO_FUNCTION,
    arguments: dict[str, Any] | None = None,
) -> Share:
    """Do the parts of one task of a job array: task K of N, 1 <= K <= N, does the parts k ≡ K − 1 mod N.

    Any number of tasks may run at once and be started again; `assemble_plan` joins what they made.

    Raises
    ------
    ConfigError
        If K and N are not such numbers, or `out` is of another plan.
    """
    number, of = share
    if not 1 <= number <= of:
        raise ConfigError(f"--part K/N wants 1 <= K <= N, got {number}/{of}.")
    progress = progress or Silent()
    begun = time.monotonic()
    mine = list(range(number - 1, plan.parts, of))
    if is_done(plan, out, False):
        return Share(len(mine), 0, plan.parts, 0, time.monotonic() - begun)
    job = open_job(plan, out, function=function, arguments=arguments, cache=cache)
    wanted = [k for k in job.missing() if k in set(mine)]
    with Heartbeat() as heartbeat:
        photos = _do_parts(job, wanted, LocalRunner(workers, devices, photo_limit), heartbeat, progress)
    return Share(len(mine), len(wanted), plan.parts, photos, time.monotonic() - begun)


def assemble_plan(
    plan: Plan,
    out: Path,
    *,
    force: bool = False,
    max_skipped: float = 0.05,
    command: str = "",
    progress: Progress | None = None,
) -> Summary:
    """Join the parts that tasks of a job array made.

    Raises
    ------
    BatchError
        If parts are missing or damaged; the message names them.
    """
    begun = time.monotonic()
    if is_done(plan, out, force):
        return _summary(plan, out, None, 0, begun)
    job = open_job(plan, out)
    missing = job.missing()
    if missing:
        raise BatchError(
            f"{job.folder}: {len(missing)} of {counted(plan.parts, 'part')}"
            f" missing: {_numbers(missing)} (counted from 0). "
            "Start the tasks of the array again, or leave --assemble away to do the rest here."
        )
    with Heartbeat() as heartbeat:
        try:
            content = _join(job, max_skipped, command, heartbeat, progress or Silent())
        except DamagedPartError as error:
            part_path(job.folder, error.k).unlink(missing_ok=True)
            raise BatchError(f"{error} It was removed; start the tasks of the array again.") from error
    shutil.rmtree(job.folder, ignore_errors=True)
    return _summary(plan, out, content, 0, begun)


def available_cores() -> int:
    """Cores that this process may use; a batch system often grants fewer than the machine has."""
    try:
        return max(1, len(os.sched_getaffinity(0)))
    except AttributeError:
        return os.cpu_count() or 1


def _do_parts(job: Job, parts: list[int], runner: Runner, heartbeat: Heartbeat, progress: Progress) -> int:
    """Do `parts`; the number of their photos."""
    if not parts:
        return 0
    photos, total = job.photos(parts), len(job.plan.photos)
    progress.begin("photos", total, total - photos)
    runner(job, parts, heartbeat, progress)
    return photos


def _join(job: Job, max_skipped: float, command: str, heartbeat: Heartbeat, progress: Progress) -> Assembled:
    with only_run(job.folder / "assemble.lock", heartbeat, job.out):
        return assemble(
            job.plan,
            job.folder,
            job.out,
            job.form,
            max_skipped=max_skipped,
            command=command,
            progress=progress,
        )


def _summary(plan: Plan, out: Path, content: Assembled | None, done_here: int, begun: float) -> Summary:
    seconds = time.monotonic() - begun
    trains = any(p.parts.get("nir_train") and p.parts.get("vis_train") for p in plan.protocols)
    following = f"masksynth train-hsst {out}" if trains else f"masksynth report {out} -o report.html"
    return Summary(out, content, len(plan.photos), done_here, seconds, following)


def _numbers(values: list[int], most: int = 12) -> str:
    shown = ", ".join(map(str, values[:most]))
    return shown if len(values) <= most else f"{shown} and {len(values) - most} more"
