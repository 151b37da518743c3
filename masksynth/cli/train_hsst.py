"""masksynth train-hsst"""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import click
from click.core import ParameterSource

from masksynth.cli.options import PATH
from masksynth.cli.training import loss_options, network_options, run_training
from masksynth.train.config import AUTHORS, BnMode, Direction, HsstConfig, QueueMode

PAPER = HsstConfig()
RUN = ("out", "init", "channel_order", "device", "force", "tensorboard", "compiled")  # options that are no settings


@click.command()
@click.argument("file", type=PATH)
@loss_options
@click.option("--queue", type=int, help="Prototypes a queue, a multiple of --batch; else 128, or what fits below it.")
@click.option("--momentum", type=float, help="Of the gallery-net; else 0.999, rescaled for a short run.")
@click.option("--queue-mode", type=click.Choice(get_args(QueueMode)), default=PAPER.queue_mode, show_default=True)
@click.option("--direction", type=click.Choice(get_args(Direction)), default=PAPER.direction, show_default=True)
@click.option(
    "--bn-mode",
    type=click.Choice(get_args(BnMode)),
    default=PAPER.bn_mode,
    show_default=True,
    help="Batch statistics over NIR and VIS together, of each by itself, or not at all.",
)
@click.option("--preset", type=click.Choice(["authors"]), help="What the released code does where we do otherwise.")
@network_options
@click.pass_context
def command(context: click.Context, /, file: Path, preset: str | None, **given: Any) -> None:
    """Train by heterogeneous semi-siamese training on a masked data set.

    FILE is what masksynth apply --dataset writes. The defaults are the paper's settings; a run of fewer iterations
    rescales the schedule. The same command goes on with a run that was interrupted.

    Example: masksynth train-hsst masked.h5 --init pretrained.safetensors
    """
    run = {name: given.pop(name) for name in RUN}
    if given["queue"] is None:
        given["queue"] = max(1, PAPER.queue // max(given["batch"], 1)) * given["batch"]
    if preset == "authors":
        chosen = {name for name in given if context.get_parameter_source(name) is not ParameterSource.DEFAULT}
        given |= {name: value for name, value in AUTHORS.items() if name not in chosen}
    run_training(file, HsstConfig(**given), **run)
