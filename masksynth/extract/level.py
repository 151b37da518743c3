"""How bright a mask is, held against the light on the bare skin around it."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter

from masksynth.arrays import UV_SIZE, Spectrum
from masksynth.compose.colour import to_linear
from masksynth.compose.light import BRIGHT_SIDE, CELL, GREYISH, skin_places, skin_reflectance
from masksynth.extract.texture import Field, View, visibility
from masksynth.template.tent import smooth_normals

BARE = 0.02  # alpha up to which a pixel is skin
MARGIN = 0.03  # interocular distances around the mask in which skin lies in its shadow
WELL_SEEN = 0.5  # cosine from which on a place of the mask is looked at
LEAST_PLACES = 12  # of skin, and of the mask, in blocks of 8 x 8 texels of the 256 layout
CLOTH_BLUR = 10.0  # texels over which cloth bridges what lies under it
LAMP = 11.0  # interocular distances from the lamp beside the camera to the face, about 1 m
RIDGE = 0.01  # pulls the light towards one that is the same from all sides
TOLERANCE = 0.35  # a place off the fit by this share counts half
ROUNDS = 6
FLOOR = 0.1  # of the mean light on the skin, what reaches places turned away from the lamp


def usual_reflectance(view: View, spectrum: Spectrum) -> npt.NDArray[np.float64] | None:
    """(3,) the usual reflectance (linear, the median) of the mask in a photo; of one grey in NIR.

    The light is what the skin that the mask leaves bare shows, its reflectance taken as `masksynth.compose` takes it: a
    constant and a cosine of the normal (spherical harmonics up to order one; the second order says nothing of a lower
    face of which only the upper is seen), in NIR fading with the square of the distance from a lamp beside the camera.
    Cast on the mask, it gives its reflectance. None where too little of skin or mask is seen.
    """
    face, alpha = view.face, view.segmentation.alpha
    positions = face.position_map.positions.astype(np.float64)
    rgb = view.photo.rgb.astype(np.float32) / np.float32(255)
    if spectrum == "nir":
        rgb = np.repeat(rgb.mean(axis=2, keepdims=True), 3, axis=2)
    reach = max(1, round(MARGIN * face.interocular))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    bare = (cv2.dilate(alpha, disc) <= BARE).astype(np.float32)
    mask = (cv2.erode(alpha, np.ones((5, 5), np.uint8)) > 0.95).astype(np.float32)
    x, y = (np.ascontiguousarray(_coarse(positions[..., k]), np.float32) for k in (0, 1))
    seen, is_bare, is_mask = (
        np.asarray(cv2.remap(plane, x, y, cv2.INTER_LINEAR, borderValue=(0.0, 0.0, 0.0)), np.float64)
        for plane in (cv2.blur(to_linear(rgb), (3, 3)), bare, mask)
    )
    facing = _coarse(visibility(face, UV_SIZE)[0])
    trust = skin_places() * facing * (is_bare > 0.99)
    chosen = (is_mask > 0.99) & (facing > WELL_SEEN)
    if np.count_nonzero(trust) < LEAST_PLACES or np.count_nonzero(chosen) < LEAST_PLACES:
        return None
    depth = _coarse(positions[..., 2]) / face.interocular
    depth -= np.average(depth, weights=trust)
    fading = 1 / np.maximum(1 - depth / LAMP, 0.4) ** 2 if spectrum == "nir" else np.ones_like(depth)
    skin = np.asarray(_coarse(smooth_normals(positions)))
    cloth = np.asarray(_coarse(smooth_normals(gaussian_filter(positions, (CLOTH_BLUR, CLOTH_BLUR, 0)))))
    known = trust > 0
    mean = np.average(seen, axis=(0, 1), weights=trust)
    bright = float(np.quantile(seen[known] @ GREYISH, BRIGHT_SIDE))
    light, onto = _basis(skin[known]) * fading[known][:, None], _basis(cloth[chosen]) * fading[chosen][:, None]
    cast = np.stack([onto @ _light(light, seen[known][:, c], trust[known]) for c in range(3)], axis=1)
    cast = np.maximum(cast, FLOOR * mean) / skin_reflectance(mean, bright, spectrum)
    return np.asarray(np.median(seen[chosen] / cast, axis=0))


def _light(basis: Field, seen: Field, weight: Field) -> Field:
    """(4,) coefficients of the light for which `basis` (N, 4) gives what is `seen` (N,), robustly."""
    ridge = np.diag([0.0, RIDGE, RIDGE, RIDGE]) * weight.sum()
    trust, fit = weight, np.zeros(4)
    for _ in range(ROUNDS):  # brows, glasses and hair are no skin: weigh them down
        fit = np.linalg.solve((basis * trust[:, None]).T @ basis + ridge, (basis * trust[:, None]).T @ seen)
        off = np.log(np.maximum(basis @ fit, 1e-3) / np.maximum(seen, 1e-3))
        trust = weight / (1 + (off / TOLERANCE) ** 2)
    return np.asarray(fit)


def _basis(normals: Field) -> Field:
    return np.concatenate([np.ones((*normals.shape[:-1], 1)), normals], axis=-1)


def _coarse(field: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """A field of the 256 layout at the middles of blocks of 8 x 8."""
    return np.asarray(field[CELL // 2 :: CELL, CELL // 2 :: CELL], np.float64)
