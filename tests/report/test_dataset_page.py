from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from masksynth.errors import ConfigError, OutputError, StoreError
from masksynth.report import write_report
from masksynth.report.dataset import dataset_sections
from masksynth.report.markup import joined
from masksynth.report.sampling import brightness, spread
from masksynth.report.skipped import reason_kind
from masksynth.store import MaskEntry, Rows, Skipped, open_store
from masksynth.template import Template, save_template
from masksynth.template.design import vary
from masksynth.template.generator import generate

MakeStore = Callable[..., Path]
MakeRows = Callable[..., Rows]


def page_of(path: Path, tmp_path: Path, **options: object) -> str:
    out = tmp_path / "report.html"
    write_report(path, out, **options)  # type: ignore[arg-type]
    return out.read_text(encoding="utf-8")


def text_of(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", re.sub(r"<style>.*?</style>", "", html, flags=re.S)))


def test_the_page_says_what_is_in_the_file(make_store: MakeStore, tmp_path: Path):
    text = text_of(page_of(make_store(), tmp_path))
    assert "6 people" in text
    assert "20 NIR crops" in text
    assert "8 VIS crops" in text
    assert "3 skipped photos" in text
    assert "NIR 20 20 6 20" in text  # crops, photos, people, masked
    assert "VIS 8 8 6 0" in text
    assert "fold01 * 4 0 4 0 5 1 4 0" in text  # expected and missing of each part; * for an unpublished split
    assert "10 wearers" in text


def test_like_reasons_are_counted_together(make_store: MakeStore, tmp_path: Path):
    assert "no face found (best score …, needs …) 2 0" in text_of(page_of(make_store(), tmp_path))
    assert reason_kind(Skipped("a/b.bmp", "/data/a/b.bmp: is 10 x 1,200 px.", "", "nir")) == "is … x … px."


def test_the_page_fetches_nothing_and_runs_nothing(make_store: MakeStore, tmp_path: Path):
    html = page_of(make_store(), tmp_path)
    assert "<script" not in html
    assert "://" not in html
    assert "<i>3" not in html  # a file name with a tag in it
    assert all(source.startswith("data:image/") for source in re.findall(r'src="([^"]*)"', html))
    assert "default-src &#x27;none&#x27;" in html


def test_the_same_file_gives_the_same_page(make_store: MakeStore, tmp_path: Path):
    path = make_store()
    assert page_of(path, tmp_path) == page_of(path, tmp_path)
    assert page_of(path, tmp_path) != page_of(path, tmp_path, seed=1)


def test_an_incomplete_file_is_called_incomplete(make_store: MakeStore, tmp_path: Path):
    assert "marked incomplete" in page_of(make_store(header={"complete": False}), tmp_path)
    assert "marked incomplete" not in page_of(make_store("whole.h5"), tmp_path)


def test_skipped_photos_are_shown_where_they_can_be_read(make_store: MakeStore, tmp_path: Path):
    root = tmp_path / "data"
    (root / "s1" / "NIR").mkdir(parents=True)
    for place in (root / "s1" / "NIR" / "a.bmp", tmp_path / "outside.png"):
        PillowImage.new("RGB", (60, 80), (200, 30, 30)).save(place)
    (root / "s1" / "NIR" / "b.bmp").write_bytes(b"no picture")
    without = page_of(make_store(), tmp_path).count("<img")
    (tmp_path / "link").symlink_to(root)
    assert page_of(make_store("c.h5"), tmp_path, root=tmp_path / "link").count("<img") == without + 1
    shown = page_of(make_store("b.h5"), tmp_path, root=root)
    assert shown.count("<img") == without + 1  # not the damaged one, and never one outside the root
    assert shown.count("no picture") == 2


def test_the_root_may_be_a_folder_above(make_store: MakeStore, tmp_path: Path):
    place = tmp_path / "data" / "NIR-VIS-2.0" / "s1" / "NIR"
    place.mkdir(parents=True)
    PillowImage.new("RGB", (60, 80), (200, 30, 30)).save(place / "a.bmp")
    without = page_of(make_store(), tmp_path).count("<img")
    assert page_of(make_store("b.h5"), tmp_path, root=tmp_path / "data").count("<img") == without + 1
    assert page_of(make_store("c.h5"), tmp_path, root=tmp_path / "home").count("<img") == without


def test_a_template_is_shown_only_as_it_was_used(make_store: MakeStore, tmp_path: Path, monkeypatch):
    monkeypatch.setenv("MASKSYNTH_HOME", str(tmp_path / "home"))
    rgba = np.zeros((256, 256, 4), np.float32)
    rgba[140:200, 90:166] = (0.2, 0.5, 0.8, 1.0)
    template = Template("own", rgba)
    (tmp_path / "home" / "templates").mkdir(parents=True)
    save_template(tmp_path / "home" / "templates" / "own.png", template)
    same = page_of(make_store(masks=[MaskEntry("own", {}, template.sha256)] * 2), tmp_path)
    assert "image/png" in same
    other = page_of(make_store("b.h5", masks=[MaskEntry("own", {}, "00")] * 2), tmp_path)
    assert "image/png" not in other
    assert "not in the library of this machine" in other


def test_a_generated_template_is_made_again_from_its_design(make_store: MakeStore, tmp_path: Path):
    template = generate(vary(7, "test"), "vary-000")
    entry = MaskEntry(template.name, {"kind": template.kind, "design": template.metadata["design"]}, template.sha256)
    assert "image/png" in page_of(make_store(masks=[entry] * 2), tmp_path)
    for design in ({"kind": "no such kind"}, {"other": 1}, "text", {**template.metadata["design"], "seed": 8}):
        changed = MaskEntry(template.name, {"design": design}, template.sha256)
        html = page_of(make_store("other.h5", masks=[changed] * 2), tmp_path)
        assert html.count("not in the library of this machine") == 2
        (tmp_path / "other.h5").unlink()


def test_a_file_without_masks_protocols_and_skipped_still_has_a_page(
    make_store: MakeStore, make_rows: MakeRows, tmp_path: Path
):
    path = make_store(nir=make_rows(0, "nir", 6, 2), vis=make_rows(3, "vis", 6, 2), masks=[], protocols=[], skipped=[])
    text = text_of(page_of(path, tmp_path))
    assert "No photo was skipped." in text
    assert "0 NIR crops" in text


def test_rows_shown_are_spread_over_people():
    labels = np.repeat(np.arange(5), 100)
    chosen = spread(labels, 5, np.random.default_rng(0))
    assert sorted(labels[chosen]) == [0, 1, 2, 3, 4]
    assert len(np.unique(spread(labels, 12, np.random.default_rng(0)))) == 12
    assert spread(labels[:3], 12, np.random.default_rng(0)).tolist() == [0, 1, 2]
    assert spread(labels[:0], 12, np.random.default_rng(0)).tolist() == []


def test_brightness_of_mask_over_skin_is_what_was_drawn(make_store: MakeStore):
    with open_store(make_store()) as store:
        measured = brightness(store, "nir", np.arange(20))
    np.testing.assert_allclose(measured.ratio, 1.5, atol=0.03)


def test_a_crop_without_bare_skin_has_no_brightness(make_store: MakeStore, make_rows: MakeRows):
    rows = make_rows(20, "nir", 6, 2)
    rows.landmarks[0] = np.nan
    rows.landmarks[1, :, 1] = 900
    with open_store(make_store(nir=rows)) as store:
        measured = brightness(store, "nir", np.arange(20))
    assert np.isnan(measured.ratio[:2]).all()
    assert np.isfinite(measured.ratio[2:]).all()


def test_what_is_no_data_set_is_refused_and_leaves_nothing(make_store: MakeStore, tmp_path: Path):
    (tmp_path / "text.h5").write_text("no")
    (tmp_path / "folder").mkdir()
    out = tmp_path / "report.html"
    for source, error in (("text.h5", StoreError), ("none.h5", ConfigError), ("folder", ConfigError)):
        with pytest.raises(error):
            write_report(tmp_path / source, out)
    with pytest.raises(OutputError):
        write_report(make_store(), tmp_path / "none" / "report.html")
    assert not out.exists()


def test_sections_need_no_more_than_a_sample_of_the_images(make_store: MakeStore):
    rows_read = 0
    with open_store(make_store()) as store:
        read = store.images

        def counted(spectrum, rows=None, kind="image"):
            nonlocal rows_read
            assert rows is not None
            rows_read = max(rows_read, len(rows))
            return read(spectrum, rows, kind)

        store.images = counted  # type: ignore[method-assign]
        joined([section.body for section in dataset_sections(store)])
    assert 0 < rows_read <= 400
