"""The run of an evaluation in words and numbers: free names of annotators mean nothing in Markdown, HTML or MLflow."""

import re

import numpy as np
import pandas as pd
import pytest

from segassay import Evaluation, evaluate
from segassay.assay.track import description, metric_name, metrics_of, plain
from segassay.judgement.headlines import headlines

EVIL = "<img src=x onerror=alert(1)>|**b** [c](javascript:d)"


@pytest.fixture(scope="module")
def found() -> Evaluation:
    """Two raters, one of whom has an evil name."""
    masks = np.zeros((2, 2, 24, 24), dtype=bool)
    masks[:, :, 3:9, 3:9] = masks[1, :, 14:20, 14:20] = True
    return evaluate(masks={name: {"1": a, "2": b} for name, (a, b) in zip((EVIL, "anna"), masks, strict=True)})


def test_the_description_has_verdicts_figure_and_numbers(found):
    text = description(found, headlines(found), figure="get-artifact?path=a", about="A study.")
    assert text.startswith("A study.\n\n**raters: ")
    assert all(f"**{quality}: " in text for quality in ("objectivity", "reliability", "validity"))
    assert "![the key figure](get-artifact?path=a)" in text
    assert re.search(r"\| objectivity/f1 \| \d\.\d\d", text)


def test_a_name_means_nothing_in_markdown(found):
    table = headlines(found).assign(target=EVIL)
    text = description(found, table)
    assert "<" not in text
    assert not re.search(r"(?<!\\)\]\(javascript", text), "a link"
    rows = [line for line in text.splitlines() if line.startswith("| objectivity")]
    assert rows
    assert all(len(re.findall(r"(?<!\\)\|", row)) == 4 for row in rows), "a cell more"
    assert plain("a\nb`c`") == "a b\\`c\\`"


def test_a_description_that_is_too_long_loses_numbers_not_verdicts(found):
    table = pd.concat([headlines(found).assign(target="x" * 300)] * 20)
    text = description(found, table)
    assert len(text) <= 7500
    assert "**validity: " in text
    assert text.endswith(" |")


def test_an_interval_or_a_count_that_is_missing_is_no_number():
    row = {"quality": "validity", "measure": "count_eta_squared", "contrast": "a against b", "value": 0.5}
    table = pd.DataFrame([row | {"low": np.nan, "high": 0.75, "n_undefined": 2}])
    name = "validity/count_eta_squared a against b"
    assert metrics_of(table) == {name: 0.5, f"{name}_high": 0.75, f"{name}.n_undefined": 2.0}


def test_names_of_metrics_are_what_mlflow_takes():
    assert metric_name("validity/f1/staple/s0-3") == "validity/f1/staple/s0-3"
    assert metric_name("validity/f1//../é+(2d)") == "validity/f1/_/_/é__2d_"
