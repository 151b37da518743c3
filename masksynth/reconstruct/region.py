"""Where Face Mesh looks: squares of the photo, turned so that the face stands upright in them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from masksynth.arrays import Detection, Matrix, Photo8, Points3
from masksynth.detect.halving import halved, halvings, planes_of

SIDE = 192  # of the network's input
REGION = 1.5  # side of the region in longer sides of the face's box
OUTER_EYES = (33, 263)  # mesh points, image-left, image-right
PROFILE = 0.5  # eyes nearer to each other than this share of their distance from the mouth do not say what is level
SAME_SIDE, SAME_CENTRE, SAME_ANGLE_DEG = 0.08, 0.04, 4.0
"""A region that differs by less in its side, its centre (in sides) and its angle is as good as another."""
LEVEL_DEG = 2.5  # a region turned by less is as good as an upright one, whose picture costs a sixth
SPECK = 8  # a region of more photos' sides shows nothing: the photo would be 24 pixels in it
SMALLEST_SNAPPED = 64  # pixels: in smaller regions half a pixel counts


@dataclass(frozen=True)
class Region:
    """A square of the photo, turned."""

    centre: npt.NDArray[np.float64]  # (2,) pixels
    side: float  # pixels
    angle: float  # radians, clockwise in the image

    @property
    def photo_from_crop(self) -> Matrix:
        """(2, 3): pixel centres of the network's input to those of the photo."""
        scale = self.side / SIDE
        turn = scale * np.array([[np.cos(self.angle), -np.sin(self.angle)], [np.sin(self.angle), np.cos(self.angle)]])
        middle = np.full(2, (SIDE - 1) / 2)
        return np.concatenate([turn, (self.centre - turn @ middle)[:, None]], axis=1)


def in_profile(detection: Detection) -> bool:
    """Whether the detector's eyes are so near to each other that the face must be seen from the side."""
    p = detection.points.astype(np.float64)
    return len(p) >= 4 and bool(np.linalg.norm(p[1] - p[0]) < PROFILE * np.linalg.norm(p[3] - (p[0] + p[1]) / 2))


def region_of_detection(detection: Detection) -> Region:
    """A square of 1.5 longer sides round the box, turned so that the eyes are level where the detector gave eyes.

    In profile the eyes fall together and say nothing; then the mouth, where it was given, lies below them.
    """
    angle = 0.0
    points = detection.points.astype(np.float64)
    if len(points) >= 2:
        across = points[1] - points[0]
        angle = float(np.arctan2(across[1], across[0]))
    if in_profile(detection):
        down = points[3] - (points[0] + points[1]) / 2
        angle = float(np.arctan2(-down[0], down[1]))
    box = detection.box
    return Region(np.array(box.centre), REGION * max(box.width, box.height), angle)


def near_by(region: Region) -> list[Region]:
    """Other regions for the same face: a little aside, larger, turned."""
    across = 0.08 * region.side * np.array([np.cos(region.angle), np.sin(region.angle)])
    aside = [Region(region.centre + way * across, region.side, region.angle) for way in (1, -1)]
    larger = [Region(region.centre, factor * region.side, region.angle) for factor in (1.3, 1.15)]
    return aside + larger + [Region(region.centre, region.side, region.angle + turn) for turn in (0.17, -0.17)]


def region_of_mesh(points: Points3) -> Region:
    """The same square round the mesh itself, as seen with its eyes level."""
    across = (points[OUTER_EYES[1], :2] - points[OUTER_EYES[0], :2]).astype(np.float64)
    angle = float(np.arctan2(across[1], across[0]))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    level = turn.T @ points[:, :2].T  # rows, so that least and most of each are one pass
    low, high = level.min(1), level.max(1)
    return Region(turn @ ((low + high) / 2), REGION * float((high - low).max()), angle)


