"""Faces whose place is known from outside, as points or a box, from a file or a data set: no detector is needed."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt

from masksynth.arrays import Box, Detection, Photo8, Pose
from masksynth.errors import ConfigError, ShapeError, counted
from masksynth.files import read_bytes
from masksynth.reconstruct.generic import generic_landmarks68

COUNTS = (2, 5, 68, 106)  # eyes; eyes, nose tip, mouth corners; iBUG; the 106 points of FaceX-Zoo and others
YAWS_DEG = (0, -40, 40, -65, 65, -85, 85)
"""To which the generic face is turned to fit five points; it stays frontal unless another fits this much better:"""
BETTER = 0.7
SPREADS = (1.7, 2.8)
"""By which eyes are drawn apart where they lead to no face as they are: in half profile they lie nearer together."""
GROWTH = 1.25  # of the box of more points than the eyes, likewise: a far side that is hidden makes it small
EYES_106 = (104, 105)  # centres, counted from 0, image-left first
MAX_BYTES = 64 << 20
FAR = 1e6  # pixels: no photo is so large

_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")


class GivenFaces:
    """Stands in for a detector: always answers with the faces it was made with."""

    name = "given"

    def __init__(self, detections: Sequence[Detection]) -> None:
        self.settings = repr([(d.box, d.points.tolist()) for d in detections])
        self._detections = sorted(detections, key=lambda d: -d.box.width * d.box.height)

    def detect(self, rgb: Photo8) -> list[Detection]:
        return list(self._detections)


def detection_of_points(points: npt.NDArray[np.floating] | Sequence[Sequence[float]]) -> Detection:
    """A face from its points.

    Parameters
    ----------
    points : (K, 2)
        2 eye centres, 5 points, 68 or 106 landmarks, the image's left side first, in pixels.

    Raises
    ------
    ShapeError
        If there are other than 2, 5, 68 or 106, they are not finite, lie in one place or beyond any photo.
    """
    p = np.asarray(points, np.float64)
    if p.ndim != 2 or p.shape[1] != 2 or len(p) not in COUNTS:
        raise ShapeError(f"points are (K, 2) with K of {', '.join(map(str, COUNTS))}, got {p.shape}")
    box = _box_of(p)
    if not np.isfinite(p).all() or max(box.width, box.height) < 2:
        raise ShapeError("the points are not finite or all lie in one place")
    if max(map(abs, (box.left, box.top, box.right, box.bottom))) > FAR:
        raise ShapeError(
            f"a point has the coordinate {p.flat[np.abs(p).argmax()]:g}, farther out than any photo reaches"
        )
    if len(p) == 106:
        eyes = p[list(EYES_106)]
    elif len(p) == 68:
        eyes = np.stack([p[36:42].mean(0), p[42:48].mean(0)])
    else:
        eyes, box = p[:2], _box_of(_whole_face(p))
    return Detection(box, 1.0, eyes.astype(np.float32), given=True)


def other_readings(detection: Detection) -> list[Detection]:
    """Other places of the face whose eyes are given: named from right to left, seen aslant, both, and so on."""
    eyes = detection.points.astype(np.float64)
    middle = eyes.mean(0)
    found = [detection_of_points(eyes[::-1])]
    if not _eyes_alone(detection):
        x, y = detection.box.centre
        w, h = GROWTH * detection.box.width / 2, GROWTH * detection.box.height / 2
        found += [
            replace(detection, box=Box(x - w, y - h, x + w, y + h), points=detection.points[::k]) for k in (1, -1)
        ]
    return found + [
        detection_of_points((eyes[::order] - middle) * spread + middle) for spread in SPREADS for order in (1, -1)
    ]


def either_way(detection: Detection) -> bool:
    """Whether a face whose eyes are given may stand or hang: nothing else was given, or they run from right to left."""
    return bool(detection.points[1, 0] < detection.points[0, 0]) or _eyes_alone(detection)


def _eyes_alone(detection: Detection) -> bool:
    return np.allclose(detection_of_points(detection.points).box.centre, detection.box.centre, atol=0.01)


def detection_of_box(left: float, top: float, right: float, bottom: float) -> Detection:
    """A face from the upright box round its landmarks (brows to chin). Raises ShapeError where that is no box."""
    if not (np.isfinite([left, top, right, bottom]).all() and right - left >= 2 and bottom - top >= 2):
        raise ShapeError(
            f"a box is LEFT TOP RIGHT BOTTOM with left < right and top < bottom, got {left, top, right, bottom}"
        )
    if max(map(abs, (left, top, right, bottom))) > FAR:
        raise ShapeError(f"the box {left, top, right, bottom} reaches farther out than any photo")
    return Detection(Box(left, top, right, bottom), 1.0, np.zeros((0, 2), np.float32), given=True)


def read_faces(path: Path, photo: Path) -> list[Detection]:
    """The faces that a file of landmarks gives for a photo.

    Text: a face a line, its 4, 10, 136 or 212 numbers apart by spaces, commas or semicolons, after the photo's name
    where a line begins with one (as in CASIA's eye files; only this photo's lines count), in quotation marks or not;
    or a point a line. JSON: one
    face or a list of them, each ``[[x, y], ...]``, ``{"points": [[x, y], ...]}`` or ``{"box": [left, top, right,
    bottom]}``, or an object of such by the photo's name.

    Raises
    ------
    ConfigError
        If the file cannot be read, is of no such form, or has no face for the photo.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ConfigError(f"{path}: is too large for a file of landmarks ({path.stat().st_size} bytes).")
        text = read_bytes(path).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{path}: could not be read as text ({getattr(error, 'strerror', None) or error})."
        ) from error
    try:
        faces = _from_json(text, photo) if path.suffix.lower() == ".json" else _from_text(text, photo)
    except RecursionError as error:
        raise ConfigError(f"{path}: is not a file of landmarks (its lists are nested too deeply).") from error
    except (ShapeError, ValueError, TypeError, KeyError, OverflowError) as error:
        raise ConfigError(f"{path}: is not a file of landmarks ({error}).") from error
    if not faces:
        raise ConfigError(f"{path}: has no face for {photo.name}.")
    return faces


