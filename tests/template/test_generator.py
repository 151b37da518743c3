"""Generated masks: the same each time, in the layout, worn as asked, true to what each kind is."""

from __future__ import annotations

import dataclasses
from typing import get_args

import numpy as np
import pytest

from masksynth.errors import ConfigError
from masksynth.seeds import rng_for
from masksynth.template import library, load_template
from masksynth.template.design import Kind, MaskDesign, Pattern, vary
from masksynth.template.format import check_layout
from masksynth.template.generator import generate
from masksynth.template.outlines import shape_of
from masksynth.template.patterns import print_of
from masksynth.template.variety import chosen_templates, varied_templates


def small(**fields: object) -> MaskDesign:
    return MaskDesign(size=256, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", get_args(Kind))
def test_every_kind_lies_in_the_layout(kind: Kind) -> None:
    template = generate(small(kind=kind, seed=3))
    check_layout(template.alpha, kind)
    assert template.kind == kind
    assert template.nir is not None
    assert template.height is not None
    worn = template.alpha > 0.5
    assert 0.02 < template.height[worn].max() < 0.35  # 2 mm to 3 cm
    assert template.nir[worn].min() > 0.02
    assert template.nir[worn].max() <= 1
    soft = (template.alpha > 0.05) & (template.alpha < 0.95)
    assert 0.003 < soft.sum() / worn.sum() < 0.06  # an edge of about a texel


def test_the_same_design_gives_the_same_mask_and_another_seed_another() -> None:
    one, two = generate(small(seed=5)), generate(small(seed=5))
    assert one.sha256 == two.sha256
    assert generate(small(seed=6)).sha256 != one.sha256
    assert generate(MaskDesign(**one.metadata["design"])).sha256 == one.sha256


def test_a_dropped_mask_leaves_the_nose_free() -> None:
    nose_tip = (96, 128)
    assert generate(small()).alpha[nose_tip] == 1
    low = generate(small(drop=1.0)).alpha
    assert low[nose_tip] == 0
    assert low[142, 128] == 1  # the mouth stays covered


def test_tilt_lowers_the_right_side() -> None:
    template = generate(small(tilt_deg=8)).alpha > 0.5
    left, right = (np.argmax(template[:, u]) for u in (127 - 60, 128 + 60))
    assert right - left > 8
    level = generate(small()).alpha
    assert np.abs(level - level[:, ::-1]).max() < 0.25  # a fifth of a texel: polygons are filled rim and all


def test_dyes_that_are_dark_to_the_eye_are_bright_in_nir_but_carbon_is_not() -> None:
    clear, carbon = (generate(small(kind="cloth", colour="#1c1d20", dye=dye)) for dye in ("clear", "carbon"))
    worn = clear.alpha > 0.9
    assert clear.rgba[worn, :3].mean() < 0.2
    assert clear.nir is not None
    assert carbon.nir is not None
    assert clear.nir[worn].mean() > 0.4
    assert carbon.nir[worn].mean() < 0.1


def test_baked_shading_is_weak() -> None:
    template = generate(small(colour="#b0b0b0", wrinkles=1.0))
    worn = shape_of(small()).inside > 8
    luminance = template.rgba[worn, :3].mean(axis=1)
    assert 0.01 < luminance.std() / luminance.mean() < 0.08


@pytest.mark.parametrize("pattern", get_args(Pattern))
def test_a_print_covers_part_of_the_cloth(pattern: Pattern) -> None:
    v, u = (grid.astype(np.float32) for grid in np.mgrid[:256, :256])
    cover = print_of(pattern, u, v, 1.0, rng_for(1, "print"))
    assert cover.min() >= 0
    assert cover.max() <= 1
    assert cover.mean() == 0 if pattern == "plain" else 0.05 < cover.mean() < 0.6


def test_random_designs_depend_on_their_names_alone_and_differ() -> None:
    designs = [vary(7, "sample", k) for k in range(200)]
    assert designs[3] == vary(7, "sample", 3)
    assert len(set(designs)) == 200
    assert {design.kind for design in designs} == set(get_args(Kind))


@pytest.mark.parametrize("k", range(6))
def test_random_designs_make_templates(k: int) -> None:
    template = generate(dataclasses.replace(vary(1, k), size=256))
    check_layout(template.alpha, str(template.metadata["design"]))


@pytest.mark.parametrize(
    ("field", "value"),
    [("kind", "scarf"), ("colour", "blue"), ("pattern", "x"), ("drop", 2.0), ("tilt_deg", 40.0), ("size", 300)],
)
def test_designs_that_cannot_be_are_refused(field: str, value: object) -> None:
    with pytest.raises(ConfigError, match=field):
        MaskDesign(**{field: value})  # type: ignore[arg-type]


def test_the_packaged_library_has_twenty_masks_of_every_kind() -> None:
    packaged = [entry for entry in library() if entry.packaged]
    assert len(packaged) >= 20
    kinds = set()
    for entry in packaged:
        template = load_template(entry.path)
        assert template.name == entry.name
        assert template.nir is not None
        assert template.height is not None
        kinds.add(template.kind)
    assert kinds == set(get_args(Kind))
    assert load_template("surgical-blue").size == 512


def test_a_longer_list_of_varied_masks_begins_with_the_shorter() -> None:
    two, three = varied_templates(2, 9), varied_templates(3, 9)
    assert [template.name for template in three] == ["varied-9-1", "varied-9-2", "varied-9-3"]
    assert [a.sha256 for a in two] == [b.sha256 for b in three[:2]]
    assert len({template.sha256 for template in three}) == 3
    assert varied_templates(1, 10)[0].sha256 != two[0].sha256


def test_some_varied_masks_hang_on_loops_that_reach_the_ears() -> None:
    made = varied_templates(16, 9)
    looped = [t for t in made if t.metadata["design"]["straps"]]
    hanging = [t for t in made if t.kind in ("surgical", "kn95")]
    assert 0 < len(looped) < len(hanging)
    assert {t.kind for t in looped} <= {"surgical", "kn95"}
    for template in looped:
        assert (template.alpha[80:180, 20:30].max(axis=0) > 0.5).all()
        check_layout(template.alpha, template.name)


def test_varied_masks_join_the_templates_named() -> None:
    assert [t.name for t in chosen_templates(["surgical-blue"], 1, 3)] == ["surgical-blue", "varied-3-1"]
    assert [t.name for t in chosen_templates([], 2, 3)] == ["varied-3-1", "varied-3-2"]
    assert len(chosen_templates([], None, 3)) == len(library())
