"""What a measure is: one record with its name, question, words, needs and coverage; and the forms that rows of it take.

    Measure  ->  Form (of what, compared with whom)  ->  name in scores.csv, words in the report

The records stand in `objectivity.records`, `reliability.records` and `validity.records`; `catalogue` joins them. What
writes or shows a number reads its record and its form; nothing takes names apart.
"""

from dataclasses import dataclass

from segassay.qualities.scores.coverage import Coverage

__all__ = ["AGAINST", "CSV_ONLY", "LEAVE_ONE_OUT", "PAIRWISE", "QUANTITY_WORDS", "TABLES", "Form", "Measure"]

LEAVE_ONE_OUT = "leave_one_out"
"""Against C₋r, the consensus of all raters but r, for each r."""

PAIRWISE = "pairwise"
"""With the (other) raters, one by one."""

AGAINST = "against"
"""Against a reference or a truth, whose name the form has."""

TABLES = ("masks", "outlines", "raters", "strategies")
"""Sections of the report that are tables of their own, and not lists of measures."""

CSV_ONLY = "scores.csv"
"""In place of a section: the number stands in tables/scores.csv alone."""

QUANTITY_WORDS = {"f1": "F1", "mean_iou": "mean IoU", "dice": "Dice", "ap": "AP", "pq": "PQ"}
_COMPARISON_WORDS = {
    LEAVE_ONE_OUT: "against the others’ consensus",
    PAIRWISE: "with the raters",
}
_VARIANT_WORDS = {"px": "in pixels", "um": "in µm"}


@dataclass(frozen=True)
class Measure:
    """All that is known of a measure before any image is seen.

    Attributes:
        name: As names in scores.csv have it, without what a form adds.
        quality: Quality that it belongs to.
        question: What it answers; the row of docs/measures.md that has this question explains it.
        against: What an annotator, or a group of them, is held against.
        section: Section of the report that shows it: a key of `segassay.report.sections.SECTIONS`, one of `TABLES`, or
            `CSV_ONLY`.
        functions: What computes it, modules below `segassay`.
        coverage: What is known of its interval; at least one entry.
        words: Name for people; by default the name with spaces.
        needs: What it takes, said where there is no row.
        unit: `p` for a p-value, else empty.
        order: Parts of a name, in their order.
        shown: Quantities that the section shows; empty for all.
        estimators: Functions of plain arrays that it rests on; `segassay selftest` names it beside their values.
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
        """What identifies it: a name may occur once in each quality."""
        return f"{self.quality}/{self.name}"

    def form(
        self, of: str = "", comparison: str = "", *, variant: str = "", reference: str = "", quality: str = ""
    ) -> "Form":
        """A form of it; `quality` where rows of raters belong to another one than the measure."""
        return Form(self, of, comparison, variant, reference, quality or self.quality)


@dataclass(frozen=True)
class Form:
    """What of a measure one row holds.

    Attributes:
        record: The measure.
        of: What is counted or agreed on, such as `count` or `f1`; may be empty.
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
        """Name of the row for people."""
        comparison = _COMPARISON_WORDS.get(self.comparison, self.comparison)
        parts = {
            "name": self.record.words or self.record.name.replace("_", " "),
            "of": QUANTITY_WORDS.get(self.of, self.of.replace("_", " ")),
            "variant": _VARIANT_WORDS.get(self.variant, self.variant.replace("_", " ")),
            "comparison": f"{comparison} {self.reference}" if self.reference else comparison,
        }
        return " ".join(parts[part] for part in self.record.order if parts[part]).replace(" , ", ", ")
