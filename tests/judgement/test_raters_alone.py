"""The verdict on raters without models: do these people agree well enough to teach?"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from segassay import evaluate
from segassay.data.annotations import read_annotations
from segassay.data.arrays import hold_masks
from segassay.data.dataset import units_of
from segassay.judgement.summary import judged_in, summarise
from segassay.judgement.words import RULES
from segassay.masks.objects import label_objects
from segassay.qualities.scores.table import Findings, score_rows
from segassay.tables.build import build_tables
from segassay.tables.effects import EFFECT_COLUMNS

SIZE, N_CASES, ENOUGH = 48, 24, 40  # images: enough to support that raters agree


def masks(
    seed: int, *, spread: float = 0.3, found: float = 0.95, extra: int = 0, n_cases: int = N_CASES
) -> dict[str, np.ndarray]:
    """A rater who finds so many of 4 to 9 objects, draws them not quite where they are, and marks others."""
    own, rows, columns = np.random.default_rng(seed), *np.ogrid[:SIZE, :SIZE]
    drawn = {}
    for case in range(n_cases):
        there = np.random.default_rng(1000 + case)
        cells = there.permutation(16)[: there.integers(4, 10)]
        places = [(6 + 12 * (cell // 4), 6 + 12 * (cell % 4)) for cell in cells if own.random() < found]
        free = [cell for cell in range(16) if cell not in cells]
        places += [(6 + 12 * (cell // 4), 6 + 12 * (cell % 4)) for cell in own.permutation(free)[:extra]]
        mask = np.zeros((SIZE, SIZE), dtype=bool)
        for row, column in places:
            row, column = row + own.normal(0, spread), column + own.normal(0, spread)
            mask |= (rows - row) ** 2 + (columns - column) ** 2 <= (3.5 + own.normal(0, spread)) ** 2
        drawn[f"{case:02}"] = mask
    return drawn


@dataclass(frozen=True)
class Judged:
    """The summary of raters without further measures, which take long."""

    summary: dict[str, Any]

    @property
    def verdicts(self) -> dict[str, str]:
        return {name: self.summary[name]["verdict"] for name in judged_in(self.summary)}


def judged(kinds: Mapping[str, str] | None = None, **raters: dict[str, np.ndarray]) -> Judged:
    kinds = dict.fromkeys(raters, "human") | dict(kinds or {})
    annotations = read_annotations(None, masks=hold_masks(raters), kinds=kinds)
    cases = annotations["case"].unique()
    tables = build_tables(None, annotations, n_jobs=1)
    effects = pd.DataFrame(columns=list(EFFECT_COLUMNS))
    found = Findings(tables, annotations, units_of(pd.Series("", index=cases)), effects)
    return Judged(summarise(score_rows([]), found))


def good(n: int, n_cases: int = N_CASES) -> dict[str, dict[str, np.ndarray]]:
    return {f"rater_{number}": masks(number, n_cases=n_cases) for number in range(n)}


def outcome(found: Judged, of: str) -> list[bool | None]:
    return [one["holds"] for one in found.summary["raters"]["criteria"] if one["name"].startswith(of) and one["counts"]]


def test_raters_who_agree_can_teach() -> None:
    found = judged(**good(4, ENOUGH))
    assert found.verdicts["raters"] == "supported"
    assert "the consensus of the other raters with F1" in found.summary["raters"]["sentence"]
    assert found.summary["raters"]["rule"] == RULES["raters"]
    assert (
        list(found.verdicts) == list(judged_in(found.summary)) == ["raters", "objectivity", "reliability", "validity"]
    )
    rest = {found.verdicts[name] for name in ("objectivity", "reliability", "validity")}
    assert rest == {"cannot be judged: no model or ensemble among the annotators"}


def test_agreement_that_nothing_is_there_says_nothing_about_what_is_marked() -> None:
    """In most images one of four raters marks something: the others agree on its absence, and on nothing else."""
    drawn = good(4, ENOUGH)
    for name in list(drawn)[1:]:
        drawn[name] = {case: mask & (case < "12") for case, mask in drawn[name].items()}
    found = judged(**drawn)
    assert outcome(found, "agreement of raters") == [False, False]


def test_images_that_one_of_four_raters_marks_do_not_hide_what_a_model_lacks() -> None:
    """The model marks nothing there, like the others: it agrees on absence, in images that do not count."""
    drawn = good(4, 20)
    names = [*list(drawn)[1:], "net"]
    drawn["net"] = masks(7, found=0.5, n_cases=20)
    for name in names:
        drawn[name] = {case: mask & (case < "12") for case, mask in drawn[name].items()}
    found = judged({"net": "model"}, **drawn)
    assert "(12 images)" in found.summary["validity"]["sentence"]
    assert found.verdicts["validity"] == "not supported"
    drawn["net"]["15"] = masks(8)["15"]
    assert "(13 images)" in judged({"net": "model"}, **drawn).summary["validity"]["sentence"]


def test_two_and_three_raters_are_compared_with_each_other() -> None:
    found = judged(**good(3, ENOUGH))
    assert found.verdicts["raters"] == "supported"
    assert found.summary["raters"]["sentence"].startswith("The median rater agrees with the other raters with F1 ")
    two = judged(**good(2, ENOUGH))
    assert two.verdicts["raters"] == "supported"
    assert outcome(two, "distance") == []  # of two nobody can tell who is apart


def test_raters_who_find_other_objects_cannot_teach() -> None:
    found = judged(**{f"r{seed}": masks(seed, found=0.35, extra=4) for seed in range(4)})
    assert found.verdicts["raters"] == "not supported"
    assert False in outcome(found, "agreement of raters (finding")


def test_raters_whose_outlines_differ_cannot_teach() -> None:
    """All find the same objects, with F1 above the line at IoU .5, and disagree on how far these reach."""
    found = judged(**{f"r{seed}": masks(seed, spread=2.6, found=1.0) for seed in range(4)})
    assert found.verdicts["raters"] != "supported"


@pytest.mark.parametrize("careless", [{"found": 0.2, "extra": 5}, {"spread": 6.0}])
def test_one_careless_rater_is_named_and_moves_no_bar(careless: dict[str, float]) -> None:
    found = judged(**good(4), careless=masks(9, **careless))
    assert found.verdicts["raters"] == "not supported"
    assert "careless agrees with the others" in found.summary["raters"]["sentence"]
    assert outcome(found, "agreement of raters") == [True, True]


def test_an_empty_rater_is_apart() -> None:
    empty = {case: np.zeros((SIZE, SIZE), dtype=bool) for case in masks(0)}
    found = judged(**good(4), empty=empty)
    assert found.verdicts["raters"] == "not supported"
    assert "empty agrees with the others" in found.summary["raters"]["sentence"]


def test_a_copy_of_a_rater_supports_nothing() -> None:
    found = judged(**good(3), copy=good(1)["rater_0"])
    assert "have the same masks in most images" in found.verdicts["raters"]
    assert found.summary["raters"]["outcome"] == "cannot be judged"


def test_the_consensus_of_the_others_is_no_rater() -> None:
    raters = good(3, ENOUGH)
    fused = {case: np.sum([raters[name][case] for name in raters], axis=0) > 1 for case in raters["rater_0"]}
    found = judged(**raters, fused=fused)
    assert found.summary["raters"]["outcome"] in ("cannot be judged", "not supported")


def test_raters_who_all_mark_nothing_support_nothing() -> None:
    empty = {case: np.zeros((SIZE, SIZE), dtype=bool) for case in masks(0)}
    found = judged(anna=empty, ben=empty, cleo=empty, dora=empty)
    assert found.summary["raters"]["outcome"] == "cannot be judged"


def test_few_images_decide_nothing() -> None:
    found = judged(**{f"r{seed}": masks(seed, n_cases=6) for seed in range(4)})
    assert found.verdicts["raters"].startswith("cannot be judged: fewer than 10 images")
    assert (
        "median rater agrees with the consensus of the other raters with F1 0." in found.summary["raters"]["sentence"]
    )
    assert "undefined" not in found.summary["raters"]["sentence"]


def test_an_agreement_of_few_images_is_not_said_to_be_less_than_nothing() -> None:
    anna = masks(0, n_cases=3)
    ben = {case: mask if case == "00" else np.roll(mask, 6, axis=(0, 1)) for case, mask in anna.items()}
    sentence = judged(anna=anna, ben=ben).summary["raters"]["sentence"]
    assert "F1 0.33 (0.00 to 1.00)" in sentence
    assert "−" not in sentence


def test_one_rater_has_nobody_to_agree_with() -> None:
    found = judged({"truth": "truth"}, anna=masks(0), truth=masks(1))
    assert found.verdicts["raters"] == "cannot be judged: no second rater"
    assert found.summary["raters"]["sentence"] == "There is at most one rater, who has nobody to agree with."


def test_images_with_one_object_each_are_judged_by_their_outlines() -> None:
    """The correlation of counts is 0 where every count is 1, which is no disagreement."""
    whole = {f"r{seed}": masks(seed, found=1.0) for seed in range(4)}
    one = {name: {case: _first(mask) for case, mask in of.items()} for name, of in whole.items()}
    found = judged(**one)
    counts = [part for part in found.summary["raters"]["criteria"] if "number of objects" in part["name"]]
    assert [part["counts"] for part in counts] == [False]


def _first(mask: np.ndarray) -> np.ndarray:
    return label_objects(mask) == 1


def test_a_model_ends_the_verdict_on_raters() -> None:
    found = judged({"net": "model"}, **good(4), net=masks(20))
    assert "raters" not in found.verdicts


def test_all_outputs_show_it(tmp_path: Path) -> None:
    found = evaluate(masks=good(4, ENOUGH), n_jobs=1)
    assert "raters: supported" in str(found)
    assert "supported" in found._repr_html_()
    page = found.report(tmp_path / "report.html").read_text()
    assert "do they agree well enough to teach a model?" in page
    assert RULES["raters"].split(".")[0].split("(")[0][:40] in page
