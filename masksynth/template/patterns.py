"""Prints and weaves over the layout: how much of the second colour each texel takes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter

from masksynth.template.design import Pattern

Field = npt.NDArray[np.floating]
REPEAT = 12.0  # texels of the 256 layout between repeats at scale 1: about 1.5 cm


def print_of(pattern: Pattern, u: Field, v: Field, scale: float, rng: np.random.Generator) -> Field:
    """(S, S) in [0, 1]: the share of the second colour; 0 for a plain cloth."""
    period = REPEAT * scale
    turn = rng.uniform(-0.25, 0.25)
    a = (u - 127.5) * np.cos(turn) + (v - 140) * np.sin(turn)
    b = (v - 140) * np.cos(turn) - (u - 127.5) * np.sin(turn)
    if pattern == "stripes":
        along = b if rng.random() < 0.5 else a
        return _edge(np.cos(2 * np.pi * along / period) - 0.2, period)
    if pattern == "checks":
        return (_edge(np.cos(2 * np.pi * a / period), period) + _edge(np.cos(2 * np.pi * b / period), period)) / 2
    if pattern == "dots":
        row = np.floor(b / period)
        x = (a / period + 0.5 * (row % 2)) % 1 - 0.5
        y = (b / period) % 1 - 0.5
        return _edge((0.25 - np.hypot(x, y)) * 2 * np.pi, period)
    if pattern == "flowers":
        return _flowers(a, b, period * 1.6, rng)
    if pattern == "camouflage":
        return _camouflage(u.shape[0], period, rng)
    if pattern == "heather":
        fibres = fibre_noise(u.shape[0], rng, (0.4, 2.2)) + fibre_noise(u.shape[0], rng, (2.2, 0.4))
        return np.clip(0.35 + 0.3 * fibres, 0, 1).astype(np.float32)
    return np.zeros_like(u)


def smooth_noise(size: int, rng: np.random.Generator, sigma: float | tuple[float, float]) -> Field:
    """(size, size) of mean 0 and deviation 1, smooth over `sigma` texels of the 256 layout (rows, columns)."""
    sigmas = np.broadcast_to(np.asarray(sigma, float), 2) * size / 256
    # Drawn at a size of its own and enlarged where it is smooth: the same mask at 256 and 512, and little work.
    field = gaussian_filter(rng.standard_normal((size, size)), sigmas, mode="wrap")
    return ((field - field.mean()) / max(float(field.std()), 1e-12)).astype(np.float32)


def fibre_noise(size: int, rng: np.random.Generator, sigma: tuple[float, float]) -> Field:
    """Like `smooth_noise`, of single fibres: long in one direction, sharp across."""
    return smooth_noise(size, rng, sigma)


def _edge(value: npt.NDArray[np.floating], period: float) -> Field:
    """A soft step at 0, about one texel wide, for a wave of unit slope in phase."""
    return np.clip(0.5 + value * period / (2 * np.pi) / 1.2, 0, 1).astype(np.float32)


def _flowers(a: Field, b: Field, period: float, rng: np.random.Generator) -> Field:
    """Five-petalled flowers on a jittered grid."""
    column, row = np.floor(a / period).astype(int), np.floor(b / period).astype(int)
    out = np.zeros(a.shape, np.float32)
    jitter = rng.uniform(-0.22, 0.22, (64, 64, 2))
    turns = rng.uniform(0, 2 * np.pi, (64, 64))
    size = rng.uniform(0.26, 0.4, (64, 64))
    x = a / period - column - 0.5 - jitter[row % 64, column % 64, 0]
    y = b / period - row - 0.5 - jitter[row % 64, column % 64, 1]
    radius, angle = np.hypot(x, y), np.arctan2(y, x) + turns[row % 64, column % 64]
    petal = size[row % 64, column % 64] * (0.62 + 0.38 * np.cos(5 * angle))
    out = np.maximum(out, np.clip(0.5 + (petal - radius) * period / 1.2, 0, 1))
    heart = np.clip(0.5 + (0.07 - radius) * period / 1.2, 0, 1)
    return (out * (1 - heart)).astype(np.float32)


def _camouflage(size: int, period: float, rng: np.random.Generator) -> Field:
    patches = smooth_noise(size, rng, (0.45 * period, 0.75 * period))
    darker = smooth_noise(size, rng, (0.4 * period, 0.6 * period))
    soft = 0.06 * 256 / period
    return np.clip(
        0.5 * np.clip(0.5 + (patches - 0.3) / soft, 0, 1) + 0.5 * np.clip(0.5 + (darker - 0.6) / soft, 0, 1), 0, 1
    ).astype(np.float32)
