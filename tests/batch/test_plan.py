from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from batch_cases import TEMPLATES, make_dataset, plan_of

from masksynth.arrays import Box
from masksynth.batch import BatchConfig, make_plan
from masksynth.batch.masks import deal, split_templates
from masksynth.batch.plan import decode_photo, encode_photo
from masksynth.errors import ConfigError, DatasetError

NAMES = [f"{i:02d}" for i in range(6)]


@pytest.mark.parametrize("templates", [1, 2, 5])
@pytest.mark.parametrize("each", [1, 3])
def test_masks_are_dealt_equally_often_at_each_place(templates: int, each: int) -> None:
    ids = [f"photo {i}" for i in range(103)]
    dealt = deal(ids, templates, each, seed=3, purpose="x")
    assert set(dealt) == set(ids)
    for place in range(each):
        counts = Counter(dealt[name][place] for name in ids)
        assert max(counts.values()) - min(counts.get(t, 0) for t in range(templates)) <= 1
    assert all(len(set(masks)) == min(each, templates) for masks in dealt.values())


def test_dealing_depends_on_the_photos_and_the_seed_alone() -> None:
    ids = [f"photo {i}" for i in range(50)]
    assert deal(ids, 4, 1, seed=3, purpose="x") == deal(ids[::-1], 4, 1, seed=3, purpose="x")
    assert deal(ids, 4, 1, seed=3, purpose="x") != deal(ids, 4, 1, seed=4, purpose="x")


def test_the_mask_says_nothing_about_the_subject() -> None:
    """Chi-squared of subjects against masks stays near its degrees of freedom."""
    ids = [f"s{i % 20:02d}/{i}" for i in range(2000)]
    dealt = deal(ids, 5, 1, seed=0, purpose="nir train")
    table = np.zeros((20, 5))
    for name, (mask,) in dealt.items():
        table[int(name[1:3]), mask] += 1
    chi2 = ((table - 20) ** 2 / 20).sum()
    assert 40 < chi2 < 120  # 76 degrees of freedom, standard deviation 12.3


def test_training_and_probe_templates_are_disjoint_and_of_the_same_kinds() -> None:
    kinds = [("n95", "x"), ("cloth", "b"), ("n95", "y"), ("cloth", "a")]
    groups = split_templates(kinds, share=False)
    assert sorted(groups["train"] + groups["probe"]) == [0, 1, 2, 3]
    assert {kinds[i][0] for i in groups["train"]} == {kinds[i][0] for i in groups["probe"]} == {"n95", "cloth"}
    assert split_templates(kinds, share=True) == {"any": (0, 1, 2, 3)}


def test_one_template_has_to_be_shared() -> None:
    with pytest.raises(ConfigError, match="--share-templates"):
        split_templates([("n95", "x")], share=False)
    with pytest.raises(ConfigError, match="No mask template"):
        split_templates([], share=True)


def test_a_photo_that_trains_and_probes_gives_both_rows(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, NAMES, masks_per_image=2)
    assert plan.rows("nir") == 4 * 6 * 3  # two training rows and one probe row each: every subject does both
    assert plan.rows("vis") == 4 * 6
    uses = {mask.params["use"] for mask in plan.masks}
    assert uses == {"train", "probe"}
    for photo in plan.photos:
        if photo.spectrum == "nir":
            assert [slot.use for slot in photo.slots] == ["train", "train", "probe"]
            assert all(plan.masks[slot.mask].params["use"] == slot.use for slot in photo.slots)
        else:
            assert [slot.mask for slot in photo.slots] == [-1]


def test_shared_templates_need_one_row_for_both(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, NAMES, share_templates=True)
    assert plan.rows("nir") == 4 * 6
    assert {slot.use for photo in plan.photos for slot in photo.slots} == {"any"}


def test_both_spectra_can_be_masked(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, NAMES, mask_spectrum="both")
    assert all(slot.mask >= 0 for photo in plan.photos for slot in photo.slots)


def test_the_hash_changes_with_what_decides_the_content_and_with_nothing_else(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "a", NAMES)
    plan = make_plan(dataset, TEMPLATES, BatchConfig())
    assert make_plan(make_dataset(tmp_path / "b", NAMES), TEMPLATES, BatchConfig()).sha256 == plan.sha256
    boxed = replace(dataset, samples=(replace(dataset.samples[0], box=Box(1, 2, 30, 40)), *dataset.samples[1:]))
    assert make_plan(boxed, TEMPLATES, BatchConfig()).photos[0].box == (1, 2, 30, 40)
    others = [
        make_plan(dataset, TEMPLATES, BatchConfig(seed=1)),
        make_plan(dataset, TEMPLATES, BatchConfig(side=112)),
        make_plan(dataset, TEMPLATES, BatchConfig(crop="margin")),
        make_plan(dataset, TEMPLATES, BatchConfig(given="always")),
        make_plan(boxed, TEMPLATES, BatchConfig()),
        make_plan(dataset, TEMPLATES[:4], BatchConfig()),
        make_plan(replace(dataset, samples=dataset.samples[::-1]), TEMPLATES, BatchConfig()),
        make_plan(replace(dataset, protocols=dataset.protocols[:1]), TEMPLATES, BatchConfig()),
    ]
    assert len({plan.sha256, *(other.sha256 for other in others)}) == 9


def test_parts_cover_every_photo_once_in_order(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, NAMES, part_size=7)
    assert [photo for k in range(plan.parts) for photo in plan.part(k)] == list(plan.photos)
    assert [decode_photo(encode_photo(photo)) for photo in plan.photos] == list(plan.photos)


def test_a_data_set_without_photos_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="none of 8 photos"):
        plan_of(tmp_path, ["00"], absent=("00",))


@pytest.mark.parametrize(("photos", "size"), [(1, 32), (409, 32), (17_580, 275), (1_000_000, 512)])
def test_parts_are_small_where_photos_are_few(tmp_path: Path, photos: int, size: int) -> None:
    plan = plan_of(tmp_path, ["00"], part_size=None)
    assert replace(plan, photos=plan.photos[:1] * photos).part_size == size


@pytest.mark.parametrize(
    "wrong",
    [{"side": 8}, {"masks_per_image": 0}, {"mask_spectrum": "uv"}, {"seed": -1}, {"part_size": 0}, {"given": "often"}],
)
def test_settings_that_cannot_be_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        BatchConfig(**wrong)  # type: ignore[arg-type]
