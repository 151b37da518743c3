"""Light on the mask, against the truth.

Generated faces are photographed truly masked (`masksynth.datasets.generated.truly_masked`: area light, highlights, cast
shadows) and the same mask is put on the unmasked photo. Compared where both are whole mask:

    python benchmarks/light.py [--persons 4] [--sheet light.png]

prints PSNR (of encoded values) with light matching on and off and the ratio of mean linear brightness, ours to the
truth, by spectrum and by the angle of the lamp to the line of sight.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import numpy as np

from masksynth.arrays import Pose
from masksynth.compose import ComposeConfig, Composer
from masksynth.compose.colour import to_linear
from masksynth.datasets.generated import Light, View, identity
from masksynth.datasets.generated.truly_masked import TrulyMasked, render_masked
from masksynth.photos import write_photo
from masksynth.template import load_template

LAMPS = {  # name: (degrees to the image's right, degrees down)
    "frontal": (0, -10),
    "45 left": (-45, -15),
    "45 right": (45, -15),
    "45 above": (0, -45),
    "65 left": (-65, -10),
    "65 right": (65, -10),
    "60 above right": (45, -45),
    "75 left": (-75, -10),
}
TEMPLATES = ("surgical-blue", "n95-cup", "kn95-black", "cloth-navy", "surgical-white")
SIZE = (288, 256)
EXPOSURE = (0.65, 0.95)  # light of 0.7 to 1.1 on the bright side; white masks in photos show 0.81 on average


@dataclass
class Result:
    on: list[float]
    off: list[float]
    ratio_on: list[float]
    ratio_off: list[float]


def view_of(lamp: tuple[float, float], spectrum: str, rng: np.random.Generator) -> View:
    right, down = np.radians(lamp)
    direction = np.array([np.sin(right) * np.cos(down), np.sin(down), np.cos(right) * np.cos(down)])
    strength = 1.0 if spectrum == "nir" else 0.95
    ambient = 0.06 if spectrum == "nir" else 0.28
    warm = np.ones(3) if spectrum == "nir" else np.array([1.04, 1.0, 0.96])
    light = Light(
        directions=direction[None],
        colours=strength * warm[None],
        sky=np.full(3, ambient),
        ground=np.full(3, 0.7 * ambient),
        fall_off=0.08 if spectrum == "nir" else 0.0,
    )
    pose = Pose(*np.radians(rng.uniform([-20, -8, -6], [20, 8, 6])))
    return View(pose=pose, light=light, interocular=80, exposure=float(rng.uniform(*EXPOSURE)), noise=0.006,
                variation=int(rng.integers(1 << 31)))  # fmt: skip


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    error = float(np.mean((a.astype(float) - b) ** 2))
    return 10 * np.log10(255**2 / max(error, 1e-9))


def composite(truth: TrulyMasked, template, spectrum: str, light: bool) -> tuple[np.ndarray, np.ndarray]:
    composer = Composer(ComposeConfig(light=light, grain=False, shadow=0))
    composer.look(truth.clean, truth.position_map, spectrum)
    image = truth.clean.copy()
    alpha, touched = np.zeros(image.shape[:2], np.uint8), np.zeros(image.shape[:2], bool)
    composer.wear(template, image, alpha, touched)
    return image, alpha


def measure(persons: int, sheet: str | None) -> None:
    templates = [load_template(name) for name in TEMPLATES]
    pictures = []
    for spectrum in ("vis", "nir"):
        found: dict[str, Result] = {}
        for name, lamp in LAMPS.items():
            result = found.setdefault(name, Result([], [], [], []))
            row = []
            for number in range(persons):
                rng = np.random.default_rng([number, len(name)])
                template = templates[(number + len(found)) % len(templates)]
                truth = render_masked(identity(5, number), view_of(lamp, spectrum, rng), template, spectrum, SIZE)
                made = {light: composite(truth, template, spectrum, light) for light in (True, False)}
                whole = (truth.alpha > 0.99) & (made[True][1] >= 253)
                target = truth.masked[whole]
                mean = to_linear(target / np.float32(255)).mean()
                kept = {True: (result.on, result.ratio_on), False: (result.off, result.ratio_off)}
                for light, (scores, ratios) in kept.items():
                    ours = made[light][0][whole]
                    scores.append(psnr(ours, target))
                    ratios.append(float(to_linear(ours / np.float32(255)).mean() / mean))
                row += [truth.clean, truth.masked, made[True][0], made[False][0]]
            pictures.append(np.hstack([p if p.ndim == 3 else np.repeat(p[..., None], 3, 2) for p in row[:12]]))
        report(spectrum, found)
    if sheet:
        write_photo(sheet, np.vstack(pictures))


def report(spectrum: str, found: dict[str, Result]) -> None:
    print(f"\n{spectrum}: PSNR on / off [dB], gain; brightness ours/truth on (sd of its log), off")
    for name, r in found.items():
        print(
            f"  {name:16s} {np.mean(r.on):6.2f} / {np.mean(r.off):6.2f}  {np.mean(r.on) - np.mean(r.off):+6.2f}   "
            f"{np.exp(np.mean(np.log(r.ratio_on))):.3f} ({np.std(np.log(r.ratio_on)):.3f})  "
            f"{np.exp(np.mean(np.log(r.ratio_off))):.3f}"
        )
    side = [r for name, r in found.items() if name != "frontal"]
    on, off = (np.mean([x for r in side for x in getattr(r, key)]) for key in ("on", "off"))
    ratio = np.exp(np.mean([np.log(x) for r in found.values() for x in r.ratio_on]))
    print(f"  mean over lamps from 45 degrees: {on:.2f} / {off:.2f}, {on - off:+.2f} dB; brightness of all {ratio:.3f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--persons", type=int, default=4)
    parser.add_argument("--sheet")
    arguments = parser.parse_args()
    measure(arguments.persons, arguments.sheet)
