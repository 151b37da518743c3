"""One HSST iteration against slow obvious code, and what must never happen."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from torch import nn

from masksynth.train.config import HsstConfig
from masksynth.train.hsst import Hsst, PairTensors
from masksynth.train.mobilefacenet import MobileFaceNet
from masksynth.train.queues import PrototypeQueues

B, Q, D = 3, 9, 8


class Linear(nn.Module):
    """A network small enough to follow by hand: the mean of each channel, through a matrix."""

    def __init__(self):
        super().__init__()
        self.matrix = nn.Linear(3, D)

    def forward(self, x):
        return self.matrix(x.mean((2, 3)))


def config(**more):
    return HsstConfig(**{"batch": B, "queue": Q, "dimensions": D, "iterations": 100, "scale": 5.0, **more})


def batches(count, seed=0):
    generator = torch.Generator().manual_seed(seed)
    for t in range(count):
        nir, vis = torch.randn(2, B, 3, 4, 4, generator=generator)
        yield PairTensors(t, torch.arange(t * B, t * B + B), nir, vis)


def naive_loss(probes, positives, queue, slot, c):
    """Row by row, column by column; queue is a list of (identity, feature)."""
    total = 0.0
    for i, p in enumerate(probes):
        columns = [f for _, f in queue]
        if c.queue_mode == "overwrite":
            columns[slot : slot + B] = positives
            true = slot + i
        else:
            columns = [positives[i], *columns]
            true = 0
        cosines = [float(p @ f) for f in columns]
        z = []
        for j, cosine in enumerate(cosines):
            psi = cosine
            if j == true and c.loss == "am":
                psi = cosine - c.loss_margin
            if j == true and c.loss == "arc":
                psi = math.cos(math.acos(cosine) + c.loss_margin)
            z.append(c.loss_scale * psi)
        total += math.log(sum(math.exp(v) for v in z)) - z[true]
    return total / len(probes)


@pytest.mark.parametrize("queue_mode", ["overwrite", "append"])
@pytest.mark.parametrize("loss", ["softmax", "am", "arc"])
def test_losses_queues_and_gallery_follow_the_obvious_code_past_a_wrap(loss, queue_mode):
    c = config(loss=loss, queue_mode=queue_mode, margin=None if loss == "softmax" else 0.2)
    torch.manual_seed(0)
    method = Hsst(Linear(), c)
    optimizer = torch.optim.SGD(method.probe.parameters(), lr=0.1)
    queues = {s: [(-1, f.clone()) for f in getattr(method, f"{s}_queue")] for s in ("nir", "vis")}
    gallery = copy.deepcopy(method.probe)
    slot = 0
    unit = nn.functional.normalize
    for batch in batches(5):
        with torch.no_grad():
            p_nir, p_vis = unit(method.probe(batch.nir)), unit(method.probe(batch.vis))
            g_nir, g_vis = unit(gallery(batch.nir)), unit(gallery(batch.vis))
        expected_nir = naive_loss(p_nir, list(g_vis), queues["vis"], slot, c)
        expected_vis = naive_loss(p_vis, list(g_nir), queues["nir"], slot, c)
        total, record = method.loss(batch, "probe")
        assert float(record["loss_nir"]) == pytest.approx(expected_nir, rel=1e-4)
        assert float(record["loss_vis"]) == pytest.approx(expected_vis, rel=1e-4)
        assert float(total.detach()) == pytest.approx((expected_nir + expected_vis) / 2, rel=1e-4)
        columns = Q if queue_mode == "overwrite" else Q + 1
        assert float(record["bound_nir"]) == pytest.approx(math.log(columns) - expected_nir, rel=1e-3, abs=1e-4)
        assert int(record["collisions"]) == 0
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        method.after_step()
        for i in range(B):
            queues["nir"][slot + i] = (int(batch.identity[i]), g_nir[i])
            queues["vis"][slot + i] = (int(batch.identity[i]), g_vis[i])
        slot = (slot + B) % Q
        a = c.gallery_momentum
        with torch.no_grad():
            for g, p in zip(gallery.parameters(), method.probe.parameters(), strict=True):
                g.copy_(a * g + (1 - a) * p)
        for s in ("nir", "vis"):
            torch.testing.assert_close(getattr(method, f"{s}_queue"), torch.stack([f for _, f in queues[s]]))
        assert method.queued.tolist() == [i for i, _ in queues["nir"]]
        assert int(method.index) == slot
        torch.testing.assert_close(method.gallery.state_dict(), gallery.state_dict())


def test_gradient_reaches_the_probe_net_alone():
    method = Hsst(Linear(), config())
    total, _ = method.loss(next(batches(1)), "probe")
    total.backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in method.probe.parameters())
    assert all(p.grad is None for p in method.gallery.parameters())
    assert not method.nir_queue.requires_grad


def test_queue_columns_have_unit_length_from_the_start():
    method = Hsst(Linear(), config())
    for queue in (method.nir_queue, method.vis_queue):
        torch.testing.assert_close(queue.norm(dim=1), torch.ones(Q))


def test_random_direction_is_one_of_the_two_and_either_comes():
    c = config(direction="random")
    method = Hsst(Linear(), c)
    seen = set()
    for batch in batches(20):
        total, record = method.loss(batch, "probe")
        which = [name for name in ("loss_nir", "loss_vis") if float(record[name]) == float(total.detach())]
        assert which
        seen.update(which)
    assert seen == {"loss_nir", "loss_vis"}


def test_identity_that_is_still_queued_is_counted_as_collision():
    method = Hsst(Linear(), config())
    first, second = batches(2)
    method.loss(first, "probe")
    _, record = method.loss(PairTensors(1, first.identity, second.nir, second.vis), "probe")
    assert int(record["collisions"]) == B


def test_bound_cannot_exceed_the_logarithm_of_the_columns():
    method = Hsst(Linear(), config(scale=100.0))
    batch = next(batches(1))
    _, record = method.loss(PairTensors(0, batch.identity, batch.nir, batch.nir), "probe")
    assert float(record["bound_nir"]) <= math.log(Q)


def net_and_batch(bn_mode):
    torch.manual_seed(0)
    method = Hsst(MobileFaceNet(32, D, 0.25), config(bn_mode=bn_mode))
    generator = torch.Generator().manual_seed(1)
    nir, vis = torch.randn(2, B, 3, 32, 32, generator=generator)
    return method, PairTensors(0, torch.arange(B), nir * 0.3 - 0.5, vis + 0.5)


def test_joint_batch_norm_sees_both_spectra_at_once():
    method, batch = net_and_batch("joint")
    method.loss(batch, "probe")
    first = method.probe.conv1.bn
    x = method.probe.conv1.conv(torch.cat([batch.nir, batch.vis]))
    torch.testing.assert_close(first.running_mean, 0.1 * x.mean((0, 2, 3)), rtol=1e-4, atol=1e-6)
    assert int(first.num_batches_tracked) == 1


def test_separate_batch_norm_sees_one_spectrum_after_the_other():
    method, batch = net_and_batch("separate")
    method.loss(batch, "probe")
    first = method.probe.conv1.bn
    nir, vis = (method.probe.conv1.conv(x).mean((0, 2, 3)) for x in (batch.nir, batch.vis))
    torch.testing.assert_close(first.running_mean, 0.9 * 0.1 * nir + 0.1 * vis, rtol=1e-4, atol=1e-6)
    assert int(first.num_batches_tracked) == 2


def test_frozen_batch_norm_keeps_its_statistics():
    method, batch = net_and_batch("frozen")
    before = copy.deepcopy(method.probe.conv1.bn.state_dict())
    method.loss(batch, "probe")
    assert all((method.probe.conv1.bn.state_dict()[k] == v).all() for k, v in before.items())


def test_gallery_uses_the_batch_and_no_dropout():
    net = nn.Sequential(nn.Conv2d(3, D, 1), nn.BatchNorm2d(D), nn.Dropout(0.5), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    method = Hsst(net, config())
    assert method.gallery[1].training
    assert not method.gallery[2].training
    assert method.probe[2].training


def test_gallery_follows_parameters_not_buffers():
    method, _ = net_and_batch("joint")
    with torch.no_grad():
        for p in method.probe.parameters():
            p.add_(1)
        method.probe.conv1.bn.running_mean.add_(5)
    before = {k: v.clone() for k, v in method.gallery.state_dict().items()}
    gap = method.state_record()["gallery_distance"]
    method.after_step()
    a = method.config.gallery_momentum
    torch.testing.assert_close(method.gallery.conv1.conv.weight, before["conv1.conv.weight"] + (1 - a))
    assert (method.gallery.conv1.bn.running_mean == before["conv1.bn.running_mean"]).all()
    assert method.state_record()["gallery_distance"] == pytest.approx(gap * a, rel=1e-4)


def test_head_alone_turns_features_of_any_length_into_logits_and_queues():
    """Prototypes that are orthonormal: every cosine is known."""
    c = HsstConfig(batch=2, queue=4, dimensions=8, loss="am", scale=10.0, margin=0.25)
    queues = PrototypeQueues(c)
    basis = torch.eye(8)
    queues.nir_queue.copy_(basis[:4])
    queues.vis_queue.copy_(basis[:4])
    p = (3 * basis[[4, 5]]).requires_grad_()
    for step, (identity, index) in enumerate([([7, 8], 2), ([9, 3], 0), ([5, 6], 2)]):  # past one wrap
        first = queues.compare(p, p, 2 * basis[[4, 5]], 5 * basis[[4, 6]], torch.tensor(identity))
        column = (2 * step) % 4
        assert first.nir.target.tolist() == [column, column + 1]
        expected = torch.zeros(2, 4)
        expected[0, column] = 10.0 - 2.5  # s (1 - m): its own prototype
        expected[1, column + 1] = -2.5  # the VIS prototype of the second is another direction
        if step:
            expected[0, (column + 2) % 4] = 10.0  # what the batch before left
        torch.testing.assert_close(first.nir.logits, expected)
        assert float(first.vis.logits.detach()[1, column + 1]) == pytest.approx(7.5)
        loss = torch.nn.functional.cross_entropy(first.nir.logits, first.nir.target)
        assert float(first.nir.loss.detach()) == pytest.approx(float(loss.detach()))
        assert float(first.loss.detach()) == pytest.approx(float((first.nir.loss + first.vis.loss).detach() / 2))
        torch.testing.assert_close(queues.vis_queue[column : column + 2], basis[[4, 6]])
        torch.testing.assert_close(queues.nir_queue[column : column + 2], basis[[4, 5]])
        assert int(queues.index) == index
        assert queues.queued[column : column + 2].tolist() == identity
        assert int(first.collisions) == 0
    assert sorted(queues.queued.tolist()) == [3, 5, 6, 9]
