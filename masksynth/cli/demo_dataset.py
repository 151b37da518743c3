"""masksynth demo-dataset: generated faces as a data set on disk."""

from __future__ import annotations

from pathlib import Path

import click

from masksynth.cli.options import PATH, force_option, seed_option
from masksynth.errors import counted

LAYOUTS = ("casia", "oulu", "buaa", "ms1m-rec", "ms1m-list")


@click.command("demo-dataset")
@click.argument("folder", metavar="DIR", type=PATH)
@click.option("--layout", type=click.Choice(LAYOUTS), default="casia", show_default=True, help="Whose layout.")
@click.option("--subjects", type=click.IntRange(min=4), default=24, show_default=True, help="How many persons.")
@click.option("--nir-photos", type=click.IntRange(min=1), default=6, show_default=True, help="Of each, about.")
@click.option("--vis-photos", type=click.IntRange(min=1), default=4, show_default=True, help="Of each, about.")
@click.option("--yaw", type=click.FloatRange(0, 90), default=25.0, show_default=True, help="Farthest turn, degrees.")
@click.option("--damaged", is_flag=True, help="With faults, as copies have them; DAMAGE.txt says which.")
@seed_option
@force_option
def command(
    folder: Path,
    layout: str,
    subjects: int,
    nir_photos: int,
    vis_photos: int,
    yaw: float,
    damaged: bool,
    seed: int,
    force: bool,
) -> None:
    """Write generated NIR and VIS faces as a data set of a known layout.

    Example: masksynth demo-dataset faces --layout casia --subjects 24
    """
    from rich.progress import Progress

    from masksynth.datasets.generated.demo import DemoConfig, write_demo

    config = DemoConfig(
        layout=layout,  # type: ignore[arg-type]
        subjects=subjects,
        nir_photos=nir_photos,
        vis_photos=vis_photos,
        yaw=yaw,
        damaged=damaged,
        seed=seed,
    )
    with Progress(transient=True) as bar:
        task = bar.add_task("photos", total=(subjects + 1) * (nir_photos + vis_photos))
        count = write_demo(folder, config, force=force, progress=lambda: bar.advance(task))
    click.echo(f"{folder}: {counted(count, 'photo')} of generated persons in the layout of '{layout}'")
    if layout.startswith("ms1m") or damaged:
        click.echo(f"next: masksynth datasets check {layout.partition('-')[0]} --root {folder}")
    else:
        click.echo(f"next: masksynth apply --dataset {layout} --root {folder} --out masked.h5")
