"""Changes to the whole process that reading photos wants for a while: Pillow at ease, and libraries that keep quiet."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import warnings
from collections.abc import Callable, Iterator

from PIL import Image as PillowImage


class _Shared:
    """A change to the whole process that several threads may want at once: the first to enter makes it, the last to
    leave takes it back."""

    def __init__(self, change: Callable[[], contextlib.AbstractContextManager[None]]) -> None:
        self._change, self._lock, self._inside, self._undo = change, threading.Lock(), 0, contextlib.ExitStack()

    def __enter__(self) -> None:
        with self._lock:
            if self._inside == 0:
                self._undo.enter_context(self._change())
            self._inside += 1

    def __exit__(self, *error: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._undo.close()


@contextlib.contextmanager
def _without_pillows_limit() -> Iterator[None]:
    limit, PillowImage.MAX_IMAGE_PIXELS = PillowImage.MAX_IMAGE_PIXELS, None
    logger, silent = logging.getLogger("PIL"), logging.NullHandler()
    logger.addHandler(silent)  # where the program at large has no handler, Python would print
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")
        try:
            yield
        finally:
            PillowImage.MAX_IMAGE_PIXELS = limit
            logger.removeHandler(silent)


@contextlib.contextmanager
def _without_standard_error() -> Iterator[None]:
    try:
        kept = os.dup(2)
    except OSError:  # there is none
        yield
        return
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


PILLOW_AT_EASE = _Shared(_without_pillows_limit)
"""Pillow without its own size limit (ours is checked instead), and without warnings about odd headers, which are
harmless or end in a PhotoError."""
HUSHED = _Shared(_without_standard_error)  # libtiff, libpng and OpenCV print about damage that becomes a PhotoError
