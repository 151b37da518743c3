"""Photo -> faces: boxes, scores and, where the detector has them, a few points."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from masksynth.arrays import Detection, Photo8
from masksynth.errors import ConfigError, ShapeError

if TYPE_CHECKING:
    from masksynth.detect.search import Accepted, Look, Reach

DETECTORS = ("blazeface", "faceboxes")


class Detector(Protocol):
    """Anything that finds faces."""

    name: str

    def detect(self, rgb: Photo8) -> list[Detection]:
        """Faces in (H, W, 3) uint8, largest first, in its pixels; an empty list where there is none."""
        ...


class SearchingDetector:
    """A network that looks at one picture, with the closer search of `masksynth.detect.search` around it."""

    name: str
    _look: Look
    _reach: Reach

    def detect(self, rgb: Photo8, accepted: Accepted | None = None) -> list[Detection]:
        """As `Detector.detect`. Where the best score leaves doubt whether the picture stands upright, `accepted` is
        asked about what was found so far; if it says yes, the picture is not looked at turned."""
        from masksynth.detect.search import search

        check_rgb(rgb)
        return search(rgb, self._look, self._reach, accepted)


class BlazeFaceDetector(SearchingDetector):
    """BlazeFace with a closer search; the embedded default."""

    name = "blazeface"

    def __init__(self) -> None:
        from masksynth.detect.blazeface import BlazeFace
        from masksynth.detect.search import NEAR_SIGHTED
        from masksynth.weights import locate

        self._network = BlazeFace(locate("blazeface"))
        self._look, self._reach = self._network.detect_once, NEAR_SIGHTED


class FaceBoxesDetector(SearchingDetector):
    """FaceBoxes, the paper's detector, on weights that the user brought; finds small and many faces."""

    name = "faceboxes"

    def __init__(self) -> None:
        from masksynth.detect.faceboxes_torch import FaceBoxes
        from masksynth.detect.search import FAR_SIGHTED
        from masksynth.weights import known, locate

        self._network = FaceBoxes(locate("faceboxes"))
        self.settings = known("faceboxes").sidecar.read_text(encoding="ascii").strip()  # other weights find other faces
        self._look, self._reach = self._network.detect_once, FAR_SIGHTED


def load_detector(name: str = "blazeface") -> Detector:
    """The detector `name`, with its network loaded.

    Raises
    ------
    ConfigError
        If there is no such detector.
    WeightsError
        If its network is not here and cannot be fetched.
    """
    if name == "blazeface":
        return BlazeFaceDetector()
    if name == "faceboxes":
        return FaceBoxesDetector()
    raise ConfigError(f"{name}: no such detector. Known are {', '.join(DETECTORS)}.")


def check_rgb(rgb: Photo8) -> None:
    """Raise ShapeError unless `rgb` is (H, W, 3) uint8."""
    if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.dtype != "uint8":
        raise ShapeError(f"a picture to search is (H, W, 3) uint8, got {rgb.shape} {rgb.dtype}")
