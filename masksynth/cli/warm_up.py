"""masksynth warm-up"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from masksynth.arrays import Photo8


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
    """Every kernel that putting on masks needs, by putting some on the generic face: grey and in colour, in a sharp
    picture and in one so soft that the mask is made softer too."""
    import cv2
    import numpy as np

    from masksynth.arrays import Box, Spectrum
    from masksynth.compose import ComposeConfig
    from masksynth.reconstruct.facemesh import reconstruction_of_mesh
    from masksynth.reconstruct.generic import generic_mesh
    from masksynth.render import rasterize
    from masksynth.synthesize import mask_crop
    from masksynth.template import library, load_template

    rasterize(np.array([[0.0, 0, 0], [0, 4, 0], [4, 0, 0]]), np.array([[0, 1, 2]]), (4, 4))
    mesh = (generic_mesh() * 60 + [100, 80, 0]).astype(np.float32)
    face = reconstruction_of_mesh(mesh, Box(40, 30, 160, 170), 1.0)
    template = load_template(library()[0].path)
    rough = np.random.default_rng(0).integers(0, 256, (220, 200, 3), np.uint8)
    soft = np.clip(cv2.GaussianBlur(rough.astype(np.float32), (0, 0), 3) * 12 - 11 * 128, 0, 255).astype(np.uint8)
    photos: tuple[tuple[Photo8, Spectrum], ...] = ((rough[..., 0], "nir"), (rough, "vis"), (soft, "vis"))
    for pixels, spectrum in photos:
        for render in ("mask", "full"):
            mask_crop(pixels, face, template, spectrum, ComposeConfig(render=render, relief=render == "mask"))
