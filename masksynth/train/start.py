"""From a masked data set to a finished run."""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from masksynth import __version__
from masksynth.errors import ConfigError, TrainingError
from masksynth.store import Store, open_store
from masksynth.train.batches import PairBatches
from masksynth.train.config import HsstConfig, fit_to_identities
from masksynth.train.fold import Fold, make_fold
from masksynth.train.hsst import Hsst
from masksynth.train.loop import fit
from masksynth.train.networks import (
    FROM_SCRATCH,
    NetworkInfo,
    build,
    file_sha256,
    load_network,
    network_file,
)
from masksynth.train.run import RunFolder, default_folder
from masksynth.train.sampler import PairSampler


@dataclass(frozen=True)
class Finished:
    """What `train_hsst` did."""

    run: RunFolder
    network: NetworkInfo
    notes: tuple[str, ...]
    already_done: bool = False


def choose_protocol(store: Store, name: str) -> str:
    """`name`, or the protocol to train on where it is empty: fold01, else the first that has training rows."""
    if name:
        return store.protocol(name).name
    for candidate in ("fold01", *store.protocols):
        if candidate in store.protocols:
            protocol = store.protocol(candidate)
            if len(protocol.nir_train) and len(protocol.vis_train):
                return candidate
    raise TrainingError(f"{store.path}: no protocol has NIR and VIS rows to train on.")


def read_fold(store: Store, protocol: str) -> Fold:
    """The training images of a protocol, in memory."""
    rows = store.protocol(protocol)
    return make_fold(
        store.images("nir", rows.nir_train),
        store.labels("nir", rows.nir_train),
        store.images("vis", rows.vis_train),
        store.labels("vis", rows.vis_train),
        store.subjects,
    )


def choose_device(name: str) -> torch.device:
    """ "auto" is CUDA where there is one, else the CPU."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(f"the device {name!r} cannot be used ({str(error).splitlines()[0]})") from error
    return device


def train_hsst(
    data: Path,
    config: HsstConfig,
    *,
    out: Path | None = None,
    init: Path | None = None,
    device: str = "auto",
    force: bool = False,
    say: Callable[[str], None] = lambda text: None,
    on_step: Callable[[int, dict[str, float]], None] = lambda done, record: None,
) -> Finished:
    """Train by HSST on a masked data set, or go on with a run that was interrupted.

    Parameters
    ----------
    data : path of an HDF5 file
        As masksynth apply --dataset writes it.
    out : path, optional
        The run's folder; runs/<stem of data>-<digest of the settings> where not given.
    init : path, optional
        Weights to start from: a run, or a network file. From scratch where not given.
    say : callable
        Receives each thing that the user should know, once.

    Raises
    ------
    StoreError, ConfigError, WeightsError, TrainingError, OutputError
    """
    with open_store(data) as store:
        chosen = choose_device(device)
        config = dataclasses.replace(config, protocol=choose_protocol(store, config.protocol))
        about = {
            "path": os.path.abspath(data),
            "plan_sha256": store.attrs.get("plan_sha256", ""),
            "dataset": store.attrs.get("dataset", ""),
            "complete": store.complete,
        }
        start_sha256 = file_sha256(network_file(init)) if init is not None else ""
        work = config.digest(str(about["plan_sha256"] or about["path"]), start_sha256)
        run = RunFolder(out if out is not None else default_folder(data, work))
        going_on = run.begin(work, force=force)

        net, info = starting_network(config, store.side, init)
        before = (run.read_config() or {}) if going_on else {}
        if before.get("finished") and run.network_path.is_file():
            return Finished(run, info, tuple(before.get("notes", ())), already_done=True)
        fold = read_fold(store, config.protocol)

    notes: list[str] = []
    if init is None:
        notes.append(
            "no --init: training from scratch; the paper fine-tunes a network that was pretrained on millions of faces"
        )
    if fold.left_out:
        notes.append(f"{len(fold.left_out)} identities lack NIR or VIS images and are left out")
    fitted, note = fit_to_identities(config, fold.identities)
    notes += [note] if note else []
    for text in notes:
        say(text)
    if going_on and run.checkpoint_path.is_file():
        say(f"going on with the run in {run.path}")

    record: dict[str, Any] = {
        "format": "masksynth-run/1",
        "method": "hsst",
        "work": work,
        "settings": config.as_dict(),
        "settings_used": {
            **fitted.as_dict(),
            "momentum": fitted.gallery_momentum,
            "scale": fitted.loss_scale,
            "margin": fitted.loss_margin,
        },
        "data": {**about, "identities": fold.identities, "nir_images": len(fold.nir), "vis_images": len(fold.vis)},
        "start": {"path": str(init), "sha256": start_sha256, "origin": info.origin} if init else FROM_SCRATCH,
        "notes": notes,
        "versions": {"masksynth": __version__, "torch": str(torch.__version__)},
        "device": str(chosen),
        "threads": torch.get_num_threads(),
        "network": dataclasses.asdict(info),
        "finished": False,
        "seconds": before.get("seconds", 0.0),
    }
    run.write_config(record)
    method = Hsst(net, fitted).to(chosen)
    sampler = PairSampler(
        fold.nir_identity, fold.vis_identity, batch=fitted.batch, queue=fitted.queue, seed=config.seed
    )
    batches = PairBatches(fold, sampler, info.input, augment=config.augment, seed=config.seed, device=chosen)
    torch.manual_seed(config.seed)  # dropout
    began = time.monotonic()
    try:
        fit(method, batches, fitted, run, info, on_step=on_step)
        record["finished"] = True
    finally:
        record["seconds"] += time.monotonic() - began
        run.write_config(record)
    return Finished(run, info, tuple(notes))


def starting_network(config: HsstConfig, side: int, init: Path | None) -> tuple[torch.nn.Module, NetworkInfo]:
    """The network to train and what will be said of it."""
    trained = f"hsst {config.loss}, {config.iterations} iterations, {config.protocol}"
    if init is None:
        info = NetworkInfo(
            arch=config.backbone, side=side, dimensions=config.dimensions, width=config.width, trained=trained
        )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            return build(info), info
    net, start = load_network(init, side=side)
    if (start.arch, start.dimensions, start.width) != (config.backbone, config.dimensions, config.width):
        raise ConfigError(
            f"{init}: holds a {start.arch} of width {start.width:g} with {start.dimensions} dimensions, but "
            f"{config.backbone}, {config.width:g}, {config.dimensions} are asked for. Give --backbone and --width."
        )
    origin = start.origin if start.origin != FROM_SCRATCH else f"{Path(init).name} ({start.trained or FROM_SCRATCH})"
    return net, dataclasses.replace(start, origin=origin, trained=trained)
