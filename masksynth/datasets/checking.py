"""What a copy of a data set holds, beside what the literature says of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

from masksynth.datasets.types import PARTS, FaceDataset, Protocol

State = Literal["right", "different", "missing", ""]
"""Against the literature; "missing" where nothing of it is here, "" where the literature gives no figure."""

CASIA_NIR = 12_393  # NIR photos that the lists of every fold name, training and test together
CASIA_PROBES = (6208, 6232, 6210, 6055, 6204, 6191, 6247, 6222, 6162, 6245)  # of the ten folds


@dataclass(frozen=True)
class Row:
    """One figure."""

    what: str
    found: int | str
    expected: int | str | None  # None where the literature gives none
    state: State


@dataclass(frozen=True)
class Check:
    """The whole comparison."""

    name: str
    root: str
    rows: tuple[Row, ...]
    notes: tuple[str, ...]
    faults: tuple[str, ...]

    @property
    def verdict(self) -> str:
        """One line that says what to think of this copy."""
        if self.faults:
            return f"not usable: {len(self.faults)} fault{'s' if len(self.faults) > 1 else ''}, see above"
        differing = sum(row.state == "different" for row in self.rows)
        missing = sum(row.state == "missing" for row in self.rows)
        if differing or missing:
            return f"usable, but not as published: {differing} of {len(self.rows)} figures different, {missing} missing"
        if self.name in _WHOLE:
            return "complete: every figure is as published"
        return "usable"

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        rows = [{**asdict(row), "state": row.state or None} for row in self.rows]
        return {
            "name": self.name,
            "root": self.root,
            "usable": not self.faults,
            "verdict": self.verdict,
            "rows": rows,
            "notes": list(self.notes),
            "faults": list(self.faults),
        }


def check(dataset: FaceDataset) -> Check:
    """Compare a scanned data set with the literature."""
    rows = [*_whole(dataset)]
    if dataset.name == "casia":
        folds = sum(protocol.name.startswith("fold") for protocol in dataset.protocols)
        rows.append(_row("folds of View 2", folds, len(CASIA_PROBES)))
    for protocol in dataset.protocols:
        rows += _protocol(dataset, protocol)
    for name in _EXPECTED_PROTOCOLS.get(dataset.name, ()):
        if name not in {protocol.name for protocol in dataset.protocols}:
            rows.append(Row(f"protocol {name}", "none", "there", "missing"))
    return Check(dataset.name, str(dataset.root), tuple(rows), dataset.notes, dataset.faults)


_EXPECTED_PROTOCOLS = {"casia": ("view1", *(f"fold{k:02d}" for k in range(1, 11)))}

_WHOLE: dict[str, dict[str, int]] = {
    "casia": {"identities": 725, "photos": 17_580},
    "oulu": {"identities": 80},
    "buaa": {"identities": 150, "NIR photos": 1350, "VIS photos": 1350},
    "ms1m": {"identities": 86_876, "photos": 3_923_399, "NIR photos": 0},
}
_ON_DISK: dict[str, int | str] = {"oulu": "about 65,000", "buaa": 5952}  # of which the photos in use are some
_OTHER_FORM = {"ms1m": {"identities": 72_778}}  # FaceX-Zoo's list, without the identities of test sets


def _whole(dataset: FaceDataset) -> Iterator[Row]:
    present = [sample for sample in dataset.samples if sample.path is not None]
    found = {
        "identities": len({sample.subject for sample in dataset.samples}),
        "photos": len(present),
        "NIR photos": sum(sample.spectrum == "nir" for sample in present),
        "VIS photos": sum(sample.spectrum == "vis" for sample in present),
    }
    expected = _WHOLE.get(dataset.name, {})
    other = _OTHER_FORM.get(dataset.name, {})
    for what, count in found.items():
        wanted = other.get(what) if other.get(what) == count else expected.get(what)
        yield _row(what, count, wanted)
    if dataset.on_disk is not None:
        yield _on_disk(dataset.on_disk, _ON_DISK.get(dataset.name))
    absent = len(dataset.samples) - len(present)
    yield Row("listed photos that are not there", absent, 0, "missing" if absent else "right")


def _on_disk(found: int, expected: int | str | None) -> Row:
    """The row of all image files; a number that the literature rounds is right within a twentieth."""
    if not isinstance(expected, str):
        return _row("photos on disk", found, expected)
    about = int(expected.removeprefix("about ").replace(",", ""))
    return Row("photos on disk", found, expected, "right" if abs(found - about) <= about / 20 else "different")


def _protocol(dataset: FaceDataset, protocol: Protocol) -> Iterator[Row]:
    lists = {part: getattr(protocol, part) for part in PARTS}
    by_id = dataset.by_id
    subjects = {part: {by_id[name].subject for name in names if name in by_id} for part, names in lists.items()}
    train, test = subjects["nir_train"] | subjects["vis_train"], subjects["nir_probe"] | subjects["vis_gallery"]
    wanted = expected_protocol(dataset.name, protocol.name)
    title = protocol.name
    if not protocol.published:
        yield Row(f"{title}: split", "not published", None, "")
    yield _row(f"{title}: identities to train", len(train), wanted.get("train_ids"))
    for part, what in (("nir_train", "NIR to train"), ("vis_train", "VIS to train")):
        if lists[part] or part in wanted or test:
            yield _row(f"{title}: {what}", len(lists[part]), wanted.get(part))
    if not test:
        return
    yield _row(f"{title}: gallery", len(lists["vis_gallery"]), wanted.get("vis_gallery"))
    yield _row(f"{title}: gallery identities", len(subjects["vis_gallery"]), wanted.get("test_ids"))
    yield _row(f"{title}: probes", len(lists["nir_probe"]), wanted.get("nir_probe"))
    yield _row(f"{title}: probe identities", len(subjects["nir_probe"]), wanted.get("test_ids"))
    shared = len(train & test)
    yield Row(f"{title}: identities in both halves", shared, 0, "different" if shared else "right")


def expected_protocol(name: str, protocol: str) -> dict[str, int]:
    """What the literature says of a protocol: sizes by part, ``train_ids``, ``test_ids``; {} where nothing."""
    if name == "casia" and protocol == "view1":
        train = {"train_ids": 357, "nir_train": 6270, "vis_train": 2480}
        return {**train, "test_ids": 358, "vis_gallery": 358, "nir_probe": 6123}
    if name == "casia" and protocol.startswith("fold"):
        probes = CASIA_PROBES[int(protocol[4:]) - 1]
        train = {"train_ids": 357, "nir_train": CASIA_NIR - probes}
        return {**train, "test_ids": 358, "vis_gallery": 358, "nir_probe": probes}
    if name == "oulu":
        train = {"train_ids": 20, "nir_train": 960, "vis_train": 960}
        return {**train, "test_ids": 20, "vis_gallery": 960, "nir_probe": 960}
    if name == "buaa":
        train = {"train_ids": 50, "nir_train": 450, "vis_train": 450}
        return {**train, "test_ids": 100, "vis_gallery": 100, "nir_probe": 900}
    return {}


def _row(what: str, found: int, expected: int | None) -> Row:
    if expected is None:
        return Row(what, found, None, "")
    state: State = "right" if found == expected else ("missing" if found == 0 else "different")
    return Row(what, found, expected, state)
