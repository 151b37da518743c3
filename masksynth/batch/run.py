"""A run over a data set: plan → parts → the one file."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from masksynth.batch.assemble import Assembled, DamagedPartError, assemble, missing_parts
from masksynth.batch.locks import Heartbeat, Holder, Lock, try_lock
from masksynth.batch.part import PartForm, part_path
from masksynth.batch.plan import Plan, encode_photo
from masksynth.batch.pool import Pool
from masksynth.errors import BatchError, ConfigError, OutputError, StoreError
from masksynth.files import write_bytes
from masksynth.store import SPECTRA, open_store
from masksynth.template import save_template

REPAIRS = 2  # how often damaged parts are made again before giving up
PHOTO_FUNCTION = "masksynth.batch.photo:PhotoWalk"


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
        """Reasons of skipping, values in brackets left out, with how many photos each has."""
        if self.content is None:
            return Counter()
        return Counter(item.reason.split(" (")[0] for item in self.content.skipped)


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


def parts_folder(out: Path) -> Path:
    """Where the parts of the file `out` are kept until they are joined."""
    return out.with_name(out.name + ".parts")


def run_plan(
    plan: Plan,
    out: Path,
    *,
    workers: int | None = None,
    force: bool = False,
    max_skipped: float = 0.05,
    command: str = "",
    progress: Progress | None = None,
    function: str = PHOTO_FUNCTION,
    arguments: Mapping[str, Any] | None = None,
) -> Summary:
    """Do all of `plan` with processes of this machine, and write the file `out`.

    A run that was killed goes on where it was: the same plan and `out` find the parts that are done.

    Parameters
    ----------
    workers : int, optional
        Processes; one a core that this process may use where not given.
    force : bool
        Whether an output, or parts, of another plan may be replaced.
    max_skipped : share in [0, 1]
        Of photos that may be skipped before the file is marked incomplete.
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
    begun = time.monotonic()
    next_line = f"masksynth train-hsst {out}"
    if is_done(plan, out, force):
        return Summary(out, None, len(plan.photos), 0, time.monotonic() - begun, next_line)
    folder = prepare_folder(plan, out, force)
    with Heartbeat() as heartbeat, _only_run(folder / "run.lock", heartbeat, out):
        form = part_form(plan)
        setup = {
            "function": function,
            "arguments": dict(arguments if arguments is not None else photo_arguments(plan, folder)),
            "form": form.encode(),
        }
        count = workers or available_cores()
        done_here = 0
        for attempt in range(REPAIRS + 1):
            wanted = missing_parts(plan, folder)
            photos = sum(len(plan.part(k)) for k in wanted)
            done_here += photos
            if wanted:
                progress.begin("photos", len(plan.photos), len(plan.photos) - photos)
                if attempt == 0 and photos < len(plan.photos):
                    progress.say(
                        f"going on: {len(plan.photos) - photos} of {len(plan.photos)} photos were done earlier"
                    )
                work = _Work(plan, folder, wanted, heartbeat)
                with work:
                    Pool(min(count, len(wanted)), setup, folder).run(work, progress.advance)
            progress.begin("joining the parts", len(plan.photos))
            try:
                content = assemble(
                    plan, folder, out, form, max_skipped=max_skipped, command=command, advance=progress.advance
                )
                break
            except DamagedPartError as error:
                if attempt == REPAIRS:
                    raise
                progress.say(f"{error} It is made again.")
                part_path(folder, error.k).unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
    return Summary(out, content, len(plan.photos), done_here, time.monotonic() - begun, next_line)


def is_done(plan: Plan, out: Path, force: bool) -> bool:
    """Whether `out` already holds all of `plan`.

    Raises
    ------
    ConfigError
        If it holds something else and may not be replaced.
    """
    if not out.exists():
        if not out.parent.is_dir():
            raise OutputError(f"{out}: the folder {out.parent} does not exist. Create it, or give another place.")
        return False
    if out.is_dir():
        raise ConfigError(f"{out}: is a folder, but a file is to be written there. Give a file name.")
    if force:
        return False
    try:
        with open_store(out) as store:
            if store.attrs["plan_sha256"] == plan.sha256:
                return store.complete  # an incomplete one is made again: the photos may have been mended
            made = f"holds another plan ({store.attrs['dataset']}, {sum(map(store.count, SPECTRA))} rows)"
    except StoreError:
        made = "is there already and is no masked data set"
    raise ConfigError(f"{out}: {made}. Give another name, or --force to replace it.")


