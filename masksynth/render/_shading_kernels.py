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

from masksynth._vectors import (
    eight_at,
    fetch,
    four_at,
    half_octaves,
    lane0,
    lane1,
    minus,
    plus,
    pointer,
    product,
    put,
    share_of_level,
    spread,
)
from masksynth.render._silhouette_kernels import PLAIN, SAMPLES
from masksynth.render._surface_kernels import FASTMATH, NOTHING

DISTANCE_TEXELS, DISTANCE_SIDE = 4, 65  # kept for blocks of 4 x 4 texels, and one beyond the layout
LEAST_FOOTPRINT = np.float32(0.2)  # of the jump that makes a silhouette: no lookup along a footprint is shorter
SPAN = 64  # pixels of a row that are looked up together
ROOM = SPAN * SAMPLES + 16  # lookups that these may want
# Numbers of a lookup lie ROOM apart, so that the compiler sees that they never overlap. Where it looks:
U, V, SIZE, WEIGHT = 0 * ROOM, 1 * ROOM, 2 * ROOM, 3 * ROOM  # in cells; size: cells across; share of the pixel
X_U, Y_U, X_V, Y_V, OFF_X, OFF_Y = 4 * ROOM, 5 * ROOM, 6 * ROOM, 7 * ROOM, 8 * ROOM, 9 * ROOM  # before the step
LONG_U, LONG_V, LONGER, SHORTER, TIMES = X_U, Y_U, X_V, Y_V, OFF_X  # after it: sides of the footprint, lookups it wants
ACROSS, DOWN, LIGHT_ACROSS, LIGHT_DOWN = X_U, Y_U, X_V, Y_V  # at last: beyond the first texel
AT, LEVEL, TEXEL, LIGHT, EDGE = 0 * ROOM, 1 * ROOM, 2 * ROOM, 3 * ROOM, 4 * ROOM  # pixel; level of the texture, first
# texel there, and of the light; and the pixels that are silhouettes
FIELDS = 10
LEAST_TURN, MOST_TURN = np.float32(0.4), np.float32(1.6)  # how far the relief changes the light


@njit(inline="always")
def probe_silhouette(samples, first, jump, px, n, lookups, places):
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
            lookups[U + n], lookups[V + n] = su, sv
            lookups[SIZE + n], lookups[WEIGHT + n] = np.float32(0.35) * across, share
            places[AT + n] = px
            n += 1
            u, v, size = u + su, v + sv, size + across
            low_u, high_u = min(low_u, su), max(high_u, su)
            low_v, high_v = min(low_v, sv), max(high_v, sv)
    if n > begun + 1 and high_u - low_u <= np.float32(0.5) * jump and high_v - low_v <= np.float32(0.5) * jump:
        mean = np.float32(1.0) / np.float32(n - begun)
        lookups[U + begun], lookups[V + begun] = u * mean, v * mean
        lookups[SIZE + begun], lookups[WEIGHT + begun] = size * mean, np.float32(n - begun) * share
        n = begun + 1
    return n


@njit(inline="always")
def meet_surface(py, first, end, uv, slot, width, planes, vertices, stride, lookups, places):
    """What a Newton step wants to know of the pixels that see one place, in row py from column `first` to `end`: place,
    derivatives of the surface there, how far the pixel's centre lies from it. How many these are, and how many pixels
    are silhouettes, which are listed."""
    cells, row = stride - 2, py * width
    y = np.float32(py)
    n = edges = 0
    for px in range(first, end):
        number = slot[row + px]
        if number < PLAIN:
            continue
        if number > PLAIN:
            places[EDGE + edges] = px
            edges += 1
            continue
        u, v = uv[row + px], uv[planes + row + px]
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
        lookups[U + n], lookups[V + n] = u, v
        lookups[X_U + n], lookups[Y_U + n] = lane0(across), lane1(across)
        lookups[X_V + n], lookups[Y_V + n] = lane0(down), lane1(down)
        lookups[OFF_X + n], lookups[OFF_Y + n] = np.float32(px) - lane0(left), y - lane1(left)
        places[AT + n] = px
        n += 1
    return n, edges


