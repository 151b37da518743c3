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
            raise ConfigError(f"there is no loss {loss!r} over cosines; take softmax, am or arc")
        column = target[:, None]
        c = c.scatter(1, column, psi(c.gather(1, column), m))
    return s * c


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
