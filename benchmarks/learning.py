"""Which method learns best, on generated faces: an honest test without licensed data.

    python benchmarks/learning.py run DIR [--form reduced|medium|full] [--device cpu] [--json F] [--minutes M]
    python benchmarks/learning.py cost FORM [FORM ...] [--json F]
    python benchmarks/learning.py page docs/results.json docs/results.md

run: makes the data in DIR, pretrains a network on VIS photos of some persons, trains every row from it on others, tests
it on others again, and prints the tables. What is there is not done again, so the same command goes on after any end;
the tables say how many seeds each figure has. The learning rate of a row is the one that, with seed 0, is best on
persons held out of training and test (learning_rates.py); the test persons are first looked at when it is chosen.
It takes one thread where OMP_NUM_THREADS says nothing: networks this small gain little by more, and lose much on a busy
machine. Forms: learning_rows.py. Data: learning_data.py.
cost: estimates the processor time of forms; with --json, also into the results.
page: the tables and the picture, from results as JSON.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import platform
import time
from pathlib import Path
from typing import Any

import cv2
import learning_page
import numpy as np
import torch
from learning_cost import cost
from learning_data import make_data
from learning_rates import CHOSEN_BY, best_rate, next_rate
from learning_rows import FORMS, Form, plan, pretraining, rows_of

from masksynth import __version__
from masksynth.errors import TrainingError
from masksynth.evaluate.embed import embed
from masksynth.evaluate.protocols import evaluate_probes
from masksynth.files import write_bytes
from masksynth.train.config import HsstConfig, TrainConfig
from masksynth.train.networks import NetworkInfo, build, load_network
from masksynth.train.pretrain import pretrain
from masksynth.train.run import RunFolder
from masksynth.train.start import choose_device, train

Figures = dict[str, float]


def figures(net: torch.nn.Module, info: NetworkInfo, data: Path, device: torch.device) -> dict[str, Figures]:
    """Probe set of an .npz file → rank-1 and VR at two false-accept rates."""
    with np.load(data, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    gallery = embed(net, info.input, arrays["gallery"], device=device)
    out = {}
    for probes in sorted({"masked", "shared", "unmasked", "vis"} & set(arrays)):
        labels = arrays["vis_labels" if probes == "vis" else "nir_labels"]
        features = embed(net, info.input, arrays[probes], device=device)
        result = evaluate_probes(features, labels, gallery, arrays["gallery_labels"])
        out[probes] = {"rank1": result.identification.rate} | {f"vr@{p.far:g}": p.vr for p in result.verification}
    return out


def gallery_net(run: Path, info: NetworkInfo) -> torch.nn.Module:
    """The gallery-net of a finished HSST run."""
    state = torch.load(RunFolder(run).checkpoint_path, map_location="cpu", weights_only=True)["method"]
    net = build(info)
    net.load_state_dict({k.removeprefix("gallery."): v for k, v in state.items() if k.startswith("gallery.")})
    return net.eval()


def trained(folder: Path, name: str, config: TrainConfig, start: Path, device: str) -> dict[str, Any]:
    """Train a row with one learning rate and seed and look at the validation persons, unless that is done."""
    words = f"{name} lr{config.lr:g} seed{config.seed}"
    run = folder / "runs" / "".join(c if c.isalnum() or c in ".-" else "-" for c in words)
    result: dict[str, Any] = {"row": name, "lr": config.lr, "seed": config.seed, "run": run.name}
    if not (run / "learning.json").is_file():
        began, busy = time.monotonic(), time.process_time()
        try:
            train(folder / "masked.h5", config, out=run, init=start, device=device)
            net, info = load_network(run)
            result["validation"] = figures(net, info, folder / "validation.npz", choose_device(device))["masked"]
        except TrainingError as error:
            if not (run / "bad_batch.pt").is_file():
                raise
            # The loss was no number: with this learning rate the method has no figures.
            result |= {"validation": None, "failed": str(error).split(";")[0]}
        result |= {"seconds": time.monotonic() - began, "cpu_seconds": time.process_time() - busy}
        keep(run, result)
    return dict(json.loads((run / "learning.json").read_text()))


def tested(folder: Path, result: dict[str, Any], config: TrainConfig, device: str) -> dict[str, Any]:
    """Test a trained row, unless that is done."""
    run = folder / "runs" / result["run"]
    if result.get("test") is None and result["validation"] is not None:
        net, info = load_network(run)
        result["test"] = figures(net, info, folder / "test.npz", choose_device(device))
        if isinstance(config, HsstConfig) and (config.loss, config.bn_mode) == ("softmax", "joint"):
            gallery = gallery_net(run, info)
            result["test_gallery_net"] = figures(gallery, info, folder / "test.npz", choose_device(device))
        keep(run, result)
        rank1 = 100 * result["test"]["masked"]["rank1"]
        print(f"{result['run']}: masked rank-1 {rank1:.1f} %, {result['seconds']:.0f} s", flush=True)
    return result


def keep(run: Path, result: dict[str, Any]) -> None:
    write_bytes(run / "learning.json", (json.dumps(result, indent=1) + "\n").encode())


def run_all(folder: Path, form: Form, name: str, device: str, minutes: float) -> dict[str, Any]:
    """Everything, in the order of `plan`; what learning_page takes."""
    if minutes <= 0:
        return collected(folder, form, name, device)
    folder.mkdir(parents=True, exist_ok=True)
    end = time.monotonic() + 60 * minutes
    make_data(folder, form)
    start = folder / "runs" / "pretrained"
    pretrain(folder / "pretrain.h5", pretraining(form), out=start, device=device, workers=1)
    rows = rows_of(form)
    chosen: dict[str, float] = {}
    for row, seed in plan(form):
        rates = list(form.lrs if seed == CHOSEN_BY else (chosen[row],) if row in chosen else ())
        tried: list[dict[str, Any]] = []
        while rates:
            if time.monotonic() > end:
                return collected(folder, form, name, device)
            config = dataclasses.replace(rows[row], lr=rates.pop(0), seed=seed)
            tried.append(trained(folder, row, config, start, device))
            if seed == CHOSEN_BY and not rates and (further := next_rate(tried, form)) is not None:
                rates.append(further)
        if seed == CHOSEN_BY and (rate := best_rate(tried)) is not None:
            chosen[row] = rate
        for result in tried:
            if result["lr"] == chosen.get(row):
                tested(folder, result, rows[row], device)
    return collected(folder, form, name, device)


def collected(folder: Path, form: Form, name: str, device: str) -> dict[str, Any]:
    """All results in the folder, with what they were made by."""
    start = folder / "runs" / "pretrained"
    if not (folder / "before.json").is_file():
        net, info = load_network(start)
        before = figures(net, info, folder / "test.npz", choose_device(device))
        write_bytes(folder / "before.json", json.dumps(before).encode())
    runs = [json.loads(path.read_text()) for path in sorted((folder / "runs").glob("*/learning.json"))]
    return {
        "format": "masksynth-learning/1",
        "form": name,
        "settings": dataclasses.asdict(form),
        "machine": {
            "processor": processor(), "device": str(choose_device(device)), "threads": torch.get_num_threads(),
            "torch": str(torch.__version__), "masksynth": __version__,
        },
        "pretrained": json.loads((folder / "before.json").read_text()),
        "runs": runs,
    }  # fmt: skip


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run")
    run.add_argument("folder", type=Path)
    run.add_argument("--form", choices=list(FORMS), default="reduced")
    run.add_argument("--device", default="auto")
    run.add_argument("--json", type=Path, help="Where to write the results; DIR/results.json where not given.")
    run.add_argument("--minutes", type=float, default=1e9, help="Begin no further run after so long; 0: only read.")
    page = commands.add_parser("page")
    page.add_argument("json", type=Path)
    page.add_argument("page", type=Path)
    price = commands.add_parser("cost")
    price.add_argument("forms", nargs="+", choices=list(FORMS))
    price.add_argument("--json", type=Path)
    args = parser.parse_args()
    threads = int(os.environ.get("OMP_NUM_THREADS", "1"))
    torch.set_num_threads(threads)
    cv2.setNumThreads(threads)
    if args.command == "page":
        learning_page.write_page(json.loads(args.json.read_text()), args.page)
    elif args.command == "cost":
        print_cost(args.forms, args.json)
    else:
        results = run_all(args.folder, FORMS[args.form], args.form, args.device, args.minutes)
        path = args.json or args.folder / "results.json"
        costs = json.loads(path.read_text()).get("costs", {}) if path.is_file() else {}
        write_json(path, {**results, "costs": costs})
        print(learning_page.figures_table(results))
        print(learning_page.differences_table(results))


def print_cost(forms: list[str], path: Path | None) -> None:
    costs = {name: cost(FORMS[name]) for name in forms}
    print(learning_page.costs({"costs": costs}))
    if path is not None:
        results = json.loads(path.read_text())
        write_json(path, {**results, "costs": {**results.get("costs", {}), **costs}})


def write_json(path: Path, results: dict[str, Any]) -> None:
    write_bytes(path, (json.dumps(results, indent=1) + "\n").encode())


if __name__ == "__main__":
    main()
