"""Loops of the position map: arrays in, arrays written in place, no checks. The module next door checks."""

from __future__ import annotations

from numba import njit


@njit(cache=True, nogil=True)
def between_places(grid, step, weights, across, fine):
    """Fill in what lies between the places of a grid that has a ring more than its layout on every side.

    grid (G, G, 3) f4; weights (step, 4) f4 of four places in a row, for each of the texels that are nearest to the
    second (the first half) or the third. Room: across (G, S · 3) f4 with S = (G - 2) · step. In place: fine (S, S · 3)
    f4."""
    count = grid.shape[0]
    for i in range(count):
        for j in range(count - 2):
            for q in range(step):
                first = j - 1 if 2 * q < step else j
                a, d = max(first, 0), min(first + 3, count - 1)
                for c in range(3):
                    across[i, 3 * (j * step + q) + c] = (
                        weights[q, 0] * grid[i, a, c]
                        + weights[q, 1] * grid[i, first + 1, c]
                        + weights[q, 2] * grid[i, first + 2, c]
                        + weights[q, 3] * grid[i, d, c]
                    )
    for i in range(count - 2):
        for q in range(step):
            first = i - 1 if 2 * q < step else i
            a, d = max(first, 0), min(first + 3, count - 1)
            w0, w1, w2, w3 = weights[q, 0], weights[q, 1], weights[q, 2], weights[q, 3]
            for k in range(across.shape[1]):
                fine[i * step + q, k] = (
                    w0 * across[a, k] + w1 * across[first + 1, k] + w2 * across[first + 2, k] + w3 * across[d, k]
                )
