"""Loops of light and blending: arrays in, arrays written in place, no checks. The modules next door check."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

FASTMATH = {"contract", "nsz", "arcp", "reassoc"}
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
def lift_points(points, height, along, scale, more, full, lifted):
    """In place: lifted (G, G, 3) = points + (scale · height (G, G) + more (G, G)) · along (G, G, 3), all f4; more
    counts by the share that the height is of `full`, and never takes below the skin."""
    for i in range(points.shape[0]):
        for j in range(points.shape[1]):
            share = min(height[i, j] / full, np.float32(1.0))
            off = max(scale * height[i, j] + share * more[i, j], np.float32(0.0))
            for c in range(3):
                lifted[i, j, c] = points[i, j, c] + off * along[i, j, c]


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def drape(points, along, first_row, end_row, first_column, end_column, rounds, height):
    """In place: height (G, G) f4 of taut cloth over points (G, G, 3) f4 along unit directions along (G, G, 3) f4. It
    spans every hollow: a place lies no deeper than halfway between opposite neighbours, in each of four directions, nor
    under the skin. It is 0 outside the rows and columns named."""
    height[:] = 0.0
    half = np.float32(0.5)
    for _ in range(rounds):
        for i in range(first_row, end_row):
            for j in range(first_column, end_column):
                lift = np.float32(0.0)
                for k in range(4):
                    di, dj = (0 if k == 1 else 1), (0 if k == 0 else (-1 if k == 3 else 1))
                    one, other = height[i - di, j - dj], height[i + di, j + dj]
                    pull = np.float32(0.0)
                    for c in range(3):
                        between = points[i - di, j - dj, c] + one * along[i - di, j - dj, c]
                        between += points[i + di, j + dj, c] + other * along[i + di, j + dj, c]
                        pull += (half * between - points[i, j, c]) * along[i, j, c]
                    lift = max(lift, pull)
                height[i, j] = lift


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def surface_normals(points, blur, work, normals):
    """In place: normals (G, G, 3) f4, unit, away from the head, of points (G, G, 3) f4 smoothed `blur` times by
    (1 2 1) / 4 each way. work (G, G, 3) f4 is room."""
    side = points.shape[0]
    quarter, half = np.float32(0.25), np.float32(0.5)
    work[:] = points
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


@njit(cache=True, nogil=True)
def cast_light(
    points, skin_normals, normals, seen, weight, coefficients, usual, floor, tint, blur, basis, work, ratio, light
):
    """Light on a surface with `normals` (G, G, 3), from the fit and from what the skin near by shows beyond it.

    usual (3,) f8: the mean colour that the skin shows; light is at least `floor` of it, and of its colour to a share
    of `tint`. ratio, work (G, G, 2) f4 are room. In place: light (G * G, 8) f4: red, green, blue; relative change of
    light with slope along u and v."""
    side = normals.shape[0]
    mean = 0.25 * usual[0] + 0.5 * usual[1] + 0.25 * usual[2]
    for i in range(side):
        for j in range(side):
            ratio[i, j, 0] = 0.0
            ratio[i, j, 1] = 0.0
            w = weight[i, j]
            if w > 0.0:
                harmonics(skin_normals[i, j, 0], skin_normals[i, j, 1], skin_normals[i, j, 2], basis)
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
                    work[i, j, c] = 0.25 * (ratio[i, a, c] + ratio[i, b, c]) + 0.5 * ratio[i, j, c]
        for i in range(side):
            a, b = max(i - 1, 0), min(i + 1, side - 1)
            for j in range(side):
                for c in range(2):
                    ratio[i, j, c] = 0.25 * (work[a, j, c] + work[b, j, c]) + 0.5 * work[i, j, c]
    for i in range(side):
        a, b = max(i - 1, 0), min(i + 1, side - 1)
        for j in range(side):
            x, y, z = normals[i, j, 0], normals[i, j, 1], normals[i, j, 2]
            harmonics(x, y, z, basis)
            k = i * side + j
            beyond = math.exp(ratio[i, j, 0] / (ratio[i, j, 1] + 0.02))
            lum = 0.0
            for c in range(3):
                value = 0.0
                for n in range(TERMS):
                    value += basis[n] * coefficients[n, c]
                light[k, c] = max(value, floor * usual[c], 1e-4)
                lum += (0.5 if c == 1 else 0.25) * light[k, c]
            for c in range(3):  # its colour changes little over a face: where the fit says otherwise it only guesses
                expected = lum * max(usual[c], 1e-4) / max(mean, 1e-4)
                light[k, c] = beyond * min(max(light[k, c], expected / (1.0 + tint)), expected * (1.0 + tint))
            # Gradient of the fitted luminance over the normal, along the surface's two tangents.
            gx, gy, gz = 0.0, 0.0, 0.0
            for c in range(3):
                s = 0.5 if c == 1 else 0.25
                gx += s * (
                    coefficients[1, c] + coefficients[4, c] * y + coefficients[5, c] * z + 2 * coefficients[7, c] * x
                )
                gy += s * (
                    coefficients[2, c] + coefficients[4, c] * x + coefficients[6, c] * z - 2 * coefficients[7, c] * y
                )
                gz += s * (
                    coefficients[3, c] + coefficients[5, c] * x + coefficients[6, c] * y + 6 * coefficients[8, c] * z
                )
            c0, c1 = max(j - 1, 0), min(j + 1, side - 1)
            rx, ry, rz = (
                points[i, c1, 0] - points[i, c0, 0],
                points[i, c1, 1] - points[i, c0, 1],
                points[i, c1, 2] - points[i, c0, 2],
            )
            dx, dy, dz = (
                points[b, j, 0] - points[a, j, 0],
                points[b, j, 1] - points[a, j, 1],
                points[b, j, 2] - points[a, j, 2],
            )
            right = math.sqrt(rx * rx + ry * ry + rz * rz) + 1e-9
            down = math.sqrt(dx * dx + dy * dy + dz * dz) + 1e-9
            light[k, 3] = -(gx * rx + gy * ry + gz * rz) / right / lum
            light[k, 4] = -(gx * dx + gy * dy + gz * dz) / down / lum


@njit(inline="always")
def hashed(x, y, seed):
    """A number in [0, 1) that belongs to a pixel: products of 32-bit numbers, kept to 32 bits."""
    low = np.uint64(0xFFFFFFFF)
    h = (
        np.uint64(x) * np.uint64(0x9E3779B1)
        + np.uint64(y) * np.uint64(0x85EBCA77)
        + np.uint64(seed) * np.uint64(0xC2B2AE3D)
    )
    h = ((h ^ (h >> np.uint64(15))) & low) * np.uint64(0x2C1B3C6D)
    h = ((h ^ (h >> np.uint64(12))) & low) * np.uint64(0x297A2D39)
    h = (h ^ (h >> np.uint64(15))) & low
    return np.float32(h) * np.float32(2.3283064e-10)


@njit(cache=True, nogil=True)
def blend(layer, shadow, decode, encode, white, grain, seed, left, top, pixels, alpha, touched):
    """Eq. 4 in encoded values: pixel · (1 - alpha) + alpha · mask, the pixel first darkened by the contact shadow.

    layer (h, w, 5) f4 linear red, green, blue premultiplied, alpha, shadow; `shadow` times that is taken away; white:
    grey level that no mask is above; grain in grey levels; left, top: where the window lies in the picture. In place:
    pixels (h, w, C) u1, alpha (h, w) u1, touched (h, w) b1. A pixel is touched where either rounds to at least 1 of
    255; no other is written."""
    height, width, channels = pixels.shape
    steps = np.float32(len(encode) - 1)
    half, one, top8 = np.float32(0.5), np.float32(1.0), np.float32(255.0)
    for y in range(height):
        for x in range(width):
            a = min(layer[y, x, 3], one)
            a8 = int(a * top8 + half)
            dark = min(layer[y, x, 4] * shadow, one)
            if a8 == 0 and int(dark * top8 + half) == 0:
                continue
            noise = np.float32(0.0)
            if grain > 0.0 and a8 > 0:
                n = hashed(left + x, top + y, seed) + hashed(left + x, top + y, seed + 7919)
                n += hashed(left + x, top + y, seed + 15838) - np.float32(1.5)
                noise = grain * np.float32(2.0) * n  # three uniform numbers: variance 1/4
            inverse = one / max(a, np.float32(1e-6))
            for c in range(channels):
                host = np.float32(pixels[y, x, c])
                if dark > 0.0:
                    host = encode[int(decode[pixels[y, x, c]] * (one - dark) * steps + half)]
                value = host
                if a8 > 0:
                    worn = encode[int(min(max(layer[y, x, c] * inverse, np.float32(0.0)), one) * steps + half)] + noise
                    value = host * (one - a) + a * min(worn, white)
                pixels[y, x, c] = np.uint8(min(max(value, np.float32(0.0)), top8) + half)
            alpha[y, x] = a8
            touched[y, x] = True
