"""Learn how Face Mesh errs on faces turned far aside, and write assets/profile.npz.

Faces whose true points are known come from two places: generated faces, and photos turned further in depth, with the
mesh of the photo as it is for the truth (Zhu et al., "Face Alignment Across Large Poses", CVPR 2016, section 4). The
network looks at each some times, from regions a little off, at soft and grey pictures too. From the principal
components of its meshes a ridge regression tells the change to the true points. Only these statistics are kept. One
photo in four and one generated face in four are left out at first, and the errors on them printed.

    python tools/make_profile.py PHOTO_FOLDER [-o assets/profile.npz] [--generated 400] [--picture P.png]
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from scipy.ndimage import distance_transform_edt, gaussian_filter

from masksynth.arrays import Box, Photo8, Pose, Validity
from masksynth.datasets.generated import draw_view, identity, render_face
from masksynth.detect import load_detector
from masksynth.errors import MasksynthError
from masksynth.files import atomic_path
from masksynth.photos import PHOTO_SUFFIXES, read_photo, write_photo
from masksynth.reconstruct.facemesh import FaceMeshReconstructor, reconstruction_of_mesh, yaw_deg_of
from masksynth.reconstruct.points68 import points68
from masksynth.reconstruct.profile import FROM_YAW_DEG, WHOLE_YAW_DEG, in_region
from masksynth.reconstruct.region import Region, region_of_detection, region_of_mesh
from masksynth.reconstruct.uv_layout import mesh_mirror
from masksynth.render.rasterizer import rasterize
from masksynth.seeds import rng_for

SEED = 11
TURNS = (50.0, 60.0, 70.0, 80.0)  # yaw of the turned photos, degrees
MOST_TURNED = 45.0  # degrees that a photo is turned further: beyond, too little of what then shows was seen
OWN_YAW = (10.0, 50.0)  # of the photos that are turned
HALF = 200  # pixels, of a turned photo's side; its face takes FACE of them
FACE = 170
LOOKS = 4
LEAST_PRESENCE = 0.3
MODES = 40
RIDGE = 3.0  # in variances of the last component
WEIGHT_PHOTOS = 4.0  # of a look at a turned photo against one at a generated face

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Example:
    """A picture of a face turned to the image's right, and its true mesh."""

    rgb: Photo8
    mesh: Floats  # (468, 3)
    yaw: float  # degrees
    source: str


def to_the_right(rgb: Photo8, mesh: Floats, yaw: float, source: str) -> Example:
    if yaw < 0:
        last = rgb.shape[1] - 1
        mesh = mesh[mesh_mirror()] * [-1, 1, 1] + [last, 0, 0]
        rgb = np.ascontiguousarray(rgb[:, ::-1])
    return Example(rgb, mesh, abs(yaw), source)


def generated(number: int) -> Iterator[Example]:
    for k in range(number):
        spectrum = "nir" if k % 2 else "vis"
        rng = rng_for(SEED, "profile", k)
        view = draw_view(rng, spectrum, yaw=0.0)
        yaw = float(rng.uniform(30, 90)) * (1 if k % 4 < 2 else -1)
        pitch = view.pose.pitch + np.radians(rng.normal(0, 6))
        pose = Pose(yaw=float(np.radians(yaw)), pitch=float(pitch), roll=view.pose.roll)
        photo = render_face(identity(SEED, k), replace(view, pose=pose, body_yaw=pose.yaw * 0.3), spectrum)
        rgb = photo.pixels if photo.pixels.ndim == 3 else np.repeat(photo.pixels[:, :, None], 3, axis=2)
        yield to_the_right(rgb, photo.mesh.astype(np.float64), yaw, f"generated {k}")


