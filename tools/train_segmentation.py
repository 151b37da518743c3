"""Train the segmentation network: python tools/train_segmentation.py PHOTOS... --out assets/segmentation.safetensors

PHOTOS are folders of people without masks, who serve as hosts beside generated faces. Each sample is a host that wears
a generated mask, drawn by the compositor into the square of masksynth.segment.frame, with what makes real photos hard
laid over it: hands, hair, glasses, straps, shadows, backgrounds of the mask's colour, frames that cut the mask off,
poor cameras. One sample in six wears none. The samples come from --seed alone; how far training gets depends on
--minutes and the processor. The file holds nothing but the weights.
"""

from __future__ import annotations

import argparse
import colorsys
import dataclasses
import time
from pathlib import Path

import cv2
import numpy as np
import torch
from safetensors.numpy import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from masksynth.arrays import Pose, Reconstruction
from masksynth.compose import ComposeConfig, Composer
from masksynth.datasets.generated import draw_view, identity, render_face
from masksynth.detect import load_detector
from masksynth.photos import read_photo
from masksynth.reconstruct import find_faces, load_reconstructor
from masksynth.seeds import rng_for
from masksynth.segment.frame import crop_matrix, face_frame
from masksynth.segment.grabcut import bare_of
from masksynth.segment.network import SIDE, network_input
from masksynth.template import Template
from masksynth.template.design import vary
from masksynth.template.generator import generate

CHANNELS = (16, 32, 64, 96)
BARE_SHARE = 1 / 6


class Block(nn.Sequential):
    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs, momentum=0.05), nn.ReLU()
        )


class SegmentationNet(nn.Module):
    """A small U-Net; masksynth/segment/network.py runs the same with its norms folded in."""

    def __init__(self) -> None:
        super().__init__()
        a, b, c, d = CHANNELS
        self.stem, self.e1 = Block(5, a, 2), Block(a, a)
        self.d2, self.e2 = Block(a, b, 2), Block(b, b)
        self.d3, self.e3 = Block(b, c, 2), Block(c, c)
        self.d4, self.e4, self.m4 = Block(c, d, 2), Block(d, d), Block(d, d)
        self.u3, self.u2, self.u1 = Block(d + c, c), Block(c + b, b), Block(b + a, a)
        self.last, self.out = Block(a + 5, 16), nn.Conv2d(16, 1, 3, 1, 1)
        self.score = nn.Linear(d, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        e1 = self.e1(self.stem(x))
        e2 = self.e2(self.d2(e1))
        e3 = self.e3(self.d3(e2))
        e4 = self.m4(self.e4(self.d4(e3)))
        score = self.score(e4.mean((2, 3)))[:, 0]
        y = self.u3(torch.cat([_up(e4), e3], 1))
        y = self.u2(torch.cat([_up(y), e2], 1))
        y = self.u1(torch.cat([_up(y), e1], 1))
        return self.out(self.last(torch.cat([_up(y), x], 1)))[:, 0], score


def _up(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2, mode="nearest")


@dataclasses.dataclass(frozen=True)
class Host:
    rgb: np.ndarray
    face: Reconstruction


def hosts(folders: list[Path], generated: int, seed: int) -> list[Host]:
    detector, reconstructor = load_detector(), load_reconstructor()
    pictures = [
        read_photo(path).rgb
        for folder in folders
        for path in sorted(folder.iterdir())
        if path.suffix.lower() in (".jpg", ".jpeg", ".png")
    ]
    for k in range(generated):
        rng = rng_for(seed, "host", k)
        spectrum = "nir" if k % 3 == 0 else "vis"
        view = draw_view(rng, spectrum, yaw=50.0, pitch=18.0, roll=12.0)
        pixels = render_face(identity(seed, 5000 + k), view, spectrum, (360, 360)).pixels
        pictures.append(pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, 2))
    found = []
    for rgb in pictures:
        faces, _ = find_faces(rgb, detector, reconstructor)
        found += [Host(rgb, face) for face in faces[:2] if face.interocular > 25]
    return found


