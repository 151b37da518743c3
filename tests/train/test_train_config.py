"""Settings: the paper's defaults, what is refused, how a short run is rescaled."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from masksynth.errors import ConfigError, TrainingError
from masksynth.train.config import HsstConfig, PlainConfig, fit_to_identities


def test_defaults_are_the_papers():
    c = HsstConfig()
    assert (c.batch, c.queue, c.iterations, c.lr, c.gallery_momentum) == (64, 128, 10_000, 5e-4, 0.999)
    assert [c.lr_at(i) for i in (0, 5999, 6000, 7999, 8000, 9999)] == pytest.approx(
        [5e-4, 5e-4, 5e-5, 5e-5, 5e-6, 5e-6]
    )
    assert c.bn_mode == "joint"  # the one that is not: see docs/train.md


def test_short_run_moves_the_gallery_as_far_as_a_long_one():
    short = HsstConfig(iterations=400)
    assert short.gallery_momentum == pytest.approx(0.999**25)
    assert short.gallery_momentum**400 == pytest.approx(HsstConfig().gallery_momentum ** 10_000)
    assert HsstConfig(iterations=20_000).gallery_momentum == 0.999
    assert HsstConfig(iterations=400, momentum=0.9).gallery_momentum == 0.9


@pytest.mark.parametrize(
    ("setting", "value", "words"),
    [
        ("queue", 100, "multiple of batch"),
        ("queue", 0, "multiple of batch"),
        ("batch", 1, "at least 2"),
        ("lr", 0.0, "above 0"),
        ("lr", float("nan"), "above 0"),
        ("lr", float("inf"), "above 0 and finite"),
        ("scale", float("inf"), "above 0 and finite"),
        ("margin", float("nan"), r"of softmax must be in \[0, 0\]"),
        ("loss", "hinge", "softmax, am, arc"),
        ("bn_mode", "off", "joint, separate, frozen"),
        ("momentum", 1.0, r"\[0, 1\)"),
        ("milestones", (0.8, 0.6), "rising"),
        ("width", 0.0, "width"),
        ("iterations", 0, "at least 1"),
    ],
)
def test_wrong_value_fails_at_construction(setting, value, words):
    with pytest.raises(ConfigError, match=words):
        HsstConfig(**{setting: value})


@pytest.mark.parametrize(("loss", "margin"), [("am", 2.1), ("arc", 3.2), ("arc", float("nan")), ("triplet", -0.1)])
def test_margin_that_no_pair_can_meet_is_refused(loss, margin):
    with pytest.raises(ConfigError, match=f"the margin of {loss} must be in"):
        HsstConfig(loss=loss, margin=margin)


@pytest.mark.parametrize("batch", [4, 10])
def test_batch_of_triplets_shows_two_identities_whole(batch):
    with pytest.raises(ConfigError, match="two identities at least: 8 or more images"):
        PlainConfig(loss="triplet", batch=batch)


def test_settings_survive_json():
    c = HsstConfig(loss="arc", iterations=17, milestones=(0.5,))
    kept = json.loads(json.dumps(c.as_dict()))
    assert HsstConfig(**{**kept, "milestones": tuple(kept["milestones"])}) == c


def test_digest_tells_settings_and_data_apart():
    a, b = HsstConfig(), HsstConfig(seed=1)
    assert a.digest("x") == HsstConfig().digest("x")
    assert len({a.digest("x"), b.digest("x"), a.digest("y")}) == 3


@pytest.mark.parametrize(
    ("identities", "batch", "queue"), [(192, 64, 128), (191, 64, 64), (128, 64, 64), (127, 63, 63), (50, 25, 25)]
)
def test_queue_then_batch_shrink_until_the_identities_suffice(identities, batch, queue):
    fitted, note = fit_to_identities(HsstConfig(), identities)
    assert (fitted.batch, fitted.queue) == (batch, queue)
    assert fitted.batch + fitted.queue <= identities
    assert bool(note) == (identities < 192)


def test_three_identities_are_refused():
    with pytest.raises(TrainingError, match="only 3 identities"):
        fit_to_identities(HsstConfig(), 3)


def test_settings_load_no_torch():
    modules = "masksynth.train.config, masksynth.train.run, masksynth.train.sampler, masksynth.cli.train_hsst"
    code = f"import sys, {modules}; print('torch' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "False"
