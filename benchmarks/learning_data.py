"""The data of the benchmark of learning.py: generated faces, masked by the project's own synthesis.

Reconstructions are the generator's own, so that recognition alone is measured. Training and validation persons wear
TRAIN_MASKS, test probes PROBE_MASKS; the same probes in training masks stand beside ("shared").
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
from learning_rows import SIDE, Form

from masksynth.arrays import Box, Reconstruction, Spectrum
from masksynth.datasets.generated import draw_view, identity, render_face
from masksynth.files import atomic_path
from masksynth.seeds import rng_for
from masksynth.store import Header, MaskEntry, ProtocolRows, Rows, write_store
from masksynth.synthesize import crop_face, mask_crops
from masksynth.template import load_template

SEED = 11
SIZE, SCALE = (320, 240), 0.5  # of the photos: half of the usual, still twice as fine as the crops
TRAIN_MASKS = ("surgical-blue", "surgical-black", "n95-cup", "kn95-white", "cloth-navy", "cloth-checks", "sport-grey")
PROBE_MASKS = ("kn95-black", "cloth-striped", "n95-valve", "bandana-red", "surgical-white")

Crops = np.ndarray


def make_data(folder: Path, form: Form) -> None:
    """pretrain.h5; masked.h5 with the training rows; validation.npz; test.npz. What is there is left alone."""
    pretrain, train, validation, test = persons(form)
    if not (folder / "pretrain.h5").is_file():
        store(folder / "pretrain.h5", *vis_crops(pretrain, form.pretrain_vis))
    if not (folder / "masked.h5").is_file():
        vis, vis_labels = vis_crops(train, form.vis)
        clean, worn, masked = nir_crops(train, form.nir, TRAIN_MASKS)
        store(folder / "masked.h5", vis, vis_labels, masked, clean, worn, np.repeat(np.arange(len(train)), form.nir))
    if not (folder / "validation.npz").is_file():
        gallery, labels = vis_crops(validation, 1)
        _, _, masked = nir_crops(validation, form.nir, TRAIN_MASKS)
        save(folder / "validation.npz", gallery=gallery, gallery_labels=labels, masked=masked,
             nir_labels=np.repeat(labels, form.nir))  # fmt: skip
    if not (folder / "test.npz").is_file():
        gallery, labels = vis_crops(test, 1)
        probes, probe_labels = vis_crops(test, 1, first=1)
        clean, _, masked, shared = nir_crops(test, form.probes, PROBE_MASKS, TRAIN_MASKS)
        save(folder / "test.npz", gallery=gallery, gallery_labels=labels, vis=probes, vis_labels=probe_labels,
             masked=masked, unmasked=clean, shared=shared, nir_labels=np.repeat(labels, form.probes))  # fmt: skip


def persons(form: Form) -> list[range]:
    """Numbers of the persons for pretraining, training, validation and test; nobody is in two of them."""
    counts = (form.pretrain_people, form.train_people, form.validation_people, form.test_people)
    ends = np.cumsum(counts).tolist()
    return [range(end - count, end) for end, count in zip(ends, counts, strict=True)]


def face(person: int, spectrum: Spectrum, number: int) -> tuple[Any, Reconstruction]:
    """A photo and its true reconstruction."""
    view = draw_view(rng_for(SEED, "view", person, spectrum, number), spectrum)
    view = dataclasses.replace(view, interocular=view.interocular * SCALE)
    photo = render_face(identity(SEED, person), view, spectrum, SIZE)
    box = Box(0.0, 0.0, float(photo.pixels.shape[1]), float(photo.pixels.shape[0]))
    return photo.pixels, Reconstruction(photo.position_map, photo.landmarks68, photo.pose, box, 1.0, "generated")


def vis_crops(people: range, count: int, first: int = 0) -> tuple[Crops, np.ndarray]:
    """Crops and the number of each one's person, from 0."""
    crops = [crop_face(*face(p, "vis", first + k), "vis", SIDE).pixels for p in people for k in range(count)]
    return np.stack(crops), np.repeat(np.arange(len(people)), count)


def nir_crops(people: range, count: int, *libraries: tuple[str, ...]) -> list[Crops]:
    """Clean crops, which template of the first library each one wears, and the masked crops by each library.

    Every template of a library is worn as often as the others.
    """
    loaded = [[load_template(name) for name in names] for names in libraries]
    clean, worn, masked = [], [], [[] for _ in libraries]
    for p in people:
        for k in range(count):
            number = p * count + k
            made = mask_crops(*face(p, "nir", k), [names[number % len(names)] for names in loaded], "nir", side=SIDE)
            clean.append(made[0].clean)
            worn.append(number % len(loaded[0]))
            for crops, crop in zip(masked, made, strict=True):
                crops.append(crop.image)
    return [np.stack(clean), np.array(worn), *map(np.stack, masked)]


def save(path: Path, **arrays: np.ndarray) -> None:
    with atomic_path(path) as temporary:
        np.savez(temporary, **arrays)


def store(path: Path, vis: Crops, vis_labels: np.ndarray, *nir: np.ndarray) -> None:
    """A masked data set with one protocol that has training rows alone; without `nir`, VIS crops alone.

    nir : masked crops, clean crops, template of each, person of each
    """
    masked, clean, worn, labels = nir if nir else (np.zeros((0, SIDE, SIDE), np.uint8),) * 2 + (np.zeros(0, int),) * 2

    def rows(spectrum: Spectrum, images: Crops, subject: np.ndarray, mask: np.ndarray, **more: Any) -> Rows:
        n = len(images)
        return Rows(
            image=images, subject=subject.astype(np.int32), source=tuple(f"{spectrum}/{k}" for k in range(n)),
            image_id=np.arange(n, dtype=np.int32), landmarks=np.zeros((n, 5, 2), np.float32),
            pose=np.zeros((n, 3), np.float32), score=np.ones(n, np.float32), mask=mask.astype(np.int32), **more,
        )  # fmt: skip

    none = np.zeros(0, np.int32)
    parts = {"nir_train": np.arange(len(masked), dtype=np.int32), "vis_train": np.arange(len(vis), dtype=np.int32),
             "nir_probe": none, "vis_gallery": none}  # fmt: skip
    counts = {name: len(part) for name, part in parts.items()}
    protocol = ProtocolRows("fold01", parts, counts, dict.fromkeys(parts, none), False)
    differs = (masked != clean).astype(np.uint8)
    write_store(
        path,
        Header(dataset="generated", side=SIDE, reconstructor="generated", detector="generated", seed=SEED),
        subjects=[f"g{k:04d}" for k in range(int(vis_labels.max()) + 1)],
        nir=rows("nir", masked, labels, worn, clean=clean, alpha=255 * differs, touched=differs),
        vis=rows("vis", vis, vis_labels, np.full(len(vis), -1)),
        masks=[MaskEntry(name, {"use": "train"}, "") for name in TRAIN_MASKS],
        protocols=[protocol],
    )
