from __future__ import annotations

import io
import re

import pytest

from masksynth.cli import progress as module
from masksynth.cli.progress import Progress


def test_a_log_gets_plain_lines_with_rate_and_end_time(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: clock[0])
    stream = io.StringIO()
    with Progress(stream) as progress:
        progress.begin("photos", 2000, done=500)
        for _ in range(1500):
            clock[0] += 0.1
            progress.advance(1)
    lines = stream.getvalue().splitlines()
    assert len(lines) == 5  # after 5, 15, 35 and 75 s; the last says that all is done
    assert re.fullmatch(r"\d\d:\d\d:\d\d photos: 55[01] of 2,000 \(28 %\), 10/s, done at about .*\d\d:\d\d", lines[0])
    assert re.fullmatch(r"\d\d:\d\d:\d\d photos: 2,000 of 2,000 \(100 %\), 10/s", lines[-1])
    assert "\r" not in stream.getvalue()
    assert "\x1b" not in stream.getvalue()


def test_the_first_steps_say_nothing_of_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """They come after starting up, which takes as long for a thousand as for a million."""
    clock = [100.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: clock[0])
    stream = io.StringIO()
    with Progress(stream) as progress:
        progress.begin("photos", 1000)
        for steps in (2, 498):
            clock[0] += 10
            progress.advance(steps)
    first, second, *_ = stream.getvalue().splitlines()
    assert first.endswith(" photos: 2 of 1,000 (0 %)")
    assert re.search(r"photos: 500 of 1,000 \(50 %\), 50/s, done at about", second)


def test_work_that_is_to_be_done_again_has_no_rate_below_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: clock[0])
    stream = io.StringIO()
    with Progress(stream) as progress:
        progress.begin("photos", 20)
        for steps in (5, -5):
            clock[0] += 6
            progress.advance(steps)
        assert progress.rate == 0
    assert "-" not in stream.getvalue()


def test_short_work_says_nothing_in_a_log() -> None:
    stream = io.StringIO()
    with Progress(stream) as progress:
        progress.begin("photos", 3)
        progress.advance(3)
        progress.say("a word")
    assert re.fullmatch(r"\d\d:\d\d:\d\d a word\n", stream.getvalue())


def test_a_terminal_gets_a_bar() -> None:
    stream = io.StringIO()
    with Progress(stream, bar=True) as progress:
        progress.begin("photos", 10)
        progress.advance(10)
        progress.say("[a] word")
        progress.begin("joining", 2)
        progress.advance(2)
    text = stream.getvalue()
    assert "10/10" in text
    assert "[a] word" in text
    assert "2/2" in text
