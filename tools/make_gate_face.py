"""Draw the generated face that imported networks are tried on, and write it to assets/gate_face.png.

It is a person who does not exist, frontal, in the crop of 256 x 256 that PRNet wants.

    python tools/make_gate_face.py [-o assets/gate_face.png]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from masksynth.arrays import Box, Detection
from masksynth.datasets.generated import View, identity, render_face
from masksynth.photos import write_photo
from masksynth.reconstruct.prnet import crop, crop_from_photo

PERSON = (2021, 3)  # seed and number


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--out", type=Path, default=Path("assets/gate_face.png"))
    arguments = parser.parse_args()
    photo = render_face(identity(*PERSON), View(), "vis")
    low, high = photo.landmarks68[:, :2].min(0), photo.landmarks68[:, :2].max(0)
    box = Box(float(low[0]), float(low[1]), float(high[0]), float(high[1]))
    detection = Detection(box, 1.0, np.zeros((0, 2), np.float32), given=True)
    write_photo(arguments.out, crop(photo.pixels, crop_from_photo(detection)))
    print(f"{arguments.out}: written")


if __name__ == "__main__":
    main()
