"""Small tables of strategies whose numbers can be checked in the head, and a simulated study with several."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from segassay.data.annotations import ANNOTATION_COLUMNS
from segassay.qualities.scores.table import Findings
from segassay.simulation.study_tables import SimulatedStudy
from segassay.tables.build import Tables


def annotations_of(*rows: tuple[object, ...]) -> pd.DataFrame:
    """Annotator, kind and, where they matter, strategy, trained_on, seed."""
    names = ("annotator", "kind", "strategy", "trained_on", "seed")
    listed = [{"case": "1", "strategy": "", "trained_on": ""} | dict(zip(names, row, strict=False)) for row in rows]
    return pd.DataFrame(listed, columns=list(ANNOTATION_COLUMNS))


PEOPLE = (("anna", "human"), ("ben", "human"))
MODELS = (("anna/s0", "model", "expert", "anna", 0), ("ben/s0", "model", "expert", "ben", 0))
ENSEMBLES = tuple((f"staple/s{seeds}", "ensemble", "staple", "staple") for seeds in ("0-1", "1-2", "2-3", "0-3"))


def table_of(first: str, second: str, values: Mapping[str, tuple[float | None, ...]]) -> pd.DataFrame:
    """Rows of `a b` -> F1 in the cases 1, 2, …; None leaves a case out. Dice is half of it."""
    rows = [
        {"case": str(i + 1), first: pair.split()[0], second: pair.split()[1], "iou_threshold": threshold}
        | {"f1": f1 if threshold == 0.5 else 0.0, "mean_iou": np.nan if f1 == 0 else 0.7, "dice": f1 / 2}
        for pair, of_cases in values.items()
        for i, f1 in enumerate(of_cases)
        if f1 is not None
        for threshold in (0.5, 0.75)  # the other one must not be read
    ]
    return pd.DataFrame(rows, columns=["case", first, second, "iou_threshold", "f1", "mean_iou", "dice"])


PAIRS = {"anna ben": (0.5, 0.7), "anna/s0 ben/s0": (0.8, 1.0), "anna anna/s0": (0.6, 0.6), "anna ben/s0": (0.4, 0.4)}
PAIRS |= {"ben anna/s0": (0.3, 0.5), "ben ben/s0": (0.9, 0.9), "gt anna/s0": (0.9, 0.7), "gt ben/s0": (0.6, 0.6)}
PAIRS |= {"gt anna": (0.9, 0.9), "truth anna": (0.2, 0.4), "truth anna/s0": (0.5, 0.7), "truth ben/s0": (0.3, 0.1)}
OTHERS = {"anna anna": (0.6, 0.4), "ben ben": (0.8, 0.6)}
OTHERS |= {"anna anna/s0": (0.8, 0.6), "ben anna/s0": (1.0, 0.8), "anna ben/s0": (0.4, 0.2), "ben ben/s0": (0.6, 0.4)}
EVERYBODY = annotations_of(("gt", "consensus"), ("truth", "truth"), *PEOPLE, *MODELS)


def findings(
    annotations: pd.DataFrame = EVERYBODY,
    pairs: Mapping[str, tuple[float | None, ...]] = PAIRS,
    others: Mapping[str, tuple[float | None, ...]] = OTHERS,
) -> Findings:
    """An evaluation without experiment; everybody counts nothing."""
    agreement, left_out = table_of("annotator_a", "annotator_b", pairs), table_of("rater", "annotator", others)
    names = [(case, name) for case in ("1", "2") for name in annotations["annotator"].unique()]
    counts = pd.DataFrame(names, columns=["case", "annotator"]).assign(n_objects=0, area_px=0)
    empty = pd.DataFrame()
    tables = Tables(agreement, empty, left_out, counts, empty, empty, [])
    clusters = pd.Series(["1", "2"], index=["1", "2"])
    return Findings(tables, annotations, clusters, effects=empty)


def by_name(table: pd.DataFrame) -> pd.DataFrame:
    return table.set_index(["group", "measure"])


STUDY = SimulatedStudy(
    **{"log_count_bias": (-0.3, 0.0, 0.1, 0.2), "agreeableness": (-0.03, 0.0, 0.02, 0.01)},
    **{"n_seeds": 2, "n_consensus_seeds": 6, "consensus_gain": 0.1, "imprint": 0.5, "habit": 0.2},
)


def spent(annotations: pd.DataFrame) -> pd.DataFrame:
    """The expert models saw 24 images of one rater each, the others 6 of four or 12 of two."""
    price = {"expert": (1, 24), "consensus:staple": (4, 6)}
    paid = [price.get(name, (None, None)) for name in annotations["strategy"]]
    columns = {
        name: pd.array(list(values), dtype="Int64")
        for name, values in zip(("n_raters", "n_train"), zip(*paid, strict=True), strict=True)
    }
    return annotations.assign(**columns)
