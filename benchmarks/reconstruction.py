"""Reconstruction against the truth of generated faces, by yaw and spectrum.

For each yaw: share of faces found; mean error of the whole position map in the photo's plane and in depth (freed of
its unknown offset), in % of the true interocular distance; and of the stretch alone; errors of the pose, in degrees
(mean and mean absolute).

    python benchmarks/reconstruction.py [--faces 20] [--reconstructor facemesh] [--seed 7]
"""

import argparse
from dataclasses import replace

import cv2
import numpy as np

from masksynth.arrays import Pose, Validity
from masksynth.datasets.generated import draw_view, identity, render_face
from masksynth.detect import load_detector
from masksynth.reconstruct import find_faces, load_reconstructor
from masksynth.seeds import rng_for

YAWS = (0, 15, 30, 45, 60, 75, 90)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faces", type=int, default=20, help="for each yaw and spectrum")
    parser.add_argument("--detector", default="blazeface")
    parser.add_argument("--reconstructor", default="facemesh")
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    detector, reconstructor = load_detector(arguments.detector), load_reconstructor(arguments.reconstructor)
    print("spectrum yaw   found   map xy %   depth %   stretch xy %   yaw (abs)      pitch (abs)    roll (abs)")
    for spectrum in ("vis", "nir"):
        for yaw in YAWS:
            rows = [measure(detector, reconstructor, spectrum, yaw, k, arguments.seed) for k in range(arguments.faces)]
            found = np.array([row for row in rows if row is not None])
            line = f"{spectrum:8s} {yaw:3d}   {len(found):2d}/{len(rows)} "
            if len(found):
                mean, size = found.mean(0), np.abs(found).mean(0)
                line += f"  {mean[0]:7.2f}   {mean[1]:7.2f}   {mean[2]:11.2f}   "
                line += "   ".join(f"{mean[k]:5.1f} ({size[k]:4.1f})" for k in (3, 4, 5))
            print(line, flush=True)


def measure(detector, reconstructor, spectrum, yaw, number, seed):
    """(map, depth, stretch, yaw, pitch, roll) errors of one face, or None where it was not found."""
    rng = rng_for(seed, "reconstruction", spectrum, yaw, number)
    view = draw_view(rng, spectrum, yaw=0.0)
    sign = -1 if number % 2 else 1
    pose = Pose(yaw=np.radians(sign * yaw), pitch=view.pose.pitch, roll=view.pose.roll)
    photo = render_face(identity(seed, number), replace(view, pose=pose, body_yaw=pose.yaw * 0.3), spectrum)
    rgb = photo.pixels if photo.pixels.ndim == 3 else np.repeat(photo.pixels[:, :, None], 3, axis=2)
    faces, _ = find_faces(rgb, detector, reconstructor)
    truth = photo.position_map
    eyes = np.linalg.norm(photo.landmarks68[45] - photo.landmarks68[36])
    middle = photo.landmarks68[30, :2]
    faces = [face for face in faces if np.linalg.norm(face.landmarks68[30, :2] - middle) < eyes]
    if not faces:
        return None
    face = faces[0]
    gap = (face.position_map.positions - truth.positions) / eyes * 100
    on_face = np.isin(truth.validity, (Validity.MEASURED, Validity.EXTRAPOLATED))
    plane = np.linalg.norm(gap[..., :2], axis=2)
    depth = np.abs(gap[..., 2] - gap[..., 2][on_face].mean())
    band = truth.validity == Validity.STRETCHED
    turned = np.subtract(face.pose.degrees, photo.pose.degrees)
    turned = (turned + 180) % 360 - 180
    # The sign of the yaw is that of the turn: positive errors are towards the profile.
    return plane[on_face].mean(), depth[on_face].mean(), plane[band].mean(), turned[0] * sign, turned[1], turned[2]


if __name__ == "__main__":
    main()
