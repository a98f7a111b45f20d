"""Effects of the experiment that a strategy finds: by hand, as published, and against those of single annotators."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from segassay.judgement.strategies import (
    strategy_table,
)
from segassay.judgement.strategy_effects import effects_of_groups, mean_eta_squared, same_as_majority
from segassay.qualities.scores.groups import strategy_groups
from segassay.simulation.study_tables import SimulatedStudy, simulate_tables
from segassay.tables.effects import effects
from segassay.tables.normalise import normalise
from strategy_findings import (
    EVERYBODY,
)


def experiment_of(**counts: list[float | None]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Counts of three cases of H and three of C by each annotator; effects and measurements."""
    cases = [f"{group}{number}" for group in "HC" for number in range(3)]
    groups = pd.DataFrame(
        {"case": cases, "group": [case[0] for case in cases], "region": "", "subject": "", "batch": ""}
    )
    rows = [
        {"case": case, "annotator": name.replace("_", "/"), "n_objects": n, "density": n, "mean_intensity": np.nan}
        for name, values in counts.items()
        for case, n in zip(cases, values, strict=True)
        if n is not None
    ]
    normalised = normalise(pd.DataFrame(rows), groups, "H")
    return effects(normalised), normalised


SEPARATED, MIXED = [1, 2, 3, 4, 5, 6], [1, 5, 3, 4, 2, 6]  # U = 0 and 2 below its mean of 4.5 on 3 × 3


class TestEffects:
    def rows(self, **counts: list[float | None]) -> pd.DataFrame:
        found, normalised = experiment_of(**counts)
        table = pd.DataFrame(effects_of_groups(strategy_groups(EVERYBODY), found, normalised))
        return table[table["of"] == "count"].set_index(["target", "measure"])

    def test_by_hand(self):
        """η² = 12 (U - 4.5)² / (9 · 7 · 6): complete separation gives .643, two more wins of H .159 (U = 2)..."""
        table = self.rows(anna=SEPARATED, ben=SEPARATED, anna_s0=SEPARATED, ben_s0=MIXED)
        separated, mixed = 12 * 4.5**2 / 378, 12 * 1.5**2 / 378
        row = table.loc[("expert models", "count_eta_squared")]
        assert row["value"] == pytest.approx((separated + mixed) / 2)
        assert (row["contrast"], row["n_annotators"], row["n_cases"]) == ("C against H", 2, 6)
        assert row["low"] <= row["value"] <= row["high"]
        assert table.loc[("raters", "count_eta_squared"), "value"] == pytest.approx(separated)
        spread = table.loc[("expert models", "count_eta_squared_sd")]
        assert (spread["value"], spread["method"]) == (pytest.approx((separated - mixed) / 2**0.5), "not judged")
        assert table.loc[("raters", "count_eta_squared_sd"), "value"] == 0

    def test_effects_are_the_means_of_those_of_the_experiment(self):
        study = SimulatedStudy(
            n_seeds=1, n_consensus_seeds=4, count_effects=(1.0, 1.4, 0.8), light_effects=(1.0, 1.0, 1.0)
        )
        found = dataclasses.replace(simulate_tables(study).findings())
        table = strategy_table(found)
        of_count = found.effects.query("measure == 'count' and test == 'mann_whitney' and unit == 'subject'")
        of_count = of_count[of_count["region"] == ""].pivot(index=["group_2"], columns=["group_1", "annotator"])
        for group in strategy_groups(found.annotations):
            rows = table[(table["group"] == group.target) & (table["measure"] == "count_eta_squared")]
            assert len(rows) == 3
            for row in rows.to_dict("records"):
                other, one = row["contrast"].split(" against ")
                single = of_count.loc[other, "eta_squared"][one]
                assert row["value"] == pytest.approx(single[group.names].mean())
                assert row["n_cases"] == 10

    def test_an_annotator_without_a_group_of_the_experiment_takes_no_part(self):
        table = self.rows(anna_s0=SEPARATED, ben_s0=[1, 2, 3, None, None, None])
        assert table.loc[("expert models", "count_eta_squared"), "value"] == pytest.approx(12 * 4.5**2 / 378)

    def test_nobody_is_held_against_raters_where_there_are_none(self):
        table = self.rows(anna_s0=SEPARATED, ben_s0=SEPARATED)
        assert ("expert models", "count_same_as_majority") not in table.index
        assert ("expert models", "count_eta_squared") in table.index

    def test_one_annotator_has_no_spread(self):
        table = self.rows(anna=SEPARATED, ben=SEPARATED, anna_s0=MIXED)
        assert ("expert models", "count_eta_squared_sd") not in table.index
        assert ("raters", "count_eta_squared_sd") in table.index
        assert table.loc[("expert models", "count_votes_not_testable"), "value"] == 1

    def test_nothing_tested(self):
        found, normalised = experiment_of(anna=SEPARATED)
        assert effects_of_groups([], found, normalised) == []
        assert effects_of_groups(strategy_groups(EVERYBODY), found[:0], normalised) == []


class TestMeanEtaSquared:
    x = np.array([0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46])
    y = np.array([1.15, 0.88, 0.90, 0.74, 1.21])

    def test_published(self):
        """Hollander & Wolfe's permeability: U 35 of 10 against 5, Z 1.2247, η² .1000."""
        values = pd.DataFrame({"a": np.r_[self.x, self.y], "b": -np.r_[self.x, self.y]})
        found = mean_eta_squared(values, np.arange(15) >= 10)
        assert (round(found.value, 4), found.method, found.approximate) == (0.1, "noncentral F", True)

    def test_order_of_annotators_and_of_units_does_not_matter(self):
        rng = np.random.default_rng(0)
        values, second = pd.DataFrame(rng.normal(size=(30, 4))), np.arange(30) % 3 == 0
        one, other = (mean_eta_squared(values.iloc[:, order], second) for order in ([0, 1, 2, 3], [3, 1, 0, 2]))
        assert dataclasses.astuple(one) == pytest.approx(dataclasses.astuple(other))
        order = rng.permutation(30)
        assert mean_eta_squared(values.iloc[order], second[order]).value == pytest.approx(one.value)

    def test_empty(self):
        found = mean_eta_squared(pd.DataFrame({"a": [np.nan] * 4}), np.arange(4) > 1)
        assert (np.isnan(found.value), found.n_cases, found.n_undefined) == (True, 0, 4)


class TestSameAsMajority:
    verdicts = pd.Series(
        {"anna": "higher", "ben": "higher", "cleo": "none", "m": "higher", "n": "none", "o": "not_testable"}
    )
    raters = ("anna", "ben", "cleo")

    def test_models(self):
        share, note = same_as_majority(self.verdicts, ["m", "n", "o"], self.raters)
        assert (share.value, share.n_cases, share.n_undefined) == (0.5, 2, 1)
        assert "other raters" not in note

    def test_a_rater_is_held_against_the_others(self):
        """anna and ben see one of the others on each side; cleo has both of them against her."""
        share, note = same_as_majority(self.verdicts, self.raters, self.raters)
        assert (share.value, share.n_cases, share.n_undefined) == (0, 1, 2)
        assert note.endswith("the majority of the other raters")

    def test_no_majority(self):
        share, _ = same_as_majority(self.verdicts, ["m"], ["anna", "cleo"])
        assert (np.isnan(share.value), share.n_cases, share.n_undefined) == (True, 0, 1)

    def test_order_of_raters_does_not_matter(self):
        shares = [
            same_as_majority(self.verdicts, ["m", "n"], order)[0].value
            for order in (self.raters, ("cleo", "ben", "anna"))
        ]
        assert shares == [0.5, 0.5]
