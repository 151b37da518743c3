"""Sampled rows of a fold → augmented tensors on the device."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from masksynth.seeds import rng_for
from masksynth.train.augment import InputFormat, draw_warp, prepare
from masksynth.train.fold import Fold, Images8
from masksynth.train.hsst import PairTensors
from masksynth.train.sampler import PairSampler


class PairBatches:
    """An endless stream of `PairTensors`; what it gives out depends on the seed and the iteration alone."""

    def __init__(
        self, fold: Fold, sampler: PairSampler, form: InputFormat, *, augment: str, seed: int, device: torch.device
    ) -> None:
        self._fold, self._sampler, self._form = fold, sampler, form
        self._augment, self._seed, self._device = augment, seed, device
        self._iteration = 0

    def __iter__(self) -> PairBatches:
        return self

    def __next__(self) -> PairTensors:
        rows = next(self._sampler)
        batch = PairTensors(
            iteration=self._iteration,
            identity=torch.from_numpy(rows.identity).to(self._device),
            nir=self._images(self._fold.nir, rows.nir, "nir"),
            vis=self._images(self._fold.vis, rows.vis, "vis"),
        )
        self._iteration += 1
        return batch

    def state(self) -> dict[str, Any]:
        return {"iteration": self._iteration, "sampler": self._sampler.state()}

    def restore(self, state: dict[str, Any]) -> None:
        self._iteration = int(state["iteration"])
        self._sampler.restore(state["sampler"])

    def _images(self, images: Images8, rows: np.ndarray, spectrum: str) -> Tensor:
        rng = rng_for(self._seed, "augment", spectrum, self._iteration)
        warp = draw_warp(rng, len(rows), self._form.side, self._augment)
        return prepare(torch.from_numpy(images[rows]).to(self._device), self._form, warp)
