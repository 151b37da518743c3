"""Write the packaged templates: python tools/make_templates.py [FOLDER]

The same version of this program and of numpy, scipy and OpenCV writes the same bytes.
"""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

from masksynth.template import save_template
from masksynth.template.design import MaskDesign
from masksynth.template.generator import generate

SIZE = 256  # drawn at twice the size and averaged
LARGE = ("surgical-blue", "kn95-white", "cloth-striped")  # for large faces

DESIGNS = {
    "surgical-blue": MaskDesign(seed=1),
    "surgical-green": MaskDesign(colour="#9ed2c2", seed=2, wrinkles=1.2),
    "surgical-white": MaskDesign(colour="#f2f3f3", seed=3),
    "surgical-pink": MaskDesign(colour="#f1bccb", seed=4, wrinkles=0.8),
    "surgical-black": MaskDesign(colour="#2b2c30", seed=5, dye="carbon"),
    "surgical-blue-low": MaskDesign(colour="#86bde0", seed=6, drop=1.0, tilt_deg=2.0),
    "surgical-lilac-tilted": MaskDesign(colour="#b9a8dc", seed=7, drop=0.12, tilt_deg=-5.0, wrinkles=1.4),
    "n95-cup": MaskDesign(kind="n95", colour="#efefec", seed=11),
    "n95-valve": MaskDesign(kind="n95", colour="#eceeee", second="#d9dcde", valve=True, seed=12),
    "kn95-white": MaskDesign(kind="kn95", colour="#f3f3f1", seed=21),
    "kn95-black": MaskDesign(kind="kn95", colour="#26272b", seed=22, dye="carbon"),
    "kn95-valve": MaskDesign(kind="kn95", colour="#e9eaec", second="#c9ccd0", valve=True, seed=23),
    "cloth-navy": MaskDesign(kind="cloth", colour="#31415f", seed=31),
    "cloth-black": MaskDesign(kind="cloth", colour="#202226", seed=32),  # reactive dye: bright in NIR
    "cloth-striped": MaskDesign(kind="cloth", colour="#eeece6", second="#31415f", pattern="stripes", seed=33),
    "cloth-flowers": MaskDesign(kind="cloth", colour="#7d1f2a", second="#efe6da", pattern="flowers", seed=34),
    "cloth-checks": MaskDesign(kind="cloth", colour="#f0efec", second="#8a3b3b", pattern="checks", seed=35),
    "cloth-heather": MaskDesign(kind="cloth", colour="#8a8d92", second="#4d5055", pattern="heather", seed=36),
    "sport-grey": MaskDesign(kind="sport", colour="#2a2c30", second="#4f5359", valve=True, seed=41),
    "sport-blue": MaskDesign(kind="sport", colour="#1f3f6d", second="#2d5c9e", seed=42),
    "bandana-red": MaskDesign(kind="bandana", colour="#8c1f2c", second="#f0ebe2", pattern="flowers", seed=51),
    "gaiter-camouflage": MaskDesign(
        kind="gaiter", colour="#6a6f56", second="#2e3328", pattern="camouflage", pattern_scale=1.4, seed=61
    ),
    "gaiter-black": MaskDesign(kind="gaiter", colour="#1d1e22", seed=62),
    "respirator-half": MaskDesign(kind="respirator", colour="#6d7785", second="#c76a86", seed=71),
}


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, design in DESIGNS.items():
        template = generate(dataclasses.replace(design, size=512), name)
        for path in save_template(folder / f"{name}.png", template.resized(512 if name in LARGE else SIZE)):
            print(f"{path}: {path.stat().st_size // 1024} KiB")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[1] / "templates")
