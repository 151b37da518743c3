"""masksynth evaluate"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from masksynth.cli.options import PATH
from masksynth.cli.progress import Progress

if TYPE_CHECKING:
    from masksynth.evaluate.metrics import FarRule
    from masksynth.evaluate.network import Evaluation


@click.command()
@click.argument("file", type=PATH)
@click.option("--weights", type=PATH, help="A run's folder or a network file; else the newest run on FILE.")
@click.option(
    "--protocol",
    "protocols",
    multiple=True,
    default=("all",),
    show_default=True,
    help="Protocols to measure; repeatable.",
)
@click.option(
    "--far-rule",
    type=click.Choice(["strict", "nearest", "interpolate"]),
    default="strict",
    show_default=True,
    help="Where the threshold lies; strict never exceeds the false-accept rate asked for.",
)
@click.option("--json", "out", type=PATH, help="Where to write the figures; else evaluation.json in the run's folder.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1, ...")
def command(
    file: Path, weights: Path | None, protocols: tuple[str, ...], far_rule: str, out: Path | None, device: str
) -> None:
    """Measure rank-1 and VR@FAR of a trained network.

    FILE is a masked data set. Masked probes are compared with the clean VIS gallery and, where FILE keeps the clean
    crops, unmasked probes too. A probe that got lost on the way counts as wrong.

    Example: masksynth evaluate masked.h5
    """
    from masksynth.evaluate.network import as_json, evaluate_network
    from masksynth.files import write_bytes

    rule = cast("FarRule", far_rule)
    with Progress() as progress:
        evaluation = evaluate_network(
            file,
            weights=weights,
            protocols=protocols,
            rule=rule,
            device=device,
            on_begin=lambda total: progress.begin("images", total),
            on_step=progress.advance,
        )
    if out is None:
        folder = evaluation.weights if evaluation.weights.is_dir() else evaluation.weights.parent
        out = folder / "evaluation.json"
    write_bytes(out, (json.dumps(as_json(evaluation), indent=2, ensure_ascii=False) + "\n").encode())
    click.echo(f"{evaluation.weights}: {evaluation.network.arch}, {evaluation.network.trained or 'as imported'}")
    for note in evaluation.notes:
        click.echo(f"note: {note}", err=True)
    for line in table(evaluation):
        click.echo(line)
    click.echo(f"{out}: the figures")


def table(evaluation: Evaluation) -> list[str]:
    """One line per protocol and probe set; in brackets without the missing probes, where there are any."""
    fars = [point.far for point in next(iter(evaluation.protocols.values()))[0].verification]
    rows = [["protocol", "NIR probes", "probes", "missing", "rank-1", *(f"VR@FAR={far}" for far in _percent(fars))]]
    remarks: dict[str, None] = {}
    for name, results in evaluation.protocols.items():
        for result in results:
            i = result.identification
            row = [name, result.probes, str(i.present), str(i.missing), _rate(i.rate, i.rate_present, i.missing)]
            for point in result.verification:
                star = "" if point.far_supported else "*"
                row.append(_rate(point.vr, point.vr_present, point.missing) + star)
                if star:
                    remarks[point.note] = None
            rows.append(row)
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
    text = f"{100 * value:.2f} %"
    return f"{text} ({100 * present:.2f})" if missing else text
