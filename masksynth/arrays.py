"""The conventions, written once, and the arrays that only make sense together.

Coordinates
    Photo frame: x right, y down, **z towards the camera**, all in pixels of the photo; pixel centres at whole
    coordinates. UV frame: (u, v) = (column, row) of the 256 x 256 layout; a centre u there is 2u + 1/2 in a 512 layout.
Colours
    Photos are uint8, RGB or one channel. Inside compose and render they are float32 in [0, 1]; RGB is sRGB-encoded, NIR
    reflectance is linear.
Angles
    Head pose is R = Rz(roll) Ry(yaw) Rx(pitch); yaw > 0 the face turns to the image's right, pitch > 0 up, roll > 0
    clockwise in the image. Radians inside, degrees where a name ends in ``_deg``.
Points
    The iBUG 68 points, counted from 0, the image's left side first. Five points are image-left eye, image-right eye,
    nose tip, image-left mouth corner, image-right mouth corner.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from functools import cache, cached_property
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from masksynth.errors import ShapeError

Photo8: TypeAlias = npt.NDArray[np.uint8]  # (H, W, 3) RGB or (H, W), uint8
Image: TypeAlias = npt.NDArray[np.float32]  # (H, W, C) in [0, 1], C = 3 (RGB, sRGB-encoded) or 1 (NIR)
Texture: TypeAlias = npt.NDArray[np.float32]  # (S, S, C) in [0, 1], indexed [v, u]
Alpha: TypeAlias = npt.NDArray[np.float32]  # (H, W) or (S, S) in [0, 1]
Points2: TypeAlias = npt.NDArray[np.float32]  # (N, 2) x, y
Points3: TypeAlias = npt.NDArray[np.float32]  # (N, 3) x, y, z
Matrix: TypeAlias = npt.NDArray[np.float64]  # (3, 3), or (2, 3) where a name says crop_from_photo
Spectrum: TypeAlias = Literal["nir", "vis"]

UV_SIZE = 256


class Validity(IntEnum):
    """Where the position of a texel comes from."""

    ABSENT = 0  # the layout has no surface here
    MEASURED = 1  # the reconstructor saw it
    EXTRAPOLATED = 2  # continued smoothly from what it saw (Face Mesh: forehead rim, outer cheek, ears)
    STRETCHED = 3  # below the jaw and beside the cheek, by the written formula of reconstruct/stretch.py


@dataclass(frozen=True)
class Box:
    """An upright rectangle in pixels of the photo; edges may lie outside it."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def width(self) -> float:
        return self.right - self.left

    @property
    def height(self) -> float:
        return self.bottom - self.top

    @property
    def centre(self) -> tuple[float, float]:
        return (self.left + self.right) / 2, (self.top + self.bottom) / 2


@dataclass(frozen=True)
class Detection:
    """One face as a detector gives it."""

    box: Box
    score: float  # in [0, 1]
    points: (
        Points2  # (K, 2) pixels; BlazeFace gives six: image-left eye, image-right eye, nose, mouth, two ears; or (0, 2)
    )
    given: bool = False  # by the user, as the extent of the face's landmarks, rather than by a detector


@dataclass(frozen=True)
class Pose:
    """Head rotation in radians; see the module's words on angles."""

    yaw: float
    pitch: float
    roll: float

    @property
    def degrees(self) -> tuple[float, float, float]:
        """(yaw, pitch, roll) in degrees."""
        return math.degrees(self.yaw), math.degrees(self.pitch), math.degrees(self.roll)

    @property
    def matrix(self) -> Matrix:
        """(3, 3) R with photo-frame directions = R @ head-frame directions."""
        cy, sy = np.cos(self.yaw), np.sin(self.yaw)
        cp, sp = np.cos(self.pitch), np.sin(self.pitch)
        cr, sr = np.cos(self.roll), np.sin(self.roll)
        rz = np.array([[cr, -sr, 0.0], [sr, cr, 0.0], [0.0, 0.0, 1.0]])
        ry = np.array([[cy, 0.0, sy], [0.0, 1.0, 0.0], [-sy, 0.0, cy]])
        rx = np.array([[1.0, 0.0, 0.0], [0.0, cp, -sp], [0.0, sp, cp]])
        return rz @ ry @ rx

    @staticmethod
    def from_matrix(rotation: Matrix) -> Pose:
        """The angles of a (3, 3) rotation; at yaw = ±90° roll is taken as 0."""
        r = np.asarray(rotation, np.float64)
        if r.shape != (3, 3):
            raise ShapeError(f"a rotation is (3, 3), got {r.shape}")
        (r00, _, _), (r10, r11, r12), (r20, r21, r22) = r.tolist()
        yaw = math.asin(min(max(-r20, -1.0), 1.0))
        if abs(r20) > 1 - 1e-9:
            return Pose(yaw=yaw, pitch=math.atan2(-r12, r11), roll=0.0)
        return Pose(yaw=yaw, pitch=math.atan2(r21, r22), roll=math.atan2(r10, r00))


