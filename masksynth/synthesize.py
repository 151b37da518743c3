"""The walk from an unmasked photo to a masked one: detect, reconstruct, compose, render."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from masksynth.align import Template as CropTemplate
from masksynth.align import crop, crop_from_photo
from masksynth.arrays import Matrix, Photo8, Points2, Pose, Reconstruction, Spectrum
from masksynth.compose import ComposeConfig, Composer
from masksynth.compose.compression import compress_touched
from masksynth.detect import Detector
from masksynth.errors import ConfigError, NoFaceError
from masksynth.photos import Photo
from masksynth.reconstruct import Reconstructor, find_faces
from masksynth.seeds import rng_for
from masksynth.template.format import Template

__all__ = [
    "CroppedFace", "MaskedCrop", "MaskedPhoto", "crop_face", "mask_crop", "mask_cropped", "mask_crops", "mask_photo",
]  # fmt: skip


@dataclass(frozen=True)
class MaskedPhoto:
    """A photo in which every face that was found wears a mask."""

    image: Photo8  # like the photo's pixels
    alpha: npt.NDArray[np.uint8]  # (H, W) coverage, 255 whole
    touched: npt.NDArray[np.bool_]  # (H, W); every other pixel is the photo's
    faces: tuple[Reconstruction, ...]  # largest first
    templates: tuple[str, ...]  # the mask of each
    dropped: tuple[str, ...]  # why a detection gave no face


@dataclass(frozen=True)
class CroppedFace:
    """A face in the aligned frame, without a mask: what is left to be known of its photo."""

    pixels: Photo8  # (side, side) in NIR, (side, side, 3) in VIS
    landmarks: Points2  # (5, 2) pixels of the crop
    frame: Matrix  # (2, 3) from pixels of the photo to those of the crop
    spectrum: Spectrum
    reconstruction: Reconstruction  # in the photo frame


@dataclass(frozen=True)
class MaskedCrop:
    """A masked face in the aligned frame, and the same without the mask."""

    image: Photo8  # (side, side) in NIR, (side, side, 3) in VIS
    clean: Photo8  # likewise
    alpha: npt.NDArray[np.uint8]  # (side, side) coverage, 255 whole
    touched: npt.NDArray[np.bool_]  # (side, side); elsewhere image and clean are equal
    landmarks: Points2  # (5, 2) pixels of the crop
    pose: Pose
    score: float


def mask_photo(
    photo: Photo,
    templates: Sequence[Template],
    spectrum: Spectrum,
    *,
    detector: Detector,
    reconstructor: Reconstructor,
    composer: Composer | None = None,
    seed: int = 0,
    name: str | None = None,
) -> MaskedPhoto:
    """Put a mask on every face of a photo.

    Parameters
    ----------
    photo : Photo
        Of any size; only the faces' regions are worked on, the result has the full size.
    templates : one or more
        Of several, each face draws one, by `seed`, `name` and its place in the order of size.
    spectrum : "nir" or "vis"
    composer : Composer, optional
        With its settings; kept by callers who mask many photos.
    name : str, optional
        What stands for the photo in the random choices; its file name where not given.

    Raises
    ------
    NoFaceError
        If there is no face in it.
    ConfigError
        If `templates` is empty.
    """
    if not templates:
        raise ConfigError("no template to put on: give at least one.")
    faces, dropped = find_faces(photo.pixels, detector, reconstructor)
    if not faces:
        why = f" ({'; '.join(dropped)})" if dropped else ""
        raise NoFaceError(f"{photo.source}: no face found{why}.")
    composer = composer or Composer()
    name = photo.source.name if name is None else name
    image = photo.pixels.copy()
    alpha = np.zeros(image.shape[:2], np.uint8)
    touched = np.zeros(image.shape[:2], np.bool_)
    chosen = [templates[int(rng_for(seed, name, "mask", k).integers(len(templates)))] for k in range(len(faces))]
    for k in reversed(range(len(faces))):  # the largest last: it is the nearest
        composer.look(photo.pixels, faces[k].position_map, spectrum)
        grain = int(rng_for(seed, name, "grain", k).integers(1 << 31))
        composer.wear(chosen[k], image, alpha, touched, seed=grain)
    composer.let_go()
    if photo.jpeg is not None and composer.config.light and composer.config.grain:
        compress_touched(image, touched, photo.jpeg)
    return MaskedPhoto(image, alpha, touched, tuple(faces), tuple(t.name for t in chosen), tuple(dropped))


def mask_crop(
    pixels: Photo8,
    reconstruction: Reconstruction,
    template: Template,
    spectrum: Spectrum,
    config: ComposeConfig | None = None,
    side: int = 144,
    *,
    crop_template: CropTemplate = "scaled",
    composer: Composer | None = None,
    seed: int | None = None,
) -> MaskedCrop:
    """One mask on one face, in the aligned frame; see `mask_crops`."""
    seeds = None if seed is None else [seed]
    return mask_crops(
        pixels, reconstruction, [template], spectrum, config, side,
        crop_template=crop_template, composer=composer, seeds=seeds,
    )[0]  # fmt: skip


def mask_crops(
    pixels: Photo8,
    reconstruction: Reconstruction,
    templates: Sequence[Template],
    spectrum: Spectrum,
    config: ComposeConfig | None = None,
    side: int = 144,
    *,
    crop_template: CropTemplate = "scaled",
    composer: Composer | None = None,
    seeds: Sequence[int] | None = None,
) -> list[MaskedCrop]:
    """Put each of several masks on one face, in the aligned frame: `crop_face`, then `mask_cropped`.

    The photo is cropped first and the position map carried into the crop, where the mask is drawn once: image and clean
    crop differ in touched pixels only.

    Parameters
    ----------
    pixels : (H, W) or (H, W, 3) uint8
        The photo. In NIR three channels become one by their luminance; in VIS one channel becomes three.
    reconstruction : of the face, in the photo frame
    config : ComposeConfig, optional
        No effect where `composer` is given, which has its own. Without one, each thread keeps one to itself.
    side : int
        Of the crop, in pixels.
    crop_template : "scaled" or "margin"
        How the face fills the crop; see `masksynth.align`.
    seeds : one a template, optional
        Of the grain; the config's where not given.
    """
    face = crop_face(pixels, reconstruction, spectrum, side, crop_template=crop_template)
    return mask_cropped(face, templates, composer=composer or _own_composer(config), seeds=seeds)


def crop_face(
    pixels: Photo8,
    reconstruction: Reconstruction,
    spectrum: Spectrum,
    side: int = 144,
    *,
    crop_template: CropTemplate = "scaled",
) -> CroppedFace:
    """The aligned crop without a mask; see `mask_crops` for the parameters."""
    frame = crop_from_photo(reconstruction.five_points, side, crop_template)
    clean = crop(pixels, frame, side)
    if spectrum == "nir" and clean.ndim == 3:
        clean = np.asarray(cv2.cvtColor(clean, cv2.COLOR_RGB2GRAY), np.uint8)
    elif spectrum == "vis" and clean.ndim == 2:
        clean = np.repeat(clean[:, :, None], 3, axis=2)
    landmarks = (reconstruction.five_points @ frame[:, :2].T + frame[:, 2]).astype(np.float32)
    return CroppedFace(np.ascontiguousarray(clean), landmarks, frame, spectrum, reconstruction)


def mask_cropped(
    face: CroppedFace, templates: Sequence[Template], *, composer: Composer, seeds: Sequence[int] | None = None
) -> list[MaskedCrop]:
    """Put each of several masks on a face that is cropped already; see `mask_crops`."""
    known, clean = face.reconstruction, face.pixels
    composer.look(clean, known.position_map, face.spectrum, frame=face.frame)
    made = []
    for k, template in enumerate(templates):
        image = clean.copy()
        alpha, touched = np.zeros(clean.shape[:2], np.uint8), np.zeros(clean.shape[:2], np.bool_)
        composer.wear(template, image, alpha, touched, seed=None if seeds is None else seeds[k])
        made.append(MaskedCrop(image, clean, alpha, touched, face.landmarks, known.pose, known.score))
    return made


_KEPT = threading.local()


def _own_composer(config: ComposeConfig | None) -> Composer:
    """This thread's composer, with `config`: templates stay ready from one call to the next."""
    composer: Composer | None = getattr(_KEPT, "composer", None)
    if composer is None:
        composer = _KEPT.composer = Composer()
    composer.config = config or ComposeConfig()
    return composer
