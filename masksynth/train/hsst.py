"""Heterogeneous semi-siamese training (HSST).

Du, Shi, Liu, Zeng, Mei, "Towards NIR-VIS Masked Face Recognition", IEEE SPL 2021, section II-C; semi-siamese training
itself: Du et al., "Semi-Siamese Training for Shallow Face Learning", ECCV 2020.

A probe-net is trained; a gallery-net follows it as a moving average and makes the prototypes. One queue holds VIS
prototypes, which NIR probes are told apart by, the other NIR prototypes for VIS probes. The two share one write index,
so that a column belongs to the same identity in both.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from masksynth.seeds import rng_for
from masksynth.train.batches import PairTensors
from masksynth.train.config import HsstConfig
from masksynth.train.mobilefacenet import features
from masksynth.train.queues import PrototypeQueues


class Hsst(PrototypeQueues):
    """Both networks over both queues, and one iteration of training.

    Everything that an iteration changes, but for the optimizer, is in ``state_dict()``.

    Parameters
    ----------
    probe : nn.Module
        (N, 3, S, S) → (N, D). The gallery-net starts as its copy.
    config : HsstConfig
    """

    phases: tuple[str, ...] = ("probe",)

    def __init__(self, probe: nn.Module, config: HsstConfig) -> None:
        super().__init__(config)
        self.probe = probe
        self.gallery = copy.deepcopy(probe).requires_grad_(False)
        prepare_networks(self.probe, self.gallery, config.bn_mode)

    def trained(self, phase: str) -> list[dict[str, Any]]:
        """The parameters that a phase of the iteration trains, as groups of an optimizer."""
        return [{"params": list(self.probe.parameters()), "lr_scale": 1.0}]

    def loss(self, batch: PairTensors, phase: str) -> tuple[Tensor, dict[str, Tensor | float]]:
        """The loss of an iteration, and what to log; writes the batch's prototypes into the queues.

        Returns
        -------
        loss : () with gradient to the probe-net alone
        record : figures to log; `bound` is log(Q) - loss, a lower bound of the mutual information between a probe
            feature and its prototype in the other spectrum (paper, Eq. 3)
        """
        c = self.config
        p_nir, p_vis = self._both(self.probe, batch)  # p_N, p_V        (B, D) each
        with torch.no_grad():
            g_nir, g_vis = self._both(self.gallery, batch)  # g_N, g_V
        compared = self.compare(p_nir, p_vis, g_nir, g_vis, batch.identity)
        nir, vis = compared.nir, compared.vis
        if c.direction == "both":
            loss = compared.loss
        else:
            loss = nir.loss if rng_for(c.seed, "direction", batch.iteration).random() < 0.5 else vis.loss
        record: dict[str, Tensor | float] = {"loss_nir": nir.loss.detach(), "loss_vis": vis.loss.detach()}
        if "bound" in nir.record:
            record |= {"bound_nir": nir.record["bound"], "bound_vis": vis.record["bound"]}
        record |= {k: (nir.record[k] + vis.record[k]) / 2 for k in nir.record if k != "bound"}
        record["collisions"] = compared.collisions
        return loss, record

    def after_step(self) -> None:
        """Move the gallery-net towards the probe-net."""
        follow(self.gallery, self.probe, self.config.gallery_momentum)

    def state_record(self) -> dict[str, float]:
        """Figures of the networks, for the log."""
        return {"gallery_distance": distance(self.gallery, self.probe)}

    def _both(self, net: nn.Module, batch: PairTensors) -> tuple[Tensor, Tensor]:
        """Features of the NIR and of the VIS images: one pass over both, or one each ("separate")."""
        amp = self.config.amp == "bf16"
        if self.config.bn_mode == "separate":
            return features(net, batch.nir, amp), features(net, batch.vis, amp)
        nir, vis = features(net, torch.cat([batch.nir, batch.vis]), amp).chunk(2)
        return nir, vis


@torch.no_grad()
def follow(gallery: nn.Module, probe: nn.Module, momentum: float) -> None:
    """θ_g ← a θ_g + (1 - a) θ_p, parameters alone; the gallery-net's batch-norm statistics are its own."""
    torch._foreach_lerp_(list(gallery.parameters()), list(probe.parameters()), 1 - momentum)


@torch.no_grad()
def distance(gallery: nn.Module, probe: nn.Module) -> float:
    """|θ_p - θ_g| / |θ_p| over all parameters."""
    pairs = list(zip(gallery.parameters(), probe.parameters(), strict=True))
    gap = sum(float((p - g).square().sum()) for g, p in pairs)
    return math.sqrt(gap / sum(float(p.square().sum()) for _, p in pairs))


def prepare_networks(probe: nn.Module, gallery: nn.Module, bn_mode: str) -> None:
    """Probe in training mode; gallery without dropout but with the batch's own statistics; as `bn_mode` says."""
    probe.train()
    gallery.eval()
    for net in (probe, gallery):
        for layer in batch_norms(net):
            layer.train(bn_mode != "frozen")


def batch_norms(net: nn.Module) -> Iterator[nn.Module]:
    """Every batch-norm layer of a network."""
    return (layer for layer in net.modules() if isinstance(layer, nn.modules.batchnorm._BatchNorm))
