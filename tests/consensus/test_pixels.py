"""Consensus of raters; every expected mask is drawn by hand, published, or computed by a second implementation."""

import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st

from drawing import draw
from segassay.consensus import estimation, patterns
from segassay.consensus.pixels import (
    METHODS,
    Staple,
    count_decisions,
    decisions_of_marked,
    fuse_decisions,
    intersection,
    majority_vote,
    soft_mean,
    staple,
    staple_mask_of_decisions,
    staple_of_decisions,
    union,
    without_rater,
)
from segassay.io.images import read_mask

ANNA, BEN, CLEO = draw("##.. ##.."), draw("##.. ...."), draw(".##. ....")
HAND_CASE = np.stack([draw("##.."), draw("###."), draw("#...")])
sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)  # many small images: threads would only wait for each other
LABS = {"lab-wue1": 36, "lab-inns1": 5, "lab-mue": 5}


def noisy_raters(rng: np.random.Generator, n_raters: int, shape: tuple[int, ...], error: float = 0.2) -> np.ndarray:
    """Raters who see one truth, a fifth of the pixels, and err independently."""
    truth = rng.random(shape) < 0.2
    return truth ^ (rng.random((n_raters, *shape)) < error)


def staple_pixel_by_pixel(masks: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """STAPLE as the article writes it: every pixel on its own, products instead of logarithms."""
    decided = masks.reshape(len(masks), -1)
    prior, p, q = decided.mean(), np.full(len(masks), 0.99999), np.full(len(masks), 0.99999)
    while True:
        foreground = prior * np.where(decided, p[:, None], 1 - p[:, None]).prod(axis=0)
        background = (1 - prior) * np.where(decided, 1 - q[:, None], q[:, None]).prod(axis=0)
        w = foreground / (foreground + background)
        p_new, q_new = decided @ w / w.sum(), ~decided @ (1 - w) / (1 - w).sum()
        if max(abs(p_new - p).max(), abs(q_new - q).max()) < 1e-7:
            return w.reshape(masks.shape[1:]), p_new, q_new
        p, q = p_new, q_new


def staple_of_simpleitk(masks: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    filter_ = sitk.STAPLEImageFilter()
    filter_.SetForegroundValue(1)
    prob = sitk.GetArrayFromImage(filter_.Execute([sitk.GetImageFromArray(mask.astype(np.uint8)) for mask in masks]))
    return prob, np.array(filter_.GetSensitivity()), np.array(filter_.GetSpecificity())


def log_likelihood(masks: np.ndarray, p: np.ndarray, q: np.ndarray) -> float:
    decided, tiny = masks.reshape(len(masks), -1), 1e-300
    foreground = masks.mean() * np.where(decided, p[:, None], 1 - p[:, None]).prod(axis=0)
    background = (1 - masks.mean()) * np.where(decided, 1 - q[:, None], q[:, None]).prod(axis=0)
    return float(np.log(np.maximum(foreground + background, tiny)).sum())


def read_lab(data_dir: Path, lab: str) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """Of each image its name, the masks of all experts, and the published consensus."""
    labels = data_dir / "segebarth2020" / lab / "labels"
    experts = sorted(labels.glob("expert_*"))
    return [
        (path.name, np.stack([read_mask(expert / path.name) > 0 for expert in experts]), read_mask(path) > 0)
        for path in sorted((labels / "est_GT").glob("*.png"))
    ]


def test_hand_case():
    result = staple(HAND_CASE)
    np.testing.assert_array_equal(result.mask, draw("##.."))
    np.testing.assert_allclose(result.prob, [[1, 1, 0, 0]], atol=1e-6)
    np.testing.assert_allclose(result.sensitivity, [1, 1, 0.5], atol=1e-6)
    np.testing.assert_allclose(result.specificity, [1, 0.5, 1], atol=1e-6)
    assert result.converged


def test_types():
    result = staple(HAND_CASE)
    assert (result.prob.dtype, result.mask.dtype, result.sensitivity.dtype) == (np.float32, bool, np.float64)
    assert result.prob.shape == result.mask.shape == (1, 4)


@pytest.mark.parametrize("lab", LABS)
def test_equals_the_published_consensus_and_simpleitk_on_every_image(data_dir, lab):
    images = read_lab(data_dir, lab)
    assert len(images) == LABS[lab]
    for name, masks, published in images:
        np.testing.assert_array_equal(staple(masks).mask, published, err_msg=name)
        masks = masks[:, ::2, ::2]  # SimpleITK looks at each pixel alone, and takes long
        result = staple(masks)
        prob, sensitivity, specificity = staple_of_simpleitk(masks)
        np.testing.assert_array_equal(result.mask, prob > 0.5, err_msg=name)
        np.testing.assert_allclose(result.prob, prob, atol=1e-4, err_msg=name)  # which stops a few steps earlier
        np.testing.assert_allclose(result.sensitivity, sensitivity, atol=1e-6, err_msg=name)
        np.testing.assert_allclose(result.specificity, specificity, atol=1e-6, err_msg=name)


@pytest.mark.parametrize("n_raters", [2, 5, 9, 17, 40])
def test_equals_pixel_by_pixel_iteration(n_raters):
    masks = noisy_raters(np.random.default_rng(n_raters), n_raters, (30, 30))
    result = staple(masks)
    prob, sensitivity, specificity = staple_pixel_by_pixel(masks)
    np.testing.assert_allclose(result.prob, prob, atol=1e-5)
    np.testing.assert_allclose(result.sensitivity, sensitivity, atol=1e-5)
    np.testing.assert_allclose(result.specificity, specificity, atol=1e-5)


def noise(rng: np.random.Generator, n_raters: int, shape: tuple[int, ...]) -> np.ndarray:
    return rng.random((n_raters, *shape)) < rng.choice([0.01, 0.05, 0.2, 0.4, 0.6, 0.9])


def raters_of_all_rates(rng: np.random.Generator, n_raters: int, shape: tuple[int, ...]) -> np.ndarray:
    return rng.random((n_raters, *shape)) < rng.random((n_raters, *[1] * len(shape)))


def two_parties(rng: np.random.Generator, n_raters: int, shape: tuple[int, ...]) -> np.ndarray:
    """Every second rater marks what the others leave blank."""
    masks = noisy_raters(rng, n_raters, shape)
    masks[::2] ^= True
    return masks


@pytest.mark.parametrize("random_masks", [noise, raters_of_all_rates, two_parties, noisy_raters])
def test_random_masks_are_fitted_no_worse_than_by_simpleitk(random_masks):
    worse, compared = {}, 0
    for seed in range(55):
        rng = np.random.default_rng(seed)
        masks = random_masks(rng, int(rng.integers(2, 13)), tuple(rng.integers(2, 15, size=2)))
        if masks.all() or not masks.any():
            continue
        result, (_, *rates) = staple(masks), staple_of_simpleitk(masks)
        assert result.log_likelihood == pytest.approx(log_likelihood(masks, result.sensitivity, result.specificity))
        gap = result.log_likelihood - log_likelihood(masks, *rates)
        worse |= {seed: gap} if gap < -1e-6 else {}
        compared += 1
    assert compared >= 45
    assert not worse


def test_recovers_planted_performance_within_what_chance_allows():
    """40 draws; the raters mark as much as there is, so that the prior, which is fixed, is right."""
    sensitivity, specificity = np.array([0.95, 0.9, 0.8, 0.7, 0.6]), np.array([0.99, 0.9, 0.94, 0.87, 0.85])
    planted, share, n_draws, shape = np.stack([sensitivity, specificity]), 0.3, 40, (150, 150)
    assert share * sensitivity.mean() + (1 - share) * (1 - specificity).mean() == pytest.approx(share)
    estimates, hits = [], []
    for seed in range(n_draws):
        rng = np.random.default_rng(seed)
        truth = rng.random(shape) < share
        chance = np.where(truth, sensitivity[:, None, None], 1 - specificity[:, None, None])
        result = staple(rng.random(chance.shape) < chance)
        estimates.append([result.sensitivity, result.specificity])
        hits.append(np.mean(result.mask == truth))
    error, sd = np.mean(estimates, axis=0) - planted, np.std(estimates, axis=0, ddof=1)
    n_pixels = np.prod(shape) * np.array([[share], [1 - share]])
    sd_of_known_truth = np.sqrt(planted * (1 - planted) / n_pixels)
    assert (abs(error) < 4 * sd / np.sqrt(n_draws)).all()
    assert (sd > 0.6 * sd_of_known_truth).all()
    assert (sd < 1.8 * sd_of_known_truth).all()
    assert np.mean(hits) > 0.97


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), order=st.permutations(range(5)))
def test_order_of_raters_does_not_matter(seed, order):
    masks = noisy_raters(np.random.default_rng(seed), 5, (16, 16))
    result, permuted = staple(masks), staple(masks[order])
    np.testing.assert_allclose(permuted.prob, result.prob, atol=1e-4)
    np.testing.assert_allclose(permuted.sensitivity, result.sensitivity[order], atol=1e-4)
    np.testing.assert_allclose(permuted.specificity, result.specificity[order], atol=1e-4)


