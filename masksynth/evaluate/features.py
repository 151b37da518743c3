"""Features that any network made, from one .npz file; numpy alone.

Keys: ``probe`` (P, D), ``probe_labels`` (P,), ``gallery`` (G, D), ``gallery_labels`` (G,); and, where images got lost,
``missing_probe_labels`` and ``missing_gallery_labels``. Labels are integers or strings, features of any length.
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from masksynth.errors import EvaluationError, ShapeError
from masksynth.evaluate.metrics import FarRule
from masksynth.evaluate.protocols import FARS, ProbeResult, evaluate_probes

LABELS = ("probe_labels", "gallery_labels", "missing_probe_labels", "missing_gallery_labels")
EXACT = 2.0**53  # whole numbers as floating point are exact up to here
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
    values = _arrays(path)
    lacking = [key for key in NEEDED if key not in values]
    if lacking:
        raise EvaluationError(f"{path}: lacks {', '.join(lacking)}; it has {', '.join(values) or 'nothing'}.")
    labels = {key: _labels(path, key, values.get(key, np.zeros(0, np.int64))) for key in LABELS}
    kinds = {key: array.dtype.kind for key, array in labels.items() if len(array)}
    if len(set(kinds.values())) > 1:
        words = ", ".join(f"{key} are {'integers' if kind == 'i' else 'strings'}" for key, kind in kinds.items())
        raise EvaluationError(f"{path}: {words}, so that they never match. Give all of one kind.")
    for key in ("probe", "gallery"):
        if values[key].ndim != 2 or len(values[key]) != len(labels[f"{key}_labels"]):
            raise ShapeError(
                f"{path}: {key} is {values[key].shape} and {key}_labels {labels[f'{key}_labels'].shape}, but one row "
                "of features a label is wanted."
            )
    try:
        return evaluate_probes(
            values["probe"],
            labels["probe_labels"],
            values["gallery"],
            labels["gallery_labels"],
            probes="features",
            missing_probes=labels["missing_probe_labels"].tolist(),
            missing_gallery=labels["missing_gallery_labels"].tolist(),
            fars=fars,
            rule=rule,
        )
    except (EvaluationError, ShapeError) as error:
        raise type(error)(f"{path}: {error}") from error


def _arrays(path: Path) -> dict[str, npt.NDArray[Any]]:
    if not path.is_file():
        raise EvaluationError(f"{path}: there is no such file of features.")
    if not zipfile.is_zipfile(path):
        raise EvaluationError(f"{path}: is not an .npz file, which numpy.savez writes, or is damaged.")
    try:
        with np.load(path, allow_pickle=False) as file:
            return {key: np.asarray(file[key]) for key in file.files}
    except MemoryError:
        raise EvaluationError(f"{path}: does not fit into memory.") from None
    except Exception as error:  # a damaged archive makes the readers raise nearly anything
        reason = "it holds pickled objects" if "allow_pickle" in str(error) else (str(error).splitlines() or [""])[0]
        raise EvaluationError(f"{path}: is not an .npz file of plain arrays ({reason.rstrip('.')}).") from error


def _labels(path: Path, key: str, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """One label an image, as integers or strings; whole numbers that were kept as floating point are taken."""
    whole = values.dtype.kind == "f" and bool(np.isfinite(values).all() and (values == np.round(values)).all())
    if values.ndim != 1 or not (values.dtype.kind in "iubUS" or whole):
        raise ShapeError(
            f"{path}: {key} is {values.shape} {values.dtype}, but a vector of integers or strings is wanted."
        )
    if values.dtype.kind in "uf" and len(values) and max(abs(float(values.min())), float(values.max())) > EXACT:
        raise EvaluationError(f"{path}: {key} holds labels beyond ±2^53, which cannot be told apart. Give strings.")
    if values.dtype.kind == "S":
        return np.char.decode(values, "latin-1")
    return values if values.dtype.kind == "U" else values.astype(np.int64)
