"""The weights of IDR's and W-CNN's terms, which could not be had: tuned on persons held out of training and test.

    python benchmarks/loss_weights.py DIR [--form medium] [--lr 0.06] [--seeds 2] [--device cpu]

DIR is what `learning.py run DIR --form FORM` made or makes: the weights are tried on its training persons and judged by
masked rank-1 on its validation persons, who are neither trained nor tested on. One weight is changed at a time, the
others being the defaults. What is there is not done again. Prints a table; * marks the defaults.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from learning import trained
from learning_data import make_data
from learning_rows import FORMS, pretraining, rows_of

from masksynth.train.config import TrainConfig
from masksynth.train.pretrain import pretrain

GRID: dict[str, dict[str, tuple[float, ...]]] = {
    "IDR": {"orthogonality": (0.0, 0.02, 0.2, 2.0, 20.0)},
    "W-CNN": {
        "wasserstein": (0.0, 0.1, 1.0, 10.0, 100.0),
        "correlation": (0.0, 0.001, 0.01),
        "orthogonality": (0.0, 0.001, 0.1),
    },
}


def tried(rows: dict[str, TrainConfig]) -> Iterator[tuple[str, str, TrainConfig, bool]]:
    """Row, what is changed, settings, whether they are the defaults."""
    for name, weights in GRID.items():
        default = rows[name]
        words = ", ".join(f"{weight} {getattr(default, weight):g}" for weight in weights)
        yield name, words, default, True
        for weight, values in weights.items():
            for value in values:
                if value != getattr(default, weight):
                    yield name, f"{weight} {value:g}", dataclasses.replace(default, **{weight: value}), False


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--form", choices=list(FORMS), default="medium")
    parser.add_argument("--lr", type=float, default=0.06)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--device", default="auto")
    args = parser.parse_args()
    form, folder = FORMS[args.form], args.folder
    folder.mkdir(parents=True, exist_ok=True)
    make_data(folder, form)
    start = folder / "runs" / "pretrained"
    if not (start / "probe.safetensors").is_file():
        pretrain(folder / "pretrain.h5", pretraining(form), out=start, device=args.device, workers=1)
    print(
        "| row | weights | rank-1 of each seed | mean | VR@FAR=1 %, mean |\n| --- | --- | --- | --- | --- |", flush=True
    )
    for name, words, config, default in tried(rows_of(dataclasses.replace(form, rows=()))):
        runs = [
            trained(folder, name if default else f"{name} {words}", s, start, args.device)["validation"]
            for s in (dataclasses.replace(config, lr=args.lr, seed=seed) for seed in range(args.seeds))
        ]
        sound = [run for run in runs if run is not None]
        rank1 = [100 * run["rank1"] for run in sound]
        cells = ", ".join(f"{value:.1f}" for value in rank1) if len(sound) == len(runs) else "loss not finite"
        vr = 100 * np.mean([run["vr@0.01"] for run in sound]) if sound else np.nan
        mean = np.mean(rank1) if sound else np.nan
        print(f"| {name} | {words}{' *' if default else ''} | {cells} | {mean:.1f} | {vr:.1f} |", flush=True)


if __name__ == "__main__":
    main()
