"""What a page says about a training run and its evaluation."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from masksynth.errors import counted
from masksynth.report.charts import Series, line_chart
from masksynth.report.evaluation import evaluation_section, nested, read_evaluation
from masksynth.report.markup import Content, Markup, count, element, facts, tiles
from masksynth.report.page import Section, folded, note, side_by_side, titled
from masksynth.train.config import PAPER_ITERATIONS
from masksynth.train.run import RunFolder

SHORT_SHARE = 0.2  # of the paper's iterations; a run below it has hardly begun
SMOOTH = 25  # log lines that the bold line averages at most
FROM_SCRATCH = "from scratch"


def run_sections(run: RunFolder) -> list[Section]:
    """The parts of a page about a training run: what it was, its curve, its figures, its settings.

    Raises
    ------
    ConfigError
        If the run's config.json is damaged.
    EvaluationError
        If its evaluation.json is damaged.
    """
    config = run.read_config() or {}
    sections = [_summary(config), _curves(run.read_log())]
    evaluation = read_evaluation(run.path / "evaluation.json")
    if evaluation is not None:
        sections.append(evaluation_section(evaluation))
    else:
        hint = [
            "This run has not been evaluated here. Run ",
            element("code", f"masksynth evaluate {nested(config, 'data', 'path') or 'FILE'} --weights {run.path}"),
            " first.",
        ]
        sections.append(Section("Recognition", element("p", hint)))
    sections.append(_settings(run, config))
    return sections


def remarks(config: Mapping[str, Any]) -> list[str]:
    """What a reader must know before believing a figure of this run."""
    said = []
    used = _used(config)
    iterations = int(used.get("iterations") or 0)
    if config.get("start") == FROM_SCRATCH:
        said.append(
            "Trained from scratch. The paper fine-tunes a network that was pretrained on millions of faces; without "
            "one, figures like the paper's are out of reach."
        )
    if iterations and iterations < SHORT_SHARE * PAPER_ITERATIONS:
        said.append(
            f"Too short to mean anything: {counted(iterations, 'iteration')}, where the paper has "
            f"{count(PAPER_ITERATIONS)}. The figures below show that every step works, not how well."
        )
    if config and not config.get("finished"):
        said.append("This run is not finished. The same command goes on with it.")
    if not nested(config, "data", "complete") and nested(config, "data"):
        said.append("The data set is marked incomplete: more photos were skipped than its making allowed.")
    return said


def _summary(config: Mapping[str, Any]) -> Section:
    used, data = _used(config), nested(config, "data")
    figures: list[tuple[str, Content]] = [("iterations", count(int(used.get("iterations") or 0)))]
    for name, key in (("people trained on", "identities"), ("NIR images", "nir_images"), ("VIS images", "vis_images")):
        if key in data:
            figures.append((name, count(int(data[key]))))
    if config.get("seconds"):
        figures.append(("trained for", _duration(float(config["seconds"]))))
    body: list[Content] = [tiles(figures)]
    body += [note(text, warning=True) for text in remarks(config)]
    return Section("At a glance", body)


def _curves(log: Sequence[Mapping[str, str]]) -> Section:
    if not log:
        return Section("Training", element("p", "Nothing was logged.", class_="quiet"))
    step = _column(log, "iteration")
    loss = _column(log, "loss")
    charts = [
        titled(
            "Loss",
            line_chart(
                [
                    Series("each logged iteration", step, loss, faint=True, colour=0),
                    Series("mean", step, _smooth(loss), colour=0),
                ],
                x_label="iteration",
                y_label="loss",
            ),
        )
    ]
    if "bound_nir" in log[0]:
        pairs = (("NIR probe, VIS prototype", "bound_nir"), ("VIS probe, NIR prototype", "bound_vis"))
        lines = [Series(name, step, _smooth(_column(log, key))) for name, key in pairs if key in log[0]]
        text = "log(Q) − loss: a lower bound, in nats, of what a feature and its prototype tell of one another (Eq. 3)."
        chart = line_chart(lines, x_label="iteration", y_label="bound, nats")
        charts.append(titled("Mutual information", [chart, element("p", text, class_="quiet")]))
    if "positive" in log[0] and "hardest_negative" in log[0]:
        lines = [
            Series("own prototype", step, _smooth(_column(log, "positive"))),
            Series("nearest other", step, _smooth(_column(log, "hardest_negative"))),
        ]
        charts.append(titled("Likeness", line_chart(lines, x_label="iteration", y_label="cosine")))
    if "gallery_distance" in log[0]:
        lines = [Series("gallery-net to probe-net", step, _column(log, "gallery_distance"))]
        charts.append(titled("Gallery-net", line_chart(lines, x_label="iteration", y_label="distance, relative")))
    return Section("Training", side_by_side(*charts))


def _settings(run: RunFolder, config: Mapping[str, Any]) -> Section:
    used, start = _used(config), config.get("start")
    pairs: list[tuple[str, Content]] = [("run", str(run.path)), ("method", str(config.get("method", "")).upper())]
    wanted = ("backbone", "loss", "protocol", "batch", "queue", "lr", "momentum", "bn_mode", "augment", "seed")
    pairs += [(name.replace("_", " "), _value(used[name])) for name in wanted if name in used]
    pairs.append(
        ("weights at the start", start if isinstance(start, str) else str(nested(config, "start", "path") or ""))
    )
    pairs += [("data", str(nested(config, "data", "path") or ""))]
    pairs += [(name, str(version)) for name, version in nested(config, "versions").items()]
    pairs += [("device", str(config.get("device", "")))]
    said = [element("p", str(text), class_="quiet") for text in config.get("notes", ())]
    everything = json.dumps(config, indent=2, ensure_ascii=False)
    return Section("Settings", [facts(pairs), said, folded("Everything recorded", element("pre", everything))])


def _column(log: Sequence[Mapping[str, str]], name: str) -> np.ndarray:
    return np.array([_number(row.get(name, "")) for row in log])


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _smooth(values: np.ndarray) -> np.ndarray:
    """Running mean over a tenth of the lines, at most SMOOTH; shorter at the ends."""
    width = min(SMOOTH, max(1, len(values) // 10))
    kernel = np.ones(width)
    finite = np.isfinite(values)
    weight = np.convolve(finite, kernel, "same")
    total = np.convolve(np.where(finite, values, 0.0), kernel, "same")
    return np.divide(total, weight, out=np.full(len(values), np.nan), where=weight > 0)


def _used(config: Mapping[str, Any]) -> Mapping[str, Any]:
    return {**nested(config, "settings"), **nested(config, "settings_used")}


def _value(value: Any) -> Content | Markup:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
