"""JPEG files: how they were encoded, and plain ones decoded without a detour."""

from __future__ import annotations

import re

import numpy as np
from PIL import Image as PillowImage

from masksynth.arrays import Photo8
from masksynth.photos.photo import JpegSettings
from masksynth.photos.pillow import HUSHED

START_OF_SCAN, END_OF_IMAGE, SEQUENTIAL = 0xDA, 0xD9, (0xC0, 0xC1)
WITHOUT_LENGTH = (0x01, *range(0xD0, 0xD9))
OTHER_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]", re.DOTALL)  # than a coded 255, a restart, and one more to fill


def jpeg_settings(image: PillowImage.Image, orientation: int) -> JpegSettings | None:
    """The settings of an image that Pillow has opened; None where it is no JPEG."""
    if image.format not in ("JPEG", "MPO"):
        return None
    from PIL.JpegImagePlugin import get_sampling

    tables = {number: list(table) for number, table in image.quantization.items()}  # type: ignore[attr-defined]
    return JpegSettings(tables, get_sampling(image), orientation)


def plain_jpeg(image: PillowImage.Image, data: bytes) -> Photo8 | None:
    """The pixels of a plain JPEG, as Pillow would give them, in the time and memory that libjpeg-turbo itself takes.

    Pillow's library decodes into four bytes a pixel, which are then packed into three twice over; OpenCV has the same
    library decode into the array. But OpenCV overlooks damage that Pillow reports, so only files are taken whose one
    scan runs whole to the end of the image; None for all others, among them progressive ones and CMYK.
    """
    if image.format != "JPEG" or image.mode not in ("L", "RGB") or not _one_whole_scan(data):
        return None
    import cv2

    colour = cv2.IMREAD_GRAYSCALE if image.mode == "L" else cv2.IMREAD_COLOR_RGB
    with HUSHED:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), colour | cv2.IMREAD_IGNORE_ORIENTATION)
    if pixels is None or pixels.shape[:2] != (image.height, image.width):
        return None
    return np.asarray(pixels, np.uint8)


def _one_whole_scan(data: bytes) -> bool:
    """Whether the file is sequential, and between the start of its scan and the end of the image stand no markers but
    those to restart at."""
    place, sequential = 2, False
    while place + 4 <= len(data) and data[place] == 0xFF:
        marker = data[place + 1]
        if marker == 0xFF or marker in WITHOUT_LENGTH:
            place += 1 if marker == 0xFF else 2
            continue
        sequential = sequential or marker in SEQUENTIAL
        place += 2 + int.from_bytes(data[place + 2 : place + 4], "big")
        if marker == START_OF_SCAN:
            break
    else:
        return False
    if not sequential:
        return False
    end = OTHER_MARKER.search(data, place)
    return end is not None and end[0][1] == END_OF_IMAGE
