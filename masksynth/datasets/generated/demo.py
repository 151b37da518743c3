"""Generated photos as a data set on disk, in the layout of a known one, quirks and all.

What is written is what the real loader reads. Beside it lies ``truth.npz`` with what only a generator knows: the mesh
of every face, its pose and its person.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image

from masksynth.arrays import Photo8, Spectrum
from masksynth.datasets.generated.camera import GeneratedPhoto, render_face
from masksynth.datasets.generated.identity import identity
from masksynth.datasets.generated.look import View, draw_view
from masksynth.errors import ConfigError, OutputError
from masksynth.photos import JPEG_QUALITY
from masksynth.seeds import rng_for

Layout = Literal["casia", "oulu", "buaa", "ms1m-rec", "ms1m-list"]
LAYOUTS = {
    "casia": ("layout_casia", "write"),
    "oulu": ("layout_oulu", "write"),
    "buaa": ("layout_buaa", "write"),
    "ms1m-rec": ("layout_ms1m", "write_rec"),
    "ms1m-list": ("layout_ms1m", "write_list"),
}
"""Layout -> module of this package and function(writer, config) that writes it."""

README = """These are generated faces. No person on these photos exists.

They were written by `masksynth demo-dataset` in the layout of a known data set, with the irregularities that copies of
it have, so that programs meet the true shapes. They are not that data set, and no figure measured on them says anything
about it. truth.npz holds, for each photo: id, person, spectrum, mesh (468 points in pixels) and pose in degrees.
"""


@dataclass(frozen=True, kw_only=True)
class DemoConfig:
    """What to write."""

    layout: Layout = "casia"
    subjects: int = 24
    nir_photos: int = 6  # of each person, give or take two
    vis_photos: int = 4  # likewise
    seed: int = 0
    yaw: float = 25.0  # degrees, the farthest turn of the head
    damaged: bool = False  # with faults, each of which the check of the data set names

    def __post_init__(self) -> None:
        if self.layout not in LAYOUTS:
            raise ConfigError(f"there is no layout '{self.layout}'. Known are: {', '.join(LAYOUTS)}.")
        if self.subjects < 4:
            raise ConfigError(
                f"subjects must be at least 4, so that some train and some are tested; got {self.subjects}"
            )
        for name in ("nir_photos", "vis_photos"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, got {getattr(self, name)}")
        if not 0 <= self.yaw <= 90:
            raise ConfigError(f"yaw must be between 0 and 90 degrees, got {self.yaw}")


class DemoWriter:
    """Renders photos into a folder and remembers the truth about them."""

    def __init__(self, folder: Path, config: DemoConfig, progress: Callable[[], None]) -> None:
        self.folder = folder
        self._config = config
        self._progress = progress
        self._truth: list[tuple[str, int, GeneratedPhoto]] = []

    def photo(self, person: int, spectrum: Spectrum, number: int, size: tuple[int, int] = (640, 480)) -> GeneratedPhoto:
        """Photo `number` of a person: the same for the same (seed, person, spectrum, number), whatever the layout."""
        rng = rng_for(self._config.seed, "view", person, spectrum, number)
        view: View = draw_view(rng, spectrum, yaw=self._config.yaw)
        return render_face(identity(self._config.seed, person), view, spectrum, size)

    def write(self, path: str, sample_id: str, person: int, photo: GeneratedPhoto) -> None:
        """Write a photo to the file `path` below the folder, and the truth about it under its stable id."""
        place = self.folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        save(place, photo.pixels)
        self.note(sample_id, person, photo)

    def note(self, sample_id: str, person: int, photo: GeneratedPhoto) -> None:
        """Remember the truth about a photo that is written otherwise."""
        self._truth.append((sample_id, person, photo))
        self._progress()

    def text(self, path: str, content: str | bytes) -> None:
        """Write a list file; bytes as they are, text as UTF-8 with the line ends it has."""
        place = self.folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content if isinstance(content, bytes) else content.encode())

    def finish(self) -> int:
        """Write the truth and a note that says what this is; the number of photos."""
        np.savez_compressed(
            self.folder / "truth.npz",
            id=np.array([name for name, _, _ in self._truth]),
            person=np.array([person for _, person, _ in self._truth], np.int32),
            spectrum=np.array([photo.spectrum for _, _, photo in self._truth]),
            mesh=np.stack([photo.mesh for _, _, photo in self._truth]).astype(np.float32),
            pose_deg=np.array([photo.pose.degrees for _, _, photo in self._truth], np.float32),
        )
        self.text("README.txt", README)
        return len(self._truth)


def write_demo(
    folder: Path, config: DemoConfig, *, force: bool = False, progress: Callable[[], None] = lambda: None
) -> int:
    """Write a data set of generated faces to `folder`, whole or not at all; the number of photos.

    Parameters
    ----------
    force : bool
        Replace what is in `folder`.
    progress : callable
        Called after each photo.

    Raises
    ------
    OutputError
        If `folder` is a file, is not empty and may not be replaced, or cannot be written.
    """
    with whole_folder(folder, force) as temporary:
        writer = DemoWriter(temporary, config, progress)
        module, function = LAYOUTS[config.layout]
        getattr(import_module(f"masksynth.datasets.generated.{module}"), function)(writer, config)
        count = writer.finish()
        if config.damaged:
            from masksynth.datasets.generated.damage import damage  # it knows the layouts, which know this module

            damage(temporary, config.layout)
    return count


def save(path: Path, pixels: Photo8) -> None:
    """Write an image file below the folder that is being written, which is renamed as a whole."""
    options: dict[str, Any] = {"quality": JPEG_QUALITY} if path.suffix.lower() in (".jpg", ".jpeg") else {}
    Image.fromarray(pixels).save(path, **options)


@contextmanager
def whole_folder(folder: Path, force: bool) -> Iterator[Path]:
    """A folder beside `folder` to write to; renamed to it when the block ends well, removed when it does not."""
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder}: is a file, but a folder is to be written there. Give another name.")
    if folder.is_dir() and any(folder.iterdir()) and not force:
        raise OutputError(f"{folder}: is not empty. Give another folder, or --force to replace it.")
    if not folder.absolute().parent.is_dir():
        raise OutputError(f"{folder}: the folder {folder.absolute().parent} does not exist. Create it first.")
    mark = f"{os.getpid()}-{secrets.token_hex(4)}"
    temporary = folder.absolute().with_name(f".{folder.absolute().name}.{mark}")
    old = folder.absolute().with_name(f".{folder.absolute().name}.old.{mark}")
    try:
        temporary.mkdir()
        yield temporary
        if folder.exists():
            os.replace(folder, old)
        os.replace(temporary, folder)
    except OSError as error:
        if isinstance(error, OutputError):
            raise
        raise OutputError(f"{folder}: could not be written ({error.strerror or error}).") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def photos_each(config: DemoConfig, person: int, spectrum: Spectrum) -> int:
    """How many photos of one spectrum a person has: the number asked for, give or take two, at least one."""
    wanted = config.nir_photos if spectrum == "nir" else config.vis_photos
    spread = min(2, wanted - 1)
    return int(wanted + rng_for(config.seed, "count", person, spectrum).integers(-spread, spread + 1))
