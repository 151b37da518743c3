"""The data sets by name, and the one function that opens any of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Literal

from masksynth.datasets.roots import resolve_root
from masksynth.datasets.types import FaceDataset, check_dataset
from masksynth.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class DatasetOptions:
    """What a user may say about a data set besides its place."""

    variant: Literal["raw", "128x128"] = "raw"  # CASIA ships its photos twice: whole, and cropped to 128 x 128


@dataclass(frozen=True)
class Known:
    """A data set that can be opened: its title, what it holds, and whom to ask for it."""

    name: str
    title: str
    contents: str
    licence: str
    module: str  # has scan(root, options) -> FaceDataset


KNOWN = {
    known.name: known
    for known in (
        Known(
            "casia",
            "CASIA NIR-VIS 2.0",
            "725 identities, 17,580 photos; View 1 and the ten folds of View 2",
            "a release agreement with the Institute of Automation, Chinese Academy of Sciences (CASIA)",
            "masksynth.datasets.casia",
        ),
    )
}


def open_dataset(name: str, root: Path | str | None = None, options: DatasetOptions | None = None) -> FaceDataset:
    """Scan the data set `name` and return its samples and protocols.

    Parameters
    ----------
    name : str
        One of KNOWN.
    root : path, optional
        The folder of the data set, or any folder above it; `resolve_root` says where it is looked for when not given.

    Raises
    ------
    ConfigError
        If there is no data set of that name or nothing says where it is.
    DatasetError
        If what is there is not this data set, or its protocol files contradict it.
    """
    return check_dataset(scan_dataset(name, root, options))


def scan_dataset(name: str, root: Path | str | None = None, options: DatasetOptions | None = None) -> FaceDataset:
    """As `open_dataset`, but a data set with faults is returned with them, for a report."""
    if name not in KNOWN:
        raise ConfigError(f"There is no data set '{name}'. Known are: {', '.join(KNOWN)}.")
    scan: Callable[[Path, DatasetOptions], FaceDataset] = import_module(KNOWN[name].module).scan
    return scan(resolve_root(name, root), options or DatasetOptions())
