"""Losses against known values, naive loops, and finite differences."""

from __future__ import annotations

import math

import pytest
import torch

from masksynth.errors import ConfigError
from masksynth.train.losses import CosineClassifier, arc_psi, logits, margin_loss


def naive(cosines, target, loss, s, m):
    total = 0.0
    for row, y in zip(cosines.tolist(), target.tolist(), strict=True):
        c = row[y]
        psi = {"softmax": c, "am": c - m, "arc": math.cos(math.acos(c) + m)}[loss]
        if loss == "arc" and math.acos(c) + m > math.pi:
            psi = c - m * math.sin(m)
        top = math.exp(s * psi)
        total -= math.log(top / (top + sum(math.exp(s * v) for j, v in enumerate(row) if j != y)))
    return total / len(cosines)


@pytest.mark.parametrize("loss", ["softmax", "am", "arc"])
@pytest.mark.parametrize("m", [0.0, 0.35, 0.5])
def test_loss_is_the_equation(loss, m):
    generator = torch.Generator().manual_seed(0)
    cosines = torch.rand(6, 9, generator=generator) * 2 - 1
    target = torch.tensor([0, 3, 8, 2, 2, 5])
    assert float(margin_loss(cosines, target, loss=loss, s=8.0, m=m)) == pytest.approx(
        naive(cosines, target, loss, 8.0, m), rel=1e-5
    )


@pytest.mark.parametrize("loss", ["am", "arc"])
def test_margin_of_zero_is_cosine_softmax(loss):
    cosines = torch.linspace(-0.9, 0.9, 12).reshape(3, 4)
    target = torch.tensor([0, 1, 2])
    a, b = (margin_loss(cosines, target, loss=name, s=30.0, m=0.0) for name in (loss, "softmax"))
    assert float(a) == pytest.approx(float(b), rel=1e-5)


def test_orthonormal_prototypes_give_the_closed_form():
    c, s, m = 5, 4.0, 0.5
    cosines = torch.eye(c)
    assert float(margin_loss(cosines, torch.arange(c), loss="arc", s=s, m=m)) == pytest.approx(
        math.log(1 + (c - 1) * math.exp(-s * math.cos(m))), rel=1e-3
    )


@pytest.mark.parametrize("loss", ["softmax", "am", "arc"])
def test_gradient_is_that_of_finite_differences(loss):
    cosines = (torch.rand(4, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64) * 1.8 - 0.9).float()
    target = torch.tensor([0, 5, 2, 2])
    x = cosines.clone().requires_grad_()
    margin_loss(x, target, loss=loss, s=2.0, m=0.35).backward()
    for i in range(4):
        for j in range(6):
            step = torch.zeros_like(cosines)
            step[i, j] = 1e-2
            up, down = (margin_loss(cosines + e * step, target, loss=loss, s=2.0, m=0.35) for e in (1, -1))
            assert float(x.grad[i, j]) == pytest.approx(float((up - down).detach()) / 2e-2, abs=2e-3)


@pytest.mark.parametrize("c", [1.0, -1.0, 1.0 - 1e-7])
def test_arc_gradient_is_finite_at_the_poles(c):
    x = torch.tensor([[c, 0.0]], requires_grad=True)
    margin_loss(x, torch.tensor([0]), loss="arc", s=64.0, m=0.5).backward()
    assert torch.isfinite(x.grad).all()


def test_arc_logit_never_rises_with_the_angle():
    theta = torch.linspace(0, math.pi, 10_001, dtype=torch.float64)
    psi = arc_psi(theta.cos(), 0.5)
    assert (psi.diff() <= 1e-9).all()


def test_margin_touches_the_target_alone():
    cosines = torch.linspace(-0.5, 0.5, 8).reshape(2, 4)
    out = logits(cosines, torch.tensor([1, 3]), loss="am", s=10.0, m=0.2)
    expected = 10 * cosines.clone()
    expected[0, 1] -= 2
    expected[1, 3] -= 2
    torch.testing.assert_close(out, expected)


def test_logits_are_float32_under_half_precision():
    assert (
        logits(torch.zeros(1, 2, dtype=torch.bfloat16), torch.tensor([0]), loss="arc", s=1, m=0.1).dtype
        == torch.float32
    )


def test_unknown_loss_is_named():
    with pytest.raises(ConfigError, match="no loss 'hinge'"):
        logits(torch.zeros(1, 2), torch.tensor([0]), loss="hinge", s=1, m=0)


def test_classifier_gives_cosines_whatever_the_lengths():
    head = CosineClassifier(8, 3)
    x = torch.randn(5, 8)
    torch.testing.assert_close(head(x), head(x * 7), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(head(head.weight * 3).diagonal(), torch.ones(3))
