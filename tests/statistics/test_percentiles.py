"""Percentiles of numbers in parts; numpy is the second implementation, to the last bit."""

import numpy as np
import pytest

from segassay.statistics.percentiles import percentiles_of_parts

RNG = np.random.default_rng(0)
NUMBERS = {
    "counts": RNG.integers(0, 60000, 100003).astype(np.uint16),
    "normal": RNG.normal(0, 3, 77777).astype(np.float32),
    "constant": np.zeros(50),
    "two values": RNG.integers(0, 2, 999) * 1.5,
    "negative": -RNG.random(5),
    "one": np.array([1.0]),
    "tiny": RNG.normal(0, 1e-30, 2000).astype(np.float32),
    "both zeros": np.array([0.0, -0.0, 0.0, -0.0, -1.0]),
    "huge": np.array([-3e38, 3e38, 1.0, 2.0]),
}


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("percentiles", [(1, 99), (0, 100, 50, 33.3)])
def test_equal_to_numpy(name: str, percentiles: tuple[float, ...]) -> None:
    numbers = NUMBERS[name]
    with np.errstate(over="ignore"):
        expected = np.percentile(numbers.astype(np.float32).reshape(1, -1), percentiles, axis=1)[:, 0]
        found = percentiles_of_parts(lambda: np.array_split(numbers, 7), percentiles)
    np.testing.assert_array_equal(found[:-1], expected)
    assert found[-1] == np.float32(numbers.max())


def test_the_order_of_parts_does_not_matter() -> None:
    parts = np.array_split(NUMBERS["normal"], 9)
    found = percentiles_of_parts(lambda: parts, [1, 99])
    np.testing.assert_array_equal(percentiles_of_parts(lambda: parts[::-1], [1, 99]), found)


def test_no_number_has_no_percentile() -> None:
    with pytest.raises(ValueError, match="no number"):
        percentiles_of_parts(lambda: [np.empty(0)], [50])
