"""One part of the work: the rows of up to 512 photos, in a file of their own.

A part is a pure function of the plan and its number. It is written under a temporary name, flushed and renamed, so a
part that is there is whole; its checksums are compared when the parts are joined.
"""

from __future__ import annotations

import json
import os
import time
import traceback
import zlib
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, fields
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

import h5py
import numpy as np
import numpy.typing as npt

from masksynth.arrays import Spectrum
from masksynth.batch.plan import PlannedPhoto
from masksynth.errors import BatchError, MasksynthError, OutputError, StoreError
from masksynth.files import atomic_path
from masksynth.store.guard import Hdf5File
from masksynth.store.schema import COLUMNS, MASKED_ONLY, SPECTRA, Kind, Rows, image_shape
from masksynth.store.writer import writing

PART_SCHEMA = "masksynth-part/3"
WRITING = -1  # in place of a photo's number: what follows is no photo's fault, but writing the part
BLOCK = 64  # rows written or read together; bounds the memory of a worker
GROUP = 64  # photos that take one step before any takes the next, and those that wear one mask one after the other: so
# networks, kernels and masks stay in the processor's cache

_ROW = np.dtype(
    [(name, *form) for name, form in COLUMNS.items() if name != "source"]  # the plan knows the source
    + [("slot", np.int32, ())]
)
"""What a part keeps of a row beside the images, as one table: opening twenty datasets costs more than filling them."""


@dataclass(frozen=True)
class Row:
    """One crop, as the function over photos makes it."""

    image: npt.NDArray[np.uint8]  # (side, side) NIR or (side, side, 3) VIS
    landmarks: npt.NDArray[np.float32]  # (5, 2) pixels of the crop
    pose: tuple[float, float, float]  # yaw, pitch, roll in degrees
    score: float
    clean: npt.NDArray[np.uint8] | None = None
    alpha: npt.NDArray[np.uint8] | None = None
    touched: npt.NDArray[np.uint8] | None = None


class PhotoFunction(Protocol):
    """Makes the rows of a photo, in two steps.

    Raises MasksynthError with a reason where it cannot; OutputError and BatchError end the run, all others skip the
    photo.
    """

    seconds: dict[str, float]  # stage → seconds spent so far
    threads: int  # how many photos may be at work at once

    def find(self, photo: PlannedPhoto) -> Any:
        """What the photo is read for; small, since that of GROUP photos is kept."""

    def make(self, photo: PlannedPhoto, found: Any) -> Sequence[Row]:
        """The rows, one a slot, of what `find` found."""


@dataclass(frozen=True, kw_only=True)
class PartForm:
    """What is the same for all parts of a run."""

    root: str  # of the photos; taken out of reasons, so that they read alike on every machine
    side: int
    masked: tuple[Spectrum, ...]
    keep_clean: bool
    plan_sha256: str

    def kinds(self, spectrum: Spectrum) -> tuple[Kind, ...]:
        """Which images a row of the spectrum has."""
        if spectrum not in self.masked:
            return ("image",)
        return ("image", *(kind for kind in MASKED_ONLY if self.keep_clean or kind != "clean"))

    def encode(self) -> dict[str, Any]:
        """As JSON values."""
        return {f.name: getattr(self, f.name) for f in fields(self)}


def part_path(folder: Path, k: int) -> Path:
    """The file of part `k` in the folder of parts."""
    return folder / f"{k:05d}.h5"


