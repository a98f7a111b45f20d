"""The catalogue of measures: every row of scores has a record, and every record has its place everywhere."""

import dataclasses
import importlib

import pandas as pd
import pytest

from scored import scored
from segassay.judgement.measures import build_scores, by_quality, further_measures
from segassay.judgement.strategies import strategy_table
from segassay.qualities.catalogue import CATALOGUE
from segassay.qualities.objectivity import records as objectivity
from segassay.qualities.reliability import records as reliability
from segassay.qualities.scores.coverage import MEANS, NO_INTERVAL
from segassay.qualities.scores.measure import AGAINST, CSV_ONLY, LEAVE_ONE_OUT, PAIRWISE, TABLES, Measure
from segassay.qualities.scores.table import QUALITIES
from segassay.qualities.validity import records as validity
from segassay.report.sections import SECTIONS, sections
from segassay.simulation.study_tables import SimulatedStudy, simulate_tables

EVERY = pytest.mark.parametrize("record", CATALOGUE.values(), ids=list(CATALOGUE))
NEEDS_MORE = {
    objectivity.WINNING_RATE.key,  # 30 cases
    reliability.FLIP_RATE_OF_VERDICTS.key,  # subjects enough to test an effect
    reliability.SATURATION_REST.key,  # ensembles of three sizes
    objectivity.FACET_SHARE.key,  # persons with several tools
    objectivity.ICC_11.key,  # exchangeable raters
    objectivity.ICC_1K.key,
}
"""Measures that the small study below is too small for, or whose raters it does not have."""


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    """Scores and strategies of a small simulated study with models, ensembles, a truth and an experiment."""
    raters = {"log_count_bias": (-0.3, 0.0, 0.1, 0.3), "agreeableness": (0.0,) * 4}
    study = simulate_tables(SimulatedStudy(**raters, n_subjects=2, n_regions=1, n_consensus_seeds=4))
    found = dataclasses.replace(study.findings())
    means = build_scores(found.tables, found.annotations, found.clusters)
    further, _ = further_measures(found)
    return pd.concat([by_quality([means, further]), strategy_table(found)], ignore_index=True)


def test_every_row_has_a_record_and_nearly_every_record_has_a_row(rows):
    assert set(rows["record"]) <= set(CATALOGUE)
    assert set(CATALOGUE) - set(rows["record"]) == NEEDS_MORE


def test_a_row_without_a_record_is_an_error():
    row = scored((objectivity.IMPRINT.form(), "anna")).assign(record="objectivity/unheard_of")
    with pytest.raises(KeyError, match="unheard_of"):
        sections(row)


def test_a_name_in_the_tables_stands_for_one_form(rows):
    fields = ["record", "base", "of", "variant", "comparison", "reference", "words"]
    scores = rows[rows["quality"].notna()]
    assert len(scores[["quality", "measure"]].drop_duplicates()) > 150
    assert not scores[["quality", "measure", *fields]].drop_duplicates().duplicated(["quality", "measure"]).any()


def test_the_fields_of_a_row_give_its_name(rows):
    for row in rows.drop_duplicates("measure").to_dict("records"):
        form = CATALOGUE[row["record"]].form(
            row["of"], row["comparison"], variant=row["variant"], reference=row["reference"]
        )
        assert (form.name, form.words) == (row["measure"], row["words"])


def test_what_is_known_of_intervals_fits_their_methods(rows):
    """Means, and only means, have t intervals, also by Hall; what has no interval has no such method."""
    of_record = rows.groupby("record")["method"].agg(set)
    for key, methods in of_record.items():
        coverage = CATALOGUE[str(key)].coverage
        of_means = {"t", "Hall-t"}
        assert (coverage == (MEANS,)) == (
            methods <= of_means | {"binomial", "constant", ""} and bool(methods & of_means)
        ), key
        assert (coverage == (NO_INTERVAL,)) == (methods <= {"", "Friedman", "t, Holm", "smallest to largest"}), key


def test_what_is_known_of_the_coverage_of_every_interval_stands_in_its_record(rows):
    """Every row with an interval that claims to hold the truth belongs to a record that says how often it does."""
    claimed = rows[(rows["low"].notna() | rows["high"].notna()) & (rows["method"] != "smallest to largest")]
    known = {key: CATALOGUE[key].coverage for key in claimed["record"]}
    assert len(known) > 60
    assert [key for key, coverage in known.items() if NO_INTERVAL in coverage] == []
    for key, method in claimed[["record", "method"]].drop_duplicates().itertuples(index=False):
        measured = {kind.benchmark[1] for kind in known[key] if kind.share}
        assert len(measured) == sum(bool(kind.share) for kind in known[key]), f"{key}: two shares for one method"
        assert method, key


@EVERY
def test_a_record_says_one_thing_of_its_coverage(record: Measure):
    """Either that there is no interval, or that it is unknown, or what it is for each method."""
    assert len(record.coverage) == 1 or not {MEANS, NO_INTERVAL} & set(record.coverage)


def test_each_name_occurs_once_in_a_quality():
    rooms = (objectivity, reliability, validity)
    assert len(CATALOGUE) == sum(len(room.RECORDS) for room in rooms) > 90
    for quality, room in zip(QUALITIES, rooms, strict=True):
        assert {record.quality for record in room.RECORDS} == {quality}


@EVERY
def test_every_record_is_complete(record: Measure):
    assert record.question.text.endswith("?")
    assert all((record.against, record.needs, record.coverage, record.functions))
    assert record.section in {*SECTIONS, *TABLES, CSV_ONLY}


@EVERY
def test_every_function_of_a_record_exists(record: Measure):
    for path in (*record.functions, *record.estimators):
        module, _, name = path.rpartition(".")
        assert callable(getattr(importlib.import_module(f"segassay.{module}"), name)), path


def test_every_section_has_a_measure():
    assert set(SECTIONS) <= {record.section for record in CATALOGUE.values()}


@pytest.mark.parametrize(
    ("form", "name", "words"),
    [
        (objectivity.KRIPPENDORFF_ALPHA.form("count"), "krippendorff_alpha_count", "Krippendorff’s α of count"),
        (
            validity.MINUS_WORST_RATER.form("f1", LEAVE_ONE_OUT),
            "f1_leave_one_out_minus_worst_rater",
            "F1 against the consensus of the other raters, minus that of the worst rater",
        ),
        (
            validity.MINUS_RATERS.form("dice", LEAVE_ONE_OUT),
            "dice_leave_one_out_minus_raters",
            "Dice against the consensus of the other raters, minus that of the raters",
        ),
        (validity.F1.form(comparison=AGAINST, reference="f1_net"), "f1_against_f1_net", "F1 against f1_net"),
        (validity.HD95.form(comparison=PAIRWISE, variant="um"), "hd95_um_pairwise", "HD95 in µm with the raters"),
        (objectivity.LOG_COUNT_RATIO.form(), "log_count_ratio", "log count ratio"),
        (objectivity.REMOVAL_OF_BIAS.form("dice", variant="majority"), "removal_of_bias_majority_dice", None),
        (reliability.RATERS_FOR_PHI.form("count", variant="0.9"), "raters_for_phi_0.9_count", None),
        (validity.VOTES.form("count", variant="higher"), "count_votes_higher", "count votes higher"),
    ],
)
def test_names_and_words_by_hand(form, name, words):
    assert form.name == name
    assert words is None or form.words == words
