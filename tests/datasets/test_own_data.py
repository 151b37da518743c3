"""One's own photos: folders, manifests, split files."""

from __future__ import annotations

import string
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from masksynth.cli.main import main
from masksynth.datasets import DatasetOptions, FaceDataset, open_dataset, scan_dataset
from masksynth.datasets.manifest import write_manifest
from masksynth.datasets.recordio import framed, pack
from masksynth.datasets.splits import read_split, seeded_halves
from masksynth.errors import ConfigError, DatasetError


def write_tree(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def two_spectra(root: Path, persons: int = 4) -> Path:
    return write_tree(
        root, *(f"{kind}/p{k}/{n}.png" for kind in ("nir", "vis") for k in range(persons) for n in (1, 2))
    )


# folders


def test_folders_of_two_spectra_are_split_in_half_by_the_seed(tmp_path: Path) -> None:
    dataset = open_dataset("folder", two_spectra(tmp_path))
    protocol = dataset.protocol("test")
    assert len(protocol.nir_train) == len(protocol.nir_probe) == len(protocol.vis_gallery) == 4
    assert not protocol.published
    assert dataset.by_id["nir/p0/1.png"].subject == "p0"


@pytest.mark.parametrize("kinds", [("NIR", "VIS"), ("ni_crop", "VL"), ("Infrared", "visible"), ("ir", "RGB")])
def test_spectra_are_told_by_common_names(tmp_path: Path, kinds: tuple[str, str]) -> None:
    dataset = open_dataset("folder", write_tree(tmp_path, f"{kinds[0]}/a/1.png", f"{kinds[1]}/a/1.png"))
    assert sorted(sample.spectrum for sample in dataset.samples) == ["nir", "vis"]


@pytest.mark.parametrize("spectrum", [None, "nir"])
def test_one_spectrum_is_fine(tmp_path: Path, spectrum: str | None) -> None:
    root = write_tree(tmp_path, "Ann_A/Ann_A_0001.jpg", "Ben/deeper/Ben 2.JPG", "Ben/notes.txt")
    dataset = open_dataset("folder", root, DatasetOptions(spectrum=spectrum))  # type: ignore[arg-type]
    assert [(sample.id, sample.subject, sample.spectrum) for sample in dataset.samples] == [
        ("Ann_A/Ann_A_0001.jpg", "Ann_A", spectrum or "vis"),
        ("Ben/deeper/Ben 2.JPG", "Ben", spectrum or "vis"),
    ]
    assert any("taken for VIS" in note for note in dataset.notes) == (spectrum is None)


def test_folders_train_and_test_are_the_split(tmp_path: Path) -> None:
    names = [f"{part}/{kind}/{who}/1.png" for part, who in (("train", "a"), ("test", "b")) for kind in ("nir", "vis")]
    protocol = open_dataset("folder", write_tree(tmp_path, *names)).protocol("test")
    assert protocol.nir_train == ("train/NIR/a/1",)
    assert protocol.vis_gallery == ("test/VIS/b/1",)
    assert protocol.published


def test_a_person_may_be_named_like_a_spectrum(tmp_path: Path) -> None:
    dataset = open_dataset("folder", write_tree(tmp_path, "Nir_Barkat/1.jpg", "Ann/1.jpg"))
    assert dataset.subjects == ("Ann", "Nir_Barkat")


def test_train_and_test_of_one_spectrum(tmp_path: Path) -> None:
    dataset = open_dataset(
        "folder", write_tree(tmp_path, "train/a/1.png", "test/a/2.png"), DatasetOptions(spectrum="nir")
    )
    assert dataset.subjects == ("a",)
    assert dataset.protocol("test").nir_train == ("train/a/1.png",)
    assert dataset.protocol("test").nir_probe == ()
    assert len(dataset.samples) == 2


def test_persons_in_one_spectrum_only_train(tmp_path: Path) -> None:
    dataset = open_dataset("folder", write_tree(two_spectra(tmp_path), "nir/x/1.png", "vis/y/1.png"))
    protocol = dataset.protocol("test")
    assert "nir/x/1.png" in protocol.nir_train
    assert "vis/y/1.png" in protocol.vis_train
    assert any("2 identities are there in one spectrum only and cannot be compared: x, y" in n for n in dataset.notes)


def test_photos_in_no_folder_of_a_person_are_named(tmp_path: Path) -> None:
    dataset = open_dataset("folder", write_tree(two_spectra(tmp_path), "nir/loose.png"))
    assert any("1 photo in no folder of an identity left out: nir/loose.png" in n for n in dataset.notes)
    with pytest.raises(DatasetError, match="photos lie in nir and vis themselves"):
        open_dataset("folder", write_tree(tmp_path / "flat", "nir/1.png", "vis/1.png"))


def test_links_are_followed_but_for_those_that_lead_back(tmp_path: Path) -> None:
    root = write_tree(two_spectra(tmp_path / "data"))
    elsewhere = write_tree(tmp_path / "elsewhere", "9.png")
    (root / "nir/p0/loop").symlink_to(root / "nir")
    (root / "nir/p0/itself").symlink_to("itself")
    before = len(open_dataset("folder", root).samples)
    (root / "nir/p0/more").symlink_to(elsewhere)
    assert before == 16
    assert "nir/p0/more/9.png" in open_dataset("folder", root).by_id


def test_lists_of_one_part_are_put_together_and_named(tmp_path: Path) -> None:
    lists = tmp_path / "lists"
    lists.mkdir()
    for name, line in (("nir_train_1", "nir/p0/1"), ("nir_train_2", "nir/p1/1"), ("nir_test", "nir/p2/1")):
        (lists / f"{name}.txt").write_text(f"{line}\n")
    (lists / "vis_test.txt").write_text("vis/p2/1\n")
    dataset = open_dataset("folder", two_spectra(tmp_path / "data"), DatasetOptions(split=lists))
    assert dataset.protocol("test").nir_train == ("nir/p0/1.png", "nir/p1/1.png")
    assert "nir_train_1.txt and nir_train_2.txt are put together." in dataset.notes


def test_numbers_are_sorted_by_value(tmp_path: Path) -> None:
    dataset = open_dataset("folder", write_tree(tmp_path, "vis/a/10.png", "vis/a/9.png", "vis/a/x.png"))
    assert [sample.id for sample in dataset.samples] == ["vis/a/9.png", "vis/a/10.png", "vis/a/x.png"]


def test_an_empty_folder_says_what_is_wanted(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"folders nir and vis.*or manifest\.csv"):
        open_dataset("folder", tmp_path)


# split files


def test_a_split_by_subject(tmp_path: Path) -> None:
    split = tmp_path / "mine.csv"
    split.write_text("# by hand\npart,subject\ntrain,p0\ntrain,p1\ntest,p2\n")
    dataset = open_dataset("folder", two_spectra(tmp_path / "data"), DatasetOptions(split=split))
    protocol = dataset.protocol("test")
    assert protocol.nir_train == ("nir/p0/1.png", "nir/p0/2.png", "nir/p1/1.png", "nir/p1/2.png")
    assert protocol.nir_probe == ("nir/p2/1.png", "nir/p2/2.png")
    assert protocol.published


def test_a_split_by_path_with_or_without_extension(tmp_path: Path) -> None:
    split = tmp_path / "mine.csv"
    split.write_text(
        "part,path\r\ntrain,nir/p0/1\r\nvis_train,vis/p0/1.png\r\nprobe,nir\\p1\\1.png\r\ntest,vis/p1/2\r\n"
    )
    protocol = open_dataset("folder", two_spectra(tmp_path / "data"), DatasetOptions(split=split)).protocol("test")
    assert protocol.nir_train == ("nir/p0/1.png",)
    assert protocol.vis_train == ("vis/p0/1.png",)
    assert protocol.nir_probe == ("nir/p1/1.png",)
    assert protocol.vis_gallery == ("vis/p1/2.png",)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "the split file is empty"),
        ("a,b\n", "the first line is 'a,b', but 'part,subject' or 'part,path' is wanted"),
        ("part,subject\nlearn,p0\n", "line 2 is 'learn,p0'"),
        ("part,subject\ntrain,\n", "line 2"),
        ("part,subject\ntrain,p0\ntest,p0\n", "line 3: the subject 'p0' is both in training and in test"),
    ],
)
def test_split_files_that_cannot_be_understood_name_the_line(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "s.csv").write_text(text)
    with pytest.raises(DatasetError, match=said):
        read_split(tmp_path / "s.csv")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("part,subject\ntrain,p0\ntest,p9\n", "1 subject is not in the data set: p9"),
        ("part,path\ntrain,nir/p0/7.png\n", "1 photo is not in the data set: nir/p0/7.png"),
        ("part,path\ntrain,nir/p0/1\nprobe,nir/p0/2\ngallery,vis/p0/1\n", "1 identity in training and in testing: p0"),
        ("part,path\nprobe,nir/p0/2\ngallery,vis/p1/1\n", "1 probe identity has no gallery photo: p0"),
        ("part,path\nprobe,nir/p0/2\n", "test: there is 1 probe, but no gallery photo"),
        ("part,path\ngallery,vis/p0/2\n", "test: there is 1 gallery photo, but no probe"),
        ("part,path\nnir_train,vis/p0/2\n", "test: nir_train has photos of the other spectrum: vis/p0/2.png"),
    ],
)
def test_splits_that_contradict_the_data_are_faults(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "s.csv").write_text(text)
    root, options = two_spectra(tmp_path / "data"), DatasetOptions(split=tmp_path / "s.csv")
    assert any(said in fault for fault in scan_dataset("folder", root, options).faults)
    with pytest.raises(DatasetError, match=said):
        open_dataset("folder", root, options)


