"""Headlines: the numbers that people compare are rows of scores, one per measure, and no more than about twenty."""

import numpy as np
import pandas as pd
import pytest

from segassay import Evaluation, evaluate
from segassay.judgement.headlines import HEADLINE_COLUMNS, headlines, of_strategies


def drawn(seed: int, n_missed: int = 0) -> dict[str, np.ndarray]:
    """Masks of three images with six squares each, of which some are missed; every seed shifts them by a pixel."""
    masks = {}
    for case in range(3):
        mask = np.zeros((32, 48), dtype=bool)
        for number in range(n_missed, 6):
            row, column = divmod(number, 3)
            mask[4 + 14 * row + seed % 2 :, 4 + 15 * column + case :][:8, :8] = True
        masks[str(case)] = mask
    return masks


@pytest.fixture(scope="module")
def found() -> Evaluation:
    """Three raters and four models of their consensus, of which seed 3 misses most."""
    names = {f"staple/s{seed}": drawn(seed, n_missed=4 if seed == 3 else 0) for seed in range(4)}
    rows = [
        {"case": case, "annotator": name, "kind": "model", "path": mask, "strategy": "consensus:staple"}
        | {"trained_on": "staple", "fold": 0, "seed": int(name[-1]), "held_out": True}
        for name, masks in names.items()
        for case, mask in masks.items()
    ]
    raters = {"anna": drawn(0), "ben": drawn(1, n_missed=1), "cleo": drawn(2, n_missed=2)}
    kinds = dict.fromkeys(raters, "human")
    return evaluate(annotations=pd.DataFrame(rows), masks=raters, kinds=kinds)


def test_each_headline_is_a_row_of_scores_and_its_interval(found):
    table = headlines(found)
    assert list(table.columns) == list(HEADLINE_COLUMNS)
    assert not table.duplicated(["quality", "measure", "contrast"]).any()
    assert 5 <= len(table) <= 25
    keys = ["quality", "measure", "target"]
    both = table.merge(found.scores, on=keys, suffixes=("", "_of_scores"))
    assert len(both) == len(table)
    for column in ("value", "low", "high"):
        np.testing.assert_array_equal(both[column], both[f"{column}_of_scores"])


def test_of_several_judged_annotators_the_lowest_counts(found):
    table = headlines(found).set_index(["quality", "measure"])
    own = found.scores[found.scores["measure"].eq("f1_pairwise") & found.scores["quality"].eq("validity")]
    assert table.loc[("validity", "f1_pairwise"), "target"] == "staple/s3"
    assert table.loc[("validity", "f1_pairwise"), "value"] == own["value"].min() < own["value"].max()
    assert table.loc[("reliability", "f1"), "target"] == "staple models"


def test_raters_alone_have_headlines_of_raters_only():
    alone = evaluate(masks={"anna": drawn(0), "ben": drawn(1)})
    assert set(headlines(alone)["quality"]) == {"objectivity"}
    assert of_strategies(alone.strategies).empty


def test_strategies_are_compared_by_agreement(found):
    table = of_strategies(found.strategies)
    assert list(table["target"].unique()) == ["raters", "consensus:staple models"]
    assert {"f1_pairwise", "dice_pairwise", "f1_within"} <= set(table["measure"])
    assert not table.duplicated(["target", "measure", "contrast"]).any()
