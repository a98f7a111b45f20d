"""Who is judged: ensembles of a consensus, else its models, else others."""

from typing import Any

import pandas as pd

from segassay.data.annotations import ANNOTATION_COLUMNS
from segassay.judgement.judged import judged_annotators
from segassay.judgement.words import who

RATERS = ("anna", "ben", "cleo", "dora")
ENSEMBLES = ("staple/s0-1", "staple/s2-3")
ANNOTATIONS = [
    *(("human", rater, "", "", None, None) for rater in RATERS),
    *(("model", f"{rater}/s0", "expert", rater, 0, True) for rater in RATERS),
    *(("model", f"staple/s{seed}", "consensus:staple", "staple", seed, True) for seed in range(4)),
    ("model", "staple_without_anna/s0", "consensus:staple", "staple_without_anna", 0, True),
    *(("ensemble", name, "consensus:staple", "staple", None, True) for name in ENSEMBLES),
]


def annotations_of(rows: list[tuple[Any, ...]], **changed: Any) -> pd.DataFrame:
    names = ["kind", "annotator", "strategy", "trained_on", "seed", "held_out"]
    table = pd.DataFrame(rows, columns=names).assign(case="1", **changed).reindex(columns=list(ANNOTATION_COLUMNS))
    return table.astype({"seed": "Int64", "fold": "Int64", "held_out": "boolean"})


def test_who_is_judged():
    assert judged_annotators(annotations_of(ANNOTATIONS)).names == ENSEMBLES
    models = [row for row in ANNOTATIONS if row[0] != "ensemble"]
    judged = judged_annotators(annotations_of(models))
    assert judged.names == tuple(f"staple/s{seed}" for seed in range(4))  # and none without anna
    experts = judged_annotators(annotations_of([row for row in models if "staple" not in row[1]]))
    assert (experts.names, experts.of_consensus) == (tuple(f"{rater}/s0" for rater in RATERS), False)
    assert who(judged_annotators(annotations_of([("model", "cellpose", "", "", None, None)]))) == "cellpose"
    assert judged_annotators(annotations_of(ANNOTATIONS[:4])).names == ()


def test_the_largest_ensembles_are_judged():
    whole = ("ensemble", "staple/s0-3", "consensus:staple", "staple", None, True)
    assert judged_annotators(annotations_of([*ANNOTATIONS, whole])).names == ("staple/s0-3",)
