"""ONNX export: agrees with torch, takes any number of crops, says what it is."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from masksynth.cli.main import main
from masksynth.evaluate.embed import embed
from masksynth.train import export as room
from masksynth.train.networks import NetworkInfo, build, save_network


def write_network(path, **more):
    info = NetworkInfo(arch="mobilefacenet", side=48, dimensions=16, width=0.25, **more)
    torch.manual_seed(0)
    net = build(info).eval()
    save_network(path, net, info)
    return net, info


def test_missing_extra_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(room, "NEEDS", ("a_package_that_nobody_has",))
    result = CliRunner().invoke(main, ["export", str(tmp_path / "n"), "-o", str(tmp_path / "o.onnx")])
    assert result.exit_code == 2
    assert "pip install 'masksynth[export]'" in result.output


@pytest.mark.filterwarnings("ignore")  # of the exporter's own dependencies
@pytest.mark.parametrize("more", [{}, {"channel_order": "bgr", "shared": 8}], ids=["rgb", "bgr-projected"])
def test_exported_network_gives_the_same_features_of_a_photo(tmp_path, more):
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    net, info = write_network(tmp_path / "n.safetensors", **more)
    out = tmp_path / "probe.onnx"
    result = CliRunner().invoke(main, ["export", str(tmp_path / "n.safetensors"), "-o", str(out)])
    assert result.exit_code == 0, result.output
    assert "agrees with torch" in result.output
    crops = np.random.default_rng(1).integers(0, 256, (5, 48, 48, 3), dtype=np.uint8)
    session = onnxruntime.InferenceSession(str(out), providers=["CPUExecutionProvider"])
    (features,) = session.run(None, {"image": crops.transpose(0, 3, 1, 2).astype(np.float32)})
    assert features == pytest.approx(embed(net, info.input, crops, device=torch.device("cpu")), abs=1e-4)
    described = json.loads(session.get_modelmeta().custom_metadata_map["masksynth"])
    assert described["arch"] == "mobilefacenet"
    assert [p.name for p in tmp_path.iterdir() if p.suffix == ".onnx"] == ["probe.onnx"]
    again = CliRunner().invoke(main, ["export", str(tmp_path / "n.safetensors"), "-o", str(out)])
    assert again.exit_code == 2
    assert "is there already" in again.output


def test_name_of_another_kind_is_refused(tmp_path):
    write_network(tmp_path / "n.safetensors")
    result = CliRunner().invoke(main, ["export", str(tmp_path / "n.safetensors"), "-o", str(tmp_path / "probe.png")])
    assert result.exit_code == 2
    assert "Give a name that ends in .onnx" in result.output
    assert not (tmp_path / "probe.png").exists()
