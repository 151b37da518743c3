"""One hash for all that a file says besides its values: names of groups and datasets, their hashes, every setting."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import h5py
import numpy as np

OUTSIDE = ("created", "command", "content_sha256", "schema")  # of the root; the schema is written last of all


def content_sha256(file: h5py.File) -> str:
    """Hash of all attributes in `file`, those of datasets with the hashes of their values included, but for OUTSIDE."""
    root = {name: value for name, value in _plain(file.attrs).items() if name not in OUTSIDE}
    lines: list[Any] = [["", root]]
    file.visititems(lambda name, item: lines.append([name, _plain(item.attrs)]))
    lines.sort(key=lambda line: str(line[0]))
    return hashlib.sha256(json.dumps(lines, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def _plain(attributes: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: value.tolist() if isinstance(value, (np.generic, np.ndarray)) else str(value)
        for name, value in attributes.items()
    }
