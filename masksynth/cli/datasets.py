"""masksynth datasets: which data sets are known, and what is on disk."""

from __future__ import annotations

from pathlib import Path

import click

from masksynth.cli.options import PATH


@click.group("datasets")
def command() -> None:
    """Say which data sets are known, and check one on disk.

    Example: masksynth datasets check casia --root /data/NIR-VIS-2.0
    """


@command.command("list")
def list_known() -> None:
    """List the known data sets, where their licences are had, and where they are here.

    Example: masksynth datasets list
    """
    from masksynth.datasets import KNOWN, resolve_root
    from masksynth.errors import ConfigError

    for known in KNOWN.values():
        click.echo(f"{known.name}: {known.title}")
        click.echo(f"    {known.contents}")
        click.echo(f"    licence: {known.licence}")
        try:
            click.echo(f"    here: {resolve_root(known.name)}")
        except ConfigError:
            click.echo("    here: not set")


@command.command("check")
@click.argument("name", metavar="NAME")
@click.option("--root", type=PATH, help="Folder of the data set, or one above it.")
@click.pass_context
def check(context: click.Context, name: str, root: Path | None) -> None:
    """Check the data set NAME on disk: what is there, what differs from what was expected.

    Example: masksynth datasets check casia --root /data/NIR-VIS-2.0
    """
    from masksynth.datasets import scan_dataset

    dataset = scan_dataset(name, root)
    present = [sample for sample in dataset.samples if sample.path is not None]
    spectra = {spectrum: sum(sample.spectrum == spectrum for sample in present) for spectrum in ("nir", "vis")}
    click.echo(
        f"{dataset.root}: {len(dataset.subjects)} identities, {spectra['nir']} NIR and {spectra['vis']} VIS photos"
    )
    for protocol in dataset.protocols:
        train, probe = len(protocol.nir_train) + len(protocol.vis_train), len(protocol.nir_probe)
        click.echo(f"  {protocol.name}: {train} to train, {probe} probes, {len(protocol.vis_gallery)} in the gallery")
    for note in dataset.notes:
        click.echo(f"  note: {note}")
    for fault in dataset.faults:
        click.echo(f"  FAULT: {fault}")
    click.echo("faults found" if dataset.faults else "usable")
    if dataset.faults:
        context.exit(1)
