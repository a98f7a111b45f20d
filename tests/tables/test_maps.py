"""Bins of probability and uncertainty maps, counted by hand."""

import numpy as np
import pytest

from segassay.errors import DataError
from segassay.io.images import write_map
from segassay.tables.maps import calibration_bins, read_map, uncertainty_bins, vote_bins

ALL = np.ones(6, dtype=bool)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_an_edge_belongs_to_the_bin_below(dtype):
    """p > .05 are the bins from 1 on, however .05 is rounded."""
    prob = np.array([0, 0.05, np.nextafter(dtype(0.05), dtype(1)), 0.1, 0.15, 1], dtype=dtype)
    found = [row[:2] for row in calibration_bins(prob, ALL, ALL)]
    assert found == [(0, 2), (1, 2), (2, 1), (19, 1)]
    fiftieths = np.arange(51).astype(dtype) / dtype(50)
    bins = [row[:2] for row in uncertainty_bins(fiftieths, fiftieths > 2, fiftieths, 1, np.ones(51, dtype=bool))]
    assert bins == [(0, 2), *((index, 1) for index in range(1, 50))]


def test_calibration_of_drawn_pixels():
    prob = np.array([0.02, 0.04, 0.5, 0.5, 0.5, 0.9])
    reference = np.array([False, True, True, False, False, True])
    counted = np.array([True, True, True, True, False, True])
    first, middle, last = calibration_bins(prob, reference, counted)
    assert first == (0, 2, pytest.approx(0.06), pytest.approx(0.02**2 + 0.96**2), 1)
    assert middle == (9, 2, pytest.approx(1.0), pytest.approx(0.5), 1)
    assert last == (17, 1, pytest.approx(0.9), pytest.approx(0.01), 1)
    assert calibration_bins(prob, reference, ~ALL) == []


def test_uncertainty_of_drawn_pixels():
    """Four raters: one or three of them disagree by 4 · 1/4 · 3/4, two by 1."""
    uncertainty = np.array([0, 0, 0.5, 0.5, 0.5, 1])
    wrong = np.array([False, True, True, False, True, True])
    n_marked = np.array([0, 4, 1, 3, 2, 2])
    counted = np.array([True, True, True, True, True, False])
    expected = [(0, 2, 0, 1, 0), (24, 3, 1.5, 2, 0.75 + 0.75 + 1)]
    assert uncertainty_bins(uncertainty, wrong, n_marked, 4, counted) == expected
    alone = uncertainty_bins(uncertainty, wrong, n_marked > 0, 1, counted)
    assert [row[:4] for row in alone] == [row[:4] for row in expected]
    assert np.isnan([row[4] for row in alone]).all()
    assert uncertainty_bins(uncertainty, wrong, n_marked, 4, ~ALL) == []


def test_sums_over_bins_are_sums_over_pixels():
    rng = np.random.default_rng(0)
    prob, reference = rng.random(500).astype(np.float32), rng.random(500) < 0.4
    rows = np.array(calibration_bins(prob, reference, np.ones(500, dtype=bool)))
    assert rows[:, 1].sum() == 500
    assert rows[:, 4].sum() == reference.sum()
    assert rows[:, 2].sum() == pytest.approx(prob.sum(dtype=float))
    assert rows[:, 3].sum() == pytest.approx(((prob.astype(float) - reference) ** 2).sum())


def test_sums_add_one_pixel_after_the_other():
    """To the last bit, though pixels of the first bin, which are most of them, are added apart from the others."""
    rng = np.random.default_rng(1)
    values = rng.random(5000).astype(np.float32) ** 6
    votes = rng.integers(0, 4, 5000) * (rng.random(5000) < 0.2)
    p, marked, every = values.astype(float), votes > 1, np.ones(5000, dtype=bool)

    def expected(code, *weights):
        n = np.bincount(code)
        sums = [np.bincount(code, weights=of_pixels) for of_pixels in weights]
        return [(int(one), int(n[one]), *(float(of[one]) for of in sums)) for one in np.flatnonzero(n)]

    bins = [np.maximum(np.ceil(p * number).astype(int) - 1, 0) for number in (20, 10, 50)]
    found = [row[:4] for row in calibration_bins(values, marked, every)]
    assert found == expected(bins[0], p, (p - marked) ** 2)
    found = [(4 * level + n_marked, *row) for level, _, n_marked, *row in vote_bins(values, votes, 3, every)]
    assert found == expected(4 * bins[1] + votes, p, p**2)
    found = uncertainty_bins(values, marked, votes, 3, every)
    assert found == expected(bins[2], p, marked, 4 * (votes / 3) * (1 - votes / 3))


@pytest.mark.parametrize("name", ["p.tif", "p.nii.gz"])
def test_a_map_is_read_as_written(tmp_path, name):
    values = np.array([[0, 0.25, 1 + 1e-6]], dtype=np.float32)
    write_map(tmp_path / name, values)
    np.testing.assert_array_equal(read_map(tmp_path / name, (1, 3)), [[0, 0.25, 1]])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([[0.0, 2.0]], r"p\.tif holds numbers from 0 to 2; expected a probability or an uncertainty in \[0, 1\]"),
        ([[-0.5, 1.0]], "holds numbers from -0.5 to 1"),
        ([[0.5, np.nan]], "holds numbers from nan to nan"),
        ([[0.5]], r"p\.tif has shape \(1, 1\), but the masks of its case have \(1, 2\)"),
    ],
)
def test_refuses_what_is_no_map(tmp_path, values, message):
    write_map(tmp_path / "p.tif", np.array(values))
    with pytest.raises(DataError, match=message):
        read_map(tmp_path / "p.tif", (1, 2))


def test_a_map_that_is_missing_is_named(tmp_path):
    with pytest.raises(DataError, match=r"p\.tif does not exist"):
        read_map(tmp_path / "p.tif", (1, 2))
