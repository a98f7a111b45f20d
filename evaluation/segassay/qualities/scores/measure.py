"""The record of a measure (name, question, words, needs, coverage), and the forms of its rows.

    Measure  ->  Form (of what, compared with what)  ->  name in scores.csv, words in the report

The records are in `objectivity.records`, `reliability.records` and `validity.records`; `catalogue` joins them. Code
that writes or shows a number reads its record and its form; no code parses names.
"""

from dataclasses import dataclass

from segassay.qualities.scores.coverage import Coverage

__all__ = ["AGAINST", "CSV_ONLY", "LEAVE_ONE_OUT", "PAIRWISE", "QUANTITY_WORDS", "TABLES", "Form", "Measure"]

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


@dataclass(frozen=True)
class Measure:
    """A measure, independent of any data.

    Attributes:
        name: Its name in scores.csv, without the parts that a form adds.
        quality: Quality that it belongs to.
        question: The question that it answers; the row of docs/measures.md with this question explains it.
        against: What an annotator, or a group of annotators, is compared with.
        section: Section of the report that shows it: a key of `segassay.report.sections.SECTIONS`, one of `TABLES`, or
            `CSV_ONLY`.
        functions: Functions that compute it, as paths below `segassay`.
        coverage: What is known about the coverage of its interval; at least one entry.
        words: Name in the report; by default the name with spaces.
        needs: The data that it needs, written to not_judged.csv if it has no row.
        unit: `p` for a p-value, else empty.
        order: Order of the parts of a name.
        shown: Quantities that the section shows; empty for all.
        estimators: Functions of plain arrays that it rests on; `segassay selftest` names it next to their values.
    """

    name: str
    quality: str
    question: str
    against: str
    section: str
    functions: tuple[str, ...]
    coverage: tuple[Coverage, ...]
    words: str = ""
    needs: str = ""
    unit: str = ""
    order: tuple[str, ...] = ("name", "variant", "of", "comparison")
    shown: tuple[str, ...] = ()
    estimators: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """Identifier: a name may occur once in each quality."""
        return f"{self.quality}/{self.name}"

    def form(
        self, of: str = "", comparison: str = "", *, variant: str = "", reference: str = "", quality: str = ""
    ) -> "Form":
        """A form of the measure; `quality` if the row belongs to another quality than the measure."""
        return Form(self, of, comparison, variant, reference, quality or self.quality)


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
        """Name of the row in the report."""
        comparison = _COMPARISON_WORDS.get(self.comparison, self.comparison)
        parts = {
            "name": self.record.words or self.record.name.replace("_", " "),
            "of": QUANTITY_WORDS.get(self.of, self.of.replace("_", " ")),
            "variant": _VARIANT_WORDS.get(self.variant, self.variant.replace("_", " ")),
            "comparison": f"{comparison} {self.reference}" if self.reference else comparison,
        }
        return " ".join(parts[part] for part in self.record.order if parts[part]).replace(" , ", ", ")
