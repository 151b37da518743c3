"""What a lost image costs, by hand."""

from __future__ import annotations

import numpy as np
import pytest
from pattern_faces import write_pattern_store

from masksynth.errors import EvaluationError
from masksynth.evaluate.protocols import evaluate_probes

LABELS = np.array(["ann", "bob", "cid"])


def test_everything_there_and_right_is_one():
    result = evaluate_probes(np.eye(3), LABELS, np.eye(3), LABELS, fars=(0.5,))
    assert result.identification.rate == 1.0
    assert result.verification[0].vr == 1.0
    assert (result.verification[0].genuine, result.verification[0].impostor) == (3, 6)


def test_lost_probe_is_a_wrong_answer_and_costs_its_genuine_pairs():
    gallery, labels = np.eye(3)[[0, 0, 1, 2]], np.array(["ann", "ann", "bob", "cid"])
    result = evaluate_probes(np.eye(3), LABELS, gallery, labels, missing_probes=["ann"], fars=(0.5,))
    assert result.identification.rate == pytest.approx(3 / 4)
    assert result.identification.rate_present == 1.0
    point = result.verification[0]
    assert (point.genuine, point.missing) == (4, 2)  # ann has two gallery images
    assert point.vr == pytest.approx(4 / 6)
    assert point.vr_present == 1.0


def test_lost_gallery_image_makes_its_probes_wrong():
    result = evaluate_probes(np.eye(3), LABELS, np.eye(3)[:2], LABELS[:2], missing_gallery=["cid"], fars=(0.5,))
    assert result.identification.rate == pytest.approx(2 / 3)
    assert result.identification.without_mate == 1
    assert result.verification[0].missing == 1
    assert result.gallery_missing == 1


def test_probe_that_no_gallery_ever_had_is_an_error():
    with pytest.raises(EvaluationError, match="first cid"):
        evaluate_probes(np.eye(3), LABELS, np.eye(3)[:2], LABELS[:2])


def test_features_of_a_store_give_what_single_images_give(tmp_path):
    import torch

    from masksynth.evaluate.embed import embed
    from masksynth.store import open_store
    from masksynth.train.networks import NetworkInfo, build

    info = NetworkInfo(arch="mobilefacenet", side=32, dimensions=16, width=0.25)
    torch.manual_seed(0)
    net = build(info).eval()
    with open_store(write_pattern_store(tmp_path / "m.h5")) as store:
        images = store.images("nir")
    together = embed(net, info.input, images, device=torch.device("cpu"), batch=7)
    alone = np.concatenate([embed(net, info.input, image[None], device=torch.device("cpu")) for image in images[:9]])
    assert together[:9] == pytest.approx(alone, abs=1e-5)
    assert np.linalg.norm(together, axis=1) == pytest.approx(np.ones(len(images)), abs=1e-5)
    assert embed(net, info.input, images[:0], device=torch.device("cpu")).shape == (0, 16)
