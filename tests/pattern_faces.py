"""Small coloured patterns that stand for faces, in arrays, as a training fold, and as a masked data set on disk.

An identity is a coarse grid of colours; its NIR images are another view of the same grid, without colour.
"""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest

from masksynth.store import Header, MaskEntry, ProtocolRows, Rows, Skipped, write_store
from masksynth.train.fold import Fold, make_fold
from masksynth.train.loop import fit


def pattern_images(identities: int = 12, side: int = 32, each: int = 3, seed: int = 0):
    """NIR (N, S, S), VIS (N, S, S, 3) and the identity (N,) of both."""
    rng = np.random.default_rng(seed)
    coarse = rng.uniform(40, 215, (identities, 4, 4, 3))
    fine = coarse.repeat(side // 4, 1).repeat(side // 4, 2)
    labels = np.arange(identities).repeat(each)
    vis = fine[labels] + rng.normal(0, 12, (len(labels), side, side, 3))
    nir = fine[labels].mean(-1) * 0.8 + 30 + rng.normal(0, 12, (len(labels), side, side))
    return nir.clip(0, 255).astype(np.uint8), vis.clip(0, 255).astype(np.uint8), labels


def pattern_fold(identities: int = 12, side: int = 32, each: int = 3, seed: int = 0) -> Fold:
    nir, vis, labels = pattern_images(identities, side, each, seed)
    return make_fold(nir, labels, vis, labels, tuple(f"s{i:02d}" for i in range(identities)))


def interrupted(run, method, batches, config, info, after=None):
    """Fit, or stop after some iterations as a notice of the system would; the run and the method."""
    asked = iter(range(1, 10**9))
    stop = (lambda: next(asked) == after) if after else (lambda: False)
    with pytest.raises(KeyboardInterrupt) if after else nullcontext():
        fit(method, batches, config, run, info, stop=stop)
    return run, method


def write_pattern_store(
    path: Path, *, train: int = 12, test: int = 6, side: int = 32, each: int = 3, lost: int = 0, plan: str = "p1"
) -> Path:
    """Protocols fold01 and fold02, whose last `lost` probes have no row; masks cover the lower part."""
    nir, vis, labels = pattern_images(train + test, side, each)
    masked = nir.copy()
    masked[:, side * 5 // 8 :] = 200
    names = tuple(f"s{i:02d}" for i in range(train + test))

    def rows(images, spectrum, **more):
        n = len(images)
        return Rows(
            image=images,
            subject=labels.astype(np.int32),
            source=tuple(f"{spectrum}/{i:04d}.png" for i in range(n)),
            image_id=np.arange(n, dtype=np.int32),
            landmarks=np.zeros((n, 5, 2), np.float32),
            pose=np.zeros((n, 3), np.float32),
            score=np.ones(n, np.float32),
            mask=np.full(n, 0 if spectrum == "nir" else -1, np.int32),
            **more,
        )

    in_train, in_test = np.flatnonzero(labels < train), np.flatnonzero(labels >= train)
    gallery = in_test[::each]
    skipped = tuple(Skipped(f"nir/lost{i}.png", "no face found", names[-1], "nir") for i in range(lost))
    protocols = [
        ProtocolRows(
            name=name,
            rows={
                "nir_train": in_train.astype(np.int32),
                "vis_train": in_train.astype(np.int32),
                "nir_probe": in_test.astype(np.int32),
                "vis_gallery": gallery.astype(np.int32),
            },
            expected={
                "nir_train": len(in_train),
                "vis_train": len(in_train),
                "nir_probe": len(in_test) + lost,
                "vis_gallery": len(gallery),
            },
            missing={
                "nir_train": np.zeros(0, np.int32),
                "vis_train": np.zeros(0, np.int32),
                "nir_probe": np.arange(lost, dtype=np.int32),
                "vis_gallery": np.zeros(0, np.int32),
            },
            published=False,
        )
        for name in ("fold01", "fold02")
    ]
    write_store(
        path,
        Header(dataset="patterns", side=side, reconstructor="none", detector="none", plan_sha256=plan),
        subjects=names,
        nir=rows(
            masked,
            "nir",
            clean=nir,
            alpha=np.where(masked != nir, 255, 0).astype(np.uint8),
            touched=(masked != nir).astype(np.uint8),
        ),
        vis=rows(vis, "vis"),
        masks=[MaskEntry("lower-half", {"use": "any"}, "0" * 64)],
        protocols=protocols,
        skipped=skipped,
    )
    return path
