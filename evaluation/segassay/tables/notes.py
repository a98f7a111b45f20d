"""Notes on how the tables were made, as records; `segassay.report.notes` puts them into words."""

from dataclasses import dataclass
from typing import Literal

__all__ = ["About", "Note"]

About = Literal[
    "later_sessions",  # n masks of further sessions, which are only in `repeats`
    "not_annotated",  # n masks by raters that do not exist
    "training_unknown",  # of a model: whether it was trained on the cases it is scored on
    "pixel_size_unknown",  # n of all cases, so areas and volumes are in pixels
    "endpoints_not_used",  # n values of an annotator who is not evaluated
    "no_dataset",  # so no intensities, regions and sizes
    "undefined_distances",  # n of all distances
    "few_raters",  # n of all cases, without a consensus of the others
    "maps_without_reference",  # n of all cases
    "contains_left_out_rater",  # of a consensus, which has no rows in `leave_one_out`
    "is_a_rater",  # a reference, in n of all cases in which it marks something; `other` is the rater
    "is_the_consensus",  # a reference, in n of all cases; `other` is the method by which the raters' masks were fused
    "rater_is_consensus",  # a rater, in n of all cases, is what `other` makes of the masks of the others
    "missing_predictions",  # n of an annotator
    "some_cases",  # an annotator has n of all cases
    "label_images",  # n of all files of an annotator
    "same_numbers",  # in all label images of an annotator
    "classes_overlap",  # so they are not compared with each other
    "stored_tables",  # of n cases, more than n_all: in Parquet files instead of CSV
    "simulated",  # the tables are
]


@dataclass(frozen=True)
class Note:
    """One note.

    Attributes:
        about: Its subject.
        annotator: The annotator concerned; None if it is about all.
        n: Number of masks, cases, files or distances concerned; 0 if nothing is counted.
        n_all: Number of all of them; 0 if not given.
        other: What the annotator is the same as; may be empty.
    """

    about: About
    annotator: str | None = None
    n: int = 0
    n_all: int = 0
    other: str = ""
