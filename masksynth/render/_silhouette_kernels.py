"""Loops that find the silhouettes of a surface and look at their pixels again: arrays in, arrays written in place, no
checks. Blocks, cells and vertices are those of _surface_kernels.py.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from masksynth._vectors import (
    bits_above,
    bytes_at,
    eight_at,
    first_bit,
    floors,
    larger,
    minus,
    plus,
    pointer,
    put_above,
    smaller,
    spread,
    where_above,
)
from masksynth.render._surface_kernels import (
    BLOCK,
    FASTMATH,
    NOTHING,
    OUTSIDE,
    boxes_of,
    found_in_cell,
    halves_of,
    holding_centres,
    twice_area,
    weights_of,
    whole_range,
)

SAMPLES = 8  # that stand for a pixel on a silhouette
PLAIN, EMPTY = -1, -2  # of a pixel that is no silhouette: it sees one place; nothing, or what no texture is near


@njit(inline="always")
def worth_refining(flat, plane, stride, k, near, width, height):
    """Which of eight cells, as in boxes_of, face the camera and may touch a pixel on a silhouette: a bit each. `near`,
    as in find_silhouettes, says it of the pixel in their middle."""
    area, left, right, upper, lower = boxes_of(flat, plane, stride, k)
    zero, one, half = spread(np.float32(0.0)), spread(np.float32(1.0)), np.float32(0.5)
    x = floors(plus(plus(spread(half), left, half), right, half))
    y = floors(plus(plus(spread(half), upper, half), lower, half))
    x = larger(smaller(x, spread(np.float32(width - 1))), zero)
    y = larger(smaller(y, spread(np.float32(height - 1))), zero)
    # A cell of less than a pixel wants one next to it, of less than three one within two; larger ones are looked at.
    size, beside, always = larger(minus(right, left), minus(lower, upper)), plus(one, one, half), minus(zero, one)
    wanted = where_above(one, size, beside, where_above(spread(np.float32(3.0)), size, spread(half), always))
    bits = bits_above(zero, area) & bits_above(bytes_at(near, plus(x, y, np.float32(width))), wanted)
    grown = spread(half)
    return (
        bits
        & holding_centres(minus(left, grown), plus(right, grown, np.float32(1.0)), width)
        & holding_centres(minus(upper, grown), plus(lower, grown, np.float32(1.0)), height)
    )


@njit(inline="always")
def mark_jumps(uv, width, height, jump, edge):
    """In place: edge (h · w,) u1: 1 where u or v jumps by more than `jump` to a neighbour, else 0."""
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


@njit(inline="always")
def grow(flags, width, height, room, near):
    """In place: near (h · w,) u1: 2 within a pixel of one of flags (h · w,) u1, 1 within two, else 0. Where a row ends
    its pixels count as beside those that the next begins with. room (2 · h · w + 16,) u1."""
    planes = width * height
    by_one, by_two = 4, planes + 10  # whether one is so many rows up or down, or fewer
    for k in range(6):  # before, between and after the two
        room[min(k, 3)] = room[planes + 4 + k] = room[2 * planes + 10 + k] = 0
    for py in range(height):
        at = py * width
        up, down = max(py - 1, 0) * width - at, min(py + 1, height - 1) * width - at
        up2, down2 = max(py - 2, 0) * width - at, min(py + 2, height - 1) * width - at
        for k in range(at, at + width):
            one = flags[k] | flags[k + up] | flags[k + down]
            room[by_one + k], room[by_two + k] = one, one | flags[k + up2] | flags[k + down2]
    for k in range(planes):
        one = room[by_one + k - 1] | room[by_one + k] | room[by_one + k + 1]
        two = room[by_two + k - 2] | room[by_two + k - 1] | room[by_two + k] | room[by_two + k + 1]
        near[k] = one + (two | room[by_two + k + 2])


@njit(cache=True, nogil=True)
def find_silhouettes(
    uv, width, height, jump, distance, side, reach, per_cell, room, edge, work, slot, near, tiles, pixels
):  # fmt: skip
    """Number the pixels where the surface ends or jumps by more than `jump` cells to a neighbour, and where a texture
    may be on either side: whose `distance` (side · side,) u1, as in Pyramid, is not above `reach` texels. per_cell:
    blocks of `distance` a cell. In place: slot (h · w,) i4, PLAIN or EMPTY elsewhere and from the room-th on; pixels
    (room,) i4: where each is; tiles (ceil(h / 8) · ceil(w / 8),) u1: 1 where one is in or next to these 8 x 8 pixels;
    near (h · w,) u1 as `grow` makes it of them; edge (h · w,), work (2 · h · w + 16,) u1 are room. Returns their
    number."""
    uv, distance, edge, work, slot = pointer(uv), pointer(distance), pointer(edge), pointer(work), pointer(slot)
    near, tiles, pixels = pointer(near), pointer(tiles), pointer(pixels)
    planes = width * height
    for k in range(planes):
        u, v = uv[k], uv[planes + k]
        slot[k], edge[k] = EMPTY, 0
        if u > NOTHING and distance[int(v * per_cell) * side + int(u * per_cell)] <= reach:
            slot[k], edge[k] = PLAIN, 1
    grow(edge, width, height, work, near)
    mark_jumps(uv, width, height, jump, edge)
    across, down8 = (width + 7) // 8, (height + 7) // 8
    for k in range(across * down8):
        tiles[k] = 0
    count = 0
    for py in range(height):
        for k in range(py * width, py * width + width):
            if edge[k] == 0:
                continue
            edge[k] = 0
            if near[k] < 2:
                continue
            if count < room:
                slot[k], edge[k] = count, 1
                pixels[count] = k
                px = k - py * width
                for ty in range(max(py - 3, 0) >> 3, min(((py + 3) >> 3) + 1, down8)):
                    for tx in range(max(px - 3, 0) >> 3, min(((px + 3) >> 3) + 1, across)):
                        tiles[ty * across + tx] = 1
            count += 1
    grow(edge, width, height, work, near)
    return count


@njit(inline="always")
def refine_cell(vertices, stride, i, j, slot, width, height, samples):
    """As draw_cell with a finest cell, for the samples of the silhouette pixels that it may touch."""
    one, half = np.float32(1.0), np.float32(0.5)
    p, q = 4 * (i * stride + j), 4 * ((i + 1) * stride + j)
    ax, ay, bx, by = vertices[p], vertices[p + 1], vertices[q], vertices[q + 1]
    cx, cy, dx, dy = vertices[p + 4], vertices[p + 5], vertices[q + 4], vertices[q + 5]
    left, right = min(min(ax, bx), min(cx, dx)), max(max(ax, bx), max(cx, dx))
    upper, lower = min(min(ay, by), min(cy, dy)), max(max(ay, by), max(cy, dy))
    x0, x1 = whole_range(left - half, right + half, width - 1)
    y0, y1 = whole_range(upper - half, lower + half, height - 1)
    number = -1
    for py in range(y0, y1 + 1):
        for px in range(x0, x1 + 1):
            number = max(number, slot[py * width + px])
    if number < 0:
        return
    az, bz, cz, dz = vertices[p + 2], vertices[q + 2], vertices[p + 6], vertices[q + 6]
    area, area2 = twice_area(ax, ay, bx, by, cx, cy), twice_area(dx, dy, cx, cy, bx, by)
    area, area2, border, most = halves_of(area, area2)
    b_x, b_y, c_x, c_y = weights_of(ax, ay, bx, by, cx, cy, area)
    e_x, e_y, f_x, f_y = weights_of(dx, dy, cx, cy, bx, by, area2)
    texels = spread(one / math.sqrt(max(max(-area, -area2), np.float32(1e-9))))
    right8, down8 = eight_at(samples, 0), eight_at(samples, SAMPLES)
    for py in range(y0, y1 + 1):
        for px in range(x0, x1 + 1):
            k = slot[py * width + px]
            if k < 0:
                continue
            x, y = np.float32(px) - ax, np.float32(py) - ay
            b8 = plus(plus(spread(b_x * x + b_y * y), right8, b_x), down8, b_y)
            c8 = plus(plus(spread(c_x * x + c_y * y), right8, c_x), down8, c_y)
            x, y = np.float32(px) - dx, np.float32(py) - dy
            e8 = plus(plus(spread(e_x * x + e_y * y), right8, e_x), down8, e_y)
            f8 = plus(plus(spread(f_x * x + f_y * y), right8, f_x), down8, f_y)
            z8 = plus(plus(spread(az), b8, bz - az), c8, cz - az)
            w8 = plus(plus(spread(dz), e8, cz - dz), f8, bz - dz)
            z8, u8, v8 = found_in_cell(b8, c8, e8, f8, z8, w8, border, most, OUTSIDE, OUTSIDE)
            to = (k + 1) * (4 * SAMPLES)
            before = eight_at(samples, to)
            put_above(samples, to, z8, before, z8)
            to += SAMPLES
            put_above(samples, to, z8, before, plus(u8, spread(one), np.float32(j)))
            to += SAMPLES
            put_above(samples, to, z8, before, plus(v8, spread(one), np.float32(i)))
            to += SAMPLES
            put_above(samples, to, z8, before, texels)


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def refine_silhouettes(
    vertices, flat, stride, present, blocks, boxes, listed, offsets, slot, near, tiles, width, height, count, samples
):  # fmt: skip
    """As draw_blocks with the finest cells, for SAMPLES samples of the `count` pixels numbered in slot. offsets (2 ·
    SAMPLES,) f4: x, then y, of the samples from the pixel's centre. In place: samples (4 · SAMPLES · (n + 1),) f4: the
    offsets and nothing, then for each pixel depth, u, v and size of each sample; size: cells across the pixel."""
    vertices, flat, slot, near = pointer(vertices), pointer(flat), pointer(slot), pointer(near)
    tiles, plane = pointer(tiles), stride * stride
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
        first, column = blocks[n, 0], blocks[n, 1]
        for i in range(first, first + BLOCK):
            bits = worth_refining(flat, plane, stride, i * stride + column, near, width, height)
            bits &= np.int64(present[i, column // BLOCK])
            while bits != 0:
                j, bits = column + first_bit(bits), bits & (bits - 1)
                refine_cell(vertices, stride, i, j, slot, width, height, samples)


@njit(cache=True, nogil=True)
def see_silhouettes(
    uv, width, height, jump, distance, side, reach, per_cell, room, edge, work, slot, near, tiles, pixels, vertices,
    flat, stride, present, blocks, boxes, listed, offsets, samples
):  # fmt: skip
    """Find and refine silhouettes, where there is room for them all. Returns their number."""
    count = find_silhouettes(
        uv, width, height, jump, distance, side, reach, per_cell, room, edge, work, slot, near, tiles, pixels
    )
    if count <= room:
        refine_silhouettes(
            vertices,
            flat,
            stride,
            present,
            blocks,
            boxes,
            listed,
            offsets,
            slot,
            near,
            tiles,
            width,
            height,
            count,
            samples,
        )
    return count
