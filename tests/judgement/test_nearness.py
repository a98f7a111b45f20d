"""NSD at the raters' tolerance in the verdicts: squares whose sides raters draw up to a pixel apart."""

from functools import cache

import numpy as np
import pandas as pd
import pytest

from segassay.assay.sources import read_sources
from segassay.judgement.criteria import What
from segassay.judgement.evidence import DICE, F1
from segassay.judgement.nearness import tolerance_px
from segassay.judgement.summary import summarise
from segassay.judgement.verdicts import judge
from segassay.qualities.scores.table import Findings, score_rows
from segassay.tables.build import Tables, build_tables

N_IMAGES, SIDE, MARGIN = 10, 100, 12
RATERS = ("anna", "ben", "carl", "dora")


def squares(rng: np.random.Generator, grown: int = 0, side: int = SIDE) -> np.ndarray:
    """`(N, H, W)`, a square in another place of each image; each side lies by chance up to a pixel off."""
    masks = np.zeros((N_IMAGES, *[2 * MARGIN + side + 50] * 2), dtype=bool)  # in a corner, unlike its mirror image
    for place, mask in enumerate(masks):
        top, left = MARGIN + place - grown - rng.integers(-1, 2, 2)
        bottom, right = MARGIN + place + side + grown + rng.integers(-1, 2, 2)
        mask[top:bottom, left:right] = True
    return masks


def findings(masks: dict[str, np.ndarray]) -> Findings:
    rows = [
        {"case": f"{case:02d}", "annotator": name, "path": mask}
        | ({"kind": "human"} if "/" not in name else {"kind": "model", "trained_on": "staple", "held_out": "true"})
        for name, of in masks.items()
        for case, mask in enumerate(of)
    ]
    sources = read_sources(None, pd.DataFrame(rows), {}, kinds={}, described=None)
    clusters = pd.Series({row["case"]: row["case"] for row in rows})
    tables = build_tables(None, sources.annotations, n_jobs=1)
    return Findings(tables, sources.annotations, clusters, pd.DataFrame())


@cache
def study(grown: int = 0, side: int = SIDE) -> Findings:
    rng = np.random.default_rng(0)
    masks = {name: squares(rng, side=side) for name in RATERS}
    return findings(masks | {"staple/s0": squares(rng, grown, side)})


def standings(found: Findings) -> dict[str, bool | None]:
    return {one.measure: one.met for one in judge(found)["validity"].criteria if one.of is What.STANDING and one.counts}


def test_an_outline_that_is_off_is_seen_where_dice_is_blind() -> None:
    """2 px on each side of a square of 100 px: Dice .96 with the raters, who reach .98 with each other."""
    assert standings(study()) == {DICE: True, "nsd_2px": True}
    assert standings(study(grown=2)) == {DICE: True, "nsd_2px": False}
    found = summarise(score_rows([]), study(grown=2))["validity"]
    assert "NSD from the median rater" in found["sentence"]
    assert found["verdict"] == "not supported"


def test_of_small_objects_dice_judges() -> None:
    """Raters who are up to a pixel apart agree with a Dice below .95 on squares of 10 px."""
    assert set(standings(study(side=10))) == {DICE}
    assert standings(study(grown=2, side=10)) == {F1: False, DICE: False}


@pytest.fixture(scope="module")
def tables() -> Tables:
    rng = np.random.default_rng(1)
    masks = {name: squares(rng) for name in RATERS}
    masks |= {"careless": squares(rng, grown=8), "specks": masks["anna"].copy()}
    masks["specks"][:, 1:9, 1:9] = True
    return findings(masks).tables


@pytest.mark.parametrize("raters", [RATERS, (*RATERS, "careless"), (*RATERS, "specks"), RATERS[:2]])
def test_one_rater_who_is_off_does_not_widen_the_tolerance(tables: Tables, raters: tuple[str, ...]) -> None:
    assert tolerance_px(tables.surface_shares, tables.counts, list(raters)) in (1, 2)


def test_what_belongs_to_another_object_does_not_widen_the_tolerance_of_two_raters(tables: Tables) -> None:
    """A speck has 7 % of the outlines, more than 32 px away from most of them."""
    shares = tables.surface_shares
    assert tolerance_px(shares, tables.counts, ["anna", "careless"]) >= 8
    assert tolerance_px(shares.iloc[:0], tables.counts, ["anna", "ben"]) == 0
    nothing = tables.counts.assign(area_px=0)
    assert tolerance_px(shares, nothing, ["anna", "ben"]) == 0


def test_it_judges_imprints_too() -> None:
    """Models of each rater draw as the rater does, 2 px apart, which costs a Dice of .02."""
    rng = np.random.default_rng(2)
    offsets = dict(zip(RATERS, (2, 0, 0, 0), strict=True))
    masks = {name: squares(rng, grown) for name, grown in offsets.items()}
    models = {f"{name}/s0": squares(rng, grown) for name, grown in offsets.items()}
    found = findings(masks | models)
    on = found.annotations["annotator"].str.partition("/")[0]
    is_model = found.annotations["kind"].eq("model")
    found.annotations["trained_on"] = on.where(is_model, found.annotations["trained_on"])
    imprint = {one.measure: one.met for one in judge(found)["objectivity"].criteria if one.of is What.IMPRINT}
    assert imprint == {F1: None, DICE: True, "nsd_2px": False}


def test_a_rater_whose_outlines_are_off_is_apart() -> None:
    """The others reach a Dice of .98 with each other, and .95 with the one who draws 3 px outside."""
    rng = np.random.default_rng(3)
    apart = judge(findings({name: squares(rng, grown) for name, grown in zip(RATERS, (3, 0, 0, 0), strict=True)}))
    found = {one.measure: one for one in apart["raters"].criteria if one.of is What.APART and one.counts}
    assert {measure: one.met for measure, one in found.items()} == {DICE: True, "nsd_2px": False}
    assert getattr(found["nsd_2px"].rests_on, "target", "") == "anna"
