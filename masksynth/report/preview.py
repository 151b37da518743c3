"""What `extract-template` shows of its work: the outline in the photo, the texture, the template worn."""

from __future__ import annotations

import cv2
import numpy as np

from masksynth.arrays import Photo8
from masksynth.extract import ExtractedTemplate, View
from masksynth.segment.frame import crop_matrix
from masksynth.template import Template
from masksynth.template.worn import worn

TILE = 288
YAWS_DEG = (-45.0, 0.0, 45.0)
OUTLINE = (30, 230, 60)
SQUARES = (0.80, 0.92)


def preview(extracted: ExtractedTemplate, tile: int = TILE) -> Photo8:
    """A row of pictures: each photo with the outline, the UV texture, the template on the generic face at three yaws.

    Returns
    -------
    (tile, n * tile, 3) uint8
    """
    photos = [_outlined(view, tile) for view in extracted.views[:4]]
    return np.hstack([*photos, showcase(extracted.template, tile)])


def showcase(template: Template, tile: int = TILE) -> Photo8:
    """The UV texture and the template on the generic face at three yaws, (tile, 4 * tile, 3) uint8."""
    faces = [worn(template, yaw_deg=yaw, side=tile) for yaw in YAWS_DEG]
    return np.hstack([texture_picture(template, tile), *faces])


def texture_picture(template: Template, side: int = TILE) -> Photo8:
    """The template's texture over a chequered ground, (side, side, 3) uint8."""
    rgba = cv2.resize(template.rgba, (side, side), interpolation=cv2.INTER_AREA)
    v, u = np.mgrid[:side, :side] // 12
    ground = np.where(((u + v) % 2 == 0)[..., None], *SQUARES)
    picture = ground + rgba[..., 3:] * (rgba[..., :3] - ground)
    return np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8)


def _outlined(view: View, tile: int) -> Photo8:
    matrix = crop_matrix(view.face, tile)
    shrink = float(np.hypot(*matrix[:, 0]))
    photo = view.photo.rgb
    if shrink < 0.6:
        photo = np.asarray(cv2.GaussianBlur(photo, (0, 0), 0.4 / shrink), np.uint8)
    warped = cv2.warpAffine(photo, matrix, (tile, tile), flags=cv2.INTER_LINEAR, borderValue=(90, 90, 90))
    picture = np.asarray(warped, np.uint8)
    alpha = cv2.warpAffine(view.segmentation.alpha, matrix, (tile, tile), flags=cv2.INTER_LINEAR)
    outlines, _ = cv2.findContours((alpha >= 0.5).astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(picture, outlines, -1, OUTLINE, 1, cv2.LINE_AA)
    return picture
