"""What people have on disk is read; what cannot be read gets one sentence."""

from __future__ import annotations

import contextlib
import io
import os
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image as PillowImage
from PIL import ImageCms

from masksynth.errors import ConfigError, OutputError, PhotoError
from masksynth.photos import Photo, decode_photo, is_grey, pixels, read_photo, spectrum_of, write_photo
from masksynth.photos.jpeg import plain_jpeg
from masksynth.photos.pixels import _percentile

SOURCE = Path("a.img")


def scene(height: int = 40, width: int = 56) -> np.ndarray:
    """(H, W, 3) uint8: every quarter has another colour, with a ramp across, so no two of the eight turns agree."""
    y, x = np.mgrid[:height, :width]
    red = np.where(x < width / 2, 60, 200) + (x * 40 // width)
    green = np.where(y < height / 2, 50, 170) + (y * 40 // height)
    blue = np.where((x < width / 2) == (y < height / 2), 30, 120) + ((x + y) * 40 // (height + width))
    return np.stack([red, green, blue], axis=2).astype(np.uint8)


def encoded(image: PillowImage.Image, format: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def png(array: np.ndarray) -> bytes:
    """PNG of 8 or 16 bits, 1 to 4 channels (RGB order)."""
    if array.ndim == 3:
        array = array[..., [2, 1, 0, *range(3, array.shape[2])]]
    return cv2.imencode(".png", array)[1].tobytes()


def tiff(array: np.ndarray) -> bytes:
    return cv2.imencode(".tiff", array[..., ::-1] if array.ndim == 3 else array)[1].tobytes()


def turned(upright: np.ndarray, orientation: int) -> np.ndarray:
    """The stored pixels that a viewer shows as `upright`, by the table of CIPA DC-008 (row 0, column 0 shown as)."""
    return {
        1: upright,  # top, left
        2: upright[:, ::-1],  # top, right
        3: upright[::-1, ::-1],  # bottom, right
        4: upright[::-1],  # bottom, left
        5: upright.swapaxes(0, 1),  # left, top
        6: np.rot90(upright, 1),  # right, top
        7: upright[::-1, ::-1].swapaxes(0, 1),  # right, bottom
        8: np.rot90(upright, -1),  # left, bottom
    }[orientation]


def with_orientation(orientation: int) -> PillowImage.Exif:
    exif = PillowImage.Exif()
    exif[0x0112] = orientation
    return exif


def png_with_exif(data: bytes, orientation: int) -> bytes:
    """The PNG `data` with an eXIf chunk after its header."""
    body = b"II*\x00\x08\x00\x00\x00\x01\x00" + struct.pack("<HHIHHI", 0x0112, 3, 1, orientation, 0, 0)
    return data[:33] + png_chunk(b"eXIf", body) + data[33:]


def png_chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def tiff_with_orientation(array: np.ndarray, orientation: int) -> bytes:
    """An uncompressed little-endian TIFF, (H, W) or (H, W, 3) of 8 or 16 bits."""
    height, width = array.shape[:2]
    channels = 1 if array.ndim == 2 else array.shape[2]
    bits = array.dtype.itemsize * 8
    pixels = np.ascontiguousarray(array.astype(array.dtype.newbyteorder("<"))).tobytes()
    offset = 8 + 2 + 10 * 12 + 4
    entries = [
        (256, 4, 1, width),
        (257, 4, 1, height),
        (258, 3, channels, offset if channels == 3 else bits),
        (259, 3, 1, 1),
        (262, 3, 1, 2 if channels == 3 else 1),
        (273, 4, 1, offset + 6),
        (274, 3, 1, orientation),
        (277, 3, 1, channels),
        (278, 4, 1, height),
        (279, 4, 1, len(pixels)),
    ]
    table = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return b"II*\x00\x08\x00\x00\x00" + table + b"\x00" * 4 + struct.pack("<HHH", bits, bits, bits) + pixels


# --- what is read -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_exif_orientation_is_undone_in_jpeg(orientation: int):
    stored = PillowImage.fromarray(np.ascontiguousarray(turned(scene(), orientation)))
    data = encoded(stored, "JPEG", quality=100, subsampling=0, exif=with_orientation(orientation))
    photo = decode_photo(data, SOURCE)
    assert photo.pixels.shape == (40, 56, 3)
    assert np.abs(photo.pixels.astype(int) - scene()).mean() < 1.5
    assert ("EXIF orientation applied" in photo.notes) == (orientation != 1)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("kind", ["png", "tiff"])
def test_every_exif_orientation_is_undone_in_png_and_tiff(orientation: int, deep: bool, channels: int, kind: str):
    upright = scene() if channels == 3 else scene()[..., 0]
    stored = np.ascontiguousarray(turned(upright, orientation))
    if deep:
        stored = stored.astype(np.uint16) * 257
    data = png_with_exif(png(stored), orientation) if kind == "png" else tiff_with_orientation(stored, orientation)
    photo = decode_photo(data, SOURCE, white=65535)
    np.testing.assert_array_equal(photo.pixels, upright)
    assert photo.pixels.flags.c_contiguous


def test_a_palette_becomes_its_colours():
    image = PillowImage.fromarray(scene()).quantize(16)
    photo = decode_photo(encoded(image, "PNG"), SOURCE)
    np.testing.assert_array_equal(photo.pixels, np.array(image.convert("RGB")))
    assert photo.notes == ("palette made RGB",)


def test_a_transparent_palette_colour_becomes_black():
    image = PillowImage.fromarray(scene()).quantize(16)
    index = image.getpixel((0, 0))
    photo = decode_photo(encoded(image, "PNG", transparency=index), SOURCE)
    hidden = np.array(image) == index
    assert (photo.pixels[hidden] == 0).all()
    np.testing.assert_array_equal(photo.pixels[~hidden], np.array(image.convert("RGB"))[~hidden])
    assert "alpha laid over black" in photo.notes


def test_gif_is_read():
    photo = decode_photo(encoded(PillowImage.fromarray(scene()), "GIF"), SOURCE)
    assert photo.pixels.shape == (40, 56, 3)


def test_alpha_is_laid_over_black():
    alpha = np.full((40, 56), 255, np.uint8)
    alpha[:10], alpha[10:20] = 0, 128
    photo = decode_photo(png(np.dstack([scene(), alpha])), SOURCE)
    assert (photo.pixels[:10] == 0).all()
    np.testing.assert_allclose(photo.pixels[10:20], scene()[10:20] * (128 / 255), atol=0.51)
    np.testing.assert_array_equal(photo.pixels[20:], scene()[20:])
    assert photo.notes == ("alpha laid over black",)


def test_full_alpha_changes_nothing_and_is_not_noted():
    photo = decode_photo(png(np.dstack([scene(), np.full((40, 56), 255, np.uint8)])), SOURCE)
    np.testing.assert_array_equal(photo.pixels, scene())
    assert photo.notes == ()


def test_grey_with_alpha_stays_one_channel():
    grey = PillowImage.fromarray(scene()[..., 0])
    grey.putalpha(255)
    photo = decode_photo(encoded(grey, "PNG"), SOURCE)
    np.testing.assert_array_equal(photo.pixels, scene()[..., 0])


def test_grey_with_one_transparent_value_stays_one_channel():
    photo = decode_photo(encoded(PillowImage.fromarray(scene()[..., 0]), "PNG", transparency=60), SOURCE)
    assert photo.pixels.ndim == 2


def test_cmyk_jpeg_becomes_rgb():
    image = PillowImage.fromarray(scene()).convert("CMYK")
    photo = decode_photo(encoded(image, "JPEG", quality=100, subsampling=0), SOURCE)
    assert np.abs(photo.pixels.astype(int) - scene()).mean() < 3
    assert photo.notes == ("CMYK made RGB",)


def test_progressive_jpeg_equals_the_baseline_one():
    image = PillowImage.fromarray(scene())
    plain, progressive = (decode_photo(encoded(image, "JPEG", progressive=p), SOURCE) for p in (False, True))
    np.testing.assert_array_equal(plain.pixels, progressive.pixels)


@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize(("channels", "shape"), [(3, (40, 56)), (3, (37, 51)), (1, (37, 51))])
@pytest.mark.parametrize("more", [{}, {"restart_marker_blocks": 2}, {"optimize": True}])
def test_a_plain_jpeg_is_decoded_to_the_pixels_that_pillow_gives(subsampling, channels, shape, more):
    image = PillowImage.fromarray(scene(*shape) if channels == 3 else scene(*shape)[..., 0])
    data = encoded(image, "JPEG", quality=85, **({"subsampling": subsampling} if channels == 3 else {}), **more)
    opened = PillowImage.open(io.BytesIO(data))
    direct = plain_jpeg(opened, data)
    assert direct is not None
    assert np.array_equal(direct, np.asarray(opened))
    assert np.array_equal(decode_photo(data, SOURCE).pixels, direct)


@pytest.mark.parametrize("options", [{"progressive": True}, {"mode": "CMYK"}])
def test_other_jpegs_are_left_to_pillow(options):
    image = PillowImage.fromarray(scene()).convert(options.pop("mode", "RGB"))
    data = encoded(image, "JPEG", **options)
    assert plain_jpeg(PillowImage.open(io.BytesIO(data)), data) is None
    assert decode_photo(data, SOURCE).pixels.shape == (40, 56, 3)


def test_a_damaged_jpeg_is_read_or_refused_as_pillow_alone_would():
    rng = np.random.default_rng(7)
    sound = [encoded(PillowImage.fromarray(scene()), "JPEG", quality=90, subsampling=k) for k in (0, 2)]
    verdicts = set()
    for k in range(400):
        data = bytearray(sound[k % 2])
        place = int(rng.integers(2, len(data)))
        if k % 3 == 0:
            data[place] ^= 1 << int(rng.integers(8))
        elif k % 3 == 1:
            data[place:place] = rng.integers(0, 256, 40).astype(np.uint8).tobytes()
        else:
            del data[place : int(rng.integers(place, len(data))) - 2]
        try:
            alone = np.asarray(PillowImage.open(io.BytesIO(data)).convert("RGB"))
        except Exception:
            alone = None
        try:
            read = decode_photo(bytes(data), SOURCE).rgb
        except PhotoError:
            read = None
        verdicts.add(read is None)
        if alone is None or read is None:
            assert read is None or min(PillowImage.open(io.BytesIO(data)).size) < 16
        else:
            assert np.array_equal(alone, read) or read.shape[:2] == alone.shape[1::-1]  # turned by damaged EXIF
    assert verdicts == {True, False}


def test_one_bit_becomes_black_and_white():
    image = PillowImage.fromarray(scene()[..., 0] > 127)
    photo = decode_photo(encoded(image, "PNG"), SOURCE)
    np.testing.assert_array_equal(photo.pixels, np.where(scene()[..., 0] > 127, 255, 0))


def test_a_bmp_of_sixteen_bits_a_pixel_is_an_eight_bit_photo():
    # 5 bits a channel: "16" in its raw mode is not a depth of channels
    five = scene() >> 3
    words = (five[..., 0].astype("<u2") << 10) | (five[..., 1].astype("<u2") << 5) | five[..., 2]
    body = words[::-1].tobytes()
    header = struct.pack("<IiiHHIIiiII", 40, 56, 40, 1, 16, 0, len(body), 2835, 2835, 0, 0)
    data = struct.pack("<2sIHHI", b"BM", 54 + len(body), 0, 0, 54) + header + body
    photo = decode_photo(data, SOURCE)
    assert photo.notes == ()
    assert np.abs(photo.pixels.astype(int) - scene()).max() <= 8


@pytest.mark.parametrize("encode", [png, tiff])
@pytest.mark.parametrize("channels", [1, 3])
def test_sixteen_bits_are_scaled_by_the_white_given(encode, channels: int):
    deep = (scene() if channels == 3 else scene()[..., 1]).astype(np.uint16) * 16  # a 12-bit camera
    photo = decode_photo(encode(deep), SOURCE, white=4080)
    np.testing.assert_array_equal(photo.pixels, deep // 16)
    assert photo.notes == ("more than 8 bits, scaled so that 4080 (as given) is white",)


@pytest.mark.parametrize("encode", [png, tiff])
@pytest.mark.parametrize("channels", [1, 3])
def test_sixteen_bits_are_scaled_by_their_percentile(encode, channels: int):
    deep = (scene() if channels == 3 else scene()[..., 1]).astype(np.uint16) * 3
    deep[0, 0] = 65535  # one hot pixel must not darken the photo
    photo = decode_photo(encode(deep), SOURCE)
    top = np.percentile(deep, 99.9)
    np.testing.assert_array_equal(photo.pixels, np.clip(np.rint(deep * (255 / top)), 0, 255))
    assert f"{top:g}" in photo.notes[0]
    assert "percentile" in photo.notes[0]


def test_the_percentile_by_counting_is_the_percentile():
    rng = np.random.default_rng(2)
    for size in ((16, 17), (40, 333), (200, 300)):
        values = (rng.gamma(2.0, 3000.0, size)).clip(0, 65535).astype(np.uint16)
        assert np.isclose(_percentile(values), np.percentile(values, 99.9), rtol=1e-12)


def test_the_lower_byte_of_sixteen_bits_counts():
    deep = np.zeros((32, 32, 3), np.uint16)
    deep[:, 16:] = 200  # all within one step of the upper byte
    assert decode_photo(png(deep), SOURCE, white=200).pixels[0, 31].tolist() == [255, 255, 255]


def test_sixteen_bit_alpha_is_laid_over_black():
    deep = np.dstack([scene(), np.full((40, 56), 255, np.uint8)]).astype(np.uint16) * 257
    deep[:10, :, 3] = 0
    photo = decode_photo(png(deep), SOURCE, white=65535)
    assert (photo.pixels[:10] == 0).all()
    np.testing.assert_array_equal(photo.pixels[10:], scene()[10:])


def test_a_black_sixteen_bit_photo_stays_black():
    assert decode_photo(png(np.zeros((32, 32), np.uint16)), SOURCE).pixels.max() == 0


def test_floating_point_tiff_with_nan_is_read():
    values = scene()[..., 0].astype(np.float32)
    values[3, 4] = np.nan
    photo = decode_photo(encoded(PillowImage.fromarray(values), "TIFF"), SOURCE, white=255)
    assert photo.pixels[3, 4] == 0
    np.testing.assert_array_equal(photo.pixels[10:], scene()[10:, :, 0])


@pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG", "TIFF"])
def test_of_several_pictures_in_a_file_the_first_is_taken_and_that_is_noted(format: str):
    image = PillowImage.fromarray(scene())
    data = encoded(image, format, save_all=True, append_images=[image.rotate(90), image.rotate(180)], lossless=True)
    photo = decode_photo(data, SOURCE)
    assert "the first of the 3 pictures in the file is taken" in photo.notes
    assert np.abs(photo.pixels.astype(int) - scene()).mean() < 4


def test_a_colour_space_that_is_not_srgb_is_noted():
    image = PillowImage.fromarray(scene())
    srgb, other = (ImageCms.ImageCmsProfile(ImageCms.createProfile(name)).tobytes() for name in ("sRGB", "LAB"))
    assert decode_photo(encoded(image, "JPEG", icc_profile=srgb), SOURCE).notes == ()
    assert decode_photo(encoded(image, "JPEG", icc_profile=b"no profile" * 20), SOURCE).notes == ()
    notes = decode_photo(encoded(image, "JPEG", icc_profile=other), SOURCE).notes
    assert len(notes) == 1
    assert "is handed on; colours are taken as sRGB" in notes[0]


@pytest.mark.parametrize("white", [0, -1, float("nan"), float("inf")])
def test_a_white_that_cannot_be_is_refused(white: float):
    with pytest.raises(ConfigError, match="white must be above 0"):
        decode_photo(png(scene()), SOURCE, white=white)


def test_twenty_thousand_pixels_wide():
    wide = np.tile(np.arange(256, dtype=np.uint8), (40, 79))[:, :20000]
    np.testing.assert_array_equal(decode_photo(png(wide), SOURCE).pixels, wide)


def test_a_photo_beyond_pillows_own_limit_is_read_without_a_warning():
    image = PillowImage.new("1", (20000, 4800))  # 96 megapixels: Pillow alone would warn
    assert decode_photo(encoded(image, "PNG"), SOURCE).pixels.shape == (4800, 20000)


def test_spaces_and_letters_of_any_script_in_a_path(tmp_path: Path):
    path = tmp_path / "Fotos von Zoë 面具" / "gesicht ß №1 (copy).png"
    path.parent.mkdir()
    write_photo(path, scene())
    np.testing.assert_array_equal(read_photo(str(path)).pixels, scene())


def test_sound_pixels_with_damaged_exif_are_read():
    data = encoded(PillowImage.fromarray(scene()), "JPEG", exif=with_orientation(6))
    place = data.index(b"Exif\x00\x00") + 6
    photo = decode_photo(data[:place] + b"\xff" * 12 + data[place + 12 :], SOURCE)
    assert photo.pixels.shape == (40, 56, 3)


def test_orientation_that_no_one_defined_is_ignored():
    data = encoded(PillowImage.fromarray(scene()), "JPEG", exif=with_orientation(9))
    assert decode_photo(data, SOURCE).notes == ()


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
def test_strips_make_no_difference(mode, monkeypatch):
    image = PillowImage.fromarray(np.dstack([scene(), 255 - scene()[..., 0]])).convert(mode)
    data = encoded(image, "PNG")
    whole = decode_photo(data, SOURCE)
    monkeypatch.setattr(pixels, "STRIP_PIXELS", 56 * 7)
    assert np.array_equal(decode_photo(data, SOURCE).pixels, whole.pixels)
    assert decode_photo(data, SOURCE).notes == whole.notes


@pytest.mark.parametrize("lossless", [True, False])
def test_a_large_webp_has_the_pixels_of_a_small_one(lossless, monkeypatch):
    data = encoded(PillowImage.fromarray(scene()), "WEBP", lossless=lossless)
    whole = decode_photo(data, SOURCE).pixels
    monkeypatch.setattr(pixels, "LARGE", 0)
    large = decode_photo(data, SOURCE).pixels
    assert np.abs(large.astype(int) - whole).max() <= (0 if lossless else 3)
    with pytest.raises(PhotoError):
        decode_photo(data[:-20], SOURCE)


def test_one_pixel_of_colour_in_the_last_row_is_colour():
    picture = np.full((1300, 20, 3), 90, np.uint8)
    assert is_grey(picture)
    picture[-1, -1, 2] = 91
    assert not is_grey(picture)


def test_grey_is_told_from_colour():
    grey = np.repeat(scene()[..., :1], 3, axis=2)
    assert is_grey(grey)
    assert is_grey(grey[..., 0])
    grey[5, 5, 2] ^= 1
    assert not is_grey(grey)


def test_spectrum_is_as_stated_and_auto_takes_grey_for_nir():
    assert spectrum_of(scene(), "auto") == "vis"
    assert spectrum_of(scene()[..., 0], "auto") == "nir"
    assert spectrum_of(scene(), "nir") == "nir"
    assert spectrum_of(scene()[..., 0], "vis") == "vis"


def test_rgb_repeats_one_channel():
    photo = Photo(scene()[..., 0], SOURCE)
    assert photo.rgb.shape == (40, 56, 3)
    assert (photo.rgb == scene()[..., :1]).all()


# --- what is refused --------------------------------------------------------------------------------------------------


def one_sentence(error: PhotoError, path: Path) -> str:
    message = str(error)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    assert len(message) < 400
    return message


def refused(path: Path) -> str:
    with pytest.raises(PhotoError) as caught:
        read_photo(path)
    return one_sentence(caught.value, path)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "is empty"),
        (b"this is a text, not an image\n" * 20, "is not an image"),
        (bytes(range(256)) * 40, "is not an image"),
        (b"\x89PNG\r\n\x1a\n", "is not an image"),
        (encoded(PillowImage.fromarray(scene()), "JPEG")[:-200], "is damaged or cut short"),
        (png(scene())[:-200], "is damaged or cut short"),
        (png(scene().astype(np.uint16) * 257)[:-200], "is damaged or cut short"),
        (encoded(PillowImage.fromarray(scene()), "BMP")[:-400], "is damaged or cut short"),
        (encoded(PillowImage.new("RGB", (1, 1)), "PNG"), "is 1 x 1 px"),
        (encoded(PillowImage.new("RGB", (4000, 15)), "PNG"), "at least 16 x 16"),
    ],
)
def test_a_bad_file_gets_one_sentence(tmp_path: Path, data: bytes, said: str):
    path = tmp_path / "bad photo.jpg"
    path.write_bytes(data)
    assert said in refused(path)


def test_a_jpeg_cut_at_any_length_is_read_whole_or_refused():
    data = encoded(PillowImage.fromarray(scene()), "JPEG", quality=90)
    whole = decode_photo(data, SOURCE).pixels
    for length in range(0, len(data), 7):
        try:
            photo = decode_photo(data[:length], SOURCE)
        except PhotoError:
            continue
        np.testing.assert_array_equal(photo.pixels, whole)


@pytest.mark.parametrize("deep", [False, True])
def test_a_png_cut_at_any_length_is_read_whole_or_refused(deep: bool):
    pixels = scene().astype(np.uint16) * 257 if deep else scene()
    data = png(pixels)
    for length in range(0, len(data), 7):
        try:
            photo = decode_photo(data[:length], SOURCE, white=65535)
        except PhotoError:
            continue
        np.testing.assert_array_equal(photo.pixels, scene())


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path):
    assert "there is no such file" in refused(tmp_path / "none.jpg")
    assert "is a folder" in refused(tmp_path)
    assert "could not be read" in refused(tmp_path / "nul\0.jpg")
    assert "could not be read" in refused(tmp_path / ("a" * 256))


def test_an_unreadable_file_is_named(tmp_path: Path):
    path = tmp_path / "secret.png"
    write_photo(path, scene())
    path.chmod(0o000)
    if os.geteuid() == 0:
        tmp_path.chmod(0o755)
        os.seteuid(65534)
    try:
        assert "could not be read (Permission denied)" in refused(path)
    finally:
        if os.getuid() == 0:
            os.seteuid(0)


def bomb(width: int, height: int) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = zlib.compress(bytes(100_000))
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + png_chunk(b"IDAT", body) + png_chunk(b"IEND", b"")


def test_a_decompression_bomb_is_refused_by_its_header(tmp_path: Path):
    path = tmp_path / "bomb.png"
    path.write_bytes(bomb(60_000, 60_000))
    assert "claims 60000 x 60000 px" in refused(path)


@pytest.mark.parametrize("data", [bomb(12_000, 12_000), encoded(PillowImage.new("L", (32, 32)), "JPEG")])
def test_a_header_that_claims_more_than_the_bytes_can_hold_is_refused(data: bytes):
    if data[:2] == b"\xff\xd8":
        place = data.index(b"\xff\xc0") + 5
        data = data[:place] + struct.pack(">HH", 20_000, 20_000) + data[place + 4 :]
    with pytest.raises(PhotoError, match=r"claims \d+ x \d+ px in \d+ bytes") as caught:
        decode_photo(data, SOURCE)
    one_sentence(caught.value, SOURCE)


@pytest.mark.parametrize("mode", ["1", "L", "RGB"])
def test_the_most_compressible_photo_is_not_taken_for_a_lie(mode: str):
    flat = PillowImage.new(mode, (3000, 2000))
    assert decode_photo(encoded(flat, "PNG", optimize=True), SOURCE).pixels.max() == 0
    if mode != "1":
        assert decode_photo(encoded(flat, "JPEG", optimize=True, progressive=True), SOURCE).pixels.max() == 0


def test_text_that_swells_is_refused():
    swollen = b"Comment\x00\x00" + zlib.compress(bytes(80_000_000))
    data = png(scene())
    with pytest.raises(PhotoError) as caught:
        decode_photo(data[:33] + png_chunk(b"zTXt", swollen) + data[33:], SOURCE)
    one_sentence(caught.value, SOURCE)


def damaged_files(count: int) -> list[bytes]:
    rng = np.random.default_rng(20260)
    image = PillowImage.fromarray(scene())
    sound = [
        encoded(image, "JPEG", exif=with_orientation(6)),
        encoded(image, "JPEG", progressive=True),
        encoded(image.convert("CMYK"), "JPEG"),
        png(scene()),
        png_with_exif(png(scene().astype(np.uint16) * 257), 5),
        encoded(image.quantize(16), "PNG", transparency=3),
        encoded(image, "TIFF", compression="tiff_lzw"),
        tiff_with_orientation(scene().astype(np.uint16), 3),
        encoded(image, "BMP"),
        encoded(image, "WEBP"),
        encoded(image, "GIF"),
    ]
    files = []
    for k in range(count):
        data = bytearray(sound[k % len(sound)])
        for _ in range(rng.integers(1, 8)):
            kind, place = rng.integers(4), int(rng.integers(len(data)))
            if kind == 0:
                data[place] ^= 1 << int(rng.integers(8))
            elif kind == 1:
                data[place] = int(rng.integers(256))
            elif kind == 2:  # lies in the header, where sizes stand
                place = min(place, 40) if len(data) > 44 else 0
                data[place : place + 4] = rng.bytes(4)
            elif len(data) > 8:
                del data[max(place, 4) :]
        files.append(bytes(data))
    return files


@pytest.mark.parametrize("name", ["pipe", "device"])
def test_a_pipe_or_a_device_is_named_and_not_waited_for(tmp_path: Path, name: str):
    path = tmp_path / "photo.jpg"
    if name == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/zero")
    assert "it is a pipe or a device" in refused(path)


def test_postscript_is_not_run():
    program = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 300 300\n%%EndComments\n300 300 scale\n"
    with pytest.raises(PhotoError, match="is PostScript"):
        decode_photo(program, SOURCE)


def test_a_gif_or_tiff_that_claims_more_than_its_bytes_can_hold_is_refused():
    gif = encoded(PillowImage.fromarray(scene()), "GIF")
    lies = [gif[:6] + struct.pack("<HH", 22_000, 22_000) + gif[10:]]
    for compression in ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits"):
        tif = encoded(PillowImage.fromarray(scene()), "TIFF", compression=compression)
        for tag, side in ((256, 56), (257, 40), (278, 40)):
            for kind in (3, 4):
                tif = tif.replace(struct.pack("<HHII", tag, kind, 1, side), struct.pack("<HHII", tag, 4, 1, 22_000))
        lies.append(tif)
    for lie in lies:
        with pytest.raises(PhotoError, match=r"claims 22000 x 22000 px in \d+ bytes"):
            decode_photo(lie, SOURCE)


def test_damage_is_told_once_and_not_by_the_libraries_too(capfd: pytest.CaptureFixture[str]):
    rng = np.random.default_rng(3)
    image = PillowImage.fromarray(scene())
    sound = [encoded(image, "TIFF", compression=name) for name in ("tiff_lzw", "tiff_adobe_deflate", "jpeg")]
    sound += [png(scene().astype(np.uint16) * 257), tiff(scene().astype(np.uint16) * 257)]
    sound.append(sound[0].replace(struct.pack("<HHII", 277, 3, 1, 3), struct.pack("<HHII", 277, 3, 1, 33)))
    damaged = [sound[-1]]
    for data in sound[:-1]:
        for _ in range(30):
            changed = bytearray(data)
            for place in rng.integers(8, len(data), 4):
                changed[place] = int(rng.integers(256))
            damaged.append(bytes(changed))
    for data in damaged:
        with contextlib.suppress(PhotoError):
            decode_photo(data, SOURCE)
    assert capfd.readouterr().err == ""
    os.write(2, b"heard again")
    assert capfd.readouterr().err == "heard again"


def test_randomly_damaged_files_raise_nothing_but_photo_error():
    refused_ones = 0
    for data in damaged_files(330):
        try:
            photo = decode_photo(data, SOURCE)
        except PhotoError as error:
            one_sentence(error, SOURCE)
            refused_ones += 1
        else:
            assert photo.pixels.dtype == np.uint8
            assert photo.pixels.ndim == 2 or photo.pixels.shape[2] == 3
    assert refused_ones > 100  # the damage is real


def test_random_bytes_behind_every_magic_number_raise_nothing_but_photo_error():
    rng = np.random.default_rng(5)
    magics = [
        b"\xff\xd8\xff\xe0",
        b"\x89PNG\r\n\x1a\n",
        b"II*\x00",
        b"MM\x00*",
        b"BM",
        b"GIF89a",
        b"RIFF",
        b"\x00\x00\x01\x00",
    ]
    magics += [b"P6\n9 9\n255\n", b"8BPS", b"\x00\x00\x00\x0cjP  ", b"DDS ", b"\x0a\x05", b"qoif", b"SIMPLE"]
    for magic in magics:
        for _ in range(20):
            with pytest.raises(PhotoError):
                decode_photo(magic + rng.bytes(int(rng.integers(1, 400))), SOURCE)


# --- what is written --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".tiff", ".webp", ".PNG"])
@pytest.mark.parametrize("channels", [1, 3])
def test_lossless_formats_give_back_every_pixel(tmp_path: Path, suffix: str, channels: int):
    pixels = scene() if channels == 3 else scene()[..., 0]
    path = tmp_path / f"out{suffix}"
    write_photo(path, pixels)
    back = read_photo(path)
    np.testing.assert_array_equal(back.rgb, Photo(pixels, path).rgb)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_alpha_survives_png_and_is_refused_by_jpeg(tmp_path: Path):
    rgba = np.dstack([scene(), scene()[..., 0]])
    write_photo(tmp_path / "a.png", rgba)
    with PillowImage.open(tmp_path / "a.png") as image:
        np.testing.assert_array_equal(np.array(image), rgba)
    with pytest.raises(OutputError, match="JPEG has no alpha"):
        write_photo(tmp_path / "a.jpg", rgba)
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]


