"""At which photos a worker process is, kept where its parent can read it even when the worker has died.

A photo is marked at the cost of one small write; a message for each would wake the parent, which has better to leave
the processor to the workers.
"""

from __future__ import annotations

import os
import struct
import tempfile
import threading
from dataclasses import dataclass

_DONE, _MARK = struct.Struct("<q"), struct.Struct("<qq")  # photos done; a photo's number and which turn it is
_NOBODY = -1


@dataclass(frozen=True)
class Marked:
    """What a worker has marked."""

    done: int  # photos that it is through with, since it was started
    at_work: dict[int, int]  # photo → the turn it has, another one each time that work on it begins


class Marks:
    """A small file without a name that parent and worker share by its descriptor.

    The parent makes one by `shared` and hands its descriptor on; the worker opens that. Threads may mark at once.
    """

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._guard = threading.Lock()
        self._slots: dict[int, int] = {}  # photo at work → its place in the file
        self._free: list[int] = []
        self._done = self._turns = 0

    @classmethod
    def shared(cls) -> Marks:
        """For the parent."""
        if hasattr(os, "memfd_create"):
            descriptor = os.memfd_create("masksynth-marks")  # in memory: no disk is too full for it
        else:
            with tempfile.TemporaryFile() as file:
                descriptor = os.dup(file.fileno())
        os.pwrite(descriptor, _DONE.pack(0), 0)
        return cls(descriptor)

    def at(self, photo: int) -> None:
        """Work on a photo begins."""
        with self._guard:
            self._turns += 1
            slot = self._slots[photo] = self._free.pop() if self._free else len(self._slots)
            os.pwrite(self.descriptor, _MARK.pack(photo, self._turns), _DONE.size + slot * _MARK.size)

    def over(self, photo: int, done: bool) -> None:
        """Work on a photo ends; `done` where nothing more is to be done for it."""
        with self._guard:
            slot = self._slots.pop(photo)
            self._free.append(slot)
            os.pwrite(self.descriptor, _MARK.pack(_NOBODY, 0), _DONE.size + slot * _MARK.size)
            if done:
                self._done += 1
                os.pwrite(self.descriptor, _DONE.pack(self._done), 0)

    def read(self) -> Marked:
        """For the parent, at any time."""
        data = os.pread(self.descriptor, 1 << 16, 0)
        whole = data[_DONE.size :][: (len(data) - _DONE.size) // _MARK.size * _MARK.size]
        return Marked(
            _DONE.unpack_from(data)[0], {photo: turn for photo, turn in _MARK.iter_unpack(whole) if photo != _NOBODY}
        )

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self.descriptor)
