"""How many generated faces the default detector and mesh find, how near the truth they come, how long a photo takes.

    python benchmarks/generated_faces.py [PHOTOS]

prints one line for each look: share found, mean error of the 68 points in interocular distances, milliseconds a photo.
Found means: the largest face of the photo is reconstructed and its points lie, on average, within a fifth of an
interocular distance of the truth.
"""

from __future__ import annotations

import sys
import time
from dataclasses import replace

import numpy as np

from masksynth.arrays import Photo8, Pose, Spectrum
from masksynth.datasets.generated import View, draw_view, identity, render_face
from masksynth.detect import Detector, load_detector
from masksynth.reconstruct import Reconstructor, find_faces, load_reconstructor
from masksynth.seeds import rng_for

SEED = 2
LOOKS: list[tuple[str, Spectrum, bool]] = [("colour", "vis", False), ("grey", "vis", True), ("NIR", "nir", False)]


def main(photos: int) -> None:
    detector, reconstructor = load_detector(), load_reconstructor()
    render_face(identity(SEED, 0), View(), "vis")  # compiles
    for name, spectrum, grey in LOOKS:
        for yaw in (0.0, 45.0, -45.0):
            errors, seconds = [], 0.0
            for number in range(photos):
                view = draw_view(rng_for(SEED, name, yaw, number), spectrum, yaw=0.0)
                pose = Pose(np.radians(yaw), view.pose.pitch, view.pose.roll)
                view = replace(view, pose=pose, body_yaw=0.4 * pose.yaw)
                start = time.perf_counter()
                photo = render_face(identity(SEED, number), view, spectrum)
                seconds += time.perf_counter() - start
                errors.append(error(as_rgb(photo.pixels, grey), photo.landmarks68, view, detector, reconstructor))
            found = np.array([value for value in errors if value is not None])
            print(
                f"{name:7s} yaw {yaw:+4.0f}: found {len(found)} of {photos} = {100 * len(found) / photos:.1f} %, "
                f"error {np.mean(found):.4f}, {1000 * seconds / photos:.0f} ms a photo",
                flush=True,
            )


def as_rgb(pixels: Photo8, grey: bool) -> Photo8:
    if pixels.ndim == 3 and grey:
        pixels = np.rint(pixels @ np.array([0.299, 0.587, 0.114])).astype(np.uint8)
    return pixels if pixels.ndim == 3 else np.repeat(pixels[:, :, None], 3, axis=2)


def error(rgb: Photo8, truth: np.ndarray, view: View, detector: Detector, reconstructor: Reconstructor) -> float | None:
    """Mean distance of the 68 points from the truth in interocular distances; None where the face is not found."""
    faces, _ = find_faces(rgb, detector, reconstructor)
    if not faces:
        return None
    distance = np.linalg.norm(faces[0].landmarks68[:, :2] - truth[:, :2], axis=1).mean() / view.interocular
    return float(distance) if distance < 0.2 else None


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