@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("quality", [30, 75, 92])
def test_a_jpeg_keeps_its_quantization_tables_and_subsampling(tmp_path: Path, quality: int, subsampling: int):
    first = tmp_path / "first.jpg"
    PillowImage.fromarray(scene()).save(first, quality=quality, subsampling=subsampling)
    photo = read_photo(first)
    write_photo(tmp_path / "second.jpg", photo.pixels, like=photo)
    again = read_photo(tmp_path / "second.jpg")
    assert again.jpeg == photo.jpeg
    assert again.jpeg is not None
    assert again.jpeg.subsampling == subsampling


def test_a_grey_jpeg_keeps_its_table(tmp_path: Path):
    PillowImage.fromarray(scene()[..., 0]).save(tmp_path / "first.jpg", quality=60)
    photo = read_photo(tmp_path / "first.jpg")
    write_photo(tmp_path / "second.jpg", photo.pixels, like=photo)
    again = read_photo(tmp_path / "second.jpg")
    assert again.pixels.ndim == 2
    assert again.jpeg == photo.jpeg


def test_a_png_written_as_jpeg_has_high_quality(tmp_path: Path):
    write_photo(tmp_path / "a.png", scene())
    write_photo(tmp_path / "a.jpg", scene(), like=read_photo(tmp_path / "a.png"))
    assert np.abs(read_photo(tmp_path / "a.jpg").pixels.astype(int) - scene()).mean() < 2