def _box_of(points: npt.NDArray[np.float64]) -> Box:
    """Round (K, 2) points."""
    (left, top), (right, bottom) = points.min(0).tolist(), points.max(0).tolist()
    return Box(left, top, right, bottom)


def _whole_face(points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """(68, 2): the generic face's landmarks, moved, turned and scaled to fit 2 or 5 points (5: also in depth)."""
    # In complex numbers a similarity is w = a z + b, and least squares for a is one division; z has its mean at 0.
    w = np.ascontiguousarray(points).view(np.complex128)[:, 0]
    middle = w.sum() / len(w)
    best, least = np.zeros(0, np.complex128), np.inf
    for yaw in YAWS_DEG if len(points) > 2 else YAWS_DEG[:1]:
        whole, own, spread = _generic_face(len(points), yaw)
        factor = np.vdot(own, w - middle) / spread
        misfit = float((np.abs(factor * own + middle - w) ** 2).sum()) if len(points) > 2 else 0.0
        if misfit < least:
            best, least = factor * whole + middle, misfit if yaw else misfit * BETTER**2
    return best.view(np.float64).reshape(-1, 2)


@functools.cache
def _generic_face(count: int, yaw: int) -> tuple[npt.NDArray[np.complex128], npt.NDArray[np.complex128], float]:
    """The generic face, turned, as complex numbers round the mean of its first `count` of five points: its 68
    landmarks, those points, and the sum of their squares."""
    generic = (generic_landmarks68() @ Pose(np.radians(yaw), 0, 0).matrix.T)[:, :2]
    own = np.stack([generic[36:42].mean(0), generic[42:48].mean(0), generic[30], generic[48], generic[54]])[:count]
    z = own @ [1, 1j]
    around = z - z.mean()
    return generic @ [1, 1j] - z.mean(), around, float((np.abs(around) ** 2).sum())


def _from_text(text: str, photo: Path) -> list[Detection]:
    named: list[Detection] = []
    unnamed: list[list[float]] = []
    for line in text.splitlines():
        words = [word for word in re.split(r"[\s,;]+", line.replace('"', " ").strip()) if word]
        first = words[0] if words else ""
        numbers = []
        while words and _NUMBER.fullmatch(words[-1]):
            numbers.append(float(words.pop()))
        numbers.reverse()
        mine = bool(numbers) and (_is(" ".join(words), photo) if words else len(numbers) % 2 == 1 and _is(first, photo))
        if mine:
            if re.search(r"[,;]\s*[,;]", line):
                raise ShapeError(f"the line of {first} has an empty field")
            named.append(_of_numbers(numbers if words else numbers[1:]))  # a name may be a number
        elif numbers and not words:
            unnamed.append(numbers)
    if named or not unnamed:
        return named
    if all(len(numbers) == 2 for numbers in unnamed):
        return [detection_of_points(unnamed)]
    return [_of_numbers(numbers) for numbers in unnamed]


def _of_numbers(numbers: list[float]) -> Detection:
    if len(numbers) not in (2 * count for count in COUNTS):
        raise ShapeError(f"a line has {counted(len(numbers), 'number')}, but 4, 10, 136 or 212 are wanted")
    return detection_of_points(np.array(numbers).reshape(-1, 2))


def _from_json(text: str, photo: Path) -> list[Detection]:
    content = json.loads(text)
    if isinstance(content, dict) and not content.keys() & {"points", "landmarks", "box"}:
        content = [value for name, value in content.items() if _is(name, photo)]
        content = content[0] if len(content) == 1 else content
    return _faces_in(content)


def _faces_in(content: Any) -> list[Detection]:
    if isinstance(content, dict):
        if "box" in content and "points" not in content and "landmarks" not in content:
            return [_box(content["box"])]
        return [detection_of_points(content["points"] if "points" in content else content["landmarks"])]
    if not isinstance(content, list):
        raise TypeError("neither a list nor an object")
    if any(isinstance(part, (int, float, str)) for part in content):
        raise TypeError(f"points are [[x, y], ...], got {str(content)[:60]}")
    if content and isinstance(content[0], list) and all(isinstance(v, (int, float)) for v in content[0]):
        return [detection_of_points(content)]
    return [face for part in content for face in _faces_in(part)]


def _box(values: Any) -> Detection:
    if not isinstance(values, list) or len(values) != 4 or not all(isinstance(v, (int, float)) for v in values):
        raise ShapeError(f"a box is [left, top, right, bottom], got {str(values)[:80]}")
    return detection_of_box(*(float(v) for v in values))


def _is(name: str, photo: Path) -> bool:
    """Whether a name in a file means this photo: the last parts of its path, with or without the suffix."""
    wanted = PurePosixPath(name.replace("\\", "/").lower()).parts
    parts = PurePosixPath(photo.as_posix().lower()).parts
    whole, bare = parts[-len(wanted) :], (*parts[-len(wanted) : -1], PurePosixPath(parts[-1]).stem)
    return bool(wanted) and (wanted in (whole, bare) or (*wanted[:-1], PurePosixPath(wanted[-1]).stem) == bare)
