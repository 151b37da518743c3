"""Worker processes of this machine, and what happens when one dies."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import site
import subprocess
import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from masksynth import errors
from masksynth.batch.config import PHOTO_LIMIT_S
from masksynth.batch.marks import Marks
from masksynth.errors import BatchError, MasksynthError

DEATHS_A_PHOTO = 2  # a photo at which so many workers died is skipped
DEATHS_IDLE = 3  # so many workers that die with a part in hand, but not at a photo, end the run
WAIT_S = 1.0  # between looks for parts that another run holds
LOOK_S = 0.5  # between looks at what the workers are at
WORKER_MB = 500  # with Face Mesh, and some to spare
FIRST_PHOTO_S = 120.0  # that a worker may take longer for its first photo: kernels are loaded then, or even compiled
LONGEST_TICK_S = 5.0  # more than that between two looks, and it was this process that slept

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)
"""Set to 1 in a worker: one process a core leaves nothing to more threads."""


class Parts(Protocol):
    """Where the pool gets its work; see batch/run.py."""

    def take(self) -> int | None:
        """The next part to do, or None if there is none at the moment."""

    def ended(self) -> bool:
        """Whether no part is left, neither here nor with another run."""

    def task(self, k: int) -> dict[str, Any]:
        """The part as JSON values: k, path, photos, refused."""

    def done(self, k: int) -> None:
        """Part `k` is in its place."""

    def failed(self, k: int, *, careful: bool) -> None:
        """The worker that had part `k` died: give it back; `careful` has one photo at work at once next time."""

    def photos(self, k: int) -> int:
        """How many photos part `k` has."""

    def name(self, number: int) -> str:
        """What people call the photo `number`."""

    def refuse(self, number: int, reason: str) -> None:
        """Skip the photo `number` from now on."""


class Pool:
    """So many worker processes, dealt out to the devices where there are any; a dead one is replaced.

    One that does not come back from a photo within `photo_limit` seconds, and FIRST_PHOTO_S more for its first one, is
    ended. A photo at which two workers died is skipped with the reason. The pool never touches a photo itself.
    """

    def __init__(
        self,
        workers: int,
        setup: Mapping[str, Any],
        log_folder: Path,
        devices: Sequence[str] = (),
        photo_limit: float = PHOTO_LIMIT_S,
    ) -> None:
        self._count, self._setup, self._log_folder = workers, setup, log_folder
        self._devices, self._photo_limit = devices, photo_limit
        self._workers: dict[int, _Worker] = {}
        self._selector = selectors.DefaultSelector()
        self._deaths: Counter[int] = Counter()
        self._idle_deaths: Counter[int | None] = Counter()
        self._awake, self._looked = 0.0, time.monotonic()
        self._look_at = 0.0

    def run(
        self,
        parts: Parts,
        advance: Callable[[int], None] = lambda _: None,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Do all parts.

        `advance` is told of photos as they are done, negative where a part has to be done again; `say` of workers that
        died.

        Raises
        ------
        BatchError
            If workers die without having seen a photo.
        MasksynthError
            What a worker raised that no other photo would mend: an output that cannot be written, a missing network.
        """
        try:
            while not parts.ended():
                self._hand_out(parts)
                if not self._busy():
                    if not parts.ended():
                        time.sleep(WAIT_S)  # what is left is with another run
                    continue
                for key, _ in self._selector.select(timeout=LOOK_S):
                    self._hear(self._workers[key.fd], parts, advance, say)
                self._look(advance)
        finally:
            self.close()

    def close(self) -> None:
        """End all workers."""
        for worker in self._workers.values():
            worker.end()
        self._workers.clear()
        self._selector.close()

    def _look(self, advance: Callable[[int], None]) -> None:
        """What the workers have done, unless that was a moment ago; kills those that have been at one photo for too
        long, by the time that this process was awake itself."""
        if time.monotonic() < self._look_at:
            return
        self._look_at = time.monotonic() + LOOK_S
        now = self._clock()
        for worker in self._workers.values():
            if done := worker.look(now):
                advance(done)
            limit = self._photo_limit + (0.0 if worker.warm else FIRST_PHOTO_S)
            if now - min(worker.since.values(), default=now) > limit:
                worker.kill(f"no answer for {limit:g} s")

    def _clock(self) -> float:
        """Seconds that this process has been awake."""
        now = time.monotonic()
        self._awake += min(now - self._looked, LONGEST_TICK_S)
        self._looked = now
        return self._awake

    def _busy(self) -> bool:
        return any(worker.part is not None for worker in self._workers.values())

    def _hand_out(self, parts: Parts) -> None:
        idle = deque(worker for worker in self._workers.values() if worker.part is None)
        while idle or len(self._workers) < self._count:
            k = parts.take()
            if k is None:
                return
            worker = idle.popleft() if idle else self._start()
            worker.part = k
            worker.send(parts.task(k))

    def _start(self) -> _Worker:
        setup, device = self._setup, None
        if self._devices:
            at_work = Counter(worker.device for worker in self._workers.values())
            device = min(self._devices, key=lambda name: at_work[name])
            setup = {**setup, "arguments": {**setup["arguments"], "device": device}}
        worker = _Worker(setup, self._log_folder, device)
        self._workers[worker.descriptor] = worker
        self._selector.register(worker.descriptor, selectors.EVENT_READ)
        return worker

    def _hear(self, worker: _Worker, parts: Parts, advance: Callable[[int], None], say: Callable[[str], None]) -> None:
        messages = worker.receive()
        if messages is None:
            advance(-worker.seen)
            say(self._bury(worker, parts))
            return
        for message in messages:
            if "done" in message:
                assert worker.part is not None
                told = worker.seen
                worker.look(self._clock())
                advance(parts.photos(worker.part) - told)  # those that were refused are marked by nobody
                worker.part, worker.seen = None, 0
                parts.done(message["done"])
            elif "fault" in message:
                kind = getattr(errors, message["kind"], MasksynthError)
                raise kind(message["fault"])

    def _bury(self, worker: _Worker, parts: Parts) -> str:
        """A worker died: note the photo it was at, give its part back; what to tell of it."""
        self._selector.unregister(worker.descriptor)
        del self._workers[worker.descriptor]
        at_work = worker.at_work()
        how = worker.how_it_ended()
        told = f"a worker process ended ({how})"
        careful = len(at_work) > 1
        if careful:
            told += f" at one of {len(at_work)} photos"
        elif not at_work:
            self._idle_deaths[worker.part] += 1
            if self._idle_deaths[worker.part] >= DEATHS_IDLE:
                words = worker.last_words()
                memory = (
                    f"There is not enough memory; a worker wants {WORKER_MB} MB. " if "MemoryError" in words else ""
                )
                raise BatchError(f"Worker processes end, but not at a photo ({how}). {memory}{words}".strip())
        else:
            (photo,) = at_work
            self._deaths[photo] += 1
            told += f" at {parts.name(photo)}"
            if self._deaths[photo] >= DEATHS_A_PHOTO:
                parts.refuse(photo, f"the process died at this photo {DEATHS_A_PHOTO} times ({how})")
                told += ", which is skipped from now on"
        if worker.part is not None:
            parts.failed(worker.part, careful=careful)
            told += f"; part {worker.part} is done again"
        return f"{told}."


