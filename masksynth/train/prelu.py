"""A PReLU whose backward pass on the CPU takes a third to a half of the time of torch's own."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class PReLU(nn.PReLU):
    """As ``torch.nn.PReLU``, with one slope per channel; on other devices it is that."""

    def forward(self, x: Tensor) -> Tensor:
        plain = torch.compiler.is_compiling() or torch.is_autocast_enabled("cpu")
        if x.device.type == "cpu" and x.requires_grad and not plain:
            y: Tensor = _PReLU.apply(x, self.weight)  # type: ignore[no-untyped-call]
            return y
        return F.prelu(x, self.weight)


class _PReLU(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, slope: Tensor) -> Tensor:
        ctx.save_for_backward(x, slope)
        return F.prelu(x, slope)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor]:
        x, slope = ctx.saved_tensors
        shape = (1, -1) + (1,) * (x.ndim - 2)
        passed = torch.ops.aten.threshold_backward(grad, x, 0)  # where x > 0
        rest = grad - passed  # where x <= 0
        slope_grad = (rest * x).sum(tuple(d for d in range(x.ndim) if d != 1))
        return passed.addcmul_(rest, slope.view(shape)), slope_grad
