"""Painting a person's skin on the sheet: what it reflects in visible light and in near infrared.

Melanin and blood make most of the colour in VIS and little of it in NIR, where lips, moles and freckles nearly vanish
and all skin is bright. The slow variations of the two are drawn with a stated correlation.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from masksynth.datasets.generated import anatomy
from masksynth.datasets.generated.identity import Identity
from masksynth.datasets.generated.noise import octaves, smooth_noise
from masksynth.seeds import rng_for

DENSITY = 150.0  # pixels of the sheet an interocular distance
LEFT, TOP = -2.75, -1.45  # of the sheet, in interocular distances: the whole turn of the cylinder, crown to collar
WIDTH, HEIGHT = round(5.5 * DENSITY), round(4.2 * DENSITY)
CORRELATION = 0.5  # between the slow variations of the skin in VIS and in NIR

LIGHT_SKIN = np.array([0.62, 0.36, 0.26], np.float32)  # linear RGB
DARK_SKIN = np.array([0.085, 0.042, 0.026], np.float32)
BLOOD = np.array([1.10, 0.74, 0.72], np.float32)  # factor of well-supplied skin

Channel = npt.NDArray[np.float32]  # (HEIGHT, WIDTH)


@dataclass(frozen=True)
class Skin:
    """The painted sheet of one person, linear reflectance; eyes and mouth are painted for each photo."""

    vis: npt.NDArray[np.float32]  # (HEIGHT, WIDTH, 3)
    nir: Channel
    gloss: Channel  # strength of the highlight
    occlusion: Channel  # share of the sky that reaches the skin


def pixel(sheet: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """Points of the sheet in its pixels, x and y."""
    return (np.asarray(sheet, np.float64) - [LEFT, TOP]) * DENSITY


def paint(person: Identity) -> Skin:
    """Paint the skin of `person`."""
    rng = rng_for(person.seed, "skin", person.number)
    shape = (HEIGHT, WIDTH)
    vis_slow, nir_slow = _slow_pair(rng, shape)
    fine = octaves(rng, shape, 0.06 * DENSITY, 3)
    share = person.melanin**0.8
    base = LIGHT_SKIN ** (1 - share) * DARK_SKIN**share
    vis = base * np.exp(0.07 * vis_slow + 0.030 * fine)[..., None]
    nir = np.float32(0.60 - 0.16 * person.melanin + 0.05 * person.nir_tone) * np.exp(0.06 * nir_slow + 0.012 * fine)
    gloss = np.full(shape, 0.35, np.float32) + 0.10 * fine

    blood = person.ruddiness * (0.9 * _blobs(anatomy.CHEEKS, 0.22) + 0.8 * _blobs((anatomy.NOSE_TIP,), 0.12))
    vis *= BLOOD ** np.clip(blood * (1 + 0.3 * vis_slow), 0, 1.6)[..., None]
    _eye_surroundings(person, vis, nir)
    _age(person, rng, vis, nir)
    _spots(person, rng, vis, nir)
    _beard(person, rng, vis, nir, gloss)
    _lips(person, rng, vis, nir, gloss)
    _brows(person, rng, vis, nir, gloss)
    _nostrils(vis, nir)
    return Skin(
        np.clip(vis, 0.002, 0.95).astype(np.float32),
        np.clip(nir, 0.01, 0.95).astype(np.float32),
        np.clip(gloss, 0, 1).astype(np.float32),
        np.ones(shape, np.float32),
    )


def _slow_pair(rng: np.random.Generator, shape: tuple[int, int]) -> tuple[Channel, Channel]:
    """Two slow noises with the stated correlation."""
    one, two = octaves(rng, shape, 0.5 * DENSITY, 3), octaves(rng, shape, 0.5 * DENSITY, 3)
    return one, np.float32(CORRELATION) * one + np.float32(np.sqrt(1 - CORRELATION**2)) * two


def _blobs(points: tuple[int, ...], width: float) -> Channel:
    """A soft blob of radius `width` interocular distances round each mesh point."""
    rows, columns = np.arange(HEIGHT, dtype=np.float32), np.arange(WIDTH, dtype=np.float32)
    total = np.zeros((HEIGHT, WIDTH), np.float32)
    for x, y in pixel(anatomy.sheet_points()[list(points)]):
        down = np.exp(-0.5 * ((rows - y) / (width * DENSITY)) ** 2)
        across = np.exp(-0.5 * ((columns - x) / (width * DENSITY)) ** 2)
        total += np.outer(down, across).astype(np.float32)
    return total


def lowered(sheet: npt.NDArray[np.floating], by: float) -> npt.NDArray[np.float64]:
    """Points of the sheet moved down by so many interocular distances."""
    return np.asarray(sheet, np.float64) + np.array([0.0, by])


@dataclass(frozen=True)
class Window:
    """A part of the sheet that is painted on, in pixels."""

    left: int
    top: int
    width: int
    height: int

    def canvas(self) -> Channel:
        return np.zeros((self.height, self.width), np.float32)

    def corners(self, sheet: npt.NDArray[np.floating]) -> npt.NDArray[np.int32]:
        """Points of the sheet in sixteenths of a pixel of the window, as OpenCV draws them."""
        return np.rint((pixel(sheet) - [self.left, self.top]) * 16).astype(np.int32)


ALL = Window(0, 0, WIDTH, HEIGHT)


def polygon(sheet: npt.NDArray[np.floating], soft: float, window: Window = ALL) -> Channel:
    """1 inside a polygon of the sheet, 0 outside, with a rim about `soft` interocular distances wide."""
    import cv2

    canvas, corners = window.canvas(), window.corners(sheet)
    cv2.fillPoly(canvas, [corners], 1.0, lineType=cv2.LINE_8, shift=4)
    return blurred_near(canvas, corners / 16, soft * DENSITY / 2)


def stroke(sheet: npt.NDArray[np.floating], width: float, soft: float, window: Window = ALL) -> Channel:
    """1 on a line through points of the sheet, `width` interocular distances wide."""
    import cv2

    canvas, corners = window.canvas(), window.corners(sheet)
    thick = max(1, round(width * DENSITY))
    cv2.polylines(canvas, [corners], False, 1.0, thick, cv2.LINE_8, shift=4)
    canvas = blurred_near(canvas, corners / 16, max(soft * DENSITY / 2, 0.6))
    return canvas / max(float(canvas.max()), 1e-6)


def blurred_near(canvas: Channel, corners: npt.NDArray[np.floating], sigma: float) -> Channel:
    """`canvas` blurred, working only round its `corners`, outside of which it is 0."""
    import cv2

    if sigma < 0.3:
        return canvas
    margin = int(4 * sigma) + 8
    x0, y0 = np.maximum(corners.min(0).astype(int) - margin, 0)
    x1, y1 = np.minimum(corners.max(0).astype(int) + margin, canvas.shape[::-1])
    if x1 > x0 and y1 > y0:
        canvas[y0:y1, x0:x1] = cv2.GaussianBlur(canvas[y0:y1, x0:x1], (0, 0), sigma)
    return canvas


def mix(target: npt.NDArray[np.float32], colour: npt.ArrayLike, alpha: Channel) -> None:
    """Lay `colour` over `target` in place."""
    place = touched(alpha)
    over = alpha[place][..., None] if target.ndim == 3 else alpha[place]
    target[place] += over * (np.asarray(colour, np.float32) - target[place])


def touched(alpha: Channel) -> tuple[slice, slice]:
    """The rows and columns outside of which `alpha` is 0, so that painting works only there."""
    rows, columns = np.flatnonzero(alpha.any(1)), np.flatnonzero(alpha.any(0))
    if not len(rows):
        return slice(0), slice(0)
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def _darken(vis: npt.NDArray[np.float32], nir: Channel, amount: Channel, in_nir: float) -> None:
    """Darken in place; shades towards red in VIS, as skin in shade does."""
    place = touched(amount)
    there = amount[place]
    vis[place] *= (1 - there)[..., None] ** np.array([0.85, 1.0, 1.05], np.float32)
    nir[place] *= 1 - np.float32(in_nir) * there


def _eye_surroundings(person: Identity, vis: npt.NDArray[np.float32], nir: Channel) -> None:
    """Sockets in shade, the crease of the lid, bags below."""
    sheet = anatomy.sheet_points()
    for (upper, lower), lid, brow in zip(anatomy.EYES, anatomy.LIDS, anatomy.BROWS, strict=True):
        around = np.concatenate([sheet[list(brow[1])], lowered(sheet[list(lower)[::-1]], 0.03)])
        _darken(vis, nir, 0.16 * polygon(around, 0.16), 0.7)
        crease = (sheet[list(upper)[1:-1]] + sheet[list(lid)]) / 2
        _darken(vis, nir, 0.35 * stroke(crease, 0.012, 0.02), 0.7)
        below = lowered(sheet[list(lower)], 0.10)
        _darken(vis, nir, 0.22 * person.eye_bags * stroke(below, 0.05, 0.09), 0.4)


def _age(person: Identity, rng: np.random.Generator, vis: npt.NDArray[np.float32], nir: Channel) -> None:
    """Folds beside the nose and lines of the forehead."""
    sheet = anatomy.sheet_points()
    for side, wing, corner in ((-1, 129, 61), (1, 358, 291)):
        start, end = sheet[wing] + [side * 0.03, 0.0], sheet[corner] + [side * 0.09, 0.02]
        bow = (start + end) / 2 + [side * 0.05, -0.01]
        t = np.linspace(0, 1, 16)[:, None]
        fold = (1 - t) ** 2 * start + 2 * t * (1 - t) * bow + t**2 * end
        _darken(vis, nir, (0.10 + 0.22 * person.age) * stroke(fold, 0.014, 0.045), 0.8)
    if person.age > 0.5:
        for _ in range(int(rng.integers(1, 4))):
            y = rng.uniform(-0.52, -0.38)
            x = np.linspace(-0.36, 0.36, 24)
            line = np.stack([x, y + 0.02 * np.cos(3 * x) + 0.006 * rng.standard_normal() * np.sin(9 * x)], axis=1)
            _darken(vis, nir, 0.16 * (person.age - 0.3) * stroke(line, 0.012, 0.03), 0.8)


def _spots(person: Identity, rng: np.random.Generator, vis: npt.NDArray[np.float32], nir: Channel) -> None:
    for x, y, radius, darkness in person.moles:
        turn = np.linspace(0, 2 * np.pi, 16)
        mole = polygon(np.stack([x + radius * np.cos(turn), y + radius * np.sin(turn)], axis=1), 0.011)
        place = touched(mole)
        dark = np.float32(darkness) * mole[place]
        vis[place] *= 1 - dark[..., None] * np.array([0.75, 0.9, 0.95], np.float32)
        nir[place] *= 1 - 0.12 * dark
    if person.freckles > 0:
        specks = np.clip(smooth_noise(rng, (HEIGHT, WIDTH), (3, 3)) - 1.5, 0, 1)
        where = np.clip(_blobs((anatomy.NOSE_TIP, *anatomy.CHEEKS), 0.25), 0, 1)
        amount = np.clip(person.freckles * specks * where, 0, 0.6)
        vis *= 1 - amount[..., None] * np.array([0.5, 0.7, 0.8], np.float32)


def _beard(
    person: Identity, rng: np.random.Generator, vis: npt.NDArray[np.float32], nir: Channel, gloss: Channel
) -> None:
    """Stubble or a short beard: below the cheeks, round the mouth, down to the throat."""
    if person.beard <= 0:
        return
    sheet = anatomy.sheet_points()
    jaw = [
        sheet[i] for i in (93, 132, 58, 172, 136, 150, 149, 176, 148, 152, 377, 400, 378, 379, 365, 397, 288, 361, 323)
    ]
    low = list(lowered(np.array(jaw), 0.25))
    upper = [sheet[i] for i in (352, 411, 426, 327, 2, 98, 206, 187, 123)]
    area = polygon(np.array(low + upper), 0.2)
    lips = polygon(sheet[list(anatomy.LIPS_OUTER)], 0.03)
    area *= 1 - lips
    strands = np.clip(0.75 + 0.45 * smooth_noise(rng, (HEIGHT, WIDTH), (4, 1.6)), 0, 1.2)
    patch = np.clip(0.9 + 0.15 * smooth_noise(rng, (HEIGHT, WIDTH), (30, 30)), 0, 1)
    alpha = np.clip(area * strands * patch * (0.15 + 0.75 * person.beard), 0, 0.93).astype(np.float32)
    mix(vis, person.hair_colour * 1.2, alpha)
    mix(nir, person.hair_nir, 0.75 * alpha)
    gloss *= 1 - 0.7 * alpha


def _lips(
    person: Identity, rng: np.random.Generator, vis: npt.NDArray[np.float32], nir: Channel, gloss: Channel
) -> None:
    sheet = anatomy.sheet_points()
    lips = polygon(sheet[list(anatomy.LIPS_OUTER)], 0.022)
    creases = 1 + 0.05 * smooth_noise(rng, (HEIGHT, WIDTH), (24, 2.2))
    red = np.array([0.80, 0.42, 0.44], np.float32) ** np.float32(0.45 + 0.75 * person.lip_colour)
    tint = vis * red * creases[..., None]
    vis += lips[..., None] * (tint - vis)
    nir *= 1 - lips * (0.05 + 0.03 * person.lip_colour)
    gloss += 0.20 * lips
    below = lowered(sheet[[181, 84, 17, 314, 405]], 0.055)
    _darken(vis, nir, 0.18 * stroke(below, 0.035, 0.06), 0.8)
    for corner in anatomy.MOUTH_CORNERS:
        _darken(vis, nir, 0.28 * stroke(sheet[[corner, corner]] + [[-0.01, 0], [0.01, 0.0]], 0.02, 0.03), 0.8)


def _brows(
    person: Identity, rng: np.random.Generator, vis: npt.NDArray[np.float32], nir: Channel, gloss: Channel
) -> None:
    sheet = anatomy.sheet_points()
    strands = np.clip(0.85 + 0.4 * smooth_noise(rng, (HEIGHT, WIDTH), (2.0, 5)), 0, 1.3)
    for side, (top, bottom) in zip((-1, 1), anatomy.BROWS, strict=True):
        upper, lower = sheet[list(top)].copy(), sheet[list(bottom)].copy()
        middle = (upper + lower) / 2
        half = (lower - upper) / 2 * person.brow_thickness * np.array([0.35, 0.62, 0.85, 1.0, 0.95])[:, None]
        tilt = person.brow_tilt * side * (middle[:, :1] - middle[:, :1].mean())
        middle = middle + np.concatenate([np.zeros_like(tilt), tilt * 5], axis=1)
        outline = np.concatenate([middle - half, (middle + half)[::-1]])
        alpha = np.clip(polygon(outline, 0.05) * strands * person.brow_density, 0, 0.95).astype(np.float32)
        mix(vis, person.hair_colour, alpha)
        mix(nir, person.hair_nir, 0.8 * alpha)
        gloss *= 1 - 0.8 * alpha


def _nostrils(vis: npt.NDArray[np.float32], nir: Channel) -> None:
    sheet = anatomy.sheet_points()
    for points in anatomy.NOSTRILS:
        centre = 0.62 * sheet[points[0]] + 0.38 * sheet[points[2]] + [0, -0.018]
        t = np.linspace(0, 2 * np.pi, 24)
        hole = centre + np.stack([0.060 * np.cos(t), 0.024 * np.sin(t)], axis=1)
        _darken(vis, nir, 0.88 * polygon(hole, 0.03), 0.9)
