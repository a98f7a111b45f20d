"""Amounts beside those of the raters: in all images, and in each group of the experiment."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from segassay.judgement import amounts as amounts_module
from segassay.judgement.amounts import amounts
from segassay.judgement.criteria import Criterion, Number, What, Why, undecided
from segassay.judgement.judged import Judged

RATERS = ("anna", "ben", "cleo")
N = 24  # images, half of them treated
TREATED = np.arange(N) % 2 == 1


def criteria(
    of_model: np.ndarray,
    of_raters: np.ndarray,
    groups: list[str] | None = None,
    column: str = "group",
    clusters: np.ndarray | None = None,
) -> dict[What, Criterion]:
    """The criteria of the number of objects `(N,)` and `(N, R)`."""
    cases = pd.Index([f"{number:02d}" for number in range(N)])
    columns = dict(zip([*RATERS, "net"], [*of_raters.T, of_model], strict=True))
    table = pd.DataFrame(columns, index=cases).rename_axis("case").reset_index()
    counts = table.melt("case", var_name="annotator", value_name="n_objects").assign(area_px=np.nan)
    evidence = SimpleNamespace(
        cases=cases, clusters=cases.to_numpy(dtype=object) if clusters is None else clusters, raters=RATERS,
        counts=counts, level=0.95, exchangeable=False,
    )  # fmt: skip
    names = ["treated" if treated else "control" for treated in TREATED] if groups is None else groups
    found = SimpleNamespace(
        tables=SimpleNamespace(counts=counts), parts=pd.DataFrame({column: names}, index=cases) if names else None,
        amount=lambda column: column,
    )  # fmt: skip
    return {one.of: one for one in amounts(evidence, Judged(("net",)), found)}


def drawn(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Objects of a model and of three raters who find what is there, up to chance."""
    rng = np.random.default_rng(seed)
    there = rng.integers(15, 25, N) * np.where(TREATED, 2, 1)
    return there + rng.integers(-1, 2, N), there[:, None] + rng.integers(-2, 3, (N, 3))


def test_a_part_of_one_subject_is_not_judged_apart() -> None:
    """Nobody can tell how it varies: its interval would have no limits, however many images there are."""
    found = criteria(*drawn(), clusters=np.where(TREATED, "mouse 1", "mouse 2"))
    assert What.AMOUNT_OF_GROUP not in found
    assert not found[What.SMALL_PARTS].counts
    several = [f"mouse {place % 4}" for place in range(N)]
    assert criteria(*drawn(), clusters=np.array(several))[What.AMOUNT_OF_GROUP].met


def test_a_batch_of_each_image_is_small() -> None:
    found = criteria(*drawn(), groups=[f"b{place}" for place in range(N)], column="batch")
    assert len(found[What.SMALL_PARTS].missing[0].names) == N


def test_an_ensemble_without_any_difference_hides_no_other_one() -> None:
    same = undecided(What.AMOUNT, Why.SATURATED, Number(1, 1, 1, N), 1.33)
    unclear = undecided(What.AMOUNT, Why.EITHER_SIDE, Number(1.45, 1.2, 1.7, N), 1.33)
    for both in ((same, unclear), (unclear, same)):
        assert amounts_module._furthest(both, "count").missing == unclear.missing


def test_an_honest_model_has_the_amounts_of_the_raters_in_each_group():
    found = criteria(*drawn())
    assert {of: one.met for of, one in found.items()} == {What.AMOUNT: True, What.AMOUNT_OF_GROUP: True}


@pytest.mark.parametrize(
    ("share", "spread", "met"), [(0.4, 0, False), (0.4, 0.6, None), (0.2, 0.6, True), (0.2, 0, True)]
)
def test_what_is_missed_in_one_group_only_shows_beside_the_other(share, spread, met):
    """The value decides where the interval is on both sides of the line."""
    model, raters = drawn()
    model = model * np.exp(np.random.default_rng(1).normal(0, spread, N)) / np.exp(spread**2 / 2)
    one = criteria(np.where(TREATED, (1 - share) * model, model), raters)[What.AMOUNT_OF_GROUP]
    first, second = (
        (of * model)[chosen].mean() / np.median(raters, axis=1)[chosen].mean()
        for of, chosen in ((1.0, ~TREATED), (1 - share, TREATED))
    )
    assert one.rests_on.value == pytest.approx(
        first / second if one.rests_on.against == "group control" else second / first
    )
    assert one.met is met


def test_errors_of_two_groups_that_cancel_over_all_images_do_not_pass():
    model, raters = drawn()
    found = criteria(model * np.where(TREATED, 0.8, 1.4), raters)
    assert [found[of].met for of in (What.AMOUNT, What.AMOUNT_OF_GROUP)] == [True, False]


def test_missing_the_same_in_all_groups_is_no_effect():
    model, raters = drawn()
    assert criteria(0.8 * model, raters)[What.AMOUNT_OF_GROUP].met


def test_a_group_counts_with_ten_images_in_which_raters_mark_something():
    model, raters = drawn()
    assert What.AMOUNT_OF_GROUP not in criteria(model, raters, groups=["a"] * 9 + ["b"] * (N - 9))
    raters[np.flatnonzero(TREATED)[:3]] = 0
    assert What.AMOUNT_OF_GROUP not in criteria(model, raters)
    assert What.AMOUNT_OF_GROUP not in criteria(model, raters, groups=[])


def test_raters_who_differ_in_their_effects_widen_the_line():
    model, raters = drawn()
    effects = np.where(TREATED[:, None], np.array([0.6, 1.0, 1.7]), 1.0)
    assert criteria(model * np.where(TREATED, 0.65, 1.0), raters)[What.AMOUNT_OF_GROUP].met is False
    assert criteria(model * np.where(TREATED, 0.65, 1.0), raters * effects)[What.AMOUNT_OF_GROUP].met


@pytest.mark.parametrize("column", ["group", "region", "batch"])
def test_what_is_missed_in_one_of_several_parts_is_not_hidden_by_the_others(column):
    model, raters = drawn()
    parts = [f"{place % 2}" for place in range(N)]
    assert criteria(model, raters, parts, column)[What.AMOUNT_OF_GROUP].met
    one = criteria(np.where(np.array(parts) == "1", 0.6 * model, model), raters, parts, column)[What.AMOUNT_OF_GROUP]
    assert one.met is False
    assert one.rests_on.against.startswith(f"{column} ")


def test_parts_with_few_images_are_named_and_do_not_count():
    model, raters = drawn()
    one = criteria(model, raters, ["few"] * 5 + ["many"] * (N - 5), "region")[What.SMALL_PARTS]
    assert (one.met, one.counts, one.missing[0].names) == (None, False, ("region few", "region many"))
    assert What.SMALL_PARTS not in criteria(model, raters, ["all"] * N, "region")


def test_of_many_parts_one_is_refuted_by_a_longer_interval():
    number = Number(0.62, 0.53, 0.73, 12, "net", "region a")
    assert [amounts_module._not_beyond(number, 4 / 3, amounts_module._reach(n)).met for n in (1, 40)] == [False, None]
