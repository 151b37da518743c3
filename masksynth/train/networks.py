"""The networks by name, and their files.

A network is written as safetensors; its metadata says all that is needed to use it: architecture, side, channel order,
mean and standard deviation of the input, and where its weights come from. Nothing that is read can run code.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from masksynth.errors import ConfigError, WeightsError
from masksynth.files import write_bytes
from masksynth.resources import user_weights
from masksynth.train.augment import InputFormat
from masksynth.train.ir50 import IR50
from masksynth.train.mobilefacenet import MobileFaceNet
from masksynth.train.plugin import build_plugin, is_plugin
from masksynth.train.projected import Projected

FORMAT = "masksynth-network/1"
FROM_SCRATCH = "from scratch"

BACKBONES: dict[str, Callable[[int, int, float], nn.Module]] = {
    "mobilefacenet": lambda side, dimensions, width: MobileFaceNet(side, dimensions, width),
    "ir50": lambda side, dimensions, width: IR50(side, dimensions, width),
}
"""Name → builder from (side, dimensions, width)."""


@dataclass(frozen=True, kw_only=True)
class NetworkInfo:
    """What a network is and what it takes."""

    arch: str  # one of BACKBONES, or package.module:callable
    side: int
    dimensions: int = 512
    width: float = 1.0
    channel_order: str = "rgb"
    mean: float = 127.5
    std: float = 128.0
    shared: int = 0  # rows of a projection behind the backbone (IDR, W-CNN); 0: none
    origin: str = FROM_SCRATCH  # where the weights started from
    trained: str = ""  # by which method and for how long
    protocol: str = ""  # whose training rows it was trained on; "" where it was trained on other data

    @property
    def input(self) -> InputFormat:
        return InputFormat(side=self.side, channel_order=self.channel_order, mean=self.mean, std=self.std)  # type: ignore[arg-type]


def build(info: NetworkInfo, plugin: str = "") -> nn.Module:
    """An untrained network.

    `plugin` is the package.module:callable that the user has named; no other is imported, whatever `info` says.

    Raises ConfigError for an unknown architecture, or a plug-in that the user has not named.
    """
    if info.side < 32:
        raise ConfigError(f"a backbone needs crops of at least 32 x 32 px, got {info.side}")
    if is_plugin(info.arch):
        if info.arch != plugin:
            raise ConfigError(
                f"the network is built by {info.arch!r}, which is not masksynth's code. Where you trust it, say so "
                f"with --backbone {info.arch}"
            )
        net = build_plugin(plugin, info.side, info.dimensions, info.width)
    elif info.arch in BACKBONES:
        net = BACKBONES[info.arch](info.side, info.dimensions, info.width)
    else:
        raise ConfigError(f"there is no backbone {info.arch!r}; known are {', '.join(BACKBONES)}")
    if info.shared:
        net = Projected(net, info.dimensions, info.shared)
    return net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def save_network(path: Path, net: nn.Module, info: NetworkInfo) -> None:
    """Write weights and metadata to a .safetensors file, whole or not at all."""
    tensors = {k: v.detach().cpu().contiguous() for k, v in net.state_dict().items()}
    metadata = {"format": FORMAT, "network": json.dumps(dataclasses.asdict(info), sort_keys=True)}
    write_bytes(path, safetensors.torch.save(tensors, metadata))


def load_network(path: Path, *, side: int | None = None, plugin: str = "") -> tuple[nn.Module, NetworkInfo]:
    """Read what `save_network` wrote, in evaluation mode on the CPU; a run's folder stands for its probe.safetensors.

    `plugin` as in `build`.

    Raises
    ------
    WeightsError
        If the file is missing, is not a network of ours, or its weights do not fit the architecture it names.
    ConfigError
        If the architecture is a plug-in that the user has not named.
    """
    path = network_file(path)
    tensors, info = _read(path)
    try:
        net = build(info, plugin)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error
    fit_state(net, tensors, path)
    if side is not None and info.side != side:
        raise WeightsError(f"{path}: the network takes {info.side} px crops, but these are {side} px.")
    return net.eval(), info


def network_file(path: Path) -> Path:
    """`path`; or probe.safetensors in it, where it is a run's folder; or the imported backbone of that name.

    Raises WeightsError where there is nothing.
    """
    path = Path(path)
    imported = user_weights() / f"{path}.safetensors"
    if not path.exists() and len(path.parts) == 1 and imported.is_file():
        return imported
    if path.is_dir():
        if not (path / "probe.safetensors").is_file():
            raise WeightsError(f"{path}: holds no probe.safetensors; no training run has saved a network there.")
        return path / "probe.safetensors"
    if not path.is_file():
        raise WeightsError(f"{path}: there is no such file of weights.")
    return path


def is_ours(path: Path) -> bool:
    """Whether a file is one that `save_network` wrote."""
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            return (file.metadata() or {}).get("format") == FORMAT
    except (safetensors.SafetensorError, OSError):
        return False


def fit_state(net: nn.Module, tensors: dict[str, Tensor], path: Path) -> None:
    """Load `tensors` into `net`; all keys and shapes must fit, but for batch-norm's step counters."""
    wanted = net.state_dict()
    counters = {k: v for k, v in wanted.items() if k.endswith("num_batches_tracked") and k not in tensors}
    tensors = {**tensors, **counters}
    missing, unexpected = sorted(set(wanted) - set(tensors)), sorted(set(tensors) - set(wanted))
    shapes = [
        f"{k} {tuple(tensors[k].shape)} for {tuple(wanted[k].shape)}"
        for k in wanted
        if k in tensors and tensors[k].shape != wanted[k].shape
    ]
    faults = [
        f"{len(names)} {word} ({', '.join(names[:3])}{', …' if len(names) > 3 else ''})"
        for word, names in (("missing", missing), ("unknown", unexpected), ("of another shape", shapes))
        if names
    ]
    if faults:
        raise WeightsError(f"{path}: the weights do not fit the network: {'; '.join(faults)}.")
    net.load_state_dict(tensors)


def file_sha256(path: Path) -> str:
    """Hex digest of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read(path: Path) -> tuple[dict[str, Tensor], NetworkInfo]:
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            metadata: dict[str, str] = file.metadata() or {}
            tensors = {k: file.get_tensor(k) for k in file.keys()}  # noqa: SIM118 - not a dict
    except (safetensors.SafetensorError, OSError) as error:
        raise WeightsError(f"{path}: is not a readable safetensors file ({str(error).splitlines()[0]}).") from error
    if metadata.get("format") != FORMAT:
        found = metadata.get("format", "none")
        raise WeightsError(f"{path}: is not a network of masksynth (format {found}, wanted {FORMAT}).")
    try:
        values: dict[str, Any] = json.loads(metadata["network"])
        return tensors, NetworkInfo(**values)
    except (KeyError, TypeError, ValueError) as error:
        raise WeightsError(f"{path}: its metadata cannot be read ({error}).") from error
