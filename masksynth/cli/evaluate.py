"""masksynth evaluate"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from masksynth.cli.options import PATH
from masksynth.cli.progress import Progress
from masksynth.cli.training import plugin_option
from masksynth.errors import ConfigError
from masksynth.files import write_bytes

if TYPE_CHECKING:
    from masksynth.evaluate.protocols import ProbeResult

    Results = Mapping[str, Sequence[ProbeResult]]


@click.command()
@click.argument("file", type=PATH, required=False)
@click.option("--weights", type=PATH, help="A run's folder or a network file; else the newest run on FILE.")
@click.option(
    "--protocol",
    "protocols",
    multiple=True,
    help="Protocols to measure; repeatable; all for every one. Else the one trained on, or all for other weights.",
)
@click.option(
    "--far-rule",
    type=click.Choice(["strict", "nearest", "interpolate"]),
    default="strict",
    show_default=True,
    help="Where the threshold lies; strict never exceeds the false-accept rate asked for.",
)
@click.option(
    "--batch-norm",
    type=click.Choice(["stored", "per-spectrum"]),
    default="stored",
    show_default=True,
    help="per-spectrum: statistics of NIR and VIS apart, estimated on the training images.",
)
@plugin_option
@click.option("--features", type=PATH, help="An .npz of any network's features, in place of FILE.")
@click.option("--json", "out", type=PATH, help="Where to write the figures; else evaluation.json in the run's folder.")
@click.option("--plot", type=PATH, help="Where to write ROC and CMC curves (.svg).")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1, ...")
def command(file: Path | None, features: Path | None, out: Path | None, plot: Path | None, **how: Any) -> None:
    """Measure rank-1 and VR@FAR of a trained network.

    FILE is a masked data set. Masked probes are compared with the clean VIS gallery and, where FILE keeps the clean
    crops, unmasked probes too. A probe that got lost on the way counts as wrong.

    Example: masksynth evaluate masked.h5
    """
    if (file is None) == (features is None):
        raise ConfigError("give either FILE, a masked data set, or --features, a file of features.")
    idle = {"--weights": how["weights"], "--protocol": how["protocols"], "--backbone": how["plugin"]}
    idle["--batch-norm"] = how["batch_norm"] != "stored"
    if features is not None and any(idle.values()):
        given = next(name for name, value in idle.items() if value)
        raise ConfigError(f"{given} says how to run a network on FILE, but --features gives what one made already.")
    if plot is not None and plot.suffix.lower() != ".svg":
        raise ConfigError(f"{plot}: curves are drawn as SVG. Give a name that ends in .svg.")
    results = _of_features(features, out, how) if features is not None else _of_network(file, out, how)  # type: ignore[arg-type]
    for line in table(results):
        click.echo(line)
    if plot is not None:
        from masksynth.evaluate.plots import curves_svg

        named = {f"{name} {r.probes}".strip(): r for name, parts in results.items() for r in parts}
        write_bytes(plot, curves_svg(named).encode())
        click.echo(f"{plot}: ROC and CMC curves")


def _of_network(file: Path, out: Path | None, how: dict[str, Any]) -> Results:
    from masksynth.evaluate.network import as_json, evaluate_network

    with Progress() as progress:
        evaluation = evaluate_network(
            file,
            weights=how["weights"],
            protocols=how["protocols"],
            rule=how["far_rule"],
            batch_norm=how["batch_norm"],
            device=how["device"],
            plugin=how["plugin"],
            on_begin=lambda total: progress.begin("images", total),
            on_step=progress.advance,
        )
    if out is None:
        folder = evaluation.weights if evaluation.weights.is_dir() else evaluation.weights.parent
        out = folder / "evaluation.json"
    _write(out, as_json(evaluation))
    click.echo(f"{evaluation.weights}: {evaluation.network.arch}, {evaluation.network.trained or 'as imported'}")
    for note in evaluation.notes:
        click.echo(f"note: {note}", err=True)
    return evaluation.protocols


def _of_features(features: Path, out: Path | None, how: dict[str, Any]) -> Results:
    from masksynth.evaluate.features import evaluate_features
    from masksynth.evaluate.results import result_as_json

    result = evaluate_features(features, rule=how["far_rule"])
    if out is not None:
        _write(out, {"format": "masksynth-evaluation/1", "features": str(features), **result_as_json(result)})
    return {features.name: (result,)}


def _write(out: Path, values: dict[str, Any]) -> None:
    write_bytes(out, (json.dumps(values, indent=1, ensure_ascii=False) + "\n").encode())
    click.echo(f"{out}: the figures")


def table(results_of: Results) -> list[str]:
    """One line per protocol and probe set, and the mean over folds; in brackets without the missing probes."""
    fars = [point.far for point in next(iter(results_of.values()))[0].verification]
    rows = [["protocol", "NIR probes", "probes", "missing", "rank-1", *(f"VR@FAR={far}" for far in _percent(fars))]]
    remarks: dict[str, None] = {}
    for name, results in results_of.items():
        for result in results:
            i = result.identification
            row = [name, result.probes, str(i.present), str(i.missing), _rate(i.rate, i.rate_present, i.missing)]
            for point in result.verification:
                star = "" if point.far_supported else "*"
                row.append(_rate(point.vr, point.vr_present, point.missing) + star)
                if star:
                    remarks[point.note] = None
            rows.append(row)
    from masksynth.evaluate.protocols import over_protocols

    for probes, figures in over_protocols(results_of).items():
        spreads = [figures["rank1"], *(figures[f"vr@{far:g}"] for far in fars)]
        rows.append(["mean ± std", probes, "", "", *(f"{100 * s.mean:.2f} ± {100 * s.std:.2f}" for s in spreads)])
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    lines = [
        "  ".join(
            cell.ljust(w) if k < 2 else cell.rjust(w) for k, (cell, w) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
    return lines + [f"* {remark}" for remark in remarks]


def _percent(fars: list[float]) -> list[str]:
    return [f"{100 * far:g} %" for far in fars]


def _rate(value: float, present: float, missing: int) -> str:
    if math.isnan(value):
        return "–"
    text = f"{100 * value:.2f} %"
    return f"{text} ({100 * present:.2f})" if missing else text
