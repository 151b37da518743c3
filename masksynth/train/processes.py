"""Several processes that train one network, one for each GPU: torchrun starts them, torch.distributed joins them.

Every process draws the same batches from the same seed and embeds its own share of each. What a loss compares across
the whole batch is gathered, batch-norm is over the whole batch, and gradients are averaged, so that a run comes to the
losses of one process up to rounding. The first process alone writes. With one process everything here does nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from masksynth.errors import ConfigError


def count() -> int:
    """How many processes train together."""
    return dist.get_world_size() if dist.is_initialized() else 1


def count_here() -> int:
    """How many of them run on this machine."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", "1")) if dist.is_initialized() else 1


def rank() -> int:
    """The number of this one, from 0."""
    return dist.get_rank() if dist.is_initialized() else 0


@contextmanager
def joined(device: torch.device) -> Iterator[torch.device]:
    """Join the processes that torchrun started, for the duration; yields the device of this one.

    CUDA processes talk by NCCL and take the GPU of their local rank, others by Gloo.

    Raises
    ------
    ConfigError
        If there are fewer GPUs than processes on this machine.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1 or dist.is_initialized():
        yield device
        return
    if device.type == "cuda":
        local, gpus = int(os.environ.get("LOCAL_RANK", "0")), torch.cuda.device_count()
        if local >= gpus:
            raise ConfigError(f"torchrun started more processes here than there are GPUs ({gpus}): lower its number.")
        device = torch.device("cuda", local)
        torch.cuda.set_device(device)
    patience = timedelta(hours=2)  # the others wait while the first one validates, or tests a row
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=patience)
    try:
        yield device
    finally:
        dist.destroy_process_group()


def wait_for_all() -> None:
    """Go on once every process is here."""
    if count() > 1:
        dist.barrier()


def own_share(total: int) -> slice:
    """The rows of a batch that are this process's.

    Raises ConfigError where the batch cannot be shared out equally.
    """
    if total % count():
        raise ConfigError(f"{count()} processes cannot share a batch of {total} equally: choose --batch to fit.")
    each = total // count()
    return slice(rank() * each, (rank() + 1) * each)


def gathered(rows: Tensor) -> tuple[int, Tensor]:
    """The rows of all processes, in their order, without gradient; and where this one's begin."""
    if count() == 1:
        return 0, rows
    parts = [torch.zeros_like(rows) for _ in range(count())]
    dist.all_gather(parts, rows.contiguous())
    return rank() * len(rows), torch.cat(parts)


def gathered_with_gradient(rows: Tensor) -> Tensor:
    """The rows of all processes; a loss of them all, worked out by every process, gives each row its gradient."""
    gradient: Tensor = _Gather.apply(rows) if count() > 1 else rows  # type: ignore[no-untyped-call]
    return gradient


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor) -> Tensor:
        ctx.first, every = gathered(rows)
        ctx.rows = len(rows)
        return every

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        gradient = gradient.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(gradient)  # the sum over processes, as the average of gradients that follows expects
        return gradient[ctx.first : ctx.first + ctx.rows]


def mean_of(value: Tensor) -> Tensor:
    """The mean of a figure over the processes, without gradient."""
    if count() == 1:
        return value
    total = value.detach().clone()
    dist.all_reduce(total)
    return total / count()


def anywhere(*flags: bool, device: torch.device) -> list[bool]:
    """Which of the flags any process has raised: what must be done together is decided together."""
    if count() == 1:
        return list(flags)
    raised = torch.tensor([float(flag) for flag in flags], device=device)
    dist.all_reduce(raised, dist.ReduceOp.MAX)
    return [bool(flag) for flag in raised.tolist()]


def from_all(value: Any) -> list[Any]:
    """What each process has."""
    values = [value] * count()
    if count() > 1:
        dist.all_gather_object(values, value)
    return values


def share_batch_norm(net: nn.Module) -> nn.Module:
    """The network with batch-norm over the whole batch, however many processes share it; the same parameters."""
    if count() == 1:
        return net
    if next(net.parameters()).is_cuda:
        synchronised: nn.Module = nn.SyncBatchNorm.convert_sync_batchnorm(net)  # type: ignore[no-untyped-call]
        return synchronised
    if isinstance(net, _BatchNorm):
        return _shared(net)
    for name, child in net.named_children():
        setattr(net, name, share_batch_norm(child) if list(child.parameters()) else child)
    return net


class _Sum(torch.autograd.Function):
    """The sum over the processes, for all of them."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        total = values.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        gradient = gradient.clone()
        dist.all_reduce(gradient)
        return gradient


class SharedBatchNorm(_BatchNorm):
    """Batch-norm over the batches of all processes, where `torch.nn.SyncBatchNorm` does not go: on the CPU."""

    def _check_input_dim(self, input: Tensor) -> None:
        """Any is right."""

    def forward(self, input: Tensor) -> Tensor:
        if not self.training:
            return F.batch_norm(input, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)
        x = input.float()
        dims = [d for d in range(x.ndim) if d != 1]
        values = count() * x.numel() // x.shape[1]  # of each channel, in all processes
        shape = (1, -1) + (1,) * (x.ndim - 2)
        mean: Tensor = _Sum.apply(x.sum(dims)) / values  # type: ignore[no-untyped-call]
        centred = x - mean.view(shape)
        var: Tensor = _Sum.apply(centred.square().sum(dims)) / values  # type: ignore[no-untyped-call]
        with torch.no_grad():
            assert self.running_mean is not None
            assert self.running_var is not None
            assert self.num_batches_tracked is not None
            self.num_batches_tracked.add_(1)
            share = self.momentum if self.momentum is not None else 1 / float(self.num_batches_tracked)
            self.running_mean.lerp_(mean, share)
            self.running_var.lerp_(var * values / (values - 1), share)
        scale = self.weight * (var + self.eps).rsqrt()
        return (centred * scale.view(shape) + self.bias.view(shape)).to(input.dtype)


def _shared(layer: _BatchNorm) -> SharedBatchNorm:
    made = SharedBatchNorm(layer.num_features, eps=layer.eps, momentum=layer.momentum)
    made.load_state_dict(layer.state_dict())
    return made.train(layer.training)
