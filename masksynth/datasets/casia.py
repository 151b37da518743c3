"""CASIA NIR-VIS 2.0 (Li et al., CVPR Workshops 2013): four recording periods, View 1 and the ten folds of View 2.

On disk: ``s1 ... s4/{NIR,VIS}/<id>/<name>``, the same cropped as ``{NIR,VIS}_128x128``, and ``protocols/`` with 44 list
files. The lists and the files disagree in extensions and case, and copies in circulation are flattened or encoded anew,
so a photo is found by (period, spectrum, id, stem) alone. That is also its stable id: ``s2/NIR/10115/01-B``. The period
belongs to it, since fifteen identities have folders in two periods with the same names in them.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from sys import intern
from typing import TypeAlias

import numpy as np

from masksynth.arrays import Points2, Spectrum
from masksynth.datasets.files import SUFFIXES, files, find_root, folders, images, read_lines
from masksynth.datasets.registry import DatasetOptions
from masksynth.datasets.splits import contradictions, protocol_from_split, read_split
from masksynth.datasets.types import PARTS, FaceDataset, Protocol, Sample
from masksynth.datasets.wording import shortened
from masksynth.errors import DatasetError, counted

VIEWS = ("dev", *(str(fold) for fold in range(1, 11)))
GALLERY = 358  # rows of every gallery list: one VIS photo an identity
WANTED = "a folder with s1 ... s4 and 'protocols' in it, as in NIR-VIS-2.0"

_PERIOD = re.compile(r"s[1-4]", re.IGNORECASE)
_KIND = re.compile(r"(nir|vis)(_128x128|_crop\w*)?", re.IGNORECASE)
_LISTED = re.compile(
    r"(?:.*/)?(?P<period>s[1-4])/(?P<spectrum>nir|vis)(?:_128x128|_crop\w*)?/(?P<id>\d{1,5})/(?P<name>[^/]+)",
    re.IGNORECASE,
)
_FLAT = re.compile(
    r"(?:.*/)?(?:(?P<period>s[1-4])_)?(?P<spectrum>nir|vis)_(?P<id>\d{5})_(?P<name>[^/]+)", re.IGNORECASE
)
_LIST_FILE = re.compile(r"(nir_train|vis_train|nir_probe|vis_gallery)_(dev|0*\d+)\.txt", re.IGNORECASE)
_EYES_FILE = re.compile(r"s[1-4]_(nir|vis)_eyes\.txt", re.IGNORECASE)

Key: TypeAlias = tuple[
    str, str, str, str
]  # period ("" where a flattened name has none), NIR or VIS, five-digit id, stem
Lists: TypeAlias = dict[str, dict[str, tuple[Key, ...]]]  # view -> part -> keys, each of them shared by all lists


def scan(root: Path, options: DatasetOptions) -> FaceDataset:
    """Scan the copy of CASIA NIR-VIS 2.0 at or near `root`.

    Photos that a list names but the disk lacks are samples without a path. Counts other than the published ones are
    noted; lists that contradict the protocol (identities shared by training and test, a probe without a gallery photo,
    the older HFB lists of the same names) are faults.

    Raises
    ------
    DatasetError
        If no folder near `root` looks like this data set, or none of the listed photos is there.
    """
    root = find_root(root, _is_root, WANTED, above=True)
    notes: list[str] = []
    faults: list[str] = []
    index = _index(root, options, notes)
    own = options.split if options.split is not None and not _holds_lists(options.split) else None
    lists, suffixes = ({}, {}) if own else _lists(root, options.split, notes, faults)
    samples = _samples(root, index, lists, suffixes, notes)
    eyes = _eyes(root, notes) if index.variant == "raw" else {}
    del index, suffixes  # nothing but names is held
    names = {key: _id(key) for key in samples}  # one string each, shared by samples and protocols
    protocols = []
    for view in (view for view in VIEWS if view in lists):
        parts = lists.pop(view)
        faults += _contradictions(view, parts)
        ids = {part: tuple(names[key] for key in parts[part]) for part in PARTS}
        protocols.append(Protocol(_name(view), **ids, published=True))
    ordered = tuple(Sample(names[key], samples[key], key[2], _spectrum(key), eyes.get(key)) for key in sorted(samples))
    if own is not None:
        notes.append(f"The split is that of {own}, in place of the data set's own protocols.")
        protocols = [protocol_from_split(read_split(own), ordered, options.gallery or "first", notes, faults)]
        faults += contradictions(protocols[0], {sample.id: sample for sample in ordered})
        return FaceDataset("casia", root, ordered, tuple(protocols), tuple(notes), tuple(faults))
    others = {protocol.name: len(protocol.vis_gallery) for protocol in protocols}
    others = {name: count for name, count in others.items() if count != GALLERY}
    if others:
        told = shortened([f"{name} {count}" for name, count in others.items()])
        notes.append(f"Gallery photos of {told}; the published protocol has {GALLERY} in each.")
    return FaceDataset("casia", root, ordered, tuple(protocols), tuple(notes), tuple(faults))


def _is_root(folder: Path) -> bool:
    names = folders(folder)
    if any(_PERIOD.fullmatch(name) for name in names):
        return any(
            _KIND.fullmatch(name) for period in names if _PERIOD.fullmatch(period) for name in folders(names[period])
        )
    if _protocol_folder(folder) is not None and ("nir" in names or "vis" in names):
        return True
    return any(_any_flat(place) for place in (folder, *(names[kind] for kind in ("nir", "vis") if kind in names)))


def _any_flat(folder: Path) -> bool:
    return any(_FLAT.fullmatch(name) for name, _ in images(folder))


def _holds_lists(folder: Path) -> bool:
    """Whether a folder of lists given as a split has this data set's own, one for each part of a view."""
    return folder.is_dir() and any(_LIST_FILE.fullmatch(name) for name in files(folder))


