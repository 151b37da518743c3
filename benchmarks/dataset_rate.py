"""How fast a data set is masked, where the time goes, and how fast the file is read.

    export OMP_NUM_THREADS=1                          # as in the workers of a run
    python benchmarks/dataset_rate.py rate ROOT       # photos/s, stages beside the floor (decode + detector + mesh)
    python benchmarks/dataset_rate.py workers ROOT    # two workers against two independent runs side by side
    python benchmarks/dataset_rate.py memory ROOT     # a worker's memory after more and more photos
    python benchmarks/dataset_rate.py compression ROOT
    python benchmarks/dataset_rate.py reading FILE    # pairs/s into torch

ROOT is a data set in the layout of CASIA NIR-VIS 2.0, for example one of masksynth demo-dataset; its photos are taken
again and again where more are wanted.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from masksynth.batch import BatchConfig, Plan, make_plan, run_plan
from masksynth.batch.assemble import assemble
from masksynth.batch.folder import part_form
from masksynth.batch.part import part_path, write_part
from masksynth.batch.photo import PhotoWalk
from masksynth.batch.run import Silent
from masksynth.datasets import FaceDataset, Protocol, open_dataset
from masksynth.store import SPECTRA, Header, Rows, StoreWriter, open_store
from masksynth.template import resolve_templates

TEMPLATES = ["surgical-blue", "n95-cup", "cloth-striped", "kn95-white"]


def plan_of(root: Path, photos: int, *, only: str | None = None, **config: object) -> Plan:
    """A plan over `photos` photos of ROOT, repeated under other names; all train."""
    casia = open_dataset("casia", root)
    found = [s for s in casia.samples if s.path is not None and only in (None, s.spectrum)]
    samples = tuple(replace(found[i % len(found)], id=f"{i:07d}/{found[i % len(found)].id}") for i in range(photos))
    ids = {spectrum: tuple(s.id for s in samples if s.spectrum == spectrum) for spectrum in ("nir", "vis")}
    protocol = Protocol("all", ids["nir"], ids["vis"], (), (), published=False)
    dataset = FaceDataset("casia", casia.root, samples, (protocol,))
    return make_plan(dataset, resolve_templates(TEMPLATES), BatchConfig(**config))  # type: ignore[arg-type]


def rate(root: Path, photos: int) -> None:
    """Processor milliseconds a photo by stage, beside the floor, for each kind of photo.

    Parts are written as a worker does, with and without a cache, LOOKS times in turn; the quickest of each counts, so
    that other work on the machine does not. The floor is what decoding, the detector and the mesh network take in it.
    """
    for only, what in (("nir", "NIR, masked"), ("vis", "VIS, masked"), ("vis", "VIS, clean")):
        masked = "vis" if what == "VIS, masked" else "nir"
        plan = plan_of(root, photos, only=only, mask_spectrum=masked, part_size=PART)
        with tempfile.TemporaryDirectory() as name:
            stages = _stages(plan, Path(name))
            large = plan_of(root, JOINED, only=only, mask_spectrum=masked, part_size=PART)
            stages["join and verify"] = _joining(large, Path(name))
        suffix = Path(plan.photos[0].path).suffix
        floor = sum(stages[stage] for stage in FLOOR)
        total = stages["part"] + stages["join and verify"]
        listed = {stage: stages[stage] for stage in ("align", "mask", "write", "join and verify") if stage in stages}
        listed["else"] = total - floor - sum(listed.values())
        print(f"{what} ({suffix}): {total:.2f} ms a photo, {2000 / total:.0f} photos/s on two such cores")
        print(f"    floor {floor:.2f}: " + ", ".join(f"{stage} {stages[stage]:.2f}" for stage in FLOOR))
        print(f"    beyond it {total - floor:.2f}: " + ", ".join(f"{stage} {ms:.2f}" for stage, ms in listed.items()))
        cached = stages["part from a cache"] + stages["join and verify"]
        least = stages["decode"] + stages["write"] + stages["join and verify"]
        print(f"    from a cache {cached:.2f}, {100 * least / cached:.0f} % of the rate of decode + write alone")


FLOOR = ("decode", "detector", "mesh network")
LOOKS = 5
PART = 256  # photos
JOINED = 2048  # photos of a file whose joining is timed: some of its cost is that of a file, however large


def _stages(plan: Plan, folder: Path) -> dict[str, float]:
    """Stage → mean over the photos, each part in the quickest of LOOKS, in ms of processor time."""
    walk, kept = PhotoWalk.of_plan(plan), PhotoWalk.of_plan(plan, folder / "cache")
    walk.clock = kept.clock = time.process_time
    within: list[float] = []  # of each call at work, seconds of those that it calls
    _time(walk.detector, "detect", "detector", walk, within)
    _time(walk.reconstructor, "fit", "mesh network", walk, within)
    total, form = dict[str, float](), part_form(plan)
    for k in range(plan.parts):
        least: dict[str, dict[str, float]] = {}
        for look in range(LOOKS + 1):
            for what, function in (("part from a cache", kept), ("part", walk)):
                function.seconds.clear()
                begun = time.process_time()
                write_part(part_path(folder, k), k, plan.part(k), function, form)
                spent = {what: time.process_time() - begun, **function.seconds}
                if look and (what not in least or spent[what] < least[what][what]):  # the first one loads and compiles
                    least[what] = spent
        stages = least["part"] | {"part from a cache": least["part from a cache"]["part from a cache"]}
        for stage, value in stages.items():
            total[stage] = total.get(stage, 0.0) + value
    return {stage: 1000 * value / len(plan.photos) for stage, value in total.items()}


def _time(of: object, method: str, stage: str, walk: PhotoWalk, within: list[float]) -> None:
    """Have calls of a method note their time as a stage, without that of timed calls that they make themselves."""
    call = getattr(of, method)

    def timed(*arguments: object) -> object:
        within.append(0.0)
        begun = time.process_time()
        try:
            return call(*arguments)
        finally:
            spent = time.process_time() - begun
            walk.seconds[stage] = walk.seconds.get(stage, 0.0) + spent - within.pop()
            if within:
                within[-1] += spent

    setattr(of, method, timed)


def _joining(plan: Plan, folder: Path) -> float:
    """Joining and checking the parts of `plan`, in ms of processor time a photo, the quickest of LOOKS."""
    walk, form = PhotoWalk.of_plan(plan, folder / "cache"), part_form(plan)
    for k in range(plan.parts):
        write_part(part_path(folder, k), k, plan.part(k), walk, form)
    least = np.inf
    for _ in range(LOOKS):
        begun = time.process_time()
        done = assemble(plan, folder, folder / "m.h5", form, max_skipped=1.0, command="", progress=Silent())
        least = min(least, time.process_time() - begun)
    if done.skipped:
        print(f"{len(done.skipped)} of {len(plan.photos)} photos give no row")
    return float(1000 * least / len(plan.photos))


def workers(root: Path, photos: int) -> None:
    """Rate of one worker, of two on twice as many photos, and of two runs of one worker side by side; the best of 3.

    The processor time of all processes a photo says more where other work runs on the machine.
    """
    plans = {count: plan_of(root, count * photos, part_size=64) for count in (1, 2)}  # each worker has as many to do

    def run(count: int) -> None:
        with tempfile.TemporaryDirectory() as folder:
            run_plan(plans[count], Path(folder) / "m.h5", workers=count, max_skipped=1.0)

    kinds = {"one worker": [1], "two workers": [2], "two runs of one worker": [1, 1]}
    best: dict[str, tuple[float, float]] = {}
    for words, jobs in [*kinds.items()] * 3:
        begun, used = time.perf_counter(), _processor_s()
        threads = [threading.Thread(target=run, args=(count,)) for count in jobs]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        done = sum(jobs) * photos
        rate, cost = done / (time.perf_counter() - begun), 1000 * (_processor_s() - used) / done
        before = best.get(words, (0.0, np.inf))
        best[words] = max(rate, before[0]), min(cost, before[1])
    for words, (rate, cost) in best.items():
        print(f"{words}: {rate:.1f} photos/s, {cost:.2f} ms of processor time a photo")


def _processor_s() -> float:
    """Of this process and all that it has waited for."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def memory(root: Path, photos: int, side: int, cached: bool) -> None:
    """Resident memory of a process that does part after part, as a worker does, at 1,000, 2,000, 5,000 ... photos.

    `cached` takes the faces from a cache, so that a hundred thousand photos do not cost an hour of networks.
    """
    plan = plan_of(root, photos, side=side)
    wanted = [digit * 10**power for power in range(3, 8) for digit in (1, 2, 5)]
    with tempfile.TemporaryDirectory() as folder:
        walk = PhotoWalk.of_plan(plan, Path(folder) / "cache" if cached else None)
        done = 0
        for k in range(plan.parts):
            write_part(Path(folder) / "part.h5", k, plan.part(k), walk, part_form(plan))
            done += len(plan.part(k))
            if done < wanted[0] and done < photos:
                continue
            wanted = [number for number in wanted if number > done]
            pages = int(Path("/proc/self/statm").read_text().split()[1])
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            now = pages * resource.getpagesize() / 2**20
            print(f"{done:,} photos: {now:.0f} MB now, {peak:.0f} MB at most", flush=True)


