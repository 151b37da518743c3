from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from store_cases import HEADER, SIDE, make_rows

from masksynth.errors import ConfigError, OutputError
from masksynth.photos import read_photo
from masksynth.store import MaskEntry, ProtocolRows, Rows, write_store
from masksynth.store.export import export_pngs


def write_example(path: Path, sources: tuple[str, ...] = ("s1/NIR/1/a.bmp", "s1/NIR/1/b.bmp", "../../b.bmp")) -> Rows:
    nir = make_rows(3, "nir", masked=True)
    nir = Rows(**{**nir.__dict__, "source": sources})
    rows = {"nir_train": [0, 1], "vis_train": [0], "nir_probe": [2], "vis_gallery": [1]}
    arrays = {part: np.array(found, np.int32) for part, found in rows.items()}
    write_store(
        path,
        HEADER,
        subjects=("p0", "p1", "p2"),
        nir=nir,
        vis=make_rows(2, "vis", masked=False),
        masks=[MaskEntry("surgical-blue", {}, "0" * 64)],
        protocols=[ProtocolRows("fold01", arrays, {part: len(r) for part, r in rows.items()}, {}, published=True)],
    )
    return nir


def test_every_row_becomes_a_file_with_its_pixels(tmp_path: Path) -> None:
    nir = write_example(tmp_path / "m.h5")
    assert export_pngs(tmp_path / "m.h5", tmp_path / "files") == 5
    files = {str(p.relative_to(tmp_path / "files")) for p in (tmp_path / "files").rglob("*.png")}
    assert files == {
        "s1/NIR/1/a.surgical-blue.png",
        "s1/NIR/1/b.surgical-blue.png",
        "b.surgical-blue.png",  # a source that points outside stays inside
        "s1/VIS/фото 0.png",
        "s1/VIS/фото 1.png",
    }
    pixels = read_photo(tmp_path / "files/s1/NIR/1/b.surgical-blue.png").pixels
    np.testing.assert_array_equal(pixels, nir.image[1])
    assert pixels.shape == (SIDE, SIDE)
    with (tmp_path / "files" / "rows.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert rows[2]["file"] == "b.surgical-blue.png"
    assert rows[2]["protocols"] == "fold01/nir_probe"
    assert rows[0]["template"] == "surgical-blue"
    assert rows[4]["template"] == ""


def test_a_folder_in_use_is_not_written_into(tmp_path: Path) -> None:
    write_example(tmp_path / "m.h5")
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "mine.txt").write_text("x")
    with pytest.raises(ConfigError, match="is there already"):
        export_pngs(tmp_path / "m.h5", tmp_path / "files")
    export_pngs(tmp_path / "m.h5", tmp_path / "files", force=True)
    assert (tmp_path / "files" / "mine.txt").exists()


def test_two_rows_that_would_be_one_file_are_refused(tmp_path: Path) -> None:
    write_example(tmp_path / "m.h5", ("a.bmp", "a.png", "b.bmp"))
    with pytest.raises(OutputError, match=r"a\.surgical-blue\.png: two rows of"):
        export_pngs(tmp_path / "m.h5", tmp_path / "files")
