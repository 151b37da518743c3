"""TensorBoard shows what log.csv holds."""

from __future__ import annotations

import pytest
from pattern_faces import write_pattern_store

from masksynth.errors import ConfigError
from masksynth.train import board
from masksynth.train.config import HsstConfig
from masksynth.train.start import train

SMALL = HsstConfig(width=0.25, dimensions=32, batch=4, queue=8, iterations=2)


def test_missing_extra_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(board.importlib.util, "find_spec", lambda name: None)
    with (
        pytest.raises(ConfigError, match=r"pip install 'masksynth\[tensorboard\]'"),
        board.on_board(tmp_path, lambda done, record: None),
    ):
        pass


@pytest.mark.filterwarnings("ignore")  # of tensorboard's own dependencies
def test_board_holds_the_lines_of_the_log(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    store = write_pattern_store(tmp_path / "m.h5")
    done = train(store, SMALL, out=tmp_path / "run", device="cpu", tensorboard=True)
    events = EventAccumulator(str(tmp_path / "run" / "tensorboard"))
    events.Reload()
    shown = [event.value for event in events.Scalars("loss")]
    assert shown == pytest.approx([float(row["loss"]) for row in done.run.read_log()])
