"""Curves and histograms as inline SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from masksynth.report.markup import Markup, element

WIDTH, HEIGHT = 480, 260  # of the drawing's own units; the page scales it
LEFT, RIGHT, TOP, BOTTOM = 52, 12, 14, 42
COLOURS = ("#0b6e69", "#c2571a", "#5b5f97", "#8a8d91")
MOST_POINTS = 300  # of a curve; longer ones are averaged in groups


@dataclass(frozen=True)
class Series:
    """One line: `y` over `x`."""

    name: str
    x: npt.ArrayLike  # (N,)
    y: npt.ArrayLike  # (N,), NaN leaves a gap
    faint: bool = False  # drawn thin behind the others, without a place in the legend
    dashed: bool = False
    colour: int = -1  # index into COLOURS; -1 takes the next


def line_chart(
    series: Sequence[Series],
    *,
    x_label: str,
    y_label: str,
    log_x: bool = False,
    y_range: tuple[float, float] | None = None,
) -> Markup:
    """Lines over common axes.

    Points that are not finite are left out; with `log_x` also those at or below zero.
    """
    lines = [_thinned(one, log_x) for one in series]
    xs = np.concatenate([x for x, _ in lines]) if lines else np.zeros(0)
    ys = np.concatenate([y[np.isfinite(y)] for _, y in lines]) if lines else np.zeros(0)
    if not len(xs) or not len(ys):
        return element("p", "There is nothing to draw.", class_="quiet")
    x_ticks = _decades(xs.min(), xs.max()) if log_x else _ticks(xs.min(), xs.max())
    low, high = y_range if y_range else (float(ys.min()), float(ys.max()))
    y_ticks = _ticks(low, high)
    frame = _Frame(x_ticks, y_ticks if y_range is None else [low, high, *y_ticks], log_x)
    parts = [frame.axes(x_ticks, y_ticks, x_label, y_label)]
    legend: list[tuple[str, str, bool]] = []
    colour = 0
    for one, (x, y) in zip(series, lines, strict=True):
        ink = COLOURS[one.colour if one.colour >= 0 else colour % len(COLOURS)]
        if not one.faint:
            colour += one.colour < 0
            legend.append((one.name, ink, one.dashed))
        parts.append(
            element(
                "path",
                d=frame.path(x, y),
                fill="none",
                stroke=ink,
                stroke_width=1.0 if one.faint else 2.0,
                stroke_opacity=0.35 if one.faint else None,
                stroke_dasharray="5 4" if one.dashed else None,
                stroke_linejoin="round",
            )
        )
    names = ", ".join(name for name, _, _ in legend)
    return _drawing(parts, f"{y_label} over {x_label}: {names}", legend if len(legend) > 1 else [])


def histogram(
    groups: Sequence[tuple[str, npt.ArrayLike]], *, edges: npt.ArrayLike, x_label: str, y_label: str = "share, %"
) -> Markup:
    """Outlines of one histogram a group over common bins, each as a share of its group; values beyond the edges count
    in the outermost bins."""
    edges = np.asarray(edges, float)
    shares: list[tuple[str, npt.NDArray[np.float64]]] = []
    for name, values in groups:
        kept = np.asarray(values, float)
        kept = np.clip(kept[np.isfinite(kept)], edges[0], edges[-1])
        if len(kept):
            shares.append((name, 100 * np.histogram(kept, edges)[0] / len(kept)))
    if not shares:
        return element("p", "There is nothing to draw.", class_="quiet")
    x_ticks = _ticks(edges[0], edges[-1])
    y_ticks = _ticks(0.0, max(float(share.max()) for _, share in shares))
    frame = _Frame([edges[0], edges[-1]], y_ticks, False)
    inside = [x for x in x_ticks if edges[0] - 1e-9 <= x <= edges[-1] + 1e-9]
    parts = [frame.axes(inside, y_ticks, x_label, y_label)]
    for k, (_, share) in enumerate(shares):
        x = np.concatenate([edges[:1], np.repeat(edges[1:-1], 2), edges[-1:]])
        y = np.repeat(share, 2)
        outline = frame.path(x, y)
        x0, x1, base = frame.x(edges[0]), frame.x(edges[-1]), frame.y(0.0)
        parts.append(
            element(
                "path", d=f"M{x0:.1f} {base:.1f}L{outline[1:]}L{x1:.1f} {base:.1f}Z", fill=COLOURS[k], fill_opacity=0.16
            )
        )
        parts.append(element("path", d=outline, fill="none", stroke=COLOURS[k], stroke_width=1.8))
    legend = [(name, COLOURS[k], False) for k, (name, _) in enumerate(shares)]
    return _drawing(parts, f"Histogram of {x_label}: " + ", ".join(name for name, _ in shares), legend)


class _Frame:
    """Data to drawing units."""

    def __init__(self, xs: Sequence[float], ys: Sequence[float], log_x: bool) -> None:
        self.log_x = log_x
        self.x0, self.x1 = self._scale(min(xs)), self._scale(max(xs))
        self.y0, self.y1 = min(ys), max(ys)

    def _scale(self, x: float) -> float:
        return math.log10(x) if self.log_x else x

    def x(self, value: float) -> float:
        return LEFT + (self._scale(value) - self.x0) / ((self.x1 - self.x0) or 1.0) * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        return HEIGHT - BOTTOM - (value - self.y0) / ((self.y1 - self.y0) or 1.0) * (HEIGHT - TOP - BOTTOM)

    def path(self, x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> str:
        words, pen = [], "M"
        for a, b in zip(x.tolist(), y.tolist(), strict=True):
            if math.isfinite(b):
                words.append(f"{pen}{self.x(a):.1f} {self.y(min(max(b, self.y0), self.y1)):.1f}")
                pen = "L"
            else:
                pen = "M"
        return "".join(words)

    def axes(self, x_ticks: Sequence[float], y_ticks: Sequence[float], x_label: str, y_label: str) -> Markup:
        base, right = HEIGHT - BOTTOM, WIDTH - RIGHT
        parts = []
        for y in y_ticks:
            at = round(self.y(y), 1)
            parts.append(element("line", x1=LEFT, x2=right, y1=at, y2=at, class_="grid"))
            parts.append(element("text", _label(y), x=LEFT - 7, y=at + 4, text_anchor="end"))
        for x in x_ticks:
            at = round(self.x(x), 1)
            parts.append(element("line", x1=at, x2=at, y1=base, y2=base + 4, class_="tick"))
            anchor = "end" if at > right - 8 else "middle"
            parts.append(element("text", _label(x), x=min(at, right), y=base + 17, text_anchor=anchor))
        parts.append(element("line", x1=LEFT, x2=right, y1=base, y2=base, class_="tick"))
        middle = (TOP + base) / 2
        parts.append(element("text", x_label, x=(LEFT + right) / 2, y=HEIGHT - 6, text_anchor="middle", class_="axis"))
        turned = f"rotate(-90 13 {middle:g})"
        parts.append(element("text", y_label, x=13, y=middle, text_anchor="middle", class_="axis", transform=turned))
        return Markup("".join(parts))


def _drawing(parts: Sequence[Markup], label: str, legend: Sequence[tuple[str, str, bool]]) -> Markup:
    svg = element("svg", parts, viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img", aria_label=label, class_="chart")
    if not legend:
        return svg
    keys = []
    for name, ink, dashed in legend:
        style = f"border-top:3px {'dashed' if dashed else 'solid'} {ink}"
        keys.append(element("span", element("i", style=style), name))
    return Markup(svg + element("div", keys, class_="legend"))


def _thinned(one: Series, log_x: bool) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    x, y = np.asarray(one.x, float), np.asarray(one.y, float)
    kept = np.isfinite(x) & (x > 0 if log_x else True)
    x, y = x[kept], y[kept]
    if len(x) <= MOST_POINTS or log_x:
        return x, y
    starts = np.unique(np.linspace(0, len(x), MOST_POINTS + 1).astype(int)[:-1])
    sizes = np.diff([*starts, len(x)])
    return np.add.reduceat(x, starts) / sizes, np.add.reduceat(y, starts) / sizes


def _ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round numbers that span low to high."""
    if not high > low:
        low, high = low - (abs(low) * 0.1 or 1.0), high + (abs(high) * 0.1 or 1.0)
    raw = (high - low) / about
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(s * power for s in (1, 2, 2.5, 5, 10) if s * power >= raw * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(k * step, 12) for k in range(first, last + 1)]


def _decades(low: float, high: float) -> list[float]:
    first, last = math.floor(math.log10(low) + 1e-9), math.ceil(math.log10(high) - 1e-9)
    return [10.0**k for k in range(first, max(last, first + 1) + 1)]


def _label(value: float) -> str:
    if value and abs(value) < 1e-3:
        return f"10{str(round(math.log10(abs(value)))).translate(_RAISED)}"
    if abs(value) >= 10_000:
        return f"{value / 1000:g}k"
    return f"{value:g}".replace("-", "−")


_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
