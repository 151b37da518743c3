"""Loops of the renderer: arrays in, arrays written in place, no checks. The module next door checks."""

from __future__ import annotations

import math

import numpy as np
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


# The visible surface of a position map. Grids are (R, C) f4; texel coordinates are those of the 256 layout. SUB x SUB
# samples stand for a pixel on a silhouette. A sample may lie OUTSIDE a triangle by this share of it: neighbours overlap
# by that much, so that float32 leaves no pinhole.

SUB = 4
CHANNELS = 8  # of a texel
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
def lift_grid(rows, columns, height, along, length, x, y, z):
    """Move the vertices off the surface by length times height (S, S) f4, along directions along (G, G, 3) f4 over the
    layout. In place x, y, z (R, C) f4."""
    side = along.shape[0]
    scale, half, one = np.float32(side) / np.float32(height.shape[0]), np.float32(0.5), np.float32(1.0)
    for i in range(len(rows)):
        for j in range(len(columns)):
            h = height[rows[i], columns[j]] * length
            if h == 0.0:
                continue
            k, fu, fv = bilinear_place(
                (np.float32(columns[j]) + half) * scale - half, (np.float32(rows[i]) + half) * scale - half, side
            )
            a, b = k // side, k % side
            w00, w01, w10, w11 = (one - fu) * (one - fv), fu * (one - fv), (one - fu) * fv, fu * fv
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
    """Triangle (a, b, c); the texel is (u + du wc, v + dv wb). In place: depth (h, w), uv (h, w, 2)."""
    height, width = depth.shape
    x0, x1 = clipped_range(ax, bx, cx, width - 1)
    y0, y1 = clipped_range(ay, by, cy, height - 1)
    inverse = np.float32(1.0) / area
    for py in range(y0, y1 + 1):
        y = np.float32(py)
        for px in range(x0, x1 + 1):
            x = np.float32(px)
            wb = ((cx - x) * (ay - y) - (cy - y) * (ax - x)) * inverse
            wc = ((ax - x) * (by - y) - (ay - y) * (bx - x)) * inverse
            wa = np.float32(1.0) - wb - wc
            if wa < OUTSIDE or wb < OUTSIDE or wc < OUTSIDE:
                continue
            z = wa * az + wb * bz + wc * cz
            if z > depth[py, px]:
                depth[py, px] = z
                uv[py, px, 0] = u + du * wc
                uv[py, px, 1] = v + dv * wb


@njit(cache=True, nogil=True)
def draw_grid(x, y, z, rows, columns, cells, depth, uv):
    """Nearest surface at every pixel centre. cells (R-1, C-1) u1: not 0 where drawn. In place: depth (h, w) f4 from
    -inf, uv (h, w, 2) f4 from NOTHING. Triangles that face away (area >= 0) are not drawn."""
    for i in range(cells.shape[0]):
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
def find_silhouettes(uv, jump, room, slot, near):
    """Number the pixels where the surface ends or jumps by more than `jump` texels to a neighbour. In place: slot
    (h, w) i4, -1 elsewhere and from the room-th on; near (h, w) u1: 1 within 3 px of one. Returns their number."""
    height, width = slot.shape
    count = 0
    limit = jump * jump
    near[:] = 0
    for py in range(height):
        for px in range(width):
            slot[py, px] = -1
            u, v = uv[py, px, 0], uv[py, px, 1]
            here = u > NOTHING
            edge = False
            for k in range(4):
                ny, nx = py + (k == 0) - (k == 1), px + (k == 2) - (k == 3)
                if ny < 0 or nx < 0 or ny >= height or nx >= width:
                    continue
                there = uv[ny, nx, 0] > NOTHING
                if here != there:
                    edge = True
                elif here:
                    du, dv = uv[ny, nx, 0] - u, uv[ny, nx, 1] - v
                    edge = edge or du * du + dv * dv > limit
            if edge:
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
    for py in range(y0, y1 + 1):
        for px in range(x0, x1 + 1):
            k = slot[py, px]
            if k < 0:
                continue
            x, y = np.float32(px) - ax, np.float32(py) - ay
            wb, wc = wb_x * x + wb_y * y, wc_x * x + wc_y * y
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
    for i in range(cells.shape[0]):
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


# Textures: all levels of a pyramid in one (N, 8) f4 array, level l of side S >> l from row starts[l].


