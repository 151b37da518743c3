"""Loops of reconstruction: arrays in, arrays written in place, no checks. The module next door checks."""

from __future__ import annotations

import numpy as np
from numba import njit

FASTMATH = {"nsz"}  # nothing that lets the compiler choose how to round


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def grid_from_mesh(first, columns, weights, mesh, offsets, turn, grid):
    """The places of a sparse matrix by rows, first (P + 1,) and columns (N,) i4, weights (N,) f4, times mesh (M, 3) f4,
    plus offsets (P, 3) f4 times turn (3, 3) f4. In place: grid (P, 3) f4."""
    for p in range(len(grid)):
        x = y = z = np.float32(0)
        for k in range(first[p], first[p + 1]):
            weight, m = weights[k], columns[k]
            x += weight * mesh[m, 0]
            y += weight * mesh[m, 1]
            z += weight * mesh[m, 2]
        a, b, c = offsets[p, 0], offsets[p, 1], offsets[p, 2]
        grid[p, 0] = x + a * turn[0, 0] + b * turn[1, 0] + c * turn[2, 0]
        grid[p, 1] = y + a * turn[0, 1] + b * turn[1, 1] + c * turn[2, 1]
        grid[p, 2] = z + a * turn[0, 2] + b * turn[1, 2] + c * turn[2, 2]


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
