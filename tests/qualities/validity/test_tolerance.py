"""NSD at the tolerance of the raters: drawn masks through the real tables, and raters who would widen it."""

import numpy as np
import pandas as pd
import pytest

from segassay import evaluate
from segassay.masks.outlines import normalized_surface_dice, surface_distances, surface_shares
from segassay.qualities.validity.tolerance import nsd_at_tolerance, tolerance_of_raters
from segassay.tables.case import TOLERANCES


def square(grow: int) -> np.ndarray:
    mask = np.zeros((60, 60), dtype=bool)
    mask[20 - grow : 40 + grow, 20 - grow : 40 + grow] = True
    return mask


def rows_of(grown: dict[str, int], **options: object) -> pd.DataFrame:
    masks = {name: {case: square(grow) for case in "12"} for name, grow in grown.items()}
    kinds = {name: "model" if name.startswith("m") else "human" for name in grown}
    found = evaluate(masks=masks, kinds=kinds, **options)
    scores = found.scores[found.scores["base"] == "nsd_of_raters"]
    return scores.set_index("target")


@pytest.mark.parametrize("options", [{}, {"spacing_um": (0.1, 0.1)}])
def test_by_hand(options):
    """Raters 2 px apart; a model within 2 px of one of them and 4 of the other; one far from both."""
    found = rows_of({"anna": 0, "ben": 2, "m1": 4, "m9": 9}, **options)
    apart = surface_distances(square(0), square(2))
    assert found.loc["m1", "note"].startswith("within 3 px; raters draw 2.0")  # corners are further
    expected = [normalized_surface_dice(surface_distances(square(g), square(4)), 3) for g in (0, 2)]
    assert found.loc["m1", "value"] == pytest.approx(np.mean(expected))
    assert found.loc["anna", "value"] == found.loc["m1", "human_high"] == normalized_surface_dice(apart, 3)
    assert found.loc["m9", "value"] == 0
    assert found.loc["anna", "quality"] == "objectivity"


def test_shares_equal_nsd_at_each_tolerance():
    rng = np.random.default_rng(0)
    for _ in range(5):
        a, b = rng.random((2, 20, 20)) > 0.8
        distances = surface_distances(a, b)
        expected = [normalized_surface_dice(distances, t) for t in TOLERANCES]
        assert surface_shares(distances, TOLERANCES).tolist() == pytest.approx(expected)


def test_one_careless_rater_does_not_widen_the_tolerance():
    """The third rater draws 15 px outside: most of the mean disagreement, and nothing to the tolerance."""
    alone = rows_of({"anna": 0, "ben": 2, "m9": 9})
    beside = rows_of({"anna": 0, "ben": 2, "carl": 15, "m9": 9})
    assert alone.loc["m9", "note"] == beside.loc["m9", "note"]
    assert beside.loc["m9", "value"] == 0


def test_an_empty_rater_and_a_missing_prediction():
    masks = {"anna": {"1": square(0)}, "ben": {"1": square(1)}, "carl": {"1": np.zeros((60, 60), dtype=bool)}}
    found = evaluate(
        masks=masks | {"m": {"1": np.zeros((60, 60), dtype=bool)}}, kinds={"m": "model"} | dict.fromkeys(masks, "human")
    )
    scores = found.scores[found.scores["base"] == "nsd_of_raters"].set_index("target")
    assert scores.loc["m", "value"] == pytest.approx(1 / 3)  # it agrees with carl, that there is nothing
    assert scores.loc["m", "note"].startswith("within 2 px")


def test_a_tolerance_beyond_the_largest_is_said_to_be_that():
    distances = pd.DataFrame(
        {"case": "1", "annotator_a": ["a"], "annotator_b": ["b"], "assd": [50.0], "tolerance": [1.0]}
    )
    counts = pd.DataFrame({"case": "1", "annotator": ["a", "b"], "area_px": [9, 9]})
    assert tolerance_of_raters(distances, counts, ["a", "b"]) == 50
    shares = pd.DataFrame(
        {"case": "1", "annotator_a": "a", "annotator_b": "b", "tolerance_px": [0, 32], "share": [0.0, 0.4]}
    )
    annotations = pd.DataFrame({"case": "1", "annotator": ["a", "b"], "kind": "human"})
    found = nsd_at_tolerance(distances, shares, counts, annotations, pd.Series(["1"], ["1"]))
    assert found["value"].tolist() == [0.4, 0.4]
    assert found["note"].tolist() == ["within 32 px; raters draw 50 px apart"] * 2


def test_images_with_nothing_do_not_make_the_tolerance_0():
    grown = {"anna": 0, "ben": 2}
    nothing = dict.fromkeys("1234", np.zeros((60, 60), dtype=bool))
    masks = {name: {"0": square(grow)} | nothing for name, grow in grown.items()}
    found = evaluate(masks=masks)
    assert tolerance_of_raters(found.distances, found.counts, ["anna", "ben"]) == pytest.approx(2, abs=0.1)


def test_nothing():
    empty = np.zeros((9, 9), dtype=bool)
    found = evaluate(masks={"anna": {"1": empty}, "ben": {"1": empty}})
    assert np.isnan(tolerance_of_raters(found.distances, found.counts, ["anna", "ben"]))
    assert "nsd_of_raters" in set(found.frames["not_judged"]["measure"])
