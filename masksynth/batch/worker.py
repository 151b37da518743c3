"""A worker process: ``python -m masksynth.batch.worker MARKS``, told by JSON lines what to do.

On standard input come the set-up, then parts; on standard output goes each part done. The photos at work, to be named
if it dies, are marked in the file of descriptor MARKS. When standard input ends, its parent is gone, and the worker
ends at once.
"""

from __future__ import annotations

import importlib
import json
import os
import queue
import sys
import threading
from pathlib import Path
from typing import Any

from masksynth.batch.marks import Marks
from masksynth.batch.part import WRITING, PartForm, PhotoFunction, write_part
from masksynth.batch.plan import decode_photo
from masksynth.errors import MasksynthError


def load_function(place: str, arguments: dict[str, Any]) -> PhotoFunction:
    """The function over photos made by ``module:name`` from `arguments`."""
    module, _, name = place.partition(":")
    function: PhotoFunction = getattr(importlib.import_module(module), name)(**arguments)
    return function


def main() -> None:
    """Serve parts until standard input ends."""
    lines = _lines_of(os.fdopen(os.dup(0), "rb"))
    answers = os.dup(1)
    os.dup2(2, 1)  # whatever a native library prints must not mix with the answers
    marks = Marks(int(sys.argv[1]))

    def say(message: dict[str, Any]) -> None:
        os.write(answers, json.dumps(message).encode() + b"\n")

    try:
        setup = json.loads(lines.get())
        form = PartForm(**{**setup["form"], "masked": tuple(setup["form"]["masked"])})
        function = load_function(setup["function"], setup["arguments"])
        say({"ready": os.getpid()})
        while True:
            task = json.loads(lines.get())
            refused = {int(number): reason for number, reason in task["refused"].items()}
            rows, skipped = write_part(
                Path(task["path"]),
                task["k"],
                [decode_photo(values) for values in task["photos"]],
                function,
                form,
                refused=refused,
                threads=1 if task["careful"] else function.threads,
                at=lambda number: None if number == WRITING else marks.at(number),
                over=marks.over,
                log=lambda text: print(text, file=sys.stderr, flush=True),  # noqa: T201 - the worker's log file
            )
            say({"done": task["k"], "rows": rows, "skipped": skipped})
    except MasksynthError as error:
        say({"fault": str(error), "kind": type(error).__name__})


def _lines_of(stream: Any) -> queue.SimpleQueue[bytes]:
    """Lines of `stream` as they come; the process ends with the stream."""
    lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()

    def read() -> None:
        for line in stream:
            lines.put(line)
        os._exit(0)

    threading.Thread(target=read, daemon=True, name="masksynth-orders").start()
    return lines


if __name__ == "__main__":
    main()
