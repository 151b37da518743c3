"""One photo in the layout: which texels it shows, and what they look like with its light evened out."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt
from scipy.ndimage import distance_transform_edt, gaussian_filter

from masksynth.arrays import UV_SIZE, PositionMap, Reconstruction, Spectrum
from masksynth.compose.colour import LUMINANCE, to_encoded, to_linear
from masksynth.compose.light import LightMeter, skin_places
from masksynth.compose.mask import DRAPED_HEIGHT
from masksynth.photos import Photo
from masksynth.render import grid_triangles, rasterize
from masksynth.segment import Segmentation
from masksynth.template.tent import normals_of, smooth_normals

Field = npt.NDArray[np.floating]

FACING = 0.22  # cosine between a texel's normal and the camera below which it is not read: 77 degrees
WELL_SEEN = 0.65  # cosine from which on a texel's place is trusted fully
RIM = (0.02, 0.07)  # interocular distances within the head's outline, from no trust to full, that bare skin is seen
RIM_PX, RIM_TEXELS = (
    1.6,
    4.0,
)  # of the photo, but of the 256 layout at most: so near its edge a mask's colour is not read
TEXELS_PER_INTEROCULAR = 99.0
SIDES_TEXELS = 12.0  # of the 256 layout: what differs between left and right over more than this is light ...
SIDES_STRAY = 0.12  # ... where its logarithm is within about this of its neighbours'; else a print
BARE = 0.02  # alpha up to which a texel shows skin
LEAST_SKIN = 0.002  # share of the layout that must show skin to say what colour it is
SKIN_LIKE = 0.55  # of the distance between skin's colour and the mask's, in a and b of CIELAB: nearer to skin is skin
SKIN_SPREAD = 9.0  # ... but at most this much
SKIN_SHADES = 20.0  # ... and of so many steps of lightness
COLOURS_APART = 8.0  # steps of CIELAB between the two from which they can be told apart
DARKEST = 2e-3  # linear: darker cloth says nothing of the light on it
BEHIND = 0.03  # interocular distances by which a texel may lie behind the nearest surface and still be seen


@dataclass(frozen=True)
class View:
    """One photo of the mask."""

    photo: Photo
    face: Reconstruction
    segmentation: Segmentation


@dataclass(frozen=True)
class Unwrapped:
    """One photo in the layout; S is its side."""

    colour: Field  # (S, S, 3) sRGB-encoded, light evened out
    alpha: Field  # (S, S)
    weight: Field  # (S, S) how well a texel is seen: the cosine it is seen under, 0 where it is not
    trust: Field  # (S, S) in [0, 1]: how far `alpha` is to be believed


def draped(view: View, height: Field) -> View:
    """The view with the surface of its face moved to where cloth of `height` (256, 256), in interocular distances, lies
    that is drawn over it: as `masksynth.compose` draws it, so that what is read there appears there again."""
    surface = view.face.position_map
    texel_px = surface.texel_px
    meter = LightMeter()
    meter.face(view.photo.rgb, surface, "vis", np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]), texel_px)
    along = np.asarray(cv2.resize(meter.draped_along, (UV_SIZE, UV_SIZE), interpolation=cv2.INTER_LINEAR))
    share = np.minimum(height / DRAPED_HEIGHT, 1)
    off = np.maximum(height * (texel_px * TEXELS_PER_INTEROCULAR) + share * along[..., 3], 0) * (height > 0)
    positions = surface.positions + (off[..., None] * along[..., :3]).astype(np.float32)
    return replace(view, face=replace(view.face, surface=PositionMap(positions, surface.validity)))


def unwrap_view(view: View, size: int, spectrum: Spectrum, even_light: float) -> Unwrapped:
    """Read the mask's colour and alpha off a photo, texel by texel, where the head does not hide it."""
    face = view.face
    weight, within = visibility(face, size)
    positions = resized(face.position_map.positions, size)
    # Shrink the photo to the template's resolution first, so that no texel reads a single pixel of many.
    shrink = min(1.0, 100 * size / UV_SIZE / face.interocular)
    rgb = view.photo.rgb.astype(np.float32) / np.float32(255)
    if spectrum == "nir":
        rgb = np.repeat(rgb.mean(axis=2, keepdims=True), 3, axis=2)
    planes = np.dstack([rgb, view.segmentation.alpha]).astype(np.float32)
    place = positions[..., :2]
    if shrink < 0.9:
        planes = np.asarray(cv2.resize(planes, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA), np.float32)
        place = (place + 0.5) * (planes.shape[1] / rgb.shape[1]) - 0.5
    x, y = (np.ascontiguousarray(place[..., k], np.float32) for k in (0, 1))
    height, width = planes.shape[:2]
    weight = weight * ((x > -0.5) & (y > -0.5) & (x < width - 0.5) & (y < height - 0.5))
    read = np.asarray(cv2.remap(planes, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.float64)
    texture: Field = read[..., :3]
    cover: Field = read[..., 3]
    # Colour is that of the mask alone: texels at its edge, where skin shines in, take that of the nearest within.
    texels_per_px = TEXELS_PER_INTEROCULAR / face.interocular
    rim = max(1.0, min(RIM_PX * texels_per_px, RIM_TEXELS)) * size / UV_SIZE
    bare = _skin_beside(texture, cover, weight)
    cover, facing = np.where(bare, 0.0, cover), weight
    weight = np.where(bare, 0.0, weight)
    full = (cover > 0.97) & (weight > 0)
    if full.any():
        within_mask = distance_transform_edt(full) > rim
        full = within_mask if within_mask.any() else full
        rows, columns = distance_transform_edt(~full, return_distances=False, return_indices=True)
        texture = np.asarray(texture[rows, columns])
    if even_light > 0 and full.any():
        texture = _evened(texture, full * weight, face, size, even_light)
        texture = _sides_evened(texture, full * weight, even_light)
    # That a texel shows mask is believed by how well it is seen. That it shows none is believed only within the head's
    # outline: beyond, it shows what is behind the head.
    sure_mask = np.clip((facing - FACING) / (WELL_SEEN - FACING), 0, 1) ** 1.5
    sure_bare = np.clip((facing - FACING) / 0.15, 0, 1) * np.clip((within - RIM[0]) / (RIM[1] - RIM[0]), 0, 1)
    return Unwrapped(texture, cover, weight, np.where(cover > 0.5, sure_mask, sure_bare))


def _skin_beside(texture: Field, cover: Field, weight: Field) -> npt.NDArray[np.bool_]:
    """(S, S) what lies along the mask's edge and has the colour of the skin beside it: a cheek that was taken for mask,
    or light from it. Nothing where skin and mask are of one colour, or no skin is seen."""
    size = len(cover)
    none = np.zeros((size, size), bool)
    places = cv2.resize(skin_places(), (size, size), interpolation=cv2.INTER_NEAREST) > 0.5
    skin, mask = places & (cover < BARE) & (weight > 0), (cover > 0.97) & (weight > 0)
    if skin.mean() < LEAST_SKIN or not mask.any():
        return none
    lab = cv2.cvtColor(np.clip(texture, 0, 1).astype(np.float32), cv2.COLOR_RGB2LAB)
    of_skin, of_mask = (np.median(lab[where], axis=0) for where in (skin, mask))
    apart = float(np.linalg.norm((of_mask - of_skin)[1:]))
    if apart < COLOURS_APART:
        return none
    off = np.abs(lab - of_skin)
    like = (np.hypot(off[..., 1], off[..., 2]) < min(SKIN_LIKE * apart, SKIN_SPREAD)) & (off[..., 0] < SKIN_SHADES)
    reach = max(1, round(RIM_TEXELS * size / UV_SIZE))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    wide = cv2.morphologyEx((like & (cover > 0.5)).astype(np.uint8), cv2.MORPH_OPEN, disc)  # no flower of a print
    near = cv2.dilate((cover < 0.5).astype(np.uint8), disc) > 0
    _, labels = cv2.connectedComponents(wide)
    return np.isin(labels, np.setdiff1d(np.unique(labels[near]), [0]))


def visibility(face: Reconstruction, size: int) -> tuple[Field, Field]:
    """How each texel is seen in the photo.

    Returns
    -------
    weight : (size, size) 0 where the head hides a texel or it is seen edge-on, else the cosine it is seen under
    within : (size, size) how far within the head's outline it appears, in interocular distances
    """
    surface_map = face.position_map
    between = max(face.interocular, 1.0)
    low = surface_map.positions[surface_map.validity > 0].min(0)
    scale = min(1.0, 120.0 / between)  # depth is smooth: a coarse buffer will do
    points = (surface_map.positions - low).astype(np.float64) * scale
    extent = points[surface_map.validity > 0].max(0)
    triangles = grid_triangles(surface_map.validity)
    shape = (int(extent[1]) + 3, int(extent[0]) + 3)
    seen = rasterize((points + 1).reshape(-1, 3), triangles, shape)
    rows = np.clip(np.rint(points[..., 1] + 1).astype(int), 0, shape[0] - 1)
    columns = np.clip(np.rint(points[..., 0] + 1).astype(int), 0, shape[1] - 1)
    # The nearest surface in the neighbourhood, less the slope of the texel itself.
    in_front = seen.depth[rows, columns] - (points[..., 2] + 1) > BEHIND * between * scale + 2.0
    facing = gaussian_filter(normals_of(points)[..., 2], 1.5)
    weight = np.where(in_front | (surface_map.validity == 0) | (facing < FACING), 0.0, facing)
    seen_at_all = resized((weight > 0).astype(np.float32), size) > 0.75
    outline = distance_transform_edt(np.pad(seen.covered, 1))[1:-1, 1:-1] / (between * scale)
    within = outline[rows, columns].astype(np.float32)
    return np.clip(resized(weight.astype(np.float32), size), 0, 1) * seen_at_all, resized(within, size)


def _evened(texture: Field, weight: Field, face: Reconstruction, size: int, share: float) -> Field:
    """The texture with the shading that a distant light gives a smooth surface divided out.

    The logarithm of the luminance is fitted by the second-order harmonics of the smoothed normals (9 numbers, held
    small), so that prints and seams, which do not follow the normals, stay.

    References
    ----------
    Basri, Jacobs, "Lambertian Reflectance and Linear Subspaces", PAMI 2003.
    """
    n = resized(smooth_normals(face.position_map.positions).astype(np.float32), size)
    x, y, z = n[..., 0], n[..., 1], n[..., 2]
    basis = np.stack([np.ones_like(x), x, y, z, x * y, x * z, y * z, x**2 - y**2, 3 * z**2 - 1], axis=-1)
    luminance = to_linear(texture) @ np.array(LUMINANCE)
    level = np.log(np.clip(luminance, DARKEST, 1))
    chosen = weight > 0.05
    a, b, w = basis[chosen], level[chosen], weight[chosen].astype(np.float64)
    b = b - np.average(b, weights=w)
    ridge = np.diag([1e-6, 1, 1, 1, 4, 4, 4, 4, 4]) * 0.004 * w.sum()
    for _ in range(4):  # dark prints and highlights are no shading: weigh them down
        fit = np.linalg.solve((a * w[:, None]).T @ a + ridge, (a * w[:, None]).T @ b)
        residual = np.abs(b - a @ fit)
        w = weight[chosen] / (1 + (residual / max(1.5 * float(np.median(residual)), 0.02)) ** 2)
    shading = basis @ fit
    shading = np.clip(shading - np.average(shading[chosen], weights=weight[chosen]), -0.9, 0.9) * share
    return np.asarray(to_encoded(to_linear(texture) * np.exp(-shading)[..., None]), np.float64)


def _sides_evened(texture: Field, weight: Field, share: float) -> Field:
    """The texture with what makes its left side brighter or of another colour than its right one, over wide patches,
    divided out.

    Masks are about the same on both sides; prints are not, and are told by how far they stray from their surroundings.
    """
    level = np.log(np.clip(to_linear(texture), DARKEST, 1))
    half = len(texture) // 2
    both = np.minimum(weight, weight[:, ::-1])[:, :half]  # each half by itself: along the middle there may be a fold
    known, step = np.where(both > 0.05, both, 0.0)[..., None], (level - level[:, ::-1])[:, :half]
    if not known.any():
        return texture
    sigma = (SIDES_TEXELS * len(texture) / UV_SIZE,) * 2 + (0,)
    trusted, smooth = known, np.zeros_like(step)
    for _ in range(4):
        smooth = gaussian_filter(trusted * step, sigma, mode="nearest") / (
            gaussian_filter(trusted, sigma, mode="nearest") + 0.02
        )
        off = np.abs(step - smooth).max(axis=2, keepdims=True)
        trusted = known / (1 + (off / SIDES_STRAY) ** 2)
    shading = np.clip(np.hstack([smooth, -smooth[:, ::-1]]) / 2, -1.0, 1.0) * share
    return np.asarray(to_encoded(to_linear(texture) * np.exp(-shading)), np.float64)


def resized(values: npt.NDArray[np.floating], size: int) -> npt.NDArray[np.float32]:
    """A field of the 256 layout at side `size`, bilinear, texel centres in place."""
    if size == len(values):
        return np.asarray(values, np.float32)
    resized = cv2.resize(np.asarray(values, np.float32), (size, size), interpolation=cv2.INTER_LINEAR)
    return np.asarray(resized, np.float32)
