"""A template made ready to be drawn in a spectrum; kept, since a data set wears few masks many times."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from masksynth.arrays import UV_SIZE, Spectrum
from masksynth.compose.colour import LUMINANCE, to_linear
from masksynth.render.pyramid import Pyramid, build_pyramid, extent_of
from masksynth.template.format import Template
from masksynth.template.tent import tent

SHADOW_TEXELS = 3.0  # standard deviation of the contact shadow, in texels of the 256 layout: about 0.03 eye distances
TEXELS_PER_INTEROCULAR = 99.0  # between the outer eye corners of the layout
RELIEF_TEXELS = 2.0  # standard deviation: slower changes of height turn the mask's normal, faster ones only shade it
NIR_FLOOR, NIR_SLOPE = 0.45, 0.45  # dyes fade in NIR: a VIS luminance of 0 is taken as 0.45, of 1 as 0.90
NIR_SHEEN = np.float32(0.013)  # of the 4 % of light that the surface of any fibre throws back, dyed or not, the share
# that returns to a camera beside the lamp
DRAPED_HEIGHT = np.float32(0.02)  # interocular distances: a mask that stands off this much follows the drape in full
KEPT = 48

MATERIAL_NIR = {
    "surgical": (0.68, 0.20),
    "n95": (0.68, 0.22),
    "kn95": (0.68, 0.22),
    "cloth": (0.45, 0.40),
    "sport": (0.40, 0.40),
    "bandana": (0.45, 0.40),
    "gaiter": (0.40, 0.40),
    "respirator": (0.08, 0.60),
}
"""Kind → NIR reflectance of a black and gain of a white one, where a template has no NIR of its own: polypropylene
scatters and hardly absorbs in NIR whatever its dye; textile dyes keep part of their darkness; rubber stays dark."""


@dataclass(frozen=True)
class ReadyMask:
    """A template as the kernels draw it."""

    pyramid: Pyramid  # linear colour or reflectance; alpha; contact shadow; slopes of the relief
    height: npt.NDArray[np.float32] | None  # (256, 256) stand-off in interocular distances
    highest: float  # of it
    raised: tuple[int, int, int, int]  # first row, end row, first column, end column where it is not 0
    draped: bool  # the height is that of cloth over the generic face, and follows another face as cloth would
    nir_source: str  # "reflectance", "nir photo" or "by material": where the colour of a NIR mask comes from


def nir_reflectance(template: Template) -> tuple[npt.NDArray[np.float32], str]:
    """(S, S) linear NIR reflectance of a template, and how it is known.

    ``reflectance``: the template's own; ``nir photo``: the template came from a NIR photo, whose decoded values are
    taken as they are; ``by material``: converted from the linear luminance y in VIS as floor + gain · y, by kind.
    """
    if template.nir is not None:
        return template.nir, "reflectance"
    linear = to_linear(template.rgba[..., :3])
    if template.metadata.get("spectrum") == "nir":
        return linear[..., 1].copy(), "nir photo"
    floor, gain = MATERIAL_NIR.get(template.kind, (NIR_FLOOR, NIR_SLOPE))
    luminance = linear @ np.array(LUMINANCE, np.float32)
    return (np.float32(floor) + np.float32(gain) * luminance).astype(np.float32), "by material"


def prepare(template: Template, spectrum: Spectrum, validity: npt.NDArray[np.uint8]) -> ReadyMask:
    """Make `template` ready for a spectrum and the surface that `validity` (256, 256) says there is."""
    alpha = template.alpha
    side = len(alpha)
    colour: npt.NDArray[np.float32]
    if spectrum == "nir":
        colour, source = nir_reflectance(template)
        if source != "nir photo":  # a photo has it already
            colour = colour + NIR_SHEEN
    else:
        colour, source = to_linear(template.rgba[..., :3]), ""
    scale = side / UV_SIZE
    shadow = cv2.GaussianBlur(alpha, (0, 0), SHADOW_TEXELS * scale) * (1 - alpha)
    shadow = np.where(shadow > 0.02, 2 * shadow, 0).astype(np.float32)
    slow, slope = None, None
    draped = template.drapes
    if template.height is not None:
        relief = template.height
        if draped:  # where cloth leaves the nose it has no edge: that is of the drape, and no relief
            hollow = cv2.resize(tent(), (side, side), interpolation=cv2.INTER_LINEAR)
            relief = relief - np.minimum(relief / DRAPED_HEIGHT, 1) * hollow
        slope = relief_slope(relief)
        slow = cv2.resize(template.height, (UV_SIZE, UV_SIZE), interpolation=cv2.INTER_AREA).astype(np.float32)
        slow = np.ascontiguousarray(cv2.GaussianBlur(slow, (0, 0), 1.0), np.float32)
    pyramid = build_pyramid(colour, alpha, shadow=shadow, slope=slope, validity=validity)
    highest = 0.0 if slow is None else float(slow.max())
    raised = (0, 0, 0, 0) if slow is None else extent_of(slow > 0)
    return ReadyMask(pyramid, slow, highest, raised, draped, source)


def relief_slope(height: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """(S, S, 2) slopes along u and v of what is fine in `height` (S, S): pleats, seams, rims.

    What is slow in it fills the hollows of the face, and is no relief: its slopes are those of nose and lips, turned
    over, which the mask hides.
    """
    scale = len(height) / UV_SIZE
    fine = height - cv2.GaussianBlur(height, (0, 0), RELIEF_TEXELS * scale)
    down, right = np.gradient(fine * np.float32(TEXELS_PER_INTEROCULAR * scale))
    return np.clip(np.stack([right, down], axis=2), -1.0, 1.0).astype(np.float32)


class Wardrobe:
    """The masks made ready last, so that none is prepared twice in a row."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[int, str, int], tuple[Template, npt.NDArray[np.uint8], ReadyMask]] = OrderedDict()

    def ready(self, template: Template, spectrum: Spectrum, validity: npt.NDArray[np.uint8]) -> ReadyMask:
        """`prepare`, remembered for the very same template object and validity array."""
        key = (id(template), spectrum, id(validity))
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key][2]
        mask = prepare(template, spectrum, validity)
        self._kept[key] = (template, validity, mask)  # kept alive, so that an id means one object
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return mask
