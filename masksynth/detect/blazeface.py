"""BlazeFace, short range: one pass over a picture of 128 × 128.

References
----------
Bazarevsky et al., "BlazeFace: Sub-millisecond Neural Face Detection on Mobile GPUs", 2019. The trained network is
the one published in MediaPipe 0.10.21.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from masksynth.arrays import Box, Detection, Photo8
from masksynth.detect.boxes import merged
from masksynth.detect.halving import halved, halvings, planes_of
from masksynth.detect.tflite import TfliteNetwork

SIDE = 128  # of the network's input
MIN_SCORE = 0.5
MERGE_OVERLAP = 0.3
POINTS = 6  # image-left eye, image-right eye, nose tip, mouth centre, two ears


class BlazeFace:
    """The network and the decoding of its output."""

    def __init__(self, path: Path) -> None:
        self._network = TfliteNetwork(path)
        self._anchors = anchors()

    def detect_once(self, rgb: Photo8, *, least: float = MIN_SCORE) -> list[Detection]:
        """Faces of about 1/8 of the longer side and more in one look at the whole picture; best score first.

        `rgb` is (H, W, 3) uint8; the result is in its pixels.
        """
        square, scale, offset = letterboxed(rgb, SIDE)
        regressors, logits = self._network(square, 1 / 127.5, -1.0)
        logits = logits.reshape(-1)
        sure = np.flatnonzero(logits >= np.log(least / (1 - least)))
        if not sure.size:
            return []
        scores = 1 / (1 + np.exp(-logits[sure].astype(np.float64)))
        values = regressors.reshape(-1, 4 + 2 * POINTS)[sure].astype(np.float64) / SIDE
        values[:, :2] += self._anchors[sure]
        values[:, 4:] += np.tile(self._anchors[sure], POINTS)
        corners = np.concatenate([values[:, :2] - values[:, 2:4] / 2, values[:, :2] + values[:, 2:4] / 2], axis=1)
        rows, best = merged(corners, scores, np.concatenate([corners, values[:, 4:]], axis=1), MERGE_OVERLAP)
        # Edges of the square are 0 and 1 here, and -1/2 and SIDE - 1/2 in pixels whose centres are whole.
        pixels = ((rows * SIDE).reshape(len(rows), -1, 2) - offset) / scale - 0.5
        return [
            Detection(Box(*(float(v) for v in p[:2].ravel())), float(score), p[2:].astype(np.float32))
            for p, score in zip(pixels, best, strict=True)
        ]


def anchors() -> npt.NDArray[np.float64]:
    """(896, 2) centres of the network's anchors in shares of the input's side: 16 × 16 cells of 2, then 8 × 8 of 6."""
    grids = []
    for cells, repeat in ((16, 2), (8, 6)):
        centres = (np.arange(cells) + 0.5) / cells
        y, x = np.meshgrid(centres, centres, indexing="ij")
        grids.append(np.repeat(np.stack([x.ravel(), y.ravel()], axis=1), repeat, axis=0))
    return np.concatenate(grids)


def letterboxed(rgb: Photo8, side: int) -> tuple[Photo8, npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """The picture, whole, in the middle of a black square of `side`.

    It is halved, by means of four, until it is less than twice as large as it should be, and the rest is bilinear: in
    half the time, what averaging over areas gives. A last row or column without a partner is left out.

    Returns the square, and (2,) scale and (2,) offset with edge position in the square = position × scale + offset,
    where the picture spans 0 to its width and height.
    """
    import cv2

    times = halvings(rgb.shape, side)
    small = halved(planes_of(rgb), times)
    height, width = small.shape[:2]
    factor = side / max(height, width)
    new_width, new_height = max(1, round(width * factor)), max(1, round(height * factor))
    left, top = (side - new_width) // 2, (side - new_height) // 2
    square = np.zeros((side, side, 3), np.uint8)
    inside = cv2.resize(small, (new_width, new_height))
    square[top : top + new_height, left : left + new_width] = inside if inside.ndim == 3 else inside[:, :, None]
    scale = np.array([new_width / width, new_height / height]) / (1 << times)
    return square, scale, np.array([left, top], np.float64)
