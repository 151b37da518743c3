"""masksynth train-hsst"""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any, get_args

import click

from masksynth.cli.options import PATH, force_option, seed_option
from masksynth.cli.progress import Progress
from masksynth.train.config import Augment, Backbone, BnMode, Direction, HsstConfig, Loss, QueueMode

PAPER = HsstConfig()


@click.command()
@click.argument("file", type=PATH)
@click.option("-o", "--out", type=PATH, help="The run's folder; else runs/<name of FILE>-<hash of the settings>.")
@click.option("--backbone", type=click.Choice(get_args(Backbone)), default=PAPER.backbone, show_default=True)
@click.option(
    "--width", type=float, default=PAPER.width, show_default=True, help="Channels as a share; below 1 for trials."
)
@click.option("--loss", type=click.Choice(get_args(Loss)), default=PAPER.loss, show_default=True)
@click.option("--protocol", default="", help="Whose training rows to take; else fold01, or the first that has any.")
@click.option("--init", type=PATH, help="Weights to start from: a run or a network file; else from scratch.")
@click.option("--iterations", type=int, default=PAPER.iterations, show_default=True)
@click.option("--batch", type=int, default=PAPER.batch, show_default=True, help="Identities of a batch.")
@click.option("--queue", type=int, help="Prototypes a queue, a multiple of --batch; else 128, or what fits below it.")
@click.option("--lr", type=float, default=PAPER.lr, show_default=True, help="Learning rate at the start.")
@click.option("--scale", type=float, help="Of the logits; else that of the loss.")
@click.option("--margin", type=float, help="Of the loss; else its own.")
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
@click.option("--augment", type=click.Choice(get_args(Augment)), default=PAPER.augment, show_default=True)
@seed_option
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1, ...")
@force_option
def command(file: Path, out: Path | None, init: Path | None, device: str, force: bool, **settings: Any) -> None:
    """Train by heterogeneous semi-siamese training on a masked data set.

    FILE is what masksynth apply --dataset writes. The defaults are the paper's settings; a run of fewer iterations
    rescales the schedule. The same command goes on with a run that was interrupted.

    Example: masksynth train-hsst masked.h5 --init pretrained.safetensors
    """
    from masksynth.train.start import train_hsst

    if settings["queue"] is None:
        settings["queue"] = max(1, PAPER.queue // max(settings["batch"], 1)) * settings["batch"]
    config = HsstConfig(**settings)
    signal.signal(signal.SIGTERM, _interrupt)  # a batch system's notice: save, then end
    try:
        with Progress() as progress:
            finished = train_hsst(
                file,
                config,
                out=out,
                init=init,
                device=device,
                force=force,
                say=lambda text: click.echo(f"note: {text}", err=True),
                on_step=Steps(progress, config.iterations).step,
            )
    except KeyboardInterrupt:
        click.echo("masksynth: interrupted; what was trained is saved. The same command goes on from there.", err=True)
        raise SystemExit(130) from None
    if finished.already_done:
        click.echo(f"{finished.run.path}: this run is finished already; --force trains it anew.")
    start = "" if finished.network.origin != "from scratch" else ", from scratch"
    click.echo(f"{finished.run.network_path}: {finished.network.trained}{start}")
    click.echo(f"next: masksynth evaluate {file} --weights {finished.run.path}")


class Steps:
    """Progress over the iterations, with the loss at every tenth of the way."""

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress, self._total = progress, total
        self._begun = False

    def step(self, done: int, record: dict[str, float]) -> None:
        if not self._begun:
            self._progress.begin("iterations", self._total, done - 1)
            self._begun = True
        self._progress.advance()
        if done % max(1, self._total // 10) == 0 and record:
            self._progress.say(f"iteration {done}: loss {record['loss']:.4f}, lr {record['lr']:.2g}")


def _interrupt(signum: int, frame: Any) -> None:
    raise KeyboardInterrupt
