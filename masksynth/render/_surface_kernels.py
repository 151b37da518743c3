"""Loops that find the visible surface of a position map: arrays in, arrays written in place, no checks.

The layout is cut into cells of `step` texels, and these into blocks of BLOCK x BLOCK cells. Places on it are counted in
cells: vertex (i, j) lies at texel (i · step, j · step). Vertices are four numbers, x, y, z and nothing, in window
pixels. Their x, and then their y, are kept once more in one plane each, so that eight cells are judged at a time.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from masksynth._vectors import (
    bits_above,
    eight_at,
    first_bit,
    floors,
    four_at,
    lane0,
    lane1,
    lane2,
    lane3,
    lane4,
    lane6,
    larger,
    largest_lane,
    minus,
    plus,
    pointer,
    product,
    put,
    put_above,
    smaller,
    smallest_lane,
    spread,
    where_above,
)

BLOCK = 8  # cells along the side of a block
OUTSIDE = np.float32(-1e-3)  # share of a triangle that a sample may lie outside: neighbours overlap by that much
TURNING = np.float32(0.15)  # of the largest triangle of a block: a smaller one is near to turning away
NOTHING = np.float32(-1e30)  # u where nothing is seen
FASTMATH = {"nsz"}  # nothing that lets the compiler choose how to round


@njit(cache=True, nogil=True)
def bounds(positions, apart, validity, first_row, end_row, first_column, end_column, step, frame):
    """Least and largest x, least and largest y, in pixels of the frame, of every step-th of positions (R, R, 3) f4 that
    is there, and of the last row and column; in texels these are `apart`, rows and columns are counted in positions.
    validity (S, S) u1. Least above largest where none is."""
    left = top = 1e30
    right = bottom = -1e30
    last = validity.shape[0] - 1
    for i in range(first_row, end_row + step - 1, step):
        v = min(i, end_row - 1)
        for j in range(first_column, end_column + step - 1, step):
            u = min(j, end_column - 1)
            if validity[min(v * apart, last), min(u * apart, last)] == 0:
                continue
            px, py = positions[v, u, 0], positions[v, u, 1]
            x = frame[0, 0] * px + frame[0, 1] * py + frame[0, 2]
            y = frame[1, 0] * px + frame[1, 1] * py + frame[1, 2]
            left, right, top, bottom = min(left, x), max(right, x), min(top, y), max(bottom, y)
    return left, right, top, bottom


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def survey(positions, rows, frame, solid, reach, width, height, first, last):
    """Which blocks may show in a window. positions (rows · rows · 3,) f4, one a vertex; frame (2, 3) f4; solid (B, B)
    u1: 0 where a block has no surface; reach: pixels that the surface may stand off. In place: first, last (B,) i8:
    columns of the blocks of each row, first > last where there are none."""
    positions = pointer(positions)
    blocks = solid.shape[0]
    for i in range(blocks):
        first[i], last[i] = blocks, -1
        for j in range(blocks):
            if solid[i, j] == 0:
                continue
            left = top = np.float32(1e30)
            right = bottom = np.float32(-1e30)
            for k in range(5):  # the corners and the middle
                v = min(i * BLOCK + (BLOCK // 2 if k == 4 else (k // 2) * BLOCK), rows - 1)
                u = min(j * BLOCK + (BLOCK // 2 if k == 4 else (k % 2) * BLOCK), rows - 1)
                p = 3 * (v * rows + u)
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
def place_vertices(positions, rows, side, step, columns, first, last, vertices, flat):
    """positions (rows · rows · 3,) f4, one a vertex; columns (16,) f4: what a unit of x, y, z and one adds to a vertex.
    In place: vertices (V · V · 4,) and flat (2 · V · V,) f4 with V = side / step + 1, those of the blocks that `survey`
    found. The last row and column lie beyond the layout, continued straight."""
    positions, columns, vertices, flat = pointer(positions), pointer(columns), pointer(vertices), pointer(flat)
    first, last = pointer(first), pointer(last)
    count, end_row, inner_row = side // step + 1, rows - 1, rows - 2
    of_x, of_y, of_z, of_one = four_at(columns, 0), four_at(columns, 4), four_at(columns, 8), four_at(columns, 12)
    beyond = np.float32(1.0) / np.float32(max(step - 1, 1))
    for i in range(count):
        begin, end = columns_of(i, count, first, last)
        for j in range(begin, end):
            p = 3 * (min(i, end_row) * rows + min(j, end_row))
            vertex = plus(plus(plus(of_one, of_x, positions[p]), of_y, positions[p + 1]), of_z, positions[p + 2])
            if i == count - 1 or j == count - 1:
                v, u = (inner_row if i == count - 1 else i), (inner_row if j == count - 1 else j)
                p = 3 * (v * rows + u)
                inner = plus(plus(plus(of_one, of_x, positions[p]), of_y, positions[p + 1]), of_z, positions[p + 2])
                vertex = plus(vertex, minus(vertex, inner), beyond)
            k = i * count + j
            put(vertices, 4 * k, vertex)
            flat[k], flat[count * count + k] = lane0(vertex), lane1(vertex)


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def lift_vertices(step, height, side, first_row, end_row, first_column, end_column, along, grid, length, full, first,
                  last, line, vertices, flat):  # fmt: skip
    """Move vertices off the surface: by length times height (side · side,) f4, and by `more` times the share that the
    height is of `full`, never below it, along directions over the layout; along (grid · grid · 4,) f4: direction and
    `more`. Rows and columns: where height is not 0, in texels. line (grid · 4,) f4 is room. In place: vertices and
    flat."""
    height, along, line, vertices = pointer(height), pointer(along), pointer(line), pointer(vertices)
    first, last, flat = pointer(first), pointer(last), pointer(flat)
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
            k = i * count + j
            vertex = plus(four_at(vertices, 4 * k), direction, h)
            put(vertices, 4 * k, vertex)
            flat[k], flat[count * count + k] = lane0(vertex), lane1(vertex)


@njit(inline="always")
def apart(flat, end, one, other, most):
    """The larger of `most` and how far vertices from the `end`-th on lie from halfway between those from the `one`-th
    and from the `other`-th."""
    off = plus(
        plus(eight_at(flat, end), eight_at(flat, one), np.float32(-0.5)), eight_at(flat, other), np.float32(-0.5)
    )
    return larger(most, larger(off, minus(spread(np.float32(0.0)), off)))


@njit(inline="always")
def sag(flat, plane, stride, k, span):
    """How far the surface of the block whose first vertex is the k-th lies from the two triangles of each of its cells
    of span x span, in pixels along x or y, at the middles of their edges and in their middles: of lanes that are
    multiples of span, the others mean nothing."""
    half = span // 2
    most = spread(np.float32(0.0))
    for axis in range(2):
        k += axis * plane
        for at in range(k, k + (BLOCK + 1) * stride, span * stride):
            most = apart(flat, at + half, at, at + span, most)
        for at in range(k, k + BLOCK * stride, span * stride):
            middle, end = at + half * stride, at + span * stride
            most = apart(flat, middle, at, end, most)
            most = apart(flat, middle + span, at + span, end + span, most)
            most = apart(flat, middle + half, at + span, end, most)
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
def list_blocks(vertices, flat, stride, solid, first, last, tolerances, width, height, blocks, boxes):
    """The blocks that show in the window, and into how large cells each can be cut so that no triangle is further
    from the surface than tolerances (9,) f4 has pixels for cells that size. A block that turns away somewhere is cut
    finely. solid (B, B) u1: 2 where the whole block has a surface. In place: blocks (n, 3) i8: row and column of the
    first vertex, cells along the side of a drawn one; boxes (n, 4) f4: left, right, top, bottom. Returns n."""
    vertices, flat, plane = pointer(vertices), pointer(flat), stride * stride
    n = 0
    for row in range(solid.shape[0]):
        for column in range(first[row], last[row] + 1):
            if solid[row, column] == 0:
                continue
            i, j = row * BLOCK, column * BLOCK
            k = i * stride + j
            left, top = eight_at(flat, k), eight_at(flat, plane + k)
            right, bottom = left, top
            for at in range(k, k + (BLOCK + 1) * stride, stride):
                for end in range(2):  # of nine vertices the first eight, and the last
                    x, y = eight_at(flat, at + end), eight_at(flat, plane + at + end)
                    left, right, top, bottom = smaller(left, x), larger(right, x), smaller(top, y), larger(bottom, y)
            box = smallest_lane(left), largest_lane(right), smallest_lane(top), largest_lane(bottom)
            if not (box[1] > -1.0 and box[3] > -1.0 and box[0] < width and box[2] < height):
                continue
            span = 1
            if solid[row, column] == 2 and tolerances[2] > 0.0:
                twos = sag(flat, plane, stride, k, 2)
                fine = max(max(lane0(twos), lane2(twos)), max(lane4(twos), lane6(twos)))
                if fine <= tolerances[2]:
                    span = 2
                    fours = sag(flat, plane, stride, k, 4)
                    middle = max(lane0(fours), lane4(fours))
                    if middle + fine <= tolerances[4] and faces(vertices, stride, i, j):
                        span = 4
                        if lane0(sag(flat, plane, stride, k, 8)) + middle + fine <= tolerances[8]:
                            span = 8
            blocks[n, 0], blocks[n, 1], blocks[n, 2] = i, j, span
            boxes[n, 0], boxes[n, 1], boxes[n, 2], boxes[n, 3] = box
            n += 1
    return n


@njit(inline="always")
def whole_range(low, high, last):
    """First and last whole number from low to high, about, within 0 .. last."""
    low, high = max(low, np.float32(0.0)), min(high, np.float32(last))
    return int(low + np.float32(0.999)), int(high + np.float32(1.0)) - 1


@njit(inline="always")
def eight_places(flat, plane, k):
    """x and y of the k-th vertex and the seven after it."""
    return eight_at(flat, k), eight_at(flat, plane + k)


@njit(inline="always")
def boxes_of(flat, plane, stride, k):
    """Of the eight cells whose first vertices are the k-th and those after it: twice the area of the larger of the two
    triangles, which is below 0 where one of them faces the camera; left, right, top and bottom."""
    (ax, ay), (cx, cy) = eight_places(flat, plane, k), eight_places(flat, plane, k + 1)
    k += stride
    (bx, by), (dx, dy) = eight_places(flat, plane, k), eight_places(flat, plane, k + 1)
    area = minus(product(minus(bx, ax), minus(cy, ay)), product(minus(by, ay), minus(cx, ax)))
    area2 = minus(product(minus(cx, dx), minus(by, dy)), product(minus(cy, dy), minus(bx, dx)))
    left, right = smaller(smaller(ax, bx), smaller(cx, dx)), larger(larger(ax, bx), larger(cx, dx))
    upper, lower = smaller(smaller(ay, by), smaller(cy, dy)), larger(larger(ay, by), larger(cy, dy))
    return smaller(area, area2), left, right, upper, lower


@njit(inline="always")
def holding_centres(low, high, end):
    """A bit for each lane: whether there is a whole number from low to high, about, within 0 .. end - 1."""
    zero, one = spread(np.float32(0.0)), spread(np.float32(1.0))
    least = floors(plus(larger(low, zero), one, np.float32(0.9985)))
    return bits_above(floors(plus(smaller(high, spread(np.float32(end - 1))), one, np.float32(1.0))), least)


@njit(inline="always")
def worth_drawing(flat, plane, stride, k, width, height):
    """Which of eight cells, as in boxes_of, face the camera and have a pixel's centre in their box: a bit each."""
    area, left, right, upper, lower = boxes_of(flat, plane, stride, k)
    bits = bits_above(spread(np.float32(0.0)), area)
    return bits & holding_centres(left, right, width) & holding_centres(upper, lower, height)


