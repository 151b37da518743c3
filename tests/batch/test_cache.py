"""Reconstructions that are kept: another run on the same photos asks no network, and no byte changes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from drawn_faces import drawn_face

from masksynth.arrays import Box
from masksynth.batch import BatchConfig, Plan, make_plan
from masksynth.batch.folder import photo_arguments
from masksynth.batch.photo import PhotoWalk
from masksynth.datasets import FaceDataset, Sample
from masksynth.errors import OutputError
from masksynth.photos import write_photo
from masksynth.reconstruct.cache import FaceCache, as_kept
from masksynth.reconstruct.prnet import reconstruction_of_positions
from masksynth.template import resolve_templates


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    root = tmp_path_factory.mktemp("faces")
    face = drawn_face(size=70).rgb
    write_photo(root / "nir.png", face[:, :, 0])
    write_photo(root / "vis.png", face)
    samples = (Sample("n", "nir.png", "ann", "nir"), Sample("v", "vis.png", "ann", "vis"))
    templates = resolve_templates(["surgical-blue", "n95-cup"])
    return make_plan(FaceDataset("two", root, samples, ()), templates, BatchConfig(mask_spectrum="both"))


def test_a_second_walk_asks_no_network_and_makes_the_same_rows(plan: Plan, tmp_path: Path) -> None:
    plain, first, second = (PhotoWalk.of_plan(plan, cache) for cache in (None, tmp_path / "c", tmp_path / "c"))

    class NoDetector:
        name = first.detector.name

        def detect(self, rgb: object) -> list[object]:
            raise AssertionError("the network was asked")

    wanted, filling = ([walk(photo)[0] for photo in plan.photos] for walk in (plain, first))
    second.detector = NoDetector()  # type: ignore[assignment]
    again = [second(photo)[0] for photo in plan.photos]
    for rows in zip(wanted, filling, again, strict=True):
        for name in ("image", "clean", "alpha", "touched", "landmarks"):
            values = [getattr(row, name) for row in rows]
            np.testing.assert_array_equal(values[0], values[1])
            np.testing.assert_array_equal(values[0], values[2])
        assert len({(row.pose, row.score) for row in rows}) == 1


def test_what_a_folder_gives_back_is_what_a_walk_without_one_uses(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    positions = rng.normal(100, 40, (256, 256, 3)).astype(np.float32)
    made = reconstruction_of_positions(positions, Box(1, 2, 3, 4), 0.75)
    cache = FaceCache(tmp_path)
    cache.store(tmp_path / "ab" / "x.faces", [made], [])
    loaded = cache.load(tmp_path / "ab" / "x.faces")
    assert loaded is not None
    np.testing.assert_array_equal(loaded[0][0].position_map.positions, as_kept([made])[0].position_map.positions)


def test_workers_are_told_of_the_folder_wherever_they_run(
    plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = photo_arguments(plan, Path("m.h5.parts"), Path("kept"))
    assert arguments["cache"] == str(tmp_path / "kept")
    assert all(Path(path).is_absolute() for path in [arguments["root"], *arguments["templates"]])


def test_a_folder_that_cannot_be_written_ends_the_run_and_skips_nothing(plan: Plan, tmp_path: Path) -> None:
    walk = PhotoWalk.of_plan(plan, tmp_path / "c")
    (tmp_path / "c").rmdir()
    (tmp_path / "c").write_text("in the way")
    with pytest.raises(OutputError, match=r"c/.*\.faces: could not be written \(Not a directory\)"):
        walk(plan.photos[0])
