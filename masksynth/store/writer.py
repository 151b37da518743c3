"""The one writer of the schema."""

from __future__ import annotations

import contextlib
import datetime
import itertools
import json
import os
import re
import zlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

import h5py
import numpy as np
import numpy.typing as npt

from masksynth import __version__
from masksynth.arrays import Spectrum
from masksynth.errors import MasksynthError, OutputError, ShapeError, StoreError, counted
from masksynth.files import atomic_path
from masksynth.store.content import content_sha256
from masksynth.store.guard import Hdf5File
from masksynth.store.schema import (
    COLUMNS,
    MASKED_ONLY,
    PARTS,
    SCHEMA,
    SPECTRA,
    ContentHash,
    Header,
    Kind,
    MaskEntry,
    ProtocolRows,
    Rows,
    Skipped,
    check_rows,
    image_shape,
)

Compression = Literal["none", "masks", "lzf", "gzip"]
"""``masks`` packs alpha and touched by gzip, which are nearly all zero, and leaves the crops as they are."""

GZIP_LEVEL = 1
COLUMN_BLOCK = 4096  # rows whose columns are written together
_TEXT = h5py.string_dtype("utf-8")


class StoreWriter:
    """Writes one file, front to back, through a context manager.

    The number of rows is known from the start. `write` appends rows of one spectrum; `finish` adds the small tables,
    hashes and attributes, and must be called. The caller gives a temporary name (see `files.atomic_path`): a file
    that was not finished has no ``schema`` attribute and no reader opens it.
    """

    def __init__(
        self,
        path: Path,
        *,
        side: int,
        counts: Mapping[Spectrum, int],
        masked: Sequence[Spectrum] = ("nir",),
        keep_clean: bool = True,
        compression: Compression = "masks",
    ) -> None:
        self.path, self.side = Path(path), side
        self._counts = {spectrum: int(counts.get(spectrum, 0)) for spectrum in SPECTRA}
        self._cursor = dict.fromkeys(SPECTRA, 0)
        self._hashes: dict[str, ContentHash] = {}
        self._datasets: dict[str, h5py.Dataset] = {}  # of the rows, kept open: opening costs more than writing a block
        self._columns: defaultdict[str, list[Any]] = defaultdict(list)  # not written yet, from the row below on
        self._columns_from = dict.fromkeys(SPECTRA, 0)
        self.plain: set[str] = set()  # datasets of images that are stored as they are given
        self._packed: dict[str, int] = {}  # dataset that is packed here → CRC-32 of its chunks, as they are stored
        self._guard = Hdf5File(self.path)
        self._file = self._guard.h5
        for spectrum in SPECTRA:
            kinds: list[Kind] = ["image"]
            if spectrum in masked:
                kinds += [kind for kind in MASKED_ONLY if keep_clean or kind != "clean"]
            self._create_rows(spectrum, kinds, compression)

    def __enter__(self) -> StoreWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._datasets.clear()
        self._guard.__exit__(kind, error, trace)

    def write(self, spectrum: Spectrum, rows: Rows) -> None:
        """Append rows. Raises ShapeError where they are not as the schema has them, or are more than announced."""
        kinds = [kind for kind in ("image", *MASKED_ONLY) if f"{spectrum}/{kind}" in self._datasets]
        check_rows(rows, spectrum, self.side, kinds)
        start = self._cursor[spectrum]
        stop = start + len(rows)
        if stop > self._counts[spectrum]:
            raise ShapeError(f"{self.path}: {counted(stop, spectrum + ' row')} for a file of {self._counts[spectrum]}")
        for name in (*kinds, *COLUMNS):
            values = getattr(rows, name)
            full = f"{spectrum}/{name}"
            if name in COLUMNS:
                self._columns[full].append(values)
            elif full in self._packed:
                self._pack(full, start, np.ascontiguousarray(values))
            elif len(rows):
                self._datasets[full][start:stop] = values
            self._hashes[full].update(values)
        self._cursor[spectrum] = stop
        if stop - self._columns_from[spectrum] >= COLUMN_BLOCK:
            self._write_columns(spectrum)
        self._guard.check()

    def _write_columns(self, spectrum: Spectrum) -> None:
        """Many rows at once: a call of HDF5 costs as much as a thousand of their values."""
        start, stop = self._columns_from[spectrum], self._cursor[spectrum]
        for name in COLUMNS:
            gathered = self._columns[f"{spectrum}/{name}"]
            if start < stop:
                whole = tuple(itertools.chain.from_iterable(gathered)) if name == "source" else np.concatenate(gathered)
                self._datasets[f"{spectrum}/{name}"][start:stop] = whole
            gathered.clear()
        self._columns_from[spectrum] = stop

    def _pack(self, name: str, start: int, values: npt.NDArray[np.uint8]) -> None:
        """A chunk a row, as HDF5's own filter would store it, but known here: see `packed_sums`."""
        dataset, checksum = self._datasets[name].id, self._packed[name]
        corner = (0,) * (values.ndim - 1)
        for row, value in enumerate(values, start):
            chunk = zlib.compress(value.data, GZIP_LEVEL)
            dataset.write_direct_chunk((row, *corner), chunk)
            checksum = zlib.crc32(chunk, checksum)
        self._packed[name] = checksum

    def packed_sums(self, spectrum: Spectrum) -> dict[str, int]:
        """Packed dataset → CRC-32 of the chunks that were stored since this was last asked; see `Stretch`."""
        sums = {name: value for name, value in self._packed.items() if name.startswith(f"{spectrum}/")}
        self._packed.update(dict.fromkeys(sums, 0))
        return sums

    def finish(
        self,
        header: Header,
        *,
        subjects: Sequence[str],
        masks: Sequence[MaskEntry] = (),
        protocols: Sequence[ProtocolRows] = (),
        skipped: Sequence[Skipped] = (),
    ) -> None:
        """Write everything but the rows, then the attributes that make the file valid."""
        for spectrum in SPECTRA:
            if self._cursor[spectrum] != self._counts[spectrum]:
                raise StoreError(
                    f"{self.path}: {self._cursor[spectrum]} {spectrum} rows were written of {self._counts[spectrum]}."
                )
            self._write_columns(spectrum)
        if header.side != self.side:
            raise ShapeError(f"{self.path}: the header says side {header.side}, the rows have {self.side}")
        self._table("subject", subjects)
        self._table("mask/template", [mask.template for mask in masks])
        self._table("mask/params", [_json(mask.params) for mask in masks])
        self._table("mask/sha256", [mask.sha256 for mask in masks])
        self._table("skipped/source", [item.source for item in skipped])
        self._table("skipped/reason", [item.reason for item in skipped])
        self._table("skipped/subject", [item.subject for item in skipped])
        self._table("skipped/spectrum", [item.spectrum for item in skipped])
        self._file.create_group("protocol")
        for protocol in protocols:
            self._protocol(protocol, len(skipped))
        for name, content in self._hashes.items():
            self._file[name].attrs["sha256"] = content.hexdigest()
        attributes = self._file.attrs
        attributes["masksynth_version"] = __version__
        attributes["dataset"], attributes["side"] = header.dataset, np.int64(header.side)
        attributes["crop"], attributes["border"] = header.crop, header.border
        attributes["reconstructor"], attributes["detector"] = header.reconstructor, header.detector
        attributes["config"], attributes["seed"] = _json(header.config), np.int64(header.seed)
        attributes["plan_sha256"], attributes["complete"] = header.plan_sha256, np.bool_(header.complete)
        attributes["content_sha256"] = content_sha256(self._file)
        attributes["created"] = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        attributes["command"] = header.command
        attributes["schema"] = SCHEMA  # last: only now is it a file of the schema
        self._file.flush()

    def _create_rows(self, spectrum: Spectrum, kinds: Sequence[Kind], compression: Compression) -> None:
        count = self._counts[spectrum]
        group = self._file.create_group(spectrum)
        for kind in kinds:
            shape = image_shape(spectrum, kind, self.side)
            options: dict[str, Any] = {}
            if count and (compression in ("lzf", "gzip") or (compression == "masks" and kind in ("alpha", "touched"))):
                options = {"chunks": (1, *shape), "compression": "lzf" if compression == "lzf" else "gzip"}
                if compression != "lzf":
                    options["compression_opts"] = GZIP_LEVEL
                    self._packed[f"{spectrum}/{kind}"] = 0
            else:
                self.plain.add(f"{spectrum}/{kind}")
            self._create(group, kind, (count, *shape), np.uint8, options)
        for name, (dtype, shape) in COLUMNS.items():
            self._create(group, name, (count, *shape), _TEXT if dtype is str else dtype, {})

    def _create(self, group: h5py.Group, name: str, shape: tuple[int, ...], dtype: Any, options: Any) -> None:
        full = f"{group.name.strip('/')}/{name}"
        self._datasets[full] = group.create_dataset(name, shape, dtype, track_times=False, **options)
        self._hashes[full] = ContentHash()

    def _table(self, name: str, values: Sequence[str] | npt.NDArray[np.int32]) -> h5py.Dataset:
        dtype = np.int32 if isinstance(values, np.ndarray) else _TEXT
        dataset = self._file.create_dataset(name, (len(values),), dtype, track_times=False)
        if len(values):
            dataset[:] = values
        self._hashes[name] = ContentHash()
        self._hashes[name].update(values)
        return dataset

    def _protocol(self, protocol: ProtocolRows, skipped: int) -> None:
        for part in PARTS:
            spectrum = part.split("_")[0]
            rows = np.asarray(protocol.rows[part], np.int32)
            missing = np.asarray(protocol.missing.get(part, ()), np.int32)
            if len(rows) and not 0 <= rows.min() <= rows.max() < self._counts[spectrum]:  # type: ignore[index]
                raise ShapeError(f"{self.path}: protocol {protocol.name} has rows of {part} outside the file")
            if len(missing) and not 0 <= missing.min() <= missing.max() < skipped:
                raise ShapeError(f"{self.path}: protocol {protocol.name} has missing {part} outside /skipped")
            dataset = self._table(f"protocol/{protocol.name}/{part}", rows)
            dataset.attrs["expected"] = np.int64(protocol.expected[part])
            dataset.attrs["missing"] = np.int64(len(missing))
            self._table(f"protocol/{protocol.name}/{part}_missing", missing)
        self._file[f"protocol/{protocol.name}"].attrs["published"] = np.bool_(protocol.published)


