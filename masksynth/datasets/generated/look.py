"""How a person looks at the moment of one photo: pose, expression, gaze, light, camera."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from masksynth.arrays import Pose, Spectrum
from masksynth.datasets.generated import anatomy

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Expression:
    """Each 0 (not at all) to 1 (strongly)."""

    smile: float = 0.0  # negative: corners down
    open: float = 0.0  # jaw dropped
    blink: float = 0.0  # 1 shut
    brows: float = 0.0  # raised; negative: lowered
    pout: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "blink", float(np.clip(self.blink, 0, 1)))


@dataclass(frozen=True, kw_only=True)
class Light:
    """The light of a scene; colours are linear RGB, directions point to the light in the photo frame."""

    directions: Floats = field(default_factory=lambda: np.array([[-0.4, -0.5, 0.77]]))  # (L, 3) unit
    colours: Floats = field(default_factory=lambda: np.array([[0.9, 0.86, 0.8]]))  # (L, 3)
    sky: Floats = field(default_factory=lambda: np.array([0.35, 0.36, 0.4]))  # ambient from above
    ground: Floats = field(default_factory=lambda: np.array([0.22, 0.2, 0.18]))  # ambient from below
    fall_off: float = 0.0  # of lamps at the camera: how fast light fades per interocular distance of depth


@dataclass(frozen=True, kw_only=True)
class View:
    """One photo to be taken."""

    pose: Pose = field(default_factory=lambda: Pose(0.0, 0.0, 0.0))
    body_yaw: float = 0.0  # radians
    expression: Expression = field(default_factory=Expression)
    gaze: tuple[float, float] = (0.0, 0.0)  # in eye widths, right and down
    interocular: float = 130.0  # pixels
    centre: tuple[float, float] = (0.5, 0.45)  # of the eyes, as shares of width and height
    distance: float = 11.0  # of the camera, in interocular distances
    light: Light = field(default_factory=Light)
    backdrop: Floats = field(default_factory=lambda: np.array([0.35, 0.38, 0.42]))
    cloth: Floats = field(default_factory=lambda: np.array([0.1, 0.12, 0.2]))  # linear RGB; [0] in NIR
    exposure: float = 1.0
    blur: float = 0.5  # standard deviation in pixels
    noise: float = 0.008  # of a mid-grey pixel, linear
    scene: int = 0  # which background
    variation: int = 0  # which noise


def draw_view(
    rng: np.random.Generator,
    spectrum: Spectrum,
    *,
    yaw: float = 25.0,
    pitch: float = 10.0,
    roll: float = 6.0,
    mood: float = 1.0,
) -> View:
    """A random photo: `yaw`, `pitch` and `roll` in degrees are the widest turns, `mood` scales the expressions."""
    pose = Pose(
        yaw=np.radians(float(rng.triangular(-yaw, 0, yaw))) if yaw else 0.0,
        pitch=np.radians(float(rng.triangular(-pitch, 0, pitch))) if pitch else 0.0,
        roll=np.radians(float(rng.triangular(-roll, 0, roll))) if roll else 0.0,
    )
    light = _nir_light(rng) if spectrum == "nir" else _vis_light(rng)
    return View(
        pose=pose,
        body_yaw=pose.yaw * float(rng.uniform(0.0, 0.5)),
        expression=draw_expression(rng, mood),
        gaze=(float(rng.normal(0, 0.05) - 0.25 * np.sin(pose.yaw)), float(rng.normal(0, 0.02))),
        interocular=float(rng.uniform(118, 150)),
        centre=(float(rng.normal(0.5, 0.02)), float(rng.normal(0.48, 0.02))),
        distance=float(rng.uniform(9, 14)),
        light=light,
        backdrop=np.full(3, rng.uniform(0.01, 0.08))
        if spectrum == "nir"
        else rng.uniform(0.08, 0.6) * _tint(rng, 0.12),
        cloth=np.full(3, rng.uniform(0.08, 0.5)) if spectrum == "nir" else rng.uniform(0.02, 0.40) * _tint(rng, 0.35),
        exposure=float(rng.uniform(0.85, 1.15)),
        blur=float(rng.uniform(0.5, 0.9) if spectrum == "nir" else rng.uniform(0.35, 0.7)),
        noise=float(rng.uniform(0.006, 0.015)),
        scene=int(rng.integers(1 << 31)),
        variation=int(rng.integers(1 << 31)),
    )


def draw_expression(rng: np.random.Generator, mood: float) -> Expression:
    """Mostly calm; sometimes a smile, an open mouth, a blink."""
    return Expression(
        smile=mood * float(np.clip(rng.normal(0.05, 0.25), -0.4, 1.0)),
        open=mood * float(max(0.0, rng.normal(-0.3, 0.3))),
        blink=float(np.clip(rng.normal(0.05, 0.12), 0, 1)) if rng.random() > 0.03 * mood else 1.0,
        brows=mood * float(np.clip(rng.normal(0, 0.35), -0.8, 1.0)),
        pout=mood * float(max(0.0, rng.normal(-0.3, 0.3))),
    )


def posed_mesh(mesh: Floats, expression: Expression) -> Floats:
    """(468, 3) a neutral face with an expression, head frame."""
    e = expression
    mean = anatomy.mean_face()
    out = anatomy.opened(mesh, 0.30 * e.open) if e.open > 0 else mesh.copy()
    for side, corner, cheek in ((-1, 61, 205), (1, 291, 425)):
        near = _near(mean, mean[corner], 0.20)
        out += e.smile * near * np.array([side * 0.075, -0.055, -0.045])
        raised = _near(mean, mean[cheek], 0.20)
        out += max(e.smile, 0) * raised * np.array([side * 0.01, -0.025, 0.03])
        out += e.pout * near * np.array([-side * 0.05, 0.0, 0.03])
    for edges in anatomy.BROWS:
        out += e.brows * _near(mean, mean[np.ravel(edges)].mean(0), 0.22) * np.array([0, -0.055, 0.005])
    for (upper, lower), lid in zip(anatomy.EYES, anatomy.LIDS, strict=True):
        shut = np.clip(e.blink + 0.06 * max(e.smile, 0) - 0.1 * max(e.brows, 0), -0.15, 1)
        for top, bottom in zip(upper[1:-1], lower[1:-1], strict=True):
            drop = out[bottom] - out[top]
            out[top] += 0.88 * shut * drop
            out[bottom] -= 0.06 * shut * drop
        for index, (top, bottom) in zip(lid, zip(upper[1:-1], lower[1:-1], strict=True), strict=True):
            out[index] += 0.35 * shut * (out[bottom] - mesh[top])
    return out


def _near(points: Floats, centre: Floats, width: float) -> Floats:
    return np.exp(-0.5 * ((points - centre) ** 2).sum(1) / width**2)[:, None]


def _tint(rng: np.random.Generator, strength: float) -> Floats:
    """A random linear RGB colour of mean about 1."""
    colour = np.exp(strength * rng.standard_normal(3))
    return np.asarray(colour / colour.mean())


def _unit(vector: npt.ArrayLike) -> Floats:
    values = np.asarray(vector, np.float64)
    return np.asarray(values / np.linalg.norm(values))


def _vis_light(rng: np.random.Generator) -> Light:
    """A key light from anywhere in front and above, a weaker fill, coloured ambient."""
    side, height = rng.uniform(-1.0, 1.0), rng.uniform(-0.9, -0.1)
    warmth = rng.normal(0, 0.12)
    white = np.array([1 + warmth, 1.0, 1 - warmth])
    key = rng.uniform(0.55, 1.15)
    ambient = rng.uniform(0.25, 0.5)
    cool = np.array([1 - 0.5 * warmth, 1.0, 1 + 0.5 * warmth])
    return Light(
        directions=np.stack([_unit([side, height, rng.uniform(0.6, 1.2)]), _unit([-side, -0.1, 1.0])]),
        colours=np.stack([key * white, rng.uniform(0.05, 0.3) * cool]),
        sky=ambient * cool,
        ground=ambient * rng.uniform(0.5, 0.8) * white,
    )


def _nir_light(rng: np.random.Generator) -> Light:
    """Lamps beside the lens: nearly along the line of sight, fading with distance; little else."""
    lamp = rng.normal(0, 0.10, 2)
    return Light(
        directions=_unit([lamp[0], lamp[1] - 0.08, 1.0])[None],
        colours=np.full((1, 3), rng.uniform(0.75, 1.05)),
        sky=np.full(3, rng.uniform(0.03, 0.10)),
        ground=np.full(3, rng.uniform(0.03, 0.08)),
        fall_off=float(rng.uniform(0.06, 0.12)),
    )
