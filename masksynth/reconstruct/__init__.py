"""Face -> position map in the UV layout, 68 landmarks, head pose."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from masksynth.arrays import Detection, Photo8, Reconstruction
from masksynth.detect import Detector, check_rgb
from masksynth.errors import ConfigError, NoFaceError

RECONSTRUCTORS = ("facemesh", "prnet")


class Reconstructor(Protocol):
    """Anything that makes a face's surface from a photo and the place of the face."""

    name: str

    def reconstruct(self, rgb: Photo8, detection: Detection) -> Reconstruction:
        """The face at `detection` in (H, W, 3) uint8; NoFaceError where there is none after all."""
        ...


def load_reconstructor(name: str = "facemesh", *, cache: Path | None = None) -> Reconstructor:
    """The reconstructor `name`, with its network loaded.

    With `cache`, a folder, `find_faces` keeps there what it finds, and finds it there again without any network.

    Raises
    ------
    ConfigError
        If there is no such reconstructor.
    WeightsError
        If its network is not here and cannot be fetched.
    """
    if cache is not None:
        from masksynth.reconstruct.cache import CachedReconstructor, FaceCache

        return CachedReconstructor(load_reconstructor(name), FaceCache(cache))
    if name == "facemesh":
        from masksynth.reconstruct.facemesh import FaceMeshReconstructor

        return FaceMeshReconstructor()
    if name == "prnet":
        from masksynth.reconstruct.prnet import PRNetReconstructor

        return PRNetReconstructor()
    raise ConfigError(f"{name}: no such reconstructor. Known are {', '.join(RECONSTRUCTORS)}.")


def find_faces(rgb: Photo8, detector: Detector, reconstructor: Reconstructor) -> tuple[list[Reconstruction], list[str]]:
    """Every face of a picture, reconstructed.

    Parameters
    ----------
    rgb : (H, W, 3) uint8

    Returns
    -------
    faces : largest first; each face once, though a detector may have found it twice
    dropped : one reason for each detection that gave no face
    """
    check_rgb(rgb)
    cache = getattr(reconstructor, "cache", None)
    if cache is not None:
        path = cache.path(rgb, detector, reconstructor)
        found: tuple[list[Reconstruction], list[str]] | None = cache.load(path)
        if found is None:
            found = _find_faces(rgb, detector, reconstructor)
            cache.store(path, *found)
        return found
    return _find_faces(rgb, detector, reconstructor)


def _find_faces(
    rgb: Photo8, detector: Detector, reconstructor: Reconstructor
) -> tuple[list[Reconstruction], list[str]]:
    faces: list[Reconstruction] = []
    dropped: list[str] = []
    for detection in detector.detect(rgb):
        try:
            face = reconstructor.reconstruct(rgb, detection)
        except NoFaceError as error:
            dropped.append(str(error))
            continue
        if not any(_same_face(face, other) for other in faces):
            faces.append(face)
    faces.sort(key=lambda face: -face.interocular)
    return faces, dropped


def _same_face(a: Reconstruction, b: Reconstruction) -> bool:
    """Two surfaces whose five points lie within a third of an interocular distance of each other."""
    gap = float(abs(a.five_points - b.five_points).max())
    return gap < max(a.interocular, b.interocular) / 3
