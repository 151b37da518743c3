"""Generated faces in the layout of BUAA-VisNir, with the irregularities that its copies have.

- ``<id>/<n>.bmp`` of 287 x 287, ids not padded; odd numbers VIS, even ones NIR;
- NIR photos stored with three equal channels;
- a few numbers are missing; some files have numbers above 28, in another light.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from masksynth.arrays import Spectrum
from masksynth.datasets.generated.camera import GeneratedPhoto, render_face
from masksynth.datasets.generated.demo import DemoConfig, DemoWriter
from masksynth.datasets.generated.identity import identity
from masksynth.datasets.generated.look import draw_view
from masksynth.seeds import rng_for

SIZE = (287, 287)
LATE = (29, 37)  # numbers beyond the pairs, written for every fourth person


def write(writer: DemoWriter, config: DemoConfig) -> None:
    """Render `vis_photos` pairs of each person, and a few photos more."""
    for person in range(config.subjects):
        numbers = [n for n in range(1, 2 * config.vis_photos + 1) if (person, n) != (2, 2 * config.vis_photos)]
        for number in (*numbers, *(LATE if person % 4 == 0 else ())):
            spectrum: Spectrum = "vis" if number % 2 else "nir"
            photo = _photo(config, person, number, spectrum)
            name = f"{person + 1}/{number}"
            writer.write(f"{name}.bmp", name, person, photo)
    writer.text("1/Thumbs.db", b"\xd0\xcf\x11\xe0 no photo")


def _photo(config: DemoConfig, person: int, number: int, spectrum: Spectrum) -> GeneratedPhoto:
    """The two photos of a pair have one pose and one expression, as they were taken at once."""
    pair = (number + 1) // 2
    at_once = draw_view(rng_for(config.seed, "buaa pair", person, pair), "vis", yaw=config.yaw if pair > 1 else 0.0)
    view = draw_view(rng_for(config.seed, "buaa", person, number), spectrum)
    view = replace(
        view,
        pose=at_once.pose,
        expression=at_once.expression,
        gaze=at_once.gaze,
        interocular=120.0,
        centre=(0.5, 0.42),
    )
    photo = render_face(identity(config.seed, person), view, spectrum, SIZE)
    pixels = photo.pixels if photo.pixels.ndim == 3 else np.repeat(photo.pixels[..., None], 3, axis=2)
    return replace(photo, pixels=pixels)
