"""PRNet's network, twice: plain, as the paper draws it, and lean, as it is run.

References
----------
Feng et al., "Joint 3D Face Reconstruction and Dense Alignment with Position Map Regression Network", ECCV 2018.
"""

from __future__ import annotations

from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn

from masksynth.arrays import Photo8
from masksynth.errors import ConfigError, WeightsError
from masksynth.reconstruct.prnet import PRNetConfig
from masksynth.weights.imported import Arrays
from masksynth.weights.prnet_layout import DECODER, ENCODER, STEM

EPS = 0.001  # of the batch normalisation
# TensorFlow's SAME padding of a 4 x 4 kernel, as F.pad wants it: left, right, top, bottom.
SAME_STRIDE_1 = (1, 2, 1, 2)
SAME_STRIDE_2 = (1, 1, 1, 1)
SAME_FLIPPED = (2, 1, 2, 1)  # of the convolution that equals a transposed one of stride 1


class PlainPRNet(nn.Module):
    """The readable reference: every layer as published, batch normalisation by itself.

    Input (B, 3, 256, 256) RGB in [0, 1]; output (B, 3, 256, 256) in (0, 1), position over 256 * 1.1.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = _Stem()
        self.encoder = nn.Sequential(*(_Residual(*channels) for channels in ENCODER))
        self.decoder = nn.Sequential(*(_Transposed(*channels) for channels in DECODER))

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)  # (B, 16, 256, 256)
        x = self.encoder(x)  # (B, 512, 8, 8)
        for layer in list(self.decoder)[:-1]:
            x = F.relu(layer(x))
        return torch.sigmoid(self.decoder[-1](x))  # (B, 3, 256, 256)


class _Stem(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, STEM, 4, bias=False)
        self.norm = nn.BatchNorm2d(STEM, eps=EPS)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.norm(self.conv(F.pad(x, SAME_STRIDE_1))))


class _Residual(nn.Module):
    def __init__(self, inner: int, outer: int, stride: int) -> None:
        super().__init__()
        half = outer // 2
        self.padding = SAME_STRIDE_2 if stride == 2 else SAME_STRIDE_1
        self.conv1 = nn.Conv2d(inner, half, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(half, eps=EPS)
        self.conv2 = nn.Conv2d(half, half, 4, stride, bias=False)
        self.norm2 = nn.BatchNorm2d(half, eps=EPS)
        self.conv3 = nn.Conv2d(half, outer, 1, bias=False)
        self.norm3 = nn.BatchNorm2d(outer, eps=EPS)
        self.shortcut = nn.Conv2d(inner, outer, 1, stride, bias=False) if stride == 2 else None

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.norm1(self.conv1(x)))
        y = F.relu(self.norm2(self.conv2(F.pad(y, self.padding))))
        y = self.conv3(y) + (x if self.shortcut is None else self.shortcut(x))
        return F.relu(self.norm3(y))


class _Transposed(nn.Module):
    """A 4 x 4 transposed convolution with SAME padding, and its normalisation."""

    def __init__(self, inner: int, outer: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.conv = nn.ConvTranspose2d(inner, outer, 4, stride, bias=False)
        self.norm = nn.BatchNorm2d(outer, eps=EPS)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        before, after = (1, 2) if self.stride == 1 else (1, 1)
        y = y[:, :, before : y.shape[2] - after, before : y.shape[3] - after]
        return self.norm(y)


class LeanPRNet(nn.Module):
    """The same function: normalisation folded into the kernels, transposed convolutions of stride 1 as convolutions.

    Tensors are in channels-last order. Made from a plain network; not for training.
    """

    def __init__(self, plain: PlainPRNet) -> None:
        super().__init__()
        self.layers = nn.ModuleList()
        self.layers.append(_Conv(*_folded(plain.stem.conv.weight, plain.stem.norm), 1, SAME_STRIDE_1))
        self.layers.extend(_LeanResidual(cast(_Residual, block)) for block in plain.encoder)
        self.layers.extend(_lean_transposed(cast(_Transposed, layer)) for layer in plain.decoder)
        for parameter in self.parameters():
            parameter.requires_grad_(False)
            if parameter.ndim == 4:
                parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
        self.eval()

    def forward(self, x: Tensor) -> Tensor:
        x = x.contiguous(memory_format=torch.channels_last)
        for layer in list(self.layers)[:-1]:
            x = layer(x).relu_()
        return self.layers[-1](x).sigmoid_()


class _Conv(nn.Module):
    """A convolution with bias behind a padding that may differ on the two sides."""

    def __init__(self, weight: Tensor, bias: Tensor, stride: int, padding: tuple[int, int, int, int]) -> None:
        super().__init__()
        self.weight, self.bias, self.stride = nn.Parameter(weight), nn.Parameter(bias), stride
        self.even = padding[0] if len(set(padding)) == 1 else None  # padding that the convolution itself can do
        self.padding = padding

    def forward(self, x: Tensor) -> Tensor:
        if self.even is not None:
            return F.conv2d(x, self.weight, self.bias, self.stride, self.even)
        return F.conv2d(F.pad(x, self.padding), self.weight, self.bias, self.stride)


class _Deconv(nn.Module):
    """A 4 x 4 transposed convolution of stride 2 with bias; PyTorch's padding of 1 is TensorFlow's SAME."""

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(weight), nn.Parameter(bias)

    def forward(self, x: Tensor) -> Tensor:
        return F.conv_transpose2d(x, self.weight, self.bias, stride=2, padding=1)


class _LeanResidual(nn.Module):
    def __init__(self, block: _Residual) -> None:
        super().__init__()
        stride = block.conv2.stride[0]
        self.conv1 = _Conv(*_folded(block.conv1.weight, block.norm1), 1, (0, 0, 0, 0))
        self.conv2 = _Conv(*_folded(block.conv2.weight, block.norm2), stride, block.padding)
        self.conv3 = _Conv(*_folded(block.conv3.weight, block.norm3), 1, (0, 0, 0, 0))
        scale, _ = _scale_and_shift(block.norm3)
        self.scale = nn.Parameter(scale[:, None, None])
        self.shortcut = None
        if block.shortcut is not None:
            self.shortcut = _Conv(block.shortcut.weight * scale[:, None, None, None], scale * 0, 2, (0, 0, 0, 0))

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv3(self.conv2(self.conv1(x).relu_()).relu_())
        return y.addcmul_(x, self.scale) if self.shortcut is None else y.add_(self.shortcut(x))


def _lean_transposed(layer: _Transposed) -> nn.Module:
    scale, shift = _scale_and_shift(layer.norm)
    weight = layer.conv.weight * scale[None, :, None, None]  # (in, out, 4, 4)
    if layer.stride == 2:
        return _Deconv(weight, shift)
    return _Conv(weight.flip(2, 3).transpose(0, 1).contiguous(), shift, 1, SAME_FLIPPED)


def _scale_and_shift(norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Normalisation at inference is scale * x + shift, per channel."""
    assert norm.running_var is not None
    assert norm.running_mean is not None
    scale = norm.weight.double() / torch.sqrt(norm.running_var.double() + norm.eps)
    shift = norm.bias.double() - norm.running_mean.double() * scale
    return scale.float().detach(), shift.float().detach()


