"""A texture at every size, so that a large template on a small face does not alias."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from masksynth.arrays import UV_SIZE
from masksynth.errors import ShapeError

CHANNELS = 8  # red, green, blue, alpha, shadow, slope along u, slope along v, nothing: one 16-byte row a texel
SMALLEST = 4  # side of the last level
BLOCKS = 32  # presence is kept for blocks of 8 x 8 texels


@dataclass(frozen=True)
class Pyramid:
    """A texture in the UV layout and its halved copies, as the kernels read it."""

    texels: npt.NDArray[np.float16]  # (N, 8) all levels, row-major, colour and slope premultiplied by alpha
    starts: npt.NDArray[np.int64]  # (L,) first row of each level
    sides: npt.NDArray[np.int64]  # (L,)
    present: npt.NDArray[np.uint8]  # (32, 32) not 0 where alpha or shadow may be above 0, one block of margin
    grey: bool  # the three colours are one, and light has one colour for it
    relief: bool  # there are slopes
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

    Each level is the mean over 2 x 2 texels of the one before.

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
    while levels[-1].shape[0] > SMALLEST:
        fine = levels[-1]
        half = fine.shape[0] // 2
        levels.append(fine.reshape(half, 2, half, 2, CHANNELS).mean(axis=(1, 3), dtype=np.float32))
    sides = np.array([level.shape[0] for level in levels], np.int64)
    starts = np.concatenate([[0], np.cumsum(sides[:-1] ** 2)]).astype(np.int64)
    texels = np.concatenate([level.reshape(-1, CHANNELS) for level in levels]).astype(np.float16)
    visible = (covers > 0) | (shade > 0)
    return Pyramid(
        np.ascontiguousarray(texels),
        starts,
        sides,
        _present(visible),
        colour.ndim == 2,
        slope is not None,
        _extent(visible),
    )


def _present(visible: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint8]:
    side = visible.shape[0]
    if side >= BLOCKS:
        blocks = visible.reshape(BLOCKS, side // BLOCKS, BLOCKS, side // BLOCKS).any(axis=(1, 3))
    else:
        blocks = np.repeat(np.repeat(visible, BLOCKS // side, 0), BLOCKS // side, 1)
    return np.asarray(cv2.dilate(np.asarray(blocks, np.uint8), np.ones((3, 3), np.uint8)), np.uint8)


def _extent(visible: npt.NDArray[np.bool_]) -> tuple[int, int, int, int]:
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
