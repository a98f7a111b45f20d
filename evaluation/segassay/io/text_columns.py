"""Text columns of tables as Python strings while we compute, whatever pandas would take.

Where pyarrow is installed, pandas 3 keeps text in Arrow's arrays. Our columns are names of cases and annotators, mostly
in small tables, of which an evaluation makes a thousand; with Arrow's arrays it takes a sixth longer.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import pandas as pd

__all__ = ["python_strings"]


@contextmanager
def python_strings() -> Iterator[None]:
    """A context, and a decorator, in which new text columns hold Python strings; the option is given back at its end.

    Example:
        >>> before = pd.get_option("mode.string_storage")
        >>> @python_strings()
        ... def storage() -> str:
        ...     return pd.get_option("mode.string_storage")
        >>> storage(), pd.get_option("mode.string_storage") == before
        ('python', True)
    """
    with pd.option_context("mode.string_storage", "python"):
        yield
