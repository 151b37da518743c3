"""Really masked people against ours, on real photos: brightness of mask to skin, and sharpness of the mask's rim.

    python benchmarks/worn.py FOLDER

FOLDER holds ``masked/`` and ``unmasked/`` (JPEG). The unmasked people get the packaged templates in turn. In both, the
mask is found by `masksynth.segment` with the same settings, and measured alike:

- brightness: median linear luminance of the mask over that of the skin above it, as the logarithm to base 2;
- rim width: step of the rim over its steepest slope, in pixels, median over the upper rim where the step is at least 25
  grey levels.

Printed are the 10, 25, 50, 75 and 90 per cent quantiles. Colours differ between the two groups, so the first is to be
read for its spread and its ends, the second as it stands.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np

from masksynth.compose import Composer, compose
from masksynth.compose.colour import LUMINANCE, to_linear
from masksynth.compose.light import skin_places
from masksynth.detect import load_detector
from masksynth.errors import MasksynthError
from masksynth.photos import read_photo
from masksynth.reconstruct import find_faces, load_reconstructor
from masksynth.segment import segment_mask
from masksynth.template import library, load_template
from masksynth.unwrap import extract_texture

QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)
REACH = 6  # pixels looked at on either side of the rim
LEAST_STEP = 25.0  # grey levels


def brightness(rgb: np.ndarray, face, alpha: np.ndarray) -> float:
    """Logarithm to base 2 of mask over skin."""
    linear = to_linear(rgb.astype(np.float32) / 255) @ np.array(LUMINANCE, np.float32)
    texture = extract_texture(np.ascontiguousarray(linear[..., None]), face.position_map)[..., 0]
    places = cv2.resize(skin_places(), (256, 256), interpolation=cv2.INTER_NEAREST) > 0.5
    places[84:] = False
    skin, mask = np.median(texture[places]), np.median(linear[alpha > 0.9])
    return float(np.log2(max(mask, 1e-3) / max(skin, 1e-3)))


def rim_width(rgb: np.ndarray, alpha: np.ndarray) -> float:
    """Median width of the upper rim in pixels; nan where it is nowhere strong enough."""
    grey = rgb.astype(np.float32).mean(axis=2)
    widths = []
    for column in range(0, grey.shape[1], 2):
        rows = np.flatnonzero(alpha[:, column] > 0.5)
        if len(rows) < 12:
            continue
        top = rows[0]
        profile = grey[max(top - REACH, 0) : top + REACH + 1, column]
        if len(profile) < 2 * REACH + 1:
            continue
        step = abs(float(np.median(profile[:3]) - np.median(profile[-3:])))
        slope = float(np.abs(np.diff(profile)).max())
        if step >= LEAST_STEP:
            widths.append(step / slope)
    return float(np.median(widths)) if len(widths) >= 5 else float("nan")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--limit", type=int, default=60, help="photos of each kind")
    arguments = parser.parse_args()
    detector, reconstructor, composer = load_detector(), load_reconstructor(), Composer()
    templates = [load_template(entry.path) for entry in library() if entry.packaged]
    for kind in ("masked", "unmasked"):
        found = []
        for number, path in enumerate(sorted((arguments.folder / kind).glob("*.jpg"))[: arguments.limit]):
            rgb = read_photo(path).rgb
            faces, _ = find_faces(rgb, detector, reconstructor)
            if not faces or faces[0].interocular < 40:
                continue
            if kind == "unmasked":
                rgb = compose(rgb, faces[0], templates[number % len(templates)], "vis", composer=composer).image
            try:
                alpha = segment_mask(rgb, faces[0]).alpha
            except MasksynthError:
                continue
            found.append((brightness(rgb, faces[0], alpha), rim_width(rgb, alpha)))
        values = np.array(found)
        print(f"{'really masked' if kind == 'masked' else 'ours'}: n = {len(values)}")
        for name, column in (("brightness, log2 mask/skin", 0), ("rim width [px]", 1)):
            kept = values[np.isfinite(values[:, column]), column]
            quantiles = "  ".join(f"{q:6.2f}" for q in np.quantile(kept, QUANTILES))
            print(f"  {name:28s} {quantiles}   (n = {len(kept)})")


if __name__ == "__main__":
    main()