@njit(inline="always")
def weights_of(ax, ay, bx, by, cx, cy, area):
    """How the weights of b and c change per pixel to the right and down."""
    inverse = np.float32(1.0) / area
    return (cy - ay) * inverse, (ax - cx) * inverse, (ay - by) * inverse, (bx - ax) * inverse


@njit(inline="always")
def halves_of(area, area2):
    """Of a cell whose triangles have these areas: the two, the other's for one that faces away; up to which sum of the
    weights of b and c a point is of the first triangle; and what that sum is below in the triangle that faces the
    camera, if only one does."""
    never = np.float32(1e30)
    if area >= 0.0:
        return area2, area2, -never, np.float32(1.0) - OUTSIDE
    if area2 >= 0.0:
        return area, area, never, np.float32(1.0) - OUTSIDE
    return area, area2, np.float32(1.0), never


@njit(inline="always")
def found_in_cell(b, c, e, f, z, w, border, most, least_b, least_c):
    """Depth of eight points in a cell, or NOTHING, and how far across and down it they lie. b, c and z: weights and
    depth by the first triangle; f, e and w: by the second; the others as of halves_of, and the least weights."""
    one, far, line, total = spread(np.float32(1.0)), spread(NOTHING), spread(border), plus(b, c, np.float32(1.0))
    down, right = where_above(line, total, b, f), where_above(line, total, c, e)
    depth = where_above(spread(most), plus(down, right, np.float32(1.0)), where_above(line, total, z, w), far)
    depth = where_above(spread(least_b), down, far, where_above(spread(least_c), right, far, depth))
    return depth, where_above(line, total, c, minus(one, f)), where_above(line, total, b, minus(one, e))


