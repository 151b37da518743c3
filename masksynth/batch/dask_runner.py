"""Parts done by a Dask cluster that somebody else started; dask-jobqueue starts one under Slurm, PBS, LSF and SGE.

The photos and the folder of parts have to be under the same paths on all its workers.
"""

from __future__ import annotations

import json
import os
import threading
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from masksynth.batch.folder import Job
from masksynth.batch.locks import Heartbeat, Holder, try_lock
from masksynth.batch.part import WRITING, PartForm, PhotoFunction, write_part
from masksynth.batch.plan import decode_photo
from masksynth.batch.work import clear_part, part_lock, part_task
from masksynth.batch.worker import load_function
from masksynth.errors import BatchError, ConfigError, MasksynthError, counted

if TYPE_CHECKING:
    from distributed import Client, Future

    from masksynth.batch.run import Progress

AHEAD = 2  # parts a thread of the cluster that are with the scheduler at once
WAIT_S = 20.0  # for the scheduler to answer
WORKERS_S = 600.0  # for the first worker: a batch system may have it queue
DEATHS_A_PHOTO = 2  # after which a photo is skipped, each of them Dask's allowed-failures and one more
DEATHS_IDLE = 10  # of workers that had not begun with a part
HELD_S = 2.0  # before a part that another run holds is tried again

_OWN = threading.local()  # the function over photos of each thread of a Dask worker


class DaskRunner:
    """Runs parts on the cluster whose scheduler is at `address`, ``tcp://HOST:PORT`` or the path of its scheduler file.

    A worker that dies is Dask's to replace, and its part is done again. A photo that was at work each time that Dask
    gave up a part (after ``allowed-failures``, 3) is skipped.
    """

    def __init__(self, address: str) -> None:
        self.address = address

    def __call__(self, job: Job, parts: list[int], heartbeat: Heartbeat, progress: Progress) -> None:
        """Do `parts`. Raises BatchError where the cluster does not answer or has no workers."""
        from distributed import KilledWorker, as_completed

        with _client(self.address) as client:
            threads = sum(client.nthreads().values())
            progress.say(
                f"{counted(len(client.nthreads()), 'worker')} with {counted(threads, 'thread')} at {self.address}"
            )
            waiting = deque(parts)
            refused: dict[int, str] = {}
            deaths: Counter[int | str] = Counter()

            def submit(k: int) -> Future:
                return client.submit(
                    do_part, job.setup, part_task(job, k, refused), pure=False, key=f"part-{k}-{os.urandom(4).hex()}"
                )

            running = {submit(waiting.popleft()): k for k, _ in zip(list(parts), range(AHEAD * threads), strict=False)}
            done = as_completed(list(running))
            for future in done:
                k = running.pop(future)
                try:
                    held = future.result()
                except KilledWorker as error:
                    # Dask blames every part that was with a worker when it died; only one that left its marker ran.
                    number = _last_photo(job.folder, k)
                    deaths[number if number is not None else f"part {k}"] += 1
                    if number is None and deaths[f"part {k}"] > DEATHS_IDLE:
                        raise BatchError(f"{job.out}: workers of the cluster die before part {k} ({error}).") from error
                    if number is not None and deaths[number] >= DEATHS_A_PHOTO:
                        refused[number] = f"the process died at this photo {DEATHS_A_PHOTO} times and more"
                    held = ""
                except OSError as error:
                    raise BatchError(f"{self.address}: the cluster was lost ({error}).") from error
                if held is None:
                    progress.advance(len(job.plan.part(k)))
                else:
                    waiting.appendleft(k)
                    if held:
                        threading.Event().wait(HELD_S)
                if waiting:
                    k = waiting.popleft()
                    new = submit(k)
                    running[new] = k
                    done.add(new)


def do_part(setup: dict[str, Any], task: dict[str, Any]) -> str | None:
    """One part, on a worker of the cluster; who holds it where another run does, else None."""
    path, k = Path(task["path"]), int(task["k"])
    if path.is_file():
        return None
    lock = try_lock(part_lock(path.parent, k))
    if isinstance(lock, Holder):
        return str(lock)
    with Heartbeat() as heartbeat, _marker(path.parent, k) as at:
        heartbeat.keep(lock)
        clear_part(path.parent, k)
        form = PartForm(**{**setup["form"], "masked": tuple(setup["form"]["masked"])})
        photos = [decode_photo(values) for values in task["photos"]]
        refused = {int(number): reason for number, reason in task["refused"].items()}
        write_part(path, k, photos, _function(setup), form, refused=refused, at=at)  # one thread: `at` holds one photo
    return None


def _function(setup: dict[str, Any]) -> PhotoFunction:
    """The function over photos, made once a thread: networks and buffers are not shared between threads."""
    key = json.dumps([setup["function"], setup["arguments"]], sort_keys=True)
    if getattr(_OWN, "key", None) != key:
        _OWN.function, _OWN.key = load_function(setup["function"], setup["arguments"]), key
    function: PhotoFunction = _OWN.function
    return function


@contextmanager
def _marker(folder: Path, k: int) -> Iterator[Any]:
    """A small file that holds the number of the photo at work; it stays only where the process dies."""
    path = folder / f"{k:05d}.at"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o644)
    try:
        yield lambda number: os.pwrite(descriptor, f"{number:20d}".encode(), 0)
    finally:
        os.close(descriptor)
        with suppress(OSError):
            path.unlink()


def _last_photo(folder: Path, k: int) -> int | None:
    try:
        number = int((folder / f"{k:05d}.at").read_text())
    except (OSError, ValueError):
        return None
    return number if number != WRITING else None


@contextmanager
def _client(address: str) -> Iterator[Client]:
    try:
        from distributed import Client
    except ImportError as error:
        raise ConfigError(
            "--scheduler needs Dask, which is not installed: python -m pip install 'masksynth[cluster]'."
        ) from error
    try:
        if "://" in address:
            client = Client(address, timeout=WAIT_S)
        elif Path(address).is_file():
            client = Client(scheduler_file=address, timeout=WAIT_S)
        else:
            raise ConfigError(
                f"--scheduler {address}: is neither tcp://HOST:PORT nor the scheduler file of a Dask cluster."
            )
    except (OSError, ValueError) as error:
        if isinstance(error, MasksynthError):
            raise
        raise BatchError(f"{address}: no Dask scheduler answers there ({error}). Start one: dask scheduler.") from error
    try:
        with client:
            try:
                client.wait_for_workers(1, timeout=WORKERS_S)
            except TimeoutError as error:
                raise BatchError(
                    f"{address}: the cluster has no workers after {WORKERS_S:.0f} s. Start some: dask worker {address}."
                ) from error
            yield client
    finally:
        client.close()
