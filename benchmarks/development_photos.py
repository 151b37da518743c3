"""Contact sheets to look at: masks put on a folder of photos, in colour and as grey, and templates taken from another.

    python benchmarks/development_photos.py OUT --unmasked DIR --masked DIR [--template surgical-blue] [--seed S]

writes ``OUT/applied-colour-1.jpg`` …, ``OUT/applied-grey-1.jpg`` … (each face with its mask, its file name below, red
where no face was found) and ``OUT/extracted-1.jpg`` … (photo with the outline that was found, the template on the
generic face), and prints how many faces were found and how many templates came out. Whether a mask sits right is for
people to see; nothing is counted that a program cannot know.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np

from masksynth.arrays import Photo8
from masksynth.compose import Composer
from masksynth.detect import load_detector
from masksynth.errors import MasksynthError
from masksynth.extract import extract_template
from masksynth.photos import PHOTO_SUFFIXES, Photo, read_photo, spectrum_of, write_photo
from masksynth.reconstruct import load_reconstructor
from masksynth.report.walk import outline
from masksynth.synthesize import mask_photo
from masksynth.template import resolve_templates
from masksynth.template.worn import worn

SIDE, COLUMNS, ROWS = 190, 10, 6  # of a picture in pixels; pictures a sheet
RED = (170, 30, 30)


def photos(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in PHOTO_SUFFIXES)


def applied(paths: Sequence[Path], templates: Sequence[str], seed: int, grey: bool) -> Iterator[tuple[Photo8, str]]:
    """Each photo with masks on, cut to its largest face, and what to write below it."""
    detector, reconstructor, composer = load_detector(), load_reconstructor(), Composer()
    chosen = resolve_templates(templates)
    for path in paths:
        photo = read_photo(path)
        if grey:
            photo = Photo(np.asarray(cv2.cvtColor(photo.rgb, cv2.COLOR_RGB2GRAY), np.uint8), path)
        try:
            masked = mask_photo(
                photo, chosen, spectrum_of(photo.pixels, "auto"),
                detector=detector, reconstructor=reconstructor, composer=composer, seed=seed,
            )  # fmt: skip
        except MasksynthError:
            yield tile(photo.rgb, RED), f"{path.stem[-18:]}: none"
            continue
        face = masked.faces[0]
        middle, reach = face.landmarks68[:, :2].mean(0), 1.25 * face.interocular
        yaw = face.pose.degrees[0]
        yield tile(square(Photo(masked.image, path).rgb, middle, reach)), f"{path.stem[-18:]} {yaw:+.0f}"


def extracted(paths: Sequence[Path], refused: Counter[str]) -> Iterator[tuple[Photo8, str]]:
    """Each photo with the outline that was found, then the generic face with the template."""
    for path in paths:
        photo = read_photo(path)
        try:
            made = extract_template([photo])
        except MasksynthError as error:
            reason = str(error).split(": ", 1)[-1].split("(")[0].strip()
            refused[reason[:70]] += 1
            yield tile(photo.rgb, RED), f"{path.stem[-18:]}: refused"
            yield np.full((SIDE, SIDE, 3), 255, np.uint8), ""
            continue
        yield tile(outline(photo.rgb, made.views[0].segmentation.alpha)), path.stem[-24:]
        yield worn(made.template, yaw_deg=0.0, side=SIDE), f"{len(made.warnings)} warnings"


def square(rgb: Photo8, middle: np.ndarray, reach: float) -> Photo8:
    """(2 reach, 2 reach, 3) around `middle`, black outside the photo."""
    scale = SIDE / (2 * reach)
    matrix = np.array([[scale, 0, SIDE / 2 - scale * middle[0]], [0, scale, SIDE / 2 - scale * middle[1]]])
    return np.asarray(cv2.warpAffine(rgb, matrix, (SIDE, SIDE), flags=cv2.INTER_LINEAR), np.uint8)


def tile(rgb: Photo8, frame: tuple[int, int, int] | None = None) -> Photo8:
    """The picture within SIDE x SIDE, on white."""
    scale = SIDE / max(rgb.shape[:2])
    size = (max(1, round(rgb.shape[1] * scale)), max(1, round(rgb.shape[0] * scale)))
    small = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
    out = np.full((SIDE, SIDE, 3), 255, np.uint8)
    out[: size[1], : size[0]] = small
    if frame is not None:
        cv2.rectangle(out, (0, 0), (SIDE - 1, SIDE - 1), frame, 5)
    return out


def write_sheets(stem: Path, pictures: Iterator[tuple[Photo8, str]]) -> int:
    """Sheets of COLUMNS x ROWS named STEM-1.jpg and so on; how many pictures carry a face."""
    sheet, number, found = [], 1, 0
    for picture, words in pictures:
        found += bool(words) and not words.endswith(("none", "refused"))
        below = np.full((22, SIDE, 3), 255, np.uint8)
        cv2.putText(below, words, (2, 15), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (0, 0, 0), 1, cv2.LINE_AA)
        sheet.append(np.vstack([picture, below]))
        if len(sheet) == COLUMNS * ROWS:
            _write(stem, number, sheet)
            sheet, number = [], number + 1
    if sheet:
        _write(stem, number, sheet)
    return found


def _write(stem: Path, number: int, pictures: list[Photo8]) -> None:
    blank = np.full_like(pictures[0], 255)
    pictures = pictures + [blank] * (-len(pictures) % COLUMNS)
    rows = [np.hstack(pictures[k : k + COLUMNS]) for k in range(0, len(pictures), COLUMNS)]
    write_photo(stem.with_name(f"{stem.name}-{number}.jpg"), np.vstack(rows))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--unmasked", type=Path, help="folder of photos of people without masks")
    parser.add_argument("--masked", type=Path, help="folder of photos of people with masks")
    parser.add_argument("--template", nargs="+", default=["surgical-blue"])
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    if arguments.unmasked:
        paths = photos(arguments.unmasked)
        for name, grey in (("colour", False), ("grey", True)):
            pictures = applied(paths, arguments.template, arguments.seed, grey)
            found = write_sheets(arguments.out / f"applied-{name}", pictures)
            print(f"{name}: a face found and masked in {found} of {len(paths)} photos", flush=True)
    if arguments.masked:
        paths, refused = photos(arguments.masked), Counter[str]()
        pairs = write_sheets(arguments.out / "extracted", extracted(paths, refused))
        print(f"templates: {pairs // 2} of {len(paths)} photos", flush=True)
        for reason, count in refused.most_common():
            print(f"  {count} refused: {reason}")


if __name__ == "__main__":
    main()
