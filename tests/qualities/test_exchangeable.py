"""Exchangeable raters: what is said stays the same if they change places within each case."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from segassay import evaluate
from segassay.assay.evaluation import Evaluation
from segassay.io.images import write_mask
from segassay.qualities.exchangeable import WHY
from segassay.qualities.objectivity.measurements import intraclass_correlation, measurements_of, one_way_correlation
from segassay.statistics.reliability import icc, icc_1k_weighted, icc_11_weighted
from segassay.tables.mean_rater import MEAN_OF_RATERS, MEAN_OF_RATERS_NOTE, mean_counts

N_CASES, SIZE = 12, 40
READERS = ("reader_1", "reader_2", "reader_3", "reader_4", "reader_5")


def drawn(rng: np.random.Generator, places: np.ndarray, spread: float, found: float) -> np.ndarray:
    """Discs at most of the places, not quite where and as large as they are."""
    rows, columns = np.ogrid[:SIZE, :SIZE]
    mask = np.zeros((SIZE, SIZE), dtype=bool)
    for row, column, radius in places:
        if rng.random() < found:
            row, column = row + rng.normal(0, spread), column + rng.normal(0, spread)
            mask |= (rows - row) ** 2 + (columns - column) ** 2 <= max(radius + rng.normal(0, spread), 1.5) ** 2
    return mask


def masks_of_readers(seed: int = 0) -> tuple[dict[str, list[np.ndarray]], dict[str, dict[str, np.ndarray]]]:
    """Masks of the readers of each case, of which some have only four; and masks of two models."""
    rng = np.random.default_rng(seed)
    readers, models = {}, {"net/s0": {}, "net/s1": {}}
    for number in range(N_CASES):
        places = np.column_stack([rng.uniform(5, 35, (6, 2)), rng.uniform(2.5, 5, 6)])[: rng.integers(2, 7)]
        readers[f"c{number:02}"] = [
            drawn(rng, places, skill, 0.9) for skill in (0.2, 0.3, 0.4, 0.6, 1.0)[: 4 if number % 5 == 4 else 5]
        ]
        for name in models:
            models[name][f"c{number:02}"] = drawn(rng, places, 0.4, 0.95)
    return readers, models


def evaluated(folder: Path, order: np.random.Generator | None, *, said: str = "{exchangeable: true}") -> Evaluation:
    """Evaluation of the readers under names in this order, and of two models."""
    written(folder, order, said=said)
    rows = [
        {"case": case, "annotator": name, "kind": "model", "path": mask, "strategy": "net", "seed": int(name[-1])}
        for name, of_case in masks_of_readers()[1].items()
        for case, mask in of_case.items()
    ]
    table = pd.DataFrame(rows).assign(trained_on="staple", held_out="true")
    return evaluate(folder, annotations=table, n_jobs=1)


def written(folder: Path, order: np.random.Generator | None, *, said: str = "{exchangeable: true}") -> None:
    readers = masks_of_readers()[0]
    for case, masks in readers.items():
        (folder / "images").mkdir(parents=True, exist_ok=True)
        write_mask(folder / "images" / f"{case}.png", masks[0])
        names = list(READERS) if order is None else list(order.permutation(READERS))
        for name, mask in zip(names, masks, strict=False):
            (folder / "labels" / name).mkdir(parents=True, exist_ok=True)
            write_mask(folder / "labels" / name / f"{case}.png", mask)
    groups = [f"{case},{'ab'[number % 2]}" for number, case in enumerate(readers)]
    (folder / "experiment.csv").write_text("case,group\n" + "\n".join(groups) + "\n")
    (folder / "dataset.yaml").write_text(f"raters: {said}\nexperiment: experiment.csv\ncontrol_group: a\n")


@pytest.fixture(scope="module")
def listed(tmp_path_factory: pytest.TempPathFactory) -> Evaluation:
    return evaluated(tmp_path_factory.mktemp("listed") / "data", None)


def numbers(found: Evaluation) -> pd.DataFrame:
    return found.scores.sort_values(["quality", "measure", "target"], kind="stable").reset_index(drop=True)


def test_no_number_and_no_word_changes_if_raters_change_places(listed: Evaluation, tmp_path: Path) -> None:
    """Also where some cases have four readers instead of five: then a name has other cases after the change."""
    shuffled = evaluated(tmp_path / "data", np.random.default_rng(7))
    assert not shuffled.agreement.equals(listed.agreement)
    pd.testing.assert_frame_equal(numbers(shuffled), numbers(listed), rtol=1e-9, atol=1e-9)
    pd.testing.assert_frame_equal(shuffled.effects, listed.effects)
    pd.testing.assert_frame_equal(shuffled.not_judged, listed.not_judged)
    pd.testing.assert_frame_equal(shuffled.strategies, listed.strategies, rtol=1e-9, atol=1e-9)
    same = [
        {key: found.summary[key] for key in ("objectivity", "reliability", "validity")} for found in (listed, shuffled)
    ]
    for quality in same[0]:
        for part in ("verdict", "sentence", "criteria"):
            assert same[0][quality][part] == same[1][quality][part]


def alone(folder: Path) -> Evaluation:
    """Evaluation of the readers alone, with an endpoint that needs no masks, of which group b has more."""
    written(folder, None)
    lines = [f"{case},freezing,{10 + 5 * (number % 2) + number}" for number, case in enumerate(masks_of_readers()[0])]
    (folder / "endpoints.csv").write_text("case,endpoint,value\n" + "\n".join(lines) + "\n")
    with open(folder / "dataset.yaml", "a") as settings:
        settings.write("endpoints: endpoints.csv\nmeasurements: [count, area, freezing]\n")
    return evaluate(folder, n_jobs=1)


def test_of_readers_alone_their_mean_and_endpoints_without_masks_are_tested(tmp_path: Path) -> None:
    found = alone(tmp_path / "data")
    tested = found.effects[found.effects["test"] == "mann_whitney"].set_index("measure")
    assert tested["annotator"].to_dict() == {"count": MEAN_OF_RATERS, "area": MEAN_OF_RATERS, "freezing": ""}
    for measure, column in (("count", "n_objects"), ("area", "area_px")):
        means = found.counts.groupby("case")[column].mean()  # of four readers in some cases
        p_value = stats.mannwhitneyu(means.iloc[::2], means.iloc[1::2], method="asymptotic").pvalue
        assert tested.loc[measure, "p_value"] == pytest.approx(p_value)
        assert tested.loc[measure, "note"].startswith(MEAN_OF_RATERS_NOTE)
    assert not tested.loc["freezing", "note"].startswith(MEAN_OF_RATERS_NOTE)
    assert "mean count of the raters of each case: b against a: no difference" in found.summary["validity"]["sentence"]
    assert not found.scores["record"].str.startswith("specifications").any()  # one analysis is no curve
    rng = np.random.default_rng(3)
    moved = found.counts.assign(
        annotator=found.counts.groupby("case")["annotator"].transform(lambda names: rng.permutation(names.to_numpy()))
    )
    assert not moved.equals(found.counts)
    pd.testing.assert_frame_equal(mean_counts(moved, READERS), mean_counts(found.counts, READERS), check_exact=True)


def test_the_same_change_of_raters_who_are_persons_changes_numbers(tmp_path: Path) -> None:
    """So that the test above could fail."""
    one, two = (
        evaluated(tmp_path / name, order, said="labels/*")
        for name, order in (("listed", None), ("shuffled", np.random.default_rng(7)))
    )
    with pytest.raises(AssertionError):
        pd.testing.assert_frame_equal(numbers(one), numbers(two), rtol=1e-3, atol=1e-3)


def test_nothing_is_said_of_a_single_rater_and_the_reason_is_listed(listed: Evaluation) -> None:
    assert not [target for target in listed.scores["target"] if any(name in target for name in READERS)]
    assert listed.scores[["human_low", "human_high"]].isna().all(axis=None)
    assert listed.raters.empty
    assert not set(listed.effects["annotator"]) & set(READERS)
    left_out = set(listed.not_judged.loc[listed.not_judged["why"] == WHY, "measure"])
    assert {"bias_test", "icc_a1", "rater_share", "log_count_ratio", "ccc", "phi"} <= left_out
    assert not any(name in json.dumps(listed.summary["objectivity"]) for name in READERS)


def test_the_report_and_its_figures_name_no_reader_as_a_person(listed: Evaluation, tmp_path: Path) -> None:
    assert "habits" not in listed.plot.available
    assert not [text.get_text() for text in listed.plot.agreement().texts if "reader" in text.get_text()]
    page = listed.report(tmp_path / "report.html").read_text()
    assert WHY in page


def test_objectivity_of_models_cannot_be_judged_by_name(listed: Evaluation) -> None:
    assert "no model can be said to imitate one of them" in listed.verdicts["objectivity"]
    assert "exchangeable" in listed.summary["validity"]["sentence"]


def test_icc_1_is_that_of_shrout_and_fleiss_and_of_an_analysis_of_variance() -> None:
    scores = np.array(
        [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]], dtype=float
    )
    once = np.ones((1, 6))
    assert icc_11_weighted(once, scores)[0] == pytest.approx(0.1657, abs=5e-5)
    assert icc_1k_weighted(once, scores)[0] == pytest.approx(0.4428, abs=5e-5)
    f = stats.f_oneway(*scores).statistic
    assert icc_11_weighted(once, scores)[0] == pytest.approx((f - 1) / (f + 3))
    assert icc_1k_weighted(once, scores)[0] == pytest.approx((f - 1) / f)


def test_equal_cases_of_a_subject_are_no_more_than_one() -> None:
    rng = np.random.default_rng(2)
    counts = [
        {"case": f"{case}a", "annotator": name, "n_objects": 10.0 * case + rng.integers(5)}
        for case in range(9)
        for name in READERS
    ]
    once = pd.DataFrame(counts).assign(area_px=np.nan, mean_intensity=np.nan)
    twice = pd.concat([once, once.assign(case=once["case"].str.replace("a", "b"))], ignore_index=True)
    clusters = pd.Series({f"{case}{again}": f"s{case}" for again in "ab" for case in range(9)})
    numbers = ["value", "low", "high"]
    expected, found = (one_way_correlation(table, READERS, clusters)[numbers].astype(float) for table in (once, twice))
    assert len(expected) == 2
    np.testing.assert_allclose(found, expected, rtol=1e-8)


@pytest.mark.parametrize("estimate", [one_way_correlation, intraclass_correlation])
def test_limits_of_few_cases_end_at_0_and_hold_the_estimate(estimate: Callable[..., pd.DataFrame]) -> None:
    """Three cases that hardly differ, then raters who disagree: the estimate stays below 0, and so does a limit."""
    few = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8]]
    apart = [[5, 5, 7], [9, 1, 2], [8, 9, 3], [3, 8, 4], [3, 8, 3], [4, 6, 5]]
    for values, below in ((few, False), (apart, True)):
        of_count = correlations(estimate, values)
        exact = icc(np.array(values, dtype=float))["value"]
        forms = ["ICC(1,1)", "ICC(1,k)"] if estimate is one_way_correlation else ["ICC(A,1)", "ICC(A,k)"]
        np.testing.assert_allclose(of_count["value"], exact[forms])
        assert ((of_count["value"] < 0) == below).all()
        assert (of_count["low"] == (of_count["value"] if below else 0)).all()
        assert (of_count["high"] >= np.maximum(of_count["value"], 0)).all()
        assert of_count["note"].str.contains("the lower limit ends at 0").all()


def test_raters_who_contradict_each_other_have_no_correlation_above_1() -> None:
    opposed = [[1, 9], [9, 1], [2, 7], [8, 3]]
    assert icc(np.array(opposed, dtype=float)).loc["ICC(A,k)", "value"] > 4
    found = correlations(intraclass_correlation, opposed)
    assert np.isnan(found["value"]).tolist() == [False, True]
    assert found["note"].iloc[1].endswith("raters contradict each other: no correlation")


def correlations(estimate: Callable[..., pd.DataFrame], values: list[list[int]]) -> pd.DataFrame:
    """Rows of the correlations of counts `(cases, raters)`."""
    rows = [
        {"case": str(case), "annotator": f"r{rater}", "n_objects": value, "area_px": value, "mean_intensity": np.nan}
        for case, of_case in enumerate(values)
        for rater, value in enumerate(of_case)
    ]
    cases = pd.Series(map(str, range(len(values))), map(str, range(len(values))))
    found = estimate(pd.DataFrame(rows), [f"r{rater}" for rater in range(len(values[0]))], cases)
    return found[found["of"] == "count"]


def test_icc_1_in_the_scores_is_that_of_the_complete_cases(listed: Evaluation) -> None:
    complete = measurements_of(listed.counts, "n_objects", READERS).dropna()
    row = listed.scores[listed.scores["measure"] == "icc_11_count"].iloc[0]
    assert row["value"] == pytest.approx(icc(complete.to_numpy()).loc["ICC(1,1)", "value"])
    assert row["n_cases"] == len(complete) < N_CASES
