"""What happens to one photo of a data set: read, find the face, align, mask."""

from __future__ import annotations

import hashlib
import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from masksynth.arrays import Detection, Photo8, Reconstruction
from masksynth.batch.config import BatchConfig
from masksynth.batch.part import Row
from masksynth.batch.plan import UNMASKED, Plan, PlannedPhoto
from masksynth.compose import ComposeConfig, Composer
from masksynth.datasets.reading import read_bytes_at
from masksynth.datasets.recordio import split_place
from masksynth.detect import Detector, load_detector
from masksynth.errors import BatchError, NoFaceError, PhotoError, ShapeError
from masksynth.photos import Photo, decode_photo
from masksynth.reconstruct import find_faces, load_reconstructor
from masksynth.reconstruct.cache import as_kept
from masksynth.reconstruct.given import COUNTS, GivenFaces, detection_of_box, detection_of_points
from masksynth.synthesize import CroppedFace, crop_face, mask_cropped
from masksynth.template import Template, read_template

THREADS_OF_A_DEVICE = 6
"""Photos at work at once where the network has a device of its own: while it has one face, the others are decoded,
searched and drawn. Faces go to it one by one, so that no batch depends on who came first."""


class PhotoWalk:
    """The function over photos of a real run; see `part.PhotoFunction`.

    Everything it is made from is a JSON value, so that any process can make it.
    """

    def __init__(
        self,
        root: str,
        config: dict[str, Any],
        templates: list[str],
        names: list[str],
        hashes: list[str],
        cache: str | None = None,
        device: str = "cpu",
    ) -> None:
        read = []
        for path, name, sha256 in zip(templates, names, hashes, strict=True):
            template = read_template(path, name=name)
            if template.sha256 != sha256:
                raise BatchError(f"{path}: the template '{name}' was changed since the plan was made.")
            read.append(template)
        self._prepare(Path(root), BatchConfig(**config), read, None if cache is None else Path(cache), device)

    @classmethod
    def of_plan(cls, plan: Plan, cache: Path | None = None) -> PhotoWalk:
        """For use in this process; `cache` is a folder that keeps reconstructions."""
        self = cls.__new__(cls)
        self._prepare(plan.root.absolute(), plan.config, plan.templates, cache, plan.config.device)
        return self

    def _prepare(
        self,
        root: Path,
        config: BatchConfig,
        templates: Sequence[Template],
        cache: Path | None = None,
        device: str = "cpu",
    ) -> None:
        cv2.setNumThreads(1)
        self.root, self.config, self.templates = root, config, templates
        self.threads = THREADS_OF_A_DEVICE if device != "cpu" else 1
        self._own = threading.local()  # a composer keeps its working arrays, so that each thread needs one
        self._guard = threading.Lock()
        self.detector = load_detector(config.detector)
        self.reconstructor = load_reconstructor(config.reconstructor, cache=cache, device=device)
        self.caches = cache is not None
        self.seconds: dict[str, float] = {}
        self.clock: Callable[[], float] = time.perf_counter

    def __call__(self, photo: PlannedPhoto) -> Sequence[Row]:
        """Both steps at once."""
        return self.make(photo, self.find(photo))

    def find(self, photo: PlannedPhoto) -> CroppedFace:
        """The face of `photo`, aligned. Raises PhotoError or NoFaceError with the reason where there is none."""
        with self._timed("decode"):
            read, digest = self._read(photo)
        with self._timed("find face"):
            face = self._face(read.pixels, photo, digest)
        with self._timed("align"):
            return crop_face(read.pixels, face, photo.spectrum, self.config.side, crop_template=self.config.crop)

    def make(self, photo: PlannedPhoto, found: CroppedFace) -> Sequence[Row]:
        """The rows of `photo`, one a slot."""
        pose, score = found.reconstruction.pose.degrees, found.reconstruction.score
        if photo.slots[0].mask == UNMASKED:
            return [Row(found.pixels, found.landmarks, pose, score)]
        with self._timed("mask"):
            made = mask_cropped(
                found,
                [self.templates[slot.mask] for slot in photo.slots],
                composer=self._composer(),
                seeds=[_seed(self.config.seed, photo.id, place) for place in range(len(photo.slots))],
            )
        return [Row(m.image, m.landmarks, pose, score, m.clean, m.alpha, m.touched.view(np.uint8)) for m in made]

    def _composer(self) -> Composer:
        composer: Composer | None = getattr(self._own, "composer", None)
        if composer is None:
            composer = self._own.composer = Composer(ComposeConfig(**self.config.compose))
        return composer

    def _read(self, photo: PlannedPhoto) -> tuple[Photo, bytes]:
        """The photo, and the digest of its file."""
        try:
            data, source = read_bytes_at(self.root, photo.path)
            digest = hashlib.sha256(data).digest() if self.caches else b""
            return decode_photo(data, source), digest
        except PhotoError:
            place = split_place(photo.path)
            gone = _gone(self.root, self.root / (place[0] if place else photo.path))
            if gone is not None:  # not this photo's fault: the share went away, or somebody tidies up
                raise BatchError(
                    f"{gone}: was there when the run began and is gone. What is done is kept; use the same command to "
                    "go on when it is back."
                ) from None
            raise

    def _face(self, pixels: Photo8, photo: PlannedPhoto, digest: bytes) -> Reconstruction:
        """The face that the data set means: at its eyes, points or box where it ships any, else the largest.

        With ``given`` "fallback" the place that it ships stands in where the detector finds no face there; with
        "always" it goes first, and the detector stands in; with "never" it is passed over.
        """
        place, dropped = None, list[str]()
        if self.config.given != "never":
            try:
                place = _place(photo)
            except ShapeError as error:  # eyes in one spot and the like
                dropped.append(str(error))
        if place is None:
            faces, reasons = self._find(pixels, self.detector, digest)
            if not faces:
                raise NoFaceError("; ".join(dict.fromkeys(reasons + dropped)) or "no face found")
            return faces[0]
        sources: list[Detector] = [self.detector, GivenFaces([place])]
        if self.config.given == "always":
            sources.reverse()
        elsewhere: list[Reconstruction] = []
        for source in sources:
            faces, reasons = self._find(pixels, source, digest)
            dropped += reasons
            distances = [_distance(face, place) for face in faces]
            order = sorted(range(len(faces)), key=distances.__getitem__)
            if faces and (source is not self.detector or distances[order[0]] < 1):
                return faces[order[0]]
            elsewhere += [faces[k] for k in order]
        if not elsewhere:
            raise NoFaceError("; ".join(dict.fromkeys(dropped)) or "no face found")
        return elsewhere[0]

    def _find(self, pixels: Photo8, source: Detector, digest: bytes) -> tuple[list[Reconstruction], list[str]]:
        """Faces as a cache would give them back, so that one changes no byte."""
        faces, reasons = find_faces(pixels, source, self.reconstructor, digest=digest)
        return as_kept(faces), reasons

    @contextmanager
    def _timed(self, stage: str) -> Iterator[None]:
        begun = self.clock()
        try:
            yield
        finally:
            with self._guard:
                self.seconds[stage] = self.seconds.get(stage, 0.0) + self.clock() - begun


def _gone(*places: Path) -> Path | None:
    """The first that is not there, or whose file system does not answer."""
    for place in places:
        try:
            place.stat()
        except OSError:
            return place
    return None


def _seed(seed: int, photo: str, place: int) -> int:
    """A seed of its own for each row."""
    return int.from_bytes(hashlib.blake2b(f"{seed}\x1f{photo}\x1f{place}".encode(), digest_size=4).digest(), "little")


def _place(photo: PlannedPhoto) -> Detection | None:
    """Where the data set says that the face is: by its points, else by its box. Raises ShapeError where it is none."""
    if len(photo.points) in COUNTS:
        return detection_of_points(photo.points)
    return detection_of_box(*photo.box) if photo.box else None


def _distance(face: Reconstruction, place: Detection) -> float:
    """How far the middle of the face's five points is from that of the place, in halves of the place's size."""
    box = place.box
    x, y = face.five_points.sum(0).tolist()
    middle = box.centre
    return math.hypot(x / 5 - middle[0], y / 5 - middle[1]) / (max(box.width, box.height) / 2)
