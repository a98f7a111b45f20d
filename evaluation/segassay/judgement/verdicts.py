"""The three verdicts: constants, rules, sentences. docs/verdicts.md gives the reasons.

    scores, effects, annotations  ->  criteria, each met, violated or undecided  ->  verdict

A criterion holds an interval against a line that was fixed before any study was run. It is met where the whole interval
lies on the good side, violated where the whole interval lies on the other, and undecided else: too few images never
support anything, and refute nothing. A quality is "supported" where every criterion is met, "not supported" where one
is violated, and else it "cannot be judged".
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from segassay.data.annotations import WITHOUT
from segassay.judgement.sentences import (
    concordance_found,
    format_interval,
    joined,
    objectivity_of_raters,
    reliability_of_models,
    validity_of_others,
)
from segassay.qualities.scores.groups import trained_alike
from segassay.qualities.scores.table import ALL_RATERS, annotator_kinds
from segassay.qualities.validity.effects import decisive_effects

__all__ = ["RULES", "Criterion", "Judged", "conclusions", "judge", "judged_annotators"]

MIN_CASES = 10
"""Images below which nothing is judged: intervals of ratios (BCa) are too narrow there."""

IMPRINT_MATTERS = 0.05
"""F1: one object in twenty. An imprint below it changes less than what nobody would call another result."""

REMOVAL_ABOVE = 0.0
"""F1: the consensus is to fit a person it never saw better than other single people do, by whatever amount."""

WILLIAMS_AT_LEAST = 0.95
"""Agreement with the raters, in multiples of theirs with each other; a twentieth less does not matter."""

ENSEMBLES_ABOVE_RATERS = 0.05
"""F1: training again must change less than asking another person, by more than what does not matter."""

ENSEMBLES_ABOVE_MODELS = -0.02
"""F1: an ensemble is made to be more alike than its members; where these agree perfectly it cannot, so a loss is
tolerated that is smaller than what trainings usually scatter."""

SCORE_ABOVE_WORST_RATER = -0.05
"""F1: not clearly below the human range."""

SCORE_ABOVE_MEAN_RATER = -0.10
"""F1: one careless rater makes the human range as wide as one likes; so not far below the average rater either."""

LARGE_EFFECT = 0.14
"""η² from which an effect counts where images are the units, whose p-values are too small (Cohen 1988: large)."""

RULES = {
    "objectivity": (
        f"Supported if models trained on one rater carry no imprint that matters (below {IMPRINT_MATTERS:g} F1), or "
        "models of the consensus fit a rater they never saw better than other raters' models do (above "
        f"{REMOVAL_ABOVE:g}); and if the judged annotators agree with the raters about as well as these with each "
        f"other (Williams index above {WILLIAMS_AT_LEAST:g})."
    ),
    "reliability": (
        "Supported if two ensembles without a common member agree better than two raters do (by more than "
        f"{ENSEMBLES_ABOVE_RATERS:g} F1), and no worse than two single models (by at most {-ENSEMBLES_ABOVE_MODELS:g})."
    ),
    "validity": (
        "Supported if the F1 against the consensus of the other raters is no more than "
        f"{-SCORE_ABOVE_WORST_RATER:g} below the worst rater and no more than {-SCORE_ABOVE_MEAN_RATER:g} below the "
        "raters' mean, and if the experiment leads to the raters' conclusions as often as it does with the rater who "
        "shares them least, never to the opposite, and never to an effect whose interval excludes all raters' effects. "
        "Where images are "
        f"the units, an effect counts from η² {LARGE_EFFECT:g} on."
    ),
}
"""Each rule in words, for the report. All lines are held against whole 95 % intervals."""


@dataclass(frozen=True)
class Criterion:
    """One part of a rule.

    Attributes:
        name: What is looked at.
        holds: True where the whole interval lies on the good side of the line, False where all of it lies on the other,
            None where neither is so or something is missing.
        found: The number, in words; empty without one.
        missing: What it would take to decide; empty where it is decided.
    """

    name: str
    holds: bool | None
    found: str = ""
    missing: str = ""


def judge(scores: pd.DataFrame, effects: pd.DataFrame, annotations: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Verdict and sentence on each quality.

    Args:
        scores: What `build_scores` and `further_measures` return, one below the other. Read are, of objectivity,
            `imprint` and `removal_of_bias` of all raters and the `williams_index` of the judged annotators; of
            reliability, `f1`, `f1_minus_models` and `f1_minus_raters` of their ensembles; of validity,
            `f1_leave_one_out` (or `f1_pairwise`), the same with `_minus_raters` and `_minus_worst_rater`.
        effects: What `segassay.tables.effects.effects` returns; without rows where there is no experiment.
        annotations: What `read_annotations` returns.

    Returns:
        `{quality: {verdict, sentence, rule, criteria}}`. A verdict is "supported", "not supported" or "cannot be
        judged: <what is missing>"; criteria are dicts of `Criterion`.
    """
    judged = judged_annotators(annotations)
    kinds = annotator_kinds(annotations)
    raters = [name for name, kind in kinds.items() if kind == "human"]
    found = {
        "objectivity": _objectivity(scores, judged, raters),
        "reliability": _reliability(scores, judged, raters, annotations),
        "validity": _validity(scores, effects, judged, raters),
    }
    return {
        quality: {
            "verdict": _verdict(criteria),
            "sentence": sentence,
            "rule": RULES[quality],
            "criteria": [asdict(criterion) for criterion in criteria],
        }
        for quality, (criteria, sentence) in found.items()
    }


