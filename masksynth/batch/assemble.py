"""From parts to the one file."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from masksynth.arrays import Spectrum
from masksynth.batch.masks import Use
from masksynth.batch.part import PartForm, PartReader, part_path
from masksynth.batch.plan import ABSENT_REASON, Plan, PlannedProtocol
from masksynth.errors import BatchError, StoreError
from masksynth.files import atomic_path
from masksynth.store import (
    PARTS,
    SPECTRA,
    Header,
    ProtocolRows,
    Skipped,
    StoreWriter,
    Stretch,
    differ_untouched,
    untouched_differ,
    verify_store,
)
from masksynth.store.writer import writing

if TYPE_CHECKING:
    from masksynth.batch.run import Progress


class DamagedPartError(StoreError):
    """A part's values are not those that were written; it has to be made again."""

    def __init__(self, k: int, message: str) -> None:
        super().__init__(message)
        self.k = k


@dataclass(frozen=True)
class Assembled:
    """What went into the file."""

    rows: Mapping[Spectrum, int]
    masked: Mapping[Spectrum, int]
    skipped: tuple[Skipped, ...]  # absent ones included
    absent: int  # photos that a list names and that have no file
    missing: Mapping[str, Mapping[str, Counter[str]]]  # protocol → part → kind of reason → photos without a row
    seconds: Mapping[str, float]  # stage → seconds over all workers
    complete: bool


@dataclass(frozen=True)
class _RowsOfPhotos:
    """Which rows each photo got: parallel arrays sorted by photo, then slot."""

    photo: np.ndarray
    slot: np.ndarray

    def find(self, number: int) -> range:
        start, stop = np.searchsorted(self.photo, [number, number + 1])
        return range(int(start), int(stop))


def assemble(
    plan: Plan,
    folder: Path,
    out: Path,
    form: PartForm,
    *,
    max_skipped: float,
    command: str,
    progress: Progress,
) -> Assembled:
    """Join the parts in `folder` into the file `out`, verify it and put it in its place.

    Parameters
    ----------
    max_skipped : share in [0, 1]
        Of the photos that have a file; where more were skipped the file is marked incomplete.

    Raises
    ------
    DamagedPartError
        If a part is not as it was written.
    BatchError
        If the file, read back, is not sound.
    OutputError
        If it cannot be written.
    """
    counts: dict[Spectrum, int] = dict.fromkeys(SPECTRA, 0)
    reasons: dict[int, str] = {number: ABSENT_REASON for number, _ in plan.absent}
    seconds: Counter[str] = Counter()
    for k in range(plan.parts):
        with _opened(folder, k, form) as part:
            for spectrum in SPECTRA:
                counts[spectrum] += part.count(spectrum)
            reasons.update(part.skipped)
            seconds.update(part.seconds)
    skipped_photos = len(reasons) - len(plan.absent)
    complete = skipped_photos <= max_skipped * len(plan.photos)
    sources = {photo.number: photo.path for photo in plan.photos}
    subjects = {photo.number: plan.subjects[photo.subject] for photo in plan.photos}
    spectra = {photo.number: photo.spectrum for photo in plan.photos}
    for number, sample in plan.absent:
        sources[number], subjects[number], spectra[number] = sample.id, sample.subject, sample.spectrum
    lost = sorted(reasons)
    skipped = tuple(Skipped(sources[n], reasons[n], subjects[n], spectra[n]) for n in lost)

    masked: dict[Spectrum, int] = dict.fromkeys(SPECTRA, 0)
    photos: dict[Spectrum, list[np.ndarray]] = {spectrum: [] for spectrum in SPECTRA}
    slots: dict[Spectrum, list[np.ndarray]] = {spectrum: [] for spectrum in SPECTRA}
    written = dict.fromkeys(SPECTRA, 0)
    stretches: defaultdict[str, list[Stretch]] = defaultdict(list)
    part_of: dict[tuple[str, int], int] = {}
    unlike = dict.fromkeys(SPECTRA, 0)
    progress.begin("rows joined", sum(counts.values()))
    with atomic_path(out) as temporary:
        with (
            writing(out),
            StoreWriter(
                temporary,
                side=form.side,
                counts=counts,
                masked=form.masked,
                keep_clean=form.keep_clean,
                compression=plan.config.compression,
            ) as writer,
        ):
            for k in range(plan.parts):
                with _opened(folder, k, form) as part:
                    for spectrum in SPECTRA:
                        plain = {name: crc for name, crc in part.sums(spectrum).items() if name in writer.plain}
                        try:
                            for block in part.blocks(spectrum, sources.__getitem__, left=plain):
                                rows = block.rows
                                writer.write(spectrum, rows)
                                photos[spectrum].append(rows.image_id)
                                slots[spectrum].append(block.slots)
                                masked[spectrum] += int((rows.mask >= 0).sum())
                                written[spectrum] += len(rows)
                                unlike[spectrum] += differ_untouched(rows.image, rows.clean, rows.alpha, rows.touched)
                                progress.advance(len(rows))
                        except StoreError as error:
                            raise DamagedPartError(k, str(error)) from error
                        for name, checksum in (plain | writer.packed_sums(spectrum)).items():
                            stretches[name].append(Stretch(written[spectrum], checksum))
                            part_of[name, written[spectrum]] = k
            rows_of = {spectrum: _joined(photos[spectrum], slots[spectrum]) for spectrum in SPECTRA}
            place = {number: index for index, number in enumerate(lost)}
            uses = {photo.number: tuple(slot.use for slot in photo.slots) for photo in plan.photos}
            protocols = [_protocol_rows(protocol, rows_of, place, uses) for protocol in plan.protocols]
            writer.finish(
                Header(
                    dataset=plan.dataset,
                    side=form.side,
                    crop=plan.config.crop,
                    reconstructor=plan.config.reconstructor,
                    detector=plan.config.detector,
                    config=asdict(plan.config),
                    seed=plan.config.seed,
                    plan_sha256=plan.sha256,
                    complete=complete,
                    command=command,
                ),
                subjects=plan.subjects,
                masks=plan.masks,
                protocols=protocols,
                skipped=skipped,
            )
        progress.begin("rows read back", sum(counts.values()))
        read_back = verify_store(temporary, stretches=stretches, progress=progress.advance)
        for name, stop in read_back.wrong_stretches:
            k = part_of[name, stop]
            raise DamagedPartError(k, f"{part_path(folder, k)}: '{name}' has other values than were written.")
        problems = [untouched_differ(spectrum, count) for spectrum, count in unlike.items() if count]
        problems += [text for text in read_back.problems if complete or "incomplete" not in text]
        if problems:
            raise BatchError(f"{out}: read back, the file is not sound ({problems[0]}). Nothing was put in its place.")
    return Assembled(
        rows=counts,
        masked=masked,
        skipped=skipped,
        absent=len(plan.absent),
        missing={
            p.name: {part: Counter(kind_of_reason(skipped[row].reason) for row in p.missing[part]) for part in PARTS}
            for p in protocols
        },
        seconds=dict(seconds),
        complete=complete,
    )


