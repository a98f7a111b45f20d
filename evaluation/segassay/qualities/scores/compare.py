"""Two annotators on the same cases, and scores within regions, batches or other subgroups.

    Evaluation  ->  score of each case  ->  compare (difference, interval, p), scores_by (one row per subgroup)

Both annotators are scored against the same masks: C₋r of the same raters r, else the raters who are neither of the
two, else a truth or a reference.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import pandas as pd

from segassay.data.annotations import is_rater, is_trained, raters_of
from segassay.data.dataset import units_of
from segassay.errors import UsageError
from segassay.qualities.scores.measure import QUANTITY_WORDS
from segassay.qualities.scores.table import MEASURES, Agreement, annotator_kinds
from segassay.qualities.scores.values import values_of
from segassay.statistics.groups import holm
from segassay.statistics.intervals import mean_interval, paired_difference
from segassay.statistics.permutation import sign_flip_p
from segassay.tables.build import Tables

__all__ = ["compare", "latex_table", "scores_by"]


class _Evaluated(Protocol):
    """What both need of an `Evaluation`."""

    @property
    def tables(self) -> Tables: ...
    @property
    def annotations(self) -> pd.DataFrame: ...
    @property
    def subjects(self) -> pd.Series: ...


def compare(
    evaluation: _Evaluated,
    a: str,
    b: str,
    *,
    measures: Sequence[str] = MEASURES,
    level: float = 0.95,
) -> pd.DataFrame:
    """Compare two tools, models or raters, case by case.

    Intervals and tests are over subjects where the experiment of the evaluation names them, else over cases.

    Args:
        evaluation: What `segassay.evaluate` returns.
        a: Name of an annotator.
        b: Name of another.
        measures: Any of `f1`, `mean_iou` and `dice`.
        level: Coverage of the intervals.

    Returns:
        One row per measure: `measure, a, b, mean_a, mean_b, difference` (a minus b), `low, high` (95 % interval), `p`
        (two-sided sign-flip test), `p_adjusted` (Holm over the measures), `n_cases` with both, `n_left_out` with only
        one of them, `against`. Write it with `to_csv` or `latex_table`. A missing prediction scores 0, as everywhere.

    Raises:
        UsageError: If an annotator or a measure is unknown, or the two have no scored case in common.

    Example:
        >>> import numpy as np
        >>> from segassay import evaluate
        >>> truth = {str(i): np.arange(64).reshape(8, 8) < 30 for i in range(4)}
        >>> good = {case: np.roll(mask, 1, axis=1) for case, mask in truth.items()}
        >>> poor = {case: np.roll(mask, 3, axis=0) for case, mask in truth.items()}
        >>> kinds = {"good": "model", "poor": "model"}
        >>> found = compare(evaluate(masks={"truth": truth, "good": good, "poor": poor}, kinds=kinds), "good", "poor")
        >>> found[["measure", "n_cases", "p"]].values.tolist()[-1]
        ['dice', 4, 0.125]

    References:
        Fisher (1935), The Design of Experiments, section 21; Holm (1979), Scand. J. Stat. 6(2):65-70.
    """
    kinds = annotator_kinds(evaluation.annotations)
    _check(kinds, [a, b], measures)
    rows = []
    for measure in measures:
        both, against = _against_the_same(evaluation, a, b, measure, kinds)
        paired = both.dropna()
        if paired.empty:
            raise UsageError(f"{a} and {b} have no case in common that both are scored on; compare annotators that do")
        own = _clusters(evaluation, paired.index)
        first, second = (paired[name].to_numpy(dtype=float) for name in (a, b))
        found = paired_difference(first, second, own, level)
        rows.append(
            {"measure": measure, "a": a, "b": b, "mean_a": first.mean(), "mean_b": second.mean()}
            | {"difference": found.value, "low": found.low, "high": found.high}
            | {"p": sign_flip_p(first - second, own), "p_adjusted": np.nan}
            | {"n_cases": len(paired), "n_left_out": len(both) - len(paired), "against": against}
        )
    table = pd.DataFrame(rows)
    return table.assign(p_adjusted=holm(table["p"].to_numpy()))


def scores_by(
    evaluation: _Evaluated,
    subgroups: pd.Series,
    *,
    measures: Sequence[str] = MEASURES,
    level: float = 0.95,
) -> pd.DataFrame:
    """Scores of every rater, model and ensemble within each region, batch, scanner or other subgroup of cases.

    Intervals are over subjects where the experiment of the evaluation names them, else over cases.

    Args:
        evaluation: What `segassay.evaluate` returns.
        subgroups: Case -> name of its subgroup, such as `experiment.set_index("case")["region"]`.
        measures: As for `compare`.
        level: Coverage of the intervals.

    Returns:
        One row per annotator, measure and subgroup: `annotator, measure, subgroup, value, low, high, n_cases,
        n_undefined, against`; cases without a subgroup are the subgroup `""`. Without limits for a single case or
        subject. Differences between subgroups that are chosen after looking are not tested.

    Raises:
        UsageError: If a measure is unknown, or no case has a subgroup.

    Example:
        >>> from segassay import evaluate
        >>> mask = np.zeros((32, 32), dtype=bool)
        >>> mask[4:12, 4:12] = True
        >>> masks = {name: dict.fromkeys(["1", "2"], mask) for name in ("anna", "ben")}
        >>> found = scores_by(evaluate(masks=masks), pd.Series({"1": "CA1", "2": "CA3"}), measures=["f1"])
        >>> found[["annotator", "subgroup", "value"]].to_numpy().tolist()
        [['anna', 'CA1', 1.0], ['anna', 'CA3', 1.0], ['ben', 'CA1', 1.0], ['ben', 'CA3', 1.0]]
    """
    kinds = annotator_kinds(evaluation.annotations)
    names = [name for name, kind in kinds.items() if is_rater(kind) or is_trained(kind)]
    _check(kinds, names, measures)
    if not subgroups.index.isin(evaluation.annotations["case"]).any():
        raise UsageError("no case of the evaluation has a subgroup; index the subgroups by the names of the cases")
    agreement, counts = (
        Agreement(evaluation.tables.agreement, evaluation.tables.leave_one_out),
        evaluation.tables.counts,
    )
    rows = []
    for measure in measures:
        for name in names:
            values, against = values_of([name], measure, agreement=agreement, counts=counts, kinds=kinds)
            own = values[name] if name in values else pd.Series(dtype=float)
            subgroup = subgroups.reindex(own.index).fillna("").astype(str)
            for part in sorted(subgroup.unique()):
                of_part = own[subgroup == part]
                found = mean_interval(of_part.to_numpy(dtype=float), _clusters(evaluation, of_part.index), level)
                rows.append(
                    {"annotator": name, "measure": measure, "subgroup": part}
                    | {"value": found.value, "low": found.low, "high": found.high}
                    | {"n_cases": found.n_cases, "n_undefined": found.n_undefined, "against": against}
                )
    columns = ["annotator", "measure", "subgroup", "value", "low", "high", "n_cases", "n_undefined", "against"]
    return pd.DataFrame(rows, columns=columns)


def latex_table(compared: pd.DataFrame) -> str:
    """A table of `compare` for a manuscript, with the rules of the package booktabs.

    Args:
        compared: What `compare` returns, or several of them, concatenated.

    Returns:
        LaTeX, special characters escaped; the p is that adjusted by Holm. Without rows only the head of the table.

    Example:
        >>> row = {"measure": "f1", "a": "net_1", "b": "net_2", "mean_a": 0.8, "mean_b": 0.7, "difference": 0.1,
        ...        "low": 0.05, "high": 0.15, "p": 0.0001, "p_adjusted": 0.0003, "n_cases": 36}
        >>> print(latex_table(pd.DataFrame([row])).splitlines()[4])
        F1 & net\\_1 & net\\_2 & 0.800 & 0.700 & 0.100 (0.050 to 0.150) & $<$ .001 & 36 \\\\
    """
    head = "measure & A & B & mean A & mean B & difference (95\\,\\% interval) & $p$ & cases"
    lines = ["\\begin{tabular}{lllrrlrr}", "\\toprule", f"{head} \\\\", "\\midrule"]
    for row in compared.to_dict("records"):
        p = "$<$ .001" if row["p_adjusted"] < 0.001 else f"{row['p_adjusted']:.3f}".removeprefix("0")
        measure = QUANTITY_WORDS.get(str(row["measure"]), str(row["measure"]))
        interval = "" if pd.isna(row["low"]) else f" ({row['low']:.3f} to {row['high']:.3f})"
        cells = [
            *map(_escaped, (measure, str(row["a"]), str(row["b"]))),
            f"{row['mean_a']:.3f}",
            f"{row['mean_b']:.3f}",
        ]
        lines.append(" & ".join([*cells, f"{row['difference']:.3f}{interval}", p, str(row["n_cases"])]) + " \\\\")
    return "\n".join([*lines, "\\bottomrule", "\\end{tabular}"]) + "\n"


_SPECIAL = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
_SPECIAL |= {sign: f"\\{sign}" for sign in "&%$#_{}"}


def _escaped(text: str) -> str:
    return "".join(_SPECIAL.get(sign, sign) for sign in text)


def _check(kinds: dict[str, str], names: Sequence[str], measures: Sequence[str]) -> None:
    for what, given, known in (("annotator", names, list(kinds)), ("measure", measures, list(MEASURES))):
        unknown = [name for name in given if name not in known]
        if unknown:
            raise UsageError(f"there is no {what} {unknown[0]!r}; choose from {', '.join(known)}")
    if len(set(names)) < len(names):
        raise UsageError(f"{names[0]} cannot be compared with itself; name two annotators")


def _against_the_same(
    evaluation: _Evaluated, a: str, b: str, measure: str, kinds: dict[str, str]
) -> tuple[pd.DataFrame, str]:
    """Score of each case of both, each the mean over the masks that both are compared with, and which masks these are.

    A rater r is held against C₋r alone, so that a model beside r is, too.
    """
    agreement = Agreement(evaluation.tables.agreement, evaluation.tables.leave_one_out)
    raters = [name for name in raters_of(kinds) if name not in (a, b)]
    others = [name for name, kind in kinds.items() if kind in ("truth", "consensus") and name not in (a, b)]
    found = [(agreement.with_others(a, measure), agreement.with_others(b, measure), "C₋r")]
    for names, words in ((raters, "the raters"), *(([name], name) for name in others)):
        tables = []
        for one in (a, b):
            of_pairs = agreement.of_pairs([(name, one) for name in names], measure)
            tables.append(of_pairs.set_axis([_other(*pair, one) for pair in _pairs_in(of_pairs)], axis=1))
        found.append((tables[0], tables[1], words))
    for first, second, words in found:
        shared = [name for name in first if name in second]
        if shared:
            cases = first.index.union(second.index, sort=False)
            first, second = first[shared].reindex(cases), second[shared].reindex(cases)
            known = first.notna() & second.notna()
            some = known.any(axis=1)
            means = [one.where(known | ~some.to_numpy()[:, None]).mean(axis=1) for one in (first, second)]
            return pd.concat(means, axis=1, keys=[a, b]).dropna(how="all"), f"against {words}"
    return pd.DataFrame(columns=[a, b]), ""


def _pairs_in(table: pd.DataFrame) -> list[tuple[str, str]]:
    return [(str(pair[0]), str(pair[1])) for pair in table.columns]


def _other(first: str, second: str, one: str) -> str:
    return second if first == one else first


def _clusters(evaluation: _Evaluated, cases: pd.Index) -> np.ndarray:
    """Unit of each case: its subject, else the case itself."""
    return np.asarray(units_of(evaluation.subjects.reindex(cases).fillna("")))
