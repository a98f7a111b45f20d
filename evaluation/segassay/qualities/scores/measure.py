"""The record of a measure (name, question, words, needs, coverage), and the forms of its rows.

    Question  ->  Measure  ->  Form (of what, compared with what)  ->  name in scores.csv, words in the report, gaps

The records are in `objectivity.records`, `reliability.records` and `validity.records`, the questions that they answer
in `questions` beside them; `catalogue` joins them. Code that writes or shows a number reads its record and its form;
no code parses names.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from segassay.qualities.scores.coverage import Coverage
from segassay.qualities.scores.error_rates import ErrorRate

__all__ = [
    "AGAINST",
    "CSV_ONLY",
    "GAP",
    "LEAVE_ONE_OUT",
    "NO_ROWS",
    "PAIRWISE",
    "QUANTITY_WORDS",
    "TABLES",
    "Form",
    "Gap",
    "Measure",
    "Question",
]

LEAVE_ONE_OUT = "leave_one_out"
"""Against C₋r, the consensus of all raters but r, for each r."""

PAIRWISE = "pairwise"
"""With the (other) raters, one by one."""

AGAINST = "against"
"""Against a reference or a truth, which the form names."""

TABLES = ("masks", "outlines", "raters", "strategies")
"""Sections of the report that are tables of their own instead of lists of measures."""

CSV_ONLY = "scores.csv"
"""Instead of a section: the number is only in tables/scores.csv."""

QUANTITY_WORDS = {"f1": "F1", "mean_iou": "mean IoU", "dice": "Dice", "ap": "AP", "pq": "PQ"}
_COMPARISON_WORDS = {
    LEAVE_ONE_OUT: "against the consensus of the other raters",
    PAIRWISE: "with the raters",
}
_VARIANT_WORDS = {"px": "in pixels", "um": "in µm"}


@dataclass(frozen=True, eq=False)
class Question:
    """A question that one measure answers, or several that are computed together: a row of docs/measures.md.

    Attributes:
        text: The question.
        formula: Measures, by their names in scores.csv, and how they are computed.
        source: Where they are published; `doi:` becomes a link.
        not_when: Where they mislead.
        tests: What they are checked against -> the test, as a path below `tests` with the name of the test.
        functions: Functions to link in addition to those of the records, as paths below `segassay`.
    """

    text: str
    formula: str
    source: str
    not_when: str
    tests: Mapping[str, str]
    functions: tuple[str, ...] = ()


@dataclass(frozen=True)
class Gap:
    """A measure, or several, that could not be computed; in records a template.

    Attributes:
        measure: Name in not_judged.csv.
        why: What is missing.
        words: Name in the report; empty if it is `measure`.
    """

    measure: str
    why: str
    words: str = ""


GAP = Gap("{name}", "{needs}", "{words}")
"""Template of a gap of one form of a measure, for what its record needs."""

NO_ROWS = "rows"
"""Key of `Measure.gaps` for the gap that follows from a table without rows."""


@dataclass(frozen=True)
class Measure:
    """A measure, independent of any data.

    Attributes:
        name: Its name in scores.csv, without the parts that a form adds.
        quality: Quality that it belongs to.
        question: The question that it answers, with formula, source, limits and tests: its row of docs/measures.md.
        against: What an annotator, or a group of annotators, is compared with.
        section: Section of the report that shows it: a key of `segassay.report.sections.SECTIONS`, one of `TABLES`, or
            `CSV_ONLY`.
        functions: Functions that compute it, as paths below `segassay`.
        coverage: What is known about the coverage of its interval; at least one entry.
        words: Name in tables; by default the name with spaces.
        link: Word between `words` and the quantity, if there is one.
        plain: Name in the report for people who do not know the tables, a template that may name `of` and `variant`;
            empty where `words` are plain.
        needs: The data that it needs, written to not_judged.csv if it has no row.
        gaps: What may be lacking -> what not_judged.csv then says, if that is not `GAP`. A template may name `name` and
            `words` of the form, `needs`, and numbers that the computation fills in.
        plain_gaps: Names in not_judged.csv -> plain names, where neither `plain` nor the words of the gap will do.
        unit: `p` for a p-value, else empty.
        order: Order of the parts of a name.
        shown: Quantities that the section shows; empty for all.
        estimators: Functions of plain arrays that it rests on; `segassay selftest` names it next to their values.
        errors: How often the test errs whose result its sentence states; None if it states none.
    """

    name: str
    quality: str
    question: Question
    against: str
    section: str
    functions: tuple[str, ...]
    coverage: tuple[Coverage, ...]
    words: str = ""
    link: str = ""
    plain: str = ""
    needs: str = ""
    gaps: Mapping[str, Gap] = field(default_factory=dict, hash=False)
    plain_gaps: Mapping[str, str] = field(default_factory=dict, hash=False)
    unit: str = ""
    order: tuple[str, ...] = ("name", "variant", "of", "comparison")
    shown: tuple[str, ...] = ()
    estimators: tuple[str, ...] = ()
    errors: ErrorRate | None = None

    @property
    def key(self) -> str:
        """Identifier: a name may occur once in each quality."""
        return f"{self.quality}/{self.name}"

    def form(
        self, of: str = "", comparison: str = "", *, variant: str = "", reference: str = "", quality: str = ""
    ) -> "Form":
        """A form of the measure; `quality` if the row belongs to another quality than the measure."""
        return Form(self, of, comparison, variant, reference, quality or self.quality)

    def gap(self, lacking: str, **found: int | str) -> Gap:
        """The gap of all measures that are computed with this one; see `Form.gap`."""
        return self.form().gap(lacking, **found)


@dataclass(frozen=True)
class Form:
    """The form of a measure in one row.

    Attributes:
        record: The measure.
        of: Quantity that is counted or compared, such as `count` or `f1`; may be empty.
        comparison: `LEAVE_ONE_OUT`, `PAIRWISE`, `AGAINST`, or empty.
        variant: Unit, verdict, class of sizes or the like; may be empty.
        reference: Name of the reference or truth, with `AGAINST`.
        quality: Quality of the row.

    Example:
        >>> from segassay.qualities.validity.records import DIFFERENCE
        >>> form = DIFFERENCE.form("count", "against", reference="truth")
        >>> form.name, form.words
        ('count_difference_against_truth', 'count difference against truth')
    """

    record: Measure
    of: str
    comparison: str
    variant: str
    reference: str
    quality: str

    @property
    def name(self) -> str:
        """Name of the row in scores.csv."""
        comparison = f"{self.comparison}_{self.reference}" if self.reference else self.comparison
        parts = {"name": self.record.name, "of": self.of, "variant": self.variant, "comparison": comparison}
        return "_".join(parts[part] for part in self.record.order if parts[part])

    @property
    def words(self) -> str:
        """Name of the row in tables."""
        return self.words_with(QUANTITY_WORDS.get(self.of, self.of.replace("_", " ")))

    def words_with(self, of: str) -> str:
        """Name of the row with other words for the quantity."""
        comparison = _COMPARISON_WORDS.get(self.comparison, self.comparison)
        name = self.record.words or self.record.name.replace("_", " ")
        parts = {
            "name": f"{name} {self.record.link}" if of and self.record.link else name,
            "of": of,
            "variant": _VARIANT_WORDS.get(self.variant, self.variant.replace("_", " ")),
            "comparison": f"{comparison} {self.reference}" if self.reference else comparison,
        }
        return " ".join(parts[part] for part in self.record.order if parts[part]).replace(" , ", ", ")

    def gap(self, lacking: str = "", **found: int | str) -> Gap:
        """What not_judged.csv says if this form could not be computed.

        Args:
            lacking: A key of the record's `gaps`; by default `GAP`.
            **found: What the template names besides `name`, `words` and `needs`.

        Raises:
            KeyError: If the record has no such gap, or its template names what was not given.

        Example:
            >>> from segassay.qualities.objectivity.records import WINNING_RATE
            >>> WINNING_RATE.form().gap("cases", n_cases=12).why
            'needs 30 cases, there are 12'
        """
        template = self.record.gaps[lacking] if lacking else GAP
        values = {"name": self.name, "words": self.words, "needs": self.record.needs, **found}
        return Gap(*(text.format_map(values) for text in (template.measure, template.why, template.words)))
