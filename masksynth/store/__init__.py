"""Masked data sets as one HDF5 file: one schema, one writer, one reader."""

from masksynth.store.compare import unlike_datasets
from masksynth.store.readback import Stretch
from masksynth.store.reader import Store, StoredProtocol, open_store
from masksynth.store.schema import PARTS, SCHEMA, SPECTRA, Header, MaskEntry, ProtocolRows, Rows, Skipped
from masksynth.store.verify import Verification, differ_untouched, untouched_differ, verify_store
from masksynth.store.writer import StoreWriter, write_store

__all__ = [
    "PARTS",
    "SCHEMA",
    "SPECTRA",
    "Header",
    "MaskEntry",
    "ProtocolRows",
    "Rows",
    "Skipped",
    "Store",
    "StoreWriter",
    "StoredProtocol",
    "Stretch",
    "Verification",
    "differ_untouched",
    "open_store",
    "unlike_datasets",
    "untouched_differ",
    "verify_store",
    "write_store",
]
