"""From a masked data set to a finished run."""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch

from masksynth import __version__
from masksynth.errors import ConfigError, TrainingError, counted
from masksynth.store import Store, open_store
from masksynth.train import processes
from masksynth.train.board import on_board
from masksynth.train.config import TrainConfig
from masksynth.train.fold import Fold, make_fold
from masksynth.train.foreign import load_any
from masksynth.train.loop import Method, fit
from masksynth.train.methods import METHODS
from masksynth.train.networks import (
    FROM_SCRATCH,
    NetworkInfo,
    build,
    file_sha256,
    network_file,
)
from masksynth.train.projected import Projected
from masksynth.train.run import RunFolder, default_folder
from masksynth.train.validation import Validation, split_for_validation


@dataclass(frozen=True)
class Finished:
    """What `train` did."""

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


def read_fold(store: Store, protocol: str, nir: Literal["masked", "clean"] = "masked") -> Fold:
    """The training images of a protocol, in memory; `nir` chooses between the masked crops and those without mask."""
    rows = store.protocol(protocol)
    return make_fold(
        store.images("nir", rows.nir_train, "image" if nir == "masked" else "clean"),
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


def train(
    data: Path,
    config: TrainConfig,
    *,
    out: Path | None = None,
    init: Path | None = None,
    channel_order: str = "bgr",
    device: str = "auto",
    force: bool = False,
    tensorboard: bool = False,
    compiled: bool = False,
    say: Callable[[str], None] = lambda text: None,
    on_step: Callable[[int, dict[str, float]], None] = lambda done, record: None,
    stop: Callable[[], bool] = lambda: False,
) -> Finished:
    """Train on a masked data set by the method that `config` is of, or go on with a run that was interrupted.

    Parameters
    ----------
    data : path of an HDF5 file
        As masksynth apply --dataset writes it.
    config : HsstConfig, SstConfig, PlainConfig, IdrConfig or WcnnConfig
    out : path, optional
        The run's folder; runs/<stem of data>-<digest of the settings> where not given.
    init : path, optional
        Weights to start from: a run, a network file, or a checkpoint of others, whose input has `channel_order`. From
        scratch where not given.
    tensorboard : bool
        Also write the log to event files in the run's folder.
    compiled : bool
        Compile the networks with `torch.compile`; the losses are the same up to rounding.
    say : callable
        Receives each thing that the user should know, once.
    stop : callable
        Asked after every iteration; where it answers True the state is saved and KeyboardInterrupt raised.

    Raises
    ------
    StoreError, ConfigError, WeightsError, TrainingError, OutputError
    """
    with processes.joined(choose_device(device)) as chosen:
        with open_store(data) as store:
            config = dataclasses.replace(config, protocol=choose_protocol(store, config.protocol))
            about = {
                "path": os.path.abspath(data),
                "plan_sha256": store.attrs.get("plan_sha256", ""),
                "dataset": store.attrs.get("dataset", ""),
                "complete": store.complete,
            }
            start_sha256 = file_sha256(network_file(init)) if init is not None else ""
            work = config.digest(str(about["plan_sha256"] or about["path"]), start_sha256)
            run = RunFolder(out if out is not None else default_folder(data, work), writes=processes.rank() == 0)
            net, info = starting_network(config, store.side, init, channel_order)
            going_on = run.begin(work, force=force)
            before = (run.read_config() or {}) if going_on else {}
            processes.wait_for_all()  # none may see what another begins
            if before.get("finished") and run.network_path.is_file():
                return Finished(run, info, tuple(before.get("notes", ())), already_done=True)
            fold = read_fold(store, config.protocol, config.nir)

        notes: list[str] = []
        if init is None:
            notes.append(
                "no --init: training from scratch; the paper fine-tunes a network that was pretrained on millions of "
                "faces"
            )
        elif "carried" in info.origin:
            notes.append(f"{info.origin}: an approximation that fine-tuning has to mend")
        if fold.left_out:
            notes.append(
                f"{counted(len(fold.left_out), 'identity lacks', 'identities lack')} NIR or VIS images, left out"
            )
        validation = None
        if config.validation:
            fold, held_out = split_for_validation(fold, config.validation)
            validation = Validation(held_out, info, chosen)
            notes.append(
                f"{counted(held_out.identities, 'identity', 'identities')} of the fold held out for validation"
            )
        torch.manual_seed(config.seed + processes.rank())  # a new classifier, dropout
        made = METHODS[config.method](config, processes.share_batch_norm(net.to(chosen)), fold, info.input, chosen)
        if compiled:
            compile_networks(made.method)
        notes += made.notes
        for text in notes:
            say(text)
        if going_on and run.checkpoint_path.is_file():
            say(f"going on with the run in {run.path}")

        record: dict[str, Any] = {
            "format": "masksynth-run/1",
            "method": config.method,
            "work": work,
            "settings": config.as_dict(),
            "settings_used": {**made.config.as_dict(), **made.derived},
            "data": {**about, "identities": fold.identities, "nir_images": len(fold.nir), "vis_images": len(fold.vis)},
            "start": {"path": str(init), "sha256": start_sha256, "origin": info.origin} if init else FROM_SCRATCH,
            "notes": notes,
            "versions": {"masksynth": __version__, "torch": str(torch.__version__)},
            "device": str(chosen),
            "threads": torch.get_num_threads(),
            "processes": processes.count(),
            "compiled": compiled,
            "network": dataclasses.asdict(info),
            "finished": False,
            "seconds": before.get("seconds", 0.0),
        }
        run.write_config(record)
        began = time.monotonic()
        board = on_board(run.path / "tensorboard", on_step) if tensorboard and run.writes else nullcontext(on_step)
        try:
            with board as watched, compiling():
                fit(made.method, made.batches, made.config, run, info, on_step=watched, stop=stop, validate=validation)
            record["finished"] = True
        finally:
            record["seconds"] += time.monotonic() - began
            run.write_config(record)
        return Finished(run, info, tuple(notes))


def compile_networks(method: Method) -> None:
    """Let torch.compile have the probe-net and, where there is one, the gallery-net, at their first batch."""
    for name in ("probe", "gallery"):
        net = getattr(method, name, None)
        if net is not None:
            net.compile()


@contextmanager
def compiling() -> Iterator[None]:
    """Turn what torch.compile raises at the first batch, where it cannot compile, into one TrainingError."""
    try:
        yield
    except Exception as error:
        if not type(error).__module__.startswith(("torch._dynamo", "torch._inductor")):
            raise
        said = str(error).strip().splitlines()[0].rstrip(".")
        raise TrainingError(
            f"--compile: torch.compile does not work here ({said}). Install a C++ compiler (g++), or leave --compile "
            "away."
        ) from error


train_hsst = train  # the name under which the method of the paper is called


def starting_network(
    config: TrainConfig, side: int, init: Path | None, channel_order: str = "bgr"
) -> tuple[torch.nn.Module, NetworkInfo]:
    """The network to train and what will be said of it."""
    loss = getattr(config, "loss", "")
    trained = f"{config.method} {loss}".strip() + f", {counted(config.iterations, 'iteration')}, {config.protocol}"
    shared = getattr(config, "shared", 0)
    if init is None:
        info = NetworkInfo(
            arch=config.backbone,
            side=side,
            dimensions=config.dimensions,
            width=config.width,
            shared=shared,
            trained=trained,
            protocol=config.protocol,
        )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            return build(info, config.backbone), info
    net, start = load_any(init, side=side, channel_order=channel_order, plugin=config.backbone)
    if (start.arch, start.dimensions, start.width) != (config.backbone, config.dimensions, config.width):
        raise ConfigError(
            f"{init}: holds a {start.arch} of width {start.width:g} with {start.dimensions} dimensions, but "
            f"{config.backbone}, {config.width:g}, {config.dimensions} are asked for. Give --backbone and --width."
        )
    if start.shared and start.shared != shared:
        raise ConfigError(
            f"{init}: ends in a projection of {start.shared} rows (IDR, W-CNN), which is not wanted here."
        )
    origin = start.origin if start.origin != FROM_SCRATCH else f"{Path(init).name} ({start.trained or FROM_SCRATCH})"
    info = dataclasses.replace(start, origin=origin, trained=trained, protocol=config.protocol, shared=shared)
    if shared and not start.shared:
        net = Projected(net, start.dimensions, shared)
    return net, info
