"""Many different masks from one seed, for data sets that want more than a library holds."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from masksynth.arrays import UV_SIZE
from masksynth.errors import ConfigError
from masksynth.seeds import rng_for
from masksynth.template.design import vary
from masksynth.template.format import Template
from masksynth.template.generator import generate
from masksynth.template.library import library, resolve_templates

LOOPED = ("surgical", "kn95")  # kinds that hang on ear loops across the bare cheek


def varied_templates(count: int, seed: int) -> list[Template]:
    """`count` generated masks of random kind, colour, pattern and wear, named ``varied-SEED-K``; K starts at 1.

    Half of those that hang on ear loops show them.
    Mask K depends on (seed, K) alone: a longer list begins with the shorter one. About 0.15 s each.
    """
    if count < 1:
        raise ConfigError(f"count must be at least 1, got {count}")
    designs = [dataclasses.replace(vary(seed, "varied", k), size=UV_SIZE) for k in range(1, count + 1)]
    designs = [
        dataclasses.replace(design, straps=design.kind in LOOPED and bool(rng_for(seed, "loops", k).random() < 0.5))
        for k, design in enumerate(designs, start=1)
    ]
    return [generate(design, f"varied-{seed}-{k}") for k, design in enumerate(designs, start=1)]


def chosen_templates(references: Sequence[str], vary_count: int | None, seed: int) -> list[Template]:
    """The templates of names, files and folders and `vary_count` generated ones; of neither, the whole library.

    Raises TemplateError as `resolve_templates` does.
    """
    if not references and not vary_count:
        return resolve_templates([entry.path for entry in library()])
    generated = varied_templates(vary_count, seed) if vary_count else []
    return (resolve_templates(references) if references else []) + generated