def write_store(
    path: Path,
    header: Header,
    *,
    subjects: Sequence[str],
    nir: Rows,
    vis: Rows,
    masks: Sequence[MaskEntry] = (),
    protocols: Sequence[ProtocolRows] = (),
    skipped: Sequence[Skipped] = (),
    compression: Compression = "masks",
) -> None:
    """Write a file that fits into memory, whole or not at all.

    A spectrum counts as masked where its rows have ``alpha``; `nir` and `vis` may be empty.

    Raises
    ------
    ShapeError
        If an array is not as the schema has it, or a protocol names rows that are not there.
    OutputError
        If the file cannot be written.
    """
    blocks: dict[Spectrum, Rows] = {"nir": nir, "vis": vis}
    masked = [spectrum for spectrum, rows in blocks.items() if rows.alpha is not None]
    keep_clean = all(blocks[spectrum].clean is not None for spectrum in masked)
    counts = {spectrum: len(rows) for spectrum, rows in blocks.items()}
    with (
        atomic_path(Path(path)) as temporary,
        writing(path),
        StoreWriter(
            temporary,
            side=header.side,
            counts=counts,
            masked=masked,
            keep_clean=keep_clean,
            compression=compression,
        ) as writer,
    ):
        for spectrum, rows in blocks.items():
            writer.write(spectrum, rows)
        writer.finish(header, subjects=subjects, masks=masks, protocols=protocols, skipped=skipped)


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn what HDF5 says when a disk is full or a share is gone into one OutputError that names `path`."""
    try:
        yield
    except (OSError, RuntimeError) as error:  # h5py raises RuntimeError when closing or flushing fails
        if isinstance(error, MasksynthError):
            raise
        raise OutputError(f"{path}: could not be written ({_system_words(error)}).") from error


def _system_words(error: Exception) -> str:
    """The system's own words for what went wrong, which HDF5 buries in a long text."""
    match = re.search(r"errno = (\d+)", str(error))
    number = int(match[1]) if match else getattr(error, "errno", None)
    if number:
        return os.strerror(number)
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False)
