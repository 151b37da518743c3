"""Choosing the best network by identities of the training fold that are held out of training."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from masksynth.errors import TrainingError, counted
from masksynth.seeds import rng_for
from masksynth.train.augment import prepare
from masksynth.train.fold import Fold, make_fold
from masksynth.train.mobilefacenet import features_of_unit_length
from masksynth.train.networks import NetworkInfo

PROBES = 2000  # NIR images at most: enough to tell networks apart, quick enough to be done ten times in a run


def split_for_validation(fold: Fold, share: float) -> tuple[Fold, Fold]:
    """The fold without, and with only, a share of its identities: the same ones whatever the run's seed.

    Raises
    ------
    TrainingError
        If either part has fewer than 2 identities.
    """
    held_out = max(2, round(share * fold.identities))
    if fold.identities - held_out < 2:
        few = counted(fold.identities, "identity is", "identities are")
        raise TrainingError(f"{few} too few to hold {held_out} out for validation.")
    chosen = rng_for(0, "validation", fold.identities).permutation(fold.identities)[:held_out]

    def part(keep: npt.NDArray[np.bool_]) -> Fold:
        nir, vis = keep[fold.nir_identity], keep[fold.vis_identity]
        return make_fold(fold.nir[nir], fold.nir_identity[nir], fold.vis[vis], fold.vis_identity[vis], fold.subjects)

    out = np.isin(np.arange(fold.identities), chosen)
    return part(~out), part(out)


class Validation:
    """Rank-1 of the held-out NIR images against one VIS image of each held-out identity."""

    def __init__(self, fold: Fold, info: NetworkInfo, device: torch.device) -> None:
        step = -(-len(fold.nir) // PROBES)
        self._probes, self._labels = fold.nir[::step], fold.nir_identity[::step]
        first = np.unique(fold.vis_identity, return_index=True)[1]
        self._gallery = fold.vis[first]  # in the order of the identities
        self._form, self._device = info.input, device

    @torch.no_grad()
    def __call__(self, net: nn.Module) -> float:
        """The share of probes whose best gallery image is of their identity; the network's mode is left as it was."""
        modes: list[tuple[Any, bool]] = [(module, module.training) for module in net.modules()]
        net.eval()
        scores = self._features(net, self._probes) @ self._features(net, self._gallery).T
        for module, training in modes:
            module.training = training
        return float((scores.argmax(1).cpu() == torch.from_numpy(self._labels)).float().mean())

    def _features(self, net: nn.Module, images: npt.NDArray[np.uint8]) -> torch.Tensor:
        parts = [torch.from_numpy(images[k : k + 64]).to(self._device) for k in range(0, len(images), 64)]
        return torch.cat([features_of_unit_length(net, prepare(part, self._form)) for part in parts])
