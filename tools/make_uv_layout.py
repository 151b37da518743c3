"""Find the place of each Face Mesh point in PRNet's UV layout, and write it to assets/facemesh_uv.npz.

PRNet's canonical face is drawn as a plain shaded surface with brows, eyes, nostrils and lips in flat colours, seen from
many sides; Face Mesh looks at each picture; under each of its points lies a triangle of the surface, whose UV place is
known. The weighted median over the views, made left-right symmetric, is the answer. Only these numbers are kept:
no file of PRNet's goes into the package.

    python tools/make_uv_layout.py PRNET_UV_FOLDER [-o assets/facemesh_uv.npz] [--views views.png]

PRNET_UV_FOLDER holds canonical_vertices.npy, face_ind.txt and uv_kpt_ind.txt of PRNet's Data/uv-data.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from scipy.interpolate import RBFInterpolator
from scipy.optimize import linear_sum_assignment

from masksynth.arrays import UV_SIZE
from masksynth.detect import Detector, load_detector
from masksynth.files import atomic_path
from masksynth.photos import write_photo
from masksynth.reconstruct.facemesh import POINTS, FaceMesh, MeshFit
from masksynth.reconstruct.points68 import MESH_INDEX_68
from masksynth.reconstruct.region import region_of_detection, region_of_mesh
from masksynth.render.rasterizer import rasterize
from masksynth.weights import locate

SIDE = 480  # of a drawn view
FACE = 210  # pixels that the face's height takes in it
YAWS = (-70, -55, -40, -28, -16, -8, 0, 8, 16, 28, 40, 55, 70)
PITCHES = (-18, 0, 18)
TURNED_AWAY = 2.0  # degrees of yaw times place across the face (-1 to 1) beyond which a point is on the far half
MIDDLE = 0.2  # of the half width: points so near the middle line are seen from everywhere
BEST_YAW = 35.0  # degrees, for the rim
YAW_WIDTH = 20.0
BELOW_LIP = 18  # mesh point between lower lip and chin
MIN_FACING = 0.2  # cosine between the surface and the line of sight below which a hit says little
DETAIL = 8  # pixels of the drawn texture per texel

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Canonical:
    """PRNet's mean face."""

    vertices: Floats  # (N, 3) x right, y down, z to the camera, height 1, centred
    triangles: npt.NDArray[np.int64]  # (T, 3)
    uv: Floats  # (N, 2) u, v
    keypoints: Floats  # (68, 2) u, v
    positions: Floats  # (256, 256, 3), NaN where there is no face


