"""GrabCut seeded by the mesh: the baseline and the fallback.

References
----------
Rother, Kolmogorov, Blake, "GrabCut: Interactive Foreground Extraction using Iterated Graph Cuts", SIGGRAPH 2004.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from masksynth.segment.frame import FaceFrame

ROUNDS = 5
CORE_UV = (127.5, 150.0, 30.0, 26.0)  # centre and radii of what every mask covers: the mouth
LIKELY = 0.5  # of the prior: above it a pixel is probably mask
FAR = 0.30  # interocular distances off the face beyond which nothing is mask


def mask_prior(u: npt.NDArray[np.floating], v: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
    """How likely a texel (u, v) of the layout is covered by a mask, from where masks of every kind reach."""
    x = np.abs(u - 127.5)
    top = np.interp(x, (0, 10, 30, 60, 90, 120), (74, 79, 93, 108, 118, 140))
    bottom = np.interp(x, (0, 30, 60, 85, 120), (228, 222, 205, 176, 150))
    across = np.clip((86 - x) / 20 + 0.5, 0, 1)
    return (np.clip((v - top) / 14 + 0.5, 0, 1) * np.clip((bottom - v) / 16 + 0.5, 0, 1) * across).astype(np.float32)


def core_of(frame: FaceFrame) -> npt.NDArray[np.bool_]:
    """(S, S): pixels around the mouth."""
    u0, v0, width, tall = CORE_UV
    return frame.on_face & (((frame.u - u0) / width) ** 2 + ((frame.v - v0) / tall) ** 2 <= 1)


def bare_of(frame: FaceFrame) -> npt.NDArray[np.bool_]:
    """(S, S): skin that no mask covers: beside the nose's bridge, below the eyes, the brow."""
    x = np.abs(frame.u - 127.5)
    under_eye = (frame.v > 72) & (frame.v < np.interp(x, (20, 60, 90), (78, 92, 100))) & (x > 20) & (x < 90)
    brow = (frame.v > 22) & (frame.v < 36) & (x < 80)
    return frame.on_face & frame.in_photo & (under_eye | brow)


def grabcut(frame: FaceFrame) -> npt.NDArray[np.bool_]:
    """(S, S): the mask's pixels as GrabCut sees them."""
    prior = mask_prior(frame.u, frame.v)
    labels = np.where(prior > LIKELY, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    off = ~frame.on_face
    labels[off & (frame.from_face > 0.06)] = cv2.GC_PR_BGD
    labels[off & (frame.from_face > FAR)] = cv2.GC_BGD
    labels[(frame.v < 60) | (frame.on_face & (prior < 0.02) & (frame.v < 100))] = cv2.GC_BGD
    labels[core_of(frame)] = cv2.GC_FGD
    labels[~frame.in_photo] = cv2.GC_BGD
    if not (labels == cv2.GC_FGD).any() or not (labels == cv2.GC_BGD).any():
        return np.zeros(labels.shape, bool)
    cv2.setRNGSeed(0)  # the mixtures start from k-means
    background, foreground = np.zeros((1, 65)), np.zeros((1, 65))
    smooth = np.ascontiguousarray(np.asarray(cv2.bilateralFilter(frame.rgb, 5, 20, 3))[..., ::-1])
    cv2.grabCut(smooth, labels, (0, 0, 1, 1), background, foreground, ROUNDS, cv2.GC_INIT_WITH_MASK)
    found: npt.NDArray[np.bool_] = (labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD)
    return found & frame.in_photo
