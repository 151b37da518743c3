"""Oulu-CASIA NIR&VIS as people have it on disk."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from masksynth.datasets import DatasetOptions, open_dataset, scan_dataset
from masksynth.datasets.generated.demo import DemoConfig, write_demo
from masksynth.datasets.oulu import choose_frames
from masksynth.errors import DatasetError

EXPRESSIONS = ("Anger", "Disgust", "Fear", "Happiness", "Sadness", "Surprise")


def write_tree(
    root: Path,
    persons: Sequence[str] = ("P001", "P002", "P051", "P052"),
    kinds: tuple[str, str] = ("NI", "VL"),
    lights: Sequence[str] = ("Strong",),
    frames: int = 10,
) -> Path:
    for kind in kinds:
        for light in lights:
            for person in persons:
                for expression in EXPRESSIONS:
                    folder = root / kind / light / person / expression
                    folder.mkdir(parents=True)
                    for number in range(frames):
                        (folder / f"{number:03d}.jpeg").touch()
                    (folder / "Thumbs.db").touch()
    return root


def test_eight_frames_of_each_sequence_evenly_spaced(tmp_path: Path) -> None:
    dataset = open_dataset("oulu", write_tree(tmp_path))
    ids = [sample.id for sample in dataset.samples if sample.id.startswith("NI/Strong/P001/Anger")]
    assert ids == [f"NI/Strong/P001/Anger/{number:03d}" for number in (0, 1, 3, 4, 5, 6, 8, 9)]
    assert len(dataset.samples) == 2 * 4 * 6 * 8


@pytest.mark.parametrize(
    ("count", "choice", "wanted"),
    [
        (2, "even", [3, 9]),
        (2, "first", [3, 5]),
        (2, "last", [7, 9]),
        (0, "even", [3, 5, 7, 9]),
        (9, "first", [3, 5, 7, 9]),
    ],
)
def test_choice_of_frames(count: int, choice: str, wanted: list[int]) -> None:
    assert choose_frames([3, 5, 7, 9], count, choice) == wanted


def test_frames_are_those_that_both_spectra_have(tmp_path: Path) -> None:
    root = write_tree(tmp_path, persons=["P001", "P051"], frames=3)
    (root / "NI/Strong/P001/Fear/000.jpeg").unlink()
    (root / "VL/Strong/P001/Fear/003.jpeg").touch()
    dataset = open_dataset("oulu", root)
    fear = [sample.id for sample in dataset.samples if "P001/Fear" in sample.id]
    assert fear == [f"{kind}/Strong/P001/Fear/{number:03d}" for kind in ("NI", "VL") for number in (1, 2)]
    assert any("fewer than 8 frames" in note for note in dataset.notes)


def test_a_sequence_in_one_spectrum_only_is_left_out_and_named(tmp_path: Path) -> None:
    root = write_tree(tmp_path, persons=["P001", "P051"], frames=1)
    (root / "VL/Strong/P051/Sadness/000.jpeg").unlink()
    dataset = open_dataset("oulu", root)
    assert not any("P051/Sadness" in sample.id for sample in dataset.samples)
    assert any("1 sequence is there in one spectrum only and left out: strong/51/sadness" in n for n in dataset.notes)


def test_the_light_is_chosen(tmp_path: Path) -> None:
    root = write_tree(tmp_path, persons=["P001", "P051"], lights=("STRONG", "weak", "Dark"), frames=1)
    assert {sample.id.split("/")[1] for sample in open_dataset("oulu", root).samples} == {"Strong"}
    weak = open_dataset("oulu", root, DatasetOptions(light="weak"))
    assert {sample.id.split("/")[1] for sample in weak.samples} == {"Weak"}
    assert len(open_dataset("oulu", root, DatasetOptions(light="all")).samples) == 3 * len(weak.samples)


def test_a_light_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        DatasetError, match=r"no photos in the light 'dark', only in strong. Say which with --oulu-light"
    ):
        open_dataset("oulu", write_tree(tmp_path), DatasetOptions(light="dark"))


def test_the_variant_is_chosen_and_the_other_taken_where_there_is_none(tmp_path: Path) -> None:
    write_tree(tmp_path / "B_OriginalImg/OriginalImg", persons=["P001", "P051"], frames=1)
    write_tree(tmp_path / "PreProcess_Img", persons=["P001", "P051"], kinds=("NI_Acropped", "VL_Acropped"), frames=1)
    assert open_dataset("oulu", tmp_path).root.name == "OriginalImg"
    cropped = open_dataset("oulu", tmp_path, DatasetOptions(variant="cropped"))
    assert cropped.root.name == "PreProcess_Img"
    assert [sample.id for sample in cropped.samples] == [sample.id for sample in open_dataset("oulu", tmp_path).samples]
    alone = open_dataset("oulu", tmp_path / "PreProcess_Img")
    assert any("no whole photos here; the others are used" in note for note in alone.notes)


def test_without_a_list_the_split_is_seeded_and_not_called_published(tmp_path: Path) -> None:
    people = [f"P{number:03d}" for number in range(1, 81)]
    root = write_tree(tmp_path, persons=people, frames=1)
    dataset = open_dataset("oulu", root)
    protocol = dataset.protocol("test")
    train = {dataset.by_id[name].subject for name in protocol.nir_train}
    test = {dataset.by_id[name].subject for name in protocol.nir_probe}
    assert (len(train), len(test), len(train & test)) == (20, 20, 0)
    assert sum(int(name[1:]) <= 50 for name in train | test) == 10
    assert not protocol.published
    assert any("not the published split" in note for note in dataset.notes)
    assert open_dataset("oulu", root).protocol("test") == protocol
    assert open_dataset("oulu", root, DatasetOptions(seed=1)).protocol("test") != protocol


def test_the_gallery_is_every_vis_photo_of_the_tested(tmp_path: Path) -> None:
    dataset = open_dataset("oulu", write_tree(tmp_path))
    assert len(dataset.protocol("test").vis_gallery) == 2 * 6 * 8
    first = open_dataset("oulu", dataset.root, DatasetOptions(gallery="first"))
    assert len(first.protocol("test").vis_gallery) == 2


@pytest.mark.parametrize("label", ["P052", "52", "052"])
def test_a_split_by_subject_in_any_spelling(tmp_path: Path, label: str) -> None:
    root = write_tree(tmp_path / "data")
    split = tmp_path / "split.csv"
    split.write_text(f"part,subject\ntrain,P001\ntest,{label}\n")
    dataset = open_dataset("oulu", root, DatasetOptions(split=split))
    protocol = dataset.protocol("test")
    assert {dataset.by_id[name].subject for name in protocol.nir_train} == {"P001"}
    assert {dataset.by_id[name].subject for name in protocol.vis_gallery} == {"P052"}
    assert protocol.published
    assert any("2 subjects are in neither half" in note for note in dataset.notes)


@pytest.mark.parametrize(
    ("names", "form"),
    [
        (("vis_test_paths.csv", "nir_test_paths.csv"), "{0}/Strong/P052/Anger/005.jpeg,P052"),
        (("test_vis_paths.txt", "test_nir_paths.txt"), "{0}\\Strong\\P052\\Anger\\005.jpeg 52"),
    ],
)
def test_lists_as_published_code_reads_them_are_found_beside_the_photos(
    tmp_path: Path, names: tuple[str, str], form: str
) -> None:
    root = write_tree(tmp_path)
    for name, kind in zip(names, ("VL", "NI"), strict=True):
        (root / name).write_text(form.format(kind) + "\r\n")
    protocol = open_dataset("oulu", root).protocol("test")
    assert protocol.nir_probe == ("NI/Strong/P052/Anger/005",)
    assert protocol.vis_gallery == ("VL/Strong/P052/Anger/005",)


LISTED = {"NI": "NI/Strong/P052/Anger/005", "VL": "VL/Strong/P052/Anger/005"}


@pytest.mark.parametrize("form", ["OriginalImg/{0}.jpeg 52", "D:\\OriginalImg\\{0}.JPEG,P052", "{1}.jpeg 52"])
def test_paths_of_a_list_may_go_on_to_the_left_or_be_flat(tmp_path: Path, form: str) -> None:
    root = write_tree(tmp_path)
    for name, kind in (("test_vis_paths.txt", "VL"), ("test_nir_paths.txt", "NI")):
        (root / name).write_text(form.format(LISTED[kind], LISTED[kind].replace("/", "_")) + "\n")
    dataset = open_dataset("oulu", root)
    assert [sample.id for sample in dataset.samples] == list(LISTED.values())
    assert any("photos that the lists do not name left out" in note for note in dataset.notes)


def test_labels_of_a_list_that_are_another_persons_are_named(tmp_path: Path) -> None:
    root = write_tree(tmp_path)
    (root / "test_nir_paths.txt").write_text("NI/Strong/P052/Anger/001.jpeg 52\nNI/Strong/P051/Anger/001.jpeg 52\n")
    (root / "test_vis_paths.txt").write_text("".join(f"VL/Strong/P0{n}/Fear/001.jpeg {n % 2}\n" for n in (51, 52)))
    told = [note for note in open_dataset("oulu", root).notes if "label is" in note]
    assert told == ["test_nir_paths.txt: 1 label is not that of its photo: 52 for NI/Strong/P051/Anger/001."]


def test_an_empty_list_is_a_fault(tmp_path: Path) -> None:
    root = write_tree(tmp_path)
    (root / "test_nir_paths.txt").write_text("NI/Strong/P052/Anger/001.jpeg 52\n")
    (root / "test_vis_paths.txt").write_text("\n")
    assert "test_vis_paths.txt: the list is empty." in scan_dataset("oulu", root).faults


def test_half_a_copy_says_which_half(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="there is NI, but no VL beside it"):
        open_dataset("oulu", write_tree(tmp_path, kinds=("NI", "videos")))


def test_of_a_frame_in_two_formats_one_is_used(tmp_path: Path) -> None:
    root = write_tree(tmp_path)
    (root / "NI/Strong/P001/Anger/000.jpg").touch()
    dataset = open_dataset("oulu", root)
    assert dataset.by_id["NI/Strong/P001/Anger/000"].path == "NI/Strong/P001/Anger/000.jpg"
    assert any("1 photo is there in several formats" in note for note in dataset.notes)


def test_persons_and_halves_are_as_asked(tmp_path: Path) -> None:
    root = write_tree(tmp_path, persons=[f"P{n:03d}" for n in (1, 2, 3, 51, 52, 53)], frames=1)
    dataset = open_dataset("oulu", root, DatasetOptions(persons=(1, 3), train=3))
    protocol = dataset.protocol("test")
    subjects = [{dataset.by_id[name].subject for name in names} for names in (protocol.nir_train, protocol.nir_probe)]
    assert list(map(len, subjects)) == [3, 1]
    assert {"P051", "P052", "P053"} < subjects[0] | subjects[1]


def test_flat_renames_are_read(tmp_path: Path) -> None:
    for kind in ("NI", "VL"):
        for person in ("P001", "P051"):
            (tmp_path / f"{kind}_Strong_{person}_Disgust_001.jpeg").touch()
    dataset = open_dataset("oulu", tmp_path)
    assert dataset.by_id["NI/Strong/P051/Disgust/001"].path == "NI_Strong_P051_Disgust_001.jpeg"


def test_a_tree_cut_into_train_and_test_is_taken_as_it_is(tmp_path: Path) -> None:
    for half, person in (("Oulu_20class_train", "1"), ("Oulu_20class_test", "2")):
        for kind in ("NIR", "VIS"):
            folder = tmp_path / half / kind / person
            folder.mkdir(parents=True)
            (folder / "10.jpg").touch()
            (folder / "9.jpg").touch()
    protocol = open_dataset("oulu", tmp_path).protocol("test")
    assert protocol.nir_train == ("train/NIR/1/9", "train/NIR/1/10")
    assert protocol.vis_gallery == ("test/VIS/2/9", "test/VIS/2/10")
    (tmp_path / "s.csv").write_text("part,subject\ntrain,2\ntest,1\n")
    turned = open_dataset("oulu", tmp_path, DatasetOptions(split=tmp_path / "s.csv")).protocol("test")
    assert turned.nir_train == ("test/NIR/2/9", "test/NIR/2/10")
    (tmp_path / "Oulu_20class_test/NIR/1").mkdir()
    (tmp_path / "Oulu_20class_test/NIR/1/1.jpg").touch()
    assert any("1 identity is below both" in fault for fault in scan_dataset("oulu", tmp_path).faults)


def test_the_generated_layout_is_read_with_its_quirks(tmp_path: Path) -> None:
    write_demo(tmp_path / "demo", DemoConfig(layout="oulu", subjects=4, nir_photos=1, vis_photos=1))
    dataset = open_dataset("oulu", tmp_path / "demo")
    assert dataset.subjects == ("P001", "P002", "P051", "P052")
    assert len(dataset.samples) == 2 * 4 * 6
    assert dataset.by_id["NI/Strong/P002/Fear/001"].path is not None
    assert dataset.read(dataset.samples[0]).pixels.shape[:2] == (240, 320)


@pytest.mark.parametrize(
    ("above", "kinds"),
    [
        ("B_OriginalImg/OriginalImg", ("NI", "VL")),
        ("Oulu_CASIA_NIR_VIS", ("NI", "VL")),
        ("x/y", ("NIR", "VIS")),
        ("PreProcess_Img", ("NI_Acropped", "VL_Acropped")),
        ("PreProcess", ("ni_acropped", "vl_acropped")),
        ("PreProcessImg", ("NI_Acropped", "VL_Acropped")),
    ],
)
def test_roots_of_every_name_are_found(tmp_path: Path, above: str, kinds: tuple[str, str]) -> None:
    root = write_tree(tmp_path / above, kinds=kinds, frames=1)
    dataset = open_dataset("oulu", tmp_path)
    assert dataset.root == root
    assert len(dataset.samples) == 2 * 4 * 6
    assert dataset.samples[0].id == "NI/Strong/P001/Anger/000"


@pytest.mark.parametrize("suffix", [".jpg", ".JPEG", ".png", ".bmp"])
def test_persons_may_lack_the_letter_and_photos_have_any_extension(tmp_path: Path, suffix: str) -> None:
    root = write_tree(tmp_path, persons=("1", "p051"), frames=1)
    for photo in root.rglob("*.jpeg"):
        photo.rename(photo.with_suffix(suffix))
    dataset = open_dataset("oulu", root)
    assert dataset.subjects == ("P001", "P051")
    assert all(str(sample.path).endswith(suffix) for sample in dataset.samples)


def test_what_is_no_frame_is_passed_over(tmp_path: Path) -> None:
    root = write_tree(tmp_path, frames=1)
    before = open_dataset("oulu", root).samples
    (root / "NI/Strong/change_log.txt").touch()
    (root / "NI/Strong/P009.jpeg").touch()
    (root / "NI/Strong/P001/Anger/notes.jpeg").touch()
    (root / "NI/Strong/P001/Boredom").mkdir()
    (root / "NI/Strong/P001/Boredom/000.jpeg").touch()
    assert open_dataset("oulu", root).samples == before
