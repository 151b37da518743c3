"""Plain fine-tuning: one network on NIR and VIS images alike, by a classifier over the identities or by triplets."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from masksynth.train.batches import ImageTensors
from masksynth.train.config import PlainConfig
from masksynth.train.losses import CosineClassifier, batch_triplet, margin_loss
from masksynth.train.mobilefacenet import features
from masksynth.train.processes import gathered, gathered_with_gradient


class Plain(nn.Module):
    """The network, its classifier (none for triplets), and one iteration of training."""

    phases: tuple[str, ...] = ("all",)

    def __init__(self, probe: nn.Module, config: PlainConfig, identities: int) -> None:
        super().__init__()
        self.config = config
        self.probe = probe
        self.head = None if config.loss == "triplet" else CosineClassifier(config.dimensions, identities)
        self.train()

    def trained(self, phase: str) -> list[dict[str, Any]]:
        groups: list[dict[str, Any]] = [{"params": list(self.probe.parameters()), "lr_scale": 1.0}]
        if self.head is not None:
            groups.append({"params": list(self.head.parameters()), "lr_scale": self.config.head_lr})
        return groups

    def loss(self, batch: ImageTensors, phase: str) -> tuple[Tensor, dict[str, Tensor | float]]:
        """The loss of a batch, and what to log."""
        c, y = self.config, batch.identity
        z = features(self.probe, batch.pixels, c.amp == "bf16")  # (B, D)
        x = F.normalize(z)
        if self.head is None:  # a triplet may lie across processes
            x, (_, y), (_, is_nir) = gathered_with_gradient(x), gathered(y), gathered(batch.is_nir)
            loss, active = batch_triplet(x, y, m=c.loss_margin, mining=c.mining, nir=is_nir if c.cross_modal else None)
            return loss, {"active": active}
        cosines = self.head(x)  # (B, C)
        loss = margin_loss(cosines, y, loss=c.loss, s=c.loss_scale, m=c.loss_margin)
        with torch.no_grad():
            positive = cosines.gather(1, y[:, None])
            negative = cosines.scatter(1, y[:, None], -2.0).amax(1)
            right = (positive[:, 0] > negative).float().mean()
        return loss, {"positive": positive.mean(), "hardest_negative": negative.mean(), "right": right}

    def after_step(self) -> None:
        """Nothing follows."""

    def state_record(self) -> dict[str, float]:
        return {}
