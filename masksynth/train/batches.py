"""Sampled rows of a fold → augmented tensors on the device.

Each stream is endless, can go on from its `state`, and gives what depends on the seed and the iteration alone. Where
several processes train together, all draw the same batch, and each makes the tensors of its own share.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from masksynth.seeds import rng_for
from masksynth.train.augment import InputFormat, draw_warp, prepare
from masksynth.train.fold import Fold
from masksynth.train.processes import own_share
from masksynth.train.sampler import GroupSampler, PairSampler, UnionSampler

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class PairTensors:
    """A batch of B pairs, ready for the networks."""

    iteration: int
    identity: Tensor  # (B,) int64
    nir: Tensor  # (B, 3, S, S)
    vis: Tensor  # (B, 3, S, S)

    @property
    def images(self) -> int:
        return len(self.nir) + len(self.vis)


@dataclass(frozen=True)
class ImageTensors:
    """A batch of B images of either kind."""

    iteration: int
    identity: Tensor  # (B,) int64
    pixels: Tensor  # (B, 3, S, S)
    is_nir: Tensor  # (B,) bool

    @property
    def images(self) -> int:
        return len(self.pixels)


class _Stream:
    """What the streams share: a fold, an augmentation, a device and a counter."""

    sampler: Any

    def __init__(self, fold: Fold, form: InputFormat, *, augment: str, seed: int, device: torch.device) -> None:
        self.fold, self._form = fold, form
        self._augment, self._seed, self._device = augment, seed, device
        self.iteration = 0

    def state(self) -> dict[str, Any]:
        return {"iteration": self.iteration, "sampler": self.sampler.state()}

    def restore(self, state: dict[str, Any]) -> None:
        self.iteration = int(state["iteration"])
        self.sampler.restore(state["sampler"])

    def images(self, spectrum: str, rows: Rows, purpose: str = "", own: Rows | slice | None = None) -> Tensor:
        """The images in `rows`; of those, the ones at `own`, else this process's share."""
        rng = rng_for(self._seed, "augment", spectrum, purpose, self.iteration)
        warp = draw_warp(rng, len(rows), self._form.side, self._augment)
        own = own_share(len(rows)) if own is None else own
        stored = self.fold.nir if spectrum == "nir" else self.fold.vis
        pixels = torch.from_numpy(stored[rows[own]]).to(self._device)
        return prepare(pixels, self._form, warp.of(own) if warp is not None else None)

    def tensor(self, values: npt.NDArray[Any]) -> Tensor:
        """This process's share of what goes with the images."""
        return torch.from_numpy(values[own_share(len(values))]).to(self._device)


class PairBatches(_Stream):
    """NIR-VIS pairs, for HSST."""

    def __init__(self, fold: Fold, sampler: PairSampler, form: InputFormat, **how: Any) -> None:
        super().__init__(fold, form, **how)
        self.sampler = sampler

    def __next__(self) -> PairTensors:
        rows = next(self.sampler)
        batch = PairTensors(
            self.iteration, self.tensor(rows.identity), self.images("nir", rows.nir), self.images("vis", rows.vis)
        )
        self.iteration += 1
        return batch


class AnyPairBatches(_Stream):
    """Pairs of any two images of an identity, whatever their spectrum, for SST; `nir` and `vis` are then mere names.

    The two are different images wherever an identity has two.
    """

    def __init__(self, fold: Fold, sampler: PairSampler, form: InputFormat, **how: Any) -> None:
        super().__init__(fold, form, **how)
        self.sampler = sampler
        both = np.concatenate([fold.nir_identity, fold.vis_identity])
        self._rows = [np.flatnonzero(both == c) for c in range(fold.identities)]

    def __next__(self) -> PairTensors:
        identity = next(self.sampler).identity
        rng = rng_for(self._seed, "any pair", self.iteration)
        rows = np.array([rng.choice(self._rows[c], 2, replace=False) for c in identity])
        first, second = (self._mixed(rows[:, k], str(k)) for k in (0, 1))
        batch = PairTensors(self.iteration, self.tensor(identity), first, second)
        self.iteration += 1
        return batch

    def _mixed(self, rows: Rows, purpose: str) -> Tensor:
        return mixed(self, rows, purpose)


class UnionBatches(_Stream):
    """Any images of the fold, each once per epoch, for plain classifiers."""

    def __init__(self, fold: Fold, sampler: UnionSampler, form: InputFormat, **how: Any) -> None:
        super().__init__(fold, form, **how)
        self.sampler = sampler
        self._identity = np.concatenate([fold.nir_identity, fold.vis_identity])

    def __next__(self) -> ImageTensors:
        rows = next(self.sampler)
        pixels = mixed(self, rows, "")
        is_nir = rows < len(self.fold.nir)
        batch = ImageTensors(self.iteration, self.tensor(self._identity[rows]), pixels, self.tensor(is_nir))
        self.iteration += 1
        return batch


class GroupBatches(_Stream):
    """P identities with as many NIR as VIS images each, for triplets, IDR and W-CNN; NIR first."""

    def __init__(self, fold: Fold, sampler: GroupSampler, form: InputFormat, **how: Any) -> None:
        super().__init__(fold, form, **how)
        self.sampler = sampler

    def __next__(self) -> ImageTensors:
        rows = next(self.sampler)
        pixels = torch.cat([self.images("nir", rows.nir), self.images("vis", rows.vis)])
        is_nir = torch.arange(len(pixels), device=pixels.device) < len(pixels) // 2
        batch = ImageTensors(self.iteration, self.tensor(rows.identity).repeat(2), pixels, is_nir)
        self.iteration += 1
        return batch


def mixed(stream: _Stream, rows: Rows, purpose: str) -> Tensor:
    """Images by their number in the union, NIR before VIS, in the order asked for."""
    count, own = len(stream.fold.nir), own_share(len(rows))
    places, parts = [], []
    for spectrum, chosen, first in (("nir", rows < count, 0), ("vis", rows >= count, count)):
        place = np.flatnonzero(chosen)
        mine = np.flatnonzero((place >= own.start) & (place < own.stop))
        if len(mine):
            parts.append(stream.images(spectrum, rows[place] - first, purpose, mine))
            places.append(place[mine])
    order = torch.from_numpy(np.argsort(np.concatenate(places))).to(parts[0].device)
    return torch.cat(parts)[order].contiguous(memory_format=torch.channels_last)
