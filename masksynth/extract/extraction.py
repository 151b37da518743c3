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

from masksynth.arrays import UV_SIZE, Alpha, Reconstruction, Spectrum
from masksynth.compose.colour import LUMINANCE, to_encoded, to_linear
from masksynth.compose.light import GREYISH, NIR_SKIN
from masksynth.compose.mask import NIR_SHEEN
from masksynth.detect import load_detector
from masksynth.errors import ConfigError, MasksynthError, SegmentationError, TemplateError, counted
from masksynth.extract.fill import fill_hidden, found_outline, merge
from masksynth.extract.judge import candidates, judge, judge_cover, judge_mask, judge_outline
from masksynth.extract.level import usual_reflectance
from masksynth.extract.straps import straps_of
from masksynth.extract.texture import Field, View, draped, resized, unwrap_view
from masksynth.photos import Photo, spectrum_of
from masksynth.reconstruct import load_reconstructor
from masksynth.segment import Segmentation, given_segmentation, segment_mask
from masksynth.template import Template
from masksynth.template.format import SIZES, check_layout, continued, name_from, surface
from masksynth.template.tent import cloth_height

CLOTH_NIR = 0.62  # taken for a mask of unknown material seen in VIS: fleece and cloth are bright in NIR, dyes clear
CLOTH_THICKNESS = 0.03  # interocular distances that cloth stands off where it is said to touch, as generated cloth does
LIGHT_TRUST = 0.5  # exponent of what the skin says of how bright the light on a VIS photo was ...
TINT_TRUST = 0.25  # ... and of what colour ...
LIGHT_GAIN = (0.8, 1.4)  # ... within these factors ...
WHITEST = 0.85  # ... and not beyond this reflectance, that of white cloth
DETAIL_IN_NIR = 0.25  # exponent of the VIS luminance that is kept as texture in a converted NIR reflectance


@dataclass(frozen=True, kw_only=True)
class ExtractConfig:
    """How a template is made from photos."""

    size: int = 256  # side of the template; 512 for faces with more than about 250 px between the eyes' outer corners
    spectrum: Literal["nir", "vis", "auto"] = "auto"
    face: int | None = None  # which face of each photo, counted from the largest; None: the largest that wears a mask
    detector: str = "blazeface"
    reconstructor: str = "facemesh"
    segmenter: Literal["auto", "network", "grabcut"] = "auto"  # how the mask is found; auto takes the network
    straps: bool = False  # keep the straps and ear loops that cross the cheek
    even_light: float = 1.0  # share of the photo's shading that is divided out

    def __post_init__(self) -> None:
        if self.size not in SIZES:
            raise ConfigError(f"size must be 256 or 512, got {self.size}")
        if self.face is not None and self.face < 1:
            raise ConfigError(f"face must be at least 1, got {self.face}")
        if not 0 <= self.even_light <= 1:
            raise ConfigError(f"even_light must be in [0, 1], got {self.even_light}")


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
        If a photo shows no face, no mask can be told from any of them, or the face is too small or too far turned.
    """
    config = config or ExtractConfig()
    if not photos:
        raise ConfigError("no photo was given")
    if segmentations is not None and len(segmentations) != len(photos):
        count = counted(len(segmentations), "segmentation was", "segmentations were")
        raise ConfigError(f"{count} given for {counted(len(photos), 'photo')}: give one for each")
    detector, reconstructor = load_detector(config.detector), load_reconstructor(config.reconstructor)
    views: list[View] = []
    warnings: list[str] = []
    for k, photo in enumerate(photos):
        faces = candidates(photo, config.face, detector, reconstructor)
        given = None
        if segmentations is not None:
            given = given_segmentation(segmentations[k], photo.rgb)
            faces = [_face_under(given.alpha, faces)]
        view, said = _masked(photo, faces, given, config.segmenter)
        views.append(view)
        warnings += said

    spectrum = spectrum_of(photos[0].pixels, config.spectrum)
    yaws = [view.face.pose.yaw for view in views]
    # Once on the skin for the outline, then on cloth within that outline, drawn over nose, lips and chin.
    try:
        rough = found_outline(merge([unwrap_view(view, config.size, spectrum, 0.0) for view in views], yaws))
        height = cloth_height(resized(rough.inside, UV_SIZE), CLOTH_THICKNESS)
        cloth = [draped(view, height) for view in views]
        filled, origin, stray = fill_hidden(
            merge([unwrap_view(view, config.size, spectrum, config.even_light) for view in cloth], yaws), rough
        )
    except SegmentationError as error:
        raise SegmentationError(f"{photos[0].source}: {error}") from None
    warnings += judge_cover(photos[0], origin["covered"])
    warnings += judge_outline(photos[0], float((filled.alpha > 0.5).mean()), stray)
    colour, alpha = np.clip(filled.colour, 0, 1), filled.alpha
    if spectrum == "vis" and config.even_light > 0:
        colour = _brought_to_its_reflectance(colour, alpha > 0.5, views, config.even_light)
    if config.straps:
        straps, strap_colour = straps_of(views, config.size)
        straps = straps * surface(config.size)
        if straps.max() < 0.5:
            warnings.append(f"{photos[0].source}: no straps were found. Draw them into a --segmentation to have them.")
        colour = np.where((straps > alpha)[..., None], strap_colour, colour)
        alpha = np.maximum(alpha, straps)
    rgba = continued(np.dstack([colour, alpha]).astype(np.float32))
    name = name or name_from(photos[0].source.stem)
    check_layout(rgba[..., 3], str(photos[0].source))
    nir, how = nir_reflectance(rgba, views, spectrum)
    height = cloth_height(texels_inside(filled.alpha), CLOTH_THICKNESS)
    template = Template(name, rgba, nir, height, _metadata(views, spectrum, how, origin, rgba[..., 3], config))
    return ExtractedTemplate(template, tuple(views), tuple(warnings))


def texels_inside(alpha: Alpha) -> Field:
    """(S, S) how far within the mask's outline a place lies, in texels of the 256 layout; 0 outside."""
    worn = np.pad((alpha > 0.5).astype(np.uint8), 1)
    distance = cv2.distanceTransform(worn, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1]
    return np.asarray(distance * (UV_SIZE / len(alpha)), np.float64)


