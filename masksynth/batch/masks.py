"""Which photo wears which mask.

Drawn balanced, and independent of subject and pose: the photos of one use and spectrum are put in an order that depends
on (seed, id of the photo) alone, and the templates are dealt out along it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Literal, TypeAlias

from masksynth.errors import ConfigError
from masksynth.seeds import rng_for

Use: TypeAlias = Literal["train", "probe", "any"]


def split_templates(kinds: Sequence[tuple[str, str]], *, share: bool) -> dict[Use, tuple[int, ...]]:
    """Which templates serve which rows: indices into `kinds`, a list of (kind, name).

    Not shared, they are dealt to training and probe rows in turn, sorted by kind and name, so that both have masks of
    every kind that comes at least twice. Shared, all serve ``any`` row.

    Raises
    ------
    ConfigError
        If there are none, or only one that may not be shared.
    """
    if not kinds:
        raise ConfigError("No mask template is there. Make one with masksynth extract-template, or name some with -t.")
    if share:
        return {"any": tuple(range(len(kinds)))}
    if len(kinds) < 2:
        raise ConfigError(
            f"There is one template ('{kinds[0][1]}'), but training and probe rows wear different ones. "
            "Name more with --templates, or allow it with --share-templates."
        )
    order = sorted(range(len(kinds)), key=lambda index: kinds[index])
    return {"train": tuple(sorted(order[0::2])), "probe": tuple(sorted(order[1::2]))}


def deal(ids: Sequence[str], templates: int, per_photo: int, *, seed: int, purpose: str) -> dict[str, tuple[int, ...]]:
    """`per_photo` template numbers below `templates` for every photo id.

    Every template comes equally often, but for one, at each place; those of one photo differ while there are enough.
    """
    order = sorted(ids, key=lambda name: hashlib.blake2b(f"{seed}\x1f{purpose}\x1f{name}".encode()).digest())
    dealt: dict[str, tuple[int, ...]] = {}
    for start in range(0, len(order), templates):
        rng = rng_for(seed, purpose, start)
        first = rng.permutation(templates)
        offsets = [0, *(1 + int(shift) for shift in rng.permutation(templates - 1))]
        for place, name in enumerate(order[start : start + templates]):
            dealt[name] = tuple(int(first[(place + offsets[k % templates]) % templates]) for k in range(per_photo))
    return dealt
