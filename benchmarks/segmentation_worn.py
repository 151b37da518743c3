"""How well masks are found where their place is known: python benchmarks/segmentation_worn.py PHOTOS [--sheet OUT.png]

PHOTOS is a folder of people without masks. The largest face of each is looked at bare, and then in --each of the
packaged templates (or of --templates), taken in turn, in VIS and as a NIR photo; beside them generated faces truly wear
masks, by a model that the compositor does not share. Detector and mesh see the masked picture alone; where they lose a
face, that of the bare photo serves, and it is counted: photos that end at the chin show little of a masked face. Where
a mask is missed, it is said whether the mesh of the bare face would have found it.
Printed are the intersection over union with the alpha that was drawn, how many are refused or below 0.6, and how many
bare faces are taken for masked; of these, each fifth photo is left out of the network's training. Self-made masks are
easier than real ones: benchmarks/segmentation.py measures those. This looks for what fails altogether; --sheet shows
the worst 16.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from segmentation import face_under, interval, iou, use

from masksynth.arrays import Photo8, Reconstruction, Spectrum
from masksynth.compose import compose
from masksynth.datasets.generated import draw_view, identity
from masksynth.datasets.generated.truly_masked import render_masked
from masksynth.detect import load_detector
from masksynth.errors import MasksynthError
from masksynth.photos import PHOTO_SUFFIXES, read_photo
from masksynth.reconstruct import find_faces, load_reconstructor
from masksynth.resources import packaged_templates
from masksynth.seeds import rng_for
from masksynth.segment import MIN_SCORE, segment_mask
from masksynth.template import Template, resolve_templates

LEFT_OUT = 5  # each fifth photo of a folder is left out of the network's training
FAILED = 0.6
TILE = 240


@dataclasses.dataclass(frozen=True)
class Case:
    group: str
    name: str
    rgb: Photo8
    label: np.ndarray  # (H, W) bool; empty where the face is bare
    bare_face: Reconstruction | None = None  # found before the mask was put on


def as_seen(rgb: Photo8, spectrum: Spectrum) -> Photo8:
    return rgb if spectrum == "vis" else np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), np.uint8)


def coloured(pixels: Photo8) -> Photo8:
    return pixels if pixels.ndim == 3 else np.asarray(np.repeat(pixels[..., None], 3, 2))


def on_photos(folder: Path, templates: list[Template], each: int, every: int) -> Iterator[Case]:
    detector, reconstructor = load_detector(), load_reconstructor()
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in PHOTO_SUFFIXES)
    turn = 0
    for k, path in enumerate(paths):
        if k % every:
            continue
        rgb = read_photo(path).rgb
        kept = "not trained on" if k % LEFT_OUT == LEFT_OUT - 1 else "hosts of the training"
        for spectrum in ("vis", "nir"):
            pixels = as_seen(rgb, spectrum)
            faces, _ = find_faces(pixels, detector, reconstructor)
            if not faces:
                continue
            yield Case(f"bare, {spectrum}, {kept}", path.name, coloured(pixels), np.zeros(rgb.shape[:2], bool))
            for j in range(each):
                template = templates[(turn + j) % len(templates)]
                made = compose(pixels, faces[0], template, spectrum)
                words = f"{path.name} {template.name}"
                yield Case(f"on photos, {spectrum}", words, coloured(made.image), made.alpha > 127, faces[0])
        turn += each


def on_generated(people: int, templates: list[Template], seed: int) -> Iterator[Case]:
    for k in range(people):
        for spectrum in ("vis", "nir"):
            rng = rng_for(seed, "worn", spectrum, k)
            view = draw_view(rng, spectrum, yaw=45.0, pitch=15.0, roll=12.0)
            template = templates[k % len(templates)].resized(256)
            shot = render_masked(identity(seed, 9000 + k), view, template, spectrum, (300, 300))
            yield Case(f"generated, {spectrum}", f"{k} {template.name}", coloured(shot.masked), shot.alpha >= 0.5)


def tile(case: Case, found: np.ndarray, words: str) -> np.ndarray:
    """The label's place, outlined green, with what was found, red."""
    rows, columns = np.nonzero(case.label if case.label.any() else np.ones_like(case.label))
    middle = np.array([columns.min() + columns.max(), rows.min() + rows.max()]) / 2
    scale = TILE / (1.7 * max(np.ptp(rows), np.ptp(columns), 1))
    matrix = np.array([[scale, 0, TILE / 2 - scale * middle[0]], [0, scale, TILE / 2 - scale * middle[1]]])
    out = cv2.warpAffine(case.rgb, matrix, (TILE, TILE), flags=cv2.INTER_AREA)
    for region, colour in ((case.label, (0, 255, 0)), (found, (255, 0, 0))):
        drawn = cv2.warpAffine(region.astype(np.float32), matrix, (TILE, TILE)) > 0.5
        contours, _ = cv2.findContours(drawn.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(out, contours, -1, colour, 1)
    below = np.full((20, TILE, 3), 255, np.uint8)
    cv2.putText(below, words, (2, 14), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (0, 0, 0), 1, cv2.LINE_AA)
    return np.vstack([out, below])


def looked(rgb: Photo8, face: Reconstruction) -> tuple[np.ndarray, float]:
    """(H, W) bool found and the score; nothing where nothing looks like mask."""
    try:
        answer = segment_mask(rgb, face, min_score=0.0)
    except MasksynthError:
        return np.zeros(rgb.shape[:2], bool), 0.0
    return answer.alpha >= 0.5, answer.score


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path, metavar="PHOTOS")
    parser.add_argument("--templates", nargs="+", help="Names, files and folders; the packaged ones if not given.")
    parser.add_argument("--each", type=int, default=3, help="Masks on each photo.")
    parser.add_argument("--every", type=int, default=1, help="Only every N-th photo.")
    parser.add_argument("--generated", type=int, default=48, help="People who are generated.")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--weights", type=Path, help="Of the network, instead of those that are packaged.")
    parser.add_argument("--sheet", type=Path, help="Write a picture of the worst 16 here.")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    if options.weights:
        use(options.weights)
    templates = resolve_templates(options.templates or [packaged_templates()])
    detector, reconstructor = load_detector(), load_reconstructor()
    overlaps: dict[str, list[float]] = {}
    refused: dict[str, int] = {}
    lost: dict[str, int] = {}
    by_mesh: dict[str, int] = {}
    taken: dict[str, list[str]] = {}
    worst: list[tuple[float, str, np.ndarray]] = []
    cases = [on_photos(options.photos, templates, options.each, options.every)]
    cases.append(on_generated(options.generated, templates, options.seed))
    for case in (case for part in cases for case in part):
        faces, _ = find_faces(case.rgb, detector, reconstructor)
        found, score = np.zeros_like(case.label), 0.0
        face = face_under(case.label, faces) if case.label.any() else faces[0] if faces else None
        if case.label.any() and face is None:
            lost[case.group] = lost.get(case.group, 0) + 1
            face = case.bare_face
            if face is None:
                continue
        if face is not None:
            found, score = looked(case.rgb, face)
        if not case.label.any():
            names = taken.setdefault(case.group, [])
            names.append(f"{case.name} ({score:.2f})" if score >= MIN_SCORE else "")
            continue
        overlap = iou(found, case.label)
        overlaps.setdefault(case.group, []).append(overlap)
        refused[case.group] = refused.get(case.group, 0) + (score < MIN_SCORE)
        bare = -1.0
        if overlap < FAILED and case.bare_face is not None:
            bare = iou(looked(case.rgb, case.bare_face)[0], case.label)
            by_mesh[case.group] = by_mesh.get(case.group, 0) + (bare >= FAILED)
        words = f"{overlap:.2f} {score:.2f} {case.name}" + ("" if faces else " (face lost)")
        told = f"{case.group}: {words}" + (f" ({bare:.2f} with the mesh of the bare face)" if bare >= 0 else "")
        worst.append((overlap, told, tile(case, found, words)))
        worst = sorted(worst, key=lambda item: item[0])[:16]
    for group, values in sorted(overlaps.items()):
        v = np.array(values)
        low, high = interval(v)
        print(
            f"{group:<16} n {len(v):>4}  IoU mean {v.mean():.3f} [{low:.3f}, {high:.3f}]  worst {v.min():.3f}  "
            f"below 0.88: {(v < 0.88).sum():>3}  below {FAILED}: {(v < FAILED).sum():>2} "
            f"(not so with the mesh of the bare face: {by_mesh.get(group, 0)})  refused {refused[group]}  "
            f"face lost {lost.get(group, 0)}"
        )
    for group, names in sorted(taken.items()):
        wrong = [name for name in names if name]
        print(f"{group}: {len(wrong)} of {len(names)} taken for masked  {', '.join(wrong)}".rstrip())
    for _, words, _ in worst:
        print(words)
    if options.sheet and worst:
        tiles = [picture for _, _, picture in worst] + [np.full_like(worst[0][2], 255)] * (-len(worst) % 4)
        rows = [np.hstack(tiles[k : k + 4]) for k in range(0, len(tiles), 4)]
        if not cv2.imwrite(str(options.sheet), np.vstack(rows)[..., ::-1]):
            raise SystemExit(f"{options.sheet}: could not be written")


if __name__ == "__main__":
    main()
