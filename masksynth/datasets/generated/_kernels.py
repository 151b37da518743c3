"""Loops of the face generator: normals of a mesh, and the colour of each pixel it covers."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def add_normals(vertices, triangles, normals):
    """vertices (N, 3) f8, triangles (T, 3) i8; in place: normals (N, 3) f8, the area-weighted sum of the triangles'."""
    for t in range(len(triangles)):
        i, j, k = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        ux, uy, uz = (
            vertices[j, 0] - vertices[i, 0],
            vertices[j, 1] - vertices[i, 1],
            vertices[j, 2] - vertices[i, 2],
        )
        vx, vy, vz = (
            vertices[k, 0] - vertices[i, 0],
            vertices[k, 1] - vertices[i, 1],
            vertices[k, 2] - vertices[i, 2],
        )
        nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
        for corner in (i, j, k):
            normals[corner, 0] += nx
            normals[corner, 1] += ny
            normals[corner, 2] += nz


@njit(inline="always")
def bilinear(texture, x, y, channel):
    """texture (H, W, C) at (x, y) inside it, clamped to the rim."""
    height, width = texture.shape[0], texture.shape[1]
    x = min(max(x, 0.0), width - 1.001)
    y = min(max(y, 0.0), height - 1.001)
    i, j = int(y), int(x)
    fy, fx = y - i, x - j
    top = texture[i, j, channel] * (1 - fx) + texture[i, j + 1, channel] * fx
    low = texture[i + 1, j, channel] * (1 - fx) + texture[i + 1, j + 1, channel] * fx
    return top * (1 - fy) + low * fy


@njit(inline="always")
def repeated(texture, x, y):
    """texture (H, W) at (x, y), tiled, nearest."""
    return texture[int(np.floor(y)) % texture.shape[0], int(np.floor(x)) % texture.shape[1]]


