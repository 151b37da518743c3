from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import h5py
import pytest
from batch_cases import plan_of

from masksynth.batch import Summary, assemble_plan, run_plan, run_share
from masksynth.batch.folder import parts_folder, prepare_folder
from masksynth.batch.locks import try_lock
from masksynth.errors import BatchError, ConfigError, OutputError
from masksynth.store import PARTS, open_store, unlike_datasets, verify_store

NAMES = [f"{i:02d}" for i in range(4)]
Run = Callable[..., Summary]


def test_a_run_gives_every_row_of_the_plan(tmp_path: Path, run: Run) -> None:
    plan = plan_of(tmp_path / "data", NAMES)
    out = tmp_path / "masked.h5"
    summary = run(plan, out, workers=1, command="masksynth apply …")
    assert verify_store(out).problems == ()
    assert list(tmp_path.glob("masked.h5*")) == [out]
    assert summary.done_here == len(plan.photos)
    with open_store(out) as store:
        assert (store.count("nir"), store.count("vis")) == (plan.rows("nir"), plan.rows("vis")) == (32, 16)
        assert store.attrs["plan_sha256"] == plan.sha256
        assert store.attrs["command"] == "masksynth apply …"
        expected = [(p.number, plan.subjects[p.subject], p.path, s.mask) for p in plan.photos for s in p.slots]
        found = []
        places = {"nir": 0, "vis": 0}
        for photo in plan.photos:
            for _ in photo.slots:
                row = [places[photo.spectrum]]
                places[photo.spectrum] += 1
                number, subject, source, mask = (
                    store.column(photo.spectrum, name, row)[0] for name in ("image_id", "subject", "source", "mask")
                )
                found.append((number, store.subjects[subject], source, mask))
        assert found == expected
        masks = store.column("nir", "mask")
        for name in store.protocols:
            protocol = store.protocol(name)
            for part, use in (("nir_train", "train"), ("nir_probe", "probe")):
                rows = getattr(protocol, part)
                assert len(rows) == 8
                assert {store.templates[m].params["use"] for m in masks[rows]} == {use}
                wanted = next(p for p in plan.protocols if p.name == name).parts[part]
                assert store.column("nir", "image_id", rows).tolist() == list(wanted)


def test_workers_change_no_byte(tmp_path: Path, run: Run) -> None:
    plan = plan_of(tmp_path / "data", [*NAMES, "noface", "kills"])
    for workers in (1, 3):
        run(plan, tmp_path / f"{workers}.h5", workers=workers, max_skipped=1.0)
    assert not unlike_datasets(tmp_path / "1.h5", tmp_path / "3.h5")


def _command(plan_root: Path, out: Path, pause: float) -> list[str]:
    """A run in a process of its own, that can be killed."""
    code = f"""
import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})
from pathlib import Path
from batch_cases import *
from masksynth.batch import run_plan
plan = plan_of(Path({str(plan_root)!r}), {NAMES!r})
arguments = {{"root": str(plan.root), "side": SIDE, "pause": {pause}}}
run_plan(plan, Path({str(out)!r}), workers=2, function="batch_photos:SmallWalk", arguments=arguments)
"""
    return [sys.executable, "-c", code]


