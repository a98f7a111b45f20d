"""Do annotators lead to the conclusions of the raters, and to the effects of a truth?

effects     ->  same_verdicts, type_s_and_m
normalised  ->  effect_ratios, equivalence
"""

import dataclasses
import math
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from segassay.data.annotations import is_rater, is_trained, raters_of
from segassay.data.names import natural_key
from segassay.qualities.scores.measure import AGAINST
from segassay.qualities.scores.table import annotator_kinds, containment, interval_row, score_rows
from segassay.qualities.validity.effects import (
    contrast,
    decisive_effects,
    of_masks,
    values_of_units,
    weighted_eta_squared,
    without_interval,
)
from segassay.qualities.validity.raters import raters_with_enough, without_note
from segassay.qualities.validity.records import (
    DIFFERENCE,
    ETA_SQUARED_RATIO,
    SAME_VERDICT,
    SIGN_DISAGREEMENT,
    TYPE_M,
    TYPE_S,
)
from segassay.statistics.intervals import Interval
from segassay.statistics.jackknife import LOGARITHM, jackknife_t
from segassay.statistics.methods import equivalence_test

__all__ = ["effect_ratios", "equivalence", "same_verdicts", "type_s_and_m"]

DECIDED = ("higher", "lower")
_OTHER_RATERS = "against the other raters"


def same_verdicts(effects: pd.DataFrame, annotations: pd.DataFrame) -> pd.DataFrame:
    """Share of effects in which an annotator leads to the same verdict as a rater, and to the opposite direction.

    Args:
        effects: What `segassay.tables.effects.effects` returns.
        annotations: What `read_annotations` returns.

    Returns:
        Rows with `SCORE_COLUMNS`, `<measurement>_same_verdict` and `<measurement>_sign_disagreement`, means over all
        pairs of an effect and a (for a rater: another) rater; `human_low` to `human_high` is what single raters reach.
        `n_cases` counts the pairs, `n_undefined` those left out: one of the two could not test the effect, or, for the
        sign, has no direction.
    """
    kinds, tested, rows = annotator_kinds(annotations), decisive_effects(effects), []
    raters = raters_of(kinds)
    for measure, part in tested.groupby("measure", sort=False):
        verdict = part.pivot(index="contrast", columns="annotator", values="verdict")
        sign = part.pivot(index="contrast", columns="annotator", values="direction").astype(float)
        testable, signed = verdict.where(verdict != "not_testable"), sign.where(sign != 0)
        for record, values, agree in ((SAME_VERDICT, testable, True), (SIGN_DISAGREEMENT, signed, False)):
            codes = dict(zip(map(str, values), _codes(values.to_numpy(dtype=object)).T, strict=True))
            shares = {who: _share(codes, who, raters, agree) for who in kinds if who in codes}
            of_raters = [shares[who].value for who in raters if who in shares]
            low, high = (
                (np.nanmin(of_raters), np.nanmax(of_raters)) if np.isfinite(of_raters).any() else (math.nan, math.nan)
            )
            for who, share in shares.items():
                if share.n_cases + share.n_undefined:
                    about = _about(who, kinds)
                    rows.append(
                        interval_row(record.form(str(measure)), who, share, human_low=low, human_high=high, **about)
                    )
    return score_rows(rows)


def _about(who: str, kinds: dict[str, str]) -> dict[str, Any]:
    """Note of an annotator that is compared with the raters, and whether it contains them."""
    contains = kinds[who] == "consensus"
    return {
        "note": _OTHER_RATERS if is_rater(kinds[who]) else containment(who, contains),
        "contains_raters": contains,
    }


def _codes(values: np.ndarray) -> np.ndarray:
    """Number of each value, -1 for NaN."""
    flat = pd.factorize(values.ravel())[0]
    return flat.reshape(values.shape)


def _share(codes: dict[str, np.ndarray], who: str, raters: list[str], agree: bool) -> Interval:
    """Share of pairs (effect, rater) with equal values, or with unequal ones; -1 is no value."""
    own = codes[who]
    others = [codes[rater] for rater in raters if rater != who and rater in codes]
    of_others = np.stack(others) if others else np.zeros((0, len(own)), dtype=int)
    both = (of_others >= 0) & (own >= 0)
    n, total = int(both.sum()), both.size
    n_equal = int(((of_others == own) & both).sum())
    n_hits = n_equal if agree else n - n_equal
    return without_interval(n_hits / n if n else math.nan, n, total - n)


