"""Reporting checklists: what an evaluation knows of each item, and an empty cell where only the author does.

    Results  ->  GRRAS, CLAIM 2024, TRIPOD+AI: topic, known, to add

The topics are in our words; the published checklists have the wording that journals ask for. Of CLAIM and TRIPOD+AI
only the items are here that masks, raters and models bear on.
"""

from collections.abc import Callable, Mapping

import pandas as pd

from segassay.data.annotations import is_trained, raters_of
from segassay.judgement.results import Results
from segassay.judgement.sentences import format_interval

__all__ = ["CHECKLISTS", "checklists"]

_Known = Callable[[Results], str]
_COLUMNS = ("checklist", "item", "topic", "known", "author", "source")


def _raters(found: Results) -> str:
    raters = raters_of(found.kinds)
    return f"{len(raters)} raters: {', '.join(raters)}" if raters else ""


def _cases(found: Results) -> str:
    units = found.summary["policy"]["intervals"]
    rows = found.annotations
    masks = rows[rows["annotator"].isin(raters_of(found.kinds))].groupby("annotator", sort=False)["case"].nunique()
    each = f"; masks of each rater: {', '.join(f'{name} {n}' for name, n in masks.items())}" if len(masks) else ""
    return f"{rows['case'].nunique()} images, {units['n_units']} units ({units['unit']}){each}"


def _sessions(found: Results) -> str:
    n = len(found.tables.repeats)
    return f"{n} pairs of sessions of one rater and image" if n else "no rater annotated an image twice"


def _statistics(found: Results) -> str:
    units = found.summary["policy"]["intervals"]
    measures = found.scores["measure"].nunique()
    intervals = (
        f"{100 * units['level']:g} % intervals over units ({units['unit']}), by the method that scores.csv names"
    )
    return f"{measures} measures; {intervals}, conditional on {units['conditional_on']}"


def _agreement(found: Results) -> str:
    rows = found.scores[(found.scores["quality"] == "objectivity") & (found.scores["base"].isin(["f1", "dice"]))]
    shown = rows[rows["target"].isin(["between raters", "all raters"]) & rows["value"].notna()]
    return "; ".join(
        f"{row['words']} {row['target']}: {format_interval(row['value'], row['low'], row['high'])}"
        for row in shown.to_dict("records")
    )


def _reference(found: Results) -> str:
    named = [name for name, kind in found.kinds.items() if kind in ("consensus", "truth")]
    held = "" if found.tables.leave_one_out.empty else "consensus (STAPLE) of all raters but one, for each in turn"
    return "; ".join(part for part in (f"handed in: {', '.join(named)}" if named else "", held) if part)


def _models(found: Results) -> str:
    models = [name for name, kind in found.kinds.items() if is_trained(kind)]
    shown = f"{', '.join(models[:10])}{' …' if len(models) > 10 else ''}"
    return f"{len(models)} models and ensembles: {shown}" if models else ""


def _held_out(found: Results) -> str:
    rows = found.annotations[found.annotations["kind"].map(is_trained)]
    if rows.empty:
        return ""
    n = int(rows["held_out"].eq(True).sum())
    return f"{n} of {len(rows)} predictions are declared to be of images that no training used"


def _missing(found: Results) -> str:
    n = len(found.tables.missing)
    empty = found.summary["policy"]["both_empty"]["convention"]
    return f"{n} missing predictions, which score 0; two empty masks score {empty}"


def _performance(found: Results) -> str:
    return str(found.summary["validity"]["sentence"]) if any(map(is_trained, found.kinds.values())) else ""


def _seeds(found: Results) -> str:
    return str(found.summary["reliability"]["sentence"]) if any(map(is_trained, found.kinds.values())) else ""


def _versions(found: Results) -> str:
    return ", ".join(f"{name} {version}" for name, version in found.summary["versions"].items())


def _data(found: Results) -> str:
    return f"content of all evaluated files: {found.summary['data_hash']}"


def _numbers(found: Results) -> str:
    return "; ".join(filter(None, (_raters(found), _cases(found))))


def _variability(found: Results) -> str:
    return "; ".join(filter(None, (_agreement(found), _sessions(found))))


def _nothing(found: Results) -> str:
    """Only the author knows."""
    return ""


