"""A backbone followed by the shared projection W: what IDR and W-CNN test."""

from __future__ import annotations

from torch import Tensor, nn


class Projected(nn.Module):
    """(N, 3, S, S) → (N, d) features W X of identity, X the backbone's (N, D).

    W starts as the identity (as far as d and D go), so that at first the feature is the backbone's own.
    """

    def __init__(self, backbone: nn.Module, dimensions: int, shared: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.shared = nn.Linear(dimensions, shared, bias=False)  # W (d, D)
        nn.init.eye_(self.shared.weight)

    def forward(self, x: Tensor) -> Tensor:
        features: Tensor = self.shared(self.backbone(x))
        return features
