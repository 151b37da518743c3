"""FaceBoxes: one pass over a picture of any size, with many anchors for small faces.

References
----------
Zhang et al., "FaceBoxes: A CPU Real-time Face Detector with High Accuracy", IJCB 2017.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn

from masksynth.arrays import Box, Detection, Photo8
from masksynth.detect.boxes import overlaps
from masksynth.errors import WeightsError
from masksynth.weights.faceboxes_layout import CONVOLUTIONS, SOURCES, faceboxes_shapes

MEAN_BGR = (104.0, 117.0, 123.0)  # subtracted from the input, whose channels are blue, green, red
VARIANCES = (0.1, 0.2)  # of box regression: centre, size
ANCHORS = (  # stride; (side, anchors a cell along each axis)
    (32, ((32, 4), (64, 2), (128, 1))),
    (64, ((256, 1),)),
    (128, ((512, 1),)),
)
MAX_HEIGHT, MAX_WIDTH = 720, 1080  # larger pictures are scaled down to this
MIN_CANDIDATE = 0.05
MIN_SCORE = 0.5
MAX_OVERLAP = 0.3
MAX_CANDIDATES = 5000


class FaceBoxesNet(nn.Module):
    """(B, 3, H, W) BGR less its mean to (B, A, 4) box regressions and (B, A) face probabilities."""

    def __init__(self) -> None:
        super().__init__()
        for name, (outer, inner, kernel) in CONVOLUTIONS.items():
            stride = {"conv1": 4, "conv2": 2, "conv3_2": 2, "conv4_2": 2}.get(name, 1)
            _add(self, name, _ConvNorm(inner, outer, kernel, stride))
        self.loc = nn.ModuleList(nn.Conv2d(c, a * 4, 3, padding=1) for c, a in SOURCES)
        self.conf = nn.ModuleList(nn.Conv2d(c, a * 2, 3, padding=1) for c, a in SOURCES)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        for name in ("conv1", "conv2"):
            x = self.get_submodule(name)(x)
            x = F.relu(torch.cat([x, -x], dim=1))  # the paper's C.ReLU: edges come in pairs of opposite sign
            x = F.max_pool2d(x, 3, 2, 1)
        for k in (1, 2, 3):
            x = self._inception(f"inception{k}", x)
        maps = [x]
        for k in (3, 4):
            x = F.relu(self.get_submodule(f"conv{k}_1")(x))
            x = F.relu(self.get_submodule(f"conv{k}_2")(x))
            maps.append(x)
        boxes = [head(m).permute(0, 2, 3, 1).flatten(1) for head, m in zip(self.loc, maps, strict=True)]
        logits = [head(m).permute(0, 2, 3, 1).flatten(1) for head, m in zip(self.conf, maps, strict=True)]
        regressions = torch.cat(boxes, 1).view(len(x), -1, 4)
        return regressions, torch.cat(logits, 1).view(len(x), -1, 2).softmax(-1)[..., 1]

    def _inception(self, name: str, x: Tensor) -> Tensor:
        def conv(branch: str, y: Tensor) -> Tensor:
            return F.relu(self.get_submodule(f"{name}.{branch}")(y))

        pooled = F.avg_pool2d(x, 3, 1, 1)
        middle = conv("branch3x3", conv("branch3x3_reduce", x))
        deep = conv("branch3x3_3", conv("branch3x3_2", conv("branch3x3_reduce_2", x)))
        return torch.cat([conv("branch1x1", x), conv("branch1x1_2", pooled), middle, deep], dim=1)


class _ConvNorm(nn.Module):
    def __init__(self, inner: int, outer: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inner, outer, kernel, stride, kernel // 2, bias=False)
        self.bn = nn.BatchNorm2d(outer, eps=1e-5)

    def forward(self, x: Tensor) -> Tensor:
        return self.bn(self.conv(x))


def _add(root: nn.Module, name: str, module: nn.Module) -> None:
    """Register a module under a dotted name."""
    *parents, last = name.split(".")
    for parent in parents:
        if not hasattr(root, parent):
            root.add_module(parent, nn.Module())
        root = getattr(root, parent)
    root.add_module(last, module)


class FaceBoxes:
    """The network with its anchors, on the CPU."""

    def __init__(self, path: Path) -> None:
        self._network = FaceBoxesNet()
        try:
            state = load_file(path)
            missing = set(faceboxes_shapes()) - set(state)
            if missing:
                raise ValueError(f"{len(missing)} tensors are missing")
            self._network.load_state_dict(state, strict=False)
        except (ValueError, OSError, RuntimeError) as error:
            raise WeightsError(f"{path}: {error}. Import it anew: masksynth weights import faceboxes PATH") from error
        self._network.eval()

    def detect_once(self, rgb: Photo8) -> list[Detection]:
        """Faces in one look at a (H, W, 3) picture, best first; a detection has no points."""
        import cv2

        height, width = rgb.shape[:2]
        factor = min(1.0, MAX_HEIGHT / height, MAX_WIDTH / width)
        small = rgb
        if factor < 1:
            size = (max(1, round(width * factor)), max(1, round(height * factor)))
            small = np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.uint8)
        bgr = small[:, :, ::-1].astype(np.float32) - np.array(MEAN_BGR, np.float32)
        x = torch.from_numpy(np.ascontiguousarray(bgr.transpose(2, 0, 1)))[None]
        with torch.inference_mode():
            regressions, scores = self._network(x)
        boxes, best = _decoded(regressions[0].numpy(), scores[0].numpy(), small.shape[0], small.shape[1])
        scale = np.array([width / small.shape[1], height / small.shape[0]] * 2)
        return [
            Detection(Box(*(box * scale - 0.5).tolist()), float(score), np.zeros((0, 2), np.float32))
            for box, score in zip(boxes, best, strict=True)
        ]


@lru_cache(maxsize=16)
def anchors(height: int, width: int) -> npt.NDArray[np.float64]:
    """(A, 4) centre x, centre y, width, height of the anchors, in pixels of a picture of that size."""
    found = []
    for stride, sides in ANCHORS:
        rows, columns = -(-height // stride), -(-width // stride)
        cells = np.stack(np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij"), -1).reshape(-1, 1, 2)
        cell = []
        for side, dense in sides:
            # A dense anchor's centres start at the cell's corner; a single one stands in its middle.
            shift = np.arange(dense) / dense if dense > 1 else np.array([0.5])
            places = np.stack(np.meshgrid(shift, shift, indexing="ij"), -1).reshape(-1, 2)
            cell.append(np.concatenate([places[:, ::-1], np.full_like(places, side / stride)], axis=1))
        template = np.concatenate(cell)[None]  # (1, K, 4) x, y, w, h in cells
        offset = np.concatenate([cells[..., ::-1], np.zeros_like(cells)], axis=2)
        found.append(((template + offset) * stride).reshape(-1, 4))
    return np.concatenate(found)


def _decoded(
    regressions: npt.NDArray[np.float32], scores: npt.NDArray[np.float32], height: int, width: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float32]]:
    """(K, 4) boxes in pixels (left, top, right, bottom; edges) and their scores, overlapping ones dropped."""
    likely = np.flatnonzero(scores > MIN_CANDIDATE)
    likely = likely[np.argsort(-scores[likely], kind="stable")][:MAX_CANDIDATES]
    base, change = anchors(height, width)[likely], regressions[likely].astype(np.float64)
    centre = base[:, :2] + change[:, :2] * VARIANCES[0] * base[:, 2:]
    size = base[:, 2:] * np.exp(np.clip(change[:, 2:] * VARIANCES[1], -10, 10))
    boxes = np.concatenate([centre - size / 2, centre + size / 2], axis=1)
    kept: list[int] = []
    remaining = np.arange(len(likely))
    while remaining.size and scores[likely[remaining[0]]] >= MIN_SCORE:
        first = int(remaining[0])
        kept.append(first)
        remaining = remaining[1:][overlaps(boxes[first], boxes[remaining[1:]]) <= MAX_OVERLAP]
    return boxes[kept], scores[likely[kept]]
