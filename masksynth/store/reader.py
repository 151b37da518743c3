"""The one reader of the schema. It needs nothing but numpy and h5py, and nothing that it reads can run code."""

from __future__ import annotations

import contextlib
import itertools
import json
import math
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from masksynth.arrays import Spectrum
from masksynth.errors import StoreError
from masksynth.store.schema import COLUMNS, MASKED_ONLY, PARTS, SCHEMA, SPECTRA, Kind, MaskEntry, Skipped, image_shape

ATTRIBUTES = ("side", "dataset", "reconstructor", "detector", "config", "seed", "plan_sha256", "complete")

RowIndex = npt.NDArray[np.integer[Any]] | Sequence[int] | slice | None


@dataclass(frozen=True)
class StoredProtocol:
    """One protocol: rows of each part, how many photos the list names, and which of them have no row."""

    name: str
    nir_train: npt.NDArray[np.int32]  # rows of /nir
    vis_train: npt.NDArray[np.int32]  # rows of /vis
    nir_probe: npt.NDArray[np.int32]
    vis_gallery: npt.NDArray[np.int32]
    expected: Mapping[str, int]  # part → photos listed
    missing: Mapping[str, tuple[Skipped, ...]]  # part → those without a row, with subject and reason
    published: bool

    def missing_count(self, part: str) -> int:
        """How many photos of a part have no row."""
        return len(self.missing[part])


def open_store(path: Path | str) -> Store:
    """The masked data set in the file `path`; a context manager.

    Raises
    ------
    StoreError
        If there is no such file, it is not HDF5, is of another schema, or is damaged.
    """
    return Store(Path(path))