def _verdict(criteria: Sequence[Criterion]) -> str:
    holds = _all([criterion.holds for criterion in criteria])
    if holds is None:
        missing = [criterion.missing for criterion in criteria if criterion.holds is None]
        return f"cannot be judged: {'; '.join(dict.fromkeys(missing))}"
    return "supported" if holds else "not supported"


def _all(holds: Sequence[bool | None]) -> bool | None:
    """Whether all hold: one that does not settles it, one that is undecided leaves it open."""
    return False if False in holds else None if None in holds else True


def _any(holds: Sequence[bool | None]) -> bool | None:
    return True if True in holds else None if None in holds else False


# ----------------------------------------------------------------------------------------------------- who is judged


@dataclass(frozen=True)
class Judged:
    """The annotators that a study stands for.

    Attributes:
        names: Their names; empty where there is no model.
        kind: `model` or `ensemble`.
        trained_on: The consensus, or raters, that they learned from; empty where that is unknown.
        of_consensus: Whether they learned from a consensus of several raters.
        held_out: Whether none of them saw an image that it is scored on, as far as is known.
    """

    names: tuple[str, ...] = ()
    kind: str = ""
    trained_on: tuple[str, ...] = ()
    of_consensus: bool = False
    held_out: bool = False

    @property
    def words(self) -> str:
        """Who they are, for a sentence."""
        if len(self.names) == 1:
            return self.names[0]
        of = "" if len(self.trained_on) != 1 else f"{self.trained_on[0]} "
        return f"the {len(self.names)} {of}{self.kind}s"


def judged_annotators(annotations: pd.DataFrame) -> Judged:
    """Whom the verdicts are about: the ensembles of a consensus, else its models, else other ensembles, else models.

    Of ensembles that were trained alike, those with most members are judged. Models of a consensus without one rater
    serve the removal of bias alone and are not judged.

    Args:
        annotations: What `read_annotations` returns.

    Returns:
        Their names in natural order; without names where there is no model.
    """
    kinds = annotator_kinds(annotations)
    rows = annotations[annotations["kind"].isin(["model", "ensemble"])]
    trained_on = {str(name): str(on) for name, on in zip(rows["annotator"], rows["trained_on"].fillna(""), strict=True)}
    of_consensus = {name for name, on in trained_on.items() if on and kinds.get(on) != "human"}
    size = {name: len(seeds) for group in trained_alike(annotations) for name, seeds in group.seeds.items()}
    for consensus, kind in ((True, "ensemble"), (True, "model"), (False, "ensemble"), (False, "model")):
        names = [name for name, own in kinds.items() if own == kind and (name in of_consensus) == consensus]
        names = [name for name in names if WITHOUT not in trained_on[name]]
        most: dict[str, int] = {}
        for name in names:
            most[trained_on[name]] = max(size.get(name, 0), most.get(trained_on[name], 0))
        names = [name for name in names if size.get(name, 0) == most[trained_on[name]]]
        if names:
            held_out = rows.loc[rows["annotator"].isin(names), "held_out"].eq(True).fillna(False).all()
            on = tuple(dict.fromkeys(trained_on[name] for name in names if trained_on[name]))
            return Judged(tuple(names), kind, on, consensus, bool(held_out))
    return Judged()


