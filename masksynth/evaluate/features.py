"""Features that any network made, from one .npz file; numpy alone.

Keys: ``probe`` (P, D), ``probe_labels`` (P,), ``gallery`` (G, D), ``gallery_labels`` (G,); and, where images got lost,
``missing_probe_labels`` and ``missing_gallery_labels``. Labels are integers or strings, features of any length.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from masksynth.errors import EvaluationError
from masksynth.evaluate.metrics import FarRule
from masksynth.evaluate.protocols import FARS, ProbeResult, evaluate_probes

NEEDED = ("probe", "probe_labels", "gallery", "gallery_labels")


def evaluate_features(path: Path, *, fars: tuple[float, ...] = FARS, rule: FarRule = "strict") -> ProbeResult:
    """Rank-1 and VR@FAR of the features in `path`.

    Raises
    ------
    EvaluationError
        If the file is missing, is no .npz, lacks a key, or holds pickled objects.
    ShapeError
        If the arrays do not fit each other.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            values = {key: file[key] for key in file.files}
    except FileNotFoundError:
        raise EvaluationError(f"{path}: there is no such file of features.") from None
    except (OSError, ValueError, zipfile.BadZipFile, AttributeError) as error:
        raise EvaluationError(f"{path}: is not an .npz file of plain arrays ({str(error).splitlines()[0]}).") from error
    lacking = [key for key in NEEDED if key not in values]
    if lacking:
        raise EvaluationError(f"{path}: lacks {', '.join(lacking)}; it has {', '.join(values) or 'nothing'}.")
    return evaluate_probes(
        values["probe"],
        values["probe_labels"],
        values["gallery"],
        values["gallery_labels"],
        probes="features",
        missing_probes=values.get("missing_probe_labels", np.array([])).tolist(),
        missing_gallery=values.get("missing_gallery_labels", np.array([])).tolist(),
        fars=fars,
        rule=rule,
    )
