"""masksynth reproduce"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from masksynth.cli.options import PATH, force_option, seed_option
from masksynth.cli.progress import Progress
from masksynth.cli.training import note, saving_on_notice, speaks
from masksynth.errors import ConfigError
from masksynth.files import write_bytes


@click.command()
@click.option("--casia", type=PATH, required=True, help="Masked CASIA NIR-VIS 2.0: every row trains on its first fold.")
@click.option("--oulu", type=PATH, help="Masked Oulu-CASIA, to test on.")
@click.option("--buaa", type=PATH, help="Masked BUAA-VisNir, to test on.")
@click.option("--init", "inits", multiple=True, help="BACKBONE=WEIGHTS to start from: mobilefacenet=…, ir50=…")
@click.option("--table", type=click.Choice(["1", "2", "fig4"]), required=True)
@click.option(
    "--row", "part", default="1/1", show_default=True, help="K/N: do the share of task K of N, for job arrays."
)
@click.option("-o", "--out", type=PATH, default=Path("reproduction"), show_default=True, help="Folder of the rows.")
@click.option("--iterations", type=int, help="Fewer than the paper's 10,000: a trial.")
@click.option("--batch", type=int, help="Another batch than the paper's 64: a trial.")
@click.option("--width", type=float, help="A narrower backbone: a trial.")
@seed_option
@click.option("--device", default="auto", show_default=True)
@force_option
def command(casia: Path, oulu: Path | None, buaa: Path | None, inits: tuple[str, ...], **given: Any) -> None:
    """Run the rows of a table of the paper and print it beside the paper's figures.

    Table 1 is MobileFaceNet trained with and without masks, table 2 ten methods with IR-50; fig4 draws the ROC curves
    of table 2's networks. A row that is finished is not done again; the table shows the rows that are there, with the
    paper's figure in brackets where it is known, and a dash where there is no file.

    Example: masksynth reproduce --casia casia.h5 --init mobilefacenet=Epoch_17.pt --table 1
    """
    from masksynth.evaluate.plots import roc_svg
    from masksynth.evaluate.reproduce import DATA, contents_of, curves, folder_of, markdown, part_of, reproduce, rows_of

    data = {name: path for name, path in (("casia", casia), ("oulu", oulu), ("buaa", buaa)) if path is not None}
    settings = {name: given[name] for name in ("iterations", "batch", "width", "seed") if given[name] is not None}
    if "batch" in settings:
        settings["queue"] = max(1, 128 // max(1, settings["batch"])) * settings["batch"]
    table = given["table"]
    folder = given["out"] / folder_of(table)
    rows = rows_of(table, settings)
    mine = part_of(rows, _fraction(given["part"]))
    current = ""
    with saving_on_notice() as stop, Progress() as progress:

        def step(name: str, done: int, total: int) -> None:
            nonlocal current
            if not speaks():
                return
            if name != current:
                progress.begin(name, total, done - 1)
                current = name
            progress.advance()

        reproduce(
            mine,
            data,
            folder,
            init=_starts(inits),
            device=given["device"],
            force=given["force"],
            stop=stop,
            say=note,
            on_step=step,
        )
    if not speaks():
        return
    contents = contents_of(data)
    text = markdown(table, rows, folder, DATA, contents)
    click.echo(text)
    trial = sorted(set(settings) - {"seed"})
    if trial:
        click.echo(f"A trial: {', '.join(trial)} are not the paper's. The figures are not comparable.")
    path = folder / "table.md"
    write_bytes(path, text.encode())
    click.echo(f"{path}: the table")
    if table == "fig4":
        figure = folder.parent / "fig4.svg"
        write_bytes(figure, roc_svg(curves(rows, folder, tuple(data), contents)).encode())
        click.echo(f"{figure}: ROC curves of the masked probes; the paper's own are not known as numbers")


def _starts(inits: tuple[str, ...]) -> dict[str, Path]:
    starts = {}
    for text in inits:
        backbone, sign, path = text.partition("=")
        if not sign or not path:
            raise ConfigError(f"--init is BACKBONE=WEIGHTS, got {text!r}.")
        starts[backbone] = Path(path)
    return starts


def _fraction(text: str) -> tuple[int, int]:
    k, _, n = text.partition("/")
    if not (k.isdecimal() and n.isdecimal()):
        raise ConfigError(f"--row is K/N, for example 3/10, got {text!r}.")
    return int(k), int(n)
