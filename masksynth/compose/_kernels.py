"""Loops of light and blending: arrays in, arrays written in place, no checks. The modules next door check."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from masksynth.render._shading_kernels import SPAN, look_up, shade_span, turned
from masksynth.render._vectors import pointer

FASTMATH = {"nsz"}  # nothing that lets the compiler choose how to round
TERMS = 9


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def gather_points(positions, step, frame, scale, points):
    """positions (S, S, 3) f4; every step-th texel from step // 2, carried by frame (2, 3) f4 and z by scale. In place:
    points (G, G, 3) f4."""
    first = step // 2
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


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def drape(
    points, along, first_row, end_row, first_column, end_column, rounds, usual, scale, pulls, line, height, more
):  # fmt: skip
    """How far taut cloth over points (G, G, 3) f4 stands off along unit directions along (G, G, 4) f4. It spans every
    hollow: a place lies no deeper than halfway between opposite neighbours, in each of four directions, nor under the
    skin. It is 0 outside the rows and columns named.

    The rounds begin at the usual height, scale · usual (G, G), and go from row to row; a row is raised as one. pulls
    (12, G, G) f4 is room: for each direction, halfway between the neighbours over this place, and what a height of
    either adds to it; line (G,) f4 is room. In place: height (G, G) f4 and more, how much it is above the usual."""
    side = points.shape[0]
    half, zero = np.float32(0.5), np.float32(0.0)
    for i in range(side):
        for j in range(side):
            height[i, j] = zero
            if i < first_row or i >= end_row or j < first_column or j >= end_column:
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
    for _ in range(rounds):
        for at in range(first_row * side, end_row * side, side):
            for j in range(first_column, end_column):  # no branches: eight or sixteen at a time
                k, up, down = at + j, at + j - side, at + j + side
                lift = max(zero, pull[k] + pull[plane + k] * high[up] + pull[2 * plane + k] * high[down])
                k += 3 * plane
                lift = max(lift, pull[k] + pull[plane + k] * high[at + j - 1] + pull[2 * plane + k] * high[at + j + 1])
                k += 3 * plane
                lift = max(lift, pull[k] + pull[plane + k] * high[up - 1] + pull[2 * plane + k] * high[down + 1])
                k += 3 * plane
                raised[j] = max(lift, pull[k] + pull[plane + k] * high[up + 1] + pull[2 * plane + k] * high[down - 1])
            for j in range(first_column, end_column):
                high[at + j] = raised[j]
    for i in range(side):
        for j in range(side):
            more[i, j] = height[i, j] - scale * usual[i, j]


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def surface_normals(points, blur, work, normals):
    """In place: normals (G, G, 3) f4, unit, away from the head, of points (G, G, 3) f4 smoothed `blur` times by
    (1 2 1) / 4 each way. work (G, G, 3) f4 is room."""
    side = points.shape[0]
    quarter, half = np.float32(0.25), np.float32(0.5)
    for i in range(side):
        for j in range(side):
            for c in range(3):
                work[i, j, c] = points[i, j, c]
    for _ in range(blur):
        for i in range(side):
            for j in range(side):
                a, b = max(j - 1, 0), min(j + 1, side - 1)
                for c in range(3):
                    normals[i, j, c] = quarter * (work[i, a, c] + work[i, b, c]) + half * work[i, j, c]
        for i in range(side):
            a, b = max(i - 1, 0), min(i + 1, side - 1)
            for j in range(side):
                for c in range(3):
                    work[i, j, c] = quarter * (normals[a, j, c] + normals[b, j, c]) + half * normals[i, j, c]
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
def harmonics(x, y, z, out):
    """The nine real spherical harmonics up to order two of a unit normal, without their constants."""
    out[0] = 1.0
    out[1], out[2], out[3] = x, y, z
    out[4], out[5], out[6] = x * y, x * z, y * z
    out[7], out[8] = x * x - y * y, 3.0 * z * z - 1.0


@njit(cache=True, nogil=True)
def fit_light(normals, seen, weight, rounds, ridge, tolerance, matrix, right, basis, coefficients):
    """Fit light = sum of harmonics of the normal to what is seen, robustly: places that differ by more than
    `tolerance` of the fit count less. ridge (9,) f8 in shares of the total weight. Room: matrix (9, 9), right (9, 3),
    basis (9,) f8. In place: coefficients (9, 3) f8, and weight times its robust factor."""
    side = normals.shape[0]
    for turn in range(rounds):
        matrix[:] = 0.0
        right[:] = 0.0
        total = 0.0
        for i in range(side):
            for j in range(side):
                w = weight[i, j]
                if w <= 0.0:
                    continue
                harmonics(normals[i, j, 0], normals[i, j, 1], normals[i, j, 2], basis)
                luminance = 0.25 * seen[i, j, 0] + 0.5 * seen[i, j, 1] + 0.25 * seen[i, j, 2]
                if turn > 0:
                    fitted = 0.0
                    for k in range(TERMS):
                        fitted += basis[k] * (
                            0.25 * coefficients[k, 0] + 0.5 * coefficients[k, 1] + 0.25 * coefficients[k, 2]
                        )
                    off = (luminance - fitted) / (max(fitted, 0.0) + 0.02) / tolerance
                    w = w / (1.0 + off * off)
                total += w
                for k in range(TERMS):
                    bw = basis[k] * w
                    for m in range(k + 1):
                        matrix[k, m] += bw * basis[m]
                    for c in range(3):
                        right[k, c] += bw * seen[i, j, c]
                if turn == rounds - 1:
                    weight[i, j] = w
        for k in range(TERMS):
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


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def light_beyond(normals, seen, weight, coefficients, usual, blur, basis, work, ratio, beyond):
    """What the skin shows beyond the fit, as a slow factor over the layout.

    usual (3,) f8: the mean colour that the skin shows. ratio, work (G, G, 2) f4 and basis (9,) f8 are room. In place:
    beyond (G, G) f4."""
    side = normals.shape[0]
    mean = 0.25 * usual[0] + 0.5 * usual[1] + 0.25 * usual[2]
    quarter, half = np.float32(0.25), np.float32(0.5)
    for i in range(side):
        for j in range(side):
            ratio[i, j, 0] = 0.0
            ratio[i, j, 1] = 0.0
            w = weight[i, j]
            if w > 0.0:
                harmonics(normals[i, j, 0], normals[i, j, 1], normals[i, j, 2], basis)
                fitted = 0.0
                for k in range(TERMS):
                    fitted += basis[k] * (
                        0.25 * coefficients[k, 0] + 0.5 * coefficients[k, 1] + 0.25 * coefficients[k, 2]
                    )
                found = 0.25 * seen[i, j, 0] + 0.5 * seen[i, j, 1] + 0.25 * seen[i, j, 2]
                off = math.log(max(found, 1e-3) / max(fitted, 0.05 * mean, 1e-3))
                ratio[i, j, 0] = w * min(max(off, -1.2), 1.2)
                ratio[i, j, 1] = w
    for _ in range(blur):
        for i in range(side):
            for j in range(side):
                a, b = max(j - 1, 0), min(j + 1, side - 1)
                for c in range(2):
                    work[i, j, c] = quarter * (ratio[i, a, c] + ratio[i, b, c]) + half * ratio[i, j, c]
        for i in range(side):
            a, b = max(i - 1, 0), min(i + 1, side - 1)
            for j in range(side):
                for c in range(2):
                    ratio[i, j, c] = quarter * (work[a, j, c] + work[b, j, c]) + half * work[i, j, c]
    for i in range(side):
        for j in range(side):
            beyond[i, j] = math.exp(ratio[i, j, 0] / (ratio[i, j, 1] + np.float32(0.02)))


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def cast_light(
    points, lifted, normals, coefficients, beyond, usual, floor, tint, inverse, nearer, first_row, end_row,
    first_column, end_column, light
):  # fmt: skip
    """Light on a surface with `normals` (G, G, 3), from the fit and from what the skin near by shows beyond it (G, G),
    in the rows and columns named.

    coefficients (9, 3) f4; usual (3,) f4: the mean colour that the skin shows; light is at least `floor` of it, and of
    its colour to a share of `tint`; inverse (3,) f4: it is multiplied by that, and
    gains `nearer` of itself for each pixel that the surface `lifted` (G, G, 3) is before the skin `points`. In place:
    light (G · G, 8) f4: red, green, blue; one and one; relative change of light with slope along u and v; nothing."""
    side = normals.shape[0]
    one, two, six, quarter, half = np.float32(1.0), np.float32(2.0), np.float32(6.0), np.float32(0.25), np.float32(0.5)
    least, three = np.float32(1e-4), np.float32(3.0)
    mean = quarter * usual[0] + half * usual[1] + quarter * usual[2]
    for i in range(first_row, end_row):
        a, b = max(i - 1, 0), min(i + 1, side - 1)
        for j in range(first_column, end_column):
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


@njit(cache=True, nogil=True)
def clipped_level(pixels, step, stray, share, least, counts):
    """The brightest level of every step-th row and column of pixels (H, W, C) u1 but for a share `stray` of them, if
    more than `share` are within one of it, and more than in the eight levels below, and it is above `least`; else 255.
    counts (512,) i8 is room: of neighbours, often alike, every second is counted apart, as none should wait for the one
    before."""
    counts[:] = 0
    rows, columns, channels = pixels.shape
    for i in range(0, rows, step):
        for c in range(channels):
            for j in range(0, columns - step, 2 * step):
                counts[pixels[i, j, c]] += 1
                counts[256 + pixels[i, j + step, c]] += 1
    total = 0
    for level in range(256):
        counts[level] += counts[256 + level]
        total += counts[level]
    brightest, above = 255, counts[255]
    while brightest > 0 and above <= stray * total:
        brightest -= 1
        above += counts[brightest]
    piled, before = 0, 0
    for level in range(max(brightest - 1, 0), min(brightest + 2, 256)):
        piled += counts[level]
    for level in range(max(brightest - 9, 0), max(brightest - 1, 0)):
        before += counts[level]
    return brightest if piled > max(share * total, before) and brightest > least else 255


STEEPEST, STEPS_A_LEVEL, RATIOS = 128, 16, 1024  # of the histograms of gradients and of ratios from 0 to 4


@njit(inline="always")
def gradient(grey, i, j):
    """Length of the gradient by differences of neighbours, in grey levels a pixel."""
    across = grey[i, min(j + 1, grey.shape[1] - 1)] - grey[i, max(j - 1, 0)]
    down = grey[min(i + 1, grey.shape[0] - 1), j] - grey[max(i - 1, 0), j]
    return np.float32(0.5) * np.float32(math.sqrt(across * across + down * down))


@njit(inline="always")
def quantile(counts, share):
    """The first bin with at least that share of all in it and those before."""
    wanted, found = share * counts.sum(), 0
    for k in range(len(counts)):
        found += counts[k]
        if found >= wanted:
            return k
    return len(counts) - 1


@njit(cache=True, nogil=True)
def edge_ratio(fine, coarse, strong, least_step, least_edges, share, steep, counts, ratios):
    """By how much the edges of a picture are steeper in its copy `fine` (H, W) f4 than in `coarse`: the quantile
    `share` of that over pixels whose gradient is above the quantile `strong` and above least_step; 0 where they are
    fewer than least_edges. steep (H, W) f4, counts (STEEPEST · STEPS_A_LEVEL,) and ratios (RATIOS,) i8 are room."""
    height, width = fine.shape
    counts[:] = 0
    ratios[:] = 0
    for i in range(height):
        for j in range(width):
            steep[i, j] = gradient(fine, i, j)
            counts[min(int(steep[i, j] * STEPS_A_LEVEL), STEEPEST * STEPS_A_LEVEL - 1)] += 1
    threshold = max((quantile(counts, strong) + 0.5) / STEPS_A_LEVEL, least_step)
    edges = 0
    for i in range(height):
        for j in range(width):
            if steep[i, j] >= threshold:
                edges += 1
                ratio = steep[i, j] / max(gradient(coarse, i, j), 1e-3)
                ratios[min(int(ratio * (RATIOS / 4)), RATIOS - 1)] += 1
    if edges < least_edges:
        return 0.0
    return (quantile(ratios, share) + 0.5) * (4 / RATIOS)


NOISE_STEPS, NOISE_UNIT = 16384, 40.0  # the first a power of two; three units and more fit into a byte


@njit(inline="always")
def shuffled(number):
    """32 bits that differ in half of their places for numbers that differ in one."""
    low = np.uint64(0xFFFFFFFF)
    h = np.uint64(number) & low
    h = ((h ^ (h >> np.uint64(15))) * np.uint64(0x2C1B3C6D)) & low
    h = ((h ^ (h >> np.uint64(12))) * np.uint64(0x297A2D39)) & low
    return np.int64(h ^ (h >> np.uint64(15)))


@njit(cache=True)
def fill_noise(noise):
    """In place: noise (n,) i1 of mean 0 and standard deviation NOISE_UNIT: each the sum of three uniform numbers."""
    for k in range(len(noise)):
        total = 0.0
        for m in range(3):
            total += shuffled(3 * k + m + 1) * (1.0 / 4294967296.0)
        noise[k] = np.int8(round(2.0 * (total - 1.5) * NOISE_UNIT))


@njit(inline="always")
def blend_pixel(red, green, blue, a, dark, decode, encode, steps, white, grain, k, channels, pixels, alpha, touched):
    """Eq. 4 in encoded values: pixel · (1 - alpha) + alpha · mask, the pixel first darkened by the contact shadow.

    Linear red, green, blue premultiplied by alpha a; white: grey level that no mask is above; grain in grey levels. In
    place, at pixel k of the flat arrays: pixels, alpha, touched. A pixel is touched where either rounds to at least 1
    of 255; no other is written."""
    half, one, top8 = np.float32(0.5), np.float32(1.0), np.float32(255.0)
    a, dark = min(a, one), min(dark, one)
    a8 = int(a * top8 + half)
    if a8 == 0 and int(dark * top8 + half) == 0:
        return
    inverse = one / max(a, np.float32(1e-6))
    for c in range(channels):
        at = k * channels + c
        host = np.float32(pixels[at])
        if dark > 0.0:
            host = encode[int(decode[pixels[at]] * (one - dark) * steps + half)]
        value = host
        if a8 > 0:
            shown = red if c == 0 else (green if c == 1 else blue)
            worn = encode[int(min(max(shown * inverse, np.float32(0.0)), one) * steps + half)] + grain
            value = host + a * (min(worn, white) - host)
        pixels[at] = np.uint8(min(max(value, np.float32(0.0)), top8) + half)
    alpha[k] = a8
    touched[k] = 1


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def wear(
    uv, slot, width, height, vertices, stride, step, jump, samples, texels, starts, sides, light, grid, lookups, places,
    row, shadow, decode, encode, noise, white, grain, seed, left, top, inner, across, channels, pixels, alpha, touched
):  # fmt: skip
    """Draw a texture as `draw_layer` does, and blend each row into the picture while it is at hand.

    left, top: where the window lies in the picture, which is `across` pixels wide; inner (4,) i8: first and end column,
    first and end row of the window that are blended; noise (NOISE_STEPS,) i1,
    NOISE_UNIT standing for one; the others as in blend_pixel. In place:
    pixels (H · W · C,) u1, alpha (H · W,) u1, touched (H · W,) u1."""
    steps = np.float32(len(encode) - 1)
    uv, slot, vertices, lookups, places, row = (
        pointer(uv), pointer(slot), pointer(vertices), pointer(lookups), pointer(places), pointer(row),
    )  # fmt: skip
    samples, texels, light = pointer(samples), pointer(texels), pointer(light)
    decode, encode, noise = pointer(decode), pointer(encode), pointer(noise)
    grain *= np.float32(1.0 / NOISE_UNIT)
    pixels, alpha, touched = pointer(pixels), pointer(alpha), pointer(touched)
    planes = width * height
    for py in range(inner[2], inner[3]):
        from_noise = shuffled(seed + 7919 * (top + py)) + left
        for first in range(inner[0], inner[1], SPAN):
            end = min(first + SPAN, inner[1])
            count = look_up(py, first, end, uv, slot, width, planes, vertices, stride, jump, samples, lookups, places)
            if count == 0:
                continue
            shade_span(count, first, end, step, texels, starts, sides, light, grid, lookups, places, row)
            for px in range(first, end):
                k = 8 * px
                if max(row[k + 3], row[k + 4]) <= 0.0:
                    continue
                turn = turned(row, k)
                blend_pixel(
                    row[k] * turn, row[k + 1] * turn, row[k + 2] * turn, row[k + 3], row[k + 4] * shadow, decode,
                    encode, steps, white, grain * np.float32(noise[(from_noise + px) & (NOISE_STEPS - 1)]),
                    (top + py) * across + left + px, channels, pixels, alpha, touched,
                )  # fmt: skip


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def blend(
    layer, shadow, decode, encode, noise, white, grain, seed, left, top, inner, across, channels, pixels, alpha, touched
):
    """Blend a layer (h, w, 5) or (h, w, 3) f4, as of `draw_layer`, into the picture; the rest as in `wear`."""
    width, deep, steps = layer.shape[1], layer.shape[2], np.float32(len(encode) - 1)
    green, blue, a = (1, 2, 3) if deep == 5 else (0, 0, 1)
    layer, decode, encode, noise = pointer(layer), pointer(decode), pointer(encode), pointer(noise)
    grain *= np.float32(1.0 / NOISE_UNIT)
    pixels, alpha, touched = pointer(pixels), pointer(alpha), pointer(touched)
    for py in range(inner[2], inner[3]):
        first = shuffled(seed + 7919 * (top + py)) + left
        for px in range(inner[0], inner[1]):
            k = deep * (py * width + px)
            if max(layer[k + a], layer[k + a + 1]) < np.float32(0.001):
                continue
            blend_pixel(
                layer[k], layer[k + green], layer[k + blue], layer[k + a], layer[k + a + 1] * shadow, decode, encode,
                steps, white, grain * np.float32(noise[(first + px) & (NOISE_STEPS - 1)]),
                (top + py) * across + left + px, channels, pixels, alpha, touched,
            )  # fmt: skip
