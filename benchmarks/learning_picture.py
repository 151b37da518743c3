"""The picture of learning.py as SVG: rank-1 of every row and seed, and paired differences with their intervals."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

import numpy as np

NAMES, WIDTH, RIGHT = 390, 760, 24  # pixels: of the row names, of the picture, of its right margin
LINE, TOP, BETWEEN = 22, 34, 64
INK, GRID, DOT, OPEN, ABOVE, BELOW = "#222", "#d8d8d8", "#0072b2", "#888", "#009e73", "#d55e00"

Bar = tuple[str, float, float, int]  # name, mean, half of the interval, n


def picture(dots: Mapping[str, Sequence[float]], before: float, bars: Sequence[Bar]) -> str:
    """dots: row → rank-1 per seed in percent; before: of the network they start from; bars: paired differences."""
    second = TOP + LINE * len(dots) + BETWEEN
    height = second + LINE * len(bars) + 34
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" '
        f'font-size="12" fill="{INK}">',
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
        *rank1_panel(dots, before),
        *difference_panel(bars, second),
    ]
    return "\n".join([*parts, "</svg>", ""])


def rank1_panel(dots: Mapping[str, Sequence[float]], before: float) -> list[str]:
    everything = [before, *(v for seeds in dots.values() for v in seeds)]
    axis = Axis(min(everything), max(everything))
    base = TOP + LINE * len(dots)
    parts = [heading("Masked NIR probes, rank-1 in %: each seed, and the mean", TOP), *axis.grid(TOP, base)]
    parts.append(f'<path d="M{axis.x(before):.1f} {TOP}V{base}" stroke="{INK}" stroke-dasharray="3 3"/>')
    right = axis.x(before) < (NAMES + WIDTH) / 2  # on which side of the line there is room for its name
    x, anchor = axis.x(before) + (4 if right else -4), "start" if right else "end"
    parts.append(f'<text x="{x:.1f}" y="{TOP + 12}" text-anchor="{anchor}">pretrained</text>')
    for k, (name, seeds) in enumerate(dots.items()):
        y = TOP + LINE * (k + 0.5)
        parts.append(label(f"{name} (n = {len(seeds)})", y))
        parts += [f'<circle cx="{axis.x(v):.1f}" cy="{y}" r="3.5" fill="{DOT}" fill-opacity="0.55"/>' for v in seeds]
        mean = axis.x(float(np.mean(seeds)))
        parts.append(f'<path d="M{mean:.1f} {y - 7}v14" stroke="{INK}" stroke-width="2"/>')
    return parts


def difference_panel(bars: Sequence[Bar], top: float) -> list[str]:
    ends = [0.0]
    for _, mean, half, _ in bars:
        ends += [mean, *((mean - half, mean + half) if math.isfinite(half) else ())]
    axis = Axis(max(min(ends), -60.0), min(max(ends), 60.0))  # two seeds can give an interval without end
    base = top + LINE * len(bars)
    parts = [heading("Paired differences in masked rank-1, points, with 95 % intervals over seeds", top)]
    parts += axis.grid(top, base)
    parts.append(f'<path d="M{axis.x(0):.1f} {top}V{base}" stroke="{INK}"/>')
    for k, (name, mean, half, n) in enumerate(bars):
        y = top + LINE * (k + 0.5)
        parts.append(label(f"{name} (n = {n})", y))
        ink = OPEN if not abs(mean) > half else ABOVE if mean > 0 else BELOW  # of 0, the whole interval
        if math.isfinite(half):
            parts.append(
                f'<path d="M{axis.x(mean - half):.1f} {y}H{axis.x(mean + half):.1f}" stroke="{ink}" stroke-width="3"/>'
            )
        parts.append(f'<circle cx="{axis.x(mean):.1f}" cy="{y}" r="4.5" fill="{ink}"/>')
    return parts


class Axis:
    """Values to pixels, with round numbers at the ends."""

    def __init__(self, low: float, high: float) -> None:
        self.step = next(s for s in (1, 2, 5, 10, 20, 50) if (high - low) / s <= 8 or s == 50)
        self.low = math.floor(low / self.step) * self.step
        self.high = max(math.ceil(high / self.step) * self.step, self.low + self.step)

    def x(self, value: float) -> float:
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return NAMES + share * (WIDTH - NAMES - RIGHT)

    def grid(self, top: float, base: float) -> list[str]:
        parts = []
        for value in range(self.low, self.high + 1, self.step):
            x = self.x(value)
            parts.append(f'<path d="M{x:.1f} {top}V{base}" stroke="{GRID}"/>')
            text = f"{value}".replace("-", "−")
            parts.append(f'<text x="{x:.1f}" y="{base + 16}" text-anchor="middle">{text}</text>')
        return parts


def heading(text: str, top: float) -> str:
    return f'<text x="12" y="{top - 14}" font-weight="bold">{escape(text)}</text>'


def label(text: str, y: float) -> str:
    return f'<text x="{NAMES - 12}" y="{y + 4}" text-anchor="end">{escape(text)}</text>'
