"""masksynth train"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, get_args

import click
from click.core import ParameterSource

from masksynth.cli.options import PATH
from masksynth.cli.train_hsst import RUN
from masksynth.cli.training import loss_options, network_options, run_training
from masksynth.errors import ConfigError
from masksynth.train.config import IdrConfig, Mining, PlainConfig, SstConfig, TrainConfig, WcnnConfig

CONFIGS: dict[str, type[TrainConfig]] = {
    "plain": PlainConfig,
    "idr": IdrConfig,
    "wcnn": WcnnConfig,
    "sst": SstConfig,
}


@click.command()
@click.argument("file", type=PATH)
@click.option("--method", type=click.Choice(list(CONFIGS)), default="plain", show_default=True)
@loss_options
@click.option(
    "--mining", type=click.Choice(get_args(Mining)), default=PlainConfig.mining, show_default=True, help="Of triplets."
)
@click.option("--cross-modal", is_flag=True, help="Triplets across the spectra alone.")
@click.option(
    "--head-lr", type=float, default=PlainConfig.head_lr, show_default=True,
    help="Of a classifier, as a multiple of --lr.",
)  # fmt: skip
@click.option("--queue", type=int, default=SstConfig.queue, show_default=True, help="Prototypes of the queue (sst).")
@click.option(
    "--shared", type=int, default=IdrConfig.shared, show_default=True,
    help="Dimensions of the tested feature (idr, wcnn).",
)  # fmt: skip
@click.option(
    "--orthogonality", type=float,
    help=f"Weight of that term; else {IdrConfig.orthogonality:g} (idr) or {WcnnConfig.orthogonality:g} (wcnn).",
)  # fmt: skip
@click.option(
    "--wasserstein", type=float, default=WcnnConfig.wasserstein, show_default=True, help="Weight of that term (wcnn)."
)
@click.option(
    "--correlation", type=float, default=WcnnConfig.correlation, show_default=True, help="Weight of that term (wcnn)."
)
@network_options
@click.pass_context
def command(context: click.Context, /, file: Path, method: str, **given: Any) -> None:
    """Train by another method of the paper's tables on a masked data set.

    FILE is what masksynth apply --dataset writes. plain fine-tunes one network by a classifier or triplets; idr and
    wcnn part identity from spectrum; sst is semi-siamese training that does not know spectra.

    Example: masksynth train masked.h5 --method plain --loss am --init pretrained.safetensors
    """
    run = {name: given.pop(name) for name in RUN}
    kind = CONFIGS[method]
    fields = {field.name for field in dataclasses.fields(kind)}
    for name in sorted(set(given) - fields):
        if context.get_parameter_source(name) is not ParameterSource.DEFAULT:
            raise ConfigError(f"--{name.replace('_', '-')} is no setting of --method {method}.")
    settings = {name: value for name, value in given.items() if name in fields and value is not None}
    run_training(file, kind(**settings), **run)
