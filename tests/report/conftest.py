"""A masked data set of drawn faces, small but with everything that a page shows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from masksynth.store import Header, MaskEntry, ProtocolRows, Rows, Skipped, write_store

SIDE = 72
FIVE = np.array([[0.36, 0.42], [0.64, 0.42], [0.5, 0.58], [0.4, 0.72], [0.6, 0.72]], np.float32) * SIDE


def drawn_faces(count: int, rng: np.random.Generator, ratio: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(masked, clean, alpha), each (N, SIDE, SIDE) uint8; the mask is `ratio` times as bright as the skin."""
    y, x = (np.mgrid[:SIDE, :SIDE] + 0.5) / SIDE
    face = ((x - 0.5) / 0.36) ** 2 + ((y - 0.52) / 0.45) ** 2 < 1
    skin = rng.uniform(80, 120, (count, 1, 1))
    clean = np.where(face, skin, 20.0) * np.ones((count, 1, 1))
    alpha = np.broadcast_to(np.where(face & (y > 0.58), 255, 0), clean.shape)
    masked = np.where(alpha > 0, skin * ratio, clean)
    return masked.astype(np.uint8), clean.astype(np.uint8), alpha.astype(np.uint8)


def rows_of(count: int, spectrum: str, people: int, masks: int, *, seed: int = 0, ratio: float = 1.5) -> Rows:
    rng = np.random.default_rng(seed)
    masked, clean, alpha = drawn_faces(count, rng, ratio)
    wears = spectrum == "nir"
    return Rows(
        image=masked if wears else np.repeat(clean[..., None], 3, axis=3),
        clean=clean if wears else None,
        alpha=alpha if wears else None,
        touched=(alpha > 0).astype(np.uint8) if wears else None,
        subject=(np.arange(count) % people).astype(np.int32),
        source=tuple(f"s1/{spectrum.upper()}/{k:05d}/<i>{k}.bmp" for k in range(count)),
        image_id=np.arange(count, dtype=np.int32),
        landmarks=np.tile(FIVE, (count, 1, 1)).astype(np.float32),
        pose=rng.normal(0, 15, (count, 3)).astype(np.float32),
        score=rng.uniform(0.5, 1, count).astype(np.float32),
        mask=(np.arange(count) % masks if wears else np.full(count, -1)).astype(np.int32),
    )


@pytest.fixture
def make_rows() -> Callable[..., Rows]:
    return rows_of


@pytest.fixture
def make_store(tmp_path: Path) -> Callable[..., Path]:
    """Writes a masked data set; arguments replace its parts."""

    def make(name: str = "masked.h5", *, header: dict | None = None, **changes: object) -> Path:
        none = np.zeros(0, np.int32)
        protocol = ProtocolRows(
            "fold01",
            {part: np.arange(4, dtype=np.int32) for part in ("nir_train", "vis_train", "nir_probe", "vis_gallery")},
            {"nir_train": 4, "vis_train": 4, "nir_probe": 5, "vis_gallery": 4},
            {"nir_train": none, "vis_train": none, "nir_probe": np.zeros(1, np.int32), "vis_gallery": none},
            published=False,
        )
        arguments: dict[str, object] = {
            "subjects": [f"1000{k}" for k in range(6)],
            "nir": rows_of(20, "nir", 6, 2),
            "vis": rows_of(8, "vis", 6, 2),
            "masks": [MaskEntry("surgical", {"use": "train", "kind": "surgical"}, "ab" * 32), MaskEntry("b&b", {}, "")],
            "protocols": [protocol],
            "skipped": [
                Skipped("s1/NIR/a.bmp", "no face found (best score 0.21, needs 0.50)", "10001", "nir"),
                Skipped("s1/NIR/b.bmp", "no face found (best score 0.33, needs 0.50)", "10001", "nir"),
                Skipped("../outside.png", "is damaged or cut short (<b>)", "10002", "vis"),
            ],
            **changes,
        }
        fields = {"dataset": "casia", "side": SIDE, "reconstructor": "facemesh", "detector": "blazeface"}
        path = tmp_path / name
        write_store(path, Header(**{**fields, **(header or {})}), **arguments)  # type: ignore[arg-type]
        return path

    return make
