"""How well masks are found in real photos: python benchmarks/segmentation.py DIR... [--outlines FILE.json]

DIR holds photos, and for each its alpha, drawn by hand: NAME.alpha.png, NAME_alpha.png, NAME.mask.png, NAME_mask.png
or, where the photo is not itself a PNG, NAME.png, beside it or in a folder alpha, alphas, mask, masks, label or labels
of DIR or beside DIR. Visible mask material is white (or opaque, or 1), straps and whatever hides the mask is not; half
a pixel or more counts. A second labelling is called NAME.alpha2.png, NAME_alpha2.png and so on, or lies in a folder
alpha2, alphas2, …; how well two agree is printed too. With --outlines the alphas are drawn from a file of polygons
instead, such as benchmarks/segmentation_outlines.json, which holds ours of the development photos.

Of several faces, the one that the label covers is taken. A photo in which no face is found counts as 0; one that is
refused counts with what was found, and refusals are named. Masks narrower than --least pixels are reported apart. A
file DIR/groups.json, of {"group": ["NAME", ...]}, adds a table by group.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import time
from pathlib import Path

import cv2
import numpy as np
from safetensors.numpy import load_file

from masksynth.arrays import Reconstruction
from masksynth.detect import load_detector
from masksynth.errors import MasksynthError, SegmentationError
from masksynth.extract import read_alpha
from masksynth.photos import PHOTO_SUFFIXES, read_photo
from masksynth.reconstruct import find_faces, load_reconstructor
from masksynth.segment import network, segment_mask
from masksynth.segment.frame import face_frame, to_photo

TOLERANCE_PX = 2.0
METHODS = ("network alone", "network", "grabcut")
WORDS = ("alpha", "mask", "label")
LABEL_ENDINGS = tuple(f"{mark}{word}{second}" for word in WORDS for mark in "._" for second in ("", "2"))


@dataclasses.dataclass(frozen=True)
class Pair:
    name: str
    photo: Path
    label: np.ndarray  # (H, W) bool
    second: np.ndarray | None  # likewise, of another labelling


def read_label(path: Path, shape: tuple[int, int]) -> np.ndarray:
    """(H, W) bool of `shape`: grey, RGBA, palette; 0 and 255 or 0 and 1; of another size if only that differs."""
    alpha = read_alpha(path)
    if alpha.shape != shape:
        aspect = (alpha.shape[0] / alpha.shape[1]) / (shape[0] / shape[1])
        if not 0.98 < aspect < 1.02:
            raise SystemExit(f"{path}: is {alpha.shape[1]} x {alpha.shape[0]} px, its photo {shape[1]} x {shape[0]} px")
        alpha = np.asarray(cv2.resize(alpha, (shape[1], shape[0]), interpolation=cv2.INTER_LINEAR), np.float32)
    return np.asarray(alpha >= 0.5)


def is_label(path: Path) -> bool:
    """Whether a file is the label of another beside it, and not a photo that is called so."""
    endings = [ending for ending in LABEL_ENDINGS if path.stem.endswith(ending)]
    if path.suffix.lower() != ".png" or not endings:
        return False
    stem = path.stem[: -len(max(endings, key=len))]
    return any(
        path.with_name(stem + suffix).is_file() for suffix in PHOTO_SUFFIXES + tuple(map(str.upper, PHOTO_SUFFIXES))
    )


def label_of(photo: Path, second: bool) -> Path | None:
    """The file of a photo's (second) alpha, or None."""
    mark = "2" if second else ""
    folders = [photo.parent / f"{word}{s}{mark}" for word in WORDS for s in ("", "s")]
    folders += [photo.parent.parent / folder.name for folder in folders]
    places = [photo.with_name(f"{photo.stem}{point}{word}{mark}.png") for word in WORDS for point in "._"]
    if not second:
        places.append(photo.with_suffix(".png"))
    for folder in folders:
        places += [folder / f"{photo.stem}.png"]
        places += [folder / f"{photo.stem}{point}{word}{mark}.png" for word in WORDS for point in "._"]
    return next((place for place in places if place.is_file() and place != photo), None)


