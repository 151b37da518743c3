"""masksynth verify"""

from __future__ import annotations

from pathlib import Path

import click

from masksynth.cli.options import PATH
from masksynth.errors import counted


@click.command()
@click.argument("file", type=PATH)
@click.option("--same-as", type=PATH, metavar="OTHER", help="Also compare every value with those of another file.")
def command(file: Path, same_as: Path | None) -> None:
    """Check a masked data set for completeness and consistency.

    Looks at the schema, the counts of every protocol, the hash of every dataset in FILE, and that masked and clean
    crops differ in touched pixels only. Exit code 1 where something is wrong.

    Example: masksynth verify masked.h5
    """
    from masksynth.cli.progress import Progress
    from masksynth.errors import StoreError
    from masksynth.store import open_store, unlike_datasets, verify_store

    with open_store(file) as store:
        total = sum(store.count(spectrum) for spectrum in ("nir", "vis"))
        protocols = len(store.protocols)
    with Progress() as progress:
        progress.begin("rows", total)
        result = verify_store(file, progress=progress.advance)
    for problem in result.problems:
        click.echo(f"{file}: {problem}", err=True)
    if result.problems:
        raise StoreError(
            f"{file}: {counted(len(result.problems), 'thing is', 'things are')} wrong with it, listed above."
        )
    if same_as is not None:
        unlike = unlike_datasets(file, same_as)
        if unlike:
            raise StoreError(f"{file}: is not the same as {same_as}; these differ: {', '.join(unlike)}.")
    nir, vis = result.rows["nir"], result.rows["vis"]
    masked = sum(result.masked.values())
    click.echo(
        f"{file}: sound. {nir:,} NIR and {counted(vis, 'VIS row')}, {masked:,} masked,"
        f" {counted(protocols, 'protocol')}, "
        f"{counted(result.datasets, 'hash', 'hashes')} compared."
    )