def turned(folder: Path, reconstructor: FaceMeshReconstructor) -> Iterator[Example]:
    detector = load_detector()
    for path in sorted(p for p in folder.iterdir() if p.suffix.lower() in PHOTO_SUFFIXES):
        try:
            rgb = read_photo(path).rgb
            detection = detector.detect(rgb)[0]
            fit = reconstructor.evened(rgb, reconstructor.look(rgb, region_of_detection(detection)))
        except (MasksynthError, IndexError):
            continue
        yaw = yaw_deg_of(fit.points)
        mesh = fit.points.astype(np.float64)
        size = np.ptp(mesh[:, :2], axis=0).max()
        if not OWN_YAW[0] <= abs(yaw) <= OWN_YAW[1] or fit.presence < 0.9 or size < 60:
            continue
        scale = FACE / size
        way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        rgb = np.asarray(cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=way), np.uint8)
        mesh *= scale
        shift = HALF - mesh[:, :2].mean(0)
        mesh[:, :2] += shift
        matrix = np.column_stack([np.eye(2), shift])
        rgb = np.asarray(cv2.warpAffine(rgb, matrix, (2 * HALF, 2 * HALF), borderMode=cv2.BORDER_REPLICATE), np.uint8)
        for target in TURNS:
            turn = float(np.sign(yaw) * target - yaw)
            if abs(turn) <= MOST_TURNED:
                picture, truth = turned_photo(rgb, mesh, turn)
                yield to_the_right(picture, truth, float(np.sign(yaw) * target), path.name)


def turned_photo(rgb: Photo8, mesh: Floats, turn_deg: float) -> tuple[Photo8, Floats]:
    """The picture as a surface, in depth on the face and falling back round it, turned and drawn."""
    face = reconstruction_of_mesh(mesh.astype(np.float32), Box(0, 0, 1, 1), 1.0).position_map
    points = face.positions[face.validity != Validity.ABSENT].astype(np.float64)
    step = 2
    rows, columns = np.mgrid[0 : 2 * HALF : step, 0 : 2 * HALF : step]
    depth = np.full(rows.shape, np.nan)
    place = np.clip(np.rint(points[:, 1::-1] / step).astype(int), 0, rows.shape[0] - 1)
    order = np.argsort(points[:, 2])  # the nearest to the camera stays
    depth[place[order, 0], place[order, 1]] = points[order, 2]
    away, nearest = distance_transform_edt(np.isnan(depth), return_indices=True)
    back = np.clip(away * step / 80, 0, 1)
    depth = gaussian_filter(depth[tuple(nearest)] * (1 - back) + (np.nanmin(depth) - 30) * back, 1.2)
    vertices = np.stack([columns.ravel(), rows.ravel(), depth.ravel()], axis=1).astype(np.float64)
    index = np.arange(rows.size).reshape(rows.shape)
    tl, tr, bl, br = index[:-1, :-1], index[:-1, 1:], index[1:, :-1], index[1:, 1:]
    corners = np.concatenate([np.stack([tl, bl, tr], -1).reshape(-1, 3), np.stack([tr, bl, br], -1).reshape(-1, 3)])
    middle = np.array([HALF, HALF, mesh[:, 2].mean() - 30])
    rotation = Pose(yaw=np.radians(turn_deg), pitch=0.0, roll=0.0).matrix
    drawn = rasterize((vertices - middle) @ rotation.T + middle, corners, (2 * HALF, 2 * HALF))
    picture = np.zeros((2 * HALF, 2 * HALF, 3))
    hit = drawn.face >= 0
    colours = rgb[rows, columns].reshape(-1, 3)[corners[drawn.face[hit]]]
    picture[hit] = (colours * drawn.weights[hit][:, :, None]).sum(1)
    return np.clip(picture, 0, 255).astype(np.uint8), (mesh - middle) @ rotation.T + middle


def looked_at(
    example: Example, reconstructor: FaceMeshReconstructor, rng: np.random.Generator
) -> Iterator[tuple[Floats, Floats, float]]:
    """Mesh and truth in the mesh's own region, and the yaw that the mesh shows, for each look."""
    low, high = example.mesh[:, :2].min(0), example.mesh[:, :2].max(0)
    side = float((high - low).max())
    for k in range(LOOKS):
        rgb = example.rgb
        if k == 2:
            rgb = np.asarray(cv2.GaussianBlur(rgb, (0, 0), side / 85), np.uint8)
        if k == 3:
            rgb = np.repeat(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)[:, :, None], 3, axis=2)
        centre = (low + high) / 2 + rng.normal(0, 0.05, 2) * side
        angle = float(np.radians(rng.normal(0, 6)))
        fit = reconstructor.look(rgb, Region(centre, side * float(rng.uniform(1.35, 1.7)), angle))
        if fit.presence < LEAST_PRESENCE:
            continue
        fit = reconstructor.evened(rgb, fit)
        yaw = yaw_deg_of(fit.points)
        region = region_of_mesh(fit.points)
        if yaw > 25 and region.side > 0:
            yield in_region(fit.points, region), in_region(example.mesh, region), yaw


