"""Generated faces in the layout of CASIA NIR-VIS 2.0, with the irregularities that its copies have.

- 44 list files with backslashes; CR LF in most, a byte order mark in one, blank lines at the end of some;
- five-digit ids from four blocks, one for each recording period; every eighth person is in two periods, with the same
  file names in both;
- in ``s2/NIR`` some photos are named ``01-B``;
- numbering has holes and does not always start at 001;
- a few extensions on disk are not those of the lists, or are in capitals;
- one person is in no list;
- eye positions with backslashes; ``Thumbs.db`` in a folder of photos; crops to 128 x 128 beside the whole photos.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from masksynth.arrays import Spectrum
from masksynth.datasets.generated.camera import GeneratedPhoto
from masksynth.datasets.generated.demo import DemoConfig, DemoWriter, photos_each, save
from masksynth.seeds import rng_for

ROOT = "NIR-VIS-2.0"
BLOCKS = {"s1": 1, "s2": 10101, "s3": 20320, "s4": 30413}  # first id of each period
LISTED = {"nir": ".bmp", "vis": ".jpg"}
CROP_EYES = ((38.0, 48.0), (90.0, 48.0))  # where the eyes lie in the crops to 128 x 128


@dataclass(frozen=True)
class _Entry:
    """One photo as the lists have it."""

    person: int
    period: str
    spectrum: Spectrum
    subject: str  # five digits
    stem: str

    @property
    def line(self) -> str:
        return f"{self.period}\\{self.spectrum.upper()}\\{self.subject}\\{self.stem}{LISTED[self.spectrum]}"

    @property
    def id(self) -> str:
        return f"{self.period}/{self.spectrum.upper()}/{self.subject}/{self.stem}"


def write(writer: DemoWriter, config: DemoConfig) -> None:
    """Render all photos and write them with their lists."""
    entries = [entry for person in range(config.subjects + 1) for entry in _entries(config, person)]
    eyes: dict[str, list[str]] = {}
    counter: dict[tuple[int, str], int] = {}
    for entry in entries:
        number = counter.get((entry.person, entry.spectrum), 0)
        counter[entry.person, entry.spectrum] = number + 1
        photo = writer.photo(entry.person, entry.spectrum, number)
        kind = entry.spectrum.upper()
        place = f"{ROOT}/{entry.period}/{kind}/{entry.subject}/{entry.stem}{_disk_suffix(entry)}"
        writer.write(place, entry.id, entry.person, photo)
        _write_crop(writer, entry, photo)
        (x0, y0), (x1, y1) = np.rint(photo.eyes).astype(int)
        name = f"{ROOT}/{entry.period}/{entry.period}_{entry.spectrum}_eyes.txt"
        local = entry.line.split("\\", 1)[1]
        eyes.setdefault(name, []).append(f"{local} {x0} {y0} {x1} {y1}\r\n")
    for name, lines in eyes.items():
        writer.text(name, "".join(lines))
    writer.text(f"{ROOT}/s1/NIR/{_subject(0)}/Thumbs.db", b"\xd0\xcf\x11\xe0 no photo")
    _write_lists(writer, config, [entry for entry in entries if entry.person < config.subjects])


def _period(person: int) -> str:
    return f"s{1 + person % 4}"


def _subject(person: int) -> str:
    return f"{BLOCKS[_period(person)] + 3 * (person // 4):05d}"


def _entries(config: DemoConfig, person: int) -> list[_Entry]:
    """The photos of one person; number `config.subjects` is the one in no list."""
    found = []
    for spectrum in ("vis", "nir"):
        kind: Spectrum = "vis" if spectrum == "vis" else "nir"
        count = photos_each(config, person, kind)
        rng = rng_for(config.seed, "numbers", person, spectrum)
        numbers = np.sort(rng.permutation(np.arange(1, count + 1 + max(1, count // 4)))[:count])
        for position, number in enumerate(numbers):
            period, stem = _period(person), f"{number:03d}"
            if person % 8 == 0 and count > 1 and position >= (count + 1) // 2:
                period, stem = "s2", f"{numbers[position - (count + 1) // 2]:03d}"
            elif kind == "nir" and period == "s2" and person % 3 == 0 and position % 2:
                stem = f"{number:02d}-B"
            found.append(_Entry(person, period, kind, _subject(person), stem))
    return found


def _disk_suffix(entry: _Entry) -> str:
    """As the lists say, but for some."""
    if entry.spectrum == "vis" and entry.person % 5 == 2:
        return ".bmp"
    if entry.spectrum == "nir" and entry.person % 7 == 3:
        return ".BMP"
    return LISTED[entry.spectrum]


def _write_crop(writer: DemoWriter, entry: _Entry, photo: GeneratedPhoto) -> None:
    """The face with its eyes at fixed places, 128 x 128, grey."""
    import cv2

    grey = photo.pixels if photo.pixels.ndim == 2 else cv2.cvtColor(photo.pixels, cv2.COLOR_RGB2GRAY)
    crop = cv2.warpAffine(grey, _eyes_to(photo.eyes, np.array(CROP_EYES)), (128, 128), flags=cv2.INTER_AREA)
    folder = writer.folder / ROOT / entry.period / f"{entry.spectrum.upper()}_128x128" / entry.subject
    folder.mkdir(parents=True, exist_ok=True)
    save(folder / f"{entry.stem}.bmp", np.asarray(crop, np.uint8))


def _eyes_to(eyes: npt.NDArray[np.floating], wanted: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """(2, 3) the similarity that takes two points to two places."""
    across, goal = complex(*(eyes[1] - eyes[0])), complex(*(wanted[1] - wanted[0]))
    turn = goal / across
    linear = np.array([[turn.real, -turn.imag], [turn.imag, turn.real]])
    return np.concatenate([linear, (wanted[0] - linear @ eyes[0])[:, None]], axis=1)


def _write_lists(writer: DemoWriter, config: DemoConfig, entries: list[_Entry]) -> None:
    """View 1 and ten folds, each with its own halves of the persons; one gallery photo a person."""
    for view in ("dev", *range(1, 11)):
        order = rng_for(config.seed, "fold", view).permutation(config.subjects)
        trains = set(order[: config.subjects // 2].tolist())
        gallery: dict[int, _Entry] = {}
        for entry in entries:
            if entry.spectrum == "vis" and entry.person not in trains:
                gallery.setdefault(entry.person, entry)
        parts = {
            "nir_train": [e for e in entries if e.spectrum == "nir" and e.person in trains],
            "vis_train": [e for e in entries if e.spectrum == "vis" and e.person in trains],
            "nir_probe": [e for e in entries if e.spectrum == "nir" and e.person not in trains],
            "vis_gallery": list(gallery.values()),
        }
        for part, rows in parts.items():
            ends = "\n" if view == 4 else "\r\n"
            text = "".join(row.line + ends for row in rows) + (ends if view == 7 else "")
            mark = b"\xef\xbb\xbf" if (part, view) == ("nir_train", 3) else b""
            writer.text(f"{ROOT}/protocols/{part}_{view}.txt", mark + text.encode())
