from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from masksynth.errors import StoreError
from masksynth.store import Header, ProtocolRows, Rows, write_store
from masksynth.store.pairs_torch import NirVisPairs, collate_pairs

SIDE = 16


def write_people(path: Path, compression: str = "masks") -> None:
    """Six persons; every image is filled with 10 · person + number, so that a pixel says whose it is."""

    def rows(spectrum: str, per_person: int) -> Rows:
        subject = np.repeat(np.arange(6, dtype=np.int32), per_person)
        level = (10 * subject + np.tile(np.arange(per_person), 6)).astype(np.uint8)
        shape = (len(level), SIDE, SIDE) if spectrum == "nir" else (len(level), SIDE, SIDE, 3)
        image = np.ones(shape, np.uint8) * level.reshape(-1, *[1] * (len(shape) - 1))
        masked = spectrum == "nir"
        zero = np.zeros((len(level), SIDE, SIDE), np.uint8)
        return Rows(
            image=image,
            subject=subject,
            source=tuple(f"{i}.png" for i in range(len(level))),
            image_id=np.arange(len(level), dtype=np.int32),
            landmarks=np.zeros((len(level), 5, 2), np.float32),
            pose=np.zeros((len(level), 3), np.float32),
            score=np.ones(len(level), np.float32),
            mask=np.full(len(level), -1, np.int32),
            clean=255 - image if masked else None,
            alpha=zero if masked else None,
            touched=zero if masked else None,
        )

    nir, vis = rows("nir", 4), rows("vis", 3)
    train = {
        "nir_train": np.flatnonzero(nir.subject != 5),
        "vis_train": np.flatnonzero(vis.subject != 0),
        "nir_probe": np.zeros(0, np.int32),
        "vis_gallery": np.zeros(0, np.int32),
    }
    write_store(
        path,
        Header(dataset="small", side=SIDE, reconstructor="facemesh", detector="blazeface"),
        subjects=[f"p{i}" for i in range(6)],
        nir=nir,
        vis=vis,
        protocols=[ProtocolRows("fold01", train, {part: len(r) for part, r in train.items()}, {}, published=True)],
        compression=compression,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize("in_memory", [False, True])
def test_a_pair_is_of_one_person(tmp_path: Path, in_memory: bool) -> None:
    write_people(tmp_path / "m.h5")
    pairs = NirVisPairs(tmp_path / "m.h5", "fold01", in_memory=in_memory)
    assert pairs.subjects == ("p1", "p2", "p3", "p4")  # p0 has no VIS to train on, p5 no NIR
    assert len(pairs) == 16
    for i in range(len(pairs)):
        pair = pairs[i]
        assert pair.nir.shape == (1, SIDE, SIDE)
        assert pair.vis.shape == (3, SIDE, SIDE)
        person = int(pair.nir[0, 0, 0]) // 10
        assert person == int(pair.vis[0, 0, 0]) // 10
        assert pairs.subjects[int(pair.label)] == f"p{person}"


def test_the_vis_face_is_another_in_other_epochs_and_the_same_again(tmp_path: Path) -> None:
    write_people(tmp_path / "m.h5")
    pairs = NirVisPairs(tmp_path / "m.h5", "fold01")
    drawn = {}
    for epoch in range(12):
        pairs.set_epoch(epoch)
        drawn[epoch] = [int(pairs[i].vis[0, 0, 0]) for i in range(len(pairs))]
    pairs.set_epoch(3)
    assert [int(pairs[i].vis[0, 0, 0]) for i in range(len(pairs))] == drawn[3]
    assert all(len({drawn[e][i] for e in drawn}) > 1 for i in range(len(pairs)))


def test_clean_faces_can_be_had(tmp_path: Path) -> None:
    write_people(tmp_path / "m.h5")
    masked = NirVisPairs(tmp_path / "m.h5", "fold01")[0].nir
    clean = NirVisPairs(tmp_path / "m.h5", "fold01", kind="clean")[0].nir
    assert torch.equal(clean, 255 - masked)


@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_workers_of_a_loader_deliver_what_one_process_does(tmp_path: Path, method: str) -> None:
    write_people(tmp_path / "m.h5", "gzip")
    pairs = NirVisPairs(tmp_path / "m.h5", "fold01")
    here = list(DataLoader(pairs, batch_size=5, collate_fn=collate_pairs))
    loader = DataLoader(pairs, batch_size=5, num_workers=2, multiprocessing_context=method, collate_fn=collate_pairs)
    there = list(loader)
    assert [len(batch.label) for batch in there] == [5, 5, 5, 1]
    for a, b in zip(here, there, strict=True):
        assert torch.equal(a.nir, b.nir)
        assert torch.equal(a.vis, b.vis)
        assert torch.equal(a.label, b.label)


def test_a_protocol_without_pairs_is_refused(tmp_path: Path) -> None:
    write_people(tmp_path / "m.h5")
    with pytest.raises(StoreError, match="no protocol 'view1'"):
        NirVisPairs(tmp_path / "m.h5", "view1")
