"""What a worker marks is what its parent reads, also after the worker has died."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from masksynth.batch.marks import Marks


@pytest.fixture
def marks():
    shared = Marks.shared()
    yield shared
    shared.close()


def test_nothing_is_at_work_at_first(marks):
    assert marks.read().done == 0
    assert marks.read().at_work == {}


def test_a_photo_is_at_work_until_it_is_over_and_counts_once(marks):
    marks.at(7)
    marks.at(9)
    assert set(marks.read().at_work) == {7, 9}
    marks.over(7, False)
    assert set(marks.read().at_work) == {9}
    assert marks.read().done == 0
    marks.over(9, True)
    marks.at(7)
    marks.over(7, True)
    assert marks.read().at_work == {}
    assert marks.read().done == 2


def test_the_same_photo_has_another_turn_when_it_begins_again(marks):
    marks.at(3)
    first = marks.read().at_work[3]
    marks.over(3, False)
    marks.at(3)
    assert marks.read().at_work[3] != first


def test_threads_mark_beside_one_another(marks):
    def work(photo: int) -> bool:
        marks.at(photo)
        seen = photo in marks.read().at_work
        marks.over(photo, True)
        return seen

    with ThreadPoolExecutor(6) as threads:
        assert all(threads.map(work, range(500)))
    assert marks.read().done == 500
    assert marks.read().at_work == {}


def test_a_killed_process_leaves_its_marks(marks):
    code = (
        "import os, signal, sys\n"
        "from masksynth.batch.marks import Marks\n"
        "marks = Marks(int(sys.argv[1]))\n"
        "marks.at(1); marks.over(1, True); marks.at(2)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    descriptor = marks.descriptor
    ended = subprocess.run([sys.executable, "-c", code, str(descriptor)], pass_fds=[descriptor], check=False)
    assert ended.returncode == -signal.SIGKILL
    assert marks.read().done == 1
    assert list(marks.read().at_work) == [2]
    os.fstat(descriptor)
