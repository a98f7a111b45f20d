"""All measures of an evaluation: nothing breaks where every image of an annotator is empty for all."""

import numpy as np
import pandas as pd
import pytest

from drawing import draw
from segassay import evaluate
from segassay.report import plots

MARKED = draw("........ .####... .####... .####... ........ ......## ......## ........")
EMPTY = np.zeros_like(MARKED)
RATERS = ("anna", "ben", "cleo", "dora")


def annotations(net: dict[str, np.ndarray], raters: tuple[str, ...] = RATERS, n_marked: int = 4) -> pd.DataFrame:
    """Raters who agree on `n_marked` images up to a shift, and on two that nothing is there; and one model."""
    masks = {f"m{n}": MARKED for n in range(n_marked)} | {"e1": EMPTY, "e2": EMPTY}
    rows = [
        (case, rater, "human", np.roll(mask, place % 2, axis=0))
        for place, rater in enumerate(raters)
        for case, mask in masks.items()
    ]
    rows += [(case, "net", "model", mask) for case, mask in net.items()]
    return pd.DataFrame(rows, columns=["case", "annotator", "kind", "path"])


@pytest.mark.parametrize("raters", [RATERS, RATERS[:2], RATERS[:1]], ids=len)
def test_a_tool_scored_only_on_images_that_are_empty_for_all_is_evaluated(raters, tmp_path, monkeypatch):
    monkeypatch.setattr(plots, "draw_figures", lambda *arguments: {})  # the page is what is read
    found = evaluate(annotations=annotations({"e1": EMPTY, "e2": EMPTY}, raters), out=tmp_path / "out")
    shift = found.summary["policy"]["both_empty"]
    assert shift["n_scores_undefined"] > 0
    of_raters = (found.scores["base"] == "f1") & found.scores["comparison"].isin(["leave_one_out", "pairwise"])
    own = found.scores[(found.scores["target"] == "net") & of_raters]
    assert (own["value"] == 1).any()
    assert "rest on such comparisons alone" in (tmp_path / "out/report.html").read_text()


def test_nothing_breaks_where_every_image_is_empty_for_all():
    shift = evaluate(annotations=annotations({"e1": EMPTY}, n_marked=0)).summary["policy"]["both_empty"]
    assert (shift["n_both_empty"], shift["mean_f1_if_undefined"], shift["largest_shift"]) == (16, None, 0)


def test_scores_with_a_marked_image_keep_their_value():
    shift = evaluate(annotations=annotations({"m1": MARKED, "e1": EMPTY})).summary["policy"]["both_empty"]
    assert shift["n_scores_undefined"] == 0
    assert shift["largest_shift"] > 0
