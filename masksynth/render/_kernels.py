"""The loop of the plain z-buffer: arrays in, arrays written in place, no checks. The module next door checks."""

from __future__ import annotations

from numba import njit


@njit(inline="always")
def twice_area(ax, ay, bx, by, cx, cy):
    """Twice the signed area of (a, b, c)."""
    return (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)


@njit(inline="always")
def side_of(ax, ay, bx, by, px, py):
    """twice_area(a, b, p), with side_of(a, b, p) == -side_of(b, a, p) to the last bit.

    Two triangles that share an edge therefore never both lose a pixel that lies on it.
    """
    if ax < bx or (ax == bx and ay < by):
        return twice_area(ax, ay, bx, by, px, py)
    return -twice_area(bx, by, ax, ay, px, py)


@njit(cache=True, nogil=True)
def draw_nearest(vertices, triangles, depth, face, weights):
    """vertices (N, 3) f8, triangles (T, 3) i8; in place: depth (H, W) f8 from -inf,
    face (H, W) i8 from -1, weights (H, W, 3) f8 from 0. Largest z wins, the earlier triangle among equals."""
    height, width = depth.shape
    for t in range(len(triangles)):
        ax, ay, az = vertices[triangles[t, 0]]
        bx, by, bz = vertices[triangles[t, 1]]
        cx, cy, cz = vertices[triangles[t, 2]]
        area = twice_area(ax, ay, bx, by, cx, cy)
        if area == 0.0:
            continue  # edge-on: covers nothing
        sign = 1.0 if area > 0.0 else -1.0
        left, right = max(0.0, min(ax, bx, cx)), min(width - 1.0, max(ax, bx, cx))
        top, bottom = max(0.0, min(ay, by, cy)), min(height - 1.0, max(ay, by, cy))
        if left > right or top > bottom:
            continue  # outside the picture, however far
        for y in range(int(top), int(bottom) + 1):
            for x in range(int(left), int(right) + 1):
                a = sign * side_of(bx, by, cx, cy, x, y)
                b = sign * side_of(cx, cy, ax, ay, x, y)
                c = sign * side_of(ax, ay, bx, by, x, y)
                if a < 0.0 or b < 0.0 or c < 0.0:
                    continue
                total = a + b + c
                if total == 0.0:
                    continue
                a, b, c = a / total, b / total, c / total
                z = a * az + b * bz + c * cz
                if z > depth[y, x]:
                    depth[y, x], face[y, x] = z, t
                    weights[y, x, 0], weights[y, x, 1], weights[y, x, 2] = a, b, c
