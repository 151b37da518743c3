"""Encoded and linear values."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

ENCODE_STEPS = 8192
LUMINANCE = (0.2126, 0.7152, 0.0722)  # of linear sRGB, IEC 61966-2-1


def to_linear(encoded: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
    """sRGB-encoded values in [0, 1] to linear ones (IEC 61966-2-1)."""
    value = np.asarray(encoded, np.float32)
    return np.where(value <= 0.04045, value / 12.92, ((np.maximum(value, 0) + 0.055) / 1.055) ** 2.4).astype(np.float32)


def to_encoded(linear: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
    """Linear values in [0, 1] to sRGB-encoded ones; the inverse of `to_linear`."""
    value = np.clip(np.asarray(linear, np.float32), 0, 1)
    return np.where(value <= 0.0031308, value * 12.92, 1.055 * value ** (1 / 2.4) - 0.055).astype(np.float32)


DECODE: npt.NDArray[np.float32] = to_linear(np.arange(256) / 255)
"""(256,): linear value of an 8-bit pixel."""
ENCODE: npt.NDArray[np.float32] = to_encoded(np.arange(ENCODE_STEPS + 1) / ENCODE_STEPS) * np.float32(255)
"""(8193,): 0 to 255 for a linear value k / 8192."""