GRRAS = "Kottner et al. 2011, doi:10.1016/j.jclinepi.2010.03.002"
CLAIM = "Tejani et al. 2024, doi:10.1148/ryai.240300"
TRIPOD_AI = "Collins et al. 2024, doi:10.1136/bmj-2023-078378"

CHECKLISTS: Mapping[str, tuple[str, tuple[tuple[str, str, _Known], ...]]] = {
    "grras": (
        GRRAS,
        (
            ("1", "title or abstract says that agreement or reliability was studied", _nothing),
            ("2", "what is measured, and with which device or method", _nothing),
            ("3", "which subjects the result is meant for", _nothing),
            ("4", "which raters the result is meant for", _nothing),
            ("5", "what was known before, and why this study", _nothing),
            ("6", "how the numbers of raters, subjects and repetitions were chosen", _nothing),
            ("7", "how subjects and raters were sampled", _nothing),
            ("8", "how it was rated: time between repetitions, what raters knew", _sessions),
            ("9", "whether ratings were independent", _nothing),
            ("10", "statistical analysis", _statistics),
            ("11", "numbers of raters, subjects and repetitions in fact", _numbers),
            ("12", "characteristics of raters and subjects", _nothing),
            ("13", "agreement and reliability with their uncertainty", _agreement),
            ("14", "what the result means in practice", _nothing),
            ("15", "detailed results", lambda found: "tables/scores.csv and the other tables of this folder"),
        ),
    ),
    "claim": (
        CLAIM,
        (
            ("7, 8", "data: source, dates, inclusion", _data),
            ("12", "missing data", _missing),
            ("14, 15", "reference standard: definition and reason", _reference),
            ("16, 17", "who annotated, with which training and tools", _raters),
            ("18", "variability between and within raters", _variability),
            ("19, 20", "partitions, and at which level they are disjoint", _held_out),
            ("21", "sample size and its reason", _cases),
            ("22, 25, 27", "model and training", _models),
            ("23, 43", "code, model and data that others can get", _versions),
            ("28, 29", "measures and statistical uncertainty", _statistics),
            ("30", "robustness, such as of other seeds", _seeds),
            ("31", "explainability", _nothing),
            ("37, 38", "performance with intervals, also beside people", _performance),
            ("39", "analysis of failures", _nothing),
            ("40, 41", "limitations and use in practice", _nothing),
        ),
    ),
    "tripod_ai": (
        TRIPOD_AI,
        (
            ("5a, 6a", "data and setting", _data),
            ("8a, 8b", "outcome: how and by whom it was determined", _reference),
            ("10", "sample size", _cases),
            ("11", "missing data", _missing),
            ("12a, 16", "development and evaluation data are apart", _held_out),
            ("12c, 15", "how the model was made, and its output", _models),
            ("12e", "measures of performance and how they were chosen", _statistics),
            ("14, 23a", "performance in subgroups, fairness", _nothing),
            ("18f, 22", "code and software", _versions),
            ("23a", "performance with intervals", _performance),
            ("26, 27", "limitations and use in practice", _nothing),
            ("", "stability of the model", _seeds),
        ),
    ),
}
"""Name -> source and items: numbers in the published checklist, topic, what the evaluation knows. Stability over seeds
has no item of its own in TRIPOD+AI."""


def checklists(found: Results) -> dict[str, pd.DataFrame]:
    """Reporting checklists with what an evaluation knows; the column `author` is for what only the author knows.

    Args:
        found: What `segassay.evaluate` returns.

    Returns:
        `grras`, `claim` and `tripod_ai` -> one row per item: `checklist, item, topic, known, author, source`. `known`
        is empty where an evaluation cannot know anything; it states facts and never that an item is fulfilled.

    References:
        Kottner et al. (2011), J. Clin. Epidemiol. 64(1):96-106, doi:10.1016/j.jclinepi.2010.03.002; Tejani et al.
        (2024), Radiol. Artif. Intell. 6(4):e240300, doi:10.1148/ryai.240300; Collins et al. (2024), BMJ 385:e078378,
        doi:10.1136/bmj-2023-078378.
    """
    return {
        name: pd.DataFrame(
            [(name, item, topic, known(found), "", source) for item, topic, known in items], columns=list(_COLUMNS)
        )
        for name, (source, items) in CHECKLISTS.items()
    }
