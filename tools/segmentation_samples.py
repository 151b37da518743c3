"""What the segmentation network learns from: hosts that wear generated masks, with what makes real photos hard.

Each sample is a square of `POOL_SIDE` pixels, placed by the mesh like masksynth.segment.frame does but with more around
it: the picture, the visible mask, where the photo is, and what the mesh says of each pixel. tools/train_segmentation.py
draws from a pool of them and shifts, cuts and colours each anew every time it is seen.
"""

from __future__ import annotations

import colorsys
import dataclasses
import json
from pathlib import Path

import cv2
import numpy as np

from masksynth.arrays import Reconstruction
from masksynth.compose import ComposeConfig, Composer
from masksynth.datasets.generated import draw_view, identity, render_face
from masksynth.datasets.generated.truly_masked import render_masked
from masksynth.detect import load_detector
from masksynth.photos import PHOTO_SUFFIXES, read_photo
from masksynth.reconstruct import find_faces, load_reconstructor
from masksynth.seeds import rng_for
from masksynth.segment.frame import FaceFrame, crop_matrix, face_frame, square
from masksynth.segment.grabcut import bare_of
from masksynth.segment.network import SIDE
from masksynth.segment.network import WIDTH as NETWORK_WIDTH
from masksynth.template import Template
from masksynth.template.design import vary
from masksynth.template.generator import generate

POOL_SIDE = 184
POOL_WIDTH = NETWORK_WIDTH * POOL_SIDE / SIDE  # in interocular distances
BARE_SHARE = 0.25
MASKED_SHARE = 0.45  # of the samples: on people who wear a mask already
SKINS = ((0.93, 0.78, 0.70), (0.85, 0.67, 0.56), (0.72, 0.53, 0.42), (0.50, 0.35, 0.27), (0.33, 0.22, 0.17))


@dataclasses.dataclass(frozen=True)
class Host:
    """A face without a mask in its square of `POOL_SIDE`."""

    crop: np.ndarray  # (P, P, 3) uint8
    face: Reconstruction
    matrix: np.ndarray  # (2, 3) from the photo to the square
    seen: FaceFrame
    skin: np.ndarray  # (3,) in [0, 1]
    mask: np.ndarray | None = None  # (P, P) in [0, 1]: the mask that it wears already
    photo: int = -1  # which of the outlined photos it is


@dataclasses.dataclass(frozen=True)
class Garment:
    worn: Template
    counted: Template | None  # what of it is mask, where loops of the same cloth are not


def real_hosts(folders: list[Path], every: int) -> list[Host]:
    """The faces in folders of photos of people without masks; each `every`-th photo is left out, for testing."""
    detector, reconstructor = load_detector(), load_reconstructor()
    found = []
    for folder in folders:
        paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in PHOTO_SUFFIXES)
        for k, path in enumerate(paths):
            if every and k % every == every - 1:
                continue
            rgb = read_photo(path).rgb
            faces, _ = find_faces(rgb, detector, reconstructor)
            found += [host_of(rgb, face) for face in faces[:2] if face.interocular > 25]
    return found


def masked_hosts(folders: list[Path], outlines: Path) -> list[Host]:
    """The faces of photos whose masks a file of polygons outlines; `photo` is the place of a name in that file."""
    detector, reconstructor = load_detector(), load_reconstructor()
    found = []
    for k, (name, polygon) in enumerate(json.loads(outlines.read_text(encoding="utf-8"))["first"].items()):
        path = next((folder / name for folder in folders if (folder / name).is_file()), None)
        if path is None:
            raise SystemExit(f"{name}: lies in none of {', '.join(map(str, folders))}")
        rgb = read_photo(path).rgb
        label = np.zeros((rgb.shape[0] * 4, rgb.shape[1] * 4), np.uint8)
        cv2.fillPoly(label, [np.rint(((np.array(polygon) + 0.5) * 4 - 0.5) * 256).astype(np.int32)], 255, shift=8)
        label = np.asarray(cv2.resize(label, rgb.shape[1::-1], interpolation=cv2.INTER_AREA), np.uint8)
        faces, _ = find_faces(rgb, detector, reconstructor)
        if not faces:
            continue
        host = wearing_host(rgb, max(faces, key=lambda face: _worn(label, face)), label)
        found.append(dataclasses.replace(host, photo=k))
    return found


def _worn(label: np.ndarray, face: Reconstruction) -> float:
    """How much of a mask lies on a face."""
    jaw = cv2.convexHull(np.rint(face.landmarks68[2:15, :2]).astype(np.int32))
    return float((label * (cv2.fillConvexPoly(np.zeros(label.shape, np.uint8), jaw, 1))).sum())