def wardrobe(count: int, seed: int) -> list[Template]:
    """Generated masks of every kind, half of them in colours of the whole gamut."""
    masks = []
    for k in range(count):
        rng = rng_for(seed, "mask", k)
        design = vary(seed, "segmentation", k)
        if rng.random() < 0.5:
            colours = []
            for _ in range(2):
                rgb = colorsys.hsv_to_rgb(rng.random(), rng.random() ** 1.5, rng.uniform(0.05, 1))
                colours.append("#" + "".join(f"{round(255 * c):02x}" for c in rgb))
            design = dataclasses.replace(design, colour=colours[0], second=colours[1])
        width = float(rng.uniform(0.85, 1.2))
        masks.append(generate(dataclasses.replace(design, size=256, width=width)))
    return masks


def sample(rng: np.random.Generator, host: Host, mask: Template | None, composer: Composer) -> tuple[np.ndarray, ...]:
    """(side, side, 5) uint8 input, (side, side) uint8 label, (side, side) uint8 where the label counts."""
    side = SIDE
    nir = bool(rng.random() < 0.25)
    guess = shaken(rng, host.face)  # the mesh sits less well on a masked face than it does on the bare host
    matrix = crop_matrix(guess, side)
    photo = host.rgb
    scale = float(np.hypot(*matrix[:, 0]))
    if scale < 0.7:
        photo = cv2.GaussianBlur(photo, (0, 0), 0.4 / scale)
    crop = cv2.warpAffine(photo, matrix, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    if nir:
        crop = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)
    label = np.zeros((side, side), np.float32)
    if mask is not None:
        composer.look(crop, host.face.position_map, "nir" if nir else "vis", frame=matrix)
        image, alpha = crop.copy(), np.zeros((side, side), np.uint8)
        composer.wear(mask, image, alpha, np.zeros((side, side), bool))
        crop, label = image, alpha.astype(np.float32) / 255
    rgb = (crop if crop.ndim == 3 else np.repeat(crop[..., None], 3, 2)).astype(np.float32) / 255
    if rng.random() < 0.6:
        rgb, label = bent(rng, rgb, label)
    seen = face_frame(host.rgb, guess, side)
    skin = rgb[bare_of(seen)] if bare_of(seen).sum() > 20 else rgb.reshape(-1, 3)
    skin = np.median(skin, axis=0)
    colour = np.median(rgb[label > 0.9], axis=0) if (label > 0.9).any() else rng.random(3)

    if mask is not None and rng.random() < 0.5:
        straps(rng, rgb, label, host.face, matrix, colour)
    if rng.random() < 0.30:
        behind(rng, rgb, label, seen, colour)
    if rng.random() < 0.18:
        hand(rng, rgb, label, skin)
    if rng.random() < 0.2:
        hair(rng, rgb, label)
    if rng.random() < 0.2:
        glasses(rng, rgb, label, host.face, matrix)
    if rng.random() < 0.3:
        shadow(rng, rgb)
    valid = frame_cut(rng, rgb) * seen.in_photo
    rgb = camera(rng, rgb)
    if nir:
        rgb = np.repeat(rgb.mean(axis=2, keepdims=True), 3, 2)
    planes = network_input(np.rint(rgb * 255).astype(np.uint8), seen.u, seen.v, seen.on_face, valid > 0)
    return planes, np.rint(label * 255).astype(np.uint8), (valid * 255).astype(np.uint8)


def shaken(rng: np.random.Generator, face: Reconstruction) -> Reconstruction:
    """The face as a less lucky reconstruction would have it: moved, turned and scaled a little."""
    between = face.interocular
    turn = np.radians(rng.normal(0, 4))
    scale = float(np.exp(rng.normal(0, 0.06)))
    middle = face.landmarks68[[36, 45], :2].mean(0) + np.array([0, 0.5 * between])
    linear = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    offset = middle - linear @ middle + rng.normal(0, 0.035, 2) * between
    matrix = np.concatenate([linear, offset[:, None]], axis=1)
    landmarks = face.landmarks68.astype(np.float64).copy()
    landmarks[:, :2] = landmarks[:, :2] @ linear.T + offset
    landmarks[:, 2] *= scale
    return dataclasses.replace(
        face,
        position_map=face.position_map.moved(matrix),
        landmarks68=landmarks.astype(np.float32),
        pose=Pose(face.pose.yaw, face.pose.pitch, face.pose.roll + turn),
    )


