"""BUAA-VisNir as people have it on disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from masksynth.datasets import DatasetOptions, open_dataset
from masksynth.datasets.generated.demo import DemoConfig, write_demo
from masksynth.errors import DatasetError
from masksynth.photos import write_photo

COLOUR = np.tile(np.array([200, 120, 90], np.uint8), (16, 16, 1))
GREY = np.full((16, 16, 3), 130, np.uint8)


def write_mixed(
    root: Path, persons: int = 6, last: int = 40, odd: np.ndarray = COLOUR, even: np.ndarray = GREY
) -> Path:
    root.mkdir(exist_ok=True)
    files = []
    for name, pixels in (("even", even), ("odd", odd)):
        write_photo(root / f"{name}.bmp", pixels)
        files.append((root / f"{name}.bmp").read_bytes())
        (root / f"{name}.bmp").unlink()
    for person in range(1, persons + 1):
        (root / str(person)).mkdir()
        for number in range(1, last + 1):
            (root / str(person) / f"{number}.bmp").write_bytes(files[number % 2])
    return root


def write_sorted(root: Path, persons: int = 6) -> Path:
    for kind in ("NIR", "VIS"):
        for person in range(1, persons + 1):
            folder = root / kind / str(person)
            folder.mkdir(parents=True)
            for number in range(1, 12):
                (folder / f"{number}.jpg").touch()
    return root


def test_nine_pairs_odd_numbers_vis(tmp_path: Path) -> None:
    dataset = open_dataset("buaa", write_mixed(tmp_path))
    spectra = {sample.id: sample.spectrum for sample in dataset.samples}
    assert len(spectra) == 6 * 18
    assert (spectra["1/1"], spectra["1/2"], spectra["6/17"], spectra["6/18"]) == ("vis", "nir", "vis", "nir")
    assert any(f"{6 * 22} photos with numbers above 18 left out" in note for note in dataset.notes)


def test_the_photos_decide_which_parity_is_nir(tmp_path: Path) -> None:
    dataset = open_dataset("buaa", write_mixed(tmp_path, odd=GREY, even=COLOUR))
    assert dataset.by_id["1/1"].spectrum == "nir"
    assert any("Odd numbers are NIR" in note for note in dataset.notes)


def test_one_channel_files_count_as_without_colour(tmp_path: Path) -> None:
    dataset = open_dataset("buaa", write_mixed(tmp_path, even=GREY[..., 0]))
    assert dataset.by_id["1/2"].spectrum == "nir"


@pytest.mark.parametrize(("pixels", "said"), [(GREY, "have both no colour"), (COLOUR, "are both in colour")])
def test_photos_that_do_not_differ_are_refused(tmp_path: Path, pixels: np.ndarray, said: str) -> None:
    with pytest.raises(DatasetError, match=said):
        open_dataset("buaa", write_mixed(tmp_path, odd=pixels, even=pixels))


def test_holes_in_the_numbering_are_kept_and_noted(tmp_path: Path) -> None:
    root = write_mixed(tmp_path)
    (root / "3/4.bmp").unlink()
    dataset = open_dataset("buaa", root)
    assert "3/4" not in dataset.by_id
    assert dataset.by_id["3/6"].spectrum == "nir"
    said = "1 person has fewer than 18 of the photos 1 to 18: 3 has 17; 1 is missing."
    assert any(said in note for note in dataset.notes)


def test_more_pairs_on_demand(tmp_path: Path) -> None:
    root = write_mixed(tmp_path)
    assert len(open_dataset("buaa", root, DatasetOptions(pairs=0)).samples) == 6 * 28
    assert len(open_dataset("buaa", root, DatasetOptions(pairs=2)).samples) == 6 * 4
    more = open_dataset("buaa", root, DatasetOptions(pairs=15))
    assert len(more.samples) == 6 * (28 + 4)
    assert {sample.spectrum for sample in more.samples if int(sample.id.split("/")[1]) > 36} == {"vis"}


def test_lists_may_name_any_number(tmp_path: Path) -> None:
    root = write_mixed(tmp_path)
    (root / "test_vis_paths.txt").write_text("2/21.bmp\n2/38.bmp\n")
    (root / "test_nir_paths.txt").write_text("2/30.bmp\n")
    dataset = open_dataset("buaa", root)
    assert dataset.protocol("test").vis_gallery == ("2/21", "2/38")
    assert dataset.protocol("test").nir_probe == ("2/30",)


def test_photos_that_cannot_be_read_do_not_decide(tmp_path: Path) -> None:
    root = write_mixed(tmp_path)
    (root / "1/1.bmp").write_bytes(b"")
    dataset = open_dataset("buaa", root)
    assert dataset.by_id["1/2"].spectrum == "nir"
    assert any("Looking at the colours: " in note and "1.bmp: the file is empty" in note for note in dataset.notes)


def test_the_gallery_is_the_first_vis_photo_and_the_split_not_published(tmp_path: Path) -> None:
    dataset = open_dataset("buaa", write_mixed(tmp_path))
    protocol = dataset.protocol("test")
    assert all(name.endswith("/1") for name in protocol.vis_gallery)
    assert len(protocol.vis_gallery) == 4
    assert len(protocol.nir_probe) == 4 * 9
    assert not protocol.published


def test_a_third_of_a_full_copy_trains(tmp_path: Path) -> None:
    dataset = open_dataset("buaa", write_sorted(tmp_path, persons=150))
    protocol = dataset.protocol("test")
    assert len({dataset.by_id[name].subject for name in protocol.nir_train}) == 50
    assert len(protocol.vis_gallery) == 100
    assert len(protocol.nir_probe) == 900


def test_sorted_copies_are_told_by_their_folders(tmp_path: Path) -> None:
    dataset = open_dataset("buaa", write_sorted(tmp_path))
    assert dataset.by_id["NIR/2/9"].spectrum == "nir"
    assert "NIR/2/10" not in dataset.by_id
    assert any("24 photos beyond the first 9 of a person left out" in note for note in dataset.notes)
    for number in range(1, 5):
        (tmp_path / f"VIS/4/{number}.jpg").unlink()
    assert any("fewer than 9 photos of a spectrum: 4 (7 VIS)" in n for n in open_dataset("buaa", tmp_path).notes)


@pytest.mark.parametrize("gallery", ["1/1.bmp", "1\\1.bmp"])
def test_lists_beside_the_photos_are_taken(tmp_path: Path, gallery: str) -> None:
    root = write_mixed(tmp_path)
    (root / "test_vis_paths.txt").write_text(gallery + "\n")
    (root / "test_nir_paths.txt").write_text("1/2.bmp\n1/4.bmp\n")
    protocol = open_dataset("buaa", root).protocol("test")
    assert protocol.vis_gallery == ("1/1",)
    assert protocol.nir_probe == ("1/2", "1/4")
    assert protocol.published


def test_training_lists_with_more_columns_are_read(tmp_path: Path) -> None:
    root = write_sorted(tmp_path / "data")
    lists = tmp_path / "lists"
    lists.mkdir()
    (lists / "LoadBUAA_nir_trainA.txt").write_bytes(b"NIR/1/2.jpg 1 1 NIR/1/1.jpg VIS/1/1.jpg\r\n")
    (lists / "LoadBUAA_vis_trainA.txt").write_bytes(b"VIS/1/2.jpg 1 1 VIS/1/1.jpg NIR/1/1.jpg\r\n" * 2)
    protocol = open_dataset("buaa", root, DatasetOptions(split=lists)).protocol("test")
    assert protocol.nir_train == ("NIR/1/2",)
    assert protocol.vis_train == ("VIS/1/2",)
    one = DatasetOptions(split=lists / "LoadBUAA_nir_trainA.txt")
    assert open_dataset("buaa", root, one).protocol("test").nir_train == ("NIR/1/2",)


def test_a_copy_cut_into_train_and_test(tmp_path: Path) -> None:
    write_sorted(tmp_path / "BUAA_VISNIR_train_test/BUAA_VISNIR_train", persons=2)
    test = write_sorted(tmp_path / "all", persons=4)
    target = tmp_path / "BUAA_VISNIR_train_test/BUAA_VISNIR_test"
    for kind in ("NIR", "VIS"):
        for person in ("3", "4"):
            (target / kind).mkdir(parents=True, exist_ok=True)
            (test / kind / person).rename(target / kind / person)
    protocol = open_dataset("buaa", tmp_path / "BUAA_VISNIR_train_test").protocol("test")
    assert protocol.vis_gallery == ("test/VIS/3/1", "test/VIS/4/1")
    assert len(protocol.nir_train) == 22


def test_the_generated_layout_is_read_with_its_quirks(tmp_path: Path) -> None:
    write_demo(tmp_path / "demo", DemoConfig(layout="buaa", subjects=4, vis_photos=2))
    dataset = open_dataset("buaa", tmp_path / "demo")
    assert len(dataset.samples) == 4 * 4 - 1
    assert dataset.read(dataset.by_id["1/2"]).pixels.shape == (287, 287, 3)
    assert any("numbers above 18" in note for note in dataset.notes)