@njit(cache=True, nogil=True)
def shade(
    face, weights, depth, triangles, normals, sheet, tint, material, skin, strands, colours, lights, ambient, shadow,
    shadow_map, out, cover,
):  # fmt: skip
    """The light that each pixel sends to the camera.

    face (2H, 2W) i8 and weights (2H, 2W, 3) f8 at twice the size; material (T,) i8; skin (h, w, 5) f4 albedo, gloss,
    occlusion; strands (s, s) f4; colours (2, 3) f8 of hair and cloth; lights (L, 7) f8 direction, colour, fall-off
    with depth; ambient (2, 3) f8 from above and from below; shadow (3, 4) f8 photo frame to the first light's map;
    shadow_map (m, m) f8 depths seen from there; in place: out (H, W, 3) f4, cover (H, W) f4.
    A pixel whose four samples show one material is shaded once, at the mean of two of them; else each sample is.
    """
    height, width = out.shape[0], out.shape[1]
    colour = np.zeros(3)
    for row in range(height):
        for column in range(width):
            count, same, first = 0, True, -1
            for s in range(4):
                t = face[2 * row + s // 2, 2 * column + s % 2]
                if t >= 0:
                    count += 1
                    if first < 0:
                        first = material[t]
                    elif material[t] != first:
                        same = False
            if count == 0:
                continue
            red, green, blue = 0.0, 0.0, 0.0
            once = count == 4 and same
            samples = 1 if once else 4
            for s in range(samples):
                nx, ny, nz, u, v, bright, z, px, py = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
                shown = -1
                parts = 2 if once else 1
                for p in range(parts):
                    k = 3 * p if once else s
                    y, x = 2 * row + k // 2, 2 * column + k % 2
                    t = face[y, x]
                    if t < 0:
                        continue
                    shown = t
                    z += depth[y, x] / parts
                    px += x / parts
                    py += y / parts
                    for c in range(3):
                        w, i = weights[y, x, c] / parts, triangles[t, c]
                        nx += w * normals[i, 0]
                        ny += w * normals[i, 1]
                        nz += w * normals[i, 2]
                        u += w * sheet[i, 0]
                        v += w * sheet[i, 1]
                        bright += w * tint[i]
                if shown < 0:
                    continue
                length = np.sqrt(nx * nx + ny * ny + nz * nz) + 1e-12
                nx, ny, nz = nx / length, ny / length, nz / length
                kind = material[shown]
                gloss, power, occlusion = 0.0, 20.0, 1.0
                if kind == 0:
                    for c in range(3):
                        colour[c] = bilinear(skin, u, v, c)
                    gloss, occlusion = bilinear(skin, u, v, 3), bilinear(skin, u, v, 4)
                    power = 18.0
                else:
                    strand = repeated(strands, u, v)
                    if kind == 2:
                        strand = 0.8 + 0.2 * strand
                    for c in range(3):
                        colour[c] = colours[kind - 1, c] * strand
                    if kind == 1:
                        gloss, power = 0.9 * strand, 9.0
                    if nz < 0:
                        nx, ny, nz = -nx, -ny, -nz
                up = 0.5 - 0.5 * ny
                lr = occlusion * (ambient[0, 0] * up + ambient[1, 0] * (1 - up))
                lg = occlusion * (ambient[0, 1] * up + ambient[1, 1] * (1 - up))
                lb = occlusion * (ambient[0, 2] * up + ambient[1, 2] * (1 - up))
                sr, sg, sb = 0.0, 0.0, 0.0
                for light in range(len(lights)):
                    dx, dy, dz = lights[light, 0], lights[light, 1], lights[light, 2]
                    facing = nx * dx + ny * dy + nz * dz
                    strength = 1.0
                    if lights[light, 6] > 0.0:
                        away = 1.0 - lights[light, 6] * z
                        strength = 1.0 / max(away * away, 0.2)
                    if light == 0 and len(shadow_map) > 1:
                        strength *= lit(shadow, shadow_map, px, py, z)
                    if kind == 0:  # light seeps under skin, red the farthest
                        fr = max(0.0, (facing + 0.20) / 1.20)
                        fg = max(0.0, (facing + 0.10) / 1.10)
                        fb = max(0.0, (facing + 0.06) / 1.06)
                    else:
                        fr = fg = fb = max(0.0, (facing + 0.3) / 1.3)
                    lr += strength * lights[light, 3] * fr
                    lg += strength * lights[light, 4] * fg
                    lb += strength * lights[light, 5] * fb
                    hx, hy, hz = dx, dy, dz + 1.0
                    norm = np.sqrt(hx * hx + hy * hy + hz * hz) + 1e-12
                    shine = max(0.0, (nx * hx + ny * hy + nz * hz) / norm) ** power
                    shine *= strength * gloss * (0.10 if facing > 0 else 0.0)
                    sr += shine * lights[light, 3]
                    sg += shine * lights[light, 4]
                    sb += shine * lights[light, 5]
                if kind == 1:  # highlights of hair take its colour
                    sr *= 0.25 + 2.0 * colour[0]
                    sg *= 0.25 + 2.0 * colour[1]
                    sb *= 0.25 + 2.0 * colour[2]
                red += bright * (colour[0] * lr + sr)
                green += bright * (colour[1] * lg + sg)
                blue += bright * (colour[2] * lb + sb)
            share = 1.0 if once else 0.25
            cover[row, column] = 1.0 if once else 0.25 * count
            out[row, column, 0] = red * share
            out[row, column, 1] = green * share
            out[row, column, 2] = blue * share


@njit(inline="always")
def lit(shadow, shadow_map, x, y, z):
    """Share of a light that reaches (x, y, z), smoothed over 3 x 3 texels of its depth map."""
    u = shadow[0, 0] * x + shadow[0, 1] * y + shadow[0, 2] * z + shadow[0, 3]
    v = shadow[1, 0] * x + shadow[1, 1] * y + shadow[1, 2] * z + shadow[1, 3]
    w = shadow[2, 0] * x + shadow[2, 1] * y + shadow[2, 2] * z + shadow[2, 3]
    size = len(shadow_map)
    i, j = int(v + 0.5), int(u + 0.5)
    if i < 2 or j < 2 or i >= size - 2 or j >= size - 2:
        return 1.0
    fy, fx = v + 0.5 - i, u + 0.5 - j
    total = 0.0
    for a in range(-1, 3):
        wa = (1 - fy) if a == -1 else (fy if a == 2 else 1.0)
        for b in range(-1, 3):
            wb = (1 - fx) if b == -1 else (fx if b == 2 else 1.0)
            if shadow_map[i + a - 1, j + b - 1] <= w:
                total += wa * wb
    return total / 9.0
