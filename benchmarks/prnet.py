"""Milliseconds a face of PRNet, plain and lean, pages of memory mapped for it, and the largest difference of the two.

The weights are random (time does not depend on them); with imported weights give --imported. On a machine that others
use too, --cpu-time counts the processor time of one thread in place of the time on the wall.

    python benchmarks/prnet.py [--threads 1] [--device cpu] [--batches 1,4,16] [--imported]
"""

import argparse
import resource
import sys
import time
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from prnet_files import arrays_of, random_network

from masksynth.photos import read_photo
from masksynth.reconstruct.prnet import PRNetConfig, run_network
from masksynth.reconstruct.prnet_torch import network_of
from masksynth.resources import asset
from masksynth.weights import locate

GFLOP = 9.53  # a face, two operations a multiply-add


def matrix_rate(device, dtype):
    """GFLOP/s of a large matrix product: what the machine can do."""
    n = 8192 if device.startswith("cuda") else 1536
    a, b = (torch.rand(n, n, device=device, dtype=dtype) for _ in range(2))
    seconds = best(lambda: a @ b, device, 5)
    return 2 * n**3 / seconds / 1e9


CLOCK = [time.perf_counter]


def best(call, device, rounds):
    """Least seconds of some calls, after two for warming up."""
    times = []
    clock = CLOCK[0]
    for _ in range(rounds + 2):
        start = clock()
        call()
        if device.startswith("cuda"):
            torch.cuda.synchronize()
        times.append(clock() - start)
    return min(times[2:])


def pages_mapped(call):
    """Page faults of one call after others like it: what glibc maps and frees anew each time."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    call()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--batches", default="1,4,16")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--imported", action="store_true")
    parser.add_argument("--cpu-time", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.cpu_time:
        CLOCK[0] = time.process_time
    if arguments.imported:
        arrays = {name: values.numpy() for name, values in load_file(locate("prnet")).items()}
    else:
        arrays = arrays_of(random_network())
    face = read_photo(asset("gate_face.png")).rgb
    outputs = {}
    for precision in ("float32", "bfloat16"):
        rate = matrix_rate(arguments.device, getattr(torch, precision))
        print(f"{precision}: a matrix product runs at {rate:.0f} GFLOP/s, {arguments.threads} threads")
        for plain in (True, False):
            for batch in map(int, arguments.batches.split(",")):
                config = PRNetConfig(device=arguments.device, precision=precision, plain=plain, chunk=batch)
                if not arguments.device.startswith("cuda"):
                    config = PRNetConfig(precision=precision, plain=plain)  # as it is run: small chunks
                network = network_of(arrays, config)
                crops = np.stack([np.roll(face, 3 * k, axis=1) for k in range(batch)])
                seconds = best(lambda: run_network(network, crops, config), arguments.device, arguments.rounds)  # noqa: B023
                outputs[precision, plain] = run_network(network, crops[:1], config)
                pages = pages_mapped(lambda: run_network(network, crops, config))  # noqa: B023
                used = GFLOP * batch / seconds / rate
                print(
                    f"  {'plain' if plain else 'lean ':5s} batch {batch:2d}: {seconds / batch * 1e3:7.2f} ms a face, "
                    f"{100 * used:.0f} % of the matrix rate, {pages / batch:.0f} pages mapped a face",
                    flush=True,
                )
    gap = np.abs(outputs["float32", True] - outputs["float32", False]).max()
    print(f"largest difference of plain and lean in float32: {gap:.1e} px")
    gap = np.abs(outputs["float32", False] - outputs["bfloat16", False])
    print(f"bfloat16 against float32: mean {gap.mean():.2f} px, largest {gap.max():.2f} px")


if __name__ == "__main__":
    main()
