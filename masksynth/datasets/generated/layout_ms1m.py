"""Generated faces in the two common forms of MS1M: a record file, and folders with a list.

Record file: 112 x 112 JPEGs with two labels each, a first record without a picture that bounds the keys, one such
record for each identity at the end; one record is written in parts, as its bytes hold the framing's magic.
List: ``m.xxxx_f/<n>-FaceId-0_align.jpg``, lines ``path label``, and ``msra_lmk.txt`` with the five points.
"""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from PIL import Image

from masksynth.align import crop, crop_from_photo
from masksynth.arrays import Photo8
from masksynth.datasets.generated.camera import GeneratedPhoto
from masksynth.datasets.generated.demo import DemoConfig, DemoWriter, photos_each
from masksynth.datasets.recordio import MAGIC, framed, pack
from masksynth.photos import JPEG_QUALITY

SIDE = 112
FREEBASE = "0123456789bcdfghjklmnpqrstvwxyz_"  # the characters of Freebase ids


def write_rec(writer: DemoWriter, config: DemoConfig) -> None:
    """Write ``train.rec``, ``train.idx`` and ``property``."""
    blocks: list[bytes] = []
    first: list[int] = []
    key = 1
    for person in range(config.subjects):
        first.append(key)
        for number in range(photos_each(config, person, "vis")):
            photo = writer.photo(person, "vis", number)
            photo = _aligned(photo)
            payload = _jpeg(photo.pixels)
            if key == 1:
                payload = payload[:2] + _comment() + payload[2:]
            blocks.append(framed(pack((float(person), 1.0), key, payload)))
            writer.note(f"{key:08d}", person, photo)
            key += 1
    after = key
    for person, start in enumerate(first):
        end = first[person + 1] if person + 1 < len(first) else after
        blocks.append(framed(pack((float(start), float(end)), after + person, b"")))
    blocks.insert(0, framed(pack((float(after), float(after + len(first))), 0, b"")))
    offsets = np.concatenate([[0], np.cumsum([len(block) for block in blocks])])
    writer.text("train.rec", b"".join(blocks))
    writer.text("train.idx", "".join(f"{number}\t{offset}\n" for number, offset in enumerate(offsets[:-1])))
    writer.text("property", f"{config.subjects},{SIDE},{SIDE}")


def write_list(writer: DemoWriter, config: DemoConfig) -> None:
    """Write the folders, ``MS-Celeb-1M-v1c-r_train_list.txt`` and ``msra_lmk.txt``."""
    lines, points = [], []
    for person in range(config.subjects):
        folder = _freebase(person)
        for number in range(photos_each(config, person, "vis")):
            photo = writer.photo(person, "vis", number)
            name = f"{folder}/{number + 10}-FaceId-0_align.jpg"
            writer.write(f"msra/{name}", name, person, photo)
            lines.append(f"{name} {person}\n")
            five = " ".join(f"{value:.1f}" for value in _five(photo).ravel())
            points.append(f"msra/{name} {person} {five}\n")
    writer.text("MS-Celeb-1M-v1c-r_train_list.txt", "".join(lines))
    writer.text("lmk/msra_lmk.txt", "".join(points))


def _freebase(person: int) -> str:
    return f"m.0{FREEBASE[person % 32]}{FREEBASE[person // 32 % 32]}7_f"


def _five(photo: GeneratedPhoto) -> npt.NDArray[np.float32]:
    p = photo.landmarks68[:, :2]
    return np.stack([p[36:42].mean(0), p[42:48].mean(0), p[30], p[48], p[54]])


def _aligned(photo: GeneratedPhoto) -> GeneratedPhoto:
    """The crop of a photo and the truth about it, in pixels of the crop."""
    matrix = crop_from_photo(_five(photo), SIDE)
    mesh = photo.mesh.astype(np.float64)
    moved = np.column_stack([mesh[:, :2] @ matrix[:, :2].T + matrix[:, 2], mesh[:, 2] * np.hypot(*matrix[:, 0])])
    roll = photo.pose.roll + float(np.arctan2(matrix[1, 0], matrix[0, 0]))
    return replace(
        photo,
        pixels=crop(photo.pixels, matrix, SIDE),
        mesh=moved.astype(np.float32),
        pose=replace(photo.pose, roll=roll),
    )


def _jpeg(pixels: Photo8) -> bytes:
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, "JPEG", quality=JPEG_QUALITY)
    return data.getvalue()


def _comment() -> bytes:
    """A JPEG comment that holds the framing's magic at a multiple of 4 of the record.

    Header and two labels are 32 bytes, the start of the JPEG 2, the head of the comment 4.
    """
    text = b"\0\0" + MAGIC.to_bytes(4, "little") + b"\0\0"
    return b"\xff\xfe" + (len(text) + 2).to_bytes(2, "big") + text