@cache
def sampled_rows(step: int) -> npt.NDArray[np.intp]:
    """The rows, or columns, of the layout that `PositionMap.every` takes: all of them, or (256 / step + 1,)."""
    return np.arange(UV_SIZE) if step == 1 else np.append(np.arange(0, UV_SIZE, step), UV_SIZE - 1)


SAMPLED = 2  # texels between those that windows, spacings and light are read from
_EYE_CORNERS = ((67, 78), (67, 177))  # (v, u) of the outer eye corners in the layout


class PositionMap:
    """Where each texel of the UV layout lies in a photo (Feng et al., ECCV 2018, section 3.1).

    ``positions[v, u]`` is (x, y, z) in the photo frame. Texels that are ABSENT hold finite values continued from their
    neighbours, so that interpolation near the rim is harmless, but they are never drawn.

    Parameters
    ----------
    positions : (256, 256, 3) float32
    validity : (256, 256) uint8
        Values of Validity; shared between the maps of one reconstructor.

    Raises
    ------
    ShapeError
        If either is not of that form.
    """

    def __init__(self, positions: npt.NDArray[np.float32], validity: npt.NDArray[np.uint8]) -> None:
        if positions.shape != (UV_SIZE, UV_SIZE, 3) or positions.dtype != np.float32:
            raise ShapeError(f"a position map is (256, 256, 3) float32, got {positions.shape} {positions.dtype}")
        if validity.shape != (UV_SIZE, UV_SIZE) or validity.dtype != np.uint8:
            raise ShapeError(f"validity is (256, 256) uint8, got {validity.shape} {validity.dtype}")
        self.validity = validity
        self._kept = {1: np.ascontiguousarray(positions)}

    @property
    def positions(self) -> npt.NDArray[np.float32]:
        """(256, 256, 3) float32."""
        return self.every(1)

    def every(self, step: int) -> npt.NDArray[np.float32]:
        """Every `step`-th row and column, 1, 2 or 4, and the last: (R, R, 3) float32 of `sampled_rows`; kept."""
        if step not in self._kept:
            self._kept[step] = self._sampled(step)
        return self._kept[step]

    @cached_property
    def texel_px(self) -> float:
        """Pixels between neighbouring texels, about: the distance of the outer eye corners by the texels between."""
        corners = []
        positions = self.every(SAMPLED)
        for v, u in _EYE_CORNERS:
            i, j = v // SAMPLED, u // SAMPLED
            near = positions[i : i + 2, j : j + 1 + u % SAMPLED].reshape(-1, 3).tolist()  # around the corner
            corners.append([sum(values) / len(near) for values in zip(*near, strict=True)])
        return math.dist(*corners) / (_EYE_CORNERS[1][1] - _EYE_CORNERS[0][1])

    def _sampled(self, step: int) -> npt.NDArray[np.float32]:
        rows = sampled_rows(step)
        return self.positions[np.ix_(rows, rows)]

    def moved(self, frame: Matrix) -> PositionMap:
        """The same surface in another frame.

        ``frame`` is the (2, 3) similarity that takes photo pixels to the other frame's; z is scaled by its scale, so
        that all three stay in pixels of that frame.
        """
        scale = float(np.sqrt(abs(frame[0, 0] * frame[1, 1] - frame[0, 1] * frame[1, 0])))
        linear = np.zeros((3, 3))
        linear[:2, :2] = frame[:, :2]
        linear[2, 2] = scale
        offset = np.array([frame[0, 2], frame[1, 2], 0.0])
        moved = self.positions @ linear.T.astype(np.float32) + offset.astype(np.float32)
        return PositionMap(moved.astype(np.float32), self.validity)


@dataclass(frozen=True)
class Reconstruction:
    """One face of one photo, reconstructed."""

    surface: PositionMap | Callable[[], PositionMap]  # or what makes it, once it is asked for
    landmarks68: Points3  # (68, 3) photo frame
    pose: Pose
    box: Box  # of the detection
    score: float  # face presence in [0, 1]
    reconstructor: str  # "facemesh", "prnet", ...
    mesh: Points3 | None = None  # (468, 3) photo frame, where Face Mesh made it

    @cached_property
    def position_map(self) -> PositionMap:
        """Where each texel of the layout lies in the photo."""
        return self.surface if isinstance(self.surface, PositionMap) else self.surface()

    @cached_property
    def five_points(self) -> Points2:
        """(5, 2): eye centres, nose tip, mouth corners; the same rule for every reconstructor. Read-only."""
        points = self.landmarks68[[36, 42, 30, 48, 54], :2].astype(np.float32)
        points[:2] = self.landmarks68[36:48, :2].reshape(2, 6, 2).mean(1)
        points.flags.writeable = False
        return points

    @property
    def interocular(self) -> float:
        """Distance of the outer eye corners in 3D, in pixels."""
        return float(np.linalg.norm(self.landmarks68[45] - self.landmarks68[36]))
