"""A file for HDF5 to write to that never fails in HDF5's hands.

The HDF5 library does not survive a write that fails (disk full, quota, file limit) while it closes a file: the process
ends with a segmentation fault. So what HDF5 writes goes through an object of ours that keeps the first error for later
and what follows in memory, where HDF5 may read it back; whoever writes asks `check` now and then, and after closing.
"""

from __future__ import annotations

import io
import os
from pathlib import Path
from types import TracebackType
from typing import Any

import h5py

from masksynth.errors import OutputError

SMALL, GATHERED = 4096, 1 << 18  # bytes: writes of so many are gathered, up to so many together
LIBVER = ("v110", "v110")  # one file format whatever HDF5 library writes it; read by HDF5 1.10 (2016) and later


class _Guarded(io.RawIOBase):
    """An unbuffered file that is read and written at once."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | getattr(os, "O_CLOEXEC", 0), 0o644)
        self._place = 0
        self._gathered, self._gathered_at = bytearray(), 0  # small writes, one behind the other, for one system call
        self._unwritten: list[tuple[int, bytes]] = []  # place and bytes of every write from the first error on
        self.error: OSError | None = None

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if whence == io.SEEK_CUR:
            offset += self._place
        elif whence == io.SEEK_END:
            offset += self._size()
        self._place = offset
        return offset

    def readinto(self, buffer: Any) -> int:
        self._hand_over()
        view = memoryview(buffer).cast("B")
        count = os.preadv(self._descriptor, [view], self._place)
        if self._unwritten:
            on_disk, count = count, max(0, min(len(view), self._size() - self._place))
            view[on_disk:count] = bytes(max(0, count - on_disk))
            for place, data in self._unwritten:
                start, stop = max(place, self._place), min(place + len(data), self._place + count)
                if start < stop:
                    view[start - self._place : stop - self._place] = data[start - place : stop - place]
        self._place += count
        return count

    def write(self, data: Any) -> int:
        view = memoryview(data).cast("B")
        place, self._place = self._place, self._place + len(view)
        if place != self._gathered_at + len(self._gathered) or len(self._gathered) + len(view) > GATHERED:
            self._hand_over()
        if len(view) <= SMALL:
            self._gathered_at = self._gathered_at if self._gathered else place
            self._gathered += view
        else:
            self._hand_over()
            self._write(place, view)
        return len(view)

    def _hand_over(self) -> None:
        """Write what was gathered."""
        if self._gathered:
            gathered, self._gathered = self._gathered, bytearray()
            self._write(self._gathered_at, memoryview(gathered))

    def _write(self, place: int, view: memoryview) -> None:
        written = 0
        while written < len(view) and self.error is None:
            try:
                written += os.pwrite(self._descriptor, view[written:], place + written)
            except OSError as error:
                self.error = error
        if written < len(view):
            self._unwritten.append((place + written, bytes(view[written:])))

    def truncate(self, size: int | None = None) -> int:
        self._hand_over()
        size = self._place if size is None else size
        if self.error is None:
            try:
                os.ftruncate(self._descriptor, size)
            except OSError as error:
                self.error = error
        return size

    def flush(self) -> None:
        """To the system; whoever renames the file has it written to the disk first."""
        self._hand_over()

    def _size(self) -> int:
        self._hand_over()
        ends = (place + len(data) for place, data in self._unwritten)
        return max(os.fstat(self._descriptor).st_size, *ends, 0)

    def close(self) -> None:
        if not self.closed:
            self._hand_over()
            self._unwritten.clear()
            try:
                os.close(self._descriptor)  # network file systems report a full disk as late as here
            except OSError as error:
                self.error = self.error or error
        super().close()


class Hdf5File:
    """A new HDF5 file at `path`, whose write errors come out as OSError from `check` and at the end of its block.

    ``with Hdf5File(path) as file:`` gives the h5py file at ``file.h5``.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._guarded = _Guarded(path)
        except OSError as error:
            raise OutputError(f"{path}: could not be written ({error.strerror or error}).") from error
        self.h5 = h5py.File(self._guarded, "w", libver=LIBVER, track_order=False)

    def __enter__(self) -> Hdf5File:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.h5.close()
        finally:
            self._guarded.close()
        if kind is None:
            self.check()

    def check(self) -> None:
        """Raise the first error that the system reported, if there was any."""
        self._guarded.flush()
        if self._guarded.error is not None:
            raise self._guarded.error
