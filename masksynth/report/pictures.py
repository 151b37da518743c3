"""Pictures for people: strips, contact sheets, and images as data URIs."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image as PillowImage
from PIL import ImageDraw, ImageFont

from masksynth.arrays import Photo8
from masksynth.report.markup import Markup, element, joined

JPEG_QUALITY = 88
PAPER = (255, 255, 255)
INK = (33, 37, 41)
GAP = 4  # px between the pictures of a strip
SQUARE = 12  # px: a square of the board that shows through transparent pixels


@dataclass(frozen=True)
class Cell:
    """One place of a contact sheet."""

    pixels: Photo8  # (H, W), (H, W, 3) or (H, W, 4) uint8
    label: str = ""


def rgb(pixels: npt.NDArray[np.uint8]) -> Photo8:
    """(H, W, 3): grey is repeated, transparency shows a board of light squares."""
    if pixels.ndim == 2:
        return np.repeat(pixels[:, :, None], 3, axis=2)
    if pixels.shape[2] == 3:
        return pixels
    y, x = np.mgrid[: pixels.shape[0], : pixels.shape[1]] // SQUARE
    board = np.where((x + y) % 2 == 0, 255.0, 228.0)[:, :, None]
    alpha = pixels[..., 3:].astype(float) / 255
    return np.rint(pixels[..., :3] * alpha + board * (1 - alpha)).astype(np.uint8)


def fitted(pixels: npt.NDArray[np.uint8], side: int) -> npt.NDArray[np.uint8]:
    """Scaled so that the longer side is `side`; never enlarged beyond it, small pictures stay as they are."""
    height, width = pixels.shape[:2]
    longest = max(height, width)
    if longest <= side:
        return pixels
    size = max(1, round(width * side / longest)), max(1, round(height * side / longest))
    return np.asarray(PillowImage.fromarray(pixels).resize(size, PillowImage.Resampling.LANCZOS))


def strip(pictures: Sequence[npt.NDArray[np.uint8]]) -> npt.NDArray[np.uint8]:
    """Pictures of one height side by side with a white gap; grey where all are grey."""
    if all(picture.ndim == 2 for picture in pictures):
        gap = np.full((len(pictures[0]), GAP), 255, np.uint8)
    else:
        pictures = [rgb(picture) for picture in pictures]
        gap = np.full((len(pictures[0]), GAP, 3), 255, np.uint8)
    parts = [part for picture in pictures for part in (gap, picture)]
    return np.concatenate(parts[1:], axis=1)


def contact_sheet(cells: Sequence[Cell], *, columns: int, side: int = 144, title: str = "") -> Photo8:
    """A labelled grid.

    Parameters
    ----------
    cells : pictures, row by row; each is fitted into side x side and centred
    columns : how many stand in a row
    side : of a place, pixels
    title : a line above the grid

    Returns
    -------
    sheet : (H, W, 3) uint8
    """
    font = ImageFont.load_default(size=max(11, side // 12))
    line = int(font.size * 1.5) if any(cell.label for cell in cells) else 0  # type: ignore[union-attr]
    head = int(side * 0.25) if title else 0
    columns = max(1, min(columns, len(cells)))
    rows = -(-len(cells) // columns)
    pitch_x, pitch_y = side + GAP, side + line + GAP
    sheet = PillowImage.new("RGB", (columns * pitch_x + GAP, max(1, rows) * pitch_y + GAP + head), PAPER)
    pen = ImageDraw.Draw(sheet)
    if title:
        pen.text((GAP, GAP), title, INK, ImageFont.load_default(size=max(13, side // 9)))
    for k, cell in enumerate(cells):
        picture = PillowImage.fromarray(rgb(fitted(cell.pixels, side)))
        x, y = GAP + k % columns * pitch_x, GAP + head + k // columns * pitch_y
        sheet.paste(picture, (x + (side - picture.width) // 2, y + (side - picture.height) // 2))
        if cell.label:
            pen.text((x, y + side + 1), _shortened(cell.label, font, side), INK, font)
    return np.asarray(sheet)


def data_uri(pixels: npt.NDArray[np.uint8]) -> str:
    """The picture as a data URI: PNG where it has transparency, else JPEG."""
    buffer = io.BytesIO()
    image = PillowImage.fromarray(np.ascontiguousarray(pixels))
    if image.mode in ("RGBA", "LA"):
        image.save(buffer, "PNG", optimize=True)
        kind = "png"
    else:
        image.save(buffer, "JPEG", quality=JPEG_QUALITY, subsampling=0, optimize=True)
        kind = "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"


def picture(pixels: npt.NDArray[np.uint8], alt: str, *, class_: str | None = None, width: int | None = None) -> Markup:
    """An ``img`` with the pixels inside; `width` in CSS pixels where it is not the picture's own."""
    height, own = pixels.shape[:2]
    shown = width or own
    return element("img", src=data_uri(pixels), alt=alt, width=shown, height=round(height * shown / own), class_=class_)


def card(pixels: npt.NDArray[np.uint8], *caption: str, alt: str = "", class_: str = "card") -> Markup:
    """A picture with lines of text below, the first in bold."""
    lines = [element("span", breakable(text)) for text in caption if text]
    return element("figure", picture(pixels, alt or "".join(caption[:1])), element("figcaption", lines), class_=class_)


def blank_card(inside: str, *caption: str) -> Markup:
    """A card without a picture, with words in its place."""
    lines = [element("span", breakable(text)) for text in caption if text]
    return element("figure", element("div", inside, class_="blank"), element("figcaption", lines), class_="card")


def cards(every: Sequence[Markup], size: str = "") -> Markup:
    """Cards in as many columns as there is room for; `size` is "", "wide" for strips, or "big"."""
    return element("div", every, class_=f"cards {size}".strip())


def breakable(text: str) -> Markup:
    """Text that may go on in the next line after a slash."""
    parts = text.split("/")
    return joined([[part, "/", Markup("<wbr>")] for part in parts[:-1]] + [parts[-1]])


def _shortened(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> str:
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "…") > width:
        text = text[:-1]
    return text + "…"
