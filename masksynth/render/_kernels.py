"""Loops of the renderer: arrays in, arrays written in place, no checks. The module next door checks."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from masksynth.render._vectors import between_texels


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


# The visible surface of a position map. Grids are (R, C) f4; texel coordinates are those of the 256 layout. SUB x SUB
# samples stand for a pixel on a silhouette. A sample may lie OUTSIDE a triangle by this share of it: neighbours overlap
# by that much, so that float32 leaves no pinhole.

SUB = 4
OUTSIDE = np.float32(-1e-3)
NOTHING = np.float32(-1e30)  # u where nothing is seen
FASTMATH = {"contract", "nsz", "arcp", "reassoc"}  # not ninf, nnan: depth starts at -inf


@njit(cache=True, nogil=True)
def gather_grid(positions, rows, columns, frame, scale, x, y, z):
    """positions (S, S, 3) f4, frame (2, 3) f4 from photo to window pixels; in place x, y, z (R, C) f4."""
    for i in range(len(rows)):
        for j in range(len(columns)):
            px, py, pz = positions[rows[i], columns[j]]
            x[i, j] = frame[0, 0] * px + frame[0, 1] * py + frame[0, 2]
            y[i, j] = frame[1, 0] * px + frame[1, 1] * py + frame[1, 2]
            z[i, j] = scale * pz


@njit(cache=True, nogil=True)
def bound_grid(positions, validity, first_row, end_row, first_column, end_column, step, frame, bounds):
    """In place: bounds (4,) f4 = least and largest x, least and largest y, in window pixels, of every step-th texel
    that is there, and of the last row and column."""
    bounds[0], bounds[1], bounds[2], bounds[3] = np.inf, -np.inf, np.inf, -np.inf
    for i in range(first_row, end_row + step - 1, step):
        v = min(i, end_row - 1)
        for j in range(first_column, end_column + step - 1, step):
            u = min(j, end_column - 1)
            if validity[v, u] == 0:
                continue
            px, py = positions[v, u, 0], positions[v, u, 1]
            x = frame[0, 0] * px + frame[0, 1] * py + frame[0, 2]
            y = frame[1, 0] * px + frame[1, 1] * py + frame[1, 2]
            bounds[0], bounds[1] = min(bounds[0], x), max(bounds[1], x)
            bounds[2], bounds[3] = min(bounds[2], y), max(bounds[3], y)


@njit(cache=True, nogil=True)
def lift_grid(rows, columns, height, along, length, more, full, x, y, z):
    """Move the vertices off the surface by length times height (S, S) f4, and by more (G, G) f4 times the share that
    the height is of `full`, along directions along (G, G, 3) f4 over the layout; never below it. In place x, y, z
    (R, C) f4."""
    side = along.shape[0]
    scale, half, one = np.float32(side) / np.float32(height.shape[0]), np.float32(0.5), np.float32(1.0)
    for i in range(len(rows)):
        for j in range(len(columns)):
            h = height[rows[i], columns[j]]
            if h == 0.0:
                continue
            k, fu, fv = bilinear_place(
                (np.float32(columns[j]) + half) * scale - half, (np.float32(rows[i]) + half) * scale - half, side
            )
            a, b = k // side, k % side
            w00, w01, w10, w11 = (one - fu) * (one - fv), fu * (one - fv), (one - fu) * fv, fu * fv
            besides = w00 * more[a, b] + w01 * more[a, b + 1] + w10 * more[a + 1, b] + w11 * more[a + 1, b + 1]
            h = max(h * length + min(h / full, one) * besides, np.float32(0.0))
            x[i, j] += h * (
                w00 * along[a, b, 0]
                + w01 * along[a, b + 1, 0]
                + w10 * along[a + 1, b, 0]
                + w11 * along[a + 1, b + 1, 0]
            )
            y[i, j] += h * (
                w00 * along[a, b, 1]
                + w01 * along[a, b + 1, 1]
                + w10 * along[a + 1, b, 1]
                + w11 * along[a + 1, b + 1, 1]
            )
            z[i, j] += h * (
                w00 * along[a, b, 2]
                + w01 * along[a, b + 1, 2]
                + w10 * along[a + 1, b, 2]
                + w11 * along[a + 1, b + 1, 2]
            )


@njit(inline="always")
def clipped_range(a, b, c, last):
    """First and last whole number between the least and the largest of a, b, c, within 0 .. last."""
    low, high = min(a, b, c), max(a, b, c)
    first = 0 if low <= 0.0 else math.ceil(min(low, last + np.float32(1.0)))
    final = -1 if high < 0.0 else int(min(high, np.float32(last)))
    return first, final


@njit(inline="always")
def draw_cell_half(ax, ay, az, bx, by, bz, cx, cy, cz, area, u, v, du, dv, depth, uv):
    """Triangle (a, b, c); the texel is (u + du wc, v + dv wb). In place: depth (h, w), uv (2, h, w)."""
    height, width = depth.shape
    x0, x1 = clipped_range(ax, bx, cx, width - 1)
    y0, y1 = clipped_range(ay, by, cy, height - 1)
    inverse, one = np.float32(1.0) / area, np.float32(1.0)
    wb_x, wb_y = (cy - ay) * inverse, (ax - cx) * inverse  # change of the weights per pixel
    wc_x, wc_y = (ay - by) * inverse, (bx - ax) * inverse
    bz, cz = bz - az, cz - az
    for py in range(y0, y1 + 1):
        x, y = np.float32(x0) - ax, np.float32(py) - ay
        wb, wc = wb_x * x + wb_y * y, wc_x * x + wc_y * y
        for px in range(x0, x1 + 1):
            if min(wb, wc, one - wb - wc) >= OUTSIDE:
                z = az + wb * bz + wc * cz
                if z > depth[py, px]:
                    depth[py, px] = z
                    uv[0, py, px] = u + du * wc
                    uv[1, py, px] = v + dv * wb
            wb += wb_x
            wc += wc_x


@njit(inline="always")
def row_misses(x, y, i, height, width):
    """True where the cells between vertex rows i and i + 1 all lie on one side outside the window."""
    x0 = x1 = x[i, 0]
    y0 = y1 = y[i, 0]
    for r in range(i, i + 2):
        for j in range(x.shape[1]):
            x0, x1 = min(x0, x[r, j]), max(x1, x[r, j])
            y0, y1 = min(y0, y[r, j]), max(y1, y[r, j])
    return x1 < -1.0 or y1 < -1.0 or x0 > width or y0 > height


@njit(cache=True, nogil=True)
def draw_grid(x, y, z, rows, columns, cells, depth, uv):
    """Nearest surface at every pixel centre. cells (R-1, C-1) u1: not 0 where drawn. In place: depth (h, w) f4 from
    -inf, uv (2, h, w) f4 from NOTHING. Triangles that face away (area >= 0) are not drawn."""
    height, width = depth.shape
    for i in range(cells.shape[0]):
        if row_misses(x, y, i, height, width):
            continue
        v0, v1 = np.float32(rows[i]), np.float32(rows[i + 1])
        for j in range(cells.shape[1]):
            if cells[i, j] == 0:
                continue
            u0, u1 = np.float32(columns[j]), np.float32(columns[j + 1])
            ax, ay, bx, by = x[i, j], y[i, j], x[i + 1, j], y[i + 1, j]
            cx, cy, dx, dy = x[i, j + 1], y[i, j + 1], x[i + 1, j + 1], y[i + 1, j + 1]
            area = twice_area(ax, ay, bx, by, cx, cy)
            if area < 0.0:
                draw_cell_half(
                    ax, ay, z[i, j], bx, by, z[i + 1, j], cx, cy, z[i, j + 1], area, u0, v0, u1 - u0, v1 - v0, depth, uv
                )
            area = twice_area(dx, dy, cx, cy, bx, by)
            if area < 0.0:
                draw_cell_half(
                    dx, dy, z[i + 1, j + 1], cx, cy, z[i, j + 1], bx, by, z[i + 1, j], area,
                    u1, v1, u0 - u1, v0 - v1, depth, uv,
                )  # fmt: skip


@njit(cache=True, nogil=True)
def find_silhouettes(uv, jump, present, room, slot, edge, near):
    """Number the pixels where the surface ends or jumps by more than `jump` texels to a neighbour, and where a texture
    that is empty outside `present` (B, B) u1 may be on either side. In place: slot (h, w) i4, -1 elsewhere and from the
    room-th on; near (h, w) u1: 1 within 3 px of one; edge (h, w) u1 is room. Returns their number."""
    height, width = slot.shape
    for py in range(height):
        up, down = max(py - 1, 0), min(py + 1, height - 1)
        for px in range(width):  # NOTHING is so far off that it jumps by itself; no branches: vector instructions
            left, right = max(px - 1, 0), min(px + 1, width - 1)
            u, v = uv[0, py, px], uv[1, py, px]
            most = max(abs(uv[0, py, left] - u), abs(uv[0, py, right] - u))
            most = max(most, max(abs(uv[1, py, left] - v), abs(uv[1, py, right] - v)))
            most = max(most, max(abs(uv[0, up, px] - u), abs(uv[0, down, px] - u)))
            most = max(most, max(abs(uv[1, up, px] - v), abs(uv[1, down, px] - v)))
            edge[py, px] = most > jump
            slot[py, px] = -1
            near[py, px] = 0
    count = 0
    per_block, half = np.float32(present.shape[0] / 256.0), np.float32(0.5)
    for py in range(height):
        for px in range(width):
            if edge[py, px] == 0:
                continue
            wanted = False
            for ny in range(max(py - 1, 0), min(py + 2, height)):
                for nx in range(max(px - 1, 0), min(px + 2, width)):
                    u, v = uv[0, ny, nx], uv[1, ny, nx]
                    if u > NOTHING and present[int((v + half) * per_block), int((u + half) * per_block)] != 0:
                        wanted = True
            if not wanted:
                continue
            if count < room:
                slot[py, px] = count
                for ny in range(max(py - 3, 0), min(py + 4, height)):
                    for nx in range(max(px - 3, 0), min(px + 4, width)):
                        near[ny, nx] = 1
            count += 1
    return count


@njit(inline="always")
def refine_cell_half(
    ax, ay, az, bx, by, bz, cx, cy, cz, area, u, v, du, dv, offsets, slot, sub_depth, sub_u, sub_v, sub_size
):
    height, width = slot.shape
    half, one = np.float32(0.5), np.float32(1.0)
    x0, x1 = clipped_range(min(ax, bx, cx) - half, ax, max(ax, bx, cx) + half, width - 1)
    y0, y1 = clipped_range(min(ay, by, cy) - half, ay, max(ay, by, cy) + half, height - 1)
    inverse = one / area
    wb_x, wb_y = (ay - cy) * -inverse, (cx - ax) * -inverse  # change of the weights per pixel
    wc_x, wc_y = (by - ay) * -inverse, (ax - bx) * -inverse
    size = math.sqrt(abs(du * dv * inverse)) * np.float32(1.0 / SUB)  # texels across a sample
    reach_b, reach_c = half * (abs(wb_x) + abs(wb_y)), half * (abs(wc_x) + abs(wc_y))  # most a weight gains in a pixel
    reach_a = half * (abs(wb_x + wc_x) + abs(wb_y + wc_y))
    for py in range(y0, y1 + 1):
        for px in range(x0, x1 + 1):
            k = slot[py, px]
            if k < 0:
                continue
            x, y = np.float32(px) - ax, np.float32(py) - ay
            wb, wc = wb_x * x + wb_y * y, wc_x * x + wc_y * y
            wa = one - wb - wc
            if wb + reach_b < OUTSIDE or wc + reach_c < OUTSIDE or wa + reach_a < OUTSIDE:
                continue
            for s in range(SUB * SUB):  # written without branches, so that it becomes vector instructions
                b = wb + wb_x * offsets[0, s] + wb_y * offsets[1, s]
                c = wc + wc_x * offsets[0, s] + wc_y * offsets[1, s]
                a = one - b - c
                z = a * az + b * bz + c * cz
                wins = (a >= OUTSIDE) & (b >= OUTSIDE) & (c >= OUTSIDE) & (z > sub_depth[k, s])
                sub_depth[k, s] = z if wins else sub_depth[k, s]
                sub_u[k, s] = u + du * c if wins else sub_u[k, s]
                sub_v[k, s] = v + dv * b if wins else sub_v[k, s]
                sub_size[k, s] = size if wins else sub_size[k, s]


@njit(inline="always")
def reaches(near, ax, ay, dx, dy):
    """False where a cell with opposite corners a and d is small and not near any silhouette pixel."""
    height, width = near.shape
    if abs(ax - dx) > 4.0 or abs(ay - dy) > 4.0:
        return True
    mx, my = (
        int((ax + dx) * np.float32(0.5) + np.float32(3.0)) - 3,
        int((ay + dy) * np.float32(0.5) + np.float32(3.0)) - 3,
    )
    if mx < -3 or my < -3 or mx > width + 2 or my > height + 2:
        return False
    return near[min(max(my, 0), height - 1), min(max(mx, 0), width - 1)] != 0


@njit(cache=True, nogil=True)
def refine_silhouettes(x, y, z, rows, columns, cells, offsets, slot, near, count, sub_depth, sub_u, sub_v, sub_size):
    """As draw_grid, for SUB x SUB samples of the `count` pixels numbered in slot. offsets (2, n) f4: x and
    y of the samples from the pixel's centre. In place: sub_depth, sub_u, sub_v, sub_size (E, n) f4; size: texels across
    a sample."""
    for k in range(count):
        for s in range(SUB * SUB):
            sub_depth[k, s] = -np.inf
            sub_u[k, s] = NOTHING
            sub_v[k, s] = NOTHING
    height, width = slot.shape
    for i in range(cells.shape[0]):
        if row_misses(x, y, i, height, width):
            continue
        v0, v1 = np.float32(rows[i]), np.float32(rows[i + 1])
        for j in range(cells.shape[1]):
            if cells[i, j] == 0:
                continue
            u0, u1 = np.float32(columns[j]), np.float32(columns[j + 1])
            ax, ay, bx, by = x[i, j], y[i, j], x[i + 1, j], y[i + 1, j]
            cx, cy, dx, dy = x[i, j + 1], y[i, j + 1], x[i + 1, j + 1], y[i + 1, j + 1]
            if not reaches(near, ax, ay, dx, dy):
                continue
            area = twice_area(ax, ay, bx, by, cx, cy)
            if area < 0.0:
                refine_cell_half(
                    ax, ay, z[i, j], bx, by, z[i + 1, j], cx, cy, z[i, j + 1], area,
                    u0, v0, u1 - u0, v1 - v0, offsets, slot, sub_depth, sub_u, sub_v, sub_size,
                )  # fmt: skip
            area = twice_area(dx, dy, cx, cy, bx, by)
            if area < 0.0:
                refine_cell_half(
                    dx, dy, z[i + 1, j + 1], cx, cy, z[i, j + 1], bx, by, z[i + 1, j], area,
                    u1, v1, u0 - u1, v0 - v1, offsets, slot, sub_depth, sub_u, sub_v, sub_size,
                )  # fmt: skip


@njit(inline="always")
def along_grid(lines, per_step, place):
    """The grid line before `place`, and how far on to the next it is, 0 to 1."""
    i = min(int(place * per_step), len(lines) - 2)
    return i, (place - np.float32(lines[i])) / np.float32(lines[i + 1] - lines[i])


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def correct_texels(positions, frame, x, y, lines, step, slot, present, uv):
    """Undo what coarsening the grid did to the texels seen: one Newton step for each pixel off the silhouettes.

    positions (S, S, 3) f4 and frame (2, 3) f4 as in gather_grid; x, y (R, C) f4: the coarse grid as it came from there.
    The drawn surface is the coarse one; where it puts texel (u, v) and where that truly is differ by a vector, which
    the change of texels between neighbouring pixels turns into a difference of texels. In place: uv (2, h, w) f4."""
    height, width = slot.shape
    per_step = np.float32(1.0) / np.float32(step)
    per_block, half, one = np.float32(present.shape[0] / 256.0), np.float32(0.5), np.float32(1.0)
    for py in range(1, height - 1):
        for px in range(1, width - 1):
            u, v = uv[0, py, px], uv[1, py, px]
            if u <= NOTHING or slot[py, px] >= 0:
                continue
            if present[int((v + half) * per_block), int((u + half) * per_block)] == 0:
                continue
            if uv[0, py, px - 1] <= NOTHING or uv[0, py, px + 1] <= NOTHING:
                continue  # a silhouette far from any texture
            if uv[0, py - 1, px] <= NOTHING or uv[0, py + 1, px] <= NOTHING:
                continue
            i, fv = along_grid(lines, per_step, v)
            j, fu = along_grid(lines, per_step, u)
            if fu + fv <= one:
                cx = x[i, j] + fu * (x[i, j + 1] - x[i, j]) + fv * (x[i + 1, j] - x[i, j])
                cy = y[i, j] + fu * (y[i, j + 1] - y[i, j]) + fv * (y[i + 1, j] - y[i, j])
            else:
                gu, gv = one - fu, one - fv
                cx = x[i + 1, j + 1] + gu * (x[i + 1, j] - x[i + 1, j + 1]) + gv * (x[i, j + 1] - x[i + 1, j + 1])
                cy = y[i + 1, j + 1] + gu * (y[i + 1, j] - y[i + 1, j + 1]) + gv * (y[i, j + 1] - y[i + 1, j + 1])
            k, m = min(int(v), positions.shape[0] - 2), min(int(u), positions.shape[1] - 2)
            au, av = u - np.float32(m), v - np.float32(k)
            w11 = au * av
            w01, w10, w00 = au - w11, av - w11, (one - au) * (one - av)
            fx = w00 * positions[k, m, 0] + w01 * positions[k, m + 1, 0]
            fx += w10 * positions[k + 1, m, 0] + w11 * positions[k + 1, m + 1, 0]
            fy = w00 * positions[k, m, 1] + w01 * positions[k, m + 1, 1]
            fy += w10 * positions[k + 1, m, 1] + w11 * positions[k + 1, m + 1, 1]
            dx = frame[0, 0] * fx + frame[0, 1] * fy + frame[0, 2] - cx
            dy = frame[1, 0] * fx + frame[1, 1] * fy + frame[1, 2] - cy
            limit = np.float32(step)
            du = half * ((uv[0, py, px + 1] - uv[0, py, px - 1]) * dx + (uv[0, py + 1, px] - uv[0, py - 1, px]) * dy)
            dv = half * ((uv[1, py, px + 1] - uv[1, py, px - 1]) * dx + (uv[1, py + 1, px] - uv[1, py - 1, px]) * dy)
            uv[0, py, px] = min(max(u - min(max(du, -limit), limit), np.float32(0.0)), np.float32(255.0))
            uv[1, py, px] = min(max(v - min(max(dv, -limit), limit), np.float32(0.0)), np.float32(255.0))


# Textures: all levels of a pyramid in one (N, 8) f2 array, level l of side S >> l from row starts[l].


@njit(inline="always")
def bilinear_place(u, v, side):
    """Row of the upper left texel of four around (u, v) in a level, and how far beyond it, clamped at the rim."""
    last = np.float32(side - 1)
    u, v = min(max(u, np.float32(0.0)), last), min(max(v, np.float32(0.0)), last)
    j, i = min(int(u), side - 2), min(int(v), side - 2)
    return i * side + j, u - np.float32(j), v - np.float32(i)


@njit(inline="always")
def probe_silhouette(sub_u, sub_v, sub_size, n, jump, probes):
    """Lookups for silhouette pixel n into probes (16, 4) f4: u, v, size, weight; how many there are.

    Four samples side by side take one lookup at their mean where they are of one sheet, else one each.
    """
    share = np.float32(1.0 / (SUB * SUB))
    found = 0
    for quarter in range(4):
        first = (quarter // 2) * 2 * SUB + (quarter % 2) * 2
        begun = found
        u, v, size = np.float32(0.0), np.float32(0.0), np.float32(0.0)
        low_u = low_v = np.float32(1e30)
        high_u = high_v = np.float32(-1e30)
        for j in range(4):
            s = first + (j // 2) * SUB + j % 2
            su, sv = sub_u[n, s], sub_v[n, s]
            if su > NOTHING:
                probes[found, 0], probes[found, 1], probes[found, 2], probes[found, 3] = su, sv, sub_size[n, s], share
                found += 1
                u, v, size = u + su, v + sv, max(size, sub_size[n, s])
                low_u, high_u = min(low_u, su), max(high_u, su)
                low_v, high_v = min(low_v, sv), max(high_v, sv)
        if found > begun + 1 and high_u - low_u <= jump and high_v - low_v <= jump:
            mean = np.float32(1.0) / np.float32(found - begun)
            probes[begun, 0], probes[begun, 1] = u * mean, v * mean
            probes[begun, 2], probes[begun, 3] = size * np.float32(2.0), np.float32(found - begun) * share
            found = begun + 1
    return found


@njit(inline="always")
def probe_surface(uv, py, px, probes):
    """As probe_silhouette for a pixel whose neighbours within the window are seen, and of the same sheet: one to four
    lookups along the longer side of its footprint, of the size of the shorter one."""
    height, width = uv.shape[1], uv.shape[2]
    half, one = np.float32(0.5), np.float32(1.0)
    x0, x1 = max(px - 1, 0), min(px + 1, width - 1)
    y0, y1 = max(py - 1, 0), min(py + 1, height - 1)
    over_x = half if x1 - x0 == 2 else one
    over_y = half if y1 - y0 == 2 else one
    ux, vx = (uv[0, py, x1] - uv[0, py, x0]) * over_x, (uv[1, py, x1] - uv[1, py, x0]) * over_x
    uy, vy = (uv[0, y1, px] - uv[0, y0, px]) * over_y, (uv[1, y1, px] - uv[1, y0, px]) * over_y
    longer, shorter = ux * ux + vx * vx, uy * uy + vy * vy
    if shorter > longer:
        ux, vx, longer, shorter = uy, vy, shorter, longer
    count = 1
    if longer > shorter * np.float32(2.9) and longer > np.float32(2.9):
        longer, shorter = math.sqrt(longer), math.sqrt(shorter)
        count = min(int(longer / max(shorter, one) + np.float32(0.3)), 4)
        share = one / np.float32(count)
        size = max(shorter, longer * share)
    else:
        share = one
        size = math.sqrt(math.sqrt(longer * shorter))
    for p in range(count):
        t = (np.float32(p) + half) * share - half
        probes[p, 0], probes[p, 1] = uv[0, py, px] + ux * t, uv[1, py, px] + vx * t
        probes[p, 2], probes[p, 3] = size, share
    return count


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def draw_lit(
    uv, slot, sub_u, sub_v, sub_size, jump, texels, starts, sides, grey, relief, light, side, present, probes, layer
):
    """Draw a texture, in its light, over a visible surface.

    uv (2, h, w), slot (h, w), sub_u, sub_v, sub_size (E, n) as draw_grid and refine_silhouettes leave them; samples
    less than `jump` texels apart are of one sheet; texels (N, 8) f2 seen as u2: premultiplied red, green, blue,
    alpha, shadow, slope along u and v (premultiplied), nothing; grey: the three colours are one; relief: there are
    slopes; light (side * side, 8) f4: red, green, blue, change of light with slope along u and v; present (B, B) u1: 0
    where the texture is empty for sure; probes (16, 4) f4 is room. In place: layer (h, w, 5) f4. One function on
    purpose: a call that takes ten arrays costs more than a lookup."""
    height, width = slot.shape
    top = len(starts) - 1
    per_block, per_light = np.float32(present.shape[0] / 256.0), np.float32(side) * np.float32(1.0 / 256.0)
    fine = np.float32(sides[0]) * np.float32(1.0 / 256.0)
    zero, half, one, two = np.float32(0.0), np.float32(0.5), np.float32(1.0), np.float32(2.0)
    for py in range(height):
        for px in range(width):
            red = green = blue = alpha = shadow = zero
            count = 0
            if slot[py, px] >= 0:
                count = probe_silhouette(sub_u, sub_v, sub_size, slot[py, px], jump, probes)
            elif uv[0, py, px] > NOTHING:
                u, v = uv[0, py, px], uv[1, py, px]
                if present[int((v + half) * per_block), int((u + half) * per_block)] != 0:
                    count = probe_surface(uv, py, px, probes)
            for p in range(count):
                u = min(max(probes[p, 0], zero), np.float32(255.0))
                v = min(max(probes[p, 1], zero), np.float32(255.0))
                if present[int((v + half) * per_block), int((u + half) * per_block)] == 0:
                    continue
                # Between two levels the middle third of the way is mixed, the rest taken from the nearer one; size - 1
                # stands for the logarithm of size between 1 and 2.
                size, low = probes[p, 2] * fine, 0
                while size > two and low < top:
                    size *= half
                    low += 1
                t = min(max((size - one) * np.float32(3.0) - one, zero), one)
                if low == top:
                    t = zero
                elif t == one:  # the coarser level alone
                    low, t = low + 1, zero
                across = sides[low]
                scale = np.float32(across) * np.float32(1.0 / 256.0)
                k, fu, fv = bilinear_place((u + half) * scale - half, (v + half) * scale - half, across)
                weight = one - t
                w11 = weight * fu * fv
                w01, w10, w00 = weight * fu - w11, weight * fv - w11, weight * (one - fu) * (one - fv)
                r, g, b, a, d, su, sv, _ = between_texels(texels, k + starts[low], across, w00, w01, w10, w11)
                if t > zero:
                    across = sides[low + 1]
                    scale = np.float32(across) * np.float32(1.0 / 256.0)
                    k, fu, fv = bilinear_place((u + half) * scale - half, (v + half) * scale - half, across)
                    w11 = t * fu * fv
                    w01, w10, w00 = t * fu - w11, t * fv - w11, t * (one - fu) * (one - fv)
                    mixed = between_texels(texels, k + starts[low + 1], across, w00, w01, w10, w11)
                    r, g, b, a = r + mixed[0], g + mixed[1], b + mixed[2], a + mixed[3]
                    d, su, sv = d + mixed[4], su + mixed[5], sv + mixed[6]
                share = probes[p, 3]
                shadow += share * d
                if a <= zero:
                    continue
                alpha += share * a
                k, fu, fv = bilinear_place((u + half) * per_light - half, (v + half) * per_light - half, side)
                w11 = fu * fv
                w01, w10, w00 = fu - w11, fv - w11, (one - fu) * (one - fv)
                lit = between_texels(light, k, side, w00, w01, w10, w11)
                # A slope of the relief turns the mask's normal: to first order light changes by slope times gradient.
                if su != zero or sv != zero:
                    along = su * lit[3] + sv * lit[4]
                    share *= min(max(one + along / a, np.float32(0.4)), np.float32(1.6))
                red += share * r * lit[0]
                green += share * g * lit[1]
                blue += share * b * lit[2]
            if grey:
                green, blue = red, red
            layer[py, px, 0], layer[py, px, 1], layer[py, px, 2] = red, green, blue
            layer[py, px, 3], layer[py, px, 4] = alpha, shadow
