"""Backbones of the user's own: named on the command line, recorded, and never imported because a file says so."""

from __future__ import annotations

import pytest
import torch
from click.testing import CliRunner
from pattern_faces import write_pattern_store

from masksynth.cli.main import main
from masksynth.errors import ConfigError
from masksynth.train.networks import NetworkInfo, build, load_network, save_network
from masksynth.train.plugin import build_plugin

OWN = """
import torch
from torch import nn

class Patches(nn.Module):
    def __init__(self, side, dimensions):
        super().__init__()
        self.cut = nn.Conv2d(3, 16, 8, 8)
        self.norm = nn.LayerNorm(16)
        self.out = nn.Linear(16, dimensions)

    def forward(self, x):
        return self.out(self.norm(self.cut(x).flatten(2).mean(2)))

def keywords(**known):
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, known["num_classes"]))

def narrow(side):
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * side * side, 7))

def broken(side):
    raise RuntimeError("no such size")

number = 3
"""


@pytest.fixture(autouse=True)
def module(tmp_path, monkeypatch):
    """A module of a name of its own, in the working folder."""
    name = f"nets_{abs(hash(tmp_path)) % 10**9}"
    (tmp_path / f"{name}.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    return name


def test_callable_is_given_what_its_signature_has(module):
    assert build_plugin(f"{module}:Patches", 32, 24)(torch.zeros(1, 3, 32, 32)).shape == (1, 24)
    assert build_plugin(f"{module}:keywords", 32, 24)(torch.zeros(1, 3, 32, 32)).shape == (1, 24)


@pytest.mark.parametrize(
    ("attribute", "words"),
    [
        ("narrow", r"gives \(2, 7\) from 2 images of 32 px, but \(2, 24\) is wanted"),
        ("broken", r"broken\(side=32\) failed: no such size"),
        ("number", "is a int, but a callable is wanted"),
        ("absent", "cannot be imported: module .* has no attribute 'absent'"),
    ],
)
def test_what_makes_no_such_network_is_one_sentence(module, attribute, words):
    with pytest.raises(ConfigError, match=words):
        build_plugin(f"{module}:{attribute}", 32, 24)


def test_file_never_imports_what_the_user_has_not_named(module, tmp_path):
    info = NetworkInfo(arch=f"{module}:Patches", side=32, dimensions=24)
    save_network(tmp_path / "n.safetensors", build(info, info.arch), info)
    (tmp_path / f"{module}.py").write_text("raise SystemExit('imported')")
    with pytest.raises(ConfigError, match=rf"n\.safetensors: .* say so with --backbone {module}:Patches"):
        load_network(tmp_path / "n.safetensors")
    with pytest.raises(ConfigError, match="is not masksynth's code"):
        load_network(tmp_path / "n.safetensors", plugin="os:system")


def test_commands_train_and_measure_with_a_network_of_ones_own(module, tmp_path):
    write_pattern_store(tmp_path / "masked.h5")
    name = f"{module}:Patches"
    options = ["--iterations", "2", "--batch", "4", "--device", "cpu", "-o", "run"]
    trained = CliRunner().invoke(main, ["train-hsst", "masked.h5", "--backbone", name, *options])
    assert trained.exit_code == 0, trained.output
    assert f"next: masksynth evaluate masked.h5 --weights run --backbone {name}" in trained.output
    refused = CliRunner().invoke(main, ["evaluate", "masked.h5"])
    assert refused.exit_code == 1, refused.output
    refused = CliRunner().invoke(main, ["evaluate", "masked.h5", "--weights", "run"])
    assert refused.exit_code == 2
    assert f"--backbone {name}" in refused.output
    measured = CliRunner().invoke(main, ["evaluate", "masked.h5", "--weights", "run", "--backbone", name])
    assert measured.exit_code == 0, measured.output
    assert f"run: {name}, hsst softmax" in measured.output
    again = ["train", "masked.h5", "--init", "run", "--backbone", name, *options[:-1], "plain"]
    tuned = CliRunner().invoke(main, again)
    assert tuned.exit_code == 0, tuned.output
    assert load_network(tmp_path / "plain", plugin=name)[1].origin.startswith("run (hsst softmax")


@pytest.mark.parametrize("name", ["mobilefacenett", "module:", ":callable"])
def test_other_names_are_wrong_use(name, tmp_path):
    write_pattern_store(tmp_path / "masked.h5")
    result = CliRunner().invoke(main, ["train-hsst", "masked.h5", "--backbone", name])
    assert result.exit_code == 2
    assert "backbone must be one of mobilefacenet, ir50, or package.module:callable" in result.output
