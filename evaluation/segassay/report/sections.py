"""The measures as a reader meets them: in sections with a question each, in words, the rest in tables/scores.csv.

scores  ->  sections: title, question, rows as text
"""

import re
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from segassay.judgement.sentences import format_interval
from segassay.qualities.scores.table import ALL_RATERS, BETWEEN_RATERS, DISTANCES, MEASURES

__all__ = ["Section", "Table", "core_scores", "in_words", "sections", "side_by_side"]

MAX_ROWS = 30
"""Rows of a section that the page shows; all stand in tables/scores.csv."""


@dataclass(frozen=True)
class Table:
    """A table as it is shown: all cells are text."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Section:
    """Measures that answer one question.

    Attributes:
        quality: Of which quality.
        title: Heading.
        question: What they answer, and how to read them.
        figure: Name of the figure that belongs to it; may be empty.
        key: Its first number, in words.
        table: Its measures.
        n_more: Rows that stand in tables/scores.csv only.
    """

    quality: str
    title: str
    question: str
    figure: str
    key: str
    table: Table
    n_more: int


# quality, title, question, figure, pattern of the measures
_SECTIONS = (
    (
        "objectivity",
        "Does a model carry the hand of its rater?",
        "Imprint: by how much more F1 models agree with the person who trained them than can be explained by how "
        "agreeable that person is; 0 is none. Removal of bias: how much better models of a consensus fit a person "
        "they never saw than other people's models do. Williams index: 1 where a mask fits the raters as well as "
        "these fit each other.",
        "imprint",
        r"imprint.*|removal_of_bias.*|williams_index|alt_test.*|generalized_energy.*",
    ),
    (
        "objectivity",
        "Agreement of raters beyond chance",
        "κ, AC1 and α: 1 is perfect, 0 is chance. Where background dominates, κ is low although raters agree nearly"
        " everywhere; AC1 is not misled by that.",
        "",
        r"fleiss_kappa.*|gwet_ac1.*|krippendorff.*|positive_agreement.*|f1_repeated|dice_repeated|mean_iou_repeated",
    ),
    (
        "objectivity",
        "Do raters measure the same?",
        "ICC: share of the variance that is due to the images (A,1: one rater; A,k: the mean of all). Rater share: "
        "share due to the rater. Bias test: p of equal counts.",
        "",
        r"icc_.*|rater_share.*|bias_test.*|boundary_shift.*|repeatability_coefficient_count",
    ),
    (
        "objectivity",
        "Two raters side by side (Bland–Altman)",
        "Mean difference, limits that hold 95 % of the differences, their slope with size, and concordance (Lin).",
        "",
        r"difference_.*|limit_(low|high)_.*|slope_.*|ccc_.*",
    ),
    (
        "reliability",
        "How far does a result move with the seed?",
        "Agreement of ensembles beside that of models and raters; spread of mean F1 and counts over seeds; share of"
        " pixels, objects and conclusions that flip.",
        "",
        r"f1_minus_(models|raters)|sd_.*|cv_.*|range_.*|flip_rate.*",
    ),
    (
        "reliability",
        "Where the variance comes from, and how many raters and seeds are needed",
        "Components of the variance of a score; Φ: reliability of a score averaged over raters and seeds; SEM and "
        "MDC95 in the unit of the score: smaller changes of one image cannot be told from noise.",
        "",
        r"variance_.*|component.*|share_.*|phi.*|e_rho.*|sem_.*|mdc.*|repeatability_coefficient.*|raters_for_phi.*|seeds_for_phi.*",
    ),
    (
        "reliability",
        "What more members bring",
        "Disagreement of two ensembles by their size; it falls as a/√n towards what all members get wrong alike.",
        "saturation",
        r"disagreement_.*|saturation_.*",
    ),
    (
        "reliability",
        "Do probabilities and uncertainties mean what they say?",
        "ECE: by how much probabilities miss the share of foreground; Brier: their squared error; uncertainty "
        "should be high where masks are wrong (AUROC above 0.5) and where raters disagree (Spearman above 0).",
        "",
        r"ece.*|brier.*|auroc.*|spearman.*|aurc.*|.*risk_coverage.*|uncertainty.*|quality_.*|calibration.*",
    ),
    (
        "validity",
        "Models by the ceiling of people",
        "Difference to the worst and to the best rater on the same images, and score by that of the raters: 1 where"
        " a model agrees with the others as well as a person does.",
        "",
        r"(f1|dice|ap|pq)_.*_(over_raters|minus_worst_rater|minus_best_rater)",
    ),
    (
        "validity",
        "Objects found, and how well they are drawn",
        "AP: share of objects found, averaged over how well they must fit; PQ: F1 × how well found objects fit; "
        "counts missed or added.",
        "",
        r"(ap|pq|sq|count_error|relative_count_error|merges|splits)_(leave_one_out|pairwise|against_truth)",
    ),
    (
        "validity",
        "Are small objects missed?",
        "Share of the objects of each size that are found.",
        "",
        r"recall_\d.*px_(leave_one_out|against_truth)",
    ),
    (
        "validity",
        "Would others have drawn the same conclusion?",
        "Spread of the effect size η² between annotators; how often their conclusions are those of a rater; "
        "deviations from the majority; share of analyses (choices of annotator, measure, unit, smallest size) with the "
        "same conclusion.",
        "",
        r".*_eta_squared_(sd|ratio)|.*_same_verdict|.*_sign_disagreement|.*_deviations_from_majority|.*_votes_.*|.*_type_[sm].*|specifications_.*",
    ),
    (
        "validity",
        "Are measurements equivalent?",
        "Difference to the raters in multiples of the control mean with its 90 % interval; equivalent where that "
        "lies within the margin that was fixed beforehand.",
        "",
        r"(count|density|mean_intensity)_difference.*",
    ),
)

_WORDS = (
    (r"_leave_one_out", " against the others’ consensus"),
    (r"_within", " of two annotators of the group"),
    (r"_pairwise", " with the raters"),
    (r"_over_raters", ", by that of the raters"),
    (r"_minus_worst_rater", ", difference to the worst rater"),
    (r"_minus_best_rater", ", difference to the best rater"),
    (r"_minus_raters", ", difference to the raters"),
    (r"_minus_models", ", difference to single models"),
    (r"_against_", " against "),
    (r"^(icc)_a1_", "ICC(A,1) of "),
    (r"^(icc)_ak_", "ICC(A,k) of "),
    (r"\beta_squared\b|eta_squared", "η²"),
    (r"^fleiss_kappa", "Fleiss’ κ of"),
    (r"^gwet_ac1", "Gwet’s AC1 of"),
    (r"^krippendorff_alpha", "Krippendorff’s α of"),
    (r"^williams", "Williams"),
    (r"\bf1\b|(?<=_)f1|^f1", "F1"),
    (r"^dice", "Dice"),
    (r"^mean_iou", "mean IoU"),
    (r"^ap(?=[ ,_])", "AP"),
    (r"^pq", "PQ"),
    (r"^ccc_", "concordance of "),
    (r"_", " "),
)


def in_words(measure: str) -> str:
    """A measure's name for people.

    Example:
        >>> in_words("icc_a1_count"), in_words("f1_leave_one_out_over_raters")
        ('ICC(A,1) of count', 'F1 against the others’ consensus, by that of the raters')
    """
    for pattern, words in _WORDS:
        measure = re.sub(pattern, words, measure)
    return measure


def core_scores(scores: pd.DataFrame) -> pd.DataFrame:
    """Rows of F1, mean IoU and Dice, and of distances, that have tables of their own on the page."""
    own = rf"({'|'.join(MEASURES)})(_leave_one_out|_pairwise)?(_minus_raters)?|({'|'.join(MEASURES)})_against_.*"
    outlines = rf"({'|'.join(DISTANCES)})(_(px|um))?(_leave_one_out|_pairwise|_against_.*)?"
    named = scores["measure"].str.fullmatch(own) & ~scores["measure"].str.fullmatch(r"f1_minus_(models|raters)")
    return scores[named | scores["measure"].str.fullmatch(outlines)]


def sections(scores: pd.DataFrame, first: Sequence[str] = ()) -> list[Section]:
    """Sections that have a measure, in their order; a measure stands in the first whose pattern it fits.

    Args:
        scores: Table of scores.
        first: Annotators whose rows stand first, after those of all raters.

    Returns:
        Sections with up to 30 rows each.
    """
    rank = {ALL_RATERS: 0, BETWEEN_RATERS: 0, **dict.fromkeys(first, 1)}
    scores = scores.iloc[np.argsort(scores["target"].map(rank).fillna(2).to_numpy(), kind="stable")]
    taken = pd.Series(False, index=scores.index)
    found = []
    for quality, title, question, figure, pattern in _SECTIONS:
        fits = (
            scores["quality"].isin(["objectivity", quality] if quality == "validity" else [quality])
            & scores["measure"].str.fullmatch(pattern)
            & ~taken
        )
        taken |= fits
        rows = scores[fits]
        if len(rows):
            n_more = max(len(rows) - MAX_ROWS, 0)
            key = _key(rows.iloc[0].to_dict())
            found.append(Section(quality, title, question, figure, key, _table(rows.head(MAX_ROWS)), n_more))
    return found


def side_by_side(strategies: pd.DataFrame) -> Table:
    """Masks of all strategies: one row per group, one column per measure that any group has.

    Args:
        strategies: What `segassay.judgement.strategies.strategy_table` returns.

    Returns:
        F1, and mean IoU within groups; where it is against what contains the raters, the header says so.
    """
    f1 = strategies["measure"].str.fullmatch(r"f1_.*|mean_iou_within") & strategies["contrast"].eq("")
    measures = sorted(
        strategies.loc[f1, "measure"].unique(), key=lambda name: ("_against_" in name, "_within" in name, name)
    )
    contain = set(strategies.loc[strategies["note"].str.contains("contains the raters"), "measure"])
    header = [in_words(name) + (" (which contains the raters)" if name in contain else "") for name in measures]
    rows = []
    for group, part in strategies.groupby("group", sort=False):
        cells = {
            row["measure"]: format_interval(row["value"], row["low"], row["high"]) for row in part.to_dict("records")
        }
        rows.append([str(group), str(part["n_annotators"].max()), *(cells.get(name, "") for name in measures)])
    return Table(("group", "annotators", *header), rows)


def _key(row: dict[Hashable, Any]) -> str:
    value = _value(row["measure"], row["value"], row["low"], row["high"])
    return f"{in_words(row['measure'])} ({row['target']}): {value}"


def _table(rows: pd.DataFrame) -> Table:
    header = ("measure", "of whom", "value (95 % interval)", "people", "n", "undefined", "note")
    cells = [
        [
            in_words(row["measure"]),
            row["target"],
            _value(row["measure"], row["value"], row["low"], row["high"]),
            "" if pd.isna(row["human_low"]) else f"{_short(row['human_low'])} to {_short(row['human_high'])}",
            str(row["n_cases"]),
            str(row["n_undefined"] or ""),
            _note(row),
        ]
        for row in rows.to_dict("records")
    ]
    kept = [place for place in range(len(header)) if any(row[place] for row in cells)]
    return Table([header[place] for place in kept], [[row[place] for place in kept] for row in cells])


def _note(row: dict[Hashable, Any]) -> str:
    warned = [] if not row["approximate"] or row["method"] in ("", "not judged") else ["approximate interval"]
    unjudged = ["interval not judged: too few"] if row["method"] == "not judged" else []
    note = row["note"] if isinstance(row["note"], str) else ""
    return "; ".join(part for part in [*warned, *unjudged, note] if part)


def _value(measure: str, value: float, low: float, high: float) -> str:
    if measure.startswith("bias_test"):
        return "undefined" if pd.isna(value) else f"p {'< .0001' if value < 1e-4 else f'= {value:.4f}'}"
    if pd.notna(value) and max(abs(value), abs(low) if pd.notna(low) else 0) >= 100:
        ends = "" if pd.isna(low) or pd.isna(high) else f" ({_short(low)} to {_short(high)})"
        return f"{_short(value)}{ends}"
    if pd.notna(value) and 0 < abs(value) < 0.01:
        ends = "" if pd.isna(low) or pd.isna(high) else f" ({_short(low)} to {_short(high)})"
        return f"{_short(value)}{ends}"
    return format_interval(value, low, high)


def _short(number: float) -> str:
    """Three digits that count; a long number without decimals.

    Example:
        >>> _short(-20718.31), _short(0.001824), _short(0.5)
        ('−20,718', '0.00182', '0.5')
    """
    text = f"{number:,.0f}" if abs(number) >= 100 else f"{number:.3g}"
    return text.replace("-", "−")