def effect_ratios(normalised: pd.DataFrame, annotations: pd.DataFrame, *, level: float = 0.95) -> pd.DataFrame:
    """Effect size η² of an annotator, divided by the mean effect size of the raters.

    Only units that the annotator and all raters have are used, so that all effects are of the same subjects or cases,
    which are left out together; control means are taken as given. Raters with too few units are left out, and the note
    names them.

    Args:
        normalised: What `segassay.tables.normalise.normalise` returns.
        annotations: What `read_annotations` returns.
        level: Coverage of the intervals.

    Returns:
        Rows with `SCORE_COLUMNS`, `<measurement>_eta_squared_ratio`, the target `<annotator>: <group> against <group>`,
        with jackknife intervals over subjects or cases; a rater is compared with the others, and `human_low` to
        `human_high` is the range of the raters. Without an effect, the ratio of two small numbers means nothing: read
        it together with the verdicts. No rows without raters.
    """
    kinds = annotator_kinds(annotations)
    rows = []
    for measure, values, groups in values_of_units(normalised):
        n_units = {rater: int(values[rater].notna().sum()) for rater in raters_of(kinds) if rater in values}
        raters = raters_with_enough(n_units)
        for one, other in _pairs_of_groups(normalised):
            chosen = values[groups.isin([one, other])]
            ratios = {
                who: _ratio(chosen, groups.reindex(chosen.index) == other, who, raters, level)
                for who in kinds
                if who in chosen and set(raters) - {who} and (who in raters or not is_rater(kinds[who]))
            }
            of_raters = pd.Series([ratios[who].value for who in raters if who in ratios], dtype=float)
            for who, ratio in ratios.items():
                target, about = f"{who}: {contrast(other, one)}", _about(who, kinds)
                about["note"] = "; ".join(filter(None, [about["note"], without_note(n_units, "unit")]))
                low, high = of_raters.min(), of_raters.max()
                form = ETA_SQUARED_RATIO.form(measure)
                rows.append(interval_row(form, target, ratio, human_low=low, human_high=high, **about))
    return score_rows(rows)


def _pairs_of_groups(normalised: pd.DataFrame) -> list[tuple[str, str]]:
    """The control first, as in the effects."""
    controls = set(normalised.loc[normalised["control"], "group"])
    names = sorted(set(normalised["group"]), key=lambda name: (name not in controls, natural_key(name)))
    return list(combinations(names, 2))


def _ratio(values: pd.DataFrame, in_second: pd.Series, who: str, raters: list[str], level: float) -> Interval:
    others = [rater for rater in raters if rater != who]
    complete = values[[who, *others]].notna().all(axis=1)
    table, second = values.loc[complete, [who, *others]].to_numpy(), in_second[complete].to_numpy(dtype=bool)

    if not len(table):
        return without_interval(math.nan, 0, len(complete))

    def statistic(weights: np.ndarray, units: np.ndarray) -> np.ndarray:
        drawn, is_second = table[units.astype(int)], second[units.astype(int)]
        sizes = [
            weighted_eta_squared(weights[:, ~is_second], weights[:, is_second], column[~is_second], column[is_second])
            for column in drawn.T
        ]
        of_raters = np.mean(sizes[1:], axis=0)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(of_raters > 0, sizes[0] / of_raters, math.nan)

    units = np.arange(len(table))
    found = jackknife_t(statistic, units.astype(float), units, LOGARITHM, level=level)
    return dataclasses.replace(found, n_undefined=int((~complete).sum()))


