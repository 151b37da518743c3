"""Figures of merit of a face recogniser, from similarity scores; numpy alone.

A *genuine* score compares two images of one identity, an *impostor* score two of different ones. Every probe is
compared with every gallery image and no score is left out. Higher means more alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from masksynth.errors import EvaluationError, ShapeError, counted

Scores: TypeAlias = npt.NDArray[np.floating]
Labels: TypeAlias = npt.NDArray[np.generic]  # integers or strings
FarRule: TypeAlias = Literal["strict", "nearest", "interpolate"]

FAR_RULES: tuple[FarRule, ...] = ("strict", "nearest", "interpolate")
FEW_FALSE_ACCEPTS = 10  # a threshold that rests on fewer impostor scores than this is a rough one


@dataclass(frozen=True)
class Identification:
    """Rank-1 identification over one probe set."""

    rate: float  # correct / (present + missing): a probe that the system lost is a wrong answer
    rate_present: float  # correct / present
    correct: int
    present: int  # probes that have a score row
    missing: int  # probes of the protocol that have none
    without_mate: int  # present probes whose identity the gallery lacks; counted as wrong


@dataclass(frozen=True)
class Verification:
    """The verification rate at one false-accept rate."""

    far: float  # the one asked for
    vr: float  # accepted genuine pairs / (genuine + missing pairs)
    vr_present: float  # without the missing pairs
    threshold: float  # a pair is accepted where its score is above it
    realised_far: float  # share of impostor scores above the threshold
    far_supported: bool  # False where fewer than one impostor score makes up the FAR asked for
    false_accepts: int
    genuine: int
    impostor: int
    missing: int  # genuine pairs of missing probes
    rule: FarRule
    note: str = ""  # why a figure is NaN or rough


def similarity(probe: npt.ArrayLike, gallery: npt.ArrayLike) -> npt.NDArray[np.float32]:
    """Cosine of every probe feature with every gallery feature.

    Parameters
    ----------
    probe, gallery : (P, D) and (G, D)
        Features; they need not have unit length.

    Returns
    -------
    scores : (P, G) float32, in [-1, 1]

    Raises
    ------
    ShapeError
        If they are not matrices of one width.
    EvaluationError
        If a feature is not finite or is zero; its row is named.
    """
    p, g = _unit(probe, "probe"), _unit(gallery, "gallery")
    if p.shape[1] != g.shape[1]:
        raise ShapeError(f"probe features have {p.shape[1]} numbers each, gallery features {g.shape[1]}.")
    return p @ g.T


def identification(
    scores: Scores, probe_labels: Labels, gallery_labels: Labels, *, missing: int = 0, mates: str = "require"
) -> Identification:
    """Rank-1: the share of probes whose best-scoring gallery image has the right identity.

    A tie for the best counts as right only where every tied image is right, so that the order of the gallery does not
    matter. `missing` probes count as wrong.

    Parameters
    ----------
    scores : (P, G)
    probe_labels, gallery_labels : (P,) and (G,)
    mates : "require" or "wrong"
        What to do with a probe whose identity has no gallery image: raise, or count it as wrong.

    Raises
    ------
    ShapeError
        If labels and scores do not fit.
    EvaluationError
        If a score is NaN, there is no probe, or a probe has no mate and `mates` is "require".
    """
    scores, same = _check(scores, probe_labels, gallery_labels)
    if len(scores) + missing == 0:
        raise EvaluationError("there is no probe, so there is no rank-1.")
    has_mate = same.any(axis=1)
    if mates == "require" and not has_mate.all():
        first = np.asarray(probe_labels)[~has_mate][0]
        raise EvaluationError(
            f"the gallery lacks the identity of {int((~has_mate).sum())} of {counted(len(scores), 'probe')}, "
            f"first {first}."
        )
    best = scores.max(axis=1, keepdims=True)
    right = ((scores < best) | same).all(axis=1)  # every image at the top is of the probe's identity
    correct, present = int(right.sum()), len(scores)
    return Identification(
        rate=correct / (present + missing),
        rate_present=correct / present if present else float("nan"),
        correct=correct,
        present=present,
        missing=missing,
        without_mate=int((~has_mate).sum()),
    )


def match_curve(scores: Scores, probe_labels: Labels, gallery_labels: Labels, *, missing: int = 0) -> Scores:
    """The cumulative match curve: entry r - 1 is the share of probes whose identity is among the r best.

    A gallery identity scores as its best image; ties go against the probe. Its first entry is the rank-1 of
    `identification`.

    Returns
    -------
    curve : (identities in the gallery,) float64, rising; its end lies below 1 by the missing probes and those
        without a mate
    """
    scores, same = _check(scores, probe_labels, gallery_labels)
    identities, column_of = np.unique(np.asarray(gallery_labels), return_inverse=True)
    best = np.full((len(scores), len(identities)), -np.inf, scores.dtype)
    for column in range(scores.shape[1]):
        np.maximum(best[:, column_of[column]], scores[:, column], out=best[:, column_of[column]])
    own = np.where(same, scores, -np.inf).max(axis=1, initial=-np.inf)
    ahead = (best >= own[:, None]).sum(axis=1) - 1  # itself is among those that reach its score
    ahead = np.where(same.any(axis=1), ahead, len(identities))
    counts = np.bincount(ahead, minlength=len(identities) + 1)[: len(identities)]
    return np.cumsum(counts) / (len(scores) + missing)


def genuine_impostor(scores: Scores, probe_labels: Labels, gallery_labels: Labels) -> tuple[Scores, Scores]:
    """The genuine and the impostor scores of a (P, G) matrix, as two vectors."""
    scores, same = _check(scores, probe_labels, gallery_labels)
    return scores[same], scores[~same]


def verification(
    genuine: Scores, impostor: Scores, far: float, *, rule: FarRule = "strict", missing: int = 0
) -> Verification:
    """The verification rate at a false-accept rate.

    With N impostor scores and k = floor(far N), the threshold is the (k + 1)-th largest impostor score and a pair is
    accepted above it: at most k impostors are, however many scores are equal. This is the highest true-positive rate
    with a false-positive rate of at most `far` on the full ROC curve.

    Parameters
    ----------
    genuine, impostor : (n,) and (N,)
    far : float in [0, 1]
    rule : "strict", "nearest" or "interpolate"
        "strict" as above. "nearest" takes the reachable false-accept rate nearest to `far`, which may exceed it, as
        some published evaluations do. "interpolate" goes linearly between the two neighbouring points of the curve.
    missing : int
        Genuine pairs that have no score; they count as rejected.

    Returns
    -------
    Verification
        `vr` is NaN, with the reason in `note`, where there is no genuine or no impostor score.
    """
    if not 0.0 <= far <= 1.0:
        raise EvaluationError(f"a false-accept rate lies in [0, 1], got {far}.")
    if rule not in FAR_RULES:
        raise EvaluationError(f"the rule for the false-accept rate is one of {', '.join(FAR_RULES)}, got {rule!r}.")
    genuine, impostor = _vector(genuine, "genuine"), _vector(impostor, "impostor")
    n, total = len(genuine), len(impostor)
    if n == 0 or total == 0:
        kind = "genuine" if n == 0 else "impostor"
        nan = float("nan")
        vr = 0.0 if n == 0 and missing and total else nan
        return Verification(far, vr, nan, nan, nan, False, 0, n, total, missing, rule, note=f"there is no {kind} score")
    k = int(np.floor(far * total + 1e-9))
    threshold = _kth_largest(impostor, k)
    low = int((impostor > threshold).sum())  # most false accepts that do not exceed k
    accepted = float((genuine > threshold).sum())
    false_accepts: float = low
    if rule != "strict" and k < total:
        high = int((impostor >= threshold).sum())  # fewest false accepts that exceed k
        if rule == "nearest" and abs(high / total - far) <= abs(far - low / total):
            threshold = _kth_largest(impostor, high)
            accepted, false_accepts = float((genuine > threshold).sum()), high
        elif rule == "interpolate":
            share = (far * total - low) / (high - low)
            reached = float((genuine >= threshold).sum())
            accepted += max(share, 0.0) * (reached - accepted)
            false_accepts = low + max(share, 0.0) * (high - low)
    supported = far * total >= 1.0 - 1e-9
    return Verification(
        far=far,
        vr=accepted / (n + missing),
        vr_present=accepted / n,
        threshold=threshold,
        realised_far=false_accepts / total,
        far_supported=supported,
        false_accepts=int(false_accepts),
        genuine=n,
        impostor=total,
        missing=missing,
        rule=rule,
        note=_roughness(k, total, far),
    )


def roc_curve(genuine: Scores, impostor: Scores, *, points: int | None = None) -> tuple[Scores, Scores]:
    """The reachable false-accept rates, rising from 0 to 1, and the highest verification rate at each.

    `points` thins a long curve to about that many, spread evenly over the logarithm of the false-accept count.

    Returns
    -------
    far, vr : (K,) float64 each
    """
    genuine, impostor = np.sort(_vector(genuine, "genuine")), np.sort(_vector(impostor, "impostor"))[::-1]
    n, total = len(genuine), len(impostor)
    if n == 0 or total == 0:
        raise EvaluationError("a ROC curve needs genuine and impostor scores.")
    counts = np.append(np.flatnonzero(np.append(True, impostor[1:] < impostor[:-1])), total)  # reachable false accepts
    if points is not None and len(counts) > points:
        wanted = np.append(0, np.geomspace(1, total, points - 1))
        counts = counts[np.unique(np.searchsorted(counts, wanted).clip(0, len(counts) - 1))]
    thresholds = np.append(impostor, -np.inf)[counts]
    return counts / total, (n - np.searchsorted(genuine, thresholds, side="right")) / n


@dataclass(frozen=True)
class Spread:
    """A figure over several folds."""

    mean: float
    std: float  # population form, ddof 0: what the field prints
    std_sample: float  # ddof 1; NaN of one fold
    folds: tuple[float, ...]


def over_folds(values: Sequence[float]) -> Spread:
    """Mean and both standard deviations of one figure over the folds."""
    if not len(values):
        raise EvaluationError("there is no fold to average over.")
    v = np.asarray(values, np.float64)
    sample = float(v.std(ddof=1)) if len(v) > 1 else float("nan")
    return Spread(float(v.mean()), float(v.std()), sample, tuple(float(x) for x in v))


def _kth_largest(values: Scores, k: int) -> float:
    """values sorted falling, entry k; -inf past the end."""
    if k >= len(values):
        return float("-inf")
    place = len(values) - 1 - k
    return float(np.partition(values, place)[place])


def _roughness(k: int, total: int, far: float) -> str:
    if k == 0 and far > 0:
        scores = counted(total, "impostor score")
        return f"{scores} cannot show a false-accept rate of {far:g}; this is the rate without any"
    if 0 < k < FEW_FALSE_ACCEPTS:
        return f"the threshold rests on {counted(k, 'impostor score')} only"
    return ""


def _unit(features: npt.ArrayLike, name: str) -> npt.NDArray[np.float32]:
    f = np.asarray(features)
    if f.ndim != 2 or f.dtype.kind not in "fiu":
        raise ShapeError(f"{name} features are a matrix of numbers (images, dimensions), got {f.shape} {f.dtype}.")
    f = f.astype(np.float64)
    largest = np.abs(f).max(axis=1, initial=0.0)
    extreme = (largest > 1e100) | ((largest < 1e-100) & (largest > 0))  # whose squares are infinite, or zero
    extreme &= np.isfinite(largest)
    f[extreme] /= largest[extreme, None]
    length = np.sqrt((f * f).sum(axis=1))
    bad = np.flatnonzero(~np.isfinite(length) | (length == 0))
    if len(bad):
        what = "zero" if length[bad[0]] == 0 else "not finite"
        raise EvaluationError(f"the {name} feature of row {bad[0]} is {what} ({counted(len(bad), 'such row')} in all).")
    return (f / length[:, None]).astype(np.float32)


def _vector(values: Scores, name: str) -> Scores:
    v = np.asarray(values)
    if v.ndim != 1:
        raise ShapeError(f"{name} scores are a vector, got shape {v.shape}.")
    if v.dtype.kind != "f":
        v = v.astype(np.float64)
    if np.isnan(v).any():
        raise EvaluationError(f"NaN in {int(np.isnan(v).sum())} of {counted(len(v), f'{name} score')}.")
    return v


def _check(scores: Scores, probe: Labels, gallery: Labels) -> tuple[Scores, npt.NDArray[np.bool_]]:
    scores, probe, gallery = np.asarray(scores), np.asarray(probe), np.asarray(gallery)
    if scores.ndim != 2 or probe.shape != scores.shape[:1] or gallery.shape != scores.shape[1:]:
        raise ShapeError(
            f"scores are (probes, gallery images) with one label each, got {scores.shape}, {probe.shape}, "
            f"{gallery.shape}."
        )
    if scores.shape[1] == 0:
        raise EvaluationError("the gallery is empty.")
    if np.isnan(scores).any():
        raise EvaluationError(f"NaN in {int(np.isnan(scores).sum())} of {counted(scores.size, 'score')}.")
    return scores, probe[:, None] == gallery[None, :]
