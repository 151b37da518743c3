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
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from masksynth.seeds import rng_for
from masksynth.train.config import HsstConfig
from masksynth.train.losses import logits
from masksynth.train.mobilefacenet import features_of_unit_length


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


class Hsst(nn.Module):
    """Both networks, both queues, and one iteration of training.

    Everything that an iteration changes, but for the optimizer, is in ``state_dict()``.

    Parameters
    ----------
    probe : nn.Module
        (N, 3, S, S) → (N, D). The gallery-net starts as its copy.
    config : HsstConfig
    """

    nir_queue: Tensor
    vis_queue: Tensor
    queued: Tensor
    index: Tensor
    phases: tuple[str, ...] = ("probe",)

    def __init__(self, probe: nn.Module, config: HsstConfig) -> None:
        super().__init__()
        self.config = config
        self.probe = probe
        self.gallery = copy.deepcopy(probe).requires_grad_(False)
        rng = rng_for(config.seed, "queues")
        for name in ("nir_queue", "vis_queue"):  # unit vectors in random directions, of no identity
            start = torch.from_numpy(rng.standard_normal((config.queue, config.dimensions), dtype="float32"))
            self.register_buffer(name, F.normalize(start))
        self.register_buffer("queued", torch.full((config.queue,), -1))  # identity of each column
        self.register_buffer("index", torch.tensor(0))  # where the next batch is written
        self.set_mode()

    def set_mode(self) -> None:
        """Probe in training mode; gallery without dropout but with the batch's own statistics; as `bn_mode` says."""
        self.train()
        self.gallery.eval()
        frozen = self.config.bn_mode == "frozen"
        for net in (self.probe, self.gallery):
            for layer in batch_norms(net):
                layer.train(not frozen)

    def trained(self, phase: str) -> Iterator[nn.Parameter]:
        """The parameters that a phase of the iteration trains."""
        return self.probe.parameters()

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
        collisions = torch.isin(batch.identity, self._others()).sum()
        nir_loss, nir_record = self._direction(p_nir, g_vis, self.vis_queue)
        vis_loss, vis_record = self._direction(p_vis, g_nir, self.nir_queue)
        self._enqueue(batch.identity, g_nir, g_vis)
        if c.direction == "both":
            loss = (nir_loss + vis_loss) / 2
        else:
            loss = nir_loss if rng_for(c.seed, "direction", batch.iteration).random() < 0.5 else vis_loss
        record: dict[str, Tensor | float] = {"loss_nir": nir_loss.detach(), "loss_vis": vis_loss.detach()}
        record |= {"bound_nir": nir_record.pop("bound"), "bound_vis": vis_record.pop("bound")}
        record |= {k: (nir_record[k] + vis_record[k]) / 2 for k in nir_record}
        record["collisions"] = collisions
        return loss, record

    @torch.no_grad()
    def after_step(self) -> None:
        """Move the gallery-net's parameters (not its buffers) towards the probe-net's: θ_g ← a θ_g + (1 - a) θ_p."""
        pairs = zip(self.gallery.parameters(), self.probe.parameters(), strict=True)
        gallery, probe = map(list, zip(*pairs, strict=True))
        torch._foreach_lerp_(gallery, probe, 1 - self.config.gallery_momentum)

    @torch.no_grad()
    def state_record(self) -> dict[str, float]:
        """|θ_p - θ_g| / |θ_p| over all parameters."""
        gap = norm = 0.0
        for g, p in zip(self.gallery.parameters(), self.probe.parameters(), strict=True):
            gap += float((p - g).square().sum())
            norm += float(p.square().sum())
        return {"gallery_distance": math.sqrt(gap / norm)}

    def _both(self, net: nn.Module, batch: PairTensors) -> tuple[Tensor, Tensor]:
        """Unit features of the NIR and of the VIS images: one pass over both, or one each ("separate")."""
        if self.config.bn_mode == "separate":
            return features_of_unit_length(net, batch.nir), features_of_unit_length(net, batch.vis)
        nir, vis = features_of_unit_length(net, torch.cat([batch.nir, batch.vis])).chunk(2)
        return nir, vis

    def _direction(self, p: Tensor, g: Tensor, queue: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Cross-entropy of the probes `p` against the prototypes: their own, `g`, and those of others, from `queue`."""
        c, b, k = self.config, len(p), int(self.index)
        if c.queue_mode == "overwrite":  # released: g takes its place in the queue first, Q - 1 negatives
            prototypes = queue.clone()
            prototypes[k : k + b] = g
            cosines = p @ prototypes.T  # (B, Q)
            target = torch.arange(k, k + b, device=p.device)
        else:  # paper, Eq. 2 to the letter: the positive and Q older negatives
            cosines = torch.cat([(p * g).sum(1, keepdim=True), p @ queue.clone().T], dim=1)  # (B, 1 + Q)
            target = torch.zeros(b, dtype=torch.long, device=p.device)
        loss = F.cross_entropy(logits(cosines, target, loss=c.loss, s=c.loss_scale, m=c.loss_margin), target)
        with torch.no_grad():
            positive = cosines.gather(1, target[:, None])
            negative = cosines.scatter(1, target[:, None], -2.0).amax(1)
            record = {
                "bound": math.log(cosines.shape[1]) - loss,
                "positive": positive.mean(),
                "hardest_negative": negative.mean(),
            }
        return loss, record

    @torch.no_grad()
    def _enqueue(self, identity: Tensor, g_nir: Tensor, g_vis: Tensor) -> None:
        k, b = int(self.index), len(identity)
        self.nir_queue[k : k + b] = g_nir
        self.vis_queue[k : k + b] = g_vis
        self.queued[k : k + b] = identity
        self.index.fill_((k + b) % len(self.queued))

    def _others(self) -> Tensor:
        """Identities in the columns that the batch is compared with; the ones it overwrites are not among them."""
        if self.config.queue_mode == "append":
            return self.queued
        k, b = int(self.index), self.config.batch
        return torch.cat([self.queued[:k], self.queued[k + b :]])


def batch_norms(net: nn.Module) -> Iterator[nn.Module]:
    """Every batch-norm layer of a network."""
    return (layer for layer in net.modules() if isinstance(layer, nn.modules.batchnorm._BatchNorm))
