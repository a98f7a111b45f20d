"""All measures of the package, by their keys, for the report, the documentation and the tests.

records of objectivity, reliability, validity  ->  CATALOGUE
"""

from segassay.qualities.objectivity import records as objectivity
from segassay.qualities.reliability import records as reliability
from segassay.qualities.scores.measure import Measure
from segassay.qualities.validity import records as validity

__all__ = ["CATALOGUE"]

CATALOGUE: dict[str, Measure] = {
    record.key: record for room in (objectivity, reliability, validity) for record in room.RECORDS
}
"""Key, such as `reliability/sd_ratio` -> record."""
