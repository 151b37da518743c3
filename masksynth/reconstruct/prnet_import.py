"""Taking PRNet's weights from the user's file: read, tried on a face, kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from masksynth.errors import WeightsError
from masksynth.photos import read_photo
from masksynth.reconstruct.plausible import implausible
from masksynth.resources import asset
from masksynth.weights import known
from masksynth.weights.imported import Arrays, read_prnet, store


def import_prnet(path: Path, *, unchecked: bool = False) -> Path:
    """Import PRNet from FaceX-Zoo's ``prnet.pth`` or from PRNet's TensorFlow checkpoint.

    The published PyTorch file is known by its hash, the published checkpoint by that of its index. Any other must make
    a plausible face of a generated one, unless `unchecked`; the imported file then says that it was not checked.

    Raises
    ------
    WeightsError
        If the file cannot be read, lacks tensors, or gives no face.
    """
    file = read_prnet(path)
    if file.genuine:
        checked = "known by its hash"
    elif unchecked:
        checked = "unchecked"
    else:
        reason = gives_no_face(file.arrays)
        if reason:
            raise WeightsError(
                f"{path}: has the right tensors, but makes no face of a generated one ({reason}). "
                "Add --unchecked to import it all the same."
            )
        checked = "gives a face"
    return store(known("prnet"), file, checked)


def gives_no_face(arrays: Arrays) -> str:
    """Why the network with these weights makes no face of a generated one; "" where it does."""
    from masksynth.reconstruct.prnet import PRNetConfig, run_network
    from masksynth.reconstruct.prnet_torch import network_of

    crop = read_photo(asset("gate_face.png")).rgb
    config = PRNetConfig()
    return implausible(run_network(network_of(arrays, config), np.stack([crop]), config)[0])
