"""Locks as files, so that processes of several machines share one folder without doing work twice.

A lock is a file made create-exclusive (safe on NFS since version 3) that names host and process; its time is renewed
while the holder lives. One left by a dead holder is taken over: at once where the holder ran on this host, after
STALE_S without a sign of life where it ran on another.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from masksynth.errors import BatchError, OutputError

HEARTBEAT_S = 15.0
STALE_S = 120.0  # eight heartbeats: a share may hang for a while
TAKEOVER_S = 10.0  # nobody needs longer to replace a stale lock


@dataclass(frozen=True)
class Holder:
    """Who holds a lock."""

    host: str
    pid: int
    started: str  # of the process, as the system counts; tells a new process of the same number from the old
    space: str = ""  # in which its number counts: containers of one host count for themselves

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"


def this_process() -> Holder:
    """The holder that this process would be."""
    return Holder(socket.gethostname(), os.getpid(), _started(os.getpid()), _space())


class Lock:
    """A lock held by this process; `release` or the end of a ``with`` block gives it back."""

    def __init__(self, path: Path, text: str) -> None:
        self.path, self._text = path, text

    def __enter__(self) -> Lock:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def beat(self) -> None:
        """Renew the sign of life."""
        with contextlib.suppress(OSError):
            os.utime(self.path)

    def release(self) -> None:
        """Give the lock back, if it is still this one."""
        with contextlib.suppress(OSError):
            if self.path.read_text() == self._text:
                self.path.unlink()


def try_lock(path: Path) -> Lock | Holder:
    """Take the lock `path`, or say who holds it.

    Raises
    ------
    OutputError
        If the folder cannot be written.
    """
    text = json.dumps({**this_process().__dict__, "token": secrets.token_hex(8)})
    for _ in range(3):
        if _create(path, text):
            return Lock(path, text)
        holder = _read(path)
        if holder is None:
            continue  # released, or being written, between the two calls
        if not _stale(path, holder):
            return holder
        with _taking_over(path) as allowed:
            if allowed and _read(path) == holder and _stale(path, holder):
                path.unlink(missing_ok=True)
    return _read(path) or Holder("another host", 0, "")


def holder_of(path: Path) -> Holder | None:
    """Who holds the lock `path`, if anybody alive does."""
    holder = _read(path)
    return holder if holder is not None and not _stale(path, holder) else None


def at_work(out: Path, holder: Holder) -> BatchError:
    """What to say where `holder` is alive and at work on `out`."""
    elsewhere = "" if holder.host == socket.gethostname() else f" If it is dead, its lock lapses after {STALE_S:.0f} s."
    return BatchError(
        f"{out}: {holder} is already at work on it. Wait for it, or end it, and use the same command.{elsewhere}"
    )


class Heartbeat:
    """Renews locks in the background while a ``with`` block runs."""

    def __init__(self) -> None:
        self._locks: set[Lock] = set()
        self._guard = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="masksynth-locks")

    def __enter__(self) -> Heartbeat:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        for lock in list(self._locks):
            self.release(lock)

    def keep(self, lock: Lock) -> None:
        """Renew `lock` from now on."""
        with self._guard:
            self._locks.add(lock)

    def release(self, lock: Lock) -> None:
        """Stop renewing `lock` and give it back."""
        with self._guard:
            self._locks.discard(lock)
        lock.release()

    def _run(self) -> None:
        while not self._ended.wait(HEARTBEAT_S):
            with self._guard:
                held = list(self._locks)
            for lock in held:
                lock.beat()


def _create(path: Path, text: str) -> bool:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    except FileExistsError:
        return False
    except OSError as error:
        raise OutputError(f"{path}: could not be written ({error.strerror or error}).") from error
    try:
        os.write(descriptor, text.encode())
    except OSError as error:
        path.unlink(missing_ok=True)
        raise OutputError(f"{path}: could not be written ({error.strerror or error}).") from error
    finally:
        os.close(descriptor)
    return True


def _read(path: Path) -> Holder | None:
    try:
        text = path.read_text()
    except OSError:
        return None
    try:
        values = json.loads(text)
        return Holder(str(values["host"]), int(values["pid"]), str(values["started"]), str(values.get("space", "")))
    except (ValueError, KeyError, TypeError):
        return Holder("", 0, "")  # created and not yet written, or its writer died in between


def _stale(path: Path, holder: Holder) -> bool:
    if holder.host == socket.gethostname() and holder.space == _space():
        return _started(holder.pid) != holder.started
    return _age(path) > (TAKEOVER_S if not holder.host else STALE_S)


def _age(path: Path) -> float:
    """Seconds since the last sign of life, by the clock of the file system."""
    probe = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}")
    try:
        probe.touch()
        now = probe.stat().st_mtime
    except OSError:
        now = time.time()
    finally:
        with contextlib.suppress(OSError):
            probe.unlink()
    try:
        return now - path.stat().st_mtime
    except OSError:
        return 0.0


@contextlib.contextmanager
def _taking_over(path: Path) -> Iterator[bool]:
    """True for the one process that may remove a stale lock."""
    gate = path.with_name(path.name + ".takeover")
    if not _create(gate, ""):
        if _age(gate) > TAKEOVER_S:
            gate.unlink(missing_ok=True)
        time.sleep(0.05)
        yield False
        return
    try:
        yield True
    finally:
        gate.unlink(missing_ok=True)


def _space() -> str:
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""


def _started(pid: int) -> str:
    """When the process `pid` of this machine started, in a form to compare; empty where there is none."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
        fields = stat.rpartition(")")[2].split()
        return "" if fields[0] in "ZX" else fields[19]  # zombies hold nothing; field 22 is the start time
    except OSError:
        pass
    if Path("/proc/self/stat").exists():
        return ""
    try:
        os.kill(pid, 0)
    except PermissionError:
        return "running"
    except OSError:
        return ""
    return "running"
