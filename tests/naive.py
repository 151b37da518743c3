"""Slow, obvious code that the fast code must agree with."""

from __future__ import annotations

import numpy as np


def rasterize(vertices, triangles, shape):
    """Depth (H, W) and coverage (H, W): every pixel against every triangle, by solving for the barycentric weights."""
    depth = np.full(shape, -np.inf)
    for triangle in triangles:
        corners = np.asarray(vertices, float)[triangle]
        system = np.vstack([corners[:, :2].T, np.ones(3)])
        if abs(np.linalg.det(system)) < 1e-12:
            continue
        for y in range(shape[0]):
            for x in range(shape[1]):
                weights = np.linalg.solve(system, [x, y, 1.0])
                if (weights >= -1e-9).all():
                    depth[y, x] = max(depth[y, x], weights @ corners[:, 2])
    return depth, np.isfinite(depth)


def grid_triangles(validity):
    """The triangles of a layout, as a set of vertex triples, cell by cell."""
    rows, columns = validity.shape
    found = []
    for v in range(rows - 1):
        for u in range(columns - 1):
            tl, tr = (v, u), (v, u + 1)
            bl, br = (v + 1, u), (v + 1, u + 1)
            missing = [corner for corner in (tl, tr, bl, br) if not validity[corner]]
            if not missing:
                cells = [(tl, bl, tr), (tr, bl, br)]
            elif missing == [tl]:
                cells = [(tr, bl, br)]
            elif missing == [tr]:
                cells = [(tl, bl, br)]
            elif missing == [bl]:
                cells = [(tl, br, tr)]
            elif missing == [br]:
                cells = [(tl, bl, tr)]
            else:
                cells = []
            found += [tuple(r * columns + c for r, c in cell) for cell in cells]
    return found
