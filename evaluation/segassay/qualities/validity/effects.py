"""Do annotators lead to the same conclusion of the experiment? What varies between them, and from the people.

    effects            ->  variation_per_effect, votes, variation_per_model, same_verdicts, type_s_and_m
    normalised         ->  effect_ratios, equivalence

An effect is a measurement × a pair of groups, pooled over regions; units are subjects where there are any, else cases.
Its rank-biserial correlation and its Hodges-Lehmann shift with interval are columns of the effects.
"""

import dataclasses
import math
from collections.abc import Iterator
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from segassay.data.annotations import is_rater, raters_of
from segassay.data.names import natural_key
from segassay.qualities.scores.groups import RATERS, grouped, origins
from segassay.qualities.scores.table import SCORE_COLUMNS, Findings, annotator_kinds, interval_row
from segassay.statistics.intervals import DEFAULT, Interval, Resampling, bca, sd_over_seeds
from segassay.statistics.methods import equivalence_test
from segassay.tables.effects import on_deciding_unit, unit_of

__all__ = [
    "decisive_effects",
    "effect_ratios",
    "equivalence",
    "majority_verdict",
    "measures",
    "not_judged",
    "same_verdicts",
    "strategies",
    "type_s_and_m",
    "values_of_units",
    "variation_per_effect",
    "variation_per_model",
    "votes",
    "weighted_eta_squared",
    "without_repeats",
]

DECIDED = ("higher", "lower")


def decisive_effects(effects: pd.DataFrame) -> pd.DataFrame:
    """Rows of effects that conclusions rest on: pairs of groups, pooled over regions, on the units that decide.

    Args:
        effects: What `segassay.tables.effects.effects` returns.

    Returns:
        These rows, and `contrast` with the names of both groups, the control second.
    """
    rows = effects[(effects["test"] == "mann_whitney") & (effects["region"] == "")]
    rows = on_deciding_unit(rows)
    return rows.assign(contrast=_contrast(rows["group_2"], rows["group_1"]))


def _contrast(group: Any, control: Any) -> Any:
    return group + " against " + control


def strategies(annotations: pd.DataFrame) -> dict[str, list[str]]:
    """Annotators by how they came about: the raters, and models or ensembles of one strategy.

    Args:
        annotations: What `read_annotations` returns.

    Returns:
        Name of the group -> its annotators, at least two. Where no strategy is given, it is what they were trained on;
        masks of which neither is known are in no group.

    Example:
        >>> annotations = pd.DataFrame({"annotator": ["anna", "ben", "anna/s1", "ben/s1", "cellpose"],
        ...                             "kind": ["human", "human", "model", "model", "model"],
        ...                             "strategy": ["", "", "expert", "expert", ""], "trained_on": "",
        ...                             "case": "1", "seed": pd.NA, "fold": pd.NA, "held_out": True})
        >>> strategies(annotations)
        {'raters': ['anna', 'ben'], 'expert models': ['anna/s1', 'ben/s1']}
    """
    shown = [
        one
        for one in origins(annotations)
        if is_rater(one.kind) or (one.is_trained and (one.strategy or one.trained_on))
    ]
    groups = grouped(shown, lambda one: f"{one.approach} {one.kind}s" if one.is_trained else RATERS)
    return {group: [one.name for one in of] for group, of in groups.items() if len(of) > 1}


def _of_strategies(effects: pd.DataFrame, annotations: pd.DataFrame) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """Strategy, measurement and the effects that its annotators yield."""
    tested = decisive_effects(effects)
    for group, names in strategies(annotations).items():
        for measure, rows in tested[tested["annotator"].isin(names)].groupby("measure", sort=False):
            yield group, str(measure), rows


def _number(value: float, n_cases: int, n_undefined: int = 0) -> Interval:
    """A number without interval."""
    return Interval(value, math.nan, math.nan, "", n_cases, n_undefined, False)