def pairs(folder: Path, outlines: Path | None) -> list[Pair]:
    """Photos and their labels, by name."""
    given = json.loads(outlines.read_text(encoding="utf-8")) if outlines else None
    places = [folder, *(folder / name for name in ("photos", "images") if (folder / name).is_dir())]
    found = []
    for path in sorted(path for place in places for path in place.iterdir()):
        if path.suffix.lower() not in PHOTO_SUFFIXES or is_label(path):
            continue
        if given is not None:
            if path.name not in given["first"]:
                continue
            shape = read_photo(path).rgb.shape[:2]
            labels = [filled(given[which].get(path.name), shape) for which in ("first", "second")]
        else:
            first, second = (label_of(path, which) for which in (False, True))
            if first is None:
                continue
            shape = read_photo(path).rgb.shape[:2]
            labels = [None if place is None else read_label(place, shape) for place in (first, second)]
        if labels[0] is None or not labels[0].any():
            print(f"{path.name}: its label is empty; left out")
            continue
        found.append(Pair(path.stem, path, labels[0], labels[1]))
    return found


def filled(polygon: list[list[float]] | None, shape: tuple[int, int]) -> np.ndarray | None:
    """(H, W) bool: the pixels half covered or more by a polygon of (x, y) in pixels, whole numbers at their centres."""
    if polygon is None:
        return None
    fine = np.zeros((shape[0] * 4, shape[1] * 4), np.uint8)
    corners = (np.array(polygon) + 0.5) * 4 - 0.5
    cv2.fillPoly(fine, [np.rint(corners * 256).astype(np.int32)], 255, shift=8)
    return np.asarray(cv2.resize(fine, (shape[1], shape[0]), interpolation=cv2.INTER_AREA) >= 128)


def face_under(label: np.ndarray, faces: list[Reconstruction]) -> Reconstruction | None:
    """The face whose mouth and jaw the label covers best."""

    def covered(face: Reconstruction) -> float:
        lower = cv2.convexHull(np.rint(face.landmarks68[2:15, :2]).astype(np.int32))
        jaw = cv2.fillConvexPoly(np.zeros(label.shape, np.uint8), lower, 1) > 0
        return iou(jaw, label)

    return max(faces, key=covered, default=None)


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


def answers(rgb: np.ndarray, face: Reconstruction, method: str) -> tuple[np.ndarray, float | None, float]:
    """(H, W) bool found, the score where there is one, and the seconds of the processor."""
    start = time.process_time()
    if method == "network alone":
        frame = face_frame(rgb, face, network.SIDE, network.WIDTH)
        share, _ = network.predict(frame)
        seconds = time.process_time() - start
        return to_photo(share, frame.crop_from_photo, rgb.shape[:2]) >= 0.5, None, seconds
    try:
        found = segment_mask(rgb, face, method, min_score=0.0)
    except SegmentationError:  # not one pixel looks like mask
        return np.zeros(rgb.shape[:2], bool), 0.0, time.process_time() - start
    return found.alpha >= 0.5, found.score, time.process_time() - start


def use(path: Path) -> None:
    """Let the network have the weights of a file from now on."""
    held = network.weights()
    held.clear()
    held.update({name: value.astype(np.float32) for name, value in load_file(path).items()})


def width_of(label: np.ndarray) -> int:
    columns = np.nonzero(label.any(axis=0))[0]
    return int(columns[-1] - columns[0] + 1)


def groups_of(options: argparse.Namespace) -> dict[str, list[str]]:
    """Names of photos by group: as --groups says, or the outlines, or DIR/groups.json."""
    if options.outlines and not options.groups:
        found = json.loads(options.outlines.read_text(encoding="utf-8")).get("groups", {})
        return dict(found)
    path = options.groups or options.folders[0] / "groups.json"
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}