@njit(inline="always")
def step_there(count, stride, jump, lookups, places):
    """One Newton step each from the triangle that a pixel was drawn as to the surface through the finest vertices. The
    derivatives say how large its footprint is: it wants one to four lookups along the longer side of it, of the size of
    the shorter one."""
    zero, one, end = np.float32(0.0), np.float32(1.0), np.float32(stride - 1)
    least = jump * LEAST_FOOTPRINT
    for n in range(count):  # no branches: eight or sixteen at a time
        x_u, y_u, x_v, y_v = lookups[X_U + n], lookups[Y_U + n], lookups[X_V + n], lookups[Y_V + n]
        inverse = one / max(x_u * y_v - x_v * y_u, np.float32(0.02))
        u_x, u_y, v_x, v_y = y_v * inverse, -x_v * inverse, -y_u * inverse, x_u * inverse
        dx, dy = lookups[OFF_X + n], lookups[OFF_Y + n]
        u = lookups[U + n] + min(max(u_x * dx + u_y * dy, -one), one)
        v = lookups[V + n] + min(max(v_x * dx + v_y * dy, -one), one)
        lookups[U + n], lookups[V + n] = min(max(u, zero), end), min(max(v, zero), end)
        along_x, along_y = u_x * u_x + v_x * v_x, u_y * u_y + v_y * v_y
        turned = along_y > along_x
        lookups[LONG_U + n], lookups[LONG_V + n] = u_y if turned else u_x, v_y if turned else v_x
        longer, shorter = np.float32(math.sqrt(max(along_x, along_y))), np.float32(math.sqrt(min(along_x, along_y)))
        lookups[LONGER + n], lookups[SHORTER + n] = longer, shorter
        lookups[SIZE + n], lookups[WEIGHT + n] = np.float32(math.sqrt(longer * shorter)), one
        many = min(longer / max(shorter, least, np.float32(1e-9)) + np.float32(0.3), np.float32(4.5))
        lookups[TIMES + n] = many if longer > shorter * np.float32(1.703) else one


@njit(inline="always")
def look_up(py, first, end, uv, slot, width, planes, vertices, stride, jump, samples, lookups, places):
    """Where the pixels of row py from column `first` to `end`, at most SPAN of them, look into the texture: place, size
    and weight of each lookup, and its pixel. How many there are."""
    half, one = np.float32(0.5), np.float32(1.0)
    count, edges = meet_surface(py, first, end, uv, slot, width, planes, vertices, stride, lookups, places)
    step_there(count, stride, jump, lookups, places)
    total = count
    for n in range(count):
        if lookups[TIMES + n] < 2.0:
            continue
        times = int(lookups[TIMES + n])
        share = one / np.float32(times)
        u, v, long_u, long_v = lookups[U + n], lookups[V + n], lookups[LONG_U + n], lookups[LONG_V + n]
        size = max(lookups[SHORTER + n], lookups[LONGER + n] * share)
        for m in range(times):
            t, k = (np.float32(m) + half) * share - half, n if m == 0 else total
            lookups[U + k], lookups[V + k] = u + long_u * t, v + long_v * t
            lookups[SIZE + k], lookups[WEIGHT + k] = size, share
            places[AT + k] = places[AT + n]
            total += m > 0
    for m in range(edges):
        px = places[EDGE + m]
        k = (slot[py * width + px] + 1) * (4 * SAMPLES)
        total = probe_silhouette(samples, k, jump, px, total, lookups, places)
    return total


@njit(inline="always")
def find_texels(count, step, base, top, grid, lookups, places):
    """Which texels and which places of the light each lookup reads, and how far it lies beyond the first of them.

    It reads the one level whose texels are about as large as what it looks for: from 5/6 of that to 5/4."""
    half, one, zero, layout = np.float32(0.5), np.float32(1.0), np.float32(0.0), np.float32(256.0)
    texels_a_cell, per_texel = np.float32(step), np.float32(base) / layout
    per_light, last_light = np.float32(grid) / layout, np.float32(grid - 1)
    per_size, top = texels_a_cell * per_texel * np.float32(1.2), np.int32(top)
    for n in range(count):  # as above
        level = min(max(half_octaves(lookups[SIZE + n] * per_size), np.int32(0)), top)
        scale = per_texel * share_of_level(level)
        last = layout * scale - one
        u, v = lookups[U + n] * texels_a_cell + half, lookups[V + n] * texels_a_cell + half
        x, y = min(max(u * scale - half, zero), last), min(max(v * scale - half, zero), last)
        j, i = min(whole(x), last - one), min(whole(y), last - one)
        lookups[ACROSS + n], lookups[DOWN + n] = x - j, y - i
        places[LEVEL + n], places[TEXEL + n] = level, np.int32(i * (last + one) + j)
        x, y = min(max(u * per_light - half, zero), last_light), min(max(v * per_light - half, zero), last_light)
        j, i = min(whole(x), last_light - one), min(whole(y), last_light - one)
        lookups[LIGHT_ACROSS + n], lookups[LIGHT_DOWN + n] = x - j, y - i
        places[LIGHT + n] = np.int32(i * (last_light + one) + j)


