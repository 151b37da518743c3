"""The whole head round a face: skull, ears, neck, shoulders and hair, so that a detector sees a person.

All in the head frame. The face itself is drawn from the position map of the UV layout, so that what is seen and what is
told as the truth are one surface; the skull goes on from its oval. Hair is a second shell: above the hairline it stands
off the skull, below it lies under the skin, and the line where the two cross is the hairline.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from masksynth.datasets.generated import anatomy
from masksynth.datasets.generated.identity import Identity
from masksynth.datasets.generated.noise import smooth_noise
from masksynth.datasets.generated.surface import surface
from masksynth.seeds import rng_for

SKIN, HAIR, CLOTH = 0, 1, 2  # materials
CENTRE = np.array([0.0, -0.15, -0.95])  # of the skull
NECK_TOP, NECK_BOTTOM = 0.8, 1.7  # between these heights the turn of the head fades into that of the body
COLLAR = 1.62  # height where skin ends and cloth begins, at the side
STRANDS = 512  # columns of the picture of strands, once round the head
RIM = 72  # points round the oval of the face

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Part:
    """A piece of surface."""

    vertices: Floats  # (N, 3) head frame
    triangles: npt.NDArray[np.int64]  # (T, 3)
    sheet: Floats  # (N, 2) on the painted sheet for skin; in pixels of the strand picture for hair and cloth
    tint: Floats  # (N,) factor of its brightness
    material: int


def grid(rows: int, columns: int, closed: bool) -> npt.NDArray[np.int64]:
    """(T, 3) triangles of a (rows, columns) grid of vertices, row-major; `closed` joins last and first column."""
    index = np.arange(rows * columns).reshape(rows, columns)
    if closed:
        index = np.concatenate([index, index[:, :1]], axis=1)
    a, b, c, d = index[:-1, :-1], index[1:, :-1], index[:-1, 1:], index[1:, 1:]
    return np.concatenate([np.stack([a, b, c], -1).reshape(-1, 3), np.stack([c, b, d], -1).reshape(-1, 3)])


def rim(mesh: Floats) -> Floats:
    """(RIM, 3) points round the oval of the face, clockwise in the image from the top."""
    return _doubled(surface().oval_from_mesh @ mesh)


def _doubled(points: Floats) -> Floats:
    """A closed line of points with one more between each two."""
    before, after, late = np.roll(points, 1, 0), np.roll(points, -1, 0), np.roll(points, -2, 0)
    return np.stack([points, (9 * (points + after) - before - late) / 16], axis=1).reshape(-1, points.shape[1])


def skull(person: Identity, mesh: Floats) -> Part:
    """From the oval of the face over crown, sides and the underside of the jaw to the back of the head."""
    steps = np.concatenate([[-0.02, 0.0], np.linspace(0, 1, 22)[1:] ** 1.3])
    edge = rim(mesh)
    phi, psi, ratio = _polar(edge, person.skull)
    angle = psi + (np.pi - psi) * np.maximum(steps, 0)[:, None]
    vertices = CENTRE + _skull_radius(phi, psi, ratio, angle, person.skull)[..., None] * _direction(phi, angle)
    inside = _doubled(surface().inside_from_mesh @ mesh)
    vertices[0] = inside + 0.02 * (CENTRE - inside)
    flat = vertices.reshape(-1, 3)
    sheet = anatomy.to_sheet(flat)
    sheet[: 2 * RIM] = np.tile(_rim_sheet(), (2, 1))
    fade = 1 - np.clip(np.maximum(steps, 0) / 0.25, 0, 1)[:, None, None]
    own = sheet.reshape(len(steps), RIM, 2)
    shift = (_rim_sheet() - own[1])[None] * fade
    sheet = (own + shift).reshape(-1, 2)
    under = np.clip((flat[:, 1] - 0.55) / 0.5, 0, 1) * np.clip((0.25 - flat[:, 2]) / 0.3, 0, 1)
    under *= 1 - fade.repeat(RIM, axis=1).reshape(-1)
    return Part(flat, grid(len(steps), RIM, True), sheet, 1 - 0.45 * under, SKIN)


def _rim_sheet() -> Floats:
    return _doubled(anatomy.sheet_points()[list(anatomy.OVAL)])


def _polar(points: Floats, axes: Floats) -> tuple[Floats, Floats, Floats]:
    """Angle round the line of sight, angle off it, distance in radii of the skull's ellipsoid."""
    offset = points - CENTRE
    phi = np.arctan2(offset[..., 1], offset[..., 0])
    psi = np.arctan2(np.hypot(offset[..., 0], offset[..., 1]), offset[..., 2])
    return phi, psi, np.sqrt(((offset / axes) ** 2).sum(-1))