def kind_of_reason(reason: str) -> str:
    """What is alike in such reasons: the first sentence, without brackets and with N for each number."""
    words = re.sub(r"(( at)? \(|\. ).*|\.$", "", reason, flags=re.DOTALL)
    return re.sub(r"\d+(?:[.,]\d+)*", "N", words)


def _opened(folder: Path, k: int, form: PartForm) -> PartReader:
    try:
        return PartReader(part_path(folder, k), k, form)
    except StoreError as error:
        raise DamagedPartError(k, str(error)) from error


def _joined(photos: list[np.ndarray], slots: list[np.ndarray]) -> _RowsOfPhotos:
    empty = [np.zeros(0, np.int32)]
    return _RowsOfPhotos(np.concatenate(empty + photos), np.concatenate(empty + slots))


def _protocol_rows(
    protocol: PlannedProtocol,
    rows: Mapping[Spectrum, _RowsOfPhotos],
    place: Mapping[int, int],
    uses: Mapping[int, tuple[Use, ...]],
) -> ProtocolRows:
    """Photos of each list as rows: all training rows of a training photo, the one probe row of a probe."""
    found: dict[str, np.ndarray] = {}
    missing: dict[str, np.ndarray] = {}
    for part, numbers in protocol.parts.items():
        spectrum: Spectrum = "nir" if part.startswith("nir") else "vis"
        training = part.endswith("_train")
        table = rows[spectrum]
        kept: list[int] = []
        for number in numbers:
            if number in place:
                continue
            wanted = [row for row in table.find(number) if _serves(uses[number][table.slot[row]], training)]
            kept.extend(wanted if training else wanted[:1])
        found[part] = np.array(kept, np.int32)
        missing[part] = np.array([place[number] for number in numbers if number in place], np.int32)
    expected = {part: len(numbers) for part, numbers in protocol.parts.items()}
    return ProtocolRows(protocol.name, found, expected, missing, protocol.published)


def _serves(use: Use, training: bool) -> bool:
    return use == "any" or use == ("train" if training else "probe")
