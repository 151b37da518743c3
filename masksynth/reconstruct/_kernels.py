"""Loops of reconstruction: arrays in, arrays written in place, no checks. The module next door checks."""

from __future__ import annotations

import numpy as np
from numba import njit

FASTMATH = {"contract", "nsz"}


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
def refine_rows(grid, taps, weights, wide):
    """Bicubic along rows: grid (G, G, 3) f4 at the columns taps (S, 4) u8 with weights (S, 4) f4. In place: wide
    (G, S, 3) f4."""
    for i in range(grid.shape[0]):
        row, out = grid[i], wide[i]
        for s in range(len(taps)):
            a, b, c, d = weights[s]
            j, k, m, n = taps[s]
            out[s, 0] = a * row[j, 0] + b * row[k, 0] + c * row[m, 0] + d * row[n, 0]
            out[s, 1] = a * row[j, 1] + b * row[k, 1] + c * row[m, 1] + d * row[n, 1]
            out[s, 2] = a * row[j, 2] + b * row[k, 2] + c * row[m, 2] + d * row[n, 2]


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def refine_columns(wide, taps, weights, fine):
    """Bicubic along columns: wide (G, W) f4 at the rows taps (S, 4) u8 with weights (S, 4) f4. In place: fine (S, W)
    f4."""
    for s in range(len(taps)):
        a, b, c, d = weights[s]
        one, two, three, four = wide[taps[s, 0]], wide[taps[s, 1]], wide[taps[s, 2]], wide[taps[s, 3]]
        row = fine[s]
        for k in range(row.shape[0]):
            row[k] = a * one[k] + b * two[k] + c * three[k] + d * four[k]
