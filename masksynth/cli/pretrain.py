"""masksynth pretrain"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from masksynth.cli.options import PATH, force_option, seed_option
from masksynth.cli.progress import Progress
from masksynth.cli.training import Steps, backbone_option, compile_option, note, saving_on_notice, speaks
from masksynth.train.config import PretrainConfig

DEFAULT = PretrainConfig()


@click.command()
@click.argument("source", type=PATH)
@click.option("-o", "--out", type=PATH, help="The run's folder; else runs/pretrain-<name of SOURCE>-<hash>.")
@backbone_option
@click.option("--width", type=float, default=1.0, show_default=True, help="Channels as a share, for trials.")
@click.option("--init", type=PATH, help="Weights to go on from; else from scratch.")
@click.option("--loss", type=click.Choice(["softmax", "am", "arc"]), default=DEFAULT.loss, show_default=True)
@click.option("--side", type=int, default=DEFAULT.side, show_default=True, help="Of the crops, in pixels.")
@click.option("--epochs", type=int, default=DEFAULT.epochs, show_default=True)
@click.option("--batch", type=int, default=DEFAULT.batch, show_default=True)
@click.option("--lr", type=float, default=DEFAULT.lr, show_default=True)
@click.option("--augment", type=click.Choice(["flip", "hsst", "none"]), default=DEFAULT.augment, show_default=True)
@click.option("--amp", type=click.Choice(["off", "bf16"]), default="off", show_default=True)
@click.option("--workers", type=click.IntRange(min=1), help="Threads that read photos; else one a core.")
@seed_option
@compile_option
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1, ...")
@force_option
def command(source: Path, out: Path | None, init: Path | None, **given: Any) -> None:
    """Train a network on very many VIS photos, to start from.

    SOURCE is a copy of MS1M or of its kind (RecordIO, a list of lines 'path label', folders by identity), or a masked
    data set, whose VIS crops are taken.

    Example: masksynth pretrain ms1m -o runs/ms1m --amp bf16
    """
    from masksynth.train.pretrain import pretrain

    run = {name: given.pop(name) for name in ("workers", "device", "compiled", "force")}
    config = PretrainConfig(**given)
    with saving_on_notice() as stop, Progress() as progress:
        steps = Steps(progress, 0)
        finished = pretrain(
            source,
            config,
            out=out,
            init=init,
            say=note,
            on_begin=lambda iterations: setattr(steps, "total", iterations),
            on_step=steps.step,
            stop=stop,
            **run,
        )
    if not speaks():
        return
    if finished.already_done:
        click.echo(f"{finished.run.path}: this run is finished already; --force trains it anew.")
    click.echo(f"{finished.run.network_path}: {finished.network.trained}")
    click.echo(f"next: masksynth train-hsst masked.h5 --init {finished.run.path}")