def _brought_to_its_reflectance(
    colour: Field, worn: npt.NDArray[np.bool_], views: Sequence[View], share: float
) -> Field:
    """The colours (S, S, 3), halfway (in logarithms) from as bright as the photo shows them to what the light on the
    skin says, and less so in tint: a mask in the shade of a face, or under a warm lamp, gives no dark or yellow
    template, and neither light nor skin is known well enough to go all the way."""
    levels = [level for view in views if (level := usual_reflectance(view, "vis")) is not None]
    if not levels:
        return colour
    linear = to_linear(colour)
    median = np.maximum(np.median(linear[worn], axis=0), 1e-3)
    said = np.exp(np.mean(np.log(np.maximum(np.stack(levels), 1e-3)), axis=0)) / median
    bright = float(said @ GREYISH)
    gain = np.clip(bright**LIGHT_TRUST * (said / bright) ** TINT_TRUST, *LIGHT_GAIN)
    gain *= min(1.0, max(1.0, WHITEST / float(median.max())) / float((gain * median).max() / median.max()))
    return np.asarray(to_encoded(linear * (1 + share * (gain - 1))), np.float64)


def nir_reflectance(rgba: Field, views: Sequence[View], spectrum: Spectrum) -> tuple[Alpha, str]:
    """(S, S) linear NIR reflectance of the template and the words that say where it comes from."""
    luminance = to_linear(rgba[..., :3]) @ np.array(LUMINANCE)
    worn = rgba[..., 3] > 0.5
    if spectrum == "nir":
        levels = [level for view in views if (level := usual_reflectance(view, spectrum)) is not None]
        if levels:
            gain = float(np.median(np.stack(levels)[:, 0])) / max(float(np.median(luminance[worn])), 1e-3)
            nir = luminance * gain - NIR_SHEEN  # which every mask is given when it is drawn
            how = f"measured by the light on the skin, taken as {NIR_SKIN}"
        else:
            nir, how = luminance, "as bright as the photo: too little skin was seen to tell the light"
        return np.clip(nir, 0.01, 1).astype(np.float32), how
    relative = luminance / max(float(np.median(luminance[worn])), 1e-3)
    nir = CLOTH_NIR * np.clip(relative, 0.05, 4) ** DETAIL_IN_NIR
    return np.clip(nir, 0.01, 1).astype(np.float32), (
        f"converted from VIS, material unknown: {CLOTH_NIR} x relative luminance ^ {DETAIL_IN_NIR}"
    )


def _masked(
    photo: Photo, faces: Sequence[Reconstruction], given: Segmentation | None, segmenter: str
) -> tuple[View, list[str]]:
    """The first of the faces that wears a mask, and what is to be said of it. Raises what is wrong with the first."""
    problem: MasksynthError | None = None
    for number, face in enumerate(faces, 1):
        try:
            warnings = judge(photo, face)
            segmentation = given or segment_mask(photo.rgb, face, segmenter)
        except SegmentationError as error:
            problem = problem or SegmentationError(f"{photo.source}: {error}")
        except TemplateError as error:
            problem = problem or error
        else:
            if number > 1:
                warnings.insert(
                    0,
                    f"{photo.source}: the mask is that of face {number} of {len(faces)}, counted from the largest; no "
                    "larger one wears a mask. --face K takes another.",
                )
            return View(photo, face, segmentation), warnings + judge_mask(photo, segmentation)
    assert problem is not None, "there is a face"
    raise problem


def _face_under(alpha: Alpha, faces: Sequence[Reconstruction]) -> Reconstruction:
    """The face that a mask drawn into the photo lies on: the nearest, seen from between nose and chin."""
    rows, columns = np.nonzero(alpha >= 0.5)
    if len(faces) == 1 or len(rows) == 0:
        return faces[0]
    middle = np.array([columns.mean(), rows.mean()])
    off = [
        float(np.linalg.norm(face.landmarks68[[33, 8], :2].mean(0) - middle)) / max(face.interocular, 1.0)
        for face in faces
    ]
    return faces[int(np.argmin(off))]


def _metadata(
    views: Sequence[View], spectrum: Spectrum, nir: str, origin: dict[str, float], alpha: Field, config: ExtractConfig
) -> dict[str, Any]:
    return {
        "kind": "unknown",
        "material": "unknown",
        "spectrum": spectrum,
        "nir": nir,
        "drapes": True,  # how far the mask stood off cannot be told from a photo; nearly all are drawn over the nose
        "texels": {name: share for name, share in origin.items() if name != "covered"},
        "covered": origin["covered"],
        "straps": config.straps,
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
