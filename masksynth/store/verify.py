"""Whether a file holds what it says."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import numpy.typing as npt

from masksynth.align import BORDER, TEMPLATES
from masksynth.arrays import Spectrum
from masksynth.errors import StoreError, counted
from masksynth.store.content import content_sha256
from masksynth.store.readback import Stretch, unfollowed, wrong_stretches
from masksynth.store.reader import Store, first_line, open_store
from masksynth.store.schema import PARTS, SPECTRA, ContentHash

BLOCK = 32  # images looked at together: what one check has read, the next finds in the processor's cache
VALUES = 4096  # of a table looked at together

Images = npt.NDArray[np.uint8] | None


@dataclass(frozen=True)
class Verification:
    """What was looked at and what is wrong; the file is sound where `problems` is empty."""

    path: Path
    rows: Mapping[Spectrum, int]  # spectrum → rows
    masked: Mapping[Spectrum, int]  # spectrum → rows that wear a mask
    datasets: int  # whose hashes were compared
    problems: tuple[str, ...]  # one sentence each
    wrong_stretches: tuple[tuple[str, int], ...] = ()  # dataset and end of each stretch whose values are others


def verify_store(
    path: Path | str,
    *,
    stretches: Mapping[str, Sequence[Stretch]] | None = None,
    progress: Callable[[int], None] = unfollowed,
) -> Verification:
    """Check schema, counts, hashes, and that masked and clean crops differ in touched pixels only.

    Parameters
    ----------
    stretches : name of an image dataset → stretches, optional
        For whoever has just written the file from pieces, and has looked at the rows of each (`differ_untouched`): what
        is stored is compared with what was handed over, and neither unpacked, hashed nor looked at once more.
    progress : called with a number of rows
        After each block of rows.

    Raises
    ------
    StoreError
        If the file cannot be opened as one of the schema at all; everything else is listed in `problems`.
    """
    problems: list[str] = []
    wrong: list[tuple[str, int]] = []
    rows, masked, compared = dict.fromkeys(SPECTRA, 0), dict.fromkeys(SPECTRA, 0), 0
    with open_store(path) as store:
        try:
            for spectrum in SPECTRA:
                rows[spectrum] = store.count(spectrum)
                masked[spectrum] = int((store.column(spectrum, "mask") >= 0).sum())
            _check_tables(store, problems)
            looked_at: set[str] = set()
            for spectrum in SPECTRA:
                looked_at |= _check_rows(store, spectrum, problems, stretches or {}, wrong, progress)
            compared = _check_hashes(store, problems, looked_at)
            if not problems and store.file.attrs.get("content_sha256") != content_sha256(store.file):
                problems.append("its settings, or the names of what it holds, are not those that were written")
        except StoreError as error:
            problems.append(str(error).removeprefix(f"{path}: ").removesuffix("."))
        except (OSError, RuntimeError, LookupError, TypeError, ValueError) as error:  # of HDF5, where links are damaged
            problems.append(f"it is damaged ({first_line(error)})")
    return Verification(Path(path), rows, masked, compared, tuple(problems), tuple(wrong))


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
                    f"protocol {name}: {part} has {counted(photos, 'photo')} and {protocol.missing_count(part)}"
                    f" missing, "
                    f"but {protocol.expected[part]} are expected"
                )
            if part in ("nir_probe", "vis_gallery") and len(rows) != photos:
                problems.append(f"protocol {name}: {part} has a photo more than once")


def _check_rows(
    store: Store,
    spectrum: Spectrum,
    problems: list[str],
    stretches: Mapping[str, Sequence[Stretch]],
    wrong: list[tuple[str, int]],
    progress: Callable[[int], None],
) -> set[str]:
    """Look at columns and images, which are read once; the names of the datasets whose values have been compared."""
    for name, limit in (("subject", len(store.subjects)), ("mask", len(store.templates))):
        values = store.column(spectrum, name)
        lowest = -1 if name == "mask" else 0
        if len(values) and not lowest <= values.min() <= values.max() < limit:
            problems.append(f"{spectrum}: column '{name}' points outside its table")
    kinds = {kind: f"{spectrum}/{kind}" for kind in store.kinds(spectrum)}
    hashes = {kind: ContentHash() for kind, name in kinds.items() if name not in stretches}
    others, unlike, count = list[str](), 0, store.count(spectrum)
    try:
        for kind, name in kinds.items():
            if name in stretches:
                silent = kind != "image" or hashes
                ends = wrong_stretches(
                    store.path, store.file[name], stretches[name], unfollowed if silent else progress
                )
                wrong += [(name, end) for end in ends]
                others += [name] * bool(ends)
        for start in range(0, count if hashes else 0, BLOCK):
            rows = slice(start, min(start + BLOCK, count))
            images = {kind: store.images(spectrum, rows, kind) for kind in hashes}
            for kind, content in hashes.items():
                content.update(images[kind])
            unlike += differ_untouched(**{kind: images.get(kind) for kind in kinds})
            progress(rows.stop - rows.start)
    except StoreError as error:
        problems.append(str(error).removeprefix(f"{store.path}: ").removesuffix("."))
        return set(kinds.values())
    if unlike:
        problems.append(untouched_differ(spectrum, unlike))
    for kind, content in hashes.items():
        stated = store.file[kinds[kind]].attrs.get("sha256", "")
        if stated and content.hexdigest() != str(stated):
            others.append(kinds[kind])
    problems += map(_other_values, others)
    return set(kinds.values())


def differ_untouched(image: Images, clean: Images = None, alpha: Images = None, touched: Images = None) -> int:
    """How many of some rows, (n, side, side[, 3]) of each kind, differ from the clean crop, or are masked, in untouched
    pixels; 0 where one of the kinds is missing."""
    if image is None or clean is None or alpha is None or touched is None:
        return 0
    differs = image != clean
    if differs.ndim == 4:  # ten times as fast as any(-1)
        differs = differs[..., 0] | differs[..., 1] | differs[..., 2]
    wrong = (differs | (alpha > 0)) > (touched > 0)
    return int(wrong.any((1, 2)).sum()) if wrong.any() else 0


def untouched_differ(spectrum: Spectrum, count: int) -> str:
    """The sentence about so many crops."""
    return f"{spectrum}: untouched pixels differ from the clean crop in {counted(count, 'masked crop')}"


def _other_values(name: str) -> str:
    return f"'{name}' has other values than were written (its hash differs)"


def _check_hashes(store: Store, problems: list[str], looked_at: set[str]) -> int:
    """Compare the hash of every dataset but those in `looked_at` with what it says; how many datasets there are."""
    names: list[str] = []
    store.file.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
    for name in names:
        dataset = store.file[name]
        stated = dataset.attrs.get("sha256")
        if stated is None:
            problems.append(f"'{name}' carries no hash")
            continue
        if name in looked_at:
            continue
        content = ContentHash()
        try:
            for start in range(0, len(dataset), VALUES):
                block = np.s_[start : start + VALUES]
                content.update(dataset.asstr()[block] if dataset.dtype == object else dataset[block])
        except (OSError, RuntimeError, UnicodeDecodeError) as error:
            problems.append(f"'{name}' cannot be read ({first_line(error)})")
            continue
        if content.hexdigest() != str(stated):
            problems.append(_other_values(name))
    return len(names)
