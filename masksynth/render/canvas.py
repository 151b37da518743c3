"""Texture over position map, fast: the visible surface is found once, then any number of textures are drawn over it.

A canvas looks at a face through a window of the photo: each pixel learns which place of the layout it sees, and each
pixel on a silhouette (where the head ends, or the nose hides the cheek) learns it for eight samples. Drawing a texture
then is a filtered lookup per pixel, which gives true coverage at the texture's own rim as well.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from masksynth.arrays import SAMPLED, UV_SIZE, Matrix, PositionMap
from masksynth.render import _shading_kernels, _silhouette_kernels, _surface_kernels
from masksynth.render.pyramid import Pyramid

LARGEST_CELL_PX = {4: 0.6, 2: 2.5}  # the UV grid is coarsened while a cell of so many texels is at most so wide
NEWTON_PX = 0.03  # cells are drawn together where one Newton step then leads to the surface as near as this
SILHOUETTE_JUMP = (
    4.0  # times the mean number of texels a pixel spans: more than that between neighbours is a silhouette
)
WINDOW_STEP = 4  # texels between those that bound a window
REACH = (1.0, 2.0)  # texels, and pixels, from a pixel's centre that it may show something of


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


@dataclass(frozen=True, eq=False)
class Lift:
    """A surface that stands off the one of the position map."""

    height: npt.NDArray[np.float32]  # (256, 256)
    highest: float  # of it
    length: float  # pixels of the drawn picture per unit of height
    along: npt.NDArray[np.float32]  # (G, G, 4) unit directions over the layout, in the frame of the drawn picture, and
    # pixels besides, by the share that the height is of `full`
    extent: tuple[int, int, int, int] = (0, UV_SIZE, 0, UV_SIZE)  # first row, end row, first column, end column
    full: float = 1.0  # unit of height

    @cached_property
    def reach(self) -> float:
        """The most pixels that the surface stands off."""
        return self.length * self.highest + max(float(self.along[..., 3].max()), 0.0)


FLAT_LIGHT: npt.NDArray[np.float32] = np.tile(np.array([1, 1, 1, 1, 1, 0, 0, 0], np.float32), (4, 1))
"""(2 * 2, 8): a light that changes nothing."""


class Canvas:
    """Buffers for looking at one face at a time; they are reused, so one canvas serves one thread.

    Views of them that it hands out are overwritten by the next `look`.
    """

    def __init__(self) -> None:
        self.width = self.height = 0
        self._pixels = _Pixels(0)
        self._row = self._layer = np.zeros(0, np.float32)
        self._grid = Grid(1, 0, np.zeros((0, 0), np.uint8), np.zeros((0, 0), np.uint8))
        self._vertices = self._flat = np.zeros(0, np.float32)
        self._line = np.zeros(64 * 4, np.float32)
        self._blocks = np.zeros((BLOCKS_AT_MOST, 3), np.int64)
        self._boxes = np.zeros((BLOCKS_AT_MOST, 4), np.float32)
        self._first, self._last = np.zeros((2, UV_SIZE // _surface_kernels.BLOCK), np.int64)
        self._columns = np.zeros(16, np.float32)
        self._frame = np.zeros((2, 3), np.float32)
        self._samples = np.zeros(4 * SAMPLES, np.float32)
        self._tolerances = np.zeros(9, np.float32)
        self._silhouettes = np.zeros(0, np.int32)
        self._texels_per_px = 1.0
        self._jump = np.float32(1.0)
        self._lookups = np.zeros(_shading_kernels.FIELDS * _shading_kernels.ROOM, np.float32)
        self._places = np.zeros(_shading_kernels.FIELDS * _shading_kernels.ROOM, np.int32)

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
        """Find which place of the layout each pixel of `window` sees.

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
        step : 1, 2 or 4, optional
            Every so many texels are a vertex; by the size of the face where not given. 1 also draws every triangle.
        """
        matrix = _IDENTITY if frame is None else frame
        a, b, c = (float(value) for value in matrix[0])
        d, e, f = (float(value) for value in matrix[1])
        scale = abs(a * e - b * d) ** 0.5
        px_per_texel = scale * position_map.texel_px
        together = step is None
        if step is None:
            step = next((s for s, most in LARGEST_CELL_PX.items() if s * px_per_texel <= most), 1)
        self._frame[:] = ((a, b, c - window.left), (d, e, f - window.top))
        self._columns[:] = (a, d, 0, 0, b, e, 0, 0, 0, 0, scale, 0, c - window.left, f - window.top, 0, 0)
        self.width, self.height = width, height = window.width, window.height
        self._texels_per_px = 1.0 / max(px_per_texel, 1e-6)
        for span in (2, 4, 8):
            self._tolerances[span] = tolerance_of(span * step * px_per_texel) if together else 0.0
        self._jump = np.float32((SILHOUETTE_JUMP * self._texels_per_px + 1.0) / step)
        if width * height > self._pixels.room:
            self._pixels = _Pixels(width * height)
        if 8 * width > len(self._row):
            self._row = np.zeros(8 * width, np.float32)
        if not width * height:
            return
        self._grid = grid = grid_of(position_map.validity, step)
        if len(self._vertices) < 4 * grid.stride**2:
            self._vertices = np.zeros(4 * grid.stride**2, np.float32)
            self._flat = np.zeros(2 * grid.stride**2 + 16, np.float32)  # lanes that count for nothing reach beyond
        positions, lifted = position_map.every(step), lift is not None
        lift = lift or _NO_LIFT
        listed = _surface_kernels.find_surface(
            positions.reshape(-1), len(positions), UV_SIZE, step, self._frame, self._columns, grid.present, grid.solid,
            lifted, np.float32(lift.reach), lift.height.reshape(-1), lift.extent, lift.along.reshape(-1),
            len(lift.along), np.float32(lift.length), np.float32(lift.full), self._first, self._last, self._line,
            self._vertices, self._flat, self._blocks, self._boxes, self._tolerances, _RAMP, self._pixels.depth,
            self._pixels.uv, width, height,
        )  # fmt: skip
        count = self._see_silhouettes(texture, listed)
        if count > len(self._silhouettes):
            self._make_room(count)
            self._see_silhouettes(texture, listed)

    def _see_silhouettes(self, texture: Pyramid | None, listed: int) -> int:
        distance, reach = self._distance(texture)
        per_cell, pixels = np.float32(self._grid.step / _shading_kernels.DISTANCE_TEXELS), self._pixels
        return int(
            _silhouette_kernels.see_silhouettes(
                pixels.uv, self.width, self.height, self._jump, distance, _shading_kernels.DISTANCE_SIDE, reach,
                per_cell, len(self._silhouettes), pixels.edge, pixels.work, pixels.slot, pixels.near, pixels.tiles,
                self._silhouettes, self._vertices, self._flat, self._grid.stride, self._grid.present, self._blocks,
                self._boxes, listed, _OFFSETS, self._samples,
            )
        )  # fmt: skip

    @property
    def step(self) -> int:
        """Texels from vertex to vertex in the last `look`."""
        return self._grid.step

    @property
    def uv(self) -> npt.NDArray[np.float32]:
        """(2, h, w) u and v of the place that each pixel saw, in cells of the step; -1e30 where none."""
        return self._pixels.uv[: 2 * self.width * self.height].reshape(2, self.height, self.width)

    def draw(
        self, texture: Pyramid, light: npt.NDArray[np.float32] = FLAT_LIGHT, *, grey: bool = False
    ) -> npt.NDArray[np.float32]:
        """Draw a texture, in its light, over what the last `look` saw.

        Parameters
        ----------
        texture : Pyramid
        light : (G * G, 8) float32
            Over the layout: factors of red, green and blue; 1 and 1, of alpha and shadow; how light changes with the
            texture's slope along u and v; nothing.
        grey : bool
            Draw red alone: a texture and light of one channel.

        Returns
        -------
        layer : (h, w, 5) float32, or (h, w, 3) where grey
            Red, green, blue premultiplied by alpha; alpha; shadow. A view that the next call overwrites.
        """
        colours = 1 if grey else 3
        shape = (self.height, self.width, colours + 2)
        if math.prod(shape) > len(self._layer):
            self._layer = np.zeros(math.prod(shape), np.float32)
        layer = self._layer[: math.prod(shape)].reshape(shape)
        _shading_kernels.draw_layer(*self.drawing(texture, light), colours, layer.reshape(-1))  # type: ignore[call-arg]
        return layer

    def drawing(self, texture: Pyramid, light: npt.NDArray[np.float32]) -> tuple[Any, ...]:
        """What `look_up` and `shade_span` want, but for the row and its columns."""
        return (
            self._pixels.uv, self._pixels.slot, self.width, self.height, self._vertices, self._grid.stride,
            self._grid.step, self._jump, self._samples, texture.texels, texture.starts, texture.sides,
            light.reshape(-1), int(len(light) ** 0.5), self._lookups, self._places, self._row,
        )  # fmt: skip

    def _distance(self, texture: Pyramid | None) -> tuple[npt.NDArray[np.uint8], int]:
        """Of a texture, and how much of it a pixel may reach."""
        if texture is None:
            return _EVERYWHERE, 0
        return texture.distance, int(min(REACH[0] + REACH[1] * self._texels_per_px, 255))

    def _make_room(self, count: int) -> None:
        room = int(count * 1.5) + 64
        self._samples = np.zeros(4 * SAMPLES * (room + 1), np.float32)
        self._silhouettes = np.zeros(room, np.int32)


SAMPLES = _silhouette_kernels.SAMPLES
BLOCKS_AT_MOST = (UV_SIZE // _surface_kernels.BLOCK) ** 2
_IDENTITY = np.array([[1, 0, 0], [0, 1, 0]], np.float64)
# Eight places in a pixel, no two in the same row or column of sixteenths.
_OFFSETS = np.array([1, -1, 5, -3, -5, -7, 3, 7, -3, 3, 1, -5, 5, -1, 7, -7], np.float32) / 16
_RAMP = np.arange(8, dtype=np.float32)
_NO_LIFT = Lift(np.zeros((1, 1), np.float32), 0.0, 0.0, np.zeros((1, 1, 4), np.float32))
_EVERYWHERE = np.zeros(_shading_kernels.DISTANCE_SIDE**2, np.uint8)


class _Pixels:
    """What a canvas keeps of the pixels of a window, for so many of them; a window of fewer uses the first."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.depth = np.zeros(room + 8, np.float32)  # kernels look eight numbers at a time
        self.uv = np.zeros(2 * room + 8, np.float32)  # u and v of the place seen, in cells; -1e30 where none
        self.slot = np.zeros(room, np.int32)  # number of a silhouette pixel, else PLAIN or EMPTY
        self.edge, self.near, self.work = (np.zeros(size, np.uint8) for size in (room, room, 2 * room + 16))
        self.tiles = np.zeros(room + 16, np.uint8)  # of 8 x 8; as many as pixels where the window is a line


