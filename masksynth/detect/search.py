"""Looking for faces closely: whole picture, windows of it, from further away, and turned.

BlazeFace sees only faces that span about an eighth of the picture or more, and only faces that stand upright. Windows
find small faces, a black border finds faces that fill the picture, quarter turns find those that lie or hang.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from masksynth.arrays import Box, Detection, Photo8
from masksynth.detect.boxes import distinct
from masksynth.detect.halving import halved, halvings, in_colour, planes_of

Look = Callable[[Photo8], list[Detection]]  # one pass of a detector over a picture
Accepted = Callable[[list[Detection]], bool]  # whether these are upright faces


@dataclass(frozen=True, kw_only=True)
class Reach:
    """How closely a picture is searched, in pixels."""

    max_side: int  # larger pictures are searched at this size
    min_window: int  # smaller windows would look for faces of less than 20
    always_window: int  # windows of this side and more are searched even where faces were found


NEAR_SIGHTED = Reach(max_side=2560, min_window=160, always_window=400)  # sees faces of an eighth of the side and more
FAR_SIGHTED = Reach(max_side=4320, min_window=540, always_window=1080)  # sees faces of 20 px in 1080 x 720
SURE = 0.8  # a picture whose best face scores less, and which nothing else vouches for, is also looked at turned,
MUCH_BETTER = 0.1  # and taken as turned where that scores so much more: faces score upside down too, with wrong points


def search(rgb: Photo8, look: Look, reach: Reach, accepted: Accepted | None = None) -> list[Detection]:
    """Faces of a (H, W, 3) picture, largest first, in its pixels; `accepted` as in `SearchingDetector.detect`."""
    small, factor = _shrunk(rgb, reach.max_side)
    found = look(small)
    window = max(small.shape[:2]) // 2
    while window >= reach.always_window:
        found += _windows(small, look, window)
        window //= 2
    if not found:
        found = _from_afar(small, look)
    while not found and window >= reach.min_window:
        found = _windows(small, look, window)
        window //= 2
    upright = distinct([_scaled(detection, 1 / factor) for detection in found])
    if _best(found) >= SURE or (found and accepted is not None and accepted(upright)):
        return upright
    turned = _turned(small, look)
    if not found or _best(turned) > _best(found) + MUCH_BETTER:
        return distinct([_scaled(detection, 1 / factor) for detection in turned])
    return upright


def _windows(rgb: Photo8, look: Look, side: int) -> list[Detection]:
    """Half-overlapping square windows; a face that a window cuts is left to the next one."""
    height, width = rgb.shape[:2]
    found = []
    for top in _starts(height, side):
        for left in _starts(width, side):
            window = rgb[top : top + side, left : left + side]
            for detection in look(np.ascontiguousarray(window)):
                box = _shifted(detection, left, top).box
                margin = 0.02 * side
                cut = (
                    (left > 0 and box.left < left + margin)
                    or (top > 0 and box.top < top + margin)
                    or (left + side < width and box.right > left + side - margin)
                    or (top + side < height and box.bottom > top + side - margin)
                )
                if not cut:
                    found.append(_shifted(detection, left, top))
    return found


def _starts(length: int, side: int) -> Iterator[int]:
    if length <= side:
        yield 0
        return
    steps = int(np.ceil((length - side) / (side / 2)))
    for k in range(steps + 1):
        yield round(k * (length - side) / steps)


def _from_afar(rgb: Photo8, look: Look) -> list[Detection]:
    """The picture within a black border of half its side all round, for faces that fill it."""
    import cv2

    border = max(rgb.shape[:2]) // 2
    padded = cv2.copyMakeBorder(rgb, border, border, border, border, cv2.BORDER_CONSTANT, value=(0, 0, 0))
    return [_shifted(detection, -border, -border) for detection in look(np.asarray(padded, np.uint8))]


def _turned(rgb: Photo8, look: Look) -> list[Detection]:
    """Faces in the picture turned by the quarter turn that shows them best."""
    best: list[Detection] = []
    for quarters in (1, 3, 2):  # counter-clockwise
        turned = np.ascontiguousarray(np.rot90(rgb, quarters))
        found = look(turned)
        if _best(found) > _best(best):
            best = [turned_back(detection, quarters, turned.shape[:2]) for detection in found]
    return best


def _best(detections: list[Detection]) -> float:
    return max((detection.score for detection in detections), default=0.0)


def turned_back(detection: Detection, quarters: int, shape: tuple[int, int]) -> Detection:
    """A detection in a picture of `shape` (H, W) that ``np.rot90(picture, quarters)`` gave, in the picture before."""
    corners = np.array([[detection.box.left, detection.box.top], [detection.box.right, detection.box.bottom]])
    points = detection.points.astype(np.float64)
    height, width = shape
    for _ in range(quarters % 4):
        # The pixel (x, y) of the turned picture came from (height - 1 - y, x).
        corners = np.stack([height - 1 - corners[:, 1], corners[:, 0]], axis=1)
        points = np.stack([height - 1 - points[:, 1], points[:, 0]], axis=1) if len(points) else points
        height, width = width, height
    low, high = corners.min(0), corners.max(0)
    box = Box(float(low[0]), float(low[1]), float(high[0]), float(high[1]))
    return Detection(box, detection.score, points.astype(np.float32))


def _shrunk(rgb: Photo8, limit: int) -> tuple[Photo8, float]:
    """The picture at `limit` px at most, and its size over that of the picture as it was."""
    import cv2

    if max(rgb.shape[:2]) <= limit:
        return rgb, 1.0
    times = halvings(rgb.shape, limit)
    small = halved(planes_of(rgb), times)
    factor = min(limit / max(small.shape[:2]), 1.0)
    if factor < 1:
        size = (max(1, round(small.shape[1] * factor)), max(1, round(small.shape[0] * factor)))
        small = np.asarray(cv2.resize(small, size, interpolation=cv2.INTER_LINEAR), np.uint8)
    return small if small.ndim == 3 else in_colour(small), factor / (1 << times)


def _shifted(detection: Detection, dx: float, dy: float) -> Detection:
    box = detection.box
    moved = Box(box.left + dx, box.top + dy, box.right + dx, box.bottom + dy)
    return Detection(moved, detection.score, (detection.points + np.array([dx, dy], np.float32)).astype(np.float32))


def _scaled(detection: Detection, factor: float) -> Detection:
    """Pixel centres at whole coordinates: edge positions scale, centres are half a pixel further in."""
    if factor == 1.0:
        return detection
    b = detection.box
    values = [(v + 0.5) * factor - 0.5 for v in (b.left, b.top, b.right, b.bottom)]
    points = ((detection.points + 0.5) * factor - 0.5).astype(np.float32)
    return Detection(Box(*values), detection.score, points)