def write_part(
    path: Path,
    k: int,
    photos: Sequence[PlannedPhoto],
    function: PhotoFunction,
    form: PartForm,
    *,
    refused: Mapping[int, str] | None = None,
    threads: int = 1,
    at: Callable[[int], None] = lambda _: None,
    over: Callable[[int, bool], None] = lambda *_: None,
    log: Callable[[str], None] = lambda _: None,
) -> tuple[int, int]:
    """Run `function` over `photos` and write what it makes to `path`; the number of rows and of photos skipped.

    Parameters
    ----------
    refused : photo number → reason, optional
        Photos that are skipped unseen.
    threads : int
        Photos that are at work at once; nothing but the time depends on it.
    at : called with a photo's number
        Before each of its steps, so that it can be named if this process dies; with WRITING before rows are written.
    over : called with a photo's number and whether it is done
        After each step.
    log : called with text
        With the traceback of an error nobody foresaw; the photo is skipped all the same.

    Raises
    ------
    OutputError
        If the part cannot be written.
    BatchError
        If `function` says that no photo can be done any more.
    """
    refused = refused or {}
    started = dict(function.seconds)
    with atomic_path(path) as temporary, writing(path), _PartWriter(temporary, k, photos, form) as writer:
        wanted = [photo for photo in photos if photo.number not in refused]
        outcomes = _outcomes(wanted, function, threads, at, over)
        for photo in photos:
            if photo.number in refused:
                writer.skip(photo, refused[photo.number])
                continue
            outcome = next(outcomes)
            if isinstance(outcome, MasksynthError):
                writer.skip(photo, _reason(str(outcome), form.root, photo.path))
            elif isinstance(outcome, MemoryError):
                writer.skip(photo, "there was not enough memory for this photo")
            elif isinstance(outcome, Exception):
                log(f"{photo.path}\n{''.join(traceback.format_exception(outcome))}")
                writer.skip(photo, f"unforeseen error ({_reason(repr(outcome), form.root, photo.path)})")
            else:
                writer.add(photo, outcome)
                if writer.full(photo.spectrum):
                    at(WRITING)
                    writer.write(photo.spectrum)
        at(WRITING)
        begun = time.perf_counter()
        writer.finish()
        function.seconds["write"] = function.seconds.get("write", 0.0) + writer.seconds + time.perf_counter() - begun
        spent = {name: value - started.get(name, 0.0) for name, value in function.seconds.items()}
        writer.note(spent)
    return writer.rows, writer.skipped


def _outcomes(
    photos: Sequence[PlannedPhoto],
    function: PhotoFunction,
    threads: int,
    at: Callable[[int], None],
    over: Callable[[int, bool], None],
) -> Iterator[Sequence[Row] | Exception]:
    """What `function` makes of each photo, or why nothing, in their order; the threads are a few photos ahead.

    Raises OutputError and BatchError.
    """

    def step(photo: PlannedPhoto, work: Callable[[], Any], last: bool) -> Any:
        at(photo.number)
        try:
            result = work()
        except (OutputError, BatchError):
            raise  # no other photo would fare better
        except Exception as error:
            result, last = error, True
        over(photo.number, last)
        return result

    def find(photo: PlannedPhoto) -> Any:
        return step(photo, lambda: function.find(photo), False)

    def make(photo: PlannedPhoto, found: Any) -> Sequence[Row] | Exception:
        return found if isinstance(found, Exception) else step(photo, lambda: function.make(photo, found), True)

    def both(photo: PlannedPhoto) -> Sequence[Row] | Exception:
        return make(photo, find(photo))

    if threads == 1:
        for group in (photos[k : k + GROUP] for k in range(0, len(photos), GROUP)):
            found = [find(photo) for photo in group]
            made: list[Sequence[Row] | Exception] = [[]] * len(group)
            for k in sorted(range(len(group)), key=lambda k: group[k].slots[0].mask):
                made[k], found[k] = make(group[k], found[k]), None
            yield from made
        return
    executor = ThreadPoolExecutor(threads)
    try:
        ahead: deque[Future[Sequence[Row] | Exception]] = deque()
        for photo in photos:
            ahead.append(executor.submit(both, photo))
            if len(ahead) > 2 * threads:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()
    finally:
        executor.shutdown(cancel_futures=True)