def _protocol_folder(root: Path) -> Path | None:
    names = folders(root)
    return names.get("protocols") or names.get("protocol")


@dataclass
class _Index:
    """The image files of one variant by key; of several suffixes of a stem all are kept."""

    variant: str
    paths: dict[Key, tuple[str, ...]] = field(default_factory=dict)
    other: _Index | None = None  # of the other variant

    def find(self, key: Key, suffix: str = "") -> str | None:
        """The file of `key`, with the listed suffix if it can be; flattened names without a period come last."""
        found = self.paths.get(key) or self.paths.get(("", *key[1:]))
        if not found:
            return None
        return min(found, key=lambda path: (not path.lower().endswith(suffix), SUFFIXES.index(_split(path)[1])))


def _index(root: Path, options: DatasetOptions, notes: list[str]) -> _Index:
    """Walk the tree once; both variants are indexed so that a copy with crops alone is usable without an option."""
    indices = {"raw": _Index("raw"), "cropped": _Index("cropped")}
    for period_name, period in sorted(folders(root).items()):
        if _PERIOD.fullmatch(period_name):
            for kind_name, kind in sorted(folders(period).items()):
                match = _KIND.fullmatch(kind_name)
                if match:
                    paths = indices["cropped" if match[2] else "raw"].paths
                    _index_tree(root, kind, period_name, match[1].upper(), paths)
        elif _KIND.fullmatch(period_name):
            match = _KIND.fullmatch(period_name)
            _index_flat(root, period, indices["cropped" if match and match[2] else "raw"].paths)
    _index_flat(root, root, indices["raw"].paths)
    index, other = indices[options.variant], indices["cropped" if options.variant == "raw" else "raw"]
    index.other = other
    if index.paths or not other.paths:
        return index
    wanted, there = ("whole", "those cropped") if options.variant == "raw" else ("cropped", "whole ones")
    notes.append(f"There are no {wanted} photos, only {there}; these are used.")
    return other


def _index_tree(root: Path, kind: Path, period: str, spectrum: str, paths: dict[Key, tuple[str, ...]]) -> None:
    for person, folder in sorted(folders(kind).items()):
        if not person.isdigit():
            continue
        place, subject = folder.relative_to(root).as_posix(), intern(person.zfill(5))
        for name, suffix in images(folder):
            stem = name[: -len(suffix)]
            flat = None if stem[0].isdigit() else _FLAT.fullmatch(stem)  # flattened names below folders of persons
            key = (period, spectrum, subject, intern((flat["name"] if flat else stem).upper()))
            paths[key] = (*paths.get(key, ()), f"{place}/{name}")


def _index_flat(root: Path, folder: Path, paths: dict[Key, tuple[str, ...]]) -> None:
    for name, suffix in images(folder):
        match = _FLAT.fullmatch(name)
        if match:
            stem = match["name"][: -len(suffix)].upper()
            key = ((match["period"] or "").lower(), match["spectrum"].upper(), match["id"], stem)
            paths[key] = (*paths.get(key, ()), (folder / name).relative_to(root).as_posix())


