"""Several evaluations side by side: what changed, and by how much on the cases that were scored against the same masks.

{label: Results}  ->  tables: evaluations, verdicts, criteria, settings, annotators, cases, scores, differences
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from segassay.data.annotations import is_trained
from segassay.data.dataset import units_of
from segassay.data.facets import is_exchangeable
from segassay.data.named_channels import intensities_in
from segassay.errors import UsageError, number_of, shortlist
from segassay.judgement.classes import class_names
from segassay.judgement.results import Results
from segassay.judgement.sentences import format_interval
from segassay.judgement.summary import judged_in, outcome_of
from segassay.qualities.scores.groups import RATERS, strategy_groups
from segassay.qualities.scores.table import MEASURES, Agreement
from segassay.qualities.scores.values import values_of
from segassay.statistics.groups import holm
from segassay.statistics.intervals import paired_difference
from segassay.statistics.permutation import sign_flip_p

__all__ = ["Comparison", "compare_evaluations"]

_ROUNDING = 1e-9
_WORDS = {"f1": "F1", "mean_iou": "mean IoU", "dice": "Dice"}
_FINGERPRINT = (
    ("counts", ("annotator",), ("n_objects", "area_px", "region_area_px")),  # and the intensity of each channel
    ("agreement", ("annotator_a", "annotator_b"), ("f1", "mean_iou", "dice")),
    ("distances", ("annotator_a", "annotator_b"), ("hd95", "assd", "shift")),
    ("mirrored", ("annotator", "rater"), ("dice",)),
)
"""Tables, the annotators of a row, and numbers that are hardly equal for other masks: those of mirrored masks depend on
where in the image the objects lie."""


@dataclass(frozen=True, eq=False)
class Comparison:
    """What differs between evaluations; the first is what the others are compared with.

    Attributes:
        labels: Names of the evaluations.
        changes: Label of each other evaluation -> sentences; a single one if nothing changed.
        tables: Name -> table, tidy: one row per evaluation and verdict, criterion, setting, annotator, case or score;
            `differences` has one row per other evaluation, annotator or group, and measure.
    """

    labels: tuple[str, ...]
    changes: Mapping[str, tuple[str, ...]]
    tables: Mapping[str, pd.DataFrame]


def compare_evaluations(found: Mapping[str, Results]) -> Comparison:
    """Compare evaluations with the first of them.

    A case is the same in two evaluations if raters, references and truth are, and their numbers too: the masks of a
    case with the same name may be others. Scores are compared on such cases only, annotator by annotator and group by
    group of the same name.

    Args:
        found: Label -> evaluation, two or more.

    Returns:
        What changed. `differences`: `evaluation, name, measure, n_annotators, mean_first, mean, difference` (minus the
        first), `low, high` (95 % interval over subjects, else cases), `p` (sign-flip test), `p_adjusted` (Holm over
        all rows of an evaluation), `n_cases, against`.

    Raises:
        UsageError: If there are fewer than two evaluations.
    """
    if len(found) < 2:
        raise UsageError(f"expected two or more evaluations to compare, got {len(found)}")
    labels = tuple(found)
    scored = {label: _Scored(one) for label, one in found.items()}
    first, others = scored[labels[0]], labels[1:]
    same = {label: _same_cases(first, one) for label, one in scored.items()}
    parts = {label: _differences(first, scored[label], same[label]) for label in others}
    differences = pd.concat([part.assign(evaluation=label) for label, part in parts.items()], ignore_index=True)
    tables = {
        "evaluations": _evaluations(found),
        "verdicts": _verdicts(found),
        "criteria": _criteria(found),
        "settings": _settings(found),
        "annotators": _annotators(found),
        "cases": _cases(found, same),
        "scores": _scores(found),
        "differences": differences[["evaluation", *_DIFFERENCE_COLUMNS]],
    }
    changes = {label: tuple(_changes(first.found, found[label], same[label], parts[label])) for label in others}
    return Comparison(labels, changes, tables)


def _evaluations(found: Mapping[str, Results]) -> pd.DataFrame:
    rows = [
        {
            "evaluation": label,
            "dataset": one.name,
            "n_cases": one.annotations["case"].nunique(),
            "n_annotators": len(one.kinds),
            "data_hash": _hash(one),
        }
        for label, one in found.items()
    ]
    return pd.DataFrame(rows)


def _verdicts(found: Mapping[str, Results]) -> pd.DataFrame:
    rows = [
        (quality, label, one.summary[quality]["verdict"], one.summary[quality]["sentence"])
        for label, one in found.items()
        for quality in judged_in(one.summary)
    ]
    return pd.DataFrame(rows, columns=["quality", "evaluation", "verdict", "sentence"])


def _criteria(found: Mapping[str, Results]) -> pd.DataFrame:
    words = {True: "met", False: "not met", None: "undecided"}
    rows = [
        (quality, part["name"], label, words[part["holds"]] if part["counts"] else "does not judge", part["found"])
        for label, one in found.items()
        for quality in judged_in(one.summary)
        for part in one.summary[quality]["criteria"]
    ]
    return pd.DataFrame(rows, columns=["quality", "criterion", "evaluation", "holds", "found"])


def _stated(one: Results) -> dict[str, str]:
    """Conventions, settings, rules and versions by name."""
    policy = {name: value for name, value in one.summary["policy"].items() if name not in ("notes", "warnings")}
    versions = {f"version of {name}": of for name, of in one.summary["versions"].items()}
    return dict(_flat(policy)) | _rules(one) | versions


def _rules(one: Results) -> dict[str, str]:
    return {f"rule of {quality}": one.summary[quality]["rule"] for quality in judged_in(one.summary)}


def _flat(settings: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{name}.")
        elif not (before == "both_empty." and name != "convention"):  # numbers of comparisons, no settings
            yield f"{before}{name}", str(value)


def _settings(found: Mapping[str, Results]) -> pd.DataFrame:
    stated = {label: _stated(one) for label, one in found.items()}
    names = dict.fromkeys(name for of in stated.values() for name in of)
    rows = []
    for name in names:
        values = {label: of.get(name, "") for label, of in stated.items()}
        rows += [(name, label, value, len(set(values.values())) > 1) for label, value in values.items()]
    return pd.DataFrame(rows, columns=["setting", "evaluation", "value", "differs"])


def _annotators(found: Mapping[str, Results]) -> pd.DataFrame:
    names = dict.fromkeys(name for one in found.values() for name in one.kinds)
    n_cases = {label: one.annotations.groupby("annotator")["case"].nunique() for label, one in found.items()}
    rows = [
        (name, label, one.kinds.get(name, ""), int(n_cases[label].get(name, 0)))
        for name in names
        for label, one in found.items()
    ]
    return pd.DataFrame(rows, columns=["annotator", "evaluation", "kind", "n_cases"])


def _cases(found: Mapping[str, Results], same: Mapping[str, list[str]]) -> pd.DataFrame:
    names = dict.fromkeys(case for one in found.values() for case in one.annotations["case"])
    there = {label: set(one.annotations["case"]) for label, one in found.items()}
    rows = [(case, label, case in there[label], case in same[label]) for case in names for label in found]
    return pd.DataFrame(rows, columns=["case", "evaluation", "is_there", "same_as_first"])


def _scores(found: Mapping[str, Results]) -> pd.DataFrame:
    columns = ["quality", "measure", "target", "words", "value", "low", "high", "n_cases", "base", "comparison"]
    parts = [one.scores[columns].assign(evaluation=label) for label, one in found.items()]
    rows = pd.concat(parts, ignore_index=True)
    rank = (
        rows.drop_duplicates(["quality", "measure", "target"]).reset_index().set_index(["quality", "measure", "target"])
    )
    at = rank["index"].reindex(pd.MultiIndex.from_frame(rows[["quality", "measure", "target"]])).to_numpy()
    order = ["quality", "measure", "target", "words", "evaluation", *columns[4:]]
    return rows.iloc[np.argsort(at, kind="stable")][order].reset_index(drop=True)


def _people(one: Results) -> list[str]:
    """Raters, references and truth."""
    return [name for name, kind in one.kinds.items() if not is_trained(kind)]


def _numbers(one: Results, names: Sequence[str]) -> dict[str, dict[tuple[str, ...], tuple[float, ...]]]:
    """Case -> numbers of the masks of these annotators, and of each two of them."""
    found: dict[str, dict[tuple[str, ...], tuple[float, ...]]] = {}
    for table, keys, columns in _FINGERPRINT:
        rows: pd.DataFrame = getattr(one.tables, table)
        if rows.empty:
            continue
        rows = rows[rows[list(keys)].isin(list(names)).all(axis=1)]
        rows = rows[rows["iou_threshold"] == 0.5] if "iou_threshold" in rows else rows
        of_each = {table: list(columns)} | {name: [name] for name in intensities_in(list(rows))}
        for name, own in of_each.items():
            of = rows[["case", *keys]].itertuples(index=False, name=None)
            for (case, *who), numbers in zip(of, rows[own].astype(float).to_numpy(), strict=True):
                found.setdefault(case, {})[(name, *who)] = tuple(numbers)
    return found


def _equal(a: Mapping[tuple[str, ...], tuple[float, ...]], b: Mapping[tuple[str, ...], tuple[float, ...]]) -> bool:
    """Whether all numbers are equal; intensities of a channel that only one has say nothing of the masks."""
    alone = {key[0] for key in a.keys() ^ b.keys()}
    return len(intensities_in(list(alone))) == len(alone) and all(
        np.allclose(a[key], b[key], rtol=_ROUNDING, atol=_ROUNDING, equal_nan=True) for key in a.keys() & b.keys()
    )


class _Scored:
    """An evaluation with what is looked up in it again and again."""

    def __init__(self, found: Results) -> None:
        self.found = found
        self.masks = _numbers(found, _people(found))
        tables, one_way = found.tables, is_exchangeable(found.annotations)
        self._agreement = Agreement(tables.agreement, tables.leave_one_out, one_way=one_way)

    def values(self, names: list[str], measure: str) -> tuple[pd.Series, str]:
        """Mean over annotators of the score of each case, and what it is against."""
        values, against = values_of(
            names, measure, agreement=self._agreement, counts=self.found.tables.counts, kinds=self.found.kinds
        )
        return (values.mean(axis=1) if len(values.columns) else pd.Series(dtype=float)), against


def _same_cases(first: _Scored, other: _Scored) -> list[str]:
    """Cases that have the same raters, references and truth in both, with the same numbers."""
    ours, theirs = first.masks, other.masks
    return [case for case in ours if case in theirs and _equal(ours[case], theirs[case])]


_DIFFERENCE_COLUMNS = [
    *("name", "measure", "n_annotators", "mean_first", "mean", "difference", "low", "high", "p", "p_adjusted"),
    *("n_cases", "against"),
]


def _differences(first: _Scored, other: _Scored, cases: Sequence[str]) -> pd.DataFrame:
    """Paired differences of all annotators, and groups of annotators, that both evaluations have, on these cases."""
    ours, theirs = _compared(first.found), _compared(other.found)
    clusters = units_of(other.found.subjects)
    rows = []
    for name in (one for one in ours if one in theirs and cases):
        for measure in MEASURES:
            (a, against), (b, _) = first.values(ours[name], measure), other.values(theirs[name], measure)
            both = pd.concat([a, b], axis=1, join="inner")
            both = both.reindex([case for case in cases if case in both.index]).dropna()
            if both.empty:
                continue
            before, after = both.to_numpy(dtype=float).T
            of = clusters.reindex(both.index).to_numpy()
            change = paired_difference(after, before, of)
            rows.append(
                {"name": name, "measure": measure, "n_annotators": len(theirs[name]), "mean_first": before.mean()}
                | {"mean": after.mean(), "difference": change.value, "low": change.low, "high": change.high}
                | {"p": sign_flip_p(after - before, of), "n_cases": len(both), "against": against}
            )
    table = pd.DataFrame(rows, columns=_DIFFERENCE_COLUMNS)
    return table.assign(p_adjusted=holm(table["p"].to_numpy(dtype=float)))


def _compared(one: Results) -> dict[str, list[str]]:
    """Groups of several models or ensembles, then each of these alone: name -> annotators."""
    groups = [group for group in strategy_groups(one.people) if group.target != RATERS]
    several = {group.target: group.names for group in groups if len(group.names) > 1}
    return several | {name: [name] for group in groups for name in group.names}


def _changes(first: Results, other: Results, same: Sequence[str], differences: pd.DataFrame) -> Iterator[str]:
    """Sentences about what differs; one that says so if nothing does."""
    found = [
        *_changed_verdicts(first, other),
        *_changed_data(first, other),
        *_changed_masks(first, other, len(same)),
        *_changed_settings(first, other),
        *_changed_scores(first, other, differences),
    ]
    yield from found or [
        "Nothing changed: the data, the settings, the versions, the verdicts and all scores are the same."
    ]


def _changed_verdicts(first: Results, other: Results) -> Iterator[str]:
    for quality in dict.fromkeys((*judged_in(first.summary), *judged_in(other.summary))):
        before, after = (
            outcome_of(one.summary[quality]) if quality in one.summary else ("not asked", "") for one in (first, other)
        )
        now = after[0]
        if before[0] != now:
            yield f"Verdict of {quality}: {before[0]} → {now}."
        elif before != after:
            yield f"Verdict of {quality}: {now}, for another reason."


def _changed_data(first: Results, other: Results) -> Iterator[str]:
    if first.name != other.name:
        yield f"Dataset: {first.name} → {other.name}."
    before, after = (str(one.summary["data_hash"]) for one in (first, other))
    if before != after:
        yield f"The data differ: hash {before[:12]} → {after[:12]}."
    elif (before := _hash(first)) != (after := _hash(other)):
        yield f"The dataset is the same; the masks that were evaluated differ: hash {before[:12]} → {after[:12]}."
    ours, theirs = (list(dict.fromkeys(one.annotations["case"])) for one in (first, other))
    yield from _only("case", ours, theirs)
    yield from _only("annotator", list(first.kinds), list(other.kinds))
    before, after = (", ".join(class_names(one.summary)) or "one foreground" for one in (first, other))
    if before != after:
        yield f"Classes: {before} → {after}."
    for name in first.kinds:
        if name in other.kinds and first.kinds[name] != other.kinds[name]:
            yield f"{name} is a {first.kinds[name]} in the first evaluation and a {other.kinds[name]} here."


def _hash(one: Results) -> str:
    """Hash of all masks that were evaluated."""
    return str(one.summary.get("masks_hash", one.summary["data_hash"]))


def _only(what: str, ours: list[str], theirs: list[str]) -> Iterator[str]:
    for where, names in (
        ("only in the first evaluation", [name for name in ours if name not in theirs]),
        ("only here", [name for name in theirs if name not in ours]),
    ):
        if names:
            yield f"{number_of(len(names), what)} {where}: {shortlist(names)}."


def _changed_masks(first: Results, other: Results, n_same: int) -> Iterator[str]:
    for name in (one for one in first.kinds if one in other.kinds):
        ours, theirs = _numbers(first, [name]), _numbers(other, [name])
        shared = [case for case in ours if case in theirs]
        changed = [case for case in shared if not _equal(ours[case], theirs[case])]
        if changed:
            of = number_of(len(shared), "shared case")
            yield f"{name} has other masks in {len(changed)} of {of}, by their numbers."
    n_shared = len(set(first.annotations["case"]) & set(other.annotations["case"]))
    if n_same < n_shared:
        what = "none is" if not n_same else f"{n_same} {'is' if n_same == 1 else 'are'}"
        yield (
            f"Of {number_of(n_shared, 'case')} with the same name, {what} scored against the same masks of "
            "raters, references and truth; scores are compared on these alone."
        )
    elif not n_shared:
        yield "No case is in both, so no score can be compared case by case."


def _changed_settings(first: Results, other: Results) -> Iterator[str]:
    ours, theirs = _stated(first), _stated(other)
    rules = _rules(first) | _rules(other)
    for name in dict.fromkeys((*ours, *theirs)):
        before, after = ours.get(name, "–"), theirs.get(name, "–")
        if before != after and name in rules:
            yield f"The {name} has another text."
        elif before != after and name != "intervals.n_units":
            yield f"{name}: {before} → {after}."


def _changed_scores(first: Results, other: Results, differences: pd.DataFrame) -> Iterator[str]:
    keys = ["quality", "measure", "target"]
    both = first.scores[[*keys, "value", "low", "high"]].merge(
        other.scores[[*keys, "value", "low", "high"]], on=keys, how="outer", indicator=True, suffixes=("_a", "_b")
    )
    shared = both[both["_merge"] == "both"]
    a, b = (shared[[f"{name}{end}" for name in ("value", "low", "high")]].to_numpy(float) for end in ("_a", "_b"))
    n_changed = int((~np.isclose(a, b, rtol=_ROUNDING, atol=_ROUNDING, equal_nan=True)).any(axis=1).sum())
    if n_changed:
        yield f"{n_changed} of {number_of(len(shared), 'shared score')} have another value or interval."
    n_only = int((both["_merge"] != "both").sum())
    if n_only:
        yield f"{number_of(n_only, 'score')} {'is' if n_only == 1 else 'are'} in only one of the two evaluations."
    for row in differences[differences["p_adjusted"] < 0.05].to_dict("records"):
        change = format_interval(row["difference"], row["low"], row["high"])
        about = f"{_WORDS[row['measure']]} {change} {row['against']}"
        yield f"{row['name']}: {about}, {row['n_cases']} cases, adjusted p = {row['p_adjusted']:.2g}."
