"""Sets of models beside the raters: tables written by hand, copies of one rater, and spread that raters lack."""

import numpy as np
import pandas as pd
import pytest

from segassay.data.annotations import ANNOTATION_COLUMNS
from segassay.qualities.objectivity.sets import amounts_as_distributions, best_and_matched_dice

NAMES = ("anna", "ben", "of_anna", "of_ben")
CLUSTERS = pd.Series(["1", "2"], ["1", "2"])
TARGET = "models of single raters"


def annotations() -> pd.DataFrame:
    rows = [
        {"case": case, "annotator": name, "kind": "model" if "_" in name else "human"}
        | {"trained_on": name[3:] if "_" in name else "", "seed": 0 if "_" in name else None}
        for case in ("1", "2")
        for name in NAMES
    ]
    return pd.DataFrame(rows).assign(strategy="").reindex(columns=list(ANNOTATION_COLUMNS))


def agreement(dice: dict[str, float]) -> pd.DataFrame:
    """Dice of `a b` in both cases."""
    rows = [
        {
            "case": case,
            "annotator_a": pair.split()[0],
            "annotator_b": pair.split()[1],
            "iou_threshold": 0.5,
            "dice": value,
        }
        for case in ("1", "2")
        for pair, value in dice.items()
    ]
    return pd.DataFrame(rows)


def counts(of_case: dict[str, tuple[float, float]]) -> pd.DataFrame:
    rows = [
        {"case": str(i + 1), "annotator": name, "n_objects": value, "area_px": 10 * value, "mean_intensity": np.nan}
        for name, values in of_case.items()
        for i, value in enumerate(values)
    ]
    return pd.DataFrame(rows)


def values(table: pd.DataFrame) -> dict[str, float]:
    assert set(table["target"]) <= {TARGET}
    return dict(zip(table["measure"], table["value"], strict=True))


DICE = {"anna ben": 0.5, "anna of_anna": 0.9, "anna of_ben": 0.6, "ben of_anna": 0.8, "ben of_ben": 0.7}


def test_dice_by_hand():
    found = values(best_and_matched_dice(agreement(DICE | {"of_anna of_ben": 0.4}), annotations(), CLUSTERS))
    assert found == {"dice_max": pytest.approx((0.9 + 0.8) / 2), "dice_match": pytest.approx((0.9 + 0.7) / 2)}


def test_copies_of_one_rater_do_not_match_the_others():
    """Both models are anna's mask: each rater's best is hers, but only one of the two can be given to anna."""
    copies = {"anna ben": 0.5, "anna of_anna": 1, "anna of_ben": 1, "ben of_anna": 0.5, "ben of_ben": 0.5}
    good = {"anna ben": 0.5, "anna of_anna": 0.9, "anna of_ben": 0.5, "ben of_anna": 0.5, "ben of_ben": 0.9}
    worse, better = (
        values(best_and_matched_dice(agreement(one | {"of_anna of_ben": 0.5}), annotations(), CLUSTERS))
        for one in (copies, good)
    )
    assert worse["dice_match"] == worse["dice_max"] == 0.75
    assert better["dice_match"] == pytest.approx(0.9)


def test_crps_by_hand_and_that_of_the_raters():
    table = counts({"anna": (10, 20), "ben": (14, 20), "of_anna": (10, 20), "of_ben": (12, 24)})
    found = amounts_as_distributions(table, annotations(), CLUSTERS).set_index("measure")
    # case 1: anna (0 + 2) / 2, ben (4 + 2) / 2, less half of 1; case 2: (0 + 4) / 2, less half of 2
    assert found.loc["crps_count", "value"] == pytest.approx(((2 - 0.5) + (2 - 1)) / 2)
    assert found.loc["crps_area", "value"] == pytest.approx(10 * 1.25)
    assert found.loc["crps_count", ["human_low", "human_high"]].tolist() == [2, 2]


def test_a_spread_that_raters_do_not_have_costs():
    raters = {"anna": (10, 20), "ben": (11, 21)}
    near, wild = (
        values(amounts_as_distributions(counts(raters | models), annotations(), CLUSTERS))["crps_count"]
        for models in ({"of_anna": (10, 20), "of_ben": (11, 21)}, {"of_anna": (0, 0), "of_ben": (21, 41)})
    )
    assert near < 0.5 < wild


def test_a_missing_prediction_is_counted():
    table = counts({"anna": (10, 20), "ben": (14, 20), "of_anna": (10, np.nan), "of_ben": (12, 24)})
    found = amounts_as_distributions(table, annotations(), CLUSTERS)
    assert found["n_undefined"].tolist() == [1, 1]


def test_without_two_raters_or_two_models_there_is_nothing():
    for left_out in ("ben", "of_ben"):
        kept = annotations().query("annotator != @left_out")
        assert best_and_matched_dice(agreement(DICE), kept, CLUSTERS).empty
        table = counts({name: (1, 2) for name in NAMES if name != left_out})
        assert amounts_as_distributions(table, kept, CLUSTERS).empty
