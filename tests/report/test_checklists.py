"""Checklists say what an evaluation knows, and never what only its author can."""

import re

import numpy as np
import pandas as pd
import pytest

from segassay import evaluate
from segassay.assay.evaluation import Evaluation
from segassay.report.checklists import CHECKLISTS, checklists


@pytest.fixture(scope="module")
def found() -> Evaluation:
    rng = np.random.default_rng(0)
    masks = {name: {case: rng.random((16, 16)) > 0.6 for case in "123"} for name in ("anna", "ben", "+/-")}
    return evaluate(masks=masks | {"net": masks["anna"]}, kinds={"net": "model"} | dict.fromkeys(masks, "human"))


def known(table: pd.DataFrame, topic: str) -> str:
    return str(table.loc[table["topic"].str.contains(topic), "known"].iloc[0])


def test_facts_of_the_evaluation(found):
    tables = checklists(found)
    assert "3 raters" in known(tables["grras"], "in fact")
    assert "3 images, 3 units (case)" in known(tables["grras"], "in fact")
    row = found.scores[(found.scores["measure"] == "dice_pairwise") & (found.scores["target"] == "between raters")]
    if len(row):
        assert f"{row['value'].iloc[0]:.3f}"[:4] in known(tables["claim"], "variability")
    assert (
        known(tables["claim"], "partitions") == "0 of 3 predictions are declared to be of images that no training used"
    )
    assert known(tables["claim"], "model and training") == "1 models and ensembles: net"
    assert known(tables["claim"], "performance") == found.summary["validity"]["sentence"]
    assert "segassay" in known(tables["tripod_ai"], "software")


def test_what_only_the_author_knows_stays_empty(found):
    for name, table in checklists(found).items():
        assert table["author"].eq("").all()
        assert len(table) == len(CHECKLISTS[name][1])
        assert table["known"].eq("").any()
        assert table["topic"].is_unique
    assert known(checklists(found)["grras"], "independent") == ""
    assert checklists(found)["grras"]["item"].tolist() == [str(i) for i in range(1, 16)]


@pytest.mark.parametrize(("name", "last"), [("claim", 44), ("tripod_ai", 27)])
def test_items_have_the_numbers_of_the_published_checklists(found, name, last):
    numbers = [re.findall(r"\d+", item) for item in checklists(found)[name]["item"]]
    assert sum(not of_item for of_item in numbers) == (name == "tripod_ai")  # stability over seeds
    assert {int(number) for of_item in numbers for number in of_item} <= set(range(1, last + 1))
    first = [int(of_item[0]) for of_item in numbers if of_item]
    assert first == sorted(first)


def test_without_models_nothing_is_said_of_models():
    mask = np.eye(8, dtype=bool)
    table = checklists(evaluate(masks={"anna": {"1": mask}, "ben": {"1": mask}}))["claim"]
    for topic in ("model and training", "partitions", "performance", "robustness"):
        assert known(table, topic) == ""


def test_are_written_beside_the_tables(found, tmp_path):
    folder = found.save(tmp_path / "out")
    for name, table in checklists(found).items():
        written = pd.read_csv(folder / "tables" / f"checklist_{name}.csv", dtype=str, keep_default_na=False)
        pd.testing.assert_frame_equal(written, table, check_dtype=False)
