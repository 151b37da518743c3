"""Normalised mean error on labelled photos in the form of AFLW2000-3D: NAME.jpg beside NAME.mat.

A .mat file holds pt3d_68 (3, 68) and Pose_Para (1, 7), whose first three are pitch, yaw and roll in radians. The error
of a face is the mean distance of its points to the labels in the image plane over the root of the area of the labels'
box, in %. Printed for all 68 points and for the inner 51, by yaw, with n and a 95 % interval of the mean; then the
paired differences between variants. The labels' own box says where the face is, so that every variant sees every face;
--detect lets the detector find it, and counts what it misses.

    python benchmarks/nme.py FOLDER [--variants facemesh,one-look,flip,prnet] [--detect] [--json OUT]
"""

import argparse
import json
from pathlib import Path

import cv2
import numpy as np
from scipy.io import loadmat

from masksynth.detect import load_detector
from masksynth.errors import MasksynthError
from masksynth.photos import read_photo
from masksynth.reconstruct import find_faces, load_reconstructor
from masksynth.reconstruct.facemesh import FaceMesh, Region, region_of_detection, region_of_mesh
from masksynth.reconstruct.given import GivenFaces, detection_of_points
from masksynth.reconstruct.uv_layout import landmarks68_from_mesh, mesh_mirror
from masksynth.weights import locate

BINS = ((0, 30), (30, 60), (60, 90))
INNER = slice(17, 68)


def read_labels(path):
    """(68, 2) points in pixels counted from 0, and the yaw in degrees."""
    content = loadmat(path, variable_names=["pt3d_68", "Pose_Para"])
    points = np.asarray(content["pt3d_68"], np.float64)
    if points.shape not in ((3, 68), (2, 68)):
        raise SystemExit(f"{path}: pt3d_68 is {points.shape}, but (3, 68) is wanted")
    # MATLAB counts pixels from 1.
    return points[:2].T - 1, float(np.degrees(np.asarray(content["Pose_Para"]).ravel()[1]))


class Facemesh:
    """The default reconstructor as it is."""

    def __init__(self):
        self.reconstructor = load_reconstructor()

    def __call__(self, rgb, finder):
        faces, _ = find_faces(rgb, finder, self.reconstructor)
        return [face.landmarks68[:, :2] for face in faces]


class OneLook:
    """The mesh of the first region, without a second look."""

    def __init__(self):
        self.mesh = FaceMesh(locate("facemesh"))

    def __call__(self, rgb, finder):
        return [
            landmarks68_from_mesh(self.mesh.fit(rgb, region_of_detection(d)).points)[:, :2] for d in finder.detect(rgb)
        ]


class Flip(OneLook):
    """The mean of two second looks, one at the mirrored picture."""

    def __call__(self, rgb, finder):
        found = []
        mirrored = np.ascontiguousarray(rgb[:, ::-1])
        last = rgb.shape[1] - 1
        for detection in finder.detect(rgb):
            region = region_of_mesh(self.mesh.fit(rgb, region_of_detection(detection)).points)
            other = Region(np.array([last - region.centre[0], region.centre[1]]), region.side, -region.angle)
            one = self.mesh.fit(rgb, region).points
            two = self.mesh.fit(mirrored, other).points[mesh_mirror()] * [-1, 1, 1] + [last, 0, 0]
            found.append(landmarks68_from_mesh((one + two) / 2)[:, :2])
        return found


class Prnet(Facemesh):
    """PRNet on imported weights."""

    def __init__(self):
        self.reconstructor = load_reconstructor("prnet")


VARIANTS = {"facemesh": Facemesh, "one-look": OneLook, "flip": Flip, "prnet": Prnet}


def measure(folder, variants, detect):
    """Yaw (N,) and errors {variant: (N, 2) all, inner in %}; NaN where no face was found."""
    cv2.setNumThreads(1)
    makers = {name: VARIANTS[name]() for name in variants}
    detector = load_detector() if detect else None
    labels = sorted(path for path in folder.iterdir() if path.suffix.lower() == ".mat")
    yaws, errors = [], {name: [] for name in variants}
    for path in labels:
        photo = next((p for p in (path.with_suffix(s) for s in (".jpg", ".png", ".jpeg")) if p.exists()), None)
        if photo is None:
            continue
        truth, yaw = read_labels(path)
        rgb = read_photo(photo).rgb
        yaws.append(yaw)
        size = np.sqrt(np.ptp(truth, axis=0).prod())
        for name, maker in makers.items():
            finder = detector or GivenFaces([detection_of_points(truth)])
            try:
                found = maker(rgb, finder)
            except MasksynthError:
                found = []
            gaps = [np.linalg.norm(points - truth, axis=1) / size * 100 for points in found]
            gaps.sort(key=lambda gap: gap[INNER].mean())
            near = bool(gaps) and gaps[0][INNER].mean() < 100
            errors[name].append([gaps[0].mean(), gaps[0][INNER].mean()] if near else [np.nan, np.nan])
    return np.array(yaws), {name: np.array(values).reshape(-1, 2) for name, values in errors.items()}


def interval(values):
    """Mean and half-width of its 95 % interval."""
    return float(values.mean()), float(1.96 * values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else np.inf


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--variants", default="facemesh,one-look,flip")
    parser.add_argument("--detect", action="store_true")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    variants = arguments.variants.split(",")
    yaws, errors = measure(arguments.folder, variants, arguments.detect)
    table = []
    for low, high in BINS:
        chosen = (np.abs(yaws) >= low) & (np.abs(yaws) < high + (high == 90))
        for name in variants:
            found = chosen & np.isfinite(errors[name][:, 0])
            row = {"yaw": [low, high], "variant": name, "n": int(chosen.sum()), "found": int(found.sum())}
            for column, points in enumerate(("all 68", "inner 51")):
                row[points] = interval(errors[name][found, column]) if found.any() else None
            table.append(row)
            shown = ", ".join(f"{p} {row[p][0]:.2f} ± {row[p][1]:.2f} %" for p in ("all 68", "inner 51") if row[p])
            print(f"yaw {low:2d}-{high:2d}  {name:10s} found {row['found']} of {row['n']}  {shown}")
        for name in variants[1:]:
            both = chosen & np.isfinite(errors[name][:, 1]) & np.isfinite(errors[variants[0]][:, 1])
            if both.sum() > 1:
                mean, half = interval(errors[name][both, 1] - errors[variants[0]][both, 1])
                print(f"           {name} - {variants[0]}: inner 51 {mean:+.3f} ± {half:.3f} %, n = {int(both.sum())}")
    if arguments.json:
        arguments.json.write_text(json.dumps(table, indent=1) + "\n")


if __name__ == "__main__":
    main()
