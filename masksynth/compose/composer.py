"""T_MI = α T_M + (1 - α) T_I (Du et al., 2021, Eq. 4), drawn into the photo in the photo's own light."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
import numpy.typing as npt

import masksynth.compiled  # noqa: F401 - before the kernels
from masksynth.arrays import Matrix, Photo8, PositionMap, Reconstruction, Spectrum
from masksynth.compose import _kernels
from masksynth.compose.colour import DECODE, ENCODE, to_encoded, to_linear
from masksynth.compose.config import ComposeConfig
from masksynth.compose.light import GRID, LightMeter, clipped_at
from masksynth.compose.mask import DRAPED_HEIGHT, ReadyMask, Wardrobe
from masksynth.compose.sharpness import Room, blur_of
from masksynth.errors import ShapeError
from masksynth.render.canvas import FLAT_LIGHT, Canvas, Lift, window_of
from masksynth.render.pyramid import Pyramid, build_pyramid
from masksynth.template.format import Template
from masksynth.unwrap import extract_texture

TILE = 512  # pixels: larger windows are drawn in pieces, so that room to work in stays small
TEXELS_PER_INTEROCULAR = 99.0
EYE_BAND = (40, 80, 60, 197)  # rows and columns of the layout that hold the eyes and brows
LEAST_BLUR = 0.3  # pixels: less is not seen
IDENTITY = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])


@dataclass(frozen=True)
class Composite:
    """A photo in which somebody wears a mask."""

    image: Photo8  # like the host
    alpha: npt.NDArray[np.uint8]  # (H, W) coverage of the mask, 255 whole
    touched: npt.NDArray[np.bool_]  # (H, W) where the mask or its shadow is; every other pixel is the host's


@cache
def noise_table() -> npt.NDArray[np.int8]:
    """(NOISE_STEPS,) of which each row of a picture takes a stretch: mean 0, standard deviation NOISE_UNIT."""
    noise = np.zeros(_kernels.NOISE_STEPS, np.int8)
    _kernels.fill_noise(noise)
    return noise


class Composer:
    """Puts masks on faces; keeps room to work in and masks made ready, so one serves one thread.

    `look` once a face, then `wear` once a mask.
    """

    def __init__(self, config: ComposeConfig | None = None) -> None:
        self.config = config or ComposeConfig()
        self._canvas = Canvas()
        self._meter = LightMeter()
        self._wardrobe = Wardrobe()
        self._map: PositionMap | None = None
        self._host: Photo8 = np.zeros((0, 0), np.uint8)
        self._spectrum: Spectrum = "vis"
        self._frame: Matrix = IDENTITY
        self._texel_px = 1.0
        self._blur = 0.0
        self._white = 255.0
        self._room = Room()

    def look(
        self, pixels: Photo8, position_map: PositionMap, spectrum: Spectrum, *, frame: Matrix | None = None
    ) -> None:
        """Take in a face and its light.

        Parameters
        ----------
        pixels : (H, W, 3) or (H, W) uint8
            The picture that masks are drawn into; kept, not copied.
        position_map : PositionMap
        spectrum : "nir" or "vis"
        frame : (2, 3) float64, optional
            Similarity from the position map's frame to the picture's, such as `crop_from_photo`.
        """
        if pixels.dtype != np.uint8 or pixels.ndim not in (2, 3) or (pixels.ndim == 3 and pixels.shape[2] != 3):
            raise ShapeError(f"a photo is (H, W) or (H, W, 3) uint8, got {pixels.shape} {pixels.dtype}")
        self._host = np.ascontiguousarray(pixels)
        self._map, self._spectrum = position_map, spectrum
        self._frame = IDENTITY if frame is None else np.asarray(frame, np.float64)
        a, b, c, d = self._frame[:, :2].reshape(-1).tolist()
        scale = abs(a * d - b * c) ** 0.5
        self._texel_px = scale * position_map.texel_px
        self._meter.face(self._host, position_map, spectrum, self._frame, self._texel_px)
        self._white = clipped_at(self._host)
        self._blur = 0.0
        if self.config.blur:
            shape = (self._host.shape[0], self._host.shape[1])
            band = window_of(position_map, shape, extent=EYE_BAND, frame=self._frame)
            self._blur = blur_of(self._host, band, self._texel_px * TEXELS_PER_INTEROCULAR, self._room)

    def let_go(self) -> None:
        """Give up the picture last looked at: of a very large one the room is wanted elsewhere."""
        self._host, self._map = np.zeros((0, 0), np.uint8), None

    def wear(
        self,
        template: Template,
        image: Photo8,
        alpha: npt.NDArray[np.uint8],
        touched: npt.NDArray[np.bool_],
        *,
        seed: int | None = None,
    ) -> None:
        """Draw `template` on the face last looked at.

        In place: `image` like the host, `alpha` (H, W) uint8, `touched` (H, W) bool; only touched pixels are written.
        """
        assert self._map is not None, "look at a face first"
        config = self.config
        mask = self._wardrobe.ready(template, self._spectrum, self._map.validity)
        length = self._texel_px * TEXELS_PER_INTEROCULAR
        height = mask.height if config.relief else None
        values, grain, white = FLAT_LIGHT, 0.0, 255.0
        if config.light:
            light = self._meter.on(height, length, mask.draped)
            values, grain = light.values, light.grain if config.grain else 0.0
            white = self._white
        lift = None
        if height is not None:
            along = self._meter.draped_along if mask.draped else self._meter.along
            lift = Lift(height, mask.highest, length, along, mask.raised, float(DRAPED_HEIGHT))
        texture, shadow = mask.pyramid, config.shadow
        extent: tuple[int, int, int, int] | None = texture.extent
        if config.render == "full":
            texture, extent, shadow = self._whole_face(mask, values), None, 0.0
            values = FLAT_LIGHT
        shape = (self._host.shape[0], self._host.shape[1])
        window = window_of(self._map, shape, extent=extent, frame=self._frame)
        if lift is not None:
            window = window.grown(int(np.ceil(lift.reach)) + 1, shape)
        blur = self._blur if self._blur >= LEAST_BLUR else 0.0
        reach = int(np.ceil(3 * blur))
        window = window.grown(reach, shape)
        planes = [np.ascontiguousarray(plane) for plane in (image, alpha, touched.view(np.uint8))]
        noise = noise_table()
        for tile in window.tiles(TILE):
            outer = tile.grown(1 + reach, shape)
            left, top = tile.left - outer.left, tile.top - outer.top
            inner = (left, left + tile.width, top, top + tile.height)
            into = (
                np.float32(shadow), DECODE, ENCODE, noise, np.float32(white), np.float32(grain),
                config.seed if seed is None else seed, outer.left, outer.top, inner, shape[1],
                image.shape[2] if image.ndim == 3 else 1, *(plane.reshape(-1) for plane in planes),
            )  # fmt: skip
            self._canvas.look(self._map, outer, frame=self._frame, lift=lift, texture=texture)
            if blur:
                layer = self._canvas.draw(texture, values, grey=image.ndim == 2)
                soft = self._room.of(layer.shape)
                cv2.GaussianBlur(layer, (0, 0), blur, dst=soft, borderType=cv2.BORDER_REPLICATE)
                _kernels.blend(soft, *into)
            elif outer.width * outer.height:
                _kernels.wear(*self._canvas.drawing(texture, values), *into)
        for plane, made in zip((image, alpha, touched), planes, strict=True):
            if not plane.flags.c_contiguous:
                plane[...] = made

    def _whole_face(self, mask: ReadyMask, light: npt.NDArray[np.float32]) -> Pyramid:
        """T_MI over the whole face, as the paper renders it, in linear values."""
        assert self._map is not None
        moved = self._map.moved(self._frame)
        host = self._host if self._host.ndim == 3 else self._host[:, :, None]
        pyramid = mask.pyramid
        side = int(pyramid.sides[0])
        texture = extract_texture(host.astype(np.float32) / np.float32(255), moved, size=side)
        if texture.shape[2] == 1:
            texture = np.repeat(texture, 3, axis=2)
        base = pyramid.texels[: side * side * 8].view(np.float16).astype(np.float32).reshape(side, side, 8)
        a = base[..., 3:4]
        grid = int(np.sqrt(len(light)))
        lamp = cv2.resize(light.reshape(grid, grid, 8)[..., :3], (side, side), interpolation=cv2.INTER_LINEAR)
        worn = to_encoded(base[..., :3] / np.maximum(a, 1e-6) * lamp)
        mixed = a * worn + (1 - a) * texture
        solid = cv2.resize(self._map.validity, (side, side), interpolation=cv2.INTER_NEAREST)
        face = np.maximum(((solid > 0) & (solid < 3)).astype(np.float32), a[..., 0])
        return build_pyramid(to_linear(mixed), face)


def compose(
    pixels: Photo8,
    reconstruction: Reconstruction,
    template: Template,
    spectrum: Spectrum,
    config: ComposeConfig | None = None,
    *,
    composer: Composer | None = None,
) -> Composite:
    """Put a mask on a face.

    Parameters
    ----------
    pixels : (H, W, 3) or (H, W) uint8
    reconstruction : of the face, in the photo frame
    template : the mask T_M
    spectrum : "nir" or "vis"
        In NIR the mask takes its NIR reflectance.
    composer : Composer, optional
        To use again; with its own config.

    Returns
    -------
    Composite
        A new image; pixels that are not touched are the host's, bit by bit.

    Raises
    ------
    ShapeError
        If the photo is not of the form above.
    """
    composer = composer or Composer(config)
    composer.look(pixels, reconstruction.position_map, spectrum)
    image = np.array(pixels, order="C")
    alpha = np.zeros(pixels.shape[:2], np.uint8)
    touched = np.zeros(pixels.shape[:2], np.bool_)
    composer.wear(template, image, alpha, touched)
    return Composite(image, alpha, touched)


__all__ = ["GRID", "Composer", "Composite", "compose"]