def test_volume_is_fused_like_the_same_pixels_in_a_row():
    masks = noisy_raters(np.random.default_rng(1), 4, (5, 6, 7))
    volume, row = staple(masks), staple(masks.reshape(4, -1))
    assert volume.mask.shape == (5, 6, 7)
    np.testing.assert_array_equal(volume.prob.ravel(), row.prob)


def test_masks_need_not_lie_contiguously():
    masks = noisy_raters(np.random.default_rng(2), 5, (9, 11))
    turned = staple(masks.transpose(0, 2, 1))
    np.testing.assert_array_equal(turned.prob.T, staple(masks).prob)


def test_chunks_do_not_show(monkeypatch):
    masks = noisy_raters(np.random.default_rng(3), 5, (9, 11))
    whole = staple(masks)
    monkeypatch.setattr(patterns, "CHUNK", 7)
    np.testing.assert_array_equal(staple(masks).prob, whole.prob)


@pytest.mark.parametrize("n_raters", [1, 2, 5, 50])
def test_all_empty(n_raters):
    result = staple(np.zeros((n_raters, 3, 4), dtype=bool))
    assert not result.mask.any()
    assert not result.prob.any()
    assert np.isnan(result.sensitivity).all()
    np.testing.assert_array_equal(result.specificity, np.ones(n_raters))
    assert result.converged


