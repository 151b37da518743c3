"""From a rough region to the alpha of a mask: cleaned of holes, islands and straps, fitted to the photo's edges."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter, maximum

from masksynth.arrays import Alpha, Photo8
from masksynth.photos import is_grey

STRAP_WIDTH = 0.055  # in interocular distances: what is thinner is a strap, a loop or a leak (about 5 mm)
LARGEST_HOLE = (0.012, 0.09)  # squared interocular distances; anywhere, and around the mouth where valves are
EDGE_RADIUS = 0.030  # within this of the rough edge the photo decides
EDGE_EPSILON = 2.5e-4  # of the guided filter, for a guide in [0, 1]
UNSURE = 0.04  # interocular distances about the network's edge within which colours are asked
NEARBY = 0.20  # standard deviation of the neighbourhood that a pixel's colour is compared with
TRUST_IN_COLOUR = 0.3  # of the logarithm of the colours' likelihood ratio
MOST_BY_COLOUR = 8.0  # and of that at most this much
EDGE_BLUR = 0.006  # standard deviation of the soft edge, in interocular distances
COLOUR_NOISE = 16.0  # added to the variance of each of L, a, b, 8-bit
STATISTICS_SIDE = 96  # means and variances of neighbourhoods are taken in a square this small
COLOUR_BINS = (16, 32, 32)  # of L, a, b; those of a and b are four levels wide, about grey
SURE = 0.8  # a probability from which on a pixel shows what colours a mask, or what is not mask, has
TRUST_IN_COLOURS = 0.5  # of the logarithm of the ratio of the whole square's colours
TRUST_IN_BRIGHTNESS = 0.25  # the same in a grey photo, where much that is no mask is as bright as it
MOST_BY_COLOURS = 3.0  # and of that at most this much
RARE = 1e-4  # added to the share of each bin: a colour that neither has says nothing
LEAST_SURE = 0.005  # squared interocular distances of either, or their colours are not known
REACH = 0.26  # standard deviation, in interocular distances, of how far from the mask what is not mask is asked
SMALLEST_PIECE = 0.02  # squared interocular distances: a hand may cut a mask in two, what is smaller is a leak


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


def pieces(share: npt.NDArray[np.floating], pixels_per_interocular: float) -> npt.NDArray[np.float32]:
    """The network's answer (S, S) without islands that are small or nowhere sure, and holes as small as a print's."""
    kept = np.asarray(share, np.float32).copy()
    for inside, smallest, value in ((True, SMALLEST_PIECE, 0.0), (False, LARGEST_HOLE[0], 1.0)):
        region = (kept > 0.5) == inside
        count, labels, stats, _ = cv2.connectedComponentsWithStats(region.astype(np.uint8), connectivity=4)
        areas = stats[:, cv2.CC_STAT_AREA]
        small = areas < smallest * pixels_per_interocular**2
        if inside and count > 1:
            small |= maximum(kept, labels, np.arange(count)) < SURE  # a neck as bright as the mask
            small[1 + int(areas[1:].argmax())] = False  # the largest stays, however small
        else:
            rim = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
            small[np.unique(rim)] = False  # not within the mask
        small[0] = False
        kept[small[labels]] = value
    return kept


def agreed_by_colours(
    share: npt.NDArray[np.floating], rgb: Photo8, in_photo: npt.NDArray[np.bool_], pixels_per_interocular: float
) -> npt.NDArray[np.float32]:
    """Probabilities of mask (S, S) that agree with the colours that mask and the rest have in the whole square.

    Where the network is sure, it shows the colours of a mask and of what is around it; the log of the ratio of the two
    histograms is added to its answer, so that a pleat or a corner of the mask's colour is mask, and a finger is not.
    What the colours say is bounded: prints, and masks of the skin's colour, must not undo what the network is sure of.

    References
    ----------
    Boykov, Jolly, "Interactive Graph Cuts for Optimal Boundary and Region Segmentation of Objects in N-D Images",
    ICCV 2001: regions' likelihoods from histograms of what is marked.
    """
    size = len(share) // 2
    small, known = (
        np.asarray(cv2.resize(np.asarray(part, np.float32), (size, size), interpolation=cv2.INTER_AREA), np.float32)
        for part in (share, in_photo)
    )
    near = cv2.GaussianBlur((small > 0.5).astype(np.float32), (0, 0), REACH * pixels_per_interocular / 2)
    lab = cv2.cvtColor(cv2.resize(rgb, (size, size), interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2LAB).astype(np.intp)
    bins = np.stack([lab[..., 0] // 16, *(np.clip((lab[..., k] - 64) // 4, 0, 31) for k in (1, 2))])
    cell = np.ravel_multi_index(tuple(bins), COLOUR_BINS)
    shares = []
    for sure in (small, (1 - small) * (near > 0.02)):
        weight = np.clip((sure - SURE) / (1 - SURE), 0, 1) * known
        if weight.sum() < LEAST_SURE * pixels_per_interocular**2:
            return np.asarray(share, np.float32)
        histogram = np.bincount(cell.ravel(), weight.ravel(), int(np.prod(COLOUR_BINS))).reshape(COLOUR_BINS)
        shares.append(gaussian_filter(histogram, 1.0, mode="constant").ravel() / weight.sum())
    ratio = np.log((shares[0] + RARE) / (shares[1] + RARE))[cell]
    ratio = np.clip(ratio, -MOST_BY_COLOURS, MOST_BY_COLOURS).astype(np.float32)
    ratio = cv2.resize(cv2.GaussianBlur(ratio, (0, 0), 0.75), share.shape, interpolation=cv2.INTER_LINEAR)
    trust = TRUST_IN_BRIGHTNESS if is_grey(rgb) else TRUST_IN_COLOURS
    return _weighed(share, trust * ratio)


def edge_by_colour(
    share: npt.NDArray[np.floating], rgb: Photo8, in_photo: npt.NDArray[np.bool_], pixels_per_interocular: float
) -> npt.NDArray[np.float32]:
    """Probabilities of mask (H, W) that agree with the colours near by: each side of the edge has its own.

    Within `UNSURE` of where `share` passes 0.5, the colour of a pixel is held against those of the mask and of what is
    not mask in its neighbourhood, each a normal distribution in L, a, b, and the log of their ratio is added to
    that of the network; farther off, its answer stands. As GrabCut weighs colours, but by place: what a mask looks
    like at one edge says little of another in its shadow.
    """
    radius = max(1, round(UNSURE * pixels_per_interocular))
    region = (share > 0.5).astype(np.uint8)
    inner, outer = (
        cv2.distanceTransform(part, cv2.DIST_L2, cv2.DIST_MASK_5) > radius if (1 - part).any() else part > 0
        for part in (region, 1 - region)
    )
    fitted = inner.astype(np.float32)
    rows, columns = np.nonzero(~(inner | outer))
    if len(rows):
        mask, other = (
            _likelihood(rgb, sure & in_photo, rows, columns, pixels_per_interocular) for sure in (inner, outer)
        )
        ratio = np.clip(mask - other, -MOST_BY_COLOUR, MOST_BY_COLOUR)
        fitted[rows, columns] = _weighed(share[rows, columns], TRUST_IN_COLOUR * ratio)
    return np.asarray(cv2.GaussianBlur(fitted, (0, 0), max(0.5, EDGE_BLUR * pixels_per_interocular)), np.float32)


def _likelihood(
    rgb: Photo8,
    sure: npt.NDArray[np.bool_],
    rows: npt.NDArray[np.intp],
    columns: npt.NDArray[np.intp],
    pixels_per_interocular: float,
) -> npt.NDArray[np.float32]:
    """(N,) log likelihood, but for a constant, of the colours at rows and columns by those near by that are `sure`."""
    height, width = sure.shape
    shrink = min(1.0, STATISTICS_SIDE / max(height, width))
    size = max(1, round(shrink * width)), max(1, round(shrink * height))
    weight = cv2.resize(sure.astype(np.float32), size, interpolation=cv2.INTER_AREA)[..., None]
    lab = _lab(np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.uint8))
    sums = np.dstack([weight, lab * weight]), lab * lab * weight
    place = rows * size[1] // height, columns * size[0] // width
    first, second = (cv2.GaussianBlur(part, (0, 0), NEARBY * pixels_per_interocular * shrink)[place] for part in sums)
    count = first[:, :1] + np.float32(1e-6)
    mean = first[:, 1:] / count
    variance = np.maximum(second / count - mean * mean, 0) + np.float32(COLOUR_NOISE)
    own = _lab(rgb[rows, columns][:, None])[:, 0]
    return np.asarray(-0.5 * ((own - mean) ** 2 / variance + np.log(variance)).sum(axis=1), np.float32)


def _weighed(share: npt.NDArray[np.floating], evidence: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Probabilities to whose logarithm of odds the evidence is added."""
    certain = np.clip(share, 1e-3, 1 - 1e-3)
    return np.asarray(1 / (1 + np.exp(-(np.log(certain / (1 - certain)) + evidence))), np.float32)


def _lab(rgb: Photo8) -> npt.NDArray[np.float32]:
    """(H, W, 3) of 8-bit L, a, b."""
    return cv2.cvtColor(rgb, cv2.COLOR_RGB2LAB).astype(np.float32)


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
