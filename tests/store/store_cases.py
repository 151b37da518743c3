"""Small stores for the tests of this room."""

from __future__ import annotations

import numpy as np

from masksynth.store import Header, Rows

SIDE = 16
HEADER = Header(dataset="casia", side=SIDE, reconstructor="facemesh", detector="blazeface", config={"b": 1, "a": [2]})


def make_rows(count: int, spectrum: str, *, masked: bool, seed: int = 0) -> Rows:
    rng = np.random.default_rng(seed)
    shape = (count, SIDE, SIDE) if spectrum == "nir" else (count, SIDE, SIDE, 3)
    clean = rng.integers(0, 256, shape, np.uint8)
    touched = (rng.random((count, SIDE, SIDE)) < 0.3).astype(np.uint8)
    alpha = touched * rng.integers(0, 256, touched.shape, np.uint8)
    changed = np.where((touched if clean.ndim == 3 else touched[..., None]) > 0, 255 - clean, clean).astype(np.uint8)
    return Rows(
        image=changed if masked else clean,
        subject=rng.integers(0, 3, count).astype(np.int32),
        source=tuple(f"s1/{spectrum.upper()}/фото {i}.jpg" for i in range(count)),
        image_id=np.arange(count, dtype=np.int32),
        landmarks=rng.random((count, 5, 2)).astype(np.float32),
        pose=rng.random((count, 3)).astype(np.float32),
        score=rng.random(count).astype(np.float32),
        mask=np.zeros(count, np.int32) if masked else np.full(count, -1, np.int32),
        clean=clean if masked else None,
        alpha=alpha if masked else None,
        touched=touched if masked else None,
    )