class _PartWriter:
    def __init__(self, path: Path, k: int, photos: Sequence[PlannedPhoto], form: PartForm) -> None:
        self._form, self.rows, self.skipped, self.seconds = form, 0, 0, 0.0
        self._guard = Hdf5File(path)
        self._file = self._guard.h5
        self._file.attrs["k"], self._file.attrs["plan_sha256"] = k, form.plan_sha256
        self._waiting: dict[Spectrum, list[tuple[PlannedPhoto, int, Row]]] = {spectrum: [] for spectrum in SPECTRA}
        self._written = dict.fromkeys(SPECTRA, 0)
        self._datasets: dict[str, h5py.Dataset] = {}
        self._sums: dict[str, int] = {}
        self._lost: list[tuple[int, str]] = []
        for spectrum in SPECTRA:
            most = sum(len(photo.slots) for photo in photos if photo.spectrum == spectrum)
            if not most:
                continue
            for kind in form.kinds(spectrum):
                self._create(f"{spectrum}/{kind}", (most, *image_shape(spectrum, kind, form.side)), np.uint8)
            self._create(f"{spectrum}/rows", (most,), _ROW)

    def __enter__(self) -> _PartWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._guard.__exit__(kind, error, trace)

    def skip(self, photo: PlannedPhoto, reason: str) -> None:
        self._lost.append((photo.number, reason))
        self.skipped += 1

    def add(self, photo: PlannedPhoto, rows: Sequence[Row]) -> None:
        self._waiting[photo.spectrum].extend((photo, slot, row) for slot, row in enumerate(rows))
        self.rows += len(rows)

    def full(self, spectrum: Spectrum) -> bool:
        return len(self._waiting[spectrum]) >= BLOCK

    def finish(self) -> None:
        for spectrum in SPECTRA:
            self.write(spectrum)
        numbers = np.array([number for number, _ in self._lost], np.int32)
        reasons = [reason for _, reason in self._lost]
        self._sums["skipped/photo"], self._sums["skipped/reason"] = _checksum(numbers, 0), _checksum(reasons, 0)
        if reasons:
            self._file["skipped/photo"] = numbers
            self._file["skipped/reason"] = np.array(reasons, h5py.string_dtype("utf-8"))
        self._file.attrs["rows"] = [self._written[spectrum] for spectrum in SPECTRA]
        self._file.attrs["crc32"] = json.dumps(self._sums)

    def note(self, seconds: Mapping[str, float]) -> None:
        self._file.attrs["seconds"] = json.dumps(seconds)
        self._file.attrs["schema"] = PART_SCHEMA
        self._file.flush()

    def _create(self, name: str, shape: tuple[int, ...], dtype: Any) -> None:
        self._datasets[name] = self._file.create_dataset(name, shape, dtype, track_times=False)
        self._sums[name] = 0

    def write(self, spectrum: Spectrum) -> None:
        begun = time.perf_counter()
        waiting = self._waiting[spectrum]
        if not waiting:
            return
        photos, slots, rows = zip(*waiting, strict=True)
        table = np.zeros(len(rows), _ROW)
        table["subject"] = [photo.subject for photo in photos]
        table["image_id"] = [photo.number for photo in photos]
        table["landmarks"] = [row.landmarks for row in rows]
        table["pose"] = [row.pose for row in rows]
        table["score"] = [row.score for row in rows]
        table["mask"] = [photo.slots[slot].mask for photo, slot in zip(photos, slots, strict=True)]
        table["slot"] = slots
        start = self._written[spectrum]
        self._append(f"{spectrum}/rows", start, table)
        for kind in self._form.kinds(spectrum):
            self._append(f"{spectrum}/{kind}", start, np.stack([getattr(row, kind) for row in rows]))
        self._guard.check()
        self._written[spectrum] = start + len(rows)
        waiting.clear()
        self.seconds += time.perf_counter() - begun

    def _append(self, name: str, start: int, values: npt.NDArray[Any]) -> None:
        self._datasets[name][start : start + len(values)] = values
        self._sums[name] = _checksum(values, self._sums[name])


@dataclass(frozen=True)
class PartBlock:
    """Some consecutive rows of a part, with the slot of each within its photo."""

    rows: Rows
    slots: npt.NDArray[np.int32]


