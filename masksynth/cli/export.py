"""masksynth export"""

from __future__ import annotations

from pathlib import Path

import click

from masksynth.cli.options import PATH, force_option, refuse_existing
from masksynth.cli.training import plugin_option


@click.command()
@click.argument("run", type=PATH)
@click.option("-o", "--out", type=PATH, required=True, help="The .onnx file to write.")
@plugin_option
@force_option
def command(run: Path, out: Path, plugin: str, force: bool) -> None:
    """Write a trained network as ONNX.

    RUN is a run's folder or a network file. The file takes RGB crops in [0, 255] and gives features of unit length; it
    is written once ONNX Runtime's features have been found to agree with torch's.

    Example: masksynth export runs/masked-1a2b3c4d -o probe.onnx
    """
    from masksynth.train.export import export

    refuse_existing(out, force)
    done = export(run, out, plugin=plugin)
    dimensions = done.info.shared or done.info.dimensions
    click.echo(
        f"{out}: {done.info.arch}, crops of {done.info.side} px, {dimensions} dimensions; "
        f"agrees with torch (least cosine {done.least_cosine:.6f})"
    )
