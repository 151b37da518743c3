"""Backbones: published parameter counts and names; weight files that say what they are."""

from __future__ import annotations

import dataclasses

import pytest
import safetensors.torch
import torch

from masksynth.errors import ConfigError, WeightsError
from masksynth.train.mobilefacenet import MobileFaceNet
from masksynth.train.networks import NetworkInfo, build, load_network, save_network
from masksynth.train.prelu import PReLU

SMALL = NetworkInfo(arch="mobilefacenet", side=32, dimensions=16, width=0.25)


@pytest.mark.parametrize(("side", "parameters"), [(112, 1_200_512), (144, 1_216_896)])
def test_mobilefacenet_has_the_published_size(side, parameters):
    net = MobileFaceNet(side)
    assert sum(p.numel() for p in net.parameters()) == parameters
    assert len(net.state_dict()) == 333
    assert net.eval()(torch.zeros(1, 3, side, side)).shape == (1, 512)


def test_mobilefacenet_has_the_published_names():
    names = MobileFaceNet(112).state_dict()
    for name, shape in {
        "conv1.conv.weight": (64, 3, 3, 3),
        "conv2_dw.prelu.weight": (64,),
        "conv_23.project.bn.running_mean": (64,),
        "conv_3.model.3.conv_dw.conv.weight": (128, 1, 3, 3),
        "conv_34.conv.conv.weight": (256, 64, 1, 1),
        "conv_6_dw.conv.weight": (512, 1, 7, 7),
        "linear.weight": (512, 512),
        "bn.weight": (512,),
    }.items():
        assert names[name].shape == shape
    assert "conv_6_dw.prelu.weight" not in names


@pytest.mark.parametrize("side", [32, 64, 96, 112, 128, 144])
def test_any_side_ends_in_one_feature(side):
    assert MobileFaceNet(side, 32, 0.25).eval()(torch.zeros(2, 3, side, side)).shape == (2, 32)


def test_network_survives_its_file(tmp_path):
    net = build(SMALL).eval()
    save_network(tmp_path / "n.safetensors", net, SMALL)
    back, info = load_network(tmp_path / "n.safetensors")
    assert info == SMALL
    x = torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(back(x), net(x))


def test_folder_of_a_run_stands_for_its_network(tmp_path):
    save_network(tmp_path / "probe.safetensors", build(SMALL), SMALL)
    assert load_network(tmp_path)[1] == SMALL
    with pytest.raises(WeightsError, match=r"holds no probe\.safetensors"):
        load_network(tmp_path.parent)


def test_side_of_the_data_must_be_that_of_the_network(tmp_path):
    save_network(tmp_path / "n.safetensors", build(SMALL), SMALL)
    with pytest.raises(WeightsError, match="takes 32 px crops, but these are 144 px"):
        load_network(tmp_path / "n.safetensors", side=144)


@pytest.mark.parametrize("content", [b"", b"not weights at all", b"\x80\x02}q\x00."])
def test_other_bytes_are_refused_in_one_sentence(tmp_path, content):
    path = tmp_path / "n.safetensors"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match="is not a readable safetensors file"):
        load_network(path)


def test_weights_that_do_not_fit_are_listed(tmp_path):
    path = tmp_path / "n.safetensors"
    save_network(path, build(dataclasses.replace(SMALL, width=0.5)), SMALL)
    with pytest.raises(WeightsError, match=r"of another shape \(conv1"):
        load_network(path)
    tensors = build(SMALL).state_dict()
    del tensors["linear.weight"]
    tensors["colour"] = torch.zeros(1)
    save_network_tensors(path, tensors)
    with pytest.raises(WeightsError, match=r"1 missing \(linear.weight\); 1 unknown \(colour\)"):
        load_network(path)


def save_network_tensors(path, tensors):
    with safetensors.safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    safetensors.torch.save_file({k: v.contiguous() for k, v in tensors.items()}, path, metadata)


def test_foreign_safetensors_file_is_refused(tmp_path):
    safetensors.torch.save_file({"a": torch.zeros(1)}, tmp_path / "n.safetensors")
    with pytest.raises(WeightsError, match="is not a network of masksynth"):
        load_network(tmp_path / "n.safetensors")


@pytest.mark.parametrize("shape", [(4, 6, 5, 7), (4, 6)])
def test_prelu_is_torchs_in_both_directions(shape):
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    x[0, 0] = 0.0
    ours, torchs = PReLU(shape[1]), torch.nn.PReLU(shape[1])
    with torch.no_grad():
        for layer in (ours, torchs):
            layer.weight.copy_(torch.linspace(-0.5, 1, shape[1]))
    inputs = [x.clone().requires_grad_() for _ in range(2)]
    outputs = [layer(i) for layer, i in zip((ours, torchs), inputs, strict=True)]
    torch.testing.assert_close(*outputs, rtol=0, atol=0)
    for y in outputs:
        (y * torch.arange(y.numel()).reshape(shape)).sum().backward()
    torch.testing.assert_close(inputs[0].grad, inputs[1].grad)
    torch.testing.assert_close(ours.weight.grad, torchs.weight.grad)


def test_unknown_backbone_and_tiny_side_are_refused():
    with pytest.raises(ConfigError, match="no backbone 'vgg'"):
        build(NetworkInfo(arch="vgg", side=112))
    with pytest.raises(ConfigError, match="at least 32 x 32"):
        build(NetworkInfo(arch="mobilefacenet", side=16))
