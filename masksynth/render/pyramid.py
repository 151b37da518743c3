"""A texture at every size, so that a large template on a small face does not alias."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from masksynth.arrays import UV_SIZE
from masksynth.errors import ShapeError
from masksynth.render._shading_kernels import DISTANCE_SIDE

CHANNELS = 8  # red, green, blue, alpha, shadow, slope along u, slope along v, nothing: one 16-byte row a texel
SMALLEST = 4  # side of the last level
BLOCKS = 64  # distance is kept for blocks of 4 x 4 texels
assert BLOCKS + 1 == DISTANCE_SIDE


@dataclass(frozen=True)
class Pyramid:
    """A texture in the UV layout and its halved copies, as the kernels read it."""

    texels: npt.NDArray[np.uint16]  # (N · 8,) bits of float16: all levels, row-major, colour and slope premultiplied
    starts: npt.NDArray[np.int64]  # (L,) first row of each level
    sides: npt.NDArray[np.int64]  # (L,)
    distance: npt.NDArray[np.uint8]  # (65 · 65,) texels of the 256 layout from a block of 4 x 4 of them to the nearest
    # where alpha or shadow is above 0, less than that; the last row and column are beyond the layout
    extent: tuple[int, int, int, int]  # first row, end row, first column, end column in the 256 layout; 0s where empty


def build_pyramid(
    colour: npt.NDArray[np.float32],
    alpha: npt.NDArray[np.float32],
    *,
    shadow: npt.NDArray[np.float32] | None = None,
    slope: npt.NDArray[np.float32] | None = None,
    validity: npt.NDArray[np.uint8] | None = None,
) -> Pyramid:
    """Prepare a texture for drawing.

    Levels have 1, 3/4, 1/2, 3/8, 1/4, ... of the texture's side; each texel is the mean over what it covers.

    Parameters
    ----------
    colour : (S, S, 3) or (S, S) float32
        Straight (not premultiplied); one channel is repeated. S is a multiple of 256, or 64 or 128.
    alpha : (S, S) float32 in [0, 1]
    shadow : (S, S) float32 in [0, 1], optional
        How much of the light on the skin beneath is taken away.
    slope : (S, S, 2) float32, optional
        Slope of the relief along u and v.
    validity : (256, 256) uint8, optional
        Where 0, the layout has no surface: alpha and shadow are taken as 0 there.

    Raises
    ------
    ShapeError
        If an array is not of the form above.
    """
    side = alpha.shape[0]
    if alpha.shape != (side, side) or side < 2 * SMALLEST or side & (side - 1):
        raise ShapeError(f"a texture is square, its side a power of two from 8, got {alpha.shape}")
    if colour.shape[:2] != alpha.shape or (colour.ndim == 3 and colour.shape[2] != 3) or colour.ndim not in (2, 3):
        raise ShapeError(f"colour is {alpha.shape} or {(*alpha.shape, 3)} like alpha, got {colour.shape}")
    base = np.zeros((side, side, CHANNELS), np.float32)
    covers = alpha.astype(np.float32)
    shade = np.zeros_like(covers) if shadow is None else shadow.astype(np.float32)
    if validity is not None:
        valid = cv2.resize((validity > 0).astype(np.float32), (side, side), interpolation=cv2.INTER_NEAREST)
        covers, shade = covers * valid, shade * valid
    base[..., :3] = (colour if colour.ndim == 3 else colour[..., None]) * covers[..., None]
    base[..., 3] = covers
    base[..., 4] = shade
    if slope is not None:
        base[..., 5:7] = slope * covers[..., None]
    levels = [base]
    while (
        levels[-1].shape[0] > SMALLEST
    ):  # 512, 384, 256, 192, 128, ...: each of the two before the last by its own mean
        whole = levels[-1] if len(levels) % 2 else levels[-2]
        to = whole.shape[0] * (3 if len(levels) % 2 else 2) // 4
        levels.append(_smaller(whole, to))
    sides = np.array([level.shape[0] for level in levels], np.int64)
    starts = np.concatenate([[0], np.cumsum(sides[:-1] ** 2)]).astype(np.int64)
    texels = np.concatenate([level.reshape(-1, CHANNELS) for level in levels]).astype(np.float16)
    visible = (covers > 0) | (shade > 0)
    return Pyramid(
        np.ascontiguousarray(texels).view(np.uint16).reshape(-1),
        starts,
        sides,
        _distance(visible),
        extent_of(visible),
    )


def _smaller(level: npt.NDArray[np.float32], side: int) -> npt.NDArray[np.float32]:
    """The mean of `level` (S, S, 8) over each texel of a (side, side, 8) one."""
    parts = (level[..., :4], level[..., 4:])  # OpenCV takes four channels at a time
    return np.dstack([cv2.resize(part, (side, side), interpolation=cv2.INTER_AREA) for part in parts])


def _distance(visible: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint8]:
    side = visible.shape[0]
    if side >= BLOCKS:
        blocks = visible.reshape(BLOCKS, side // BLOCKS, BLOCKS, side // BLOCKS).any(axis=(1, 3))
    else:
        blocks = np.repeat(np.repeat(visible, BLOCKS // side, 0), BLOCKS // side, 1)
    empty: npt.NDArray[np.uint8] = np.where(blocks, 0, 1).astype(np.uint8)
    apart = cv2.distanceTransform(empty, cv2.DIST_C, 3)  # in blocks
    texels = np.clip((apart - 1) * (UV_SIZE // BLOCKS) + 1, 0, 255) if blocks.any() else np.full_like(apart, 255)
    distance = np.full((BLOCKS + 1, BLOCKS + 1), 255, np.uint8)
    distance[:BLOCKS, :BLOCKS] = texels
    distance[BLOCKS], distance[:, BLOCKS] = distance[BLOCKS - 1], distance[:, BLOCKS - 1]
    return distance.reshape(-1)


def extent_of(visible: npt.NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """First row, end row, first column, end column in the 256 layout of what is true in (S, S); 0s where nothing is."""
    rows, columns = np.flatnonzero(visible.any(1)), np.flatnonzero(visible.any(0))
    if not len(rows):
        return 0, 0, 0, 0
    scale = UV_SIZE / visible.shape[0]
    return (
        int(rows[0] * scale),
        int(np.ceil((rows[-1] + 1) * scale)),
        int(columns[0] * scale),
        int(np.ceil((columns[-1] + 1) * scale)),
    )