def bent(rng: np.random.Generator, rgb: np.ndarray, label: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Face and mask pulled about smoothly: masks stand off, sag and reach farther than any outline drawn by rule."""
    side = len(label)
    y, x = np.mgrid[:side, :side].astype(np.float32)
    pull = [cv2.GaussianBlur(rng.standard_normal((side, side)).astype(np.float32), (0, 0), s) for s in (14, 14)]
    strength = rng.uniform(1.0, 4.5)
    dx, dy = (strength * field / max(float(field.std()), 1e-9) for field in pull)
    if (label > 0.5).sum() > 200:  # wider or narrower about its middle, most at its own height
        rows, columns = np.nonzero(label > 0.5)
        near = np.exp(-(((y - rows.mean()) / (0.8 * np.ptp(rows) + 1)) ** 2))
        dx = dx + (x - columns.mean()) * near * rng.normal(0, 0.07)
    from_x, from_y = np.float32(x + dx), np.float32(y + dy)
    rgb = cv2.remap(rgb, from_x, from_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    label = cv2.remap(label, from_x, from_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return rgb, label


def lay(rgb: np.ndarray, label: np.ndarray, cover: np.ndarray, colour: np.ndarray) -> None:
    """Something opaque over the picture that is no mask."""
    rgb += cover[..., None] * (colour - rgb)
    label *= 1 - cover


def line_cover(side: int, points: np.ndarray, width: float) -> np.ndarray:
    canvas = np.zeros((side * 4, side * 4), np.uint8)
    corners = np.rint((points * 4 + 1.5) * 16).astype(np.int32)
    cv2.polylines(canvas, [corners], False, 255, max(1, round(width * 4)), cv2.LINE_8, 4)
    return cv2.resize(canvas, (side, side), interpolation=cv2.INTER_AREA).astype(np.float32) / 255


def straps(
    rng: np.random.Generator, rgb: np.ndarray, label: np.ndarray, face: Reconstruction, matrix: np.ndarray, colour
) -> None:
    """Loops from the sides of the mask to the ears: seen, but not mask."""
    worn = label > 0.5
    if worn.sum() < 100:
        return
    rows = np.nonzero(worn.any(axis=1))[0]
    colour = colour if rng.random() < 0.4 else np.full(3, rng.choice([0.95, 0.85, 0.1]))
    width = rng.uniform(0.8, 3.0)
    cover = np.zeros_like(label)
    for ear_u in (8, 247):
        for share, ear_v in ((0.15, 78), (0.6, 118)):
            row = rows[int(share * (len(rows) - 1))]
            columns = np.nonzero(worn[row])[0]
            if not len(columns):
                continue
            x = columns[0] if ear_u < 128 else columns[-1]
            ear = matrix @ np.append(face.position_map.positions[ear_v, ear_u, :2], 1.0)
            middle = (np.array([x, row]) + ear) / 2 + rng.normal(0, 2, 2)
            cover = np.maximum(cover, line_cover(len(label), np.array([[x, row], middle, ear]), width))
    cover *= label < 0.5
    rgb += cover[..., None] * (np.clip(colour * rng.uniform(0.8, 1.1), 0, 1) - rgb)


def behind(rng: np.random.Generator, rgb: np.ndarray, label: np.ndarray, seen, colour: np.ndarray) -> None:
    """Clothes and background of nearly the mask's colour, up to the jaw."""
    side = len(label)
    y, x = np.mgrid[:side, :side] / side
    off = np.clip((seen.from_face - 0.01) / 0.03, 0, 1)
    if rng.random() < 0.5:
        off = np.maximum(off, np.clip((seen.v - 232) / 8, 0, 1) * (y > 0.5))
    below = np.clip((y - rng.uniform(-0.2, 0.75)) / rng.uniform(0.02, 0.2), 0, 1)
    tint = np.clip(colour * rng.uniform(0.75, 1.25) + rng.normal(0, 0.04, 3), 0, 1)
    wave = 1 + 0.12 * np.sin(x * rng.uniform(5, 60) + y * rng.uniform(5, 60) + rng.uniform(0, 6))
    cover = (off * below * (1 - label)).astype(np.float32) * rng.uniform(0.8, 1.0)
    rgb += cover[..., None] * (np.clip(tint * wave[..., None], 0, 1).astype(np.float32) - rgb)


def hand(rng: np.random.Generator, rgb: np.ndarray, label: np.ndarray, skin: np.ndarray) -> None:
    """Fingers, side by side, from below or from a side."""
    side = len(label)
    angle = rng.uniform(-0.2, np.pi + 0.2)  # from the right, below, the left
    direction = np.array([np.cos(angle), np.sin(angle)])
    across = np.array([-direction[1], direction[0]])
    tip = np.array([rng.uniform(0.25, 0.75), rng.uniform(0.45, 0.85)]) * side
    width = rng.uniform(0.055, 0.085) * side
    y, x = np.mgrid[:side, :side]
    for k in range(int(rng.integers(1, 5))):
        start = tip + across * width * 0.95 * k + direction * rng.uniform(0, 0.08) * side
        bend = start + direction * side * 0.25 + across * rng.normal(0, 0.02) * side
        end = bend + direction * side * 0.8 + across * rng.normal(0, 0.05) * side
        cover = line_cover(side, np.array([start, bend, end]), width)
        reach = ((x - start[0]) * across[0] + (y - start[1]) * across[1]) / width
        shade = np.clip(1.04 - 0.35 * reach**2, 0.6, 1.1) * rng.uniform(0.9, 1.1)
        edge = np.clip(cv2.GaussianBlur(cover, (0, 0), 2.0) - cover, 0, 1)
        rgb *= (1 - 0.5 * edge)[..., None]
        lay(rgb, label, cover, np.clip(skin * shade[..., None], 0, 1).astype(np.float32))


def hair(rng: np.random.Generator, rgb: np.ndarray, label: np.ndarray) -> None:
    side = len(label)
    colour = np.clip(np.array([0.12, 0.09, 0.07]) * rng.uniform(0.3, 5) + rng.normal(0, 0.02, 3), 0, 1)
    left = rng.random() < 0.5
    for _ in range(int(rng.integers(1, 14))):
        x = rng.uniform(0.0, 0.45) * side
        x = x if left else side - x
        steps = np.linspace(0, 1, 8)
        way = np.stack(
            [x + side * (rng.normal(0, 0.12) * steps + rng.normal(0, 0.1) * steps**2), steps * side * 1.1], 1
        )
        thick = rng.uniform(6, 16) if rng.random() < 0.15 else rng.uniform(0.4, 1.5)
        lay(rgb, label, line_cover(side, way, thick), (colour * rng.uniform(0.8, 1.3)).clip(0, 1).astype(np.float32))


def glasses(rng: np.random.Generator, rgb: np.ndarray, label: np.ndarray, face: Reconstruction, matrix) -> None:
    side = len(label)
    colour = np.array(rng.choice([0.05, 0.15, 0.6]) * np.ones(3), np.float32)
    scale = side / 2.3
    turn = np.linspace(0, 2 * np.pi, 24)
    centres = [matrix @ np.append(face.landmarks68[k, :2].mean(0), 1.0) for k in (slice(36, 42), slice(42, 48))]
    low = rng.uniform(0, 0.08) * scale
    for centre in centres:
        ring = (
            centre
            + np.stack([0.27 * np.cos(turn), rng.uniform(0.17, 0.25) * np.sin(turn)], 1) * scale
            + np.array([0, low])
        )
        lay(rgb, label, line_cover(side, ring, rng.uniform(1, 3)), colour)


def shadow(rng: np.random.Generator, rgb: np.ndarray) -> None:
    side = len(rgb)
    y, x = (np.mgrid[:side, :side] - side / 2) / side
    angle = rng.uniform(0, 2 * np.pi)
    distance = x * np.cos(angle) + y * np.sin(angle) + rng.uniform(-0.3, 0.3)
    soft = rng.choice([0.01, 0.05, 0.4])
    rgb *= (1 - rng.uniform(0.1, 0.65) * np.clip(0.5 + distance / soft, 0, 1))[..., None].astype(np.float32)


def frame_cut(rng: np.random.Generator, rgb: np.ndarray) -> np.ndarray:
    """The photo ends within the square: its last pixels go on, as `face_frame` has it."""
    side = len(rgb)
    valid = np.ones((side, side), np.float32)
    if rng.random() < 0.45:
        left, right, top, bottom = 0, side, 0, side
        if rng.random() < 0.5:
            left = int(rng.uniform(0, 0.25) * side)
        if rng.random() < 0.5:
            right = side - int(rng.uniform(0, 0.25) * side)
        if rng.random() < 0.7:
            bottom = side - int(rng.uniform(0, 0.4) * side)
        turn = cv2.getRotationMatrix2D((side / 2, side / 2), float(rng.normal(0, 6)), 1.0)
        back = cv2.invertAffineTransform(turn)
        turned = cv2.warpAffine(rgb, turn, (side, side), borderMode=cv2.BORDER_REPLICATE)[top:bottom, left:right]
        turned = cv2.copyMakeBorder(turned, top, side - bottom, left, side - right, cv2.BORDER_REPLICATE)
        box = np.zeros((side, side), np.float32)
        box[top:bottom, left:right] = 1
        valid = cv2.warpAffine(box, back, (side, side), flags=cv2.INTER_NEAREST)
        outside = cv2.warpAffine(turned, back, (side, side), borderMode=cv2.BORDER_REPLICATE)
        rgb[valid < 0.5] = outside[valid < 0.5]
    return (valid > 0.5).astype(np.float32)


def camera(rng: np.random.Generator, rgb: np.ndarray) -> np.ndarray:
    """Colour cast, exposure, blur, low resolution, noise, JPEG."""
    rgb = np.clip(rgb, 0, 1)
    gamma = np.exp(rng.normal(0, 0.25))
    rgb = rgb**gamma * np.exp(rng.normal(0, 0.12)) * np.exp(rng.normal(0, 0.06, 3))
    side = len(rgb)
    if rng.random() < 0.35:
        low = int(side * rng.uniform(0.35, 0.9))
        rgb = cv2.resize(cv2.resize(rgb.astype(np.float32), (low, low), interpolation=cv2.INTER_AREA), (side, side))
    if rng.random() < 0.3:
        rgb = cv2.GaussianBlur(rgb.astype(np.float32), (0, 0), rng.uniform(0.4, 1.6))
    rgb = np.clip(rgb + rng.normal(0, rng.uniform(0, 0.025), rgb.shape), 0, 1)
    if rng.random() < 0.5:
        ok, data = cv2.imencode(".jpg", np.rint(rgb * 255).astype(np.uint8), [1, int(rng.integers(25, 90))])
        assert ok
        rgb = cv2.imdecode(data, cv2.IMREAD_COLOR).astype(np.float32) / 255
    return rgb.astype(np.float32)


def make_samples(count: int, people: list[Host], masks: list[Template], seed: int) -> tuple[np.ndarray, ...]:
    inputs = np.zeros((count, SIDE, SIDE, 5), np.uint8)
    labels = np.zeros((count, SIDE, SIDE), np.uint8)
    counts = np.zeros((count, SIDE, SIDE), np.uint8)
    masked = np.zeros(count, np.float32)
    composer = Composer(ComposeConfig())
    for k in range(count):
        rng = rng_for(seed, "sample", k)
        host = people[int(rng.integers(len(people)))]
        mask = None if rng.random() < BARE_SHARE else masks[int(rng.integers(len(masks)))]
        inputs[k], labels[k], counts[k] = sample(rng, host, mask, composer)
        masked[k] = mask is not None
        if k % 1000 == 999:
            print(f"{k + 1} samples", flush=True)
    return inputs, labels, counts, masked


def loss_of(logit: Tensor, score: Tensor, label: Tensor, counts: Tensor, masked: Tensor) -> Tensor:
    bce = F.binary_cross_entropy_with_logits(logit, label, reduction="none")
    bce = (bce * counts).sum() / counts.sum()
    p = torch.sigmoid(logit) * counts
    both, either = (p * label).sum((1, 2)), (p + label * counts).sum((1, 2))
    dice = ((1 - (2 * both + 50) / (either + 50)) * masked).sum() / masked.sum().clamp(min=1)
    return bce + 0.5 * dice + 0.1 * F.binary_cross_entropy_with_logits(score, masked)


def train(data: tuple[np.ndarray, ...], minutes: float, seed: int, batch: int = 24) -> SegmentationNet:
    torch.manual_seed(seed)
    inputs, labels, counts, masked = data
    held = max(batch, len(inputs) // 25)
    net = SegmentationNet().to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(net.parameters(), lr=3e-3, weight_decay=1e-3)
    rng = rng_for(seed, "order")
    start, step, running = time.monotonic(), 0, 0.0
    net.train()
    while (share := (time.monotonic() - start) / (60 * minutes)) < 1:
        for group in optimizer.param_groups:
            group["lr"] = 3e-3 * min(1.0, (step + 1) / 100) * (0.5 + 0.5 * np.cos(np.pi * share))
        chosen = held + rng.integers(0, len(inputs) - held, batch)
        x = torch.from_numpy(inputs[chosen]).permute(0, 3, 1, 2).float() / 255
        y, c = (torch.from_numpy(part[chosen]).float() / 255 for part in (labels, counts))
        if rng.random() < 0.5:
            x, y, c = x.flip(3), y.flip(2), c.flip(2)
        gain = torch.from_numpy(np.exp(rng.normal(0, 0.1, (batch, 3, 1, 1))).astype(np.float32))
        x = torch.cat([(x[:, :3] * gain).clamp(0, 1), x[:, 3:]], 1)
        if rng.random() < 0.15:
            x = torch.cat([x[:, :3].mean(1, keepdim=True).expand(-1, 3, -1, -1), x[:, 3:]], 1)
        logit, score = net(x.contiguous(memory_format=torch.channels_last))
        loss = loss_of(logit, score, y, c, torch.from_numpy(masked[chosen]))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        running += float(loss.detach())
        step += 1
        if step % 100 == 0:
            print(f"{(time.monotonic() - start) / 60:5.1f} min  step {step}  loss {running / 100:.4f}", flush=True)
            running = 0.0
    net.eval()
    overlaps = []
    with torch.no_grad():
        for k in range(0, held, batch):
            x = torch.from_numpy(inputs[k : k + batch]).permute(0, 3, 1, 2).float() / 255
            found = (net(x)[0] > 0).numpy() & (counts[k : k + batch] > 0)
            truth = (labels[k : k + batch] > 127) & (counts[k : k + batch] > 0)
            for a, b in zip(found, truth, strict=True):
                if b.any():
                    overlaps.append((a & b).sum() / (a | b).sum())
    print(f"held out: mean IoU {np.mean(overlaps):.4f} over {len(overlaps)} samples, {step} steps of {batch}")
    return net


def folded(net: SegmentationNet) -> dict[str, np.ndarray]:
    """Weights and biases with the norms folded in, 16-bit."""
    state = {name: value.detach().numpy().astype(np.float64) for name, value in net.state_dict().items()}
    out = {"out.weight": state["out.weight"], "out.bias": state["out.bias"]}
    out |= {"score.weight": state["score.weight"], "score.bias": state["score.bias"]}
    for name in sorted({key.split(".")[0] for key in state} - {"out", "score"}):
        gain = state[f"{name}.1.weight"] / np.sqrt(state[f"{name}.1.running_var"] + 1e-5)
        out[f"{name}.weight"] = state[f"{name}.0.weight"] * gain[:, None, None, None]
        out[f"{name}.bias"] = state[f"{name}.1.bias"] - state[f"{name}.1.running_mean"] * gain
    return {name: np.ascontiguousarray(value.astype(np.float16)) for name, value in out.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path, nargs="*")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--samples", type=int, default=6000)
    parser.add_argument("--masks", type=int, default=300)
    parser.add_argument("--generated", type=int, default=120)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--look", type=Path, help="Write a sheet of samples here and stop.")
    options = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    people = hosts(options.photos, options.generated, options.seed)
    masks = wardrobe(options.masks, options.seed)
    print(f"{len(people)} hosts, {len(masks)} masks", flush=True)
    data = make_samples(96 if options.look else options.samples, people, masks, options.seed)
    if options.look:
        rows = [np.hstack([np.hstack(data[0][k : k + 12, ..., :3])]) for k in range(0, 96, 12)]
        alphas = [np.hstack(np.repeat(data[1][k : k + 12, ..., None], 3, 3)) for k in range(0, 96, 12)]
        sheet = np.vstack([part for pair in zip(rows, alphas, strict=True) for part in pair])
        cv2.imwrite(str(options.look), sheet[..., ::-1])
        return
    weights = folded(train(data, options.minutes, options.seed))
    save_file(weights, options.out)
    print(f"{options.out}: {options.out.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
