"""How fast data sets are scanned and checked, and in how much memory.

    python benchmarks/scanning.py [--photos N] [--layout NAME ...] [--folder DIR]

writes a tree of empty files of each layout to a temporary folder in DIR, scans and checks it in a fresh process, and
prints photos a second, by the clock and by processor time, seconds of the check, the memory that the scanned data set
holds, and how much of it are the paths and ids. With DIR in memory (/dev/shm) no disk takes part.
"""

from __future__ import annotations

import argparse
import importlib
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from masksynth.datasets.recordio import framed, pack

EXPRESSIONS = ("Anger", "Disgust", "Fear", "Happiness", "Sadness", "Surprise")


def main(photos: int, layouts: list[str], folder: Path) -> None:
    for name, dataset, write in LAYOUTS:
        if name not in layouts:
            continue
        root = folder / name
        start = time.perf_counter()
        write(root, photos)
        made = time.perf_counter() - start
        line = subprocess.run(
            [sys.executable, __file__, "--scan", dataset, str(root)], check=True, capture_output=True, text=True
        ).stdout.strip()
        print(f"{name:9s} {line}  (written in {made:.0f} s)", flush=True)
        shutil.rmtree(root)


def scan(dataset: str, root: Path) -> None:
    from masksynth.datasets import KNOWN, DatasetOptions, open_dataset
    from masksynth.datasets.checking import check

    importlib.import_module(KNOWN[dataset].module)  # no part of what is measured
    before = held()
    start, worked = time.perf_counter(), time.process_time()
    found = open_dataset(dataset, root, DatasetOptions(pairs=0, frames=0))
    scanned, worked = time.perf_counter() - start, time.process_time() - worked
    used = held() - before
    start = time.process_time()
    check(found)
    checked = time.process_time() - start
    count = len(found.samples)
    paths = {id(text): sys.getsizeof(text) for sample in found.samples for text in (sample.path, sample.id)}
    print(
        f"{count:9,} photos in {scanned:6.2f} s = {count / scanned:9,.0f}/s, "
        f"{count / worked:9,.0f}/s of processor time, check {checked:5.2f} s, "
        f"{used / 1e6:5.0f} MB = {used / count:,.0f} bytes a photo, "
        f"{sum(paths.values()) / count:.0f} of them path and id"
    )


def held() -> int:
    """Bytes of memory of this process, mapped files left out."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("RssAnon:")[1].split()[0]) * 1024


def casia(root: Path, photos: int) -> None:
    """Persons of 8 VIS and 16 NIR photos; every fold lists all of them."""
    persons = max(2, photos // 24)
    lines: dict[str, list[tuple[int, str]]] = {"NIR": [], "VIS": []}
    for person in range(persons):
        for kind, count, suffix in (("NIR", 16, "bmp"), ("VIS", 8, "jpg")):
            period = f"s{1 + person % 4}"
            names = [f"{number:03d}.{suffix}" for number in range(1, count + 1)]
            touch(root / period / kind / f"{person:05d}", names)
            lines[kind] += [(person, f"{period}\\{kind}\\{person:05d}\\{name}") for name in names]
    (root / "protocols").mkdir()
    for view in ("dev", *range(1, 11)):
        train = set(
            np.random.default_rng(0 if view == "dev" else int(view)).permutation(persons)[: persons // 2].tolist()
        )
        first = [line for person, line in lines["VIS"] if person not in train and line.endswith("\\001.jpg")]
        for part, rows in (
            ("nir_train", [line for person, line in lines["NIR"] if person in train]),
            ("vis_train", [line for person, line in lines["VIS"] if person in train]),
            ("nir_probe", [line for person, line in lines["NIR"] if person not in train]),
            ("vis_gallery", first),
        ):
            (root / f"protocols/{part}_{view}.txt").write_text("".join(f"{line}\r\n" for line in rows), newline="")


def oulu(root: Path, photos: int) -> None:
    frames = max(1, photos // (2 * 80 * 6))
    for kind in ("NI", "VL"):
        for person in range(1, 81):
            for expression in EXPRESSIONS:
                touch(root / kind / "Strong" / f"P{person:03d}" / expression, (f"{n:03d}.jpeg" for n in range(frames)))


def buaa(root: Path, photos: int) -> None:
    for kind in ("NIR", "VIS"):
        for person in range(1, photos // 18 + 1):
            touch(root / kind / str(person), (f"{number}.jpg" for number in range(1, 10)))


def ms1m_list(root: Path, photos: int) -> None:
    root.mkdir()
    with (root / "train_list.txt").open("w") as lines:
        for person in range(photos // 45):
            names = [f"{number}-FaceId-0_align.jpg" for number in range(45)]
            touch(root / f"m.{person:06d}_f", names)
            lines.writelines(f"m.{person:06d}_f/{name} {person}\n" for name in names)


def ms1m_rec(root: Path, photos: int) -> None:
    """Records of 6 kB, as 112 x 112 JPEGs are."""
    root.mkdir()
    payload = b"\xff\xd8\xff\xe0" + bytes(6000)
    with (root / "train.rec").open("wb") as file:
        for key in range(photos):
            file.write(framed(pack((float(key // 45), 1.0), key + 1, payload)) if key < 1 else quick(key, payload))


def quick(key: int, payload: bytes) -> bytes:
    """As `framed`, for bytes that are known not to hold the magic."""
    data = pack((float(key // 45), 1.0), key + 1, payload)
    return b"\x0a\x23\xd7\xce" + len(data).to_bytes(4, "little") + data + bytes(-len(data) % 4)


def folder(root: Path, photos: int) -> None:
    for kind in ("nir", "vis"):
        for person in range(photos // 40):
            touch(root / kind / f"person{person:06d}", (f"{number:04d}.png" for number in range(20)))


def touch(place: Path, names: Iterable[str]) -> None:
    place.mkdir(parents=True)
    for name in names:
        (place / name).touch()


LAYOUTS: tuple[tuple[str, str, Callable[[Path, int], None]], ...] = (
    ("casia", "casia", casia),
    ("oulu", "oulu", oulu),
    ("buaa", "buaa", buaa),
    ("ms1m-list", "ms1m", ms1m_list),
    ("ms1m-rec", "ms1m", ms1m_rec),
    ("folder", "folder", folder),
)

if __name__ == "__main__":
    if sys.argv[1:2] == ["--scan"]:
        scan(sys.argv[2], Path(sys.argv[3]))
    else:
        known = [name for name, _, _ in LAYOUTS]
        parser = argparse.ArgumentParser()
        parser.add_argument("--photos", type=int, default=20_000)
        parser.add_argument("--layout", nargs="+", default=known, choices=known)
        parser.add_argument("--folder", type=Path)
        given = parser.parse_args()
        with tempfile.TemporaryDirectory(dir=given.folder) as temporary:
            main(given.photos, given.layout, Path(temporary))
