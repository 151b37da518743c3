"""MobileFaceNet.

Chen et al., "MobileFaceNets: Efficient CNNs for Accurate Real-Time Face Verification on Mobile Devices", CCBR 2018,
table 1. Parameters carry the names that the FaceX-Zoo and InsightFace_Pytorch networks have, so their weights load.
"""

from __future__ import annotations

from collections import OrderedDict

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from masksynth.train.prelu import PReLU


def conv_block(
    inputs: int,
    outputs: int,
    kernel: int,
    stride: int = 1,
    *,
    groups: int = 1,
    act: bool = True,
    pad: int | None = None,
) -> nn.Sequential:
    """Convolution without bias, batch-norm and, with `act`, a PReLU per channel."""
    pad = kernel // 2 if pad is None else pad
    layers: list[tuple[str, nn.Module]] = [
        ("conv", nn.Conv2d(inputs, outputs, kernel, stride, pad, groups=groups, bias=False)),
        ("bn", nn.BatchNorm2d(outputs)),
    ]
    if act:
        layers.append(("prelu", PReLU(outputs)))
    return nn.Sequential(OrderedDict(layers))


class Bottleneck(nn.Module):
    """Expand 1x1, depthwise 3x3, project 1x1 (linear); `residual` adds the input."""

    def __init__(self, inputs: int, hidden: int, outputs: int, *, stride: int = 1, residual: bool = False) -> None:
        super().__init__()
        self.conv = conv_block(inputs, hidden, 1)
        self.conv_dw = conv_block(hidden, hidden, 3, stride, groups=hidden)
        self.project = conv_block(hidden, outputs, 1, act=False)
        self.residual = residual

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.project(self.conv_dw(self.conv(x)))
        return x + y if self.residual else y


class Residuals(nn.Module):
    """A row of residual bottlenecks."""

    def __init__(self, channels: int, hidden: int, count: int) -> None:
        super().__init__()
        self.model = nn.Sequential(*(Bottleneck(channels, hidden, channels, residual=True) for _ in range(count)))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.model(x)
        return y


class MobileFaceNet(nn.Module):
    """(N, 3, S, S) → (N, D) features, not of unit length.

    Parameters
    ----------
    side : int
        S, at least 32. The last depthwise kernel covers the whole map: 7 x 7 at 112, 9 x 9 at 144.
    dimensions : int
        D.
    width : float
        Channels as a share of the published network's; below 1 for trials on a small machine.
    """

    def __init__(self, side: int = 112, dimensions: int = 512, width: float = 1.0) -> None:
        super().__init__()
        w64, w128, w256, w512 = (max(8, round(c * width)) for c in (64, 128, 256, 512))
        self.conv1 = conv_block(3, w64, 3, 2)
        self.conv2_dw = conv_block(w64, w64, 3, groups=w64)
        self.conv_23 = Bottleneck(w64, w128, w64, stride=2)
        self.conv_3 = Residuals(w64, w128, 4)
        self.conv_34 = Bottleneck(w64, w256, w128, stride=2)
        self.conv_4 = Residuals(w128, w256, 6)
        self.conv_45 = Bottleneck(w128, w512, w128, stride=2)
        self.conv_5 = Residuals(w128, w256, 2)
        self.conv_6_sep = conv_block(w128, w512, 1)
        self.conv_6_dw = conv_block(w512, w512, -(-side // 16), groups=w512, act=False, pad=0)
        self.linear = nn.Linear(w512, dimensions, bias=False)
        self.bn = nn.BatchNorm1d(dimensions)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv2_dw(self.conv1(x))
        x = self.conv_3(self.conv_23(x))
        x = self.conv_4(self.conv_34(x))
        x = self.conv_5(self.conv_45(x))
        x = self.conv_6_dw(self.conv_6_sep(x))
        features: Tensor = self.bn(self.linear(x.flatten(1)))
        return features


def features(net: nn.Module, images: Tensor, amp: bool = False) -> Tensor:
    """(N, 3, S, S) → (N, D) float32 of any length; with `amp` the network itself computes in bfloat16."""
    with torch.autocast(images.device.type, torch.bfloat16, enabled=amp):
        z: Tensor = net(images)
    return z.float()


def features_of_unit_length(net: nn.Module, images: Tensor, amp: bool = False) -> Tensor:
    """(N, 3, S, S) → (N, D) float32 of length 1; see `features`."""
    return F.normalize(features(net, images, amp))
