"""Loops of blending, and of how sharp and how bright a photo is: arrays in, arrays written in place, no checks. The
modules next door check."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from masksynth._vectors import pointer
from masksynth.render._shading_kernels import SPAN, look_up, shade_span, turned

FASTMATH = {"nsz"}  # nothing that lets the compiler choose how to round


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

    left, top: where the window lies in the picture, which is `across` pixels wide; inner: first and end column,
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
