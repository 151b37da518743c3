"""The generic face drawn as a plain shaded surface with brows, eyes, nostrils and lips: a face of known geometry."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np

from masksynth.arrays import Pose, Validity
from masksynth.reconstruct.generic import generic_mesh
from masksynth.reconstruct.points68 import MESH_INDEX_68
from masksynth.reconstruct.uv_layout import mesh_uv, position_map_from_mesh, validity
from masksynth.render import grid_triangles, rasterize

SKIN, DARK, LIPS = (0.80, 0.62, 0.53), (0.2, 0.14, 0.10), (0.70, 0.33, 0.32)
DETAIL = 6


@dataclass(frozen=True)
class DrawnFace:
    rgb: np.ndarray  # (H, W, 3) uint8
    mesh: np.ndarray  # (468, 3) photo frame
    pose: Pose


@cache
def albedo() -> np.ndarray:
    size = 256 * DETAIL
    picture = np.full((size, size, 3), SKIN)
    k = (mesh_uv()[list(MESH_INDEX_68)] + 0.5) * DETAIL

    def fill(points, colour):
        cv2.fillPoly(picture, [np.round(points).astype(np.int32)], colour, lineType=cv2.LINE_AA)

    for brow in (k[17:22], k[22:27]):
        fill(np.concatenate([brow, brow[::-1] + np.array([0, 6 * DETAIL])]), DARK)
    for eye in (k[36:42], k[42:48]):
        middle = eye.mean(0)
        fill(middle + (eye - middle) * 1.25, (0.35, 0.22, 0.17))
        fill(eye, (0.92, 0.92, 0.92))
        opening = (eye[[4, 5], 1].mean() - eye[[1, 2], 1].mean()) / 2
        cv2.circle(picture, np.round(middle).astype(int).tolist(), int(opening), (0.1, 0.07, 0.05), -1, cv2.LINE_AA)
    for a, b in ((31, 32), (34, 35)):
        centre = np.round((k[a] + k[b]) / 2).astype(int).tolist()
        cv2.ellipse(picture, centre, (4 * DETAIL, 2 * DETAIL), 0, 0, 360, (0.3, 0.15, 0.12), -1, cv2.LINE_AA)
    fill(k[48:60], LIPS)
    fill(k[60:68], (0.35, 0.1, 0.1))
    return cv2.GaussianBlur(picture, (0, 0), DETAIL * 0.7).astype(np.float32)


def drawn_face(yaw=0.0, pitch=0.0, roll=0.0, size=80.0, shape=(360, 360), centre=None, mesh=None) -> DrawnFace:
    """A face turned by degrees, `size` pixels between the outer eye corners, in a grey picture of (H, W)."""
    pose = Pose(yaw=np.radians(yaw), pitch=np.radians(pitch), roll=np.radians(roll))
    height, width = shape
    if centre is None:
        centre = (width / 2, height / 2)
    head = generic_mesh() if mesh is None else mesh
    middle = np.array([0.0, 0.35, 0.0])
    points = (head - middle) @ pose.matrix.T * size + [*centre, 0.0]
    surface = position_map_from_mesh(points.astype(np.float32)).positions.reshape(-1, 3).astype(np.float64)
    layout = np.where(validity() == Validity.STRETCHED, 0, validity())
    triangles = grid_triangles(layout)
    seen = rasterize(surface, triangles, shape)
    edges = surface[triangles]
    normals = np.cross(edges[:, 2] - edges[:, 0], edges[:, 1] - edges[:, 0])
    at_vertex = np.zeros_like(surface)
    for corner in range(3):
        np.add.at(at_vertex, triangles[:, corner], normals)
    at_vertex /= np.maximum(np.linalg.norm(at_vertex, axis=1, keepdims=True), 1e-9)
    v, u = np.mgrid[:256, :256].reshape(2, -1)
    values = np.concatenate([at_vertex, np.stack([u, v], 1)], axis=1)
    corners = triangles[np.maximum(seen.face, 0)]
    pixels = np.einsum("hwk,hwkc->hwc", seen.weights, values[corners])
    light = np.array([0.25, -0.45, 0.85]) / np.linalg.norm([0.25, -0.45, 0.85])
    shade = 0.35 + 0.65 * np.clip(pixels[..., :3] @ light, 0, None)
    place = ((pixels[..., 3:] + 0.5) * DETAIL - 0.5).astype(np.float32)
    colour = cv2.remap(albedo(), place[..., 0].copy(), place[..., 1].copy(), cv2.INTER_LINEAR)
    rgb = np.where((seen.face >= 0)[..., None], colour * shade[..., None], 0.55)
    return DrawnFace(np.round(np.clip(rgb, 0, 1) * 255).astype(np.uint8), points, pose)
