"""From a photo and a face in it to the alpha of the mask that the face wears."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from masksynth.arrays import Alpha, Matrix, Photo8, Reconstruction
from masksynth.detect import check_rgb
from masksynth.errors import ConfigError, SegmentationError, ShapeError
from masksynth.photos import is_grey
from masksynth.segment import network
from masksynth.segment.frame import FaceFrame, crop_matrix, face_frame, square, to_photo
from masksynth.segment.grabcut import bare_of, core_of, grabcut
from masksynth.segment.refine import agreed_by_colours, cleaned, edge_by_colour, pieces, soft_edge

METHODS = ("network", "grabcut")
SIDE = 192  # of the square that GrabCut works in
MIN_SCORE = 0.5
SCORE_COLOUR = ((1.19, 1.84, 1.23, 2.77), -9.57)  # logistic regression on 48 masked and 160 bare development photos
SCORE_GREY = ((1.20, 0.0, 0.73, 3.34), -6.94)  # on the same in grey, where chroma says nothing
REFINE_SIDE = 640  # the square in which the edge is fitted to the photo, at most


@dataclass(frozen=True)
class Segmentation:
    """Where the mask is in a photo."""

    alpha: Alpha  # (H, W) share of each pixel that is mask material
    score: float  # in [0, 1]: how sure it is that there is a mask; 0.5 is the least that is taken
    method: str  # how it was found: grabcut, network or given


def segment_mask(
    photo_rgb: Photo8,
    reconstruction: Reconstruction,
    method: str = "auto",
    *,
    min_score: float = MIN_SCORE,
) -> Segmentation:
    """Find the mask that a face wears.

    Parameters
    ----------
    photo_rgb : (H, W, 3) uint8
    reconstruction : Reconstruction
        The face, in the photo's frame.
    method : "network", "grabcut" or "auto"
        The trained network, or GrabCut seeded by the mesh; "auto" takes the network.
    min_score : float
        A lower score is refused; 0 takes anything.

    Raises
    ------
    ConfigError
        If there is no such method, or `min_score` is not in [0, 1].
    SegmentationError
        If no mask can be told from the face: the sentence gives the score.
    """
    check_rgb(photo_rgb)
    if method not in (*METHODS, "auto"):
        raise ConfigError(f"{method}: no such way to segment. Known are {', '.join(METHODS)}.")
    if not 0 <= min_score <= 1:
        raise ConfigError(f"min_score must be in [0, 1], got {min_score}")
    if method == "auto":
        method = METHODS[0]
    if method == "network":
        alpha, score = _by_network(photo_rgb, reconstruction)
    else:
        alpha, score = _by_grabcut(photo_rgb, reconstruction)
    if score >= min_score and alpha.max() < 0.5:
        raise SegmentationError(
            f"no mask can be told from the face: not one pixel looks like mask (score {score:.2f}). If there is one, "
            "draw it as a grey picture of the photo's size and give it with --segmentation."
        )
    if score < min_score:
        raise SegmentationError(
            f"no mask can be told from the face (score {score:.2f}, needs {min_score:.2f}). If there is one, draw it "
            "as a grey picture of the photo's size and give it with --segmentation."
        )
    return Segmentation(alpha, score, method)


def given_segmentation(alpha: Alpha, photo_rgb: Photo8) -> Segmentation:
    """A segmentation that a person made, as it is. Raises ShapeError where it has not the photo's size."""
    if alpha.shape != photo_rgb.shape[:2]:
        raise ShapeError(
            f"the segmentation is {alpha.shape[1]} x {alpha.shape[0]} px, but its photo is {photo_rgb.shape[1]} x "
            f"{photo_rgb.shape[0]} px"
        )
    return Segmentation(np.clip(alpha, 0, 1).astype(np.float32), 1.0, "given")


