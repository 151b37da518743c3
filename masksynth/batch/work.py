"""Parts under their locks, as a pool takes them."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from masksynth.batch.folder import Job
from masksynth.batch.locks import Heartbeat, Holder, Lock, at_work, try_lock
from masksynth.batch.part import part_path
from masksynth.batch.plan import encode_photo

RETRY_S = 1.0  # between looks for parts that another run holds


class LockedParts:
    """The parts that a pool is to do, each under its lock."""

    def __init__(self, job: Job, wanted: list[int], heartbeat: Heartbeat) -> None:
        self._job, self._folder, self._heartbeat = job, job.folder, heartbeat
        self._open = dict.fromkeys(wanted)  # not started here, or held by another run; in order
        self._held: dict[int, Lock] = {}
        self._refused: dict[int, str] = {}
        self._careful: set[int] = set()
        self._retry_at = 0.0

    def __enter__(self) -> LockedParts:
        return self

    def __exit__(self, *_: object) -> None:
        for k in list(self._held):
            self._clear(k)
            self._heartbeat.release(self._held.pop(k))

    def take(self) -> int | None:
        if time.monotonic() < self._retry_at:
            return None
        for k in list(self._open):
            if part_path(self._folder, k).is_file():
                del self._open[k]
                continue
            lock = try_lock(part_lock(self._folder, k))
            if isinstance(lock, Holder):
                continue
            self._heartbeat.keep(lock)
            self._held[k] = lock
            del self._open[k]
            if part_path(self._folder, k).is_file():  # done between the two looks
                self.done(k)
                continue
            self._clear(k)
            return k
        self._retry_at = time.monotonic() + RETRY_S  # the rest is with other runs
        return None

    def ended(self) -> bool:
        return not self._open and not self._held

    def task(self, k: int) -> dict[str, Any]:
        return part_task(self._job, k, self._refused, careful=k in self._careful)

    def done(self, k: int) -> None:
        self._heartbeat.release(self._held.pop(k))

    def photos(self, k: int) -> int:
        return len(self._job.plan.part(k))

    def failed(self, k: int, *, careful: bool) -> None:
        if careful:
            self._careful.add(k)
        self._clear(k)
        self._heartbeat.release(self._held.pop(k))
        self._open = {k: None, **self._open}
        self._retry_at = 0.0

    def name(self, number: int) -> str:
        return next(photo.path for photo in self._job.plan.photos if photo.number == number)

    def refuse(self, number: int, reason: str) -> None:
        self._refused[number] = reason

    def _clear(self, k: int) -> None:
        clear_part(self._folder, k)


def part_task(job: Job, k: int, refused: Mapping[int, str], *, careful: bool = False) -> dict[str, Any]:
    """Part `k` as a worker is told of it, in JSON values.

    `refused` are photos to skip unseen, with the reason; `careful` wants one photo at work at once, so that it can be
    named if the process dies.
    """
    photos = job.plan.part(k)
    return {
        "k": k,
        "careful": careful,
        "path": str(part_path(job.folder, k).absolute()),  # a worker may have another working folder
        "photos": [encode_photo(photo) for photo in photos],
        "refused": {photo.number: refused[photo.number] for photo in photos if photo.number in refused},
    }


def part_lock(folder: Path, k: int) -> Path:
    """The lock of part `k`."""
    return folder / f"{k:05d}.lock"


def clear_part(folder: Path, k: int) -> None:
    """Remove what a worker that was killed left of part `k`; only for the holder of its lock."""
    for left in folder.glob(f".{k:05d}.*"):
        left.unlink(missing_ok=True)


@contextlib.contextmanager
def only_run(path: Path, heartbeat: Heartbeat, out: Path) -> Iterator[None]:
    """Hold the lock `path` for a whole run on `out`. Raises BatchError that names who holds it."""
    lock = try_lock(path)
    if isinstance(lock, Holder):
        raise at_work(out, lock)
    heartbeat.keep(lock)
    try:
        yield
    finally:
        heartbeat.release(lock)
