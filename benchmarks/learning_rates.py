"""How learning.py chooses the learning rate of a row: from one grid, by the validation persons and seed 0."""

from __future__ import annotations

from typing import Any

from learning_rows import Form

CHOSEN_BY = 0  # the seed with which the learning rate is chosen


def best_rate(tried: list[dict[str, Any]]) -> float | None:
    """The learning rate that is best on the validation persons: by rank-1, then by VR@FAR = 1 %, then the smaller."""
    sound = [r for r in tried if r["validation"] is not None]
    if not sound:
        return None
    return float(max(sound, key=lambda r: (r["validation"]["rank1"], r["validation"]["vr@0.01"], -r["lr"]))["lr"])


def next_rate(tried: list[dict[str, Any]], form: Form) -> float | None:
    """What to try after the grid: one step on, while the best is the outermost; at most `form.further` steps a side."""
    best = best_rate(tried)
    rates = sorted(r["lr"] for r in tried)
    if best is None or len(rates) < 2:
        return None
    if best == rates[0] and sum(r < form.lrs[0] for r in rates) < form.further:
        return rounded(rates[0] * rates[0] / rates[1])
    if best == rates[-1] and sum(r > form.lrs[-1] for r in rates) < form.further:
        return rounded(rates[-1] * rates[-1] / rates[-2])
    return None


def rounded(rate: float) -> float:
    return float(f"{rate:.1g}")
