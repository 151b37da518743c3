"""Whether two files hold the same."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

from masksynth.store.reader import open_store

BLOCK = 256  # rows compared together


def unlike_datasets(one: Path | str, other: Path | str) -> tuple[str, ...]:
    """Names of the datasets that are not the same in two masked data sets: in one alone, or of other type or values.

    Values are compared byte for byte, however either file is packed; the attributes ``created`` and ``command`` are
    outside the promise of equal files.

    Raises
    ------
    StoreError
        If either is not a masked data set.
    """
    with open_store(one) as a, open_store(other) as b:
        found, wanted = _datasets(a.file), _datasets(b.file)
        both = found.keys() & wanted.keys()
        unlike = found.keys() ^ wanted.keys() | {name for name in both if not _equal(found[name], wanted[name])}
    return tuple(sorted(unlike))


def _datasets(file: h5py.File) -> dict[str, h5py.Dataset]:
    found: dict[str, h5py.Dataset] = {}
    file.visititems(lambda name, item: found.update({name: item}) if isinstance(item, h5py.Dataset) else None)
    return found


def _equal(a: h5py.Dataset, b: h5py.Dataset) -> bool:
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    blocks = (np.s_[start : start + BLOCK] for start in range(0, len(a), BLOCK))
    if a.dtype == object:
        return all(a[block].tolist() == b[block].tolist() for block in blocks)
    return all(a[block].tobytes() == b[block].tobytes() for block in blocks)