def _direction(phi: Floats, psi: Floats) -> Floats:
    phi, psi = np.broadcast_arrays(phi, psi)
    return np.stack([np.sin(psi) * np.cos(phi), np.sin(psi) * np.sin(phi), np.cos(psi)], axis=-1)


def _skull_radius(phi: Floats, psi: Floats, ratio: Floats, angle: Floats, axes: Floats) -> Floats:
    """Distance from CENTRE at `angle`, on curves that leave the rim at (phi, psi, ratio)."""
    ellipsoid = 1 / np.sqrt(((_direction(phi, angle) / axes) ** 2).sum(-1))
    t = np.clip((angle - psi) / 0.75, 0, 1)
    return ellipsoid * (1 + (ratio - 1) * (1 - t) ** 2 * (1 + 2 * t))


def ears(person: Identity) -> list[Part]:
    """Two shells with a rim and a hollow."""
    turn, radial = np.linspace(0, 2 * np.pi, 29), np.linspace(0, 1, 9)
    r, t = np.meshgrid(radial, turn, indexing="ij")
    parts = []
    for side in (-1.0, 1.0):
        out = np.radians(24 + 14 * person.ears)
        up = np.array([0.0, -np.cos(0.2), -np.sin(0.2)])
        back = np.array([side * np.sin(out), 0.12, -np.cos(out)])
        normal = np.cross(up, back) * side
        normal /= np.linalg.norm(normal)
        long, wide = 0.33 * (1 - 0.15 * (np.sin(t) < 0)), 0.185
        hollow = -0.05 * np.exp(-(((r - 0.15) / 0.35) ** 2)) + 0.045 * np.exp(-(((r - 0.86) / 0.13) ** 2)) - 0.05 * r**6
        centre = np.array([side * person.skull[0] * 0.93, 0.24, -0.80])
        vertices = (
            centre
            + (r * long * np.sin(t))[..., None] * up
            + (r * wide * np.cos(t) + 0.05)[..., None] * back
            + hollow[..., None] * normal
        ).reshape(-1, 3)
        tint = (1 - 0.55 * np.exp(-(((r - 0.2) / 0.3) ** 2)) - 0.25 * np.exp(-(((r - 0.62) / 0.1) ** 2))).reshape(-1)
        sheet = anatomy.to_sheet(vertices * [1, 1, 1])
        triangles = grid(len(radial), len(turn), False)
        a, b, c = (vertices[triangles[:, corner]] for corner in range(3))
        if (np.cross(b - a, c - a) @ normal).sum() < 0:
            triangles = triangles[:, ::-1]
        parts.append(Part(vertices, triangles, sheet, tint, SKIN))
    return parts


