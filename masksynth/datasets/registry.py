"""The data sets by name, and the one function that opens any of them."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Literal

from masksynth.arrays import Spectrum
from masksynth.datasets.roots import resolve_root
from masksynth.datasets.splits import Gallery
from masksynth.datasets.types import FaceDataset, check_dataset, structural_faults
from masksynth.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class DatasetOptions:
    """What a user may say about a data set besides its place."""

    variant: Literal["raw", "cropped"] = "raw"  # CASIA and Oulu ship their photos twice: whole, and cropped
    split: Path | None = None  # the user's own split, a file or a folder of lists; see splits.py
    seed: int = 0  # of the split that stands in where none is given
    train: int | None = None  # identities that train in the seeded split; the data set's own custom where not given
    gallery: Gallery | None = None  # which VIS photos of a tested person; the data set's own custom where not given
    spectrum: Spectrum | None = None  # of a folder without folders nir and vis
    light: Literal["strong", "weak", "dark", "all"] = "strong"  # Oulu; "strong" is its normal indoor light
    frames: int = 8  # Oulu: of each sequence; 0 means all
    frame_choice: Literal["even", "first", "last"] = "even"  # Oulu: which ones
    persons: tuple[int, int] = (10, 30)  # Oulu: drawn of P001-P050 and of P051-P080 where no list says which
    pairs: int = 9  # BUAA: pairs of photos of each person; 0 means all

    def __post_init__(self) -> None:
        for name in ("frames", "pairs", "seed"):
            if getattr(self, name) < 0:
                raise ConfigError(f"{name} must not be negative, got {getattr(self, name)}")
        if self.train is not None and self.train < 1:
            raise ConfigError(f"train must be at least 1, got {self.train}")
        if min(self.persons) < 0 or not any(self.persons):
            raise ConfigError(f"persons must be two numbers, not negative and not both 0; got {self.persons}")
        for name, known in _CHOICES.items():
            if getattr(self, name) not in known:
                raise ConfigError(f"{name} must be one of {', '.join(map(str, known))}; got {getattr(self, name)!r}")
        if self.split is not None and not self.split.exists():
            raise ConfigError(f"{self.split}: there is no such split file.")


_CHOICES = {
    "variant": ("raw", "cropped"),
    "gallery": (None, "first", "all"),
    "spectrum": (None, "nir", "vis"),
    "light": ("strong", "weak", "dark", "all"),
    "frame_choice": ("even", "first", "last"),
}


@dataclass(frozen=True)
class Known:
    """A data set that can be opened: its title, what it holds, what must be on disk, and whom to ask for it."""

    name: str
    title: str
    contents: str
    needs: str
    licence: str
    module: str  # has scan(root, options) -> FaceDataset


KNOWN = {
    known.name: known
    for known in (
        Known(
            "casia",
            "CASIA NIR-VIS 2.0",
            "725 identities, 17,580 photos; View 1 and the ten folds of View 2",
            "the folders s1 to s4 and the 44 list files in protocols, as in NIR-VIS-2.0",
            "a release agreement with the Institute of Automation, Chinese Academy of Sciences (CASIA): "
            "http://www.cbsr.ia.ac.cn/english/NIR-VIS-2.0-Database.html",
            "masksynth.datasets.casia",
        ),
        Known(
            "oulu",
            "Oulu-CASIA NIR&VIS",
            "80 identities in three lights and six expressions; no published split",
            "OriginalImg (or PreProcess_Img) with NI and VL; your own lists to compare with others, by --split",
            "a licence agreement with the Center for Machine Vision and Signal Analysis, University of Oulu: "
            "http://www.cse.oulu.fi/CMV/Downloads/Oulu-CASIA",
            "masksynth.datasets.oulu",
        ),
        Known(
            "buaa",
            "BUAA-VisNir",
            "150 identities, 5,952 photos; no published split",
            "folders 1 to 150 with 1.bmp to 40.bmp, or sorted into NIR and VIS; your own lists, by --split",
            "a request to the authors of the technical report, IRIP laboratory, Beihang University: "
            "https://irip.buaa.edu.cn",
            "masksynth.datasets.buaa",
        ),
        Known(
            "ms1m",
            "MS1M-v1c (MS-Celeb-1M, cleaned)",
            "86,876 identities, 3,923,399 VIS photos to pretrain on; as RecordIO, list or folders",
            "train.rec, or a list of lines 'path label' and its photos, or folders named by identity",
            "once at http://trillionpairs.deepglint.com, withdrawn; what copies exist are under unsettled terms",
            "masksynth.datasets.ms1m",
        ),
        Known(
            "folder",
            "your own photos in folders nir/<id>/ and vis/<id>/, or of one spectrum in <id>/",
            "a seeded split, or yours",
            "one folder for each identity",
            "yours",
            "masksynth.datasets.folder",
        ),
        Known(
            "manifest",
            "your own table of photos, a CSV file",
            "what the table says",
            "columns path, subject and spectrum; split, points, box if you like",
            "yours",
            "masksynth.datasets.manifest",
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
    with _without_collection():
        dataset = scan(resolve_root(name, root), options or DatasetOptions())
        faults = structural_faults(dataset)
    return replace(dataset, faults=(*dataset.faults, *faults)) if faults else dataset


@contextmanager
def _without_collection() -> Iterator[None]:
    """Pause the search for cycles, of which a scan makes none: over a million samples it takes a third of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
