"""The segmentation network at work: a small U-Net over the square that the mesh places, in numpy alone.

tools/train_segmentation.py trains it; assets/segmentation.safetensors holds its weights with the norms folded in.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import numpy as np
import numpy.typing as npt

from masksynth.arrays import UV_SIZE, Photo8
from masksynth.resources import asset
from masksynth.segment.frame import FaceFrame
from masksynth.segment.grabcut import mask_prior

SIDE = 144  # of the square
WIDTH = 2.7  # of the square, in interocular distances
INPUTS, U = 8, 6  # planes it sees, and which of them is u
Planes = npt.NDArray[np.float32]  # (C, H, W)


@cache
def weights() -> dict[str, npt.NDArray[np.float32]]:
    """Name to array, float32; convolutions are (out, in, 3, 3)."""
    from safetensors.numpy import load_file

    return {name: value.astype(np.float32) for name, value in load_file(asset("segmentation.safetensors")).items()}


def planes_of(
    rgb: Photo8,
    u: npt.NDArray[np.floating],
    v: npt.NDArray[np.floating],
    on_face: npt.NDArray[np.bool_],
    in_photo: npt.NDArray[np.bool_],
) -> npt.NDArray[np.uint8]:
    """(S, S, INPUTS) uint8, what the network sees of a square.

    Its colours; how likely the texels are covered by masks; where the photo is; the texels, and where the face is.
    """
    flags = (plane.astype(np.uint8) * np.uint8(255) for plane in (in_photo, on_face))
    column, row = (np.clip(np.rint(plane), 0, UV_SIZE - 1).astype(np.uint8) for plane in (u, v))
    prior = _prior()[row, column] >> (~on_face).astype(np.uint8)  # half as much beside the face
    return np.dstack([rgb, prior, *flags, column, row])


@cache
def _prior() -> npt.NDArray[np.uint8]:
    """(256, 256) of the layout, `mask_prior` times 255."""
    v, u = np.mgrid[:UV_SIZE, :UV_SIZE]
    return np.rint(mask_prior(u, v) * 255).astype(np.uint8)


def predict(frame: FaceFrame) -> tuple[npt.NDArray[np.float32], float]:
    """(S, S) probability of mask for each pixel of a square of `SIDE` by `WIDTH`, and that there is a mask at all.

    The mean of the square's answer and of its mirror image's.
    """
    planes = planes_of(frame.rgb, frame.u, frame.v, frame.on_face, frame.in_photo)
    mirrored = planes[:, ::-1].copy()
    mirrored[..., U] = 255 - mirrored[..., U]
    one, other = (
        forward(np.ascontiguousarray(each.transpose(2, 0, 1), np.float32) / np.float32(255), weights())
        for each in (planes, mirrored)
    )
    return _sigmoid((one[0] + other[0][:, ::-1]) / np.float32(2)), float(_sigmoid(np.float32((one[1] + other[1]) / 2)))


def forward(x: Planes, w: Mapping[str, npt.NDArray[np.float32]]) -> tuple[npt.NDArray[np.float32], float]:
    """Logits (S, S) and the score's logit for input planes (INPUTS, S, S) in [0, 1], S a multiple of 16, and weights.

    Weights: name to array, as `weights` gives them.
    """

    def block(planes: Planes, name: str, stride: int = 1) -> Planes:
        out = convolve(planes, w[f"{name}.weight"], w[f"{name}.bias"], stride)
        return np.maximum(out, 0, out=out)

    def narrow(planes: Planes, name: str) -> Planes:
        weight = w[f"{name}.weight"][:, :, 0, 0]
        mixed = weight @ planes.reshape(len(planes), -1) + w[f"{name}.bias"][:, None]
        return doubled(mixed.reshape(len(weight), *planes.shape[1:]))

    e1 = block(block(x, "stem", 2), "e1")
    e2 = block(block(e1, "d2", 2), "e2")
    e3 = block(block(e2, "d3", 2), "e3")
    e4 = block(block(block(e3, "d4", 2), "e4"), "m4")
    score = float(w["score.weight"][0] @ e4.mean(axis=(1, 2)) + w["score.bias"][0])
    y = block(narrow(e4, "p3") + e3, "u3")
    y = block(narrow(y, "p2") + e2, "u2")
    y = block(narrow(y, "p1") + e1, "u1")
    quarters = convolve(y, w["out.weight"], w["out.bias"], 1)  # the four pixels of each
    _, rows, columns = quarters.shape
    logit = quarters.reshape(2, 2, rows, columns).transpose(2, 0, 3, 1).reshape(2 * rows, 2 * columns)
    return logit, score


def convolve(planes: Planes, weight: npt.NDArray[np.float32], bias: npt.NDArray[np.float32], stride: int) -> Planes:
    """3 x 3 correlation with one pixel of zeros around: (I, H, W) with (O, I, 3, 3) to (O, H / stride, W / stride)."""
    inputs, height, width = planes.shape
    padded = np.zeros((inputs, height + 2, width + 2), np.float32)
    padded[:, 1:-1, 1:-1] = planes
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), (1, 2))[:, ::stride, ::stride]
    rows, columns = windows.shape[1:3]
    patches = windows.transpose(0, 3, 4, 1, 2).reshape(inputs * 9, rows * columns)
    out = weight.reshape(len(weight), -1) @ patches
    out += bias[:, None]
    return out.reshape(len(weight), rows, columns)


def doubled(planes: Planes) -> Planes:
    """Each pixel as 2 x 2."""
    return planes.repeat(2, axis=1).repeat(2, axis=2)


def _sigmoid(x: npt.NDArray[np.float32] | np.float32) -> npt.NDArray[np.float32]:
    return np.asarray(1 / (1 + np.exp(-np.clip(x, -60, 60))), np.float32)
