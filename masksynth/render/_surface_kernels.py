"""Loops that find the visible surface of a position map: arrays in, arrays written in place, no checks.

The layout is cut into cells of `step` texels, and these into blocks of BLOCK x BLOCK cells. Places on it are counted in
cells: vertex (i, j) lies at texel (i · step, j · step). Vertices are four numbers, x, y, z and nothing, in window
pixels.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from masksynth.render._vectors import eight_at, four_at, lane3, minus, plus, pointer, put, spread, where_above

BLOCK = 8  # cells along the side of a block
SAMPLES = 8  # that stand for a pixel on a silhouette
OUTSIDE = np.float32(-1e-3)  # share of a triangle that a sample may lie outside: neighbours overlap by that much
WIDE = 4  # pixels: cells this wide are drawn eight pixels at a time
TURNING = np.float32(0.15)  # of the largest triangle of a block: a smaller one is near to turning away
NOTHING = np.float32(-1e30)  # u where nothing is seen
FASTMATH = {"nsz"}  # nothing that lets the compiler choose how to round


@njit(cache=True, nogil=True)
def bounds(positions, validity, first_row, end_row, first_column, end_column, step, frame):
    """Least and largest x, least and largest y, in pixels of the frame, of every step-th texel of positions (S, S, 3)
    f4 that is there, and of the last row and column. Least above largest where none is."""
    left = top = 1e30
    right = bottom = -1e30
    for i in range(first_row, end_row + step - 1, step):
        v = min(i, end_row - 1)
        for j in range(first_column, end_column + step - 1, step):
            u = min(j, end_column - 1)
            if validity[v, u] == 0:
                continue
            px, py = positions[v, u, 0], positions[v, u, 1]
            x = frame[0, 0] * px + frame[0, 1] * py + frame[0, 2]
            y = frame[1, 0] * px + frame[1, 1] * py + frame[1, 2]
            left, right, top, bottom = min(left, x), max(right, x), min(top, y), max(bottom, y)
    return left, right, top, bottom


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def survey(positions, side, step, frame, solid, reach, width, height, first, last):
    """Which blocks may show in a window. positions (side · side · 3,) f4; frame (2, 3) f4; solid (B, B) u1: 0 where a
    block has no surface; reach: pixels that the surface may stand off. In place: first, last (B,) i8: columns of the
    blocks of each row, first > last where there are none."""
    positions = pointer(positions)
    blocks = solid.shape[0]
    texels = BLOCK * step
    for i in range(blocks):
        first[i], last[i] = blocks, -1
        for j in range(blocks):
            if solid[i, j] == 0:
                continue
            left = top = np.float32(1e30)
            right = bottom = np.float32(-1e30)
            for k in range(5):  # the corners and the middle
                v = min(i * texels + (texels // 2 if k == 4 else (k // 2) * texels), side - 1)
                u = min(j * texels + (texels // 2 if k == 4 else (k % 2) * texels), side - 1)
                p = 3 * (v * side + u)
                x = frame[0, 0] * positions[p] + frame[0, 1] * positions[p + 1] + frame[0, 2]
                y = frame[1, 0] * positions[p] + frame[1, 1] * positions[p + 1] + frame[1, 2]
                left, right, top, bottom = min(left, x), max(right, x), min(top, y), max(bottom, y)
            more = reach + np.float32(0.35) * (right - left + bottom - top)
            if right + more > 0 and bottom + more > 0 and left - more < width and top - more < height:
                first[i], last[i] = min(first[i], j), j


@njit(inline="always")
def columns_of(row, rows, first, last):
    """First and end column of the vertices in a row that some block of `survey` needs; rows of vertices in all."""
    i = row // BLOCK
    low, high = 1 << 30, -1
    if row < rows - 1:
        low, high = first[i], last[i]
    if row % BLOCK == 0 and i > 0:
        low, high = min(low, first[i - 1]), max(high, last[i - 1])
    return low * BLOCK, (high + 1) * BLOCK + 1


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def place_vertices(positions, side, step, columns, first, last, vertices):
    """positions (side · side · 3,) f4; columns (16,) f4: what a unit of x, y, z and one adds to a vertex. In place:
    vertices (V · V · 4,) f4 with V = side / step + 1, those of the blocks that `survey` found. The last row and column
    lie beyond the layout, continued straight."""
    positions, columns, vertices = pointer(positions), pointer(columns), pointer(vertices)
    first, last = pointer(first), pointer(last)
    count = side // step + 1
    of_x, of_y, of_z, of_one = four_at(columns, 0), four_at(columns, 4), four_at(columns, 8), four_at(columns, 12)
    one = np.float32(1.0)
    for i in range(count):
        begin, end = columns_of(i, count, first, last)
        rows = 1 if i < count - 1 else 2
        for j in range(begin, end):
            p = 3 * (min(i * step, side - 1) * side + min(j * step, side - 1))
            vertex = plus(plus(plus(of_one, of_x, positions[p]), of_y, positions[p + 1]), of_z, positions[p + 2])
            if rows == 2 or j == count - 1:
                v = i * step - (rows - 1) * (2 if step == 1 else step)
                u = j * step - (0 if j < count - 1 else (2 if step == 1 else step))
                p = 3 * (v * side + u)
                inner = plus(plus(plus(of_one, of_x, positions[p]), of_y, positions[p + 1]), of_z, positions[p + 2])
                vertex = plus(vertex, minus(vertex, inner), one / np.float32(max(step - 1, 1)))
            put(vertices, 4 * (i * count + j), vertex)


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def lift_vertices(step, height, side, first_row, end_row, first_column, end_column, along, grid, length, full, first,
                  last, line, vertices):  # fmt: skip
    """Move vertices off the surface: by length times height (side · side,) f4, and by `more` times the share that the
    height is of `full`, never below it, along directions over the layout; along (grid · grid · 4,) f4: direction and
    `more`. Rows and columns: where height is not 0, in texels. line (grid · 4,) f4 is room. In place: vertices."""
    height, along, line, vertices = pointer(height), pointer(along), pointer(line), pointer(vertices)
    first, last = pointer(first), pointer(last)
    count = side // step + 1
    scale, half, one = np.float32(grid) / np.float32(side), np.float32(0.5), np.float32(1.0)
    for i in range((first_row + step - 1) // step, min((end_row + step - 1) // step, side // step)):
        begin, end = columns_of(i, count, first, last)
        begin = max(begin, (first_column + step - 1) // step)
        end = min(end, (end_column + step - 1) // step, side // step)
        if begin >= end:
            continue
        y = min(max((np.float32(i * step) + half) * scale - half, np.float32(0.0)), np.float32(grid - 1))
        k = min(int(y), grid - 2)
        fy = y - np.float32(k)
        for j in range(grid):
            upper, lower = four_at(along, 4 * (k * grid + j)), four_at(along, 4 * ((k + 1) * grid + j))
            put(line, 4 * j, plus(upper, minus(lower, upper), fy))
        for j in range(begin, end):
            h = height[i * step * side + j * step]
            if h <= 0.0:
                continue
            x = min(max((np.float32(j * step) + half) * scale - half, np.float32(0.0)), np.float32(grid - 1))
            k = min(int(x), grid - 2)
            before = four_at(line, 4 * k)
            direction = plus(before, minus(four_at(line, 4 * k + 4), before), x - np.float32(k))
            h = max(h * length + min(h / full, one) * lane3(direction), np.float32(0.0))
            put(vertices, 4 * (i * count + j), plus(four_at(vertices, 4 * (i * count + j)), direction, h))


@njit(inline="always")
def sag(vertices, stride, i, j, span):
    """How far the surface lies from the two triangles of a cell of span x span, in pixels, at the middles of its
    edges and in its middle."""
    half = span // 2
    a, b = 4 * (i * stride + j), 4 * (i * stride + j + span)
    c, d = 4 * ((i + span) * stride + j), 4 * ((i + span) * stride + j + span)
    e, f = 4 * (i * stride + j + half), 4 * ((i + half) * stride + j)
    g, h = 4 * ((i + half) * stride + j + span), 4 * ((i + span) * stride + j + half)
    m = 4 * ((i + half) * stride + j + half)
    most, part = np.float32(0.0), np.float32(0.5)
    for axis in range(2):
        pa, pb, pc, pd = vertices[a + axis], vertices[b + axis], vertices[c + axis], vertices[d + axis]
        most = max(most, abs(vertices[e + axis] - part * (pa + pb)))
        most = max(most, abs(vertices[f + axis] - part * (pa + pc)))
        most = max(most, abs(vertices[g + axis] - part * (pb + pd)))
        most = max(most, abs(vertices[h + axis] - part * (pc + pd)))
        most = max(most, abs(vertices[m + axis] - part * (pb + pc)))
    return most


@njit(inline="always")
def widest_sag(vertices, stride, i, j, span):
    most = np.float32(0.0)
    for di in range(0, BLOCK, span):
        for dj in range(0, BLOCK, span):
            most = max(most, sag(vertices, stride, i + di, j + dj, span))
    return most


@njit(inline="always")
def twice_area(ax, ay, bx, by, cx, cy):
    """Twice the signed area of (a, b, c)."""
    return (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)


@njit(inline="always")
def faces(vertices, stride, i, j):
    """True where none of the triangles of a block's four quarters is near to turning away."""
    least, most, half = np.float32(1e30), np.float32(-1e30), BLOCK // 2
    for di in range(0, BLOCK, half):
        for dj in range(0, BLOCK, half):
            a, b = 4 * ((i + di) * stride + j + dj), 4 * ((i + di + half) * stride + j + dj)
            c, d = a + 4 * half, b + 4 * half
            ax, ay, bx, by = vertices[a], vertices[a + 1], vertices[b], vertices[b + 1]
            cx, cy, dx, dy = vertices[c], vertices[c + 1], vertices[d], vertices[d + 1]
            one, other = twice_area(ax, ay, bx, by, cx, cy), twice_area(dx, dy, cx, cy, bx, by)
            least, most = min(least, one, other), max(most, one, other)
    return most < TURNING * least


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def list_blocks(vertices, stride, solid, first, last, tolerances, width, height, blocks, boxes):
    """The blocks that show in the window, and into how large cells each can be cut so that no triangle is further
    from the surface than tolerances (9,) f4 has pixels for cells that size. A block that turns away somewhere is cut
    finely. solid (B, B) u1: 2 where the whole block has a surface. In place: blocks
    (n, 4) i8: row and column of the first vertex, cells along the side of a drawn one, 1 where all cells are there;
    boxes (n, 4) f4: left, right, top, bottom. Returns n."""
    vertices = pointer(vertices)
    n = 0
    for row in range(solid.shape[0]):
        for column in range(first[row], last[row] + 1):
            if solid[row, column] == 0:
                continue
            i, j = row * BLOCK, column * BLOCK
            left = top = np.float32(1e30)
            right = bottom = np.float32(-1e30)
            for di in range(BLOCK + 1):
                k = 4 * ((i + di) * stride + j)
                for dj in range(BLOCK + 1):
                    x, y = vertices[k + 4 * dj], vertices[k + 4 * dj + 1]
                    left, right, top, bottom = min(left, x), max(right, x), min(top, y), max(bottom, y)
            if not (right > -1.0 and bottom > -1.0 and left < width and top < height):
                continue
            span = 1
            if solid[row, column] == 2 and tolerances[2] > 0.0:
                fine = widest_sag(vertices, stride, i, j, 2)
                if fine <= tolerances[2]:
                    span = 2
                    middle = widest_sag(vertices, stride, i, j, 4)
                    if middle + fine <= tolerances[4] and faces(vertices, stride, i, j):
                        span = 4
                        if sag(vertices, stride, i, j, 8) + middle + fine <= tolerances[8]:
                            span = 8
            blocks[n, 0], blocks[n, 1], blocks[n, 2], blocks[n, 3] = i, j, span, solid[row, column] == 2
            boxes[n, 0], boxes[n, 1], boxes[n, 2], boxes[n, 3] = left, right, top, bottom
            n += 1
    return n


