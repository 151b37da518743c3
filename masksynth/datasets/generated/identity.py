"""Who a generated person is: a few dozen numbers drawn from (seed, number), and the face shape they make."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from masksynth.datasets.generated import anatomy
from masksynth.reconstruct import generic
from masksynth.seeds import rng_for

SHAPE_SPREAD = 0.7  # of the modes, in their own standard deviations
BUMPS = 8  # Gaussian dents and swellings of each person's own
HAIR_STYLES = ("bald", "cropped", "short", "parted", "fringe", "long")


@dataclass(frozen=True, eq=False)
class Identity:
    """A generated person."""

    seed: int
    number: int
    mesh: npt.NDArray[np.float64]  # (468, 3) head frame, neutral face
    skull: npt.NDArray[np.float64]  # (3,) half width, height, depth of the skull
    neck: float  # half width of the neck
    melanin: float  # of the skin, 0 the lightest to 1 the darkest
    ruddiness: float  # 0 pale to 1
    nir_tone: float  # of the skin in NIR that melanin does not explain, -1 to 1
    hair_colour: npt.NDArray[np.float64]  # (3,) linear RGB
    hair_nir: float  # linear reflectance
    hair_style: str
    hairline: float  # how far the hair begins above the brow line, in interocular distances
    hair_volume: float
    brow_thickness: float
    brow_density: float
    brow_tilt: float
    iris_colour: npt.NDArray[np.float64]  # (3,) linear RGB
    iris_nir: float
    lip_colour: float  # 0 like the skin to 1 strongly red
    beard: float  # 0 none to 1 full stubble
    moles: npt.NDArray[np.float64]  # (M, 4): x, y on the sheet, radius, darkness
    freckles: float
    ears: float  # how far they stand out
    age: float  # 0 smooth to 1 lined
    eye_bags: float


@lru_cache(maxsize=64)
def identity(seed: int, number: int) -> Identity:
    """Person `number` of the crowd `seed`; the same on every machine."""
    rng = rng_for(seed, "identity", number)
    feminine = rng.random() < 0.5
    melanin = float(np.clip(rng.beta(1.3, 1.9), 0.02, 0.97))
    hair_style = str(rng.choice(["parted", "fringe", "long", "long", "short"] if feminine else _MALE_STYLES))
    hair_colour, hair_nir = _hair(rng, melanin)
    iris_colour, iris_nir = _iris(rng, melanin)
    return Identity(
        seed=seed,
        number=number,
        mesh=_shape(rng),
        skull=np.array([0.86, 1.02, 1.10]) * rng.normal(1.0, 0.03, 3) * (0.985 if feminine else 1.01),
        neck=float(rng.normal(0.46 if feminine else 0.56, 0.03)),
        melanin=melanin,
        ruddiness=float(rng.beta(2, 2)),
        nir_tone=float(rng.uniform(-1, 1)),
        hair_colour=hair_colour,
        hair_nir=hair_nir,
        hair_style=hair_style,
        hairline=float(np.clip(rng.normal(0.47 if feminine else 0.50, 0.05), 0.36, 0.64)),
        hair_volume=float(np.clip(rng.normal(0.12 if feminine else 0.07, 0.03), 0.03, 0.2)),
        brow_thickness=float(np.clip(rng.normal(0.8 if feminine else 1.15, 0.2), 0.5, 1.6)),
        brow_density=float(rng.uniform(0.55, 0.95)),
        brow_tilt=float(rng.normal(0, 0.02)),
        iris_colour=iris_colour,
        iris_nir=iris_nir,
        lip_colour=float(np.clip(rng.normal(0.6 if feminine else 0.4, 0.15), 0.1, 1.0)),
        beard=0.0 if feminine or rng.random() < 0.35 else float(rng.beta(1.2, 1.8)),
        moles=_moles(rng),
        freckles=float(max(0.0, rng.normal(-0.2, 0.5)) * (1 - melanin)),
        ears=float(np.clip(rng.normal(1.0, 0.2), 0.5, 1.5)),
        age=float(rng.beta(1.6, 1.8)),
        eye_bags=float(rng.beta(1.5, 2.5)),
    )


_MALE_STYLES = ["cropped", "cropped", "short", "short", "short", "parted", "fringe", "bald"]


def _shape(rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """The mean face moved along the modes of mesh fits, made symmetric but for a little, plus bumps of its own."""
    mean = anatomy.mean_face()
    modes, spread = generic.shape_modes()
    weights = rng.standard_normal(len(spread)) * np.asarray(spread) * SHAPE_SPREAD
    weights = np.clip(weights, -2 * spread, 2 * spread)
    offset = np.tensordot(weights, np.asarray(modes), axes=1)
    mirrored = offset[mirror()] * [-1, 1, 1]
    offset = (offset + mirrored) / 2 + 0.15 * (offset - mirrored) / 2
    mesh = mean + offset
    for _ in range(BUMPS):
        centre = mean[rng.integers(len(mean))] * [rng.choice([-1, 1]), 1, 1]
        width, height = rng.uniform(0.12, 0.35), rng.normal(0, 0.014)
        for side in (1, -1):
            near = np.exp(-0.5 * ((mean - centre * [side, 1, 1]) ** 2).sum(1) / width**2)
            outwards = mean - [0, 0.2, -0.9]
            mesh = mesh + height * near[:, None] * outwards / np.linalg.norm(outwards, axis=1, keepdims=True)
    return _normalised(mesh)


def _normalised(mesh: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Outer eye corners at (-1/2, 0, z) and (1/2, 0, z) as the head frame has them."""
    left, right = mesh[33], mesh[263]
    return np.asarray((mesh - (left + right) / 2) / np.linalg.norm(right - left))


