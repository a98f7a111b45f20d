"""Tables of models that differ by the seed, written by hand, for the tests of reliability."""

import math
from collections.abc import Mapping, Sequence

import pandas as pd

from segassay.data.annotations import ANNOTATION_COLUMNS
from segassay.qualities.scores.table import Agreement

CLUSTERS = pd.Series(list("123456"), list("123456"))
KEYS = ["case", "annotator_a", "annotator_b", "iou_threshold"]


def annotators(*names: str, n_cases: int = 3, **columns: object) -> pd.DataFrame:
    """One row per case: `staple/s0` is a model, `staple/s0-1` an ensemble, a name without a slash a person."""
    rows = []
    for name in names:
        trained_on, _, seed = name.partition("/s")
        kind = "human" if not seed else "model" if seed.isdigit() else "ensemble"
        for case in range(1, n_cases + 1):
            row = {"case": str(case), "annotator": name, "kind": kind, "strategy": ""} | columns
            row |= {"trained_on": trained_on if seed else "", "seed": int(seed) if seed.isdigit() else pd.NA}
            rows.append(row)
    return pd.DataFrame(rows, columns=list(ANNOTATION_COLUMNS)).astype({"held_out": "boolean", "fold": "Int64"})


def agreement_table(pairs: Mapping[str, Sequence[float]], **columns: object) -> pd.DataFrame:
    """Rows of `a b` -> agreement in the cases 1, 2, …; NaN leaves a case out."""
    rows = [
        dict(zip(KEYS, (str(case), *names.split(), 0.5), strict=True))
        | {"f1": value, "dice": value, "mean_iou": value}
        | columns
        for names, values in pairs.items()
        for case, value in enumerate(values, start=1)
        if not math.isnan(value)
    ]
    return pd.DataFrame(rows, columns=[*KEYS, "f1", "dice", "mean_iou", *columns])


def agreement_of(pairs: Mapping[str, Sequence[float]]) -> Agreement:
    return Agreement(agreement_table(pairs), pd.DataFrame(columns=["case", "rater", "annotator", "iou_threshold"]))


def counts_of(values: Mapping[str, Sequence[float]]) -> pd.DataFrame:
    rows = [(str(case), name, n, 100) for name, of in values.items() for case, n in enumerate(of, start=1)]
    return pd.DataFrame(rows, columns=["case", "annotator", "n_objects", "region_area_px"])


def values_in(rows: pd.DataFrame) -> dict[tuple[str, str], float]:
    return {(row.measure, row.target): row.value for row in rows.itertuples()}
