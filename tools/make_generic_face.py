"""Make the generic face and its shape modes from Face Mesh fits on photos, and write assets/generic_face.npz.

Each photo's mesh is freed of place, size and rotation by rigid alignment to the mean (generalized Procrustes), averaged
with its mirror image, and what remains is analysed by principal components. Only these statistics are kept.

    python tools/make_generic_face.py PHOTO_FOLDER [-o assets/generic_face.npz] [--modes 30] [--picture P.png]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import numpy.typing as npt

from masksynth.arrays import Pose
from masksynth.detect import load_detector
from masksynth.errors import MasksynthError
from masksynth.files import atomic_path
from masksynth.photos import PHOTO_SUFFIXES, read_photo
from masksynth.reconstruct.facemesh import FaceMesh
from masksynth.reconstruct.pose import similarity
from masksynth.reconstruct.region import OUTER_EYES, region_of_detection, region_of_mesh
from masksynth.resources import asset
from masksynth.weights import locate

MAX_YAW_DEG = 30.0  # beyond, the mesh itself is less sure
MIN_PRESENCE = 0.95
MIN_INTEROCULAR = 35.0  # pixels
FOREHEAD, CHIN = 10, 152  # the line between them is upright in a frontal face

Floats = npt.NDArray[np.float64]


def fits(folder: Path) -> list[Floats]:
    detector, mesh = load_detector(), FaceMesh(locate("facemesh"))
    found = []
    for path in sorted(p for p in folder.iterdir() if p.suffix.lower() in PHOTO_SUFFIXES):
        try:
            rgb = read_photo(path).rgb
        except MasksynthError as error:
            print(error)
            continue
        for detection in detector.detect(rgb)[:1]:
            fit = mesh.fit(rgb, region_of_detection(detection))
            for _ in range(2):
                fit = mesh.fit(rgb, region_of_mesh(fit.points))
            points = fit.points.astype(np.float64)
            if (
                fit.presence >= MIN_PRESENCE
                and np.linalg.norm(np.subtract(*points[list(OUTER_EYES)])) > MIN_INTEROCULAR
            ):
                found.append(points)
    return found


def normalised(mesh: Floats) -> Floats:
    """Outer eye corners level, 1 apart, their middle the origin; forehead above chin."""
    left, right = mesh[OUTER_EYES[0]], mesh[OUTER_EYES[1]]
    mesh = (mesh - (left + right) / 2) / np.linalg.norm(right - left)
    upright = mesh[CHIN] - mesh[FOREHEAD]
    pitch = float(np.arctan2(upright[2], upright[1]))
    return mesh @ Pose(yaw=0.0, pitch=-pitch, roll=0.0).matrix.T


def mirrored(mesh: Floats, mirror: npt.NDArray[np.int64]) -> Floats:
    return mesh[mirror] * [-1, 1, 1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("-o", "--out", type=Path, default=Path("assets/generic_face.npz"))
    parser.add_argument("--modes", type=int, default=30)
    arguments = parser.parse_args()
    with np.load(asset("facemesh_uv.npz"), allow_pickle=False) as layout:
        mirror = layout["mirror"].astype(np.int64)
    meshes = fits(arguments.folder)
    print(f"{len(meshes)} meshes")
    frontal = min(meshes, key=lambda m: abs(m[OUTER_EYES[0], 2] - m[OUTER_EYES[1], 2]) / np.ptp(m[:, 0]))
    mean = normalised((frontal + mirrored(frontal, mirror)) / 2 * [1, 1, 1])
    for _ in range(10):
        moves = [similarity(mean, mesh) for mesh in meshes]
        near = [i for i, m in enumerate(moves) if abs(Pose.from_matrix(m.rotation).degrees[0]) <= MAX_YAW_DEG]
        aligned = np.stack([moves[i].undo(meshes[i]) for i in near])
        even = (aligned + np.stack([mirrored(a, mirror) for a in aligned])) / 2
        mean = normalised(even.mean(0))
    yaws = np.array([Pose.from_matrix(m.rotation).degrees for m in moves])
    print(f"{len(near)} within {MAX_YAW_DEG:g} degrees of yaw; mean pose of all {yaws.mean(0).round(1)}")
    # The mean was turned and scaled last: align once more, so that the modes lie in its frame.
    aligned = np.stack([similarity(mean, meshes[i]).undo(meshes[i]) for i in near])
    even = (aligned + np.stack([mirrored(a, mirror) for a in aligned])) / 2
    deviations = (even - even.mean(0)).reshape(len(even), -1)
    _, singular, modes = np.linalg.svd(deviations, full_matrices=False)
    deviation = singular / np.sqrt(len(even) - 1)
    share = np.cumsum(deviation**2) / (deviation**2).sum()
    kept = min(arguments.modes, len(singular) - 1)
    print(f"{kept} modes hold {share[kept - 1]:.3f} of the variance; deviations {deviation[:8].round(3)}")
    # The sign of a component is free: let the largest coordinate be positive.
    modes = modes[:kept]
    modes *= np.sign(modes[np.arange(kept), np.abs(modes).argmax(1)])[:, None]
    with atomic_path(arguments.out) as temporary:
        np.savez(
            temporary,
            mean=mean.astype(np.float32),
            modes=modes.reshape(kept, -1, 3).astype(np.float16),
            deviations=deviation[:kept].astype(np.float32),
        )
    print(f"{arguments.out}: mean of {len(near)} faces")


if __name__ == "__main__":
    main()
