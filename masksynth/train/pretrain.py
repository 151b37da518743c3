"""A first training on very many VIS photos, streamed from disk, for the networks that fine-tuning starts from."""

from __future__ import annotations

import dataclasses
import os
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
import numpy.typing as npt
import torch

from masksynth import __version__
from masksynth.align import crop, crop_from_photo
from masksynth.datasets import open_dataset
from masksynth.datasets.types import FaceDataset, Sample
from masksynth.errors import TrainingError, counted
from masksynth.seeds import rng_for
from masksynth.store import Store, open_store
from masksynth.train import processes
from masksynth.train.augment import InputFormat, draw_warp, prepare
from masksynth.train.batches import ImageTensors
from masksynth.train.config import PretrainConfig
from masksynth.train.loop import fit
from masksynth.train.networks import file_sha256, network_file
from masksynth.train.plain import Plain
from masksynth.train.run import RunFolder, default_folder
from masksynth.train.sampler import UnionSampler
from masksynth.train.start import Finished, choose_device, compile_networks, compiling, starting_network

AHEAD = 4  # batches that are read while the network computes

Crops = npt.NDArray[np.uint8]


class Source(Protocol):
    """Crops with identities, read when asked for."""

    name: str
    identity: npt.NDArray[np.int64]  # (N,) 0 .. C-1

    def read(self, number: int, side: int) -> Crops: ...  # (side, side, 3)


class PhotoSource:
    """Photos of a data set: cropped by their five points where they have them, else taken as crops and scaled."""

    def __init__(self, dataset: FaceDataset) -> None:
        self._dataset = dataset
        self._samples: list[Sample] = [s for s in dataset.samples if s.path is not None and s.spectrum == "vis"]
        self.name = str(dataset.root)
        _, self.identity = np.unique([s.subject for s in self._samples], return_inverse=True)

    def read(self, number: int, side: int) -> Crops:
        sample = self._samples[number]
        pixels = self._dataset.read(sample).rgb
        if sample.points is not None and len(sample.points) == 5:
            return crop(pixels, crop_from_photo(sample.points, side), side)
        if pixels.shape[0] != pixels.shape[1]:
            raise TrainingError(
                f"{self.name}: {sample.path} is {pixels.shape[1]} x {pixels.shape[0]} px, but a photo without its five "
                "points must be a square crop. Crop it first, or give a list with points."
            )
        if pixels.shape[0] == side:
            return np.ascontiguousarray(pixels)
        how = cv2.INTER_AREA if pixels.shape[0] > side else cv2.INTER_LINEAR
        return np.asarray(cv2.resize(pixels, (side, side), interpolation=how), np.uint8)


class StoreSource:
    """The VIS crops of a masked data set."""

    def __init__(self, store: Store) -> None:
        self._store, self.name = store, str(store.path)
        _, self.identity = np.unique(store.labels("vis"), return_inverse=True)

    def check(self, side: int) -> None:
        """Raise TrainingError where the crops are of another side."""
        if side != self._store.side:
            raise TrainingError(
                f"{self.name}: holds crops of {self._store.side} px, but {side} px are asked for. Give --side "
                f"{self._store.side}."
            )

    def read(self, number: int, side: int) -> Crops:
        self.check(side)
        return self._store.images("vis", [number])[0]


def open_source(path: Path) -> Source:
    """An HDF5 file of masksynth, or a folder or list that the data set "ms1m" can be read from."""
    if path.suffix in (".h5", ".hdf5"):
        return StoreSource(open_store(path))
    return PhotoSource(open_dataset("ms1m", path))


