"""Sections of the report: each answers one question with the rows of a few measures.

scores, records of their measures  ->  sections: title, explanation, rows as text
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from segassay.judgement.sentences import format_interval
from segassay.qualities.catalogue import CATALOGUE
from segassay.qualities.scores.measure import AGAINST
from segassay.qualities.scores.table import ALL_RATERS, BETWEEN_RATERS
from segassay.report.glossary import anchor
from segassay.report.naming import plain_name

__all__ = [
    "SCORES",
    "SECTIONS",
    "Heading",
    "Section",
    "Table",
    "core_scores",
    "sections",
    "side_by_side",
    "terms_of",
    "value_in_words",
]

SCORES = "tables/scores.csv"
MAX_ROWS = 30
"""Rows of a section that the report shows; all rows are in tables/scores.csv."""


@dataclass(frozen=True)
class Table:
    """A table of the report: all cells are text.

    Attributes:
        header: Names of the columns.
        rows: Cells.
        source: File of the same numbers with all digits; may be empty.
        terms: Name of a measure, as in a header or in a column `measure` -> its place in the glossary.
    """

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    source: str = ""
    terms: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Heading:
    """Title and explanation of a section.

    Attributes:
        quality: Quality that the section belongs to.
        title: Title.
        question: What the measures mean and how to read them.
        figure: Name of its figure; may be empty.
        hides_containing: Whether scores against a reference that contains the raters are only in tables/scores.csv.
    """

    quality: str
    title: str
    question: str
    figure: str = ""
    hides_containing: bool = False


@dataclass(frozen=True)
class Section:
    """Measures that answer one question.

    Attributes:
        heading: Title and explanation.
        key: The first number, in words.
        table: The measures.
        n_more: Number of rows that are only in tables/scores.csv.
    """

    heading: Heading
    key: str
    table: Table
    n_more: int


SECTIONS = {
    "imprint": Heading(
        "objectivity",
        "Does a model imitate the rater it was trained on?",
        (
            "Imprint: how much better (in F1) models agree with the rater they were trained on than expected from how "
            "well this rater and these models agree with everyone; 0 is no imprint. Removal of bias: how much better "
            "models of a consensus agree with a rater they never saw than other raters' models do. Williams index: 1 "
            "if an annotator agrees with the raters as well as the raters agree with each other."
        ),
        figure="imprint",
    ),
    "chance": Heading(
        "objectivity",
        "Agreement of raters beyond chance",
        (
            "κ, AC1 and α: 1 is perfect agreement, 0 is chance. If most pixels are background, κ is low although "
            "raters agree nearly everywhere; AC1 does not have this problem."
        ),
    ),
    "measurements": Heading(
        "objectivity",
        "Do raters measure the same?",
        (
            "ICC: share of the variance that is due to the images (A,1: one rater; A,k: the mean of all). Rater "
            "share: share of the variance that is due to the rater. Bias test: small p-values show that a rater counts "
            "or marks more, or less, than the others."
        ),
    ),
    "two raters": Heading(
        "objectivity",
        "Two raters side by side (Bland–Altman)",
        (
            "Mean difference, limits that contain 95 % of the differences, slope of the differences with size, and "
            "Lin's concordance."
        ),
    ),
    "seeds": Heading(
        "reliability",
        "How much does a result change with the seed?",
        (
            "Agreement of ensembles compared with that of models and of raters; standard deviation (sd), coefficient "
            "of variation (cv) and range of mean F1 and counts over seeds; share of pixels, objects and conclusions "
            "that change with the seed (flip rate)."
        ),
    ),
    "variance": Heading(
        "reliability",
        "Where does the variance come from, and how many raters and seeds are needed?",
        (
            "Components of the variance of a score; Φ: reliability of a score averaged over raters and seeds; SEM: "
            "standard error of one measurement; MDC95: smallest change of one image that is not noise. SEM and MDC95 "
            "have the unit of the score."
        ),
    ),
    "members": Heading(
        "reliability",
        "Do more members help?",
        (
            "Disagreement of two ensembles of n members each; it falls as a/√n towards a rest that more members do not "
            "remove."
        ),
        figure="saturation",
    ),
    "probabilities": Heading(
        "reliability",
        "Do probabilities and uncertainties mean what they say?",
        (
            "ECE: mean difference between probability and share of foreground; Brier: mean squared error of the "
            "probabilities. Uncertainty should be high where masks are wrong (AUROC above 0.5) and where raters "
            "disagree (Spearman above 0)."
        ),
    ),
    "ceiling": Heading(
        "validity",
        "Models compared with the worst and the best rater",
        (
            "Difference from the worst and from the best rater on the same images, and score divided by that of the "
            "raters: 1 if a model agrees with the other raters as well as a rater does."
        ),
    ),
    "objects": Heading(
        "validity",
        "Are objects found, and how well are they drawn?",
        (
            "AP: share of objects found, averaged over the overlap that is required; SQ: mean overlap of found "
            "objects; PQ: F1 × SQ; count error: how many objects too many or too few; merges and splits: neighbours "
            "drawn as one object, and single objects drawn as several."
        ),
        hides_containing=True,
    ),
    "amounts": Heading(
        "validity",
        "Are the raters’ amounts measured?",
        (
            "Counts, areas and intensities of each image minus those of the median rater: mean, limits that contain "
            "95 % of the differences, slope with size, Lin’s concordance; ratio of mean amounts with its 90 % interval."
        ),
    ),
    "sizes": Heading(
        "validity",
        "Are small objects missed?",
        "Share of the objects of each size that are found.",
        hides_containing=True,
    ),
    "conclusions": Heading(
        "validity",
        "Would other annotators lead to the same conclusion?",
        (
            "Spread of the effect size η² between annotators; how often their conclusions are those of a rater; "
            "deviations from the majority; share of analyses (choices of annotator, measure, unit, smallest object) "
            "with the same conclusion."
        ),
    ),
    "equivalence": Heading(
        "validity",
        "Are measurements equivalent?",
        (
            "Difference from the raters in multiples of the control mean, with its 90 % interval; equivalent if the "
            "interval lies within the margin that was set beforehand, and there are enough units for how skewed the "
            "differences are."
        ),
    ),
}
"""Key of a section, as records of measures name it -> its heading; in the order of the report."""


def core_scores(scores: pd.DataFrame) -> pd.DataFrame:
    """Rows of F1, mean IoU, Dice and distances, which have tables of their own in the report."""
    return scores[_section_of(scores).isin(["masks", "outlines"])]


def _section_of(scores: pd.DataFrame) -> pd.Series:
    return scores["record"].map({key: record.section for key, record in CATALOGUE.items()})


def sections(scores: pd.DataFrame, first: Sequence[str] = ()) -> list[Section]:
    """Sections that have at least one measure, in their order.

    Args:
        scores: Table of scores.
        first: Annotators whose rows come first, after those of all raters.

    Returns:
        Sections with up to 30 rows each.
    """
    rank = {ALL_RATERS: 0, BETWEEN_RATERS: 0, **dict.fromkeys(first, 1)}
    scores = scores.iloc[np.argsort(scores["target"].map(rank).fillna(2).to_numpy(), kind="stable")]
    section, is_shown = _section_of(scores), _is_shown(scores)
    found = []
    for name, heading in SECTIONS.items():
        fits = is_shown & section.eq(name)
        if heading.hides_containing:
            fits &= ~scores["contains_raters"].astype(bool)
        rows = scores[fits]
        if len(rows):
            n_more = max(len(rows) - MAX_ROWS, 0)
            found.append(Section(heading, _key(rows.iloc[0].to_dict()), _table(rows.head(MAX_ROWS)), n_more))
    return found


def _is_shown(scores: pd.DataFrame) -> pd.Series:
    """Whether the section of a row shows its quantity."""
    shown = [CATALOGUE[record].shown for record in scores["record"]]
    return pd.Series([not names or of in names for names, of in zip(shown, scores["of"], strict=True)], scores.index)


def side_by_side(strategies: pd.DataFrame) -> Table:
    """Agreement of all strategies: one row per group, one column per measure that any group has.

    Args:
        strategies: What `segassay.judgement.strategies.strategy_table` returns.

    Returns:
        F1, and mean IoU within groups; the header says which reference contains the raters.
    """
    is_f1 = strategies["base"].eq("f1") | strategies["of"].eq("f1")
    is_within = strategies["base"].eq("within")
    rows = strategies[is_f1 | (is_within & strategies["of"].eq("mean_iou"))]
    contain = set(rows.loc[rows["contains_raters"].astype(bool), "measure"])
    columns = rows.assign(is_against=rows["comparison"].eq(AGAINST), is_within=is_within)
    columns = columns.drop_duplicates("measure").sort_values(["is_against", "is_within", "measure"])
    header = [
        words + (" (which contains the raters)" if name in contain else "")
        for name, words in columns[["measure", "words"]].itertuples(index=False)
    ]
    shown = []
    for group, part in strategies.groupby("group", sort=False):
        cells = {
            row["measure"]: format_interval(row["value"], row["low"], row["high"]) for row in part.to_dict("records")
        }
        n_annotators = str(part["n_annotators"].max())
        shown.append([str(group), n_annotators, *(cells.get(name, "") for name in columns["measure"])])
    return Table(("group", "annotators", *header), shown, "tables/strategies.csv")


def _key(row: dict[Hashable, Any]) -> str:
    words = plain_name(row)
    return f"{words[0].upper()}{words[1:]} ({row['target']}): {value_in_words(row)}"


def _table(rows: pd.DataFrame) -> Table:
    header = ("measure", "annotators", "value (95 % interval)", "lowest to highest rater", "n", "undefined", "note")
    cells = [
        [
            plain_name(row),
            row["target"],
            value_in_words(row),
            "" if pd.isna(row["human_low"]) else f"{_short(row['human_low'])} to {_short(row['human_high'])}",
            str(row["n_cases"]),
            str(row["n_undefined"] or ""),
            _note(row),
        ]
        for row in rows.to_dict("records")
    ]
    kept = [place for place in range(len(header)) if any(row[place] for row in cells)]
    shown = [[row[place] for place in kept] for row in cells]
    return Table([header[place] for place in kept], shown, SCORES, terms_of(rows))


def terms_of(scores: pd.DataFrame) -> dict[str, str]:
    """Plain name of each row of scores -> its place in the glossary."""
    return {plain_name(row): anchor(row["record"]) for row in scores.to_dict("records")}


def _note(row: dict[Hashable, Any]) -> str:
    warned = [] if not row["approximate"] or row["method"] in ("", "not judged") else ["approximate interval"]
    unjudged = ["interval not judged: too few"] if row["method"] == "not judged" else []
    note = row["note"] if isinstance(row["note"], str) else ""
    return "; ".join(part for part in [*warned, *unjudged, note] if part)


def value_in_words(row: dict[Hashable, Any]) -> str:
    """A score with its interval, as precise as its size asks for; a p-value as such."""
    value, low, high = row["value"], row["low"], row["high"]
    if CATALOGUE[row["record"]].unit == "p":
        return "undefined" if pd.isna(value) else f"p {'< .0001' if value < 1e-4 else f'= {value:.4f}'}"
    if pd.notna(value) and max(abs(number) for number in (value, low, high) if pd.notna(number)) >= 100:
        ends = "" if pd.isna(low) or pd.isna(high) else f" ({_short(low)} to {_short(high)})"
        return f"{_short(value)}{ends}"
    if pd.notna(value) and 0 < abs(value) < 0.01:
        ends = "" if pd.isna(low) or pd.isna(high) else f" ({_short(low)} to {_short(high)})"
        return f"{_short(value)}{ends}"
    return format_interval(value, low, high)


def _short(number: float) -> str:
    """Three significant digits; a long number without decimals.

    Example:
        >>> _short(-20718.31), _short(0.001824), _short(0.5)
        ('−20,718', '0.00182', '0.5')
    """
    text = f"{number:,.0f}" if abs(number) >= 100 else f"{number:.3g}"
    return text.replace("-", "−")
