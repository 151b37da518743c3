"""Batches of NIR-VIS pairs whose identities are never in the prototype queue."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from masksynth.errors import ConfigError, TrainingError, counted
from masksynth.seeds import rng_for

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class PairBatch:
    """One NIR and one VIS image of each of B different identities."""

    identity: Rows  # (B,)
    nir: Rows  # (B,) rows of the NIR images
    vis: Rows  # (B,) rows of the VIS images


class PairSampler:
    """An endless stream of `PairBatch`.

    It remembers the last `queue` identities it gave out, which are exactly those whose prototypes the queues hold when
    the next batch is trained on, and draws the next batch from the others. So the trainer need not tell it anything,
    and batches may be prepared ahead.

    Parameters
    ----------
    nir_identity, vis_identity : (N,) and (M,) integers
        Identity of each image, 0 .. C-1; each identity has at least one image of either kind.
    batch, queue : int
        C >= batch + queue is needed.
    seed : int
        Batch number t is a function of (seed, t, the identities remembered).
    """

    def __init__(
        self, nir_identity: npt.ArrayLike, vis_identity: npt.ArrayLike, *, batch: int, queue: int, seed: int
    ) -> None:
        self._nir, self._vis = _rows_by_identity(nir_identity), _rows_by_identity(vis_identity)
        if len(self._nir) != len(self._vis) or not all(map(len, self._nir)) or not all(map(len, self._vis)):
            raise TrainingError("every identity to train on needs a NIR and a VIS image.")
        self.identities = len(self._nir)
        if self.identities < batch + queue:
            raise TrainingError(
                f"{counted(self.identities, 'identity is', 'identities are')} too few for a batch of {batch} and a "
                f"queue of {queue}: {batch + queue} are needed. Take a smaller queue or batch."
            )
        if queue % batch:
            raise ConfigError(f"queue must be a multiple of batch ({batch}), got {queue}")
        self._one_of = [(np.concatenate(rows), np.array([len(r) for r in rows])) for rows in (self._nir, self._vis)]
        self._batch, self._seed = batch, seed
        self._recent: deque[int] = deque(maxlen=queue)
        self._drawn = 0

    def __iter__(self) -> PairSampler:
        return self

    def __next__(self) -> PairBatch:
        rng = rng_for(self._seed, "pairs", self._drawn)
        free = np.ones(self.identities, bool)
        free[list(self._recent)] = False
        chosen = rng.choice(np.flatnonzero(free), self._batch, replace=False)
        nir, vis = (_one_each(rng, rows, chosen) for rows in self._one_of)
        self._recent.extend(chosen.tolist())
        self._drawn += 1
        return PairBatch(chosen, nir, vis)

    def state(self) -> dict[str, Any]:
        """What is needed to go on from here; plain integers."""
        return {"drawn": self._drawn, "recent": list(self._recent)}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on where `state` was taken."""
        self._drawn = int(state["drawn"])
        self._recent.clear()
        self._recent.extend(int(i) for i in state["recent"])


class UnionSampler:
    """An endless stream of batches of any images, each image once per epoch.

    Parameters
    ----------
    images : int
        NIR and VIS images together.
    """

    def __init__(self, images: int, *, batch: int, seed: int) -> None:
        self._images, self._batch, self._seed = images, min(batch, images), seed
        self._drawn = 0
        self._orders: dict[int, Rows] = {}  # of the epochs that a batch lies in

    def __next__(self) -> Rows:
        """(B,) numbers of images; a batch may reach over the end of an epoch."""
        places = np.arange(self._drawn * self._batch, (self._drawn + 1) * self._batch)
        wanted = np.unique(places // self._images).tolist()
        self._orders = {
            e: self._orders[e] if e in self._orders else rng_for(self._seed, "epoch", e).permutation(self._images)
            for e in wanted
        }
        self._drawn += 1
        return np.concatenate([self._orders[e][places[places // self._images == e] % self._images] for e in wanted])

    def state(self) -> dict[str, Any]:
        return {"drawn": self._drawn}

    def restore(self, state: dict[str, Any]) -> None:
        self._drawn = int(state["drawn"])


class GroupSampler:
    """An endless stream of P identities with as many NIR as VIS images each, drawn with as few repeats as can be."""

    def __init__(
        self, nir_identity: npt.ArrayLike, vis_identity: npt.ArrayLike, *, groups: int, each: int, seed: int
    ) -> None:
        self._nir, self._vis = _rows_by_identity(nir_identity), _rows_by_identity(vis_identity)
        self._groups, self._each, self._seed = min(groups, len(self._nir)), each, seed
        if self._groups < 2:
            raise TrainingError("at least 2 identities are needed to train on.")
        self._drawn = 0

    def __next__(self) -> PairBatch:
        """`PairBatch` of P · each rows of either kind."""
        rng = rng_for(self._seed, "groups", self._drawn)
        chosen = rng.choice(len(self._nir), self._groups, replace=False)
        nir, vis = (
            np.concatenate([rng.choice(rows[c], self._each, replace=len(rows[c]) < self._each) for c in chosen])
            for rows in (self._nir, self._vis)
        )
        self._drawn += 1
        return PairBatch(chosen.repeat(self._each), nir, vis)

    def state(self) -> dict[str, Any]:
        return {"drawn": self._drawn}

    def restore(self, state: dict[str, Any]) -> None:
        self._drawn = int(state["drawn"])


def _one_each(rng: np.random.Generator, rows: tuple[Rows, Rows], chosen: Rows) -> Rows:
    """One row of each chosen identity; `rows` are all rows in the order of the identities, and how many each has."""
    order, counts = rows
    starts = np.cumsum(counts) - counts
    return order[starts[chosen] + rng.integers(0, counts[chosen])]


def _rows_by_identity(identity: npt.ArrayLike) -> list[Rows]:
    identity = np.asarray(identity, np.int64)
    if identity.size == 0:
        return []
    order = np.argsort(identity, kind="stable")
    return np.split(order, np.searchsorted(identity[order], np.arange(1, identity.max() + 1)))
