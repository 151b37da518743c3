"""IDR and W-CNN: identity and spectrum in two orthogonal subspaces of the feature.

He, Wu, Sun, Tan, "Learning Invariant Deep Representation for NIR-VIS Face Recognition", AAAI 2017 (IDR), and
"Wasserstein CNN: Learning Invariant Features for NIR-VIS Face Recognition", TPAMI 2019 (W-CNN).

X_i = Conv(I_i; Θ) for i in {N, V}, Θ shared; f_i = [W X_i; P_i X_i]; a classifier F on f_i. W holds what both spectra
share and is what a test uses, P_N and P_V hold the rest, with P_i^T W = 0 as a penalty. What the papers' abstracts do
not say is ours: the weights of the terms, and that W starts as the identity on a backbone of our own.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from masksynth.train.batches import ImageTensors
from masksynth.train.config import IdrConfig, WcnnConfig
from masksynth.train.losses import CosineClassifier
from masksynth.train.processes import gathered, gathered_with_gradient
from masksynth.train.projected import Projected


def orthogonality(w: Tensor, p: Tensor) -> Tensor:
    """|P^T W|²_F = <P P^T, W W^T>, of (d, D) matrices."""
    return ((p @ p.T) * (w @ w.T)).sum()


def overlap(w: Tensor, p: Tensor) -> Tensor:
    """|P^T W|_F / (|P|_F |W|_F): 0 where the two share nothing."""
    return orthogonality(w, p).clamp(min=0).sqrt() / (p.norm() * w.norm()).clamp(min=1e-12)


def wasserstein(nir: Tensor, vis: Tensor) -> Tensor:
    """½ (|m_N - m_V|² + |σ_N - σ_V|²), (N, d) each: half the squared 2-Wasserstein distance of diagonal Gaussians."""

    def moments(x: Tensor) -> tuple[Tensor, Tensor]:
        return x.mean(0), (x.var(0, unbiased=False) + 1e-5).sqrt()

    (m_nir, s_nir), (m_vis, s_vis) = moments(nir), moments(vis)
    return 0.5 * ((m_nir - m_vis).square().sum() + (s_nir - s_vis).square().sum())


class Disentangled(nn.Module):
    """The network, P_N and P_V, the classifiers, and one iteration in two phases: first Θ, then W, P and F.

    IDR has one classifier F and no term but the classification and the orthogonality; W-CNN has F_N and F_V, pulls the
    shared features of the two spectra together, and keeps [F_N; F_V] of low rank.
    """

    phases: tuple[str, ...] = ("backbone", "head")
    probe: Projected

    def __init__(self, probe: Projected, config: IdrConfig, identities: int) -> None:
        super().__init__()
        self.config = config
        self.probe = probe
        d, dimensions = probe.shared.weight.shape
        bound = dimensions**-0.5
        self.p_nir, self.p_vis = (
            nn.Parameter(torch.rand(d, dimensions) * 2 * bound - bound) for _ in range(2)
        )  # P_N, P_V
        self.nir_head = CosineClassifier(2 * d, identities)
        self.vis_head = CosineClassifier(2 * d, identities) if isinstance(config, WcnnConfig) else self.nir_head
        self.train()

    def trained(self, phase: str) -> list[dict[str, Any]]:
        backbone = list(self.probe.backbone.parameters())
        if phase == "backbone":
            return [{"params": backbone, "lr_scale": 1.0}]
        heads = list({id(p): p for head in (self.nir_head, self.vis_head) for p in head.parameters()}.values())
        # W is the pretrained feature at first, and the penalty is quartic in W and P: ten times the rate breaks both.
        projections = [self.probe.shared.weight, self.p_nir, self.p_vis]
        return [{"params": projections, "lr_scale": 1.0}, {"params": heads, "lr_scale": self.config.head_lr}]

    def loss(self, batch: ImageTensors, phase: str) -> tuple[Tensor, dict[str, Tensor | float]]:
        """The loss of a phase; the head's phase embeds the batch anew, with the backbone as it is by then."""
        c, w = self.config, self.probe.shared.weight
        with (
            torch.set_grad_enabled(phase == "backbone"),
            torch.autocast(batch.pixels.device.type, torch.bfloat16, enabled=c.amp == "bf16"),
        ):
            x = self.probe.backbone(batch.pixels)  # X (B, D)
        x = gathered_with_gradient(x.float())  # the moments of W-CNN are those of the whole batch
        (_, nir), (_, identity) = gathered(batch.is_nir), gathered(batch.identity)
        shared = x @ w.T  # W X (B, d)
        parts = []
        classified = x.new_zeros(())
        for mask, p, head in ((nir, self.p_nir, self.nir_head), (~nir, self.p_vis, self.vis_head)):
            f = torch.cat([shared[mask], x[mask] @ p.T], dim=1)  # f_i (B_i, 2d)
            classified = classified + F.cross_entropy(c.scale * head(f), identity[mask])
            parts.append(shared[mask])
        loss = classified
        record: dict[str, Tensor | float] = {f"classified_{phase}": classified.detach()}
        if isinstance(c, WcnnConfig):
            distance = wasserstein(F.normalize(parts[0]), F.normalize(parts[1]))
            loss = loss + c.wasserstein * distance
            record["wasserstein"] = distance.detach()
        if phase == "head":
            penalty = orthogonality(w, self.p_nir) + orthogonality(w, self.p_vis)
            loss = loss + c.orthogonality * penalty
            record["overlap"] = (overlap(w, self.p_nir) + overlap(w, self.p_vis)).detach() / 2
            if isinstance(c, WcnnConfig):
                rank = torch.linalg.matrix_norm(torch.cat([self.nir_head.weight, self.vis_head.weight]), "nuc")
                loss = loss + c.correlation * rank
        return loss, record

    def after_step(self) -> None:
        """Nothing follows."""

    def state_record(self) -> dict[str, float]:
        return {"norm_w": float(self.probe.shared.weight.detach().norm()), "norm_p": float(self.p_nir.detach().norm())}
