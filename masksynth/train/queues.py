"""The two prototype queues of HSST and the loss over them: from features alone, whatever networks made them.

Du, Shi, Liu, Zeng, Mei, "Towards NIR-VIS Masked Face Recognition", IEEE SPL 2021, Eq. 1 and 2.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from masksynth.seeds import rng_for
from masksynth.train.config import HsstConfig
from masksynth.train.losses import logits, queue_triplet
from masksynth.train.processes import gathered


@dataclass(frozen=True)
class Comparison:
    """Probes against the prototypes of one queue."""

    loss: Tensor  # ()
    logits: Tensor  # (B, Q) or (B, 1 + Q), with scale and margin; for the triplet loss the cosines
    target: Tensor  # (B,) column of each probe's own prototype
    record: dict[str, Tensor]  # positive, hardest_negative; bound or, for the triplet loss, active


@dataclass(frozen=True)
class Compared:
    """NIR probes against VIS prototypes, VIS probes against NIR prototypes."""

    nir: Comparison
    vis: Comparison
    collisions: Tensor  # () identities of the batch that were queued already; the sampler sees to it that it is 0

    @property
    def loss(self) -> Tensor:
        """The mean of both directions."""
        return (self.nir.loss + self.vis.loss) / 2


class PrototypeQueues(nn.Module):
    """Both queues, the identities of their columns, and where the next batch is written.

    All of it is in ``state_dict()``; nothing is learnable.

    Parameters
    ----------
    config : HsstConfig
        `queue` columns of `dimensions`; `loss`, `scale`, `margin`, `queue_mode`. The queues start as unit vectors in
        random directions, drawn from `seed`.
    """

    nir_queue: Tensor  # (Q, D), rows of unit length: row j is the paper's column j
    vis_queue: Tensor
    queued: Tensor  # (Q,) identities, -1 where none is yet
    index: Tensor  # ()

    def __init__(self, config: HsstConfig) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("nir_queue", first_prototypes(config, "nir"))
        self.register_buffer("vis_queue", first_prototypes(config, "vis"))
        self.register_buffer("queued", torch.full((config.queue,), -1))
        self.register_buffer("index", torch.tensor(0))

    def compare(self, p_nir: Tensor, p_vis: Tensor, g_nir: Tensor, g_vis: Tensor, identity: Tensor) -> Compared:
        """The losses of a batch; then its prototypes take their places in the queues.

        Where several processes train together, each gives its own share; all prototypes are gathered, so that every
        process holds the same queues.

        Parameters
        ----------
        p_nir, p_vis : (B, D)
            Features of the probe-net, of any length. Gradient reaches these alone.
        g_nir, g_vis : (B, D)
            Features of the gallery-net: the prototypes.
        identity : (B,) int64
            Row i is one identity in all four.
        """
        p_nir, p_vis = F.normalize(p_nir.float()), F.normalize(p_vis.float())
        first, g_nir = gathered(F.normalize(g_nir.detach().float()))
        _, g_vis = gathered(F.normalize(g_vis.detach().float()))
        _, identity = gathered(identity)
        k, b = int(self.index), len(identity)
        free = self.queued if self.config.queue_mode == "append" else torch.cat([self.queued[:k], self.queued[k + b :]])
        compared = Compared(
            nir=queue_loss(p_nir, g_vis, self.vis_queue, k, self.config, first=first),
            vis=queue_loss(p_vis, g_nir, self.nir_queue, k, self.config, first=first),
            collisions=torch.isin(identity, free).sum(),
        )
        with torch.no_grad():
            self.nir_queue[k : k + b] = g_nir
            self.vis_queue[k : k + b] = g_vis
            self.queued[k : k + b] = identity
            self.index.fill_((k + b) % len(self.queued))
        return compared


def queue_loss(p: Tensor, g: Tensor, queue: Tensor, index: int, config: HsstConfig, *, first: int = 0) -> Comparison:
    """The loss of probes against prototypes: each one's own, and those of others.

    Parameters
    ----------
    p : (B, D)
        Unit features of the probes.
    g : (N, D)
        Unit features of the batch's prototypes, without gradient; `p` belongs to those from `first` on. N is B but
        where several processes share a batch.
    queue : (Q, D)
        Unit prototypes; columns index .. index + N - 1 are those that `g` will replace.
    """
    b = len(p)
    if config.queue_mode == "overwrite":  # released: g takes its place in the queue first, Q - 1 negatives
        prototypes = queue.clone()
        prototypes[index : index + len(g)] = g
        cosines = p @ prototypes.T  # (B, Q)
        target = torch.arange(index + first, index + first + b, device=p.device)
    else:  # paper, Eq. 2 to the letter: the positive and Q older negatives
        own = (p * g[first : first + b]).sum(1, keepdim=True)
        cosines = torch.cat([own, p @ queue.clone().T], dim=1)  # (B, 1 + Q)
        target = torch.zeros(b, dtype=torch.long, device=p.device)
    record = {}
    if config.loss == "triplet":
        z = cosines
        loss, record["active"] = queue_triplet(cosines, target, m=config.loss_margin)
    else:
        z = logits(cosines, target, loss=config.loss, s=config.loss_scale, m=config.loss_margin)
        loss = F.cross_entropy(z, target)
        record["bound"] = math.log(cosines.shape[1]) - loss.detach()
    with torch.no_grad():
        record["positive"] = cosines.gather(1, target[:, None]).mean()
        record["hardest_negative"] = cosines.scatter(1, target[:, None], -2.0).amax(1).mean()
    return Comparison(loss, z, target, record)


def first_prototypes(config: HsstConfig, name: str) -> Tensor:
    """(Q, D) unit vectors in random directions, of no identity."""
    rng = rng_for(config.seed, "queues", name)
    start = torch.from_numpy(rng.standard_normal((config.queue, config.dimensions), dtype="float32"))
    return F.normalize(start)