@pytest.mark.parametrize("target", ["parent", "worker"])
def test_killed_and_resumed_equals_unbroken(tmp_path: Path, run: Run, target: str) -> None:
    plan = plan_of(tmp_path / "data", NAMES)
    run(plan, tmp_path / "unbroken.h5", workers=2)
    out = tmp_path / "masked.h5"
    process = subprocess.Popen(_command(tmp_path / "data", out, 0.05))
    deadline = time.monotonic() + 300
    while not list(parts_folder(out).glob("0*.h5")) and time.monotonic() < deadline:
        time.sleep(0.01)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    workers = [int(pid) for pid in children.read_text().split()]
    os.kill(process.pid if target == "parent" else workers[0], signal.SIGKILL)
    process.wait(timeout=300)
    if target == "parent":
        assert not out.exists()
        deadline = time.monotonic() + 60
        while any(_runs(pid) for pid in workers) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not any(_runs(pid) for pid in workers)  # they notice that their parent is gone
        done = len(list(parts_folder(out).glob("0*.h5")))
        summary = run(plan, out, workers=2)
        assert done > 0
        assert summary.done_here <= len(plan.photos) - 5 * done + 5
    assert not unlike_datasets(out, tmp_path / "unbroken.h5")
    assert not parts_folder(out).exists()


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_skipped_and_absent_photos_are_accounted_for(tmp_path: Path, run: Run) -> None:
    plan = plan_of(tmp_path / "data", [*NAMES, "noface", "bug", "gone"], absent=("gone",))
    out = tmp_path / "masked.h5"
    summary = run(plan, out, workers=2, max_skipped=1.0)
    assert summary.content is not None
    assert summary.content.complete
    assert summary.content.absent == 8
    assert dict(summary.reasons()) == {
        "no face found": 8,
        "unforeseen error": 8,
        "listed, but there is no file of that name": 8,
    }
    each = {"no face found": 2, "unforeseen error": 2, "listed, but there is no file of that name": 2}
    assert summary.content.missing["fold01"] == dict.fromkeys(PARTS, each)
    with open_store(out) as store:
        assert len(store.skipped) == 24
        protocol = store.protocol("fold01")
        assert protocol.expected["nir_probe"] == 14
        assert len(protocol.nir_probe) == 8
        assert {item.subject for item in protocol.missing["nir_probe"]} == {"p2", "p3"}
        reasons = {item.source: item.reason for item in store.skipped}
        assert reasons["nir/p0/bug.png"] == "unforeseen error (IndexError('list index out of range'))"
        assert reasons["nir/p0/noface.png"].startswith("no face found (best score")
        assert str(tmp_path) not in "".join(reasons.values())
    assert verify_store(out).problems == ()


def test_too_many_skipped_marks_the_file_incomplete_and_a_second_run_tries_again(tmp_path: Path, run: Run) -> None:
    plan = plan_of(tmp_path / "data", [*NAMES, "noface"])
    out = tmp_path / "masked.h5"
    summary = run(plan, out, workers=1)
    assert summary.content is not None
    assert not summary.content.complete
    with open_store(out) as store:
        assert not store.complete
    again = run(plan, out, workers=1, max_skipped=0.5)
    assert again.done_here == len(plan.photos)
    with open_store(out) as store:
        assert store.complete


def test_a_photo_that_kills_its_worker_twice_is_skipped(tmp_path: Path, run: Run) -> None:
    plan = plan_of(tmp_path / "data", [*NAMES, "kills"])
    summary = run(plan, tmp_path / "m.h5", workers=2, max_skipped=1.0)
    assert summary.content is not None
    assert [item.source for item in summary.content.skipped] == ["nir/p0/kills.png"]
    assert summary.content.skipped[0].reason == (
        "the process died at this photo 2 times (SIGKILL, out of memory perhaps)"
    )


def test_a_photo_that_kills_its_worker_once_is_not_skipped(tmp_path: Path, run: Run) -> None:
    plan = plan_of(tmp_path / "data", [*NAMES, "first"])
    summary = run(plan, tmp_path / "m.h5", workers=2)
    assert summary.content is not None
    assert summary.content.skipped == ()


def test_the_same_work_again_is_no_work(tmp_path: Path, run: Run) -> None:
    plan = plan_of(tmp_path / "data", NAMES)
    out = tmp_path / "m.h5"
    run(plan, out, workers=1)
    before = out.stat().st_mtime_ns
    assert run(plan, out, workers=1).content is None
    assert out.stat().st_mtime_ns == before


