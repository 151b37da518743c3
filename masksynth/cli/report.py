"""masksynth report"""

from __future__ import annotations

from pathlib import Path

import click

from masksynth.cli.options import PATH, force_option, refuse_existing, seed_option


@click.command()
@click.argument("source", metavar="FILE|RUN", type=PATH)
@click.option("-o", "--out", type=PATH, default=Path("report.html"), show_default=True, help="The page to write.")
@click.option("--root", type=PATH, help="Where the data set's photos are, to show those that were skipped.")
@seed_option
@force_option
def command(source: Path, out: Path, root: Path | None, seed: int, force: bool) -> None:
    """Write one HTML page about a masked data set or a run.

    FILE is what masksynth apply --dataset writes, RUN the folder of a training run. The page holds its pictures itself
    and fetches nothing: it can be mailed, kept and printed.

    Example: masksynth report masked.h5 -o report.html
    """
    from masksynth.report import write_report
    from masksynth.report.markup import file_size

    refuse_existing(out, force)
    write_report(source, out, root=root, seed=seed)
    click.echo(f"{out}: {file_size(out)}, to be opened in a browser")