@pytest.mark.parametrize("n_raters", [1, 2, 5, 50])
def test_all_full(n_raters):
    result = staple(np.ones((n_raters, 3, 4), dtype=bool))
    assert result.mask.all()
    assert (result.prob == 1).all()
    np.testing.assert_array_equal(result.sensitivity, np.ones(n_raters))
    assert np.isnan(result.specificity).all()
    assert result.converged


def test_one_rater_is_the_consensus_however_little_was_marked():
    mask = np.zeros((1, 1000, 1000), dtype=bool)
    mask[0, 3, 5] = True
    result = staple(mask)
    np.testing.assert_array_equal(result.mask, mask[0])
    np.testing.assert_array_equal(result.prob, mask[0])
    assert (result.sensitivity, result.specificity) == (1, 1)


def test_raters_who_agree_are_the_consensus():
    result = staple(np.stack([ANNA] * 4))
    np.testing.assert_array_equal(result.mask, ANNA)
    np.testing.assert_allclose([result.sensitivity, result.specificity], 1)


def test_one_of_several_raters_may_be_empty():
    result = staple(np.stack([ANNA, ANNA, np.zeros_like(ANNA)]))
    np.testing.assert_array_equal(result.mask, ANNA)
    np.testing.assert_allclose(result.sensitivity, [1, 1, 0], atol=1e-6)


@pytest.mark.parametrize("n_raters", [50, 70])
def test_many_raters(n_raters):
    rng = np.random.default_rng(4)
    truth = rng.random((60, 70)) < 0.2
    result = staple(truth ^ (rng.random((n_raters, 60, 70)) < 0.2))
    np.testing.assert_array_equal(result.mask, truth)
    np.testing.assert_allclose(result.sensitivity, 0.8, atol=0.06)


@pytest.mark.filterwarnings("error")
def test_raters_who_never_agree_give_no_nan():
    result = staple(np.eye(200, dtype=bool))
    assert np.isfinite(result.prob).all()
    assert np.isfinite([result.sensitivity, result.specificity]).all()
    assert np.isfinite(result.log_likelihood)


def test_says_when_it_did_not_converge(monkeypatch):
    monkeypatch.setattr(estimation, "MAX_ITERATIONS", 2)
    result = staple(noisy_raters(np.random.default_rng(5), 5, (20, 20)))
    assert (result.converged, result.n_iterations) == (False, 2)


def test_same_masks_same_bytes():
    masks = noisy_raters(np.random.default_rng(6), 5, (20, 20))
    assert staple(masks).prob.tobytes() == staple(masks.copy()).prob.tobytes()


@pytest.mark.parametrize("n_raters", [2, 3, 5, 9, 18, 40])
def test_without_one_rater_is_the_consensus_of_the_others(n_raters):
    masks = noisy_raters(np.random.default_rng(n_raters), n_raters, (13, 17))
    decisions = count_decisions(masks)
    for rater in range(n_raters):
        result = staple_of_decisions(without_rater(decisions, rater))
        expected = staple(np.delete(masks, rater, axis=0))
        np.testing.assert_array_equal(result.mask, expected.mask)
        np.testing.assert_array_equal(staple_mask_of_decisions(without_rater(decisions, rater)), expected.mask)
        np.testing.assert_allclose(result.prob, expected.prob, atol=1e-6)
        np.testing.assert_allclose(result.sensitivity, expected.sensitivity, atol=1e-6)
        np.testing.assert_allclose(result.specificity, expected.specificity, atol=1e-6)


