"""The crops of a masked data set as plain PNG files, for programs that want files."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

import numpy as np

from masksynth.arrays import Spectrum
from masksynth.errors import ConfigError, OutputError
from masksynth.files import write_bytes
from masksynth.photos import write_photo
from masksynth.store.readback import unfollowed
from masksynth.store.reader import Store, open_store
from masksynth.store.schema import SPECTRA

BLOCK = 256  # rows read together
COLUMNS = ("file", "spectrum", "subject", "source", "template", "protocols")


def export_pngs(
    path: Path | str, folder: Path, *, force: bool = False, progress: Callable[[int], None] = unfollowed
) -> int:
    """Write every crop of the masked data set `path` below `folder`; how many there are.

    A photo ``s1/NIR/00001/001.bmp`` becomes ``s1/NIR/00001/001.png``, one that wears a mask
    ``s1/NIR/00001/001.surgical-blue.png``. Beside them ``rows.csv`` says of each file its spectrum, subject, source,
    template and the protocol parts that it belongs to, as ``fold01/nir_train``, with spaces between.

    Raises
    ------
    ConfigError
        If `folder` is there already, holds anything, and may not be written into.
    StoreError
        If `path` is not a masked data set.
    OutputError
        If a file cannot be written, or two rows would become one file.
    """
    if folder.exists() and not force and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(f"{folder}: is there already. Give another name, or --force to write into it.")
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(COLUMNS)
    written: set[str] = set()
    with open_store(path) as store:
        member = _memberships(store)
        for spectrum in SPECTRA:
            for row, image in _images(store, spectrum):
                source = str(store.column(spectrum, "source", [row])[0])
                mask = int(store.column(spectrum, "mask", [row])[0])
                template = store.templates[mask].template if mask >= 0 else ""
                name = _file_name(source, template)
                if name in written:
                    raise OutputError(f"{folder / name}: two rows of {path} would become this file.")
                written.add(name)
                target = folder / name
                try:
                    target.parent.mkdir(parents=True, exist_ok=True)
                except OSError as error:
                    raise OutputError(f"{target.parent}: could not be made ({error.strerror or error}).") from error
                write_photo(target, image)
                subject = store.subjects[int(store.labels(spectrum, [row])[0])]
                parts = " ".join(member[spectrum].get(row, ()))
                writer.writerow([name, spectrum, subject, source, template, parts])
                progress(1)
    write_bytes(folder / "rows.csv", table.getvalue().encode())
    return len(written)


def _images(store: Store, spectrum: Spectrum) -> Iterator[tuple[int, np.ndarray]]:
    for start in range(0, store.count(spectrum), BLOCK):
        block = store.images(spectrum, slice(start, start + BLOCK))
        yield from enumerate(block, start)


def _memberships(store: Store) -> dict[Spectrum, dict[int, list[str]]]:
    found: dict[Spectrum, dict[int, list[str]]] = {spectrum: {} for spectrum in SPECTRA}
    for name in store.protocols:
        protocol = store.protocol(name)
        for part in ("nir_train", "nir_probe", "vis_train", "vis_gallery"):
            spectrum: Spectrum = "nir" if part.startswith("nir") else "vis"
            for row in getattr(protocol, part).tolist():
                found[spectrum].setdefault(row, []).append(f"{name}/{part}")
    return found


def _file_name(source: str, template: str) -> str:
    """Relative and below the folder, whatever `source` says."""
    parts = [part for part in PurePosixPath(source.replace("\\", "/")).parts if part not in ("/", "..", ".")]
    path = PurePosixPath(*parts) if parts else PurePosixPath("photo")
    return str(path.with_name(f"{path.stem}{'.' + template if template else ''}.png"))