def compression(root: Path, photos: int) -> None:
    """Size, writing and reading of each way to pack the file."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "source.h5"
        run_plan(plan_of(root, photos), source, workers=1, max_skipped=1.0)
        with open_store(source) as store:
            blocks = {
                spectrum: Rows(
                    **{kind: store.images(spectrum, None, kind) for kind in store.kinds(spectrum)},
                    **{
                        name: store.column(spectrum, name)
                        for name in ("subject", "image_id", "landmarks", "pose", "score", "mask")
                    },
                    source=tuple(store.column(spectrum, "source")),
                )
                for spectrum in SPECTRA
            }
        counts = {spectrum: len(rows) for spectrum, rows in blocks.items()}
        header = Header(dataset="casia", side=144, reconstructor="facemesh", detector="blazeface")
        subjects = [str(i) for i in range(1 + max(int(rows.subject.max()) for rows in blocks.values()))]
        for how in ("none", "masks", "lzf", "gzip"):
            path = Path(folder) / f"{how}.h5"
            cpu = time.process_time()
            with StoreWriter(path, side=144, counts=counts, compression=how) as writer:
                for spectrum, rows in blocks.items():
                    writer.write(spectrum, rows)
                writer.finish(header, subjects=subjects)
            writing = time.process_time() - cpu
            with open_store(path) as store:
                order = np.random.default_rng(0).permutation(counts["nir"])
                cpu = time.process_time()
                for start in range(0, len(order), 64):
                    store.images("nir", order[start : start + 64])
                reading = time.process_time() - cpu
            total = sum(counts.values())
            print(
                f"{how:6s} {path.stat().st_size / total / 1000:6.1f} kB a row, written {1000 * writing / total:.3f} ms "
                f"a row, NIR images read shuffled {len(order) / reading:,.0f}/s"
            )


def reading(file: Path, seconds: float) -> None:
    """Shuffled pairs/s into torch, from one process and from two."""
    import torch
    from torch.utils.data import DataLoader

    from masksynth.store.pairs_torch import NirVisPairs, collate_pairs

    torch.set_num_threads(1)
    with open_store(file) as store:
        protocol = max(store.protocols, key=lambda name: len(store.protocol(name).nir_train))
    for in_memory in (False, True):
        pairs = NirVisPairs(file, protocol, in_memory=in_memory)
        for count in (0, 2):
            sampler = torch.utils.data.RandomSampler(pairs, replacement=True, num_samples=1_000_000)
            loader = DataLoader(pairs, 64, sampler=sampler, num_workers=count, collate_fn=collate_pairs)
            done, begun = 0, 0.0
            for batch in loader:
                if not begun:
                    begun = time.perf_counter()
                    continue
                done += len(batch.label)
                if time.perf_counter() - begun > seconds:
                    break
            where = "memory" if in_memory else "the file"
            print(f"from {where}, {count} workers: {done / (time.perf_counter() - begun):,.0f} pairs/s of {len(pairs)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["rate", "workers", "memory", "compression", "reading"])
    parser.add_argument("place", type=Path)
    parser.add_argument("--photos", type=int, default=512)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--side", type=int, default=144, help="of a crop, for memory")
    parser.add_argument("--cached", action="store_true", help="faces from a cache, for memory")
    words = parser.parse_args()
    if words.what == "reading":
        reading(words.place, words.seconds)
    elif words.what == "memory":
        memory(words.place, words.photos, words.side, words.cached)
    else:
        globals()[words.what](words.place, words.photos)


if __name__ == "__main__":
    main()