def _table(rows: list[dict[str, Any]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=list(SCORE_COLUMNS))


# ------------------------------------------------------------------------------------- between annotators of a strategy


def variation_per_effect(effects: pd.DataFrame, annotations: pd.DataFrame) -> pd.DataFrame:
    """Standard deviation of the effect size η² over the annotators of one strategy, effect by effect.

    Args:
        effects: What `segassay.tables.effects.effects` returns.
        annotations: What `read_annotations` returns.

    Returns:
        Rows with `SCORE_COLUMNS`, `<measurement>_eta_squared_sd`, its target `<strategy>: <group> against <group>`.
        `n_cases` counts annotators. The interval is of χ² on these, as if they were drawn from many of their kind, and
        not judged below 4.

    References:
        Segebarth et al. (2020), eLife 9:e59780, figure 4F, doi:10.7554/eLife.59780.
    """
    rows = []
    for group, measure, part in _of_strategies(effects, annotations):
        for contrast, of_contrast in part.groupby("contrast", sort=False):
            spread = sd_over_seeds(of_contrast["eta_squared"].to_numpy(dtype=float))
            note = "n_cases counts annotators"
            target = f"{group}: {contrast}"
            rows.append(interval_row("validity", f"{measure}_eta_squared_sd", target, spread, note=note))
    return _table(rows)


def votes(effects: pd.DataFrame, annotations: pd.DataFrame) -> pd.DataFrame:
    """How many annotators of one strategy lead to each conclusion, effect by effect.

    Args:
        effects: What `segassay.tables.effects.effects` returns.
        annotations: What `read_annotations` returns.

    Returns:
        Rows with `SCORE_COLUMNS`, `<measurement>_votes_<verdict>`; verdicts without a vote have no row. `n_cases`
        counts the annotators who vote.

    References:
        Segebarth et al. (2020), eLife 9:e59780, figure 4, doi:10.7554/eLife.59780.
    """
    rows = []
    for group, measure, part in _of_strategies(effects, annotations):
        for contrast, of_contrast in part.groupby("contrast", sort=False):
            for verdict, n in of_contrast["verdict"].value_counts().sort_index().items():
                vote = _number(float(n), len(of_contrast))
                name = f"{measure}_votes_{verdict}"
                rows.append(interval_row("validity", name, f"{group}: {contrast}", vote))
    return _table(rows)


def variation_per_model(effects: pd.DataFrame, annotations: pd.DataFrame) -> pd.DataFrame:
    """In how many effects an annotator's verdict deviates from that of most annotators of its strategy.

    Args:
        effects: What `segassay.tables.effects.effects` returns.
        annotations: What `read_annotations` returns.

    Returns:
        Rows with `SCORE_COLUMNS`, `<measurement>_deviations_from_majority`, one per annotator, and one per strategy
        with the mean over its annotators. `n_cases` counts the effects with a majority, `n_undefined` those
        where no verdict has more votes than every other.

    References:
        Segebarth et al. (2020), eLife 9:e59780, figure 4F, doi:10.7554/eLife.59780.
    """
    rows = []
    for group, measure, part in _of_strategies(effects, annotations):
        verdicts = part.pivot(index="contrast", columns="annotator", values="verdict")
        majority = pd.Series({contrast: majority_verdict(row) for contrast, row in verdicts.iterrows()}, dtype=object)
        clear = majority.notna()
        deviations = verdicts[clear].ne(majority[clear], axis=0).where(verdicts[clear].notna()).sum()
        n, n_undefined = int(clear.sum()), int((~clear).sum())
        name, mean = f"{measure}_deviations_from_majority", float(deviations.mean()) if n else math.nan
        found = {group: mean} | {who: float(deviations[who]) if n else math.nan for who in part["annotator"].unique()}
        rows += [interval_row("validity", name, who, _number(value, n, n_undefined)) for who, value in found.items()]
    return _table(rows)


def majority_verdict(verdicts: pd.Series) -> str | None:
    """Verdict with more votes than any other; None where there is none."""
    counts = verdicts.value_counts()
    clear = len(counts) == 1 or (len(counts) > 1 and counts.iloc[0] > counts.iloc[1])
    return str(counts.index[0]) if clear else None


# ------------------------------------------------------------------------------------------------- against the raters


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
        for name, values, agree in (("same_verdict", testable, True), ("sign_disagreement", signed, False)):
            shares = {who: _share(values, who, raters, agree) for who in kinds if who in values}
            people = [shares[who][0].value for who in raters if who in shares]
            human = (np.nanmin(people), np.nanmax(people)) if np.isfinite(people).any() else (math.nan, math.nan)
            for who, (share, note) in shares.items():
                if share.n_cases + share.n_undefined:
                    note = f"{who} contains the raters" if kinds[who] == "consensus" else note
                    row = interval_row("validity", f"{measure}_{name}", who, share, note=note)
                    rows.append(row | {"human_low": human[0], "human_high": human[1]})
    return _table(rows)


def _share(values: pd.DataFrame, who: str, raters: list[str], agree: bool) -> tuple[Interval, str]:
    """Share of pairs (effect, rater) with equal values, or with unequal ones; NaN is no value."""
    others = [rater for rater in raters if rater != who and rater in values]
    own = values[who]
    both = values[others].notna().mul(own.notna(), axis=0)
    equal = values[others].eq(own, axis=0) & both
    n, total = int(both.to_numpy().sum()), both.size
    n_hits = int(equal.to_numpy().sum()) if agree else n - int(equal.to_numpy().sum())
    note = "against the other raters" if who in raters else ""
    return _number(n_hits / n if n else math.nan, n, total - n), note


def weighted_eta_squared(weights_x: np.ndarray, weights_y: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """η² = Z²/N of the Mann-Whitney test, where each value counts as often as its weight says.

    Args:
        weights_x: `(B, n_1)`, one row per resample.
        weights_y: `(B, n_2)`.
        x: First sample, `(n_1,)`.
        y: Second sample, `(n_2,)`.

    Returns:
        float64 `(B,)`, with Z as in `group_tests.mann_whitney`; NaN where a sample has no weight.

    Example:
        >>> x = np.array([0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46])
        >>> y = np.array([1.15, 0.88, 0.90, 0.74, 1.21])
        >>> weighted_eta_squared(np.ones((1, 10)), np.ones((1, 5)), x, y).round(4)
        array([0.1])

    References:
        Mann & Whitney (1947), Ann. Math. Stat. 18(1):50-60, doi:10.1214/aoms/1177730491; as an effect size: Tomczak &
        Tomczak (2014), Trends in Sport Sciences 21(1):19-25.
    """
    wins = np.greater.outer(x, y) + 0.5 * np.equal.outer(x, y)
    n_x, n_y = weights_x.sum(axis=1), weights_y.sum(axis=1)
    excess = ((weights_x @ wins) * weights_y).sum(axis=1) - n_x * n_y / 2
    n = n_x + n_y
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(12 * excess**2 / (n_x * n_y * (n + 1) * n))


def effect_ratios(
    normalised: pd.DataFrame, annotations: pd.DataFrame, *, resampling: Resampling = DEFAULT
) -> pd.DataFrame:
    """Effect size η² that an annotator yields, by the mean of those that the raters yield.

    Only units that the annotator and all raters have enter, so that all effects are of the same subjects or cases,
    which are resampled together; control means are taken as given.

    Args:
        normalised: What `segassay.tables.effects.normalise` returns.
        annotations: What `read_annotations` returns.
        resampling: How intervals are drawn.

    Returns:
        Rows with `SCORE_COLUMNS`, `<measurement>_eta_squared_ratio`, the target `<annotator>: <group> against <group>`,
        with BCa intervals over subjects or cases; a rater is held against the others, and `human_low` to `human_high`
        is the range of these. Where no effect is, the ratio of two small numbers says nothing: read it beside the
        verdicts. No rows without raters.
    """
    kinds = annotator_kinds(annotations)
    raters = raters_of(kinds)
    rows = []
    for measure, values, groups in values_of_units(normalised):
        for one, other in _pairs_of_groups(normalised):
            chosen = values[groups.isin([one, other])]
            ratios = {
                who: _ratio(chosen, groups.reindex(chosen.index) == other, who, raters, resampling)
                for who in kinds
                if who in chosen and set(raters) - {who} and set(raters) <= set(chosen)
            }
            people = pd.Series([ratios[who].value for who in raters if who in ratios], dtype=float)
            for who, ratio in ratios.items():
                note = "against the other raters" if who in raters else ""
                note = f"{who} contains the raters" if kinds[who] == "consensus" else note
                target = f"{who}: {_contrast(other, one)}"
                row = interval_row("validity", f"{measure}_eta_squared_ratio", target, ratio, note=note)
                rows.append(row | {"human_low": people.min(), "human_high": people.max()})
    return _table(rows)


def values_of_units(normalised: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame, pd.Series]]:
    """Measurement, its values `(units, annotators)`, and the group of each unit: subjects where there are any."""
    unit = unit_of(normalised["subject"])
    groups = normalised.groupby(unit, sort=False)["group"].first()
    for measure, part in normalised.groupby("measure", sort=False):
        values = part.groupby([unit, "annotator"], sort=False)["value"].mean().unstack()
        yield str(measure), values, groups.reindex(values.index)


def _pairs_of_groups(normalised: pd.DataFrame) -> list[tuple[str, str]]:
    """The control first, as in the effects."""
    controls = set(normalised.loc[normalised["control"], "group"])
    names = sorted(set(normalised["group"]), key=lambda name: (name not in controls, natural_key(name)))
    return list(combinations(names, 2))


def _ratio(values: pd.DataFrame, in_second: pd.Series, who: str, raters: list[str], resampling: Resampling) -> Interval:
    others = [rater for rater in raters if rater != who]
    complete = values[[who, *others]].notna().all(axis=1)
    table, second = values.loc[complete, [who, *others]].to_numpy(), in_second[complete].to_numpy(dtype=bool)

    if not len(table):
        return _number(math.nan, 0, len(complete))

    def statistic(weights: np.ndarray, units: np.ndarray) -> np.ndarray:
        drawn, is_second = table[units.astype(int)], second[units.astype(int)]
        sizes = [
            weighted_eta_squared(weights[:, ~is_second], weights[:, is_second], column[~is_second], column[is_second])
            for column in drawn.T
        ]
        people = np.mean(sizes[1:], axis=0)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(people > 0, sizes[0] / people, math.nan)

    found = bca(statistic, np.arange(len(table), dtype=float), np.arange(len(table)), resampling)
    return dataclasses.replace(found, n_undefined=int((~complete).sum()))


def equivalence(normalised: pd.DataFrame, annotations: pd.DataFrame, *, margin: float) -> pd.DataFrame:
    """Do measurements by an annotator differ from those of the raters by less than what matters?

    Two one-sided tests on subjects, else cases, outside the control group: in multiples of the control mean everybody's
    control is 1, and would make any two alike. Control means are taken as given.

    Args:
        normalised: What `segassay.tables.effects.normalise` returns.
        annotations: What `read_annotations` returns.
        margin: Largest difference that does not matter, as a share of the control mean, fixed beforehand.

    Returns:
        Rows with `SCORE_COLUMNS`, `<measurement>_difference` from the mean of the (other) raters who measured a unit,
        and `<measurement>_difference_against_<name>` from a reference or a truth. `low` to `high` is the 90 % interval,
        which lies within the margin where the test at .05 finds the two equivalent; `note` says so, with p.

    References:
        Schuirmann (1987), J. Pharmacokinet. Biopharm. 15(6):657-680, doi:10.1007/BF01068419.
    """
    kinds, rows = annotator_kinds(annotations), []
    controls = set(normalised.loc[normalised["control"], "group"])
    for measure, all_values, groups in values_of_units(normalised):
        values = all_values[~groups.isin(controls)]
        differences = {}
        for who in (name for name in kinds if name in values):
            others = [name for name, kind in kinds.items() if is_rater(kind) and name != who and name in values]
            if others:
                differences[who, "difference"] = (values[who], values[others].mean(axis=1))
            for name, kind in kinds.items():
                if name in values and name != who and (kind == "truth" or (kind, kinds[who]) in _REFERRED):
                    differences[who, f"difference_against_{name}"] = (values[who], values[name])
        for (who, name), (own, reference) in differences.items():
            found = equivalence_test(own.to_numpy(), reference.to_numpy(), margin=margin)
            n_undefined = len(own) - found.n
            interval = Interval(found.difference, found.low, found.high, "TOST, 90 %", found.n, n_undefined, False)
            decided = "equivalent" if found.p_value < 0.05 else "not shown to be equivalent"
            note = f"{decided} within {margin:g} of the control mean, p = {found.p_value:.2g}"
            rows.append(interval_row("validity", f"{measure}_{name}", who, interval, note=note))
    return _table(rows)


_REFERRED = {("consensus", kind) for kind in ("human", "model", "ensemble")}


# ------------------------------------------------------------------------------------------------- against the truth


def type_s_and_m(effects: pd.DataFrame, annotations: pd.DataFrame) -> pd.DataFrame:
    """Of the effects that an annotator finds significant: how many have the wrong sign, and how exaggerated are they?

    Only where a truth is known; its effect, in the very same images, is the true one.

    Args:
        effects: What `segassay.tables.effects.effects` returns.
        annotations: What `read_annotations` returns.

    Returns:
        Rows with `SCORE_COLUMNS`, `<measurement>_type_s`, the share with the wrong sign, and `<measurement>_type_m`,
        the mean of |shift| / |true shift|. `n_cases` counts the significant effects, `n_undefined` those of them
        without a true direction. Nobody has a row without a truth; NaN where nothing was significant.

    References:
        Gelman & Carlin (2014), Perspect. Psychol. Sci. 9(6):641-651, doi:10.1177/1745691614551642.
    """
    kinds, tested, rows = annotator_kinds(annotations), decisive_effects(effects), []
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
            for name, value in (("type_s", wrong), ("type_m", excess)):
                found = _number(float(value), n, n_undefined)
                rows.append(interval_row("validity", f"{measure}_{name}", str(who), found, note=f"against {truth}"))
    return _table(rows)


# --------------------------------------------------------------------------------------------------------- all of it


def measures(found: Findings) -> pd.DataFrame:
    """All comparisons of effects; without rows where there is no experiment.

    Where all regions have one area, densities repeat the counts and are left out.
    """
    if found.effects.empty or found.normalised is None:
        return _table([])
    effects, normalised = without_repeats(found.effects, found.normalised)
    parts = [
        variation_per_effect(effects, found.annotations),
        votes(effects, found.annotations),
        variation_per_model(effects, found.annotations),
        same_verdicts(effects, found.annotations),
        effect_ratios(normalised, found.annotations, resampling=found.resampling),
        equivalence(normalised, found.annotations, margin=found.equivalence_margin),
        type_s_and_m(effects, found.annotations),
    ]
    parts = [part for part in parts if len(part)]
    return pd.concat(parts, ignore_index=True) if parts else _table([])


def without_repeats(effects: pd.DataFrame, normalised: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Effects and measurements without densities where these repeat the counts: where all regions have one area."""
    repeated = ["density"] if _densities_repeat_counts(normalised) else []
    return effects[~effects["measure"].isin(repeated)], normalised[~normalised["measure"].isin(repeated)]


def _densities_repeat_counts(normalised: pd.DataFrame) -> bool:
    counts, densities = (normalised.loc[normalised["measure"] == name, "value"] for name in ("count", "density"))
    return len(counts) == len(densities) and np.allclose(counts.to_numpy(), densities.to_numpy(), equal_nan=True)


def not_judged(found: Findings) -> list[tuple[str, str]]:
    """Comparisons of effects that have no row, each with the reason."""
    if found.effects.empty or found.normalised is None:
        return [("effects between annotators", "no experiment with a control group")]
    kinds, missing = annotator_kinds(found.annotations), []
    if not strategies(found.annotations):
        missing.append(("variation_per_effect, votes, variation_per_model", "no two annotators of one strategy"))
    if not raters_of(kinds):
        missing.append(("same_verdicts, effect_ratios", "no raters"))
    if "truth" not in kinds.values():
        missing.append(("type_s_and_m", "no truth is known"))
    return missing