def _folded(weight: Tensor, norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    scale, shift = _scale_and_shift(norm)
    return weight.detach() * scale[:, None, None, None], shift


def load_network(path: Path, config: PRNetConfig) -> nn.Module:
    """The network of an imported file, where and how `config` says."""
    try:
        return network_of({name: values.numpy() for name, values in load_file(path).items()}, config)
    except (ValueError, OSError, RuntimeError) as error:
        raise WeightsError(f"{path}: {error}. Import it anew: masksynth weights import prnet PATH") from error


def network_of(arrays: Arrays, config: PRNetConfig) -> nn.Module:
    """The network with these weights, by the names of weights/prnet_layout.py, where and how `config` says."""
    plain = plain_from({name: torch.from_numpy(values) for name, values in arrays.items()})
    network = plain if config.plain else LeanPRNet(plain)
    try:
        return network.to(config.device, getattr(torch, config.precision))
    except (RuntimeError, AssertionError) as error:  # PyTorch asserts where it was built without a device
        raise ConfigError(f"device {config.device!r} cannot be used ({str(error).splitlines()[0]}).") from error


def devices_of(wanted: str) -> tuple[str, ...]:
    """Names of the devices that "auto", "cpu", "cuda" or "cuda:0,cuda:2" mean on this machine.

    "cuda" is every CUDA device that may be used, "auto" those, or else the processor.

    Raises
    ------
    ConfigError
        If one cannot be used, or they are not of one kind.
    """
    every = tuple(f"cuda:{number}" for number in range(torch.cuda.device_count()))
    if wanted == "auto":
        return every or ("cpu",)
    if wanted == "cuda" and every:
        return every
    names = tuple(name.strip() for name in wanted.split(","))
    for name in names:
        try:
            torch.zeros(1, device=name)
        except (RuntimeError, AssertionError) as error:
            raise ConfigError(f"device {name!r} cannot be used ({str(error).splitlines()[0]}).") from error
    if len({name.split(":")[0] for name in names}) > 1:
        raise ConfigError(f"devices of one kind are wanted, since kinds differ in the last bits, got {wanted!r}.")
    return names


def positions(network: nn.Module, crops: Photo8, config: PRNetConfig) -> npt.NDArray[np.float32]:
    """(B, 256, 256, 3) output in (0, 1) of (B, 256, 256, 3) uint8 crops."""
    with torch.inference_mode():
        x = torch.from_numpy(crops).to(config.device).permute(0, 3, 1, 2)
        x = x.to(getattr(torch, config.precision)) / 255  # (B, 3, 256, 256)
        return network(x).permute(0, 2, 3, 1).float().cpu().contiguous().numpy()


def plain_from(state: dict[str, Tensor]) -> PlainPRNet:
    """The plain network, evaluating, with the tensors of weights/prnet_layout.py."""
    network = PlainPRNet()
    result = network.load_state_dict(state, strict=False)
    missing = [key for key in result.missing_keys if not key.endswith("num_batches_tracked")]
    if missing or result.unexpected_keys:
        raise ValueError(f"lacks tensors {missing[:3]} or has others {result.unexpected_keys[:3]}")
    return network.eval()
