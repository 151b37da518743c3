"""The look at a template on the generic face."""

from __future__ import annotations

import numpy as np
from faces import lower_face_template

from masksynth.template.tent import cloth_height
from masksynth.template.worn import worn


def test_lips_do_not_show_through_cloth():
    """From the nose's tip to the chin a plain mask gets darker, and hardly lighter again: no line between lips."""
    v, u = np.mgrid[:256, :256]
    inside = np.minimum.reduce([v - (92 + 0.004 * (u - 128) ** 2), 188 - v, u - 40, 216 - u]).astype(np.float32)
    picture = worn(lower_face_template(colour=(0.9, 0.9, 0.9), height=cloth_height(inside)), side=256)
    line = picture[118:200, 124:132, 1].mean(axis=1)
    hollows = [min(line[:y].max(), line[y:].max()) - line[y] for y in range(1, len(line) - 1)]
    assert line.max() > 180
    assert max(hollows) < 20
