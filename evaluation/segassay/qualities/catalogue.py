"""All measures of the package, by their keys, and the questions that they answer, for report, docs and tests.

records of objectivity, reliability, validity  ->  CATALOGUE
questions of the same                          ->  QUESTIONS  ->  docs/measures.md
"""

from segassay.qualities.objectivity import questions as of_objectivity
from segassay.qualities.objectivity import records as objectivity
from segassay.qualities.reliability import questions as of_reliability
from segassay.qualities.reliability import records as reliability
from segassay.qualities.scores.measure import Measure, Question
from segassay.qualities.validity import questions as of_validity
from segassay.qualities.validity import records as validity

__all__ = ["CATALOGUE", "QUESTIONS"]

CATALOGUE: dict[str, Measure] = {
    record.key: record for room in (objectivity, reliability, validity) for record in room.RECORDS
}
"""Key, such as `reliability/sd_ratio` -> record."""

QUESTIONS: dict[str, tuple[Question, ...]] = {
    "objectivity": of_objectivity.QUESTIONS,
    "reliability": of_reliability.QUESTIONS,
    "validity": of_validity.QUESTIONS,
}
"""Quality -> its questions, in the order of docs/measures.md; some have no measure in scores.csv."""
