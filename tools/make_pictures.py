"""Draw the pictures of README.md and the docs from generated faces, and write them to docs/pictures/.

Nobody on them exists. `extraction.png` is the way from a photo to a template, `nir.png` that template and
others on NIR faces, `templates.png` the library as the generic face wears it, `faces.png` some generated persons in
both spectra.

    python tools/make_pictures.py [-o docs/pictures]
"""

from __future__ import annotations

import argparse
import dataclasses
import io
from pathlib import Path

import numpy as np
from PIL import Image as PillowImage

from masksynth.arrays import Box, Photo8, Pose, Reconstruction
from masksynth.datasets.generated import GeneratedPhoto, draw_view, identity, render_face
from masksynth.demo import masked_person
from masksynth.extract import extract_template
from masksynth.files import write_bytes
from masksynth.photos import Photo
from masksynth.report.gallery import template_pixels
from masksynth.report.pictures import Cell, contact_sheet, fitted, rgb
from masksynth.report.walk import outline
from masksynth.seeds import rng_for
from masksynth.synthesize import mask_crop
from masksynth.template import Template, library, load_template
from masksynth.template.worn import worn

COLOURS = 256  # of a written picture, which keeps it small
PERSONS = (4, 11, 17, 21, 25, 30)
MASKS = ("surgical-blue", "kn95-black", "n95-cup", "sport-grey", "kn95-valve")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--out", type=Path, default=Path("docs/pictures"))
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    write_small(out / "extraction.png", extraction())
    write_small(out / "nir.png", nir_faces())
    write_small(out / "templates.png", templates())
    write_small(out / "faces.png", faces())


def extraction(side: int = 180) -> Photo8:
    """The photo, the mask found in it, its template, and the generic face that wears it."""
    photo = masked_person()
    extracted = extract_template([Photo(photo, Path("person.png"))])
    head = np.s_[100:520, 70:490]
    found = outline(photo, extracted.views[0].segmentation.alpha)
    pictures = [
        ("a photo of somebody", photo[head]),
        ("the mask found in it", found[head]),
        ("its template", template_pixels(extracted.template)[56:240, 36:220]),
        ("worn", worn(extracted.template, yaw_deg=-35.0, side=side)),
        ("", worn(extracted.template, side=side)),
        ("", worn(extracted.template, yaw_deg=35.0, side=side)),
    ]
    return contact_sheet([Cell(enlarged(pixels, side), text) for text, pixels in pictures], columns=6, side=side)


def nir_faces(side: int = 180) -> Photo8:
    """Generated persons in NIR, without a mask above and with one below; the first wears the one from the photo."""
    template = extract_template([Photo(masked_person(), Path("person.png"))]).template
    masks = [template, *map(load_template, MASKS)]
    pairs = [masked_pair(person, mask, side) for person, mask in zip(PERSONS, masks, strict=True)]
    return contact_sheet([Cell(pair[row]) for row in (0, 1) for pair in pairs], columns=len(pairs), side=side)[..., 0]


def masked_pair(person: int, template: Template, side: int) -> tuple[Photo8, Photo8]:
    """A generated person in NIR, aligned, without and with the mask."""
    view = draw_view(rng_for(1, "pictures", person), "nir", mood=0.6)
    view = dataclasses.replace(
        view, pose=Pose(view.pose.yaw, view.pose.pitch, 0.0), centre=(0.5, 0.45), interocular=105.0
    )
    photo = render_face(identity(0, person), view, "nir")
    crop = mask_crop(photo.pixels, true_face(photo), template, "nir", side=side, crop_template="margin", seed=0)
    return crop.clean, crop.image


def true_face(photo: GeneratedPhoto) -> Reconstruction:
    """What a reconstructor without error would say of a generated photo."""
    points = photo.landmarks68
    (left, top), (right, bottom) = points[:, :2].min(0), points[:, :2].max(0)
    box = Box(float(left), float(top), float(right), float(bottom))
    return Reconstruction(photo.position_map, points, photo.pose, box, 1.0, "truth")


def templates(side: int = 132) -> Photo8:
    """Every template of the packaged library on the generic face."""
    cells = []
    for k, entry in enumerate(e for e in library() if e.packaged):
        yaw = (-25.0, 0.0, 25.0)[k % 3]
        cells.append(Cell(worn(load_template(entry.path), yaw_deg=yaw, side=side), entry.name))
    return contact_sheet(cells, columns=8, side=side)


def faces(side: int = 176) -> Photo8:
    """Six persons, in VIS above and in NIR below."""
    cells = []
    for spectrum in ("vis", "nir"):
        for person in (0, 7, 15, 20, 26, 33):
            view = draw_view(rng_for(2, "pictures", person, spectrum), spectrum)
            pixels = render_face(identity(0, person), view, spectrum).pixels
            cells.append(Cell(pixels[80:560]))
    return contact_sheet(cells, columns=6, side=side)


def enlarged(pixels: Photo8, side: int) -> Photo8:
    image = PillowImage.fromarray(rgb(fitted(pixels, side)))
    return np.asarray(image.resize((side, side), PillowImage.Resampling.LANCZOS))


def write_small(path: Path, pixels: Photo8) -> None:
    """PNG: grey as it is, colours as 256 dithered ones."""
    image, buffer = PillowImage.fromarray(pixels), io.BytesIO()
    if image.mode != "L":
        palette = image.quantize(COLOURS, kmeans=2)
        colours = np.reshape(palette.getpalette(), (-1, 3))
        colours[colours.min(axis=1) > 244] = 255  # the paper stays white
        palette.putpalette(colours.ravel().tolist())
        palette.load()  # only now does the palette hold
        image = image.quantize(palette=palette, dither=PillowImage.Dither.FLOYDSTEINBERG)
    image.save(buffer, "PNG", optimize=True)
    write_bytes(path, buffer.getvalue())
    print(f"{path}: {pixels.shape[1]} x {pixels.shape[0]} px, {len(buffer.getvalue()) / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
