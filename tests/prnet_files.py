"""PRNet's files as they are published, with random weights: FaceX-Zoo's state dict and the TensorFlow checkpoint."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import torch

from masksynth.reconstruct.prnet_torch import PlainPRNet
from masksynth.weights.crc32c import crc32c
from masksynth.weights.prnet_layout import DECODER, ENCODER, tensors


def random_network(seed: int = 0) -> PlainPRNet:
    """A network of random kernels whose output varies by some ten pixels, damped so that rounding does not grow.

    (Kernels drawn at full strength make a chaotic function: its rounding errors alone are tenths of a pixel.)
    """
    torch.manual_seed(seed)
    network = PlainPRNet()
    for module in network.modules():
        if isinstance(module, (torch.nn.Conv2d, torch.nn.ConvTranspose2d)):
            torch.nn.init.kaiming_normal_(module.weight)
        if isinstance(module, torch.nn.BatchNorm2d):
            module.weight.data.uniform_(0.4, 1.2)
            module.bias.data.normal_(0, 0.3)
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 2)
    return network.eval()


def arrays_of(network: PlainPRNet) -> dict[str, np.ndarray]:
    state = network.state_dict()
    return {tensor.name: state[tensor.name].numpy().copy() for tensor in tensors()}


def write_pytorch(path: Path, arrays: dict[str, np.ndarray], whole: bool = True) -> None:
    """prnet.pth: with `whole` also the layers that are never used and the counters, 336 entries in all."""
    state = {tensor.pytorch: torch.from_numpy(arrays[tensor.name]) for tensor in tensors()}
    if whole:
        norms = [key.removesuffix(".running_var") for key in state if key.endswith(".running_var")]
        state |= {f"{norm}.num_batches_tracked": torch.tensor(7) for norm in norms}
        state["input_layer.0.even_conv.weight"] = torch.zeros(16, 3, 4, 4)
        for i, (_, outer, stride) in enumerate(ENCODER, start=1):
            half = outer // 2
            unused = "odd_conv.1" if stride == 2 else "even_conv"
            state[f"encoder_block_{i}.conv2.{unused}.weight"] = torch.zeros(half, half, 4, 4)
            state[f"encoder_block_{i}.conv3.odd_conv.1.weight"] = torch.zeros(outer, half, 1, 1)
            if stride == 1:
                state[f"encoder_block_{i}.shortcut.weight"] = torch.zeros(outer, outer, 1, 1)
        for i, (inner, outer, stride) in enumerate(DECODER, start=1):
            unused = "convTranspose.1" if stride == 2 else "upConvTranspose"
            state[f"decoder_block_{i}.{unused}.weight"] = torch.zeros(inner, outer, 4, 4)
    torch.save(state, path)


def write_tensorflow(stem: Path, arrays: dict[str, np.ndarray]) -> None:
    """The .index and .data files of a checkpoint, with the optimiser's slots between what is wanted."""
    entries: dict[str, np.ndarray] = {"beta1_power": np.array(0.9, "<f4"), "beta2_power": np.array(0.99, "<f4")}
    for tensor in tensors():
        values = arrays[tensor.name]
        values = values if values.ndim == 1 else np.ascontiguousarray(values.transpose(2, 3, 1, 0))
        entries[tensor.tensorflow] = values.astype("<f4")
        if not tensor.tensorflow.endswith(("moving_mean", "moving_variance")):
            for slot in ("Adam", "Adam_1"):
                entries[f"{tensor.tensorflow}/{slot}"] = np.zeros(values.shape, "<f4")
    offset, table = 0, []
    with stem.with_name(stem.name + ".data-00000-of-00001").open("wb") as data:
        for name in sorted(entries):
            values = entries[name]
            data.write(values.tobytes())
            table.append((name.encode(), _entry(values.shape, offset, values.nbytes, masked(values.tobytes()))))
            offset += values.nbytes
    _write_table(stem.with_name(stem.name + ".index"), [(b"", b"\x08\x01"), *table])


def write_index_with_layout_of(index: Path, entries: dict, out: Path) -> None:
    """An index of the given entries in the same table form; for comparing with the published one."""
    table = [(b"", b"\x08\x01")]
    table += [
        (n.encode(), _entry(entries[n].shape, entries[n].offset, entries[n].size, entries[n].checksum))
        for n in sorted(entries)
    ]
    _write_table(out, table)


def _varint(number: int) -> bytes:
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def masked(data: bytes) -> int:
    """The checksum of some bytes as TensorFlow stores it."""
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def _entry(shape: tuple[int, ...], offset: int, size: int, checksum: int) -> bytes:
    dims = b"".join(b"\x12" + _varint(len(d)) + d for d in (b"\x08" + _varint(n) for n in shape))
    value = b"\x08\x01\x12" + _varint(len(dims)) + dims
    if offset:
        value += b"\x20" + _varint(offset)
    return value + b"\x28" + _varint(size) + b"\x35" + struct.pack("<I", checksum)


def _write_table(path: Path, items: list[tuple[bytes, bytes]], block_size: int = 4096) -> None:
    out, index, block, keys = bytearray(), [], [], []

    def flush() -> None:
        handle = _append_block(out, block)
        index.append((keys[-1] + b"\x00", handle))
        block.clear()
        keys.clear()

    for key, value in items:
        block.append((key, value))
        keys.append(key)
        if sum(len(k) + len(v) + 3 for k, v in block) >= block_size:
            flush()
    if block:
        flush()
    meta = _append_block(out, [])
    place = _append_block(out, index)
    footer = meta + place
    out += footer + b"\x00" * (40 - len(footer)) + struct.pack("<Q", 0xDB4775248B80FB57)
    path.write_bytes(out)


def _append_block(out: bytearray, items: list[tuple[bytes, bytes]]) -> bytes:
    """Keys share prefixes with the one before, but for every sixteenth; returns the block's handle."""
    block, restarts, before = bytearray(), [], b""
    for k, (key, value) in enumerate(items):
        shared = 0
        if k % 16 == 0:
            restarts.append(len(block))
        else:
            while shared < min(len(key), len(before)) and key[shared] == before[shared]:
                shared += 1
        block += _varint(shared) + _varint(len(key) - shared) + _varint(len(value)) + key[shared:] + value
        before = key
    block += b"".join(struct.pack("<I", r) for r in restarts or [0]) + struct.pack("<I", len(restarts or [0]))
    start = len(out)
    out += block + b"\x00" + struct.pack("<I", 0)
    return _varint(start) + _varint(len(block))
