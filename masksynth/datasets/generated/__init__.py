"""Generated NIR and VIS faces: persons that do not exist, with the truth about each photo.

``identity(seed, number)`` is a person, ``draw_view(rng, spectrum)`` a moment, ``render_face`` the photo of both.
"""

import masksynth.compiled  # noqa: F401 - before the kernels
from masksynth.datasets.generated.camera import GeneratedPhoto, render_face
from masksynth.datasets.generated.identity import Identity, identity
from masksynth.datasets.generated.look import Expression, Light, View, draw_view

__all__ = ["Expression", "GeneratedPhoto", "Identity", "Light", "View", "draw_view", "identity", "render_face"]
