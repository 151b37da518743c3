"""PRNet: the crop it wants, its network, and its position map in the photo.

References
----------
Feng et al., "Joint 3D Face Reconstruction and Dense Alignment with Position Map Regression Network", ECCV 2018, and the
authors' published code for the crop.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from masksynth.arrays import Box, Detection, Matrix, Photo8, PositionMap, Reconstruction, Validity
from masksynth.detect import check_rgb
from masksynth.errors import ConfigError, NoFaceError
from masksynth.reconstruct.plausible import implausible
from masksynth.reconstruct.pose import head_frame, pose_of
from masksynth.reconstruct.uv_layout import continued, face_region, with_stretch
from masksynth.weights import locate

if TYPE_CHECKING:
    import torch

SIDE = 256  # of the network's input, pixels
RANGE = 1.1 * SIDE  # of its output: a position of 1 is this many pixels of the crop
GIVEN = (1.6, 0.0)  # crop's side in mean sides of the box, its shift down likewise: box round landmarks
BOXED = (1.58, 0.14)  # box of a detector that marks brows to chin, as PRNet's own and FaceBoxes do
BLAZEFACE = (1.447, 0.057)  # BlazeFace's box is larger: medians over 164 photos against the box round landmarks
BLAZEFACE_POINTS = 6

Precision = Literal["float32", "bfloat16"]

# iBUG 68 points in the layout, (u, v), as PRNet's authors publish them.
# fmt: off
KEYPOINTS = np.array([
    (15, 96), (22, 118), (26, 141), (32, 165), (45, 183), (67, 190), (91, 188), (112, 187), (128, 193), (143, 187),
    (164, 188), (188, 190), (210, 183), (223, 165), (229, 141), (233, 118), (240, 96), (58, 49), (71, 42), (85, 39),
    (97, 40), (106, 42), (149, 42), (158, 40), (170, 39), (184, 42), (197, 49), (128, 59), (128, 73), (128, 86),
    (128, 96), (117, 111), (122, 113), (128, 115), (133, 113), (138, 111), (78, 67), (86, 60), (95, 61), (102, 65),
    (96, 68), (87, 69), (153, 65), (160, 61), (169, 60), (177, 67), (168, 69), (159, 68), (108, 142), (116, 131),
    (124, 127), (128, 128), (131, 127), (139, 131), (146, 142), (137, 148), (132, 150), (128, 150), (123, 150),
    (118, 148), (110, 141), (122, 135), (128, 134), (133, 135), (145, 142), (132, 143), (128, 142), (123, 143),
])
# fmt: on


def crop_from_photo(detection: Detection) -> Matrix:
    """(2, 3) similarity without rotation to the network's input, pixel centres at whole coordinates.

    The corners of a square go to (0, 0), (0, 255) and (255, 0), so the scale is 255 over its side.
    """
    box = detection.box
    old = (box.width + box.height) / 2
    if detection.given:
        factor, shift = GIVEN
    else:
        factor, shift = BLAZEFACE if len(detection.points) == BLAZEFACE_POINTS else BOXED
    side = max(int(old * factor), 1)
    x, y = box.centre
    scale = (SIDE - 1) / side
    return np.array([[scale, 0.0, -scale * (x - side / 2)], [0.0, scale, -scale * (y + shift * old - side / 2)]])


def crop(rgb: Photo8, matrix: Matrix) -> Photo8:
    """The (256, 256, 3) input, bilinear, black outside the photo."""
    import cv2

    return np.asarray(cv2.warpAffine(rgb, matrix, (SIDE, SIDE), flags=cv2.INTER_LINEAR), np.uint8)


def to_photo(positions: npt.NDArray[np.float32], matrix: Matrix) -> npt.NDArray[np.float32]:
    """Positions in crop pixels as photo pixels; z, which has no origin, is scaled alone."""
    scale = matrix[0, 0]
    offset = np.array([matrix[0, 2], matrix[1, 2], 0.0])
    return ((positions - offset) / scale).astype(np.float32)


@cache
def validity() -> npt.NDArray[np.uint8]:
    """(256, 256) uint8 of Validity for PRNet's maps; read-only."""
    return with_stretch(np.where(face_region(), Validity.MEASURED, Validity.ABSENT))


