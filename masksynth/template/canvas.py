"""What a generated mask is painted on, and the parts that masks are made of: hems, welds, valves, folds, weaves."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter

from masksynth.template.design import MaskDesign, rgb_of
from masksynth.template.outlines import Shape
from masksynth.template.patterns import fibre_noise, smooth_noise
from masksynth.template.tent import cloth_height

Field = npt.NDArray[np.floating]


@dataclass
class Canvas:
    """What is painted on; lengths in texels of the 256 layout, heights in interocular distances."""

    shape: Shape
    design: MaskDesign
    rng: np.random.Generator
    rgb: Field  # (S, S, 3) sRGB-encoded
    nir: Field  # (S, S) linear
    height: Field  # (S, S)
    shade: Field  # (S, S) factor of the creases, near 1

    def paint(self, cover: Field, colour: str | tuple[float, float, float], nir: float | None = None) -> None:
        """Lay a colour (and a reflectance) over the share `cover` of each texel."""
        rgb = rgb_of(colour) if isinstance(colour, str) else colour
        self.rgb += cover[..., None] * (np.array(rgb, np.float32) - self.rgb)
        if nir is not None:
            self.nir += cover * (np.float32(nir) - self.nir)

    def crease(self, cover: Field, depth: float) -> None:
        """Darken by `depth` at full cover; light from all sides hardly reaches into a fold."""
        self.shade *= 1 - depth * cover

    def raise_by(self, cover: Field, height: float) -> None:
        self.height += np.float32(height) * cover


def stand_off(canvas: Canvas, thickness: float) -> None:
    """Cloth drawn over the nose and the chin, that lies on the skin along its edge."""
    canvas.height += cloth_height(canvas.shape.inside, thickness)


def dome(canvas: Canvas, height: float, reach: float) -> None:
    """A stiff cup: off the skin everywhere but at its rim, deepest over the mouth."""
    depth = np.clip(canvas.shape.inside / reach, 0, 1)
    stand_off(canvas, 0.015)
    canvas.height += (height * np.sqrt(depth * (2 - depth))).astype(np.float32)


def binding(canvas: Canvas, inset: Field, width: float) -> None:
    """A folded edge: two layers of fleece, a little lighter, with a step at its inner side."""
    canvas.shade *= 1 + 0.025 * band(inset - width, 0.8)
    canvas.crease(thin(inset - width - 0.6, 0.8), 0.055)


def hem(canvas: Canvas, width: float) -> None:
    inset = canvas.shape.inside
    canvas.crease(thin(inset - width, 0.7), 0.13)
    canvas.shade *= 1 + 0.03 * bump(inset - width / 2, width / 2)
    turn = turns_around(canvas.shape)
    stitches = (np.cos(2 * np.pi * turn * 170) > -0.2).astype(np.float32)
    canvas.crease(thin(inset - width + 0.9, 0.5) * stitches, 0.12)
    canvas.raise_by(band(inset - width, 1.0), 0.006)


def welds(canvas: Canvas, across: Field, along: Field, pitch: float, depth: float, where: Field | float = 1.0) -> None:
    """A dotted line of ultrasonic welds at across = 0."""
    dots = np.clip(0.3 + np.cos(2 * np.pi * along / pitch), 0, 1)
    canvas.crease((thin(across, 0.7) * dots * where).astype(np.float32), depth)


def wrinkles(canvas: Canvas, depth: float, sigma: tuple[float, float]) -> None:
    """Soft creases: the hollows of a smooth noise; its rises are hardly lighter."""
    if depth <= 0:
        return
    noise = smooth_noise(len(canvas.shape.u), canvas.rng, sigma)
    noise += 0.5 * smooth_noise(len(canvas.shape.u), canvas.rng, (sigma[1] * 0.7, sigma[0]))
    hollow = np.clip(-noise, 0, 2.5) - 0.4
    canvas.shade *= (1 - depth * hollow).astype(np.float32)
    canvas.height += (0.12 * depth * noise * np.clip(canvas.shape.inside / 8, 0, 1)).astype(np.float32)


def folds(canvas: Canvas, depth: float) -> None:
    """Folds that fall from the nose towards the chin and bend outwards."""
    shape = canvas.shape
    fan = np.arctan2(shape.u - 127.5, shape.v - 20) * 60
    noise = np.zeros_like(shape.u)
    for wavelength in (7.0, 12.0, 19.0):
        phase = canvas.rng.uniform(0, 2 * np.pi)
        bend = 3.0 * smooth_noise(len(shape.u), canvas.rng, (30, 12))
        noise += np.cos(2 * np.pi * (fan + bend) / wavelength + phase)
    fade = np.clip((shape.v - 110) / 60, 0.15, 1)
    canvas.crease((np.clip(noise - 0.4, 0, 2) * fade).astype(np.float32), depth * canvas.design.wrinkles)
    canvas.raise_by((-noise * fade * np.clip(shape.inside / 10, 0, 1)).astype(np.float32), 0.006)


def valve(
    canvas: Canvas, u: float, v: float, radius: float, colour: str | tuple[float, float, float], nir: float = 0.6
) -> None:
    """A round exhalation valve: rim, cap and slots."""
    x, y = canvas.shape.u - u, (canvas.shape.v - v) * 0.8  # the lip leans back: round as seen from the front
    reach = np.hypot(x, y)
    canvas.crease(np.exp(-np.clip(reach - radius, 0, None) / 1.6) * band(radius - reach, 0.8), 0.16)
    canvas.paint(band(reach - radius, 0.7), colour, nir)
    canvas.crease(thin(reach - radius * 0.84, 0.7), 0.16)
    canvas.crease(thin(reach - radius, 0.8), 0.14)
    slots = band(np.abs(x) - radius * 0.55, 0.6) * np.clip(np.cos(2 * np.pi * y / (radius * 0.36)) - 0.35, 0, 1)
    canvas.crease((slots * band(reach - radius * 0.72, 0.8)).astype(np.float32), 0.35)
    canvas.shade *= (1 + 0.04 * bump(reach - radius * 0.92, radius * 0.06)).astype(np.float32)
    canvas.raise_by(band(reach - radius, 1.2), 0.05)


def text(canvas: Canvas, text: str, centre: tuple[float, float], height: float) -> None:
    """Small print, `height` texels tall, centred at (u, v)."""
    side = canvas.design.size
    factor = side / 256
    fine = 4
    scale = height * factor * fine / 22
    thickness = max(1, round(0.11 * height * factor * fine))
    (width, tall), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, thickness)
    plate = np.zeros((tall + 4 * thickness, width + 4 * thickness), np.uint8)
    cv2.putText(
        plate, text, (2 * thickness, tall + 2 * thickness), cv2.FONT_HERSHEY_SIMPLEX, scale, 255, thickness, cv2.LINE_AA
    )
    x0 = (centre[0] + 0.5) * factor * fine - plate.shape[1] / 2
    y0 = (centre[1] + canvas.design.drop * 20 + 0.5) * factor * fine - plate.shape[0] / 2
    large = np.zeros((side * fine, side * fine), np.uint8)
    top, left = round(y0), round(x0)
    if top < 0 or left < 0 or top + plate.shape[0] > side * fine or left + plate.shape[1] > side * fine:
        return
    large[top : top + plate.shape[0], left : left + plate.shape[1]] = plate
    ink = cv2.resize(large, (side, side), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    canvas.paint(ink * 0.75, "#4a4c52", None)


def straps(canvas: Canvas) -> Field:
    """Ear loops from the corners of the mask to the ears; painted, and their alpha returned."""
    shape = canvas.shape
    x = np.abs(shape.u - 127.5)
    edge = np.abs(shape.across)
    cover = np.zeros_like(shape.u)
    for start, end in ((118.0, 92.0), (168.0, 122.0)):
        x0, x1 = 68.0, 113.0
        share = np.clip((x - x0) / (x1 - x0), 0, 1)
        row = start + (end - start) * share + canvas.design.drop * 12 * (1 - share)
        cover = np.maximum(cover, band(np.abs(shape.v - row) - 1.3, 0.6) * (x > x0) * (x < x1))
    cover = np.where((shape.inside < 0) & (edge > 0.5), cover, 0).astype(np.float32)
    canvas.paint(cover, "#f2f2f0", 0.7)
    return cover


def fibres(canvas: Canvas) -> None:
    """The grain of the material: fine, faint, and fainter still in NIR."""
    size = len(canvas.shape.u)
    grain = 0.6 * fibre_noise(size, canvas.rng, (0.5, 1.1)) + 0.6 * fibre_noise(size, canvas.rng, (1.1, 0.5))
    canvas.rgb *= (1 + 0.012 * grain)[..., None]
    canvas.nir *= 1 + 0.012 * grain
    drift = smooth_noise(size, canvas.rng, 26)
    canvas.rgb *= (1 + 0.008 * drift)[..., None]


def emboss(canvas: Canvas, pitch: float, depth: float) -> None:
    shape = canvas.shape
    dots = np.cos(2 * np.pi * (shape.u + shape.v) / pitch / 1.414) * np.cos(
        2 * np.pi * (shape.u - shape.v) / pitch / 1.414
    )
    canvas.crease(np.clip(dots, 0, 1).astype(np.float32), depth)


def weave(canvas: Canvas, pitch: float, depth: float) -> None:
    shape = canvas.shape
    threads = np.cos(2 * np.pi * shape.u / pitch) * np.cos(2 * np.pi * shape.v / pitch)
    canvas.shade *= (1 + 0.5 * depth * threads).astype(np.float32)


def mesh(canvas: Canvas, pitch: float, depth: float) -> None:
    shape = canvas.shape
    row = np.floor(shape.v / pitch)
    holes = np.cos(2 * np.pi * (shape.u / pitch + 0.5 * (row % 2))) + np.cos(2 * np.pi * (shape.v / pitch % 1 - 0.5))
    canvas.crease(np.clip(holes - 0.6, 0, 1).astype(np.float32), depth)


def turns_around(shape: Shape) -> Field:
    """Turns around the middle of the mask, for what repeats along its edge."""
    return (np.arctan2(shape.v - 142, shape.u - 127.5) / (2 * np.pi)).astype(np.float32)


def scaled(colour: str, factor: float) -> tuple[float, float, float]:
    red, green, blue = rgb_of(colour)
    return red * factor, green * factor, blue * factor


def thin(distance: Field, width: float) -> Field:
    """1 at distance 0, falling off over `width` texels."""
    return np.exp(-((distance / width) ** 2)).astype(np.float32)


def band(distance: Field, soft: float) -> Field:
    """1 where distance is negative, 0 where positive, with a step `soft` texels wide."""
    return np.clip(0.5 - distance / soft, 0, 1).astype(np.float32)


def bump(distance: Field, width: float) -> Field:
    return np.clip(1 - (distance / width) ** 2, 0, 1).astype(np.float32)


def ramp_below(distance: Field, length: float) -> Field:
    """0 above, 1 right below distance 0, falling to 0 over `length` texels."""
    return (np.clip(1 - distance / length, 0, 1) * np.clip(0.5 + distance, 0, 1)).astype(np.float32)


def shift_up(field: Field, texels: float) -> Field:
    """The field moved up by `texels` of the 256 layout (down where negative) and softened."""
    steps = round(texels * len(field) / 256)
    return gaussian_filter(np.roll(field, -steps, axis=0), 0.6 * len(field) / 256)
