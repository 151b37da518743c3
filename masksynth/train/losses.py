"""Losses over cosines, in two forms.

*Class form*: the prototypes are learnable rows of a classifier, one per identity of the training fold. *Queue form*
(HSST): they are the columns of a prototype queue, without gradient. Either way a row of cosines goes through `logits`,
which puts the margin on the true prototype alone, and through cross-entropy:

    L = -log( e^{s ψ(c_y)} / (e^{s ψ(c_y)} + Σ_{j≠y} e^{s c_j}) ),   c_j = cos θ_j
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from masksynth.errors import ConfigError


def am_psi(c: Tensor, m: float) -> Tensor:
    """ψ(c) = c - m. Wang et al., "Additive Margin Softmax for Face Verification", 2018, Eq. 5."""
    return c - m


def arc_psi(c: Tensor, m: float) -> Tensor:
    """ψ(c) = cos(arccos c + m) where θ + m <= π, else c - m sin m, so that ψ never rises as θ grows.

    Deng et al., "ArcFace", CVPR 2019, Eq. 3. The sine is kept off 0, where its gradient is infinite.
    """
    sin = (1 - c * c).clamp(min=1e-7).sqrt()  # sin θ
    turned = c * math.cos(m) - sin * math.sin(m)  # cos(θ + m)
    return torch.where(c > math.cos(math.pi - m), turned, c - m * math.sin(m))


def logits(cosines: Tensor, target: Tensor, *, loss: str, s: float, m: float) -> Tensor:
    """s ψ(c_j) at the target, s c_j elsewhere, in float32.

    cosines (N, C), target (N,) column of the true prototype; loss "softmax", "am" or "arc"; s scale; m margin.
    """
    c = cosines.float()
    if loss != "softmax":
        psi = {"am": am_psi, "arc": arc_psi}.get(loss)
        if psi is None:
            raise ConfigError(f"there is no loss {loss!r} over cosines alone; take softmax, am or arc")
        column = target[:, None]
        c = c.scatter(1, column, psi(c.gather(1, column), m))
    return s * c


def semi_hard(positive: Tensor, negative: Tensor, m: float) -> tuple[Tensor, Tensor]:
    """One hinge per anchor-positive pair, [d_ap - d_an + m]_+, with the negative that semi-hard mining takes.

    That is the nearest in the band d_ap < d_an < d_ap + m; where it is empty, the farthest of those that are nearer
    than the positive; where there is none either, the hinge is 0. Schroff et al., "FaceNet", CVPR 2015, section 3.2.

    positive (R,) and negative (R, N) squared distances, inf where a column is no negative of its row.
    Returns the hinges (R,) and which of them are above 0 (R,).
    """
    p = positive[:, None]
    band = torch.where((negative > p) & (negative < p + m), negative, torch.inf).amin(1)
    nearer = torch.where(negative <= p, negative, -torch.inf).amax(1)
    chosen = torch.where(band.isfinite(), band, nearer)
    active = chosen.isfinite()
    hinge = torch.where(active, positive - torch.where(active, chosen, 0) + m, 0 * positive)
    return hinge, active


def squared_distance(cosines: Tensor) -> Tensor:
    """|u - v|² = 2 - 2 cos θ of unit vectors."""
    return 2 - 2 * cosines.float()


def queue_triplet(cosines: Tensor, target: Tensor, *, m: float) -> tuple[Tensor, Tensor]:
    """Triplet loss in queue form: the anchor against its own prototype and the nearest fitting other one.

    cosines (B, Q), target (B,). The paper trains "HSST (triplet)" without saying how; this is its Eq. 2 with a hinge in
    place of the logarithm. Returns the mean hinge and the share of active anchors.
    """
    d = squared_distance(cosines)
    column = target[:, None]
    hinge, active = semi_hard(d.gather(1, column)[:, 0], d.scatter(1, column, torch.inf), m)
    return hinge.mean(), active.float().mean()


def batch_triplet(
    x: Tensor, y: Tensor, *, m: float, mining: str = "semi-hard", nir: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Triplet loss over all anchor-positive pairs of a batch. Schroff et al., "FaceNet", CVPR 2015, Eq. 3.

    x (N, D) unit features, y (N,) identities. mining "semi-hard", "hard" (nearest negative, farthest positive),
    "random" (a violating negative), "all". With `nir` (N,) bool, positive and negative are of the other spectrum than
    the anchor.
    Returns the mean hinge, 0 and attached to the graph where no triplet is left, and the share of active ones.
    """
    d = squared_distance(x @ x.T)
    same = y[:, None] == y[None, :]
    pairs = same & ~torch.eye(len(y), dtype=torch.bool, device=y.device)
    others = ~same
    if nir is not None:
        pairs, others = pairs & (nir[:, None] != nir[None, :]), others & (nir[:, None] != nir[None, :])
    negatives = torch.where(others, d, torch.inf)
    if mining == "hard":
        farthest = torch.where(pairs, d, -torch.inf).amax(1)
        hinge = (farthest - negatives.amin(1) + m)[pairs.any(1) & others.any(1)]
        active = hinge > 0
        hinge = hinge.clamp(min=0)
    else:
        anchor, positive = pairs.nonzero(as_tuple=True)
        d_ap, d_an = d[anchor, positive], negatives[anchor]
        if mining == "semi-hard":
            hinge, active = semi_hard(d_ap, d_an, m)
        else:
            every = (d_ap[:, None] - d_an + m).clamp(min=0)  # 0 where d_an is inf
            active = every > 0
            if mining == "all":
                hinge, active = every[d_an.isfinite()], active[d_an.isfinite()]
            elif mining == "random":
                drawn = torch.rand_like(every).masked_fill(~active, -1).argmax(1, keepdim=True)
                hinge, active = every.gather(1, drawn)[:, 0], active.any(1)
            else:
                raise ConfigError(f"there is no mining {mining!r}; take semi-hard, hard, random or all")
    if not len(hinge):
        return 0 * x.sum(), x.new_zeros(())
    return hinge.mean(), active.float().mean()


class CosineClassifier(nn.Module):
    """Class form: cosines with one learnable prototype per identity."""

    def __init__(self, dimensions: int, identities: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(identities, dimensions) * 0.01)  # W, direction alone matters

    def forward(self, x: Tensor) -> Tensor:
        """x (N, D) features → (N, C) cos θ_j."""
        return F.normalize(x.float()) @ F.normalize(self.weight).T


def margin_loss(cosines: Tensor, target: Tensor, *, loss: str, s: float, m: float) -> Tensor:
    """Mean cross-entropy of `logits`; see the module's equation."""
    return F.cross_entropy(logits(cosines, target, loss=loss, s=s, m=m), target)
