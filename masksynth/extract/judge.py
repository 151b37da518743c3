"""Is a photo a good source? What is not is refused or warned about, with the figure."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from masksynth.arrays import Detection, Reconstruction
from masksynth.detect import Detector
from masksynth.errors import NoFaceError, TemplateError
from masksynth.photos import Photo
from masksynth.reconstruct import Reconstructor, find_faces
from masksynth.segment import Segmentation

MOST_FACES = 12  # of a photo that are looked at for one that wears a mask
SMALL_PX = 48.0  # interocular distance below which a template comes out coarse: a warning
TOO_SMALL_PX = 22.0  # and below which it is refused
TURNED_DEG = 40.0  # yaw beyond which half of the mask is mirrored: a warning
TOO_TURNED_DEG = 75.0
UPSIDE_DOWN_DEG = 100.0  # roll beyond which a face stands on its head
UNSURE = 0.80  # score of the segmentation below which it is asked to look
CUT = 0.25  # of the square root of its area that a mask may lie along the photo's edge
SPOILT = 0.10  # share of the mask that may be overexposed or black
COVERED = 0.03  # share of the mask that something may hide
SMALL_COVER = 0.13  # of the layout; generated masks cover 0.15 to 0.55
STRAY = 0.15  # share of the outline seen that may stray from what masks look like
BLURRED = 0.010  # sharpness (see `sharpness`) below which the photo counts as blurred: a warning


def candidates(
    photo: Photo, number: int | None, detector: Detector, reconstructor: Reconstructor
) -> list[Reconstruction]:
    """Face `number` of a photo, counted from the largest; every face, the largest first, where that is None.

    Raises NoFaceError where there are not so many.
    """
    faces, dropped = find_faces(photo.rgb, detector, reconstructor)
    if not faces:
        why = f" ({dropped[0]})" if dropped else ""
        raise NoFaceError(f"{photo.source}: no face was found{why}.")
    if number is None:
        return [upright(photo, face, reconstructor) for face in faces[:MOST_FACES]]
    if number > len(faces):
        raise NoFaceError(
            f"{photo.source}: has {len(faces)} face{'s' * (len(faces) > 1)}, but face {number} is wanted."
        )
    return [upright(photo, faces[number - 1], reconstructor)]


def upright(photo: Photo, face: Reconstruction, reconstructor: Reconstructor) -> Reconstruction:
    """The face itself; where it stands on its head, the same place looked at again, a little higher.

    In a mask turned aside Face Mesh may see a forehead. What stays upside down is so in the photo.
    """
    if abs(face.pose.degrees[2]) <= UPSIDE_DOWN_DEG:
        return face
    for share in (0.12, 0.2, 0.28):
        box = replace(
            face.box, top=face.box.top - share * face.box.height, bottom=face.box.bottom - share * face.box.height
        )
        try:
            again = reconstructor.reconstruct(photo.rgb, Detection(box, face.score, np.zeros((0, 2), np.float32)))
        except NoFaceError:
            continue
        if abs(again.pose.degrees[2]) <= UPSIDE_DOWN_DEG:
            return again
    return face


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
    if abs(face.pose.degrees[2]) > UPSIDE_DOWN_DEG:
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


def judge_mask(photo: Photo, segmentation: Segmentation) -> list[str]:
    """What makes the mask in a photo a poor source, one sentence each."""
    warnings = []
    if segmentation.score < UNSURE:
        warnings.append(
            f"{photo.source}: it is not sure that this is a mask (score {segmentation.score:.2f}; from {UNSURE:.2f} on "
            "there is little doubt). Look at the preview."
        )
    inside = segmentation.alpha > 0.5
    count = int(inside.sum())
    if count == 0:
        return warnings
    edge = np.concatenate([inside[0], inside[-1], inside[1:-1, 0], inside[1:-1, -1]])
    cut = float(edge.sum() / np.sqrt(count))
    if cut > CUT:
        warnings.append(
            f"{photo.source}: the mask is cut off: {int(edge.sum())} px of it lie along the photo's edge. What is "
            "beyond is continued from its surroundings."
        )
    for what, spoilt in (
        ("overexposed", (photo.rgb[inside] >= 252).all(axis=1)),
        ("black", (photo.rgb[inside] <= 3).all(axis=1)),
    ):
        if spoilt.mean() > SPOILT:
            warnings.append(
                f"{photo.source}: {100 * spoilt.mean():.0f} % of the mask is {what}, where its cloth cannot be seen "
                f"(more than {100 * SPOILT:.0f} %)."
            )
    return warnings


def judge_cover(photo: Photo, covered: float) -> list[str]:
    """A sentence where something lies over the mask; `covered` is the share of it that it hides."""
    if covered <= COVERED:
        return []
    return [
        f"{photo.source}: something (a hand, hair?) covers {100 * covered:.0f} % of the mask; what it hides is "
        "mirrored or continued from its surroundings. Look at the preview; a second photo without it fills it in."
    ]


def judge_outline(photo: Photo, cover: float, stray: float) -> list[str]:
    """A sentence where the outline that was found is not that of a mask; `cover` is its share of the layout."""
    if cover < SMALL_COVER:
        return [
            f"{photo.source}: the mask found covers {100 * cover:.0f} % of the layout, less than masks do (from "
            f"{100 * SMALL_COVER:.0f} %). Look at the preview; --segmentation takes an outline that you drew."
        ]
    if stray <= STRAY:
        return []
    return [
        f"{photo.source}: {100 * stray:.0f} % of the outline found is not like a mask's (a hand, hair, something of "
        "the same colour?) and was replaced. Look at the preview; --segmentation takes an outline that you drew."
    ]


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