def alike(one: Region, other: Region) -> bool:
    """Whether two regions show the network about the same picture."""
    turned = abs((one.angle - other.angle + np.pi) % (2 * np.pi) - np.pi)
    return bool(
        abs(other.side / one.side - 1) <= SAME_SIDE
        and np.linalg.norm(other.centre - one.centre) <= SAME_CENTRE * one.side
        and np.degrees(turned) <= SAME_ANGLE_DEG
    )


def snapped(region: Region) -> Region:
    """The region itself, or, where it is level but for LEVEL_DEG, an upright one on whole pixels beside it."""
    if abs(np.degrees(region.angle)) > LEVEL_DEG or region.side < SMALLEST_SNAPPED:
        return region
    unit = 1 << _halvings(region.side)
    side = round(region.side / unit) * unit
    corner = np.round(region.centre - (side - 1) / 2)
    return Region(corner + (side - 1) / 2, float(side), 0.0)


def crop_region(rgb: Photo8, region: Region) -> tuple[Photo8, Matrix]:
    """The (192, 192, 3) picture of a region, black outside the photo, and its (2, 3) photo_from_crop.

    Large regions are halved by means of four first, so that fine texture does not alias. A region that `snapped` put
    upright on whole pixels is cut out and scaled. One that is far larger than the photo is black.
    """
    import cv2

    photo_from_crop = region.photo_from_crop
    if region.side > SPECK * max(rgb.shape[:2]):
        return np.zeros((SIDE, SIDE, 3), np.uint8), photo_from_crop
    corner = region.centre - (region.side - 1) / 2
    if region.angle == 0 and region.side == round(region.side) and (corner == np.round(corner)).all():
        (left, top), side = corner.astype(int).tolist(), round(region.side)
        crop = halved(_cut(planes_of(rgb), left, top, side, side), _halvings(side))
        return _in_three(cv2.resize(crop, (SIDE, SIDE))), photo_from_crop
    rgb = planes_of(rgb)
    part, small_from_crop = rgb, photo_from_crop.copy()
    times = _halvings(region.side)
    if times:
        reach, unit = region.side * 0.75, 1 << times  # half the diagonal of the square and a little
        low = np.maximum(np.floor(region.centre - reach).astype(int), 0)
        high = np.minimum(np.ceil(region.centre + reach).astype(int) + 1, rgb.shape[1::-1])
        size = (high - low) // unit
        if (size < 1).any():
            return np.zeros((SIDE, SIDE, 3), np.uint8), photo_from_crop
        part = halved(rgb[low[1] : low[1] + size[1] * unit, low[0] : low[0] + size[0] * unit], times)
        small_from_crop = photo_from_crop / unit
        small_from_crop[:, 2] = (photo_from_crop[:, 2] - low + 0.5) / unit - 0.5
    crop = cv2.warpAffine(part, small_from_crop, (SIDE, SIDE), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)  # type: ignore[assignment]
    return _in_three(crop), photo_from_crop


def _in_three(crop: Any) -> Photo8:
    """(SIDE, SIDE, 3) of that, or of a grey one."""
    import cv2

    return np.asarray(crop if crop.ndim == 3 else cv2.cvtColor(crop, cv2.COLOR_GRAY2RGB), np.uint8)


def _halvings(side: float) -> int:
    """How often a square of this side is halved before what is left is less than twice the network's."""
    return halvings((int(side), int(side)), SIDE)


def _cut(rgb: Photo8, left: int, top: int, width: int, height: int) -> Photo8:
    """That part of the picture, black outside it."""
    inside = rgb[max(top, 0) : max(top + height, 0), max(left, 0) : max(left + width, 0)]
    if inside.shape[:2] == (height, width):
        return inside
    whole = np.zeros((height, width, *rgb.shape[2:]), np.uint8)
    y, x = max(-top, 0), max(-left, 0)
    whole[y : y + inside.shape[0], x : x + inside.shape[1]] = inside
    return whole
