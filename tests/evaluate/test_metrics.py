"""The figures of merit against counting by hand, scikit-learn and what must hold for any scores."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import roc_curve as sklearn_roc

from masksynth.errors import EvaluationError, ShapeError
from masksynth.evaluate import metrics

# Few distinct values, so that ties are common.
SCORE = st.integers(-4, 4).map(lambda n: n / 4)
VECTOR = hnp.arrays(np.float64, st.integers(1, 30), elements=SCORE)


def counted_vr(genuine, impostor, far):
    """Try every threshold; keep the best share of genuine scores with at most far N false accepts."""
    best = 0.0
    for t in [-np.inf, *genuine, *impostor]:
        if (impostor > t).sum() <= far * len(impostor) + 1e-9:
            best = max(best, float((genuine > t).mean()))
    return best


@given(VECTOR, VECTOR, st.sampled_from([0.0, 0.001, 0.1, 0.25, 0.5, 0.9, 1.0]))
def test_strict_rule_is_the_best_threshold_by_brute_force(genuine, impostor, far):
    point = metrics.verification(genuine, impostor, far)
    assert point.vr == pytest.approx(counted_vr(genuine, impostor, far))
    assert point.realised_far <= far + 1e-9
    assert point.realised_far == pytest.approx((impostor > point.threshold).mean())


@pytest.mark.parametrize("far", [0.1, 0.01, 0.001])
def test_strict_rule_equals_scikit_learn_on_the_full_curve(far):
    rng = np.random.default_rng(3)
    genuine, impostor = rng.normal(1.5, 1, 700).astype(np.float32), rng.normal(0, 1, 20_000).astype(np.float32)
    fpr, tpr, _ = sklearn_roc(
        np.repeat([1, 0], [700, 20_000]), np.concatenate([genuine, impostor]), drop_intermediate=False
    )
    assert metrics.verification(genuine, impostor, far).vr == tpr[fpr <= far].max()


@given(VECTOR, VECTOR, st.sampled_from([0.01, 0.1, 0.3, 0.5]))
def test_interpolation_is_numpys_on_the_full_curve(genuine, impostor, far):
    fpr, tpr, _ = sklearn_roc(
        np.repeat([1, 0], [len(genuine), len(impostor)]), np.concatenate([genuine, impostor]), drop_intermediate=False
    )
    if np.isclose(fpr, far).any():  # on a vertical step np.interp may take any of its points; ours is the highest
        expected = tpr[fpr <= far + 1e-9].max()
    else:
        expected = np.interp(far, fpr, tpr)
    assert metrics.verification(genuine, impostor, far, rule="interpolate").vr == pytest.approx(expected)


@given(VECTOR, VECTOR, st.sampled_from([0.01, 0.1, 0.3, 0.5]))
def test_nearest_rule_takes_the_reachable_rate_nearest_to_the_one_asked_for(genuine, impostor, far):
    point = metrics.verification(genuine, impostor, far, rule="nearest")
    reachable = np.array([(impostor > t).mean() for t in [-np.inf, np.inf, *impostor]])
    assert abs(point.realised_far - far) == pytest.approx(abs(reachable - far).min())
    assert point.realised_far == pytest.approx((impostor > point.threshold).mean())


def test_nearest_rule_can_exceed_the_rate_and_flatter():
    rng = np.random.default_rng(0)
    genuine, impostor = rng.normal(2, 1, 1000), rng.normal(0, 1, 5000)
    strict, nearest = (metrics.verification(genuine, impostor, 1.1e-4, rule=r) for r in ("strict", "nearest"))
    assert strict.realised_far == 0
    assert nearest.realised_far == pytest.approx(2e-4)
    assert nearest.vr > strict.vr


@given(VECTOR, VECTOR)
def test_rate_rises_with_the_false_accept_rate(genuine, impostor):
    rates = [metrics.verification(genuine, impostor, a).vr for a in np.linspace(0, 1, 11)]
    assert rates == sorted(rates)
    assert rates[-1] == 1.0


def test_perfect_separation_and_constant_scores():
    genuine, impostor = np.full(10, 0.9), np.full(2000, 0.1)
    assert metrics.verification(genuine, impostor, 0.001).vr == 1.0
    collapsed = metrics.verification(np.full(10, 0.5), np.full(2000, 0.5), 0.001)
    assert (collapsed.vr, collapsed.realised_far) == (0.0, 0.0)


def test_rate_that_too_few_scores_support_is_said():
    point = metrics.verification(np.array([0.9, 0.1]), np.linspace(0, 0.5, 500), 0.001)
    assert not point.far_supported
    assert "500 impostor scores cannot show" in point.note
    rough = metrics.verification(np.array([0.9]), np.linspace(0, 0.5, 5000), 0.001)
    assert rough.far_supported
    assert "rests on 5 impostor scores" in rough.note
    assert metrics.verification(np.array([0.9]), np.linspace(0, 0.5, 10_000), 0.001).note == ""


def test_missing_pairs_are_rejected_pairs():
    genuine, impostor = np.array([0.9, 0.8, 0.1]), np.linspace(0, 0.5, 1000)
    point = metrics.verification(genuine, impostor, 0.01, missing=1)
    assert point.vr == pytest.approx(2 / 4)
    assert point.vr_present == pytest.approx(2 / 3)


def test_no_scores_give_nan_and_the_reason():
    point = metrics.verification(np.zeros(0), np.ones(3), 0.1)
    assert np.isnan(point.vr)
    assert point.note == "there is no genuine score"
    assert "no impostor" in metrics.verification(np.ones(3), np.zeros(0), 0.1).note


@given(hnp.arrays(np.float64, (6, 5), elements=SCORE), st.randoms(use_true_random=False))
def test_order_of_probes_and_gallery_changes_nothing(scores, random):
    probe, gallery = np.array([0, 1, 2, 0, 1, 2]), np.array([0, 1, 2, 0, 1])
    rows, columns = random.sample(range(6), 6), random.sample(range(5), 5)
    shuffled = scores[np.ix_(rows, columns)]
    assert metrics.identification(scores, probe, gallery) == metrics.identification(
        shuffled, probe[rows], gallery[columns]
    )
    a, b = (
        metrics.genuine_impostor(scores, probe, gallery),
        metrics.genuine_impostor(shuffled, probe[rows], gallery[columns]),
    )
    assert metrics.verification(*a, 0.2) == metrics.verification(*b, 0.2)


@settings(max_examples=50)
@given(hnp.arrays(np.float64, (5, 4), elements=SCORE))
def test_rank_1_by_hand(scores):
    probe, gallery = np.array([0, 1, 2, 0, 1]), np.array([0, 1, 2, 0])
    right = 0
    for row, label in zip(scores, probe, strict=True):
        top = [gallery[j] for j in range(4) if row[j] == max(row)]
        right += all(g == label for g in top)
    found = metrics.identification(scores, probe, gallery, missing=3)
    assert found.correct == right
    assert found.rate == right / 8
    assert found.rate_present == right / 5


def test_tie_with_a_stranger_is_wrong_and_with_oneself_right():
    gallery = np.array(["ann", "ann", "bob"])
    tied = np.array([[0.5, 0.5, 0.1], [0.5, 0.1, 0.5]])
    found = metrics.identification(tied, np.array(["ann", "ann"]), gallery)
    assert found.correct == 1


def test_probe_without_mate_is_named_or_counted_as_wrong():
    scores, gallery = np.ones((2, 2)) * [1, 0], np.array([0, 1])
    with pytest.raises(EvaluationError, match="the gallery lacks the identity of 1 of 2 probes, first 7"):
        metrics.identification(scores, np.array([0, 7]), gallery)
    found = metrics.identification(scores, np.array([0, 7]), gallery, mates="wrong")
    assert (found.correct, found.without_mate, found.rate) == (1, 1, 0.5)


@settings(max_examples=50)
@given(hnp.arrays(np.float64, (5, 4), elements=SCORE))
def test_match_curve_starts_at_rank_1_and_ends_at_everyone(scores):
    probe, gallery = np.array([0, 1, 2, 0, 1]), np.array([0, 1, 2, 0])
    curve = metrics.match_curve(scores, probe, gallery)
    assert curve[0] == pytest.approx(metrics.identification(scores, probe, gallery).rate)
    assert curve[-1] == 1.0
    assert (np.diff(curve) >= 0).all()


def test_match_curve_never_counts_missing_probes():
    curve = metrics.match_curve(np.eye(3), np.arange(3), np.arange(3), missing=1)
    assert curve == pytest.approx([0.75, 0.75, 0.75])


@given(VECTOR, VECTOR)
def test_roc_curve_holds_the_strict_rate_at_each_of_its_points(genuine, impostor):
    far, vr = metrics.roc_curve(genuine, impostor)
    assert far[0] == 0
    assert (far[-1], vr[-1]) == (1, 1)
    for a, v in zip(far, vr, strict=True):
        assert metrics.verification(genuine, impostor, a).vr == pytest.approx(v)


def test_thinned_curve_keeps_points_of_the_full_one():
    rng = np.random.default_rng(1)
    genuine, impostor = rng.normal(1, 1, 500), rng.normal(0, 1, 20_000)
    full = set(zip(*metrics.roc_curve(genuine, impostor), strict=True))
    far, vr = metrics.roc_curve(genuine, impostor, points=100)
    assert len(far) <= 100
    assert set(zip(far, vr, strict=True)) <= full


def test_similarity_is_the_cosine_whatever_the_lengths():
    a, b = np.array([[3.0, 0.0], [0.0, 2.0]]), np.array([[1.0, 1.0]])
    assert metrics.similarity(a, b) == pytest.approx(np.full((2, 1), np.sqrt(0.5)))


@pytest.mark.parametrize(("value", "word"), [(np.nan, "not finite"), (0.0, "zero")])
def test_bad_feature_is_named_by_row(value, word):
    features = np.ones((4, 3))
    features[2] = value
    with pytest.raises(EvaluationError, match=f"probe feature of row 2 is {word}"):
        metrics.similarity(features, np.ones((1, 3)))


def test_labels_that_do_not_fit_are_refused():
    with pytest.raises(ShapeError, match="one label each"):
        metrics.identification(np.ones((2, 3)), np.arange(3), np.arange(3))


def test_fold_spread_gives_both_standard_deviations():
    spread = metrics.over_folds([0.8, 0.9, 1.0])
    assert spread.mean == pytest.approx(0.9)
    assert spread.std == pytest.approx(np.sqrt(2 / 300))
    assert spread.std_sample == pytest.approx(0.1)
    assert np.isnan(metrics.over_folds([0.5]).std_sample)
