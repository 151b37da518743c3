"""Crops → features."""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from masksynth.train.augment import InputFormat, prepare
from masksynth.train.hsst import batch_norms
from masksynth.train.mobilefacenet import features_of_unit_length


def with_statistics_of(
    net: nn.Module, form: InputFormat, images: npt.NDArray[np.uint8], device: torch.device, *, batch: int = 64
) -> nn.Module:
    """A copy of a network whose batch-norm layers hold the mean statistics of batches of `images`, equally weighted."""
    copied = copy.deepcopy(net).to(device).eval()
    for layer in batch_norms(copied):
        layer.reset_running_stats()  # type: ignore[operator]
        layer.momentum = None  # type: ignore[assignment]  # a cumulative mean
        layer.train()
    order = np.random.default_rng(0).permutation(len(images))
    with torch.no_grad():
        for rows in np.array_split(order, -(-len(images) // batch)):
            copied(prepare(torch.from_numpy(images[np.sort(rows)]).to(device), form))
    return copied.eval()


@torch.inference_mode()
def embed(
    net: nn.Module,
    form: InputFormat,
    images: npt.NDArray[np.uint8],
    *,
    device: torch.device,
    batch: int = 64,
    on_step: Callable[[int], None] = lambda done: None,
) -> npt.NDArray[np.float32]:
    """Unit features of crops by a network in evaluation mode; no flip, no averaging.

    images : (N, S, S) or (N, S, S, 3) uint8 → (N, D) float32
    """
    net = net.to(device).eval()
    features = []
    for start in range(0, len(images), batch):
        x = prepare(torch.from_numpy(images[start : start + batch]).to(device), form)
        features.append(features_of_unit_length(net, x).cpu().numpy())
        on_step(min(start + batch, len(images)))
    if not features:
        x = prepare(torch.zeros(1, form.side, form.side, dtype=torch.uint8, device=device), form)
        return np.zeros((0, net(x).shape[1]), np.float32)
    return np.concatenate(features)
