"""Generated faces that truly wear a mask: the mask is in the scene, under its light, before the photo is taken.

This is the truth that a composite can be held against. It shares no code and no model with `masksynth.compose`: the
light is an area, the mask has its whole relief as geometry, shines a little, and takes the shadows that nose, brow and
its own folds cast.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from masksynth.arrays import UV_SIZE, Photo8, PositionMap, Spectrum
from masksynth.datasets.generated.camera import _sensor, render_face, shadow_map
from masksynth.datasets.generated.identity import Identity
from masksynth.datasets.generated.look import View
from masksynth.errors import ShapeError
from masksynth.render import grid_triangles, rasterize
from masksynth.template.format import Template
from masksynth.template.tent import smooth_normals

Floats = npt.NDArray[np.float64]

SAMPLES = 3  # of a pixel, each way
LAMP_RADIUS = 0.22  # of the area light, as the sine of the angle it is seen under
LAMP_POINTS = 9
SHINE, POWER = 0.05, 12.0  # fleece and cloth: a weak, broad highlight
SKY_BLOCKED = 0.35  # share of the ambient light that a fold as deep as its width keeps out


@dataclass(frozen=True)
class TrulyMasked:
    """The same moment with and without the mask."""

    masked: Photo8  # (H, W, 3) in VIS, (H, W) in NIR
    clean: Photo8  # likewise, the same noise
    alpha: npt.NDArray[np.float32]  # (H, W) how much of each pixel the mask covers
    position_map: PositionMap  # of the face, without the mask


def render_masked(
    person: Identity, view: View, template: Template, spectrum: Spectrum, size: tuple[int, int] = (640, 480)
) -> TrulyMasked:
    """Take a photo of `person` wearing `template`, and one without it.

    Parameters
    ----------
    template : Template
        With NIR reflectance where `spectrum` is "nir"; its height, where it has one, becomes geometry.
    size : (height, width) in pixels

    Raises
    ------
    ShapeError
        If a NIR photo is asked for and the template has no NIR reflectance.
    """
    if spectrum == "nir" and template.nir is None:
        raise ShapeError(f"the template '{template.name}' has no NIR reflectance")
    clean = render_face(person, view, spectrum, size)
    bare = render_face(person, replace(view, noise=0.0, blur=0.0, exposure=1.0), spectrum, size)
    scene = _decoded(bare.pixels if bare.pixels.ndim == 3 else np.repeat(bare.pixels[..., None], 3, axis=2))
    small = template.resized(UV_SIZE)
    skin = clean.position_map.positions.astype(np.float64)
    cloth = skin.copy()
    if small.height is not None:
        cloth += smooth_normals(skin) * (small.height[..., None] * view.interocular)
    radiance = _radiance(small, skin, cloth, clean.position_map.validity, view, spectrum)
    colour, alpha = _drawn(radiance, small.alpha, skin, cloth, clean.position_map.validity, size)
    mixed = colour + (1 - alpha[..., None]) * scene
    masked = _sensor(mixed.astype(np.float32), view, spectrum)
    return TrulyMasked(masked, clean.pixels, alpha.astype(np.float32), clean.position_map)


def _radiance(
    template: Template, skin: Floats, cloth: Floats, validity: npt.NDArray[np.uint8], view: View, spectrum: Spectrum
) -> Floats:
    """(256, 256, 3) linear light that each texel of the mask sends to the camera."""
    down, right = np.gradient(cloth, axis=(0, 1))
    normal = np.cross(right, down)
    normal /= np.linalg.norm(normal, axis=2, keepdims=True) + 1e-12
    if spectrum == "nir":
        assert template.nir is not None
        albedo = np.repeat(template.nir[..., None].astype(np.float64), 3, axis=2)
    else:
        albedo = _decoded(template.rgba[..., :3].astype(np.float64) * 255)
    light = view.light
    up = (0.5 - 0.5 * normal[..., 1:2]) * np.ones(3)
    arriving = (light.sky * up + light.ground * (1 - up)) * (1 - _folded(cloth, normal))[..., None]
    shining = np.zeros_like(arriving)
    triangles = grid_triangles(validity, 2)
    blockers = np.concatenate([skin.reshape(-1, 3), cloth.reshape(-1, 3)])
    worn = triangles[(template.alpha.reshape(-1)[triangles] > 0.5).all(axis=1)] + UV_SIZE**2
    meshes = np.concatenate([triangles, worn])
    for k, (direction, colour) in enumerate(zip(light.directions, light.colours, strict=True)):
        points = _lamp(direction) if k == 0 else direction[None]
        for point in points:
            facing = np.maximum(normal @ point, 0)
            reach = facing * (_unblocked(cloth, blockers, meshes, point) if k == 0 else 1.0)
            if light.fall_off > 0:
                reach = reach / np.maximum(1 - light.fall_off / view.interocular * cloth[..., 2], 0.45) ** 2
            arriving += reach[..., None] * colour / len(points)
            half = point + np.array([0.0, 0.0, 1.0])
            half /= np.linalg.norm(half)
            gleam = np.maximum(normal @ half, 0) ** POWER * (reach > 0) * reach
            shining += SHINE * gleam[..., None] * colour / len(points)
    return np.asarray(albedo * arriving + shining)


def _lamp(direction: Floats) -> Floats:
    """(LAMP_POINTS, 3) unit directions to points of a disc about `direction`: a sunflower's seeds."""
    z = direction / np.linalg.norm(direction)
    x = np.cross([0.0, 1.0, 0.1], z)
    x /= np.linalg.norm(x)
    y = np.cross(z, x)
    k = np.arange(LAMP_POINTS)
    radius, angle = LAMP_RADIUS * np.sqrt((k + 0.5) / LAMP_POINTS), k * 2.399963
    points = z + radius[:, None] * (np.cos(angle)[:, None] * x + np.sin(angle)[:, None] * y)
    return np.asarray(points / np.linalg.norm(points, axis=1, keepdims=True))


