"""Random numbers that depend on what is drawn, never on who draws it or when."""

from __future__ import annotations

import hashlib

import numpy as np


def rng_for(seed: int, *names: str | int) -> np.random.Generator:
    """A generator of its own for (run seed, stable id).

    The same arguments give the same numbers on every machine, in every worker and in any order; other arguments give
    independent ones. `names` are usually the stable id of a sample and a word for the purpose:
    ``rng_for(7, "s1/NIR/00001/001", "mask")``.
    """
    words = "\x1f".join(f"{type(name).__name__}:{name}" for name in (seed, *names))
    digest = hashlib.blake2b(words.encode(), digest_size=16).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(digest, "little")))
