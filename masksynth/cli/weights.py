"""masksynth weights"""

from __future__ import annotations

from pathlib import Path

import click

from masksynth.cli.options import PATH


@click.group()
def command() -> None:
    """Fetch, import and locate the networks that masksynth uses.

    Example: masksynth weights list
    """


@command.command("list")
def list_() -> None:
    """List the networks, whether they are here, and where they come from.

    Example: masksynth weights list
    """
    from masksynth.weights import NETWORKS, state

    for network in NETWORKS:
        click.echo(f"{network.name:10s} {state(network):9s} {network.job}")
        click.echo(f"{'':20s} {network.licence}; {network.source}")


@command.command()
@click.argument("name")
def fetch(name: str) -> None:
    """Fetch the network NAME and check its hash; at once where it is here already.

    Example: masksynth weights fetch facemesh
    """
    from masksynth.weights import locate

    click.echo(locate(name, fetch=True))


@command.command("import")
@click.argument("name")
@click.argument("path", type=PATH)
def import_(name: str, path: Path) -> None:
    """Take the network NAME out of the file PATH.

    For facemesh and blazeface PATH is the wheel that holds them both.

    Example: masksynth weights import facemesh mediapipe-0.10.21-cp311-cp311-manylinux_2_28_x86_64.whl
    """
    from masksynth.weights import import_network

    click.echo(import_network(name, path))


@command.command()
@click.argument("name")
def path(name: str) -> None:
    """Print where the network NAME is; exit 1 where it is not here.

    Example: masksynth weights path facemesh
    """
    from masksynth.weights import locate

    click.echo(locate(name, fetch=False))
