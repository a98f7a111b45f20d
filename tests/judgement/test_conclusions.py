"""Conclusions of the experiment: what each annotator's masks say, and whether that is what raters say."""

import pandas as pd
import pytest

from segassay.judgement.conclusions import conclusions, concordance_of_effects
from segassay.judgement.criteria import Shares, Why
from segassay.tables.effects import EFFECT_COLUMNS

RATERS = ("anna", "ben", "cleo", "dora")
ENSEMBLES = ("staple/s0-1", "staple/s2-3")


def effects_of(
    unit: str = "subject", *, of_raters: str = "higher", of_ensembles: str = "higher", **shift: float
) -> pd.DataFrame:
    """One contrast of counts; a shift of 0.5 with an interval of ± 0.2 unless said otherwise."""
    rows = []
    for name in (*RATERS, *ENSEMBLES):
        verdict = of_raters if name in RATERS else of_ensembles
        at = shift.get("raters" if name in RATERS else "ensembles", 0.5)
        interval = {"hl_shift": at, "hl_low": at - 0.2, "hl_high": at + 0.2}
        rows.append({"annotator": name, "verdict": verdict, "direction": 1 if at > 0 else -1, **interval})
    fixed = {"measure": "count", "region": "", "unit": unit, "test": "mann_whitney", "group_1": "H", "group_2": "C"}
    table = pd.DataFrame(rows).assign(**fixed, statistic=1.0, eta_squared=0.5)
    return table.reindex(columns=list(EFFECT_COLUMNS))


@pytest.mark.parametrize(
    ("effects", "met", "why"),
    [
        (effects_of(), True, None),
        (effects_of(of_raters="none", of_ensembles="none"), True, None),
        (effects_of(of_ensembles="lower", ensembles=-0.5), False, None),  # the opposite
        (effects_of(of_ensembles="none", ensembles=0.2), False, None),  # 0.0 to 0.4 excludes 0.5
        (effects_of(of_ensembles="none", ensembles=0.35), None, Why.OTHER_CONCLUSIONS),
        (effects_of(of_raters="not_testable", of_ensembles="not_testable"), None, Why.NOT_TESTABLE),
    ],
)
def test_effects(effects: pd.DataFrame, met: bool | None, why: Why | None) -> None:
    criterion = concordance_of_effects(effects, ENSEMBLES, RATERS)
    assert criterion.met is met
    assert [missing.why for missing in criterion.missing] == ([] if why is None else [why])


def test_the_one_rater_who_differs_from_all_sets_no_standard() -> None:
    """One of four raters finds nothing: she shares no conclusion with the others, who share 2 of 3 each."""
    effects = effects_of(of_ensembles="none", ensembles=0.4)
    effects.loc[effects["annotator"] == "dora", ["verdict", "hl_shift"]] = ["none", 0.3]
    criterion = concordance_of_effects(effects, ENSEMBLES, RATERS)
    assert criterion.rests_on == Shares(own=0.25, lowest=0.0, bar=pytest.approx(2 / 3), highest=pytest.approx(2 / 3))
    assert criterion.met is None  # as often as dora, which once was enough


def test_a_rater_whose_effects_cannot_be_tested_vetoes_nothing() -> None:
    effects = effects_of()
    effects.loc[effects["annotator"] == "dora", "verdict"] = "not_testable"
    assert concordance_of_effects(effects, ENSEMBLES, RATERS).met


def test_one_rater_is_no_standard() -> None:
    (missing,) = concordance_of_effects(effects_of(), ENSEMBLES, RATERS[:1]).missing
    assert missing.why is Why.NO_SECOND_RATER


def test_images_as_units_are_judged_by_size():
    effects = effects_of("case").assign(verdict="none")
    assert set(conclusions(effects).to_numpy().ravel()) == {"higher"}
    assert set(conclusions(effects.assign(eta_squared=0.13)).to_numpy().ravel()) == {"none"}
    assert conclusions(effects.assign(verdict="not_testable")).isna().all(axis=None)
    assert set(conclusions(effects_of().assign(eta_squared=0.0)).to_numpy().ravel()) == {"higher"}


def test_densities_that_repeat_the_counts_count_once():
    counts = effects_of()
    both = pd.concat([counts, counts.assign(measure="density")], ignore_index=True)
    assert len(conclusions(both)) == 1
    other = pd.concat([counts, counts.assign(measure="density", statistic=2.0)], ignore_index=True)
    assert len(conclusions(other)) == 2


def of(measures: dict[str, float]) -> pd.DataFrame:
    """The same effects of several measurements; a number of their own keeps them apart."""
    return pd.concat(
        [effects_of().assign(measure=name, statistic=number) for name, number in measures.items()], ignore_index=True
    )


def measures_of(effects: pd.DataFrame) -> list[str]:
    return conclusions(effects).index.get_level_values("measure").tolist()


def test_a_measurement_that_follows_from_two_others_is_no_further_evidence():
    assert measures_of(of({"count": 1, "area": 2, "object_size": 3})) == ["area", "count"]
    assert measures_of(of({"count": 1, "volume": 2, "object_size": 3})) == ["count", "volume"]
    assert measures_of(of({"area": 2, "object_size": 3})) == ["area", "object_size"]
    assert measures_of(of({"count": 1, "object_size": 3})) == ["count", "object_size"]


def test_copies_of_a_measurement_count_once_under_any_name():
    assert measures_of(of({"count": 1, "my_count": 1, "area": 2, "your_count": 1})) == ["area", "count"]


def test_an_endpoint_without_masks_is_no_evidence():
    shared = effects_of().iloc[:1].assign(measure="freezing", annotator="", verdict="lower", statistic=9.0)
    with_it = pd.concat([effects_of(), shared], ignore_index=True)
    pd.testing.assert_frame_equal(conclusions(with_it), conclusions(effects_of()))
    found, expected = (concordance_of_effects(table, ENSEMBLES, RATERS) for table in (with_it, effects_of()))
    assert repr(found) == repr(expected)  # a criterion with NaN equals itself up to Python 3.12 only


def test_area_that_contradicts_the_raters_fails_where_the_count_agrees():
    area = effects_of().assign(measure="area", statistic=2.0)
    wrong = area["annotator"].isin(ENSEMBLES)
    area = area.assign(verdict=area["verdict"].mask(wrong, "lower"), direction=area["direction"].mask(wrong, -1))
    assert concordance_of_effects(effects_of(), ENSEMBLES, RATERS).met is True
    both = pd.concat([effects_of(), area], ignore_index=True)
    assert concordance_of_effects(both, ENSEMBLES, RATERS).met is False
