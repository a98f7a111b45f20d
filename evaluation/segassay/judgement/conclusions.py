"""Conclusions of the experiment for each annotator, and whether they are those of the raters.

effects  ->  higher, lower or none per effect and annotator  ->  the criterion of concordance
"""

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from segassay.judgement.criteria import Criterion, Missing, Shares, What, Why, undecided
from segassay.qualities.validity.effects import decisive_effects, of_masks

__all__ = ["LARGE_EFFECT", "conclusions", "concordance_of_effects"]

LARGE_EFFECT = 0.14
"""η² from which there is an effect if images are the units, whose p-values are too small (Cohen 1988: large)."""


def conclusions(effects: pd.DataFrame) -> pd.DataFrame:
    """The conclusion on each effect from the masks of each annotator.

    If subjects are the units, it is the result of the test. If images are the units, p-values are too small, so it is
    the direction of the effect if η² is at least 0.14, else `none`.

    Args:
        effects: What `segassay.tables.effects.effects` returns.

    Returns:
        One row per measurement and pair of groups, pooled over regions, one column per annotator: `higher`, `lower`,
        `none`, or NaN if the effect could not be tested. Left out are endpoints measured without masks, measurements
        that repeat an earlier one, as densities do if all regions have one area, and the mean size of objects if their
        number and their area or volume are there, whose ratio it is.
    """
    tested = _independent(of_masks(decisive_effects(effects)))
    by_size = np.where(tested["direction"].astype(float) > 0, "higher", "lower")
    by_size = np.where(tested["eta_squared"].astype(float) >= LARGE_EFFECT, by_size, "none")
    said = tested["verdict"].where(tested["unit"] == "subject", by_size)
    table = tested.assign(said=said.where(tested["verdict"] != "not_testable"))
    return table.pivot(index=["measure", "contrast"], columns="annotator", values="said")


def _independent(tested: pd.DataFrame) -> pd.DataFrame:
    """Without measurements that repeat an earlier one, or follow from two others."""
    names = list(tested["measure"].unique())
    repeated = {name for place, name in enumerate(names) if any(_repeats(tested, name, of) for of in names[:place])}
    if "count" in names and {"area", "volume"} & set(names):
        repeated.add("object_size")
    return tested[~tested["measure"].isin(repeated)]


def _repeats(tested: pd.DataFrame, name: str, earlier: str) -> bool:
    """Whether all annotators have the same effects of both measurements."""
    keys, compared = ["annotator", "contrast"], ["statistic", "hl_shift"]
    one, other = (tested[tested["measure"] == measure][keys + compared] for measure in (earlier, name))
    both = one.merge(other, on=keys, suffixes=("", "_of_other"))
    return len(both) == len(other) and all(
        np.allclose(both[column].astype(float), both[f"{column}_of_other"].astype(float), equal_nan=True)
        and both[column].notna().any()
        for column in compared
    )


def concordance_of_effects(effects: pd.DataFrame, judged: Sequence[str], raters: Sequence[str]) -> Criterion:
    """Whether the judged annotators lead to the raters' conclusions as often as every rater but one does.

    Args:
        effects: What `segassay.tables.effects.effects` returns; at least one row.
        judged: Names of the judged annotators.
        raters: Names of the raters.

    Returns:
        The criterion; not met if an effect is the opposite of what most raters find, or if its interval excludes all
        raters' effects.
    """
    said = conclusions(effects)
    known = [rater for rater in raters if rater in said and said[rater].notna().any()]
    if len(known) < 2:
        why = Why.NO_SECOND_RATER if len(raters) < 2 else Why.NOT_TESTABLE
        return undecided(What.CONCORDANCE, why)
    of_judged = [_share_alike(said, name, known) if name in said else math.nan for name in judged]
    of_raters = [_share_alike(said, rater, known) for rater in known]
    if not np.isfinite([*of_judged, *of_raters]).all():
        return undecided(What.CONCORDANCE, Why.NOT_TESTABLE)
    shares = Shares(min(of_judged), min(of_raters), sorted(of_raters)[min(1, len(of_raters) - 2)], max(of_raters))
    if any(_refuted(effects, said, name, known) for name in judged):
        return Criterion(What.CONCORDANCE, False, shares)
    if shares.own >= shares.bar - 1e-9:
        return Criterion(What.CONCORDANCE, True, shares)
    return Criterion(What.CONCORDANCE, None, shares, (Missing(What.CONCORDANCE, Why.OTHER_CONCLUSIONS),))


def _share_alike(said: pd.DataFrame, who: str, raters: Sequence[str]) -> float:
    """Share of pairs (effect, other rater) with the same conclusion."""
    others = said[[rater for rater in raters if rater != who]]
    known = others.notna().mul(said[who].notna(), axis=0)
    n = int(known.to_numpy().sum())
    return float((others.eq(said[who], axis=0) & known).to_numpy().sum() / n) if n else math.nan


def _refuted(effects: pd.DataFrame, said: pd.DataFrame, who: str, raters: Sequence[str]) -> bool:
    """Whether an effect is the opposite of what most raters find, or its interval excludes all raters' effects."""
    opposite = said[who].map({"higher": "lower", "lower": "higher"})
    if (said[list(raters)].eq(opposite, axis=0).sum(axis=1) > len(raters) / 2).any():
        return True
    tested = decisive_effects(effects)
    tested = tested[tested["verdict"] != "not_testable"].set_index(["measure", "contrast"])
    shift = tested[tested["annotator"].isin(raters)].groupby(level=[0, 1])["hl_shift"].agg(["min", "max"])
    own = tested[tested["annotator"] == who].join(shift)
    return bool(((own["hl_low"] > own["max"]) | (own["hl_high"] < own["min"])).any())
