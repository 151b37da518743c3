"""Texture over position map, fast: the visible surface is found once, then any number of textures are drawn over it.

A canvas looks at a face through a window of the photo: each pixel learns which texel of the layout it sees, and each
pixel on a silhouette (where the head ends, or the nose hides the cheek) learns it for 4 x 4 samples. Drawing a texture
then is a filtered lookup per pixel, which gives true coverage at the texture's own rim as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from masksynth.arrays import UV_SIZE, Matrix, PositionMap
from masksynth.render import _kernels
from masksynth.render.pyramid import Pyramid

LARGEST_CELL_PX = 2.8  # the UV grid is coarsened until a cell of two triangles is about this wide
STEPS = (8, 6, 4, 3, 2, 1)
SILHOUETTE_JUMP = (
    4.0  # times the mean number of texels a pixel spans: more than that between neighbours is a silhouette
)
WINDOW_STEP = 4  # texels between those that bound a window
PRESENCE_LIMIT = 6.0  # texels a pixel; above, the block of margin in Pyramid.present may be too little

_EYE_CORNERS = ((67, 78), (67, 177))  # (v, u) of the outer eye corners in the layout


@dataclass(frozen=True)
class Window:
    """A rectangle of whole pixels of the photo."""

    left: int
    top: int
    width: int
    height: int

    def tiles(self, side: int) -> list[Window]:
        """The window cut into pieces of at most `side` x `side`."""
        return [
            Window(x, y, min(side, self.left + self.width - x), min(side, self.top + self.height - y))
            for y in range(self.top, self.top + self.height, side)
            for x in range(self.left, self.left + self.width, side)
        ]

    def grown(self, margin: int, shape: tuple[int, int]) -> Window:
        """With `margin` more on each side, within a picture of (height, width)."""
        left, top = max(self.left - margin, 0), max(self.top - margin, 0)
        right = min(self.left + self.width + margin, shape[1])
        bottom = min(self.top + self.height + margin, shape[0])
        return Window(left, top, max(right - left, 0), max(bottom - top, 0))


@dataclass(frozen=True)
class Lift:
    """A surface that stands off the one of the position map."""

    height: npt.NDArray[np.float32]  # (256, 256)
    length: float  # pixels of the drawn picture per unit of height
    along: npt.NDArray[np.float32]  # (G, G, 3) unit directions over the layout, in the frame of the drawn picture
    more: npt.NDArray[np.float32] | None = None  # (G, G) pixels besides, by the share that the height is of `full`
    full: float = 1.0  # unit of height

    @property
    def highest(self) -> float:
        """The most pixels that the surface stands off."""
        more = 0.0 if self.more is None else max(float(self.more.max()), 0.0)
        return self.length * float(self.height.max()) + more


FLAT_LIGHT: npt.NDArray[np.float32] = np.tile(np.array([1, 1, 1, 0, 0, 0, 0, 0], np.float32), (4, 1))
"""(2 * 2, 8): a light that changes nothing."""


class Canvas:
    """Buffers for looking at one face at a time; they are reused, so one canvas serves one thread.

    ``uv``, ``slot`` and ``layer`` are views that the next `look` overwrites.
    """

    def __init__(self) -> None:
        self.uv = np.zeros((2, 0, 0), np.float32)  # (2, h, w) u and v of the texel seen, -1e30 where none
        self.slot = np.zeros((0, 0), np.int32)  # (h, w) number of a silhouette pixel, else -1
        self.layer = np.zeros((0, 0, 5), np.float32)  # (h, w, 5) premultiplied red, green, blue; alpha; shadow
        self._depth = np.zeros((0, 0), np.float32)
        self._pixels = _Buffer()
        self._sub_depth = np.zeros((0, _kernels.SUB**2), np.float32)
        self._sub_u = np.zeros((0, _kernels.SUB**2), np.float32)
        self._sub_v = np.zeros((0, _kernels.SUB**2), np.float32)
        self._sub_size = np.zeros((0, _kernels.SUB**2), np.float32)
        self._near = self._edge = np.zeros((0, 0), np.uint8)
        self._grids = {step: _Grid(step) for step in STEPS}
        self._texels_per_px = 1.0
        self._jump = np.float32(1.0)
        self._probes = np.zeros((_kernels.SUB**2, 4), np.float32)

    def look(
        self,
        position_map: PositionMap,
        window: Window,
        *,
        frame: Matrix | None = None,
        lift: Lift | None = None,
        texture: Pyramid | None = None,
        step: int | None = None,
    ) -> None:
        """Find which texel each pixel of `window` sees.

        Parameters
        ----------
        position_map : PositionMap in the photo frame
        window : Window in the photo frame, or in that of `frame`
        frame : (2, 3) float64, optional
            Similarity from photo pixels to those of the picture that is drawn; none where that is the photo.
        lift : Lift, optional
            Draw a surface that stands off.
        texture : Pyramid, optional
            Look closely only where this texture may be; no other can then be drawn.
        step : 1, 2, 4 or 8, optional
            Every so many texels are a vertex; by the size of the face where not given.
        """
        matrix = np.array([[1.0, 0, 0], [0, 1.0, 0]]) if frame is None else np.asarray(frame, np.float64)
        scale = float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
        px_per_texel = scale * texel_spacing(position_map)
        if step is None:
            step = next((s for s in STEPS if s * px_per_texel <= LARGEST_CELL_PX), 1)
        moved = matrix.astype(np.float64).copy()
        moved[:, 2] -= (window.left, window.top)
        small = moved.astype(np.float32)
        grid = self._grids[step]
        cells = grid_cells(position_map.validity, step)
        _kernels.gather_grid(
            position_map.positions, grid.rows, grid.columns, small, np.float32(scale),
            grid.x, grid.y, grid.z,
        )  # fmt: skip
        if lift is not None:
            grid.flat_x[:], grid.flat_y[:] = grid.x, grid.y
            more = np.zeros(lift.along.shape[:2], np.float32) if lift.more is None else lift.more
            _kernels.lift_grid(
                grid.rows, grid.columns, lift.height, lift.along, np.float32(lift.length), more, np.float32(lift.full),
                grid.x, grid.y, grid.z,
            )  # fmt: skip
        self._depth, self.uv, self.slot, self.layer, self._near, self._edge = self._pixels.of(
            window.height, window.width
        )
        self._depth.fill(-np.inf)
        self.uv.fill(_kernels.NOTHING)
        _kernels.draw_grid(grid.x, grid.y, grid.z, grid.rows, grid.columns, cells, self._depth, self.uv)
        self._texels_per_px = 1.0 / max(px_per_texel, 1e-6)
        self._jump = np.float32(SILHOUETTE_JUMP * self._texels_per_px + 1.0)
        present = self._presence(texture)
        count = _kernels.find_silhouettes(
            self.uv, self._jump, present, len(self._sub_depth), self.slot, self._edge, self._near
        )
        if count > len(self._sub_depth):
            self._make_room(count)
            count = _kernels.find_silhouettes(
                self.uv, self._jump, present, len(self._sub_depth), self.slot, self._edge, self._near
            )
        _kernels.refine_silhouettes(
            grid.x, grid.y, grid.z, grid.rows, grid.columns, cells, _OFFSETS, self.slot, self._near, count,
            self._sub_depth, self._sub_u, self._sub_v, self._sub_size,
        )  # fmt: skip
        if step > 1:
            flat = (grid.x, grid.y) if lift is None else (grid.flat_x, grid.flat_y)
            _kernels.correct_texels(
                position_map.positions, small, *flat, grid.rows, step, self.slot, present, self.uv
            )  # fmt: skip

    def draw(self, texture: Pyramid, light: npt.NDArray[np.float32] = FLAT_LIGHT) -> npt.NDArray[np.float32]:
        """Draw a texture, in its light, over what the last `look` saw.

        Parameters
        ----------
        texture : Pyramid
        light : (G * G, 8) float32
            Over the layout: factors of red, green and blue; how they change with the texture's slope along u and v.

        Returns
        -------
        layer : (h, w, 5) float32
            Red, green, blue premultiplied by alpha; alpha; shadow. A view that the next call overwrites.
        """
        present = self._presence(texture)
        side = int(np.sqrt(len(light)))
        _kernels.draw_lit(
            self.uv, self.slot, self._sub_u, self._sub_v, self._sub_size, self._jump,
            texture.texels.view(np.uint16), texture.starts, texture.sides, texture.grey, texture.relief, light, side,
            present, self._probes, self.layer,
        )  # fmt: skip
        return self.layer

    def _presence(self, texture: Pyramid | None) -> npt.NDArray[np.uint8]:
        if texture is None or self._texels_per_px >= PRESENCE_LIMIT:
            return _EVERYWHERE
        return texture.present

    def _make_room(self, count: int) -> None:
        room = int(count * 1.5) + 64
        self._sub_depth = np.zeros((room, _kernels.SUB**2), np.float32)
        self._sub_u = np.zeros((room, _kernels.SUB**2), np.float32)
        self._sub_v = np.zeros((room, _kernels.SUB**2), np.float32)
        self._sub_size = np.zeros((room, _kernels.SUB**2), np.float32)


_IDENTITY = np.array([[1, 0, 0], [0, 1, 0]], np.float32)
_STEP = (np.arange(_kernels.SUB, dtype=np.float32) + 0.5) / _kernels.SUB - 0.5
_OFFSETS = np.stack([np.tile(_STEP, _kernels.SUB), np.repeat(_STEP, _kernels.SUB)]).astype(np.float32)
_EVERYWHERE = np.ones((32, 32), np.uint8)


class _Buffer:
    """Pixel buffers that grow, never shrink."""

    def __init__(self) -> None:
        self._flat = np.zeros(0, np.float32)

    def of(self, height: int, width: int) -> tuple[npt.NDArray[Any], ...]:
        count = height * width
        if count * 10 > self._flat.size:
            self._flat = np.zeros(count * 10, np.float32)
        flat = self._flat.reshape(-1)
        return (
            flat[:count].reshape(height, width),
            flat[count : 3 * count].reshape(2, height, width),
            flat[3 * count : 4 * count].view(np.int32).reshape(height, width),
            flat[4 * count : 9 * count].reshape(height, width, 5),
            flat[9 * count : 10 * count].view(np.uint8)[:count].reshape(height, width),
            flat[9 * count : 10 * count].view(np.uint8)[count : 2 * count].reshape(height, width),
        )


class _Grid:
    """Rows and columns of a coarsened layout, and room for its vertices."""

    def __init__(self, step: int) -> None:
        self.rows = self.columns = grid_lines(step)
        shape = (len(self.rows), len(self.columns))
        self.x, self.y, self.z, self.flat_x, self.flat_y = (np.zeros(shape, np.float32) for _ in range(5))


def grid_lines(step: int) -> npt.NDArray[np.int64]:
    """Rows (and columns) of the 256 layout that are vertices: every `step`-th and the last."""
    return np.minimum(np.arange(0, UV_SIZE - 1 + step, step), UV_SIZE - 1)


_CELLS: dict[tuple[int, int], tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]] = {}


def grid_cells(validity: npt.NDArray[np.uint8], step: int) -> npt.NDArray[np.uint8]:
    """(R-1, C-1) uint8: which cells of the coarsened layout have a surface in any of their texels.

    Kept for each validity array, which all maps of one reconstructor share.
    """
    key = (id(validity), step)
    kept = _CELLS.get(key)
    if kept is not None and kept[0] is validity:
        return kept[1]
    cells = _cells(validity.tobytes(), step)
    if len(_CELLS) > 64:
        _CELLS.clear()
    _CELLS[key] = (validity, cells)
    return cells


@lru_cache(maxsize=32)
def _cells(validity: bytes, step: int) -> npt.NDArray[np.uint8]:
    present = np.frombuffer(validity, np.uint8).reshape(UV_SIZE, UV_SIZE) > 0
    lines = grid_lines(step)
    sums = np.pad(present.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    low, high = lines[:-1], lines[1:] + 1
    count = sums[np.ix_(high, high)] - sums[np.ix_(low, high)] - sums[np.ix_(high, low)] + sums[np.ix_(low, low)]
    return np.ascontiguousarray((count > 0).astype(np.uint8))


def texel_spacing(position_map: PositionMap) -> float:
    """Pixels between neighbouring texels, about: the distance of the outer eye corners by their 99 texels."""
    left, right = (position_map.positions[at] for at in _EYE_CORNERS)
    return float(np.linalg.norm(right - left)) / (_EYE_CORNERS[1][1] - _EYE_CORNERS[0][1])


def window_of(
    position_map: PositionMap,
    shape: tuple[int, int],
    *,
    extent: tuple[int, int, int, int] | None = None,
    frame: Matrix | None = None,
) -> Window:
    """The part of a picture of (height, width) that the face, or the texels of `extent`, may cover.

    `extent` is first row, end row, first column, end column of the layout, as in `Pyramid`; `frame` as in
    `Canvas.look`.
    """
    if extent is None:
        extent = (0, UV_SIZE, 0, UV_SIZE)
    bounds = np.zeros(4, np.float32)
    matrix = _IDENTITY if frame is None else np.asarray(frame, np.float32)
    _kernels.bound_grid(
        position_map.positions, position_map.validity,
        max(extent[0] - 1, 0), min(extent[1] + 1, UV_SIZE), max(extent[2] - 1, 0), min(extent[3] + 1, UV_SIZE),
        WINDOW_STEP, matrix, bounds,
    )  # fmt: skip
    if not np.isfinite(bounds).all():
        return Window(0, 0, 0, 0)
    # Between the texels that were looked at the surface reaches a little further.
    margin = 2 + WINDOW_STEP * texel_spacing(position_map) * float(np.hypot(matrix[0, 0], matrix[0, 1]))
    left, right = np.clip([np.floor(bounds[0] - margin), np.ceil(bounds[1] + margin)], 0, shape[1]).astype(int)
    top, bottom = np.clip([np.floor(bounds[2] - margin), np.ceil(bounds[3] + margin)], 0, shape[0]).astype(int)
    return Window(int(left), int(top), int(right - left), int(bottom - top))
