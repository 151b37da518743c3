"""How many photos of a folder a detector finds a face in, and in how many the mesh agrees; in colour and as grey.

python benchmarks/detection.py FOLDER… [--detector blazeface] [--names]
"""

import argparse
from pathlib import Path

import cv2
import numpy as np

from masksynth.detect import load_detector
from masksynth.photos import PHOTO_SUFFIXES, read_photo
from masksynth.reconstruct import find_faces, load_reconstructor


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--detector", default="blazeface")
    parser.add_argument("--names", action="store_true", help="also name the photos without a face")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    detector, reconstructor = load_detector(arguments.detector), load_reconstructor()
    for folder in arguments.folders:
        photos = sorted(path for path in folder.iterdir() if path.suffix.lower() in PHOTO_SUFFIXES)
        for light in ("colour", "grey"):
            detected = reconstructed = several = 0
            missed = []
            for path in photos:
                rgb = read_photo(path).rgb
                if light == "grey":
                    rgb = np.repeat(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)[:, :, None], 3, axis=2)
                detected += bool(detector.detect(rgb))
                faces, _ = find_faces(rgb, detector, reconstructor)
                reconstructed += bool(faces)
                several += len(faces) > 1
                if not faces:
                    missed.append(path.name)
            print(
                f"{folder.name} {light}: {detector.name} found a face in {detected} of {len(photos)}, "
                f"{reconstructor.name} made one of {reconstructed}; more than one in {several}"
            )
            if arguments.names and missed:
                print("  none in " + ", ".join(missed))


if __name__ == "__main__":
    main()