def _unblocked(points: Floats, blockers: Floats, triangles: npt.NDArray[np.int64], direction: Floats) -> Floats:
    """(256, 256) 1 where a point sees the far light, 0 where a blocker is before it."""
    to_map, depths = shadow_map(blockers, triangles, direction)
    places = points @ to_map[:, :3].T + to_map[:, 3]
    side = len(depths)
    column = np.clip(np.rint(places[..., 0]), 0, side - 1).astype(int)
    row = np.clip(np.rint(places[..., 1]), 0, side - 1).astype(int)
    return (places[..., 2] >= depths[row, column]).astype(np.float64)


def _folded(cloth: Floats, normal: Floats) -> Floats:
    """(256, 256) share of the ambient light that the hollow around each texel keeps out."""
    import cv2

    around = cv2.GaussianBlur(cloth, (0, 0), 3.0)
    depth = ((around - cloth) * normal).sum(axis=2)
    width = 3.0 * np.linalg.norm(np.gradient(cloth, axis=1), axis=2)
    return np.asarray(SKY_BLOCKED * np.clip(depth / np.maximum(width, 1e-9), 0, 1))


def _drawn(
    radiance: Floats, alpha: npt.NDArray[np.float32], skin: Floats, cloth: Floats, validity: npt.NDArray[np.uint8],
    size: tuple[int, int],
) -> tuple[Floats, Floats]:  # fmt: skip
    """(H, W, 3) premultiplied light of the mask and (H, W) coverage, by plain supersampling of both surfaces."""
    triangles = grid_triangles(validity)
    worn = triangles[(alpha.reshape(-1)[triangles] > 0).any(axis=1)]
    scale, shift = SAMPLES, (SAMPLES - 1) / 2
    fine = (SAMPLES * size[0], SAMPLES * size[1])

    def enlarged(points: Floats) -> Floats:
        return points.reshape(-1, 3) * [scale, scale, scale] + [shift, shift, 0.0]

    seen = rasterize(enlarged(cloth), worn, fine)
    head = rasterize(enlarged(skin), triangles, fine)
    # The mask lies on the skin: only what is well before it hides it.
    slack = 0.02 * scale * float(np.ptp(skin[..., 0]))
    values = np.concatenate([radiance, alpha[..., None]], axis=2).reshape(-1, 4)
    samples = seen.interpolate(values, worn)
    cover = samples[..., 3] * (seen.covered & (seen.depth > head.depth - slack))
    layers = np.concatenate([samples[..., :3] * cover[..., None], cover[..., None]], axis=2)
    mean = layers.reshape(size[0], SAMPLES, size[1], SAMPLES, 4).mean(axis=(1, 3))
    return mean[..., :3], mean[..., 3]


def _decoded(encoded: npt.NDArray[np.number]) -> Floats:
    """0 to 255, sRGB-encoded, to linear."""
    value = np.asarray(encoded, np.float64) / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