def read_canonical(folder: Path) -> Canonical:
    vertices = np.load(folder / "canonical_vertices.npy", allow_pickle=False)
    index = np.loadtxt(folder / "face_ind.txt").astype(np.int64)
    keypoints = np.loadtxt(folder / "uv_kpt_ind.txt").T
    low, high = vertices.min(0), vertices.max(0)
    vertices = (vertices - (low + high) / 2) / (high[1] - low[1])
    uv = np.stack([index % UV_SIZE, index // UV_SIZE], axis=1).astype(np.float64)
    number = np.full((UV_SIZE, UV_SIZE), -1)
    number.ravel()[index] = np.arange(len(index))
    tl, tr, bl, br = number[:-1, :-1], number[:-1, 1:], number[1:, :-1], number[1:, 1:]
    corners = np.concatenate([np.stack([tl, bl, tr], -1).reshape(-1, 3), np.stack([tr, bl, br], -1).reshape(-1, 3)])
    positions = np.full((UV_SIZE * UV_SIZE, 3), np.nan)
    positions[index] = vertices
    triangles = corners[(corners >= 0).all(axis=1)]
    return Canonical(vertices, triangles, uv, keypoints, positions.reshape(UV_SIZE, UV_SIZE, 3))


def drawn_texture(keypoints: Floats) -> Floats:
    """(256·8, 256·8, 3) albedo: skin with brows, eyes, nostrils and lips."""
    size = UV_SIZE * DETAIL
    picture = np.full((size, size, 3), (0.80, 0.62, 0.53))
    k = (keypoints + 0.5) * DETAIL

    def fill(points: Floats, colour: tuple[float, float, float]) -> None:
        cv2.fillPoly(picture, [np.round(points).astype(np.int32)], colour, lineType=cv2.LINE_AA)

    for brow in (k[17:22], k[22:27]):
        fill(np.concatenate([brow, brow[::-1] + np.array([0.0, 6.0 * DETAIL])]), (0.22, 0.14, 0.10))
    for eye in (k[36:42], k[42:48]):
        middle = eye.mean(0)
        fill(middle + (eye - middle) * 1.25, (0.35, 0.22, 0.17))  # lashes
        fill(eye, (0.92, 0.92, 0.92))
        opening = (eye[[4, 5], 1].mean() - eye[[1, 2], 1].mean()) / 2
        centre = tuple(int(v) for v in np.round(middle))
        cv2.circle(picture, centre, int(opening * 1.05), (0.25, 0.16, 0.1), -1, cv2.LINE_AA)
        cv2.circle(picture, centre, int(opening * 0.5), (0.03, 0.03, 0.03), -1, cv2.LINE_AA)
    for nostril in ((k[31] + k[32]) / 2, (k[34] + k[35]) / 2):
        cv2.ellipse(
            picture,
            tuple(int(v) for v in np.round(nostril)),
            (5 * DETAIL, 2 * DETAIL),
            0,
            0,
            360,
            (0.3, 0.15, 0.12),
            -1,
            cv2.LINE_AA,
        )
    fill(k[48:60], (0.72, 0.32, 0.32))
    fill(k[60:68], (0.35, 0.10, 0.10))
    cv2.polylines(picture, [np.round(k[[60, 61, 62, 63, 64]]).astype(np.int32)], False, (0.3, 0.08, 0.08), DETAIL * 2)
    return cv2.GaussianBlur(picture, (0, 0), DETAIL * 0.7)


@dataclass(frozen=True)
class View:
    """The face as drawn from one side."""

    rgb: npt.NDArray[np.uint8]  # (480, 480, 3)
    uv: Floats  # (480, 480, 2), NaN where there is no face
    facing: Floats  # (480, 480) cosine between surface and line of sight


def draw(face: Canonical, texture: Floats, yaw_deg: float, pitch_deg: float) -> View:
    a, b = np.radians([yaw_deg, pitch_deg])
    turn = np.array([[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]]) @ np.array(
        [[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]]
    )
    vertices = face.vertices @ turn.T * FACE + [SIDE / 2, SIDE / 2, 0]
    edges = vertices[face.triangles]
    normals = np.cross(edges[:, 1] - edges[:, 0], edges[:, 2] - edges[:, 0])
    at_vertex = np.zeros_like(vertices)
    for corner in range(3):
        np.add.at(at_vertex, face.triangles[:, corner], normals)
    at_vertex /= np.maximum(np.linalg.norm(at_vertex, axis=1, keepdims=True), 1e-12)
    if at_vertex[:, 2].mean() < 0:
        at_vertex = -at_vertex
    seen = rasterize(vertices, face.triangles, (SIDE, SIDE))
    covered = seen.face >= 0
    corners = face.triangles[seen.face[covered]]
    weights = seen.weights[covered][:, :, None]
    uv = np.full((SIDE, SIDE, 2), np.nan)
    uv[covered] = (face.uv[corners] * weights).sum(1)
    normal = np.zeros((SIDE, SIDE, 3))
    normal[covered] = (at_vertex[corners] * weights).sum(1)
    light = np.array([0.25, -0.45, 0.85])
    shade = 0.35 + 0.65 * np.clip(normal @ (light / np.linalg.norm(light)), 0, None)
    place = ((np.nan_to_num(uv) + 0.5) * DETAIL - 0.5).astype(np.float32)
    albedo = cv2.remap(texture.astype(np.float32), place[..., 0], place[..., 1], cv2.INTER_LINEAR)
    rgb = np.where(covered[..., None], albedo * shade[..., None], 0.55)
    return View(np.round(np.clip(rgb, 0, 1) * 255).astype(np.uint8), uv, normal[..., 2])


def hits(view: View, points: Floats) -> tuple[Floats, Floats]:
    """(468, 2) UV under each point and (468,) weight, 0 where there is no surface or it turns away."""
    column, row = np.round(points[:, 0]).astype(int), np.round(points[:, 1]).astype(int)
    inside = (column >= 0) & (row >= 0) & (column < SIDE) & (row < SIDE)
    column, row = np.clip(column, 0, SIDE - 1), np.clip(row, 0, SIDE - 1)
    uv, facing = view.uv[row, column], view.facing[row, column]
    good = inside & np.isfinite(uv).all(1) & (facing > MIN_FACING)
    return np.where(good[:, None], uv, 0.0), np.where(good, facing**2, 0.0)


def weighted_median(values: Floats, weights: Floats) -> float:
    order = np.argsort(values)
    total = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(total, total[-1] / 2)])


def settled(detector: Detector, mesh: FaceMesh, view: View) -> MeshFit | None:
    """The mesh after some looks, each at the region that the one before gave."""
    detections = detector.detect(view.rgb)
    if not detections:
        return None
    fit = mesh.fit(view.rgb, region_of_detection(detections[0]))
    for _ in range(3):
        fit = mesh.fit(view.rgb, region_of_mesh(fit.points))
    return fit


def frontal_mesh(detector: Detector, mesh: FaceMesh, view: View) -> Floats:
    fit = settled(detector, mesh, view)
    if fit is None:
        raise SystemExit("the frontal view shows no face")
    return fit.points.astype(np.float64)


