"""Face -> position map in the UV layout, 68 landmarks, head pose."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np

from masksynth.arrays import Detection, Photo8, Reconstruction
from masksynth.detect import Detector, SearchingDetector, check_rgb
from masksynth.detect.halving import in_colour
from masksynth.errors import ConfigError, NoFaceError

RECONSTRUCTORS = ("facemesh", "prnet")
VOUCHED_PRESENCE, VOUCHED_GAP = 0.99995, 0.2
"""A mesh that is this sure, and whose eyes, nose and mouth lie this near (interocular distances, on average) to the
detector's, vouches for a face that the detector doubts. Of 225 faces in photos turned upside down that were found as if
they stood, none had both; of 59 that did stand 42."""
GIVEN_GAP, GIVEN_PRESENCE = 0.35, 0.8
"""A face whose eyes lie farther than so many interocular distances from those that the user gave is another thing: on
faces of known geometry sound meshes stay below 0.15 up to 60° turned. Where the place as it is given leads to none and
others are tried, the network must be surer."""
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
    rgb = in_colour(pixels) if pixels.ndim == 2 else pixels
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
            face = _of_given(rgb, detection, reconstructor)
        except NoFaceError as error:
            dropped.append(str(error))
            continue
        if not any(_same_face(face, other) for other in faces):
            faces.append(face)
    faces.sort(key=lambda face: -face.interocular)
    return faces, dropped


def _of_given(rgb: Photo8, detection: Detection, reconstructor: Reconstructor) -> Reconstruction:
    """The face at `detection`; where the user gave its eyes, one that has them there, if need be read otherwise."""
    if not (detection.given and len(detection.points)):
        return reconstructor.reconstruct(rgb, detection)
    from masksynth.reconstruct.given import either_way, other_readings

    readings = [detection, *other_readings(detection)]  # every second one takes the eyes the other way round
    found: list[Reconstruction] = []
    reason = ""
    for k, place in enumerate(readings):
        eyes = detection.points[:: -1 if k % 2 else 1]
        try:
            face = reconstructor.reconstruct(rgb, place)
        except NoFaceError as error:
            reason = reason or str(error)
            continue
        gap = float(np.linalg.norm(face.five_points[:2] - eyes, axis=1).max() / face.interocular)
        if gap <= GIVEN_GAP and (k < 2 or face.score >= GIVEN_PRESENCE):
            found.append(face)
        reason = reason or (
            f"no face after all at the points given (what was found has its eyes {gap:.1f} interocular distances from "
            f"them, at most {GIVEN_GAP} is wanted)"
        )
        if found and k == 0 and not either_way(detection):
            break
        if found and k == 1:
            break
    if not found:
        raise NoFaceError(reason)
    return max(found, key=lambda face: face.score)


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
