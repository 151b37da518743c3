"""From photos of a person who wears a mask to a template: find, reconstruct, segment, unwrap, fill, even out the light.

What is measured, what is mirrored and what is filled from its surroundings is said in the template's metadata.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image as PillowImage
from PIL import ImageOps
from scipy.ndimage import distance_transform_edt, gaussian_filter

from masksynth.arrays import UV_SIZE, Alpha, Reconstruction, Spectrum
from masksynth.detect import Detector, load_detector
from masksynth.errors import ConfigError, NoFaceError, SegmentationError, TemplateError
from masksynth.photos import Photo, read_photo, spectrum_of
from masksynth.reconstruct import Reconstructor, find_faces, load_reconstructor
from masksynth.render import grid_triangles, rasterize
from masksynth.segment import Segmentation, given_segmentation, segment_mask
from masksynth.segment.grabcut import mask_prior
from masksynth.template import Template
from masksynth.template.format import SIZES, check_layout, continued, name_from, surface
from masksynth.template.tent import smooth_normals

Field = npt.NDArray[np.floating]

SMALL_PX = 48.0  # interocular distance below which a template comes out coarse: a warning
TOO_SMALL_PX = 22.0  # and below which it is refused
TURNED_DEG = 40.0  # yaw beyond which half of the mask is mirrored: a warning
TOO_TURNED_DEG = 75.0
BLURRED = 0.010  # sharpness (see `sharpness`) below which the photo counts as blurred: a warning
WELL_SEEN = 0.65  # cosine from which on a texel's place is trusted fully
PRIOR_WEIGHT = 0.03  # of where masks reach at all, against 1 of a texel seen well
MIN_SHOWN = 0.03  # share of the layout that must show mask
FACING = 0.22  # cosine between a texel's normal and the camera below which it is not read: 77 degrees
BEHIND = 0.03  # interocular distances by which a texel may lie behind the nearest surface and still be seen
SKIN_NIR = 0.50  # linear reflectance of skin near 850 nm; masks in NIR photos are measured against it
CLOTH_NIR = 0.62  # taken for a mask of unknown material seen in VIS: fleece and cloth are bright in NIR, dyes clear
DETAIL_IN_NIR = 0.25  # exponent of the VIS luminance that is kept as texture in a converted NIR reflectance


@dataclass(frozen=True, kw_only=True)
class ExtractConfig:
    """How a template is made from photos."""

    size: int = 256  # side of the template; 512 for faces with more than about 250 px between the eyes' outer corners
    spectrum: Literal["nir", "vis", "auto"] = "auto"
    face: int = 1  # which face of each photo, counted from the largest
    detector: str = "blazeface"
    reconstructor: str = "facemesh"
    even_light: float = 1.0  # share of the photo's shading that is divided out

    def __post_init__(self) -> None:
        if self.size not in SIZES:
            raise ConfigError(f"size must be 256 or 512, got {self.size}")
        if self.face < 1:
            raise ConfigError(f"face must be at least 1, got {self.face}")
        if not 0 <= self.even_light <= 1:
            raise ConfigError(f"even_light must be in [0, 1], got {self.even_light}")


@dataclass(frozen=True)
class View:
    """One photo of the mask."""

    photo: Photo
    face: Reconstruction
    segmentation: Segmentation


@dataclass(frozen=True)
class ExtractedTemplate:
    """A template and how it came about."""

    template: Template
    views: tuple[View, ...]
    warnings: tuple[str, ...] = field(default=())


def extract_template(
    photos: Sequence[Photo],
    config: ExtractConfig | None = None,
    *,
    name: str | None = None,
    segmentations: Sequence[Alpha] | None = None,
) -> ExtractedTemplate:
    """Make a template of the mask in one photo or in several photos of the same mask.

    Parameters
    ----------
    photos : sequence of Photo
        At least one.
    name : str, optional
        The template's name; the first photo's stem where not given.
    segmentations : sequence of (H, W) alphas, optional
        Where the mask is, one for each photo; found by the program where not given.

    Raises
    ------
    NoFaceError, SegmentationError, TemplateError
        If a photo shows no face, no mask can be told from it, or it is too small or too far turned to be of use.
    """
    config = config or ExtractConfig()
    if not photos:
        raise ConfigError("no photo was given")
    if segmentations is not None and len(segmentations) != len(photos):
        raise ConfigError(f"{len(segmentations)} segmentations were given for {len(photos)} photos: give one for each")
    detector, reconstructor = load_detector(config.detector), load_reconstructor(config.reconstructor)
    views, warnings = [], []
    for k, photo in enumerate(photos):
        face = find_face(photo, config.face, detector, reconstructor)
        warnings += judge(photo, face)
        if segmentations is not None:
            segmentation = given_segmentation(segmentations[k], photo.rgb)
        else:
            segmentation = _segmented(photo, face)
        views.append(View(photo, face, segmentation))

    spectrum = spectrum_of(photos[0].pixels, config.spectrum)
    seen = [unwrap_view(view, config.size, spectrum, config.even_light) for view in views]
    try:
        filled, origin = fill_hidden(merge(seen))
    except SegmentationError as error:
        raise SegmentationError(f"{photos[0].source}: {error}") from None
    rgba = continued(np.dstack([np.clip(filled.colour, 0, 1), filled.alpha]).astype(np.float32))
    name = name or name_from(photos[0].source.stem)
    check_layout(rgba[..., 3], str(photos[0].source))
    nir, how = nir_reflectance(rgba, views, spectrum)
    template = Template(name, rgba, nir, None, _metadata(views, spectrum, how, origin, rgba[..., 3], config))
    return ExtractedTemplate(template, tuple(views), tuple(warnings))


def read_alpha(path: Path) -> Alpha:
    """A segmentation that a person drew, (H, W) in [0, 1]: the alpha of a picture that has one, else its brightness.

    Raises PhotoError as `read_photo` does.
    """
    photo = read_photo(path)
    with PillowImage.open(path) as image:
        if "A" in image.getbands():
            alpha = np.asarray(ImageOps.exif_transpose(image).getchannel("A"))
            if alpha.min() < 255:
                return np.asarray(alpha / 255, np.float32)
    return np.asarray(photo.rgb.mean(axis=2) / 255, np.float32)


def find_face(photo: Photo, number: int, detector: Detector, reconstructor: Reconstructor) -> Reconstruction:
    """Face `number` of a photo, counted from the largest. Raises NoFaceError where there are not so many."""
    faces, dropped = find_faces(photo.rgb, detector, reconstructor)
    if not faces:
        why = f" ({dropped[0]})" if dropped else ""
        raise NoFaceError(f"{photo.source}: no face was found{why}.")
    if number > len(faces):
        raise NoFaceError(
            f"{photo.source}: has {len(faces)} face{'s' * (len(faces) > 1)}, but face {number} is wanted."
        )
    return faces[number - 1]


def judge(photo: Photo, face: Reconstruction) -> list[str]:
    """What makes a photo a poor source, one sentence each. Raises TemplateError where it is of no use."""
    between, yaw = face.interocular, face.pose.degrees[0]
    if between < TOO_SMALL_PX:
        raise TemplateError(
            f"{photo.source}: the face is too small: {between:.0f} px between the outer eye corners, at least "
            f"{TOO_SMALL_PX:.0f} are needed."
        )
    if abs(yaw) > TOO_TURNED_DEG:
        raise TemplateError(
            f"{photo.source}: the face is turned too far: {abs(yaw):.0f} degrees aside, at most {TOO_TURNED_DEG:.0f} "
            "show enough of a mask."
        )
    if abs(face.pose.degrees[2]) > 100:
        raise TemplateError(
            f"{photo.source}: the face stands on its head (roll {face.pose.degrees[2]:.0f} degrees). Turn the photo."
        )
    warnings = []
    if between < SMALL_PX:
        warnings.append(
            f"{photo.source}: the face is small ({between:.0f} px between the outer eye corners; from {SMALL_PX:.0f} "
            "on a template comes out well)."
        )
    if abs(yaw) > TURNED_DEG:
        warnings.append(
            f"{photo.source}: the face is turned {abs(yaw):.0f} degrees aside; beyond {TURNED_DEG:.0f} half of the "
            "mask is mirrored. Give a second photo from the other side."
        )
    sharp = sharpness(photo, face)
    if sharp < BLURRED:
        warnings.append(f"{photo.source}: is blurred (sharpness {sharp:.3f}; from {BLURRED:.3f} on edges are clear).")
    return warnings


def sharpness(photo: Photo, face: Reconstruction) -> float:
    """Root mean square of what a blur by 1.2 px takes from the eyes' region at 100 px between the outer eye corners,
    over the region's contrast."""
    eyes = face.landmarks68[36:48, :2]
    margin = 0.15 * face.interocular
    left, top = np.floor(eyes.min(0) - margin).astype(int).clip(0)
    right, bottom = np.ceil(eyes.max(0) + margin).astype(int)
    patch = photo.rgb[top:bottom, left:right].astype(np.float32).mean(axis=2) / 255
    if min(patch.shape) < 4:
        return 0.0
    scale = 100 / face.interocular
    if scale < 1:
        patch = cv2.resize(patch, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    detail = patch - cv2.GaussianBlur(patch, (0, 0), 1.2)
    return float(detail.std() / max(float(patch.std()), 0.02) * 0.2)


@dataclass(frozen=True)
class Unwrapped:
    """One photo in the layout; S is its side."""

    colour: Field  # (S, S, 3) sRGB-encoded, light evened out
    alpha: Field  # (S, S)
    weight: Field  # (S, S) how well a texel is seen, 0 where it is not


def unwrap_view(view: View, size: int, spectrum: Spectrum, even_light: float) -> Unwrapped:
    """Read the mask's colour and alpha off a photo, texel by texel, where the head does not hide it."""
    face = view.face
    weight = visibility(face, size)
    positions = _resized(face.position_map.positions, size)
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
    # Colour is that of the mask alone: half-covered texels at its edge take that of the nearest fully covered one.
    full = (cover > 0.97) & (weight > 0)
    full = full & (distance_transform_edt(full) > size / UV_SIZE) if full.any() else full
    if full.any():
        rows, columns = distance_transform_edt(~full, return_distances=False, return_indices=True)
        texture = np.asarray(texture[rows, columns])
    if even_light > 0 and full.any():
        texture = _evened(texture, full * weight, face, size, even_light)
    return Unwrapped(texture, cover, weight)


def visibility(face: Reconstruction, size: int) -> Field:
    """(size, size): 0 where the head hides a texel or it is seen edge-on, else the cosine it is seen under."""
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
    down, right = np.gradient(points, axis=(0, 1))
    normal = np.cross(right, down)
    facing = normal[..., 2] / np.maximum(np.linalg.norm(normal, axis=2), 1e-9)
    facing = gaussian_filter(facing, 1.5)
    weight = np.where(in_front | (surface_map.validity == 0) | (facing < FACING), 0.0, facing)
    return np.clip(_resized(weight.astype(np.float32), size), 0, 1) * (
        _resized((weight > 0).astype(np.float32), size) > 0.75
    )


def merge(seen: Sequence[Unwrapped]) -> Unwrapped:
    """Several photos of one mask in one: each texel from where it is seen best, their brightness made equal."""
    if len(seen) == 1:
        return seen[0]
    first = seen[0]
    levelled = [first]
    for other in seen[1:]:
        both = (first.weight > 0) & (other.weight > 0) & (first.alpha > 0.9) & (other.alpha > 0.9)
        colour = other.colour
        if both.sum() > 50:
            gain = np.median(first.colour[both] ** 2.2, axis=0) / np.maximum(
                np.median(colour[both] ** 2.2, axis=0), 1e-4
            )
            colour = np.clip(colour**2.2 * np.clip(gain, 0.25, 4), 0, 1) ** (1 / 2.2)
        levelled.append(Unwrapped(colour, other.alpha, other.weight))
    weights = np.stack([one.weight**4 for one in levelled])
    total = np.maximum(weights.sum(0), 1e-12)
    mask_weights = weights * np.stack([one.alpha for one in levelled])
    mask_total = np.where(mask_weights.sum(0) > 1e-9, mask_weights.sum(0), 1)
    colour = np.einsum("kij,kijc->ijc", mask_weights / mask_total, np.stack([one.colour for one in levelled]))
    unseen = mask_weights.sum(0) <= 1e-9
    colour[unseen] = levelled[0].colour[unseen]
    alpha = (weights * np.stack([one.alpha for one in levelled])).sum(0) / total
    return Unwrapped(colour, alpha, np.max([one.weight for one in levelled], axis=0))


def fill_hidden(seen: Unwrapped) -> tuple[Unwrapped, dict[str, float]]:
    """What the pose hid: mirrored from the other side, then continued from the surroundings.

    The outline comes from the photo where it is seen well, from the other side where that is better, and from where
    masks reach at all where neither is; a texel seen edge-on counts for little. It is smoothed by a texel or two.

    Returns the filled texture and the shares of the mask's texels that were measured, mirrored and continued.
    """
    texel = len(seen.alpha) / UV_SIZE
    own = np.clip((seen.weight - FACING) / (WELL_SEEN - FACING), 0, 1) ** 1.5
    # Near the head's outline a texel may read what is behind the head: that no mask is there says little.
    own = own * np.where(seen.alpha < 0.5, np.clip((seen.weight - 0.4) / 0.4, 0, 1), 1)
    other = own[:, ::-1] * (1 - own)
    shown = float((own * (seen.alpha > 0.5)).mean())
    if shown < MIN_SHOWN:
        raise SegmentationError(
            f"too little of a mask is seen on the face: {100 * shown:.1f} % of the layout, at least "
            f"{100 * MIN_SHOWN:.0f} % are needed."
        )

    v, u = (np.mgrid[: len(own), : len(own)] + 0.5) / texel - 0.5
    prior = mask_prior(u, v)
    sure = own + 0.7 * other + PRIOR_WEIGHT
    alpha = (own * seen.alpha + 0.7 * other * seen.alpha[:, ::-1] + PRIOR_WEIGHT * prior) / sure
    near, far = (_spread(alpha, sure, sigma * texel) for sigma in (1.2, 6.0))
    trust = np.clip(gaussian_filter(sure, texel), 0, 1)
    alpha = _outline(near * trust + far * (1 - trust), texel) * surface(len(own))

    mask = seen.alpha > 0.9
    a, b = own * mask, other * mask[:, ::-1]
    feather = 1.5 * texel
    a, b = gaussian_filter(a, feather) * (a > 0), gaussian_filter(b, feather) * (b > 0)
    both = np.maximum(a + b, 1e-9)[..., None]
    colour = (a[..., None] * seen.colour + b[..., None] * seen.colour[:, ::-1]) / both
    known = (a + b) > 1e-3
    colour = np.where(known[..., None], colour, _continued_smoothly(colour, known))

    worn = alpha > 0.5
    count = max(int(worn.sum()), 1)
    measured = worn & known & (a >= b)
    mirrored = worn & known & (a < b)
    origin = {
        "measured": round(float(measured.sum() / count), 4),
        "mirrored": round(float(mirrored.sum() / count), 4),
        "continued": round(float((worn & ~known).sum() / count), 4),
    }
    return Unwrapped(colour, alpha, seen.weight), origin


def _spread(values: Field, weight: Field, sigma: float) -> Field:
    """Weighted mean of the neighbourhood."""
    return gaussian_filter(values * weight, sigma) / np.maximum(gaussian_filter(weight, sigma), 1e-9)


def _outline(alpha: Field, texel: float) -> Field:
    """One piece with a smooth outline and an edge a texel wide, from a rough alpha."""
    region = gaussian_filter(alpha, 1.5 * texel) > 0.5
    count, labels, stats, _ = cv2.connectedComponentsWithStats(region.astype(np.uint8))
    if count > 2:
        areas = stats[1:, cv2.CC_STAT_AREA]
        region = np.concatenate([[False], areas > 0.1 * areas.max()])[labels]
    inside = distance_transform_edt(region) - distance_transform_edt(~region)  # a texel's centre is half a texel in
    inside = gaussian_filter(inside, 1.2 * texel)
    return np.clip(0.5 + inside / 1.5, 0, 1)


def _continued_smoothly(colour: Field, known: npt.NDArray[np.bool_]) -> Field:
    """(S, S, 3) with every unknown texel the mean of what is known around it, as near as there is any."""
    out = np.zeros_like(colour)
    missing = np.ones(known.shape, bool)
    sigma = 2.0
    while missing.any() and sigma < 4 * len(known):
        weight = gaussian_filter(known.astype(np.float64), sigma, truncate=3.0)
        reached = missing & (weight > 0.02)
        mean = gaussian_filter(colour * known[..., None], (sigma, sigma, 0), truncate=3.0)
        out[reached] = mean[reached] / weight[reached][:, None]
        missing &= ~reached
        sigma *= 2
    return out


def nir_reflectance(rgba: Field, views: Sequence[View], spectrum: Spectrum) -> tuple[Alpha, str]:
    """(S, S) linear NIR reflectance of the template and the words that say where it comes from."""
    linear = np.clip(rgba[..., :3], 0, 1).astype(np.float64) ** 2.2
    luminance = linear @ np.array([0.2126, 0.7152, 0.0722])
    worn = rgba[..., 3] > 0.5
    if spectrum == "nir":
        skin = [_skin_level(view) for view in views]
        nir = luminance / max(float(np.median(skin)), 1e-3) * SKIN_NIR
        return np.clip(nir, 0.01, 1).astype(np.float32), f"measured against skin, taken as {SKIN_NIR}"
    relative = luminance / max(float(np.median(luminance[worn])), 1e-3)
    nir = CLOTH_NIR * np.clip(relative, 0.05, 4) ** DETAIL_IN_NIR
    return np.clip(nir, 0.01, 1).astype(np.float32), (
        f"converted from VIS, material unknown: {CLOTH_NIR} x relative luminance ^ {DETAIL_IN_NIR}"
    )


def _segmented(photo: Photo, face: Reconstruction) -> Segmentation:
    try:
        return segment_mask(photo.rgb, face)
    except SegmentationError as error:
        raise SegmentationError(f"{photo.source}: {error}") from None


def _evened(texture: Field, weight: Field, face: Reconstruction, size: int, share: float) -> Field:
    """The texture with the shading that a distant light gives a smooth surface divided out.

    The logarithm of the luminance is fitted by the second-order harmonics of the smoothed normals (9 numbers, held
    small), so that prints and seams, which do not follow the normals, stay.

    References
    ----------
    Basri, Jacobs, "Lambertian Reflectance and Linear Subspaces", PAMI 2003.
    """
    n = _resized(smooth_normals(face.position_map.positions).astype(np.float32), size)
    x, y, z = n[..., 0], n[..., 1], n[..., 2]
    basis = np.stack([np.ones_like(x), x, y, z, x * y, x * z, y * z, x**2 - y**2, 3 * z**2 - 1], axis=-1)
    luminance = np.clip(texture, 0, 1) ** 2.2 @ np.array([0.2126, 0.7152, 0.0722])
    level = np.log(np.clip(luminance, 2e-3, 1))
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
    return np.clip(np.clip(texture, 0, 1) ** 2.2 * np.exp(-shading)[..., None], 0, 1) ** (1 / 2.2)


def _skin_level(view: View) -> float:
    """Median linear luminance of the bare skin below the eyes."""
    from masksynth.segment.frame import face_frame
    from masksynth.segment.grabcut import bare_of

    frame = face_frame(view.photo.rgb, view.face, 128)
    skin = bare_of(frame)
    values = (frame.rgb[skin].astype(np.float64) / 255) ** 2.2 if skin.any() else np.array([[0.4] * 3])
    return float(np.median(values.mean(axis=1)))


def _resized(values: npt.NDArray[np.floating], size: int) -> npt.NDArray[np.float32]:
    """A field of the 256 layout at side `size`, bilinear, texel centres in place."""
    if size == len(values):
        return np.asarray(values, np.float32)
    resized = cv2.resize(np.asarray(values, np.float32), (size, size), interpolation=cv2.INTER_LINEAR)
    return np.asarray(resized, np.float32)


def _metadata(
    views: Sequence[View], spectrum: Spectrum, nir: str, origin: dict[str, float], alpha: Field, config: ExtractConfig
) -> dict[str, Any]:
    return {
        "kind": "unknown",
        "material": "unknown",
        "spectrum": spectrum,
        "nir": nir,
        "texels": origin,
        "even_light": config.even_light,
        "sources": [
            {
                "file": view.photo.source.name,
                "sha256": _sha256(view.photo.source),
                "interocular_px": round(view.face.interocular, 1),
                "pose_deg": [round(angle, 1) for angle in view.face.pose.degrees],
                "segmentation": view.segmentation.method,
                "score": round(view.segmentation.score, 3),
            }
            for view in views
        ],
    }


def _sha256(path: Path) -> str | None:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return None
