"""Straps and ear loops beside the mask: thin lines on the cheek that begin at its edge."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from masksynth.arrays import Alpha, Photo8, Reconstruction
from masksynth.extract.texture import Field, View, resized, visibility
from masksynth.segment.frame import face_frame, to_photo

SIDE = 320  # of the square that straps are looked for in
WIDEST = 0.075  # interocular distances: about 7 mm
CONTRAST = 9.0  # steps of CIELAB by which a strap differs from the skin on both its sides
SHORTEST = 0.10  # interocular distances that it leads away from the mask
SLENDER = 2.2  # its area is that of a line of its length, WIDEST wide, over this at most
TO_THE_EAR = 84.0  # texels of the layout from the middle of the face that a strap reaches: hair and fingers end before
BESIDE = 46.0  # texels of the layout from the middle of the face, from which there are straps


def find_straps(rgb: Photo8, face: Reconstruction, alpha: Alpha) -> Alpha:
    """(H, W) share of each pixel that is strap, in a photo (H, W, 3) of `face` whose mask is `alpha` (H, W).

    A strap is what an opening or a closing by a disc wider than it takes from the photo (a top hat in lightness or
    colour), where that hangs together, is slender, and leads from the mask's edge across the cheek.
    """
    frame = face_frame(rgb, face, SIDE)
    unit = frame.pixels_per_interocular
    mask = cv2.warpAffine(alpha, frame.crop_from_photo, (SIDE, SIDE), flags=cv2.INTER_LINEAR) > 0.5
    lab = cv2.cvtColor(frame.rgb.astype(np.float32) / np.float32(255), cv2.COLOR_RGB2LAB)
    reach = round(WIDEST * unit / 2) + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    near = cv2.dilate(mask.astype(np.uint8), disc) > 0
    differs = np.zeros((SIDE, SIDE), np.float32)
    for channel in cv2.split(cv2.GaussianBlur(lab, (0, 0), 0.8)):
        for how in (cv2.MORPH_TOPHAT, cv2.MORPH_BLACKHAT):
            differs = np.maximum(differs, cv2.morphologyEx(channel, how, disc))
    cheek = frame.in_photo & frame.on_face & (np.abs(frame.u - 127.5) > BESIDE) & (frame.v > 70) & (frame.v < 215)
    lines = cheek & ~mask & (differs > CONTRAST)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(lines.astype(np.uint8), connectivity=8)
    away = cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    found = np.zeros((SIDE, SIDE), np.uint8)
    for k in range(1, count):
        part = labels == k
        length = float(away[part].max())
        area = stats[k, cv2.CC_STAT_AREA]
        aside = float(np.abs(frame.u[part] - 127.5).max())
        slender = area < SLENDER * length * WIDEST * unit
        if (part & near).any() and length > SHORTEST * unit and slender and aside > TO_THE_EAR:
            found[part] = 1
    return to_photo(found.astype(np.float32), frame.crop_from_photo, alpha.shape[:2])


def straps_of(views: Sequence[View], size: int) -> tuple[Field, Field]:
    """What the photos show of straps, in the layout.

    Found beside a mask that the program found; in a segmentation that a person drew, what is thin as a strap. The side
    that no photo shows takes the other's.

    Returns
    -------
    alpha : (size, size)
    colour : (3,) sRGB-encoded, the median of theirs; straps are of one colour
    """
    alpha, seen = np.zeros((size, size)), np.zeros((size, size), bool)
    colours = []
    for view in views:
        drawn = view.segmentation.method == "given"
        found = drawn_straps(view.segmentation.alpha, view.face) if drawn else None
        if found is None:
            found = find_straps(view.photo.rgb, view.face, view.segmentation.alpha)
        weight, _ = visibility(view.face, size)
        places = resized(view.face.position_map.positions, size)
        x, y = (np.ascontiguousarray(places[..., k], np.float32) for k in (0, 1))
        read = np.asarray(cv2.remap(found, x, y, cv2.INTER_LINEAR, borderValue=(0.0,)))
        alpha = np.maximum(alpha, read * (weight > 0))
        seen |= weight > 0
        colours.append(view.photo.rgb[found > 0.7] / 255)
    alpha = np.where(seen, alpha, alpha[:, ::-1])
    every = np.concatenate(colours)
    return alpha, np.median(every, axis=0) if len(every) else np.zeros(3)


def drawn_straps(alpha: Alpha, face: Reconstruction) -> npt.NDArray[np.float32]:
    """(H, W): what of a segmentation that a person drew is thin as a strap."""
    reach = max(1, round(WIDEST * face.interocular / 2))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    padded = np.pad(alpha, 2 * reach, mode="edge")
    opened = cv2.morphologyEx(padded, cv2.MORPH_OPEN, disc)[2 * reach : -2 * reach, 2 * reach : -2 * reach]
    thin = alpha - opened
    beside = np.abs(thin) * (cv2.dilate((opened > 0.5).astype(np.uint8), np.ones((3, 3), np.uint8)) == 0)
    return np.asarray(beside, np.float32)
