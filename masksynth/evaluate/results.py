"""Results as plain values, fit for JSON: NaN and infinity become null. docs/evaluate.md describes them."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from masksynth.evaluate.protocols import ProbeResult


def result_as_json(result: ProbeResult) -> dict[str, Any]:
    """One probe set."""
    return {
        "rank1": plain(result.identification),
        "verification": [plain(point) for point in result.verification],
        "gallery": result.gallery,
        "gallery_missing": result.gallery_missing,
        "roc": [list(point) for point in result.roc],
        "cmc": list(result.cmc),
    }


def plain(record: Any) -> dict[str, Any]:
    """The fields of a dataclass."""
    values = dataclasses.asdict(record)
    return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in values.items()}
