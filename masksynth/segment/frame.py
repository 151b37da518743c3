"""The frame in which a mask is looked for: an upright square over nose, mouth, jaw and throat, placed by the mesh."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from masksynth.arrays import UV_SIZE, Alpha, Matrix, Photo8, Reconstruction
from masksynth.reconstruct.pose import head_frame
from masksynth.render import grid_triangles, rasterize

WIDTH = 2.3  # of the square, in interocular distances
CENTRE = (0.0, 0.62, -0.25)  # of the square, in the generic face's frame


@dataclass(frozen=True)
class FaceFrame:
    """The square, and what of the face's surface each of its pixels sees; S is its side."""

    crop_from_photo: Matrix  # (2, 3) similarity
    rgb: Photo8  # (S, S, 3) the photo in the square, its rim continued
    in_photo: npt.NDArray[np.bool_]  # (S, S) False beyond the photo's edge
    on_face: npt.NDArray[np.bool_]  # (S, S) a pixel that sees the surface
    u: npt.NDArray[np.float32]  # (S, S) the texel it sees, in the 256 layout; outside the surface that of the nearest
    v: npt.NDArray[np.float32]  # (S, S)
    from_face: npt.NDArray[np.float32]  # (S, S) distance to the nearest pixel on the face, in interocular distances
    width: float = WIDTH  # of the square, in interocular distances

    @property
    def side(self) -> int:
        return len(self.u)

    @property
    def pixels_per_interocular(self) -> float:
        return self.side / self.width


def face_frame(photo_rgb: Photo8, reconstruction: Reconstruction, side: int, width: float = WIDTH) -> FaceFrame:
    """The square of `side` pixels for one face of a photo, `width` interocular distances across."""
    matrix = crop_matrix(reconstruction, side, width)
    rgb, inside = square(photo_rgb, matrix, side)
    surface = reconstruction.position_map.moved(matrix)
    triangles = grid_triangles(surface.validity, step=2)
    seen = rasterize(surface.positions.reshape(-1, 3).astype(np.float64), triangles, (side, side))
    v, u = (grid.astype(np.float64) for grid in np.mgrid[:UV_SIZE, :UV_SIZE])
    texel = seen.interpolate(np.stack([u, v], axis=2).reshape(-1, 2), triangles).astype(np.float32)
    on_face = seen.covered
    if not on_face.any():
        on_face[side // 2, side // 2] = True
    distance, labels = cv2.distanceTransformWithLabels(
        (~on_face).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    of_label = np.zeros((labels.max() + 1, 2), np.float32)
    of_label[labels[on_face]] = texel[on_face]
    nearest = of_label[labels]
    return FaceFrame(
        crop_from_photo=matrix,
        rgb=rgb,
        in_photo=inside,
        on_face=on_face,
        u=nearest[..., 0],
        v=nearest[..., 1],
        from_face=(distance * width / side).astype(np.float32),
        width=width,
    )


def square(photo_rgb: Photo8, matrix: Matrix, side: int) -> tuple[Photo8, npt.NDArray[np.bool_]]:
    """The photo in the square of (2, 3) `matrix`, its rim continued, and (side, side) where the photo is."""
    shrink = float(np.hypot(matrix[0, 0], matrix[1, 0]))
    inside = cv2.warpAffine(np.ones(photo_rgb.shape[:2], np.uint8), matrix, (side, side), flags=cv2.INTER_NEAREST)
    return _warped(photo_rgb, matrix, side, shrink), inside > 0


def crop_matrix(reconstruction: Reconstruction, side: int, width: float = WIDTH) -> Matrix:
    """(2, 3) similarity from the photo to the square: roll undone, the throat below, `width` across."""
    head = head_frame(reconstruction.landmarks68)
    centre = head.apply(np.array([CENTRE]))[0, :2]
    right = head.rotation[:2, 0]
    down = head.rotation[:2, 1]
    # The down axis hardly shortens when the face turns aside, the right axis hardly when it nods: use both.
    direction = complex(*right) + complex(*down) * -1j
    turn = np.exp(-1j * np.angle(direction)) * side / (width * head.scale)
    linear = np.array([[turn.real, -turn.imag], [turn.imag, turn.real]])
    return np.concatenate([linear, ((side - 1) / 2 - linear @ centre)[:, None]], axis=1)


def to_photo(field: npt.NDArray[np.floating], frame_matrix: Matrix, shape: tuple[int, int]) -> Alpha:
    """(S, S) of the square carried back into a photo of `shape` (H, W), bilinear; 0 outside the square."""
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    carried = cv2.warpAffine(field.astype(np.float32), frame_matrix, (shape[1], shape[0]), flags=flags)
    return np.asarray(carried, np.float32)


def _warped(photo: Photo8, matrix: Matrix, side: int, shrink: float) -> Photo8:
    factor = int(1 / shrink)
    if factor > 1:  # warpAffine knows no area mean: shrink by a whole factor first
        height, width = photo.shape[:2]
        small = cv2.resize(photo, (max(1, width // factor), max(1, height // factor)), interpolation=cv2.INTER_AREA)
        sx, sy = small.shape[1] / width, small.shape[0] / height
        to_large = np.array([[1 / sx, 0, 0.5 / sx - 0.5], [0, 1 / sy, 0.5 / sy - 0.5], [0, 0, 1]])
        matrix = matrix @ to_large
        photo = np.asarray(small, np.uint8)
    warped = cv2.warpAffine(photo, matrix, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(warped, np.uint8)
