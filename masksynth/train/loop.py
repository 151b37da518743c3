"""The training loop: batch, forward, loss, backward, step, log, validate, save."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from masksynth.errors import TrainingError
from masksynth.files import atomic_path
from masksynth.train import processes
from masksynth.train.config import TrainConfig
from masksynth.train.networks import NetworkInfo, save_network
from masksynth.train.run import RunFolder

SAVE_SECONDS = 120.0  # between checkpoints: what a killed run loses at most, and a step


class Method(Protocol):
    """One way to train. Its iteration has one or more phases, each with a loss and parameters of its own."""

    phases: tuple[str, ...]

    @property
    def probe(self) -> nn.Module: ...  # the network that is tested

    def trained(self, phase: str) -> list[dict[str, Any]]: ...  # groups; lr_scale multiplies the learning rate
    def loss(self, batch: Any, phase: str) -> tuple[Tensor, dict[str, Tensor | float]]: ...
    def after_step(self) -> None: ...
    def state_record(self) -> dict[str, float]: ...
    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state: Any) -> Any: ...


class Batches(Protocol):
    """An endless stream that can go on where it was."""

    def __next__(self) -> Any: ...
    def state(self) -> dict[str, Any]: ...
    def restore(self, state: dict[str, Any]) -> None: ...


def fit(
    method: Method,
    batches: Batches,
    config: TrainConfig,
    run: RunFolder,
    info: NetworkInfo,
    *,
    on_step: Callable[[int, dict[str, float]], None] = lambda done, record: None,
    validate: Callable[[nn.Module], float] | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> None:
    """Train `method` for `config.iterations`, or go on from the run's checkpoint.

    Where several processes train together (`processes`), each calls this with the same arguments; the first one writes.

    Parameters
    ----------
    run : RunFolder
        Receives log.csv, checkpoint.pt and probe.safetensors.
    info : NetworkInfo
        Goes into probe.safetensors.
    on_step : callable
        Called after every iteration with how many are done and the newest logged figures.
    validate : callable, optional
        Network → a figure of merit. Called ten times in a run; the best network so far goes to best.safetensors.
    stop : callable
        Asked after every iteration; where it answers True the state is saved and KeyboardInterrupt raised. An interrupt
        that comes of itself may come in the middle of an iteration, and then nothing is saved.

    Raises
    ------
    TrainingError
        If the loss is not finite, with the iteration; or the checkpoint cannot be read or is of other work.
    KeyboardInterrupt
        If `stop` asked for it, after the state has been saved.
    """
    optimizers = {
        phase: torch.optim.SGD(
            method.trained(phase), lr=config.lr, momentum=config.sgd_momentum, weight_decay=config.weight_decay
        )
        for phase in method.phases
    }
    start = load_checkpoint(run.checkpoint_path, method, optimizers, batches) if run.checkpoint_path.is_file() else 0
    run.keep_log_until(start)
    best = max(
        (float(row["validation"]) for row in run.read_log() if row.get("validation", "nan") != "nan"), default=-1.0
    )
    log_every = max(1, min(50, config.iterations // 100))
    done, images, logged = start, 0, {}
    saved_at = began = time.monotonic()
    loss_of = Shared(method) if processes.count() > 1 else method.loss
    device = next(method.probe.parameters()).device

    def save() -> None:
        save_checkpoint(run, done, method, optimizers, batches)
        if run.writes:
            save_network(run.network_path, method.probe, info)

    for iteration in range(start, config.iterations):
        batch = next(batches)
        record: dict[str, Tensor | float] = {}
        for phase, optimizer in optimizers.items():
            for group in optimizer.param_groups:
                group["lr"] = config.lr_at(iteration) * group["lr_scale"]
            loss, figures = loss_of(batch, phase)
            mean_loss = processes.mean_of(loss.detach())
            if not torch.isfinite(mean_loss):
                raise _not_finite(run, batch, iteration, mean_loss.item())
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            record = {**record, **figures, "loss": mean_loss}
        method.after_step()
        done, images = iteration + 1, images + batch.images * processes.count()

        if done % log_every == 0 or done == config.iterations:
            rate = images / (time.monotonic() - began)
            logged = {"iteration": done, "lr": config.lr_at(iteration), "images_per_second": rate}
            logged |= mean_figures(record, device) | method.state_record()
            if validate is not None:
                logged["validation"] = float("nan")
                if done % max(log_every, config.iterations // 10 // log_every * log_every) == 0 and run.writes:
                    logged["validation"] = validate(method.probe)
                    if not logged["validation"] <= best:
                        best = logged["validation"]
                        save_network(run.best_path, method.probe, info)
            run.log(logged)
        stopping, due = processes.anywhere(stop(), time.monotonic() - saved_at > SAVE_SECONDS, device=device)
        if due and not stopping:
            save()
            saved_at = time.monotonic()
        on_step(done, logged)
        if stopping:
            save()
            raise KeyboardInterrupt
    save()


class Shared:
    """The loss of a method whose gradients are averaged over the processes."""

    def __init__(self, method: Method) -> None:
        self._parallel = DistributedDataParallel(_AsForward(method), find_unused_parameters=len(method.phases) > 1)

    def __call__(self, batch: Any, phase: str) -> tuple[Tensor, dict[str, Tensor | float]]:
        loss_and_figures: tuple[Tensor, dict[str, Tensor | float]] = self._parallel(batch, phase)
        return loss_and_figures


class _AsForward(nn.Module):
    def __init__(self, method: Any) -> None:
        super().__init__()
        self.method = method

    def forward(self, batch: Any, phase: str) -> Any:
        return self.method.loss(batch, phase)


def mean_figures(record: dict[str, Tensor | float], device: torch.device) -> dict[str, float]:
    """The figures of an iteration as numbers; where several processes train together, their means."""
    values = torch.stack([torch.as_tensor(v, dtype=torch.float64, device=device) for v in record.values()])
    return dict(zip(record, processes.mean_of(values).tolist(), strict=True))


def save_checkpoint(
    run: RunFolder, done: int, method: Method, optimizers: dict[str, torch.optim.SGD], batches: Batches
) -> None:
    """Write everything that the next iteration depends on, whole or not at all."""
    random = processes.from_all((torch.get_rng_state(), torch.cuda.get_rng_state_all() if _cuda() else []))
    state = {
        "iteration": done,
        "method": method.state_dict(),
        "optimizers": {phase: optimizer.state_dict() for phase, optimizer in optimizers.items()},
        "batches": batches.state(),
        "torch_rng": [cpu for cpu, _ in random],  # of each process
        "cuda_rng": [cuda for _, cuda in random],
    }
    if run.writes:
        with atomic_path(run.checkpoint_path) as temporary:
            torch.save(state, temporary)


def load_checkpoint(path: Path, method: Method, optimizers: dict[str, torch.optim.SGD], batches: Batches) -> int:
    """Restore all that `save_checkpoint` wrote; the iterations done."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        method.load_state_dict(state["method"])
        for phase, optimizer in optimizers.items():
            optimizer.load_state_dict(state["optimizers"][phase])
        batches.restore(state["batches"])
        if len(state["torch_rng"]) == processes.count():  # else the streams of chance are as new
            torch.set_rng_state(state["torch_rng"][processes.rank()])
            cuda = state["cuda_rng"][processes.rank()]
            if _cuda() and len(cuda) == torch.cuda.device_count():
                torch.cuda.set_rng_state_all(cuda)
        return int(state["iteration"])
    except Exception as error:  # torch.load raises nearly anything on a damaged file
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise TrainingError(
            f"{path}: the checkpoint cannot be used ({reason}). Delete it to start over, or train with --force."
        ) from error


def _cuda() -> bool:
    return torch.cuda.is_available()


def _not_finite(run: RunFolder, batch: Any, iteration: int, loss: float) -> TrainingError:
    number = processes.rank()
    kept = run.path / ("bad_batch.pt" if not number else f"bad_batch-{number}.pt")  # each process its own share
    with atomic_path(kept) as temporary:
        torch.save(dict(vars(batch)), temporary)
    return TrainingError(
        f"the loss of iteration {iteration + 1} is {loss}; the batch is kept in {kept}. Lower lr, or look at it; "
        "the last checkpoint is as it was."
    )
