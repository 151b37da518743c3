"""Keeping reconstructions, so that a second mask on the same photo costs no network.

One file a photo, named by a hash of the picture or its file, the detector, the reconstructor and their settings: a
digest, then safetensors. Of Face Mesh its 468 points are kept, of others the positions on the layout's face as 16-bit
numbers over their range: a few thousandths of a pixel. Everything else follows from these.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import PIL
from safetensors import SafetensorError
from safetensors import numpy as safetensors

from masksynth import __version__
from masksynth.arrays import Box, Detection, Photo8, Reconstruction
from masksynth.errors import MasksynthError, OutputError
from masksynth.reconstruct.uv_layout import face_region

FORM = "masksynth-faces/5"  # raised whenever the same picture and settings would give other faces
LEVELS = 65535
DIGEST = 32  # bytes of SHA-256, in front of what it is of

Arrays = dict[str, npt.NDArray[Any]]


class FaceCache:
    """A folder of reconstructions. Processes may share it: files appear whole."""

    def __init__(self, folder: Path) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{folder}: could not be created ({error.strerror or error}).") from error
        self._folder = folder
        self.hits = self.misses = 0

    def path(self, pixels: Photo8, detector: Any, reconstructor: Any, digest: bytes = b"") -> Path:
        """Where the faces of this picture, (H, W) or (H, W, 3), are kept, or would be.

        `digest` is of the file that it was decoded from, by the decoder of this installation.
        """
        # `settings` tells apart two of one name: weights, precision, faces given by the user.
        words = [FORM, __version__, str(pixels.shape)]
        words += [f"{part.name}:{getattr(part, 'settings', '')}" for part in (detector, reconstructor)]
        if digest:
            words += ["file", PIL.__version__, cv2.__version__, digest.hex()]
        name_of = hashlib.sha256("\x1f".join(words).encode())
        if not digest:
            name_of.update(np.ascontiguousarray(pixels).data)
        name = name_of.hexdigest()[:40]
        return self._folder / name[:2] / f"{name[2:]}.faces"

    def load(self, path: Path) -> tuple[list[Reconstruction], list[str]] | None:
        """What was kept there; None where there is nothing or it is damaged."""
        try:
            data = path.read_bytes()
            if hashlib.sha256(data[DIGEST:]).digest() != data[:DIGEST]:
                raise ValueError("the digest differs")
            found = _unpacked(safetensors.load(data[DIGEST:]))
        except (OSError, ValueError, KeyError, TypeError, IndexError, SafetensorError, MasksynthError):
            self.misses += 1
            return None
        self.hits += 1
        return found

    def store(self, path: Path, faces: list[Reconstruction], dropped: list[str]) -> None:
        """Keep what was found; a picture without a face is kept too.

        The file appears whole, but is not flushed to the disk: what a power loss takes is found out by its digest.
        """
        data = safetensors.save(_packed(faces, dropped))
        temporary = path.with_name(f".{path.stem}.{os.getpid()}-{secrets.token_hex(4)}")
        try:
            path.parent.mkdir(exist_ok=True)
            temporary.write_bytes(hashlib.sha256(data).digest() + data)
            os.replace(temporary, path)
        except OSError as error:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise OutputError(f"{path}: could not be written ({error.strerror or error}).") from error


def as_kept(faces: list[Reconstruction]) -> list[Reconstruction]:
    """The faces as a folder would give them back: Face Mesh's as they are, others to a few thousandths of a pixel."""
    if all(face.mesh is not None for face in faces):
        return faces
    return _unpacked(_packed(faces, []))[0]


def _packed(faces: list[Reconstruction], dropped: list[str]) -> Arrays:
    about = {
        "form": FORM,
        "dropped": dropped,
        "boxes": [[f.box.left, f.box.top, f.box.right, f.box.bottom] for f in faces],
        "scores": [f.score for f in faces],
        "reconstructors": [f.reconstructor for f in faces],
    }
    arrays: Arrays = {"about": np.frombuffer(json.dumps(about).encode(), np.uint8)}
    for k, face in enumerate(faces):
        if face.mesh is not None:
            arrays[f"mesh{k}"] = face.mesh
            continue
        values = face.position_map.positions[face_region()].astype(np.float64)
        low, high = values.min(0), values.max(0)
        step = np.maximum(high - low, 1e-9) / LEVELS
        arrays[f"map{k}"] = np.rint((values - low) / step).astype(np.uint16)
        arrays[f"range{k}"] = np.stack([low, step])
    return arrays


def _unpacked(arrays: Arrays) -> tuple[list[Reconstruction], list[str]]:
    from masksynth.reconstruct.facemesh import reconstruction_of_mesh
    from masksynth.reconstruct.prnet import reconstruction_of_positions

    about = json.loads(arrays["about"].tobytes())
    if about["form"] != FORM:
        raise ValueError(about["form"])
    faces = []
    for k, (values, score, name) in enumerate(
        zip(about["boxes"], about["scores"], about["reconstructors"], strict=True)
    ):
        box = Box(*(float(v) for v in values))
        if f"mesh{k}" in arrays:
            faces.append(reconstruction_of_mesh(arrays[f"mesh{k}"], box, float(score)))
            continue
        low, step = arrays[f"range{k}"]
        positions = np.zeros((*face_region().shape, 3), np.float32)
        positions[face_region()] = arrays[f"map{k}"] * step + low
        faces.append(reconstruction_of_positions(positions, box, float(score), str(name)))
    return faces, [str(reason) for reason in about["dropped"]]


class CachedReconstructor:
    """A reconstructor with a folder; `find_faces` asks the folder first."""

    def __init__(self, reconstructor: Any, cache: FaceCache) -> None:
        self.inner = reconstructor
        self.name: str = reconstructor.name
        self.settings: str = getattr(reconstructor, "settings", "")
        self.judges: bool = getattr(reconstructor, "judges", False)
        self.cache = cache

    def reconstruct(self, rgb: Photo8, detection: Detection) -> Reconstruction:
        """As the reconstructor itself: a face whose place is given is not looked up."""
        result: Reconstruction = self.inner.reconstruct(rgb, detection)
        return result
