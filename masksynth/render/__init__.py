"""Texture and position map to photo."""

from masksynth.render.rasterizer import Fragments, grid_triangles, rasterize

__all__ = ["Fragments", "grid_triangles", "rasterize"]
