"""Shares of the variance due to persons and tools."""

import numpy as np
import pandas as pd
import pytest

from segassay.qualities.objectivity.facets import facet_shares
from segassay.statistics.components import three_way_components

CASES = [f"{number:02}" for number in range(12)]
CLUSTERS = pd.Series(CASES, index=CASES)


def table(values: np.ndarray, facet: str = "tool") -> pd.DataFrame:
    """Rows of `facets` from `(cases, persons, levels)`."""
    rows = [
        {"case": CASES[i], "person": f"p{j}", "facet": facet, "level": f"t{k}", "n_objects": value, "area_px": value}
        for (i, j, k), value in np.ndenumerate(values)
    ]
    return pd.DataFrame(rows).assign(mean_intensity=np.nan)


def drawn(seed: int, person: float = 1.0, tool: float = 1.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    parts = [((12, 1, 1), 3.0), ((1, 4, 1), person), ((1, 1, 3), tool), ((12, 4, 1), 0.7), ((12, 4, 3), 0.5)]
    return 50 + sum(rng.normal(0, sd, shape) for shape, sd in parts if sd)


def shares(found: pd.DataFrame, of: str = "count") -> dict[str, float]:
    rows = found[found["of"] == of]
    return dict(zip(rows["variant"], rows["value"], strict=True))


def test_shares_are_those_of_three_way_components() -> None:
    values = drawn(1)
    found = shares(facet_shares(table(values), CLUSTERS))
    case, person, tool = (axis.ravel() for axis in np.indices(values.shape))
    other = three_way_components(values.ravel(), case=case, rater=person, seed=tool)["reml"]
    assert list(found.values()) == pytest.approx((other / other.sum()).tolist(), abs=1e-6)
    assert list(found) == ["case", "person", "tool", "case_person", "case_tool", "person_tool", "rest"]
    assert sum(found.values()) == pytest.approx(1)


def test_a_tool_that_doubles_every_area_has_nearly_all_the_variance() -> None:
    values = drawn(2, person=0, tool=0)
    values[:, :, 0] *= 2
    found = shares(facet_shares(table(values), CLUSTERS), "area")
    assert found["tool"] > 0.9
    assert found["person"] < 0.05


def test_persons_who_share_no_tool_give_no_rows() -> None:
    rows = table(drawn(3))
    apart = rows[rows["level"].str[1] == rows["person"].str[1]]
    assert facet_shares(apart, CLUSTERS).empty
    assert facet_shares(pd.DataFrame(), CLUSTERS).empty


def test_a_person_who_lacks_a_tool_is_left_out_and_cases_without_a_cell_are_undefined() -> None:
    rows = table(drawn(4))
    lacking = rows[~((rows["person"] == "p3") & (rows["level"] == "t2"))]
    lacking = lacking[~((lacking["case"] == "00") & (lacking["person"] == "p0") & (lacking["level"] == "t0"))]
    found = facet_shares(lacking, CLUSTERS)
    assert set(found["note"]) == {"3 persons, 3 of tool"}
    assert set(found["n_undefined"]) == {1}


def test_equal_cases_of_a_subject_are_no_more_than_one() -> None:
    once = table(drawn(5))
    twice = pd.concat([once, once.assign(case="again " + once["case"])], ignore_index=True)
    subjects = pd.concat([CLUSTERS, CLUSTERS.set_axis("again " + CLUSTERS.index)])
    expected, found = facet_shares(once, CLUSTERS), facet_shares(twice, subjects)
    numbers = ["value", "low", "high"]
    np.testing.assert_allclose(found[numbers].astype(float), expected[numbers].astype(float), rtol=1e-6, atol=1e-9)