@dataclass(frozen=True)
class Grid:
    """The layout cut into cells of `step` texels, these into blocks of 8 x 8."""

    step: int
    stride: int  # vertices in a row
    present: npt.NDArray[np.uint8]  # (stride - 1, (stride - 1) / 8) a bit each, the lowest first: which cells have a
    # surface in any of their texels
    solid: npt.NDArray[np.uint8]  # (B, B) 0 where no cell of a block has, 2 where all have, else 1


_GRIDS: dict[tuple[int, int], tuple[npt.NDArray[np.uint8], Grid]] = {}


def grid_of(validity: npt.NDArray[np.uint8], step: int) -> Grid:
    """Kept for each validity array, which all maps of one reconstructor share."""
    key = (id(validity), step)
    kept = _GRIDS.get(key)
    if kept is not None and kept[0] is validity:
        return kept[1]
    grid = _grid(validity.tobytes(), step)
    if len(_GRIDS) > 64:
        _GRIDS.clear()
    _GRIDS[key] = (validity, grid)
    return grid


@lru_cache(maxsize=32)
def _grid(validity: bytes, step: int) -> Grid:
    valid = np.frombuffer(validity, np.uint8).reshape(UV_SIZE, UV_SIZE) > 0
    sums = np.pad(valid.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    low = np.arange(0, UV_SIZE, step)
    high = np.minimum(low + step + 1, UV_SIZE)
    count = sums[np.ix_(high, high)] - sums[np.ix_(low, high)] - sums[np.ix_(high, low)] + sums[np.ix_(low, low)]
    cells = np.ascontiguousarray((count > 0).astype(np.uint8))
    side = len(cells) // _surface_kernels.BLOCK
    blocks = cells.reshape(side, _surface_kernels.BLOCK, side, _surface_kernels.BLOCK)
    solid = blocks.any(axis=(1, 3)).astype(np.uint8) + blocks.all(axis=(1, 3))
    present = np.packbits(cells, axis=1, bitorder="little")
    return Grid(step, len(cells) + 1, present, np.ascontiguousarray(solid))


def tolerance_of(cell_px: float) -> float:
    """How many pixels a triangle of cells this large may lie off the surface: where the surface bends by s over the
    width h of a cell, a Newton step that begins s beside its goal ends about 4 s³ / h² beside it."""
    return float((NEWTON_PX * cell_px**2 / 4) ** (1 / 3))


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
    first_row, end_row, first_column, end_column = (0, UV_SIZE, 0, UV_SIZE) if extent is None else extent
    matrix = _IDENTITY if frame is None else np.asarray(frame, np.float64)
    positions = position_map.every(SAMPLED)
    rows = len(positions)
    left, right, top, bottom = _surface_kernels.bounds(
        positions, SAMPLED, position_map.validity,
        max(first_row // SAMPLED - 1, 0), min(end_row // SAMPLED + 2, rows),
        max(first_column // SAMPLED - 1, 0), min(end_column // SAMPLED + 2, rows), WINDOW_STEP // SAMPLED, matrix,
    )  # fmt: skip
    if left > right:
        return Window(0, 0, 0, 0)
    # Between the texels that were looked at the surface reaches a little further.
    scale = float(matrix[0, 0] ** 2 + matrix[0, 1] ** 2) ** 0.5
    margin = 2 + WINDOW_STEP * position_map.texel_px * scale
    left, right = (min(max(side, 0.0), shape[1]) for side in (left - margin, right + margin))
    top, bottom = (min(max(side, 0.0), shape[0]) for side in (top - margin, bottom + margin))
    first_x, first_y = math.floor(left), math.floor(top)
    return Window(first_x, first_y, math.ceil(right) - first_x, math.ceil(bottom) - first_y)
