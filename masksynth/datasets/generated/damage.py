"""Damage to a generated data set, such as copies have: files that are missing, wrong identities, lists that overlap.

`datasets check` names every fault; ``DAMAGE.txt`` beside the data set says in what words.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from masksynth.datasets.generated import layout_casia, layout_oulu

NAME = "DAMAGE.txt"


def damage(folder: Path, layout: str) -> list[str]:
    """Damage the data set that was written to `folder`; what the check of it must say, a piece of a sentence each."""
    told = list(_OF[layout](folder))
    (folder / NAME).write_text("".join(f"{line}\n" for line in told), encoding="utf-8")
    return told


def _casia(folder: Path) -> Iterator[str]:
    root = folder / layout_casia.ROOT

    def lines(name: str) -> list[str]:
        return (root / f"protocols/{name}.txt").read_text(encoding="utf-8-sig").split()

    def write(name: str, rows: list[str]) -> None:
        (root / f"protocols/{name}.txt").write_bytes("".join(f"{row}\r\n" for row in rows).encode())

    photo = root / lines("nir_probe_1")[0].replace("\\", "/")
    for other in photo.parent.glob(f"{photo.stem}.*"):
        other.unlink()
    yield f"listed photos not there: {photo.relative_to(root).with_suffix('').as_posix()}"
    write("nir_probe_2", [*lines("nir_probe_2"), r"s3\NIR\29999\001.bmp"])
    yield "fold 2 of View 2: 1 probe identity has no gallery photo: 29999."
    write("nir_train_3", ["<html>", *lines("nir_train_3")])
    yield "nir_train_3.txt: 1 line names no photo of this data set: line 1 '<html>'."
    gallery = lines("vis_gallery_4")
    write("vis_gallery_4", [*gallery, gallery[0].replace(".jpg", "9.jpg")])
    yield f"fold 4 of View 2: identity {_person(gallery[0])} has several gallery photos."
    tested = lines("vis_gallery_5")[0]
    write("vis_train_5", [*lines("vis_train_5"), tested])
    yield f"fold 5 of View 2: 1 identity in training and in testing: {_person(tested)}."
    (root / "protocols/vis_train_6.txt").unlink()
    yield "vis_train_6.txt not there; fold 6 of View 2 is left out."
    write("vis_gallery_7", [])
    yield "vis_gallery_7.txt: the list is empty."
    rows = lines("nir_train_8")
    write("nir_train_8", [rows[0].replace("NIR", "VIS"), *rows[1:]])
    yield "nir_train_8.txt: 1 line names photos of the other spectrum: line 1"


def _person(line: str) -> str:
    return line.split("\\")[2]


def _oulu(folder: Path) -> Iterator[str]:
    root = folder / layout_oulu.ROOT
    people = sorted(path.name for path in (root / "VL/Strong").iterdir())
    photos = {
        (kind, person): sorted((root / kind / "Strong" / person).rglob("*.jpeg"))
        for kind in ("NI", "VL")
        for person in people
    }
    yield from _listed(
        root,
        {key: [path.relative_to(root).as_posix() for path in paths] for key, paths in photos.items()},
        people,
    )


def _buaa(folder: Path) -> Iterator[str]:
    people = sorted((path.name for path in folder.iterdir() if path.is_dir()), key=int)
    rows: dict[tuple[str, str], list[str]] = {}
    for person in people:
        numbers = sorted(int(path.stem) for path in (folder / person).glob("*.bmp") if path.stem.isdigit())
        for kind, odd in (("NI", 0), ("VL", 1)):
            rows[kind, person] = [f"{person}/{number}.bmp" for number in numbers if number % 2 == odd and number < 19]
    yield from _listed(folder, rows, people)


def _listed(root: Path, rows: dict[tuple[str, str], list[str]], people: list[str]) -> Iterator[str]:
    """Lists beside the photos, with faults; `rows` has the photos by spectrum and person."""
    trains, *tests = people

    def write(name: str, lines: list[str]) -> None:
        (root / name).write_bytes("".join(f"{line}\r\n" for line in lines).encode())

    def label(person: str) -> str:
        return str(int(person.removeprefix("P")))

    probes = [f"{path} {label(person)}" for person in tests for path in rows["NI", person]]
    other = f"{label(tests[0])} for {rows['NI', tests[-1]][-1].rpartition('.')[0]}"
    probes[-1] = f"{rows['NI', tests[-1]][-1]} {label(tests[0])}"
    write("test_nir_paths.txt", probes)
    yield f"test_nir_paths.txt: 1 label is not that of its photo: {other}."
    gallery = [f"{path} {label(person)}" for person in tests[1:] for path in rows["VL", person]]
    write("test_vis_paths.txt", gallery)
    yield f"test: 1 probe identity has no gallery photo: {tests[0]}."
    lost = rows["NI", trains][0]
    (root / lost).unlink()
    overlap = rows["NI", tests[-1]][0]
    write("nir_train.txt", [*rows["NI", trains], overlap])
    yield f"1 photo is not in the data set: {lost}."
    yield f"test: 1 identity in training and in testing: {tests[-1]}."
    write("vis_train.txt", [])
    yield "vis_train.txt: the list is empty."


def _ms1m_rec(folder: Path) -> Iterator[str]:
    path = folder / "train.rec"
    data = bytearray(path.read_bytes())
    offsets = [int(line.split("\t")[1]) for line in (folder / "train.idx").read_text().splitlines()]
    last = max(offset for offset in offsets if b"\xff\xd8\xff" in data[offset : offset + 64])
    start = data.index(b"\xff\xd8\xff", last)
    data[start : start + 3] = bytes(3)
    path.write_bytes(data)
    yield f"1 record of train.rec with what is no picture: byte {last}."
    pictures = [offset for offset in offsets if b"\xff\xd8\xff" in data[offset : offset + 64]]
    kept = [f"{key}\t{offset}\n" for key, offset in enumerate(offsets) if offset != pictures[0]]
    (folder / "train.idx").write_text("".join(kept))
    yield f"train.idx lacks 1 of {len(pictures)} pictures"
    (folder / "property").write_text("86876,112,112")
    yield "'property' says 86,876 identities"


def _ms1m_list(folder: Path) -> Iterator[str]:
    path = folder / "MS-Celeb-1M-v1c-r_train_list.txt"
    lines = path.read_text().splitlines()
    lost = lines[0].split()[0]
    (folder / "msra" / lost).unlink()
    path.write_text("\n".join([*lines[:2], "", *lines[2:], lines[1], "no photo"]) + "\n")
    yield f"1 listed photo is not there: {lost}."
    yield "line 3 is blank; FaceX-Zoo's own reader would stop there."
    yield "1 photo is listed more than once"
    yield f"1 line names no photo: line {len(lines) + 3} 'no photo'."


_OF = {"casia": _casia, "oulu": _oulu, "buaa": _buaa, "ms1m-rec": _ms1m_rec, "ms1m-list": _ms1m_list}
