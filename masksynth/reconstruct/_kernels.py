"""Loops of reconstruction: arrays in, arrays written in place, no checks. The module next door checks."""

from __future__ import annotations

import numpy as np
from numba import njit

from masksynth._vectors import four_at, lane0, lane1, lane2, minus, plus, pointer

FASTMATH = {"nsz"}  # nothing that lets the compiler choose how to round


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def grid_from_mesh(first, columns, weights, mesh, offsets, turn, grid):
    """The places of a sparse matrix by rows, first (P + 1,) i4, columns (N,) u2, weights (N,) f4, times mesh (M, 4) f4,
    plus offsets (P, 3) f4 times turn (3, 4) f4; of four numbers the last is nothing. In place: grid (P, 3) f4."""
    places, one = len(grid), np.float32(1.0)
    columns, weights, mesh = pointer(columns), pointer(weights), pointer(mesh)
    offsets, turn = pointer(offsets), pointer(turn)
    across, down, near = four_at(turn, 0), four_at(turn, 4), four_at(turn, 8)
    nothing = minus(across, across)
    for p in range(places):
        k, end = first[p], first[p + 1]
        place = plus(plus(nothing, across, offsets[3 * p]), down, offsets[3 * p + 1])
        other = plus(nothing, near, offsets[3 * p + 2])
        while k + 1 < end:  # two sums, so that neither waits for the other
            place = plus(place, four_at(mesh, 4 * np.int64(columns[k])), weights[k])
            other = plus(other, four_at(mesh, 4 * np.int64(columns[k + 1])), weights[k + 1])
            k += 2
        if k < end:
            place = plus(place, four_at(mesh, 4 * np.int64(columns[k])), weights[k])
        place = plus(place, other, one)
        grid[p, 0], grid[p, 1], grid[p, 2] = lane0(place), lane1(place), lane2(place)


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def refine(coarse, taps, weights, fine):
    """Bicubic along the first axis: coarse (G, W) f4 at the rows taps (S, 4) u8 with weights (S, 4) f4. In place: fine
    (S, W) f4."""
    for s in range(len(taps)):
        a, b, c, d = weights[s]
        one, two, three, four = coarse[taps[s, 0]], coarse[taps[s, 1]], coarse[taps[s, 2]], coarse[taps[s, 3]]
        row = fine[s]
        for k in range(row.shape[0]):
            row[k] = a * one[k] + b * two[k] + c * three[k] + d * four[k]


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def swap_axes(by_columns, by_rows):
    """In place: by_rows (G, S, 3) f4 of by_columns (S, G, 3) f4."""
    for i in range(by_rows.shape[0]):
        for s in range(by_rows.shape[1]):
            by_rows[i, s, 0] = by_columns[s, i, 0]
            by_rows[i, s, 1] = by_columns[s, i, 1]
            by_rows[i, s, 2] = by_columns[s, i, 2]


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def between_places(grid, taps, weights, by_columns, by_rows, fine):
    """Bicubic along both axes: grid (G, G · 3) f4 column by column, taps and weights (S, 4). Room: by_columns (S, G, 3)
    and by_rows (G, S, 3) f4. In place: fine (S, S · 3) f4, row by row."""
    refine(grid, taps, weights, by_columns.reshape(by_columns.shape[0], -1))
    swap_axes(by_columns, by_rows)
    refine(by_rows.reshape(by_rows.shape[0], -1), taps, weights, fine)
