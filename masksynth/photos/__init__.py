"""Photos as files: reading whatever people have, and writing without surprise.

Reading gives 8-bit pixels in the order a viewer shows them: EXIF orientation applied, palettes and CMYK made RGB, alpha
laid over black, 16-bit scaled to 8. Each of these is said in `Photo.notes`.
"""

from masksynth.photos.photo import PHOTO_SUFFIXES, JpegSettings, Photo, is_grey, spectrum_of
from masksynth.photos.pillow import PILLOW_AT_EASE
from masksynth.photos.read import decode_photo, read_photo, read_photo_bytes
from masksynth.photos.write import JPEG_QUALITY, write_photo

__all__ = [
    "JPEG_QUALITY",
    "PHOTO_SUFFIXES",
    "PILLOW_AT_EASE",
    "JpegSettings",
    "Photo",
    "decode_photo",
    "is_grey",
    "read_photo",
    "read_photo_bytes",
    "spectrum_of",
    "write_photo",
]
