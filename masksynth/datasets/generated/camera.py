"""Taking a photo of a generated person: geometry, light, sensor."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from masksynth.arrays import Photo8, Points2, Points3, Pose, PositionMap, Spectrum
from masksynth.datasets.generated import head
from masksynth.datasets.generated._kernels import add_normals, shade
from masksynth.datasets.generated.features import paint_eyes, paint_mouth
from masksynth.datasets.generated.identity import Identity
from masksynth.datasets.generated.look import View, posed_mesh
from masksynth.datasets.generated.noise import octaves, smooth_noise
from masksynth.datasets.generated.skin import Skin, paint, pixel
from masksynth.datasets.generated.surface import dense, surface
from masksynth.reconstruct.uv_layout import landmarks68_from_mesh, position_map_from_mesh
from masksynth.render import rasterize
from masksynth.seeds import rng_for

Floats = npt.NDArray[np.float64]

PIVOT = np.array([0.0, 0.45, -0.95])  # the head turns about a point between the ears
SHADOW_SIDE = 160  # texels of the shadow map


@dataclass(frozen=True)
class GeneratedPhoto:
    """A photo and the truth about it."""

    pixels: Photo8  # (H, W, 3) RGB in VIS, (H, W) in NIR
    mesh: Points3  # (468, 3) photo frame: what a perfect Face Mesh would say
    pose: Pose
    spectrum: Spectrum

    @property
    def position_map(self) -> PositionMap:
        """The surface of the face in the UV layout, the stretch included."""
        return position_map_from_mesh(self.mesh)

    @property
    def landmarks68(self) -> Points3:
        """(68, 3) photo frame."""
        return landmarks68_from_mesh(self.mesh)

    @property
    def eyes(self) -> Points2:
        """(2, 2) centres of the eyes, image-left first."""
        points = self.landmarks68[:, :2]
        return np.stack([points[36:42].mean(0), points[42:48].mean(0)])


@dataclass(frozen=True)
class _Scene:
    """All parts of one person, joined: first the face, then the skull, then the rest."""

    triangles: npt.NDArray[np.int64]
    material: npt.NDArray[np.int64]  # (T,)
    sheet: Floats  # (N, 2) pixels
    tint: Floats  # (N,)
    rest: Floats  # (R, 3) head frame: everything but face and skull
    rim: npt.NDArray[np.int64]  # (RIM,) the face's vertices next to the skull's


def render_face(person: Identity, view: View, spectrum: Spectrum, size: tuple[int, int] = (640, 480)) -> GeneratedPhoto:
    """Take a photo of `person`.

    Parameters
    ----------
    spectrum : "nir" or "vis"
        NIR gives one channel.
    size : (height, width) in pixels
    """
    scene = _scene(person)
    mesh = posed_mesh(person.mesh, view.expression)
    face, skull = dense(mesh), head.skull(person, mesh).vertices
    photo = _project(np.concatenate([face, skull, scene.rest]), view, size, len(face) + len(skull))
    normals = np.zeros_like(photo)
    add_normals(photo, scene.triangles, normals)
    _smooth_rim(normals, scene.rim, len(face))
    fine = photo * 2.0 + [0.5, 0.5, 0.0]  # two samples a pixel each way: sample 2 x + s lies at x + s / 2 - 1 / 4
    shown = _facing(fine, scene, np.array([0.0, 0.0, 1.0]))
    triangles, material = scene.triangles[shown], scene.material[shown]
    fragments = rasterize(fine, triangles, (2 * size[0], 2 * size[1]))
    light = view.light
    lights = np.zeros((len(light.directions), 7))
    lights[:, :3], lights[:, 3:6], lights[:, 6] = (
        light.directions,
        light.colours,
        light.fall_off / (2 * view.interocular),
    )
    to_map, depths = NO_SHADOW
    if light.fall_off == 0:  # a lamp at the camera casts its shadows where nobody sees them
        lit = scene.triangles[_facing(fine, scene, light.directions[0])]
        to_map, depths = shadow_map(fine, lit, light.directions[0])
    hair = person.hair_colour if spectrum == "vis" else np.full(3, person.hair_nir)
    out, cover = np.zeros((*size, 3), np.float32), np.zeros(size, np.float32)
    shade(
        fragments.face, fragments.weights, fragments.depth, triangles, normals, scene.sheet, scene.tint,
        material, _texture(person, view, spectrum), strand_picture(), np.stack([hair, view.cloth]), lights,
        np.stack([light.sky, light.ground]), to_map, depths, out, cover,
    )  # fmt: skip
    out += (1 - cover)[..., None] * _background(view, spectrum, size)
    truth = _project(mesh, view, size, len(mesh)).astype(np.float32)
    return GeneratedPhoto(_sensor(out, view, spectrum), truth, view.pose, spectrum)


def _project(points: Floats, view: View, size: tuple[int, int], rigid: int) -> Floats:
    """Head frame to photo frame; the first `rigid` points are the head, the rest turns with the body."""
    about = points - PIVOT
    turned = about @ view.pose.matrix.T
    t = np.clip((points[rigid:, 1] - head.NECK_TOP) / (head.NECK_BOTTOM - head.NECK_TOP), 0, 1)
    weight = (t * t * (3 - 2 * t))[:, None]
    still = about[rigid:] @ Pose(view.body_yaw, 0.0, 0.3 * view.pose.roll).matrix.T
    turned[rigid:] += weight * (still - turned[rigid:])
    turned += PIVOT
    photo = turned * view.interocular
    photo[:, :2] *= view.distance / (view.distance - turned[:, 2:])
    photo[:, :2] += [view.centre[0] * size[1], view.centre[1] * size[0]]
    return photo


@lru_cache(maxsize=8)
def _scene(person: Identity) -> _Scene:
    """The parts that do not change with the photo."""
    face = dense(person.mesh)
    parts = [
        head.Part(face, surface().triangles[:, ::-1], surface().sheet, np.ones(len(face)), head.SKIN),
        head.skull(person, person.mesh),
        *head.ears(person),
        *head.body(person),
        *head.hair(person, face),
    ]
    first = np.cumsum([0, *(len(part.vertices) for part in parts)])
    triangles = [part.triangles + start for part, start in zip(parts, first[:-1], strict=True)]
    sheet = [pixel(part.sheet) if part.material == head.SKIN else part.sheet for part in parts]
    edge = parts[1].sheet[head.RIM : 2 * head.RIM]
    return _Scene(
        np.ascontiguousarray(np.concatenate(triangles)),
        np.concatenate([np.full(len(part.triangles), part.material) for part in parts]),
        np.concatenate(sheet),
        np.concatenate([part.tint for part in parts]),
        np.concatenate([part.vertices for part in parts[2:]]),
        ((surface().sheet[None] - edge[:, None]) ** 2).sum(-1).argmin(1),
    )


def _facing(vertices: Floats, scene: _Scene, direction: Floats) -> npt.NDArray[np.bool_]:
    """(T,) the triangles that are seen from a direction; hair and cloth are seen from both sides."""
    a, b, c = (vertices[scene.triangles[:, corner]] for corner in range(3))
    return (np.cross(b - a, c - a) @ direction > 0) | (scene.material != head.SKIN)


def _smooth_rim(normals: Floats, rim: npt.NDArray[np.int64], face: int) -> None:
    """Let the skull's first rings take over the normals of the face, so that no seam shows; in place."""
    normals /= np.linalg.norm(normals, axis=1, keepdims=True) + 1e-12
    own = normals[rim]
    for ring, share in enumerate((1.0, 1.0, 0.7, 0.4, 0.15)):
        rows = slice(face + ring * head.RIM, face + (ring + 1) * head.RIM)
        normals[rows] += share * (own - normals[rows])


