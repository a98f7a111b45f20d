"""Rows of scores for tests: forms of measures with the numbers that a test gives."""

import pandas as pd

from segassay.qualities.scores.measure import Form
from segassay.qualities.scores.table import interval_row, score_rows
from segassay.statistics.intervals import Interval


def scored(*rows: tuple[Form, str], **columns: object) -> pd.DataFrame:
    """One row per form and target: .5 (.4 to .6) by BCa, of 20 cases, but for the columns given."""
    interval = Interval(0.5, 0.4, 0.6, "BCa", 20, 0, False)
    return score_rows([interval_row(form, target, interval) for form, target in rows]).assign(**columns)
