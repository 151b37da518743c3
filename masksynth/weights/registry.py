"""The network files that masksynth knows: what each is for, where it comes from, its licence, size and hash."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from masksynth.errors import WeightsError
from masksynth.resources import user_weights
from masksynth.weights.faceboxes_layout import FACEBOXES_URL


@dataclass(frozen=True, kw_only=True)
class Wheel:
    """A published Python package that holds network files."""

    requirement: str  # as pip wants it
    file: str
    sha256: str
    size: int  # bytes
    licence: str


@dataclass(frozen=True, kw_only=True)
class KnownNetwork:
    """One network that masksynth can use."""

    name: str  # as `locate` and the command line call it
    job: str
    file: str  # its name in the user's cache
    licence: str
    source: str  # where it comes from, for people
    how: Literal["fetch", "import"]  # how it gets into the cache
    member: str = ""  # its path in the wheel, where it comes out of that
    url: str = ""  # where else it can be fetched
    sha256: str = ""  # of the file in the cache, where that is the same for everyone
    size: int = 0  # bytes, likewise

    @property
    def path(self) -> Path:
        """Where it is kept, whether or not it is there."""
        return user_weights() / self.file

    @property
    def sidecar(self) -> Path:
        """The file with the hash of a network that was imported, whose file differs from user to user."""
        return self.path.with_name(self.file + ".sha256")


MEDIAPIPE = Wheel(
    requirement="mediapipe==0.10.21",
    file="mediapipe-0.10.21-cp311-cp311-manylinux_2_28_x86_64.whl",
    sha256="05dc4a9e593655a79558d05d6227d31018c2537a4bd3362b51e230cf22aecfe3",
    size=35_622_638,
    licence="Apache-2.0",
)
"""Later wheels no longer carry the two files; this one holds the same two whatever system it was built for."""

NETWORKS = (
    KnownNetwork(
        name="blazeface",
        job="finds faces (BlazeFace, short range)",
        file="face_detection_short_range.tflite",
        licence="Apache-2.0",
        source=f"the Python package {MEDIAPIPE.requirement}",
        how="fetch",
        member="mediapipe/modules/face_detection/face_detection_short_range.tflite",
        sha256="bbff11cebd1eb27a1e004cae0b0e63ec8c551cbf34a4451148b4908b8db3eca8",
        size=229_714,
    ),
    KnownNetwork(
        name="facemesh",
        job="reconstructs a face as 468 points (Face Mesh); the default",
        file="face_landmark.tflite",
        licence="Apache-2.0",
        source=f"the Python package {MEDIAPIPE.requirement}",
        how="fetch",
        member="mediapipe/modules/face_landmark/face_landmark.tflite",
        sha256="1055cb9d4a9ca8b8c688902a3a5194311138ba256bcc94e336d8373a5f30c814",
        size=1_242_398,
    ),
    KnownNetwork(
        name="faceboxes",
        job="finds faces (FaceBoxes), as the paper does",
        file="faceboxes.safetensors",
        licence="MIT",
        source="FaceBoxesProd.pth of github.com/cleardusk/3DDFA_V2",
        how="import",
        url=FACEBOXES_URL,
    ),
    KnownNetwork(
        name="prnet",
        job="reconstructs a face as a position map (PRNet), as the paper does",
        file="prnet.safetensors",
        licence="research use; trained on 300W-LP",
        source="prnet.pth of FaceX-Zoo's FMA-3D, or PRNet's TensorFlow checkpoint: your own copy",
        how="import",
    ),
)


def known(name: str) -> KnownNetwork:
    """The network called `name`; WeightsError naming the known ones where there is none."""
    for network in NETWORKS:
        if network.name == name:
            return network
    raise WeightsError(f"{name}: no such network. Known are {', '.join(n.name for n in NETWORKS)}.")
