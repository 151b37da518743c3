"""Train the segmentation network: python tools/train_segmentation.py PHOTOS... --out assets/segmentation.safetensors

PHOTOS are folders of people without masks, who serve as hosts beside generated faces; each fifth photo is left out, so
that refusal can be tested on it. Those of --masked wear masks that --outlines knows: they serve as hosts too, their
masks dyed, printed, or covered by generated ones. With --fold K, counted from 0, the photos of that fold of the
outlines' file are left out, so that the network can be tested on them; with --fold all, those of every fold.
tools/segmentation_samples.py makes a pool of samples from --seed, kept in --pool; training sees each many times,
shifted, cut, coloured and blurred anew, and lasts --steps. The file that it writes holds nothing but the weights,
averaged over the last steps; it is written every --every steps, so that it can be tried. With --mean, nothing is
trained: the file holds the mean of the files given.
"""

from __future__ import annotations

import argparse
import copy
import json
import queue
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import torch
from safetensors.numpy import load_file, save_file
from segmentation_samples import (
    POOL_SIDE,
    generated_hosts,
    load_pool,
    make_pool,
    masked_hosts,
    real_hosts,
    save_pool,
    smooth,
    truly_masked_hosts,
    wardrobe,
)
from torch import Tensor, nn
from torch.nn import functional as F

from masksynth.seeds import rng_for
from masksynth.segment.network import INPUTS, SIDE, WIDTH, planes_of

CHANNELS = (24, 48, 96, 192)
LEFT_OUT = 5  # each fifth photo
GREY_SHARE = 0.3  # of what is shown, besides the pool's own grey
WORN_SHARE = 0.6  # of a batch: people who wore a mask already


class Block(nn.Sequential):
    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs, momentum=0.05), nn.ReLU()
        )


class Narrow(nn.Sequential):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs, momentum=0.05))


