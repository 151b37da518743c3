"""What a page says about the figures of masksynth evaluate: the table, ROC and CMC."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from masksynth.errors import EvaluationError, counted
from masksynth.report.charts import Series, line_chart
from masksynth.report.markup import Content, count, element, table
from masksynth.report.page import Section, note, side_by_side, titled

PROBES = {"masked": "masked", "unmasked": "not masked"}
LEAST_FAR = 1e-4  # where the ROC begins
MOST_RANKS = 20  # where the CMC ends


def read_evaluation(path: Path) -> dict[str, Any] | None:
    """The figures that masksynth evaluate wrote, or None where there are none.

    Raises
    ------
    EvaluationError
        If the file is damaged or of another format.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise EvaluationError(f"{path}: cannot be read ({error}). Run masksynth evaluate again.") from error
    if not isinstance(values, dict) or not str(values.get("format", "")).startswith("masksynth-evaluation/"):
        raise EvaluationError(f"{path}: is not what masksynth evaluate writes. Run it again.")
    return values


def evaluation_section(evaluation: Mapping[str, Any]) -> Section:
    """Rank-1 and VR@FAR of masked and unmasked probes, one line a protocol and probe set."""
    fars = _fars(evaluation)
    rows: list[list[Content]] = []
    doubts: dict[str, None] = {}
    lost = False
    for name, kinds in nested(evaluation, "protocols").items():
        for kind, result in kinds.items():
            rank = result.get("rank1", {})
            missing = int(rank.get("missing") or 0)
            lost |= missing > 0
            row: list[Content] = [
                name,
                PROBES.get(kind, kind),
                count(int(rank.get("present") or 0)),
                element("span", count(missing), class_="bad") if missing else "0",
                _rate(rank.get("rate"), rank.get("rate_present"), missing),
            ]
            for far in fars:
                point: Mapping[str, Any] = next((p for p in result.get("verification", ()) if p.get("far") == far), {})
                doubt = point.get("note") or ""
                if doubt:
                    doubts[doubt] = None
                cell = _rate(point.get("vr"), point.get("vr_present"), int(point.get("missing") or 0))
                row.append([cell, f" {_star(list(doubts).index(doubt))}"] if doubt else cell)
            rows.append(row)
    found = re.search(r"\bfold\d+\b", str(nested(evaluation, "network", "trained") or ""))
    own = found[0] if found else ""
    others = bool(own) and any(name != own for name in nested(evaluation, "protocols"))
    if not others:
        rows += _means(evaluation, fars)
    head = ["protocol", "NIR probes", "probes", "missing", "rank-1", *(f"VR @ FAR {100 * far:g} %" for far in fars)]
    body: list[Content] = [table(head, rows, numbers_from=2)]
    if others:
        body.append(
            note(
                f"The network was trained on {own}. Other protocols have persons of that training among their "
                f"probes, so only {own} says how well it tells strangers apart.",
                warning=True,
            )
        )
    if lost:
        body.append(note("Missing probes count as wrong; in brackets the figure without them."))
    body += [element("p", f"{_star(k)} {doubt}", class_="quiet") for k, doubt in enumerate(doubts)]
    body += [element("p", str(text), class_="quiet") for text in evaluation.get("notes", ())]
    body.append(_curves(evaluation, own))
    return Section(
        "Recognition",
        body,
        "NIR probes against the clean VIS gallery. Rank-1: the share of probes whose best match is the right person. "
        "VR: the share of genuine pairs accepted where so few of the others are.",
    )


def _fars(evaluation: Mapping[str, Any]) -> list[float]:
    fars: dict[float, None] = {}
    for kinds in nested(evaluation, "protocols").values():
        for result in kinds.values():
            fars.update((float(point["far"]), None) for point in result.get("verification", ()))
    return list(fars)


def _means(evaluation: Mapping[str, Any], fars: Sequence[float]) -> list[list[Content]]:
    """Mean and population standard deviation over the folds, where there are several."""
    rows: list[list[Content]] = []
    for kind, figures in nested(evaluation, "over_folds").items():
        folds = len(nested(figures, "rank1", "folds"))
        row: list[Content] = [f"mean of {counted(folds, 'fold')}", PROBES.get(kind, kind), "", ""]
        for name in ("rank1", *(f"vr@{far:g}" for far in fars)):
            mean, spread = nested(figures, name, "mean"), nested(figures, name, "std")
            known = isinstance(mean, float) and isinstance(spread, float)
            row.append(f"{100 * mean:.2f} ± {100 * spread:.2f} %" if known else "–")
        rows.append([element("strong", cell) for cell in row])
    return rows


def _curves(evaluation: Mapping[str, Any], own: str) -> Content:
    """ROC and CMC of one protocol: that of the training, else the first."""
    protocols = nested(evaluation, "protocols")
    name = own if own in protocols else next(iter(protocols), "")
    results = [(PROBES.get(kind, kind), result) for kind, result in nested(protocols, name).items()]
    roc = [(kind, [(f, v) for f, v in result.get("roc", ()) if f >= LEAST_FAR]) for kind, result in results]
    cmc = [(kind, list(result.get("cmc", ()))[:MOST_RANKS]) for kind, result in results]
    charts: list[Content] = []
    if any(points for _, points in roc):
        lines = [Series(kind, [f for f, _ in points], [100 * v for _, v in points]) for kind, points in roc]
        chart = line_chart(lines, x_label="false-accept rate", y_label="verified, %", log_x=True, y_range=(0, 100))
        charts.append(titled(f"ROC, {name}", chart))
    if any(ranks for _, ranks in cmc):
        lines = [Series(kind, range(1, len(ranks) + 1), [100 * r for r in ranks]) for kind, ranks in cmc]
        chart = line_chart(lines, x_label="rank", y_label="identified within it, %", y_range=(0, 100))
        charts.append(titled(f"CMC, {name}", chart))
    return side_by_side(*charts) if charts else None


def _rate(value: Any, present: Any, missing: int) -> str:
    if value is None:
        return "–"
    text = f"{100 * float(value):.2f} %"
    return f"{text} ({100 * float(present):.2f})" if missing and present is not None else text


def _star(index: int) -> str:
    return "*†‡§¶"[index] if index < 5 else f"({index + 1})"


def nested(values: Mapping[str, Any], *names: str) -> Any:
    """A nested value; an empty mapping where the way to it is not there."""
    found: Any = values
    for name in names:
        found = found.get(name, {}) if isinstance(found, Mapping) else {}
    return found