def test_an_exif_turned_jpeg_is_written_upright_once(tmp_path: Path):
    stored = PillowImage.fromarray(np.ascontiguousarray(turned(scene(), 6)))
    stored.save(tmp_path / "first.jpg", quality=95, exif=with_orientation(6))
    photo = read_photo(tmp_path / "first.jpg")
    write_photo(tmp_path / "second.jpg", photo.pixels, like=photo)
    assert read_photo(tmp_path / "second.jpg").pixels.shape == (40, 56, 3)


def test_a_colour_profile_is_handed_on_where_it_fits(tmp_path: Path):
    from PIL import ImageCms

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    PillowImage.fromarray(scene()).save(tmp_path / "a.jpg", icc_profile=profile)
    photo = read_photo(tmp_path / "a.jpg")
    write_photo(tmp_path / "rgb.png", photo.pixels, like=photo)
    write_photo(tmp_path / "grey.png", photo.pixels[..., 0], like=photo)
    assert read_photo(tmp_path / "rgb.png").icc_profile == profile
    assert read_photo(tmp_path / "grey.png").icc_profile is None


@pytest.mark.parametrize("name", ["out.xyz", "out", "out.gif"])
def test_an_unknown_suffix_is_named(tmp_path: Path, name: str):
    with pytest.raises(OutputError, match=r"names no image format. Use one of .jpg"):
        write_photo(tmp_path / name, scene())


@pytest.mark.parametrize(("suffix", "width"), [(".webp", 16_384), (".jpg", 65_536)])
def test_wider_than_the_format_takes_is_one_sentence_and_leaves_nothing(tmp_path: Path, suffix: str, width: int):
    with pytest.raises(OutputError) as caught:
        write_photo(tmp_path / f"wide{suffix}", np.zeros((16, width), np.uint8))
    assert str(caught.value).startswith(str(tmp_path / f"wide{suffix}"))
    assert list(tmp_path.iterdir()) == []


def test_a_folder_or_a_missing_folder_as_output_is_named(tmp_path: Path):
    (tmp_path / "out.png").mkdir()
    with pytest.raises(OutputError, match="is a folder"):
        write_photo(tmp_path / "out.png", scene())
    with pytest.raises(OutputError, match="does not exist"):
        write_photo(tmp_path / "none" / "out.png", scene())
