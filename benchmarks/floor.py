"""Decoding, finding and reconstructing a face beside what they cannot be done without, in processor milliseconds.

The least that decoding can cost is libjpeg-turbo's own time, and the least of finding a face and its mesh one run of
each network. Each line is timed in turn, round by round, on one thread, so that whatever else the machine does falls on
all alike; printed are median and least of the rounds.

    OMP_NUM_THREADS=1 python benchmarks/floor.py [PHOTO.jpg] [--rounds 200]
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from masksynth.datasets.generated import View, identity, render_face
from masksynth.detect import Detector, load_detector
from masksynth.detect.blazeface import SIDE as DETECTOR_SIDE
from masksynth.detect.blazeface import letterboxed
from masksynth.photos import Photo, decode_photo, write_photo
from masksynth.reconstruct import Reconstructor, find_faces, load_reconstructor
from masksynth.reconstruct.region import crop_region, region_of_detection, snapped
from masksynth.reconstruct.uv_layout import landmarks68_from_mesh, position_map_from_mesh


def bare_networks(detector: Detector, reconstructor: Reconstructor) -> list[Callable[[], None]]:
    """One run of the network of each, on what it last saw, without anything around it."""
    return [n._network._interpreter.invoke for n in (detector._network, reconstructor._mesh)]


def measure(path: Path, rounds: int) -> None:
    data = path.read_bytes()
    detector, reconstructor = load_detector(), load_reconstructor()
    rgb = decode_photo(data, path).rgb
    detection = detector.detect(rgb)[0]
    face = reconstructor.reconstruct(rgb, detection)
    networks = bare_networks(detector, reconstructor)
    region = snapped(region_of_detection(detection))
    work = {
        "JPEG: libjpeg-turbo": lambda: cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB),
        "JPEG: Pillow into an array": lambda: np.asarray(Image.open(path)),
        "JPEG: decode_photo": lambda: decode_photo(data, path),
        "detector: its network": networks[0],
        "detector: its picture": lambda: letterboxed(rgb, DETECTOR_SIDE),
        "detector: detect": lambda: detector.detect(rgb),
        "mesh: its network": networks[1],
        "mesh: its picture": lambda: crop_region(rgb, region),
        "mesh: reconstruct": lambda: reconstructor.reconstruct(rgb, detection),
        "find_faces: both": lambda: find_faces(rgb, detector, reconstructor),
        "position map, when asked for": lambda: position_map_from_mesh(face.mesh),
        "68 landmarks": lambda: landmarks68_from_mesh(face.mesh),
    }
    times = {name: [] for name in work}
    for _ in range(rounds + 3):
        for name, call in work.items():
            start = time.process_time_ns()
            call()
            times[name].append(time.process_time_ns() - start)
    print(f"{path.name}: {rgb.shape[1]} x {rgb.shape[0]} px, eyes {face.interocular:.0f} px apart")
    figures = {}
    for name, values in times.items():
        figures[name] = np.median(values[3:]) / 1e6, min(values[3:]) / 1e6
        print("  {:32s} {:7.2f} {:7.2f}".format(name, *figures[name]))
    for which, k in (("median", 0), ("least", 1)):
        networks_alone = figures["detector: its network"][k] + figures["mesh: its network"][k]
        share = figures["find_faces: both"][k] / networks_alone
        decoding = figures["JPEG: decode_photo"][k] / figures["JPEG: libjpeg-turbo"][k]
        print(f"  {which}: finding a face {share:.2f} of the networks alone, decoding {decoding:.2f} of libjpeg-turbo")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photo", nargs="?", type=Path)
    parser.add_argument("--rounds", type=int, default=200)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    if arguments.photo:
        measure(arguments.photo, arguments.rounds)
        return
    with tempfile.TemporaryDirectory() as folder:
        pixels = render_face(identity(1, 1), View(), "vis", (640, 480)).pixels
        path = Path(folder) / "face.jpg"
        write_photo(path, pixels, like=Photo(pixels, path))
        measure(path, arguments.rounds)


if __name__ == "__main__":
    main()