class StreamedBatches:
    """Batches read ahead by threads; what they hold depends on the seed and the iteration alone."""

    def __init__(
        self, source: Source, config: PretrainConfig, form: InputFormat, device: torch.device, *, workers: int
    ) -> None:
        self._source, self._config, self._form, self._device = source, config, form, device
        self._pool = ThreadPoolExecutor(max(1, workers), thread_name_prefix="crops")
        self._ahead: deque[tuple[npt.NDArray[np.int64], list[Future[Crops]]]] = deque()
        self.restore({"iteration": 0})

    def __next__(self) -> ImageTensors:
        while len(self._ahead) <= AHEAD:
            rows = next(self._sampler)
            rows = rows[processes.own_share(len(rows))]
            futures = [self._pool.submit(self._source.read, int(k), self._config.side) for k in rows]
            self._ahead.append((rows, futures))
        rows, futures = self._ahead.popleft()
        pixels = np.stack([future.result() for future in futures])
        rng = rng_for(self._config.seed, "augment", self._iteration)
        total = len(rows) * processes.count()
        warp = draw_warp(rng, total, self._config.side, self._config.augment)
        warp = warp.of(processes.own_share(total)) if warp is not None else None
        batch = ImageTensors(
            self._iteration,
            torch.from_numpy(self._source.identity[rows]).to(self._device),
            prepare(torch.from_numpy(pixels).to(self._device), self._form, warp),
            torch.zeros(len(rows), dtype=torch.bool, device=self._device),
        )
        self._iteration += 1
        return batch

    def state(self) -> dict[str, Any]:
        return {"iteration": self._iteration}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on where `state` was taken; what was read ahead is dropped."""
        for _, futures in self._ahead:
            for future in futures:
                future.cancel()
        self._ahead.clear()
        self._iteration = int(state["iteration"])
        self._sampler = UnionSampler(len(self._source.identity), batch=self._config.batch, seed=self._config.seed)
        self._sampler.restore({"drawn": self._iteration})

    def close(self) -> None:
        """Stop reading."""
        self._pool.shutdown(wait=True, cancel_futures=True)


def pretrain(
    path: Path,
    config: PretrainConfig,
    *,
    out: Path | None = None,
    init: Path | None = None,
    device: str = "auto",
    workers: int | None = None,
    force: bool = False,
    compiled: bool = False,
    say: Callable[[str], None] = lambda text: None,
    on_begin: Callable[[int], None] = lambda iterations: None,
    on_step: Callable[[int, dict[str, float]], None] = lambda done, record: None,
    stop: Callable[[], bool] = lambda: False,
) -> Finished:
    """Train a classifier over the identities of VIS photos, or go on with a run that was interrupted.

    Parameters
    ----------
    path : folder, list or HDF5 file
        See `open_source`.
    config : PretrainConfig
        `iterations` is set from `epochs` and the number of photos.
    workers : int, optional
        Threads that read photos, in each process; one a core where not given.
    compiled : bool
        Compile the network with `torch.compile`.

    Raises
    ------
    DatasetError, StoreError, PhotoError, ConfigError, TrainingError, WeightsError, OutputError
    """
    with processes.joined(choose_device(device)) as chosen:
        source = open_source(path)
        if isinstance(source, StoreSource):
            source.check(config.side)  # before there is a folder
        if not len(source.identity):
            raise TrainingError(f"{path}: has no VIS photo to train on.")
        images, identities = len(source.identity), int(source.identity.max()) + 1
        if identities < 2:
            raise TrainingError(f"{path}: shows {identities} identity; a classifier needs two at least.")
        batch = min(config.batch, images)
        config = dataclasses.replace(config, batch=batch, iterations=max(1, config.epochs * images // batch))
        start_sha256 = file_sha256(network_file(init)) if init is not None else ""
        work = config.digest(os.path.abspath(path), str(images), start_sha256)
        folder = out if out is not None else default_folder(Path("pretrain-" + Path(path).stem), work)
        run = RunFolder(folder, writes=processes.rank() == 0)
        net, info = starting_network(config, config.side, init)
        people = counted(identities, "identity", "identities")
        info = dataclasses.replace(info, trained=f"pretrained on {people}, {counted(images, 'photo')} of {path.name}")
        going_on = run.begin(work, force=force)
        before = (run.read_config() or {}) if going_on else {}
        processes.wait_for_all()  # none may see what another begins
        if before.get("finished") and run.network_path.is_file():
            return Finished(run, info, (), already_done=True)
        on_begin(config.iterations)
        say(f"{counted(images, 'photo')} of {people}, {counted(config.iterations, 'iteration')}")
        record: dict[str, Any] = {
            "format": "masksynth-run/1",
            "method": config.method,
            "work": work,
            "settings": config.as_dict(),
            "data": {"path": os.path.abspath(path), "identities": identities, "vis_images": images},
            "versions": {"masksynth": __version__, "torch": str(torch.__version__)},
            "device": str(chosen),
            "processes": processes.count(),
            "compiled": compiled,
            "network": dataclasses.asdict(info),
            "finished": False,
            "seconds": before.get("seconds", 0.0),
        }
        run.write_config(record)
        torch.manual_seed(config.seed + processes.rank())
        method = Plain(processes.share_batch_norm(net.to(chosen)), config, identities).to(chosen)
        if compiled:
            compile_networks(method)
        threads = workers or -(-(os.cpu_count() or 1) // processes.count_here())
        batches = StreamedBatches(source, config, info.input, chosen, workers=threads)
        began = time.monotonic()
        try:
            with compiling():
                fit(method, batches, config, run, info, on_step=on_step, stop=stop)
            record["finished"] = True
        finally:
            batches.close()
            record["seconds"] += time.monotonic() - began
            run.write_config(record)
        return Finished(run, info, ())