@lru_cache(maxsize=1)
def mirror() -> npt.NDArray[np.int64]:
    """(468,) the point that each point becomes in a mirror."""
    mean = anatomy.mean_face()
    distances = ((mean[:, None, :] - (mean * [-1, 1, 1])[None, :, :]) ** 2).sum(-1)
    return np.asarray(distances.argmin(1), np.int64)


def _hair(rng: np.random.Generator, melanin: float) -> tuple[npt.NDArray[np.float64], float]:
    """Linear VIS colour and NIR reflectance: what is black in VIS is mid-grey in NIR, since melanin absorbs little."""
    dark = melanin > 0.45 or rng.random() < 0.45
    grey = rng.random() < 0.12
    if grey:
        level = rng.uniform(0.12, 0.35)
        return level * np.array([1.0, 0.98, 0.95]), float(rng.uniform(0.35, 0.5))
    if dark:
        return np.array([0.020, 0.014, 0.011]) * rng.uniform(0.6, 2.0), float(rng.uniform(0.09, 0.20))
    brown = np.array([0.085, 0.045, 0.022])
    blond = np.array([0.30, 0.19, 0.085])
    red = np.array([0.16, 0.055, 0.02])
    weights = rng.dirichlet([2.0, 0.8, 0.4])
    return weights @ np.stack([brown, blond, red]), float(rng.uniform(0.20, 0.36))


def _iris(rng: np.random.Generator, melanin: float) -> tuple[npt.NDArray[np.float64], float]:
    if melanin > 0.4 or rng.random() < 0.45:
        return np.array([0.050, 0.026, 0.014]) * rng.uniform(0.6, 1.6), float(rng.uniform(0.18, 0.30))
    light = np.stack([[0.10, 0.17, 0.24], [0.12, 0.15, 0.08], [0.13, 0.11, 0.06]])
    return light[rng.integers(3)] * rng.uniform(0.7, 1.2), float(rng.uniform(0.25, 0.40))


def _moles(rng: np.random.Generator) -> npt.NDArray[np.float64]:
    count = int(rng.integers(0, 7))
    return np.stack(
        [
            rng.uniform(-0.75, 0.75, count),
            rng.uniform(-0.4, 1.0, count),
            rng.uniform(0.008, 0.022, count),
            rng.uniform(0.3, 0.85, count),
        ],
        axis=1,
    )
