"""Overlap, merging and moving of detections; shared by all detectors."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from masksynth.arrays import Box, Detection


def overlaps(box: npt.NDArray[np.floating], boxes: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    """Intersection over union of one (4,) box with (N, 4) boxes: left, top, right, bottom."""
    size = np.maximum(np.minimum(box[2:], boxes[:, 2:]) - np.maximum(box[:2], boxes[:, :2]), 0)
    shared = size[:, 0] * size[:, 1]
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    return shared / np.maximum((box[2] - box[0]) * (box[3] - box[1]) + areas - shared, 1e-9)


def merged(
    boxes: npt.NDArray[np.floating], scores: npt.NDArray[np.floating], values: npt.NDArray[np.floating], least: float
) -> tuple[npt.NDArray[np.floating], npt.NDArray[np.floating]]:
    """One row of `values` for each group of overlapping boxes: its score-weighted mean, with the group's best score.

    Boxes are taken best first, each with all that remain and overlap it by more than `least` (Bazarevsky et al.,
    "BlazeFace", 2019, section 4: averaging trembles less than dropping).

    Returns (G, V) values and (G,) scores, best first.
    """
    order = np.argsort(-scores, kind="stable")
    rows, best = [], []
    while order.size:
        near = overlaps(boxes[order[0]], boxes[order]) > least
        near[0] = True  # a box without area overlaps nothing, not even itself
        group = order[near]
        rows.append(scores[group] @ values[group] / scores[group].sum())
        best.append(scores[order[0]])
        order = order[~near]
    return np.array(rows).reshape(len(rows), values.shape[1]), np.array(best)


def distinct(detections: list[Detection], least: float = 0.3) -> list[Detection]:
    """Those that overlap no better one by more than `least` of either's area, largest face first."""
    kept: list[Detection] = []
    for detection in sorted(detections, key=lambda d: -d.score):
        if all(_share(detection.box, other.box) <= least for other in kept):
            kept.append(detection)
    return sorted(kept, key=lambda d: -d.box.width * d.box.height)


def _share(a: Box, b: Box) -> float:
    """Intersection over the smaller area."""
    width = min(a.right, b.right) - max(a.left, b.left)
    height = min(a.bottom, b.bottom) - max(a.top, b.top)
    smaller = min(a.width * a.height, b.width * b.height)
    return max(width, 0.0) * max(height, 0.0) / max(smaller, 1e-9)