def landmarks68(positions: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """(68, 3) iBUG points of a (256, 256, 3) map."""
    return np.ascontiguousarray(positions[KEYPOINTS[:, 1], KEYPOINTS[:, 0]])


@dataclass(frozen=True, kw_only=True)
class PRNetConfig:
    """How the network is run."""

    device: str = "cpu"
    precision: Precision = "float32"
    plain: bool = False  # the readable form of the network instead of the lean one
    chunk: int = 4  # faces at a time; on a CPU larger batches cost more a face, as memory is mapped and freed anew

    def __post_init__(self) -> None:
        if self.precision not in ("float32", "bfloat16"):
            raise ConfigError(f"precision must be float32 or bfloat16, got {self.precision!r}")
        if self.chunk < 1:
            raise ConfigError(f"chunk must be at least 1, got {self.chunk}")


class PRNetReconstructor:
    """The paper's reconstructor, on weights that the user imported."""

    name = "prnet"

    def __init__(self, config: PRNetConfig | None = None) -> None:
        from masksynth.reconstruct.prnet_torch import load_network

        self._config = config or PRNetConfig()
        path = locate("prnet")
        self._network = load_network(path, self._config)
        # Other weights make other faces; of the device its kind tells, not its number.
        alike = replace(self._config, device=self._config.device.split(":")[0])
        self.settings = f"{path.stat().st_mtime_ns} {alike}"

    def reconstruct(self, rgb: Photo8, detection: Detection) -> Reconstruction:
        """The face at `detection` in (H, W, 3) uint8; NoFaceError where the map that comes out is no face."""
        result = self.reconstruct_many([(rgb, detection)])[0]
        if isinstance(result, NoFaceError):
            raise result
        return result

    def reconstruct_many(self, faces: Sequence[tuple[Photo8, Detection]]) -> list[Reconstruction | NoFaceError]:
        """One result a face, in order; an error takes the place of a face that did not come out."""
        matrices = [crop_from_photo(detection) for _, detection in faces]
        for rgb, _ in faces:
            check_rgb(rgb)
        crops = [crop(rgb, matrix) for (rgb, _), matrix in zip(faces, matrices, strict=True)]
        if not crops:
            return []
        maps = run_network(self._network, np.stack(crops), self._config)
        return [
            _result(positions, matrix, detection)
            for positions, matrix, (_, detection) in zip(maps, matrices, faces, strict=True)
        ]


def run_network(network: torch.nn.Module, crops: Photo8, config: PRNetConfig) -> npt.NDArray[np.float32]:
    """(B, 256, 256, 3) positions in crop pixels of (B, 256, 256, 3) uint8 crops."""
    from masksynth.reconstruct.prnet_torch import positions

    parts = [positions(network, crops[k : k + config.chunk], config) for k in range(0, len(crops), config.chunk)]
    return np.concatenate(parts) * np.float32(RANGE)


def reconstruction_of_positions(
    positions: npt.NDArray[np.float32], box: Box, score: float, name: str = "prnet"
) -> Reconstruction:
    """Everything that follows from (256, 256, 3) positions in the photo, of which only the face counts."""
    points = landmarks68(positions)
    whole = PositionMap(continued(positions, head_frame(points)), validity())
    return Reconstruction(whole, points, pose_of(points), box, score, name)


def _result(positions: npt.NDArray[np.float32], matrix: Matrix, detection: Detection) -> Reconstruction | NoFaceError:
    box = detection.box
    reason = implausible(positions)
    if reason:
        place = f"({box.left:.0f}, {box.top:.0f}, {box.right:.0f}, {box.bottom:.0f})"
        return NoFaceError(f"no face after all at {place} ({reason})")
    return reconstruction_of_positions(to_photo(positions, matrix), box, detection.score)