class SegmentationNet(nn.Module):
    """A small U-Net that adds where others join; masksynth/segment/network.py runs it with its norms folded in.

    Works at half the input's side and below; the last layer gives four pixels for each.
    """

    def __init__(self) -> None:
        super().__init__()
        a, b, c, d = CHANNELS
        self.stem, self.e1 = Block(INPUTS, a, 2), Block(a, a)
        self.d2, self.e2 = Block(a, b, 2), Block(b, b)
        self.d3, self.e3 = Block(b, c, 2), Block(c, c)
        self.d4, self.e4, self.m4 = Block(c, d, 2), Block(d, d), Block(d, d)
        self.p3, self.p2, self.p1 = Narrow(d, c), Narrow(c, b), Narrow(b, a)
        self.u3, self.u2, self.u1 = Block(c, c), Block(b, b), Block(a, a)
        self.out = nn.Conv2d(a, 4, 3, 1, 1)
        self.score = nn.Linear(d, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        e1 = self.e1(self.stem(x))
        e2 = self.e2(self.d2(e1))
        e3 = self.e3(self.d3(e2))
        e4 = self.m4(self.e4(self.d4(e3)))
        y = self.u3(_up(self.p3(e4)) + e3)
        y = self.u2(_up(self.p2(y)) + e2)
        y = self.u1(_up(self.p1(y)) + e1)
        return F.pixel_shuffle(self.out(y), 2)[:, 0], self.score(e4.mean((2, 3)))[:, 0]


def _up(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2, mode="nearest")


def seen_anew(
    rng: np.random.Generator, picture: np.ndarray, label: np.ndarray, mesh: np.ndarray, side: int = SIDE
) -> tuple[np.ndarray, ...]:
    """(S, S, INPUTS) uint8 input, (S, S) uint8 label and where it counts: a sample of the pool, photographed anew.

    The mesh stays where it is, and the picture moves under it: it sits worse on a masked face than on the bare host.
    """
    middle = (POOL_SIDE - 1) / 2
    y, x = (np.mgrid[:side, :side].astype(np.float32) - (side - 1) / 2) * (SIDE / side)
    whole, zoom = rng.normal(0, 0.09), float(np.exp(rng.normal(0, 0.05)))  # the square itself turned and sized
    x, y = zoom * (np.cos(whole) * x - np.sin(whole) * y), zoom * (np.sin(whole) * x + np.cos(whole) * y)
    x, y = np.float32(x), np.float32(y)
    wild = 2.5 if rng.random() < 0.12 else 1.0
    turn, scale = rng.normal(0, 0.07 * wild), float(np.exp(rng.normal(0.0, 0.07 * wild)))
    cos, sin = float(np.cos(turn)), float(np.sin(turn))
    tall, lean = float(np.exp(rng.normal(0, 0.06))), rng.normal(0, 0.05)
    xs = x + rng.normal(0, 0.05) * wild * SIDE / WIDTH
    ys = y - rng.normal(0.065, 0.06 * wild) * SIDE / WIDTH  # found on masked faces, meshes sit too high
    if rng.random() < 0.4:  # chins drop, masks hang: what lies below the nose is pulled down, or up
        ys = np.where(ys > 0, ys * float(np.exp(-rng.normal(0.08, 0.15))), ys)
    bend = rng.uniform(0, 2.5)
    px = scale * (cos * xs - (sin * tall - lean) * ys) + bend * smooth(rng, side, 5)
    py = scale * (sin * xs + cos * tall * ys) + bend * smooth(rng, side, 5)
    in_photo = np.ones((side, side), bool)
    if rng.random() < 0.5:  # the photo ends within the square: its last pixels go on
        roll = rng.normal(0, 0.12)
        cos, sin = float(np.cos(roll)), float(np.sin(roll))
        ends = [rng.uniform(0.5, 1.1) if rng.random() < 0.6 else 9.0 for _ in range(4)]
        left, right, top, bottom = (end * way * SIDE / 2 for end, way in zip(ends, (-1, 1, -1, 1), strict=True))
        qx, qy = cos * px - sin * py, sin * px + cos * py
        in_photo = (qx > left) & (qx < right) & (qy > top) & (qy < bottom)
        qx, qy = np.clip(qx, left, right), np.clip(qy, top, bottom)
        px, py = cos * qx + sin * qy, cos * qy - sin * qx
    px, py = np.float32(px + middle), np.float32(py + middle)
    rgb = cv2.remap(picture, px, py, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    worn = cv2.remap(label, px, py, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    in_photo &= cv2.remap(mesh[..., 3], px, py, cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT) > 0
    own = 1.5 * smooth(rng, side, 4), 1.5 * smooth(rng, side, 4)
    mx, my = (np.float32(grid + middle + pull) for grid, pull in zip((x, y), own, strict=True))
    surface = cv2.remap(mesh[..., :3], mx, my, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE)
    if rng.random() < 0.5:
        rgb, worn, in_photo, surface = (np.ascontiguousarray(part[:, ::-1]) for part in (rgb, worn, in_photo, surface))
        surface = np.dstack([255 - surface[..., 0], surface[..., 1], surface[..., 2]])
    rgb = camera(rng, np.ascontiguousarray(rgb))
    u, v = surface[..., 0].astype(np.float32), surface[..., 1].astype(np.float32)
    return planes_of(rgb, u, v, surface[..., 2] > 127, in_photo), worn * in_photo, in_photo


def camera(rng: np.random.Generator, picture: np.ndarray) -> np.ndarray:
    """Cast shadows, exposure, colours or none, blur, low resolution, noise, JPEG, in (S, S, 3) uint8."""
    side = len(picture)
    rgb = picture.astype(np.float32) / np.float32(255)
    if rng.random() < 0.2:
        angle, soft = rng.uniform(0, 2 * np.pi), rng.choice([0.01, 0.05, 0.4])
        y, x = np.mgrid[:side, :side].astype(np.float32) / side - 0.5
        away = x * np.cos(angle) + y * np.sin(angle) + rng.uniform(-0.3, 0.3) + 0.01 * smooth(rng, side, 6)
        rgb *= (1 - rng.uniform(0.1, 0.6) * np.clip(0.5 + away / float(soft), 0, 1))[..., None].astype(np.float32)
    grey = rng.random() < GREY_SHARE
    if grey:
        mix = np.tile(rng.dirichlet([2.0, 2.0, 1.0]), (3, 1))
        gains = np.ones(3)
    else:
        mix = np.tile([0.299, 0.587, 0.114], (3, 1))
        mix += float(np.exp(rng.normal(-0.05, 0.3))) * (np.eye(3) - mix)
        gains = np.exp(rng.normal(0, 0.06, 3))
    rgb = np.clip(cv2.transform(rgb, mix.astype(np.float32)), 0, 1)
    gains = gains * np.exp(rng.uniform(0.2, 0.6) if rng.random() < 0.1 else rng.normal(0.06, 0.15))  # burnt out
    lift = rng.uniform(0, 0.12) if rng.random() < 0.15 else 0.0  # haze
    curve = (np.arange(1024) / 1023) ** float(np.exp(rng.normal(0, 0.3 if grey else 0.15)))
    curves = np.clip(lift + (1 - lift) * curve[:, None] * gains, 0, 1).astype(np.float32)
    steps = np.rint(rgb * 1023).astype(np.int32)
    rgb = np.dstack([curves[:, k][steps[..., k]] for k in range(3)])
    if rng.random() < 0.3:
        low = int(side * rng.uniform(0.35, 0.9))
        rgb = cv2.resize(cv2.resize(rgb, (low, low), interpolation=cv2.INTER_AREA), (side, side))
    if rng.random() < 0.25:
        rgb = cv2.GaussianBlur(rgb, (0, 0), rng.uniform(0.4, 1.5))
    if rng.random() < 0.6:
        rgb = rgb + np.float32(rng.uniform(0, 0.025)) * rng.standard_normal(rgb.shape, np.float32)
    out = np.rint(np.clip(rgb, 0, 1) * 255).astype(np.uint8)
    if rng.random() < 0.4:
        ok, data = cv2.imencode(".jpg", out, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(25, 90))])
        assert ok
        out = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
    return out


def batches(
    pool: tuple[np.ndarray, ...], left_out: list[int], steps: int, options: argparse.Namespace
) -> Iterator[tuple[Tensor, ...]]:
    """Batches of step 0, 1, …, each of (seed, step) alone, made ahead by a thread; none of the photos `left_out`."""
    pictures, labels, meshes, masked, photos = pool
    side, seed = options.side, options.seed
    used = holdout(pool) + np.nonzero(~np.isin(photos[holdout(pool) :], left_out))[0]
    worn, other = used[photos[used] >= 0], used[photos[used] < 0]
    ready: queue.Queue[tuple[np.ndarray, ...]] = queue.Queue(4)

    def make() -> None:
        for step in range(steps):
            rng = rng_for(seed, "batch", side, step)
            many = round(WORN_SHARE * options.batch) if len(worn) else 0
            chosen = np.concatenate([rng.choice(worn, many), rng.choice(other, options.batch - many)])
            parts = zip(*(seen_anew(rng, pictures[k], labels[k], meshes[k], side) for k in chosen), strict=True)
            ready.put((*(np.stack(part) for part in parts), masked[chosen]))

    threading.Thread(target=make, daemon=True).start()
    for _ in range(steps):
        yield tensors(*ready.get())


def holdout(pool: tuple[np.ndarray, ...]) -> int:
    return min(len(pool[0]) // 4, 128)


def tensors(planes: np.ndarray, label: np.ndarray, counts: np.ndarray, masked: np.ndarray) -> tuple[Tensor, ...]:
    x = torch.from_numpy(planes).permute(0, 3, 1, 2).float().div(255).contiguous(memory_format=torch.channels_last)
    return (
        x,
        torch.from_numpy(label).float() / 255,
        torch.from_numpy(counts).float(),
        torch.from_numpy(np.array(masked)),
    )


def loss_of(logit: Tensor, score: Tensor, label: Tensor, counts: Tensor, masked: Tensor) -> Tensor:
    """Cross-entropy, three times as strong within two pixels of an edge, and Dice; and whether there is a mask."""
    near = F.avg_pool2d(label[:, None], 5, 1, 2)[:, 0]
    weight = counts * (1 + 2 * ((near > 0.02) & (near < 0.98)))
    bce = F.binary_cross_entropy_with_logits(logit, label, reduction="none")
    bce = (bce * weight).sum() / weight.sum()
    p = torch.sigmoid(logit) * counts
    both, either = (p * label).sum((1, 2)), (p + label * counts).sum((1, 2))
    dice = ((1 - (2 * both + 50) / (either + 50)) * masked).sum() / masked.sum().clamp(min=1)
    return bce + 0.5 * dice + 0.1 * F.binary_cross_entropy_with_logits(score, masked)


def train(pool: tuple[np.ndarray, ...], left_out: list[int], options: argparse.Namespace) -> None:
    torch.manual_seed(options.seed)
    net = SegmentationNet().to(memory_format=torch.channels_last)
    if options.start:
        net.load_state_dict(torch.load(options.start, weights_only=True))
    mean = copy.deepcopy(net)
    optimizer = torch.optim.AdamW(net.parameters(), lr=options.rate, weight_decay=1e-3)
    steps = options.steps
    start, running = time.monotonic(), 0.0
    net.train()
    ends = min(options.stop or steps, steps)
    for step, (x, label, counts, masked) in enumerate(batches(pool, left_out, ends, options)):
        rate = options.rate * min(1.0, (step + 1) / 100) * (0.5 + 0.5 * np.cos(np.pi * step / steps))
        for group in optimizer.param_groups:
            group["lr"] = rate
        with torch.autocast("cpu", torch.bfloat16, enabled=options.half):
            logit, score = net(x)
        loss = loss_of(logit.float(), score.float(), label, counts, masked)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        running += float(loss.detach())
        with torch.no_grad():
            keep = min(options.keep, (step + 1) / (step + 10))
            for theirs, ours in zip(mean.state_dict().values(), net.state_dict().values(), strict=True):
                if theirs.dtype.is_floating_point:
                    theirs.lerp_(ours, 1 - keep)
        if step % 100 == 99:
            print(f"{(time.monotonic() - start) / 60:5.1f} min  step {step + 1}  loss {running / 100:.4f}", flush=True)
            running = 0.0
        if step % options.every == options.every - 1 or step == ends - 1:
            mean.eval()
            print(f"held out: mean IoU {held_out(mean, pool, options):.4f}", flush=True)
            partial = options.out.with_suffix(".partial")
            save_file(folded(mean), partial)
            partial.replace(options.out)
            torch.save(mean.state_dict(), options.out.with_suffix(".pt"))


def held_out(net: SegmentationNet, pool: tuple[np.ndarray, ...], options: argparse.Namespace) -> float:
    """Mean IoU over the masked samples of the pool that training does not see."""
    overlaps = []
    with torch.no_grad():
        for k in range(holdout(pool)):
            rng = rng_for(options.seed, "held out", k)
            planes, label, counts = seen_anew(rng, *(part[k] for part in pool[:3]), options.side)
            x, *_ = tensors(planes[None], label[None], counts[None], pool[3][k : k + 1])
            found, truth = (net(x)[0][0] > 0).numpy() & counts, label > 127
            if truth.any():
                overlaps.append((found & truth).sum() / (found | truth).sum())
    return float(np.mean(overlaps))


def folded(net: SegmentationNet) -> dict[str, np.ndarray]:
    """Weights and biases with the norms folded in, 16-bit."""
    state = {name: value.detach().numpy().astype(np.float64) for name, value in net.state_dict().items()}
    out = {name: state[name] for name in ("out.weight", "out.bias", "score.weight", "score.bias")}
    for name in sorted({key.split(".")[0] for key in state} - {"out", "score"}):
        gain = state[f"{name}.1.weight"] / np.sqrt(state[f"{name}.1.running_var"] + 1e-5)
        out[f"{name}.weight"] = state[f"{name}.0.weight"] * gain[:, None, None, None]
        out[f"{name}.bias"] = state[f"{name}.1.bias"] - state[f"{name}.1.running_mean"] * gain
    return {name: np.ascontiguousarray(value.astype(np.float16)) for name, value in out.items()}


def sheet(pool: tuple[np.ndarray, ...], seed: int) -> np.ndarray:
    """Samples as the network sees them, outlined."""
    tiles = []
    for k in range(96):
        planes, label, _ = seen_anew(rng_for(seed, "look", k), *(part[k % len(part)] for part in pool[:3]))
        tile = np.ascontiguousarray(planes[..., :3])
        contours, _ = cv2.findContours((label > 127).astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
        tiles.append(np.vstack([tile, cv2.drawContours(tile.copy(), contours, -1, (255, 0, 0), 1)]))
    return np.vstack([np.hstack(tiles[k : k + 12]) for k in range(0, 96, 12)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path, nargs="*")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--mean", type=Path, nargs="+", help="Write the mean of these weights, of nets of one start.")
    parser.add_argument("--pool", type=Path, help="Folder of the pool; made where it is not there.")
    parser.add_argument("--masked", type=Path, nargs="+", default=[], help="Folders of people who wear masks.")
    parser.add_argument("--outlines", type=Path, help="Where those masks are: benchmarks/segmentation_outlines.json.")
    parser.add_argument("--fold", help="Leave the photos of this fold out; all: of every fold.")
    parser.add_argument("--start", type=Path, help="The .pt file beside the weights of a training before this one.")
    parser.add_argument("--side", type=int, default=SIDE, help="Of the squares; smaller ones take less time.")
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--stop", type=int, help="Stop after this many of the steps, the rate still high.")
    parser.add_argument("--half", action="store_true", help="Convolve in 16 bits, in half the time.")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rate", type=float, default=3e-3, help="The highest learning rate.")
    parser.add_argument("--keep", type=float, default=0.99, help="Of the mean of the weights, from step to step.")
    parser.add_argument("--every", type=int, default=500, help="Steps between two files.")
    parser.add_argument("--samples", type=int, default=9000)
    parser.add_argument("--masks", type=int, default=500)
    parser.add_argument("--generated", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--necks", action="store_true", help="Of the pool: with long necks and creased fingers, too.")
    parser.add_argument("--look", type=Path, help="Write a sheet of samples here and stop.")
    options = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    if options.mean:
        files = [load_file(path) for path in options.mean]
        mean = {name: np.mean([file[name].astype(np.float32) for file in files], axis=0) for name in files[0]}
        save_file({name: value.astype(np.float16) for name, value in mean.items()}, options.out)
        return
    if options.pool is None or not options.photos:
        parser.error("training needs PHOTOS and --pool")
    if not options.pool.is_dir():
        real = real_hosts(options.photos, LEFT_OUT)
        people = real + generated_hosts(options.generated, options.seed)
        masks = wardrobe(options.masks, real, options.seed)
        people += truly_masked_hosts(options.generated, masks, options.seed)
        print(f"{len(people)} hosts, {len(masks)} masks", flush=True)
        wearing = masked_hosts(options.masked, options.outlines) if options.masked else []
        save_pool(
            options.pool, make_pool(options.samples, people, len(real), masks, options.seed, wearing, options.necks)
        )
    pool = load_pool(options.pool)
    left_out: list[int] = []
    if options.fold is not None:
        known = json.loads(options.outlines.read_text(encoding="utf-8"))
        folds = known["folds"] if options.fold == "all" else [known["folds"][int(options.fold)]]
        left_out = [list(known["first"]).index(name) for fold in folds for name in fold]
    if options.look:
        cv2.imwrite(str(options.look), sheet(pool, options.seed)[..., ::-1])
        return
    train(pool, left_out, options)
    print(f"{options.out}: {options.out.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
