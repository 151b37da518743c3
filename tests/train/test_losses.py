"""Losses against known values, naive loops, and finite differences."""

from __future__ import annotations

import math

import pytest
import torch

from masksynth.errors import ConfigError
from masksynth.train.losses import (
    CosineClassifier,
    arc_psi,
    batch_triplet,
    logits,
    margin_loss,
    queue_triplet,
)


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


def naive_semi_hard(positive, negatives, m):
    band = [n for n in negatives if positive < n < positive + m]
    nearer = [n for n in negatives if n <= positive]
    if band:
        return positive - min(band) + m
    return positive - max(nearer) + m if nearer else 0.0


def test_queue_triplet_follows_the_obvious_code():
    cosines = torch.rand(20, 12, generator=torch.Generator().manual_seed(2)) * 2 - 1
    target = torch.arange(20) % 12
    loss, active = queue_triplet(cosines, target, m=0.2)
    d = (2 - 2 * cosines).tolist()
    hinges = [
        naive_semi_hard(row[y], [v for j, v in enumerate(row) if j != y], 0.2)
        for row, y in zip(d, target.tolist(), strict=True)
    ]
    assert float(loss) == pytest.approx(sum(hinges) / 20, rel=1e-5)
    assert float(active) == pytest.approx(sum(h > 0 for h in hinges) / 20)


@pytest.mark.parametrize("mining", ["semi-hard", "hard", "all"])
@pytest.mark.parametrize("cross", [False, True])
def test_batch_triplet_follows_the_obvious_code(mining, cross):
    x = torch.nn.functional.normalize(torch.randn(12, 5, generator=torch.Generator().manual_seed(0)))
    y, nir = torch.arange(12) // 4, torch.arange(12) % 2 == 0
    d = (2 - 2 * x @ x.T).tolist()

    def fits(i, j):
        return not cross or bool(nir[i] != nir[j])

    hinges = []
    for a in range(12):
        positives = [d[a][p] for p in range(12) if p != a and y[p] == y[a] and fits(a, p)]
        negatives = [d[a][n] for n in range(12) if y[n] != y[a] and fits(a, n)]
        if mining == "semi-hard":
            hinges += [naive_semi_hard(p, negatives, 0.5) for p in positives]
        elif mining == "hard":
            hinges.append(max(0.0, max(positives) - min(negatives) + 0.5))
        else:
            hinges += [max(0.0, p - n + 0.5) for p in positives for n in negatives]
    loss, active = batch_triplet(x, y, m=0.5, mining=mining, nir=nir if cross else None)
    assert float(loss) == pytest.approx(sum(hinges) / len(hinges), rel=1e-5)
    assert float(active) == pytest.approx(sum(h > 0 for h in hinges) / len(hinges))


def test_random_mining_takes_a_violating_negative():
    x = torch.nn.functional.normalize(torch.randn(12, 5, generator=torch.Generator().manual_seed(0)))
    y = torch.arange(12) // 4
    torch.manual_seed(0)
    drawn = [float(batch_triplet(x, y, m=0.5, mining="random")[0]) for _ in range(5)]
    assert len(set(drawn)) > 1
    assert all(value > 0 for value in drawn)


@pytest.mark.parametrize("mining", ["semi-hard", "hard", "random", "all"])
def test_batch_without_triplets_gives_zero_on_the_graph(mining):
    x = torch.eye(4, requires_grad=True)
    loss, active = batch_triplet(x, torch.arange(4), m=0.2, mining=mining)
    loss.backward()
    assert float(loss.detach()) == 0
    assert float(active) == 0
    assert (x.grad == 0).all()


def test_triplet_gradient_is_finite_where_no_negative_fits():
    cosines = torch.tensor([[0.9, -0.9, -0.9], [0.1, 0.2, 0.3]], requires_grad=True)
    loss, _ = queue_triplet(cosines, torch.tensor([0, 2]), m=0.2)
    loss.backward()
    assert torch.isfinite(cosines.grad).all()
    assert (cosines.grad[0] == 0).all()