class _Worker:
    def __init__(self, setup: Mapping[str, Any], log_folder: Path, device: str | None) -> None:
        self.device = device
        self.part: int | None = None
        self.since: dict[tuple[int, int], float] = {}  # photo at work, and its turn → since when, by the pool's clock
        self.seen = 0  # photos of the present part that were seen to be done
        self.warm = False  # it has done a photo, or is past it
        self._marks, self._done = Marks.shared(), 0
        self._text = b""
        self._killed = ""
        self._log = log_folder / f"worker-{os.getpid()}-{time.monotonic_ns()}.log"
        environment = {**os.environ, **dict.fromkeys(THREAD_VARIABLES, "1"), "PYTHONUNBUFFERED": "1"}
        package_folder = str(Path(errors.__file__).parents[1])
        if package_folder not in (*site.getsitepackages(), site.getusersitepackages()):
            paths = [package_folder, environment.get("PYTHONPATH", "")]
            environment["PYTHONPATH"] = os.pathsep.join(path for path in paths if path)
        marks = self._marks.descriptor
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                # -P: a file that happens to lie in the working folder is never imported
                [sys.executable, "-P", "-X", "faulthandler", "-m", "masksynth.batch.worker", f"{marks}"],
                pass_fds=[marks],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=environment,
                start_new_session=True,  # Ctrl-C is for the parent alone
            )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._orders = self._process.stdin
        self.descriptor = self._process.stdout.fileno()
        self.send(setup)

    def send(self, message: Mapping[str, Any]) -> None:
        with contextlib.suppress(BrokenPipeError):  # it died: `receive` will say so
            self._orders.write(json.dumps(message).encode() + b"\n")
            self._orders.flush()

    def receive(self) -> list[dict[str, Any]] | None:
        """What it said since last time; None if it has ended."""
        data = os.read(self.descriptor, 1 << 16)
        if not data:
            return None
        *lines, self._text = (self._text + data).split(b"\n")
        return [json.loads(line) for line in lines]

    def look(self, now: float) -> int:
        """Take in what it has marked; how many photos it has done since last time."""
        marked = self._marks.read()
        self.since = {turn: self.since.get(turn, now) for turn in marked.at_work.items()}
        done, self._done = marked.done - self._done, marked.done
        self.seen += done
        self.warm = self._done > 0
        return done

    def at_work(self) -> list[int]:
        """The photos that it is, or was, at."""
        return list(self._marks.read().at_work)

    def kill(self, why: str) -> None:
        """End it for a reason, which `how_it_ended` gives."""
        self._killed = self._killed or why
        self._process.kill()

    def end(self) -> None:
        """Make sure that it is gone."""
        if self._process.poll() is None:
            self._process.kill()
        self._gone()

    def how_it_ended(self) -> str:
        """In words, for a process that ended by itself."""
        try:
            code = self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        self._gone()
        if self._killed:
            return self._killed
        if code >= 0:
            return f"exit code {code}"
        name = signal.Signals(-code).name if -code in signal.valid_signals() else f"signal {-code}"
        return f"{name}, out of memory perhaps" if name == "SIGKILL" else name

    def _gone(self) -> None:
        self._process.wait()
        assert self._process.stdout is not None
        with contextlib.suppress(OSError):
            self._orders.close()
        self._process.stdout.close()
        self._marks.close()
        with contextlib.suppress(OSError):
            if not self._log.stat().st_size:
                self._log.unlink()

    def last_words(self) -> str:
        """The last line that it wrote to its log."""
        try:
            lines = self._log.read_text(errors="replace").strip().splitlines()
        except OSError:
            return ""
        return f"The last one said: {lines[-1][:300]} (see {self._log})" if lines else ""