class PartReader:
    """A part that has been written.

    Raises
    ------
    StoreError
        If it is not a whole part of this plan; while reading, if its values are not those that were written.
    """

    def __init__(self, path: Path, k: int, form: PartForm) -> None:
        self.path, self._form = path, form
        try:
            self._file = h5py.File(path, "r", locking=False)
            attributes = self._file.attrs
            whole = attributes.get("schema") == PART_SCHEMA and attributes["k"] == k
            if not whole or attributes["plan_sha256"] != form.plan_sha256:
                raise StoreError(f"{path}: is not part {k} of this plan.")
            self.seconds: dict[str, float] = json.loads(attributes["seconds"])
            self._sums: dict[str, int] = json.loads(attributes["crc32"])
            self._rows = dict(zip(SPECTRA, attributes["rows"].tolist(), strict=True))
            numbers, reasons = np.zeros(0, np.int32), list[str]()
            if "skipped" in self._file:
                numbers = self._file["skipped/photo"][:]
                reasons = self._file["skipped/reason"].asstr()[:].tolist()
            for name, values in (("skipped/photo", numbers), ("skipped/reason", reasons)):
                if _checksum(values, 0) != self._sums[name]:
                    raise StoreError(f"{path}: '{name}' has other values than were written.")
            self.skipped = dict(zip(numbers.tolist(), reasons, strict=True))
        except (OSError, KeyError, ValueError) as error:
            if isinstance(error, StoreError):
                raise
            raise StoreError(f"{path}: is damaged ({error}).") from error

    def __enter__(self) -> PartReader:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def count(self, spectrum: Spectrum) -> int:
        """Rows of a spectrum."""
        return self._rows[spectrum]

    def blocks(
        self, spectrum: Spectrum, source: Callable[[int], str], *, left: Collection[str] = (), size: int = BLOCK
    ) -> Iterator[PartBlock]:
        """The rows in order; `source` gives a photo's path by its number.

        Checksums are compared at the end, but for the datasets of images in `left`, which whoever reads the joined
        file compares; see `sums`.
        """
        if not self._rows[spectrum]:
            return
        group = self._file[spectrum]
        datasets = {name: group[name] for name in (*self._form.kinds(spectrum), "rows")}
        compared = dict.fromkeys((name for name in datasets if f"{spectrum}/{name}" not in left), 0)
        for start in range(0, self._rows[spectrum], size):
            block = np.s_[start : min(start + size, self._rows[spectrum])]
            try:
                values = {name: dataset[block] for name, dataset in datasets.items()}
            except OSError as error:
                raise StoreError(f"{self.path}: is damaged ({error}).") from error
            for name, checksum in compared.items():
                compared[name] = _checksum(values[name], checksum)
            table = values.pop("rows")
            values |= {name: np.ascontiguousarray(table[name]) for name in _ROW.names or ()}
            slots = values.pop("slot")
            values["source"] = tuple(map(source, table["image_id"].tolist()))
            yield PartBlock(Rows(**values), slots)
        for name, checksum in compared.items():
            if checksum != self._sums[f"{spectrum}/{name}"]:
                raise StoreError(f"{self.path}: '{spectrum}/{name}' has other values than were written.")

    def sums(self, spectrum: Spectrum) -> dict[str, int]:
        """Name of each dataset of images in the joined file → CRC-32 of this part's share of it."""
        names = [f"{spectrum}/{kind}" for kind in self._form.kinds(spectrum)]
        return {name: self._sums[name] for name in names if self._rows[spectrum]}


def _checksum(values: npt.NDArray[Any] | Sequence[str], so_far: int) -> int:
    """CRC-32 of arrays or texts that follow one another; against disks that err, at a third of a hash's cost."""
    if isinstance(values, np.ndarray):
        return zlib.crc32(np.ascontiguousarray(values).data, so_far)
    return zlib.crc32("\0".join(values).encode(), so_far)


def _reason(text: str, root: str, path: str) -> str:
    """An error's words without where the data set lies, since the source is stated beside them."""
    text = text.replace(root.rstrip(os.sep) + os.sep, "").removeprefix(f"{path}: ")
    return " ".join(text.split())[:400]
