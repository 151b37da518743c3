"""Pretraining: photos of any of the forms, read ahead, resumed to the same weights."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from pattern_faces import interrupted, pattern_images, write_pattern_store

from masksynth.cli.main import main
from masksynth.errors import ConfigError, TrainingError
from masksynth.photos import write_photo
from masksynth.train.augment import InputFormat
from masksynth.train.config import PretrainConfig
from masksynth.train.networks import NetworkInfo, build, load_network
from masksynth.train.plain import Plain
from masksynth.train.pretrain import StreamedBatches, open_source, pretrain
from masksynth.train.run import RunFolder

SMALL = PretrainConfig(side=32, width=0.25, dimensions=16, batch=8, epochs=2, loss="softmax", scale=10.0, lr=0.02)


@pytest.fixture
def photos(tmp_path):
    _, vis, labels = pattern_images(identities=5, each=4, side=48)
    root = tmp_path / "faces"
    for k, (pixels, label) in enumerate(zip(vis, labels, strict=True)):
        folder = root / f"m.{label:04d}"
        folder.mkdir(parents=True, exist_ok=True)
        write_photo(folder / f"{k:03d}.png", pixels)
    return root


def test_photos_of_folders_are_crops_of_any_size(photos):
    source = open_source(photos)
    assert len(source.identity) == 20
    assert source.identity.max() == 4
    assert source.read(0, 48).shape == (48, 48, 3)
    small = source.read(0, 24)
    assert small == pytest.approx(source.read(0, 48).reshape(24, 2, 24, 2, 3).mean((1, 3)), abs=1)


def test_photo_that_is_no_crop_is_named(photos):
    write_photo(photos / "m.0000" / "a.png", np.zeros((40, 60, 3), np.uint8))
    source = open_source(photos)
    with pytest.raises(TrainingError, match=r"faces: m\.0000/a\.png is 60 x 40 px"):
        [source.read(number, 32) for number in range(21)]


def test_vis_crops_of_a_masked_data_set_will_do(tmp_path):
    source = open_source(write_pattern_store(tmp_path / "m.h5"))
    assert len(source.identity) == 54
    with pytest.raises(TrainingError, match="crops of 32 px, but 48 px are asked for"):
        source.read(0, 48)


def test_other_side_is_refused_before_there_is_a_folder(tmp_path):
    path = write_pattern_store(tmp_path / "m.h5")
    with pytest.raises(TrainingError, match=r"32 px, but 144 px are asked for\. Give --side 32\."):
        pretrain(path, PretrainConfig(), out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_batches_read_ahead_are_those_of_one_thread(photos):
    form = InputFormat(side=32)
    streams = [
        StreamedBatches(open_source(photos), SMALL, form, torch.device("cpu"), workers=workers) for workers in (1, 4)
    ]
    for _ in range(6):
        a, b = (next(stream) for stream in streams)
        assert torch.equal(a.pixels, b.pixels)
        assert torch.equal(a.identity, b.identity)
    state = streams[0].state()
    following = next(streams[0])
    streams[1].restore(state)
    assert torch.equal(following.pixels, next(streams[1]).pixels)
    for stream in streams:
        stream.close()


def test_pretraining_resumes_to_the_same_weights(photos, tmp_path):
    config = dataclasses.replace(SMALL, iterations=5)
    info = NetworkInfo(arch="mobilefacenet", side=32, dimensions=16, width=0.25)

    def part(folder, stop):
        folder.mkdir(exist_ok=True)
        torch.manual_seed(0)
        method = Plain(build(info), config, 5)
        batches = StreamedBatches(open_source(photos), config, info.input, torch.device("cpu"), workers=2)
        interrupted(RunFolder(folder), method, batches, config, info, stop)
        batches.close()
        return method.state_dict()

    whole = part(tmp_path / "whole", None)
    part(tmp_path / "parts", 2)
    for name, tensor in part(tmp_path / "parts", None).items():
        assert torch.equal(tensor, whole[name]), name


def test_epochs_decide_the_iterations_and_the_run_says_what_it_saw(photos, tmp_path):
    done = pretrain(photos, SMALL, out=tmp_path / "run", device="cpu", workers=2)
    assert done.run.read_config()["settings"]["iterations"] == 2 * 20 // 8
    _, info = load_network(done.run.path)
    assert info.trained == "pretrained on 5 identities, 20 photos of faces"
    assert pretrain(photos, SMALL, out=tmp_path / "run", device="cpu").already_done


def test_triplets_are_no_pretraining():
    with pytest.raises(ConfigError, match="by a classifier"):
        PretrainConfig(loss="triplet")


def test_pretrained_network_is_a_start_for_hsst(tmp_path, photos, monkeypatch):
    monkeypatch.chdir(tmp_path)
    small = ["--width", "0.25", "--device", "cpu"]
    first = CliRunner().invoke(
        main, ["pretrain", "faces", "-o", "start", "--side", "32", "--epochs", "1", "--batch", "10", *small]
    )
    assert first.exit_code == 0, first.output
    assert "20 photos of 5 identities" in first.output
    write_pattern_store(tmp_path / "masked.h5")
    second = CliRunner().invoke(
        main, ["train-hsst", "masked.h5", "--init", "start", "--iterations", "1", "--batch", "4", "-o", "run", *small]
    )
    assert second.exit_code == 0, second.output
    assert "from scratch" not in second.output
    assert load_network(tmp_path / "run")[1].origin == "start (pretrained on 5 identities, 20 photos of faces)"
