"""The iBUG 68 points among the 468 of Face Mesh, and where they lie in the UV layout.

Brows, nose, eyes and lips agree with what annotators mark. The jaw line (0 to 16) is a fixed line on the surface, not
the outline that annotators follow, so it differs where the head is turned.
"""

from __future__ import annotations

# fmt: off
MESH_INDEX_68 = (
    127, 234, 93, 132, 58, 136, 150, 176, 152, 400, 379, 365, 288, 361, 323, 454, 356,  # jaw, image-left to right
    70, 63, 105, 66, 107, 336, 296, 334, 293, 300,  # brows
    168, 197, 5, 4, 75, 97, 2, 326, 305,  # nose: bridge to tip, then wing to wing
    33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380,  # eyes, from the image-left corner, clockwise
    61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181,  # outer lip
    78, 82, 13, 312, 308, 317, 14, 87,  # inner lip
)
# fmt: on