class Store:
    """A masked data set, opened for reading.

    The file is opened on first need and again in every process that uses the object, so it may be handed to worker
    processes, forked or spawned. Small tables are read once and kept; images are read when asked for.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self._handle: h5py.File | None = None
        self._opened: dict[str, h5py.Dataset] = {}  # of images, kept open: opening costs more than reading a row
        self._descriptor = -1
        self._pid = 0
        self._check()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_handle": None, "_opened": {}, "_descriptor": -1, "_pid": 0}

    def close(self) -> None:
        """Close the file; the next read opens it again."""
        self._opened = {}
        if self._handle is not None and self._pid == os.getpid():
            self._handle.close()
            os.close(self._descriptor)
        self._handle, self._descriptor, self._pid = None, -1, 0

    @property
    def file(self) -> h5py.File:
        """The open HDF5 file of this process."""
        if self._handle is None or self._pid != os.getpid():
            self._handle, self._opened = _open(self.path), {}  # a forked parent's handle is left to the parent
            self._descriptor = os.open(self.path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
            self._pid = os.getpid()
        return self._handle

    # What the file is

    @cached_property
    def attrs(self) -> dict[str, Any]:
        """The attributes of the root as Python values; ``config`` is parsed."""
        with self._reading("attributes"):
            attributes = {name: _plain(value) for name, value in self.file.attrs.items()}
        attributes["config"] = self._json(attributes.get("config", "{}"), "config")
        return attributes

    @property
    def side(self) -> int:
        """Side of a crop in pixels."""
        return int(self.attrs["side"])

    @property
    def complete(self) -> bool:
        """False where more photos were skipped than the run allowed."""
        return bool(self.attrs["complete"])

    @cached_property
    def subjects(self) -> tuple[str, ...]:
        """The identities; the labels index this."""
        return self._strings("subject")

    @cached_property
    def templates(self) -> tuple[MaskEntry, ...]:
        """The mask templates; the ``mask`` column indexes this."""
        params = (self._json(text, "mask/params") for text in self._strings("mask/params"))
        return tuple(map(MaskEntry, self._strings("mask/template"), params, self._strings("mask/sha256")))

    @cached_property
    def skipped(self) -> tuple[Skipped, ...]:
        """Every input that has no row, with its reason."""
        names = ("source", "reason", "subject", "spectrum")
        return tuple(Skipped(*row) for row in zip(*(self._strings(f"skipped/{n}") for n in names), strict=True))

    # Rows

    def count(self, spectrum: Spectrum) -> int:
        """Number of rows of a spectrum."""
        return int(self._dataset(spectrum, "image").shape[0])

    def kinds(self, spectrum: Spectrum) -> tuple[Kind, ...]:
        """Which images the rows of a spectrum have: ``image``, and where masked ``clean``, ``alpha``, ``touched``."""
        file = self.file
        return (
            "image",
            *(kind for kind in MASKED_ONLY if f"{spectrum}/{kind}" in self._opened or kind in file[spectrum]),
        )

    def images(self, spectrum: Spectrum, rows: RowIndex = None, kind: Kind = "image") -> npt.NDArray[np.uint8]:
        """Images of some rows, in the order asked for.

        Parameters
        ----------
        rows : integers, slice or None
            Rows of the spectrum, in any order, repeats allowed; all where None.
        kind : "image", "clean", "alpha" or "touched"
            "clean" is the same crop without the mask; where a spectrum is not masked it is the image itself.

        Returns
        -------
        (n, side, side) uint8 for NIR and for alpha and touched, (n, side, side, 3) for VIS

        Raises
        ------
        StoreError
            If the file does not hold this kind, a row is outside it, or it cannot be read.
        """
        if kind == "clean" and len(self.kinds(spectrum)) == 1:
            kind = "image"
        if kind not in self.kinds(spectrum):
            raise StoreError(f"{self.path}: holds no '{kind}' images of {spectrum.upper()}. It was made without them.")
        dataset = self._dataset(spectrum, kind)
        wanted = self._rows(spectrum, rows)
        out = np.zeros((len(wanted), *dataset.shape[1:]), np.uint8)
        offset = dataset.id.get_offset() if dataset.chunks is None else None
        size = math.prod(dataset.shape[1:])
        for start, stop in _runs(wanted):
            first, last = int(wanted[start]), int(wanted[stop - 1]) + 1
            try:
                if offset is not None:
                    self._read_into(out[start:stop], offset + first * size)
                else:
                    dataset.read_direct(out, np.s_[first:last], np.s_[start:stop])
            except OSError as error:
                raise StoreError(
                    f"{self.path}: {spectrum} rows {first}-{last - 1} cannot be read ({first_line(error)})."
                ) from error
        return out

    def column(self, spectrum: Spectrum, name: str, rows: RowIndex = None) -> npt.NDArray[Any]:
        """A column of COLUMNS: subject, image_id, mask i4; landmarks, pose, score f4; source as strings (object)."""
        if name not in COLUMNS:
            raise StoreError(f"{self.path}: there is no column '{name}'. There are: {', '.join(COLUMNS)}.")
        key = (spectrum, name)
        if key not in self._columns:
            if name == "source":
                self._columns[key] = np.array(self._strings(f"{spectrum}/{name}"), dtype=object)
            else:
                with self._reading(f"{spectrum}/{name}"):
                    self._columns[key] = self.file[spectrum][name][:]
        return self._columns[key][self._rows(spectrum, rows)]

    def labels(self, spectrum: Spectrum, rows: RowIndex = None) -> npt.NDArray[np.int32]:
        """(n,) int32 indices into `subjects`."""
        return self.column(spectrum, "subject", rows)

    # Protocols

    @cached_property
    def protocols(self) -> tuple[str, ...]:
        """Names of the protocols, sorted."""
        with self._reading("protocol"):
            return tuple(sorted(self.file["protocol"]))

    def protocol(self, name: str) -> StoredProtocol:
        """One protocol. Raises StoreError that names those there are."""
        if name not in self.protocols:
            known = ", ".join(self.protocols) or "none"
            raise StoreError(f"{self.path}: there is no protocol '{name}'. There are: {known}.")
        with self._reading(f"protocol/{name}"):
            group = self.file["protocol"][name]
            rows = {part: group[part][:] for part in PARTS}
            missing = {part: tuple(self.skipped[row] for row in group[f"{part}_missing"][:]) for part in PARTS}
            expected = {part: int(group[part].attrs["expected"]) for part in PARTS}
            published = bool(group.attrs["published"])
        return StoredProtocol(name, **rows, expected=expected, missing=missing, published=published)

    # Inside

    @contextlib.contextmanager
    def _reading(self, name: str) -> Iterator[None]:
        """Turn what HDF5 raises on damage, which may be nearly anything, into a StoreError."""
        try:
            yield
        except StoreError:
            raise
        except (OSError, RuntimeError, LookupError, TypeError, ValueError) as error:
            raise StoreError(f"{self.path}: '{name}' cannot be read ({first_line(error)}).") from error

    @cached_property
    def _columns(self) -> dict[tuple[str, str], npt.NDArray[Any]]:
        return {}

    def _dataset(self, spectrum: Spectrum, kind: Kind) -> h5py.Dataset:
        file, name = self.file, f"{spectrum}/{kind}"
        if name not in self._opened:
            self._opened[name] = file[name]
        return self._opened[name]

    def _rows(self, spectrum: Spectrum, rows: RowIndex) -> npt.NDArray[np.int64]:
        count = self.count(spectrum)
        if rows is None or isinstance(rows, slice):
            return np.arange(count)[rows if rows is not None else slice(None)]
        index = np.asarray(rows)
        if index.dtype == bool or index.ndim != 1 or (index.size and not np.issubdtype(index.dtype, np.integer)):
            raise StoreError(f"{self.path}: rows are a list of whole numbers, got {index.dtype} {index.shape}.")
        if index.size and not 0 <= index.min() <= index.max() < count:
            raise StoreError(
                f"{self.path}: {spectrum} has rows 0 to {count - 1}, asked for {index.min()} to {index.max()}."
            )
        return index.astype(np.int64)

    def _read_into(self, out: npt.NDArray[np.uint8], offset: int) -> None:
        """Uncompressed rows lie in one piece: reading them past HDF5 costs a system call and nothing else."""
        view = memoryview(out.reshape(-1).data)
        while len(view):
            read = os.preadv(self._descriptor, [view], offset)
            if read == 0:
                raise StoreError(f"{self.path}: ends too early; it was cut short.")
            view, offset = view[read:], offset + read

    def _strings(self, name: str) -> tuple[str, ...]:
        with self._reading(name):
            return tuple(self.file[name].asstr()[:]) if self.file[name].shape[0] else ()

    def _json(self, text: str, name: str) -> Any:
        try:
            return json.loads(text)
        except ValueError as error:
            raise StoreError(f"{self.path}: '{name}' is not JSON ({error}).") from error

    def _check(self) -> None:
        """Raise StoreError unless groups, datasets, shapes and types are those of the schema."""
        file = self.file
        with self._reading("attributes"):
            schema = _plain(file.attrs.get("schema", ""))
        if schema != SCHEMA:
            found = f"is of schema '{schema}'" if schema else "is not a masked data set (it has no attribute 'schema')"
            raise StoreError(
                f"{self.path}: {found}, but '{SCHEMA}' is wanted. Make one with masksynth apply --dataset."
            )
        lacking = [name for name in ATTRIBUTES if name not in file.attrs]
        if lacking:
            raise StoreError(f"{self.path}: is not as schema '{SCHEMA}' has it (no attribute '{lacking[0]}').")
        try:
            self._refuse_links(file)
            side = int(file.attrs["side"])
            for spectrum in SPECTRA:
                group = file[spectrum]
                count = int(group["image"].shape[0])
                for kind in ("image", *(kind for kind in MASKED_ONLY if kind in group)):
                    self._expect(f"{spectrum}/{kind}", (count, *image_shape(spectrum, kind, side)), np.uint8)
                for name, (dtype, shape) in COLUMNS.items():
                    self._expect(f"{spectrum}/{name}", (count, *shape), dtype)
            for name in ("subject", "mask/template", "mask/params", "mask/sha256", "skipped/source", "skipped/reason"):
                self._expect(name, file[name].shape, str)
            for name, group in file["protocol"].items():
                for part in PARTS:
                    self._expect(f"protocol/{name}/{part}", group[part].shape, np.int32)
        except (OSError, RuntimeError, LookupError, AttributeError, TypeError, ValueError) as error:
            self.close()
            if isinstance(error, StoreError):
                raise
            raise StoreError(f"{self.path}: is not as schema '{SCHEMA}' has it ({first_line(error)}).") from error

    def _refuse_links(self, group: h5py.Group) -> None:
        for name in group:
            link = group.get(name, getlink=True)
            if not isinstance(link, h5py.HardLink):
                where = "into other files" if isinstance(link, h5py.ExternalLink) else "elsewhere"
                raise StoreError(
                    f"{self.path}: '{group.name.strip('/')}/{name}' points {where}, which is not followed."
                )
            if group.get(name, getclass=True) is h5py.Group:
                self._refuse_links(group[name])

    def _expect(self, name: str, shape: tuple[int, ...], dtype: Any) -> None:
        dataset = self.file[name]
        text = h5py.check_string_dtype(dataset.dtype) is not None
        if dataset.shape != shape or (not text if dtype is str else dataset.dtype != dtype):
            raise StoreError(
                f"{self.path}: '{name}' is {dataset.shape} {dataset.dtype}, but schema '{SCHEMA}' "
                f"has {shape} {'text' if dtype is str else np.dtype(dtype)}."
            )
        if dataset.external or dataset.is_virtual:
            raise StoreError(f"{self.path}: '{name}' points into other files, which is not followed.")


def _open(path: Path) -> h5py.File:
    if not path.exists():
        raise StoreError(
            f"{path}: there is no such file. Make it with masksynth apply --dataset NAME --out {path.name}."
        )
    if path.is_dir():
        raise StoreError(f"{path}: is a folder, but a masked data set (HDF5 file) is wanted.")
    try:
        return h5py.File(path, "r", locking=False)  # read-only; network shares often know no locks
    except OSError as error:
        cut = re.search(r"truncated file: eof = (\d+),.* stored_eof = (\d+)", str(error))
        if cut:
            raise StoreError(
                f"{path}: was cut short: it has {int(cut[1]):,} of {int(cut[2]):,} bytes. Copy it once more."
            ) from error
        raise StoreError(f"{path}: is not an HDF5 file, or is damaged ({first_line(error)}).") from error


def first_line(error: Exception) -> str:
    """What an error of HDF5 says, without how it came about."""
    return (str(error).splitlines() or [type(error).__name__])[0]


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value.item() if isinstance(value, np.generic) else value


def _runs(rows: npt.NDArray[np.int64]) -> list[tuple[int, int]]:
    """[start, stop) of each stretch of `rows` that counts up by one."""
    if not len(rows):
        return []
    breaks = np.flatnonzero(np.diff(rows) != 1) + 1
    edges = [0, *breaks.tolist(), len(rows)]
    return list(itertools.pairwise(edges))
