"""What train-hsst and train share: options, and the run itself."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar, get_args

import click

from masksynth.cli.options import PATH, force_option, seed_option
from masksynth.cli.progress import Progress
from masksynth.train.config import Amp, Augment, Loss, PlainConfig, TrainConfig

Command = TypeVar("Command", bound=Callable[..., Any])
PAPER = PlainConfig()

backbone_option = click.option(
    "--backbone",
    metavar="NAME",
    default=PAPER.backbone,
    show_default=True,
    help="mobilefacenet, ir50, or PACKAGE.MODULE:CALLABLE, which is imported and called for a network.",
)
compile_option = click.option("--compile", "compiled", is_flag=True, help="Compile the networks with torch.compile.")


def plugin_option(command: Command) -> Command:
    """The name that lets a network of the user's own code be loaded."""
    return click.option(
        "--backbone",
        "plugin",
        metavar="NAME",
        default="",
        help="PACKAGE.MODULE:CALLABLE, where the network was trained with a backbone of yours: it is imported.",
    )(command)


def speaks() -> bool:
    """Whether this process may write to the terminal: of those that torchrun started, the first."""
    return os.environ.get("RANK", "0") == "0"


def network_options(command: Command) -> Command:
    """Options of every method: network, start, schedule, data, device."""
    for option in reversed(
        [
            click.option("-o", "--out", type=PATH, help="The run's folder; else runs/<name of FILE>-<settings' hash>."),
            backbone_option,
            click.option(
                "--width", type=float, default=1.0, show_default=True, help="Channels as a share, for trials."
            ),
            click.option(
                "--init",
                type=PATH,
                help="Weights to start from: a run, a network file, others' checkpoint; or scratch.",
            ),
            click.option(
                "--channel-order",
                type=click.Choice(["bgr", "rgb"]),
                default="bgr",
                show_default=True,
                help="Of the input of others' checkpoint; FaceX-Zoo's take BGR.",
            ),
            click.option(
                "--nir",
                type=click.Choice(["masked", "clean"]),
                default="masked",
                show_default=True,
                help="Train on the masked NIR crops, or on the same without masks.",
            ),
            click.option(
                "--protocol", default="", help="Whose training rows to take; else fold01, or the first with any."
            ),
            click.option("--iterations", type=int, default=PAPER.iterations, show_default=True),
            click.option(
                "--batch", type=int, default=PAPER.batch, show_default=True, help="Images, or pairs, of a batch."
            ),
            click.option("--lr", type=float, default=PAPER.lr, show_default=True, help="Learning rate at the start."),
            click.option("--augment", type=click.Choice(get_args(Augment)), default=PAPER.augment, show_default=True),
            click.option("--amp", type=click.Choice(get_args(Amp)), default=PAPER.amp, show_default=True),
            click.option(
                "--validation", type=float, default=0.0, show_default=True, help="Share of identities to hold out."
            ),
            seed_option,
            click.option("--tensorboard", is_flag=True, help="Also log to event files in the run's folder."),
            compile_option,
            click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1, ..."),
            force_option,
        ]
    ):
        command = option(command)
    return command


def loss_options(command: Command) -> Command:
    """Options of a loss over cosines."""
    for option in reversed(
        [
            click.option("--loss", type=click.Choice(get_args(Loss)), default=PAPER.loss, show_default=True),
            click.option("--scale", type=float, help="Of the logits; else that of the loss."),
            click.option("--margin", type=float, help="Of the loss; else its own."),
        ]
    ):
        command = option(command)
    return command


def run_training(file: Path, config: TrainConfig, **run: Any) -> None:
    """Train with progress on the terminal, and say what to type next; `run` are arguments of `train` as they are."""
    from masksynth.train.start import train

    with saving_on_notice() as stop, Progress() as progress:
        finished = train(file, config, say=note, on_step=Steps(progress, config.iterations).step, stop=stop, **run)
    if not speaks():
        return
    if finished.already_done:
        click.echo(f"{finished.run.path}: this run is finished already; --force trains it anew.")
    start = "" if finished.network.origin != "from scratch" else ", from scratch"
    click.echo(f"{finished.run.network_path}: {finished.network.trained}{start}")
    allowed = f" --backbone {config.backbone}" if ":" in config.backbone else ""
    click.echo(f"next: masksynth evaluate {file} --weights {finished.run.path}{allowed}")


def note(text: str) -> None:
    """Tell the user something, once."""
    if speaks():
        click.echo(f"note: {text}", err=True)


@contextmanager
def saving_on_notice() -> Iterator[Callable[[], bool]]:
    """Ctrl-C and a batch system's SIGTERM end the work once the iteration is done and the state saved: exit code 130.

    Yields what the training asks after every iteration. A second Ctrl-C ends it at once.
    """
    noticed = False

    def notice(signum: int, frame: Any) -> None:
        nonlocal noticed
        if noticed:
            raise KeyboardInterrupt
        noticed = True

    before = {number: signal.signal(number, notice) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: noticed
    except KeyboardInterrupt:
        click.echo("masksynth: interrupted; what was trained is saved. The same command goes on from there.", err=True)
        raise SystemExit(130) from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Steps:
    """Progress over the iterations, with the loss at every tenth of the way."""

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress, self.total = progress, total
        self._begun = False

    def step(self, done: int, record: dict[str, float]) -> None:
        if not speaks():
            return
        if not self._begun:
            self._progress.begin("iterations", self.total, done - 1)
            self._begun = True
        self._progress.advance()
        if done % max(1, self.total // 10) == 0 and record:
            self._progress.say(f"iteration {done}: loss {record['loss']:.4f}, lr {record['lr']:.2g}")
