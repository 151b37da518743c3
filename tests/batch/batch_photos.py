"""A small function over photos for the tests of batch: real files, tiny crops, and photos that misbehave by name."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import numpy as np

from masksynth.batch.part import Row
from masksynth.batch.plan import UNMASKED, PlannedPhoto
from masksynth.errors import NoFaceError, OutputError
from masksynth.photos import read_photo
from masksynth.seeds import rng_for


class SmallWalk:
    def __init__(
        self,
        root: str,
        side: int,
        pause: float = 0.0,
        once: str = "",
        threads: int = 1,
        device: str = "",
        log: str = "",
        loading: float = 0.0,
    ) -> None:
        self._loading = loading  # seconds that a process takes longer for its first photo
        self.threads = threads
        if log:
            (Path(log) / f"{device}-{os.getpid()}").touch()
        self.root, self.side, self.pause, self.once = Path(root), side, pause, once
        self.seconds: dict[str, float] = {"all": 0.0}

    def find(self, photo: PlannedPhoto) -> list[Row]:
        begun = time.perf_counter()
        time.sleep(self._loading)
        self._loading = 0.0
        name = Path(photo.path).stem
        nir_p0 = photo.path.startswith("nir/p0/")
        if nir_p0 and (name == "kills" or (name == "first" and self._first(name))):
            os.kill(os.getpid(), signal.SIGKILL)
        if nir_p0 and (name == "stops" or (name == "stops-once" and self._first(name))):
            os.kill(os.getpid(), signal.SIGSTOP)
        if name.startswith("noface"):
            raise NoFaceError(f"{self.root / photo.path}: no face found (best score 0.{photo.number}1, needs 0.50).")
        if name.startswith("bug"):
            raise IndexError("list index out of range")
        if name.startswith("large"):
            np.zeros((1 << 40, 1 << 20), np.uint8)
        if name.startswith("full"):
            raise OutputError(f"{self.root}: the disk is full.")
        time.sleep(self.pause)
        pixels = read_photo(self.root / photo.path).pixels[: self.side, : self.side]
        clean = pixels if photo.spectrum == "nir" else np.repeat(pixels[:, :, None], 3, 2)
        rows = [self._row(photo, clean, slot.mask) for slot in photo.slots]
        self.seconds["all"] += time.perf_counter() - begun
        return rows

    def make(self, photo: PlannedPhoto, found: list[Row]) -> list[Row]:
        return found

    def _row(self, photo: PlannedPhoto, clean: np.ndarray, mask: int) -> Row:
        points = np.full((5, 2), photo.number, np.float32)
        if mask == UNMASKED:
            return Row(clean, points, (1.0, 2.0, 3.0), 0.9)
        rng = rng_for(0, photo.id, mask)
        touched = (rng.random(clean.shape[:2]) < 0.5).astype(np.uint8)
        flags = touched if clean.ndim == 2 else touched[..., None]
        image = np.where(flags > 0, 255 - clean, clean).astype(np.uint8)
        return Row(image, points, (1.0, 2.0, 3.0), 0.9, clean, touched * np.uint8(200), touched)

    def _first(self, name: str) -> bool:
        """True the first time a photo of this name is met, in whatever process."""
        try:
            (Path(self.once) / name).touch(exist_ok=False)
        except FileExistsError:
            return False
        return True
