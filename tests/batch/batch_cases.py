"""Data sets and plans for the tests of batch: small, and on disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from masksynth.batch import BatchConfig, Plan, make_plan
from masksynth.datasets import FaceDataset, Protocol, Sample
from masksynth.photos import write_photo
from masksynth.template import Template

SIDE = 32
SUBJECTS = 4


def make_template(name: str, kind: str, level: float) -> Template:
    rgba = np.zeros((256, 256, 4), np.float32)
    rgba[130:190, 70:186] = (level, level, level, 1)
    return Template(name, rgba, metadata={"kind": kind})


TEMPLATES = tuple(
    make_template(name, name.split("-")[0], 0.2 + 0.1 * i)
    for i, name in enumerate(("cloth-a", "cloth-b", "n95-a", "n95-b", "surgical-a"))
)


def make_dataset(root: Path, names: list[str], absent: tuple[str, ...] = ()) -> FaceDataset:
    """NIR and VIS photos of `names` for each subject; half of the subjects train in fold01, the others in fold02.

    Photos named in `absent` are listed and have no file.
    """
    samples: list[Sample] = []
    for subject in range(SUBJECTS):
        for spectrum in ("nir", "vis"):
            for index, name in enumerate(names):
                path = f"{spectrum}/p{subject}/{name}.png"
                sample_id = f"{spectrum}/p{subject}/{name}"
                if name in absent:
                    samples.append(Sample(sample_id, None, f"p{subject}", spectrum))
                    continue
                (root / path).parent.mkdir(parents=True, exist_ok=True)
                rng = np.random.default_rng([subject, len(spectrum), ord(spectrum[0]), index])
                write_photo(root / path, rng.integers(0, 256, (SIDE + 4, SIDE), np.uint8))
                samples.append(Sample(sample_id, path, f"p{subject}", spectrum))  # type: ignore[arg-type]
    protocols = []
    for fold, training in (("fold01", {"p0", "p1"}), ("fold02", {"p2", "p3"})):
        ids = {
            (spectrum, train): tuple(
                s.id for s in samples if s.spectrum == spectrum and (s.subject in training) == train
            )
            for spectrum in ("nir", "vis")
            for train in (True, False)
        }
        protocols.append(
            Protocol(fold, ids["nir", True], ids["vis", True], ids["nir", False], ids["vis", False], published=True)
        )
    return FaceDataset("small", root, tuple(samples), tuple(protocols))


def plan_of(root: Path, names: list[str], absent: tuple[str, ...] = (), **config: Any) -> Plan:
    return make_plan(
        make_dataset(root, names, absent), TEMPLATES, BatchConfig(**{"side": SIDE, "part_size": 5, **config})
    )