# --------------------------------------------------------------------------------------------------------- the criteria


def _row(scores: pd.DataFrame, quality: str, measure: str, target: str) -> dict[Any, Any] | None:
    rows = scores[(scores["quality"] == quality) & (scores["measure"] == measure) & (scores["target"] == target)]
    rows = rows[rows["value"].notna()]
    return rows.iloc[0].to_dict() if len(rows) else None


def _beyond(
    name: str, row: Mapping[Any, Any] | None, line: float, *, missing: str, found: str = "{}", below: bool = False
) -> Criterion:
    """Whether an interval lies above a line, or below it; `found` has a place for the number."""
    if row is None:
        return Criterion(name, None, missing=missing)
    low, high, n_cases = row["low"], row["high"], int(row["n_cases"])
    text = found.format(format_interval(row["value"], low, high))
    if n_cases < MIN_CASES:
        return Criterion(name, None, text, f"fewer than {MIN_CASES} images for the {name}, {n_cases}")
    if math.isnan(low) or math.isnan(high):
        return Criterion(name, None, text, f"no interval of the {name}, which needs two images or subjects")
    good, bad = (high < line, low > line) if below else (low > line, high < line)
    if good or bad:
        return Criterion(name, good, text)
    span = format_interval(row["value"], low, high)
    return Criterion(name, None, text, f"too few images: the {name}, {span}, may lie on either side of {_signed(line)}")


def _signed(line: float) -> str:
    return f"{line:g}".replace("-", "−")


def _worst(name: str, rows: Sequence[dict[Any, Any] | None], line: float, *, missing: str, found: str) -> Criterion:
    """The same of several annotators, all of whom must lie above the line; its words are those of the lowest."""
    known = [row for row in rows if row is not None]
    lowest = min(known, key=lambda row: float(row["low"]), default=None)
    criteria = [_beyond(name, row, line, missing=missing, found=found) for row in rows or [None]]
    holds = _all([criterion.holds for criterion in criteria])
    text = _beyond(name, lowest, line, missing=missing, found=found).found
    why = [criterion.missing for criterion in criteria if criterion.holds is None]
    return Criterion(name, holds, text, why[0] if holds is None else "")


def _held_out(judged: Judged) -> list[Criterion]:
    """Whoever saw the images before agrees too well with everybody; that can refute a quality but not support it."""
    if judged.held_out or not judged.names:
        return []
    why = f"unknown whether {judged.words} saw these images in training (column held_out)"
    return [Criterion("held out", None, missing=why)]


_Found = tuple[list[Criterion], str]
_NO_MODEL = "no model or ensemble among the annotators"
_NO_SECOND_RATER = "no second rater"


def _objectivity(scores: pd.DataFrame, judged: Judged, raters: Sequence[str]) -> _Found:
    alone = objectivity_of_raters(scores)
    if len(raters) < 2:
        return [Criterion("raters", None, missing=_NO_SECOND_RATER)], alone
    if not judged.names:
        return [Criterion("models", None, missing=_NO_MODEL)], alone
    imprint = _beyond(
        "imprint",
        _row(scores, "objectivity", "imprint", ALL_RATERS),
        IMPRINT_MATTERS,
        missing="no held-out models trained on single raters, of 3 raters or more",
        found="models trained on one rater carry an imprint of {} F1",
        below=True,
    )
    parts = [imprint]
    if judged.of_consensus:
        parts.append(_removal(scores, judged))
    holds = _any([part.holds for part in parts])
    why = [part.missing for part in parts if part.holds is None]
    who = "imprint" if len(parts) == 1 else "imprint, or its removal by the consensus"
    of_person = Criterion(who, holds, joined(part.found for part in parts), joined(why) if holds is None else "")
    more = " or more" if len(judged.names) > 1 else ""
    williams = _worst(
        "Williams index",
        [_row(scores, "objectivity", "williams_index", name) for name in judged.names],
        WILLIAMS_AT_LEAST,
        missing="no agreement of the judged annotators with two raters",
        found=f"the Williams index of {judged.words} is {{}}{more}",
    )
    criteria = [of_person, williams, *_held_out(judged)]
    if not (of_person.found or williams.found):
        return criteria, alone
    first = _row(scores, "objectivity", "williams_index", judged.names[0]) or {}
    return criteria, _sentence([of_person.found, williams.found], first.get("n_cases"))


