"""What the benchmark of learning.py trains: how much of everything, and the rows of its table."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from masksynth.train.config import HsstConfig, IdrConfig, PlainConfig, PretrainConfig, TrainConfig, WcnnConfig

SIDE = 64  # of the crops, pixels


@dataclass(frozen=True, kw_only=True)
class Form:
    """How much of everything. Persons of different uses are different persons."""

    pretrain_people: int
    pretrain_vis: int  # VIS photos of each
    train_people: int
    vis: int
    nir: int
    validation_people: int  # 1 VIS photo, `nir` NIR photos with training masks
    test_people: int  # 1 VIS photo in the gallery, 1 VIS probe
    probes: int  # NIR photos of each
    width: float  # of MobileFaceNet; features have 512 times as many dimensions
    epochs: int  # of pretraining
    iterations: int
    batch: int
    queue: int
    lrs: tuple[float, ...]  # the one grid for every row
    seeds: int
    further: int = 2  # steps beyond the grid's edge, where the best is there
    rows: tuple[str, ...] = ()  # all where empty


MOST = (  # say most; trained before the others
    "softmax, trained without masks",
    "softmax",
    "HSST (softmax)",
    "HSST (softmax), batch-norm as released",
    "softmax, as many images as HSST",
)
MORE = ("AM-softmax", "HSST (AM-softmax)", "triplet", "HSST (triplet)")
EARLY = 3  # seeds of MOST that come before all else

FORMS = {
    "reduced": Form(
        pretrain_people=100, pretrain_vis=4, train_people=100, vis=3, nir=4, validation_people=20, test_people=80,
        probes=3, width=0.125, epochs=60, iterations=600, batch=32, queue=64, lrs=(0.06,), seeds=2, rows=MOST[:4],
    ),
    "medium": Form(
        pretrain_people=300, pretrain_vis=4, train_people=128, vis=3, nir=6, validation_people=32, test_people=200,
        probes=3, width=0.125, epochs=60, iterations=600, batch=32, queue=64, lrs=(0.02, 0.06, 0.2), seeds=5,
    ),
    "full": Form(
        pretrain_people=800, pretrain_vis=10, train_people=225, vis=6, nir=10, validation_people=50, test_people=250,
        probes=6, width=0.5, epochs=12, iterations=1000, batch=64, queue=128, lrs=(0.005, 0.02, 0.08), seeds=5,
    ),
}  # fmt: skip


def pretraining(form: Form) -> PretrainConfig:
    return PretrainConfig(
        side=SIDE, width=form.width, dimensions=dimensions(form), epochs=form.epochs, batch=32, lr=0.1, loss="softmax",
        head_lr=10.0,
    )  # fmt: skip


def dimensions(form: Form) -> int:
    return round(512 * form.width)


def rows_of(form: Form) -> dict[str, TrainConfig]:
    """Row → settings, but for learning rate and seed."""
    base: dict[str, Any] = {
        "width": form.width, "dimensions": dimensions(form), "iterations": form.iterations, "batch": form.batch
    }  # fmt: skip
    queue = {"queue": form.queue}
    twice = {**base, "batch": 2 * form.batch}
    rows: dict[str, TrainConfig] = {
        "softmax, trained without masks": PlainConfig(nir="clean", **base),
        "softmax": PlainConfig(**base),
        "softmax, as many images as HSST": PlainConfig(**twice),
        "AM-softmax": PlainConfig(loss="am", **base),
        "Arc-softmax": PlainConfig(loss="arc", **base),
        "triplet": PlainConfig(loss="triplet", **base),
        "IDR": IdrConfig(shared=dimensions(form), **base),
        "W-CNN": WcnnConfig(shared=dimensions(form), **base),
        "HSST (softmax)": HsstConfig(**base, **queue),
        "HSST (AM-softmax)": HsstConfig(loss="am", **base, **queue),
        "HSST (Arc-softmax)": HsstConfig(loss="arc", **base, **queue),
        "HSST (triplet)": HsstConfig(loss="triplet", **base, **queue),
        "HSST (softmax), batch-norm as released": HsstConfig(bn_mode="separate", **base, **queue),
    }
    return {name: rows[name] for name in form.rows or rows}


def plan(form: Form) -> Iterator[tuple[str, int]]:
    """Rows and seeds in the order of training, such that the table of what is there says much at any time.

    The first EARLY seeds of the rows that say most; then seed by seed what all other rows lack, then all rows together.
    """
    names = list(rows_of(form))
    most = [name for name in MOST if name in names]
    others = sorted((name for name in names if name not in MOST), key=lambda name: name not in MORE)
    early = min(EARLY, form.seeds)
    for seeds, rows in ((range(early), most), (range(early), others), (range(early, form.seeds), [*most, *others])):
        for seed in seeds:
            for row in rows:
                yield row, seed
