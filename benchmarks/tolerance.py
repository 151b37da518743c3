"""How far data sets lie apart that were made on other processors or with other library versions.

    python benchmarks/tolerance.py ROOT [--python OTHER/bin/python]   # make it anew in several ways, and compare
    python benchmarks/tolerance.py A.h5 B.h5                          # compare two files, made on two machines

ROOT is a data set in the layout of CASIA NIR-VIS 2.0. Another processor is stood in for by switching off what this one
has beyond the plainest 64-bit x86: in the kernels (numba), in OpenCV, in NumPy and its BLAS, in libjpeg-turbo, and
XNNPACK in the networks. OTHER is an environment with other versions of the libraries and the same masksynth.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from masksynth.store import open_store

TEMPLATES = "surgical-blue,n95-cup,cloth-striped,kn95-white"
KERNELS = {"NUMBA_CPU_NAME": "x86-64", "NUMBA_CPU_FEATURES": ""}
OPENCV = {"OPENCV_CPU_DISABLE": "AVX512-SKX,AVX512-ICL,AVX2,FP16,AVX,SSE4.2,SSE4.1", "OPENCV_IPP": "disabled"}
NUMPY = {"OPENBLAS_CORETYPE": "PRESCOTT", "NPY_DISABLE_CPU_FEATURES": "X86_V4 X86_V3 AVX512_ICL AVX512_SKX"}
JPEG = {"JSIMD_FORCENONE": "1"}
PLAIN_NETWORKS = {"MASKSYNTH_PLAIN_NETWORKS": "1"}  # understood by CODE alone
WAYS: dict[str, dict[str, str]] = {
    "once more": {},
    "plain kernels": KERNELS,
    "plain OpenCV": OPENCV,
    "plain NumPy": NUMPY,
    "plain JPEG decoder": JPEG,
    "networks without XNNPACK": PLAIN_NETWORKS,
    "all of them": KERNELS | OPENCV | NUMPY | JPEG | PLAIN_NETWORKS,
}
CODE = """
import functools, os, sys
if os.environ.get("MASKSYNTH_PLAIN_NETWORKS"):
    from ai_edge_litert import interpreter
    plain = interpreter.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter.Interpreter = functools.partial(interpreter.Interpreter, experimental_op_resolver_type=plain)
from pathlib import Path
from masksynth.batch import BatchConfig, make_plan
from masksynth.batch.assemble import assemble
from masksynth.batch.folder import part_form
from masksynth.batch.part import part_path, write_part
from masksynth.batch.photo import PhotoWalk
from masksynth.batch.run import Silent
from masksynth.datasets import open_dataset
from masksynth.template import resolve_templates
root, folder, templates = sys.argv[1:]
plan = make_plan(open_dataset("casia", root), resolve_templates(templates.split(",")), BatchConfig())
walk = PhotoWalk.of_plan(plan)
for k in range(plan.parts):
    write_part(part_path(Path(folder), k), k, plan.part(k), walk, part_form(plan))
out = Path(folder) / "m.h5"
assemble(plan, Path(folder), out, part_form(plan), max_skipped=1.0, command="", progress=Silent())
"""


def made(root: Path, folder: Path, python: str, environment: dict[str, str]) -> Path:
    """The data set, made in a process of its own."""
    folder.mkdir()
    variables = {**os.environ, "NUMBA_CACHE_DIR": str(folder / "kernels"), **environment}
    if not environment.keys() & KERNELS.keys():
        del variables["NUMBA_CACHE_DIR"]  # those are compiled already
    package = str(Path(__file__).parents[1])
    variables["PYTHONPATH"] = os.pathsep.join([package, variables.get("PYTHONPATH", "")])
    subprocess.run([python, "-c", CODE, str(root), str(folder), TEMPLATES], env=variables, check=True)
    return folder / "m.h5"


def compared(one: Path, other: Path) -> str:
    """What differs between two files, in a line."""
    said = []
    with open_store(one) as a, open_store(other) as b:
        for spectrum in ("nir", "vis"):
            columns = [store.column(spectrum, "source").tolist() for store in (a, b)]
            masks = [store.column(spectrum, "mask").tolist() for store in (a, b)]
            if columns[0] != columns[1] or masks[0] != masks[1]:
                return "other rows"
            for kind in a.kinds(spectrum):
                gap = np.abs(a.images(spectrum, None, kind).astype(np.int16) - b.images(spectrum, None, kind))
                unlike = (gap > 0).mean()
                if unlike:
                    beyond = 100 * (gap > 1).mean()
                    said.append(f"{spectrum} {kind}: {100 * unlike:.3f} % of values, {beyond:.4f} % by 2 and more, "
                                f"at most {gap.max()}")  # fmt: skip
            for name, unit in (("landmarks", "px"), ("pose", "degrees"), ("score", "")):
                far = np.abs(a.column(spectrum, name) - b.column(spectrum, name)).max(initial=0)
                if far:
                    said.append(f"{spectrum} {name}: at most {far:.2g} {unit}".strip())
    return "; ".join(said) or "every value equal"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("place", type=Path)
    parser.add_argument("other", type=Path, nargs="?")
    parser.add_argument("--python", help="of an environment with other versions of the libraries")
    words = parser.parse_args()
    if words.other is not None:
        print(compared(words.place, words.other))
        return
    with tempfile.TemporaryDirectory() as name:
        first = made(words.place, Path(name) / "first", sys.executable, {})
        ways = [(way, sys.executable, environment) for way, environment in WAYS.items()]
        if words.python:
            ways.append((words.python, words.python, {}))
        for number, (way, python, environment) in enumerate(ways):
            other = made(words.place, Path(name) / str(number), python, environment)
            print(f"{way}: {compared(first, other)}", flush=True)


if __name__ == "__main__":
    main()
