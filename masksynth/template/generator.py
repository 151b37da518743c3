"""Masks made from parameters: colour, NIR reflectance and stand-off in the UV layout.

The light belongs to the face that wears the mask. What is painted here is the cloth itself: its colour, its seams, and
of its relief only what a soft light from all sides leaves, which is dark creases. The large relief is in the height.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from masksynth.seeds import rng_for
from masksynth.template.canvas import (
    Canvas,
    Field,
    band,
    binding,
    bump,
    dome,
    emboss,
    fibres,
    folds,
    hem,
    mesh,
    ramp_below,
    scaled,
    shift_up,
    stand_off,
    straps,
    text,
    thin,
    turns_around,
    valve,
    weave,
    welds,
    wrinkles,
)
from masksynth.template.design import Kind, MaskDesign, rgb_of
from masksynth.template.format import Template, continued, surface
from masksynth.template.outlines import shape_of
from masksynth.template.patterns import print_of, smooth_noise

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
    canvas = Canvas(
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
    fibres(canvas)
    texel = 256 / side
    alpha = np.clip(0.5 + shape.inside / (EDGE_TEXELS * texel), 0, 1)
    if design.straps:
        alpha = np.maximum(alpha, straps(canvas))
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


def _print(canvas: Canvas, reflectance: float) -> None:
    design = canvas.design
    if design.pattern == "plain":
        return
    cover = print_of(design.pattern, canvas.shape.u, canvas.shape.v, design.pattern_scale, canvas.rng)
    canvas.paint(cover, design.second, _nir_of(rgb_of(design.second), reflectance, design))


def _surgical(canvas: Canvas) -> None:
    shape, rng, wear = canvas.shape, canvas.rng, canvas.design.wrinkles
    stand_off(canvas, 0.02)
    for level in (0.34, 0.52, 0.70):  # three pleats, stitched at the sides and open in the middle
        level += rng.uniform(-0.015, 0.015)
        bow = 0.028 * (1 - shape.across**2) + 0.008 * wear * smooth_noise(len(shape.u), rng, (40, 16))
        line = (shape.down - level - bow) * 145  # about texels below the fold
        open_middle = 0.45 + 0.55 * np.abs(shape.across) ** 0.8
        canvas.crease(thin(line, 0.9) * open_middle, 0.20)
        canvas.crease(ramp_below(line, 5.0) * open_middle, 0.07)
        canvas.shade *= 1 + 0.03 * ramp_below(-line, 4.0) * open_middle
        canvas.raise_by(ramp_below(-line, 7.0) * (1 - 0.4 * np.abs(shape.across)), 0.012)
    wrinkles(canvas, 0.045 * wear, (3.2, 22))
    binding(canvas, shape.from_top, 5.0)
    binding(canvas, shape.from_bottom, 4.0)
    binding(canvas, shape.from_side, 4.5)
    welds(canvas, shape.from_top - 3.0, shape.u, 2.2, 0.13)
    welds(canvas, shape.from_bottom - 2.2, shape.u, 2.2, 0.13)
    for inset in (1.4, 3.2):
        welds(canvas, shape.from_side - inset, shape.v, 1.8, 0.13)
    wire = band(np.abs(shape.u - 127.5) - 30, 1.5) * bump(shape.from_top - 5.6, 1.7)
    canvas.raise_by(wire, 0.012)
    canvas.shade *= 1 + 0.05 * shift_up(wire, 1.0) - 0.09 * shift_up(wire, -1.2)
    emboss(canvas, 2.4, 0.02)


def _n95(canvas: Canvas) -> None:
    shape, design = canvas.shape, canvas.design
    dome(canvas, 0.13, 34)
    rim = band(shape.inside - 4.6, 0.8)
    canvas.raise_by(rim, 0.01)
    canvas.crease(thin(shape.inside - 4.8, 0.8), 0.16)
    ticks = 0.5 + 0.5 * np.cos(2 * np.pi * turns_around(shape) * 150)
    canvas.crease(rim * ticks.astype(np.float32), 0.06)
    panel = shape.inside - 19 - 6 * np.cos(2 * np.arctan2(shape.v - 145, shape.u - 127.5))
    canvas.crease(thin(panel, 1.2), 0.07)
    canvas.raise_by(band(-panel, 2.5), 0.012)
    clip = band(np.abs(shape.u - 127.5) - 25, 0.7) * band(np.abs(shape.from_top - 9.5) - 1.9, 0.5)
    canvas.paint(clip, "#aeb2b6", 0.5)
    canvas.crease(thin(shape.from_top - 11.9, 0.7) * band(np.abs(shape.u - 127.5) - 25, 0.7), 0.15)
    canvas.raise_by(clip, 0.01)
    if design.valve:
        valve(canvas, 127.5, 150, 13.5, design.second)
        text(canvas, "N95", (127.5, 118), 7.0)
    else:
        text(canvas, "N95", (127.5, 168), 8.0)
        text(canvas, "NIOSH", (127.5, 177), 5.0)
    wrinkles(canvas, 0.012, (9, 9))
    emboss(canvas, 2.0, 0.015)


def _kn95(canvas: Canvas) -> None:
    shape, design = canvas.shape, canvas.design
    middle = np.abs(shape.u - 127.5 - 0.3 * (smooth_noise(len(shape.u), canvas.rng, 30)))
    dome(canvas, 0.05, 40)
    canvas.raise_by(np.exp(-middle / 12), 0.07)
    canvas.crease(thin(middle - 1.1, 0.7), 0.13)
    canvas.shade *= 1 + 0.035 * np.exp(-((middle / 0.9) ** 2))
    canvas.crease(np.exp(-(((middle - 6) / 5) ** 2)), 0.02)
    for inset, pitch in ((2.0, 2.2), (4.4, 2.2)):
        welds(canvas, shape.inside - inset, shape.u + 0.8 * shape.v, pitch, 0.14)
    canvas.raise_by(band(shape.inside - 5.2, 1.0), -0.01)
    canvas.crease(thin(shape.inside - 5.6, 0.8), 0.08)
    x = np.abs(shape.u - 127.5)
    for row, rise in ((112.0, -0.02), (188.0, -0.42)):  # pressed seams from the ridge towards the sides
        seam = shape.v - row - rise * x - canvas.design.drop * 20
        where = band(x - 60, 8.0) * band(8 - x, 4.0)
        canvas.crease(thin(seam, 0.8) * where, 0.07)
        welds(canvas, seam, x, 2.4, 0.08, where)
    clip = band(np.abs(shape.u - 127.5) - 22, 0.7) * bump(shape.from_top - 8.0, 1.8)
    canvas.raise_by(clip, 0.012)
    canvas.shade *= 1 + 0.05 * shift_up(clip, 1.0) - 0.08 * shift_up(clip, -1.2)
    if design.valve:
        valve(canvas, 163, 148, 11.5, design.second)
    text(canvas, "KN95", (92, 146), 7.0)
    text(canvas, "GB2626-2019", (92, 154), 3.6)
    wrinkles(canvas, 0.022 * design.wrinkles, (6, 9))
    emboss(canvas, 2.2, 0.015)


def _cloth(canvas: Canvas) -> None:
    shape, wear = canvas.shape, canvas.design.wrinkles
    stand_off(canvas, 0.02)
    middle = np.abs(shape.u - 127.5)
    if canvas.rng.random() < 0.6:  # cut of two curved halves
        canvas.crease(thin(middle - 0.4, 0.7), 0.16)
        canvas.raise_by(np.exp(-middle / 8), 0.03)
    else:  # one gathered sheet
        for level in (0.4, 0.6):
            line = (shape.down - level - 0.03 * (1 - shape.across**2)) * 145
            canvas.crease(thin(line, 1.0) * np.abs(shape.across), 0.14)
            canvas.crease(ramp_below(line, 6.0) * np.abs(shape.across), 0.06)
    hem(canvas, 3.6)
    wrinkles(canvas, 0.055 * wear, (4.5, 13))
    weave(canvas, 1.25, 0.03)


def _sport(canvas: Canvas) -> None:
    shape, design = canvas.shape, canvas.design
    stand_off(canvas, 0.025)
    x = np.abs(shape.u - 127.5)
    seam = x - 34 - 0.10 * (shape.v - 140)
    canvas.paint(band(-seam, 0.8) * band(shape.inside * -1 + 4, 1.0), design.second, None)
    canvas.crease(thin(seam, 0.8), 0.14)
    middle = np.abs(shape.u - 127.5)
    canvas.crease(thin(middle - 0.4, 0.7), 0.12)
    canvas.raise_by(np.exp(-middle / 8), 0.03)
    hem(canvas, 4.2)
    mesh(canvas, 1.9, 0.10)
    if design.valve:
        for u in (88.0, 167.0):
            valve(canvas, u, 152, 9.0, "#2a2c2f")
    wrinkles(canvas, 0.03 * design.wrinkles, (6, 12))


def _bandana(canvas: Canvas) -> None:
    stand_off(canvas, 0.015)
    folds(canvas, 0.085)
    hem(canvas, 2.6)
    weave(canvas, 1.2, 0.025)


def _gaiter(canvas: Canvas) -> None:
    shape = canvas.shape
    stand_off(canvas, 0.01)
    folds(canvas, 0.075)
    low = np.clip((shape.v - 175) / 50, 0, 1)
    waves = smooth_noise(len(shape.u), canvas.rng, (2.6, 30))
    canvas.crease(np.clip(waves, 0, 2) * low, 0.08 * canvas.design.wrinkles)
    hem(canvas, 2.2)
    mesh(canvas, 1.1, 0.025)


def _respirator(canvas: Canvas) -> None:
    shape, design = canvas.shape, canvas.design
    dome(canvas, 0.12, 30)
    canvas.crease(thin(shape.inside - 6.5, 1.2), 0.22)
    canvas.shade *= 1 + 0.10 * np.exp(-(((shape.inside - 3.0) / 1.8) ** 2))
    plate = (shape.u - 127.5) ** 2 / 21**2 + (shape.v - 148) ** 2 / 27**2
    canvas.paint(band((np.sqrt(plate) - 1) * 22, 0.8), scaled(design.colour, 0.72), 0.16)
    canvas.crease(thin((np.sqrt(plate) - 1) * 22, 1.0), 0.25)
    valve(canvas, 127.5, 152, 11.0, scaled(design.colour, 0.85), nir=0.2)
    for u in (95.0, 160.0):
        reach = np.hypot(shape.u - u, (shape.v - 162) * 1.05)
        canvas.paint(band(reach - 17.5, 0.8), scaled(design.colour, 0.6), 0.12)
        canvas.paint(band(reach - 15.0, 0.8), design.second, 0.65)
        canvas.crease(thin(reach - 15.0, 0.9), 0.25)
        canvas.crease(band(reach - 14, 0.8) * (0.5 + 0.5 * np.cos(2 * np.pi * reach / 4)).astype(np.float32), 0.06)
        canvas.raise_by(band(reach - 17.5, 2.0), 0.10)
    wrinkles(canvas, 0.008, (6, 6))


_PAINTERS: dict[Kind, Callable[[Canvas], None]] = {
    "surgical": _surgical,
    "n95": _n95,
    "kn95": _kn95,
    "cloth": _cloth,
    "sport": _sport,
    "bandana": _bandana,
    "gaiter": _gaiter,
    "respirator": _respirator,
}