@njit(inline="always")
def whole_range(low, high, last):
    """First and last whole number from low to high, about, within 0 .. last."""
    low, high = max(low, np.float32(0.0)), min(high, np.float32(last))
    return int(low + np.float32(0.999)), int(high + np.float32(1.0)) - 1


@njit(inline="always")
def weights_of(ax, ay, bx, by, cx, cy, area):
    """How the weights of b and c change per pixel to the right and down."""
    inverse = np.float32(1.0) / area
    return (cy - ay) * inverse, (ax - cx) * inverse, (ay - by) * inverse, (bx - ax) * inverse


@njit(inline="always")
def draw_cell(vertices, stride, i, j, span, over, eight, depth, uv, width, height):
    """Nearest surface at the pixel centres in a cell of span x span, grown by `over` pixels; else as draw_blocks.

    A cell is two triangles, upper left (a, b, c) and lower right (d, c, b); the place is (wc, wb) from a, and as far
    back from d. A triangle that faces away (area >= 0) is not drawn. Rows of a wide cell are drawn eight pixels at a
    time. A few numbers beyond uv are read, and written as they were."""
    far, size = spread(NOTHING), np.float32(span)
    one, planes, never = np.float32(1.0), width * height, np.float32(1e30)
    p, q = 4 * (i * stride + j), 4 * ((i + span) * stride + j)
    ax, ay, az = vertices[p], vertices[p + 1], vertices[p + 2]
    bx, by, bz = vertices[q], vertices[q + 1], vertices[q + 2]
    p += 4 * span
    q += 4 * span
    cx, cy, cz = vertices[p], vertices[p + 1], vertices[p + 2]
    dx, dy, dz = vertices[q], vertices[q + 1], vertices[q + 2]
    x0, x1 = whole_range(min(min(ax, bx), min(cx, dx)) - over, max(max(ax, bx), max(cx, dx)) + over, width - 1)
    y0, y1 = whole_range(min(min(ay, by), min(cy, dy)) - over, max(max(ay, by), max(cy, dy)) + over, height - 1)
    if x0 > x1 or y0 > y1:
        return
    area, area2 = twice_area(ax, ay, bx, by, cx, cy), twice_area(dx, dy, cx, cy, bx, by)
    if area >= 0.0 and area2 >= 0.0:
        return
    border, most = one, never  # up to here the first triangle is taken; a weight of b and c in all
    if area >= 0.0:
        area, border = area2, -never
        most = one - OUTSIDE
    elif area2 >= 0.0:
        area2, border = area, never
        most = one - OUTSIDE
    b_x, b_y, c_x, c_y = weights_of(ax, ay, bx, by, cx, cy, area)
    e_x, e_y, f_x, f_y = weights_of(dx, dy, cx, cy, bx, by, area2)
    least_b = least_c = OUTSIDE
    if over > 0.0:
        least_b = -over * max(max(abs(b_x), abs(b_y)), max(abs(f_x), abs(f_y)))
        least_c = -over * max(max(abs(c_x), abs(c_y)), max(abs(e_x), abs(e_y)))
    z_x, z_y = b_x * (bz - az) + c_x * (cz - az), b_y * (bz - az) + c_y * (cz - az)
    w_x, w_y = e_x * (cz - dz) + f_x * (bz - dz), e_y * (cz - dz) + f_y * (bz - dz)
    for py in range(y0, y1 + 1):
        x, y = np.float32(x0) - ax, np.float32(py) - ay
        wb, wc, z = b_x * x + b_y * y, c_x * x + c_y * y, az + z_x * x + z_y * y
        x, y = np.float32(x0) - dx, np.float32(py) - dy
        we, wf, w = e_x * x + e_y * y, f_x * x + f_y * y, dz + w_x * x + w_y * y
        if x1 - x0 >= WIDE:
            for px in range(x0, x1 + 1, 8):
                k, on = py * width + px, np.float32(px - x0)
                b8 = plus(spread(wb + on * b_x), eight, b_x)
                c8 = plus(spread(wc + on * c_x), eight, c_x)
                e8 = plus(spread(we + on * e_x), eight, e_x)
                f8 = plus(spread(wf + on * f_x), eight, f_x)
                sum8, lit = plus(b8, c8, one), spread(border)
                down8, right8 = where_above(lit, sum8, b8, f8), where_above(lit, sum8, c8, e8)
                z8 = plus(spread(w + on * w_x), eight, w_x)
                z8 = where_above(lit, sum8, plus(spread(z + on * z_x), eight, z_x), z8)
                z8 = where_above(spread(most), plus(down8, right8, one), z8, far)
                z8 = where_above(spread(least_b), down8, far, where_above(spread(least_c), right8, far, z8))
                z8 = where_above(spread(np.float32(x1 - px) + np.float32(0.5)), eight, z8, far)
                before = eight_at(depth, k)
                put(depth, k, where_above(z8, before, z8, before))
                u8 = where_above(lit, sum8, c8, minus(spread(one), f8))
                v8 = where_above(lit, sum8, b8, minus(spread(one), e8))
                u8, v8 = plus(spread(np.float32(j)), u8, size), plus(spread(np.float32(i)), v8, size)
                put(uv, k, where_above(z8, before, u8, eight_at(uv, k)))
                k += planes
                put(uv, k, where_above(z8, before, v8, eight_at(uv, k)))
            continue
        for k in range(py * width + x0, py * width + x1 + 1):
            upper = wb + wc <= border
            down, right = wb if upper else wf, wc if upper else we  # weights of b and c in the triangle
            near = z if upper else w
            if (down >= least_b) & (right >= least_c) & (down + right <= most) & (near > depth[k]):
                depth[k] = near
                uv[k] = np.float32(j) + size * (right if upper else one - wf)
                uv[planes + k] = np.float32(i) + size * (down if upper else one - we)
            wb += b_x
            wc += c_x
            z += z_x
            we += e_x
            wf += f_x
            w += w_x


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def draw_blocks(vertices, stride, cells, blocks, count, tolerances, ramp, depth, uv, width, height):
    """Nearest surface at every pixel centre. cells (V - 1, V - 1) u1: not 0 where there is a surface. Cells of more
    than one are grown by their tolerance, as in list_blocks, so that none opens beside a finer one. ramp (8,) f4: 0, 1,
    2, ... In place: depth (h · w,) f4 from NOTHING, uv (2 · h · w,) f4 from NOTHING."""
    vertices, depth, uv, ramp = pointer(vertices), pointer(depth), pointer(uv), pointer(ramp)
    eight = eight_at(ramp, 0)
    for n in range(count):
        first, column, span, whole = blocks[n, 0], blocks[n, 1], blocks[n, 2], blocks[n, 3]
        over = tolerances[span] if span > 1 else np.float32(0.0)
        for i in range(first, first + BLOCK, span):
            for j in range(column, column + BLOCK, span):
                if whole != 0 or cells[i, j] != 0:
                    draw_cell(vertices, stride, i, j, span, over, eight, depth, uv, width, height)


