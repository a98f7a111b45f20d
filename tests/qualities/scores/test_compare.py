"""Two tools and subgroups: drawn masks through a whole evaluation, by hand, and what would fool a reader."""

import numpy as np
import pandas as pd
import pytest

from segassay import compare, evaluate, latex_table, scores_by
from segassay.assay.evaluation import Evaluation
from segassay.errors import UsageError

N = 8


def bar(length: int) -> np.ndarray:
    mask = np.zeros((6, 40), dtype=bool)
    mask[2:4, :length] = True
    return mask


def evaluated(subjects: list[str] | None = None, **lengths: list[int]) -> Evaluation:
    """Bars of these lengths, one per case, which may be of some subjects; names that start with m are models."""
    masks = {name: {f"{i:02d}": bar(n) for i, n in enumerate(of)} for name, of in lengths.items()}
    kinds = {name: "model" for name in lengths if name.startswith("m")}
    cases = list(next(iter(masks.values())))
    experiment = None if subjects is None else pd.DataFrame({"case": cases, "group": "all", "subject": subjects})
    return evaluate(
        masks=masks,
        experiment=experiment,
        kinds=kinds | {name: "human" for name in lengths if name not in kinds and name != "truth"},
    )


def test_two_tools_by_hand():
    found = evaluated(truth=[20] * 4, m_1=[20] * 4, m_2=[10, 10, 20, 20])
    row = compare(found, "m_1", "m_2", measures=["dice"]).iloc[0]
    assert row["mean_a"] == 1
    assert row["mean_b"] == pytest.approx((2 / 3 + 1) / 2)
    assert row["difference"] == pytest.approx(1 / 6)
    assert row["p"] == row["p_adjusted"] == 0.5  # two of four differ, with one sign in 2 of 4 combinations
    assert (row["n_cases"], row["against"]) == (4, "against truth")
    turned = compare(found, "m_2", "m_1", measures=["dice"]).iloc[0]
    assert (turned["difference"], turned["low"], turned["high"]) == pytest.approx(
        (-row["difference"], -row["high"], -row["low"])
    )


def test_a_model_beside_a_rater_is_held_against_the_same_consensus():
    """Anna draws other lengths than the others: against C₋anna both are scored alike, against C₋r of others not."""
    lengths = {"anna": [30] * N, "ben": [20] * N, "carl": [20] * N, "dora": [20] * N}
    row = compare(evaluated(**lengths, m=[30] * N), "m", "anna", measures=["dice"]).iloc[0]
    assert row["against"] == "against C₋r"
    assert row["difference"] == 0
    two = compare(evaluated(**lengths), "anna", "ben", measures=["dice"]).iloc[0]
    assert two["against"] == "against the raters"  # carl and dora, who are neither of the two
    assert two["difference"] == pytest.approx(0.8 - 1)


def test_one_subject_with_many_images_proves_nothing():
    lengths = {"truth": [20] * N, "m_1": [20] * N, "m_2": [10] * N}
    assert compare(evaluated(**lengths), "m_1", "m_2")["p"].max() <= 2 / 2**N
    of_one = compare(evaluated(["mouse"] * N, **lengths), "m_1", "m_2")
    assert of_one["p"].tolist() == [1, 1, 1]
    assert of_one["low"].isna().all()
    by_region = scores_by(evaluated(["mouse"] * N, **lengths), pd.Series("CA1", [f"{i:02d}" for i in range(N)]))
    assert by_region["low"].isna().all()


def test_cases_without_a_subject_are_units_of_their_own_whatever_the_subjects_are_called():
    lengths = {"truth": [20] * N, "m_1": [20] * N, "m_2": [10] * N}
    of_each = compare(evaluated(**lengths), "m_1", "m_2")
    unknown = compare(evaluated([""] * N, **lengths), "m_1", "m_2")
    pd.testing.assert_frame_equal(unknown, of_each)
    pair = compare(evaluated(["05", "05", *[""] * (N - 2)], **lengths), "m_1", "m_2")  # "05" is a case, too
    assert pair["p"].tolist() == [2 / 2 ** (N - 1)] * 3


def test_a_missing_prediction_is_not_left_out(tmp_path):
    truth = {f"{i}": bar(20) for i in range(3)}
    rows = [{"case": case, "annotator": "m_1", "kind": "model", "path": mask} for case, mask in truth.items()]
    rows += [{"case": case, "annotator": "m_2", "kind": "model", "path": mask} for case, mask in truth.items()]
    rows[-1]["path"] = str(tmp_path / "lost.png")
    found = evaluate(masks={"truth": truth}, annotations=pd.DataFrame(rows))
    row = compare(found, "m_1", "m_2", measures=["dice"]).iloc[0]
    assert (row["n_cases"], row["difference"]) == (3, pytest.approx(1 / 3))


def test_a_table_for_a_manuscript():
    found = compare(evaluated(truth=[20] * 4, m_1=[20] * 4, m_2=[10] * 4), "m_1", "m_2")
    text = latex_table(found.assign(a="a&b{~}"))
    assert text.count("\\\\\n") == 4
    assert "a\\&b\\{\\textasciitilde{}\\} & m\\_2 & 1.000 & 0.667 & 0.333" in text
    assert found["p_adjusted"].ge(found["p"]).all()
    assert text.isprintable() or "\n" in text


def test_subgroups_equal_evaluations_of_their_cases():
    truth, model = [20, 20, 20, 20, 30, 30, 30, 30], [20, 18, 16, 20, 15, 17, 20, 30]
    regions = pd.Series(["CA1"] * 4 + ["CA3"] * 4, [f"{i:02d}" for i in range(N)])
    found = scores_by(evaluated(truth=truth, m=model), regions).set_index(["measure", "subgroup"])
    for region, part in (("CA1", slice(0, 4)), ("CA3", slice(4, 8))):
        alone = evaluated(truth=truth[part], m=model[part]).scores
        for measure in ("f1", "mean_iou", "dice"):
            row = alone[(alone["measure"] == f"{measure}_against_truth") & (alone["target"] == "m")].iloc[0]
            own = found.loc[measure, region]
            assert (own["value"], own["n_cases"]) == (row["value"], row["n_cases"])


def test_a_good_mean_hides_a_region_that_fails():
    regions = pd.Series(["CA1"] * 7 + ["CA3"], [f"{i:02d}" for i in range(N)])
    found = scores_by(evaluated(truth=[20] * N, m=[20] * 7 + [0]), regions, measures=["dice"]).set_index("subgroup")
    assert found["value"].to_dict() == {"CA1": 1, "CA3": 0}
    assert np.isnan(found.loc["CA3", "low"])


def test_cases_without_a_subgroup_are_not_lost():
    found = scores_by(evaluated(truth=[20] * 3, m=[20] * 3), pd.Series(["CA1"], ["00"]), measures=["f1"])
    assert dict(zip(found["subgroup"], found["n_cases"], strict=True)) == {"": 2, "CA1": 1}


def test_what_cannot_be_compared_is_an_error():
    found = evaluated(truth=[20] * 2, m=[20] * 2)
    for arguments, message in (
        (("m", "n"), "no annotator 'n'"),
        (("m", "m"), "with itself"),
    ):
        with pytest.raises(UsageError, match=message):
            compare(found, *arguments)
    with pytest.raises(UsageError, match="no measure 'hd95'"):
        compare(found, "m", "truth", measures=["hd95"])
    with pytest.raises(UsageError, match="no case in common"):
        compare(found, "m", "truth")
    with pytest.raises(UsageError, match="index the subgroups"):
        scores_by(found, pd.Series(["CA1"], ["elsewhere"]))