def test_a_split_file_that_is_not_there_is_wrong_usage(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such split file"):
        DatasetOptions(split=tmp_path / "gone.csv")


@settings(deadline=None)
@given(st.lists(st.text(string.ascii_letters, min_size=1), unique=True), st.integers(0, 9))
def test_seeded_halves_do_not_depend_on_the_order(names: list[str], seed: int) -> None:
    halves = seeded_halves(names, seed, "x")
    assert halves == seeded_halves(names[::-1], seed, "x")
    assert list(halves.values()).count("train") == len(names) // 2


# manifests


MANIFEST = """# masksynth manifest 1
path,subject,spectrum,split,points,box
nir/ann/1.png,ann,nir,train,,
vis/ann/1.png,ann,VIS,train,1 2 3 4,
nir/ben/1.png,ben,nir,test,1 2 3 4 5 6 7 8 9 10,1 2 30 40
vis/ben/1.png,ben,vis,gallery,,
vis/cat/1.png,cat,vis,,,
"""
PHOTOS = [line.split(",")[0] for line in MANIFEST.splitlines()[2:]]


def manifest(tmp_path: Path, text: str = MANIFEST) -> Path:
    write_tree(tmp_path, *PHOTOS)
    (tmp_path / "manifest.csv").write_bytes(text.encode())
    return tmp_path


@pytest.mark.parametrize("name", ["folder", "manifest"])
def test_a_manifest_says_everything(tmp_path: Path, name: str) -> None:
    dataset = open_dataset(name, manifest(tmp_path))
    protocol = dataset.protocol("test")
    assert protocol.nir_train == ("nir/ann/1.png",)
    assert protocol.nir_probe == ("nir/ben/1.png",)
    assert protocol.vis_gallery == ("vis/ben/1.png",)
    ben = dataset.by_id["nir/ben/1.png"]
    assert ben.points is not None
    assert ben.points.shape == (5, 2)
    assert ben.box is not None
    assert (ben.box.left, ben.box.bottom) == (1, 40)
    assert dataset.by_id["vis/ann/1.png"].points is not None
    assert dataset.subjects == ("ann", "ben", "cat")


def test_a_manifest_of_a_spreadsheet_is_read(tmp_path: Path) -> None:
    text = "\ufeff" + MANIFEST.replace("\n", "\r\n").replace("nir/ann/1.png", '"nir\\ann\\1.png"')
    assert open_dataset("manifest", manifest(tmp_path, text)).by_id["nir/ann/1.png"].path == "nir/ann/1.png"


def test_photos_that_are_not_there_stay_as_missing(tmp_path: Path) -> None:
    root = manifest(tmp_path)
    (root / "nir/ben/1.png").unlink()
    dataset = open_dataset("manifest", root)
    assert dataset.by_id["nir/ben/1.png"].path is None
    assert dataset.protocol("test").nir_probe == ("nir/ben/1.png",)
    assert "manifest.csv: 1 of 5 photos not there: line 5 nir/ben/1.png." in dataset.notes


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "cp1252"])
def test_a_manifest_may_be_in_any_encoding(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "m.csv").write_bytes(MANIFEST.replace("ben", "bén").encode(encoding))
    write_tree(tmp_path, *(name.replace("ben", "bén") for name in PHOTOS))
    assert "bén" in open_dataset("manifest", tmp_path / "m.csv").subjects


