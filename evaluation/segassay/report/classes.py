"""The section of several classes: verdicts and headlines of each, and agreement on classes.

Results with tables of classes  ->  rows with links, tables whose cells are text
"""

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote

import pandas as pd

from segassay.data.annotations import raters_of
from segassay.judgement.classes import MEAN, WHERE_MARKED, class_names, class_paths
from segassay.judgement.judged import judged_annotators
from segassay.judgement.results import Results
from segassay.judgement.sentences import format_interval
from segassay.judgement.summary import judged_in, outcome_of
from segassay.qualities.catalogue import CATALOGUE
from segassay.qualities.scores.measure import LEAVE_ONE_OUT, PAIRWISE
from segassay.qualities.scores.table import BETWEEN_RATERS
from segassay.report.cards import OUTCOMES
from segassay.report.sections import Table
from segassay.tables.classes import UNITS

__all__ = ["ClassRow", "ClassSection", "class_section"]

_DASH = "–"
_WORDS = {"f1": "F1", "dice": "Dice"}
_COEFFICIENTS = {"fleiss_kappa": "Fleiss’ κ", "krippendorff_alpha": "Krippendorff’s α", "gwet_ac1": "Gwet’s AC1"}
_UNITS = {
    "pixels": "pixels that a rater marks, with background",
    "marked_pixels": "pixels that two raters mark",
    "objects": "objects that two raters found",
}


@dataclass(frozen=True)
class ClassRow:
    """One class, or the mean over classes.

    Attributes:
        name: Its name.
        href: Address of its report, relative to this one; empty without.
        verdicts: Quality, outcome (`yes`, `no`, `open`), word and sentence of each verdict; none of a mean.
        scores: Headlines in the order of `ClassSection.header`.
    """

    name: str
    href: str
    verdicts: tuple[tuple[str, str, str, str], ...]
    scores: tuple[str, ...]


@dataclass(frozen=True)
class ClassSection:
    """What the report says about classes.

    Attributes:
        judged: What there are verdicts of.
        together: The verdicts of all classes together alone.
        header: What the scores are.
        rows: The classes.
        mean: The mean over classes; None without scores.
        n_in_mean: Lowest number of classes in any of the means.
        agreement: Agreement of all raters on classes beyond chance; without rows if there is none.
        pairs: Cohen's κ of each pair of raters.
    """

    judged: tuple[str, ...]
    together: str
    header: tuple[str, ...]
    rows: tuple[ClassRow, ...]
    mean: ClassRow | None
    n_in_mean: int
    agreement: Table
    pairs: Table


def class_section(found: Results, *, links: bool = True) -> ClassSection | None:
    """The section; None if masks have one class.

    Args:
        found: The evaluation of all classes together.
        links: Whether the reports of the classes lie beside this one.
    """
    names = class_names(found.summary)
    if not names:
        return None
    table, paths = found.of_classes["classes"], class_paths(names)
    shown = list(_shown(found, table))
    keys = [key for _, key in shown]
    judged = judged_in(found.summary)
    judged = judged[:1] if "raters" in judged else judged  # without models only the raters can be judged
    rows = tuple(
        ClassRow(
            name,
            quote(f"{paths[name]}/report.html") if links else "",
            tuple(_verdict(quality, found.summary["classes"][name][quality]) for quality in judged),
            tuple(_scores(table[table["n_classes"].eq(0) & table["class"].eq(name)], keys)),
        )
        for name in names
    )
    means = table[table["n_classes"].gt(0) & table["class"].eq(MEAN)]
    n_in_mean = [int(_one(means, key)["n_classes"].min()) for key in keys if len(_one(means, key))]
    mean = ClassRow("mean over classes", "", (), tuple(_scores(means, keys))) if n_in_mean else None
    header = tuple(_in_words(base, target) for base, (_, _, target) in shown)
    agreement = found.of_classes["class_agreement"]
    alone = found.summary.get("together", found.summary)
    together = ", ".join(f"{quality} {_verdict(quality, alone[quality])[2]}" for quality in judged)
    return ClassSection(
        judged, together, header, rows, mean, min(n_in_mean, default=0), _agreement(agreement), _pairs(agreement, found)
    )


def _shown(found: Results, table: pd.DataFrame) -> Iterator[tuple[str, tuple[str, str, str]]]:
    """F1 and Dice between raters, and of the first judged annotator with the raters, where the class is marked.

    Yields:
        `f1` or `dice`, and its row.
    """
    judged = judged_annotators(found.annotations).names[:1]
    for quality, target in (("objectivity", BETWEEN_RATERS), *(("validity", name) for name in judged)):
        own = table[table["quality"].eq(quality) & table["target"].eq(target)]
        for base in _WORDS:
            record = CATALOGUE[f"{quality}/{base}"]
            names = [f"{record.form('', kind).name}{WHERE_MARKED}" for kind in ("", LEAVE_ONE_OUT, PAIRWISE)]
            measures = own.loc[own["measure"].isin(names), "measure"]
            if len(measures):
                yield base, (quality, str(measures.iloc[0]), target)


def _one(table: pd.DataFrame, key: tuple[str, str, str]) -> pd.DataFrame:
    quality, measure, target = key
    return table[table["quality"].eq(quality) & table["measure"].eq(measure) & table["target"].eq(target)]


def _scores(table: pd.DataFrame, keys: list[tuple[str, str, str]]) -> Iterator[str]:
    for key in keys:
        rows = _one(table, key)
        known = len(rows) > 0 and pd.notna(rows["value"].iloc[0])
        yield format_interval(*rows[["value", "low", "high"]].iloc[0]) if known else _DASH


def _in_words(base: str, target: str) -> str:
    return f"{_WORDS[base]} {target if target == BETWEEN_RATERS else f'of {target} with the raters'}"


def _verdict(quality: str, judged: dict[str, str]) -> tuple[str, str, str, str]:
    word, _ = outcome_of(judged)
    return quality, OUTCOMES.get(word, "open"), word, judged["sentence"]


def _agreement(table: pd.DataFrame) -> Table:
    own = table[table["target"].eq(BETWEEN_RATERS)]
    rows = [
        [words, *(_number(own[own["measure"].eq(measure) & own["unit"].eq(unit)]) for unit in UNITS)]
        for measure, words in _COEFFICIENTS.items()
        if len(own)
    ]
    return Table(("beyond chance", *_UNITS.values()), rows, "tables/class_agreement.csv")


def _pairs(table: pd.DataFrame, found: Results) -> Table:
    raters = raters_of(found.kinds)
    own = table[table["annotator_a"].isin(raters) & table["annotator_b"].isin(raters)]
    rows = [
        [str(target), *(_number(of_pair[of_pair["unit"].eq(unit)]) for unit in UNITS)]
        for target, of_pair in own.groupby("target", sort=False)
    ]
    return Table(("Cohen’s κ", *_UNITS.values()), rows, "tables/class_agreement.csv")


def _number(rows: pd.DataFrame) -> str:
    known = len(rows) > 0 and pd.notna(rows["value"].iloc[0])
    return format_interval(*rows[["value", "low", "high"]].iloc[0]) if known else _DASH
