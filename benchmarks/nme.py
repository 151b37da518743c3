"""Normalised mean error on labelled photos in the form of AFLW2000-3D: NAME.jpg beside NAME.mat.

A .mat file holds pt3d_68 (3, 68), x and y in pixels of the photo, y down, counted from 1 as MATLAB does (--first-
pixel 0: from 0), and Pose_Para (1, 7), whose first three are pitch, yaw and roll in radians. The error of a face is
the mean distance of its points to the labels in the image plane over the root of the area of the labels' box, in %.
Printed for all 68 points and for the inner 51, by yaw, with n and a 95 % interval of the mean, and the mean offset of
the points from the labels in px, which shows labels counted from elsewhere; then the paired differences between
variants. The labels' own box says where the face is, so that every variant sees every face; --detect lets the
detector find it. Photos whose face a variant misses, or that cannot be read, are counted and named.

Variants: facemesh (as it is used), looks (without the mirrored picture and without the change of profiles), mirrored
(without that change), one-look (the first look alone), prnet (on imported weights).

    python benchmarks/nme.py FOLDER [--variants facemesh,mirrored,looks,one-look] [--detect] [--json OUT]
"""

import argparse
import json
from glob import escape as glob_escape
from pathlib import Path

import cv2
import numpy as np
from scipy.io import loadmat

from masksynth.detect import load_detector
from masksynth.errors import MasksynthError
from masksynth.photos import read_photo
from masksynth.reconstruct import find_faces, load_reconstructor
from masksynth.reconstruct.facemesh import FaceMesh, FaceMeshReconstructor
from masksynth.reconstruct.given import GivenFaces, detection_of_points
from masksynth.reconstruct.region import region_of_detection
from masksynth.reconstruct.uv_layout import landmarks68_from_mesh
from masksynth.weights import locate

BINS = ((0, 30), (30, 60), (60, 90))
INNER = slice(17, 68)
SUFFIXES = (".jpg", ".jpeg", ".png")
FAR_OFF = 100  # % of the face's size: nearer than this a found face is taken for the labelled one


def read_labels(path, first_pixel=1):
    """(68, 2) points in pixels counted from 0, and the yaw in degrees. ValueError where the file is of another form."""
    try:
        content = loadmat(path, variable_names=["pt3d_68", "Pose_Para"])
        points, pose = content["pt3d_68"], content["Pose_Para"]
        if np.iscomplexobj(points) or np.iscomplexobj(pose):
            raise ValueError("its numbers are complex")
        points, pose = np.asarray(points, np.float64), np.asarray(pose, np.float64).ravel()
    except KeyError as error:
        raise ValueError(f"has no {error.args[0]}") from error
    except Exception as error:  # the reader raises nearly anything at a file that is no MATLAB file
        raise ValueError(f"cannot be read ({error})") from error
    if points.shape not in ((3, 68), (2, 68)) or len(pose) < 3:
        raise ValueError(f"pt3d_68 is {points.shape} and Pose_Para has {len(pose)} values; wanted are (3, 68) and 7")
    if not (np.isfinite(points).all() and np.isfinite(pose[:3]).all() and np.ptp(points[:2], axis=1).min() > 0):
        raise ValueError("has labels that are not finite or lie in one place")
    return points[:2].T - first_pixel, float(np.degrees(pose[1]))


class Facemesh:
    """The default reconstructor as it is."""

    name = "facemesh"

    def __init__(self):
        self.reconstructor = load_reconstructor(self.name)

    def __call__(self, rgb, finder):
        faces, _ = find_faces(rgb, finder, self.reconstructor)
        return [face.landmarks68[:, :2] for face in faces]


class Prnet(Facemesh):
    """PRNet on imported weights."""

    name = "prnet"


class Looks:
    """The mesh after the looks, of which there are two where the first gives another region."""

    mirrored = False

    def __init__(self):
        self.reconstructor = FaceMeshReconstructor()

    def __call__(self, rgb, finder):
        found = []
        for detection in finder.detect(rgb):
            fit = self.reconstructor.look(rgb, region_of_detection(detection))
            if self.mirrored:
                fit = self.reconstructor.evened(rgb, fit)
            found.append(landmarks68_from_mesh(fit.points)[:, :2])
        return found


class Mirrored(Looks):
    """The same, evened with a look at the mirrored picture in half profile and beyond."""

    mirrored = True


class OneLook:
    """The mesh of the first region, without a second look."""

    def __init__(self):
        self.mesh = FaceMesh(locate("facemesh"))

    def __call__(self, rgb, finder):
        return [
            landmarks68_from_mesh(self.mesh.fit(rgb, region_of_detection(d)).points)[:, :2] for d in finder.detect(rgb)
        ]


VARIANTS = {"facemesh": Facemesh, "mirrored": Mirrored, "looks": Looks, "one-look": OneLook, "prnet": Prnet}


