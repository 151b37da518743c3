"""A trained network as ONNX: crops in, features out, nothing else to know."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from masksynth.errors import ConfigError, WeightsError
from masksynth.files import atomic_path
from masksynth.train.foreign import load_any
from masksynth.train.networks import NetworkInfo

NEEDS = ("onnx", "onnxscript", "onnxruntime")
PARITY = 0.9999  # least cosine between the two networks' features of the same crop
OPSET = 18


class Embedder(nn.Module):
    """(N, 3, S, S) float32 RGB in [0, 255] → (N, D) features of length 1."""

    def __init__(self, net: nn.Module, info: NetworkInfo) -> None:
        super().__init__()
        self.net = net
        self.mean, self.std = info.mean, info.std
        self.bgr = info.channel_order == "bgr"

    def forward(self, image: Tensor) -> Tensor:
        x = (image - self.mean) / self.std
        return F.normalize(self.net(x.flip(1) if self.bgr else x))


@dataclass(frozen=True)
class Exported:
    """What `export` wrote."""

    path: Path
    info: NetworkInfo
    least_cosine: float  # between torch's and ONNX Runtime's features, over the crops tried


def export(weights: Path, path: Path, *, plugin: str = "") -> Exported:
    """Write the network in `weights` to the .onnx file `path`, once it has been found to agree with torch's.

    The file's one input, ``image``, is (N, 3, S, S) float32 RGB in [0, 255], N any number; its one output, ``feature``,
    is (N, D) float32 of length 1. Scaling and channel order are inside. `plugin` as in `networks.build`.

    Raises
    ------
    ConfigError
        If the packages of the extra "export" are not installed, a plug-in was not named, or `path` is no .onnx.
    WeightsError
        If the weights cannot be read, or the exported network does not agree with torch's.
    OutputError
        If the file cannot be written.
    """
    if path.suffix.lower() != ".onnx":
        raise ConfigError(f"{path}: a network is written as ONNX. Give a name that ends in .onnx.")
    absent = [name for name in NEEDS if importlib.util.find_spec(name) is None]
    if absent:
        raise ConfigError(f"export needs {', '.join(absent)}: pip install 'masksynth[export]'.")
    net, info = load_any(weights, plugin=plugin)
    embedder = Embedder(net.to(memory_format=torch.contiguous_format), info).eval()  # type: ignore[call-overload]
    crops = np.random.default_rng(0).uniform(0, 255, (3, 3, info.side, info.side)).astype(np.float32)
    with atomic_path(path) as temporary:
        with warnings.catch_warnings(), _quiet("torch.onnx"):
            warnings.simplefilter("ignore")  # the exporter's words on its own future
            torch.onnx.export(
                embedder,
                (torch.from_numpy(crops[:2]),),
                str(temporary),
                input_names=["image"],
                output_names=["feature"],
                dynamic_shapes={"image": {0: torch.export.Dim("images", min=1)}},
                opset_version=OPSET,
                external_data=False,
                verbose=False,
            )
        _describe(temporary, info)
        cosine = _agreement(temporary, embedder, crops)
        if not cosine > PARITY:
            raise WeightsError(f"{path}: the exported network does not agree with torch's (least cosine {cosine:.5f}).")
    return Exported(path, info, cosine)


@contextmanager
def _quiet(name: str) -> Iterator[None]:
    """No warnings of a logger and those below it: of packages, for instance, that the network does not need."""
    logger = logging.getLogger(name)
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


def _describe(path: Path, info: NetworkInfo) -> None:
    """Put what the network is into the file's own metadata."""
    import onnx

    model = onnx.load(path)
    onnx.helper.set_model_props(model, {"masksynth": json.dumps(dataclasses.asdict(info), sort_keys=True)})
    onnx.checker.check_model(model)
    onnx.save(model, path)


def _agreement(path: Path, embedder: nn.Module, crops: np.ndarray) -> float:
    """Least cosine of both networks' features, over batches of 1 and 3."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    least = 1.0
    for batch in (crops[:1], crops):
        (theirs,) = session.run(["feature"], {"image": batch})
        with torch.no_grad():
            ours = embedder(torch.from_numpy(batch)).numpy()
        least = min(least, float((ours * theirs).sum(1).min()))
    return least
