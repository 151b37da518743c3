"""Texture and position map to photo."""

import masksynth.compiled  # noqa: F401 - before the kernels
from masksynth.render.rasterizer import Fragments, grid_triangles, rasterize

__all__ = ["Fragments", "grid_triangles", "rasterize"]
