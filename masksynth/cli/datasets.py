"""masksynth datasets: which data sets are known, and what is on disk."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from masksynth.cli.options import PATH, force_option, refuse_existing
from masksynth.errors import counted

F = TypeVar("F", bound=Callable[..., Any])

_CHOICES = (
    click.option("--split", type=PATH, help="Your own split: a CSV file, or a folder of list files."),
    click.option(
        "--variant", type=click.Choice(["raw", "cropped"]), default="raw", show_default=True,
        help="Whole photos or cropped ones, where a data set ships both.",
    ),
    click.option(
        "--split-seed", type=click.IntRange(min=0), default=0, show_default=True,
        help="Seed of the split that stands in where none is published.",
    ),
    click.option(
        "--split-train", type=click.IntRange(min=1),
        help="How many identities train in that split; else half, 50 of BUAA-VisNir's 150.",
    ),
    click.option(
        "--gallery", type=click.Choice(["first", "all"]),
        help="Which VIS photos of a tested person probes are compared with; else as the data set has it.",
    ),
    click.option("--spectrum", type=click.Choice(["nir", "vis"]), help="Of a folder without folders nir and vis."),
    click.option(
        "--oulu-light", type=click.Choice(["strong", "weak", "dark", "all"]), default="strong", show_default=True,
        help="Oulu-CASIA: the photos of which light.",
    ),
    click.option(
        "--oulu-frames", type=click.IntRange(min=0), default=8, show_default=True,
        help="Oulu-CASIA: frames of each sequence; 0 for all.",
    ),
    click.option(
        "--oulu-choice", type=click.Choice(["even", "first", "last"]), default="even", show_default=True,
        help="Oulu-CASIA: which frames.",
    ),
    click.option(
        "--oulu-persons", type=click.IntRange(min=0), nargs=2, default=(10, 30), show_default=True,
        metavar="OULU CASIA", help="Oulu-CASIA: persons drawn of P001-P050 and of P051-P080 where no list says which.",
    ),
    click.option(
        "--buaa-pairs", type=click.IntRange(min=0), default=9, show_default=True,
        help="BUAA-VisNir: pairs of each person; 0 for all 14, more than 14 for photos 37 to 40 as well.",
    ),
)  # fmt: skip


def scan_options(function: F) -> F:
    """Add the options that say how a data set is read; `scan_settings` makes DatasetOptions of their values."""
    for option in reversed(_CHOICES):
        function = option(function)
    return function


def scan_settings(settings: dict[str, Any]) -> Any:
    """DatasetOptions of the values of `scan_options`, which are taken out of `settings`."""
    from masksynth.datasets import DatasetOptions

    names = {
        "split": "split",
        "variant": "variant",
        "split_seed": "seed",
        "split_train": "train",
        "gallery": "gallery",
        "spectrum": "spectrum",
        "oulu_light": "light",
        "oulu_frames": "frames",
        "oulu_choice": "frame_choice",
        "oulu_persons": "persons",
        "buaa_pairs": "pairs",
    }
    return DatasetOptions(**{field: settings.pop(option) for option, field in names.items() if option in settings})


@click.group("datasets")
def command() -> None:
    """Say which data sets are known, and check one on disk.

    Example: masksynth datasets check casia --root /data/NIR-VIS-2.0
    """


@command.command("list")
def list_known() -> None:
    """List the known data sets: what each needs, where its licence is asked for, and where it is here.

    Example: masksynth datasets list
    """
    from masksynth.datasets import KNOWN, environment_name, resolve_root
    from masksynth.errors import ConfigError

    for known in KNOWN.values():
        click.echo(f"{known.name}: {known.title}")
        click.echo(f"    holds: {known.contents}")
        click.echo(f"    needs: {known.needs}")
        click.echo(f"    licence: {known.licence}")
        try:
            click.echo(f"    here: {resolve_root(known.name)}")
        except ConfigError:
            click.echo(f"    here: not said; use --root DIR or {environment_name(known.name)}")


@command.command("check")
@click.argument("name", metavar="NAME")
@click.option("--root", type=PATH, help="Folder of the data set, or one above it.")
@scan_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")
@click.pass_context
def check(context: click.Context, /, name: str, root: Path | None, as_json: bool, **settings: Any) -> None:
    """Compare the data set NAME on disk with what the literature says of it.

    Exit code 1 where it cannot be used.

    Example: masksynth datasets check casia --root /data/NIR-VIS-2.0
    """
    from masksynth.datasets import scan_dataset
    from masksynth.datasets.checking import check as compare

    result = compare(scan_dataset(name, root, scan_settings(settings)))
    if as_json:
        click.echo(json.dumps(result.as_json(), indent=1, ensure_ascii=False))
    else:
        click.echo(f"{result.name} in {result.root}")
        wide = max(len(row.what) for row in result.rows)
        click.echo(f"  {'':{wide}}  {'found':>13}  {'published':>13}")
        for row in result.rows:
            found, expected = _figure(row.found), _figure(row.expected)
            click.echo(f"  {row.what:{wide}}  {found:>13}  {expected:>13}  {row.state or 'no figure'}")
        for note in result.notes:
            click.echo(f"  note: {note}")
        for fault in result.faults:
            click.echo(f"  FAULT: {fault}")
        click.echo(result.verdict)
    if result.faults:
        context.exit(1)


def _figure(value: int | str | None) -> str:
    return "-" if value is None else (f"{value:,}" if isinstance(value, int) else value)


@command.command("manifest")
@click.argument("name", metavar="NAME")
@click.option("--root", type=PATH, help="Folder of the data set, or one above it.")
@scan_options
@click.option("-o", "--out", type=PATH, required=True, help="The CSV file to write.")
@force_option
def manifest(name: str, root: Path | None, out: Path, force: bool, **settings: Any) -> None:
    """Write the data set NAME as a table that you can correct by hand and use in its place.

    Example: masksynth datasets manifest oulu --root /data/Oulu_CASIA -o oulu.csv
    """
    from masksynth.datasets import open_dataset
    from masksynth.datasets.manifest import write_manifest

    refuse_existing(out, force)
    dataset = open_dataset(name, root, scan_settings(settings))
    write_manifest(dataset, out)
    for note in dataset.notes:
        click.echo(f"note: {note}", err=True)
    click.echo(f"{out}: {counted(len(dataset.samples), 'photo')}; use it with --dataset manifest --root {out}")