@njit(inline="always")
def bilinear_place(u, v, side):
    """Row of the upper left texel of four around (u, v) in a level, and how far beyond it, clamped at the rim."""
    last = np.float32(side - 1)
    u, v = min(max(u, np.float32(0.0)), last), min(max(v, np.float32(0.0)), last)
    j, i = min(int(u), side - 2), min(int(v), side - 2)
    return i * side + j, u - np.float32(j), v - np.float32(i)


@njit(inline="always")
def add_four(texels, k, side, fu, fv, weight, out):
    """Add weight times the eight channels between four texels, the upper left of which is row k."""
    one = np.float32(1.0)
    w00, w01 = weight * (one - fu) * (one - fv), weight * fu * (one - fv)
    w10, w11 = weight * (one - fu) * fv, weight * fu * fv
    below = k + side
    for c in range(CHANNELS):
        out[c] += w00 * texels[k, c] + w01 * texels[k + 1, c] + w10 * texels[below, c] + w11 * texels[below + 1, c]


@njit(inline="always")
def add_texel(texels, starts, sides, u, v, size, weight, out):
    """Add weight times the texture around texel (u, v) of the 256 layout, over `size` of its texels.

    Between two levels of the pyramid the middle half of the way is mixed, the rest taken from the nearer one.
    """
    one, half, zero = np.float32(1.0), np.float32(0.5), np.float32(0.0)
    top = len(starts) - 1
    level = np.float32(math.log2(max(size * np.float32(sides[0]) * np.float32(1.0 / 256.0), one)))
    low = min(int(level), top)
    t = min(max((level - np.float32(low)) * np.float32(2.0) - half, zero), one)
    if low == top:
        t = zero
    if t < one:
        side = sides[low]
        scale = np.float32(side) * np.float32(1.0 / 256.0)
        k, fu, fv = bilinear_place((u + half) * scale - half, (v + half) * scale - half, side)
        add_four(texels, starts[low] + k, side, fu, fv, weight * (one - t), out)
    if t > zero:
        side = sides[low + 1]
        scale = np.float32(side) * np.float32(1.0 / 256.0)
        k, fu, fv = bilinear_place((u + half) * scale - half, (v + half) * scale - half, side)
        add_four(texels, starts[low + 1] + k, side, fu, fv, weight * t, out)


@njit(inline="always")
def add_lit(light, side, u, v, texel, lamp, out):
    """Add a texel in the light at (u, v) to out (5): red, green, blue, alpha, shadow. lamp (8) f4 is room."""
    alpha = texel[3]
    if alpha > np.float32(0.0):
        one, half = np.float32(1.0), np.float32(0.5)
        scale = np.float32(side) * np.float32(1.0 / 256.0)
        k, fu, fv = bilinear_place((u + half) * scale - half, (v + half) * scale - half, side)
        for c in range(CHANNELS):
            lamp[c] = np.float32(0.0)
        add_four(light, k, side, fu, fv, one, lamp)
        # A slope of the mask's relief turns its normal: to first order the light changes by slope times gradient.
        relief = one + (texel[5] * lamp[3] + texel[6] * lamp[4]) / alpha
        relief = min(max(relief, np.float32(0.4)), np.float32(1.6))
        out[0] += texel[0] * lamp[0] * relief
        out[1] += texel[1] * lamp[1] * relief
        out[2] += texel[2] * lamp[2] * relief
    out[3] += alpha
    out[4] += texel[4]


@njit(inline="always")
def add_samples(u, v, size, weight, texels, starts, sides, light, side, present, texel, lamp, out):
    per_block, half = np.float32(present.shape[0] / 256.0), np.float32(0.5)
    if present[int((v + half) * per_block), int((u + half) * per_block)] != 0:
        for c in range(CHANNELS):
            texel[c] = 0.0
        add_texel(texels, starts, sides, u, v, size, weight, texel)
        add_lit(light, side, u, v, texel, lamp, out)


