"""How well masks are found in real photos: python benchmarks/segmentation.py DIR [--methods grabcut network ...]

DIR holds photos, and beside each NAME.jpg its alpha, drawn by hand, as NAME.alpha.png (or NAME.png): grey, of its size,
visible mask material at 255, straps and whatever hides the mask at 0. Where NAME.alpha2.png, a second labelling of the
same photo, is there, their agreement is printed too. The face is the largest that the program finds.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import cv2
import numpy as np

from masksynth.detect import load_detector
from masksynth.extract import read_alpha
from masksynth.photos import PHOTO_SUFFIXES, read_photo
from masksynth.reconstruct import find_faces, load_reconstructor
from masksynth.segment import METHODS, segment_mask

TOLERANCE_PX = 2.0


def pairs(folder: Path) -> list[tuple[Path, Path]]:
    """Photos and their alphas."""
    found = []
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in PHOTO_SUFFIXES or ".alpha" in path.name:
            continue
        for alpha in (path.with_name(f"{path.stem}.alpha.png"), path.with_suffix(".png")):
            if alpha.is_file() and alpha != path:
                found.append((path, alpha))
                break
    return found


def iou(a: np.ndarray, b: np.ndarray) -> float:
    either = (a | b).sum()
    return float((a & b).sum() / either) if either else 1.0


def boundary_f(a: np.ndarray, b: np.ndarray, tolerance: float = TOLERANCE_PX) -> float:
    """F-score of the outlines, each within `tolerance` of the other (Csurka et al., BMVC 2013)."""

    def outline(region: np.ndarray) -> np.ndarray:
        padded = np.pad(region.astype(np.uint8), 1, mode="edge")
        return (region & (cv2.erode(padded, np.ones((3, 3), np.uint8))[1:-1, 1:-1] == 0)).astype(np.uint8)

    edges = outline(a), outline(b)
    if not edges[0].any() or not edges[1].any():
        return 0.0
    near = [cv2.distanceTransform(1 - edge, cv2.DIST_L2, cv2.DIST_MASK_PRECISE) <= tolerance for edge in edges]
    precision, recall = near[1][edges[0] > 0].mean(), near[0][edges[1] > 0].mean()
    return float(2 * precision * recall / max(precision + recall, 1e-9))


def interval(values: np.ndarray) -> tuple[float, float]:
    """95 % bootstrap interval of the mean."""
    rng = np.random.default_rng(0)
    means = values[rng.integers(0, len(values), (4000, len(values)))].mean(axis=1)
    return float(np.percentile(means, 2.5)), float(np.percentile(means, 97.5))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=METHODS)
    parser.add_argument("--each", action="store_true", help="Print every photo.")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    photos = pairs(options.folder)
    if not photos:
        parser.error(f"{options.folder}: holds no photo with an alpha of the same stem")
    detector, reconstructor = load_detector(), load_reconstructor()
    overlaps: dict[str, list[float]] = {method: [] for method in options.methods}
    edges: dict[str, list[float]] = {method: [] for method in options.methods}
    seconds: dict[str, list[float]] = {method: [] for method in options.methods}
    agreement = []
    refused: dict[str, int] = dict.fromkeys(options.methods, 0)
    for path, alpha in photos:
        rgb, truth = read_photo(path).rgb, read_alpha(alpha) >= 0.5
        faces, _ = find_faces(rgb, detector, reconstructor)
        line = path.name
        for method in options.methods:
            found = np.zeros_like(truth)
            if faces:
                start = time.perf_counter()
                answer = segment_mask(rgb, faces[0], method, min_score=0.0)
                seconds[method].append(time.perf_counter() - start)
                found = answer.alpha >= 0.5
                refused[method] += answer.score < 0.5
            overlaps[method].append(iou(found, truth))
            edges[method].append(boundary_f(found, truth))
            line += f"  {method} {overlaps[method][-1]:.3f}"
        second = alpha.with_name(alpha.name.replace(".alpha.png", ".alpha2.png"))
        if second != alpha and second.is_file():
            agreement.append(iou(truth, read_alpha(second) >= 0.5))
        if options.each:
            print(line)
    print(f"{len(photos)} photos; a photo without a face counts as 0")
    for method in options.methods:
        values = np.array(overlaps[method])
        low, high = interval(values)
        print(
            f"{method:<16} IoU mean {values.mean():.3f} [{low:.3f}, {high:.3f}]  worst {values.min():.3f}  "
            f"boundary F at {TOLERANCE_PX:g} px {np.mean(edges[method]):.3f}  refused {refused[method]}  "
            f"{1e3 * float(np.median(seconds[method] or [np.nan])):.0f} ms"
        )
    if agreement:
        print(f"two labellings   IoU mean {np.mean(agreement):.3f} over {len(agreement)} photos")


if __name__ == "__main__":
    main()
