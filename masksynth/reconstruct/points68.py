"""The iBUG 68 points of a face among the 468 of Face Mesh.

Brows, nose, eyes and lips agree with what annotators mark. The jaw line (0 to 16) is a fixed line on the surface, not
the outline that annotators follow, so it differs where the head is turned.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

# fmt: off
MESH_INDEX_68 = (
    127, 234, 93, 132, 58, 136, 150, 176, 152, 400, 379, 365, 288, 361, 323, 454, 356,  # jaw, image-left to right
    70, 63, 105, 66, 107, 336, 296, 334, 293, 300,  # brows
    168, 197, 5, 4, 75, 97, 2, 326, 305,  # nose: bridge to tip, then wing to wing
    33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380,  # eyes, from the image-left corner, clockwise
    61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181,  # outer lip
    78, 82, 13, 312, 308, 317, 14, 87,  # inner lip
)

# Annotators space brows and jaw otherwise than the mesh has its points: these lie between two of them, a share of the
# way from the first to the second. Where PRNet's published keypoints fall on the generic face, and a predictor of the
# 68 points trained on annotated photos, say the same of them.
BETWEEN_68 = (  # landmark, first, second, share
    (0, 234, 127, 0.66), (1, 93, 234, 0.57), (2, 132, 93, 0.46), (3, 58, 132, 0.46), (4, 172, 58, 0.80),
    (5, 136, 172, 0.45), (6, 149, 150, 0.79), (7, 148, 176, 0.91), (9, 377, 400, 0.91), (10, 378, 379, 0.79),
    (11, 365, 397, 0.45), (12, 397, 288, 0.80), (13, 288, 361, 0.46), (14, 361, 323, 0.46), (15, 323, 454, 0.57),
    (16, 454, 356, 0.66),
    (18, 63, 105, 0.2), (19, 105, 66, 0.4), (20, 66, 107, 0.2), (23, 296, 336, 0.2), (24, 334, 296, 0.4),
    (25, 293, 334, 0.2),
)
# fmt: on
_PLACES = np.array(MESH_INDEX_68, np.intp)
_MOVED, _FIRST, _SECOND = np.array([row[:3] for row in BETWEEN_68], np.intp).T
_SHARE = np.array([[row[3]] for row in BETWEEN_68], np.float32)


def points68(mesh: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """(68, D) iBUG points of (468, D) mesh points, in the same frame and dtype."""
    points = mesh[_PLACES]
    points[_MOVED] = mesh[_FIRST] + _SHARE * (mesh[_SECOND] - mesh[_FIRST])
    return points
