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
    from masksynth.weights.imported import origin

    for network in NETWORKS:
        click.echo(f"{network.name:10s} {state(network):9s} {network.job}")
        click.echo(f"{'':20s} {network.licence}; {network.source}")
        if network.how == "import" and state(network) == "here":
            told = origin(network)
            click.echo(f"{'':20s} from {told.get('source')} ({told.get('source_form')}), {told.get('checked')}")


@command.command()
@click.argument("name")
def fetch(name: str) -> None:
    """Fetch the network NAME and check its hash; at once where it is here already.

    Example: masksynth weights fetch facemesh
    """
    from masksynth.weights import fetch_network

    click.echo(fetch_network(name))


@command.command("import")
@click.argument("name")
@click.argument("path", type=PATH)
@click.option("--unchecked", is_flag=True, help="Import a file that is not known and gives no face.")
@click.option("--channel-order", type=click.Choice(["bgr", "rgb"]), default="bgr", help="Of a backbone's input [bgr].")
def import_(name: str, path: Path, unchecked: bool, channel_order: str) -> None:
    """Take the network NAME out of the file PATH.

    \b
    facemesh, blazeface  the wheel that holds them both
    prnet                prnet.pth of FaceX-Zoo, or PRNet's TensorFlow checkpoint (any of its files)
    faceboxes            FaceBoxesProd.pth
    backbone             a start for training: a checkpoint of FaceX-Zoo's MobileFaceNet or Resnet50-ir

    Example: masksynth weights import prnet prnet.pth
    """
    from masksynth.weights import import_network

    if name == "prnet":
        from masksynth.reconstruct.prnet_import import import_prnet

        click.echo(import_prnet(path, unchecked=unchecked))
    elif name == "backbone":
        from masksynth.train.foreign import import_backbone

        kept, info = import_backbone(path, channel_order=channel_order)
        order = info.channel_order.upper()
        click.echo(f"{kept}: {info.arch}, {info.side} px, {info.dimensions} dimensions, {order} input")
        click.echo("Its terms are those of whoever made it and of the photos it was trained on.")
        click.echo(f"next: masksynth train-hsst masked.h5 --backbone {info.arch} --init {kept.stem}")
    else:
        click.echo(import_network(name, path, unchecked=unchecked))


@command.command()
@click.argument("name")
def path(name: str) -> None:
    """Print where the network NAME is; exit 1 where it is not here.

    Example: masksynth weights path facemesh
    """
    from masksynth.weights import locate

    click.echo(locate(name, fetch=False))
