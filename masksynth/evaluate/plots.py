"""ROC and CMC curves as one SVG picture; no plotting library needed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from html import escape

from masksynth.evaluate.protocols import ProbeResult

WIDTH, HEIGHT = 420, 320  # of one plot
LEFT, TOP, RIGHT, BOTTOM = 60, 30, 15, 50
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#999999", "#000000")  # Okabe and Ito
LEAST_FAR = 1e-4
MOST_RANK = 20


def curves_svg(results: Mapping[str, ProbeResult]) -> str:
    """Verification rate over false-accept rate (logarithmic), and identification rate over rank, side by side.

    Parameters
    ----------
    results : name in the legend → result
    """
    roc = Axes(0, "false-accept rate", "verification rate", math.log10(LEAST_FAR), 0)
    cmc = Axes(WIDTH, "rank", "identified", 1, MOST_RANK)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {2 * WIDTH} {HEIGHT + 20 * len(results)}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{2 * WIDTH}" height="{HEIGHT + 20 * len(results)}" fill="white"/>',
    ]
    parts += roc.frame([(k, f"{100 * 10.0**k:g} %") for k in range(round(roc.low), 1)])
    parts += cmc.frame([(k, str(k)) for k in (1, 5, 10, 15, 20)])
    for number, (name, result) in enumerate(results.items()):
        colour = COLOURS[number % len(COLOURS)]
        points = [(math.log10(far), vr) for far, vr in result.roc if far >= LEAST_FAR]
        parts.append(roc.line(points, colour))
        parts.append(cmc.line([(k + 1, rate) for k, rate in enumerate(result.cmc[:MOST_RANK])], colour))
        y = HEIGHT + 20 * number
        parts.append(f'<rect x="{LEFT}" y="{y}" width="14" height="4" fill="{colour}"/>')
        parts.append(f'<text x="{LEFT + 20}" y="{y + 6}">{escape(name)}</text>')
    return "\n".join([*parts, "</svg>", ""])


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

    def line(self, points: list[tuple[float, float]], colour: str) -> str:
        """A curve; a step where one is meant has two points of one x."""
        path = " ".join("{:.2f},{:.2f}".format(*self.place(x, y)) for x, y in points)
        return f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>'