def _removal(scores: pd.DataFrame, judged: Judged) -> Criterion:
    """Of the consensus that the judged annotators learned from; of several, the least."""
    methods = ["" if on == "staple" else f"_{on}" for on in judged.trained_on]
    return _worst(
        "removal of bias",
        [_row(scores, "objectivity", f"removal_of_bias{method}", ALL_RATERS) for method in methods],
        REMOVAL_ABOVE,
        missing=f"no held-out models of the consensus without one rater ({judged.trained_on[0]}{WITHOUT}<rater>)",
        found="models of the consensus fit a rater they never saw by {} F1 better than other raters' models do",
    )


def _reliability(scores: pd.DataFrame, judged: Judged, raters: Sequence[str], annotations: pd.DataFrame) -> _Found:
    alone = reliability_of_models(scores)
    rows = scores[(scores["quality"] == "reliability") & (scores["measure"] == "f1")]
    if rows.empty:
        return [Criterion("seeds", None, missing="no models that differ by nothing but the seed")], alone
    alike = [group for group in trained_alike(annotations) if group.kind == "ensemble" and WITHOUT not in group.target]
    targets = [group.target for group in alike if not judged.trained_on or group.trained_on in judged.trained_on]
    targets = [target for target in targets if (rows["target"] == target).any()]
    if not targets:
        return [Criterion("ensembles", None, missing="no two ensembles without a common member")], alone
    pairs = dict(zip(rows["target"], rows["note"], strict=True))
    own = min((row for t in targets if (row := _row(scores, "reliability", "f1", t))), key=lambda row: row["value"])
    against = {
        "raters": ("two raters", ENSEMBLES_ABOVE_RATERS, _NO_SECOND_RATER if len(raters) < 2 else "no common images"),
        "models": ("two single models", ENSEMBLES_ABOVE_MODELS, "no two single models trained as the ensembles were"),
    }
    criteria = [
        _worst(
            f"gain over {other}",
            [_row(scores, "reliability", f"f1_minus_{other}", target) for target in targets],
            line,
            missing=missing,
            found=f"{{}} more than {words}",
        )
        for other, (words, line, missing) in against.items()
    ]
    value = format_interval(own["value"], own["low"], own["high"])
    note = f"{own['target']}, {pairs[own['target']]}".removesuffix(", ")
    start = f"two ensembles without a common member agree on objects with a mean F1 of {value} ({note})"
    gains = ", and ".join(criterion.found for criterion in criteria if criterion.found)
    sentence = _sentence([f"{start}: {gains}" if gains else start], own["n_cases"])
    return [*criteria, *_held_out(judged)], sentence


