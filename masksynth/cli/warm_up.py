"""masksynth warm-up"""

from __future__ import annotations

import time

import click


@click.command()
@click.option("--no-fetch", is_flag=True, help="Compile only; networks must be here already.")
def command(no_fetch: bool) -> None:
    """Compile the kernels and fetch the networks, so that no job has to.

    Run it once on the machine whose file system the jobs share.

    Example: masksynth warm-up
    """
    from masksynth.weights import NETWORKS, locate

    for network in NETWORKS:
        if network.how == "fetch":
            click.echo(f"{network.name}: {locate(network.name, fetch=not no_fetch)}")
    start = time.perf_counter()
    _compile()
    click.echo(f"kernels compiled in {time.perf_counter() - start:.1f} s")


def _compile() -> None:
    """Every kernel that `apply` calls, once each with the types that it calls them with."""
    import numpy as np

    from masksynth.render import rasterize

    rasterize(np.array([[0.0, 0, 0], [0, 4, 0], [4, 0, 0]]), np.array([[0, 1, 2]]), (4, 4))
