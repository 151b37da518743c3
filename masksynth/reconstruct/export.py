"""Reconstructed faces as files that other programs open: arrays (.npz) and coloured meshes (.obj, .ply)."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import numpy.typing as npt

from masksynth.arrays import Photo8, Reconstruction
from masksynth.errors import OutputError
from masksynth.files import write_bytes
from masksynth.photos import write_photo

SUFFIXES = (".npz", ".obj", ".ply")


def write_faces_npz(path: Path, faces: list[Reconstruction]) -> None:
    """Write F faces as plain arrays; the first axis is the face.

    ``position_map`` (F, 256, 256, 3) f4, ``landmarks68`` (F, 68, 3) f4, ``pose_deg`` (F, 3) f4 yaw, pitch, roll,
    ``box`` (F, 4) f4 left, top, right, bottom, ``score`` (F,) f4, ``validity`` (F, 256, 256) u1, all in the photo
    frame; ``reconstructor`` (F,) text. Read it with ``numpy.load``.
    """
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        position_map=np.stack([face.position_map.positions for face in faces]),
        landmarks68=np.stack([face.landmarks68 for face in faces]).astype(np.float32),
        pose_deg=np.array([face.pose.degrees for face in faces], np.float32),
        box=np.array([(f.box.left, f.box.top, f.box.right, f.box.bottom) for f in faces], np.float32),
        score=np.array([face.score for face in faces], np.float32),
        validity=np.stack([face.position_map.validity for face in faces]),
        reconstructor=np.array([face.reconstructor for face in faces]),
    )
    write_bytes(path, buffer.getvalue())


def write_obj(
    path: Path, faces: list[Reconstruction], triangles: list[npt.NDArray[np.int64]], textures: list[Photo8]
) -> None:
    """Write faces as a Wavefront mesh, with NAME.mtl and one texture NAME_K.png a face beside it.

    x right, y up, z towards the camera, in pixels of the photo (y counted from its top edge downwards as negative).

    Parameters
    ----------
    triangles : one (T, 3) a face, indices into its 256 · 256 texels
    textures : one (S, S, 3) uint8 a face
    """
    if any(character.isspace() for character in path.stem):
        stem = "_".join(path.stem.split())  # the format ends names at white space
    else:
        stem = path.stem
    lines = ["# masksynth reconstruct", f"mtllib {stem}.mtl"]
    materials = []
    written = 0
    for k, (face, corners, texture) in enumerate(zip(faces, triangles, textures, strict=True)):
        vertices, uv, corners = _compact(face, corners)
        picture = path.with_name(f"{stem}_{k}.png")
        write_photo(picture, texture)
        materials += [f"newmtl face{k}", "Ka 1 1 1", "Kd 1 1 1", "Ks 0 0 0", "illum 1", f"map_Kd {picture.name}", ""]
        lines += [f"o face{k}", f"usemtl face{k}"]
        lines += [f"v {x:.3f} {y:.3f} {z:.3f}" for x, y, z in vertices.tolist()]
        lines += [f"vt {u:.6f} {v:.6f}" for u, v in uv.tolist()]
        lines += [f"f {a}/{a} {b}/{b} {c}/{c}" for a, b, c in (corners + 1 + written).tolist()]
        written += len(vertices)
    write_bytes(path.with_name(f"{stem}.mtl"), "\n".join(materials).encode())
    write_bytes(path, ("\n".join(lines) + "\n").encode())


def write_ply(
    path: Path, faces: list[Reconstruction], triangles: list[npt.NDArray[np.int64]], textures: list[Photo8]
) -> None:
    """Write faces as one binary PLY with a colour at each vertex; frame and arguments as for `write_obj`."""
    all_vertices, all_triangles = [], []
    written = 0
    for face, corners, texture in zip(faces, triangles, textures, strict=True):
        vertices, uv, corners = _compact(face, corners)
        size = texture.shape[0]
        column = np.clip(np.rint(uv[:, 0] * size - 0.5), 0, size - 1).astype(int)
        row = np.clip(np.rint((1 - uv[:, 1]) * size - 0.5), 0, size - 1).astype(int)
        rows = np.zeros(len(vertices), [("xyz", "<f4", 3), ("rgb", "u1", 3)])
        rows["xyz"], rows["rgb"] = vertices, texture[row, column]
        all_vertices.append(rows)
        cells = np.zeros(len(corners), [("n", "u1"), ("abc", "<i4", 3)])
        cells["n"], cells["abc"] = 3, corners + written
        all_triangles.append(cells)
        written += len(vertices)
    header = "\n".join(
        [
            "ply",
            "format binary_little_endian 1.0",
            "comment masksynth reconstruct",
            f"element vertex {written}",
            *(f"property float {axis}" for axis in "xyz"),
            *(f"property uchar {colour}" for colour in ("red", "green", "blue")),
            f"element face {sum(len(cells) for cells in all_triangles)}",
            "property list uchar int vertex_indices",
            "end_header\n",
        ]
    )
    body = b"".join(part.tobytes() for part in (*all_vertices, *all_triangles))
    write_bytes(path, header.encode() + body)


def check_suffix(path: Path) -> None:
    """Raise OutputError where `path` names no format that is known here."""
    if path.suffix.lower() not in SUFFIXES:
        raise OutputError(f"{path}: the suffix '{path.suffix}' names no face format. Use one of {' '.join(SUFFIXES)}.")


def _compact(
    face: Reconstruction, corners: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Only the vertices that a triangle uses: (N, 3) positions y up, (N, 2) texture places, (T, 3) new indices.

    The layout's triangles turn clockwise as the camera sees them with y down, so with y up they turn the way that
    mesh programs take for the front.
    """
    used, new = np.unique(corners, return_inverse=True)
    side = face.position_map.positions.shape[0]
    vertices = face.position_map.positions.reshape(-1, 3)[used] * np.array([1, -1, 1], np.float32)
    uv = np.stack([(used % side + 0.5) / side, 1 - (used // side + 0.5) / side], axis=1)
    return vertices, uv, new.reshape(-1, 3)