def generated_hosts(count: int, seed: int) -> list[Host]:
    detector, reconstructor = load_detector(), load_reconstructor()
    found = []
    for k in range(count):
        rng = rng_for(seed, "host", k)
        spectrum = "nir" if k % 4 == 0 else "vis"
        view = draw_view(rng, spectrum, yaw=50.0, pitch=18.0, roll=12.0)
        pixels = render_face(identity(seed, 5000 + k), view, spectrum, (300, 300)).pixels
        rgb = pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, 2)
        faces, _ = find_faces(rgb, detector, reconstructor)
        found += [host_of(rgb, face) for face in faces[:1]]
    return found


def truly_masked_hosts(count: int, masks: list[Garment], seed: int) -> list[Host]:
    """Generated faces whose mask was in the scene when the photo was taken, without the compositor; half are in NIR."""
    detector, reconstructor = load_detector(), load_reconstructor()
    found = []
    for k in range(count):
        rng = rng_for(seed, "truly masked", k)
        spectrum = "nir" if k % 2 == 0 else "vis"
        view = draw_view(rng, spectrum, yaw=45.0, pitch=15.0, roll=12.0)
        worn = masks[int(rng.integers(len(masks)))]
        shot = render_masked(identity(seed, 7000 + k), view, worn.counted or worn.worn, spectrum, (300, 300))
        rgb = shot.masked if shot.masked.ndim == 3 else np.repeat(shot.masked[..., None], 3, 2)
        faces, _ = find_faces(rgb, detector, reconstructor)
        label = np.rint(shot.alpha * 255).astype(np.uint8)
        found += [wearing_host(rgb, face, label) for face in faces[:1]]
    return found


def wearing_host(rgb: np.ndarray, face: Reconstruction, label: np.ndarray) -> Host:
    """A face that wears a mask already: (H, W) uint8 `label`, 255 where it is."""
    seen, _ = square(np.repeat(label[..., None], 3, 2), crop_matrix(face, POOL_SIDE, POOL_WIDTH), POOL_SIDE)
    host = host_of(rgb, face)
    return dataclasses.replace(host, mask=seen[..., 0].astype(np.float32) / 255 * host.seen.in_photo)


def host_of(rgb: np.ndarray, face: Reconstruction) -> Host:
    matrix = crop_matrix(face, POOL_SIDE, POOL_WIDTH)
    seen = face_frame(rgb, face, POOL_SIDE, POOL_WIDTH)
    bare = bare_of(seen)
    pixels = seen.rgb[bare] if bare.sum() > 20 else seen.rgb.reshape(-1, 3)
    return Host(seen.rgb, face, matrix, seen, np.median(pixels, axis=0) / 255)


def wardrobe(count: int, hosts: list[Host], seed: int) -> list[Garment]:
    """Generated masks of every kind; most in colours of the whole gamut, many with halves, figures, hems or words."""
    return [garment(rng_for(seed, "garment", k), seed, k, hosts) for k in range(count)]


def garment(rng: np.random.Generator, seed: int, k: int, hosts: list[Host]) -> Garment:
    design = vary(seed, "segmentation", k)
    if rng.random() < 0.2:
        design = dataclasses.replace(design, kind="sport", valve=False)
    if rng.random() < 0.6:
        design = dataclasses.replace(design, colour=any_colour(rng), second=any_colour(rng))
    design = dataclasses.replace(design, size=256, width=float(rng.uniform(0.85, 1.2)))
    made = generate(design)
    rgba, nir = made.rgba.copy(), np.ones((256, 256), np.float32) if made.nir is None else made.nir.copy()
    u, v = np.meshgrid(np.arange(256.0), np.arange(256.0))
    if rng.random() < 0.18:  # a picture is printed on it
        host = hosts[int(rng.integers(len(hosts)))]
        size = int(rng.integers(30, POOL_SIDE))
        top, left = rng.integers(0, POOL_SIDE - size + 1, 2)
        picture = cv2.resize(host.crop[top : top + size, left : left + size], (256, 256)).astype(np.float32) / 255
        paint(rgba, nir, np.ones((256, 256), np.float32), picture[..., rng.permutation(3)] ** rng.uniform(0.5, 1.5))
    if rng.random() < 0.25:  # halves that do not look alike, and the seam between them
        factor = np.float32(np.exp(rng.normal(-0.1, 0.2)))
        side = np.clip((u - 127.5) * rng.choice([-1, 1]) / 2 + 0.5, 0, 1)
        rgba[..., :3] = np.clip(rgba[..., :3] * (1 + side * (factor - 1))[..., None], 0, 1)
        seam = np.exp(-(((u - 127.5) / rng.uniform(0.8, 1.6)) ** 2)) * rng.uniform(0, 0.6)
        rgba[..., :3] *= (1 - seam)[..., None].astype(np.float32)
    if rng.random() < 0.2:
        figures(rng, rgba, nir)
    if rng.random() < 0.15:
        words(rng, rgba, nir)
    if rng.random() < 0.12:  # a hem of another colour
        depth = cv2.distanceTransform((rgba[..., 3] > 0.5).astype(np.uint8), cv2.DIST_L2, 5)
        hem = np.clip(rng.uniform(2.0, 6.0) - depth, 0, 1) * (rgba[..., 3] > 0)
        paint(rgba, nir, hem.astype(np.float32), colour_of(any_colour(rng)))
    counted = None
    if design.kind in ("sport", "cloth") and rng.random() < (0.6 if design.kind == "sport" else 0.1):
        counted = looped(rng, rgba, u, v)
    worn = dataclasses.replace(made, rgba=rgba, nir=np.clip(nir, 0, 1))
    return Garment(worn, None if counted is None else dataclasses.replace(worn, rgba=counted))


