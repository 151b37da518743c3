"""Batches: different identities, none that is still queued, the same whether or not the run was interrupted."""

from __future__ import annotations

from collections import Counter, deque

import numpy as np
import pytest

from masksynth.errors import ConfigError, TrainingError
from masksynth.train.sampler import PairSampler


def sampler(identities=40, batch=8, queue=16, seed=0, nir_each=3, vis_each=2):
    return PairSampler(
        np.arange(identities).repeat(nir_each),
        np.tile(np.arange(identities), vis_each),
        batch=batch,
        queue=queue,
        seed=seed,
    )


@pytest.mark.parametrize(("identities", "batch", "queue"), [(40, 8, 16), (24, 8, 16), (9, 2, 6), (357, 64, 128)])
def test_no_identity_is_in_batch_and_queue_at_once(identities, batch, queue):
    s = sampler(identities, batch, queue)
    queued: deque[int] = deque(maxlen=queue)
    for _ in range(200):
        b = next(s)
        assert len(set(b.identity.tolist())) == batch
        assert not set(b.identity.tolist()) & set(queued)
        queued.extend(b.identity.tolist())


def test_rows_show_the_identity_they_are_drawn_for():
    nir, vis = np.arange(40).repeat(3), np.tile(np.arange(40), 2)
    for _, b in zip(range(50), sampler(), strict=False):
        assert (nir[b.nir] == b.identity).all()
        assert (vis[b.vis] == b.identity).all()


def test_every_identity_and_image_has_its_turn():
    s, ids, rows = sampler(), Counter(), Counter()
    for _ in range(1000):
        b = next(s)
        ids.update(b.identity.tolist())
        rows.update(b.nir.tolist())
    assert min(ids.values()) > 0.85 * 1000 * 8 / 40
    assert max(ids.values()) < 1.15 * 1000 * 8 / 40
    assert len(rows) == 120


def test_stream_goes_on_from_its_state():
    a = sampler()
    for _ in range(7):
        next(a)
    state = a.state()
    b = sampler()
    b.restore(state)
    for _ in range(5):
        x, y = next(a), next(b)
        assert (x.identity == y.identity).all()
        assert (x.nir == y.nir).all()
        assert (x.vis == y.vis).all()


def test_seeds_give_different_batches():
    assert (next(sampler(seed=0)).identity != next(sampler(seed=1)).identity).any()


def test_too_few_identities_are_refused_in_one_sentence():
    with pytest.raises(
        TrainingError, match="23 identities are too few for a batch of 8 and a queue of 16: 24 are needed"
    ):
        sampler(23)
    with pytest.raises(ConfigError, match="multiple of batch"):
        sampler(40, 8, 12)


def test_identity_without_vis_image_is_refused():
    with pytest.raises(TrainingError, match="needs a NIR and a VIS image"):
        PairSampler([0, 1, 2, 3], [0, 1, 3, 3], batch=2, queue=2, seed=0)