def equivalence(normalised: pd.DataFrame, annotations: pd.DataFrame, *, margin: float) -> pd.DataFrame:
    """Whether measurements of an annotator differ from those of the raters by less than a margin.

    Two one-sided tests on subjects, else cases, outside the control group, because in multiples of the control mean the
    controls of all annotators are 1. Control means are taken as given.

    Args:
        normalised: What `segassay.tables.normalise.normalise` returns.
        annotations: What `read_annotations` returns.
        margin: Largest difference that does not matter, as a share of the control mean, set beforehand.

    Returns:
        Rows with `SCORE_COLUMNS`, `<measurement>_difference` from the mean of the (other) raters who measured a unit,
        and `<measurement>_difference_against_<name>` from a reference or a truth. `low` to `high` is the 90 % interval,
        which lies within the margin where the test at .05 finds the two equivalent; `note` says so, with p. With too
        few units, or differences too skewed for them (`Equivalence.gap`), the two are not called equivalent, the row is
        `approximate`, and the note says why.

    References:
        Schuirmann (1987), J. Pharmacokinet. Biopharm. 15(6):657-680, doi:10.1007/BF01068419.
    """
    assert DIFFERENCE.errors is not None
    kinds, rows = annotator_kinds(annotations), []
    controls = set(normalised.loc[normalised["control"], "group"])
    for measure, all_values, groups in values_of_units(normalised):
        values = all_values[~groups.isin(controls)]
        differences = {}
        for who in (name for name in kinds if name in values):
            others = [name for name, kind in kinds.items() if is_rater(kind) and name != who and name in values]
            if others:
                differences[who, ""] = (values[who], values[others].mean(axis=1))
            for name, kind in kinds.items():
                if (
                    name in values
                    and name != who
                    and (kind == "truth" or (kind == "consensus" and _is_referred(kinds[who])))
                ):
                    differences[who, name] = (values[who], values[name])
        for (who, name), (own, reference) in differences.items():  # without a name: from the raters
            found = equivalence_test(own.to_numpy(), reference.to_numpy(), margin=margin)
            n_undefined = len(own) - found.n
            passed = found.p_value < 0.05
            doubtful = passed and bool(found.gap)
            interval = Interval(found.difference, found.low, found.high, "TOST, 90 %", found.n, n_undefined, doubtful)
            is_equal = passed and not doubtful
            decided = "equivalent" if is_equal else "not shown to be equivalent"
            note = f"{decided} within {margin:g} of the control mean, p = {found.p_value:.2g}"
            note += f" (said {DIFFERENCE.errors.words})" if is_equal else ""
            note += f", which cannot be relied on: {found.gap}" if doubtful else ""
            if found.n > 1 and math.isnan(found.p_value):
                note = "all differences are equal, so the test decides nothing"
            form = DIFFERENCE.form(measure, AGAINST if name else "", reference=name)
            contains = kinds.get(name) == "consensus"
            rows.append(interval_row(form, who, interval, note=note, contains_raters=contains))
    return score_rows(rows)


def _is_referred(kind: str) -> bool:
    """Whether annotators of this kind are held against a consensus."""
    return is_rater(kind) or is_trained(kind)


def type_s_and_m(effects: pd.DataFrame, annotations: pd.DataFrame) -> pd.DataFrame:
    """Significant effects of an annotator: share with the wrong sign, and exaggeration of their size.

    Only if there is a truth; its effect in the same images is the true one.

    Args:
        effects: What `segassay.tables.effects.effects` returns.
        annotations: What `read_annotations` returns.

    Returns:
        Rows with `SCORE_COLUMNS`, `<measurement>_type_s`, the share with the wrong sign, and `<measurement>_type_m`,
        the mean of |shift| / |true shift|. `n_cases` counts the significant effects, `n_undefined` those of them
        without a true direction. No rows without a truth; NaN if nothing was significant.

    References:
        Gelman & Carlin (2014), Perspect. Psychol. Sci. 9(6):641-651, doi:10.1177/1745691614551642.
    """
    kinds, rows = annotator_kinds(annotations), []
    tested = of_masks(decisive_effects(effects))
    for truth in (name for name, kind in kinds.items() if kind == "truth"):
        true = tested[tested["annotator"] == truth].set_index(["measure", "contrast"])["hl_shift"]
        for (measure, who), part in tested[tested["annotator"] != truth].groupby(["measure", "annotator"], sort=False):
            significant = part[part["verdict"].isin(DECIDED)]
            own = significant.set_index(["measure", "contrast"])["hl_shift"]
            reference = true.reindex(own.index)
            known = reference.notna() & (reference != 0)
            n, n_undefined = int(known.sum()), int((~known).sum())
            wrong = (np.sign(own) != np.sign(reference))[known].mean() if n else math.nan
            excess = (own.abs() / reference.abs())[known].mean() if n else math.nan
            for record, value in ((TYPE_S, wrong), (TYPE_M, excess)):
                found, form = without_interval(float(value), n, n_undefined), record.form(str(measure))
                rows.append(interval_row(form, str(who), found, note=f"against {truth}"))
    return score_rows(rows)
