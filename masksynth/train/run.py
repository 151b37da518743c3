"""The folder of a training run: what it was asked to do, its log, what it saved. No torch here.

```text
RUN/config.json         settings, data, where the weights started, versions; finished or not
RUN/log.csv, log.jsonl  one line per logged iteration
RUN/checkpoint.pt       everything needed to go on
RUN/probe.safetensors   the trained network
RUN/best.safetensors    the network that was best on the identities held out, where any were
RUN/evaluation.json     written by masksynth evaluate
```
"""

from __future__ import annotations

import csv
import io
import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from masksynth.errors import ConfigError, OutputError, TrainingError
from masksynth.files import write_bytes

FILES = ("checkpoint.pt", "log.csv", "log.jsonl", "probe.safetensors", "best.safetensors", "config.json")
RUNS = Path("runs")  # where runs are put that are given no folder, below the working folder


class RunFolder:
    """One run on disk.

    `writes` is False in all but the first of several processes that train together: they read what is there.
    """

    def __init__(self, path: Path, *, writes: bool = True) -> None:
        self.path = Path(path)
        self.writes = writes

    @property
    def config_path(self) -> Path:
        return self.path / "config.json"

    @property
    def log_path(self) -> Path:
        return self.path / "log.csv"

    @property
    def json_log_path(self) -> Path:
        return self.path / "log.jsonl"

    @property
    def checkpoint_path(self) -> Path:
        return self.path / "checkpoint.pt"

    @property
    def network_path(self) -> Path:
        return self.path / "probe.safetensors"

    @property
    def best_path(self) -> Path:
        return self.path / "best.safetensors"

    def read_config(self) -> dict[str, Any] | None:
        """config.json, or None where there is none. Raises ConfigError where it is damaged."""
        try:
            values = json.loads(self.config_path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise ConfigError(f"{self.config_path}: cannot be read ({error}).") from error
        if not isinstance(values, dict):
            raise ConfigError(f"{self.config_path}: is not the configuration of a run.")
        return values

    def write_config(self, values: Mapping[str, Any]) -> None:
        """Write config.json, and make the folder where it is not there: what cannot be trained leaves none behind."""
        if not self.writes:
            return
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{self.path}: cannot be made ready ({error.strerror or error}).") from error
        write_bytes(self.config_path, (json.dumps(values, indent=2, ensure_ascii=False) + "\n").encode())

    def begin(self, work: str, *, force: bool) -> bool:
        """Clear the way for the work named by a digest; True where such work is there to go on with.

        Raises
        ------
        ConfigError
            If the folder holds other work, or anything that is no run, and `force` is not set.
        OutputError
            If what is to be replaced cannot be removed.
        """
        if force and not self.writes:
            return False  # another process clears the way
        there = self.read_config()
        if there is None and self.path.exists() and (not self.path.is_dir() or any(self.path.iterdir())) and not force:
            raise ConfigError(f"{self.path}: is there already and is no training run. Give another folder.")
        if there is not None and there.get("work") != work and not force:
            raise ConfigError(
                f"{self.path}: holds a run with other settings, data or start. Give another folder with -o, or --force "
                "to replace it."
            )
        try:
            if force:
                for name in FILES:
                    (self.path / name).unlink(missing_ok=True)
        except OSError as error:
            raise OutputError(f"{self.path}: cannot be made ready ({error.strerror or error}).") from error
        return there is not None and not force

    def keep_log_until(self, iteration: int) -> None:
        """Drop the lines of iterations from `iteration` on: they are about to be done again."""
        if not self.writes:
            return
        kept = [row for row in self.read_log() if int(row["iteration"]) <= iteration]
        if self.log_path.is_file():  # also a line that a killed run cut short goes
            text = io.StringIO()
            if kept:
                writer = csv.DictWriter(text, list(kept[0]))
                writer.writeheader()
                writer.writerows(kept)
            write_bytes(self.log_path, text.getvalue().encode())
            lines = [_json_line({k: float(v) for k, v in row.items()}) for row in kept]
            write_bytes(self.json_log_path, "".join(lines).encode())

    def log(self, record: Mapping[str, float]) -> None:
        """Append one line to log.csv, whose first one also names the columns, and one to log.jsonl."""
        if not self.writes:
            return
        new = not self.log_path.is_file() or not self.log_path.stat().st_size
        try:
            with open(self.log_path, "a", newline="", encoding="utf-8") as file:
                writer = csv.DictWriter(file, list(record))
                if new:
                    writer.writeheader()
                writer.writerow({k: f"{v:.7g}" for k, v in record.items()})
            with open(self.json_log_path, "a", encoding="utf-8") as file:
                file.write(_json_line(record))
        except OSError as error:
            raise OutputError(f"{self.log_path}: could not be written ({error.strerror or error}).") from error

    def read_log(self) -> list[dict[str, str]]:
        """The log's lines; a last line that a killed run cut short is left out."""
        if not self.log_path.is_file():
            return []
        text = self.log_path.read_text(encoding="utf-8")
        lines = list(csv.DictReader(io.StringIO(text[: text.rfind("\n") + 1])))
        return [row for row in lines if None not in row.values()]


def _json_line(record: Mapping[str, float]) -> str:
    """One JSON object: seven digits as in log.csv, null for what is not a number, whole numbers whole."""
    rounded = {k: float(f"{v:.7g}") for k, v in record.items()}
    plain = {k: None if not math.isfinite(v) else int(v) if v == int(v) else v for k, v in rounded.items()}
    return json.dumps(plain) + "\n"


def default_folder(data: Path, digest: str) -> Path:
    """runs/<stem of the data file>-<digest of settings>."""
    return RUNS / f"{Path(data).stem}-{digest}"


def newest_run(data: Path, plan_sha256: str, root: Path = RUNS) -> RunFolder:
    """The run on this data that last saved a network.

    A run is of this data if its plan is the same, or, where the file names none, its path.

    Raises
    ------
    TrainingError
        If there is none.
    """
    found: list[tuple[float, RunFolder]] = []
    for config in sorted(root.glob("*/config.json")):
        run = RunFolder(config.parent)
        try:
            values = run.read_config() or {}
        except ConfigError:
            continue
        about = values.get("data", {})
        same = about.get("plan_sha256") == plan_sha256 if plan_sha256 else about.get("path") == os.path.abspath(data)
        if same and run.network_path.is_file():
            found.append((run.network_path.stat().st_mtime, run))
    if not found:
        raise TrainingError(
            f"{data}: no training run on this file below {root}{os.sep}. Train with: masksynth train-hsst {data}, or "
            "name a network with --weights."
        )
    return max(found, key=lambda pair: pair[0])[1]
