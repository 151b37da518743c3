"""Face Mesh: 468 points of a face in 3D from one look at it.

References
----------
Kartynnik et al., "Real-time Facial Surface Geometry from Monocular Video on Mobile GPUs", 2019. The trained network
is the one published in MediaPipe 0.10.21.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import numpy as np

from masksynth.arrays import Box, Detection, Photo8, Points3, Reconstruction
from masksynth.detect import check_rgb
from masksynth.detect.tflite import TfliteNetwork
from masksynth.errors import NoFaceError
from masksynth.reconstruct.points68 import points68
from masksynth.reconstruct.pose import Similarity
from masksynth.reconstruct.profile import put_right
from masksynth.reconstruct.region import (
    SIDE,
    Region,
    alike,
    crop_region,
    in_profile,
    near_by,
    region_of_detection,
    region_of_mesh,
    snapped,
)
from masksynth.reconstruct.uv_layout import (
    MeshMap,
    check_mesh_points,
    head_of_mesh,
    mesh_mirror,
)
from masksynth.weights import locate

POINTS = 468
MIN_PRESENCE = 0.5
NEARLY = 0.2  # a presence from which other regions near by are looked at too
MIN_PRESENCE_TURNED = 0.8  # of a face that stands otherwise than the detector said: half faces, read wrongly, reach 0.6
MIRROR_YAW_DEG = 40.0  # beyond, the mean with a look at the mirrored picture errs 5 to 8 % less than one look
SURE = 0.95
"""Where the network is this sure of a face and the second region is like the first, up to 30° turned, one look errs as
little as two on faces of known geometry."""
DEPTH_TILT = 0.12
"""The network's depth leans: on faces of known geometry it makes the pitch some 7° too low, as if everything below the
middle of the face lay this much farther away a pixel (benchmarks/reconstruction.py). Taken out again."""


@dataclass(frozen=True)
class MeshFit:
    """What the network says of one region."""

    points: Points3  # (468, 3) photo frame
    presence: float  # in [0, 1]: how sure it is that the region shows a face

    @cached_property
    def head(self) -> Similarity:
        """From the generic face's frame to the photo's."""
        return head_of_mesh(self.points)

    @property
    def yaw_deg(self) -> float:
        """Head yaw in degrees that the points show."""
        return self.head.pose.degrees[0]


class FaceMesh:
    """The network, and where to let it look."""

    def __init__(self, path: Path) -> None:
        self._network = TfliteNetwork(path)

    def fit(self, rgb: Photo8, region: Region, *, mirrored: bool = False) -> MeshFit:
        """The mesh of the face in `region` of the (H, W, 3) uint8 picture; `mirrored`, as the network sees it in a
        mirror."""
        crop, photo_from_crop = crop_region(rgb, region)
        raw, logit = self._network(crop[:, ::-1] if mirrored else crop, 1 / 255)
        points = raw.reshape(POINTS, 3).astype(np.float64)
        if mirrored:
            points = points[mesh_mirror()] * [-1, 1, 1] + [SIDE, 0, 0]
        # The network counts pixels from the corner of the input; its z grows away from the camera.
        xy = (points[:, :2] - 0.5) @ photo_from_crop[:, :2].T + photo_from_crop[:, 2]
        below = points[:, 1:2] - points[:, 1:2].mean()
        z = (DEPTH_TILT * below - points[:, 2:]) * (region.side / SIDE)
        presence = float(1 / (1 + np.exp(-np.clip(logit.reshape(-1)[0], -80, 80))))
        return MeshFit(np.concatenate([xy, z], axis=1).astype(np.float32), presence)


class FaceMeshReconstructor:
    """The embedded default."""

    name = "facemesh"
    judges = True  # a face's score is the network's own, not the detector's

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
        return reconstruction_of_mesh(fit.points, detection.box, fit.presence, fit.head)

    def fit(self, rgb: Photo8, detection: Detection) -> MeshFit:
        """The points alone, however sure the network is of them."""
        region = region_of_detection(detection)
        fit = self.look(rgb, region)
        if in_profile(detection):
            # The network often reads a profile as a half profile: of several looks that which is turned most counts.
            fits = [fit, *(self._twice(rgb, other) for other in near_by(region))]
            fit = max(fits, key=lambda f: (f.presence >= MIN_PRESENCE, abs(f.yaw_deg)))
        if fit.presence < MIN_PRESENCE:
            return fit
        fit = self.evened(rgb, fit)
        right = put_right(fit.points, fit.yaw_deg, mesh_mirror())
        return fit if right is fit.points else MeshFit(right, fit.presence)

    def look(self, rgb: Photo8, region: Region) -> MeshFit:
        """The mesh, after a second look where the first gives another region; where all fail, upright, then near by,
        then turned."""
        best = self._twice(rgb, region)
        if best.presence < MIN_PRESENCE and region.angle != 0:
            upright = self._twice(rgb, Region(region.centre, region.side, 0.0))
            best = max(best, upright, key=lambda fit: fit.presence)
        if NEARLY <= best.presence < MIN_PRESENCE:
            best = max([best, *(self._twice(rgb, other) for other in near_by(region))], key=lambda fit: fit.presence)
        for quarters in (2, 1, 3):
            if best.presence >= MIN_PRESENCE:
                break
            turned = self._twice(rgb, Region(region.centre, region.side, region.angle + quarters * np.pi / 2))
            if turned.presence >= MIN_PRESENCE_TURNED:
                best = turned
        return best

    def evened(self, rgb: Photo8, fit: MeshFit) -> MeshFit:
        """In half profile and beyond, the mean of the mesh and that of the mirrored face."""
        if abs(fit.yaw_deg) < MIRROR_YAW_DEG:
            return fit
        other = self._mesh.fit(rgb, region_of_mesh(fit.points), mirrored=True)
        if other.presence < MIN_PRESENCE:
            return fit
        back = other.points
        back[:, 2] += fit.points[:, 2].mean() - back[:, 2].mean()  # depth has no origin
        return MeshFit(((fit.points + back) / 2).astype(np.float32), fit.presence)

    def _twice(self, rgb: Photo8, region: Region) -> MeshFit:
        region = snapped(region)
        first = self._mesh.fit(rgb, region)
        again = region_of_mesh(first.points)
        if not again.side > 0 or (first.presence >= SURE and alike(region, again)):
            return first
        second = self._mesh.fit(rgb, again)
        return second if second.presence >= min(first.presence, MIN_PRESENCE) else first


def yaw_deg_of(points: Points3) -> float:
    """Head yaw in degrees that (468, 3) mesh points show."""
    return head_of_mesh(points).pose.degrees[0]


def reconstruction_of_mesh(
    points: Points3, box: Box, presence: float, head: Similarity | None = None
) -> Reconstruction:
    """Everything that follows from (468, 3) mesh points in the photo frame; `head` is `head_of_mesh` of them."""
    points = check_mesh_points(points)
    head = head or head_of_mesh(points)
    surface = partial(MeshMap, points, head)
    return Reconstruction(surface, points68(points), head.pose, box, presence, "facemesh", points)


def _place(box: Box) -> str:
    return f"({box.left:.0f}, {box.top:.0f}, {box.right:.0f}, {box.bottom:.0f})"