def _by_network(photo: Photo8, reconstruction: Reconstruction) -> tuple[Alpha, float]:
    frame = face_frame(photo, reconstruction, network.SIDE, network.WIDTH)
    share, sure = network.predict(frame)
    share = agreed_by_colours(share, frame.rgb, frame.in_photo, frame.pixels_per_interocular)
    share = pieces(share, frame.pixels_per_interocular) * frame.in_photo
    matrix, rgb, in_photo = _fine_square(photo, reconstruction, frame)
    rough = np.asarray(cv2.resize(share, in_photo.shape, interpolation=cv2.INTER_LINEAR), np.float32)
    scale = len(rgb) / frame.width
    alpha = edge_by_colour(rough, rgb, in_photo, scale) * in_photo
    return np.clip(to_photo(alpha, matrix, photo.shape[:2]), 0, 1), sure


def _by_grabcut(photo: Photo8, reconstruction: Reconstruction) -> tuple[Alpha, float]:
    frame = face_frame(photo, reconstruction, SIDE)
    found = cleaned(grabcut(frame), core_of(frame), frame.pixels_per_interocular)
    region = np.asarray(cv2.GaussianBlur(found.astype(np.float32), (0, 0), 1.0), np.float32)
    matrix, rgb, in_photo = _fine_square(photo, reconstruction, frame)
    rough = np.asarray(cv2.resize(region, in_photo.shape, interpolation=cv2.INTER_LINEAR), np.float32)
    alpha = soft_edge(rough, rgb, len(rgb) / frame.width) * in_photo
    return np.clip(to_photo(alpha, matrix, photo.shape[:2]), 0, 1), mask_score(frame, found)


def _fine_square(
    photo: Photo8, reconstruction: Reconstruction, frame: FaceFrame
) -> tuple[Matrix, Photo8, npt.NDArray[np.bool_]]:
    """The square of `frame` at the photo's own resolution, at most `REFINE_SIDE` across: where an edge is fitted."""
    scale = float(np.hypot(*frame.crop_from_photo[:, 0]))
    side = int(np.clip(round(frame.side / scale), frame.side // 2, REFINE_SIDE))
    matrix = crop_matrix(reconstruction, side, frame.width)
    return matrix, *square(photo, matrix, side)


def mask_score(frame: FaceFrame, region: npt.NDArray[np.bool_]) -> float:
    """How sure it is, in [0, 1], that GrabCut's `region` (S, S) is a mask and not a bare lower face."""
    weights, offset = SCORE_GREY if is_grey(frame.rgb) else SCORE_COLOUR
    return float(1 / (1 + np.exp(-(np.array(weights) @ score_features(frame, region) + offset))))


def score_features(frame: FaceFrame, region: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """(4,): how far the core's colour lies from the bare skin's, its chroma alone, the step across the upper edge,
    and how well the region fills where masks are."""
    lab = cv2.cvtColor(frame.rgb, cv2.COLOR_RGB2LAB).astype(np.float64) - (0, 128, 128)
    lab[..., 0] *= 100 / 255
    core, bare = core_of(frame) & region & frame.in_photo, bare_of(frame) & ~region
    if core.sum() < 20 or bare.sum() < 20:
        return np.zeros(4)
    skin, mask = np.median(lab[bare], axis=0), np.median(lab[core], axis=0)
    gap = float(np.linalg.norm((mask - skin) * (0.5, 1, 1)))
    chroma = float(np.linalg.norm((mask - skin)[1:]))
    # Along the middle of the nose: the step of colour where the region begins.
    x = np.abs(frame.u - 127.5)
    edge = cv2.dilate(region.astype(np.uint8), np.ones((3, 3), np.uint8)) - region.astype(np.uint8)
    above = (edge > 0) & frame.on_face & (frame.v < 130) & (x < 70)
    gradient = np.linalg.norm(
        [cv2.Sobel(cv2.GaussianBlur(lab[..., k], (0, 0), 1.2), cv2.CV_64F, 0, 1, ksize=3) / 8 for k in range(3)], axis=0
    )
    step = float(np.median(gradient[above])) if above.sum() > 10 else 0.0
    likely = frame.on_face & (x < 55) & (frame.v > 115) & (frame.v < 185)
    filled = float(region[likely].mean()) if likely.any() else 0.0
    return np.array([gap / 20, chroma / 10, step / 3, filled * 2])
