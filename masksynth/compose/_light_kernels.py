"""Loops of the light on a face: arrays in, arrays written in place, no checks. The module next door checks.

All are over a grid of (G, G) places of the layout.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from masksynth._vectors import eight_at, larger, plus, pointer, product, put, spread

FASTMATH = {"nsz"}  # nothing that lets the compiler choose how to round
TERMS = 9
PLACES = 1024  # at most, of the grid; numbers of a place lie so far apart in what `fit_light` works on
COLOURS, WEIGHT, ROBUST = TERMS * PLACES, (TERMS + 3) * PLACES, (TERMS + 4) * PLACES  # after the harmonics
WEIGHTED = (TERMS + 5) * PLACES
FIELDS = TERMS + 6


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def gather_points(positions, first, step, frame, scale, points):
    """Every step-th of positions (R, R, 3) f4 from the first, carried by frame (2, 3) f4 and z by scale. In place:
    points (G, G, 3) f4."""
    for i in range(points.shape[0]):
        for j in range(points.shape[1]):
            x, y, z = positions[first + i * step, first + j * step]
            points[i, j, 0] = frame[0, 0] * x + frame[0, 1] * y + frame[0, 2]
            points[i, j, 1] = frame[1, 0] * x + frame[1, 1] * y + frame[1, 2]
            points[i, j, 2] = scale * z


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def lift_points(points, height, first, step, along, scale, full, lifted):
    """In place: lifted (G, G, 3) = points + (scale · height + more) · direction, all f4; height (S, S) at every step-th
    texel from the first; along (G, G, 4): direction and more, which counts by the share that the height is of `full`,
    and never takes below the skin."""
    for i in range(points.shape[0]):
        for j in range(points.shape[1]):
            h = height[first + i * step, first + j * step]
            off = max(scale * h + min(h / full, np.float32(1.0)) * along[i, j, 3], np.float32(0.0))
            for c in range(3):
                lifted[i, j, c] = points[i, j, c] + off * along[i, j, c]


@njit(inline="always")
def pulled(pull, first, plane, high, at, step, lift):
    """The larger of `lift` and how far neighbours `step` places before and behind pull eight places, from the at-th
    on. pull: from the first-th number on the three planes of this direction, as in drape."""
    first, whole = first + at, np.float32(1.0)
    off = plus(eight_at(pull, first), product(eight_at(pull, first + plane), eight_at(high, at - step)), whole)
    off = plus(off, product(eight_at(pull, first + 2 * plane), eight_at(high, at + step)), whole)
    return larger(off, lift)


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def drape(
    points, along, first_row, end_row, first_column, end_column, rounds, usual, scale, pulls, line, height, more
):  # fmt: skip
    """How far taut cloth over points (G, G, 3) f4 stands off along unit directions along (G, G, 4) f4. It spans every
    hollow: a place lies no deeper than halfway between opposite neighbours, in each of four directions, nor under the
    skin. It is 0 outside the rows and columns named, which do not reach the grid's edge; G is a multiple of eight.

    The rounds begin at the usual height, scale · usual (G, G), and go from row to row; a row is raised as one. pulls
    (12, G, G) f4 is room: for each direction, halfway between the neighbours over this place, and what a height of
    either adds to it; line (G,) f4 is room. In place: height (G, G) f4 and more, how much it is above the usual."""
    side = points.shape[0]
    half, zero = np.float32(0.5), np.float32(0.0)
    for i in range(side):
        for j in range(side):
            height[i, j] = zero
            if i < first_row or i >= end_row:
                continue
            if j < first_column or j >= end_column:
                for k in range(12):
                    pulls[k, i, j] = zero
                continue
            height[i, j] = scale * usual[i, j]
            for k in range(4):
                di, dj = (0 if k == 1 else 1), (0 if k == 0 else (-1 if k == 3 else 1))
                between = one = other = zero
                for c in range(3):
                    n = along[i, j, c]
                    between += n * (half * (points[i - di, j - dj, c] + points[i + di, j + dj, c]) - points[i, j, c])
                    one += n * along[i - di, j - dj, c]
                    other += n * along[i + di, j + dj, c]
                pulls[3 * k, i, j], pulls[3 * k + 1, i, j], pulls[3 * k + 2, i, j] = between, half * one, half * other
    pull, high, raised, plane = pointer(pulls), pointer(height), pointer(line), side * side
    steps = (side, 1, side + 1, side - 1)  # to the neighbours behind
    for _ in range(rounds):
        for at in range(first_row * side, end_row * side, side):
            for j in range(0, side, 8):  # nothing pulls at the columns outside
                lift = spread(zero)
                for d in range(4):
                    lift = pulled(pull, 3 * d * plane, plane, high, at + j, steps[d], lift)
                put(raised, j, lift)
            for j in range(0, side, 8):
                put(high, at + j, eight_at(raised, j))
    for i in range(side):
        for j in range(side):
            more[i, j] = height[i, j] - scale * usual[i, j]


@njit(inline="always")
def smooth(values, work, side, channels):
    """values (G · G · channels,) f4 smoothed by (1 2 1) / 4 each way, in place; work, as large, is room."""
    quarter, half, width = np.float32(0.25), np.float32(0.5), side * channels
    for at in range(0, side * width, width):
        for k in range(at, at + channels):
            work[k] = quarter * (values[k] + values[k + channels]) + half * values[k]
        for k in range(at + channels, at + width - channels):
            work[k] = quarter * (values[k - channels] + values[k + channels]) + half * values[k]
        for k in range(at + width - channels, at + width):
            work[k] = quarter * (values[k - channels] + values[k]) + half * values[k]
    for i in range(side):
        at, up, down = i * width, max(i - 1, 0) * width, min(i + 1, side - 1) * width
        for k in range(width):
            values[at + k] = quarter * (work[up + k] + work[down + k]) + half * work[at + k]


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def surface_normals(points, blur, work, normals):
    """In place: normals (G, G, 3) f4, unit, away from the head, of points (G, G, 3) f4 smoothed `blur` times by
    (1 2 1) / 4 each way. work (G, G, 3) f4 is room."""
    side = points.shape[0]
    work[:] = points
    for _ in range(blur):
        smooth(pointer(work), pointer(normals), side, 3)
    for i in range(side):
        a, b = max(i - 1, 0), min(i + 1, side - 1)
        for j in range(side):
            c, d = max(j - 1, 0), min(j + 1, side - 1)
            rx, ry, rz = work[i, d, 0] - work[i, c, 0], work[i, d, 1] - work[i, c, 1], work[i, d, 2] - work[i, c, 2]
            dx, dy, dz = work[b, j, 0] - work[a, j, 0], work[b, j, 1] - work[a, j, 1], work[b, j, 2] - work[a, j, 2]
            nx, ny, nz = ry * dz - rz * dy, rz * dx - rx * dz, rx * dy - ry * dx
            inverse = np.float32(1.0) / max(np.float32(math.sqrt(nx * nx + ny * ny + nz * nz)), np.float32(1e-12))
            normals[i, j, 0], normals[i, j, 1], normals[i, j, 2] = nx * inverse, ny * inverse, nz * inverse


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def observe_skin(pixels, decode, points, normals, prior, radius, spacing, seen, weight, rough):
    """What the host shows of its skin. pixels (H, W, C) u1, decode (256,) f4; points, normals (G, G, 3) f4; prior
    (G, G) f4: how surely a place is skin; each place is the mean over (2 radius + 1)² pixels, `spacing` apart. In
    place: seen (G, G, 3) f4 linear, weight (G, G) f4 0 where not seen, rough (G, G) f4 local noise in grey levels or
    -1. Returns the number of places seen."""
    height, width, channels = pixels.shape
    side = points.shape[0]
    count = 0
    reach = radius * spacing + 1
    share = np.float32(1.0 / ((2 * radius + 1) * (2 * radius + 1)))
    for i in range(side):
        for j in range(side):
            weight[i, j] = 0.0
            rough[i, j] = -1.0
            facing = normals[i, j, 2]
            if prior[i, j] <= 0.0 or facing < 0.15:
                continue
            x, y = points[i, j, 0], points[i, j, 1]
            if not (x > reach and y > reach and x < width - 1 - reach and y < height - 1 - reach):
                continue
            px, py = int(x + np.float32(0.5)), int(y + np.float32(0.5))
            clipped = 0
            for c in range(channels):
                total = np.float32(0.0)
                for dy in range(-radius, radius + 1):
                    for dx in range(-radius, radius + 1):
                        value = pixels[py + dy * spacing, px + dx * spacing, c]
                        total += decode[value]
                        clipped += value >= 250
                seen[i, j, c] = total * share
            for c in range(channels, 3):
                seen[i, j, c] = seen[i, j, 0]
            stencil = 0.0
            g = 1 if channels == 3 else 0
            for dy in range(-1, 2):
                for dx in range(-1, 2):
                    factor = 4.0 if dx == 0 and dy == 0 else (-2.0 if dx == 0 or dy == 0 else 1.0)
                    stencil += factor * pixels[py + dy, px + dx, g]
            rough[i, j] = abs(stencil) / 6.0
            weight[i, j] = prior[i, j] * facing * (np.float32(0.25) if clipped > 0 else np.float32(1.0))
            count += 1
    return count


@njit(inline="always")
def put_harmonics(x, y, z, fields, n):
    """The nine real spherical harmonics up to order two of a unit normal, without their constants, as the n-th."""
    fields[n] = np.float32(1.0)
    fields[PLACES + n], fields[2 * PLACES + n], fields[3 * PLACES + n] = x, y, z
    fields[4 * PLACES + n], fields[5 * PLACES + n], fields[6 * PLACES + n] = x * y, x * z, y * z
    fields[7 * PLACES + n] = x * x - y * y
    fields[8 * PLACES + n] = np.float32(3.0) * z * z - np.float32(1.0)


@njit(inline="always")
def sum_of_products(fields, one, other, count, line):
    """The sum over `count` places, a multiple of 16, of the field from the one-th number times that from the other-th.
    line (8,) f4 is room."""
    by = np.float32(1.0)
    total = spread(np.float32(0.0))
    rest = total
    for p in range(0, count, 16):
        total = plus(total, product(eight_at(fields, one + p), eight_at(fields, other + p)), by)
        rest = plus(rest, product(eight_at(fields, one + p + 8), eight_at(fields, other + p + 8)), by)
    put(line, 0, plus(total, rest, by))
    return ((line[0] + line[4]) + (line[1] + line[5])) + ((line[2] + line[6]) + (line[3] + line[7]))


@njit(inline="always")
def fitted_luminance(fields, n, tones):
    """What the harmonics of the n-th place give under their luminances, tones (9,) f4."""
    fitted = tones[0]
    for k in range(1, TERMS):
        fitted += tones[k] * fields[k * PLACES + n]
    return fitted


@njit(inline="always")
def set_tones(coefficients, tones):
    """In place: tones (9,) f4, the luminance of coefficients (9, 3)."""
    for k in range(TERMS):
        tones[k] = 0.25 * coefficients[k, 0] + 0.5 * coefficients[k, 1] + 0.25 * coefficients[k, 2]


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def fit_light(normals, seen, weight, rounds, ridge, tolerance, matrix, right, tones, line, fields, coefficients):
    """Fit light = sum of harmonics of the normal to what is seen, robustly: places that differ by more than
    `tolerance` of the fit count less. ridge (9,) f8 in shares of the total weight. Room: matrix (9, 9), right (9, 3)
    f8, tones (9,), line (8,), fields (FIELDS · PLACES,) f4. In place: coefficients (9, 3) f8, and weight times its
    robust factor."""
    side = normals.shape[0]
    tones, line, fields = pointer(tones), pointer(line), pointer(fields)
    count = 0
    for i in range(side):
        for j in range(side):
            if weight[i, j] > 0.0:
                put_harmonics(normals[i, j, 0], normals[i, j, 1], normals[i, j, 2], fields, count)
                for c in range(3):
                    fields[COLOURS + c * PLACES + count] = seen[i, j, c]
                fields[WEIGHT + count] = fields[ROBUST + count] = weight[i, j]
                count += 1
    whole = (count + 15) // 16 * 16
    for k in range(FIELDS):
        for n in range(count, whole):
            fields[k * PLACES + n] = 0.0
    quarter, half, one, zero = np.float32(0.25), np.float32(0.5), np.float32(1.0), np.float32(0.0)
    least, per_tolerance = np.float32(0.02), np.float32(1.0 / tolerance)
    for turn in range(rounds):
        if turn > 0:
            set_tones(coefficients, tones)
            for n in range(whole):  # no branches: eight or sixteen at a time
                red, green, blue = (
                    fields[COLOURS + n], fields[COLOURS + PLACES + n], fields[COLOURS + 2 * PLACES + n],
                )  # fmt: skip
                fitted = fitted_luminance(fields, n, tones)
                off = (quarter * red + half * green + quarter * blue - fitted) * per_tolerance
                off = off / (max(fitted, zero) + least)
                fields[ROBUST + n] = fields[WEIGHT + n] / (one + off * off)
        total = sum_of_products(fields, 0, ROBUST, whole, line)
        for k in range(TERMS):
            for n in range(whole):  # weighed harmonics, in the place of the weights before
                fields[WEIGHTED + n] = fields[ROBUST + n] * fields[k * PLACES + n]
            for m in range(k + 1):
                matrix[k, m] = sum_of_products(fields, WEIGHTED, m * PLACES, whole, line)
            for c in range(3):
                right[k, c] = sum_of_products(fields, WEIGHTED, COLOURS + c * PLACES, whole, line)
            matrix[k, k] += total * ridge[k] + 1e-12
        # Cholesky, then both triangular solves.
        for k in range(TERMS):
            for m in range(k + 1):
                value = matrix[k, m]
                for n in range(m):
                    value -= matrix[k, n] * matrix[m, n]
                matrix[k, m] = math.sqrt(max(value, 1e-18)) if k == m else value / matrix[m, m]
        for c in range(3):
            for k in range(TERMS):
                value = right[k, c]
                for n in range(k):
                    value -= matrix[k, n] * coefficients[n, c]
                coefficients[k, c] = value / matrix[k, k]
            for k in range(TERMS - 1, -1, -1):
                value = coefficients[k, c]
                for n in range(k + 1, TERMS):
                    value -= matrix[n, k] * coefficients[n, c]
                coefficients[k, c] = value / matrix[k, k]
    count = 0
    for i in range(side):
        for j in range(side):
            if weight[i, j] > 0.0:
                weight[i, j] = fields[ROBUST + count]
                count += 1


@njit(inline="always")
def nth_smallest(values, count, n):
    """The n-th smallest, from 0, of the first `count` of values."""
    return np.partition(values[:count], n)[n]


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def quantiles(seen, weight, rough, least_share, bright, usual, values):
    """The mean colour that is seen (G, G, 3) f4, by weight (G, G) f4, in place in usual (3,) f8. Returns the quantile
    `bright` of its luminance where the weight is above `least_share` of the largest, and the median of rough (G, G) f4
    where that is not below 0; there must be some. values (G · G,) f4 is room."""
    side = weight.shape[0]
    total, most, count = 0.0, np.float32(0.0), 0
    usual[:] = 0.0
    for i in range(side):
        for j in range(side):
            w = weight[i, j]
            total += w
            most = max(most, w)
            for c in range(3):
                usual[c] += w * seen[i, j, c]
            if rough[i, j] >= 0.0:
                values[count] = rough[i, j]
                count += 1
    for c in range(3):
        usual[c] /= max(total, 1e-9)
    median = nth_smallest(values, count, (count - 1) // 2)
    count = 0
    for i in range(side):
        for j in range(side):
            if weight[i, j] > least_share * most:
                values[count] = np.float32(0.25) * (seen[i, j, 0] + seen[i, j, 2]) + np.float32(0.5) * seen[i, j, 1]
                count += 1
    return nth_smallest(values, count, int(bright * (count - 1))), median


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def light_beyond(normals, seen, weight, coefficients, usual, blur, tones, fields, work, ratio, beyond):
    """What the skin shows beyond the fit, as a slow factor over the layout.

    usual (3,) f8: the mean colour that the skin shows. tones (9,), fields (FIELDS · PLACES,), work and ratio (G, G, 2)
    f4 are room. In place: beyond (G, G) f4."""
    side = normals.shape[0]
    mean = 0.25 * usual[0] + 0.5 * usual[1] + 0.25 * usual[2]
    tones, fields = pointer(tones), pointer(fields)
    set_tones(coefficients, tones)
    for i in range(side):
        for j in range(side):
            ratio[i, j, 0] = 0.0
            ratio[i, j, 1] = 0.0
            w = weight[i, j]
            if w > 0.0:
                put_harmonics(normals[i, j, 0], normals[i, j, 1], normals[i, j, 2], fields, 0)
                fitted = fitted_luminance(fields, 0, tones)
                found = 0.25 * seen[i, j, 0] + 0.5 * seen[i, j, 1] + 0.25 * seen[i, j, 2]
                off = math.log(max(found, 1e-3) / max(fitted, 0.05 * mean, 1e-3))
                ratio[i, j, 0] = w * min(max(off, -1.2), 1.2)
                ratio[i, j, 1] = w
    for _ in range(blur):
        smooth(pointer(ratio), pointer(work), side, 2)
    for i in range(side):
        for j in range(side):
            beyond[i, j] = math.exp(ratio[i, j, 0] / (ratio[i, j, 1] + np.float32(0.02)))


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def study_face(
    positions, first, step, frame, scale, blur, bridge_blur, points, normals, bridge, along, draped, where, rounds,
    usual_drape, interocular, pulls, line, height, more, work, pixels, decode, prior, spacing, seen, weight, rough,
    least_places, fits, ridge, tolerance, matrix, right, tones, lanes, fields, coefficients, usual, least_share, bright,
    values, beyond_blur, ratio_work, ratio, beyond
):  # fmt: skip
    """All that is read off a face, by the kernels above; blur is of the skin, bridge_blur of the face as cloth over it
    would be; where: first and end row, first and end column of that. Returns the number of places seen, the luminance
    of the bright side and the median roughness, as `quantiles` does."""
    gather_points(positions, first, step, frame, scale, points)
    surface_normals(points, blur, work, normals)
    surface_normals(points, bridge_blur, work, bridge)
    along[:, :, :3] = bridge
    draped[:, :, :3] = bridge
    drape(
        points, along, where[0], where[1], where[2], where[3], rounds, usual_drape, interocular,
        pulls, line, height, more,
    )  # fmt: skip
    draped[:, :, 3] = more
    count = observe_skin(pixels, decode, points, normals, prior, 1, spacing, seen, weight, rough)
    if count < least_places:
        return count, np.float32(0.0), np.float32(0.0)
    fit_light(normals, seen, weight, fits, ridge, tolerance, matrix, right, tones, lanes, fields, coefficients)
    brightest, median = quantiles(seen, weight, rough, least_share, bright, usual, values)
    light_beyond(normals, seen, weight, coefficients, usual, beyond_blur, tones, fields, ratio_work, ratio, beyond)
    return count, brightest, median


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def cast_light(
    points, lifted, normals, coefficients, beyond, usual, floor, tint, inverse, nearer, light
):  # fmt: skip
    """Light on a surface with `normals` (G, G, 3), from the fit and from what the skin near by shows beyond it (G, G).

    coefficients (9, 3) f4; usual (3,) f4: the mean colour that the skin shows; light is at least `floor` of it, and of
    its colour to a share of `tint`; inverse (3,) f4: it is multiplied by that, and
    gains `nearer` of itself for each pixel that the surface `lifted` (G, G, 3) is before the skin `points`. In place:
    light (G · G, 8) f4: red, green, blue; one and one; relative change of light with slope along u and v; nothing."""
    side = normals.shape[0]
    one, two, six, quarter, half = np.float32(1.0), np.float32(2.0), np.float32(6.0), np.float32(0.25), np.float32(0.5)
    least, three = np.float32(1e-4), np.float32(3.0)
    mean = quarter * usual[0] + half * usual[1] + quarter * usual[2]
    for i in range(side):
        a, b = max(i - 1, 0), min(i + 1, side - 1)
        for j in range(side):
            x, y, z = normals[i, j, 0], normals[i, j, 1], normals[i, j, 2]
            k = i * side + j
            lum = gx = gy = gz = np.float32(0.0)
            for c in range(3):
                c1, c2, c3, c4 = coefficients[1, c], coefficients[2, c], coefficients[3, c], coefficients[4, c]
                c5, c6, c7, c8 = coefficients[5, c], coefficients[6, c], coefficients[7, c], coefficients[8, c]
                value = coefficients[0, c] + c1 * x + c2 * y + c3 * z + c4 * x * y + c5 * x * z + c6 * y * z
                value += c7 * (x * x - y * y) + c8 * (three * z * z - one)
                value = max(value, floor * usual[c], least)
                share = half if c == 1 else quarter
                light[k, c] = value
                lum += share * value
                gx += share * (c1 + c4 * y + c5 * z + two * c7 * x)  # of the fitted luminance over the normal
                gy += share * (c2 + c4 * x + c6 * z - two * c7 * y)
                gz += share * (c3 + c5 * x + c6 * y + six * c8 * z)
            gain = beyond[i, j] * (one + nearer * (lifted[i, j, 2] - points[i, j, 2]))
            for c in range(3):  # its colour changes little over a face: where the fit says otherwise it only guesses
                expected = lum * max(usual[c], least) / max(mean, least)
                within = min(max(light[k, c], expected / (one + tint)), expected * (one + tint))
                light[k, c] = gain * within * inverse[c]
            light[k, 3] = light[k, 4] = one
            light[k, 7] = 0.0
            c, d = max(j - 1, 0), min(j + 1, side - 1)
            rx, ry, rz = (
                points[i, d, 0] - points[i, c, 0],
                points[i, d, 1] - points[i, c, 1],
                points[i, d, 2] - points[i, c, 2],
            )
            dx, dy, dz = (
                points[b, j, 0] - points[a, j, 0],
                points[b, j, 1] - points[a, j, 1],
                points[b, j, 2] - points[a, j, 2],
            )
            right = math.sqrt(rx * rx + ry * ry + rz * rz) + np.float32(1e-9)
            down = math.sqrt(dx * dx + dy * dy + dz * dz) + np.float32(1e-9)
            light[k, 5] = -(gx * rx + gy * ry + gz * rz) / (right * lum)
            light[k, 6] = -(gx * dx + gy * dy + gz * dz) / (down * lum)


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def light_mask(
    points, height, first, step, along, length, full, blur, work, lifted, normals, coefficients, beyond, usual, floor,
    tint, inverse, nearer, light
):  # fmt: skip
    """Light on a mask of `height`, by lift_points, surface_normals and cast_light."""
    lift_points(points, height, first, step, along, length, full, lifted)
    surface_normals(lifted, blur, work, normals)
    cast_light(points, lifted, normals, coefficients, beyond, usual, floor, tint, inverse, nearer, light)