def body(person: Identity) -> list[Part]:
    """Neck and shoulders; the collar is a ring that dips in front."""
    around = np.linspace(0, 2 * np.pi, 57)[:-1]
    levels = np.concatenate([np.linspace(0.55, COLLAR, 14), np.linspace(COLLAR, 4.6, 20)])
    y, a = np.meshgrid(levels, around, indexing="ij")
    spread = _smooth((y - 1.08) / 1.35)
    wide = person.neck + (2.3 - person.neck) * spread**1.25
    deep = 0.50 + 0.40 * _smooth((y - 1.2) / 1.2)
    front = np.cos(a)
    middle = -0.72 - 0.25 * _smooth((y - 0.8) / 1.2)
    dip = np.where(y >= 0.9, 0.32 * np.clip(front, 0, 1) ** 2 * np.exp(-(((y - COLLAR) / 0.6) ** 2)), 0.0)
    vertices = np.stack(
        [wide * np.sin(a), y + dip - 0.25 * spread * (1 - np.abs(np.sin(a))), middle + deep * front], axis=-1
    )
    tint = np.clip(0.45 + 0.55 * _smooth((y - 0.8) / 1.1), 0, 1)
    skin, cloth = slice(0, 15), slice(14, None)
    parts = []
    for rows, material in ((skin, SKIN), (cloth, CLOTH)):
        piece = vertices[rows].copy()
        if material == CLOTH:
            outward = np.stack([np.sin(a[rows]), np.zeros_like(a[rows]), np.cos(a[rows])], axis=-1)
            piece += 0.035 * outward
        flat = piece.reshape(-1, 3)
        sheet = anatomy.to_sheet(flat) if material == SKIN else 40.0 * flat[:, :2]
        parts.append(
            Part(flat, grid(piece.shape[0], piece.shape[1], True)[:, ::-1], sheet, tint[rows].reshape(-1), material)
        )
    return parts


def hair(person: Identity, face: Floats) -> list[Part]:
    """The shell of hair over the skull, and what falls to the shoulders; `face` is the dense surface of the face."""
    if person.hair_style == "bald":
        return []
    rng = rng_for(person.seed, "hair", person.number)
    rows, columns = 44, 120
    phi = np.linspace(-np.pi, np.pi, columns)
    psi = np.linspace(0.10, np.pi - 0.01, rows)
    angle, turn = np.meshgrid(psi, phi, indexing="ij")
    edge_phi, edge_psi, edge_ratio = _polar(rim(person.mesh), person.skull)
    order = np.argsort(edge_phi)
    rim_psi = np.interp(phi, edge_phi[order], edge_psi[order], period=2 * np.pi)
    rim_ratio = np.interp(phi, edge_phi[order], edge_ratio[order], period=2 * np.pi)
    radius = _skull_radius(phi, rim_psi, rim_ratio, np.maximum(angle, rim_psi), person.skull)
    radius = _over_face(radius, angle, turn, rim_psi, face)
    direction = _direction(turn, angle)
    skin = CENTRE + radius[..., None] * direction
    above = _above_hairline(person, rng, skin)
    thick = {"cropped": 0.025, "short": 0.6 * person.hair_volume}.get(person.hair_style, person.hair_volume)
    lift = thick * (1 + 0.7 * np.clip(-direction[..., 1], 0, 1)) + 0.012
    strands = smooth_noise(rng, (rows, columns), (9.0, 1.6)).astype(np.float64)
    strands[:, 0] = strands[:, -1]
    offset = np.where(above > 0, lift * _smooth(above / 0.22) * (1 + 0.10 * strands), -0.05 + 0.25 * above)
    vertices = skin + np.maximum(offset, -0.15)[..., None] * direction
    sheet = np.stack([turn * STRANDS / (2 * np.pi), angle * 16.0], axis=-1).reshape(-1, 2)
    shade = np.clip(0.65 + 0.5 * above + 0.08 * strands, 0.45, 1.1)
    triangles = grid(rows, columns, False)
    triangles = triangles[(above.reshape(-1)[triangles] > -0.1).any(1)]  # the rest never shows
    parts = [Part(vertices.reshape(-1, 3), triangles, sheet, shade.reshape(-1), HAIR)]
    if person.hair_style == "long":
        parts.append(_curtain(person, rng))
    return parts


