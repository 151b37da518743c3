"""Where Face Mesh looks: squares of the photo, turned so that the face stands upright in them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from masksynth.arrays import Detection, Matrix, Photo8, Points3

SIDE = 192  # of the network's input
REGION = 1.5  # side of the region in longer sides of the face's box
OUTER_EYES = (33, 263)  # mesh points, image-left, image-right
PROFILE = 0.5  # eyes nearer to each other than this share of their distance from the mouth do not say what is level
SAME_SIDE, SAME_CENTRE, SAME_ANGLE_DEG = 0.08, 0.04, 4.0
"""A region that differs by less in its side, its centre (in sides) and its angle is as good as another."""


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
    xy = points[:, :2].astype(np.float64)
    across = xy[OUTER_EYES[1]] - xy[OUTER_EYES[0]]
    angle = float(np.arctan2(across[1], across[0]))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    level = xy @ turn
    low, high = level.min(0), level.max(0)
    return Region(turn @ ((low + high) / 2), REGION * float((high - low).max()), angle)


def alike(one: Region, other: Region) -> bool:
    """Whether two regions show the network about the same picture."""
    turned = abs((one.angle - other.angle + np.pi) % (2 * np.pi) - np.pi)
    return bool(
        abs(other.side / one.side - 1) <= SAME_SIDE
        and np.linalg.norm(other.centre - one.centre) <= SAME_CENTRE * one.side
        and np.degrees(turned) <= SAME_ANGLE_DEG
    )


def crop_region(rgb: Photo8, region: Region) -> tuple[Photo8, Matrix]:
    """The (192, 192, 3) picture of a region, black outside the photo, and its (2, 3) photo_from_crop.

    Large regions are averaged down first, so that fine texture does not alias.
    """
    import cv2

    photo_from_crop = region.photo_from_crop
    step = int(region.side / SIDE)
    if step < 2:
        crop = cv2.warpAffine(rgb, photo_from_crop, (SIDE, SIDE), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
        return np.asarray(crop, np.uint8), photo_from_crop
    reach = region.side * 0.75  # half the diagonal of the square and a little
    low = np.maximum(np.floor(region.centre - reach).astype(int), 0)
    high = np.minimum(np.ceil(region.centre + reach).astype(int) + 1, rgb.shape[1::-1])
    size = (high - low) // step
    if (size < 1).any():
        return np.zeros((SIDE, SIDE, 3), np.uint8), photo_from_crop
    part = rgb[low[1] : low[1] + size[1] * step, low[0] : low[0] + size[0] * step]
    small = cv2.resize(part, (int(size[0]), int(size[1])), interpolation=cv2.INTER_AREA)
    small_from_crop = photo_from_crop / step
    small_from_crop[:, 2] = (photo_from_crop[:, 2] - low + 0.5) / step - 0.5
    crop = cv2.warpAffine(small, small_from_crop, (SIDE, SIDE), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    return np.asarray(crop, np.uint8), photo_from_crop
