"""Two real processes, started as torchrun does, come to what one process comes to with the whole batch."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from pattern_faces import write_pattern_store

from masksynth.errors import ConfigError
from masksynth.train import processes
from masksynth.train.networks import build, load_network

# Small steps: large ones let rounding grow, so that runs part though both are right.
SMALL = ["--iterations", "4", "--batch", "8", "--width", "0.125", "--lr", "1e-3", "--device", "cpu"]
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]


def run(folder, arguments, *, together):
    start = [*TORCHRUN, "-m", "masksynth"] if together else [sys.executable, "-m", "masksynth"]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run([*start, *arguments], cwd=folder, capture_output=True, text=True, timeout=300, env=env)
    assert done.returncode == 0, done.stderr
    return done


def log_of(run_folder):
    with open(run_folder / "log.csv") as file:
        return [{k: float(v) for k, v in row.items() if k != "images_per_second"} for row in csv.DictReader(file)]


def assert_same_run(a, b):
    """Figures and running statistics agree, and so does the way that the weights went from their start."""
    one, two = log_of(a), log_of(b)
    assert [list(row) for row in one] == [list(row) for row in two]
    for first, second in zip(one, two, strict=True):
        for name, value in first.items():
            assert second[name] == pytest.approx(value, rel=2e-3, abs=2e-3), (first["iteration"], name)
    (net, info), (other, _) = load_network(a), load_network(b)
    for name, tensor in net.named_buffers():
        torch.testing.assert_close(other.get_buffer(name), tensor, rtol=1e-3, atol=1e-3, msg=name)
    torch.manual_seed(0)
    start = build(info)
    ways = [[p - s for p, s in zip(n.parameters(), start.parameters(), strict=True)] for n in (net, other)]
    gap = sum(float((x - y).detach().square().sum()) for x, y in zip(*ways, strict=True))
    assert gap < 1e-3 * sum(float(x.detach().square().sum()) for x in ways[0])


def test_hsst_over_two_processes_is_hsst_of_the_whole_batch(tmp_path):
    write_pattern_store(tmp_path / "masked.h5", train=24)
    options = ["train-hsst", "masked.h5", "--queue", "16", "--scale", "1", *SMALL]
    run(tmp_path, [*options, "-o", "one"], together=False)
    said = run(tmp_path, [*options, "-o", "two"], together=True)
    assert_same_run(tmp_path / "one", tmp_path / "two")
    assert said.stdout.count("two/probe.safetensors: hsst") == 1  # one process speaks
    assert json.loads((tmp_path / "two" / "config.json").read_text())["processes"] == 2
    one, two = (torch.load(tmp_path / name / "checkpoint.pt", weights_only=True) for name in ("one", "two"))
    assert (one["method"]["queued"] == two["method"]["queued"]).all()  # the same batches, in the same places
    assert one["method"]["index"] == two["method"]["index"]
    for queue in ("nir_queue", "vis_queue"):
        torch.testing.assert_close(one["method"][queue], two["method"][queue], rtol=1e-3, atol=1e-3)
    assert len(two["torch_rng"]) == 2


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        ["train-hsst", "masked.h5", "--scale", "1", "--queue", "16", "--bn-mode", "separate", "--queue-mode", "append"],
        ["train-hsst", "masked.h5", "--scale", "1", "--queue", "16", "--direction", "random", "--bn-mode", "frozen"],
        ["train", "masked.h5", "--method", "sst", "--queue", "16", "--scale", "1"],
        ["train", "masked.h5", "--loss", "am", "--scale", "1"],
        ["train", "masked.h5", "--loss", "triplet"],
        ["train", "masked.h5", "--method", "idr"],
        ["train", "masked.h5", "--method", "wcnn"],
    ],
    ids=lambda options: " ".join(options[2:]),
)
def test_other_methods_over_two_processes(tmp_path, options):
    write_pattern_store(tmp_path / "masked.h5", train=24)
    run(tmp_path, [*options, *SMALL, "-o", "one"], together=False)
    run(tmp_path, [*options, *SMALL, "-o", "two"], together=True)
    assert_same_run(tmp_path / "one", tmp_path / "two")


@pytest.mark.slow
def test_pretraining_over_two_processes(tmp_path):
    write_pattern_store(tmp_path / "photos.h5")
    # With a batch of 8, a rounding in the third step grows past the tolerance by the fourth, in one process too.
    options = [
        "pretrain",
        "photos.h5",
        "--side",
        "32",
        "--epochs",
        "2",
        "--loss",
        "softmax",
        *SMALL[4:],
        "--batch",
        "24",
    ]
    run(tmp_path, [*options, "-o", "one"], together=False)
    run(tmp_path, [*options, "-o", "two"], together=True)
    assert_same_run(tmp_path / "one", tmp_path / "two")


@pytest.mark.slow
def test_two_processes_go_on_with_what_they_saved(tmp_path):
    write_pattern_store(tmp_path / "masked.h5", train=24)
    options = ["train-hsst", "masked.h5", "--queue", "16", "--scale", "1", *SMALL]
    run(tmp_path, [*options, "-o", "whole"], together=True)
    stopping = (
        "import masksynth.train.start as s; from masksynth.cli.main import main; fit = s.fit; asked = iter(range(9));"
        "s.fit = lambda *a, **k: fit(*a, **{**k, 'stop': lambda: next(asked) == 1}); main()"
    )
    (tmp_path / "stopping.py").write_text(stopping)
    stopped = subprocess.run(
        [*TORCHRUN, "stopping.py", *options, "-o", "parts"], cwd=tmp_path, capture_output=True, text=True, timeout=300
    )
    assert stopped.returncode != 0
    assert torch.load(tmp_path / "parts" / "checkpoint.pt", weights_only=True)["iteration"] == 2
    run(tmp_path, [*options, "-o", "parts"], together=True)
    assert log_of(tmp_path / "whole") == log_of(tmp_path / "parts")


def test_share_of_a_batch_that_does_not_divide_is_refused(monkeypatch):
    monkeypatch.setattr(processes, "count", lambda: 3)
    with pytest.raises(ConfigError, match="3 processes cannot share a batch of 64 equally"):
        processes.own_share(64)


def test_one_process_is_left_as_it_is():
    rows = torch.arange(6.0).reshape(3, 2)
    net = torch.nn.BatchNorm1d(2)
    assert processes.gathered(rows) == (0, rows)
    assert processes.gathered_with_gradient(rows) is rows
    assert processes.mean_of(rows) is rows
    assert processes.share_batch_norm(net) is net
    assert processes.anywhere(True, False, device=torch.device("cpu")) == [True, False]
    assert np.arange(6)[processes.own_share(6)].tolist() == list(range(6))