@njit(inline="always")
def whole(number):
    """A positive number without what is behind its point."""
    return np.float32(np.int32(number))


@njit(inline="always")
def between(numbers, k, below, across, down):
    """The eight channels between the k-th, the next, and those `below` them."""
    upper, lower = eight_at(numbers, k), eight_at(numbers, k + below)
    upper = plus(upper, minus(eight_at(numbers, k + 8), upper), across)
    lower = plus(lower, minus(eight_at(numbers, k + below + 8), lower), across)
    return plus(upper, minus(lower, upper), down)


@njit(inline="always")
def shade_span(count, first, end, step, texels, starts, sides, light, grid, lookups, places, row):
    """Pixels of a row from column `first` to `end` by `count` lookups as look_up makes them; in place in row (w · 8,)
    f4."""
    find_texels(count, step, sides[0], len(starts) - 1, grid, lookups, places)
    nothing = spread(np.float32(0.0))
    for n in range(count):
        level = places[LEVEL + n]
        k = 8 * (starts[level] + places[TEXEL + n])
        fetch(texels, k)
        fetch(texels, k + 8 * sides[level])
    for px in range(first, end):
        put(row, 8 * px, nothing)
    for n in range(count):
        level = places[LEVEL + n]
        k, below = 8 * (starts[level] + places[TEXEL + n]), 8 * sides[level]
        seen = between(texels, k, below, lookups[ACROSS + n], lookups[DOWN + n])
        lit = between(light, 8 * places[LIGHT + n], 8 * grid, lookups[LIGHT_ACROSS + n], lookups[LIGHT_DOWN + n])
        k = 8 * places[AT + n]
        put(row, k, plus(eight_at(row, k), product(seen, lit), lookups[WEIGHT + n]))


@njit(inline="always")
def turned(row, at):
    """How the relief changes the light on a pixel of a row: its slope turns the mask's normal, to first order."""
    change = (row[at + 5] + row[at + 6]) / max(row[at + 3], np.float32(1e-6))
    return min(max(np.float32(1.0) + change, LEAST_TURN), MOST_TURN)


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def draw_layer(
    uv, slot, width, height, vertices, stride, step, jump, samples, texels, starts, sides, light, grid, lookups, places,
    row, colours, layer
):  # fmt: skip
    """All rows. uv (2 · h · w,), slot (h · w,) and samples as draw_blocks and see_silhouettes leave them; lookups
    (FIELDS · ROOM,) f4, places (FIELDS · ROOM,) i4 and row (8 w,) f4 are room. In place: layer (h · w · (colours +
    2),) f4: red, or red, green and blue, premultiplied by alpha; alpha; shadow."""
    uv, slot, vertices, lookups, places, row = (
        pointer(uv), pointer(slot), pointer(vertices), pointer(lookups), pointer(places), pointer(row),
    )  # fmt: skip
    samples, layer, texels, light = pointer(samples), pointer(layer), pointer(texels), pointer(light)
    channels, planes = colours + 2, width * height
    for py in range(height):
        for first in range(0, width, SPAN):
            end = min(first + SPAN, width)
            count = look_up(py, first, end, uv, slot, width, planes, vertices, stride, jump, samples, lookups, places)
            begin = (py * width + first) * channels
            for k in range(begin, begin + (end - first) * channels):
                layer[k] = np.float32(0.0)
            if count == 0:
                continue
            shade_span(count, first, end, step, texels, starts, sides, light, grid, lookups, places, row)
            for px in range(first, end):
                k, to = 8 * px, begin + (px - first) * channels
                if max(row[k + 3], row[k + 4]) <= 0.0:
                    continue
                turn = turned(row, k)
                for c in range(colours):
                    layer[to + c] = row[k + c] * turn
                layer[to + colours], layer[to + colours + 1] = row[k + 3], row[k + 4]
