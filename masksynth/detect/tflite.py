"""Running a TensorFlow Lite file on one thread."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from masksynth.arrays import Photo8
from masksynth.errors import ShapeError


class TfliteNetwork:
    """A network of one input and some outputs; calls from several threads take turns."""

    def __init__(self, path: Path) -> None:
        from ai_edge_litert.interpreter import Interpreter

        with _quiet():  # the runtime announces its CPU delegate on the process's standard error
            self._interpreter = Interpreter(model_path=str(path), num_threads=1)
            self._interpreter.allocate_tensors()
        self._lock = threading.Lock()
        self._input = self._interpreter.get_input_details()[0]["index"]
        self._outputs = [detail["index"] for detail in self._interpreter.get_output_details()]
        self.input_shape = tuple(int(n) for n in self._interpreter.get_input_details()[0]["shape"])

    def __call__(self, picture: Photo8, factor: float, offset: float = 0.0) -> list[npt.NDArray[np.float32]]:
        """The outputs, in the order of the file, for ``picture * factor + offset``.

        `picture` is (H, W, 3) uint8 of `input_shape` without its first axis.
        """
        if picture.shape != self.input_shape[1:] or picture.dtype != np.uint8:
            raise ShapeError(f"the network takes {self.input_shape[1:]} uint8, got {picture.shape} {picture.dtype}")
        with self._lock:
            values = self._interpreter.tensor(self._input)()  # the network's own memory: no copy on the way
            np.multiply(picture, np.float32(factor), out=values[0], dtype=np.float32)
            if offset:
                values += np.float32(offset)
            del values  # the runtime lets nobody hold on to it while it works
            self._interpreter.invoke()
            return [self._interpreter.get_tensor(index) for index in self._outputs]


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silence what C++ code writes to file descriptor 2."""
    try:
        saved = os.dup(2)
    except OSError:  # no standard error at all
        yield
        return
    sink = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(sink, 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(sink)
