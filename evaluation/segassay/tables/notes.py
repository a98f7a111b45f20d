"""What a reader of the tables should know about how they came about, as records; `segassay.report.notes` words them."""

from dataclasses import dataclass
from typing import Literal

__all__ = ["About", "Note"]

About = Literal[
    "later_sessions",  # n masks of further sessions, which stand in `repeats` alone
    "not_annotated",  # n masks by raters that do not exist
    "training_unknown",  # of a model: whether it was trained on the cases it is scored on
    "no_dataset",  # so no intensities, regions and sizes
    "undefined_distances",  # n of all distances
    "few_raters",  # n of all cases, which have no consensus of the others
    "maps_without_reference",  # n of all cases
    "contains_left_out_rater",  # of a consensus, which has no rows in `leave_one_out`
    "missing_predictions",  # n of an annotator
    "some_cases",  # an annotator has n of all cases
    "label_images",  # n of all files of an annotator
    "simulated",  # the tables are
]


@dataclass(frozen=True)
class Note:
    """One thing to know.

    Attributes:
        about: What it is about.
        annotator: Whom it is about; None if it is about all.
        n: How many masks, cases, files or distances it is about; 0 where nothing is counted.
        n_all: Of how many; 0 where that is not said.
    """

    about: About
    annotator: str | None = None
    n: int = 0
    n_all: int = 0