def test_without_one_rater_patterns_are_merged_and_pixels_kept():
    decisions = without_rater(count_decisions(HAND_CASE), 1)
    np.testing.assert_array_equal(decisions.patterns, [[0, 0], [1, 0], [1, 1]])
    np.testing.assert_array_equal(decisions.counts, [2, 1, 1])
    np.testing.assert_array_equal(decisions.patterns[decisions.code].transpose(2, 0, 1), HAND_CASE[[0, 2]])


def test_nobody_is_left():
    with pytest.raises(ValueError, match="single rater"):
        without_rater(count_decisions(HAND_CASE[:1]), 0)


def test_majority_keeps_what_two_of_three_raters_marked():
    np.testing.assert_array_equal(majority_vote(np.stack([ANNA, BEN, CLEO])), draw("##.. ...."))


def test_union_keeps_what_any_rater_marked():
    np.testing.assert_array_equal(union(np.stack([ANNA, BEN, CLEO])), draw("###. ##.."))


def test_intersection_keeps_what_all_raters_marked():
    np.testing.assert_array_equal(intersection(np.stack([ANNA, BEN, CLEO])), draw(".#.. ...."))


def test_soft_mean_is_the_share_of_the_raters():
    expected = np.array([[2, 3, 1, 0], [1, 1, 0, 0]], dtype=np.float32) / np.float32(3)
    result = soft_mean(np.stack([ANNA, BEN, CLEO]))
    assert result.dtype == np.float32
    np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize("method", ["majority", "soft"])
def test_tie_is_background(method):
    assert not fuse_decisions(count_decisions(np.stack([ANNA, ~ANNA])), method).mask.any()


def test_majority_of_many_raters_does_not_overflow():
    assert majority_vote(np.ones((300, 2, 2), dtype=bool)).all()


@pytest.mark.parametrize("n_raters", [1, 2, 5, 8, 9, 16, 17, 31, 50, 64, 100])
@pytest.mark.parametrize("shape", [(300,), (13, 17), (5, 6, 7)])
def test_methods_equal_their_definition(n_raters, shape):
    masks = noisy_raters(np.random.default_rng(n_raters), n_raters, shape, error=0.3)
    masks[:, ..., 0], masks[:, ..., 1] = True, False
    share = masks.mean(axis=0)
    probs = {"majority": share > 0.5, "soft": share, "union": masks.any(axis=0), "intersection": masks.all(axis=0)}
    decisions = count_decisions(masks)
    for method, prob in probs.items():
        result = fuse_decisions(decisions, method)
        assert (result.prob.dtype, result.mask.dtype) == (np.float32, bool)
        np.testing.assert_array_equal(result.prob, prob.astype(np.float32))
        np.testing.assert_array_equal(result.mask, prob > 0.5)
    np.testing.assert_array_equal(majority_vote(masks), share > 0.5)
    np.testing.assert_array_equal(union(masks), masks.any(axis=0))
    np.testing.assert_array_equal(intersection(masks), masks.all(axis=0))
    np.testing.assert_array_equal(soft_mean(masks), share.astype(np.float32))


def test_staple_is_one_of_the_methods():
    result = fuse_decisions(count_decisions(HAND_CASE), "staple")
    assert isinstance(result, Staple)
    np.testing.assert_array_equal(result.prob, staple(HAND_CASE).prob)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("value", [False, True])
def test_where_all_raters_are_empty_or_full_so_is_every_consensus(method, value):
    result = fuse_decisions(count_decisions(np.full((4, 3, 5), value)), method)
    np.testing.assert_array_equal(result.mask, np.full((3, 5), value))
    np.testing.assert_array_equal(result.prob, np.full((3, 5), value))


def test_unknown_method():
    with pytest.raises(ValueError, match=r"'mean'.*expected one of staple, majority, soft"):
        fuse_decisions(count_decisions(HAND_CASE), "mean")


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), n_raters=st.integers(1, 70), n_pixels=st.integers(1, 200))
def test_decisions_hold_all_that_the_masks_say(seed, n_raters, n_pixels):
    masks = noisy_raters(np.random.default_rng(seed), n_raters, (n_pixels, 2), error=0.1)
    decisions = count_decisions(masks)
    np.testing.assert_array_equal(np.moveaxis(decisions.patterns[decisions.code], -1, 0), masks)
    np.testing.assert_array_equal(np.bincount(decisions.code.ravel()), decisions.counts)
    assert len(np.unique(decisions.patterns, axis=0)) == len(decisions.patterns)


