"""Training and evaluation in figures.

    python benchmarks/training.py steps [--device cpu] [--side 144] [--backbone mobilefacenet] [--batch 16]
    python benchmarks/training.py sampler
    python benchmarks/training.py evaluation

steps: iterations and images per second of HSST and plain training, beside the bare passes of the same networks on
random input (HSST: two forwards of 2 B images, one without gradient, and one backward; plain: both ways of B). The
share is of processor time on the CPU, so that other work on the machine does not count, and of wall time on a GPU.
sampler: identities that were in batch and queue at once; and wall time that a loop waits for its next batch, beside a
loader that is rebuilt every three iterations, as the authors' released loop does on 357 identities. All read the same
crops from memory, without augmentation.
evaluation: rank-1 and VR@FAR of 6,208 x 358 and 960 x 960 scores.
"""

from __future__ import annotations

import argparse
import time
import tracemalloc
import warnings
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from masksynth.evaluate import metrics
from masksynth.train.augment import InputFormat
from masksynth.train.batches import PairBatches
from masksynth.train.config import HsstConfig, PlainConfig
from masksynth.train.fold import Fold, make_fold
from masksynth.train.methods import METHODS
from masksynth.train.networks import NetworkInfo, build
from masksynth.train.sampler import PairSampler

STEP = 0.2  # seconds of an iteration of the networks, in `sampler`


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

        (wall, busy), (bare_wall, bare_busy) = timed((step, bare), device, args.repeats)
        share = bare_busy / busy if device.type == "cpu" else bare_wall / wall
        print(
            f"{config.method:6s} {args.backbone} {args.side} px, batch {args.batch}, {device}: {1 / wall:.2f} steps/s, "
            f"{images / wall:.0f} images/s; bare passes {1 / bare_wall:.2f}/s, share {100 * share:.0f} %",
            flush=True,
        )


def timed(works: tuple[Callable[[], None], ...], device: torch.device, repeats: int) -> list[tuple[float, float]]:
    """Least wall and processor seconds of one call of each, taken in turn, after one to warm up."""
    walls, busy = np.zeros((2, repeats + 1, len(works)))
    for turn in range(repeats + 1):
        for k, work in enumerate(works):
            wall, cpu = time.perf_counter(), time.process_time()
            work()
            if device.type == "cuda":
                torch.cuda.synchronize()
            walls[turn, k], busy[turn, k] = time.perf_counter() - wall, time.process_time() - cpu
    return list(zip(walls[1:].min(0).tolist(), busy[1:].min(0).tolist(), strict=True))


class Listed(Dataset[tuple[torch.Tensor, torch.Tensor, int]]):
    """One random NIR and VIS image of each identity that is not excluded, from a list parsed anew."""

    def __init__(self, lines: list[str], excluded: set[int], nir: np.ndarray, vis: np.ndarray) -> None:
        rows: dict[int, tuple[list[int], list[int]]] = {}
        for line in lines:
            nir_row, vis_row, label = (int(word) for word in line.split(" "))
            if label not in excluded:
                pair = rows.setdefault(label, ([], []))
                pair[0].append(nir_row)
                pair[1].append(vis_row)
        self._labels, self._rows, self._nir, self._vis = list(rows), rows, nir, vis

    def __len__(self) -> int:
        return len(self._labels)

    def __getitem__(self, k: int) -> tuple[torch.Tensor, torch.Tensor, int]:
        label = self._labels[k]
        nir, vis = (int(np.random.choice(rows)) for rows in self._rows[label])  # noqa: NPY002 - as such loaders do
        x = torch.from_numpy(self._nir[nir]).float().expand(3, -1, -1)
        y = torch.from_numpy(self._vis[vis]).permute(2, 0, 1).float()
        return (x - 127.5) / 128, (y - 127.5) / 128, label


def rebuilt_every_epoch(fold: Fold, lines: list[str], batch: int, queue: int, workers: int) -> Iterator[Any]:
    """Batches as the authors' released loop makes them: a data set without the queued identities, and its loader."""
    queued: deque[int] = deque(maxlen=queue)
    while True:
        data = Listed(lines, set(queued), fold.nir, fold.vis)
        warnings.filterwarnings("ignore", "This DataLoader will create")  # more workers than cores, as released
        for pair in DataLoader(data, batch, shuffle=True, num_workers=workers, drop_last=True):
            yield pair
            queued.extend(pair[2].tolist())


def sampler(args: argparse.Namespace) -> None:
    identities, batch, queue, count, each = 357, 64, 128, 10_000, 10
    labels = np.arange(identities).repeat(each)
    stream = PairSampler(labels, labels, batch=batch, queue=queue, seed=0)
    queued: deque[int] = deque(maxlen=queue)
    collisions, start = 0, time.process_time()
    for _ in range(count):
        rows = next(stream).identity.tolist()
        collisions += len(set(rows) & set(queued))
        queued.extend(rows)
    cost = 1e3 * (time.process_time() - start) / count
    print(f"sampler: {collisions} collisions in {count:,} iterations of {identities} identities, {cost:.2f} ms each")
    rng = np.random.default_rng(0)
    shape = (identities, args.side, args.side)
    names = np.arange(identities)
    fold = make_fold(
        rng.integers(0, 256, shape, dtype=np.uint8), names, rng.integers(0, 256, (*shape, 3), dtype=np.uint8), names
    )
    lines = [f"{k // each} {k // each} {label}" for k, label in enumerate(labels)]
    own = PairBatches(
        fold, PairSampler(fold.nir_identity, fold.vis_identity, batch=batch, queue=queue, seed=0),
        InputFormat(side=args.side), augment="none", seed=0, device=torch.device("cpu"),
    )  # fmt: skip
    for name, batches in (
        ("sampler with memory, no workers", own),
        ("loader rebuilt every 3 iterations, no workers", rebuilt_every_epoch(fold, lines, batch, queue, 0)),
        ("loader rebuilt every 3 iterations, 4 workers", rebuilt_every_epoch(fold, lines, batch, queue, 4)),
    ):
        waits = []
        for _ in range(30):
            began = time.perf_counter()
            next(batches)
            waits.append(time.perf_counter() - began)
            time.sleep(STEP)  # what the networks take, so that workers can read ahead
        waits = waits[6:]  # past the first epoch, which is longer
        print(
            f"{name}: {1e3 * np.mean(waits):.0f} ms lost an iteration of {batch} pairs, {1e3 * max(waits):.0f} at most"
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
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    {"steps": steps, "sampler": sampler, "evaluation": evaluation}[args.what](args)


if __name__ == "__main__":
    main()
