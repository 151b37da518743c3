"""Features of other people's networks, curves, folds, and statistics per spectrum."""

from __future__ import annotations

import json
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from pattern_faces import pattern_images, write_pattern_store

from masksynth.cli.main import main
from masksynth.evaluate.embed import with_statistics_of
from masksynth.evaluate.network import as_json, evaluate_network
from masksynth.evaluate.plots import curves_svg
from masksynth.evaluate.protocols import evaluate_probes, over_protocols
from masksynth.train.augment import prepare
from masksynth.train.networks import NetworkInfo, build, save_network

INFO = NetworkInfo(arch="mobilefacenet", side=32, dimensions=16, width=0.25)


def random_features(seed=0, people=30):
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(people, 8))
    labels = np.arange(people).repeat(4)
    return centres[labels] + 0.7 * rng.normal(size=(4 * people, 8)), labels, centres, np.arange(people)


def write_features(path, **more):
    probe, probe_labels, gallery, gallery_labels = random_features()
    np.savez(path, probe=probe, probe_labels=probe_labels, gallery=gallery, gallery_labels=gallery_labels, **more)
    return path


def test_features_of_any_network_are_measured_without_torch(tmp_path):
    write_features(tmp_path / "f.npz", missing_probe_labels=np.array([3, 3]))
    code = (
        "import sys; from masksynth.cli.main import main\n"
        f"main(['evaluate', '--features', r'{tmp_path / 'f.npz'}', '--json', r'{tmp_path / 'o.json'}'],"
        " standalone_mode=False)\nprint('torch' in sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.splitlines()[-1] == "False"
    written = json.loads((tmp_path / "o.json").read_text())
    direct = evaluate_probes(*random_features(), missing_probes=[3, 3])
    assert written["rank1"]["rate"] == direct.identification.rate
    assert written["rank1"]["missing"] == 2
    assert written["verification"][1]["vr"] == direct.verification[1].vr
    assert written["verification"][1]["missing"] == 2


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"probe": np.ones((1, 2))}, "lacks probe_labels, gallery, gallery_labels; it has probe"),
        ({"probe": np.array([{}], dtype=object)}, "is not an .npz file of plain arrays"),
    ],
)
def test_file_of_features_that_is_none_is_one_sentence(tmp_path, arrays, words):
    np.savez(tmp_path / "f.npz", **arrays)
    result = CliRunner().invoke(main, ["evaluate", "--features", str(tmp_path / "f.npz")])
    assert result.exit_code == 1
    assert words in result.output


def test_noise_absent_file_and_both_inputs_are_refused(tmp_path):
    (tmp_path / "noise.npz").write_bytes(b"noise")
    for arguments, code, words in [
        (["--features", str(tmp_path / "noise.npz")], 1, "is not an .npz file"),
        (["--features", str(tmp_path / "absent.npz")], 1, "there is no such file"),
        ([], 2, "give either FILE"),
        (["m.h5", "--features", "f.npz"], 2, "give either FILE"),
        (["--features", "f.npz", "--batch-norm", "per-spectrum"], 2, "--batch-norm says how to run a network"),
        (["--features", "f.npz", "--plot", "curves.png"], 2, "curves.png: curves are drawn as SVG"),
    ]:
        result = CliRunner().invoke(main, ["evaluate", *arguments])
        assert (result.exit_code, words in result.output) == (code, True), result.output


def test_plot_shows_the_curves_where_they_are():
    result = evaluate_probes(*random_features())
    root = ElementTree.fromstring(curves_svg({"a <b>": result}))
    lines = [e.get("points") for e in root.iter("{http://www.w3.org/2000/svg}polyline")]
    assert len(lines) == 2
    x, y = map(float, lines[1].split()[0].split(","))
    assert x == pytest.approx(420 + 60)
    assert (270 - y) / 240 == pytest.approx(result.identification.rate, abs=1e-3)
    last = lines[0].split()[-1].split(",")
    assert list(map(float, last)) == pytest.approx([405, 30])
    assert any(e.text == "a <b>" for e in root.iter("{http://www.w3.org/2000/svg}text"))


def test_curves_count_what_is_missing():
    whole, lost = (evaluate_probes(*random_features(), missing_probes=[0] * n) for n in (0, 40))
    assert lost.roc[-1][1] == pytest.approx(120 / 160)
    assert lost.cmc[-1] == pytest.approx(whole.cmc[-1] * 120 / 160)
    for far, vr in lost.roc[::10]:
        assert vr <= np.interp(far, *np.transpose(whole.roc)) + 1e-9


def test_mean_over_folds_leaves_other_protocols_out():
    folds = {f"fold{k:02d}": [evaluate_probes(*random_features(k))] for k in (1, 2, 3)}
    with_view = {"view1": [evaluate_probes(*random_features(9))], **folds}
    spread = over_protocols(with_view)["masked"]["rank1"]
    rates = [parts[0].identification.rate for parts in folds.values()]
    assert spread.folds == tuple(rates)
    assert spread.mean == pytest.approx(np.mean(rates))
    assert over_protocols({"test": folds["fold01"]}) == {}


def test_command_prints_the_mean_and_draws(tmp_path):
    torch.manual_seed(0)
    save_network(tmp_path / "n.safetensors", build(INFO), INFO)
    write_pattern_store(tmp_path / "m.h5")
    arguments = ["evaluate", str(tmp_path / "m.h5"), "--weights", str(tmp_path / "n.safetensors")]
    result = CliRunner().invoke(main, [*arguments, "--plot", str(tmp_path / "p.svg")])
    assert result.exit_code == 0, result.output
    assert sum(line.startswith("mean ± std") for line in result.output.splitlines()) == 2
    assert (tmp_path / "p.svg").read_text().count("<polyline") == 8
    written = json.loads((tmp_path / "evaluation.json").read_text())
    assert len(written["over_folds"]["masked"]["vr@0.001"]["folds"]) == 2


def test_statistics_of_a_set_normalise_that_set():
    torch.manual_seed(0)
    net = build(INFO)
    _, images, _ = pattern_images(identities=20)
    ours = with_statistics_of(net, INFO.input, images, torch.device("cpu"), batch=60)
    with torch.no_grad():
        x = ours.conv1.conv(prepare(torch.from_numpy(images), INFO.input))
        y = ours.conv1.bn(x)
    assert y.mean((0, 2, 3)).numpy() == pytest.approx(np.zeros(16), abs=1e-3)
    assert not ours.training
    assert int(net.conv1.bn.num_batches_tracked) == 0  # the original is as it was


def test_statistics_per_spectrum_change_both_sides(tmp_path):
    torch.manual_seed(0)
    save_network(tmp_path / "n.safetensors", build(INFO), INFO)
    store = write_pattern_store(tmp_path / "m.h5")
    both = [
        as_json(evaluate_network(store, weights=tmp_path / "n.safetensors", batch_norm=how))["protocols"]["fold01"]
        for how in ("stored", "per-spectrum")
    ]
    assert both[0]["masked"]["verification"][0]["threshold"] != both[1]["masked"]["verification"][0]["threshold"]