@njit
def add_quarter(sub_u, sub_v, sub_size, s, jump, texels, starts, sides, light, side, present, texel, lamp, out):
    """Add a quarter of a silhouette pixel, samples s, s + 1, s + SUB, s + SUB + 1 of it, to out."""
    share = np.float32(1.0 / (SUB * SUB))
    count, u, v, size = 0, np.float32(0.0), np.float32(0.0), np.float32(0.0)
    low_u = low_v = np.float32(1e30)
    high_u = high_v = np.float32(-1e30)
    for j in range(4):
        n = s + (j // 2) * SUB + j % 2
        if sub_u[n] > NOTHING:
            count += 1
            u, v, size = u + sub_u[n], v + sub_v[n], max(size, sub_size[n])
            low_u, high_u = min(low_u, sub_u[n]), max(high_u, sub_u[n])
            low_v, high_v = min(low_v, sub_v[n]), max(high_v, sub_v[n])
    if count == 0:
        return
    if high_u - low_u <= jump and high_v - low_v <= jump:
        mean = np.float32(1.0) / np.float32(count)
        weight = np.float32(count) * share
        add_samples(
            u * mean, v * mean, size * np.float32(2.0), weight, texels, starts, sides, light, side, present,
            texel, lamp, out,
        )  # fmt: skip
        return
    for j in range(4):
        n = s + (j // 2) * SUB + j % 2
        if sub_u[n] > NOTHING:
            add_samples(
                sub_u[n], sub_v[n], sub_size[n], share, texels, starts, sides, light, side, present, texel, lamp, out
            )


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def draw_lit(uv, slot, sub_u, sub_v, sub_size, jump, texels, starts, sides, light, side, present, work, layer):
    """Draw a texture, in its light, over a visible surface.

    uv (h, w, 2), slot (h, w), sub_u, sub_v, sub_size (E, n) as draw_grid and refine_silhouettes leave them; samples
    less than `jump` texels apart are of one sheet; texels (N, 8) f4: premultiplied red, green, blue, alpha, shadow,
    slope along u and v (premultiplied), nothing; light (side * side, 8) f4: red, green, blue, change of light with
    slope along u and v; present (B, B) u1: 0 where the texture is empty for sure; work (3, 8) f4. In place: layer
    (h, w, 5) f4."""
    height, width = slot.shape
    per_block = np.float32(present.shape[0] / 256.0)
    half, one = np.float32(0.5), np.float32(1.0)
    texel, lamp, out = work[0], work[1], work[2]
    for py in range(height):
        for px in range(width):
            k = slot[py, px]
            u, v = uv[py, px, 0], uv[py, px, 1]
            if k < 0 and (u <= NOTHING or present[int((v + half) * per_block), int((u + half) * per_block)] == 0):
                for c in range(5):
                    layer[py, px, c] = 0.0
                continue
            for c in range(CHANNELS):
                out[c] = 0.0
                texel[c] = 0.0
            if k >= 0:
                for quarter in range(4):
                    # Four samples side by side: one lookup at their mean where they are of one sheet, else one each.
                    s = (quarter // 2) * 2 * SUB + (quarter % 2) * 2
                    add_quarter(
                        sub_u[k], sub_v[k], sub_size[k], s, jump, texels, starts, sides, light, side, present,
                        texel, lamp, out,
                    )  # fmt: skip
            else:
                # No silhouette here: the neighbours within the window are seen, and of the same sheet.
                x0, x1 = max(px - 1, 0), min(px + 1, width - 1)
                y0, y1 = max(py - 1, 0), min(py + 1, height - 1)
                over_x = half if x1 - x0 == 2 else one
                over_y = half if y1 - y0 == 2 else one
                ux, vx = (uv[py, x1, 0] - uv[py, x0, 0]) * over_x, (uv[py, x1, 1] - uv[py, x0, 1]) * over_x
                uy, vy = (uv[y1, px, 0] - uv[y0, px, 0]) * over_y, (uv[y1, px, 1] - uv[y0, px, 1]) * over_y
                longer, shorter = ux * ux + vx * vx, uy * uy + vy * vy
                if shorter > longer:
                    ux, vx, longer, shorter = uy, vy, shorter, longer
                longer, shorter = np.float32(math.sqrt(longer)), np.float32(math.sqrt(shorter))
                # Along the longer side of the footprint, one to four lookups of the size of the shorter one.
                probes = min(int(longer / max(shorter, one) + np.float32(0.3)), 4)
                if probes <= 1:
                    add_texel(texels, starts, sides, u, v, np.float32(math.sqrt(longer * shorter)), one, texel)
                else:
                    share = one / np.float32(probes)
                    size = max(shorter, longer * share)
                    for p in range(probes):
                        t = (np.float32(p) + half) * share - half
                        add_texel(texels, starts, sides, u + ux * t, v + vx * t, size, share, texel)
                add_lit(light, side, u, v, texel, lamp, out)
            for c in range(5):
                layer[py, px, c] = out[c]
