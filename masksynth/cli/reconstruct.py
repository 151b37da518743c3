"""masksynth reconstruct"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from masksynth.cli.options import (
    PATH,
    box_option,
    cache_option,
    chosen_detector,
    detector_option,
    force_option,
    landmarks_option,
    reconstructor_option,
    refuse_existing,
)

if TYPE_CHECKING:
    from masksynth.arrays import Photo8, Reconstruction


@click.command()
@click.argument("photo", type=PATH)
@click.option("-o", "--out", type=PATH, required=True, help="File to write: .npz arrays, .obj or .ply mesh.")
@click.option("--all-faces", is_flag=True, help="Every face of the photo, not only the largest.")
@click.option("--draw", type=PATH, help="Also write the photo with points, box and head axes drawn on it.")
@landmarks_option
@box_option
@detector_option
@reconstructor_option
@cache_option
@force_option
def command(
    photo: Path,
    out: Path,
    all_faces: bool,
    draw: Path | None,
    landmarks: Path | None,
    box: tuple[float, ...] | None,
    detector: str,
    reconstructor: str,
    cache: Path | None,
    force: bool,
) -> None:
    """Reconstruct the faces of a photo in 3D.

    PHOTO is any image file. The arrays are position_map, landmarks68, pose_deg, box and score; their first axis is the
    face, the largest first.

    Example: masksynth reconstruct ann.jpg -o ann.npz --draw ann_points.png
    """
    from masksynth.errors import NoFaceError
    from masksynth.files import require_folder
    from masksynth.photos import read_photo, write_photo
    from masksynth.reconstruct import find_faces, load_reconstructor
    from masksynth.reconstruct.draw import draw_faces
    from masksynth.reconstruct.export import check_suffix, write_faces_npz

    check_suffix(out)
    for path in filter(None, (out, draw)):
        refuse_existing(path, force)
        require_folder(path)
    source = read_photo(photo)
    finder = chosen_detector(detector, photo, landmarks, box)
    faces, dropped = find_faces(source.pixels, finder, load_reconstructor(reconstructor, cache=cache))
    for reason in dropped:
        click.echo(f"{photo}: {reason}", err=True)
    if not faces:
        raise NoFaceError(
            f"{photo}: no face found. Say where it is with --box LEFT TOP RIGHT BOTTOM or --landmarks FILE."
        )
    found = len(faces)
    faces = faces if all_faces else faces[:1]
    if out.suffix.lower() == ".npz":
        write_faces_npz(out, faces)
    else:
        _write_mesh(out, faces, source.rgb)
    if draw is not None:
        write_photo(draw, draw_faces(source.rgb, faces))
    for k, face in enumerate(faces):
        yaw, pitch, roll = face.pose.degrees
        click.echo(
            f"face {k}: score {face.score:.2f}, yaw {yaw:.0f}°, pitch {pitch:.0f}°, roll {roll:.0f}°, "
            f"{face.interocular:.0f} px between the outer eye corners"
        )
    more = f" (of {found}; --all-faces writes all)" if found > len(faces) else ""
    click.echo(f"{out}: {len(faces)} face{'s' if len(faces) > 1 else ''}{more}")


def _write_mesh(out: Path, faces: list[Reconstruction], rgb: Photo8) -> None:
    import numpy as np

    from masksynth.arrays import Validity
    from masksynth.reconstruct.export import write_obj, write_ply
    from masksynth.render import grid_triangles
    from masksynth.unwrap import extract_texture

    image = rgb.astype(np.float32) / np.float32(255)
    triangles, textures = [], []
    for face in faces:
        seen = np.where(face.position_map.validity == Validity.STRETCHED, Validity.ABSENT, face.position_map.validity)
        triangles.append(grid_triangles(seen))
        texture = extract_texture(image, face.position_map, size=512)
        textures.append(np.rint(np.clip(texture, 0, 1) * 255).astype(np.uint8))
    write = write_obj if out.suffix.lower() == ".obj" else write_ply
    write(out, faces, triangles, textures)
