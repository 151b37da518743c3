"""masksynth demo"""

from __future__ import annotations

from pathlib import Path

import click

from masksynth.cli.options import PATH, seed_option


@click.command()
@click.option(
    "-o", "--out", type=PATH, default=Path("masksynth-demo"), show_default=True, metavar="DIR", help="Where to work."
)
@seed_option
def command(out: Path, seed: int) -> None:
    """Walk the whole way on generated faces and end in a page of pictures.

    Six steps: generated faces as a data set, a mask template from a photo, the data set masked, a network trained,
    recognition measured, and a page that shows it all. Takes a minute or two on two cores; the same command goes on
    where it was stopped.

    Example: masksynth demo -o demo
    """
    from masksynth.cli.progress import Progress
    from masksynth.demo import DemoConfig, run_demo

    try:
        run_demo(out, DemoConfig(seed=seed), say=click.echo, progress=Progress)
    except KeyboardInterrupt:
        click.echo(
            f"masksynth: interrupted; what is done is kept in {out}. The same command goes on from there.", err=True
        )
        raise SystemExit(130) from None
