"""A prediction at a prompt and in a notebook: short, and safe with hostile names."""

from pathlib import Path

import pandas as pd

from segassay_monai.prediction.results import Predicted

HOSTILE = "<script>alert(1)</script>"


def predicted(**tables: object) -> Predicted:
    rows = [(rank, f"case {rank}", 0.5, "few members agree") for rank in range(1, 9)]
    review = pd.DataFrame(rows, columns=["rank", "case", "expected_quality", "reason"])
    failed = pd.DataFrame([(f"{HOSTILE}.png", "is empty", "remove it")], columns=["file", "what", "action"])
    own = {"cases": review[["case"]], "objects": pd.DataFrame({"case": ["case 1"]}), "annotations": pd.DataFrame()}
    return Predicted(Path("out"), **{**own, "review": review, "failed": failed, **tables})


def test_at_a_prompt_it_is_the_numbers_and_what_failed():
    assert repr(predicted()) == f"8 images, 1 object: out\nfailed: {HOSTILE}.png is empty"
    assert str(predicted(failed=pd.DataFrame(columns=["file", "what"]))) == "8 images, 1 object: out"


def test_in_a_notebook_it_names_the_first_images_and_runs_nothing():
    page = predicted(notes=(HOSTILE,))._repr_html_()
    assert "<h4>8 images, 1 object: out</h4>" in page
    assert [f"case {number}" in page for number in (1, 5, 6)] == [True, True, False]
    assert page.count("&lt;script&gt;") == 2
    assert "<script" not in page
    assert "groups" not in page


def test_in_a_notebook_the_experiment_is_a_sentence():
    row = {"measure": "count", "region": "", "unit": "case", "test": "mann_whitney", "group_1": "H", "group_2": HOSTILE}
    effects = pd.DataFrame([row | {"n_1": 2, "n_2": 2, "verdict": "not_testable"}])
    page = predicted(effects=effects)._repr_html_()
    assert "cannot be tested with so few values (2 and 2 images)" in page
    assert "<script" not in page
