"""Agreement beyond chance: published tables, statsmodels, and what must hold whatever the table."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from statsmodels.stats import inter_rater

from segassay.statistics.chance import cohen_kappa, fleiss_kappa, gwet_ac1, krippendorff_alpha, randolph_kappa

# Fleiss (1971), table 1: 30 patients, 6 psychiatrists, 5 diagnoses; one digit per psychiatrist
DIAGNOSES = (
    "444444 222555 233335 555555 222444 113333 333355 113334 114444 555555 144444 124444 222333 144444 224445 "
    "333335 111455 111112 224444 133555 555555 244444 224555 114444 144445 222224 111155 224444 133333 555555"
)
FLEISS_1971 = np.array([[patient.count(diagnosis) for diagnosis in "12345"] for patient in DIAGNOSES.split()])

four_votes = hnp.arrays(int, st.tuples(st.integers(2, 12), st.just(4)), elements=st.integers(0, 2))
counts_of_4_raters = four_votes.map(lambda votes: np.stack([np.bincount(row, minlength=3) for row in votes]))


def test_published_table_of_thirty_patients():
    assert fleiss_kappa(FLEISS_1971) == pytest.approx(0.430245, abs=5e-7)
    assert randolph_kappa(FLEISS_1971) == pytest.approx(0.444444, abs=5e-7)


@given(counts_of_4_raters)
def test_equal_to_statsmodels(counts):
    for ours, method in ((fleiss_kappa, "fleiss"), (randolph_kappa, "randolph")):
        with np.errstate(all="ignore"):
            theirs = inter_rater.fleiss_kappa(counts, method=method)
        np.testing.assert_allclose(ours(counts), theirs, atol=1e-12)


def test_cohen_equal_to_statsmodels():
    for table in ([[20, 5], [10, 15]], [[118, 5], [2, 0]], [[9, 1, 3], [0, 4, 2], [5, 5, 20]]):
        assert cohen_kappa(table) == pytest.approx(inter_rater.cohens_kappa(np.array(table)).kappa, abs=1e-12)


def test_ac1_by_its_formula():
    """Two raters, 125 items: agreement 118/125, chance 2 q (1 - q) with q the mean share of the first category."""
    share = (118 + 7 / 2) / 125
    chance = 2 * share * (1 - share)
    expected = (118 / 125 - chance) / (1 - chance)
    assert gwet_ac1([[2, 0]] * 118 + [[1, 1]] * 7) == pytest.approx(expected, abs=1e-12)


@given(counts_of_4_raters, st.permutations([0, 1, 2]))
def test_names_of_categories_and_order_of_items_do_not_matter(counts, order):
    for measure in (fleiss_kappa, randolph_kappa, gwet_ac1):
        np.testing.assert_allclose(measure(counts[::-1, order]), measure(counts), atol=1e-12)


@pytest.mark.parametrize("measure", [fleiss_kappa, randolph_kappa, gwet_ac1])
def test_a_weight_is_a_row_given_several_times(measure):
    counts, weight = np.array([[3, 0], [1, 2], [0, 3]]), [5, 0, 2]
    assert measure(counts, weight) == pytest.approx(measure(np.repeat(counts, weight, axis=0)), abs=1e-12)
    values = np.array([[1, 0, 2], [1, 1, np.nan], [2, 1, 2]])
    repeated = np.repeat(values, [3, 2, 4], axis=1)
    assert krippendorff_alpha(values, weight=[3, 2, 4]) == pytest.approx(krippendorff_alpha(repeated), abs=1e-12)


def test_perfect_agreement_is_one():
    counts = np.array([[4, 0], [0, 4], [4, 0]])
    assert fleiss_kappa(counts) == gwet_ac1(counts) == randolph_kappa(counts) == 1
    assert krippendorff_alpha([[1, 2, 3], [1, 2, 3]], "interval") == 1
    assert cohen_kappa(np.diag([3, 4])) == 1


def test_items_of_one_rater_say_nothing():
    counts = np.array([[3, 0], [1, 2], [0, 3]])
    assert fleiss_kappa([*counts, [1, 0], [0, 0]]) == fleiss_kappa(counts)


@pytest.mark.parametrize("counts", [np.zeros((0, 2)), np.zeros((3, 2)), [[1, 0]], np.zeros((0, 0))])
def test_nothing_to_compare_is_undefined(counts):
    for measure in (fleiss_kappa, randolph_kappa, gwet_ac1):
        assert np.isnan(measure(counts))


def test_a_single_category_is_undefined_where_chance_explains_it():
    assert np.isnan(fleiss_kappa([[4, 0], [4, 0]]))
    assert gwet_ac1([[4, 0], [4, 0]]) == 1
    assert np.isnan(cohen_kappa([[5, 0], [0, 0]]))
    assert np.isnan(cohen_kappa(np.zeros((2, 2))))
    assert np.isnan(krippendorff_alpha([[2, 2], [2, 2]]))
    assert np.isnan(krippendorff_alpha(np.full((3, 4), np.nan)))
    assert np.isnan(krippendorff_alpha(np.zeros((0, 4))))


def alpha_by_pairs(values, delta):
    """Krippendorff's alpha from its definition: mean disagreement of pairs within items over that of all values."""
    items = [column[~np.isnan(column)] for column in np.asarray(values, dtype=float).T]
    items = [item for item in items if len(item) > 1]
    everything = np.concatenate(items)
    n = len(everything)
    observed = sum(sum(delta(a, b) for a in item for b in item) / (len(item) - 1) for item in items) / n
    expected = sum(delta(a, b) for a in everything for b in everything) / (n * (n - 1))
    return 1 - observed / expected


@pytest.mark.parametrize(
    ("level", "delta"),
    [
        ("nominal", lambda a, b: float(a != b)),
        ("interval", lambda a, b: (a - b) ** 2),
        ("ratio", lambda a, b: ((a - b) / (a + b)) ** 2 if a + b else 0.0),
    ],
)
def test_alpha_equals_its_definition_with_raters_missing(level, delta):
    rng = np.random.default_rng(0)
    values = rng.integers(0, 5, (4, 15)).astype(float)
    values[rng.random(values.shape) < 0.3] = np.nan
    assert krippendorff_alpha(values, level) == pytest.approx(alpha_by_pairs(values, delta), abs=1e-12)
    assert krippendorff_alpha(values[::-1], level) == pytest.approx(krippendorff_alpha(values, level), abs=1e-12)


def test_bad_shapes_are_named():
    with pytest.raises(ValueError, match=r"table must be square.*\(1, 2\)"):
        cohen_kappa([[1, 2]])
    with pytest.raises(ValueError, match=r"counts must be \(items, categories\)"):
        fleiss_kappa([1, 2])
    with pytest.raises(ValueError, match="0 or more"):
        gwet_ac1([[2, -1]])
    with pytest.raises(ValueError, match=r"weight must be \(1,\)"):
        gwet_ac1([[2, 1]], [1, 2])
    with pytest.raises(ValueError, match=r"values must be \(raters, items\)"):
        krippendorff_alpha([1, 2])
    with pytest.raises(ValueError, match=r"weight must be \(2,\)"):
        krippendorff_alpha([[1, 2], [1, 2]], weight=[1])
