"""What a form of learning.py costs, from the time that a few iterations of every row and a few images take."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from learning_data import PROBE_MASKS, TRAIN_MASKS, nir_crops, vis_crops
from learning_rows import SIDE, Form, rows_of

from masksynth.train.config import TrainConfig
from masksynth.train.fold import Fold, make_fold
from masksynth.train.methods import METHODS
from masksynth.train.networks import NetworkInfo, build

REPEATS = 3


def cost(form: Form) -> dict[str, float]:
    """Processor seconds on this machine of the parts of a form, without testing, and its number of runs.

    A learning rate of the grid is one run of each row, and every seed but the first one more.
    """
    vis_crops(range(1), 1), nir_crops(range(1), 1, TRAIN_MASKS)  # compiles
    vis = busy(lambda: vis_crops(range(2), 3)) / 6
    nir = busy(lambda: nir_crops(range(2), 3, TRAIN_MASKS)) / 6
    probe = busy(lambda: nir_crops(range(2), 3, PROBE_MASKS, TRAIN_MASKS)) / 6
    people = form.train_people + form.validation_people
    data = vis * (form.pretrain_people * form.pretrain_vis + form.train_people * form.vis + form.validation_people)
    data += 2 * vis * form.test_people + nir * people * form.nir + probe * form.test_people * form.probes
    rng, labels = np.random.default_rng(0), np.arange(form.train_people)
    noise = rng.integers(0, 256, (form.train_people, SIDE, SIDE, 3), dtype=np.uint8)
    fold = make_fold(noise[..., 0], labels, noise, labels)
    rows = rows_of(form)
    once = {name: iteration(config, fold) for name, config in rows.items()}
    runs = len(form.lrs) + form.seeds - 1
    pretraining = form.epochs * form.pretrain_people * form.pretrain_vis * once["softmax"] / form.batch
    training = runs * form.iterations * sum(once.values())
    return {"data": data, "pretraining": pretraining, "training": training, "runs": runs * len(rows)}


def iteration(config: TrainConfig, fold: Fold) -> float:
    """Processor seconds of one iteration."""
    shared = getattr(config, "shared", 0)
    info = NetworkInfo(arch="mobilefacenet", side=SIDE, width=config.width, dimensions=config.dimensions, shared=shared)
    made: Any = METHODS[config.method](config, build(info), fold, info.input, torch.device("cpu"))
    optimizers = {phase: torch.optim.SGD(made.method.trained(phase), lr=1e-3) for phase in made.method.phases}

    def step() -> None:
        batch = next(made.batches)
        for phase, optimizer in optimizers.items():
            loss, _ = made.method.loss(batch, phase)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        made.method.after_step()

    step()
    return float(np.median([busy(step) for _ in range(REPEATS)]))


def busy(work: Callable[[], Any]) -> float:
    before = time.process_time()
    work()
    return time.process_time() - before
