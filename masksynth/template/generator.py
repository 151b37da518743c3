"""Masks made from parameters: colour, NIR reflectance and stand-off in the UV layout.

The light belongs to the face that wears the mask. What is painted here is the cloth itself: its colour, its seams, and
of its relief only what a soft light from all sides leaves, which is dark creases. The large relief is in the height.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter

from masksynth.seeds import rng_for
from masksynth.template.design import Kind, MaskDesign, rgb_of
from masksynth.template.format import Template, continued, surface
from masksynth.template.outlines import Shape, shape_of
from masksynth.template.patterns import fibre_noise, print_of, smooth_noise
from masksynth.template.tent import tent

Field = npt.NDArray[np.floating]

MATERIALS: dict[Kind, tuple[str, float]] = {
    # Linear reflectance near 850 nm. Polypropylene fleece scatters and hardly absorbs, in VIS as in NIR, and its dyes
    # let NIR through; cotton and polyester are nearly as bright whatever colour they show to the eye; moulded rubber
    # filled with carbon is dark.
    "surgical": ("polypropylene", 0.72),
    "n95": ("polypropylene", 0.74),
    "kn95": ("polypropylene", 0.74),
    "cloth": ("cotton", 0.62),
    "sport": ("polyester", 0.58),
    "bandana": ("cotton", 0.60),
    "gaiter": ("polyester", 0.60),
    "respirator": ("elastomer", 0.30),
}
CARBON_NIR = 0.06  # reflectance of carbon black, in NIR as in VIS
DYE_IN_NIR = 0.12  # how much of a clear dye's darkness is still seen there
EDGE_TEXELS = 1.3  # width of the soft edge, in texels of the template


@dataclass
class _Canvas:
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


def generate(design: MaskDesign, name: str | None = None) -> Template:
    """Make the template of `design`; the same design gives the same template.

    Parameters
    ----------
    design : MaskDesign
    name : str, optional
        The template's name; ``generated-KIND-SEED`` where not given.
    """
    shape = shape_of(design)
    side = design.size
    material, reflectance = MATERIALS[design.kind]
    colour = np.array(rgb_of(design.colour), np.float32)
    canvas = _Canvas(
        shape=shape,
        design=design,
        rng=rng_for(design.seed, "mask", design.kind),
        rgb=np.broadcast_to(colour, (side, side, 3)).copy(),
        nir=np.full((side, side), _nir_of(colour, reflectance, design), np.float32),
        height=np.zeros((side, side), np.float32),
        shade=np.ones((side, side), np.float32),
    )
    _print(canvas, reflectance)
    _PAINTERS[design.kind](canvas)
    _fibres(canvas)
    texel = 256 / side
    alpha = np.clip(0.5 + shape.inside / (EDGE_TEXELS * texel), 0, 1)
    if design.straps:
        alpha = np.maximum(alpha, _straps(canvas))
    alpha *= surface(side)
    rgba = np.dstack([np.clip(canvas.rgb * canvas.shade[..., None], 0, 1), alpha]).astype(np.float32)
    nir = np.clip(canvas.nir * canvas.shade**2.0, 0.01, 1)  # the crease factor is of encoded values, NIR is linear
    return Template(
        name=name or f"generated-{design.kind}-{design.seed}",
        rgba=continued(rgba),
        nir=nir.astype(np.float32),
        height=np.clip(np.where(shape.inside > -2, canvas.height, 0), 0, 1).astype(np.float32),
        metadata={
            "kind": design.kind,
            "material": material,
            "spectrum": "vis",
            "source": "generated",
            "design": design.as_metadata(),
        },
    )


def _nir_of(colour: Field | tuple[float, float, float], reflectance: float, design: MaskDesign) -> float:
    """Linear NIR reflectance of a material that shows this colour to the eye."""
    linear = float(np.dot(np.asarray(colour) ** 2.2, (0.2126, 0.7152, 0.0722)))
    if design.dye == "carbon":
        return float(np.clip(linear, CARBON_NIR, reflectance))
    return reflectance * (1 - DYE_IN_NIR * (1 - min(linear / 0.8, 1.0)))


def _print(canvas: _Canvas, reflectance: float) -> None:
    design = canvas.design
    if design.pattern == "plain":
        return
    cover = print_of(design.pattern, canvas.shape.u, canvas.shape.v, design.pattern_scale, canvas.rng)
    canvas.paint(cover, design.second, _nir_of(rgb_of(design.second), reflectance, design))


def _surgical(canvas: _Canvas) -> None:
    shape, rng, wear = canvas.shape, canvas.rng, canvas.design.wrinkles
    _tent(canvas, 0.02)
    for level in (0.34, 0.52, 0.70):  # three pleats, stitched at the sides and open in the middle
        level += rng.uniform(-0.015, 0.015)
        bow = 0.028 * (1 - shape.across**2) + 0.008 * wear * smooth_noise(len(shape.u), rng, (40, 16))
        line = (shape.down - level - bow) * 145  # about texels below the fold
        open_middle = 0.45 + 0.55 * np.abs(shape.across) ** 0.8
        canvas.crease(_line(line, 0.9) * open_middle, 0.20)
        canvas.crease(_ramp_below(line, 5.0) * open_middle, 0.07)
        canvas.shade *= 1 + 0.03 * _ramp_below(-line, 4.0) * open_middle
        canvas.raise_by(_ramp_below(-line, 7.0) * (1 - 0.4 * np.abs(shape.across)), 0.012)
    _wrinkles(canvas, 0.045 * wear, (3.2, 22))
    _binding(canvas, shape.from_top, 5.0)
    _binding(canvas, shape.from_bottom, 4.0)
    _binding(canvas, shape.from_side, 4.5)
    _welds(canvas, shape.from_top - 3.0, shape.u, 2.2, 0.13)
    _welds(canvas, shape.from_bottom - 2.2, shape.u, 2.2, 0.13)
    for inset in (1.4, 3.2):
        _welds(canvas, shape.from_side - inset, shape.v, 1.8, 0.13)
    wire = _band(np.abs(shape.u - 127.5) - 30, 1.5) * _bump(shape.from_top - 5.6, 1.7)
    canvas.raise_by(wire, 0.012)
    canvas.shade *= 1 + 0.05 * _shift_up(wire, 1.0) - 0.09 * _shift_up(wire, -1.2)
    _emboss(canvas, 2.4, 0.02)


def _n95(canvas: _Canvas) -> None:
    shape, design = canvas.shape, canvas.design
    _dome(canvas, 0.13, 34)
    rim = _band(shape.inside - 4.6, 0.8)
    canvas.raise_by(rim, 0.01)
    canvas.crease(_line(shape.inside - 4.8, 0.8), 0.16)
    ticks = 0.5 + 0.5 * np.cos(2 * np.pi * _around(shape) * 150)
    canvas.crease(rim * ticks.astype(np.float32), 0.06)
    panel = shape.inside - 19 - 6 * np.cos(2 * np.arctan2(shape.v - 145, shape.u - 127.5))
    canvas.crease(_line(panel, 1.2), 0.07)
    canvas.raise_by(_band(-panel, 2.5), 0.012)
    clip = _band(np.abs(shape.u - 127.5) - 25, 0.7) * _band(np.abs(shape.from_top - 9.5) - 1.9, 0.5)
    canvas.paint(clip, "#aeb2b6", 0.5)
    canvas.crease(_line(shape.from_top - 11.9, 0.7) * _band(np.abs(shape.u - 127.5) - 25, 0.7), 0.15)
    canvas.raise_by(clip, 0.01)
    if design.valve:
        _valve(canvas, 127.5, 150, 13.5, design.second)
        _text(canvas, "N95", (127.5, 118), 7.0)
    else:
        _text(canvas, "N95", (127.5, 168), 8.0)
        _text(canvas, "NIOSH", (127.5, 177), 5.0)
    _wrinkles(canvas, 0.012, (9, 9))
    _emboss(canvas, 2.0, 0.015)


def _kn95(canvas: _Canvas) -> None:
    shape, design = canvas.shape, canvas.design
    middle = np.abs(shape.u - 127.5 - 0.3 * (smooth_noise(len(shape.u), canvas.rng, 30)))
    _dome(canvas, 0.05, 40)
    canvas.raise_by(np.exp(-middle / 12), 0.07)
    canvas.crease(_line(middle - 1.1, 0.7), 0.13)
    canvas.shade *= 1 + 0.035 * np.exp(-((middle / 0.9) ** 2))
    canvas.crease(np.exp(-(((middle - 6) / 5) ** 2)), 0.02)
    for inset, pitch in ((2.0, 2.2), (4.4, 2.2)):
        _welds(canvas, shape.inside - inset, shape.u + 0.8 * shape.v, pitch, 0.14)
    canvas.raise_by(_band(shape.inside - 5.2, 1.0), -0.01)
    canvas.crease(_line(shape.inside - 5.6, 0.8), 0.08)
    x = np.abs(shape.u - 127.5)
    for row, rise in ((112.0, -0.02), (188.0, -0.42)):  # pressed seams from the ridge towards the sides
        seam = shape.v - row - rise * x - canvas.design.drop * 20
        where = _band(x - 60, 8.0) * _band(8 - x, 4.0)
        canvas.crease(_line(seam, 0.8) * where, 0.07)
        _welds(canvas, seam, x, 2.4, 0.08, where)
    clip = _band(np.abs(shape.u - 127.5) - 22, 0.7) * _bump(shape.from_top - 8.0, 1.8)
    canvas.raise_by(clip, 0.012)
    canvas.shade *= 1 + 0.05 * _shift_up(clip, 1.0) - 0.08 * _shift_up(clip, -1.2)
    if design.valve:
        _valve(canvas, 163, 148, 11.5, design.second)
    _text(canvas, "KN95", (92, 146), 7.0)
    _text(canvas, "GB2626-2019", (92, 154), 3.6)
    _wrinkles(canvas, 0.022 * design.wrinkles, (6, 9))
    _emboss(canvas, 2.2, 0.015)


def _cloth(canvas: _Canvas) -> None:
    shape, wear = canvas.shape, canvas.design.wrinkles
    _tent(canvas, 0.02)
    middle = np.abs(shape.u - 127.5)
    if canvas.rng.random() < 0.6:  # cut of two curved halves
        canvas.crease(_line(middle - 0.4, 0.7), 0.16)
        canvas.raise_by(np.exp(-middle / 8), 0.03)
    else:  # one gathered sheet
        for level in (0.4, 0.6):
            line = (shape.down - level - 0.03 * (1 - shape.across**2)) * 145
            canvas.crease(_line(line, 1.0) * np.abs(shape.across), 0.14)
            canvas.crease(_ramp_below(line, 6.0) * np.abs(shape.across), 0.06)
    _hem(canvas, 3.6)
    _wrinkles(canvas, 0.055 * wear, (4.5, 13))
    _weave(canvas, 1.25, 0.03)


def _sport(canvas: _Canvas) -> None:
    shape, design = canvas.shape, canvas.design
    _tent(canvas, 0.025)
    x = np.abs(shape.u - 127.5)
    seam = x - 34 - 0.10 * (shape.v - 140)
    canvas.paint(_band(-seam, 0.8) * _band(shape.inside * -1 + 4, 1.0), design.second, None)
    canvas.crease(_line(seam, 0.8), 0.14)
    middle = np.abs(shape.u - 127.5)
    canvas.crease(_line(middle - 0.4, 0.7), 0.12)
    canvas.raise_by(np.exp(-middle / 8), 0.03)
    _hem(canvas, 4.2)
    _mesh(canvas, 1.9, 0.10)
    if design.valve:
        for u in (88.0, 167.0):
            _valve(canvas, u, 152, 9.0, "#2a2c2f")
    _wrinkles(canvas, 0.03 * design.wrinkles, (6, 12))


def _bandana(canvas: _Canvas) -> None:
    _tent(canvas, 0.015)
    _folds(canvas, 0.085)
    _hem(canvas, 2.6)
    _weave(canvas, 1.2, 0.025)


def _gaiter(canvas: _Canvas) -> None:
    shape = canvas.shape
    _tent(canvas, 0.01)
    _folds(canvas, 0.075)
    low = np.clip((shape.v - 175) / 50, 0, 1)
    waves = smooth_noise(len(shape.u), canvas.rng, (2.6, 30))
    canvas.crease(np.clip(waves, 0, 2) * low, 0.08 * canvas.design.wrinkles)
    _hem(canvas, 2.2)
    _mesh(canvas, 1.1, 0.025)


def _respirator(canvas: _Canvas) -> None:
    shape, design = canvas.shape, canvas.design
    _dome(canvas, 0.12, 30)
    canvas.crease(_line(shape.inside - 6.5, 1.2), 0.22)
    canvas.shade *= 1 + 0.10 * np.exp(-(((shape.inside - 3.0) / 1.8) ** 2))
    plate = (shape.u - 127.5) ** 2 / 21**2 + (shape.v - 148) ** 2 / 27**2
    canvas.paint(_band((np.sqrt(plate) - 1) * 22, 0.8), _scaled(design.colour, 0.72), 0.16)
    canvas.crease(_line((np.sqrt(plate) - 1) * 22, 1.0), 0.25)
    _valve(canvas, 127.5, 152, 11.0, _scaled(design.colour, 0.85), nir=0.2)
    for u in (95.0, 160.0):
        reach = np.hypot(shape.u - u, (shape.v - 162) * 1.05)
        canvas.paint(_band(reach - 17.5, 0.8), _scaled(design.colour, 0.6), 0.12)
        canvas.paint(_band(reach - 15.0, 0.8), design.second, 0.65)
        canvas.crease(_line(reach - 15.0, 0.9), 0.25)
        canvas.crease(_band(reach - 14, 0.8) * (0.5 + 0.5 * np.cos(2 * np.pi * reach / 4)).astype(np.float32), 0.06)
        canvas.raise_by(_band(reach - 17.5, 2.0), 0.10)
    _wrinkles(canvas, 0.008, (6, 6))


def _tent(canvas: _Canvas, thickness: float) -> None:
    """Cloth drawn over the nose and the chin, that lies on the skin along its edge."""
    at_edge = 1 - np.exp(-np.clip(canvas.shape.inside, 0, None) / 9)
    over_skin = cv2.resize(tent(), canvas.height.shape[::-1], interpolation=cv2.INTER_LINEAR)
    canvas.height += (at_edge * (over_skin + thickness)).astype(np.float32)


def _dome(canvas: _Canvas, height: float, reach: float) -> None:
    """A stiff cup: off the skin everywhere but at its rim, deepest over the mouth."""
    depth = np.clip(canvas.shape.inside / reach, 0, 1)
    _tent(canvas, 0.015)
    canvas.height += (height * np.sqrt(depth * (2 - depth))).astype(np.float32)


def _binding(canvas: _Canvas, inset: Field, width: float) -> None:
    """A folded edge: two layers of fleece, a little lighter, with a step at its inner side."""
    canvas.shade *= 1 + 0.025 * _band(inset - width, 0.8)
    canvas.crease(_line(inset - width - 0.6, 0.8), 0.055)


def _hem(canvas: _Canvas, width: float) -> None:
    inset = canvas.shape.inside
    canvas.crease(_line(inset - width, 0.7), 0.13)
    canvas.shade *= 1 + 0.03 * _bump(inset - width / 2, width / 2)
    turn = _around(canvas.shape)
    stitches = (np.cos(2 * np.pi * turn * 170) > -0.2).astype(np.float32)
    canvas.crease(_line(inset - width + 0.9, 0.5) * stitches, 0.12)
    canvas.raise_by(_band(inset - width, 1.0), 0.006)


def _welds(
    canvas: _Canvas, across: Field, along: Field, pitch: float, depth: float, where: Field | float = 1.0
) -> None:
    """A dotted line of ultrasonic welds at across = 0."""
    dots = np.clip(0.3 + np.cos(2 * np.pi * along / pitch), 0, 1)
    canvas.crease((_line(across, 0.7) * dots * where).astype(np.float32), depth)


def _wrinkles(canvas: _Canvas, depth: float, sigma: tuple[float, float]) -> None:
    """Soft creases: the hollows of a smooth noise; its rises are hardly lighter."""
    if depth <= 0:
        return
    noise = smooth_noise(len(canvas.shape.u), canvas.rng, sigma)
    noise += 0.5 * smooth_noise(len(canvas.shape.u), canvas.rng, (sigma[1] * 0.7, sigma[0]))
    hollow = np.clip(-noise, 0, 2.5) - 0.4
    canvas.shade *= (1 - depth * hollow).astype(np.float32)
    canvas.height += (0.12 * depth * noise * np.clip(canvas.shape.inside / 8, 0, 1)).astype(np.float32)


def _folds(canvas: _Canvas, depth: float) -> None:
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


def _valve(
    canvas: _Canvas, u: float, v: float, radius: float, colour: str | tuple[float, float, float], nir: float = 0.6
) -> None:
    """A round exhalation valve: rim, cap and slots."""
    x, y = canvas.shape.u - u, canvas.shape.v - v
    reach = np.hypot(x, y)
    canvas.crease(np.exp(-np.clip(reach - radius, 0, None) / 1.6) * _band(radius - reach, 0.8), 0.16)
    canvas.paint(_band(reach - radius, 0.7), colour, nir)
    canvas.crease(_line(reach - radius * 0.84, 0.7), 0.16)
    canvas.crease(_line(reach - radius, 0.8), 0.14)
    slots = _band(np.abs(x) - radius * 0.55, 0.6) * np.clip(np.cos(2 * np.pi * y / (radius * 0.36)) - 0.35, 0, 1)
    canvas.crease((slots * _band(reach - radius * 0.72, 0.8)).astype(np.float32), 0.35)
    canvas.shade *= (1 + 0.04 * _bump(reach - radius * 0.92, radius * 0.06)).astype(np.float32)
    canvas.raise_by(_band(reach - radius, 1.2), 0.05)


def _text(canvas: _Canvas, text: str, centre: tuple[float, float], height: float) -> None:
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


def _straps(canvas: _Canvas) -> Field:
    """Ear loops from the corners of the mask to the ears; painted, and their alpha returned."""
    shape = canvas.shape
    x = np.abs(shape.u - 127.5)
    edge = np.abs(shape.across)
    cover = np.zeros_like(shape.u)
    for start, end in ((118.0, 92.0), (168.0, 122.0)):
        x0, x1 = 68.0, 113.0
        share = np.clip((x - x0) / (x1 - x0), 0, 1)
        row = start + (end - start) * share + canvas.design.drop * 12 * (1 - share)
        cover = np.maximum(cover, _band(np.abs(shape.v - row) - 1.3, 0.6) * (x > x0) * (x < x1))
    cover = np.where((shape.inside < 0) & (edge > 0.5), cover, 0).astype(np.float32)
    canvas.paint(cover, "#f2f2f0", 0.7)
    return cover


def _fibres(canvas: _Canvas) -> None:
    """The grain of the material: fine, faint, and fainter still in NIR."""
    size = len(canvas.shape.u)
    grain = 0.6 * fibre_noise(size, canvas.rng, (0.5, 1.1)) + 0.6 * fibre_noise(size, canvas.rng, (1.1, 0.5))
    canvas.rgb *= (1 + 0.012 * grain)[..., None]
    canvas.nir *= 1 + 0.012 * grain
    drift = smooth_noise(size, canvas.rng, 26)
    canvas.rgb *= (1 + 0.008 * drift)[..., None]


def _emboss(canvas: _Canvas, pitch: float, depth: float) -> None:
    shape = canvas.shape
    dots = np.cos(2 * np.pi * (shape.u + shape.v) / pitch / 1.414) * np.cos(
        2 * np.pi * (shape.u - shape.v) / pitch / 1.414
    )
    canvas.crease(np.clip(dots, 0, 1).astype(np.float32), depth)


def _weave(canvas: _Canvas, pitch: float, depth: float) -> None:
    shape = canvas.shape
    threads = np.cos(2 * np.pi * shape.u / pitch) * np.cos(2 * np.pi * shape.v / pitch)
    canvas.shade *= (1 + 0.5 * depth * threads).astype(np.float32)


def _mesh(canvas: _Canvas, pitch: float, depth: float) -> None:
    shape = canvas.shape
    row = np.floor(shape.v / pitch)
    holes = np.cos(2 * np.pi * (shape.u / pitch + 0.5 * (row % 2))) + np.cos(2 * np.pi * (shape.v / pitch % 1 - 0.5))
    canvas.crease(np.clip(holes - 0.6, 0, 1).astype(np.float32), depth)


def _around(shape: Shape) -> Field:
    """Turns around the middle of the mask, for what repeats along its edge."""
    return (np.arctan2(shape.v - 142, shape.u - 127.5) / (2 * np.pi)).astype(np.float32)


def _scaled(colour: str, factor: float) -> tuple[float, float, float]:
    red, green, blue = rgb_of(colour)
    return red * factor, green * factor, blue * factor


def _line(distance: Field, width: float) -> Field:
    """1 at distance 0, falling off over `width` texels."""
    return np.exp(-((distance / width) ** 2)).astype(np.float32)


def _band(distance: Field, soft: float) -> Field:
    """1 where distance is negative, 0 where positive, with a step `soft` texels wide."""
    return np.clip(0.5 - distance / soft, 0, 1).astype(np.float32)


def _bump(distance: Field, width: float) -> Field:
    return np.clip(1 - (distance / width) ** 2, 0, 1).astype(np.float32)


def _ramp_below(distance: Field, length: float) -> Field:
    """0 above, 1 right below distance 0, falling to 0 over `length` texels."""
    return (np.clip(1 - distance / length, 0, 1) * np.clip(0.5 + distance, 0, 1)).astype(np.float32)


def _shift_up(field: Field, texels: float) -> Field:
    """The field moved up by `texels` of the 256 layout (down where negative) and softened."""
    steps = round(texels * len(field) / 256)
    return gaussian_filter(np.roll(field, -steps, axis=0), 0.6 * len(field) / 256)


_PAINTERS: dict[Kind, Callable[[_Canvas], None]] = {
    "surgical": _surgical,
    "n95": _n95,
    "kn95": _kn95,
    "cloth": _cloth,
    "sport": _sport,
    "bandana": _bandana,
    "gaiter": _gaiter,
    "respirator": _respirator,
}
