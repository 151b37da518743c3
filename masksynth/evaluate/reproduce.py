"""The paper's tables, row by row: train each row on CASIA's first fold, test it, set the figures beside the paper's.

A row is a run of its own in the folder of the reproduction, so that rows can be done one at a time, by several
machines, and again after an interruption; the table is made of whatever rows are there.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, get_args

from masksynth.errors import ConfigError, StoreError
from masksynth.evaluate.network import as_json, evaluate_network
from masksynth.evaluate.plots import Curve
from masksynth.files import write_bytes
from masksynth.store import open_store
from masksynth.train import processes
from masksynth.train.config import Backbone, HsstConfig, IdrConfig, PlainConfig, TrainConfig, WcnnConfig
from masksynth.train.start import choose_device, train

DATA = ("casia", "oulu", "buaa")
TABLES = ("1", "2", "fig4")
TRAINED_ON = "fold01"


@dataclass(frozen=True)
class Row:
    """One row of a table."""

    name: str
    config: TrainConfig
    paper: Mapping[str, float] = field(default_factory=dict)  # "casia masked rank1" → share, where known

    @property
    def folder(self) -> str:
        """Its folder's name in the reproduction."""
        return self.name.lower().replace(" ", "-").replace("(", "").replace(")", "").replace(",", "")


def rows_of(table: str, settings: Mapping[str, Any]) -> tuple[Row, ...]:
    """The rows of table "1" (MobileFaceNet, softmax, masks or none in training) or "2" (IR-50, ten methods).

    "fig4" has the rows of table 2: the same networks, whose ROC curves are drawn.

    `settings` replace those of the paper in every row that has them: a trial on a small machine.
    """

    def config(kind: type[TrainConfig], **own: Any) -> TrainConfig:
        known = {f.name for f in dataclasses.fields(kind)}
        return kind(**{**own, **{k: v for k, v in settings.items() if k in known}})

    if table == "1":
        own: dict[str, Any] = {"backbone": "mobilefacenet", "protocol": TRAINED_ON}
        return (
            Row("Softmax, trained without masks", config(PlainConfig, nir="clean", **own)),
            Row(
                "Softmax, trained with masks",
                config(PlainConfig, **own),
                {"casia masked rank1": 0.8390, "casia masked vr@0.001": 0.7723},
            ),
            Row("HSST, trained without masks", config(HsstConfig, nir="clean", **own)),
            Row(
                "HSST, trained with masks",
                config(HsstConfig, **own),
                {"casia masked rank1": 0.9360, "casia masked vr@0.001": 0.9025},
            ),
        )
    if table in ("2", "fig4"):
        own = {"backbone": "ir50", "protocol": TRAINED_ON}
        named = [
            ("Softmax", config(PlainConfig, **own), 0.9381),
            ("AM-softmax", config(PlainConfig, loss="am", **own), 0.9500),
            ("Arc-softmax", config(PlainConfig, loss="arc", **own), 0.9463),
            ("Triplet", config(PlainConfig, loss="triplet", **own), 0.9740),
            ("IDR", config(IdrConfig, **own), 0.9557),
            ("W-CNN", config(WcnnConfig, **own), 0.9672),
            ("HSST (softmax)", config(HsstConfig, **own), 0.9792),
            ("HSST (AM-softmax)", config(HsstConfig, loss="am", **own), 0.9853),
            ("HSST (Arc-softmax)", config(HsstConfig, loss="arc", **own), 0.9824),
            ("HSST (triplet)", config(HsstConfig, loss="triplet", **own), 0.9860),
        ]
        return tuple(Row(name, c, {"casia masked rank1": figure}) for name, c, figure in named)
    raise ConfigError(f"there is no table {table!r}; there are {', '.join(TABLES)}.")


def folder_of(table: str) -> str:
    """The folder that keeps a table's rows; the figure's are those of table 2."""
    return "table1" if table == "1" else "table2"


def part_of(rows: Sequence[Row], part: tuple[int, int]) -> list[Row]:
    """The rows that task K of N does: those at K - 1, K - 1 + N, ..."""
    k, n = part
    if not 1 <= k <= n:
        raise ConfigError(f"--row is K/N with K from 1 to N, got {k}/{n}.")
    return list(rows[k - 1 :: n])


def reproduce(
    rows: Sequence[Row],
    data: Mapping[str, Path],
    folder: Path,
    *,
    init: Mapping[str, Path],
    device: str = "auto",
    force: bool = False,
    say: Callable[[str], None] = lambda text: None,
    on_step: Callable[[str, int, int], None] = lambda row, done, total: None,
    stop: Callable[[], bool] = lambda: False,
) -> None:
    """Train and test rows; what is finished is left alone, and so are figures of the same files.

    Parameters
    ----------
    data : "casia", "oulu", "buaa" → masked data set
        CASIA is needed, the others are tested on where given.
    init : backbone → weights to start from
    force : bool
        Train rows anew that are there with other settings, or finished.
    say : callable
        Receives what the user should know.
    on_step : callable
        Called with the row's name, iterations done and in all.
    stop : callable
        Asked after every iteration; where it answers True the row's state is saved and KeyboardInterrupt raised.

    Raises
    ------
    ConfigError
        If there is no CASIA file, or `init` names no backbone of the tables.
    StoreError
        If a row trains without masks and the file lacks the clean crops.
    """
    if "casia" not in data:
        raise ConfigError("every row trains on CASIA NIR-VIS 2.0: give its masked data set with --casia.")
    for name in init:
        if name not in get_args(Backbone):
            raise ConfigError(f"--init {name}=…: the tables' backbones are {' and '.join(get_args(Backbone))}.")
    if any(row.config.nir == "clean" for row in rows):
        with open_store(data["casia"]) as store:
            if "clean" not in store.kinds("nir"):
                raise StoreError(
                    f"{data['casia']}: lacks the crops without masks, which rows trained without masks need. Make it "
                    "anew with them."
                )
        for name in data:
            with open_store(data[name]) as store:
                if "clean" not in store.kinds("nir"):
                    say(f"{data[name]}: lacks the crops without masks, so {name}'s unmasked columns stay empty")
    with processes.joined(choose_device(device)) as chosen:
        _do(rows, data, folder, init=init, device=str(chosen), force=force, say=say, on_step=on_step, stop=stop)