def row(title: str, overlaps: list[float], edges: list[float]) -> str:
    values = np.array(overlaps)
    low, high = interval(values)
    return (
        f"{title:<16} IoU mean {values.mean():.3f} [{low:.3f}, {high:.3f}]  worst {values.min():.3f}  below 0.88: "
        f"{(values < 0.88).sum():>2}  boundary F at {TOLERANCE_PX:g} px {np.mean(edges):.3f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+", metavar="DIR")
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=METHODS)
    parser.add_argument("--outlines", type=Path, help="Polygons by file name, instead of alpha pictures.")
    parser.add_argument(
        "--folds",
        type=Path,
        nargs="+",
        help="Weights by fold of the outlines' file: each photo is judged by the network that was trained without it.",
    )
    parser.add_argument(
        "--groups", type=Path, help="Names by group, for a table each; DIR/groups.json where not given."
    )
    parser.add_argument("--least", type=int, default=80, help="Narrower masks, in pixels, are reported apart.")
    parser.add_argument("--grey", action="store_true", help="Take the colour out of the photos first.")
    parser.add_argument("--each", action="store_true", help="Print every photo.")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    for folder in options.folders:
        if not folder.is_dir():
            parser.error(f"{folder}: there is no such folder")
    photos = [pair for folder in options.folders for pair in pairs(folder, options.outlines)]
    if options.folds and options.outlines is None:
        parser.error("--folds needs --outlines, which says what photos make a fold")
    if not photos:
        parser.error(f"{options.folders[0]}: holds no photo with an alpha of the same stem")
    detector, reconstructor = load_detector(), load_reconstructor()
    overlaps: dict[str, list[float]] = {method: [] for method in options.methods}
    edges: dict[str, list[float]] = {method: [] for method in options.methods}
    seconds: dict[str, list[float]] = {method: [] for method in options.methods}
    refused: dict[str, list[str]] = {method: [] for method in options.methods}
    faceless = []
    folds = json.loads(options.outlines.read_text(encoding="utf-8"))["folds"] if options.folds else []
    fold_of = {name: k for k, names in enumerate(folds) for name in names}
    for pair in photos:
        rgb = read_photo(pair.photo).rgb
        if options.grey:
            rgb = np.repeat(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)[..., None], 3, 2)
        try:
            face = face_under(pair.label, find_faces(rgb, detector, reconstructor)[0])
        except MasksynthError as error:
            print(f"{pair.photo.name}: {error}")
            face = None
        if face is None:
            faceless.append(pair.name)
        if options.folds:
            use(options.folds[fold_of[pair.photo.name]])
        line = f"{pair.photo.name:<24} {width_of(pair.label):>4} px"
        for method in options.methods:
            found, score = np.zeros_like(pair.label), None
            if face is not None:
                found, score, spent = answers(rgb, face, method)
                seconds[method].append(spent)
                if score is not None and score < 0.5:
                    refused[method].append(pair.name)
            overlaps[method].append(iou(found, pair.label))
            edges[method].append(boundary_f(found, pair.label))
            line += f"  {method} {overlaps[method][-1]:.3f}" + (f" ({score:.2f})" if score is not None else "")
        if options.each:
            print(line)

    wide = np.array([width_of(pair.label) >= options.least for pair in photos])
    chosen = {
        f"{wide.sum()} photos with masks of {options.least} px and more": wide,
        f"{(~wide).sum()} photos with narrower masks": ~wide,
    }
    for name, members in groups_of(options).items():
        inside = np.array([pair.name in members or pair.photo.name in members for pair in photos])
        chosen[f"{inside.sum()} photos: {name}"] = inside
    for title, these in chosen.items():
        if these.any():
            print(title)
            for method in options.methods:
                parts = ([v for v, use in zip(of[method], these, strict=True) if use] for of in (overlaps, edges))
                print("  " + row(method, *parts))
    if faceless:
        print(f"no face found, counted as 0: {', '.join(faceless)}")
    for method in options.methods:
        if method != "network alone":
            print(f"{method}: refused {len(refused[method])} {' '.join(refused[method])}".rstrip())
        if seconds[method]:
            took = 1e3 * np.array(seconds[method])
            print(f"{method}: processor time {np.median(took):.0f} ms (least {took.min():.0f} ms)")
    twice = [pair for pair in photos if pair.second is not None]
    if twice:
        agreed = [iou(pair.label, pair.second) for pair in twice if pair.second is not None]
        near = [boundary_f(pair.label, pair.second) for pair in twice if pair.second is not None]
        print("  " + row("two labellings", agreed, near) + f"  of {len(twice)} photos")


if __name__ == "__main__":
    main()