def test_another_plan_is_refused_and_force_replaces(tmp_path: Path, run: Run) -> None:
    plan = plan_of(tmp_path / "data", NAMES)
    other = plan_of(tmp_path / "data", NAMES, seed=5)
    out = tmp_path / "m.h5"
    run(plan, out, workers=1)
    data = out.read_bytes()
    with pytest.raises(ConfigError, match=r"holds another plan \(small, 48 rows\).*--force"):
        run(other, out, workers=1)
    assert out.read_bytes() == data
    run(other, out, workers=1, force=True)
    with open_store(out) as store:
        assert store.attrs["plan_sha256"] == other.sha256
    out.write_text("a diary")
    with pytest.raises(ConfigError, match="is no masked data set"):
        run(plan, out, workers=1)
    assert out.read_text() == "a diary"


def test_parts_of_another_plan_are_refused(tmp_path: Path, run: Run) -> None:
    plan = plan_of(tmp_path / "data", NAMES)
    out = tmp_path / "m.h5"
    folder = parts_folder(out)
    folder.mkdir()
    (folder / "plan.json").write_text(json.dumps({"plan_sha256": "0" * 64}))
    with pytest.raises(ConfigError, match="holds parts of another plan"):
        run(plan, out, workers=1)
    run(plan, out, workers=1, force=True)
    assert verify_store(out).problems == ()


def test_a_second_run_on_the_same_output_is_refused_by_name(tmp_path: Path, run: Run) -> None:
    plan = plan_of(tmp_path / "data", NAMES)
    out = tmp_path / "m.h5"
    parts_folder(out).mkdir()
    lock = try_lock(parts_folder(out) / "run.lock")
    with pytest.raises(BatchError, match=f"process {os.getpid()} on .* is already at work on it"):
        run(plan, out, workers=1)
    lock.release()  # type: ignore[union-attr]
    run(plan, out, workers=1)


def test_force_does_not_throw_away_what_another_run_is_at_work_on(tmp_path: Path, run: Run) -> None:
    plan, other = plan_of(tmp_path / "data", NAMES), plan_of(tmp_path / "data", NAMES, seed=5)
    out = tmp_path / "m.h5"
    folder = prepare_folder(plan, out, force=False)
    lock = try_lock(folder / "00001.lock")
    with pytest.raises(BatchError, match=rf"process {os.getpid()} on .* is already at work on it"):
        run(other, out, workers=1, force=True)
    lock.release()  # type: ignore[union-attr]
    run(other, out, workers=1, force=True)


def test_a_damaged_part_is_made_again(tmp_path: Path, run: Run) -> None:
    plan = plan_of(tmp_path / "data", NAMES)
    run(plan, tmp_path / "whole.h5", workers=1)
    out = tmp_path / "m.h5"
    process = subprocess.Popen(_command(tmp_path / "data", out, 0.05))
    deadline = time.monotonic() + 300
    while len(list(parts_folder(out).glob("0*.h5"))) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    process.kill()
    process.wait()
    damaged, cut, veiled = sorted(parts_folder(out).glob("0*.h5"))[:3]
    for path, name in ((damaged, "nir/image"), (veiled, "nir/alpha")):
        with h5py.File(path, "r+") as file:
            file[name][0] = 255 - file[name][0]
    cut.write_bytes(cut.read_bytes()[:3000])
    run(plan, out, workers=1)
    assert not unlike_datasets(out, tmp_path / "whole.h5")


def test_an_output_fault_in_a_worker_ends_the_run_with_its_words(tmp_path: Path, run: Run) -> None:
    plan = plan_of(tmp_path / "data", [*NAMES, "full"])
    with pytest.raises(OutputError, match="the disk is full"):
        run(plan, tmp_path / "m.h5", workers=2)
    assert not (tmp_path / "m.h5").exists()


