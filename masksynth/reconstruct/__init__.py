"""Face -> position map in the UV layout, 68 landmarks, head pose."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np

from masksynth.arrays import Detection, Photo8, Reconstruction
from masksynth.detect import Detector, SearchingDetector, check_rgb
from masksynth.errors import ConfigError, NoFaceError

RECONSTRUCTORS = ("facemesh", "prnet")
VOUCHED_PRESENCE, VOUCHED_GAP = 0.99995, 0.2
"""A mesh that is this sure, and whose eyes, nose and mouth lie this near (interocular distances, on average) to the
detector's, vouches for a face that the detector doubts. Of 225 faces in photos turned upside down that were found as if
they stood, none had both; of 59 that did stand 42."""
SURER_PRESENCE, LITTLE_BETTER = 0.1, 0.2
"""Where the turned picture scores only so little better to the detector, and the mesh is so much surer of the face as
it stands, it stands: a face with a grey mask can look as if it hung."""


class Reconstructor(Protocol):
    """Anything that makes a face's surface from a photo and the place of the face."""

    name: str

    def reconstruct(self, rgb: Photo8, detection: Detection) -> Reconstruction:
        """The face at `detection` in (H, W, 3) uint8; NoFaceError where there is none after all."""
        ...


def load_reconstructor(name: str = "facemesh", *, cache: Path | None = None, device: str = "cpu") -> Reconstructor:
    """The reconstructor `name`, with its network loaded.

    With `cache`, a folder, `find_faces` keeps there what it finds, and finds it there again without any network.
    `device` is where PRNet runs, as PyTorch names it; Face Mesh always runs on the processor.

    Raises
    ------
    ConfigError
        If there is no such reconstructor or device.
    WeightsError
        If its network is not here and cannot be fetched.
    """
    if cache is not None:
        from masksynth.reconstruct.cache import CachedReconstructor, FaceCache

        return CachedReconstructor(load_reconstructor(name, device=device), FaceCache(cache))
    if name == "facemesh":
        from masksynth.reconstruct.facemesh import FaceMeshReconstructor

        return FaceMeshReconstructor()
    if name == "prnet":
        from masksynth.reconstruct.prnet import PRNetConfig, PRNetReconstructor

        return PRNetReconstructor(PRNetConfig(device=device))
    raise ConfigError(f"{name}: no such reconstructor. Known are {', '.join(RECONSTRUCTORS)}.")


def find_faces(
    pixels: Photo8, detector: Detector, reconstructor: Reconstructor, *, digest: bytes = b""
) -> tuple[list[Reconstruction], list[str]]:
    """Every face of a picture, reconstructed.

    Parameters
    ----------
    pixels : (H, W, 3) or (H, W) uint8
        One channel is repeated for the networks.
    digest : bytes, optional
        Of the file that the picture was decoded from: a cache then need not go over the pixels, which are many more.

    Returns
    -------
    faces : largest first; each face once, though a detector may have found it twice
    dropped : one reason for each detection that gave no face
    """
    cache = getattr(reconstructor, "cache", None)
    if cache is None:
        return _find_faces(pixels, detector, reconstructor)
    from masksynth.reconstruct.cache import as_kept

    path = cache.path(pixels, detector, reconstructor, digest)
    kept: tuple[list[Reconstruction], list[str]] | None = cache.load(path)
    if kept is None:
        faces, dropped = _find_faces(pixels, detector, reconstructor)
        cache.store(path, faces, dropped)
        kept = as_kept(faces), dropped
    return kept


def _find_faces(
    pixels: Photo8, detector: Detector, reconstructor: Reconstructor
) -> tuple[list[Reconstruction], list[str]]:
    import cv2  # not before there is a face to find: nothing else here needs it

    rgb = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_GRAY2RGB), np.uint8) if pixels.ndim == 2 else pixels
    check_rgb(rgb)
    if not isinstance(detector, SearchingDetector) or not getattr(reconstructor, "judges", False):
        return _reconstructed(rgb, detector.detect(rgb), reconstructor)
    asked: list[Detection] | None = None
    answer: tuple[list[Reconstruction], list[str]] = [], []

    def vouched(detections: list[Detection]) -> bool:
        nonlocal asked, answer
        if not any(len(detection.points) >= 4 for detection in detections):
            return False  # nothing that a mesh could agree with
        asked, answer = detections, _reconstructed(rgb, detections, reconstructor)
        return any(_agree(face, detection) for face in answer[0] for detection in detections)

    found = detector.detect(rgb, vouched)
    if found is asked:
        return answer
    turned = _reconstructed(rgb, found, reconstructor)
    better = max((d.score for d in found), default=0.0) - max((d.score for d in asked or ()), default=0.0)
    agreed = (f.score for f in answer[0] if any(_gap(f, d) <= VOUCHED_GAP for d in asked or ()))
    surer = max(agreed, default=0.0) - max((f.score for f in turned[0]), default=0.0)
    return answer if better < LITTLE_BETTER and surer > SURER_PRESENCE else turned


def _reconstructed(
    rgb: Photo8, detections: list[Detection], reconstructor: Reconstructor
) -> tuple[list[Reconstruction], list[str]]:
    """Each face once, largest first, and one reason for each detection that gave none."""
    faces: list[Reconstruction] = []
    dropped: list[str] = []
    for detection in detections:
        try:
            face = reconstructor.reconstruct(rgb, detection)
        except NoFaceError as error:
            dropped.append(str(error))
            continue
        if not any(_same_face(face, other) for other in faces):
            faces.append(face)
    faces.sort(key=lambda face: -face.interocular)
    return faces, dropped


def _agree(face: Reconstruction, detection: Detection) -> bool:
    """Whether a mesh that is sure of its face puts it where the detector saw it."""
    return face.score >= VOUCHED_PRESENCE and _gap(face, detection) <= VOUCHED_GAP


def _gap(face: Reconstruction, detection: Detection) -> float:
    """How far, in interocular distances, a mesh puts eyes, nose and mouth from where the detector saw them."""
    if face.box != detection.box or len(detection.points) < 4:
        return float("inf")
    left, right, nose, *mouth = face.five_points
    places = np.stack([left, right, nose, np.mean(mouth, axis=0)])
    return float(np.linalg.norm(detection.points[:4] - places, axis=1).mean() / face.interocular)


def _same_face(a: Reconstruction, b: Reconstruction) -> bool:
    """Two surfaces whose five points lie within a third of an interocular distance of each other."""
    gap = float(abs(a.five_points - b.five_points).max())
    return gap < max(a.interocular, b.interocular) / 3
