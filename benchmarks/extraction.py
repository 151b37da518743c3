"""Round trip: a template put on generated faces and taken off again: python benchmarks/extraction.py [--people N]

For each yaw: intersection over union of the outlines in the layout, and PSNR of the colours where both are mask, after
one gain for the whole mask (the light's strength is not the template's). The segmentation is the one drawn, so that
only reconstruction, unwrapping and filling are measured, or, with --segment, the one found.

With --several: three photos of one mask (yaw -35, 0 and 35 degrees, a lamp from another side in each) in one template,
against each alone and the two turned ones together.

With --nir: the reflectance of templates taken from NIR photos of faces that truly wear them (area light, highlights,
cast shadows), near and far, at four yaws, over the truth. Skin is taken to be of one reflectance; that of generated
persons is not, so that the ratio is also given with the person's own.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from masksynth.arrays import Pose
from masksynth.compose import compose
from masksynth.compose.light import NIR_SKIN
from masksynth.datasets.generated import Light, View, draw_view, identity, render_face
from masksynth.datasets.generated.truly_masked import render_masked
from masksynth.detect import load_detector
from masksynth.errors import MasksynthError
from masksynth.extract import ExtractConfig, extract_template
from masksynth.photos import Photo
from masksynth.reconstruct import find_faces, load_reconstructor
from masksynth.template import Template, load_template

YAWS_DEG = (-50, -35, -20, 0, 20, 35, 50)
NIR_MASKS = ("surgical-blue", "surgical-black", "kn95-white", "n95-cup", "cloth-navy", "sport-grey", "cloth-striped")
NIR_VIEWS = ((0, 110, 11.0), (-25, 80, 9.0), (25, 130, 14.0), (40, 100, 10.0))  # yaw, interocular px, distance in such
MASKS = ("surgical-blue", "cloth-striped", "kn95-white", "n95-cup")


def agreement(found: Template, truth: Template) -> tuple[float, float]:
    """IoU of the outlines, PSNR in dB of the colours."""
    a, b = found.alpha > 0.5, truth.alpha > 0.5
    both = (found.alpha > 0.95) & (truth.alpha > 0.95)
    x, y = (t.rgba[both, :3].astype(np.float64) ** 2.2 for t in (found, truth))
    gain = np.median(y) / max(float(np.median(x)), 1e-6)
    error = np.clip(x * gain, 0, 1) ** (1 / 2.2) - y ** (1 / 2.2)
    return float((a & b).sum() / (a | b).sum()), float(-10 * np.log10(max(float((error**2).mean()), 1e-10)))


def reflectance(segment: bool) -> None:
    """Median NIR reflectance of the template over the mask's own."""
    print("template          yaw   px  truth  found  ratio  to the person's own skin")
    ratios = []
    for k, name in enumerate(NIR_MASKS):
        truth = load_template(name).resized(256)
        person = identity(3, k)
        own = 0.60 - 0.16 * person.melanin + 0.05 * person.nir_tone
        for yaw, between, distance in NIR_VIEWS:
            rng = np.random.default_rng([k, between])
            pose = Pose(np.radians(yaw), np.radians(float(rng.uniform(-10, 10))), 0.0)
            view = replace(draw_view(rng, "nir"), pose=pose, interocular=between, distance=distance)
            shot = render_masked(person, view, truth, "nir", (480, 480))
            given = None if segment else [shot.alpha]
            try:
                photo = Photo(shot.masked, Path(f"{name}.png"))
                found = extract_template([photo], ExtractConfig(spectrum="nir"), segmentations=given).template
            except MasksynthError as error:
                print(f"{name:16} {yaw:+4d} {between:4d}  {error}")
                continue
            assert found.nir is not None
            assert truth.nir is not None
            both = (found.alpha > 0.95) & (truth.alpha > 0.95)
            level, goal = float(np.median(found.nir[both])), float(np.median(truth.nir[both]))
            ratios.append((level / goal, level / goal * own / NIR_SKIN))
            print(
                f"{name:16} {yaw:+4d} {between:4d}  {goal:5.2f}  {level:5.2f}  {ratios[-1][0]:5.2f}  "
                f"{ratios[-1][1]:5.2f}",
                flush=True,
            )
    for what, values in zip(("skin of 0.60", "the person's own skin"), np.array(ratios).T, strict=True):
        print(
            f"{what}: {len(values)} templates, mean ratio {values.mean():.3f}, mean error "
            f"{np.abs(values - 1).mean():.3f}, {values.min():.2f} to {values.max():.2f}"
        )


def several(people: int, segment: bool) -> None:
    """Agreement of templates from one, two and three photos of a mask, under three lights."""
    detector, reconstructor = load_detector(), load_reconstructor()
    turns = ((-35, 0.9), (0, -0.8), (35, -0.9))  # yaw in degrees, where the lamp stands in radians to the right
    choices = {"-35": [0], "0": [1], "+35": [2], "-35 +35": [0, 2], "all three": [0, 1, 2]}
    found: dict[str, list[tuple[float, float, float]]] = {name: [] for name in choices}
    for person in range(people):
        for name in MASKS:
            mask = load_template(name)
            photos, alphas = [], []
            for yaw, right in turns:
                lamp = np.array([[np.sin(right), -0.2, np.cos(right)]])
                light = Light(
                    directions=lamp / np.linalg.norm(lamp),
                    colours=np.array([[0.9, 0.85, 0.8]]),
                    sky=np.full(3, 0.25),
                    ground=np.full(3, 0.15),
                )
                view = View(pose=Pose(np.radians(yaw), 0.0, 0.0), interocular=110.0, light=light)
                clean = render_face(identity(1, person), view, "vis", (480, 480)).pixels
                faces, _ = find_faces(clean, detector, reconstructor)
                made = compose(clean, faces[0], mask, "vis")
                photos.append(Photo(made.image, Path(f"{name}.png")))
                alphas.append((made.alpha / 255).astype(np.float32))
            for what, chosen in choices.items():
                given = None if segment else [alphas[k] for k in chosen]
                try:
                    template = extract_template(
                        [photos[k] for k in chosen], ExtractConfig(), segmentations=given
                    ).template
                except MasksynthError as error:
                    print(f"{name} {what}: {error}")
                    continue
                measured = template.metadata["texels"]["measured"]
                found[what].append((*agreement(template, mask.resized(256)), measured))
    print("photos       n  IoU mean  PSNR mean  measured")
    for what, values in found.items():
        overlap, ratio, measured = np.mean(values, axis=0)
        print(f"{what:10} {len(values):3d}  {overlap:8.3f}  {ratio:9.1f}  {measured:8.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=4)
    parser.add_argument("--segment", action="store_true", help="Find the mask instead of taking the one drawn.")
    parser.add_argument("--several", action="store_true", help="Measure templates from several photos of one mask.")
    parser.add_argument("--nir", action="store_true", help="Measure the reflectance of templates from NIR photos.")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    if options.nir:
        reflectance(options.segment)
        return
    if options.several:
        several(options.people, options.segment)
        return
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
