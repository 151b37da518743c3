"""MS1M in its three forms."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from masksynth.datasets import DatasetOptions, FaceDataset, open_dataset
from masksynth.datasets.generated.demo import DemoConfig, write_demo
from masksynth.datasets.ms1m import parse_line
from masksynth.datasets.recordio import framed, pack, records
from masksynth.errors import DatasetError, PhotoError

JPEG = b"\xff\xd8\xff\xe0" + b"picture"
PNG = b"\x89PNG" + b"picture"


def write_rec(folder: Path, blocks: list[bytes], index: bool = True, name: str = "train") -> Path:
    folder.mkdir(exist_ok=True)
    data = [framed(block) for block in blocks]
    (folder / f"{name}.rec").write_bytes(b"".join(data))
    if index:
        offsets = np.cumsum([0, *map(len, data)])[:-1]
        (folder / f"{name}.idx").write_text("".join(f"{key}\t{offset}\n" for key, offset in enumerate(offsets)))
    return folder


TYPICAL = [
    pack((4.0, 6.0), 0, b""),  # bounds of the keys
    pack((0.0, 1.0), 1, JPEG),
    pack((0.0,), 2, PNG),
    pack((86875.0, 0.0), 3, JPEG),
    pack((1.0, 3.0), 4, b""),  # bounds of the identities
    pack((3.0, 4.0), 5, b""),
]


@pytest.mark.parametrize("index", [True, False])
def test_records_that_are_pictures_are_samples_whatever_their_flag(tmp_path: Path, index: bool) -> None:
    dataset = open_dataset("ms1m", write_rec(tmp_path / "rec", TYPICAL, index))
    assert [(sample.id, sample.subject) for sample in dataset.samples] == [
        ("00000001", "0"),
        ("00000002", "0"),
        ("00000003", "86875"),
    ]
    assert dataset.protocol("train").vis_train == ("00000001", "00000002", "00000003")
    assert any("3 records of train.rec without a picture" in note for note in dataset.notes)
    assert any("no index" in note for note in dataset.notes) != index


def test_a_packing_without_bounds_is_all_pictures(tmp_path: Path) -> None:
    dataset = open_dataset("ms1m", write_rec(tmp_path / "rec", [pack((5.0,), 0, JPEG), pack((6.0,), 1, JPEG)]))
    assert dataset.subjects == ("5", "6")


def test_the_only_record_file_will_do_and_train_goes_before_others(tmp_path: Path) -> None:
    folder = write_rec(tmp_path / "rec", TYPICAL, name="faces")
    assert len(open_dataset("ms1m", tmp_path).samples) == 3
    write_rec(folder, TYPICAL[:2], name="train")
    assert len(open_dataset("ms1m", folder).samples) == 1


def test_property_is_compared(tmp_path: Path) -> None:
    folder = write_rec(tmp_path / "rec", TYPICAL)
    (folder / "property").write_text("86876,112,112")
    assert any("says 86,876 identities, the records have 2" in note for note in open_dataset("ms1m", folder).notes)


def test_an_index_of_another_file_is_noted(tmp_path: Path) -> None:
    folder = write_rec(tmp_path / "rec", TYPICAL)
    (folder / "train.idx").write_text("".join(f"{key}\t{4 * key}\n" for key in range(100, 120)))
    dataset = open_dataset("ms1m", folder)
    assert any("20 entries name no picture" in note for note in dataset.notes)
    assert any("lacks 3 of 3 pictures, so keys are those of the records" in note for note in dataset.notes)
    assert [sample.id for sample in dataset.samples] == ["00000001", "00000002", "00000003"]


def test_names_in_capitals_are_read(tmp_path: Path) -> None:
    folder = write_rec(tmp_path / "rec", [*TYPICAL[:3], TYPICAL[4]])
    (folder / "train.rec").rename(folder / "TRAIN.REC")
    (folder / "train.idx").rename(folder / "TRAIN.IDX")
    (folder / "PROPERTY").write_text("2,112,112\n")
    dataset = open_dataset("ms1m", folder)
    assert dataset.notes == (
        "2 records of TRAIN.REC without a picture, as between identities.",
        "'property' says 2 identities, the records have 1.",
    )
    with pytest.raises(PhotoError, match=r"TRAIN\.REC@\d+: is not an image"):
        dataset.read(dataset.samples[0])  # the record was found, but holds no true JPEG


def test_what_is_no_picture_is_named_with_its_byte(tmp_path: Path) -> None:
    folder = write_rec(tmp_path / "rec", [pack((0.0, 1.0), 1, JPEG), pack((0.0, 1.0), 2, b"no picture")])
    assert any("1 record of train.rec with what is no picture: byte " in n for n in open_dataset("ms1m", folder).notes)
    write_rec(tmp_path / "nan", [pack((float("nan"), 1.0), 1, JPEG)])
    with pytest.raises(DatasetError, match="byte 0 has the label nan, no identity"):
        open_dataset("ms1m", tmp_path / "nan")


def test_the_file_that_is_named_is_the_one_read(tmp_path: Path) -> None:
    write_list(tmp_path, "m.01_f/1-FaceId-0_align.jpg 0\nm.02_f/2.jpg 1\n")
    (tmp_path / "short.txt").write_text("m.02_f/2.jpg 5\n")
    assert open_dataset("ms1m", tmp_path / "short.txt").subjects == ("5",)
    assert any("train_list.txt is taken for the list, not short.txt" in n for n in open_dataset("ms1m", tmp_path).notes)
    write_rec(tmp_path, TYPICAL, name="a")
    write_rec(tmp_path, TYPICAL[:2], name="b")
    assert len(open_dataset("ms1m", tmp_path / "b.rec").samples) == 1


def test_a_record_file_cut_short_is_named_with_the_byte(tmp_path: Path) -> None:
    folder = write_rec(tmp_path / "rec", TYPICAL)
    data = (folder / "train.rec").read_bytes()
    (folder / "train.rec").write_bytes(data[: len(data) // 2])
    with pytest.raises(DatasetError, match=r"train\.rec: is cut short in the record at byte \d+"):
        open_dataset("ms1m", folder)


def write_list(root: Path, text: str, names: tuple[str, ...] = ("m.01_f/1-FaceId-0_align.jpg", "m.02_f/2.jpg")) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    (root / "train_list.txt").write_text(text)
    return root


def test_a_list_gives_labels(tmp_path: Path) -> None:
    dataset = open_dataset("ms1m", write_list(tmp_path, "m.01_f/1-FaceId-0_align.jpg 0\nm.02_f/2.jpg 1\n"))
    assert [(sample.path, sample.subject) for sample in dataset.samples] == [
        ("m.01_f/1-FaceId-0_align.jpg", "0"),
        ("m.02_f/2.jpg", "1"),
    ]


def test_a_list_may_start_below_and_have_a_blank_line_and_absent_photos(tmp_path: Path) -> None:
    write_list(tmp_path / "msra", "", ("a/1.jpg", "b/2.jpg"))
    (tmp_path / "msra/train_list.txt").unlink()
    (tmp_path / "train_list.txt").write_text("a/1.jpg 0\n\nb/2.jpg 1\nb/3.jpg 1\nb/2.jpg 1\nnonsense\n")
    dataset = open_dataset("ms1m", tmp_path)
    assert [sample.path for sample in dataset.samples] == ["msra/a/1.jpg", "msra/b/2.jpg", None]
    told = " ".join(dataset.notes)
    assert "line 2 is blank; FaceX-Zoo's own reader would stop there" in told
    assert "1 listed photo is not there: b/3.jpg" in told
    assert "1 photo is listed more than once" in told
    assert "1 line names no photo: line 6 'nonsense'" in told


def test_listed_names_may_differ_in_case_and_extension(tmp_path: Path) -> None:
    write_list(
        tmp_path, "m.01_f/1-FaceId-0_align.jpg 0\nm.02_f/2.jpg 1\n", ("M.01_F/1-FACEID-0_ALIGN.JPG", "m.02_f/2.png")
    )
    assert [s.path for s in open_dataset("ms1m", tmp_path).samples] == ["M.01_F/1-FACEID-0_ALIGN.JPG", "m.02_f/2.png"]


def test_the_folders_of_another_machine_are_taken_off_a_list(tmp_path: Path) -> None:
    dataset = open_dataset("ms1m", write_list(tmp_path, "/data/ms1m/m.02_f/2.jpg 1\n/data/ms1m/m.03_f/2.jpg 2\n"))
    assert [(s.id, s.path) for s in dataset.samples] == [("m.02_f/2.jpg", "m.02_f/2.jpg"), ("m.03_f/2.jpg", None)]


def test_msra_lmk_needs_no_extension_and_bad_points_are_named(tmp_path: Path) -> None:
    write_list(tmp_path, "")
    (tmp_path / "train_list.txt").unlink()
    points = " ".join("1.5" for _ in range(10))
    (tmp_path / "msra_lmk").write_text(f"m.02_f/2.jpg 1 {points}\nm.01_f/1-FaceId-0_align.jpg 0 nan{points[3:]}\n")
    dataset = open_dataset("ms1m", tmp_path)
    assert [sample.points is None for sample in dataset.samples] == [False, True]
    assert any("1 line holds what are no five points: line 2" in note for note in dataset.notes)


def test_a_list_in_a_folder_of_its_own_is_read_beside_the_photos(tmp_path: Path) -> None:
    """So the five points are packed: lmk/msra_lmk.txt, whose paths start one above."""
    write_list(tmp_path, "")
    points = " ".join(map(str, range(10)))
    (tmp_path / "lmk").mkdir()
    (tmp_path / "lmk/msra_lmk.txt").write_text(f"m.02_f/2.jpg 1 {points}\nm.01_f/1-FaceId-0_align.jpg 0 {points}\n")
    dataset = open_dataset("ms1m", tmp_path / "lmk/msra_lmk.txt")
    assert [sample.path for sample in dataset.samples] == ["m.02_f/2.jpg", "m.01_f/1-FaceId-0_align.jpg"]
    assert all(sample.points is not None for sample in dataset.samples)


def test_one_may_give_a_split(tmp_path: Path) -> None:
    write_list(tmp_path / "data", "m.01_f/1-FaceId-0_align.jpg 0\nm.02_f/2.jpg 1\n")
    (tmp_path / "s.csv").write_text("part,subject\ntrain,1\n")
    dataset = open_dataset("ms1m", tmp_path / "data", DatasetOptions(split=tmp_path / "s.csv"))
    assert dataset.protocol("test").vis_train == ("m.02_f/2.jpg",)


FIVE = [[143.5, 160.2], [247.1, 158.9], [195.3, 216.7], [151.0, 268.4], [240.6, 267.2]]


@pytest.mark.parametrize(
    "line",
    [
        "msra/a/1.jpg 7 143.5 160.2 247.1 158.9 195.3 216.7 151.0 268.4 240.6 267.2",
        "0\tmsra/a/1.jpg\t7\t0\t0\t0\t0\t143.5\t247.1\t195.3\t151.0\t240.6\t160.2\t158.9\t216.7\t268.4\t267.2",
    ],
)
def test_five_points_come_in_two_orders(line: str) -> None:
    parsed = parse_line(line)
    assert parsed is not None
    assert parsed[:2] == ("msra/a/1.jpg", "7")
    assert parsed[2] is not None
    np.testing.assert_allclose(parsed[2], FIVE, rtol=1e-6)


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("a/1.jpg 7 1", ("a/1.jpg", "7", None, "vis")),
        ("a/1.jpg 7 0", ("a/1.jpg", "7", None, "nir")),
        ("1\ta/1.jpg\t7.0", ("a/1.jpg", "7", None, "vis")),
        ("a/1.jpg\t7", ("a/1.jpg", "7", None, "vis")),
        ("a\\1.jpg 7", ("a/1.jpg", "7", None, "vis")),
        ("a b/1 (2).jpg 7", ("a b/1 (2).jpg", "7", None, "vis")),
        ("a/1.txt 7", None),
        ("a/1.jpg seven", None),
        ("a/1.jpg", None),
    ],
)
def test_lines_of_lists(line: str, wanted: object) -> None:
    assert parse_line(line) == wanted


def test_folders_alone_will_do(tmp_path: Path) -> None:
    write_list(tmp_path, "")
    (tmp_path / "train_list.txt").unlink()
    dataset = open_dataset("ms1m", tmp_path)
    assert dataset.subjects == ("m.01_f", "m.02_f")
    assert {sample.spectrum for sample in dataset.samples} == {"vis"}


def test_nothing_at_all_says_what_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"a \.rec file, a list"):
        open_dataset("ms1m", tmp_path)


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> dict[str, FaceDataset]:
    found = {}
    for layout in ("ms1m-rec", "ms1m-list"):
        folder = tmp_path_factory.mktemp("demo") / layout
        write_demo(folder, DemoConfig(layout=layout, subjects=4, vis_photos=1, seed=2))  # type: ignore[arg-type]
        found[layout] = open_dataset("ms1m", folder)
    return found


def test_generated_records_are_read_the_multi_part_one_included(generated: dict[str, FaceDataset]) -> None:
    dataset = generated["ms1m-rec"]
    assert len(dataset.samples) == 4
    assert [dataset.read(sample).pixels.shape for sample in dataset.samples] == [(112, 112, 3)] * 4
    data = (dataset.root / "train.rec").read_bytes()
    offsets = [offset for offset, _ in records(dataset.root / "train.rec")]
    flags = [int.from_bytes(data[offset + 4 : offset + 8], "little") >> 29 for offset in offsets]
    assert flags == [0, 1, *[0] * (len(flags) - 2)]


def test_generated_lists_are_read(generated: dict[str, FaceDataset]) -> None:
    dataset = generated["ms1m-list"]
    assert [sample.subject for sample in dataset.samples] == ["0", "1", "2", "3"]
    assert dataset.read(dataset.samples[0]).pixels.shape == (640, 480, 3)
