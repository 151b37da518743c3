"""From stored crops to what a network takes, with the augmentation of a training batch. Runs on the batch's device.

The authors' released augmentation, each with probability one half and independent of the others: a crop of a few pixels
stretched back, a flip, grey, a rotation within ±10°. Two slips of that code are mended here: grey fills all three
channels (there: one, the others left at mid-grey), and the rotation is about the middle (there: about a corner, which
throws the face up to 25 px sideways). "hsst-compat" keeps both as they were.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

CROP = 9 / 144  # most that a crop takes off one side, as a share of it; released: 0-8 px near, 1-9 px far
ROTATION_DEG = 10  # released: whole degrees
SHARE_GREY = 0.2  # of the images; released
LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601


@dataclass(frozen=True, kw_only=True)
class InputFormat:
    """What a network expects of its input."""

    side: int
    channel_order: Literal["rgb", "bgr"] = "rgb"
    mean: float = 127.5  # value = (pixel - mean) / std
    std: float = 128.0


@dataclass(frozen=True)
class Warp:
    """One random change per image of a batch."""

    source_from_crop: npt.NDArray[np.float64]  # (B, 2, 3): where a pixel of the result is taken from, pixel centres
    grey: npt.NDArray[np.bool_]  # (B,)
    compat: bool = False  # grey in the first channel alone, as released

    def of(self, images: slice | npt.NDArray[np.int64]) -> Warp:
        """The changes of some of the images."""
        return Warp(self.source_from_crop[images], self.grey[images], self.compat)


def draw_warp(rng: np.random.Generator, count: int, side: int, augment: str) -> Warp | None:
    """Draw the changes of `count` images; None where `augment` is "none"."""
    if augment == "none":
        return None
    identity = np.broadcast_to(np.eye(3), (count, 3, 3))
    flip = np.where(_coin(rng, count), _flip(side), identity)
    if augment == "flip":
        return Warp(flip[:, :2], np.zeros(count, bool))
    crop = np.where(_coin(rng, count), _crop(rng, count, side), identity)
    compat = augment == "hsst-compat"
    about = 0.0 if compat else (side - 1) / 2
    turn = np.where(_coin(rng, count), _rotation(rng, count, about), identity)
    return Warp((crop @ flip @ turn)[:, :2], rng.random(count) < SHARE_GREY, compat)


def prepare(images: Tensor, form: InputFormat, warp: Warp | None = None) -> Tensor:
    """Stored crops → network input.

    Parameters
    ----------
    images : (B, S, S) or (B, S, S, 3) uint8, RGB
    warp : Warp, optional
        Bilinear; black where it reaches outside the crop.

    Returns
    -------
    (B, 3, S, S) float32, channels last in memory: one channel is repeated
    """
    x = images[:, None] if images.ndim == 3 else images.permute(0, 3, 1, 2)
    x = x.float()
    if warp is not None:
        x = _apply(x, warp)
    x = (x - form.mean) / form.std
    if x.shape[1] == 1:
        x = x.expand(-1, 3, -1, -1)
    elif form.channel_order == "bgr":
        x = x.flip(1)
    if warp is not None and warp.compat and warp.grey.any():
        x = x.clone()
        x[torch.from_numpy(warp.grey), 1:] = 0.0
    return x.contiguous(memory_format=torch.channels_last)


def _apply(x: Tensor, warp: Warp) -> Tensor:
    side = x.shape[-1]
    # affine_grid speaks of coordinates that run from -1 to 1 between the outer edges of the outer pixels.
    to_unit = np.array([[2 / side, 0, 1 / side - 1], [0, 2 / side, 1 / side - 1], [0, 0, 1]])
    theta = to_unit[:2, :2] @ warp.source_from_crop
    theta[:, :, 2] += to_unit[:2, 2]
    theta = theta @ np.linalg.inv(to_unit)
    grid = F.affine_grid(torch.from_numpy(theta).to(x), list(x.shape), align_corners=False)
    x = F.grid_sample(x, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    if x.shape[1] == 3 and warp.grey.any():
        luma = (x * torch.tensor(LUMA, dtype=x.dtype, device=x.device).view(1, 3, 1, 1)).sum(1, keepdim=True)
        x = torch.where(torch.from_numpy(warp.grey).to(x.device).view(-1, 1, 1, 1), luma, x)
    return x


def _coin(rng: np.random.Generator, count: int) -> npt.NDArray[np.bool_]:
    return (rng.random(count) < 0.5)[:, None, None]


def _flip(side: int) -> npt.NDArray[np.float64]:
    return np.array([[-1.0, 0.0, side - 1.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])


def _crop(rng: np.random.Generator, count: int, side: int) -> npt.NDArray[np.float64]:
    pixel = CROP * side / 9
    near, far = rng.integers(0, 9, (2, count)) * pixel, rng.integers(1, 10, (2, count)) * pixel  # axis 0: x, y
    scale = (side - near - far) / side
    m = np.zeros((count, 3, 3))
    m[:, 2, 2] = 1
    for axis in (0, 1):
        m[:, axis, axis] = scale[axis]
        m[:, axis, 2] = near[axis] + (scale[axis] - 1) / 2  # pixel centres: u = near + (x + ½) scale - ½
    return m


def _rotation(rng: np.random.Generator, count: int, middle: float) -> npt.NDArray[np.float64]:
    angle = np.radians(rng.integers(-ROTATION_DEG, ROTATION_DEG + 1, count))
    cos, sin = np.cos(angle), np.sin(angle)
    m = np.zeros((count, 3, 3))
    m[:, 0, 0], m[:, 0, 1], m[:, 0, 2] = cos, sin, middle * (1 - cos - sin)
    m[:, 1, 0], m[:, 1, 1], m[:, 1, 2] = -sin, cos, middle * (1 - cos + sin)
    m[:, 2, 2] = 1
    return m