def _validity(scores: pd.DataFrame, effects: pd.DataFrame, judged: Judged, raters: Sequence[str]) -> _Found:
    alone = validity_of_others(scores, effects)
    if not judged.names:
        return [Criterion("models", None, missing=_NO_MODEL)], alone
    ending, whom = "_leave_one_out", "the consensus of the other raters"
    if not any(_row(scores, "validity", f"f1{ending}", name) for name in judged.names):
        ending, whom = "_pairwise", "single raters (too few for a consensus of the others)"
    criteria = [
        _worst(
            name,
            [_row(scores, "validity", f"f1{ending}_minus_{which}", judged_name) for judged_name in judged.names],
            line,
            missing=_NO_SECOND_RATER if len(raters) < 2 else "no score of the raters on the same images",
            found=f"{{}} {words}",
        )
        for name, which, line, words in (
            ("difference to the worst rater", "worst_rater", SCORE_ABOVE_WORST_RATER, "to the worst rater"),
            ("difference to the raters' mean", "raters", SCORE_ABOVE_MEAN_RATER, "to the raters' mean"),
        )
    ]
    own = [row for name in judged.names if (row := _row(scores, "validity", f"f1{ending}", name))]
    concordance = _concordance(effects, judged, raters)
    criteria = [*criteria, concordance, *_held_out(judged)]
    if not own:
        return criteria, alone
    lowest = min(own, key=lambda row: row["value"])
    more = " or more" if len(own) > 1 else ""
    value = format_interval(lowest["value"], lowest["low"], lowest["high"])
    start = f"against {whom}, {judged.words} reach{'' if len(own) > 1 else 'es'} an F1 of {value}{more}"
    gaps = " and ".join(criterion.found for criterion in criteria[:2] if criterion.found)
    first = f"{start}, a difference of {gaps}" if gaps else start
    return criteria, _sentence([f"{first} ({lowest['n_cases']} images)", concordance.found], None)


def _sentence(parts: Sequence[str], n_cases: int | None) -> str:
    text = joined(parts)
    over = "" if n_cases is None else f" ({n_cases} images)"
    return f"{text[0].upper()}{text[1:]}{over}."


# ---------------------------------------------------------------------------------------- conclusions of the experiment


def conclusions(effects: pd.DataFrame) -> pd.DataFrame:
    """What each annotator would conclude on each effect.

    With subjects as units it is the verdict of the test. With images as units p-values are too small, so it is the
    direction where η² is 0.14 or more, else none.

    Args:
        effects: What `segassay.tables.effects.effects` returns.

    Returns:
        One row per measurement and pair of groups, pooled over regions, one column per annotator: `higher`, `lower`,
        `none`, or NaN where nothing could be tested. Densities are left out where they repeat the counts.
    """
    tested = _without_repeated_densities(decisive_effects(effects))
    by_size = np.where(tested["direction"].astype(float) > 0, "higher", "lower")
    by_size = np.where(tested["eta_squared"].astype(float) >= LARGE_EFFECT, by_size, "none")
    said = tested["verdict"].where(tested["unit"] == "subject", by_size)
    table = tested.assign(said=said.where(tested["verdict"] != "not_testable"))
    return table.pivot(index=["measure", "contrast"], columns="annotator", values="said")


def _without_repeated_densities(tested: pd.DataFrame) -> pd.DataFrame:
    keys = ["annotator", "contrast"]
    columns = [*keys, "statistic", "hl_shift"]
    counts, densities = (tested[tested["measure"] == name][columns] for name in ("count", "density"))
    both = counts.merge(densities, on=keys, suffixes=("", "_of_density"))
    repeated = len(both) == len(densities) and all(
        np.allclose(both[name].astype(float), both[f"{name}_of_density"].astype(float), equal_nan=True)
        for name in ("statistic", "hl_shift")
    )
    return tested[tested["measure"] != "density"] if repeated else tested


def _concordance(effects: pd.DataFrame, judged: Judged, raters: Sequence[str]) -> Criterion:
    """Whether the judged annotators lead to the raters' conclusions as often as raters do to each other's."""
    name = "concordance of effects"
    if effects.empty:
        return Criterion(name, None, missing="no experiment with a control group")
    said = conclusions(effects)
    people = [rater for rater in raters if rater in said]
    if len(people) < 2:
        return Criterion(name, None, missing=_NO_SECOND_RATER)
    own = {who: _share_alike(said, who, people) for who in [*people, *judged.names] if who in said}
    shares = [own.get(who, math.nan) for who in judged.names]
    human = [own[rater] for rater in people]
    if not np.isfinite([*shares, *human]).all():
        return Criterion(name, None, missing="too few units of the experiment to test an effect")
    found = concordance_found(min(shares), min(human), max(human))
    refuted = any(_refuted(effects, said, who, people) for who in judged.names)
    if refuted:
        return Criterion(name, False, found)
    if min(shares) >= min(human) - 1e-9:
        return Criterion(name, True, found)
    why = "too few units of the experiment: conclusions differ from the raters', though the effects may be as large"
    return Criterion(name, None, found, why)


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