NO_SHADOW = (np.zeros((3, 4)), np.zeros((1, 1)))


def shadow_map(vertices: Floats, triangles: npt.NDArray[np.int64], direction: Floats) -> tuple[Floats, Floats]:
    """(3, 4) from the photo frame to a square picture taken from the light, and its (m, m) depths, nearest last."""
    z = direction / np.linalg.norm(direction)
    x = np.cross([0.0, 1.0, 0.0], z)
    x /= np.linalg.norm(x)
    frame = np.stack([x, np.cross(z, x), z])
    seen = vertices @ frame.T
    low, high = seen[:, :2].min(0), seen[:, :2].max(0)
    scale = (SHADOW_SIDE - 1) / float((high - low).max())
    to_map = np.concatenate([frame, np.zeros((3, 1))], axis=1)
    to_map[:2] *= scale
    to_map[:2, 3] = -low * scale
    places = vertices @ to_map[:, :3].T + to_map[:, 3]
    depths = rasterize(places, triangles, (SHADOW_SIDE, SHADOW_SIDE)).depth
    to_map[2, 3] += 2.5 / scale  # a point does not shade itself
    return to_map, depths


@lru_cache(maxsize=4)
def _skin(person: Identity) -> Skin:
    return paint(person)


@lru_cache(maxsize=4)
def _blind_texture(person: Identity, spectrum: Spectrum) -> npt.NDArray[np.float32]:
    skin = _skin(person)
    albedo = skin.vis if spectrum == "vis" else np.repeat(skin.nir[..., None], 3, axis=2)
    return np.concatenate([albedo, skin.gloss[..., None], skin.occlusion[..., None]], axis=2)


