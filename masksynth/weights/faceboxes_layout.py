"""The tensors of FaceBoxes: names and shapes as in the published state dict."""

from __future__ import annotations

from functools import cache

FACEBOXES_SHA256 = "c0cb2b1e40710c0aa5fc32a8759b1496a0fe0a126c907ca0ffe35b4bd0709d09"
FACEBOXES_URL = "https://raw.githubusercontent.com/cleardusk/3DDFA_V2/master/FaceBoxes/weights/FaceBoxesProd.pth"

CONVOLUTIONS = {  # name: channels out, channels in, kernel
    "conv1": (24, 3, 7),
    "conv2": (64, 48, 5),
    **{
        f"inception{k}.{branch}": shape
        for k in (1, 2, 3)
        for branch, shape in {
            "branch1x1": (32, 128, 1),
            "branch1x1_2": (32, 128, 1),
            "branch3x3_reduce": (24, 128, 1),
            "branch3x3": (32, 24, 3),
            "branch3x3_reduce_2": (24, 128, 1),
            "branch3x3_2": (32, 24, 3),
            "branch3x3_3": (32, 32, 3),
        }.items()
    },
    "conv3_1": (128, 128, 1),
    "conv3_2": (256, 128, 3),
    "conv4_1": (128, 256, 1),
    "conv4_2": (256, 128, 3),
}
"""Each without bias and followed by batch normalisation."""

SOURCES = ((128, 21), (256, 1), (256, 1))
"""Channels of the three maps that boxes are read from, and anchors a cell."""


@cache
def faceboxes_shapes() -> dict[str, tuple[int, ...]]:
    """Every tensor that inference needs."""
    shapes: dict[str, tuple[int, ...]] = {}
    for name, (outer, inner, kernel) in CONVOLUTIONS.items():
        shapes[f"{name}.conv.weight"] = (outer, inner, kernel, kernel)
        for part in ("weight", "bias", "running_mean", "running_var"):
            shapes[f"{name}.bn.{part}"] = (outer,)
    for k, (channels, anchors) in enumerate(SOURCES):
        for head, values in (("loc", 4), ("conf", 2)):
            shapes[f"{head}.{k}.weight"] = (anchors * values, channels, 3, 3)
            shapes[f"{head}.{k}.bias"] = (anchors * values,)
    return shapes
