"""The comparison with the literature, on whole copies (of empty files) and on damaged ones."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from masksynth.cli.main import main
from masksynth.datasets import FaceDataset, Protocol, Sample, scan_dataset
from masksynth.datasets.checking import CASIA_PROBES, check, expected_protocol
from masksynth.datasets.generated.demo import DemoConfig, write_demo


def whole_buaa(root: Path) -> Path:
    for kind in ("NIR", "VIS"):
        for person in range(1, 151):
            folder = root / kind / str(person)
            folder.mkdir(parents=True)
            for number in range(1, 10):
                (folder / f"{number}.jpg").touch()
    return root


def test_a_whole_copy_is_right_in_every_row(tmp_path: Path) -> None:
    result = check(scan_dataset("buaa", whole_buaa(tmp_path)))
    assert {row.state for row in result.rows} == {"right", ""}
    assert result.verdict == "complete: every figure is as published"


def test_what_differs_and_what_is_missing_is_said_row_by_row(tmp_path: Path) -> None:
    root = whole_buaa(tmp_path)
    (root / "NIR/150/9.jpg").unlink()
    result = check(scan_dataset("buaa", root))
    rows = {row.what: row for row in result.rows}
    assert (rows["NIR photos"].found, rows["NIR photos"].expected, rows["NIR photos"].state) == (
        1349,
        1350,
        "different",
    )
    assert rows["VIS photos"].state == "right"
    assert result.verdict.startswith("usable, but not as published: ")


def test_the_published_counts_of_casia() -> None:
    assert expected_protocol("casia", "fold01") == {
        "train_ids": 357,
        "nir_train": 6185,
        "test_ids": 358,
        "vis_gallery": 358,
        "nir_probe": 6208,
    }
    assert [expected_protocol("casia", f"fold{k:02d}")["nir_probe"] for k in range(1, 11)] == list(CASIA_PROBES)
    view = expected_protocol("casia", "view1")
    assert view["nir_train"] + view["vis_train"] == 8750


def test_a_copy_of_the_published_size_is_right_in_every_row() -> None:
    """725 identities; the probes of a fold are one photo of each of 357 persons and all others of one more."""
    tested, trained = [f"{n:05d}" for n in range(358)], [f"{n:05d}" for n in range(358, 715)]
    nir = [(who, 0) for who in tested] + [(tested[0], n) for n in range(1, 6300 - 357)]
    nir += [(trained[n % 357], n // 357) for n in range(6400)]
    vis = [(f"{n:05d}", 0) for n in (*range(358), *range(715, 725))]
    vis += [(trained[n % 357], n // 357) for n in range(17_580 - len(nir) - len(vis))]
    samples = tuple(
        Sample(f"{kind}/{who}/{n}", "x", who, kind)  # type: ignore[arg-type]
        for kind, rows in (("nir", nir), ("vis", vis))
        for who, n in rows
    )
    probes = [s.id for s in samples if s.spectrum == "nir" and s.subject in tested]
    training = [s.id for s in samples if s.spectrum == "nir" and s.subject in trained]
    gallery = tuple(f"vis/{who}/0" for who in tested)
    spare = [s.id for s in samples if s.spectrum == "vis" and s.subject in trained]
    protocols = [Protocol("view1", tuple(training[:6270]), tuple(spare[:2480]), tuple(probes[:6123]), gallery, True)]
    for fold, count in enumerate(CASIA_PROBES, 1):
        lists = (tuple(training[: 12_393 - count]), tuple(spare), tuple(probes[:count]), gallery)
        protocols.append(Protocol(f"fold{fold:02d}", *lists, published=True))
    result = check(FaceDataset("casia", Path("x"), samples, tuple(protocols)))
    assert [row for row in result.rows if row.state not in ("right", "")] == []
    assert result.verdict == "complete: every figure is as published"


@pytest.mark.parametrize(
    ("name", "found", "state"),
    [("buaa", 5952, "right"), ("buaa", 5951, "different"), ("oulu", 66_123, "right"), ("oulu", 40_000, "different")],
)
def test_photos_on_disk_are_compared_though_some_are_used(name: str, found: int, state: str) -> None:
    rows = {row.what: row for row in check(FaceDataset(name, Path("x"), (), (), on_disk=found)).rows}
    assert (rows["photos on disk"].found, rows["photos on disk"].state) == (found, state)


def test_a_missing_protocol_is_a_missing_row() -> None:
    sample = Sample("s1/NIR/00001/001", "x", "00001", "nir")
    result = check(FaceDataset("casia", Path("x"), (sample,), ()))
    missing = [row.what for row in result.rows if row.state == "missing"]
    assert missing == ["folds of View 2", "protocol view1", *(f"protocol fold{k:02d}" for k in range(1, 11))]


def test_a_seeded_split_is_never_called_published() -> None:
    protocol = Protocol("test", (), (), (), (), published=False)
    rows = check(FaceDataset("oulu", Path("x"), (), (protocol,))).rows
    assert [row.found for row in rows if row.what == "test: split"] == ["not published"]


@pytest.mark.parametrize(("identities", "state"), [(86_876, "right"), (72_778, "right"), (85_742, "different")])
def test_both_cleanings_of_ms1m_are_known(identities: int, state: str) -> None:
    samples = tuple(Sample(str(k), "x", str(k), "vis") for k in range(identities))
    rows = {row.what: row.state for row in check(FaceDataset("ms1m", Path("x"), samples, ())).rows}
    assert rows["identities"] == state


# A damaged copy: every fault is named, in the table's notes or as a fault.


def _lines(root: Path, name: str) -> tuple[Path, list[str]]:
    path = root / f"protocols/{name}.txt"
    return path, path.read_text(encoding="utf-8-sig").split()


def missing_files(root: Path) -> str:
    _, lines = _lines(root, "nir_probe_1")
    path = root / lines[0].replace("\\", "/")
    for other in path.parent.glob(path.stem + ".*"):
        other.unlink()
    return path.relative_to(root).with_suffix("").as_posix()


def missing_list(root: Path) -> str:
    (root / "protocols/vis_train_6.txt").unlink()
    return "vis_train_6.txt not there; fold 6 of View 2 is left out"


def wrong_ids(root: Path) -> str:
    path, lines = _lines(root, "nir_probe_2")
    path.write_text("\n".join([*lines, "s3\\NIR\\29999\\001.bmp"]))
    return "fold 2 of View 2: 1 probe identity has no gallery photo: 29999"


def overlap(root: Path) -> str:
    path, lines = _lines(root, "vis_train_5")
    _, probes = _lines(root, "vis_gallery_5")
    path.write_text("\n".join([*lines, probes[0]]))
    return "fold 5 of View 2: 1 identity in training and in testing: " + probes[0].split("\\")[2]


def empty_list(root: Path) -> str:
    (root / "protocols/vis_gallery_7.txt").write_bytes(b"\r\n")
    return "vis_gallery_7.txt: the list is empty"


def other_spectrum(root: Path) -> str:
    path, lines = _lines(root, "nir_train_8")
    path.write_text("\n".join([lines[0].replace("NIR", "VIS"), *lines[1:]]))
    return "nir_train_8.txt: 1 line names photos of the other spectrum: line 1"


def garbage(root: Path) -> str:
    path, lines = _lines(root, "nir_train_9")
    path.write_text("\n".join(["<html>", *lines]))
    return "nir_train_9.txt: 1 line names no photo of this data set: line 1 '<html>'"


DAMAGES = (missing_files, missing_list, wrong_ids, overlap, empty_list, other_spectrum, garbage)


@pytest.fixture
def copy(demo_casia: Path, tmp_path: Path) -> Path:
    root = tmp_path / "copy"
    shutil.copytree(demo_casia / "NIR-VIS-2.0", root, ignore=lambda _, names: [n for n in names if "128x128" in n])
    return root


@pytest.mark.parametrize("damage", DAMAGES)
def test_each_fault_of_a_damaged_copy_is_named(copy: Path, damage: Callable[[Path], str]) -> None:
    said = damage(copy)
    dataset = scan_dataset("casia", copy)
    assert any(said in sentence for sentence in (*dataset.notes, *dataset.faults))


def test_all_faults_together_are_each_named_and_the_verdict_is_no(copy: Path) -> None:
    said = [damage(copy) for damage in DAMAGES]
    result = CliRunner().invoke(main, ["datasets", "check", "casia", "--root", str(copy), "--json"])
    assert result.exit_code == 1
    report = json.loads(result.output)
    assert not report["usable"]
    assert report["verdict"].startswith("not usable")
    for sentence in said:
        assert any(sentence in line for line in (*report["notes"], *report["faults"])), sentence


def test_the_table_and_its_json_say_the_same(demo_casia: Path) -> None:
    words = ["datasets", "check", "casia", "--root", str(demo_casia)]
    text, data = CliRunner().invoke(main, words), CliRunner().invoke(main, [*words, "--json"])
    assert text.exit_code == data.exit_code == 0
    report = json.loads(data.output)
    lines = text.output.splitlines()
    assert lines[-1] == report["verdict"]
    for row in report["rows"]:
        (line,) = [line for line in lines if line.strip().startswith(row["what"] + "  ")]
        assert str(row["found"]) in line


def test_a_listed_photo_that_is_not_there_is_missing() -> None:
    samples = (Sample("1/1", "1/1.bmp", "1", "vis"), Sample("1/2", None, "1", "nir"))
    rows = {row.what: row for row in check(FaceDataset("buaa", Path("x"), samples, ())).rows}
    assert (rows["listed photos that are not there"].found, rows["listed photos that are not there"].state) == (
        1,
        "missing",
    )


@pytest.mark.parametrize("layout", ["casia", "ms1m-list"])
def test_every_row_on_the_screen_ends_with_its_state(layout: str, tmp_path: Path) -> None:
    write_demo(tmp_path / "demo", DemoConfig(layout=layout, subjects=4, nir_photos=1, vis_photos=1))  # type: ignore[arg-type]
    result = CliRunner().invoke(main, ["datasets", "check", layout.partition("-")[0], "--root", str(tmp_path / "demo")])
    assert result.exit_code == 0
    rows = [line for line in result.output.splitlines()[2:] if line.startswith("  ") and "note:" not in line]
    assert len(rows) > 5
    assert all(line.endswith(("right", "different", "missing", "no figure")) for line in rows)
    assert result.output.splitlines()[-1].startswith("usable, but not as published")
