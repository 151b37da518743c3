"""Round trip: a template put on generated faces and taken off again: python benchmarks/extraction.py [--people N]

For each yaw: intersection over union of the outlines in the layout, and PSNR of the colours where both are mask, after
one gain for the whole mask (the light's strength is not the template's). The segmentation is the one drawn, so that
only reconstruction, unwrapping and filling are measured, or, with --segment, the one found.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np

from masksynth.arrays import Pose
from masksynth.compose import compose
from masksynth.datasets.generated import View, identity, render_face
from masksynth.detect import load_detector
from masksynth.errors import MasksynthError
from masksynth.extract import ExtractConfig, extract_template
from masksynth.photos import Photo
from masksynth.reconstruct import find_faces, load_reconstructor
from masksynth.template import Template, load_template

YAWS_DEG = (-50, -35, -20, 0, 20, 35, 50)
MASKS = ("surgical-blue", "cloth-striped", "kn95-white", "n95-cup")


def agreement(found: Template, truth: Template) -> tuple[float, float]:
    """IoU of the outlines, PSNR in dB of the colours."""
    a, b = found.alpha > 0.5, truth.alpha > 0.5
    both = (found.alpha > 0.95) & (truth.alpha > 0.95)
    x, y = (t.rgba[both, :3].astype(np.float64) ** 2.2 for t in (found, truth))
    gain = np.median(y) / max(float(np.median(x)), 1e-6)
    error = np.clip(x * gain, 0, 1) ** (1 / 2.2) - y ** (1 / 2.2)
    return float((a & b).sum() / (a | b).sum()), float(-10 * np.log10(max(float((error**2).mean()), 1e-10)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=4)
    parser.add_argument("--segment", action="store_true", help="Find the mask instead of taking the one drawn.")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    detector, reconstructor = load_detector(), load_reconstructor()
    masks = [load_template(name) for name in MASKS]
    print("yaw   n  failed  IoU mean  worst  PSNR mean  measured  mirrored")
    for yaw in YAWS_DEG:
        overlaps, ratios, measured, mirrored, failed = [], [], [], [], 0
        for person in range(options.people):
            view = View(pose=Pose(np.radians(yaw), 0.0, 0.0), interocular=110.0)
            clean = render_face(identity(1, person), view, "vis", (480, 480)).pixels
            faces, _ = find_faces(clean, detector, reconstructor)
            for mask in masks:
                if not faces:
                    failed += 1
                    continue
                made = compose(clean, faces[0], mask, "vis")
                given = None if options.segment else [(made.alpha / 255).astype(np.float32)]
                try:
                    photo = Photo(made.image, Path(f"{mask.name}.png"))
                    found = extract_template([photo], ExtractConfig(), segmentations=given).template
                except MasksynthError:
                    failed += 1
                    continue
                overlap, ratio = agreement(found, mask.resized(256))
                overlaps.append(overlap)
                ratios.append(ratio)
                measured.append(found.metadata["texels"]["measured"])
                mirrored.append(found.metadata["texels"]["mirrored"])
        if overlaps:
            print(
                f"{yaw:+3d} {len(overlaps):3d}  {failed:6d}  {np.mean(overlaps):8.3f}  {min(overlaps):5.3f}  "
                f"{np.mean(ratios):9.1f}  {np.mean(measured):8.2f}  {np.mean(mirrored):8.2f}",
                flush=True,
            )
        else:
            print(f"{yaw:+3d}   0  {failed:6d}")


if __name__ == "__main__":
    main()
