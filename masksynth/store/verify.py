"""Whether a file holds what it says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from masksynth.align import BORDER, TEMPLATES
from masksynth.arrays import Spectrum
from masksynth.errors import StoreError
from masksynth.store.reader import Store, open_store
from masksynth.store.schema import PARTS, SPECTRA, ContentHash

BLOCK = 256  # rows looked at together


@dataclass(frozen=True)
class Verification:
    """What was looked at and what is wrong; the file is sound where `problems` is empty."""

    path: Path
    rows: Mapping[Spectrum, int]  # spectrum → rows
    masked: Mapping[Spectrum, int]  # spectrum → rows that wear a mask
    datasets: int  # whose hashes were compared
    problems: tuple[str, ...]  # one sentence each


def verify_store(path: Path | str, *, progress: Callable[[int], None] = lambda _: None) -> Verification:
    """Check schema, counts, hashes, and that masked and clean crops differ in touched pixels only.

    Parameters
    ----------
    progress : called with a number of rows
        After each block of rows.

    Raises
    ------
    StoreError
        If the file cannot be opened as one of the schema at all; everything else is listed in `problems`.
    """
    problems: list[str] = []
    with open_store(path) as store:
        _check_tables(store, problems)
        hashes: dict[str, str] = {}
        for spectrum in SPECTRA:
            hashes |= _check_rows(store, spectrum, problems, progress)
        compared = _check_hashes(store, problems, hashes)
        rows = {spectrum: store.count(spectrum) for spectrum in SPECTRA}
        masked = {spectrum: int((store.column(spectrum, "mask") >= 0).sum()) for spectrum in SPECTRA}
    return Verification(Path(path), rows, masked, compared, tuple(problems))


def _check_tables(store: Store, problems: list[str]) -> None:
    if not store.complete:
        problems.append("it is marked incomplete: more photos were skipped than the run allowed")
    for name, known in (("crop", TEMPLATES), ("border", (BORDER,))):
        if store.attrs.get(name) not in known:
            stated = store.attrs.get(name, "nothing")
            problems.append(f"its attribute '{name}' says {stated}, but {' or '.join(known)} is wanted")
    if store.attrs["config"].get("crop", store.attrs.get("crop")) != store.attrs.get("crop"):
        problems.append("its attribute 'crop' is not what its settings say")
    for name in store.protocols:
        try:
            protocol = store.protocol(name)
        except (KeyError, IndexError, StoreError) as error:
            problems.append(f"protocol {name} cannot be read ({error})")
            continue
        for part in PARTS:
            spectrum: Spectrum = "nir" if part.startswith("nir") else "vis"
            rows = getattr(protocol, part)
            if len(rows) and not 0 <= rows.min() <= rows.max() < store.count(spectrum):
                problems.append(f"protocol {name}: {part} names rows outside the file")
                continue
            stated = store.file[f"protocol/{name}/{part}"].attrs.get("missing", "nothing")
            photos = len(np.unique(store.column(spectrum, "image_id", rows)))
            if stated != protocol.missing_count(part):
                problems.append(
                    f"protocol {name}: {part} states {stated} missing, lists {protocol.missing_count(part)}"
                )
            if photos + protocol.missing_count(part) != protocol.expected[part]:
                problems.append(
                    f"protocol {name}: {part} has {photos} photos and {protocol.missing_count(part)} missing, "
                    f"but {protocol.expected[part]} are expected"
                )
            if part in ("nir_probe", "vis_gallery") and len(rows) != photos:
                problems.append(f"protocol {name}: {part} has a photo more than once")


def _check_rows(
    store: Store, spectrum: Spectrum, problems: list[str], progress: Callable[[int], None]
) -> dict[str, str]:
    """Look at columns and images; the hashes of the images, which are read once for both."""
    for name, limit in (("subject", len(store.subjects)), ("mask", len(store.templates))):
        values = store.column(spectrum, name)
        lowest = -1 if name == "mask" else 0
        if len(values) and not lowest <= values.min() <= values.max() < limit:
            problems.append(f"{spectrum}: column '{name}' points outside its table")
    contents = {kind: ContentHash() for kind in store.kinds(spectrum)}
    untouched_differ = 0
    for start in range(0, store.count(spectrum), BLOCK):
        rows = slice(start, min(start + BLOCK, store.count(spectrum)))
        try:
            images = {kind: store.images(spectrum, rows, kind) for kind in contents}
        except StoreError as error:
            problems.append(str(error))
            return {}
        for kind, content in contents.items():
            content.update(images[kind])
        if "touched" in images and "clean" in images:
            differs = images["image"] != images["clean"]
            if differs.ndim == 4:
                differs = differs.any(-1)
            untouched = images["touched"] == 0
            untouched_differ += int(((differs | (images["alpha"] > 0)) & untouched).any((1, 2)).sum())
        progress(rows.stop - rows.start)
    if untouched_differ:
        problems.append(f"{spectrum}: {untouched_differ} masked crops differ from the clean ones in untouched pixels")
    return {f"{spectrum}/{kind}": content.hexdigest() for kind, content in contents.items()}


def _check_hashes(store: Store, problems: list[str], known: Mapping[str, str]) -> int:
    """Compare the hash of every dataset with what it says; `known` are those computed already."""
    names: list[str] = []
    store.file.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
    for name in names:
        dataset = store.file[name]
        stated = dataset.attrs.get("sha256")
        if stated is None:
            problems.append(f"'{name}' carries no hash")
            continue
        if name in known:
            if known[name] != str(stated):
                problems.append(f"'{name}' has other values than were written (its hash differs)")
            continue
        content = ContentHash()
        try:
            for start in range(0, len(dataset), BLOCK):
                block = np.s_[start : start + BLOCK]
                content.update(dataset.asstr()[block] if dataset.dtype == object else dataset[block])
        except (OSError, UnicodeDecodeError) as error:
            problems.append(f"'{name}' cannot be read ({str(error).splitlines()[0]})")
            continue
        if content.hexdigest() != str(stated):
            problems.append(f"'{name}' has other values than were written (its hash differs)")
    return len(names)
