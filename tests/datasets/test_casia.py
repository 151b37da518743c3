"""CASIA NIR-VIS 2.0 as people have it on disk. The loader decodes nothing, so most files here are empty."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path

import numpy as np
import pytest

from masksynth.datasets import DatasetOptions, FaceDataset, open_dataset, scan_dataset
from masksynth.errors import DatasetError, PhotoError
from masksynth.photos import write_photo

LISTS = {
    "nir_train": ["s1\\NIR\\00001\\001.bmp", "s2\\NIR\\10115\\01-B.bmp"],
    "vis_train": ["s1\\VIS\\00001\\001.jpg", "s2\\VIS\\10115\\001.jpg"],
    "nir_probe": ["s3\\NIR\\20320\\001.bmp", "s1\\NIR\\00005\\001.bmp", "s2\\NIR\\00005\\001.bmp"],
    "vis_gallery": ["s3\\VIS\\20320\\002.jpg", "s1\\VIS\\00005\\001.jpg"],
}


def write_tree(
    root: Path,
    lists: Mapping[str, Sequence[str]] = LISTS,
    views: Sequence[str] = ("dev", "1"),
    files: Sequence[str] | None = None,
) -> Path:
    """A tree with the list files of `views` and an empty file for each listed photo, or for `files`."""
    for view in views:
        for part, lines in lists.items():
            place = root / "protocols" / f"{part}_{view}.txt"
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes("".join(line + "\r\n" for line in lines).encode())
    for name in [line for lines in lists.values() for line in lines] if files is None else files:
        photo = root / name.replace("\\", "/")
        photo.parent.mkdir(parents=True, exist_ok=True)
        photo.touch()
    return root


def opened(root: Path) -> FaceDataset:
    return open_dataset("casia", root)


def test_lists_become_protocols_in_their_order(tmp_path: Path) -> None:
    dataset = opened(write_tree(tmp_path))
    fold = dataset.protocol("fold01")
    assert fold.nir_train == ("s1/NIR/00001/001", "s2/NIR/10115/01-B")
    assert fold.nir_probe == ("s3/NIR/20320/001", "s1/NIR/00005/001", "s2/NIR/00005/001")
    assert fold.vis_gallery == ("s3/VIS/20320/002", "s1/VIS/00005/001")
    assert [protocol.name for protocol in dataset.protocols] == ["view1", "fold01"]
    assert fold.published


def test_an_identity_in_two_periods_is_one_subject_with_distinct_samples(tmp_path: Path) -> None:
    dataset = opened(write_tree(tmp_path))
    pair = [dataset.by_id["s1/NIR/00005/001"], dataset.by_id["s2/NIR/00005/001"]]
    assert {sample.subject for sample in pair} == {"00005"}
    assert {sample.path for sample in pair} == {"s1/NIR/00005/001.bmp", "s2/NIR/00005/001.bmp"}
    assert dataset.subjects == ("00001", "00005", "10115", "20320")


def test_folds_are_ten_in_numerical_order(tmp_path: Path) -> None:
    views = ["dev", *(str(k) for k in range(1, 11))]
    names = [protocol.name for protocol in opened(write_tree(tmp_path, views=views)).protocols]
    assert names == ["view1", *(f"fold{k:02d}" for k in range(1, 11))]


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf", "utf-16", "utf-16-le", "utf-16-be"])
def test_byte_order_marks_and_line_ends_do_not_matter(tmp_path: Path, mark: bytes | str) -> None:
    root = write_tree(tmp_path)
    text = "s1\\NIR\\00001\\001.bmp\n\r\n  s2/NIR/10115/01-B.bmp trailing words\n\n"
    data = text.encode(mark) if isinstance(mark, str) else mark + text.encode()
    (root / "protocols/nir_train_1.txt").write_bytes(data)
    assert opened(root).protocol("fold01").nir_train == LISTS_IDS["nir_train"]


LISTS_IDS = {"nir_train": ("s1/NIR/00001/001", "s2/NIR/10115/01-B")}


@pytest.mark.parametrize("suffix", [".png", ".BMP", ".JPG", ".jpeg"])
def test_the_extension_on_disk_may_differ_from_the_list(tmp_path: Path, suffix: str) -> None:
    files = [line.rsplit(".", 1)[0] + suffix for lines in LISTS.values() for line in lines]
    dataset = opened(write_tree(tmp_path, files=files))
    assert all(sample.path is not None and sample.path.endswith(suffix) for sample in dataset.samples)
    assert "s1/NIR/00001/001" in dataset.by_id


def test_of_two_files_of_a_stem_the_listed_extension_is_taken(tmp_path: Path) -> None:
    root = write_tree(tmp_path)
    (root / "s1/NIR/00001/001.jpg").touch()
    assert opened(root).by_id["s1/NIR/00001/001"].path == "s1/NIR/00001/001.bmp"


def test_folder_names_may_be_in_any_case(tmp_path: Path) -> None:
    root = write_tree(tmp_path)
    (root / "s1").rename(root / "S1")
    (root / "S1" / "NIR").rename(root / "S1" / "nir")
    (root / "protocols").rename(root / "Protocols")
    dataset = opened(root)
    assert dataset.by_id["s1/NIR/00001/001"].path == "S1/nir/00001/001.bmp"


@pytest.mark.parametrize("above", ["a/CASIA NIR-VIS 2.0/NIR-VIS-2.0", "Übung/x"])
def test_the_root_is_found_by_what_it_holds(tmp_path: Path, above: str) -> None:
    root = write_tree(tmp_path / above)
    assert opened(tmp_path).root == root
    assert opened(root / "s1").root.samefile(root)


def test_the_period_is_found_though_hfb_lists_lie_beside(tmp_path: Path) -> None:
    root = write_tree(tmp_path)
    (root / "HFB-Supplemental-Protocol/HFB_protocols").mkdir(parents=True)
    assert len(opened(root).protocols) == 2


def test_listed_but_absent_photos_stay_as_samples_without_a_path(tmp_path: Path) -> None:
    root = write_tree(tmp_path)
    (root / "s3/NIR/20320/001.bmp").unlink()
    dataset = opened(root)
    sample = dataset.by_id["s3/NIR/20320/001"]
    assert sample.path is None
    assert sample.id in dataset.protocol("fold01").nir_probe
    assert any("1 of 9 listed photos not there: s3/NIR/20320/001" in note for note in dataset.notes)
    with pytest.raises(DatasetError, match="s3/NIR/20320/001"):
        dataset.read(sample)


def test_no_listed_photo_at_all_is_an_error(tmp_path: Path) -> None:
    root = write_tree(tmp_path, files=["s1/NIR/note.txt"])
    with pytest.raises(DatasetError, match="none of 9 listed photos"):
        opened(root)


def test_crops_are_taken_by_setting_and_where_there_is_nothing_else(tmp_path: Path) -> None:
    raw = write_tree(tmp_path / "both")
    crops = [
        line.replace("\\NIR\\", "\\NIR_128x128\\").replace("\\VIS\\", "\\VIS_128x128\\")
        for line in chain(*LISTS.values())
    ]
    write_tree(raw, files=crops)
    write_tree(tmp_path / "crops", files=crops)
    cropped = open_dataset("casia", raw, DatasetOptions(variant="cropped"))
    assert all("_128x128/" in str(sample.path) for sample in cropped.samples)
    assert not any("_128x128/" in str(sample.path) for sample in opened(raw).samples)
    alone = opened(tmp_path / "crops")
    assert [sample.id for sample in alone.samples] == [sample.id for sample in cropped.samples]
    assert any("only those cropped" in note for note in alone.notes)
    whole = open_dataset("casia", write_tree(tmp_path / "whole"), DatasetOptions(variant="cropped"))
    assert any("no cropped photos, only whole ones; these are used" in note for note in whole.notes)
    (raw / "s1/NIR/00001/001.bmp").unlink()
    assert any("1 of these is there for --variant cropped" in note for note in opened(raw).notes)


@pytest.mark.parametrize("form", ["NIR/{0}_NIR_{1}", "NIR_{1}", "{0}_NIR_{1}"])
def test_flattened_copies_are_read(tmp_path: Path, form: str) -> None:
    lists = {part: [line for line in lines if "s2\\NIR\\00005" not in line] for part, lines in LISTS.items()}
    files = []
    for line in chain(*lists.values()):
        period, kind, person, name = line.split("\\")
        files.append(form.format(period, f"{person}_{name}").replace("NIR", kind))
    dataset = opened(write_tree(tmp_path, lists, files=files))
    assert all(sample.path is not None for sample in dataset.samples)
    assert "s2/NIR/10115/01-B" in dataset.by_id


def test_flattened_copies_need_no_lists_and_may_keep_the_folders_of_persons(tmp_path: Path) -> None:
    (tmp_path / "NIR").mkdir()
    (tmp_path / "NIR/s2_NIR_10039_001.jpg").touch()
    (tmp_path / "NIR/NIR_20001_001.bmp").touch()
    assert [sample.id for sample in opened(tmp_path).samples] == ["NIR/20001/001", "s2/NIR/10039/001"]
    files = ["s1/NIR/00001/s1_NIR_00001_001.bmp", "s2/NIR/10115/NIR_10115_01-B.bmp"]
    nested = opened(write_tree(tmp_path / "nested", {}, files=files))
    assert [sample.id for sample in nested.samples] == ["s1/NIR/00001/001", "s2/NIR/10115/01-B"]


def test_a_flattened_file_that_stands_for_two_periods_is_named(tmp_path: Path) -> None:
    files = {line.split("\\", 1)[1].replace("\\", "_") for line in chain(*LISTS.values())}
    dataset = opened(write_tree(tmp_path, files=[f"{name[:3]}/{name}" for name in files]))
    assert any("1 file stands for several photos" in n and "NIR/NIR_00005_001.bmp" in n for n in dataset.notes)


def test_thumbs_and_strange_folders_are_passed_over(tmp_path: Path) -> None:
    root = write_tree(tmp_path)
    (root / "s1/NIR/00001/Thumbs.db").touch()
    (root / "s1/NIR/00001/._001.bmp").touch()
    (root / "s1/NIR/notes").mkdir()
    (root / "s1/NIR/notes/001.bmp").touch()
    assert len(opened(root).samples) == 9


def test_photos_in_no_list_are_samples_too(tmp_path: Path) -> None:
    root = write_tree(tmp_path)
    (root / "s4/VIS/30999").mkdir(parents=True)
    (root / "s4/VIS/30999/007.jpg").touch()
    assert opened(root).by_id["s4/VIS/30999/007"].subject == "30999"


def test_eye_files_give_points_image_left_first(tmp_path: Path) -> None:
    root = write_tree(tmp_path)
    (root / "s1/s1_vis_eyes.txt").write_text("file x y x y\r\nVIS\\00001\\001.jpg 210 300 292 302\r\n\r\n")
    (root / "s1/s1_nir_eyes.txt").write_text("NIR\\00001\\001.bmp 282 342 160 352\n")
    dataset = opened(root)
    vis, nir = dataset.by_id["s1/VIS/00001/001"].points, dataset.by_id["s1/NIR/00001/001"].points
    assert vis is not None
    assert nir is not None
    np.testing.assert_array_equal(vis, [[210, 300], [292, 302]])
    np.testing.assert_array_equal(nir, [[160, 352], [282, 342]])
    assert dataset.by_id["s3/NIR/20320/001"].points is None


def test_lines_of_an_eye_file_that_give_no_eyes_are_named(tmp_path: Path) -> None:
    root = write_tree(tmp_path)
    (root / "s1/s1_vis_eyes.txt").write_text("name x y x y\nVIS\\00001\\001.jpg 1 2 3\nVIS\\00005\\001.jpg 9 9 9 9\n")
    (told,) = [note for note in opened(root).notes if "eyes" in note]
    assert "s1_vis_eyes.txt: 2 lines give no eyes: line 2 'VIS/00001/001.jpg 1 2 3', line 3" in told


@pytest.mark.parametrize("place", ["NIR-VIS-2.0/annotations", "annotations"])
def test_idiaps_pos_files_give_points_where_there_are_no_eye_files(tmp_path: Path, place: str) -> None:
    root = write_tree(tmp_path / "NIR-VIS-2.0")
    for name, text in (
        ("s2/NIR/10115/01-B.pos", "282 342 160 352\n9 9\n"),
        ("s1/VIS/00001/001.pos", "1 2 3\n"),
        ("s1/VIS/00005/001.pos", ""),
    ):
        path = tmp_path / place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    points = {sample.id: sample.points for sample in opened(root).samples if sample.points is not None}
    assert list(points) == ["s2/NIR/10115/01-B"]
    np.testing.assert_array_equal(points["s2/NIR/10115/01-B"], [[160, 352], [282, 342]])
    (root / "s1/s1_vis_eyes.txt").write_text("VIS\\00001\\001.jpg 210 300 292 302\n")
    assert opened(root).by_id["s2/NIR/10115/01-B"].points is None


def test_a_split_of_ones_own_goes_in_place_of_the_lists(tmp_path: Path) -> None:
    root = write_tree(tmp_path / "data")
    (tmp_path / "s.csv").write_text("part,subject\ntrain,1\ntrain,10115\ntest,00005\ntest,20320\n")
    dataset = open_dataset("casia", root, DatasetOptions(split=tmp_path / "s.csv"))
    (protocol,) = dataset.protocols
    assert protocol.name == "test"
    assert protocol.nir_train == LISTS_IDS["nir_train"]
    assert protocol.vis_gallery == ("s1/VIS/00005/001", "s3/VIS/20320/002")
    assert any("in place of the data set's own protocols" in note for note in dataset.notes)
    lists = tmp_path / "lists"
    (root / "protocols").rename(lists)
    there = open_dataset("casia", root, DatasetOptions(split=lists))
    assert [protocol.name for protocol in there.protocols] == ["view1", "fold01"]


def test_folders_above_the_period_may_have_blanks_in_a_list(tmp_path: Path) -> None:
    lists = {part: [f"D:\\CASIA NIR-VIS 2.0\\{line}" for line in lines] for part, lines in LISTS.items()}
    dataset = opened(write_tree(tmp_path, lists, files=list(chain(*LISTS.values()))))
    assert dataset.protocol("fold01").nir_train == LISTS_IDS["nir_train"]


def test_an_empty_tree_is_named(tmp_path: Path) -> None:
    (tmp_path / "s1/NIR/00001").mkdir(parents=True)
    with pytest.raises(DatasetError, match="no photo was found"):
        opened(tmp_path)


def test_a_fold_without_one_of_its_lists_is_left_out_and_named(tmp_path: Path) -> None:
    root = write_tree(tmp_path, views=["dev", "1", "2"])
    (root / "protocols/vis_gallery_2.txt").unlink()
    dataset = opened(root)
    assert [protocol.name for protocol in dataset.protocols] == ["view1", "fold01"]
    assert any("vis_gallery_2.txt not there; fold 2 of View 2 is left out" in note for note in dataset.notes)
    without = ", ".join(f"fold{k:02d}" for k in range(3, 11))
    assert any(f"protocols: there are no lists of {without}." in note for note in dataset.notes)


def test_other_counts_than_the_published_warn_only(tmp_path: Path) -> None:
    assert any("published protocol has 358" in note for note in opened(write_tree(tmp_path)).notes)


def test_hfb_lists_are_refused_by_their_periods(tmp_path: Path) -> None:
    lists = {
        part: [line.replace("s2", "s1").replace("s3", "s1") for line in dict.fromkeys(lines)]
        for part, lines in LISTS.items()
    }
    with pytest.raises(DatasetError, match=r"every photo listed is of s1.*older HFB"):
        opened(write_tree(tmp_path, lists))


def test_hfb_lists_are_refused_by_their_galleries(tmp_path: Path) -> None:
    lists = {**LISTS, "vis_gallery": [*LISTS["vis_gallery"], "s3\\VIS\\20320\\003.jpg"]}
    with pytest.raises(DatasetError, match=r"identity 20320 has several gallery photos.*older HFB"):
        opened(write_tree(tmp_path, lists))


@pytest.mark.parametrize(
    ("part", "lines", "said"),
    [
        (
            "nir_train",
            [*LISTS["nir_train"], "s1\\NIR\\00005\\001.bmp"],
            "1 identity in training and in testing: 00005",
        ),
        (
            "nir_probe",
            [*LISTS["nir_probe"], "s4\\NIR\\30777\\001.bmp"],
            "1 probe identity has no gallery photo: 30777",
        ),
        ("vis_gallery", [*LISTS["vis_gallery"], "s4\\VIS\\30777\\1.jpg"], "1 gallery identity has no probe: 30777"),
        ("nir_probe", [], "nir_probe_1.txt: the list is empty"),
        (
            "vis_train",
            ["s1\\NIR\\00001\\001.bmp"],
            "vis_train_1.txt: 1 line names photos of the other spectrum: line 1",
        ),
    ],
)
def test_each_contradiction_is_a_fault_with_its_name(tmp_path: Path, part: str, lines: list[str], said: str) -> None:
    root = write_tree(tmp_path, {**LISTS, part: lines}, files=[line for rows in LISTS.values() for line in rows])
    assert any(said in fault for fault in scan_dataset("casia", root).faults)
    with pytest.raises(DatasetError, match=said):
        opened(root)


def test_strange_lines_and_repetitions_are_noted(tmp_path: Path) -> None:
    lists = {**LISTS, "nir_train": [*LISTS["nir_train"], LISTS["nir_train"][0], "hello"]}
    dataset = opened(write_tree(tmp_path, lists))
    assert dataset.protocol("fold01").nir_train == LISTS_IDS["nir_train"]
    assert any(
        "nir_train_1.txt: 1 line names no photo of this data set: line 4 'hello'" in note for note in dataset.notes
    )
    assert any("1 photo is listed more than once" in note for note in dataset.notes)


def test_without_protocols_the_photos_are_still_there(tmp_path: Path) -> None:
    root = write_tree(tmp_path)
    shutil.rmtree(root / "protocols")
    dataset = opened(root)
    assert len(dataset.samples) == 9
    assert dataset.protocols == ()
    assert any("no 'protocols' folder" in note for note in dataset.notes)


def test_a_folder_that_holds_something_else_says_what_was_looked_for(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    with pytest.raises(DatasetError, match=r"s1 \.\.\. s4 and 'protocols'"):
        opened(tmp_path / "pictures")


def test_the_generated_layout_has_every_quirk(demo_casia: Path) -> None:
    dataset = opened(demo_casia)
    root = dataset.root
    assert len(dataset.protocols) == 11
    assert len(list((root / "protocols").iterdir())) == 44
    assert all(sample.path is not None and sample.points is not None for sample in dataset.samples)
    assert any(sample.id.endswith("-B") for sample in dataset.samples)
    periods = {subject: set() for subject in dataset.subjects}
    for sample in dataset.samples:
        periods[sample.subject].add(sample.id.split("/")[0])
    assert any(len(found) == 2 for found in periods.values())
    listed = {subject for p in dataset.protocols for subject in _subjects(dataset, p.nir_train + p.nir_probe)}
    assert len(dataset.subjects) - len(listed) == 1
    assert any(str(sample.path).endswith(".BMP") for sample in dataset.samples)
    assert (root / "protocols/nir_train_3.txt").read_bytes().startswith(b"\xef\xbb\xbf")
    for protocol in dataset.protocols:
        train = _subjects(dataset, protocol.nir_train) | _subjects(dataset, protocol.vis_train)
        assert not train & _subjects(dataset, protocol.nir_probe)
        assert _subjects(dataset, protocol.nir_probe) == _subjects(dataset, protocol.vis_gallery)


def test_generated_photos_and_their_truth_agree(demo_casia: Path) -> None:
    dataset = opened(demo_casia)
    with np.load(demo_casia / "truth.npz") as truth:
        assert set(truth["id"]) == set(dataset.by_id)
        for name, mesh in zip(truth["id"], truth["mesh"], strict=True):
            points = dataset.by_id[str(name)].points
            assert points is not None
            assert np.abs(points - mesh[[[33, 133], [362, 263]], :2].mean(1)).max() < 12  # the eyes lie between corners
    photo = dataset.read(dataset.samples[0])
    assert photo.pixels.shape == (640, 480)
    crop = open_dataset("casia", demo_casia, DatasetOptions(variant="cropped"))
    assert crop.read(crop.samples[0]).pixels.shape == (128, 128)


def test_an_empty_file_is_a_photo_error(tmp_path: Path) -> None:
    dataset = opened(write_tree(tmp_path))
    with pytest.raises(PhotoError, match="empty"):
        dataset.read(dataset.samples[0])


def _subjects(dataset: FaceDataset, names: Sequence[str]) -> set[str]:
    return {dataset.by_id[name].subject for name in names}


def test_nir_of_one_channel_or_three_is_the_same_sample(tmp_path: Path) -> None:
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16)
    read = {}
    for name, pixels in (("one", grey), ("three", np.repeat(grey[..., None], 3, axis=2))):
        root = write_tree(tmp_path / name)
        write_photo(root / "s1/NIR/00001/001.bmp", pixels)
        dataset = opened(root)
        read[name] = dataset.read(dataset.by_id["s1/NIR/00001/001"]).rgb
    assert np.array_equal(read["one"], read["three"])
