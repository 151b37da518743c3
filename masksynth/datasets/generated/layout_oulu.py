"""Generated faces in the layout of Oulu-CASIA NIR&VIS, with the irregularities that its copies have.

- ``B_OriginalImg/OriginalImg/{NI,VL}/{Strong,Weak,Dark}/P001/<expression>/000.jpeg``, portrait turned to 320 x 240;
- half of the persons have numbers up to P050, half from P051 on;
- ``Thumbs.db`` in folders of photos, a ``change_log.txt`` beside those of persons;
- some sequences have one frame more in one spectrum than in the other, one starts at 001;
- Weak and Dark are there for the first person only.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from masksynth.arrays import Spectrum
from masksynth.datasets.generated.camera import GeneratedPhoto, render_face
from masksynth.datasets.generated.demo import DemoConfig, DemoWriter
from masksynth.datasets.generated.identity import identity
from masksynth.datasets.generated.look import Expression, draw_view
from masksynth.seeds import rng_for

ROOT = "B_OriginalImg/OriginalImg"
SIZE = (240, 320)
EXPRESSIONS = {
    "Anger": Expression(brows=-0.9, smile=-0.3),
    "Disgust": Expression(brows=-0.5, smile=-0.2, pout=0.5),
    "Fear": Expression(brows=0.8, open=0.35),
    "Happiness": Expression(smile=0.9, open=0.1),
    "Sadness": Expression(brows=0.4, smile=-0.4, blink=0.2),
    "Surprise": Expression(brows=1.0, open=0.8, blink=-0.1),
}
DIMNESS = {"Strong": 1.0, "Weak": 0.3, "Dark": 0.08}


def write(writer: DemoWriter, config: DemoConfig) -> None:
    """Render all photos; the light of a lamp in NIR is the same whatever the room's."""
    for person in range(config.subjects):
        for light in DIMNESS if person == 0 else ("Strong",):
            for expression in EXPRESSIONS:
                for spectrum, frame in _frames(config, person, light, expression):
                    photo = _photo(config, person, spectrum, light, expression, frame)
                    kind = "NI" if spectrum == "nir" else "VL"
                    name = f"{kind}/{light}/{subject(config, person)}/{expression}/{frame:03d}"
                    writer.write(f"{ROOT}/{name}.jpeg", name, person, photo)
    writer.text(f"{ROOT}/NI/Strong/{subject(config, 0)}/Anger/Thumbs.db", b"\xd0\xcf\x11\xe0 no photo")
    writer.text(f"{ROOT}/NI/Strong/change_log.txt", "no person\r\n")


def subject(config: DemoConfig, person: int) -> str:
    """P001 and on for the first half, P051 and on for the second."""
    half = config.subjects // 2
    return f"P{person + 1:03d}" if person < half else f"P{person - half + 51:03d}"


def _frames(config: DemoConfig, person: int, light: str, expression: str) -> Iterator[tuple[Spectrum, int]]:
    first = 1 if (person, expression) == (1, "Fear") else 0
    spectra: tuple[Spectrum, Spectrum] = ("nir", "vis")
    for spectrum in spectra:
        count = config.nir_photos if spectrum == "nir" else config.vis_photos
        more = person % 3 == 1 and spectrum == "vis"
        for frame in range(first, first + count + more):
            yield spectrum, frame


def _photo(
    config: DemoConfig, person: int, spectrum: Spectrum, light: str, expression: str, frame: int
) -> GeneratedPhoto:
    """A sequence goes from the calm face to the expression; light, clothes and background are those of the sequence."""
    view = draw_view(
        rng_for(config.seed, "oulu", person, spectrum, light), spectrum, yaw=min(config.yaw, 8.0), mood=0.0
    )
    goal = EXPRESSIONS[expression]
    share = (frame + 1) / (max(config.nir_photos, config.vis_photos) + 1)
    now = Expression(
        smile=share * goal.smile,
        open=share * goal.open,
        blink=share * goal.blink,
        brows=share * goal.brows,
        pout=share * goal.pout,
    )
    lamp = view.light
    dim = DIMNESS[light] if spectrum == "vis" else 1.0
    view = replace(
        view,
        expression=now,
        interocular=52.0,
        centre=(0.5, 0.47),
        light=replace(lamp, colours=lamp.colours * dim, sky=lamp.sky * dim, ground=lamp.ground * dim),
        backdrop=np.asarray(view.backdrop) * dim,
        variation=int(rng_for(config.seed, "oulu noise", person, spectrum, light, expression, frame).integers(1 << 31)),
    )
    return render_face(identity(config.seed, person), view, spectrum, SIZE)
