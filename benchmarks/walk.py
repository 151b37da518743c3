"""Milliseconds of each stage from a photo file to a masked photo, on one thread, warm.

    OMP_NUM_THREADS=1 python benchmarks/walk.py [PHOTO] [--runs 60]

Without PHOTO a generated face of 640 x 480 px is used, as PNG and as JPEG. Printed are the median and the least of the
runs in processor time, which on a machine that does other work as well says better what the code costs than the clock
on the wall. The goal for the walk is 8 ms on a machine that runs the two networks alone in 1.5, so the sum is printed
as a multiple of what these take here and now as well. Below stand the goals' own cases: a face 180 px high in 256 x 256
beside a plain z-buffer over every triangle of PRNet's mesh in the same run, the 144 x 144 crop, and each further mask
on a face that is reconstructed already.
"""

from __future__ import annotations

import argparse
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from floor import bare_networks

from masksynth.align import crop, crop_from_photo
from masksynth.arrays import PositionMap
from masksynth.compose import Composer
from masksynth.datasets.generated import View, identity, render_face
from masksynth.detect import load_detector
from masksynth.photos import Photo, read_photo, spectrum_of, write_photo
from masksynth.reconstruct import load_reconstructor
from masksynth.reconstruct.prnet import validity as prnet_validity
from masksynth.reconstruct.uv_layout import landmarks68_from_mesh, position_map_from_mesh
from masksynth.render import grid_triangles, rasterize
from masksynth.render.canvas import Canvas, window_of
from masksynth.synthesize import mask_crops
from masksynth.template import load_template
from masksynth.unwrap import extract_texture


def timed(work: Callable[[], object], runs: int) -> tuple[float, float]:
    """Median and least milliseconds of processor time."""
    for _ in range(3):
        work()
    seconds = []
    for _ in range(runs):
        start = time.process_time()
        work()
        seconds.append(time.process_time() - start)
    return 1e3 * float(np.median(seconds)), 1e3 * min(seconds)


def show(name: str, figures: tuple[float, float]) -> tuple[float, float]:
    print(f"  {name:44s} {figures[0]:8.2f} {figures[1]:8.2f}")
    return figures


def walk(path: Path, runs: int) -> None:
    photo = read_photo(path)
    spectrum = spectrum_of(photo.pixels, "auto")
    detector, reconstructor = load_detector(), load_reconstructor()
    template = load_template("surgical-blue")
    rgb = photo.rgb
    found = detector.detect(rgb)[0]
    face = reconstructor.reconstruct(rgb, found)
    composer = Composer()
    image = photo.pixels.copy()
    alpha, touched = np.zeros(image.shape[:2], np.uint8), np.zeros(image.shape[:2], bool)
    floats = (photo.pixels if photo.pixels.ndim == 3 else photo.pixels[:, :, None]).astype(np.float32) / np.float32(255)
    mesh = render_mesh()

    def reconstruct() -> PositionMap:
        return reconstructor.reconstruct(rgb, found).position_map  # made when asked for

    size = f"{photo.pixels.shape[1]} x {photo.pixels.shape[0]} px, {spectrum}"
    print(f"\n{path.name}: {size}, eyes {face.interocular:.0f} px apart; processor milliseconds, median and least")
    stages = [
        show("decode", timed(lambda: read_photo(path), runs)),
        show("detect", timed(lambda: detector.detect(rgb), runs)),
        show("mesh, position map, landmarks, pose", timed(reconstruct, runs)),
        show("compose: look (light, sharpness)",
             timed(lambda: composer.look(photo.pixels, face.position_map, spectrum), runs)),
        show("compose: wear (render, blend)", timed(lambda: composer.wear(template, image, alpha, touched), runs)),
        show("align (crop of 144)", timed(lambda: crop(photo.pixels, crop_from_photo(face.five_points), 144), runs)),
    ]  # fmt: skip
    total = show("SUM", (sum(s[0] for s in stages), sum(s[1] for s in stages)))
    networks = bare_networks(detector, reconstructor)
    bare = show("the two networks alone", timed(lambda: [run() for run in networks], runs))
    shares = " ".join(f"{mine / its:8.2f}" for mine, its in zip(total, bare, strict=True))
    print(f"  {'SUM as a multiple of them (goal 5.3)':44s} {shares}")
    print("  of these, or beside them:")
    show("position map from the mesh alone", timed(lambda: position_map_from_mesh(mesh), runs))
    show("68 landmarks from the mesh alone", timed(lambda: landmarks68_from_mesh(mesh), runs))
    show("unwrap to 256 x 256 (--render full alone)", timed(lambda: extract_texture(floats, face.position_map), runs))


