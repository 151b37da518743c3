"""Long work as people see it: a bar with a rate and an end time on a terminal, plain lines in a log."""

from __future__ import annotations

import sys
import time
from datetime import datetime, timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress

FIRST_LINE_S = 5.0  # a log gets its first line after so long,
LONGEST_GAP_S = 300.0  # and then at doubling intervals up to this


class Progress:
    """Progress of one piece of work after another.

    On a terminal a bar, its rate and the time left; otherwise lines like ``14:05:10 photos: 1,024 of 17,580 (6 %),
    312/s, done at about 14:06``, first after 5 s and then ever more rarely. Everything goes to standard error.

    Example
    -------
    >>> with Progress() as progress:
    ...     progress.begin("photos", 1000)
    ...     for _ in range(1000):
    ...         progress.advance(1)
    """

    def __init__(self, stream: TextIO | None = None, *, bar: bool | None = None) -> None:
        self._stream = stream or sys.stderr
        self._bar = self._stream.isatty() if bar is None else bar
        self._rich: RichProgress | None = None
        self._task: Any = None
        self._what, self._total, self._done, self._earlier = "", 0, 0, 0
        self._begun = self._next_line = time.monotonic()
        self._first: tuple[float, int] | None = None  # when the first step was done, and how many were done then
        self._gap = FIRST_LINE_S

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end(finished=error is None)

    def begin(self, what: str, total: int, done: int = 0) -> None:
        """Start the next piece of work: `total` steps; `done` of them were done before and count for no rate."""
        self._end()
        self._what, self._total, self._done, self._earlier = what, total, done, done
        self._begun = time.monotonic()
        self._first = None
        self._gap = FIRST_LINE_S
        self._next_line = self._begun + self._gap
        if self._bar:
            self._rich = _bar_on(self._stream)
            self._rich.start()
            self._task = self._rich.add_task(what, total=total, completed=done, rate="")

    def advance(self, steps: int = 1) -> None:
        """So many steps more are done; negative where some have to be done again."""
        if self._first is None:
            self._first = (time.monotonic(), self._done + steps)
        self._done += steps
        if self._rich is not None:
            self._rich.update(self._task, completed=self._done, rate=self._rate_text())
        elif self._what and time.monotonic() >= self._next_line:
            self._gap = min(2 * self._gap, LONGEST_GAP_S)
            self._next_line = time.monotonic() + self._gap
            self._print(self._line())

    def say(self, text: str) -> None:
        """A line of its own."""
        if self._rich is not None:
            self._rich.console.print(text, markup=False, highlight=False)
        else:
            self._print(text)

    @property
    def rate(self) -> float:
        """Steps a second since the first one was done, since starting up says nothing of the rest."""
        begun, done = self._first or (self._begun, self._earlier)
        if self._done == done:
            begun, done = self._begun, self._earlier
        return max(0.0, self._done - done) / max(time.monotonic() - begun, 1e-9)  # some may be to be done again

    def _end(self, finished: bool = True) -> None:
        if self._rich is not None:
            self._rich.stop()
            self._rich = None
        elif self._what and finished and self._gap > FIRST_LINE_S:
            self._print(self._line())  # work that was worth a line gets a last one
        self._what = ""

    def _line(self) -> str:
        share = f" ({100 * self._done / self._total:.0f} %)" if self._total else ""
        text = f"{self._what}: {self._done:,} of {self._total:,}{share}"
        left = self._total - self._done
        if left > 0 and self._first is not None and self._done == self._first[1]:
            return text  # the first are done, and took as long as starting up
        text += f", {self._rate_text()}"
        if left > 0 and self.rate > 0:
            end = datetime.now() + timedelta(seconds=left / self.rate)
            today = end.date() == datetime.now().date()
            text += f", done at about {end:%H:%M}" if today else f", done at about {end:%d %b %H:%M}"
        return text

    def _rate_text(self) -> str:
        rate = self.rate
        return f"{rate:.0f}/s" if rate >= 10 else f"{rate:.1f}/s"

    def _print(self, text: str) -> None:
        print(f"{datetime.now():%H:%M:%S} {text}", file=self._stream, flush=True)


def _bar_on(stream: TextIO) -> RichProgress:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        console=Console(file=stream),
    )
