"""From a rough region to the alpha of a mask: cleaned of holes, islands and straps, fitted to the photo's edges."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from masksynth.arrays import Alpha, Photo8

STRAP_WIDTH = 0.055  # in interocular distances: what is thinner is a strap, a loop or a leak (about 5 mm)
LARGEST_HOLE = (0.012, 0.09)  # squared interocular distances; anywhere, and around the mouth where valves are
EDGE_RADIUS = 0.030  # within this of the rough edge the photo decides
EDGE_EPSILON = 2.5e-4  # of the guided filter, for a guide in [0, 1]


def cleaned(
    region: npt.NDArray[np.bool_], core: npt.NDArray[np.bool_], pixels_per_interocular: float
) -> npt.NDArray[np.bool_]:
    """The piece of `region` that holds most of `core`, without holes and without what is thin as a strap.

    A hole larger than a print's stays, and than a valve in the middle: it is a hand or skin.
    """
    radius = max(1, round(STRAP_WIDTH * pixels_per_interocular / 2))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    padded = np.pad(region.astype(np.uint8), 2 * radius, mode="edge")
    opened = cv2.morphologyEx(padded, cv2.MORPH_OPEN, kernel)[2 * radius : -2 * radius, 2 * radius : -2 * radius]
    count, labels = cv2.connectedComponents(opened)
    if count <= 1:
        return np.zeros_like(region)
    votes = np.bincount(labels[core], minlength=count)
    votes[0] = 0
    if votes.max() == 0:
        votes = np.bincount(labels.ravel(), minlength=count)
        votes[0] = 0
    piece = (labels == int(votes.argmax())).astype(np.uint8)
    middle = cv2.dilate(core.astype(np.uint8), kernel) > 0
    count, labels, stats, _ = cv2.connectedComponentsWithStats(1 - piece, connectivity=4)
    border = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
    for k in range(1, count):
        hole = labels == k
        largest = LARGEST_HOLE[1] if middle[hole].mean() > 0.5 else LARGEST_HOLE[0]
        if k not in border and stats[k, cv2.CC_STAT_AREA] < largest * pixels_per_interocular**2:
            piece[hole] = 1
    return piece > 0


def soft_edge(region: npt.NDArray[np.floating], rgb: Photo8, pixels_per_interocular: float) -> Alpha:
    """Alpha (H, W) whose edge follows the photo's, from a region (H, W) in [0, 1] that is right to a few pixels.

    A guided filter decides within `EDGE_RADIUS` of the rough edge; beyond it the region stands.

    References
    ----------
    He, Sun, Tang, "Guided Image Filtering", ECCV 2010, with a colour guide.
    """
    radius = max(1, round(EDGE_RADIUS * pixels_per_interocular))
    guide = rgb.astype(np.float32) / np.float32(255)
    filtered = guided_filter(guide, region.astype(np.float32), 2 * radius, EDGE_EPSILON)
    sharper = np.clip(0.5 + (filtered - 0.5) * 1.8, 0, 1)
    hard = (region > 0.5).astype(np.uint8)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    within, without = cv2.erode(hard, kernel), cv2.dilate(hard, kernel)
    return np.where(within > 0, 1.0, np.where(without > 0, sharper, 0.0)).astype(np.float32)


def guided_filter(
    guide: npt.NDArray[np.float32], values: npt.NDArray[np.float32], radius: int, epsilon: float
) -> npt.NDArray[np.float32]:
    """(H, W) `values` made locally linear in the colours of (H, W, 3) `guide`; He et al., ECCV 2010, Eq. 14-16."""
    size = (2 * radius + 1, 2 * radius + 1)

    def mean(field: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        return np.asarray(cv2.blur(field, size, borderType=cv2.BORDER_REFLECT), np.float32)

    guide_mean, value_mean = mean(guide), mean(values)
    cross = mean(guide * values[..., None]) - guide_mean * value_mean[..., None]  # (H, W, 3)
    products = mean(guide * guide) - guide_mean * guide_mean + np.float32(epsilon)  # variances: xx, yy, zz
    turned = guide[..., [1, 2, 0]]
    mixed = mean(guide * turned) - guide_mean * guide_mean[..., [1, 2, 0]]  # covariances: xy, yz, zx
    slope = _solved(products, mixed, cross)
    offset = value_mean - (slope * guide_mean).sum(2)
    fitted = (mean(slope.astype(np.float32)) * guide).sum(2) + mean(offset.astype(np.float32))
    return np.asarray(fitted, np.float32)


def _solved(
    diagonal: npt.NDArray[np.float32], mixed: npt.NDArray[np.float32], right: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    """(H, W, 3) solutions of symmetric 3 x 3 systems: diagonal xx, yy, zz, the rest xy, yz, zx; by their adjugates."""
    xx, yy, zz = diagonal[..., 0], diagonal[..., 1], diagonal[..., 2]
    xy, yz, zx = mixed[..., 0], mixed[..., 1], mixed[..., 2]
    a, b, c = right[..., 0], right[..., 1], right[..., 2]
    axx, axy, axz = yy * zz - yz * yz, zx * yz - xy * zz, xy * yz - zx * yy
    ayy, ayz, azz = xx * zz - zx * zx, zx * xy - xx * yz, xx * yy - xy * xy
    determinant = np.maximum(xx * axx + xy * axy + zx * axz, np.float32(1e-18))
    return (
        np.stack([(axx * a + axy * b + axz * c), (axy * a + ayy * b + ayz * c), (axz * a + ayz * b + azz * c)], axis=-1)
        / determinant[..., None]
    )
