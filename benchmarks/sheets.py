"""Contact sheets of every template on real photos, to be looked at one by one.

    python benchmarks/sheets.py FOLDER -o SHEETS [--templates NAME...]

FOLDER holds photos of bare faces, in folders or not. Sixteen are picked: frontal, three-quarter and profile, dark and
small, in colour and as one grey channel that is taken for NIR; the list is printed. Each sheet shows one template on
all of them, cut to the face, as ``SHEETS/NAME.png``; ``SHEETS/bare.png`` shows the photos.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from masksynth.arrays import Photo8, Reconstruction, Spectrum
from masksynth.compose import ComposeConfig, Composer, compose
from masksynth.detect import load_detector
from masksynth.errors import MasksynthError
from masksynth.photos import PHOTO_SUFFIXES, read_photo, write_photo
from masksynth.reconstruct import find_faces, load_reconstructor
from masksynth.report.pictures import Cell, contact_sheet
from masksynth.template import Template, library, load_template

WANTED = {  # kind: how many in colour, how many in grey
    "frontal": (3, 2),
    "three-quarter": (2, 1),
    "profile": (2, 1),
    "dark": (2, 1),
    "small": (1, 1),
}
ACROSS = 2.7  # interocular distances that a cell shows
SMALLEST_PX = 14.0  # between the outer eye corners


@dataclass(frozen=True)
class Host:
    """A face to wear masks."""

    path: Path
    pixels: Photo8
    spectrum: Spectrum
    face: Reconstruction
    kind: str


def measured(folder: Path) -> Iterator[tuple[Path, Reconstruction, float]]:
    """Each photo with a face, and the mean grey level of that face."""
    detector, reconstructor = load_detector(), load_reconstructor()
    for path in sorted(p for p in folder.rglob("*") if p.suffix.lower() in PHOTO_SUFFIXES):
        try:
            photo = read_photo(path)
            faces, _ = find_faces(photo.rgb, detector, reconstructor)
        except MasksynthError:
            continue
        if faces:
            box = faces[0].box
            part = photo.rgb[max(int(box.top), 0) : int(box.bottom), max(int(box.left), 0) : int(box.right)]
            yield path, faces[0], float(part.mean()) if part.size else 255.0


def picked(folder: Path) -> list[Host]:
    """Sixteen hosts, the same for the same photos: of each kind those that are most so, or largest."""
    found = list(measured(folder))
    large = [f for f in found if f[1].interocular > 40]
    pools = {
        "small": sorted((f for f in found if f[1].interocular >= SMALLEST_PX), key=lambda f: f[1].interocular),
        "profile": sorted(large, key=lambda f: -abs(f[1].pose.degrees[0])),
        "dark": sorted(large, key=lambda f: f[2]),
        "three-quarter": sorted(
            (f for f in found if 20 < abs(f[1].pose.degrees[0]) <= 42), key=lambda f: -f[1].interocular
        ),
        "frontal": sorted((f for f in found if abs(f[1].pose.degrees[0]) < 12), key=lambda f: -f[1].interocular),
    }
    hosts: list[Host] = []
    used: set[tuple[int, ...]] = set()  # the same photo may be there in several brightnesses
    for kind, pool in pools.items():
        colour, grey = WANTED[kind]
        chosen = 0
        for path, face, _ in pool:
            likeness = (*np.rint(face.pose.degrees).astype(int), round(face.interocular / 3))
            if chosen == colour + grey or likeness in used:
                continue
            used.add(likeness)
            rgb = read_photo(path).rgb
            if chosen < colour:
                hosts.append(Host(path, rgb, "vis", face, kind))
            else:
                hosts.append(Host(path, np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)), "nir", face, kind))
            chosen += 1
    return sorted(hosts, key=lambda host: list(WANTED).index(host.kind))


def cell(pixels: Photo8, face: Reconstruction, side: int) -> Photo8:
    """The face and what is around it, `side` pixels square."""
    middle = face.landmarks68[27:36, :2].mean(0)
    width = ACROSS * face.interocular
    scale = side / width
    matrix = np.array([[scale, 0, side / 2 - scale * middle[0]], [0, scale, side * 0.47 - scale * middle[1]]])
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.warpAffine(pixels, matrix, (side, side), flags=how, borderValue=(128, 128, 128)), np.uint8)


def sheet(hosts: list[Host], template: Template | None, composer: Composer, side: int) -> Photo8:
    """The hosts with `template`, or bare."""
    cells = []
    for host in hosts:
        image = host.pixels
        if template is not None:
            image = compose(image, host.face, template, host.spectrum, composer=composer).image
        yaw = host.face.pose.degrees[0]
        label = f"{host.path.stem} {host.spectrum} {yaw:+.0f}° {host.face.interocular:.0f} px"
        cells.append(Cell(cell(image, host.face, side), label))
    return contact_sheet(cells, columns=4, side=side, title="bare" if template is None else template.name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("-o", "--out", type=Path, required=True, help="folder to write to")
    parser.add_argument("--templates", nargs="*", help="names, files; the whole library where not given")
    parser.add_argument("--side", type=int, default=280, help="pixels of a cell")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    hosts = picked(arguments.folder)
    for host in hosts:
        yaw, pitch, roll = host.face.pose.degrees
        print(
            f"{host.kind:14s} {host.spectrum}  {host.path}  eyes {host.face.interocular:.0f} px, "
            f"pose {yaw:+.0f} {pitch:+.0f} {roll:+.0f}"
        )
    composer = Composer(ComposeConfig())
    write_photo(arguments.out / "bare.png", sheet(hosts, None, composer, arguments.side))
    for name in arguments.templates or [entry.path for entry in library()]:
        template = load_template(name)
        write_photo(arguments.out / f"{template.name}.png", sheet(hosts, template, composer, arguments.side))
    print(f"{len(hosts)} photos; sheets in {arguments.out}")


if __name__ == "__main__":
    main()
