"""What a generated mask is to look like: one frozen record, and random draws of it."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

import numpy as np

from masksynth.errors import ConfigError
from masksynth.seeds import rng_for

Kind = Literal["surgical", "n95", "kn95", "cloth", "sport", "bandana", "gaiter", "respirator"]
Pattern = Literal["plain", "stripes", "checks", "dots", "flowers", "camouflage", "heather"]
Dye = Literal["clear", "carbon"]

_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")


@dataclass(frozen=True, kw_only=True)
class MaskDesign:
    """Parameters of one generated mask; `masksynth.template.generator.generate` makes the template."""

    kind: Kind = "surgical"
    colour: str = "#8fc4e3"  # sRGB, #rrggbb
    second: str = "#f4f6f7"  # sRGB of the pattern, the piping, the valve or the cartridges
    pattern: Pattern = "plain"
    pattern_scale: float = 1.0  # 1 is about 1.5 cm between repeats
    dye: Dye = "clear"  # what the colour is in NIR: organic dyes are clear there, carbon black stays black
    valve: bool = False
    straps: bool = False  # ear loops or bands over the cheek
    drop: float = 0.0  # how far the upper edge has slid: 0 on the bridge of the nose, 1 under the nose; negative higher
    tilt_deg: float = 0.0  # positive: the image's right side sits lower
    width: float = 1.0  # relative to an adult's size
    wrinkles: float = 1.0  # 0 pressed flat, 1 as worn
    seed: int = 0  # wrinkles, fibres, the places of a print
    size: int = 512  # side of the template, 256 or 512

    def __post_init__(self) -> None:
        for name, choices in (("kind", get_args(Kind)), ("pattern", get_args(Pattern)), ("dye", get_args(Dye))):
            if getattr(self, name) not in choices:
                raise ConfigError(f"{name} must be one of {', '.join(choices)}, got {getattr(self, name)!r}")
        for name in ("colour", "second"):
            if not _COLOUR.fullmatch(getattr(self, name)):
                raise ConfigError(f"{name} must be a colour such as #8fc4e3, got {getattr(self, name)!r}")
        ranges = {
            "pattern_scale": (0.3, 4.0),
            "drop": (-0.25, 1.2),
            "tilt_deg": (-12.0, 12.0),
            "width": (0.8, 1.2),
            "wrinkles": (0.0, 2.0),
        }
        for name, (low, high) in ranges.items():
            if not low <= getattr(self, name) <= high:
                raise ConfigError(f"{name} must be in [{low}, {high}], got {getattr(self, name)}")
        if self.size not in (256, 512):
            raise ConfigError(f"size must be 256 or 512, got {self.size}")
        if self.seed < 0:
            raise ConfigError(f"seed must be at least 0, got {self.seed}")

    def as_metadata(self) -> dict[str, Any]:
        """The fields as JSON values; ``MaskDesign(**fields)`` makes the same mask again."""
        return asdict(self)


SURGICAL_COLOURS = ("#8fc4e3", "#a9d3ea", "#9fd3c4", "#f2f3f3", "#f1bccb", "#2b2c30", "#b9a8dc", "#5a86c4")
CLOTH_COLOURS = (
    *("#23262c", "#31415f", "#7d1f2a", "#5f6a52", "#b7b2a6", "#e7e3da", "#36505e", "#8a8d92", "#c46a4a"),
    *("#d9a7b0", "#4d3b57", "#18324e", "#f0efec", "#6d5844", "#2f6b5b"),
)
RESPIRATOR_COLOURS = ("#3c3f44", "#6d7785", "#2c4a66", "#8b8f94")


def vary(seed: int, *names: str | int) -> MaskDesign:
    """A random design that depends on (seed, names) alone, over every kind, colour, pattern and way of wearing.

    Kinds are drawn by weights that put surgical first, cloth second; three masks in four sit as they should.
    """
    rng = rng_for(seed, "mask design", *names)
    kinds: tuple[Kind, ...] = get_args(Kind)
    kind = kinds[int(rng.choice(len(kinds), p=[0.3, 0.14, 0.14, 0.2, 0.06, 0.05, 0.06, 0.05]))]
    palette = {"surgical": SURGICAL_COLOURS, "respirator": RESPIRATOR_COLOURS}.get(kind, CLOTH_COLOURS)
    if kind in ("n95", "kn95") and rng.random() < 0.75:
        palette = ("#f0f0ee", "#e8e9ea", "#f5f4f0")
    colour = _jittered(str(rng.choice(palette)), rng)
    pattern: Pattern = "plain"
    if kind in ("cloth", "bandana", "gaiter") and rng.random() < 0.6:
        pattern = str(rng.choice(get_args(Pattern)[1:]))  # type: ignore[assignment]
    dark = _luma(colour) < 0.25
    drop = float(np.clip(abs(rng.normal(0, 0.08)) - 0.05, -0.2, 0.3))
    if rng.random() < 0.12:
        drop = float(rng.uniform(0.7, 1.1))
    return MaskDesign(
        kind=kind,
        colour=colour,
        second=_jittered(
            str(rng.choice(CLOTH_COLOURS if pattern != "plain" else ("#f4f6f7", "#2b2c30", "#9a9da1"))), rng
        ),
        pattern=pattern,
        pattern_scale=float(rng.uniform(0.6, 1.8)),
        dye="carbon" if dark and rng.random() < 0.35 else "clear",
        valve=kind in ("n95", "kn95", "sport") and bool(rng.random() < 0.35),
        straps=False,
        drop=drop,
        tilt_deg=float(np.clip(rng.normal(0, 2.0), -8, 8)),
        width=float(np.clip(rng.normal(1, 0.05), 0.87, 1.13)),
        wrinkles=float(rng.uniform(0.4, 1.5)),
        seed=int(rng.integers(2**31)),
    )


def rgb_of(colour: str) -> tuple[float, float, float]:
    """``#rrggbb`` as three numbers in [0, 1]."""
    red, green, blue = (int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5))
    return red, green, blue


def _jittered(colour: str, rng: np.random.Generator) -> str:
    values = np.clip(np.array(rgb_of(colour)) * (1 + rng.normal(0, 0.05)) + rng.normal(0, 0.015, 3), 0, 1)
    return "#" + "".join(f"{round(float(value) * 255):02x}" for value in values)


def _luma(colour: str) -> float:
    return float(np.dot(rgb_of(colour), (0.299, 0.587, 0.114)))
