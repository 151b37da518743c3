"""Weights of others: recognised by name and shape, carried to another side, refused where reading would run code."""

from __future__ import annotations

from pathlib import Path

import pytest
import safetensors.torch
import torch
from click.testing import CliRunner
from torch import nn

from masksynth.cli.main import main
from masksynth.errors import WeightsError
from masksynth.train.foreign import carried_to_side, load_any, read_foreign
from masksynth.train.ir50 import IR50
from masksynth.train.mobilefacenet import MobileFaceNet
from masksynth.train.networks import NetworkInfo, build, save_network


@pytest.mark.parametrize(("side", "parameters"), [(112, 43_574_976), (144, 51_963_584)])
def test_ir50_has_the_published_size_and_names(side, parameters):
    with torch.device("meta"):
        net = IR50(side)
    assert sum(p.numel() for p in net.parameters()) == parameters
    state = net.state_dict()
    assert len(state) == 349
    for name, shape in {
        "input_layer.0.weight": (64, 3, 3, 3),
        "body.0.res_layer.2.weight": (64,),
        "body.3.shortcut_layer.0.weight": (128, 64, 1, 1),
        "body.3.shortcut_layer.1.running_var": (128,),
        "body.23.res_layer.4.bias": (512,),
        "output_layer.0.weight": (512,),
        "output_layer.3.bias": (512,),
        "output_layer.4.running_mean": (512,),
    }.items():
        assert state[name].shape == shape


def test_ir50_halves_the_map_four_times():
    net = IR50(64, 16, 0.125).eval()
    assert net.body(net.input_layer(torch.zeros(1, 3, 64, 64))).shape == (1, 64, 4, 4)
    assert net(torch.zeros(2, 3, 64, 64)).shape == (2, 16)


def small(arch="mobilefacenet", side=64):
    torch.manual_seed(3)
    info = NetworkInfo(arch=arch, side=side, dimensions=24, width=0.25 if arch == "mobilefacenet" else 0.125)
    return build(info).eval(), info


@pytest.mark.parametrize("arch", ["mobilefacenet", "ir50"])
@pytest.mark.parametrize("wrap", ["bare", "module.", "module.backbone.", "lightning", "safetensors"])
def test_checkpoints_of_any_wrapping_give_the_network(tmp_path, arch, wrap):
    net, info = small(arch)
    path, state = tmp_path / "w.pt", net.state_dict()
    if wrap == "safetensors":
        path = tmp_path / "w.safetensors"
        safetensors.torch.save_file({k: v.contiguous() for k, v in state.items()}, path)
    elif wrap == "lightning":
        state = {f"backbone.{k}": v for k, v in state.items()} | {"head.weight": torch.zeros(9, 24)}
        torch.save({"state_dict": state, "epoch": 3, "batch_id": 0}, path)
    else:
        torch.save({("" if wrap == "bare" else wrap) + k: v for k, v in state.items()}, path)
    back, found = load_any(path)
    assert (found.arch, found.side, found.dimensions, found.width) == (arch, 64, 24, info.width)
    assert found.channel_order == "bgr"
    assert "imported" in found.origin
    x = torch.randn(2, 3, 64, 64)
    torch.testing.assert_close(back(x), net(x))


def test_old_checkpoint_without_step_counters_loads(tmp_path):
    net, _ = small()
    torch.save({k: v for k, v in net.state_dict().items() if "num_batches" not in k}, tmp_path / "w.pt")
    assert load_any(tmp_path / "w.pt")[1].arch == "mobilefacenet"


def test_pickled_module_is_refused_and_not_run(tmp_path):
    torch.save(nn.Linear(2, 2), tmp_path / "w.pkl")
    with pytest.raises(WeightsError, match="cannot be read without running its code"):
        read_foreign(tmp_path / "w.pkl")


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ({"epoch": 3}, "holds no state dict"),
        ({"layer.weight": torch.zeros(2)}, r"neither MobileFaceNet nor IR-50 by its names \(layer.weight"),
    ],
)
def test_other_contents_are_refused_in_one_sentence(tmp_path, state, words):
    torch.save(state, tmp_path / "w.pt")
    with pytest.raises(WeightsError, match=words):
        read_foreign(tmp_path / "w.pt")