def any_colour(rng: np.random.Generator) -> str:
    """A colour as cloth has it: often nearly black, nearly white, or strong and not far from skin; else of any hue."""
    draw = rng.random()
    if draw < 0.22:
        hsv = (rng.random(), rng.uniform(0, 0.5), rng.uniform(0.03, 0.28))
    elif draw < 0.44:
        hsv = (rng.random(), rng.uniform(0, 0.1), rng.uniform(0.7, 1))
    elif draw < 0.64:
        hsv = (rng.uniform(-0.1, 0.17) % 1.0, rng.uniform(0.5, 1), rng.uniform(0.4, 1))
    else:
        hsv = (rng.random(), rng.random() ** 1.3, rng.uniform(0.15, 1))
    return "#" + "".join(f"{round(255 * c):02x}" for c in colorsys.hsv_to_rgb(*hsv))


def colour_of(colour: str) -> np.ndarray:
    return np.array([int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)], np.float32)


def paint(rgba: np.ndarray, nir: np.ndarray, cover: np.ndarray, colour: np.ndarray) -> None:
    rgba[..., :3] += cover[..., None] * (colour - rgba[..., :3])
    luma = (np.broadcast_to(colour, rgba[..., :3].shape) @ np.array([0.3, 0.59, 0.11])).astype(np.float32)
    nir += 0.7 * cover * (luma**2.2 - nir)


def figures(rng: np.random.Generator, rgba: np.ndarray, nir: np.ndarray) -> None:
    """Large figures: blobs, patches, drawings of a few strokes."""
    for _ in range(int(rng.integers(1, 7))):
        centre = np.array([rng.uniform(60, 195), rng.uniform(90, 215)])
        turns = np.sort(rng.uniform(0, 2 * np.pi, int(rng.integers(4, 12))))
        reach = rng.uniform(6, 40) * rng.uniform(0.4, 1, len(turns))
        corners = centre + np.stack([np.cos(turns), np.sin(turns)], 1) * reach[:, None]
        cover = np.zeros((256, 256), np.uint8)
        if rng.random() < 0.6:
            cv2.fillPoly(cover, [np.rint(corners).astype(np.int32)], 255, cv2.LINE_AA)
        else:
            cv2.polylines(cover, [np.rint(corners).astype(np.int32)], True, 255, int(rng.integers(1, 6)), cv2.LINE_AA)
        paint(rgba, nir, cover.astype(np.float32) / 255, colour_of(any_colour(rng)))


def words(rng: np.random.Generator, rgba: np.ndarray, nir: np.ndarray) -> None:
    letters = "".join(chr(int(c)) for c in rng.integers(65, 91, int(rng.integers(2, 9))))
    cover = np.zeros((256, 256), np.uint8)
    size, thick = float(rng.uniform(0.35, 1.6)), int(rng.integers(1, 5))
    place = (int(rng.uniform(50, 140)), int(rng.uniform(115, 190)))
    cv2.putText(cover, letters, place, int(rng.integers(0, 8)), size, 255, thick, cv2.LINE_AA)
    paint(rgba, nir, cover.astype(np.float32) / 255, colour_of(any_colour(rng)))


