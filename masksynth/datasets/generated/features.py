"""Painting what changes from photo to photo: where the eyes look, the lamp that shines in them, the open mouth."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from masksynth.arrays import Spectrum
from masksynth.datasets.generated import anatomy
from masksynth.datasets.generated.identity import Identity
from masksynth.datasets.generated.skin import DENSITY, Channel, Window, lowered, mix, pixel, polygon, stroke

IRIS_RADIUS = 0.066  # 11.7 mm of a 90 mm distance between the outer eye corners
PUPIL_RADIUS = {"vis": 0.024, "nir": 0.036}  # NIR is invisible, so photos in it are taken in the dark
SCLERA = {"vis": (0.50, 0.46, 0.43), "nir": (0.46, 0.46, 0.46)}  # linear reflectance
LASHES = {"vis": 0.80, "nir": 0.55}  # how dark the line of the upper lid is
MOUTH_INSIDE = {"vis": (0.07, 0.018, 0.016), "nir": (0.10, 0.10, 0.10)}
TEETH = {"vis": (0.42, 0.38, 0.31), "nir": (0.36, 0.36, 0.36)}
MARGIN = 0.14  # of the window round the eye


def paint_eyes(
    texture: npt.NDArray[np.float32],
    person: Identity,
    spectrum: Spectrum,
    gaze: tuple[float, float],
    lamp: npt.NDArray[np.float64],
) -> None:
    """Paint both eyes into the (HEIGHT, WIDTH, 5) sheet in place.

    `gaze` is in eye widths, right and down; `lamp` is the direction to the brightest light, in the photo frame.
    """
    sheet = anatomy.sheet_points()
    iris = person.iris_colour if spectrum == "vis" else np.full(3, person.iris_nir)
    for upper, lower in anatomy.EYES:
        top, bottom = sheet[list(upper)], sheet[list(lower)]
        window = _window(np.concatenate([top, bottom]))
        rows = slice(window.top, window.top + window.height)
        columns = slice(window.left, window.left + window.width)
        patch = texture[rows, columns]
        opening = polygon(np.concatenate([top, bottom[::-1]]), 0.012, window)
        corner, other = top[0], top[-1]
        centre = (corner + other) / 2 * [1, 0] + [0, 0.55 * bottom[4, 1] + 0.45 * top[4, 1] - 0.008]
        centre = centre + np.abs(other[0] - corner[0]) * np.asarray(gaze)
        _ball(patch, window, opening, centre, iris, spectrum)
        _catchlight(patch, window, opening, centre, lamp)
        shade = 0.55 * stroke(lowered(top, 0.012), 0.03, 0.045, window) * opening
        patch[..., :3] *= (1 - shade)[..., None]
        lash = LASHES[spectrum] * np.clip(1.2 * stroke(lowered(top, -0.004), 0.020, 0.014, window), 0, 1)
        patch[..., :3] *= (1 - lash)[..., None]
        patch[..., 3] *= 1 - lash
        patch[..., :3] *= (1 - 0.35 * stroke(lowered(bottom, 0.003), 0.008, 0.014, window))[..., None]


def paint_mouth(texture: npt.NDArray[np.float32], spectrum: Spectrum, parted: float) -> None:
    """Paint what is between the lips into the sheet in place: dark, and the teeth where they are parted (0 to 1).

    A mouth that is shut squeezes all this to a line.
    """
    sheet = anatomy.sheet_points()
    lips = sheet[list(anatomy.LIPS_INNER)]
    window = _window(lips)
    rows = slice(window.top, window.top + window.height)
    columns = slice(window.left, window.left + window.width)
    patch = texture[rows, columns]
    inside = polygon(lips, 0.012, window)
    mix(patch[..., :3], MOUTH_INSIDE[spectrum], inside)
    upper = lips[1:10]
    teeth = polygon(np.concatenate([lowered(upper, -0.01), lowered(upper, 0.045)[::-1]]), 0.012, window) * inside
    mix(patch[..., :3], TEETH[spectrum], np.float32(0.85 * np.clip(parted, 0, 1)) * teeth)
    patch[..., 3] *= 1 - 0.7 * inside


def _window(points: npt.NDArray[np.float64]) -> Window:
    low = np.floor(pixel(points.min(0) - MARGIN)).astype(int)
    high = np.ceil(pixel(points.max(0) + MARGIN)).astype(int)
    return Window(int(low[0]), int(low[1]), int(high[0] - low[0]), int(high[1] - low[1]))


def _ball(
    patch: npt.NDArray[np.float32],
    window: Window,
    opening: Channel,
    centre: npt.NDArray[np.float64],
    iris: npt.NDArray[np.float64],
    spectrum: Spectrum,
) -> None:
    """White, iris with its darker rim, pupil."""
    distance, angle = _polar(window, centre)
    edge = 0.5 / DENSITY + 0.006
    ball = np.full((*opening.shape, 3), SCLERA[spectrum], np.float32)
    ball *= (1 - 0.35 * np.clip((distance - 0.09) / 0.12, 0, 1))[..., None]
    rays = 1 + 0.14 * np.sin(23 * angle + 2 * np.sin(5 * angle)) + 0.10 * np.sin(41 * angle)
    rays *= 1 - 0.55 * np.clip((distance / IRIS_RADIUS - 0.80) / 0.2, 0, 1)
    disc = _inside(distance, IRIS_RADIUS, edge)
    ball += disc[..., None] * (rays[..., None] * iris.astype(np.float32) - ball)
    pupil = _inside(distance, PUPIL_RADIUS[spectrum], edge)
    ball += pupil[..., None] * (0.006 - ball)
    patch[..., :3] += opening[..., None] * (ball - patch[..., :3])
    patch[..., 3] += opening * (0.3 - patch[..., 3])


def _catchlight(
    patch: npt.NDArray[np.float32],
    window: Window,
    opening: Channel,
    centre: npt.NDArray[np.float64],
    lamp: npt.NDArray[np.float64],
) -> None:
    """The lamp's image in the cornea, half way between the line of sight and the lamp."""
    spot = centre + 0.55 * IRIS_RADIUS * np.asarray(lamp)[:2]
    distance, _ = _polar(window, spot)
    glint = _inside(distance, 0.010, 0.008) * opening
    patch[..., :3] += glint[..., None] * (2.2 - patch[..., :3])


def _polar(window: Window, centre: npt.NDArray[np.float64]) -> tuple[Channel, Channel]:
    """Distance from and angle round a point of the sheet, for the pixels of the window."""
    x0, y0 = pixel(centre)
    rows, columns = np.mgrid[0 : window.height, 0 : window.width].astype(np.float32)
    dx, dy = columns + np.float32(window.left - x0), rows + np.float32(window.top - y0)
    return np.hypot(dx, dy) / np.float32(DENSITY), np.arctan2(dy, dx)


def _inside(distance: Channel, radius: float, edge: float) -> Channel:
    return np.clip((radius - distance) / edge + 0.5, 0, 1).astype(np.float32)