def _do(
    rows: Sequence[Row],
    data: Mapping[str, Path],
    folder: Path,
    *,
    init: Mapping[str, Path],
    device: str,
    force: bool,
    say: Callable[[str], None],
    on_step: Callable[[str, int, int], None],
    stop: Callable[[], bool],
) -> None:
    contents = contents_of(data)
    for row in rows:
        start = init.get(row.config.backbone)
        if start is None:
            say(f"{row.name}: no --init {row.config.backbone}=WEIGHTS, so this row is from scratch")
        done = train(
            data["casia"],
            row.config,
            out=folder / row.folder,
            init=start,
            device=device,
            force=force,
            stop=stop,
            say=lambda text, name=row.name: say(f"{name}: {text}"),  # type: ignore[misc]
            on_step=lambda k, record, r=row: on_step(r.name, k, r.config.iterations),  # type: ignore[misc]
        )
        for name, path in data.items():
            result = done.run.path / f"evaluation-{name}.json"
            if processes.rank() or (done.already_done and _result(result, contents[name])):
                continue
            protocols = (TRAINED_ON,) if name == "casia" else ("all",)
            evaluation = evaluate_network(path, weights=done.run.path, protocols=protocols, device=device)
            write_bytes(result, (json.dumps(as_json(evaluation), indent=1) + "\n").encode())
        processes.wait_for_all()


def contents_of(data: Mapping[str, Path]) -> dict[str, str]:
    """Data set → what tells the content of its file from another's."""
    contents = {}
    for name, path in data.items():
        with open_store(path) as store:
            contents[name] = str(store.attrs.get("content_sha256", "")) or os.path.abspath(path)
    return contents


def markdown(
    table: str,
    rows: Sequence[Row],
    folder: Path,
    data: Sequence[str] = DATA,
    contents: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """The table, from the rows that are done: rank-1 and VR@FAR = 0.1 % of masked probes, the paper's in brackets.

    Figures of a file whose content is not that in `contents`, where it names the data set, are left out.
    """
    columns = [(name, probes) for name in data for probes in (("unmasked", "masked") if table == "1" else ("masked",))]
    names = [f"{name} {probes} {figure}" for name, probes in columns for figure in ("rank-1", "VR@FAR=0.1 %")]
    lines = ["| row | start | " + " | ".join(names) + " |", "| --- " * (len(names) + 2) + "|"]
    for row in rows:
        cells, start = [], "–"
        for name, probes in columns:
            result = _result(folder / row.folder / f"evaluation-{name}.json", contents.get(name, ""))
            if result:
                start = result["network"]["origin"]
            for figure in ("rank1", "vr@0.001"):
                value, paper = _figure(result, probes, figure), row.paper.get(f"{name} {probes} {figure}")
                text = "–" if value is None else f"{100 * value:.2f}"
                cells.append(text + (f" ({100 * paper:.2f})" if paper is not None else ""))
        lines.append(f"| {row.name} | {start} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def curves(
    rows: Sequence[Row], folder: Path, data: Sequence[str] = DATA, contents: Mapping[str, str] = MappingProxyType({})
) -> dict[str, dict[str, Curve]]:
    """Data set → row → the ROC curve of its masked probes, on the first protocol; of the rows that are done.

    `contents` as in `markdown`.
    """
    out: dict[str, dict[str, Curve]] = {name: {} for name in data}
    for name in data:
        for row in rows:
            result = _result(folder / row.folder / f"evaluation-{name}.json", contents.get(name, ""))
            protocols = result.get("protocols", {})
            first: dict[str, Any] = next(iter(protocols.values()), {})
            if "masked" in first:
                out[name][row.name] = first["masked"]["roc"]
    return out


def _result(path: Path, content: str) -> dict[str, Any]:
    """The figures in `path`; {} where there are none, or they are of a file of another content than `content`."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(values, dict) or (content and content != (values.get("content_sha256") or values.get("data"))):
        return {}
    return values


def _figure(result: dict[str, Any], probes: str, figure: str) -> float | None:
    """A figure of the first protocol, or its mean over them where there are several."""
    values = []
    for protocol in result.get("protocols", {}).values():
        if probes not in protocol:
            return None
        if figure == "rank1":
            values.append(protocol[probes]["rank1"]["rate"])
        else:
            values += [p["vr"] for p in protocol[probes]["verification"] if f"vr@{p['far']:g}" == figure]
    if not values or None in values:
        return None
    return float(sum(values) / len(values))
