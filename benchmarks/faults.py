"""Whether a run over a data set survives what happens to machines and files.

    python benchmarks/faults.py kills ROOT [--count 50]      # SIGKILL of a worker, the parent or all, at random moments
    python benchmarks/faults.py damage ROOT [--count 1000]   # damaged photo files

ROOT is a data set in the layout of CASIA NIR-VIS 2.0, for example one of masksynth demo-dataset. Both type the command
line that a user types, with Face Mesh, and print one line with the figures; the exit code is 1 where a byte or a row
was lost.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import io
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image

from masksynth.batch.assemble import kind_of_reason
from masksynth.store import open_store, unlike_datasets, verify_store

TEMPLATES = "surgical-blue,n95-cup,cloth-striped,kn95-white"
LONGEST_S = 3.0  # from the start of a run, or since a part was taken, to the next kill
FORMATS = {".jpg": "JPEG", ".png": "PNG", ".bmp": "BMP", ".tif": "TIFF", ".webp": "WEBP"}


def apply(*words: str) -> list[str]:
    return [sys.executable, "-m", "masksynth", "apply", "--templates", TEMPLATES, "--workers", "2", *words]


def kills(root: Path, count: int, part_size: int) -> bool:
    """One run that is killed `count` times against one that is not."""
    chance = random.Random(0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        words = apply("--dataset", "casia", "--root", str(root), "--part-size", str(part_size), "--max-skipped", "100")
        subprocess.run([*words, "--out", str(folder / "whole.h5")], check=True)
        typed = [*words, "--out", str(folder / "killed.h5")]
        done: Counter[str] = Counter()
        lost_parts, seen = 0, set[str]()
        process, begun = subprocess.Popen(typed, stderr=subprocess.DEVNULL), time.time()
        while sum(done.values()) < count:
            target = chance.choice(["worker", "parent", "all"])
            at_work = target == "worker" or chance.random() < 0.7  # most of the time, while workers are at photos
            while at_work and process.poll() is None and not locked_since(begun, folder / "killed.h5.parts"):
                time.sleep(0.05)
            time.sleep(chance.uniform(0.0, LONGEST_S))
            if process.poll() is not None:
                break
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
            workers = [int(pid) for pid in children]
            for pid in {"worker": workers[:1], "parent": [process.pid], "all": [*workers, process.pid]}[target]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            done[target] += 1
            if target != "worker":
                process.wait()
                parts = {path.name for path in (folder / "killed.h5.parts").glob("[0-9]*.h5")}
                lost_parts += len(seen - parts)
                seen = parts
                process, begun = subprocess.Popen(typed, stderr=subprocess.DEVNULL), time.time()
        code = process.wait()
        unlike = unlike_datasets(folder / "whole.h5", folder / "killed.h5")
        datasets = verify_store(folder / "whole.h5").datasets
        for name in unlike:
            print(f"unlike: {name}")
    total = sum(done.values())
    targets = ", ".join(f"{number} of {target}" for target, number in sorted(done.items()))
    print(
        f"{total} kills ({targets}): exit code {code}, {datasets - len(unlike)} of {datasets} datasets equal to "
        f"the unbroken run's, {lost_parts} finished parts lost"
    )
    if total < count:
        print(f"the run was over after {total} kills: give a larger data set or smaller parts")
    return code == 0 and not unlike and not lost_parts and total == count


def locked_since(moment: float, parts: Path) -> bool:
    """Whether a part has been taken since; locks that a killed run left are older."""
    for lock in parts.glob("[0-9]*.lock"):
        with contextlib.suppress(FileNotFoundError):
            if lock.stat().st_mtime >= moment:
                return True
    return False


def damage(root: Path, count: int) -> bool:
    """`count` damaged files in one run: each has its row or its reason, and no worker dies."""
    rng = np.random.default_rng(0)
    photos = sorted(path for path in root.rglob("*") if path.suffix in (".jpg", ".bmp") and path.is_file())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        kinds: Counter[str] = Counter()
        rows = []
        for number in range(count):
            how, data, suffix = damaged(photos[int(rng.integers(len(photos)))], number, rng)
            kinds[how] += 1
            path = f"{number:04d}{suffix}"
            (folder / path).write_bytes(data)
            rows.append((path, f"p{number % 7}", "nir", "train"))
        table = io.StringIO()
        csv.writer(table).writerows([("path", "subject", "spectrum", "split"), *rows])
        (folder / "manifest.csv").write_text(table.getvalue())
        out = folder / "out.h5"
        words = apply("--dataset", "manifest", "--root", str(folder / "manifest.csv"), "--max-skipped", "100")
        ended = subprocess.run([*words, "--out", str(out)], stderr=subprocess.PIPE, text=True, check=False)
        print(ended.stderr[-3000:], file=sys.stderr)
        with open_store(out) as store:
            sources = [*store.column("nir", "source"), *(item.source for item in store.skipped)]
            reasons = Counter(kind_of_reason(item.reason) for item in store.skipped)
        problems = verify_store(out).problems
    lost = count - len(set(sources)) + len(sources) - len(set(sources))
    deaths = ended.stderr.count("a worker process ended")
    unforeseen = sum(number for reason, number in reasons.items() if reason.startswith("unforeseen"))
    for reason, number in reasons.most_common():
        print(f"    {number:4d} {reason}")
    print(
        f"{count} damaged files ({', '.join(f'{number} {how}' for how, number in sorted(kinds.items()))}): "
        f"{count - reasons.total()} rows, {reasons.total()} skipped with a reason, {lost} lost, {deaths} workers died, "
        f"{unforeseen} errors unforeseen, exit code {ended.returncode}, verify finds {len(problems)} problems"
    )
    return not (lost or deaths or unforeseen or problems or ended.returncode)


def damaged(photo: Path, number: int, rng: np.random.Generator) -> tuple[str, bytes, str]:
    """A damaged file made of `photo`: what was done, its bytes and its suffix."""
    suffix = list(FORMATS)[number % len(FORMATS)]
    how = ("bits", "cut", "header", "bomb")[number // len(FORMATS) % 4]
    if how == "bomb":
        return how, bomb(suffix, rng), suffix
    buffer = io.BytesIO()
    with Image.open(photo) as image:
        image.save(buffer, FORMATS[suffix])
    data = bytearray(buffer.getvalue())
    if how == "bits":
        for place in rng.integers(0, len(data), int(rng.integers(1, 40))):
            data[place] ^= 1 << int(rng.integers(8))
    elif how == "cut":
        data = data[: int(rng.integers(0, len(data)))]
    else:  # any value in its first bytes, or huge sizes where the format keeps them
        sizes = {".jpg": data.find(b"\xff\xc0") + 5, ".png": 16, ".bmp": 18, ".tif": 10, ".webp": 24}[suffix]
        start = sizes if rng.random() < 0.5 else int(rng.integers(2, 60))
        data[start : start + 4] = b"\x7f\xff\x7f\xff" if rng.random() < 0.3 else rng.bytes(4)
    return how, bytes(data), suffix


def bomb(suffix: str, rng: np.random.Generator) -> bytes:
    """A small, sound file of a huge picture of one colour: up to 120 megapixels, and now and then 900."""
    Image.MAX_IMAGE_PIXELS = None
    side = int(rng.integers(2000, 11_000 if rng.random() < 0.1 else 4000))
    if suffix == ".webp":
        side = min(side, 4000)  # encoding it takes longest
    if suffix == ".png" and rng.random() < 0.2:
        side = 30_000
    buffer = io.BytesIO()
    options = {".tif": {"compression": "tiff_deflate"}, ".jpg": {"quality": 10}}.get(suffix, {})
    if suffix == ".bmp":
        side = min(side, 3000)  # holds its pixels as they are
    Image.new("L", (side, side), int(rng.integers(256))).save(buffer, FORMATS[suffix], **options)
    return buffer.getvalue()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["kills", "damage"])
    parser.add_argument("root", type=Path)
    parser.add_argument("--count", type=int)
    parser.add_argument("--part-size", type=int, default=4, help="photos of a part, for kills")
    words = parser.parse_args()
    if words.what == "kills":
        good = kills(words.root, words.count or 50, words.part_size)
    else:
        good = damage(words.root, words.count or 1000)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