def test_noise_is_no_checkpoint(tmp_path):
    (tmp_path / "w.pt").write_bytes(b"noise")
    with pytest.raises(WeightsError, match="is not a checkpoint of torch"):
        read_foreign(tmp_path / "w.pt")


def test_absent_file_a_folder_and_broken_weights_are_one_sentence(tmp_path):
    with pytest.raises(WeightsError, match=r"w\.pt: there is no such file of weights"):
        read_foreign(tmp_path / "w.pt")
    with pytest.raises(WeightsError, match="is a folder, but a file is wanted"):
        read_foreign(tmp_path)
    net, _ = small()
    with torch.no_grad():
        net.linear.weight[3, 2] = float("nan")
    torch.save({f"module.backbone.{k}": v for k, v in net.state_dict().items()}, tmp_path / "w.pt")
    named = r"module\.backbone\.linear\.weight has values that are not finite \(1 such"
    with pytest.raises(WeightsError, match=named):
        read_foreign(tmp_path / "w.pt")


@pytest.mark.parametrize("arch", ["mobilefacenet", "ir50"])
def test_carried_kernel_gives_the_same_feature_of_a_constant_map(arch):
    net, info = small(arch)
    tensors, moved = carried_to_side(net.state_dict(), info, 96)
    assert moved.side == 96
    assert "carried from 64 to 96 px" in moved.origin
    other = build(moved).eval()
    other.load_state_dict(tensors)
    if arch == "mobilefacenet":
        level = torch.rand(1, 128, 1, 1)
        a, b = net.conv_6_dw(level.expand(-1, -1, 4, 4)), other.conv_6_dw(level.expand(-1, -1, 6, 6))
    else:
        level = torch.rand(1, 64, 1, 1)
        a, b = net.output_layer(level.expand(-1, -1, 4, 4)), other.output_layer(level.expand(-1, -1, 6, 6))
    torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


def test_same_side_is_left_as_it_is(tmp_path):
    net, info = small()
    tensors, same = carried_to_side(net.state_dict(), info, 64)
    assert same == info
    assert tensors["conv_6_dw.conv.weight"].data_ptr() == net.conv_6_dw.conv.weight.data_ptr()


def test_network_of_ours_keeps_its_own_words(tmp_path):
    net, info = small()
    save_network(tmp_path / "n.safetensors", net, info)
    assert load_any(tmp_path / "n.safetensors")[1] == info
    assert load_any(tmp_path / "n.safetensors", side=96)[1].side == 96


def test_full_size_mobilefacenet_state_dict_is_recognised(tmp_path):
    torch.save({f"module.{k}": v for k, v in MobileFaceNet(112).state_dict().items()}, tmp_path / "Epoch_17.pt")
    _, info = load_any(tmp_path / "Epoch_17.pt", side=144)
    assert (info.side, info.dimensions, info.width) == (144, 512, 1.0)


def test_imported_backbone_is_a_start_by_its_name(tmp_path, monkeypatch):
    monkeypatch.setenv("MASKSYNTH_HOME", str(tmp_path / "home"))
    net, _ = small()
    torch.save(net.state_dict(), tmp_path / "Epoch_17.pt")
    result = CliRunner().invoke(main, ["weights", "import", "backbone", str(tmp_path / "Epoch_17.pt")])
    assert result.exit_code == 0, result.output
    assert "mobilefacenet, 64 px, 24 dimensions, BGR input" in result.output
    assert "--backbone mobilefacenet --init Epoch_17" in result.output
    monkeypatch.chdir(tmp_path)
    back, info = load_any(Path("Epoch_17"))
    assert info.channel_order == "bgr"
    x = torch.randn(1, 3, 64, 64)
    torch.testing.assert_close(back(x), net(x))
    with pytest.raises(WeightsError, match="no such file of weights"):
        load_any(Path("Epoch_18"))