def measure(folder, variants, detect, first_pixel=1):
    """Yaw (N,), results {variant: (N, 4): all, inner in %, offset x, y in px} with NaN where no face was found, and the
    (N,) names."""
    cv2.setNumThreads(1)
    makers = {name: VARIANTS[name]() for name in variants}
    detector = load_detector() if detect else None
    yaws, results, names = [], {name: [] for name in variants}, []
    for path in sorted(path for path in folder.iterdir() if path.suffix.lower() == ".mat"):
        photo = next(
            (p for p in sorted(folder.glob(f"{glob_escape(path.stem)}.*")) if p.suffix.lower() in SUFFIXES), None
        )
        try:
            if photo is None:
                raise ValueError("has no photo beside it")
            truth, yaw = read_labels(path, first_pixel)
            rgb = read_photo(photo).rgb
        except (ValueError, MasksynthError) as error:
            print(f"{path.name}: {error}; left out")
            continue
        yaws.append(yaw)
        names.append(photo.name)
        size = np.sqrt(np.ptp(truth, axis=0).prod())
        for name, maker in makers.items():
            finder = detector or GivenFaces([detection_of_points(truth)])
            try:
                found = maker(rgb, finder)
            except MasksynthError:
                found = []
            row = [np.nan] * 4
            if found:
                # In a photo of several faces the labelled one is that whose middle is nearest to the labels'.
                points = min(found, key=lambda p: np.linalg.norm(p[INNER].mean(0) - truth[INNER].mean(0)))
                gap = np.linalg.norm(points - truth, axis=1) / size * 100
                if gap[INNER].mean() < FAR_OFF:
                    row = [gap.mean(), gap[INNER].mean(), *(points - truth)[INNER].mean(0)]
            results[name].append(row)
    return np.array(yaws), {name: np.array(rows).reshape(-1, 4) for name, rows in results.items()}, names


def interval(values):
    """Mean and half-width of its 95 % interval."""
    return float(values.mean()), float(1.96 * values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else np.inf


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--variants", default="facemesh,mirrored,looks,one-look")
    parser.add_argument("--detect", action="store_true")
    parser.add_argument("--first-pixel", type=int, choices=(0, 1), default=1)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    variants = arguments.variants.split(",")
    unknown = set(variants) - set(VARIANTS)
    if unknown or not arguments.folder.is_dir():
        raise SystemExit(f"no such variant: {unknown}" if unknown else f"{arguments.folder}: there is no such folder")
    try:
        yaws, results, names = measure(arguments.folder, variants, arguments.detect, arguments.first_pixel)
    except MasksynthError as error:  # the weights of a variant are not here
        raise SystemExit(str(error)) from error
    if not names:
        raise SystemExit(f"{arguments.folder}: has no NAME.jpg with a NAME.mat of this form")
    print(f"{len(names)} photos; {int((np.abs(yaws) > 90).sum())} beyond 90° of yaw are left out of the bins")
    table = []
    for low, high in BINS:
        chosen = (np.abs(yaws) >= low) & (np.abs(yaws) < high + (high == 90) * 1e-6)
        for name in variants:
            values = results[name]
            found = chosen & np.isfinite(values[:, 0])
            row = {"yaw": [low, high], "variant": name, "n": int(chosen.sum()), "found": int(found.sum())}
            for column, points in enumerate(("all 68", "inner 51")):
                row[points] = interval(values[found, column]) if found.any() else None
            shown = ", ".join(f"{p} {row[p][0]:.2f} ± {row[p][1]:.2f} %" for p in ("all 68", "inner 51") if row[p])
            if found.any():
                row["offset_px"] = values[found, 2:].mean(0).tolist()
                shown += ", offset ({:+.1f}, {:+.1f}) px".format(*row["offset_px"])
            table.append(row)
            print(f"yaw {low:2d}-{high:2d}  {name:10s} found {row['found']} of {row['n']}  {shown}")
        for name in variants[1:]:
            both = chosen & np.isfinite(results[name][:, 1]) & np.isfinite(results[variants[0]][:, 1])
            if both.sum() > 1:
                mean, half = interval(results[name][both, 1] - results[variants[0]][both, 1])
                print(f"           {name} - {variants[0]}: inner 51 {mean:+.3f} ± {half:.3f} %, n = {int(both.sum())}")
    for name in variants:
        missed = [photo for photo, row in zip(names, results[name], strict=True) if not np.isfinite(row[0])]
        if missed:
            print(f"{name} found no face in {len(missed)}: {', '.join(missed[:20])}{' …' if len(missed) > 20 else ''}")
    if arguments.json:
        arguments.json.write_text(json.dumps(table, indent=1) + "\n")


if __name__ == "__main__":
    main()