@pytest.mark.parametrize("n_raters", [1, 5, 9, 16, 17, 18, 40, 70])
def test_masks_may_come_one_at_a_time(n_raters):
    masks = noisy_raters(np.random.default_rng(n_raters), n_raters, (30, 20))
    at_once, one_by_one = count_decisions(masks), count_decisions(mask.copy() for mask in masks)
    for name in ("patterns", "counts", "code"):
        np.testing.assert_array_equal(getattr(one_by_one, name), getattr(at_once, name))
        assert getattr(one_by_one, name).dtype == getattr(at_once, name).dtype


def test_masks_that_come_one_at_a_time_are_not_changed():
    masks = [ANNA.copy(), BEN.copy(), CLEO.copy()]
    count_decisions(masks)
    np.testing.assert_array_equal(masks, [ANNA, BEN, CLEO])


@pytest.mark.parametrize(
    ("masks", "error", "message"),
    [
        ([], ValueError, "at least one rater"),
        ([ANNA, BEN.astype(np.uint8)], TypeError, "must be boolean, got uint8"),
        ([ANNA, BEN[:1]], ValueError, r"one shape, got \(1, 4\) after \(2, 4\)"),
        ([np.zeros((0, 3), dtype=bool)], ValueError, "at least one pixel"),
    ],
)
def test_masks_one_at_a_time_that_cannot_be_fused(masks, error, message):
    with pytest.raises(error, match=message):
        count_decisions(iter(masks))


def volume_masks(n_raters: int, size: int) -> Iterator[np.ndarray]:
    for rater in range(n_raters):
        mask = np.zeros((size, size, size), dtype=bool)
        mask[rater % 8 : size // 2] = True
        yield mask


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("n_raters", [5, 40])
def test_memory_of_a_volume_does_not_grow_with_the_raters(method, n_raters):
    size = 160
    tracemalloc.start()
    result = fuse_decisions(count_decisions(volume_masks(n_raters, size)), method)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert result.mask[size // 2 - 1].all()
    assert peak < 7 * size**3 + 4e6  # code, two masks while one follows the other; then code, prob and mask


@pytest.mark.parametrize("n_raters", [3, 6, 9, 12, 18, 30])
def test_decisions_without_one_rater_are_those_of_the_others(n_raters):
    masks = noisy_raters(np.random.default_rng(n_raters), n_raters, (25, 20))
    for rater in range(n_raters):
        left, counted = without_rater(count_decisions(masks), rater), count_decisions(np.delete(masks, rater, axis=0))
        for name in ("patterns", "counts", "code"):
            np.testing.assert_array_equal(getattr(left, name), getattr(counted, name))


@pytest.mark.parametrize("fuse", [staple, majority_vote, soft_mean, union, intersection])
@pytest.mark.parametrize(
    ("masks", "error"),
    [
        (np.zeros((3, 4, 4), dtype=np.uint8), TypeError),
        (np.zeros((3, 4, 4)), TypeError),
        (np.zeros((0, 4, 4), dtype=bool), ValueError),
        (np.zeros((3, 0, 4), dtype=bool), ValueError),
        (np.zeros(4, dtype=bool), ValueError),
    ],
)
def test_masks_that_cannot_be_fused(fuse, masks, error):
    with pytest.raises(error, match="masks must be"):
        fuse(masks)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.6, 1.0])
def test_decisions_of_marked_pixels_give_the_consensus_of_the_whole_image(share):
    rng = np.random.default_rng(int(10 * share))
    masks = rng.random((5, 20, 30)) < share
    if share == 0.6:
        masks |= rng.random((20, 30)) < 0.9  # hardly a pixel that nobody marks
    decisions, whole = decisions_of_marked(list(masks))
    expected = count_decisions(masks)
    np.testing.assert_array_equal(decisions.patterns, expected.patterns)
    np.testing.assert_array_equal(decisions.counts, expected.counts)
    np.testing.assert_array_equal(whole(staple_of_decisions(decisions).mask), staple_of_decisions(expected).mask)
    for method in METHODS[1:]:
        found = whole(fuse_decisions(decisions, method).mask)
        np.testing.assert_array_equal(found, fuse_decisions(expected, method).mask)
    np.testing.assert_array_equal(whole(np.ones(decisions.code.size, dtype=bool)), np.ones((20, 30), dtype=bool))
