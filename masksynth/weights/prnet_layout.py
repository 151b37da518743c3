"""The tensors of PRNet's network: their names and shapes here and in the two published files.

Names here are those of the plain network in reconstruct/prnet_torch.py. The published files are the PyTorch state dict
of FaceX-Zoo's FMA-3D and the TensorFlow checkpoint of PRNet itself; the first holds every layer twice, half of it never
used.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

ENCODER = (
    *((16, 32, 2), (32, 32, 1), (32, 64, 2), (64, 64, 1), (64, 128, 2)),
    *((128, 128, 1), (128, 256, 2), (256, 256, 1), (256, 512, 2), (512, 512, 1)),
)
"""Channels in, channels out and stride of the ten residual blocks."""

DECODER = (
    *((512, 512, 1), (512, 256, 2), (256, 256, 1), (256, 256, 1), (256, 128, 2), (128, 128, 1), (128, 128, 1)),
    *((128, 64, 2), (64, 64, 1), (64, 64, 1), (64, 32, 2), (32, 32, 1), (32, 16, 2), (16, 16, 1)),
    *((16, 3, 1), (3, 3, 1), (3, 3, 1)),
)
"""Channels in, channels out and stride of the seventeen transposed convolutions."""

STEM = 16  # channels of the first convolution
BATCH_NORM = (  # here and in PyTorch, in TensorFlow
    ("weight", "gamma"),
    ("bias", "beta"),
    ("running_mean", "moving_mean"),
    ("running_var", "moving_variance"),
)


@dataclass(frozen=True)
class Tensor:
    """One tensor in use."""

    name: str  # here
    shape: tuple[int, ...]  # here and in PyTorch
    pytorch: str  # key in FaceX-Zoo's state dict
    tensorflow: str  # name in PRNet's checkpoint

    @property
    def tensorflow_shape(self) -> tuple[int, ...]:
        """(kh, kw, in, out) of convolutions, (kh, kw, out, in) of transposed ones: PyTorch's axes 2, 3, 1, 0."""
        if len(self.shape) == 1:
            return self.shape
        a, b, kh, kw = self.shape
        return kh, kw, b, a


@cache
def tensors() -> tuple[Tensor, ...]:
    """All 245 tensors that inference needs."""
    found: list[Tensor] = []

    def kernel(name: str, shape: tuple[int, ...], pytorch: str, tensorflow: str) -> None:
        found.append(Tensor(name + ".weight", shape, pytorch + ".weight", tensorflow + "/weights"))

    def norm(name: str, channels: int, pytorch: str, tensorflow: str) -> None:
        for ours, theirs in BATCH_NORM:
            found.append(Tensor(f"{name}.{ours}", (channels,), f"{pytorch}.{ours}", f"{tensorflow}/BatchNorm/{theirs}"))

    root = "resfcn256/"
    kernel("stem.conv", (STEM, 3, 4, 4), "input_layer.0.odd_conv.1", root + "Conv")
    norm("stem.norm", STEM, "input_layer.1", root + "Conv")
    for i, (inner, outer, stride) in enumerate(ENCODER, start=1):
        half = outer // 2
        ours, torch_name = f"encoder.{i - 1}", f"encoder_block_{i}"
        scope = f"{root}resBlock" + _counter(i)
        even = ".even_conv" if stride == 2 else ".odd_conv.1"
        kernel(f"{ours}.conv1", (half, inner, 1, 1), f"{torch_name}.conv1", f"{scope}/Conv")
        norm(f"{ours}.norm1", half, f"{torch_name}.bn1", f"{scope}/Conv")
        kernel(f"{ours}.conv2", (half, half, 4, 4), f"{torch_name}.conv2{even}", f"{scope}/Conv_1")
        norm(f"{ours}.norm2", half, f"{torch_name}.bn2", f"{scope}/Conv_1")
        kernel(f"{ours}.conv3", (outer, half, 1, 1), f"{torch_name}.conv3.even_conv", f"{scope}/Conv_2")
        norm(f"{ours}.norm3", outer, f"{torch_name}.bn3", scope)
        if stride == 2:
            kernel(f"{ours}.shortcut", (outer, inner, 1, 1), f"{torch_name}.shortcut", f"{scope}/shortcut")
    for i, (inner, outer, stride) in enumerate(DECODER, start=1):
        ours, torch_name = f"decoder.{i - 1}", f"decoder_block_{i}"
        scope = f"{root}Conv2d_transpose" + _counter(i)
        form = ".upConvTranspose" if stride == 2 else ".convTranspose.1"
        kernel(f"{ours}.conv", (inner, outer, 4, 4), f"{torch_name}{form}", scope)
        norm(f"{ours}.norm", outer, f"{torch_name}.bn", scope)
    return tuple(found)


def _counter(i: int) -> str:
    """TensorFlow numbers repeated names from the second on."""
    return "" if i == 1 else f"_{i - 1}"