@njit(inline="always")
def draw_cell(vertices, stride, i, j, span, over, eight, depth, uv, width, height):
    """Nearest surface at the pixel centres in a cell of span x span, grown by `over` pixels; else as draw_blocks.

    A cell is two triangles, upper left (a, b, c) and lower right (d, c, b); the place is (wc, wb) from a, and as far
    back from d. A triangle that faces away (area >= 0) is not drawn. Rows are drawn eight pixels at a time, however
    few are wanted: no branch is as cheap. A few numbers beyond uv are read, and written as they were."""
    size, planes = np.float32(span), width * height
    none, last = spread(np.float32(0.0)), spread(np.float32(stride - 1))
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
    area, area2, border, most = halves_of(area, area2)
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
        for px in range(x0, x1 + 1, 8):
            k, on = py * width + px, np.float32(px - x0)
            z8, u8, v8 = found_in_cell(
                plus(spread(wb + on * b_x), eight, b_x), plus(spread(wc + on * c_x), eight, c_x),
                plus(spread(we + on * e_x), eight, e_x), plus(spread(wf + on * f_x), eight, f_x),
                plus(spread(z + on * z_x), eight, z_x), plus(spread(w + on * w_x), eight, w_x),
                border, most, least_b, least_c,
            )  # fmt: skip
            z8 = where_above(spread(np.float32(x1 - px) + np.float32(0.5)), eight, z8, spread(NOTHING))
            before = eight_at(depth, k)
            put_above(depth, k, z8, before, z8)
            u8, v8 = plus(spread(np.float32(j)), u8, size), plus(spread(np.float32(i)), v8, size)
            u8, v8 = smaller(larger(u8, none), last), smaller(larger(v8, none), last)  # beside a needle anything goes
            put_above(uv, k, z8, before, u8)
            k += planes
            put_above(uv, k, z8, before, v8)


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def draw_blocks(vertices, flat, stride, present, blocks, count, tolerances, ramp, depth, uv, width, height):
    """Nearest surface at every pixel centre. present (V - 1, (V - 1) / BLOCK) u1: for eight cells in a row a bit each,
    set where there is a surface. Cells of more than one are grown by their tolerance, as in list_blocks, so that none
    opens beside a finer one. ramp (8,) f4: 0, 1, 2, ... In place: depth (h · w,) f4 from NOTHING, uv (2 · h · w,) f4
    from NOTHING."""
    vertices, flat, depth, uv, ramp = pointer(vertices), pointer(flat), pointer(depth), pointer(uv), pointer(ramp)
    eight, plane = eight_at(ramp, 0), stride * stride
    for n in range(count):
        first, column, span = blocks[n, 0], blocks[n, 1], blocks[n, 2]
        if span > 1:
            for i in range(first, first + BLOCK, span):
                for j in range(column, column + BLOCK, span):
                    draw_cell(vertices, stride, i, j, span, tolerances[span], eight, depth, uv, width, height)
            continue
        for i in range(first, first + BLOCK):
            bits = worth_drawing(flat, plane, stride, i * stride + column, width, height)
            bits &= np.int64(present[i, column // BLOCK])
            while bits != 0:
                j, bits = column + first_bit(bits), bits & (bits - 1)
                draw_cell(vertices, stride, i, j, 1, np.float32(0.0), eight, depth, uv, width, height)


@njit(cache=True, nogil=True)
def find_surface(
    positions, rows, side, step, frame, columns, present, solid, lifted, reach, raised, extent, along, grid, length,
    full, first, last, line, vertices, flat, blocks, boxes, tolerances, ramp, depth, uv, width, height
):  # fmt: skip
    """All that leads to the place that each pixel of a window sees; the arguments are those of the kernels called.
    Returns the number of blocks listed."""
    for k in range(width * height + 8):  # draw_cell compares eight at a time, beyond the last pixel too
        depth[k] = NOTHING
    for k in range(2 * width * height):
        uv[k] = NOTHING
    stride = side // step + 1
    survey(positions, rows, frame, solid, reach, width, height, first, last)
    place_vertices(positions, rows, side, step, columns, first, last, vertices, flat)
    if lifted:
        lift_vertices(
            step, raised, side, extent[0], extent[1], extent[2], extent[3], along, grid, length, full, first, last,
            line, vertices, flat,
        )  # fmt: skip
    listed = list_blocks(vertices, flat, stride, solid, first, last, tolerances, width, height, blocks, boxes)
    draw_blocks(vertices, flat, stride, present, blocks, listed, tolerances, ramp, depth, uv, width, height)
    return listed
