"""Ensembles compared with single models and with raters."""

from dataclasses import replace
from itertools import combinations

import pytest

from segassay.qualities.reliability.ensembles import ensembles_beside
from segassay.qualities.scores.table import Agreement
from segassay.simulation.study_tables import NULL, simulate_tables


def test_differences_to_raters_and_models_are_paired() -> None:
    simulated = simulate_tables(replace(NULL, n_seeds=1, n_consensus_seeds=4))
    agreement = Agreement(simulated.tables.agreement, simulated.tables.leave_one_out)
    found = {score.measure: score.values for score in ensembles_beside(agreement, simulated.annotations)}
    rows = simulated.tables.agreement.query("iou_threshold == 0.5").set_index(["annotator_a", "annotator_b", "case"])
    case = simulated.annotations["case"].iloc[0]
    own = rows["f1"]["staple/s0-1", "staple/s2-3", case]
    raters = [f"expert_{number}" for number in range(1, 6)]
    people = [rows["f1"][a, b, case] for a, b in combinations(raters, 2)]
    assert set(found) == {"f1_minus_models", "f1_minus_raters"}
    assert found["f1_minus_raters"][case] == pytest.approx(own - sum(people) / len(people))
