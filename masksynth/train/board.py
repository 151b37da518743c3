"""The log of a run as TensorBoard shows it; needs the extra "tensorboard"."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from masksynth.errors import ConfigError

OnStep = Callable[[int, dict[str, float]], None]


@contextmanager
def on_board(folder: Path, on_step: OnStep) -> Iterator[OnStep]:
    """`on_step`, which also writes every logged line to event files in `folder`.

    Raises
    ------
    ConfigError
        If tensorboard is not installed.
    """
    if importlib.util.find_spec("tensorboard") is None:
        raise ConfigError("--tensorboard needs tensorboard: pip install 'masksynth[tensorboard]'.")
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(folder)) as writer:

        def step(done: int, record: dict[str, float]) -> None:
            if record.get("iteration") == done:
                for name, value in record.items():
                    if name != "iteration" and math.isfinite(value):
                        writer.add_scalar(name, value, done)
            on_step(done, record)

        yield step