def _texture(person: Identity, view: View, spectrum: Spectrum) -> npt.NDArray[np.float32]:
    """(h, w, 5) albedo, gloss, occlusion with the eyes of this photo."""
    texture = _blind_texture(person, spectrum).copy()
    paint_eyes(texture, person, spectrum, view.gaze, view.light.directions[0])
    paint_mouth(texture, spectrum, max(3 * view.expression.open, 1.5 * view.expression.smile - 0.5))
    return texture


@lru_cache(maxsize=1)
def strand_picture() -> npt.NDArray[np.float32]:
    """(512, 512) brightness of strands of hair, running down the columns; of mean 1."""
    rng, width = rng_for(0, "strands"), head.STRANDS
    wide = (512, width + 64)
    picture = 1 + 0.14 * smooth_noise(rng, wide, (60, 1.5)) + 0.15 * smooth_noise(rng, wide, (90, 7))
    share = np.linspace(0, 1, 64, dtype=np.float32)
    picture[:, :64] = (
        share * picture[:, :64] + (1 - share) * picture[:, width:]
    )  # the right edge goes over into the left
    return np.asarray(np.clip(picture[:, :width], 0.3, 2.0), np.float32)


def _background(view: View, spectrum: Spectrum, size: tuple[int, int]) -> npt.NDArray[np.float32]:
    """An unfocused room: soft blobs of light and dark, tinted in VIS."""
    rng = rng_for(view.scene, "background")
    height, width = size
    small = (max(8, height // 8), max(8, width // 8))
    import cv2

    level = np.exp(0.25 * octaves(rng, small, max(small) / 2.5, 2))
    colour = level[..., None] * view.backdrop.astype(np.float32)
    if spectrum == "vis":
        for channel in range(3):
            colour[..., channel] *= np.exp(0.08 * smooth_noise(rng, small, (small[0] / 3, small[1] / 3)))
    return np.asarray(cv2.resize(colour, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)


def _sensor(light: npt.NDArray[np.float32], view: View, spectrum: Spectrum) -> Photo8:
    """Lens blur, photon and read noise, sRGB encoding, 8 bits."""
    import cv2

    rng = rng_for(view.variation, "noise")
    picture = (light if spectrum == "vis" else light[..., 0]) * np.float32(view.exposure)
    if view.blur > 0:
        picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), view.blur), np.float32)
    spread = np.float32(view.noise) * np.sqrt(0.04 + 0.96 * np.clip(picture, 0, 1) / 0.2)
    picture = picture + spread * rng.standard_normal(picture.shape, np.float32)
    steps = np.clip(picture * np.float32(len(_encoding()) - 1) + np.float32(0.5), 0, len(_encoding()) - 1)
    return _encoding()[steps.astype(np.int32)]


@lru_cache(maxsize=1)
def _encoding() -> Photo8:
    """sRGB bytes of linear values in steps of 1 / 8191."""
    value = np.linspace(0, 1, 8192)
    encoded = np.where(value <= 0.0031308, 12.92 * value, 1.055 * value ** (1 / 2.4) - 0.055)
    return np.asarray(np.rint(encoded * 255), np.uint8)