def looped(rng: np.random.Generator, rgba: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Masks cut with their ear loops from one cloth: draws the loops into `rgba`; gives it as it was, less the hole."""
    x, middle = np.abs(u - 127.5), rng.uniform(118, 142)
    front, high = rng.uniform(78, 98), rng.uniform(12, 24)
    hole = ((x - front - high) / high) ** 2 + ((v - middle) / high) ** 2
    band = rng.uniform(4, 14)
    loop = np.clip((1 + band / high - np.sqrt(hole)) * high, 0, 1) * (x > front - 6)
    out = np.clip((np.sqrt(hole) - 1) * high + 0.5, 0, 1)
    whole = np.maximum(rgba[..., 3], loop.astype(np.float32)) * out.astype(np.float32)
    counted = rgba.copy()
    counted[..., 3] = np.maximum(rgba[..., 3], whole * (x < front)) * out * np.clip(front + 0.45 * high - x, 0, 1)
    rgba[..., 3] = whole
    return counted


class Studio:
    """Dresses hosts; one composer for each way of drawing. With `necks`, some have long necks and creased fingers."""

    def __init__(self, necks: bool = False) -> None:
        self.necks = necks
        self.composers = [
            Composer(ComposeConfig()),
            Composer(ComposeConfig(shadow=0.15)),
            Composer(ComposeConfig(light=False, shadow=0.2)),
            Composer(ComposeConfig(light=False, shadow=0.0, grain=False)),
        ]

    def sample(self, rng: np.random.Generator, host: Host, worn: Garment | None) -> tuple[np.ndarray, ...]:
        """(P, P, 3) uint8 picture, (P, P) uint8 label, (P, P, 4) uint8 of the mesh: u, v, on the face, in the photo."""
        nir = bool(rng.random() < 0.25)
        crop = host.crop
        if nir:
            mix = rng.dirichlet([3.0, 3.0, 1.0]).astype(np.float32)
            grey = (crop.astype(np.float32) @ mix / 255) ** rng.uniform(0.7, 1.2) * rng.uniform(0.9, 1.5)
            crop = np.rint(np.clip(grey, 0, 1) * 255).astype(np.uint8)
        side = POOL_SIDE
        label, drawn = np.zeros((side, side), np.float32), np.zeros((side, side), np.float32)
        if host.mask is not None and worn is not None and rng.random() < 0.8:
            cloth = worn.worn.rgba[..., :3] if not nir else np.repeat(worn.worn.rgba[..., :3].mean(2)[..., None], 3, 2)
            crop = dyed(rng, crop, host.mask, cloth, host.skin)
            worn = None
        if worn is not None:
            composer = self.composers[int(rng.choice(4, p=[0.45, 0.2, 0.25, 0.1]))]
            composer.look(crop, host.face.position_map, "nir" if nir else "vis", frame=host.matrix)
            image, alpha = crop.copy(), np.zeros((side, side), np.uint8)
            composer.wear(worn.worn, image, alpha, np.zeros((side, side), bool))
            crop, drawn = image, alpha.astype(np.float32) / 255
            label = drawn.copy()
            if worn.counted is not None:
                spare, counted = crop.copy(), np.zeros((side, side), np.uint8)
                composer.wear(worn.counted, spare, counted, np.zeros((side, side), bool))
                label = np.minimum(label, counted.astype(np.float32) / 255)
        rgb = (crop if crop.ndim == 3 else np.repeat(crop[..., None], 3, 2)).astype(np.float32) / 255
        if host.mask is not None:
            label = np.maximum(label, host.mask)
            drawn = np.maximum(drawn, host.mask)
        colour = np.median(rgb[label > 0.9], axis=0) if (label > 0.9).any() else rng.random(3)
        if label.any():
            if host.mask is None or rng.random() < 0.5:
                relit(rng, rgb, drawn)
            if worn is not None and host.mask is None and worn.counted is None and rng.random() < 0.6:
                straps(rng, rgb, label, host, colour)
        elif rng.random() < 0.4:
            relit(rng, rgb, np.ones_like(label))
        skin = host.skin if rng.random() < 0.7 else np.array(SKINS[int(rng.integers(len(SKINS)))])
        if rng.random() < 0.4:
            behind(rng, rgb, label, host, colour)
        if self.necks and rng.random() < 0.2:
            neck(rng, rgb, label, host, skin)
        if rng.random() < 0.10:
            collar(rng, rgb, label, colour)
        if rng.random() < 0.3:
            hand(rng, rgb, label, skin, creased=self.necks)
        if rng.random() < 0.16:
            hair(rng, rgb, label)
        if rng.random() < 0.15:
            glasses(rng, rgb, label, host)
        if rng.random() < 0.06:
            thing(rng, rgb, label)
        if nir:
            rgb = np.repeat(rgb.mean(axis=2, keepdims=True), 3, 2)
        seen = host.seen
        mesh = np.dstack(
            [np.clip(seen.u, 0, 255), np.clip(seen.v, 0, 255), seen.on_face * 255.0, seen.in_photo * 255.0]
        )
        return _bytes(rgb), _bytes(label), np.rint(mesh).astype(np.uint8)


def _bytes(field: np.ndarray) -> np.ndarray:
    return np.rint(np.clip(field, 0, 1) * 255).astype(np.uint8)


def dyed(
    rng: np.random.Generator, crop: np.ndarray, mask: np.ndarray, cloth: np.ndarray, skin: np.ndarray
) -> np.ndarray:
    """The picture with its mask (P, P) in another cloth (S, S, 3): its own folds and shading, its own cut.

    One cloth in four is about as bright as the skin, or of its very colour: in grey nothing else is seen of it.
    """
    if rng.random() < 0.25:
        tone = skin if rng.random() < 0.3 else np.full(3, skin @ np.array([0.299, 0.587, 0.114]))
        tone = np.clip(tone * rng.uniform(0.85, 1.3) + rng.normal(0, 0.02, 3), 0, 1).astype(np.float32)
        cloth = tone + np.float32(rng.uniform(0, 0.4)) * (cloth - cloth.mean(axis=(0, 1)))
    rgb = (crop if crop.ndim == 3 else np.repeat(crop[..., None], 3, 2)).astype(np.float32) / 255
    side = len(mask)
    zoom, turn = rng.uniform(0.5, 1.4), rng.normal(0, 0.4)
    linear = zoom * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    rows, columns = np.nonzero(mask > 0.5)
    middle = np.array([columns.mean(), rows.mean()]) if len(rows) else np.full(2, side / 2)
    target = np.array([rng.uniform(90, 165), rng.uniform(120, 180)])
    matrix = np.concatenate([linear, (target - linear @ middle)[:, None]], axis=1)
    cloth = cv2.warpAffine(
        cloth, matrix, (side, side), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REFLECT_101
    )
    light = rgb.mean(axis=2)
    level = max(float(np.median(light[mask > 0.9])) if (mask > 0.9).any() else 0.5, 0.1)
    shade = np.clip(light / level, 0.3, 1.8) ** rng.uniform(0.5, 1.3)
    strength = 1.0 if rng.random() < 0.4 else rng.uniform(0.1, 0.9)
    edge = mask if rng.random() < 0.5 else cv2.dilate(mask, np.ones((3, 3), np.uint8))
    out = rgb + (strength * edge)[..., None] * (cloth * shade[..., None] - rgb)
    out = _bytes(out)
    return out if crop.ndim == 3 else out.mean(axis=2).astype(np.uint8)


def smooth(rng: np.random.Generator, side: int, cells: int) -> np.ndarray:
    """(side, side) noise of about unit size, `cells` hills across."""
    field = cv2.resize(
        rng.standard_normal((cells, cells)).astype(np.float32), (side, side), interpolation=cv2.INTER_CUBIC
    )
    return np.asarray(field, np.float32)


def relit(rng: np.random.Generator, rgb: np.ndarray, drawn: np.ndarray) -> None:
    """Light that the compositor does not know: uneven, with highlights, folds, cast shadows, burnt out or flat."""
    side = len(drawn)
    y, x = np.mgrid[:side, :side].astype(np.float32) / side - 0.5
    shade = np.ones_like(drawn)
    if rng.random() < 0.6:
        shade *= np.exp(rng.uniform(0.03, 0.2) * smooth(rng, side, int(rng.integers(3, 9))))
    if rng.random() < 0.5:
        angle = rng.uniform(0, 2 * np.pi)
        shade *= np.exp(rng.uniform(0, 1.2) * (x * np.cos(angle) + y * np.sin(angle)))
    for _ in range(int(rng.integers(0, 9)) if rng.random() < 0.45 else 0):
        start = np.array([rng.uniform(0.2, 0.8), rng.uniform(0.4, 0.85)]) * side
        angle = rng.normal(0, 0.5) + (np.pi / 2 if rng.random() < 0.25 else 0)
        reach = rng.uniform(0.05, 0.3) * side * np.array([np.cos(angle), np.sin(angle)])
        sag = rng.normal(0, 0.06) * side * np.array([-np.sin(angle), np.cos(angle)])
        line = line_cover(side, np.array([start - reach, start + sag, start + reach]), rng.uniform(1, 4))
        soft = float(rng.uniform(0.6, 3))
        line = cv2.GaussianBlur(line, (0, 0), soft)
        shade *= 1 + rng.uniform(-0.35, 0.25) * line * min(1.0 + 0.4 * soft, 2.0)
    weight = drawn[..., None]
    rgb *= 1 + weight * (shade[..., None] - 1)
    if rng.random() < 0.2:
        centre = np.array([rng.uniform(-0.25, 0.25), rng.uniform(-0.1, 0.3)])
        wide, tall = rng.uniform(0.02, 0.15, 2)
        spot = np.exp(-(((x - centre[0]) / wide) ** 2) - ((y - centre[1]) / tall) ** 2)
        rgb += weight * rng.uniform(0.1, 0.6) * spot[..., None]
    if rng.random() < 0.12:
        rgb *= 1 + weight * rng.uniform(0.1, 0.8)
    if rng.random() < 0.08:
        flat = rgb[drawn > 0.9].mean(axis=0) if (drawn > 0.9).any() else rgb.mean(axis=(0, 1))
        rgb += weight * rng.uniform(0.5, 0.95) * (flat - rgb)
    np.clip(rgb, 0, 1, out=rgb)


def lay(rgb: np.ndarray, label: np.ndarray, cover: np.ndarray, colour: np.ndarray) -> None:
    """Something opaque over the picture that is no mask."""
    rgb += cover[..., None] * (colour - rgb)
    label *= 1 - cover


def line_cover(side: int, points: np.ndarray, width: float) -> np.ndarray:
    canvas = np.zeros((side * 2, side * 2), np.uint8)
    corners = np.rint((points * 2 + 0.5) * 16).astype(np.int32)
    cv2.polylines(canvas, [corners], False, 255, max(1, round(width * 2)), cv2.LINE_AA, 4)
    return cv2.resize(canvas, (side, side), interpolation=cv2.INTER_AREA).astype(np.float32) / 255


def straps(rng: np.random.Generator, rgb: np.ndarray, label: np.ndarray, host: Host, colour: np.ndarray) -> None:
    """Loops from the sides of the mask to the ears: seen, but not mask."""
    worn = label > 0.5
    if worn.sum() < 100:
        return
    rows = np.nonzero(worn.any(axis=1))[0]
    colour = colour if rng.random() < 0.4 else np.full(3, rng.choice([0.95, 0.85, 0.1]))
    width = rng.uniform(0.8, 3.5)
    cover = np.zeros_like(label)
    for ear_u in (8, 247):
        for share, ear_v in ((0.12, 78), (0.6, 118)):
            row = rows[int(share * (len(rows) - 1))]
            columns = np.nonzero(worn[row])[0]
            if not len(columns):
                continue
            x = columns[0] if ear_u < 128 else columns[-1]
            ear = host.matrix @ np.append(host.face.position_map.positions[ear_v, ear_u, :2], 1.0)
            middle = (np.array([x, row]) + ear) / 2 + rng.normal(0, 2.5, 2)
            cover = np.maximum(cover, line_cover(len(label), np.array([[x, row], middle, ear]), width))
    cover *= 1 - label
    rgb += cover[..., None] * (np.clip(colour * rng.uniform(0.8, 1.1), 0, 1) - rgb)


def behind(rng: np.random.Generator, rgb: np.ndarray, label: np.ndarray, host: Host, colour: np.ndarray) -> None:
    """Neck, clothes, background, of nearly the mask's colour, the skin's or any, up to the jaw or from farther down."""
    side, seen = len(label), host.seen
    y, x = np.mgrid[:side, :side].astype(np.float32) / side
    off = np.clip((seen.from_face - 0.01) / 0.03, 0, 1)
    if rng.random() < 0.5:
        off = np.maximum(off, np.clip((seen.v - 232) / 8, 0, 1) * (y > 0.5))
    below = np.clip((y - rng.uniform(-0.2, 0.85)) / rng.uniform(0.01, 0.2), 0, 1)
    draw = rng.random()
    if draw < 0.35:
        tint = np.clip(colour * rng.uniform(0.6, 1.4) + rng.normal(0, 0.06, 3), 0, 1)
    elif draw < 0.7:
        tint = np.clip(host.skin * rng.uniform(0.45, 1.15) + rng.normal(0, 0.02, 3), 0, 1)
    else:
        tint = colour_of(any_colour(rng))
    wave = np.ones_like(x)
    if rng.random() < 0.3:
        wave += 0.12 * np.sin(x * rng.uniform(5, 60) + y * rng.uniform(5, 60) + rng.uniform(0, 6))
    wave *= np.exp(rng.uniform(0, 0.25) * smooth(rng, side, int(rng.integers(3, 9))))
    cover = (off * below * (1 - label)).astype(np.float32) * rng.uniform(0.8, 1.0)
    rgb += cover[..., None] * (np.clip(tint * wave[..., None], 0, 1).astype(np.float32) - rgb)


def neck(rng: np.random.Generator, rgb: np.ndarray, label: np.ndarray, host: Host, skin: np.ndarray) -> None:
    """A long neck of the skin's colour, brighter or darker than the face, in the shadow of the jaw or not."""
    side, seen = len(label), host.seen
    y, x = np.mgrid[:side, :side].astype(np.float32)
    on_jaw = seen.on_face & (seen.v > 200)
    columns = np.nonzero(on_jaw.any(axis=0))[0]
    if not len(columns) or np.nonzero(on_jaw)[0].min() > 0.9 * side:
        return
    middle, half = columns.mean() + rng.normal(0, 0.03) * side, 0.5 * np.ptp(columns) * rng.uniform(0.6, 1.0)
    top = np.nonzero(on_jaw)[0].min()
    across = (x - middle - rng.normal(0, 0.1) * (y - top)) / (half * (1 + rng.normal(0.05, 0.15) * (y - top) / side))
    off = np.clip((seen.from_face - 0.01) / 0.03, 0, 1) if rng.random() < 0.6 else np.clip((seen.v - 232) / 8, 0, 1)
    cover = np.clip((1 - np.abs(across)) * half / 2, 0, 1) * np.clip((y - top) / 2, 0, 1) * off * (1 - label)
    shade = rng.uniform(0.55, 1.3) * (1 - rng.uniform(0, 0.35) * across**2 + rng.normal(0, 0.15) * across)
    shade *= np.exp(rng.uniform(0.01, 0.1) * smooth(rng, side, int(rng.integers(3, 8))))
    if rng.random() < 0.6:  # the jaw's shadow
        below = cv2.distanceTransform((label < 0.5).astype(np.uint8) & (~seen.on_face), cv2.DIST_L2, 5) / side
        shade *= 1 - rng.uniform(0.1, 0.6) * np.exp(-below / rng.uniform(0.01, 0.15))
    tint = np.clip(skin * np.clip(shade, 0, None)[..., None], 0, 1).astype(np.float32)
    rgb += cover[..., None].astype(np.float32) * (tint - rgb)


def collar(rng: np.random.Generator, rgb: np.ndarray, label: np.ndarray, colour: np.ndarray) -> None:
    """A collar, a scarf or a shoulder over the chin."""
    side = len(label)
    y, x = np.mgrid[:side, :side].astype(np.float32) / side
    edge = rng.uniform(0.68, 0.9) + rng.normal(0, 0.25) * (x - 0.5) + rng.normal(0.4, 0.6) * (x - 0.5) ** 2
    cover = np.clip((y - edge) * side + 0.5, 0, 1)
    tint = colour_of(any_colour(rng)) if rng.random() < 0.7 else np.clip(colour * rng.uniform(0.6, 1.3), 0, 1)
    folds = np.exp(rng.uniform(0, 0.3) * smooth(rng, side, int(rng.integers(4, 14))))
    rgb *= (1 - 0.4 * np.clip(cv2.GaussianBlur(cover, (0, 0), 3) - cover, 0, 1))[..., None]
    lay(rgb, label, cover, np.clip(tint * folds[..., None], 0, 1).astype(np.float32))


def hand(rng: np.random.Generator, rgb: np.ndarray, label: np.ndarray, skin: np.ndarray, creased: bool = False) -> None:
    """Fingers side by side and the back of the hand, from below or from a side; `creased` ones vary more in light."""
    side = len(label)
    angle = rng.uniform(-0.2, np.pi + 0.2)  # from the right, below, the left
    direction = np.array([np.cos(angle), np.sin(angle)])
    across = np.array([-direction[1], direction[0]])
    tip = np.array([rng.uniform(0.25, 0.75), rng.uniform(0.45, 0.85)]) * side
    width = rng.uniform(*((0.04, 0.09) if creased else (0.045, 0.085))) * side
    count = int(rng.integers(1, 5))
    y, x = np.mgrid[:side, :side]
    gain = rng.uniform(*((0.55, 1.2) if creased else (0.75, 1.15))) * np.exp(
        rng.uniform(0.02, 0.15) * smooth(rng, side, int(rng.integers(6, 16)))
    )
    if count > 1 and rng.random() < 0.6:  # the back of the hand
        middle = tip + across * width * count / 2 + direction * side * rng.uniform(0.3, 0.45)
        palm = np.zeros((side, side), np.uint8)
        axes = (int(0.32 * side), int(width * count * 0.55))
        cv2.ellipse(palm, (int(middle[0]), int(middle[1])), axes, np.degrees(angle), 0, 360, 255, -1, cv2.LINE_AA)
        tint = np.clip(skin * (gain * np.exp(0.08 * smooth(rng, side, 5)))[..., None], 0, 1)
        lay(rgb, label, palm.astype(np.float32) / 255, tint.astype(np.float32))
    spread = rng.normal(0, 0.06)
    for k in range(count):
        start = tip + across * width * 0.95 * k + direction * rng.uniform(0, 0.10) * side
        bend = start + direction * side * 0.2 + across * (rng.normal(0, 0.02) + spread * (k - 1.5)) * side
        end = bend + direction * side * 0.7 + across * rng.normal(0, 0.05) * side
        cover = line_cover(side, np.array([start, bend, end]), width)
        reach = ((x - start[0]) * across[0] + (y - start[1]) * across[1]) / width
        if creased:
            shade = np.clip(1.04 - rng.uniform(0.2, 0.9) * reach**2 + rng.normal(0, 0.25) * reach, 0.5, 1.15)
            along = ((x - start[0]) * direction[0] + (y - start[1]) * direction[1]) / width
            for joint in rng.uniform(0.5, 3.5, int(rng.integers(0, 3))):
                shade = shade * (1 - rng.uniform(0.05, 0.25) * np.exp(-(((along - joint) / 0.12) ** 2)))
            shade = shade * rng.uniform(0.9, 1.1) * gain
        else:
            shade = np.clip(1.04 - 0.35 * reach**2, 0.6, 1.1) * rng.uniform(0.93, 1.07) * gain
        edge = np.clip(cv2.GaussianBlur(cover, (0, 0), 2.0) - cover, 0, 1)
        rgb *= (1 - 0.5 * edge)[..., None]
        lay(rgb, label, cover, np.clip(skin * shade[..., None], 0, 1).astype(np.float32))


def hair(rng: np.random.Generator, rgb: np.ndarray, label: np.ndarray) -> None:
    side = len(label)
    colour = np.clip(np.array([0.12, 0.09, 0.07]) * rng.uniform(0.3, 5) + rng.normal(0, 0.02, 3), 0, 1)
    left = rng.random() < 0.5
    for _ in range(int(rng.integers(1, 10))):
        x = rng.uniform(0.05, 0.45) * side
        x = x if left else side - x
        steps = np.linspace(0, 1, 8)
        way = np.stack(
            [x + side * (rng.normal(0, 0.12) * steps + rng.normal(0, 0.1) * steps**2), steps * side * 1.1], 1
        )
        thick = rng.uniform(6, 20) if rng.random() < 0.2 else rng.uniform(0.5, 1.8)
        lay(rgb, label, line_cover(side, way, thick), (colour * rng.uniform(0.8, 1.3)).clip(0, 1).astype(np.float32))


def glasses(rng: np.random.Generator, rgb: np.ndarray, label: np.ndarray, host: Host) -> None:
    side = len(label)
    colour = np.array(rng.choice([0.05, 0.15, 0.6]) * np.ones(3), np.float32)
    scale = side / POOL_WIDTH
    turn = np.linspace(0, 2 * np.pi, 24)
    eyes = (slice(36, 42), slice(42, 48))
    centres = [host.matrix @ np.append(host.face.landmarks68[k, :2].mean(0), 1.0) for k in eyes]
    low, tall = rng.uniform(0, 0.08) * scale, rng.uniform(0.17, 0.25)
    for centre in centres:
        ring = centre + np.stack([0.27 * np.cos(turn), tall * np.sin(turn)], 1) * scale + np.array([0, low])
        lay(rgb, label, line_cover(side, ring, rng.uniform(1, 3)), colour)


def thing(rng: np.random.Generator, rgb: np.ndarray, label: np.ndarray) -> None:
    """A microphone, a cup, a telephone: something that comes into the picture from below or a side."""
    side = len(label)
    angle = rng.uniform(0, np.pi)
    tip = np.array([rng.uniform(0.3, 0.7), rng.uniform(0.55, 0.8)]) * side
    end = tip + np.array([np.cos(angle), np.sin(angle)]) * side
    cover = line_cover(side, np.stack([tip, end]), rng.uniform(0.05, 0.2) * side)
    tint = colour_of(any_colour(rng)) * np.exp(0.15 * smooth(rng, side, 6))[..., None]
    lay(rgb, label, cover, np.clip(tint, 0, 1).astype(np.float32))


def make_pool(
    count: int,
    hosts: list[Host],
    real: int,
    masks: list[Garment],
    seed: int,
    masked: list[Host],
    necks: bool = False,
) -> tuple[np.ndarray, ...]:
    """`count` samples: (N, P, P, 3) pictures, (N, P, P) labels and (N, P, P, 4) meshes, uint8, and (N,) float32 whether
    a mask is worn and (N,) int16 which of the outlined photos is the host, -1 for none of them.

    `MASKED_SHARE` of all are on the outlined photos' people, `masked`, where there are any. Of the others three in four
    are on the first `real` hosts, photos of people without masks, the rest on generated ones, who may wear one already.
    """
    side = POOL_SIDE
    pictures, labels = np.zeros((count, side, side, 3), np.uint8), np.zeros((count, side, side), np.uint8)
    meshes, wearing = np.zeros((count, side, side, 4), np.uint8), np.zeros(count, np.float32)
    photos = np.full(count, -1, np.int16)
    studio = Studio(necks)
    for k in range(count):
        rng = rng_for(seed, "sample", k)
        if masked and rng.random() < MASKED_SHARE:
            host = masked[int(rng.integers(len(masked)))]
        elif rng.random() < 0.75 or real == len(hosts):
            host = hosts[int(rng.integers(real))]
        else:
            host = hosts[int(rng.integers(real, len(hosts)))]
        worn = None if rng.random() < BARE_SHARE else masks[int(rng.integers(len(masks)))]
        pictures[k], labels[k], meshes[k] = studio.sample(rng, host, worn)
        wearing[k], photos[k] = worn is not None or host.mask is not None, host.photo
        if k % 1000 == 999:
            print(f"{k + 1} samples", flush=True)
    return pictures, labels, meshes, wearing, photos


NAMES = ("pictures", "labels", "meshes", "masked", "photos")


def load_pool(folder: Path) -> tuple[np.ndarray, ...]:
    return tuple(np.load(folder / f"{name}.npy", mmap_mode="r") for name in NAMES)


def save_pool(folder: Path, pool: tuple[np.ndarray, ...]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in zip(NAMES, pool, strict=True):
        np.save(folder / f"{name}.npy", array)
