"""A template as the generic face wears it: a look at it without a photo."""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter

from masksynth.arrays import UV_SIZE, Photo8, Pose
from masksynth.reconstruct.generic import generic_position_map
from masksynth.render import grid_triangles, rasterize
from masksynth.template.format import Template
from masksynth.template.tent import normals_of, smooth_normals

SKIN = (0.79, 0.64, 0.55)  # sRGB of the generic face
FEATURE = (0.50, 0.37, 0.32)  # eyes, brows and mouth
PAPER = (0.93, 0.93, 0.92)  # behind it
FACE_WIDTHS = 2.15  # interocular distances across the picture
CENTRE = (0.0, 0.42, -0.45)  # of the picture, in the generic face's frame
LIGHT = (0.25, -0.55, 0.80)  # where it comes from: x right, y down, z to the camera
AMBIENT = 0.45
BRIDGED_TEXELS = 9.0  # standard deviation of the smoothing that hides lips and nostrils under cloth
RELIEF_TEXELS = 2.0  # and of that which leaves pleats and seams
_SUPERSAMPLING = 2


def worn(template: Template, *, yaw_deg: float = 0.0, pitch_deg: float = 0.0, side: int = 256) -> Photo8:
    """Draw the generic face wearing `template`, softly lit, turned by `yaw_deg` (positive to the image's right).

    Returns
    -------
    (side, side, 3) uint8
    """
    fine = side * _SUPERSAMPLING
    surface = generic_position_map()
    points = surface.positions.astype(np.float64)
    small = template.resized(UV_SIZE)
    if small.height is not None:
        points = points + smooth_normals(points) * small.height[..., None]
    rotation = Pose(yaw=np.radians(yaw_deg), pitch=np.radians(pitch_deg), roll=0.0).matrix
    turned = (points - CENTRE) @ rotation.T
    scale = fine / FACE_WIDTHS
    vertices = (turned * scale + (fine / 2 - 0.5, fine / 2 - 0.5, 0.0)).reshape(-1, 3)
    triangles = _triangles()
    seen = rasterize(vertices, triangles, (fine, fine))

    light = np.array(LIGHT) / np.linalg.norm(LIGHT)
    normals = normals_of(turned)
    if small.height is not None:
        normals += small.alpha[..., None] * (cloth_normals(turned, small.height) - normals)
    shade = AMBIENT + (1 - AMBIENT) * np.clip(normals @ light, 0, 1) / light[2]
    v, u = (grid.astype(np.float64) for grid in np.mgrid[:UV_SIZE, :UV_SIZE])
    fields = seen.interpolate(np.stack([u, v, shade], axis=2).reshape(-1, 3), triangles)
    texel = sample(template.rgba, fields[..., 0], fields[..., 1])
    skin = sample(_skin(), fields[..., 0], fields[..., 1])
    colour = skin + texel[..., 3:] * (texel[..., :3] - skin)
    lit = np.clip(colour**2.2 * fields[..., 2:], 0, 1) ** (1 / 2.2)
    picture = np.where(seen.covered[..., None], lit, PAPER)
    mean = picture.reshape(side, _SUPERSAMPLING, side, _SUPERSAMPLING, 3).mean(axis=(1, 3))
    return np.rint(mean * 255).astype(np.uint8)


def cloth_normals(points: npt.NDArray[np.floating], height: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """(S, S, 3) unit normals of a mask that stands off by `height` (S, S), in the unit of the (S, S, 3) points.

    Cloth does not follow lips and nostrils: what is slow comes from the smoothed surface, what is fine (pleats, seams)
    from the height alone.
    """
    smooth = gaussian_filter(np.asarray(points, np.float64), (BRIDGED_TEXELS, BRIDGED_TEXELS, 0), mode="nearest")
    down, right = np.gradient(smooth, axis=(0, 1))
    normal = normals_of(smooth)
    fine = np.asarray(height, np.float64) - gaussian_filter(np.asarray(height, np.float64), RELIEF_TEXELS)
    for slope, along in zip(np.gradient(fine), (down, right), strict=True):
        normal -= np.clip(slope[..., None], -0.01, 0.01) * along / np.maximum((along**2).sum(2, keepdims=True), 1e-12)
    return np.asarray(normal / np.maximum(np.linalg.norm(normal, axis=2, keepdims=True), 1e-12))


def sample(
    texture: npt.NDArray[np.floating], u: npt.NDArray[np.floating], v: npt.NDArray[np.floating]
) -> npt.NDArray[np.floating]:
    """(..., C) bilinear values of (S, S, C) at places (u, v) of the 256 layout."""
    side = len(texture)
    x = np.clip((u + 0.5) * side / UV_SIZE - 0.5, 0, side - 1)
    y = np.clip((v + 0.5) * side / UV_SIZE - 0.5, 0, side - 1)
    x0, y0 = np.minimum(x.astype(int), side - 2), np.minimum(y.astype(int), side - 2)
    fx, fy = (x - x0)[..., None], (y - y0)[..., None]
    upper = texture[y0, x0] * (1 - fx) + texture[y0, x0 + 1] * fx
    lower = texture[y0 + 1, x0] * (1 - fx) + texture[y0 + 1, x0 + 1] * fx
    return upper * (1 - fy) + lower * fy


@cache
def _triangles() -> npt.NDArray[np.int64]:
    return grid_triangles(generic_position_map().validity)


@cache
def _skin() -> npt.NDArray[np.float64]:
    """(256, 256, 3) the generic face: skin, eyes, brows and mouth as soft patches."""
    v, u = np.mgrid[:UV_SIZE, :UV_SIZE]
    patches = np.zeros((UV_SIZE, UV_SIZE))
    for u0, v0, width, tall in (
        (91, 65, 13, 4),
        (164, 65, 13, 4),
        (85, 42, 22, 3),
        (170, 42, 22, 3),
        (127.5, 142, 20, 6),
    ):
        patches = np.maximum(patches, np.exp(-((((u - u0) / width) ** 2 + ((v - v0) / tall) ** 2) ** 2)))
    return np.array(SKIN) + patches[..., None] * (np.array(FEATURE) - SKIN)
