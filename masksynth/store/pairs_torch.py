"""A masked data set as a torch Dataset: NIR faces, each with a VIS face of the same person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import Dataset

from masksynth.errors import StoreError
from masksynth.seeds import rng_for
from masksynth.store.reader import Store, open_store


@dataclass(frozen=True)
class Pair:
    """A NIR and a VIS face of one person, or a batch of them with B in front of each shape."""

    nir: torch.Tensor  # (1, side, side) uint8
    vis: torch.Tensor  # (3, side, side) uint8
    label: torch.Tensor  # () int64, 0 .. C - 1 among the persons that have both


class NirVisPairs(Dataset[Pair]):
    """The training pairs of a protocol.

    Item i is the i-th NIR training row with a VIS training row of the same person, drawn anew in each epoch from (seed,
    epoch, i) alone, so that workers and order change nothing. Persons who lack either are left out.

    May be handed to the worker processes of a DataLoader, forked or spawned; each opens the file for itself. Pass
    `collate_pairs` to the DataLoader: it is given whole batches, which are read together.

    Parameters
    ----------
    path : path of a file of the schema
    protocol : str
        Name of the protocol; see `Store.protocols`.
    kind : "image" or "clean"
        The masked NIR faces, or the same without masks.
    in_memory : bool
        Read all images now (a fold of CASIA NIR-VIS 2.0 at side 144: 0.3 GB), or each when it is asked for.

    Raises
    ------
    StoreError
        If the file or the protocol is not there, or no person has both NIR and VIS training rows.
    """

    def __init__(
        self,
        path: Path | str,
        protocol: str,
        *,
        kind: Literal["image", "clean"] = "image",
        in_memory: bool = False,
        seed: int = 0,
    ) -> None:
        self._store: Store = open_store(path)
        self._kind, self._seed = kind, seed
        rows = self._store.protocol(protocol)
        nir_subject = self._store.labels("nir", rows.nir_train)
        vis_subject = self._store.labels("vis", rows.vis_train)
        both = np.intersect1d(nir_subject, vis_subject)
        if not len(both):
            raise StoreError(f"{path}: in protocol '{protocol}' nobody has both NIR and VIS training rows.")
        self.subjects = tuple(self._store.subjects[int(subject)] for subject in both)
        self._nir_rows = rows.nir_train[np.isin(nir_subject, both)]
        self._labels = np.searchsorted(both, nir_subject[np.isin(nir_subject, both)])
        self._vis_rows = [rows.vis_train[vis_subject == subject] for subject in both]
        self._vis_counts = np.array([len(found) for found in self._vis_rows])
        self.set_epoch(0)
        self._memory: dict[str, npt.NDArray[np.uint8]] = {}
        if in_memory:
            self._vis_rows_kept = np.unique(np.concatenate(self._vis_rows))
            self._memory = {
                "nir": self._store.images("nir", self._nir_rows, kind),
                "vis": self._store.images("vis", self._vis_rows_kept),
            }

    def __len__(self) -> int:
        return len(self._nir_rows)

    def set_epoch(self, epoch: int) -> None:
        """Draw other VIS faces from now on; call it before the DataLoader is asked for the epoch."""
        self.epoch = epoch
        self._chance = rng_for(self._seed, "vis of pair", epoch).random(len(self))

    def __getitem__(self, index: int) -> Pair:
        batch = collate_pairs(self.__getitems__([index]))
        return Pair(batch.nir[0], batch.vis[0], batch.label[0])

    def __getitems__(self, indices: Sequence[int]) -> list[Pair]:
        """A batch, as a list with one Pair in it."""
        index = np.asarray(indices)
        labels = self._labels[index]
        choices = (self._chance[index] * self._vis_counts[labels]).astype(np.int64)
        vis_rows = np.array([self._vis_rows[label][k] for label, k in zip(labels, choices, strict=True)])
        if self._memory:
            nir = self._memory["nir"][index]
            vis = self._memory["vis"][np.searchsorted(self._vis_rows_kept, vis_rows)]
        else:
            nir = self._store.images("nir", self._nir_rows[index], self._kind)
            vis = self._store.images("vis", vis_rows)
        return [
            Pair(
                torch.from_numpy(nir).unsqueeze(1),
                torch.from_numpy(vis).permute(0, 3, 1, 2).contiguous(),
                torch.from_numpy(labels.astype(np.int64)),
            )
        ]


def collate_pairs(batches: list[Pair]) -> Pair:
    """The batch that `NirVisPairs` made; the ``collate_fn`` of its DataLoader."""
    (batch,) = batches
    return batch
