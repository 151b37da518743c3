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
import torch.nn.functional as F
from torch import Tensor, nn

from masksynth.seeds import rng_for
from masksynth.train.batches import PairTensors
from masksynth.train.config import HsstConfig
from masksynth.train.losses import logits, queue_triplet
from masksynth.train.mobilefacenet import features_of_unit_length


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
        self.register_buffer("nir_queue", first_prototypes(config, "nir"))
        self.register_buffer("vis_queue", first_prototypes(config, "vis"))
        self.register_buffer("queued", torch.full((config.queue,), -1))  # identity of each column
        self.register_buffer("index", torch.tensor(0))  # where the next batch is written
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
        collisions = torch.isin(batch.identity, self._others()).sum()
        nir_loss, nir_record = queue_loss(p_nir, g_vis, self.vis_queue, int(self.index), c)
        vis_loss, vis_record = queue_loss(p_vis, g_nir, self.nir_queue, int(self.index), c)
        self._enqueue(batch.identity, g_nir, g_vis)
        if c.direction == "both":
            loss = (nir_loss + vis_loss) / 2
        else:
            loss = nir_loss if rng_for(c.seed, "direction", batch.iteration).random() < 0.5 else vis_loss
        record: dict[str, Tensor | float] = {"loss_nir": nir_loss.detach(), "loss_vis": vis_loss.detach()}
        if "bound" in nir_record:
            record |= {"bound_nir": nir_record.pop("bound"), "bound_vis": vis_record.pop("bound")}
        record |= {k: (nir_record[k] + vis_record[k]) / 2 for k in nir_record}
        record["collisions"] = collisions
        return loss, record

    def after_step(self) -> None:
        """Move the gallery-net towards the probe-net."""
        follow(self.gallery, self.probe, self.config.gallery_momentum)

    def state_record(self) -> dict[str, float]:
        """Figures of the networks, for the log."""
        return {"gallery_distance": distance(self.gallery, self.probe)}

    def _both(self, net: nn.Module, batch: PairTensors) -> tuple[Tensor, Tensor]:
        """Unit features of the NIR and of the VIS images: one pass over both, or one each ("separate")."""
        amp = self.config.amp == "bf16"
        if self.config.bn_mode == "separate":
            return features_of_unit_length(net, batch.nir, amp), features_of_unit_length(net, batch.vis, amp)
        nir, vis = features_of_unit_length(net, torch.cat([batch.nir, batch.vis]), amp).chunk(2)
        return nir, vis

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


def queue_loss(p: Tensor, g: Tensor, queue: Tensor, index: int, config: HsstConfig) -> tuple[Tensor, dict[str, Tensor]]:
    """The loss of probes against prototypes: each one's own, and those of others.

    Parameters
    ----------
    p, g : (B, D)
        Unit features of the probes, and of their own prototypes, without gradient.
    queue : (Q, D)
        Unit prototypes; columns index .. index + B - 1 are those that `g` will replace.

    Returns
    -------
    loss : ()
    record : positive and hardest negative cosine; `bound`, log of the number of prototypes less the loss, or for the
        triplet loss `active`, the share of anchors with a hinge
    """
    b = len(p)
    if config.queue_mode == "overwrite":  # released: g takes its place in the queue first, Q - 1 negatives
        prototypes = queue.clone()
        prototypes[index : index + b] = g
        cosines = p @ prototypes.T  # (B, Q)
        target = torch.arange(index, index + b, device=p.device)
    else:  # paper, Eq. 2 to the letter: the positive and Q older negatives
        cosines = torch.cat([(p * g).sum(1, keepdim=True), p @ queue.clone().T], dim=1)  # (B, 1 + Q)
        target = torch.zeros(b, dtype=torch.long, device=p.device)
    record = {}
    if config.loss == "triplet":
        loss, record["active"] = queue_triplet(cosines, target, m=config.loss_margin)
    else:
        z = logits(cosines, target, loss=config.loss, s=config.loss_scale, m=config.loss_margin)
        loss = F.cross_entropy(z, target)
        record["bound"] = math.log(cosines.shape[1]) - loss.detach()
    with torch.no_grad():
        record["positive"] = cosines.gather(1, target[:, None]).mean()
        record["hardest_negative"] = cosines.scatter(1, target[:, None], -2.0).amax(1).mean()
    return loss, record


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


def first_prototypes(config: HsstConfig, name: str) -> Tensor:
    """(Q, D) unit vectors in random directions, of no identity."""
    rng = rng_for(config.seed, "queues", name)
    start = torch.from_numpy(rng.standard_normal((config.queue, config.dimensions), dtype="float32"))
    return F.normalize(start)


def batch_norms(net: nn.Module) -> Iterator[nn.Module]:
    """Every batch-norm layer of a network."""
    return (layer for layer in net.modules() if isinstance(layer, nn.modules.batchnorm._BatchNorm))