def fitted(meshes: Floats, truths: Floats, weights: Floats) -> dict[str, Floats]:
    """``mean``, ``modes``, ``offset``, ``change`` as masksynth.reconstruct.profile wants them."""
    flat = meshes.reshape(len(meshes), -1)
    mean = flat.mean(0)
    variances, vectors = np.linalg.eigh((flat - mean).T @ (flat - mean) / len(flat))
    modes = vectors[:, ::-1].T[:MODES]
    given = np.column_stack([np.ones(len(flat)), (flat - mean) @ modes.T])
    ridge = np.diag([0.0, *[RIDGE * variances[-MODES] * len(flat)] * MODES])
    wanted = (truths - meshes).reshape(len(flat), -1)
    solved = np.linalg.solve((given * weights[:, None]).T @ given + ridge, (given * weights[:, None]).T @ wanted)
    return {"mean": mean, "modes": modes, "offset": solved[0], "change": solved[1:]}


def applied(learned: dict[str, Floats], meshes: Floats, yaws: Floats) -> Floats:
    flat = meshes.reshape(len(meshes), -1)
    share = np.clip((yaws - FROM_YAW_DEG) / (WHOLE_YAW_DEG - FROM_YAW_DEG), 0, 1)[:, None]
    change = learned["offset"] + (flat - learned["mean"]) @ learned["modes"].T @ learned["change"]
    return (flat + share * change).reshape(meshes.shape)


def inner_errors(meshes: Floats, truths: Floats) -> Floats:
    """Mean distance of the inner 51 points in % of the root of the area of the true points' box."""
    found, true = (np.stack([points68(mesh)[:, :2] for mesh in each]) for each in (meshes, truths))
    size = np.sqrt(np.ptp(true, axis=1).prod(1))
    return np.linalg.norm(found - true, axis=2)[:, 17:].mean(1) / size * 100


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("-o", "--out", type=Path, default=Path("assets/profile.npz"))
    parser.add_argument("--generated", type=int, default=400)
    parser.add_argument("--picture", type=Path, help="Some of the turned photos.")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    reconstructor = FaceMeshReconstructor()
    rng = rng_for(SEED, "looks")
    rows, shown = [], []
    sources: dict[str, int] = {}
    for kind, examples in (
        ("photo", turned(arguments.folder, reconstructor)),
        ("generated", generated(arguments.generated)),
    ):
        for example in examples:
            number = sources.setdefault(example.source, len(sources))
            if kind == "photo" and len(shown) < 12:
                shown.append(example.rgb)
            for mesh, truth, yaw in looked_at(example, reconstructor, rng):
                rows.append((kind == "photo", example.yaw, number % 4 == 0, mesh, truth, yaw))
        print(f"{len(rows)} looks after {kind}s", flush=True)
    photo, true_yaw, left_out, meshes, truths, yaws = (np.array(column) for column in zip(*rows, strict=True))
    weights = np.where(photo, WEIGHT_PHOTOS, 1.0)
    learned = fitted(meshes[~left_out], truths[~left_out], weights[~left_out])
    before, after = inner_errors(meshes, truths), inner_errors(applied(learned, meshes, yaws), truths)
    for name, chosen in (("turned photos", photo), ("generated faces", ~photo)):
        for low in range(30, 90, 10):
            some = left_out & chosen & (true_yaw >= low) & (true_yaw < low + 10)
            if some.any():
                print(f"left out, {name} at {low}° to {low + 10}°: inner 51 {before[some].mean():.2f} %, "
                      f"put right {after[some].mean():.2f} %, n = {some.sum()}")  # fmt: skip
    learned = fitted(meshes, truths, weights)
    with atomic_path(arguments.out) as temporary:
        np.savez(temporary, **{name: values.astype(np.float16) for name, values in learned.items()})
    if arguments.picture:
        write_photo(arguments.picture, np.concatenate([np.concatenate(shown[k : k + 4], 1) for k in (0, 4, 8)]))
    print(f"{arguments.out}: from {len(rows)} looks at {len(sources)} faces")


if __name__ == "__main__":
    main()