def test_workers_that_do_not_start_end_the_run(tmp_path: Path, run: Run) -> None:
    plan = plan_of(tmp_path / "data", NAMES)
    with pytest.raises(BatchError, match=r"end, but not at a photo \(exit code 1\).*No module named 'nowhere'"):
        run_plan(plan, tmp_path / "m.h5", workers=1, function="nowhere:f", arguments={})


def test_an_output_that_cannot_be_written_is_one_sentence(tmp_path: Path, run: Run) -> None:
    plan = plan_of(tmp_path / "data", NAMES)
    with pytest.raises(OutputError, match="does not exist"):
        run(plan, tmp_path / "no" / "m.h5", workers=1)
    with pytest.raises(ConfigError, match="is a folder"):
        run(plan, tmp_path / "data", workers=1)


def test_tasks_of_a_job_array_and_assembly_give_the_same_bytes(tmp_path: Path, run: Run, small_walk: str) -> None:
    plan = plan_of(tmp_path / "data", [*NAMES, "noface"])
    run(plan, tmp_path / "whole.h5", workers=2, max_skipped=1.0)
    out = tmp_path / "m.h5"
    options = {"function": small_walk, "arguments": {"root": str(plan.root), "side": 32}, "workers": 1}
    first = run_share(plan, out, share=(1, 3), **options)  # type: ignore[arg-type]
    assert (first.mine, first.done_here, first.parts) == (3, 3, 8)
    with pytest.raises(BatchError, match=r"5 of 8 parts missing: 1, 2, 4, 5, 7"):
        assemble_plan(plan, out, max_skipped=1.0)
    assert run_share(plan, out, share=(1, 3), **options).done_here == 0  # type: ignore[arg-type]
    for task in (3, 2):
        run_share(plan, out, share=(task, 3), **options)  # type: ignore[arg-type]
    assert not out.exists()
    assemble_plan(plan, out, max_skipped=1.0)
    assert not unlike_datasets(out, tmp_path / "whole.h5")
    assert not parts_folder(out).exists()
    with pytest.raises(ConfigError, match="got 4/3"):
        run_share(plan, out, share=(4, 3), **options)  # type: ignore[arg-type]


@pytest.mark.slow
def test_a_run_shares_its_parts_with_tasks_at_work(tmp_path: Path, run: Run, small_walk: str) -> None:
    """Started together, each part is done once, and the run joins what the task made."""
    plan = plan_of(tmp_path / "data", NAMES)
    out = tmp_path / "m.h5"
    code = f"""
import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})
from pathlib import Path
from batch_cases import *
from masksynth.batch import run_share
plan = plan_of(Path({str(plan.root)!r}), {NAMES!r})
arguments = {{"root": str(plan.root), "side": SIDE, "pause": 0.1}}
run_share(plan, Path({str(out)!r}), share=(1, 2), workers=1, function={small_walk!r}, arguments=arguments)
"""
    task = subprocess.Popen([sys.executable, "-c", code])
    deadline = time.monotonic() + 300
    while not list(parts_folder(out).glob("*.lock")) and time.monotonic() < deadline:
        time.sleep(0.01)
    summary = run(plan, out, workers=1)
    assert task.wait(timeout=300) == 0
    assert summary.content is not None
    assert verify_store(out).problems == ()


def test_a_part_damaged_before_assembly_is_named_and_removed(tmp_path: Path, small_walk: str) -> None:
    plan = plan_of(tmp_path / "data", NAMES)
    out = tmp_path / "m.h5"
    options = {"function": small_walk, "arguments": {"root": str(plan.root), "side": 32}, "workers": 1}
    run_share(plan, out, share=(1, 1), **options)  # type: ignore[arg-type]
    part = parts_folder(out) / "00002.h5"
    part.write_bytes(part.read_bytes()[:5000])
    with pytest.raises(BatchError, match=r"00002\.h5: is damaged .* It was removed; start the tasks"):
        assemble_plan(plan, out)
    assert not part.exists()
    assert not out.exists()
