"""Which method learns best, on generated faces: an honest test without licensed data.

    python benchmarks/learning.py DIR [--form reduced|full] [--device cpu] [--page docs/results.md]

makes the data in DIR, pretrains a network on VIS photos of other persons, trains every row from it, tests it, and
prints the table. Whatever is there is not done again, so the same command goes on; the table shows how many seeds each
figure has. Persons are split into pretraining, training and test. Reconstructions are the generator's own, so that this
measures recognition alone. Training masks and probe masks come from different templates; "shared" probes wear training
templates. In the full form the learning rate of each row is chosen on identities held out of training, from one grid,
with seed 0.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from masksynth.arrays import Box, Reconstruction, Spectrum
from masksynth.datasets.generated import draw_view, identity, render_face
from masksynth.evaluate.embed import embed
from masksynth.evaluate.protocols import evaluate_probes
from masksynth.files import atomic_path, write_bytes
from masksynth.seeds import rng_for
from masksynth.store import Header, MaskEntry, ProtocolRows, Rows, write_store
from masksynth.synthesize import clean_crop, mask_crops
from masksynth.template import load_template
from masksynth.train.config import HsstConfig, IdrConfig, PlainConfig, PretrainConfig, TrainConfig, WcnnConfig
from masksynth.train.networks import load_network
from masksynth.train.pretrain import pretrain
from masksynth.train.start import choose_device, train

SIDE = 64
SEED = 11
SIZE, SCALE = (320, 240), 0.5  # of the photos: half of the usual, still twice as fine as the crops
TRAIN_MASKS = ("surgical-blue", "surgical-black", "n95-cup", "kn95-white", "cloth-navy", "cloth-checks", "sport-grey")
PROBE_MASKS = ("kn95-black", "cloth-striped", "n95-valve", "bandana-red", "surgical-white")
FIGURES = ("rank1", "vr@0.01", "vr@0.001")


@dataclass(frozen=True)
class Form:
    """How much of everything."""

    pretrain_people: int
    train_people: int
    test_people: int
    vis: int  # photos of each person in training
    nir: int
    probes: int  # NIR photos of each person in test
    pretrain_vis: int
    epochs: int  # of pretraining
    iterations: int
    batch: int
    queue: int
    width: float
    seeds: int
    lrs: tuple[float, ...]
    validation: float


FORMS = {
    "reduced": Form(100, 100, 80, 3, 4, 3, 5, 20, 200, 32, 64, 0.25, 2, (0.02,), 0.0),
    "full": Form(800, 250, 250, 6, 10, 6, 10, 12, 1000, 64, 128, 0.5, 5, (0.005, 0.02, 0.05), 0.1),
}


def rows_of(form: Form, reduced: bool) -> dict[str, TrainConfig]:
    """Name → settings, without learning rate and seed."""
    base: dict[str, Any] = {
        "width": form.width, "iterations": form.iterations, "batch": form.batch, "validation": form.validation
    }  # fmt: skip
    queue = {"queue": form.queue}
    rows: dict[str, TrainConfig] = {
        "softmax, trained without masks": PlainConfig(nir="clean", **base),
        "softmax": PlainConfig(**base),
        "HSST softmax": HsstConfig(**base, **queue),
        "HSST softmax, batch-norm as released": HsstConfig(bn_mode="separate", **base, **queue),
    }
    if reduced:
        return rows
    return rows | {
        "softmax, as many images as HSST": PlainConfig(**{**base, "batch": 2 * form.batch}),
        "AM-softmax": PlainConfig(loss="am", **base),
        "Arc-softmax": PlainConfig(loss="arc", **base),
        "triplet": PlainConfig(loss="triplet", **base),
        "IDR": IdrConfig(**base),
        "W-CNN": WcnnConfig(**base),
        "HSST AM-softmax": HsstConfig(loss="am", **base, **queue),
        "HSST Arc-softmax": HsstConfig(loss="arc", **base, **queue),
        "HSST triplet": HsstConfig(loss="triplet", **base, **queue),
    }


def face(person: int, spectrum: Spectrum, number: int) -> tuple[Any, Reconstruction]:
    """A photo and its true reconstruction."""
    view = draw_view(rng_for(SEED, "view", person, spectrum, number), spectrum)
    view = dataclasses.replace(view, interocular=view.interocular * SCALE)
    photo = render_face(identity(SEED, person), view, spectrum, SIZE)
    box = Box(0.0, 0.0, float(photo.pixels.shape[1]), float(photo.pixels.shape[0]))
    return photo.pixels, Reconstruction(photo.position_map, photo.landmarks68, photo.pose, box, 1.0, "generated")


def vis_crops(people: range, count: int, first: int = 0) -> tuple[np.ndarray, np.ndarray]:
    crops = [clean_crop(*face(p, "vis", first + k), "vis", SIDE)[0] for p in people for k in range(count)]
    return np.stack(crops), np.repeat(np.arange(len(people)), count)


def nir_crops(people: range, count: int, *libraries: tuple[str, ...]) -> list[np.ndarray]:
    """Clean crops, which template of a library each one wears, and the masked crops by each library.

    Every template of a library is worn as often as the others.
    """
    loaded = [[load_template(name) for name in names] for names in libraries]
    clean, worn, masked = [], [], [[] for _ in libraries]
    for p in people:
        for k in range(count):
            number = p * count + k
            made = mask_crops(*face(p, "nir", k), [names[number % len(names)] for names in loaded], "nir", side=SIDE)
            clean.append(made[0].clean)
            worn.append(number % len(loaded[0]))
            for crops, crop in zip(masked, made, strict=True):
                crops.append(crop.image)
    return [np.stack(clean), np.array(worn), *map(np.stack, masked)]


def make_data(folder: Path, form: Form) -> None:
    """pretrain.h5, masked.h5 with the training rows, test.npz."""
    if not (folder / "pretrain.h5").is_file():
        vis, labels = vis_crops(range(form.pretrain_people), form.pretrain_vis)
        store(folder / "pretrain.h5", vis, labels)
    people = range(form.pretrain_people, form.pretrain_people + form.train_people)
    if not (folder / "masked.h5").is_file():
        vis, vis_labels = vis_crops(people, form.vis)
        clean, worn, masked = nir_crops(people, form.nir, TRAIN_MASKS)
        store(folder / "masked.h5", vis, vis_labels, masked, clean, worn, np.repeat(np.arange(len(people)), form.nir))
    if not (folder / "test.npz").is_file():
        people = range(people.stop, people.stop + form.test_people)
        gallery, labels = vis_crops(people, 1)
        probes, probe_labels = vis_crops(people, 1, first=1)
        clean, _, masked, shared = nir_crops(people, form.probes, PROBE_MASKS, TRAIN_MASKS)
        with atomic_path(folder / "test.npz") as temporary:
            np.savez(
                temporary, gallery=gallery, gallery_labels=labels, vis=probes, vis_labels=probe_labels,
                masked=masked, unmasked=clean, shared=shared, nir_labels=np.repeat(labels, form.probes),
            )  # fmt: skip


def store(path: Path, vis: np.ndarray, vis_labels: np.ndarray, *nir: np.ndarray) -> None:
    """A masked data set with one protocol that has training rows alone; without `nir`, VIS crops alone."""
    masked, clean, worn, labels = nir if nir else (np.zeros((0, SIDE, SIDE), np.uint8),) * 2 + (np.zeros(0, int),) * 2

    def rows(spectrum: Spectrum, images: np.ndarray, subject: np.ndarray, mask: np.ndarray, **more: Any) -> Rows:
        n = len(images)
        return Rows(
            image=images, subject=subject.astype(np.int32), source=tuple(f"{spectrum}/{k}" for k in range(n)),
            image_id=np.arange(n, dtype=np.int32), landmarks=np.zeros((n, 5, 2), np.float32),
            pose=np.zeros((n, 3), np.float32), score=np.ones(n, np.float32), mask=mask.astype(np.int32), **more,
        )  # fmt: skip

    none = np.zeros(0, np.int32)
    parts = {"nir_train": np.arange(len(masked), dtype=np.int32), "vis_train": np.arange(len(vis), dtype=np.int32),
             "nir_probe": none, "vis_gallery": none}  # fmt: skip
    counts = {name: len(part) for name, part in parts.items()}
    protocol = ProtocolRows("fold01", parts, counts, dict.fromkeys(parts, none), False)
    differs = (masked != clean).astype(np.uint8)
    write_store(
        path,
        Header(dataset="generated", side=SIDE, reconstructor="generated", detector="generated", seed=SEED),
        subjects=[f"g{k:04d}" for k in range(int(vis_labels.max()) + 1)],
        nir=rows("nir", masked, labels, worn, clean=clean, alpha=255 * differs, touched=differs),
        vis=rows("vis", vis, vis_labels, np.full(len(vis), -1)),
        masks=[MaskEntry(name, {"use": "train"}, "") for name in TRAIN_MASKS],
        protocols=[protocol],
    )


def test(folder: Path, run: Path, device: torch.device) -> dict[str, dict[str, float]]:
    """Probe set → figures."""
    net, info = load_network(run)
    with np.load(folder / "test.npz", allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    gallery = embed(net, info.input, arrays["gallery"], device=device)
    out = {}
    for probes in ("masked", "shared", "unmasked", "vis"):
        labels = arrays["vis_labels" if probes == "vis" else "nir_labels"]
        features = embed(net, info.input, arrays[probes], device=device)
        result = evaluate_probes(features, labels, gallery, arrays["gallery_labels"])
        out[probes] = dict(
            zip(FIGURES, [result.identification.rate, *(p.vr for p in result.verification)], strict=True)
        )
    return out


def result_path(folder: Path, name: str, config: TrainConfig) -> Path:
    """Where the result of a run is, or will be."""
    run = f"{name.replace(' ', '-').replace(',', '')}-lr{config.lr:g}-seed{config.seed}"
    return folder / "runs" / run / "learning.json"


def do_run(folder: Path, name: str, config: TrainConfig, start: Path, device: str) -> dict[str, Any]:
    """Train and test one row with one learning rate and seed, unless that is done; the result."""
    path = result_path(folder, name, config)
    if path.is_file():
        return dict(json.loads(path.read_text()))
    run = path.parent
    began = time.monotonic()
    done = train(folder / "masked.h5", config, out=run, init=start, device=device)
    figures = test(folder, run, choose_device(device))
    validation = [float(r["validation"]) for r in done.run.read_log() if r.get("validation", "nan") != "nan"]
    result = {
        "row": name, "lr": config.lr, "seed": config.seed, "seconds": time.monotonic() - began, "figures": figures,
        "validation": validation[-1] if validation else None,
    }  # fmt: skip
    write_bytes(path, (json.dumps(result, indent=1) + "\n").encode())
    print(f"{run.name}: masked rank-1 {100 * figures['masked']['rank1']:.1f} %, {result['seconds']:.0f} s", flush=True)
    return result


def table(results: dict[str, list[dict[str, Any]]], before: dict[str, dict[str, float]]) -> str:
    """Means and standard deviations (ddof 1) over seeds, in percent; the last column is paired with plain softmax."""
    heads = ["masked rank-1", "VR@1 %", "VR@0.1 %", "shared templates rank-1", "unmasked rank-1", "VIS–VIS rank-1"]
    lines = [
        f"| row | lr | n | {' | '.join(heads)} | masked rank-1 less softmax's |",
        "| --- " * (len(heads) + 4) + "|",
    ]
    places = [("masked", f) for f in FIGURES] + [(p, "rank1") for p in ("shared", "unmasked", "vis")]
    lines.append("| pretrained only | – | – | " + " | ".join(f"{100 * before[p][f]:.1f}" for p, f in places) + " | – |")
    plain = {r["seed"]: r["figures"]["masked"]["rank1"] for r in results.get("softmax", [])}
    for name, runs in results.items():
        cells = [spread([r["figures"][p][f] for r in runs]) for p, f in places]
        paired = [r["figures"]["masked"]["rank1"] - plain[r["seed"]] for r in runs if r["seed"] in plain]
        difference = "–" if name == "softmax" or not paired else spread(paired, sign=True)
        lines.append(f"| {name} | {runs[0]['lr']:g} | {len(runs)} | {' | '.join(cells)} | {difference} |")
    return "\n".join(lines) + "\n"


def spread(values: list[float], sign: bool = False) -> str:
    mean = f"{100 * np.mean(values):{'+' if sign else ''}.1f}"
    return f"{mean} ± {100 * np.std(values, ddof=1):.1f}" if len(values) > 1 else mean


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--form", choices=list(FORMS), default="reduced")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--page", type=Path, help="Where to write the table as a page.")
    parser.add_argument(
        "--minutes",
        type=float,
        default=1e9,
        help="Start no further run after so long; 0 prints the table of what is there.",
    )
    args = parser.parse_args()
    form, folder = FORMS[args.form], args.folder
    folder.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    make_data(folder, form)
    print(f"data: {time.monotonic() - began:.0f} s", flush=True)
    settings = PretrainConfig(side=SIDE, width=form.width, epochs=form.epochs, batch=64, lr=0.05, loss="softmax")
    pretrain(folder / "pretrain.h5", settings, out=folder / "runs" / "pretrained", device=args.device)
    start = folder / "runs" / "pretrained"
    print(f"pretrained: {time.monotonic() - began:.0f} s", flush=True)
    results: dict[str, list[dict[str, Any]]] = {}
    chosen: dict[str, float] = {}
    for seed in range(form.seeds):
        for name, config in rows_of(form, args.form == "reduced").items():
            rates = form.lrs if seed == 0 else (chosen[name],) if name in chosen else ()
            tried = []
            for lr in rates:
                mine = dataclasses.replace(config, lr=lr, seed=seed)
                if time.monotonic() - began < 60 * args.minutes or result_path(folder, name, mine).is_file():
                    tried.append(do_run(folder, name, mine, start, args.device))
            if not tried:
                continue
            best = max(tried, key=lambda r: r["validation"] or 0.0)
            chosen.setdefault(name, best["lr"])
            results.setdefault(name, []).append(best)
    text = table(results, test(folder, start, choose_device(args.device)))
    print(text)
    write_bytes(
        folder / "results.json", (json.dumps({"form": dataclasses.asdict(form), "rows": results}) + "\n").encode()
    )
    if args.page is not None:
        words = f"python benchmarks/learning.py DIR --form {args.form}"
        write_bytes(args.page, f"# Results on generated faces\n\nMade by `{words}`.\n\n{text}".encode())


if __name__ == "__main__":
    main()
