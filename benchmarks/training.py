"""Training and evaluation in figures.

    python benchmarks/training.py steps [--device cpu] [--side 144] [--backbone mobilefacenet] [--batch 16]
    python benchmarks/training.py sampler
    python benchmarks/training.py evaluation

steps: iterations and images per second of HSST and plain training, beside the bare passes of the same networks on
random input (HSST: two forwards of 2 B images, one without gradient, and one backward; plain: both ways of B). The
share is of processor time on the CPU, so that other work on the machine does not count, and of wall time on a GPU.
sampler: identities that were in batch and queue at once, and time per batch, beside lists rebuilt every three
iterations, as the authors' released loop does on 357 identities.
evaluation: rank-1 and VR@FAR of 6,208 x 358 and 960 x 960 scores.
"""

from __future__ import annotations

import argparse
import time
import tracemalloc
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from masksynth.evaluate import metrics
from masksynth.train.augment import InputFormat
from masksynth.train.config import HsstConfig, PlainConfig
from masksynth.train.fold import make_fold
from masksynth.train.methods import METHODS
from masksynth.train.networks import NetworkInfo, build
from masksynth.train.sampler import PairSampler

REPEATS = 5


def steps(args: argparse.Namespace) -> None:
    device = torch.device(args.device)
    identities = 3 * args.batch
    rng = np.random.default_rng(0)
    labels = np.arange(identities)
    shape = (identities, args.side, args.side)
    fold = make_fold(
        rng.integers(0, 256, shape, dtype=np.uint8), labels, rng.integers(0, 256, (*shape, 3), dtype=np.uint8), labels
    )
    info = NetworkInfo(arch=args.backbone, side=args.side)
    shared: dict[str, Any] = {"backbone": args.backbone, "batch": args.batch}
    for config in (HsstConfig(queue=2 * args.batch, **shared), PlainConfig(**shared)):
        made = METHODS[config.method](config, build(info), fold, InputFormat(side=args.side), device)
        groups = [g for phase in made.method.phases for g in made.method.trained(phase)]
        optimizer = torch.optim.SGD(groups, lr=1e-3, momentum=0.9, weight_decay=5e-4)

        def step(made: Any = made, optimizer: Any = optimizer) -> None:
            loss, _ = made.method.loss(next(made.batches), made.method.phases[0])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            made.method.after_step()

        images = 2 * args.batch if config.method == "hsst" else args.batch
        x = torch.randn(images, 3, args.side, args.side, device=device).contiguous(memory_format=torch.channels_last)

        def bare(method: Any = made.method, x: torch.Tensor = x, hsst: bool = config.method == "hsst") -> None:
            if hsst:
                with torch.no_grad():
                    method.gallery(x)
            method.probe.zero_grad()
            method.probe(x).sum().backward()

        (wall, busy), (bare_wall, bare_busy) = timed(step, device), timed(bare, device)
        share = bare_busy / busy if device.type == "cpu" else bare_wall / wall
        print(
            f"{config.method:6s} {args.backbone} {args.side} px, batch {args.batch}, {device}: {1 / wall:.2f} steps/s, "
            f"{images / wall:.0f} images/s; bare passes {1 / bare_wall:.2f}/s, share {100 * share:.0f} %",
            flush=True,
        )


def timed(work: Callable[[], None], device: torch.device) -> tuple[float, float]:
    """Least wall and processor seconds of one call, after one to warm up."""
    walls, busy = [], []
    for _ in range(REPEATS + 1):
        wall, cpu = time.perf_counter(), time.process_time()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize()
        walls.append(time.perf_counter() - wall)
        busy.append(time.process_time() - cpu)
    return min(walls[1:]), min(busy[1:])


def sampler(args: argparse.Namespace) -> None:
    identities, batch, queue, count = 357, 64, 128, 10_000
    labels = np.arange(identities).repeat(10)
    stream = PairSampler(labels, labels, batch=batch, queue=queue, seed=0)
    queued: deque[int] = deque(maxlen=queue)
    collisions, start = 0, time.process_time()
    for _ in range(count):
        rows = next(stream).identity.tolist()
        collisions += len(set(rows) & set(queued))
        queued.extend(rows)
    each = (time.process_time() - start) / count
    print(
        f"sampler: {collisions} collisions in {count:,} iterations of {identities} identities, {1e3 * each:.2f} ms each"
    )
    lines = [f"nir/{k}.jpg vis/{k}.jpg {label}" for k, label in enumerate(labels)]
    start = time.process_time()
    for _ in range(30):  # what is rebuilt: a list file parsed anew, without the queued identities
        excluded = set(queued)
        lists: dict[int, tuple[list[str], list[str]]] = {}
        for line in lines:
            nir, vis, label = line.split(" ")
            if int(label) not in excluded:
                pair = lists.setdefault(int(label), ([], []))
                pair[0].append(nir)
                pair[1].append(vis)
    rebuilt = (time.process_time() - start) / 30 / 3
    print(
        f"lists rebuilt every 3 iterations: {1e3 * rebuilt:.2f} ms an iteration, without starting the loader's workers"
    )


def evaluation(args: argparse.Namespace) -> None:
    rng = np.random.default_rng(0)
    for probes, gallery, people in ((6208, 358, 358), (960, 960, 20)):
        columns, rows = np.arange(gallery) % people, np.arange(probes) % people
        centres = rng.normal(size=(people, 512))
        p = centres[rows] + 3 * rng.normal(size=(probes, 512))
        g = centres[columns] + 3 * rng.normal(size=(gallery, 512))
        tracemalloc.start()
        start = time.process_time()
        scores = metrics.similarity(p, g)
        found = metrics.identification(scores, rows, columns)
        genuine, impostor = metrics.genuine_impostor(scores, rows, columns)
        points = [metrics.verification(genuine, impostor, far) for far in (0.01, 0.001)]
        seconds, peak = time.process_time() - start, tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        print(
            f"{probes:,} x {gallery}: rank-1 {100 * found.rate:.1f} %, VR@FAR=0.1 % {100 * points[1].vr:.1f} %, "
            f"{len(genuine):,} genuine, {len(impostor):,} impostor scores; {seconds:.2f} s, {peak / 2**20:.0f} MiB"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["steps", "sampler", "evaluation"])
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--side", type=int, default=144)
    parser.add_argument("--backbone", default="mobilefacenet")
    parser.add_argument("--batch", type=int, default=16)
    args = parser.parse_args()
    {"steps": steps, "sampler": sampler, "evaluation": evaluation}[args.what](args)


if __name__ == "__main__":
    main()
