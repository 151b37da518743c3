"""Figures of one protocol, from features; numpy alone.

A probe or gallery image that the system lost is an error of the system: `counts` of what the protocol lists go in, and
what has no feature counts as wrong in the headline figures. The figures without them stand beside.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from masksynth.evaluate import metrics
from masksynth.evaluate.metrics import FarRule, Identification, Labels, Spread, Verification

FARS = (0.01, 0.001)
ROC_POINTS = 100
CMC_RANKS = 50


@dataclass(frozen=True)
class ProbeResult:
    """One probe set against one gallery."""

    probes: str  # "masked" or "unmasked"
    identification: Identification
    verification: tuple[Verification, ...]
    gallery: int  # images
    gallery_missing: int  # images that the protocol lists and that have no feature
    roc: tuple[tuple[float, float], ...]  # (false-accept rate, verification rate), thinned; missing pairs rejected
    cmc: tuple[float, ...]  # share identified within rank 1, 2, ...; missing probes never


def evaluate_probes(
    probe: npt.ArrayLike,
    probe_labels: Labels,
    gallery: npt.ArrayLike,
    gallery_labels: Labels,
    *,
    probes: str = "masked",
    missing_probes: Sequence[object] = (),
    missing_gallery: Sequence[object] = (),
    fars: Sequence[float] = FARS,
    rule: FarRule = "strict",
) -> ProbeResult:
    """Rank-1 and VR@FAR of one probe set.

    Parameters
    ----------
    probe, gallery : (P, D) and (G, D)
        Features of any length.
    probe_labels, gallery_labels : (P,) and (G,)
        Identities.
    missing_probes, missing_gallery
        Identity of every image that the protocol lists and that has no feature. A missing probe is a wrong answer and
        its genuine pairs are rejected; a probe whose whole gallery is missing is a wrong answer too.

    Raises
    ------
    EvaluationError
        If a probe shows an identity that neither the gallery nor `missing_gallery` has, or a feature is not finite.
    """
    scores = metrics.similarity(probe, gallery)
    probe_labels, gallery_labels = np.asarray(probe_labels), np.asarray(gallery_labels)
    excused = np.isin(probe_labels, np.asarray(list(missing_gallery), dtype=probe_labels.dtype))
    known = np.isin(probe_labels, gallery_labels)
    identification = metrics.identification(
        scores,
        probe_labels,
        gallery_labels,
        missing=len(missing_probes),
        mates="wrong" if (excused | known).all() else "require",
    )
    genuine, impostor = metrics.genuine_impostor(scores, probe_labels, gallery_labels)
    listed_probes = Counter(probe_labels.tolist()) + Counter(missing_probes)
    listed_gallery = Counter(gallery_labels.tolist()) + Counter(missing_gallery)
    pairs = sum(count * listed_gallery[label] for label, count in listed_probes.items())
    verification = tuple(
        metrics.verification(genuine, impostor, far, rule=rule, missing=pairs - len(genuine)) for far in fars
    )
    roc: tuple[tuple[float, float], ...] = ()
    if len(genuine) and len(impostor):
        far, vr = metrics.roc_curve(genuine, impostor, points=ROC_POINTS)
        roc = tuple(zip(far.tolist(), (vr * len(genuine) / max(pairs, 1)).tolist(), strict=True))
    cmc = metrics.match_curve(scores, probe_labels, gallery_labels, missing=len(missing_probes))[:CMC_RANKS]
    return ProbeResult(
        probes, identification, verification, len(gallery_labels), len(missing_gallery), roc, tuple(cmc.tolist())
    )


def over_protocols(results: Mapping[str, Sequence[ProbeResult]]) -> dict[str, dict[str, Spread]]:
    """Mean and standard deviations over the folds, of each probe set and figure.

    Folds are the protocols whose names begin with "fold", or all where none does; without two of them there is nothing
    to average. Figures are named rank1, rank1_present, vr@0.01, ...
    """
    folds = [name for name in results if name.startswith("fold")] or list(results)
    if len(folds) < 2:
        return {}
    out: dict[str, dict[str, Spread]] = {}
    for k, first in enumerate(results[folds[0]]):
        chosen = [results[name][k] for name in folds]
        figures = {
            "rank1": [r.identification.rate for r in chosen],
            "rank1_present": [r.identification.rate_present for r in chosen],
        }
        for j, point in enumerate(first.verification):
            figures[f"vr@{point.far:g}"] = [r.verification[j].vr for r in chosen]
        out[first.probes] = {name: metrics.over_folds(values) for name, values in figures.items()}
    return out
