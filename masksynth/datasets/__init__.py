"""Data sets of NIR and VIS faces as people have them on disk."""

from masksynth.datasets.registry import KNOWN, DatasetOptions, open_dataset, scan_dataset
from masksynth.datasets.roots import environment_name, resolve_root
from masksynth.datasets.types import PARTS, FaceDataset, Protocol, Sample

__all__ = [
    "KNOWN",
    "PARTS",
    "DatasetOptions",
    "FaceDataset",
    "Protocol",
    "Sample",
    "environment_name",
    "open_dataset",
    "resolve_root",
    "scan_dataset",
]
