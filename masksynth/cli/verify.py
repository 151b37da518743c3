"""masksynth verify"""

from __future__ import annotations

from pathlib import Path

import click

from masksynth.cli.options import PATH


@click.command()
@click.argument("file", type=PATH)
def command(file: Path) -> None:
    """Check a masked data set for completeness and consistency.

    Looks at the schema, the counts of every protocol, the hash of every dataset in FILE, and that masked and clean
    crops differ in touched pixels only. Exit code 1 where something is wrong.

    Example: masksynth verify masked.h5
    """
    from masksynth.cli.progress import Progress
    from masksynth.errors import StoreError
    from masksynth.store import open_store, verify_store

    with open_store(file) as store:
        total = sum(store.count(spectrum) for spectrum in ("nir", "vis"))
        protocols = len(store.protocols)
    with Progress() as progress:
        progress.begin("rows", total)
        result = verify_store(file, progress=progress.advance)
    for problem in result.problems:
        click.echo(f"{file}: {problem}", err=True)
    if result.problems:
        raise StoreError(f"{file}: {len(result.problems)} things are wrong with it, listed above.")
    nir, vis = result.rows["nir"], result.rows["vis"]
    masked = sum(result.masked.values())
    click.echo(
        f"{file}: sound. {nir:,} NIR and {vis:,} VIS rows, {masked:,} masked, {protocols} protocols, "
        f"{result.datasets} hashes compared."
    )