def prepare_folder(plan: Plan, out: Path, force: bool) -> Path:
    """The folder of parts, made or found, with the plan's hash and its templates in it.

    Raises
    ------
    ConfigError
        If it holds parts of another plan and they may not be thrown away.
    """
    folder = parts_folder(out)
    marker = folder / "plan.json"
    try:
        if folder.exists() and _plan_of(marker) not in (None, plan.sha256):
            if not force:
                raise ConfigError(
                    f"{folder}: holds parts of another plan, from a run that was not finished. Finish it with the same "
                    "command as then, remove the folder, or use --force to start anew."
                )
            shutil.rmtree(folder)
        folder.mkdir(exist_ok=True)
        if _plan_of(marker) is None:
            (folder / "templates").mkdir(exist_ok=True)
            for index, template in enumerate(plan.templates):
                save_template(_template_path(folder, index), template)
            values = {"plan_sha256": plan.sha256, "parts": plan.parts, "config": asdict(plan.config)}
            write_bytes(marker, json.dumps(values, indent=1).encode())
    except OSError as error:
        if isinstance(error, OutputError):
            raise
        raise OutputError(f"{folder}: could not be written ({error.strerror or error}).") from error
    return folder


def photo_arguments(plan: Plan, folder: Path) -> dict[str, Any]:
    """What `batch.photo.PhotoWalk` is made from, as JSON values."""
    return {
        "root": str(plan.root),
        "config": asdict(plan.config),
        "templates": [str(_template_path(folder, index)) for index in range(len(plan.templates))],
        "names": [mask.template for mask in plan.masks],
        "hashes": [mask.sha256 for mask in plan.masks],
    }


def part_form(plan: Plan) -> PartForm:
    """What all parts of `plan` have in common."""
    return PartForm(
        root=str(plan.root),
        side=plan.config.side,
        masked=tuple(spectrum for spectrum in SPECTRA if plan.config.masks(spectrum)),
        keep_clean=plan.config.keep_clean,
        plan_sha256=plan.sha256,
    )


def available_cores() -> int:
    """Cores that this process may use; a batch system often grants fewer than the machine has."""
    try:
        return max(1, len(os.sched_getaffinity(0)))
    except AttributeError:
        return os.cpu_count() or 1


class _Work:
    """The parts that a pool is to do, each under its lock."""

    def __init__(self, plan: Plan, folder: Path, wanted: list[int], heartbeat: Heartbeat) -> None:
        self._plan, self._folder, self._heartbeat = plan, folder, heartbeat
        self._open = dict.fromkeys(wanted)  # not started here, or held by another run; in order
        self._held: dict[int, Lock] = {}
        self._refused: dict[int, str] = {}
        self._retry_at = 0.0

    def __enter__(self) -> _Work:
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
            lock = try_lock(self._folder / f"{k:05d}.lock")
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
        self._retry_at = time.monotonic() + 1.0  # the rest is with other runs
        return None

    def ended(self) -> bool:
        return not self._open and not self._held

    def task(self, k: int) -> dict[str, Any]:
        photos = self._plan.part(k)
        refused = {photo.number: self._refused[photo.number] for photo in photos if photo.number in self._refused}
        return {
            "k": k,
            "path": str(part_path(self._folder, k)),
            "photos": [encode_photo(photo) for photo in photos],
            "refused": refused,
        }

    def done(self, k: int) -> None:
        self._heartbeat.release(self._held.pop(k))

    def failed(self, k: int) -> None:
        self._clear(k)
        self._heartbeat.release(self._held.pop(k))
        self._open = {k: None, **self._open}
        self._retry_at = 0.0

    def refuse(self, number: int, reason: str) -> None:
        self._refused[number] = reason

    def _clear(self, k: int) -> None:
        """Remove what a worker that was killed left of part `k`."""
        for left in self._folder.glob(f".{k:05d}.*"):
            left.unlink(missing_ok=True)


@contextlib.contextmanager
def _only_run(path: Path, heartbeat: Heartbeat, out: Path) -> Iterator[None]:
    lock = try_lock(path)
    if isinstance(lock, Holder):
        raise BatchError(f"{out}: {lock} is already at work on it. Wait for it, or end it, and use the same command.")
    heartbeat.keep(lock)
    try:
        yield
    finally:
        heartbeat.release(lock)


def _plan_of(marker: Path) -> str | None:
    """The plan that the parts beside `marker` are of; None where the folder has none yet."""
    try:
        return str(json.loads(marker.read_text())["plan_sha256"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError):
        return "unreadable"


def _template_path(folder: Path, index: int) -> Path:
    return folder / "templates" / f"{index:03d}.png"