def render_mesh() -> np.ndarray:
    return render_face(identity(1, 1), View(), "vis").mesh


def scaled(position_map: PositionMap, height: float, side: int) -> PositionMap:
    """The map with its face `height` px high in the middle of a picture of `side`."""
    points = position_map.positions[position_map.validity == 1]
    low, high = points.min(0), points.max(0)
    scale = height / float(high[1] - low[1])
    middle = (low + high)[:2] / 2 * scale
    return position_map.moved(np.array([[scale, 0, side / 2 - middle[0]], [0, scale, side / 2 - middle[1]]]))


def allocated(work: Callable[[], object], calls: int = 100) -> int:
    """Bytes that stay allocated after `calls` more calls of warm work: 0 where its buffers are used again."""
    for _ in range(3):
        work()
    tracemalloc.start()
    work()
    before = tracemalloc.get_traced_memory()[0]
    for _ in range(calls):
        work()
    after = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return after - before


def peak(work: Callable[[], object]) -> int:
    """The most bytes that one call of warm work has at a time beyond what was there before it."""
    for _ in range(3):
        work()
    tracemalloc.start()
    work()
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    work()
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return most - before


def rendering(runs: int) -> None:
    photo = render_face(identity(1, 2), View(interocular=70), "nir", (288, 256))
    template = load_template("surgical-blue")
    face = scaled(PositionMap(photo.position_map.positions, prnet_validity()), 180, 256)
    composer = Composer()
    triangles = grid_triangles((face.validity == 1).astype(np.uint8))  # PRNet's mesh
    from masksynth.compose.mask import prepare

    texture = prepare(template, "nir", face.validity).pyramid
    canvas = Canvas()

    def draw() -> None:
        canvas.look(face, window_of(face, (256, 256), extent=texture.extent), texture=texture)
        canvas.draw(texture)

    print("\nrendering, processor milliseconds, median and least, and the share of the plain z-buffer in the same run")
    name = f"plain z-buffer, {len(triangles):,} triangles, 180 px face"

    def zbuffer() -> None:
        rasterize(face.positions.reshape(-1, 3), triangles, (256, 256))

    plain = show(name, timed(zbuffer, max(runs // 3, 5)))

    def beside(name: str, figures: tuple[float, float]) -> None:
        shares = " ".join(f"{mine / its:8.2f}" for mine, its in zip(figures, plain, strict=True))
        print(f"  {name:44s} {figures[0]:8.2f} {figures[1]:8.2f}  {shares}")

    beside("texture over the same face (goal 1.0)", timed(draw, runs))
    print(f"  one call of it has {peak(draw):,} bytes at most, a hundred leave {allocated(draw):,}")
    from masksynth.reconstruct import find_faces

    faces, _ = find_faces(np.repeat(photo.pixels[..., None], 3, 2), load_detector(), load_reconstructor())
    frame = crop_from_photo(faces[0].five_points)
    found = faces[0].position_map

    def draw_crop() -> None:
        canvas.look(
            found, window_of(found, (144, 144), extent=texture.extent, frame=frame), frame=frame, texture=texture
        )
        canvas.draw(texture)

    beside("texture into the 144 x 144 crop (goal 0.3)", timed(draw_crop, runs))
    one = timed(lambda: mask_crops(photo.pixels, faces[0], [template], "nir", composer=composer), runs)
    five = timed(lambda: mask_crops(photo.pixels, faces[0], [template] * 5, "nir", composer=composer), runs)
    beside("crop, light and one mask", one)
    beside("each further mask, all in all (goal 0.8)", ((five[0] - one[0]) / 4, (five[1] - one[1]) / 4))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photo", nargs="?", type=Path)
    parser.add_argument("--runs", type=int, default=60)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    if arguments.photo:
        walk(arguments.photo, arguments.runs)
    else:
        with tempfile.TemporaryDirectory() as folder:
            pixels = render_face(identity(1, 1), View(), "vis", (640, 480)).pixels
            for name in ("face.png", "face.jpg"):
                write_photo(Path(folder) / name, pixels, like=Photo(pixels, Path(name)))
                walk(Path(folder) / name, arguments.runs)
    rendering(arguments.runs)


if __name__ == "__main__":
    main()
