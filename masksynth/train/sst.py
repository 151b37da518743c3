"""Semi-siamese training (SST), which HSST grew out of: one queue, pairs of any two images of an identity.

Du et al., "Semi-Siamese Training for Shallow Face Learning", ECCV 2020. A baseline that does not know spectra.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

from masksynth.seeds import rng_for
from masksynth.train.batches import PairTensors
from masksynth.train.config import SstConfig
from masksynth.train.hsst import distance, follow, prepare_networks
from masksynth.train.mobilefacenet import features_of_unit_length
from masksynth.train.processes import gathered
from masksynth.train.queues import first_prototypes, queue_loss


class Sst(nn.Module):
    """Both networks, the queue, and one iteration of training; see `Hsst`."""

    queue: Tensor
    queued: Tensor
    index: Tensor
    phases: tuple[str, ...] = ("probe",)

    def __init__(self, probe: nn.Module, config: SstConfig) -> None:
        super().__init__()
        self.config = config
        self.probe = probe
        self.gallery = copy.deepcopy(probe).requires_grad_(False)
        self.register_buffer("queue", first_prototypes(config, "any"))
        self.register_buffer("queued", torch.full((config.queue,), -1))
        self.register_buffer("index", torch.tensor(0))
        prepare_networks(self.probe, self.gallery, config.bn_mode)

    def trained(self, phase: str) -> list[dict[str, Any]]:
        return [{"params": list(self.probe.parameters()), "lr_scale": 1.0}]

    def loss(self, batch: PairTensors, phase: str) -> tuple[Tensor, dict[str, Tensor | float]]:
        """Either image as probe against the other's prototype; one of the two prototypes, by a coin, stays queued."""
        c, k = self.config, int(self.index)
        both = torch.cat([batch.nir, batch.vis])  # first and second images, whatever their spectrum
        p_1, p_2 = features_of_unit_length(self.probe, both, c.amp == "bf16").chunk(2)
        with torch.no_grad():
            g_1, g_2 = features_of_unit_length(self.gallery, both, c.amp == "bf16").chunk(2)
        first, g_1 = gathered(g_1)
        _, g_2 = gathered(g_2)
        _, identity = gathered(batch.identity)
        free = torch.cat([self.queued[:k], self.queued[k + c.batch :]]) if c.queue_mode == "overwrite" else self.queued
        collisions = torch.isin(identity, free).sum()
        one = queue_loss(p_1, g_2, self.queue, k, c, first=first)
        two = queue_loss(p_2, g_1, self.queue, k, c, first=first)
        kept = g_1 if rng_for(c.seed, "kept", batch.iteration).random() < 0.5 else g_2
        self.queue[k : k + len(kept)] = kept
        self.queued[k : k + len(kept)] = identity
        self.index.fill_((k + len(kept)) % len(self.queued))
        record: dict[str, Tensor | float] = {name: (one.record[name] + two.record[name]) / 2 for name in one.record}
        return (one.loss + two.loss) / 2, {**record, "collisions": collisions}

    def after_step(self) -> None:
        follow(self.gallery, self.probe, self.config.gallery_momentum)

    def state_record(self) -> dict[str, float]:
        return {"gallery_distance": distance(self.gallery, self.probe)}