def find_places(face: Canonical, views_out: Path | None) -> tuple[Floats, Floats, Floats]:
    """(468, 2) UV (NaN where no view tells), (468,) weight, (468, 3) mesh of the frontal view."""
    detector, mesh = load_detector(), FaceMesh(locate("facemesh"))
    texture = drawn_texture(face.keypoints)
    places, weights, sheet = [], [], []
    frontal = frontal_mesh(detector, mesh, draw(face, texture, 0, 0))
    side = (frontal[:, 0] - frontal[:, 0].mean()) / np.ptp(frontal[:, 0]) * 2  # -1 image-left rim, 1 image-right rim
    # Cheeks and chin are told best where they are turned to the camera: the middle from the front, the sides aslant.
    rim = (np.abs(side) > 0.5) | (frontal[:, 1] > frontal[BELOW_LIP, 1])
    for pitch in PITCHES:
        for yaw in YAWS:
            view = draw(face, texture, yaw, pitch)
            fit = settled(detector, mesh, view)
            if fit is None:
                print(f"yaw {yaw:4d} pitch {pitch:4d}: no face found")
                continue
            uv, weight = hits(view, fit.points)
            # The half that turns away is squeezed to within the outline: it says nothing.
            weight = np.where((side * yaw <= TURNED_AWAY) | (np.abs(side) < MIDDLE), weight, 0.0)
            weight *= np.where(rim, np.exp(-(((yaw + BEST_YAW * side) / YAW_WIDTH) ** 2)), 1.0)
            print(f"yaw {yaw:4d} pitch {pitch:4d}: presence {fit.presence:.2f}, {int((weight > 0).sum())} points hit")
            places.append(uv)
            weights.append(weight * fit.presence)
            picture = view.rgb.copy()
            for x, y in fit.points[:, :2]:
                cv2.circle(picture, (round(float(x)), round(float(y))), 1, (0, 255, 0), -1)
            sheet.append(picture[90:390, 90:390])
    if views_out is not None:
        rows = [np.concatenate(sheet[i : i + 13], axis=1) for i in range(0, len(sheet) - 12, 13)]
        write_photo(views_out, np.concatenate(rows))
    place, weight = np.stack(places), np.stack(weights)
    found = np.full((POINTS, 2), np.nan)
    for i in range(POINTS):
        if (weight[:, i] > 1e-3).sum() >= 3:
            found[i] = [weighted_median(place[:, i, axis], weight[:, i]) for axis in (0, 1)]
    return found, weight.sum(0), frontal


def mirror_pairs(mesh: Floats) -> npt.NDArray[np.int64]:
    """(468,) the point on the other side of the face, from a symmetric frontal mesh."""
    centred = mesh - [mesh[:, 0].mean(), 0, 0]
    # The middle line settles where the plane is.
    for _ in range(5):
        distance = np.linalg.norm(centred[:, None] - centred[None] * [-1, 1, 1], axis=-1)
        rows, pairs = linear_sum_assignment(distance**2)
        assert (rows == np.arange(len(mesh))).all()
        centred = centred - [(centred[:, 0] + centred[pairs, 0]).mean() / 2, 0, 0]
    if not (pairs[pairs] == np.arange(len(mesh))).all():
        raise SystemExit("the mesh does not fall into mirror pairs")
    return pairs


def symmetric(uv: Floats, weight: Floats, pairs: npt.NDArray[np.int64]) -> Floats:
    """Means of each point and its mirrored partner; the axis is u = 127.5."""
    other = uv[pairs] * [-1, 1] + [UV_SIZE - 1, 0]
    mine, theirs = np.where(np.isfinite(uv[:, 0]), weight, 0), np.where(np.isfinite(other[:, 0]), weight[pairs], 0)
    total = mine + theirs
    mixed = (np.nan_to_num(uv) * mine[:, None] + np.nan_to_num(other) * theirs[:, None]) / np.maximum(total, 1e-9)[
        :, None
    ]
    return np.where(total[:, None] > 0, mixed, np.nan)


def filled(uv: Floats, frontal: Floats) -> Floats:
    """Points that no view tells, from the others by a thin-plate spline over the frontal mesh."""
    known = np.isfinite(uv[:, 0])
    if known.all():
        return uv
    spline = RBFInterpolator(frontal[known, :2], uv[known], neighbors=40, smoothing=1.0)
    return np.where(known[:, None], uv, spline(frontal[:, :2]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("-o", "--out", type=Path, default=Path("assets/facemesh_uv.npz"))
    parser.add_argument("--views", type=Path)
    arguments = parser.parse_args()
    face = read_canonical(arguments.folder)
    found, weight, frontal = find_places(face, arguments.views)
    pairs = mirror_pairs(frontal)
    uv = symmetric(found, weight, pairs)
    print(f"{int(np.isfinite(uv[:, 0]).sum())} of {POINTS} points found")
    gap = np.linalg.norm(uv[list(MESH_INDEX_68)] - face.keypoints, axis=1)
    print("distance to PRNet's 68 points, texels:", np.round(gap, 1))
    uv = filled(uv, frontal)
    with atomic_path(arguments.out) as temporary:
        np.savez(temporary, uv=uv.astype(np.float32), mirror=pairs.astype(np.int16))
    print(f"{arguments.out}: {POINTS} places in the layout")


if __name__ == "__main__":
    main()
