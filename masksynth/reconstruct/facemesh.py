"""Face Mesh: 468 points of a face in 3D from one look at it.

References
----------
Kartynnik et al., "Real-time Facial Surface Geometry from Monocular Video on Mobile GPUs", 2019. The trained network
is the one published in MediaPipe 0.10.21.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from masksynth.arrays import Box, Detection, Matrix, Photo8, Points3, Reconstruction
from masksynth.detect import check_rgb
from masksynth.detect.tflite import TfliteNetwork
from masksynth.errors import NoFaceError
from masksynth.reconstruct.pose import pose_of
from masksynth.reconstruct.uv_layout import landmarks68_from_mesh, mesh_mirror, position_map_from_mesh
from masksynth.weights import locate

SIDE = 192  # of the network's input
POINTS = 468
REGION = 1.5  # side of the region in longer sides of the face's box
OUTER_EYES = (33, 263)  # image-left, image-right
MIN_PRESENCE = 0.5
MIN_PRESENCE_TURNED = 0.8  # of a face that stands otherwise than the detector said: half faces, read wrongly, reach 0.6
MIRROR_YAW_DEG = 40.0  # beyond, the mean with a look at the mirrored picture errs 5 to 8 % less than one look
SAME_SIDE, SAME_CENTRE, SAME_ANGLE_DEG = 0.08, 0.04, 4.0
SURE = 0.95
"""A region that differs by less in its side, its centre (in sides) and its angle is as good as another where the
network is this sure of a face: up to 30° turned, one look then errs as little as two on faces of known geometry."""
DEPTH_TILT = 0.12
"""The network's depth leans: on faces of known geometry it makes the pitch some 7° too low, as if everything below the
middle of the face lay this much farther away a pixel (benchmarks/reconstruction.py). Taken out again."""


@dataclass(frozen=True)
class MeshFit:
    """What the network says of one region."""

    points: Points3  # (468, 3) photo frame
    presence: float  # in [0, 1]: how sure it is that the region shows a face


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


class FaceMesh:
    """The network, and where to let it look."""

    def __init__(self, path: Path) -> None:
        self._network = TfliteNetwork(path)

    def fit(self, rgb: Photo8, region: Region) -> MeshFit:
        """The mesh of the face in `region` of the (H, W, 3) uint8 picture."""
        crop, photo_from_crop = crop_region(rgb, region)
        raw, logit = self._network(crop.astype(np.float32) / np.float32(255))
        points = raw.reshape(POINTS, 3).astype(np.float64)
        # The network counts pixels from the corner of the input; its z grows away from the camera.
        xy = (points[:, :2] - 0.5) @ photo_from_crop[:, :2].T + photo_from_crop[:, 2]
        below = points[:, 1:2] - points[:, 1:2].mean()
        z = (DEPTH_TILT * below - points[:, 2:]) * (region.side / SIDE)
        presence = float(1 / (1 + np.exp(-np.clip(logit.reshape(-1)[0], -80, 80))))
        return MeshFit(np.concatenate([xy, z], axis=1).astype(np.float32), presence)


def region_of_detection(detection: Detection) -> Region:
    """A square of 1.5 longer sides round the box, turned so that the eyes are level where the detector gave eyes."""
    angle = 0.0
    if len(detection.points) >= 2:
        across = detection.points[1].astype(np.float64) - detection.points[0]
        angle = float(np.arctan2(across[1], across[0]))
    box = detection.box
    return Region(np.array(box.centre), REGION * max(box.width, box.height), angle)


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


class FaceMeshReconstructor:
    """The embedded default."""

    name = "facemesh"

    def __init__(self) -> None:
        self._mesh = FaceMesh(locate("facemesh"))

    def reconstruct(self, rgb: Photo8, detection: Detection) -> Reconstruction:
        """The face at `detection` in (H, W, 3) uint8.

        Raises
        ------
        NoFaceError
            If the network's presence of a face is below 0.5, however the region is turned.
        """
        check_rgb(rgb)
        fit = self.fit(rgb, detection)
        if fit.presence < MIN_PRESENCE:
            raise NoFaceError(
                f"no face after all at {_place(detection.box)} (presence {fit.presence:.2f}, needs {MIN_PRESENCE:.2f})"
            )
        return reconstruction_of_mesh(fit.points, detection.box, fit.presence)

    def fit(self, rgb: Photo8, detection: Detection) -> MeshFit:
        """The points alone, however sure the network is of them."""
        fit = self.look(rgb, region_of_detection(detection))
        return self._evened(rgb, fit) if fit.presence >= MIN_PRESENCE else fit

    def look(self, rgb: Photo8, region: Region) -> MeshFit:
        """The mesh, after a second look where the first gives another region; where all fail, upright, then turned."""
        best = self._twice(rgb, region)
        if best.presence < MIN_PRESENCE and region.angle != 0:
            upright = self._twice(rgb, Region(region.centre, region.side, 0.0))
            best = max(best, upright, key=lambda fit: fit.presence)
        for quarters in (2, 1, 3):
            if best.presence >= MIN_PRESENCE:
                break
            turned = self._twice(rgb, Region(region.centre, region.side, region.angle + quarters * np.pi / 2))
            if turned.presence >= MIN_PRESENCE_TURNED:
                best = turned
        return best

    def _evened(self, rgb: Photo8, fit: MeshFit) -> MeshFit:
        """In half profile and beyond, the mean of the mesh and that of the mirrored face."""
        if abs(pose_of(landmarks68_from_mesh(fit.points)).degrees[0]) < MIRROR_YAW_DEG:
            return fit
        region, last = region_of_mesh(fit.points), rgb.shape[1] - 1
        across = Region(np.array([last - region.centre[0], region.centre[1]]), region.side, -region.angle)
        other = self._mesh.fit(np.ascontiguousarray(rgb[:, ::-1]), across)
        if other.presence < MIN_PRESENCE:
            return fit
        back = other.points[mesh_mirror()] * np.array([-1, 1, 1], np.float32) + np.array([last, 0, 0], np.float32)
        back[:, 2] += fit.points[:, 2].mean() - back[:, 2].mean()  # depth has no origin
        return MeshFit(((fit.points + back) / 2).astype(np.float32), fit.presence)

    def _twice(self, rgb: Photo8, region: Region) -> MeshFit:
        first = self._mesh.fit(rgb, region)
        again = region_of_mesh(first.points)
        if not again.side > 0 or (first.presence >= SURE and alike(region, again)):
            return first
        second = self._mesh.fit(rgb, again)
        return second if second.presence >= min(first.presence, MIN_PRESENCE) else first


def reconstruction_of_mesh(points: Points3, box: Box, presence: float) -> Reconstruction:
    """Everything that follows from (468, 3) mesh points in the photo frame."""
    landmarks = landmarks68_from_mesh(points)
    return Reconstruction(
        position_map_from_mesh(points), landmarks, pose_of(landmarks), box, presence, "facemesh", points
    )


def _place(box: Box) -> str:
    return f"({box.left:.0f}, {box.top:.0f}, {box.right:.0f}, {box.bottom:.0f})"
