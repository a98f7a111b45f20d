"""One check of the self-test: a call of an estimator whose result is published."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

__all__ = ["Check", "attributes", "column"]


@dataclass(frozen=True, eq=False)
class Check:
    """One call whose result is published.

    Attributes:
        estimator: Module and function, such as `statistics.reliability.phi`.
        what: Data and quantity, in words.
        arguments: Arguments of the call.
        options: Keyword arguments of the call.
        pick: Takes the numbers from the result; by default the result itself is the number.
        expected: The published numbers.
        tolerance: Largest difference that passes: by default half a unit of the last published digit.
        source: Where they are published.
    """

    estimator: str
    what: str
    expected: tuple[float, ...]
    tolerance: float
    source: str
    arguments: tuple[Any, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    pick: Callable[[Any], Sequence[float]] = lambda result: (result,)


def column(name: str) -> Callable[[pd.DataFrame], Sequence[float]]:
    """For `pick`: the numbers of this column of a table."""
    return lambda table: table[name].tolist()


def attributes(*names: str) -> Callable[[Any], Sequence[float]]:
    """For `pick`: these attributes of a result."""
    return lambda result: [getattr(result, name) for name in names]
