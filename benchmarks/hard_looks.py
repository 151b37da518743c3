"""How many faces of a folder of photos are still found where the photos are made harder, and how far their points move.

Each photo as it is gives the places; then it is made NIR-like (one channel, red-weighted, soft, noisy), blurred,
turned, cut so that the face fills 128 x 128 pixels, and shrunk to 24 px between the outer eye corners in a picture of
640 x 480. Found means that a face's inner 51 points lie, on average, within a quarter of the interocular distance of
those places.

    python benchmarks/hard_looks.py FOLDER [--every 1] [--detector blazeface] [--reconstructor facemesh]
"""

import argparse
from pathlib import Path

import cv2
import numpy as np

from masksynth.detect import load_detector
from masksynth.photos import PHOTO_SUFFIXES, read_photo
from masksynth.reconstruct import find_faces, load_reconstructor

MOST = 0.25  # interocular distances
MAX_SIDE = 800  # larger photos are left out: most hold more than a face


def nir_like(rgb):
    grey = (255 * (rgb @ np.array([0.75, 0.25, 0.0]) / 255) ** 0.7).astype(np.float32)
    soft = cv2.GaussianBlur(grey, (0, 0), max(0.6, min(rgb.shape[:2]) / 250))
    noisy = soft + np.random.default_rng(0).normal(0, 5, soft.shape)
    return np.repeat(np.clip(noisy, 0, 255).astype(np.uint8)[:, :, None], 3, axis=2)


def turned(rgb, degrees):
    height, width = rgb.shape[:2]
    side = int(np.hypot(height, width))
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1)
    matrix[:, 2] += (side - width) / 2, (side - height) / 2
    return cv2.warpAffine(rgb, matrix, (side, side)), matrix


def filled(rgb, box):
    x, y = box.centre
    scale = 128 / max(box.width, box.height)
    matrix = np.array([[scale, 0, 64 - scale * x], [0, scale, 64 - scale * y]])
    return cv2.warpAffine(rgb, matrix, (128, 128), flags=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR), matrix


def far_away(rgb, interocular):
    height, width = rgb.shape[:2]
    scale = 24 / interocular
    matrix = np.array([[scale, 0, 320 - scale * width / 2], [0, scale, 240 - scale * height / 2]])
    soft = cv2.GaussianBlur(rgb, (0, 0), max(0.4, 0.4 / scale))
    ground = np.full((480, 640, 3), 90, np.uint8)
    return cv2.warpAffine(soft, matrix, (640, 480), dst=ground, borderMode=cv2.BORDER_TRANSPARENT), matrix


def harder(rgb, face):
    """Name, picture and (2, 3) matrix from the photo to it."""
    same = np.eye(2, 3)
    yield "NIR-like", nir_like(rgb), same
    for share in (30, 20, 12):
        yield f"blurred, eyes / {share}", cv2.GaussianBlur(rgb, (0, 0), face.interocular / share), same
    for degrees in (30, 90, 180):
        yield f"turned {degrees}°", *turned(rgb, degrees)
    yield "fills 128 x 128", *filled(rgb, face.box)
    yield "24 px in 640 x 480", *far_away(rgb, face.interocular)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--every", type=int, default=1, help="only every N-th photo")
    parser.add_argument("--detector", default="blazeface")
    parser.add_argument("--reconstructor", default="facemesh")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    detector, reconstructor = load_detector(arguments.detector), load_reconstructor(arguments.reconstructor)
    gaps = {}
    photos = sorted(path for path in arguments.folder.iterdir() if path.suffix.lower() in PHOTO_SUFFIXES)
    for path in photos[:: arguments.every]:
        rgb = read_photo(path).rgb
        faces, _ = find_faces(rgb, detector, reconstructor) if max(rgb.shape) <= MAX_SIDE else ([], [])
        if not faces:
            continue
        places = faces[0].landmarks68[17:, :2]
        for name, picture, matrix in harder(rgb, faces[0]):
            moved = places @ matrix[:, :2].T + matrix[:, 2]
            size = faces[0].interocular * np.sqrt(abs(np.linalg.det(matrix[:, :2])))
            found, _ = find_faces(np.ascontiguousarray(picture), detector, reconstructor)
            away = [np.linalg.norm(face.landmarks68[17:, :2] - moved, axis=1).mean() / size for face in found]
            gaps.setdefault(name, []).append(min(away, default=np.inf))
    for name, values in gaps.items():
        found = np.array([value for value in values if value < MOST])
        change = f", points moved by {100 * np.median(found):.1f} % of the interocular distance" if len(found) else ""
        print(f"{arguments.folder.name} {name:22s} found {len(found)} of {len(values)}{change}")


if __name__ == "__main__":
    main()
