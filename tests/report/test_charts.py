from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np
import pytest

from masksynth.report.charts import (
    BOTTOM,
    HEIGHT,
    LEFT,
    MOST_POINTS,
    RIGHT,
    TOP,
    WIDTH,
    Series,
    _ticks,
    histogram,
    line_chart,
)


def paths(svg: str) -> list[list[tuple[float, float]]]:
    """Points of every line of a drawing."""
    found = re.findall(r'<path d="([^"]*)"[^>]*fill="none"', svg)
    return [[(float(x), float(y)) for x, y in re.findall(r"[ML]([-\d.]+) ([-\d.]+)", path)] for path in found]


def test_a_line_goes_from_corner_to_corner():
    (line,) = paths(line_chart([Series("a", [0, 10], [0.0, 1.0])], x_label="x", y_label="y"))
    assert line == [(LEFT, HEIGHT - BOTTOM), (WIDTH - RIGHT, TOP)]


def test_a_gap_lifts_the_pen():
    svg = line_chart([Series("a", [0, 1, 2, 3], [0.0, 1.0, np.nan, 1.0])], x_label="x", y_label="y")
    (path,) = re.findall(r'd="([^"]*)"', svg)
    assert re.findall(r"[A-Z]", path) == ["M", "L", "M"]


def test_a_long_curve_is_thinned_by_averaging():
    (line,) = paths(line_chart([Series("a", np.arange(9000), np.tile([0.0, 2.0], 4500))], x_label="x", y_label="y"))
    assert len(line) == MOST_POINTS
    assert {y for _, y in line} == {line[0][1]}  # every group averages to 1


def test_a_drawing_is_well_formed_and_escaped():
    svg = line_chart([Series("<a> & b", [1, 2], [1, 2]), Series("c", [1, 2], [2, 1])], x_label="<x>", y_label='"y"')
    tree = ElementTree.fromstring(f"<div>{svg}</div>")
    assert "<a> & b" in "".join(tree.itertext())
    assert "<x>" in "".join(tree.itertext())


def test_histogram_shows_shares_and_clips_into_the_outer_bins():
    svg = histogram([("a", [0.1, 0.2, 0.6, 5.0, np.nan])], edges=[0, 0.5, 1.0], x_label="x")
    (line,) = paths(svg)
    assert line[0][1] == line[-1][1]  # two in each bin: half of them each


def test_nothing_to_draw_is_said():
    assert "nothing to draw" in line_chart([], x_label="x", y_label="y")
    assert "nothing to draw" in line_chart([Series("a", [1.0], [np.nan])], x_label="x", y_label="y")
    assert "nothing to draw" in histogram([("a", [])], edges=[0, 1], x_label="x")


@pytest.mark.parametrize(
    ("low", "high"), [(0.0, 1.0), (-3.2, 17.9), (0.001, 0.0042), (5.0, 5.0), (0.0, 0.0), (1e6, 3e6)]
)
def test_ticks_are_round_and_span_the_data(low: float, high: float):
    ticks = _ticks(low, high)
    assert ticks[0] <= low
    assert ticks[-1] >= high
    assert 3 <= len(ticks) <= 9
    steps = np.diff(ticks)
    np.testing.assert_allclose(steps, steps[0])


def test_a_logarithmic_axis_has_decades():
    svg = line_chart([Series("a", [1e-4, 1e-2, 1.0], [0, 0.5, 1.0])], x_label="x", y_label="y", log_x=True)
    (line,) = paths(svg)
    assert line[1][0] - line[0][0] == pytest.approx(line[2][0] - line[1][0], abs=0.1)
    assert "10⁻⁴" in svg
