"""The light on a face, as its skin shows it.

The skin's brightness over the layout is fitted by spherical harmonics of the surface normal up to order two
(Ramamoorthi and Hanrahan, "An Efficient Representation for Irradiance Environment Maps", SIGGRAPH 2001; Basri and
Jacobs, "Lambertian Reflectance and Linear Subspaces", PAMI 2003), robustly, so that brows, beard, glasses and hair
count little. What the fit leaves (cast shadows, a near lamp) is kept as a slow factor over the layout. Divided by the
skin's reflectance, that is the light that falls on a mask.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from masksynth.arrays import SAMPLED, UV_SIZE, Matrix, Photo8, PositionMap, Spectrum
from masksynth.compose import _kernels, _light_kernels
from masksynth.compose.colour import DECODE
from masksynth.compose.mask import DRAPED_HEIGHT
from masksynth.template.tent import tent

GRID = 32  # light is kept for blocks of 8 x 8 texels
CELL = UV_SIZE // GRID
LEAST_PLACES = 24  # of GRID * GRID, where skin must be seen to say anything of the light
ROUNDS = 3
TOLERANCE = 0.35  # a place off the fit by this share counts half
RIDGE = np.array([0.0, 0.002, 0.002, 0.002, 0.02, 0.02, 0.02, 0.02, 0.02])  # order two only where the skin shows it
LEAST_SHARE = 0.3  # of the largest weight, from which a place says how bright the bright side is
HAIRLINE = 0.25  # weight of places that hair often covers
TINT_CHANGE = (
    0.10  # how far light may be of another colour than the skin shows on the whole: beyond, a fit only guesses
)
FLOOR = 0.15  # of the mean light: what reaches places that no harmonic lights
SKIN_BLUR, MASK_BLUR, BRIDGE_BLUR, BEYOND_BLUR = 1, 5, 6, 4  # passes of (1 2 1) / 4 on the grid

DRAPED = (8, 29, 2, 30)  # first and end row, first and end column of the grid: cloth lies on the skin outside
DRAPE_ROUNDS = 30
TEXELS_PER_INTEROCULAR = 99.0

SAMPLES = 32_768  # values, at most, that say where highlights are clipped
CLIPPED = 0.004  # share of pixels at the brightest level, and more than in all of the eight below, that says they are
STRAY_HIGHLIGHTS = 0.0002  # share of pixels that may be brighter: ringing, specks
LEAST_WHITE = 128  # grey levels

VIS_SKIN = 0.34  # linear: the usual luminance of skin's reflectance
VIS_LIGHT = 0.98  # and of the light on the bright side of a face in a well exposed photo
_PLAIN_LIGHT = np.array([VIS_LIGHT] * 3 + [1, 1, 0, 0, 0], np.float32)
SKIN_SPREAD, LIGHT_SPREAD = 0.55, 0.22  # standard deviations of their logarithms
BRIGHT_SIDE = 0.8  # quantile of the skin's luminance that stands for it
GREYISH = np.array([0.25, 0.5, 0.25])  # luminance, as the kernels weigh it
VIS_TINT = (1.42, 0.94, 0.70)  # of skin's reflectance, luminance about 1, where that is VIS_SKIN
DARKER_IS_REDDER = (-0.13, 0.0, 0.13)  # exponents of its luminance: melanin takes blue first
TINT_TRUST = 0.5  # how much of a colour other than skin's is laid to the light; the rest is the person
LAMP_AWAY = 12.0  # interocular distances, about a metre, from an active illuminant: what stands off gets more of it
NIR_SKIN = 0.60  # linear reflectance of skin near 850 nm; melanin hardly absorbs there


@dataclass
class Light:
    """Light over the layout."""

    values: npt.NDArray[np.float32]  # (GRID², 8) as the canvas wants it
    grain: float  # standard deviation of the host's noise in grey levels
    known: bool  # False: too little skin was seen, and this is a guess


class LightMeter:
    """Room to work in; one serves one thread. Call `face` once a face, then `on` once a mask."""

    def __init__(self) -> None:
        shape = (GRID, GRID)
        self.points = np.zeros((*shape, 3), np.float32)
        self.skin_normals = np.zeros((*shape, 3), np.float32)
        self.bridge_normals = np.zeros((*shape, 3), np.float32)  # of the face smoothed as cloth over it would be
        self.along = np.zeros((*shape, 4), np.float32)  # these, and nothing
        self.draped_along = np.zeros((*shape, 4), np.float32)  # and pixels that cloth drawn over this face stands off
        # more than usual
        self._drape, self._more = np.zeros((2, *shape), np.float32)
        self._pulls = np.zeros((12, *shape), np.float32)
        self._line = np.zeros(GRID, np.float32)
        self._lifted = np.zeros((*shape, 3), np.float32)
        self._normals = np.zeros((*shape, 3), np.float32)
        self._work = np.zeros((*shape, 3), np.float32)
        self._seen = np.zeros((*shape, 3), np.float32)
        self._weight, self._rough = np.zeros((2, *shape), np.float32)
        self._matrix, self._right = np.zeros((9, 9)), np.zeros((9, 3))
        self._tones, self._lanes = np.zeros(9, np.float32), np.zeros(8, np.float32)
        self._fields = np.zeros(_light_kernels.FIELDS * _light_kernels.PLACES, np.float32)
        self._fit, self._mean = np.zeros((9, 3)), np.zeros(3)
        self._coefficients, self._usual = np.zeros((9, 3), np.float32), np.zeros(3, np.float32)  # of the same
        self._values = np.zeros(GRID * GRID, np.float32)
        self._ratio, self._ratio_work = np.zeros((2, *shape, 2), np.float32)
        self._beyond = np.zeros(shape, np.float32)
        self._light = Light(np.zeros((GRID * GRID, 8), np.float32), 0.0, False)
        self._inverse = np.ones(3, np.float32)
        self._active = False  # the light comes from beside the camera

    def face(
        self, pixels: Photo8, position_map: PositionMap, spectrum: Spectrum, frame: Matrix, texel_px: float
    ) -> None:
        """Look at the skin of a face. How noisy it is says the median of the 3 x 3 noise stencil over it (Immerkær,
        "Fast Noise Variance Estimation", CVIU 1996).

        pixels (H, W[, 3]) uint8, the picture that `frame` (2, 3) leads to from the position map's; texel_px: pixels of
        it per texel.
        """
        scale = float(abs(frame[0, 0] * frame[1, 1] - frame[0, 1] * frame[1, 0])) ** 0.5
        planes = pixels if pixels.ndim == 3 else pixels[:, :, None]
        spacing = max(1, round(texel_px * CELL / 4))
        count, bright, rough = _light_kernels.study_face(
            position_map.every(SAMPLED), CELL // 2 // SAMPLED, CELL // SAMPLED, frame.astype(np.float32),
            np.float32(scale), SKIN_BLUR, BRIDGE_BLUR, self.points, self.skin_normals, self.bridge_normals, self.along,
            self.draped_along, DRAPED, DRAPE_ROUNDS, usual_drape(), np.float32(texel_px * TEXELS_PER_INTEROCULAR),
            self._pulls, self._line, self._drape, self._more, self._work, planes, DECODE, skin_places(), spacing,
            self._seen, self._weight, self._rough, LEAST_PLACES, ROUNDS, RIDGE, TOLERANCE, self._matrix, self._right,
            self._tones, self._lanes, self._fields, self._fit, self._mean, np.float32(LEAST_SHARE), BRIGHT_SIDE,
            self._values, BEYOND_BLUR, self._ratio_work, self._ratio, self._beyond,
        )  # fmt: skip
        self._light.known = count >= LEAST_PLACES
        self._light.grain = float(rough) / 0.6745
        if not self._light.known:
            return
        self._active = spectrum == "nir"
        self._coefficients[:], self._usual[:] = self._fit, self._mean
        self._inverse[:] = 1 / skin_reflectance(self._mean, float(bright), spectrum)

    def on(
        self,
        height: npt.NDArray[np.float32] | None,
        length: float,
        draped: bool = False,
    ) -> Light:
        """Light on a mask of (256, 256) `height` times `length` pixels above the face last looked at; a mask that is
        draped follows that face as cloth would. It is that of the whole layout, since lookups on silhouettes reach far
        beyond the mask.

        The result is overwritten by the next call.
        """
        light = self._light
        if not light.known:
            light.values[:] = _PLAIN_LIGHT
            return light
        known = (
            self._coefficients, self._beyond, self._usual, np.float32(FLOOR), np.float32(TINT_CHANGE), self._inverse,
        )  # fmt: skip
        if height is None:
            none = np.float32(0.0)
            _light_kernels.cast_light(self.points, self.points, self.bridge_normals, *known, none, light.values)
            return light
        _light_kernels.light_mask(
            self.points, height, CELL // 2, CELL, self.draped_along if draped else self.along, np.float32(length),
            DRAPED_HEIGHT, MASK_BLUR, self._work, self._lifted, self._normals, *known,
            np.float32(2 / (LAMP_AWAY * length) if self._active else 0.0), light.values,
        )  # fmt: skip
        return light


def skin_reflectance(mean: npt.NDArray[np.floating], bright: float, spectrum: Spectrum) -> npt.NDArray[np.float64]:
    """(3,) linear reflectance of skin whose mean linear colour in the photo is `mean` (3,), and whose luminance on the
    bright side of the face is `bright`.

    In NIR skin is about alike in everybody. In VIS a dark face may be dark skin or dim light: the likeliest pair is
    taken, both being log-normal about their usual values, the photo being exposed for what is in it.
    """
    if spectrum == "nir":
        return np.full(3, NIR_SKIN)
    seen = np.maximum(np.asarray(mean, np.float64), 1e-4)
    off = np.log(max(bright, 1e-3) / (VIS_SKIN * VIS_LIGHT))
    reflectance = VIS_SKIN * np.exp(off * SKIN_SPREAD**2 / (SKIN_SPREAD**2 + LIGHT_SPREAD**2))
    tint = np.array(VIS_TINT) * (np.clip(reflectance, 0.05, 0.6) / VIS_SKIN) ** np.array(DARKER_IS_REDDER)
    tint = tint / float(tint @ GREYISH)
    cast = seen / float(seen @ GREYISH) / tint
    return reflectance * tint * cast ** (1 - TINT_TRUST)


def clipped_at(pixels: Photo8) -> float:
    """The grey level at which the photo's highlights are clipped: its brightest, where many pixels are of it, else 255.

    pixels (H, W[, 3]) uint8. Looked at are `SAMPLES` of their values.
    """
    step = max(1, math.ceil((pixels.size / SAMPLES) ** 0.5))
    planes = pixels if pixels.ndim == 3 else pixels[:, :, None]
    counts = np.zeros(512, np.int64)
    return float(_kernels.clipped_level(planes, step, STRAY_HIGHLIGHTS, CLIPPED, LEAST_WHITE, counts))


@lru_cache(maxsize=1)
def usual_drape() -> npt.NDArray[np.float32]:
    """(GRID, GRID): how far cloth drawn over the generic face stands off, in interocular distances. It is in the height
    of every generated mask."""
    return np.ascontiguousarray(tent()[CELL // 2 :: CELL, CELL // 2 :: CELL])


@lru_cache(maxsize=1)
def skin_places() -> npt.NDArray[np.float32]:
    """(GRID, GRID): how surely each block of the layout is bare skin: not eyes, brows, mouth, nostrils or hair."""
    v, u = np.mgrid[:UV_SIZE, :UV_SIZE].astype(np.float64)
    places = ((u > 28) & (u < 227) & (v > 14) & (v < 190)).astype(np.float64)
    for centre_u, centre_v, across, down in _NOT_SKIN:
        places[((u - centre_u) / across) ** 2 + ((v - centre_v) / down) ** 2 < 1] = 0
    places[(v < 30) & (places > 0)] = HAIRLINE
    places[((u < 46) | (u > 209)) & (v < 112) & (places > 0)] = HAIRLINE
    blocks = places.reshape(GRID, CELL, GRID, CELL).mean(axis=(1, 3))
    blocks[blocks < 0.6 * HAIRLINE] = 0
    blocks[(blocks < 0.6) & (blocks > 1.01 * HAIRLINE)] = 0
    return np.ascontiguousarray(blocks, np.float32)


_NOT_SKIN = (  # ellipses of the layout: centre u, v, half axes
    (91, 65, 24, 13),
    (165, 65, 24, 13),  # eyes
    (86, 44, 34, 10),
    (170, 44, 34, 10),  # brows
    (128, 142, 28, 16),  # mouth
    (128, 106, 15, 6),  # nostrils
)