def test_columns_that_are_not_known_and_many_wrong_lines_are_told(tmp_path: Path) -> None:
    rows = "".join(f"{n}.png,a,thermal,train\n" for n in range(30))
    (tmp_path / "m.csv").write_text("path,subject,spectrum,splits\n" + rows)
    dataset = scan_dataset("manifest", tmp_path / "m.csv")
    assert dataset.notes == ("m.csv: columns that mean nothing here are passed over: splits.",)
    assert len(dataset.faults) == 21
    assert dataset.faults[-1] == "m.csv: 10 more lines are wrong."


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("path,subject", "file,subject", "lacks path"),
        ("split,points", "split,split", "has split more than once"),
        (
            "nir/ann/1.png,ann,nir",
            "nir/ann/1.png,ann,thermal",
            "line 3: spectrum is 'thermal', but nir or vis is wanted",
        ),
        ("vis/ann/1.png,ann", "vis/ann/1.png,", "line 4: subject is empty"),
        ("nir,test", "nir,learn", "line 5: split is 'learn'"),
        ("vis,gallery", "vis,probe", "line 6: split is 'probe' for a VIS photo"),
        ("1 2 3 4 5 6 7 8 9 10", "1 2 3", "line 5: points is '1 2 3', but 4 or 10 numbers are wanted"),
        ("1 2 30 40", "1 2 nan 40", "line 5: box is '1 2 nan 40', but 4 numbers are wanted"),
        ("nir/ann/1.png", "../ann/1.png", "line 3: the path '../ann/1.png' leaves the manifest's folder"),
        ("nir/ann/1.png", "/etc/1.png", "line 3: the path '/etc/1.png' leaves the manifest's folder"),
        ("ben,vis,gallery", "ann,vis,gallery", r"1 identity in training and in testing: ann \(lines 3 and 6\)"),
        ("nir/ann/1.png,ann,nir,train,,", "a,b,ann,nir,train,,1", "line 3: has 7 values, but the heading 6 columns"),
        ("cat,vis,,,", '"cat,vis,,,', "line 7: cannot be read as CSV"),
        ("path,subject,spectrum,split,points,box", "path;subject;spectrum", "other marks than commas"),
        ("nir/ben/1.png,ben", ".//nir\\ann\\1.png,ben", "line 5: the path 'nir/ann/1.png' stands in line 3 already"),
        ("vis/ben/1.png,ben", "nir/ben/1.png,ben", "line 6: the path 'nir/ben/1.png' stands in line 5 already"),
    ],
)
def test_every_wrong_line_is_named(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in MANIFEST
    with pytest.raises(DatasetError, match=said):
        open_dataset("manifest", manifest(tmp_path, MANIFEST.replace(old, new, 1)))


@pytest.mark.parametrize("data", [b"", b"\xff\xfe\x00path"])
def test_a_manifest_that_is_none_is_named(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "m.csv").write_bytes(data)
    with pytest.raises(DatasetError, match=r"m\.csv"):
        open_dataset("manifest", tmp_path / "m.csv")


def assert_same(one: FaceDataset, two: FaceDataset) -> None:
    assert [(s.id, s.path, s.subject, s.spectrum) for s in one.samples] == [
        (s.id, s.path, s.subject, s.spectrum) for s in two.samples
    ]
    for a, b in zip(one.samples, two.samples, strict=True):
        assert (a.points is None) == (b.points is None)
        if a.points is not None and b.points is not None:
            np.testing.assert_allclose(a.points, b.points, rtol=1e-5)

    def rows(dataset: FaceDataset) -> list[object]:
        return [
            (p.name, set(p.nir_train), set(p.vis_train), set(p.nir_probe), set(p.vis_gallery), p.published)
            for p in dataset.protocols
        ]

    assert rows(one) == rows(two)


@pytest.mark.parametrize("where", ["inside", "outside"])
def test_the_manifest_of_a_known_set_is_that_set(demo_casia: Path, tmp_path: Path, where: str) -> None:
    dataset = open_dataset("casia", demo_casia)
    path = (dataset.root if where == "inside" else tmp_path) / "casia.csv"
    write_manifest(dataset, path)
    assert_same(open_dataset("manifest", path), dataset)
    path.unlink()


def _oulu(root: Path) -> Path:
    names = [f"{kind}/Strong/P{n:03d}/Fear/{k:03d}.jpeg" for kind in ("NI", "VL") for n in (1, 2, 51) for k in (0, 1)]
    return write_tree(root, *names)


def _buaa(root: Path) -> Path:
    return write_tree(root, *(f"{kind}/{n}/{k}.jpg" for kind in ("NIR", "VIS") for n in range(1, 5) for k in (1, 2)))


def _ms1m_list(root: Path) -> Path:
    write_tree(root, "msra/m.01_f/1.jpg", "msra/m.02_f/1, 2.jpg")
    points = "143.5 160.2 247.1 158.9 195.3 216.7 151.0 268.4 240.6 267.2"
    (root / "msra_lmk").write_text(f"msra/m.01_f/1.jpg 0 {points}\nmsra/m.03_f/1.jpg 2 {points}\n")
    return root


def _ms1m_rec(root: Path) -> Path:
    root.mkdir()
    records = [pack((float(k), 1.0), k, b"\xff\xd8\xff\xe0") for k in range(3)]
    (root / "train.rec").write_bytes(b"".join(map(framed, records)))
    return root


@pytest.mark.parametrize("build", [_oulu, _buaa, _ms1m_list, _ms1m_rec, two_spectra])
def test_the_manifest_of_every_set_is_that_set(tmp_path: Path, build: Callable[[Path], Path]) -> None:
    name = {"two_spectra": "folder"}.get(build.__name__, build.__name__.split("_")[1])
    dataset = open_dataset(name, build(tmp_path / "data"))
    for place in (tmp_path, dataset.root):
        write_manifest(dataset, place / "m.csv")
        assert_same(open_dataset("manifest", place / "m.csv"), dataset)
        (place / "m.csv").unlink()


def test_a_manifest_corrected_by_hand_goes_on(tmp_path: Path) -> None:
    dataset = open_dataset("oulu", _oulu(tmp_path / "data"))
    write_manifest(dataset, tmp_path / "m.csv")
    text = (tmp_path / "m.csv").read_text()
    wrong, right = "NI/Strong/P001/Fear/001.jpeg,P001,", "NI/Strong/P001/Fear/001.jpeg,P002,"
    assert wrong in text
    (tmp_path / "m.csv").write_text(text.replace(wrong, right))
    said = scan_dataset("manifest", tmp_path / "m.csv")
    assert said.by_id["NI/Strong/P001/Fear/001"].subject == "P002"
    rows = [line for line in text.splitlines() if "P001/Fear/000" not in line]
    (tmp_path / "m.csv").write_text("\n".join(rows))
    assert len(open_dataset("manifest", tmp_path / "m.csv").samples) == len(dataset.samples) - 2


def test_a_seeded_split_stays_marked_in_a_manifest(tmp_path: Path) -> None:
    dataset = open_dataset("folder", two_spectra(tmp_path / "data"))
    write_manifest(dataset, tmp_path / "m.csv")
    assert "# not published: test" in (tmp_path / "m.csv").read_text()
    assert_same(open_dataset("manifest", tmp_path / "m.csv"), dataset)


# commands


def run(*words: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["datasets", *words])
    return result.exit_code, result.output


def test_list_names_every_set_its_licence_and_its_variable() -> None:
    code, text = run("list")
    assert code == 0
    for name in ("casia", "oulu", "buaa", "ms1m", "folder", "manifest"):
        assert f"\n{name}:" in "\n" + text
        assert f"MASKSYNTH_DATA_{name.upper()}" in text
    assert text.count("needs:") == text.count("licence:") == 6
    assert "cbsr.ia.ac.cn" in text


def test_manifest_is_written_and_not_overwritten(tmp_path: Path) -> None:
    root, out = two_spectra(tmp_path / "data"), tmp_path / "m.csv"
    words = ("manifest", "folder", "--root", str(root), "-o", str(out))
    code, text = run(*words)
    assert code == 0
    assert "16 photos" in text
    assert run(*words)[0] == 2
    assert run(*words, "--force")[0] == 0
