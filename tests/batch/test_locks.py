from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from masksynth.batch import locks
from masksynth.batch.locks import Heartbeat, Holder, Lock, try_lock
from masksynth.errors import OutputError


def test_a_lock_is_held_once_and_given_back(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    lock = try_lock(path)
    assert isinstance(lock, Lock)
    holder = try_lock(path)
    assert isinstance(holder, Holder)
    assert (holder.host, holder.pid) == (socket.gethostname(), os.getpid())
    lock.release()
    assert isinstance(try_lock(path), Lock)
    assert [p.name for p in tmp_path.iterdir()] == ["a.lock"]


def test_a_lock_of_a_dead_process_of_this_host_is_taken_over_at_once(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    code = f"from masksynth.batch.locks import try_lock; from pathlib import Path; try_lock(Path({str(path)!r}))"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert path.exists()
    assert isinstance(try_lock(path), Lock)


def test_a_new_process_of_the_same_number_does_not_hold_an_old_lock(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    path.write_text(
        json.dumps({"host": socket.gethostname(), "pid": os.getpid(), "started": "1", "space": locks._space()})
    )
    assert isinstance(try_lock(path), Lock)


@pytest.mark.parametrize(("silent_s", "taken"), [(0.0, False), (locks.STALE_S + 5, True)])
def test_a_lock_of_another_host_is_taken_over_when_it_gives_no_sign_of_life(
    tmp_path: Path, silent_s: float, taken: bool
) -> None:
    path = tmp_path / "a.lock"
    path.write_text(json.dumps({"host": "elsewhere", "pid": 7, "started": "1"}))
    os.utime(path, (time.time() - silent_s, time.time() - silent_s))
    result = try_lock(path)
    assert isinstance(result, Lock) == taken
    if not taken:
        assert str(result) == "process 7 on elsewhere"


def test_a_container_of_this_host_is_not_taken_for_dead(tmp_path: Path) -> None:
    """Its processes have numbers of their own, so that looking for one says nothing."""
    path = tmp_path / "a.lock"
    path.write_text(json.dumps({"host": socket.gethostname(), "pid": 1 << 30, "started": "1", "space": "pid:[1]"}))
    assert isinstance(try_lock(path), Holder)
    os.utime(path, (time.time() - locks.STALE_S - 5,) * 2)
    assert isinstance(try_lock(path), Lock)


def test_an_empty_lock_is_taken_over_after_a_while(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    path.touch()
    assert isinstance(try_lock(path), Holder)
    os.utime(path, (time.time() - 60, time.time() - 60))
    assert isinstance(try_lock(path), Lock)


def test_a_lock_that_was_taken_over_is_not_removed_by_its_first_holder(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    lock = try_lock(path)
    path.write_text(json.dumps({"host": "elsewhere", "pid": 7, "started": "1"}))
    lock.release()  # type: ignore[union-attr]
    assert path.exists()


def test_the_heartbeat_renews_and_gives_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "HEARTBEAT_S", 0.01)
    lock = try_lock(tmp_path / "a.lock")
    assert isinstance(lock, Lock)
    os.utime(lock.path, (0, 0))
    with Heartbeat() as heartbeat:
        heartbeat.keep(lock)
        deadline = time.monotonic() + 10
        while lock.path.stat().st_mtime == 0 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert lock.path.stat().st_mtime > 0
    assert not lock.path.exists()


def test_many_processes_after_one_stale_lock_get_it_once(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    path.write_text(json.dumps({"host": socket.gethostname(), "pid": 1 << 30, "started": "1", "space": locks._space()}))
    code = (
        "import time; from masksynth.batch.locks import *; from pathlib import Path\n"
        f"lock = try_lock(Path({str(path)!r})); print(type(lock).__name__, flush=True); input()"
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(6)
    ]
    got = [process.stdout.readline().strip() for process in processes]  # type: ignore[union-attr]
    for process in processes:
        process.communicate("\n")
    assert sorted(got) == ["Holder"] * 5 + ["Lock"]


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="could not be written"):
        try_lock(tmp_path / "no" / "a.lock")
