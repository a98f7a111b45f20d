"""The page on columns explains every column of every table, and the page on evaluations names every table."""

import re

import numpy as np
import pandas as pd
import pytest

from explained import COMMON, PAGE, SECTIONS, unexplained
from segassay.data.annotations import ANNOTATION_COLUMNS
from segassay.judgement.classes import CLASS_COLUMNS, CLASS_TABLES
from segassay.judgement.strategies import STRATEGY_COLUMNS, STRATEGY_FIELDS
from segassay.masks.properties import object_properties
from segassay.qualities.objectivity.classes import CLASS_AGREEMENT_COLUMNS
from segassay.qualities.scores.table import SCORE_COLUMNS
from segassay.tables.case import CASE_TABLES
from segassay.tables.cells import ELSEWHERE_COLUMNS, RESEMBLING_COLUMNS
from segassay.tables.classes import _COLUMNS as OF_CLASSES
from segassay.tables.effects import EFFECT_COLUMNS
from segassay.tables.measured import MEASURED_COLUMNS, REMEASURED_COLUMNS
from segassay.tables.prerequisites import PREREQUISITE_COLUMNS
from segassay_monai.ensemble.uncertainty import MEANS
from segassay_monai.prediction.review import REVIEW_COLUMNS
from segassay_monai.prediction.subjects import SUBJECT_COLUMNS

NOT_WRITTEN = ("intensities", "rater_cases", "measured", "cells")
"""Rows of cases that become columns of other tables, or other tables."""

TABLES = {
    **{name: tuple(table.columns) for name, table in CASE_TABLES.items() if name not in NOT_WRITTEN},
    "annotations": tuple(name for name in ANNOTATION_COLUMNS if name not in ("path", "prob", "uncertainty")),
    "elsewhere": ELSEWHERE_COLUMNS,
    "resembling": RESEMBLING_COLUMNS,
    "effects": EFFECT_COLUMNS,
    "prerequisites": PREREQUISITE_COLUMNS,
    "measured": MEASURED_COLUMNS,
    "remeasured": REMEASURED_COLUMNS,
    "scores": SCORE_COLUMNS,
    "strategies": (*STRATEGY_COLUMNS, "n_raters", "n_train", *STRATEGY_FIELDS),
    "classes": CLASS_COLUMNS,
    "class_agreement": CLASS_AGREEMENT_COLUMNS,
    "class_counts": tuple(OF_CLASSES["counts"]),
    "confusion": tuple(OF_CLASSES["confusion"]),
    "confusion_objects": tuple(OF_CLASSES["confusion_objects"]),
    "objects": tuple(object_properties(np.eye(3, dtype=int), np.ones((1, 3, 3)), np.eye(3), (1, 1))),
    "cases": MEANS,
    "review": REVIEW_COLUMNS,
}
SECTIONS["strategies.csv"] += SECTIONS["scores.csv"]  # as the page says


@pytest.mark.parametrize("table", TABLES)
def test_every_column_of_the_code_is_explained(table):
    assert unexplained(f"{table}.csv", TABLES[table]) == []


def test_every_column_that_an_evaluation_writes_is_explained(written):
    for path in sorted((written.folder / "tables").glob("*.csv")):
        assert unexplained(path.name, pd.read_csv(path, nrows=0).columns) == [], path.name


def test_columns_of_subjects_are_explained():
    assert unexplained("subjects.csv", SUBJECT_COLUMNS) == []


def test_a_column_that_nobody_explains_is_found():
    assert unexplained("counts.csv", ["case", "n_objects", "mean_intensity_DAPI", "f1", "volume"]) == ["f1", "volume"]


def test_the_page_explains_no_table_that_is_not_written():
    known = {*TABLES, "subjects", "groups", "raters", "specifications", "not_judged", "facets", "missing", "failed"}
    files = {name.removesuffix(".csv") for name in SECTIONS if name.endswith(".csv")}
    assert {name for name in files - known if not name.startswith("checklist_")} == set()
    assert COMMON in SECTIONS


def test_the_page_on_evaluations_names_every_table():
    page = (PAGE.parent / "evaluate.md").read_text(encoding="utf-8")
    listed = {name.removesuffix(".csv") for name in re.findall(r"`(?:tables/)?(\w+\.csv)`", page)}
    of_evaluations = {*CASE_TABLES, *CLASS_TABLES, "facets", "elsewhere", "resembling"} - set(NOT_WRITTEN)
    assert sorted(of_evaluations - listed) == []
