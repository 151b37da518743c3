"""How the loaders word what they found."""

from __future__ import annotations

from collections.abc import Sequence


def shortened(names: Sequence[str], most: int = 3) -> str:
    """The first names of a list and how many more there are: ``a, b, c and 4 more``."""
    shown = ", ".join(str(name) for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
