"""The segmentation network at work: a small U-Net over the square that the mesh places, in numpy alone.

tools/train_segmentation.py trains it; assets/segmentation.safetensors holds its weights with the norms folded in.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

from masksynth.arrays import Photo8
from masksynth.resources import asset
from masksynth.segment.frame import FaceFrame
from masksynth.segment.grabcut import mask_prior

SIDE = 128  # of the square
Planes = npt.NDArray[np.float32]  # (C, H, W)


@cache
def weights() -> dict[str, npt.NDArray[np.float32]]:
    """Name to array, float32; convolutions are (out, in, 3, 3)."""
    from safetensors.numpy import load_file

    return {name: value.astype(np.float32) for name, value in load_file(asset("segmentation.safetensors")).items()}


def network_input(
    rgb: Photo8,
    u: npt.NDArray[np.floating],
    v: npt.NDArray[np.floating],
    on_face: npt.NDArray[np.bool_],
    in_photo: npt.NDArray[np.bool_],
) -> npt.NDArray[np.uint8]:
    """(S, S, 5) uint8: the square's colours, how likely its texels are covered by masks, where the photo is."""
    prior = mask_prior(u, v) * np.where(on_face, 1.0, 0.5)
    return np.dstack([rgb, np.rint(prior * 255).astype(np.uint8), in_photo.astype(np.uint8) * np.uint8(255)])


def predict(frame: FaceFrame) -> tuple[npt.NDArray[np.float32], float]:
    """(S, S) probability of mask for each pixel of a square of `SIDE`, and the score that there is a mask at all."""
    planes = network_input(frame.rgb, frame.u, frame.v, frame.on_face, frame.in_photo)
    x = np.ascontiguousarray(planes.transpose(2, 0, 1), np.float32) / np.float32(255)
    logit, score = forward(x)
    return _sigmoid(logit), float(_sigmoid(np.float32(score)))


def forward(x: Planes) -> tuple[npt.NDArray[np.float32], float]:
    """Logits (S, S) and the score's logit for input planes (5, S, S) in [0, 1]."""
    w = weights()

    def block(planes: Planes, name: str, stride: int = 1) -> Planes:
        return np.maximum(convolve(planes, w[f"{name}.weight"], w[f"{name}.bias"], stride), 0)

    e1 = block(block(x, "stem", 2), "e1")
    e2 = block(block(e1, "d2", 2), "e2")
    e3 = block(block(e2, "d3", 2), "e3")
    e4 = block(block(block(e3, "d4", 2), "e4"), "m4")
    score = float(w["score.weight"][0] @ e4.mean(axis=(1, 2)) + w["score.bias"][0])
    y = block(np.concatenate([doubled(e4), e3]), "u3")
    y = block(np.concatenate([doubled(y), e2]), "u2")
    y = block(np.concatenate([doubled(y), e1]), "u1")
    y = block(np.concatenate([doubled(y), x]), "last")
    return convolve(y, w["out.weight"], w["out.bias"], 1)[0], score


def convolve(planes: Planes, weight: npt.NDArray[np.float32], bias: npt.NDArray[np.float32], stride: int) -> Planes:
    """3 x 3 correlation with one pixel of zeros around: (I, H, W) with (O, I, 3, 3) to (O, H / stride, W / stride)."""
    inputs, height, width = planes.shape
    padded = np.pad(planes, ((0, 0), (1, 1), (1, 1)))
    rows, columns = (height - 1) // stride + 1, (width - 1) // stride + 1
    patches = np.zeros((inputs, 9, rows, columns), np.float32)
    for k in range(9):
        dy, dx = divmod(k, 3)
        patches[:, k] = padded[:, dy : dy + height : stride, dx : dx + width : stride]
    out = weight.reshape(len(weight), -1) @ patches.reshape(inputs * 9, -1)
    return out.reshape(len(weight), rows, columns) + bias[:, None, None]


def doubled(planes: Planes) -> Planes:
    """Each pixel as 2 x 2."""
    return planes.repeat(2, axis=1).repeat(2, axis=2)


def _sigmoid(x: npt.NDArray[np.float32] | np.float32) -> npt.NDArray[np.float32]:
    return np.asarray(1 / (1 + np.exp(-np.clip(x, -60, 60))), np.float32)