@njit(cache=True, nogil=True)
def find_silhouettes(uv, width, height, jump, distance, side, reach, per_cell, room, edge, slot, near, tiles, pixels):
    """Number the pixels where the surface ends or jumps by more than `jump` cells to a neighbour, and where a texture
    may be on either side: whose `distance` (side · side,) u1, as in Pyramid, is not above `reach` texels. per_cell:
    blocks of `distance` a cell. In place: slot (h · w,) i4, -1 elsewhere and from the room-th on; pixels (room,) i4:
    where each is; tiles (ceil(h / 8) · ceil(w / 8),) u1: 1 where one is in or next to these 8 x 8 pixels; near (h ·
    w,) u1: 2 within a pixel of one, 1 within two; edge (h · w,) u1 is room. Returns their number."""
    uv, distance, edge, slot, near = pointer(uv), pointer(distance), pointer(edge), pointer(slot), pointer(near)
    tiles, pixels = pointer(tiles), pointer(pixels)
    planes = width * height
    for py in range(height):
        at = py * width
        up, down = max(py - 1, 0) * width - at, min(py + 1, height - 1) * width - at
        for k in (at, at + width - 1):  # the two ends
            left, right = (k if k == at else k - 1), (k if k == at + width - 1 else k + 1)
            most = np.float32(0.0)
            for plane in range(2):
                w = uv[plane * planes + k]
                most = max(most, abs(uv[plane * planes + left] - w), abs(uv[plane * planes + right] - w))
                most = max(most, abs(uv[plane * planes + k + up] - w), abs(uv[plane * planes + k + down] - w))
            edge[k] = most > jump
        for k in range(at + 1, at + width - 1):  # NOTHING is so far off that it jumps by itself; no branches
            u, v = uv[k], uv[planes + k]
            most = max(abs(uv[k - 1] - u), abs(uv[k + 1] - u))
            most = max(most, max(abs(uv[k + up] - u), abs(uv[k + down] - u)))
            most = max(most, max(abs(uv[planes + k - 1] - v), abs(uv[planes + k + 1] - v)))
            most = max(most, max(abs(uv[planes + k + up] - v), abs(uv[planes + k + down] - v)))
            edge[k] = most > jump
    across, down8 = (width + 7) // 8, (height + 7) // 8
    for k in range(across * down8):
        tiles[k] = 0
    count = 0
    for k in range(planes):
        slot[k] = -1
    for k in range(planes):
        near[k] = 0
    for py in range(height):
        for k in range(py * width, py * width + width):
            if edge[k] == 0:
                continue
            px = k - py * width
            wanted = False
            for ny in range(max(py - 1, 0), min(py + 2, height)):
                for nk in range(ny * width + max(px - 1, 0), ny * width + min(px + 2, width)):
                    u, v = uv[nk], uv[planes + nk]
                    if u > NOTHING and distance[int(v * per_cell) * side + int(u * per_cell)] <= reach:
                        wanted = True
            if not wanted:
                continue
            if count < room:
                slot[k] = count
                pixels[count] = k
                for ty in range(max(py - 3, 0) // 8, min((py + 3) // 8 + 1, down8)):
                    for tx in range(max(px - 3, 0) // 8, min((px + 3) // 8 + 1, across)):
                        tiles[ty * across + tx] = 1
                for ny in range(max(py - 2, 0), min(py + 3, height)):
                    for nk in range(ny * width + max(px - 2, 0), ny * width + min(px + 3, width)):
                        near[nk] = max(near[nk], 1)
                for ny in range(max(py - 1, 0), min(py + 2, height)):
                    for nk in range(ny * width + max(px - 1, 0), ny * width + min(px + 2, width)):
                        near[nk] = 2
            count += 1
    return count


@njit(inline="always")
def refine_half(ax, ay, az, bz, cz, b_x, b_y, c_x, c_y, px, py, u, v, size, texels, samples, to):
    """The samples of one pixel against one triangle; the place is (u + size wc, v + size wb)."""
    half, one = np.float32(0.5), np.float32(1.0)
    x, y = np.float32(px) - ax, np.float32(py) - ay
    wb, wc = b_x * x + b_y * y, c_x * x + c_y * y
    reach_b, reach_c = half * (abs(b_x) + abs(b_y)), half * (abs(c_x) + abs(c_y))  # most a weight gains in a pixel
    if min(wb + reach_b, wc + reach_c) < OUTSIDE or wb + wc - half * (abs(b_x + c_x) + abs(b_y + c_y)) > one - OUTSIDE:
        return
    right, down = eight_at(samples, 0), eight_at(samples, SAMPLES)
    b, c = plus(plus(spread(wb), right, b_x), down, b_y), plus(plus(spread(wc), right, c_x), down, c_y)
    a = minus(minus(spread(one), b), c)
    z = plus(plus(spread(az), b, bz - az), c, cz - az)
    least, far = spread(OUTSIDE), spread(NOTHING)
    z = where_above(a, least, where_above(b, least, where_above(c, least, z, far), far), far)
    before = eight_at(samples, to)
    put(samples, to, where_above(z, before, z, before))
    to += SAMPLES
    put(samples, to, where_above(z, before, plus(spread(u), c, size), eight_at(samples, to)))
    to += SAMPLES
    put(samples, to, where_above(z, before, plus(spread(v), b, size), eight_at(samples, to)))
    to += SAMPLES
    put(samples, to, where_above(z, before, spread(texels), eight_at(samples, to)))


@njit(inline="always")
def refine_cell(vertices, stride, i, j, slot, near, width, height, samples):
    """A finest cell, for the samples of the silhouette pixels that it may touch."""
    one, half = np.float32(1.0), np.float32(0.5)
    p, q = 4 * (i * stride + j), 4 * ((i + 1) * stride + j)
    ax, ay, bx, by = vertices[p], vertices[p + 1], vertices[q], vertices[q + 1]
    cx, cy, dx, dy = vertices[p + 4], vertices[p + 5], vertices[q + 4], vertices[q + 5]
    left, right = min(min(ax, bx), min(cx, dx)), max(max(ax, bx), max(cx, dx))
    upper, lower = min(min(ay, by), min(cy, dy)), max(max(ay, by), max(cy, dy))
    across = max(right - left, lower - upper)
    if across < np.float32(3.0):  # a small cell far from any
        mx, my = int((left + right) * half + half), int((upper + lower) * half + half)
        at = min(max(my, 0), height - 1) * width + min(max(mx, 0), width - 1)
        if near[at] < (2 if across < one else 1):
            return
    area, area2 = twice_area(ax, ay, bx, by, cx, cy), twice_area(dx, dy, cx, cy, bx, by)
    if area >= 0.0 and area2 >= 0.0:
        return
    x0, x1 = whole_range(left - half, right + half, width - 1)
    y0, y1 = whole_range(upper - half, lower + half, height - 1)
    most = -1
    for py in range(y0, y1 + 1):
        for px in range(x0, x1 + 1):
            most = max(most, slot[py * width + px])
    if most < 0:
        return
    az, bz, cz, dz = vertices[p + 2], vertices[q + 2], vertices[p + 6], vertices[q + 6]
    b_x, b_y, c_x, c_y = weights_of(ax, ay, bx, by, cx, cy, min(area, np.float32(-1e-9)))
    e_x, e_y, f_x, f_y = weights_of(dx, dy, cx, cy, bx, by, min(area2, np.float32(-1e-9)))
    u, v = np.float32(j), np.float32(i)
    texels = one / math.sqrt(max(max(-area, -area2), np.float32(1e-9)))
    for py in range(y0, y1 + 1):
        for px in range(x0, x1 + 1):
            k = slot[py * width + px]
            if k < 0:
                continue
            to = (k + 1) * (4 * SAMPLES)
            if area < 0.0:
                refine_half(ax, ay, az, bz, cz, b_x, b_y, c_x, c_y, px, py, u, v, one, texels, samples, to)
            if area2 < 0.0:
                refine_half(
                    dx, dy, dz, cz, bz, e_x, e_y, f_x, f_y, px, py, u + one, v + one, -one, texels, samples, to,
                )  # fmt: skip


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def refine_silhouettes(vertices, stride, cells, blocks, boxes, listed, offsets, slot, near, tiles, width, height, count,
                       samples):  # fmt: skip
    """As draw_blocks with the finest cells, for SAMPLES samples of the `count` pixels numbered in slot. offsets (2 ·
    SAMPLES,) f4: x, then y, of the samples from the pixel's centre. In place: samples (4 · SAMPLES · (n + 1),) f4: the
    offsets and nothing, then for each pixel depth, u, v and size of each sample; size: cells across the pixel."""
    vertices, slot, near, tiles = pointer(vertices), pointer(slot), pointer(near), pointer(tiles)
    offsets, samples = pointer(offsets), pointer(samples)
    each = 4 * SAMPLES
    for s in range(2 * SAMPLES):
        samples[s] = offsets[s]
    for k in range(each, (count + 1) * each, each):
        for s in range(2 * SAMPLES):
            samples[k + s] = NOTHING
    across, down8 = (width + 7) // 8, (height + 7) // 8
    eighth = np.float32(0.125)
    for n in range(listed):
        x0 = int(max(boxes[n, 0], np.float32(0.0)) * eighth)
        x1 = min(int(max(boxes[n, 1], np.float32(0.0)) * eighth), across - 1)
        y0 = int(max(boxes[n, 2], np.float32(0.0)) * eighth)
        y1 = min(int(max(boxes[n, 3], np.float32(0.0)) * eighth), down8 - 1)
        found = 0
        for ty in range(y0, y1 + 1):
            for tx in range(x0, x1 + 1):
                found |= tiles[ty * across + tx]
        if found == 0:
            continue
        first, column, whole = blocks[n, 0], blocks[n, 1], blocks[n, 3]
        for i in range(first, first + BLOCK):
            for j in range(column, column + BLOCK):
                if whole != 0 or cells[i, j] != 0:
                    refine_cell(vertices, stride, i, j, slot, near, width, height, samples)


@njit(cache=True, nogil=True)
def find_surface(
    positions, side, step, frame, columns, cells, solid, lifted, reach, raised, extent, along, grid, length, full,
    first, last, line, vertices, blocks, boxes, tolerances, ramp, depth, uv, width, height
):  # fmt: skip
    """All that leads to the place that each pixel of a window sees; the arguments are those of the kernels called.
    Returns the number of blocks listed."""
    depth[:] = NOTHING
    uv[:] = NOTHING
    stride = side // step + 1
    survey(positions, side, step, frame, solid, reach, width, height, first, last)
    place_vertices(positions, side, step, columns, first, last, vertices)
    if lifted:
        lift_vertices(
            step, raised, side, extent[0], extent[1], extent[2], extent[3], along, grid, length, full, first, last,
            line, vertices,
        )  # fmt: skip
    listed = list_blocks(vertices, stride, solid, first, last, tolerances, width, height, blocks, boxes)
    draw_blocks(vertices, stride, cells, blocks, listed, tolerances, ramp, depth, uv, width, height)
    return listed


@njit(cache=True, nogil=True)
def see_silhouettes(
    uv, width, height, jump, distance, side, reach, per_cell, room, edge, slot, near, tiles, pixels, vertices, stride,
    cells, blocks, boxes, listed, offsets, samples
):  # fmt: skip
    """Find and refine silhouettes, where there is room for them all. Returns their number."""
    count = find_silhouettes(
        uv, width, height, jump, distance, side, reach, per_cell, room, edge, slot, near, tiles, pixels
    )
    if count <= room:
        refine_silhouettes(
            vertices, stride, cells, blocks, boxes, listed, offsets, slot, near, tiles, width, height, count, samples
        )
    return count
