"""ROC and CMC curves as one SVG picture; no plotting library needed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import TypeAlias

from masksynth.evaluate.protocols import ProbeResult

WIDTH, HEIGHT = 420, 320  # of one plot
LEFT, TOP, RIGHT, BOTTOM = 60, 30, 15, 50
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#999999", "#000000")  # Okabe and Ito
DASHES = "5 3"  # of lines beyond the number of colours
LEAST_FAR = 1e-4
MOST_RANK = 20

Curve: TypeAlias = Sequence[Sequence[float]]  # points (false-accept rate, verification rate), rising


def curves_svg(results: Mapping[str, ProbeResult]) -> str:
    """Verification rate over false-accept rate (logarithmic), and identification rate over rank, side by side.

    Parameters
    ----------
    results : name in the legend → result
    """
    cmc = Axes(WIDTH, "rank", "identified", 1, MOST_RANK)
    parts = [*_begun(2, len(results)), *_roc_frame(0), *cmc.frame([(k, str(k)) for k in (1, 5, 10, 15, 20)])]
    for number, (name, result) in enumerate(results.items()):
        colour = COLOURS[number % len(COLOURS)]
        parts.append(_roc_line(0, result.roc, colour))
        parts.append(cmc.line([(k + 1, rate) for k, rate in enumerate(result.cmc[:MOST_RANK])], colour))
        parts += _legend(number, name, colour)
    return "\n".join([*parts, "</svg>", ""])


def roc_svg(panels: Mapping[str, Mapping[str, Curve]]) -> str:
    """ROC curves of the same networks on several data sets, side by side.

    Parameters
    ----------
    panels : title of a plot → name in the legend → points (false-accept rate, verification rate)
    """
    names = list(dict.fromkeys(name for curves in panels.values() for name in curves))
    parts = _begun(len(panels), len(names))
    for place, (title, curves) in enumerate(panels.items()):
        parts += _roc_frame(place, title)
        for name, curve in curves.items():
            number = names.index(name)
            parts.append(_roc_line(place, curve, COLOURS[number % len(COLOURS)], dashed=number >= len(COLOURS)))
    for number, name in enumerate(names):
        parts += _legend(number, name, COLOURS[number % len(COLOURS)], dashed=number >= len(COLOURS))
    return "\n".join([*parts, "</svg>", ""])


def _begun(plots: int, names: int) -> list[str]:
    width, height = plots * WIDTH + 10, HEIGHT + 20 * names  # room for half of the last number
    return [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" '
        'font-size="12">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
    ]


def _legend(number: int, name: str, colour: str, *, dashed: bool = False) -> list[str]:
    y = HEIGHT + 20 * number
    dashes = f' stroke-dasharray="{DASHES}"' if dashed else ""
    return [
        f'<path d="M{LEFT} {y + 2}h14" stroke="{colour}" stroke-width="4"{dashes}/>',
        f'<text x="{LEFT + 20}" y="{y + 6}">{escape(name)}</text>',
    ]


def _roc_axes(place: int) -> Axes:
    return Axes(place * WIDTH, "false-accept rate", "verification rate", math.log10(LEAST_FAR), 0)


def _roc_frame(place: int, title: str = "") -> list[str]:
    axes = _roc_axes(place)
    middle = axes.place(axes.low / 2, 1)[0]
    named = [f'<text x="{middle:.1f}" y="{TOP - 10}" text-anchor="middle">{escape(title)}</text>'] if title else []
    return [*axes.frame([(k, f"{100 * 10.0**k:g} %") for k in range(round(axes.low), 1)]), *named]


def _roc_line(place: int, curve: Curve, colour: str, *, dashed: bool = False) -> str:
    """The curve from `LEAST_FAR` on: a step function, which has there the rate that it reached below."""
    below = [vr for far, vr in curve if far < LEAST_FAR]
    points = [(math.log10(far), vr) for far, vr in curve if far >= LEAST_FAR]
    start = [(math.log10(LEAST_FAR), max(below))] if below and points else []
    return _roc_axes(place).line([*start, *points], colour, dashed=dashed)


class Axes:
    """One plot: x from `low` to `high`, y from 0 to 1."""

    def __init__(self, offset: float, x_name: str, y_name: str, low: float, high: float) -> None:
        self.offset, self.x_name, self.y_name, self.low, self.high = offset, x_name, y_name, low, high

    def place(self, x: float, y: float) -> tuple[float, float]:
        """Pixels of a point."""
        share = (x - self.low) / (self.high - self.low)
        return (
            self.offset + LEFT + share * (WIDTH - LEFT - RIGHT),
            HEIGHT - BOTTOM - y * (HEIGHT - TOP - BOTTOM),
        )

    def frame(self, x_ticks: list[tuple[float, str]]) -> list[str]:
        """Grid, numbers and names."""
        out = []
        for x, text in x_ticks:
            (px, bottom), (_, top) = self.place(x, 0), self.place(x, 1)
            out.append(f'<path d="M{px:.1f} {bottom:.1f}V{top:.1f}" stroke="#ddd"/>')
            out.append(f'<text x="{px:.1f}" y="{bottom + 16:.1f}" text-anchor="middle">{text}</text>')
        for tenth in range(0, 11, 2):
            (left, py), (right, _) = self.place(self.low, tenth / 10), self.place(self.high, tenth / 10)
            out.append(f'<path d="M{left:.1f} {py:.1f}H{right:.1f}" stroke="#ddd"/>')
            out.append(f'<text x="{left - 6:.1f}" y="{py + 4:.1f}" text-anchor="end">{10 * tenth} %</text>')
        middle = self.place((self.low + self.high) / 2, 0)[0]
        out.append(f'<text x="{middle:.1f}" y="{HEIGHT - 14}" text-anchor="middle">{self.x_name}</text>')
        out.append(f'<text x="{self.offset + LEFT}" y="{TOP - 10}">{self.y_name}</text>')
        return out

    def line(self, points: list[tuple[float, float]], colour: str, *, dashed: bool = False) -> str:
        """A curve; a step where one is meant has two points of one x."""
        path = " ".join("{:.2f},{:.2f}".format(*self.place(x, y)) for x, y in points)
        dashes = f' stroke-dasharray="{DASHES}"' if dashed else ""
        return f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"{dashes}/>'
