"""Loops that draw a texture over a visible surface: arrays in, arrays written in place, no checks.

Textures: all levels of a pyramid in one (N · 8,) array of float16, read as its bits, level l of side S >> l from row
starts[l]. Light: (G · G · 8,) f4 over the layout, factors for the same eight channels. So colour and light are one
product, and a row of pixels is (w · 8,) f4: red, green, blue, alpha, shadow, change of light with the slopes along u
and v, nothing; all but the shadow premultiplied by alpha.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from masksynth.render._surface_kernels import FASTMATH, NOTHING, SAMPLES
from masksynth.render._vectors import (
    eight_at,
    four_at,
    half_octaves,
    lane0,
    lane1,
    minus,
    plus,
    pointer,
    product,
    put,
    scaled,
)

DISTANCE_TEXELS, DISTANCE_SIDE = 4, 65  # kept for blocks of 4 x 4 texels, and one beyond the layout
LEAST_FOOTPRINT = np.float32(0.2)  # of the jump that makes a silhouette: no lookup along a footprint is shorter
LEAST_TURN, MOST_TURN = np.float32(0.4), np.float32(1.6)  # how far the relief changes the light


@njit(inline="always")
def probe_silhouette(samples, first, jump, px, n, lookups, at):
    """Lookups, from the n-th on, for the silhouette pixel px whose samples begin at `first`; how many there are then.

    Samples of one sheet take one lookup at their mean, others one each.
    """
    share, begun = np.float32(1.0 / SAMPLES), n
    u, v, size = np.float32(0.0), np.float32(0.0), np.float32(0.0)
    low_u = low_v = np.float32(1e30)
    high_u = high_v = np.float32(-1e30)
    for s in range(first, first + SAMPLES):
        su, sv, across = samples[s + SAMPLES], samples[s + 2 * SAMPLES], samples[s + 3 * SAMPLES]
        if su > NOTHING:
            p = 4 * n
            lookups[p], lookups[p + 1], lookups[p + 2], lookups[p + 3] = su, sv, np.float32(0.35) * across, share
            at[n] = px
            n += 1
            u, v, size = u + su, v + sv, size + across
            low_u, high_u = min(low_u, su), max(high_u, su)
            low_v, high_v = min(low_v, sv), max(high_v, sv)
    if n > begun + 1 and high_u - low_u <= np.float32(0.5) * jump and high_v - low_v <= np.float32(0.5) * jump:
        mean, p = np.float32(1.0) / np.float32(n - begun), 4 * begun
        lookups[p], lookups[p + 1] = u * mean, v * mean
        lookups[p + 2], lookups[p + 3] = size * mean, np.float32(n - begun) * share
        n = begun + 1
    return n


@njit(inline="always")
def look_up(py, uv, slot, width, height, vertices, stride, jump, distance, reach, per_block, samples, lookups,
            at):  # fmt: skip
    """Where the pixels of a row look into the texture: in place lookups (4 n,) f4: u and v, cells across, weight; at
    (n,) i4: the pixel. How many there are.

    A pixel off the silhouettes takes one Newton step from the triangle that it was drawn as to the surface through the
    finest vertices, whose derivatives say how large its footprint is: one to four lookups along the longer side of it,
    of the size of the shorter one.
    """
    planes, row = width * height, py * width
    zero, half, one = np.float32(0.0), np.float32(0.5), np.float32(1.0)
    end, cells = np.float32(stride - 1), stride - 2
    y = np.float32(py)
    n = 0
    for px in range(width):
        number = slot[row + px]
        if number >= 0:
            n = probe_silhouette(samples, (number + 1) * (4 * SAMPLES), jump, px, n, lookups, at)
            continue
        u, v = uv[row + px], uv[planes + row + px]
        if u <= NOTHING:
            continue
        if distance[int(v * per_block) * DISTANCE_SIDE + int(u * per_block)] > reach:
            continue
        i, j = min(int(v), cells), min(int(u), cells)
        fu, fv = u - np.float32(j), v - np.float32(i)
        k = 4 * (i * stride + j)
        upper_left, upper_right = four_at(vertices, k), four_at(vertices, k + 4)
        k += 4 * stride
        down = minus(four_at(vertices, k), upper_left)
        down_right = minus(four_at(vertices, k + 4), upper_right)
        left = plus(upper_left, down, fv)
        across = minus(plus(upper_right, down_right, fv), left)
        down = plus(down, minus(down_right, down), fu)
        left = plus(left, across, fu)
        x_u, y_u, x_v, y_v = lane0(across), lane1(across), lane0(down), lane1(down)
        inverse = one / max(x_u * y_v - x_v * y_u, np.float32(0.02))
        u_x, u_y, v_x, v_y = y_v * inverse, -x_v * inverse, -y_u * inverse, x_u * inverse
        dx, dy = np.float32(px) - lane0(left), y - lane1(left)
        u = min(max(u + min(max(u_x * dx + u_y * dy, -one), one), zero), end)
        v = min(max(v + min(max(v_x * dx + v_y * dy, -one), one), zero), end)
        longer, shorter = u_x * u_x + v_x * v_x, u_y * u_y + v_y * v_y
        p = 4 * n
        lookups[p], lookups[p + 1] = u, v
        lookups[p + 2], lookups[p + 3] = math.sqrt(math.sqrt(longer * shorter)), one
        at[n] = px
        n += 1
        if max(longer, shorter) > min(longer, shorter) * np.float32(2.9):
            if shorter > longer:
                u_x, v_x, longer, shorter = u_y, v_y, shorter, longer
            longer, shorter = math.sqrt(longer), math.sqrt(shorter)
            count = min(int(longer / max(shorter, jump * LEAST_FOOTPRINT) + np.float32(0.3)), 4)
            if count > 1:
                share = one / np.float32(count)
                for m in range(count):
                    t = (np.float32(m) + half) * share - half
                    lookups[p], lookups[p + 1] = u + u_x * t, v + v_x * t
                    lookups[p + 2], lookups[p + 3] = max(shorter, longer * share), share
                    at[n - 1 + m] = px
                    p += 4
                n += count - 1
    return n


@njit(inline="always")
def shade_row(count, lookups, at, step, texels, starts, sides, top, light, grid, row):
    """Pixels of a row by `count` lookups as look_up makes them, those of one pixel one after the other; in place in row
    (w · 8,) f4. A lookup reads the one level whose texels are about as large as what it looks for: from 5/6 of that to
    5/4. Pixels without lookups are not written."""
    texels_a_cell = np.float32(step)
    half, one, zero = np.float32(0.5), np.float32(1.0), np.float32(0.0)
    per_texel, per_light = np.float32(sides[0]) * np.float32(1.0 / 256.0), np.float32(grid) * np.float32(1.0 / 256.0)
    last_light = np.float32(grid - 1)
    before = -1
    for n in range(count):
        p, px = 4 * n, at[n]
        u, v, weight = lookups[p] * texels_a_cell + half, lookups[p + 1] * texels_a_cell + half, lookups[p + 3]
        level = half_octaves(lookups[p + 2] * (texels_a_cell * per_texel * np.float32(1.2)))
        level = min(max(level, 0), top)
        side = sides[level]
        scale, last = np.float32(side) * np.float32(1.0 / 256.0), np.float32(side - 1)
        x, y = min(max(u * scale - half, zero), last), min(max(v * scale - half, zero), last)
        j, i = min(int(x), side - 2), min(int(y), side - 2)
        fu, fv = x - np.float32(j), y - np.float32(i)
        k = 8 * (starts[level] + i * side + j)
        w11 = weight * fu * fv
        w01, w10 = weight * fu - w11, weight * fv - w11
        seen = scaled(eight_at(texels, k), weight - w01 - w10 - w11)
        seen = plus(seen, eight_at(texels, k + 8), w01)
        seen = plus(seen, eight_at(texels, k + 8 * side), w10)
        seen = plus(seen, eight_at(texels, k + 8 * side + 8), w11)
        x, y = min(max(u * per_light - half, zero), last_light), min(max(v * per_light - half, zero), last_light)
        j, i = min(int(x), grid - 2), min(int(y), grid - 2)
        fu, fv = x - np.float32(j), y - np.float32(i)
        k = 8 * (i * grid + j)
        w11 = fu * fv
        w01, w10 = fu - w11, fv - w11
        lit = scaled(eight_at(light, k), one - w01 - w10 - w11)
        lit = plus(lit, eight_at(light, k + 8), w01)
        lit = plus(lit, eight_at(light, k + 8 * grid), w10)
        lit = plus(lit, eight_at(light, k + 8 * grid + 8), w11)
        seen = product(seen, lit)
        if px == before:
            seen = plus(seen, eight_at(row, 8 * px), one)
        put(row, 8 * px, seen)
        before = px


@njit(inline="always")
def turned(row, at):
    """How the relief changes the light on a pixel of a row: its slope turns the mask's normal, to first order."""
    change = (row[at + 5] + row[at + 6]) / max(row[at + 3], np.float32(1e-6))
    return min(max(np.float32(1.0) + change, LEAST_TURN), MOST_TURN)


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def draw_layer(
    uv, slot, width, height, vertices, stride, step, jump, distance, reach, samples, texels, starts, sides,
    light, grid, lookups, at, row, colours, layer
):  # fmt: skip
    """All rows. uv (2 · h · w,), slot (h · w,) and samples as draw_blocks and refine_silhouettes leave them; distance
    as in Pyramid, and the most of it in texels at which a pixel may still show something; lookups (4 · SAMPLES · w,)
    f4, at (SAMPLES · w,) i4 and row (8 w,) f4 are room. In place: layer (h · w · (colours + 2),) f4: red, or red, green
    and blue, premultiplied by alpha; alpha; shadow."""
    top, per_block = len(starts) - 1, np.float32(step) * np.float32(1.0 / DISTANCE_TEXELS)
    uv, slot, vertices, distance, lookups, at, row = (
        pointer(uv), pointer(slot), pointer(vertices), pointer(distance), pointer(lookups), pointer(at), pointer(row),
    )  # fmt: skip
    samples, layer = pointer(samples), pointer(layer)
    texels, starts, sides, light = pointer(texels), pointer(starts), pointer(sides), pointer(light)
    channels = colours + 2
    for py in range(height):
        begin = py * width * channels
        for k in range(begin, begin + width * channels):
            layer[k] = np.float32(0.0)
        count = look_up(
            py, uv, slot, width, height, vertices, stride, jump, distance, reach, per_block, samples, lookups,
            at,
        )  # fmt: skip
        shade_row(count, lookups, at, step, texels, starts, sides, top, light, grid, row)
        before = -1
        for n in range(count):
            px = at[n]
            if px == before:
                continue
            before = px
            k, to = 8 * px, begin + px * channels
            if max(row[k + 3], row[k + 4]) <= 0.0:
                continue
            turn = turned(row, k)
            for c in range(colours):
                layer[to + c] = row[k + c] * turn
            layer[to + colours], layer[to + colours + 1] = row[k + 3], row[k + 4]