def _lists(root: Path, given: Path | None, notes: list[str], faults: list[str]) -> tuple[Lists, dict[Key, str]]:
    """The views whose four list files are all there, and the listed suffix of every photo in them.

    The lists are those in the folder `given`, else the data set's own.
    """
    folder = given or _protocol_folder(root)
    if folder is None:
        notes.append(
            "There is no 'protocols' folder: the photos are usable, but there is nothing to evaluate by. "
            "A folder of lists elsewhere can be given with --split."
        )
        return {}, {}
    found: Lists = {}
    suffixes: dict[Key, str] = {}
    known: dict[str, Key | None] = {}  # most photos stand in eleven lists
    for name, path in sorted(files(folder).items()):
        match = _LIST_FILE.fullmatch(name)
        if match:
            view = match[2] if match[2] == "dev" else str(int(match[2]))
            found.setdefault(view, {})[match[1]] = _read_list(path, match[1], known, suffixes, notes, faults)
    if given is not None:
        notes.append(f"The lists are those in {given}.")
    without = [_name(view) for view in VIEWS if view not in found]
    if without:
        notes.append(f"{folder.name}: there are no lists of {', '.join(without)}.")
    for view in [view for view in VIEWS if view in found]:
        missing = [f"{part}_{view}.txt" for part in PARTS if part not in found[view]]
        if missing:
            del found[view]
            notes.append(f"{folder.name}: {', '.join(missing)} not there; {_title(view)} is left out.")
    return found, suffixes


def _read_list(
    path: Path,
    part: str,
    known: dict[str, Key | None],
    suffixes: dict[Key, str],
    notes: list[str],
    faults: list[str],
) -> tuple[Key, ...]:
    """The photos in one list file, in its order."""
    keys: dict[Key, None] = {}
    strange, other, twice = [], [], 0
    for number, line in read_lines(path):
        if line not in known:
            parsed = parse_line(line)
            known[line] = parsed[0] if parsed else None
            if parsed:
                suffixes[parsed[0]] = parsed[1]
        key = known[line]
        if key is None:
            strange.append(f"line {number} '{line}'")
            continue
        if key[1].lower() != part[:3]:
            other.append(f"line {number} '{line}'")
        elif key in keys:
            twice += 1
        else:
            keys[key] = None
    if strange:
        notes.append(
            f"{path.name}: {counted(len(strange), 'line names', 'lines name')} no photo of this data set"
            f": {shortened(strange)}."
        )
    if twice:
        notes.append(f"{path.name}: {counted(twice, 'photo is', 'photos are')} listed more than once, and used once.")
    if other:
        faults.append(
            f"{path.name}: {counted(len(other), 'line names', 'lines name')} photos of the other spectrum"
            f": {shortened(other)}."
        )
    if not keys:
        faults.append(f"{path.name}: the list is empty.")
    return tuple(keys)


def parse_line(line: str) -> tuple[Key, str] | None:
    """((period, spectrum, id, stem), suffix) of one line of a list; None where it names no photo of this data set.

    ``s2/NIR/10115/01-B.bmp`` and the flattened ``s2_NIR_10115_01-B.bmp`` are the same photo. What follows the path on
    the line is passed over; folders before the period may have blanks in their names.
    """
    token = line.split()[0]
    match = _LISTED.fullmatch(token) or _FLAT.fullmatch(token) or _LISTED.fullmatch(line)
    if match is None:
        return None
    stem, suffix = _split(match["name"].split()[0])
    period, spectrum = (match["period"] or "").lower(), match["spectrum"].upper()
    return (intern(period), intern(spectrum), intern(match["id"].zfill(5)), intern(stem.upper())), intern(suffix)


def _samples(
    root: Path, index: _Index, lists: Lists, suffixes: dict[Key, str], notes: list[str]
) -> dict[Key, str | None]:
    """Key -> path of every photo on disk or listed."""
    samples: dict[Key, str | None] = {}
    for parts in lists.values():
        for part in PARTS:
            for key in parts[part]:
                if key not in samples:
                    samples[key] = index.find(key, suffixes[key])
    listed = len(samples)
    lacking = sorted(key for key, path in samples.items() if path is None)
    absent = [_id(key) for key in lacking]
    used = set(samples.values()) if any(not key[0] for key in index.paths) else set()
    loose = 0
    for key in index.paths:
        path = index.find(key)
        if (key[0] or not listed) and key not in samples:
            samples[key] = path
        elif not key[0] and path not in used:
            loose += 1
    if not samples:
        raise DatasetError(f"{root}: no photo was found; looked for files such as s1/NIR/00001/001.bmp.")
    if len(absent) == len(samples):
        named = counted(len(absent), "listed photo")
        raise DatasetError(f"{root}: none of {named} is there; the first is {absent[0]}.")
    shared = [path for path, count in Counter(path for path in samples.values() if path).items() if count > 1]
    if shared:
        notes.append(
            f"{counted(len(shared), 'file stands', 'files stand')} for several photos, since no period is in the name"
            f": {shortened(shared)}."
        )
    if absent:
        notes.append(f"{len(absent)} of {counted(listed, 'listed photo')} not there: {shortened(absent)}.")
        elsewhere = 0 if index.other is None else sum(index.other.find(key) is not None for key in lacking)
        if index.other is not None and elsewhere:
            there = "is there" if elsewhere == 1 else "are there"
            notes.append(f"{elsewhere} of these {there} for --variant {index.other.variant}.")
    if loose:
        notes.append(f"{counted(loose, 'photo')} in no list, without a period (s1 to s4) in the name, left out.")
    return samples


