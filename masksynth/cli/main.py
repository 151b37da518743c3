"""The group: which commands there are, and how an error comes out.

A command's module is imported only when that command runs, so that ``masksynth --help`` loads none of numpy, numba, cv2
and torch.
"""

from __future__ import annotations

import errno
import importlib
import sys
from typing import Any

import click

from masksynth import __version__
from masksynth.errors import MasksynthError

COMMANDS = {
    "demo": "Walk the whole way on generated faces and end in a page of pictures.",
    "extract-template": "Make a mask template from photos of a person who wears the mask.",
    "apply": "Put masks on photos, or on a whole data set.",
    "train-hsst": "Train by heterogeneous semi-siamese training on a masked data set.",
    "train": "Train by another method of the paper's tables on a masked data set.",
    "evaluate": "Measure rank-1 and VR@FAR of a trained network.",
    "pretrain": "Train a network on very many VIS photos, to start from.",
    "reproduce": "Run the rows of a table of the paper and print it beside the paper's figures.",
    "export": "Write a trained network as ONNX.",
    "report": "Write one HTML page about a masked data set or a run.",
    "reconstruct": "Reconstruct the faces of a photo in 3D.",
    "templates": "List, show, add and check mask templates.",
    "datasets": "Say which data sets are known, and check one on disk.",
    "demo-dataset": "Write generated NIR and VIS faces as a data set of a known layout.",
    "verify": "Check a masked data set for completeness and consistency.",
    "weights": "Fetch, import and locate the networks that masksynth uses.",
    "warm-up": "Compile the kernels and fetch the networks, so that no job has to.",
}
"""Name on the command line → first line of its help; the module is masksynth.cli.NAME with _ for -."""


class _Commands(click.Group):
    def list_commands(self, context: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        word = name.replace("-", "_")
        module = importlib.import_module(f"masksynth.cli.{word}")
        command: click.Command = module.command
        return command

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except MasksynthError as error:
            click.echo(f"masksynth: {error}", err=True)
            context.exit(error.exit_code)
        except OSError as error:  # what nobody expected of the file system
            if error.errno == errno.EPIPE:
                raise
            place = f"{error.filename}: " if error.filename else ""
            click.echo(f"masksynth: {place}{error.strerror or error}.", err=True)
            context.exit(1)
        except MemoryError:
            click.echo(
                "masksynth: there is not enough memory for this. Try a smaller photo or fewer workers.", err=True
            )
            context.exit(1)
        except KeyboardInterrupt:
            click.echo("masksynth: interrupted; nothing half-written is left behind.", err=True)
            context.exit(130)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="masksynth")
def main() -> None:
    """Masked near-infrared faces from real masks: templates, data sets, training, evaluation.

    \b
    masksynth extract-template real_masked.jpg
    masksynth apply --dataset casia --out masked.h5
    masksynth train-hsst masked.h5
    """


if __name__ == "__main__":
    sys.exit(main())
