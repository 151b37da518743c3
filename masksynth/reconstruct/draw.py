"""Reconstructed faces drawn over their photo, for people to look at."""

from __future__ import annotations

import numpy as np

from masksynth.arrays import Photo8, Reconstruction

GREEN, YELLOW = (60, 220, 60), (255, 225, 60)
AXES = ((230, 60, 60), (60, 200, 60), (70, 120, 255))  # x, y, z of the head
LINES = (  # of the 68 points; the second value says whether the last joins the first
    (range(17), False),
    (range(17, 22), False),
    (range(22, 27), False),
    (range(27, 31), False),
    (range(31, 36), False),
    (range(36, 42), True),
    (range(42, 48), True),
    (range(48, 60), True),
    (range(60, 68), True),
)
SUB = 4  # bits after the point that OpenCV draws with


def draw_faces(rgb: Photo8, faces: list[Reconstruction]) -> Photo8:
    """A copy of (H, W, 3) uint8 with the 68 points, the box and the head's axes of each face."""
    import cv2

    picture = np.array(rgb, np.uint8)
    for face in faces:
        thickness = max(1, round(face.interocular / 120))
        points = face.landmarks68[:, :2]
        for line, closed in LINES:
            path = np.round(points[list(line)] * (1 << SUB)).astype(np.int32)
            cv2.polylines(picture, [path], closed, GREEN, thickness, cv2.LINE_AA, SUB)
        for x, y in points:
            centre = (round(float(x) * (1 << SUB)), round(float(y) * (1 << SUB)))
            cv2.circle(picture, centre, (thickness + 1) << (SUB - 1), YELLOW, -1, cv2.LINE_AA, SUB)
        box = face.box
        low, high = (round(box.left), round(box.top)), (round(box.right), round(box.bottom))
        cv2.rectangle(picture, low, high, YELLOW, thickness, cv2.LINE_AA)
        start = face.landmarks68[30]
        for axis, colour in enumerate(AXES):
            sign = -1.0 if axis == 1 else 1.0  # upwards reads better than down
            end = start + sign * 0.6 * face.interocular * face.pose.matrix[:, axis]
            ends = [tuple(int(v) for v in np.round(p[:2] * (1 << SUB))) for p in (start, end)]
            cv2.line(picture, ends[0], ends[1], colour, thickness + 1, cv2.LINE_AA, SUB)
    return picture
