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
