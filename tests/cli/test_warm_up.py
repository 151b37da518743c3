"""What warm-up leaves to be compiled in a job: nothing."""

from __future__ import annotations

import subprocess
import sys

ASK = """
from types import ModuleType
from masksynth.cli.warm_up import _compile
from masksynth.compose import _kernels as compose, _light_kernels as light
from masksynth.reconstruct import _kernels as reconstruct
from masksynth.render import _kernels, _shading_kernels, _silhouette_kernels, _surface_kernels
_compile()
for module in (compose, light, reconstruct, _kernels, _shading_kernels, _silhouette_kernels, _surface_kernels):
    for name, kernel in vars(module).items():
        if hasattr(kernel, "py_func") and kernel.py_func.__module__ == module.__name__:
            if kernel.targetoptions.get("inline") != "always":
                print(name, bool(kernel.signatures or kernel.stats.cache_hits))
"""


def test_every_kernel_that_masks_need_is_compiled() -> None:
    ended = subprocess.run([sys.executable, "-c", ASK], capture_output=True, text=True, check=True)
    compiled = dict(line.split() for line in ended.stdout.splitlines())
    assert len(compiled) > 20
    # What others are made of is not asked for where those come from the cache.
    inner = {"survey", "place_vertices", "lift_vertices", "list_blocks", "draw_blocks", "find_silhouettes"}
    inner |= {"refine_silhouettes", "refine", "swap_axes"}
    inner |= {"gather_points", "surface_normals", "drape", "observe_skin", "fit_light", "quantiles", "light_beyond"}
    inner |= {"lift_points"}
    assert {name for name, done in compiled.items() if done != "True"} <= inner
