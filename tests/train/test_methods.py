"""Every method: it learns, it resumes, its pieces are what the equations say."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from pattern_faces import interrupted, pattern_fold, write_pattern_store

from masksynth.cli.main import main
from masksynth.train.augment import InputFormat
from masksynth.train.config import HsstConfig, IdrConfig, PlainConfig, SstConfig, WcnnConfig
from masksynth.train.disentangled import Disentangled, orthogonality, overlap, wasserstein
from masksynth.train.methods import METHODS
from masksynth.train.networks import NetworkInfo, build, load_network
from masksynth.train.projected import Projected
from masksynth.train.run import RunFolder
from masksynth.train.sampler import GroupSampler, UnionSampler
from masksynth.train.start import train
from masksynth.train.validation import Validation, split_for_validation

SMALL = {"width": 0.25, "dimensions": 32, "batch": 8, "iterations": 40, "lr": 0.02, "augment": "none"}
CONFIGS = [
    HsstConfig(**{**SMALL, "batch": 4}, queue=8, loss="triplet"),
    SstConfig(**{**SMALL, "batch": 4}, queue=8, scale=10.0),
    PlainConfig(**SMALL, scale=10.0),
    PlainConfig(**SMALL, loss="am", scale=10.0),
    PlainConfig(**{**SMALL, "lr": 0.005, "batch": 16}, loss="triplet"),
    IdrConfig(**SMALL, scale=10.0, head_lr=2.0, shared=32, orthogonality=0.01),
    WcnnConfig(**SMALL, scale=10.0, head_lr=2.0, shared=16, wasserstein=1.0),
]
NAMES = [f"{c.method}-{getattr(c, 'loss', '')}" for c in CONFIGS]


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def fit_patterns(folder, config, stop_after=None):
    fold = pattern_fold()
    torch.manual_seed(config.seed)
    info = NetworkInfo(
        arch="mobilefacenet",
        side=fold.side,
        dimensions=config.dimensions,
        width=config.width,
        shared=getattr(config, "shared", 0),
    )
    made = METHODS[config.method](config, build(info), fold, InputFormat(side=fold.side), torch.device("cpu"))
    folder.mkdir(exist_ok=True)
    run = RunFolder(folder)
    return interrupted(run, made.method, made.batches, made.config, info, stop_after)


@pytest.mark.slow
@pytest.mark.parametrize("config", CONFIGS, ids=NAMES)
def test_method_learns(tmp_path, config):
    log = fit_patterns(tmp_path / "run", config)[0].read_log()
    name = "classified_backbone" if isinstance(config, IdrConfig) else "loss"
    first, last = (np.mean([float(r[name]) for r in part]) for part in (log[:10], log[-10:]))
    assert last < 0.8 * first


@pytest.mark.parametrize("config", CONFIGS[1:3] + CONFIGS[4::2], ids=NAMES[1:3] + NAMES[4::2])
def test_method_resumes_to_the_same_weights(tmp_path, config):
    config = dataclasses.replace(config, iterations=3, augment="hsst")
    _, whole = fit_patterns(tmp_path / "whole", config)
    fit_patterns(tmp_path / "parts", config, stop_after=2)
    _, parts = fit_patterns(tmp_path / "parts", config)
    for name, tensor in whole.state_dict().items():
        assert torch.equal(tensor, parts.state_dict()[name]), name


def test_orthogonality_is_the_squared_norm_of_the_product():
    generator = torch.Generator().manual_seed(0)
    w, p = torch.randn(2, 5, 7, generator=generator, dtype=torch.float64)
    assert float(orthogonality(w, p)) == pytest.approx(float((p.T @ w).norm() ** 2))
    assert float(overlap(w, p)) == pytest.approx(float((p.T @ w).norm() / (p.norm() * w.norm())))
    w[2:], p[:2] = 0, 0  # rows that the other lacks: P^T W = 0
    assert float(orthogonality(w, p)) == 0
    assert torch.autograd.gradcheck(orthogonality, (w.requires_grad_(), p.requires_grad_()))


def test_wasserstein_of_shifted_and_scaled_samples_is_known():
    x = torch.randn(4000, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert float(wasserstein(x, x)) == 0
    shift = torch.tensor([1.0, -2.0, 0.0], dtype=torch.float64)
    assert float(wasserstein(x, x + shift)) == pytest.approx(2.5)
    assert float(wasserstein(x, 3 * x - 2 * x.mean(0))) == pytest.approx(0.5 * float((4 * x.var(0)).sum()), rel=1e-3)
    a, b = x[:5].clone().requires_grad_(), x[5:10].clone().requires_grad_()
    assert torch.autograd.gradcheck(wasserstein, (a, b))


def test_phases_of_idr_train_their_own_parameters_alone():
    config = WcnnConfig(**SMALL, shared=16)
    info = NetworkInfo(arch="mobilefacenet", side=32, dimensions=32, width=0.25, shared=16)
    method = Disentangled(build(info), config, 12)
    groups = {phase: {id(p) for g in method.trained(phase) for p in g["params"]} for phase in method.phases}
    assert not groups["backbone"] & groups["head"]
    assert groups["backbone"] | groups["head"] == {id(p) for p in method.parameters()}
    made = METHODS["wcnn"](config, build(info), pattern_fold(), info.input, torch.device("cpu"))
    loss, _ = made.method.loss(next(made.batches), "head")
    loss.backward()
    assert all(p.grad is None for p in made.method.probe.backbone.parameters())
    assert made.method.p_nir.grad.abs().sum() > 0


def test_projection_starts_as_the_backbones_own_feature():
    info = NetworkInfo(arch="mobilefacenet", side=32, dimensions=32, width=0.25)
    net = build(info).eval()
    x = torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(Projected(net, 32, 32).eval()(x), net(x))
    torch.testing.assert_close(Projected(net, 32, 8).eval()(x), net(x)[:, :8])


def test_epoch_shows_every_image_once():
    sampler = UnionSampler(20, batch=8, seed=0)
    rows = np.concatenate([next(sampler) for _ in range(5)])
    assert sorted(rows[:20]) == sorted(rows[20:]) == list(range(20))
    assert rows[:20].tolist() != rows[20:].tolist()
    assert len(next(UnionSampler(5, batch=8, seed=0))) == 5


def test_groups_hold_as_many_images_of_either_kind():
    labels = np.arange(6).repeat(2)
    batch = next(GroupSampler(labels, labels, groups=4, each=2, seed=0))
    assert len(set(batch.identity.tolist())) == 4
    assert (labels[batch.nir] == batch.identity).all()
    assert (labels[batch.vis] == batch.identity).all()
    assert len(set(batch.nir.tolist())) == 8  # two images of an identity are two


def test_validation_identities_are_never_trained_on_and_do_not_depend_on_the_seed():
    fold = pattern_fold()
    train_part, held_out = split_for_validation(fold, 0.25)
    assert (train_part.identities, held_out.identities) == (9, 3)
    assert set(train_part.subjects) | set(held_out.subjects) == set(fold.subjects)
    assert not set(train_part.subjects) & set(held_out.subjects)


def test_validation_leaves_the_networks_mode_alone():
    _, held_out = split_for_validation(pattern_fold(), 0.5)
    info = NetworkInfo(arch="mobilefacenet", side=32, dimensions=16, width=0.25)
    net = build(info).train()
    net.conv1.bn.eval()
    before = net.conv1.bn.running_mean.clone()
    figure = Validation(held_out, info, torch.device("cpu"))(net)
    assert 0 <= figure <= 1
    assert net.training
    assert not net.conv1.bn.training
    assert (net.conv1.bn.running_mean == before).all()


def test_best_network_is_that_of_the_best_validation(tmp_path):
    store = write_pattern_store(tmp_path / "m.h5", train=24)
    config = HsstConfig(**{**SMALL, "batch": 4, "scale": 10.0}, queue=8, validation=0.25)
    done = train(store, config, out=tmp_path / "run", device="cpu")
    figures = [float(r["validation"]) for r in done.run.read_log()]
    assert np.isfinite(figures).sum() == 10
    assert any("held out" in note for note in done.notes)
    net, info = load_network(done.run.best_path)
    assert done.run.read_config()["data"]["identities"] == 18
    assert info.arch == "mobilefacenet"
    assert not net.training


@pytest.mark.parametrize("method", ["plain", "idr", "wcnn", "sst"])
def test_command_trains_by_every_method_and_evaluates(tmp_path, monkeypatch, method):
    monkeypatch.chdir(tmp_path)
    write_pattern_store(tmp_path / "masked.h5")
    options = ["--iterations", "2", "--batch", "4", "--width", "0.25", "--device", "cpu", "-o", "run"]
    trained = CliRunner().invoke(main, ["train", "masked.h5", "--method", method, *options])
    assert trained.exit_code == 0, trained.output
    measured = CliRunner().invoke(main, ["evaluate", "masked.h5", "--weights", "run", "--protocol", "fold01"])
    assert measured.exit_code == 0, measured.output
    assert f"mobilefacenet, {method}" in measured.output


def test_setting_of_another_method_is_refused(tmp_path):
    result = CliRunner().invoke(main, ["train", "m.h5", "--method", "idr", "--loss", "am"])
    assert result.exit_code == 2
    assert "--loss is no setting of --method idr" in result.output


def test_preset_authors_is_what_the_released_code_does(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_pattern_store(tmp_path / "masked.h5")
    options = ["--iterations", "1", "--batch", "4", "--width", "0.25", "--device", "cpu", "--preset", "authors"]
    for more, expected in ([], "separate"), (["--bn-mode", "frozen"], "frozen"):
        out = tmp_path / expected
        result = CliRunner().invoke(main, ["train-hsst", "masked.h5", *options, *more, "-o", str(out)])
        assert result.exit_code == 0, result.output
        settings = RunFolder(out).read_config()["settings"]
        assert (settings["bn_mode"], settings["augment"]) == (expected, "hsst-compat")


def test_half_precision_keeps_weights_and_losses_in_float32(tmp_path):
    config = HsstConfig(**{**SMALL, "batch": 4, "iterations": 3}, queue=8, amp="bf16")
    run, method = fit_patterns(tmp_path / "half", config)
    other, _ = fit_patterns(tmp_path / "full", dataclasses.replace(config, amp="off"))
    assert all(p.dtype == torch.float32 for p in method.probe.parameters())
    assert method.nir_queue.dtype == torch.float32
    half, full = (float(r.read_log()[0]["loss"]) for r in (run, other))
    assert half != full
    assert half == pytest.approx(full, rel=0.1)


@pytest.mark.parametrize("kind", [IdrConfig, WcnnConfig])
def test_projections_keep_the_rate_of_the_backbone(kind):
    """Ten times the rate, as a new classifier has it, breaks them: the penalty is quartic in W and P."""
    config = kind(dimensions=16, shared=8, batch=4, head_lr=7.0)
    method = Disentangled(Projected(torch.nn.Linear(3, 16), 16, 8), config, 5)
    slow, fast = method.trained("head")
    assert (slow["lr_scale"], fast["lr_scale"]) == (1.0, 7.0)
    assert {id(p) for p in slow["params"]} == {id(p) for p in (method.probe.shared.weight, method.p_nir, method.p_vis)}
    assert len(fast["params"]) == (1 if kind is IdrConfig else 2)
    backbone = {id(p) for p in method.probe.backbone.parameters()}
    everything = {id(p) for group in (slow, fast) for p in group["params"]} | backbone
    assert everything == {id(p) for p in method.parameters()}