def _contradictions(view: str, parts: dict[str, tuple[Key, ...]]) -> list[str]:
    """What makes the four lists of one view no protocol of this data set, one sentence each."""
    title = _title(view)
    ids = {part: [key[2] for key in parts[part]] for part in PARTS}
    faults = []
    rows = ids["vis_gallery"]
    repeated = sorted(name for name, count in Counter(rows).items() if count > 1)
    everything = [key for part in PARTS for key in parts[part]]
    if repeated or (everything and all(key[0] == "s1" for key in everything)):
        what = f"identity {repeated[0]} has several gallery photos" if repeated else "every photo listed is of s1"
        faults.append(
            f"{title}: {what}. These are the lists of the older HFB database, which have the same names; "
            "take those of NIR-VIS 2.0."
        )
        return faults
    shared = sorted((set(ids["nir_train"]) | set(ids["vis_train"])) & (set(ids["nir_probe"]) | set(rows)))
    if shared:
        faults.append(
            f"{title}: {counted(len(shared), 'identity', 'identities')} in training and in testing"
            f": {shortened(shared)}."
        )
    lonely = sorted(set(ids["nir_probe"]) - set(rows))
    if lonely:
        people = counted(len(lonely), "probe identity has", "probe identities have")
        faults.append(f"{title}: {people} no gallery photo: {shortened(lonely)}.")
    idle = sorted(set(rows) - set(ids["nir_probe"]))
    if idle:
        people = counted(len(idle), "gallery identity has", "gallery identities have")
        faults.append(f"{title}: {people} no probe: {shortened(idle)}.")
    return faults


def _eyes(root: Path, notes: list[str]) -> dict[Key, Points2]:
    """Key -> (2, 2) eye centres, image-left first, from the files ``sK/sK_{nir,vis}_eyes.txt``.

    Where there are none, from Idiap's ``annotations/sK/{NIR,VIS}/<id>/<name>.pos``.
    """
    eyes: dict[Key, Points2] = {}
    for period_name, period in sorted(folders(root).items()):
        if not _PERIOD.fullmatch(period_name):
            continue
        for name, path in sorted(files(period).items()):
            if not _EYES_FILE.fullmatch(name):
                continue
            idle = []
            for number, line in read_lines(path):
                place, *numbers = line.rsplit(maxsplit=4)
                parsed = parse_line(place if place.lower().startswith(period_name) else f"{period_name}/{place}")
                points = _points(numbers)
                if parsed is not None and points is not None:
                    eyes[parsed[0]] = points
                elif number > 1:  # the first may be a heading
                    idle.append(f"line {number} '{line[:60]}'")
            if idle:
                notes.append(
                    f"{path.name}: {counted(len(idle), 'line gives', 'lines give')} no eyes: {shortened(idle)}."
                )
    annotations = folders(root).get("annotations") or root.parent / "annotations"
    return eyes or dict(_idiap_eyes(annotations))


def _idiap_eyes(annotations: Path) -> Iterator[tuple[Key, Points2]]:
    """The eyes in files ``<period>/<NIR or VIS>/<id>/<stem>.pos``: ``x y x y`` in the first line."""
    for path in sorted(annotations.glob("*/*/*/*.pos")):
        parsed = parse_line(path.relative_to(annotations).as_posix())
        lines = read_lines(path)
        points = _points(lines[0][1].split()[:4]) if lines else None
        if parsed is not None and points is not None:
            period, spectrum, subject, _ = parsed[0]
            yield (period, spectrum, subject, intern(path.stem.upper())), points


def _points(numbers: list[str]) -> Points2 | None:
    try:
        points = np.array([float(number) for number in numbers], np.float32)
    except ValueError:
        return None  # a heading
    if points.shape != (4,) or not np.isfinite(points).all() or not points.any():
        return None
    pair = points.reshape(2, 2)
    if np.abs(pair[0] - pair[1]).max() < 1:
        return None  # two eyes in one place are none
    return pair[np.argsort(pair[:, 0], kind="stable")]


def _title(view: str) -> str:
    return "View 1" if view == "dev" else f"fold {view} of View 2"


def _name(view: str) -> str:
    """Of the protocol."""
    return "view1" if view == "dev" else f"fold{int(view):02d}"


def _id(key: Key) -> str:
    return "/".join(part for part in key if part)


def _spectrum(key: Key) -> Spectrum:
    return "nir" if key[1] == "NIR" else "vis"


def _split(name: str) -> tuple[str, str]:
    """Stem and lower-case suffix; a dot belongs to the suffix only where an image suffix follows."""
    stem, suffix = os.path.splitext(name)
    return (stem, suffix.lower()) if suffix.lower() in SUFFIXES else (name, "")