def _over_face(radius: Floats, angle: Floats, turn: Floats, rim_psi: Floats, face: Floats) -> Floats:
    """Where the shell lies over the face, take the distance of the face's own surface."""
    from scipy.spatial import cKDTree

    offset = face - CENTRE
    length = np.linalg.norm(offset, axis=1)
    tree = cKDTree(offset / length[:, None])
    inside = angle < rim_psi
    distances, nearest = tree.query(_direction(turn[inside], angle[inside]), k=4)
    weights = 1 / (distances + 1e-4)
    radius = radius.copy()
    radius[inside] = (weights * length[nearest]).sum(1) / weights.sum(1)
    return radius


def _above_hairline(person: Identity, rng: np.random.Generator, skin: Floats) -> Floats:
    """How far each point lies above the hairline, in interocular distances; negative below it."""
    azimuth = np.degrees(np.abs(np.arctan2(skin[..., 0], skin[..., 2] - CENTRE[2])))
    front = -person.hairline
    temple = {"fringe": -0.22, "long": -0.2, "parted": -0.28}.get(person.hair_style, -0.34)
    if person.hair_style == "fringe":
        front = -0.36
    nape = 0.85 if person.hair_style != "cropped" else 0.7
    line = np.interp(
        azimuth,
        [0, 18, 34, 48, 60, 70, 82, 98, 112, 140, 180],
        [front, front - 0.01, front - 0.03, temple - 0.1, temple + 0.15, 0.14, 0.02, 0.05, 0.5, nape, nape + 0.05],
    )
    jagged = 0.03 if person.hair_style == "fringe" else 0.02
    wave = (
        smooth_noise(rng, skin.shape[:2], (60.0, 1.8)) * jagged + smooth_noise(rng, skin.shape[:2], (60.0, 9.0)) * 0.02
    )
    if person.hair_style == "parted":
        side = 1 if person.number % 2 else -1
        line = line + 0.10 * np.clip(side * skin[..., 0], -0.5, 0.5) * (azimuth < 50)
    wave[:, 0] = wave[:, -1]  # where the shell closes
    return np.asarray(line - skin[..., 1] + wave, np.float64)


def _curtain(person: Identity, rng: np.random.Generator) -> Part:
    """Long hair from the temples backwards, down to the shoulders."""
    rows, columns = 26, 72
    end = rng.uniform(1.3, 2.5)
    opening = rng.uniform(58, 68)
    azimuth = np.radians(np.linspace(opening, 360 - opening, columns))
    down = np.linspace(0, 1, rows)
    d, a = np.meshgrid(down, azimuth, indexing="ij")
    wave = smooth_noise(rng, (rows, columns), (12.0, 3.0)) * 0.035
    ragged = smooth_noise(rng, (1, columns), (1.0, 2.0)) * 0.10
    top = -0.45
    y = top + d * (end + ragged - top)
    widen = 0.05 + 0.10 * np.sin(np.pi * np.clip(d * 1.1, 0, 1))
    wide = person.skull[0] + person.hair_volume * 0.6 + widen + wave
    deep = person.skull[2] * 0.95 + person.hair_volume * 0.5 - 0.25 * d + wave
    vertices = np.stack([wide * np.sin(a), y, CENTRE[2] + 0.12 + deep * np.cos(a)], axis=-1)
    sheet = np.stack([a * STRANDS / (2 * np.pi), 28.0 * d], axis=-1).reshape(-1, 2)
    tint = np.clip(0.9 - 0.25 * d + 0.15 * wave / 0.05 * 0.5, 0.4, 1.1)
    return Part(vertices.reshape(-1, 3), grid(rows, columns, False)[:, ::-1], sheet, tint.reshape(-1), HAIR)


def _smooth(t: Floats) -> Floats:
    t = np.clip(t, 0.0, 1.0)
    return t * t * (3 - 2 * t)
