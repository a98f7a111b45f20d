"""What training and prediction need beside the evaluation, and how to install it."""

from collections.abc import Iterator
from contextlib import contextmanager

from segassay.errors import UsageError

__all__ = ["training_needs"]


@contextmanager
def training_needs() -> Iterator[None]:
    """Say how to install what `segassay[monai]` brings, where an import in the block does not find it.

    Raises:
        UsageError: In place of the `ImportError`.
    """
    try:
        yield
    except ImportError as error:
        needed = error.name.partition(".")[0] if error.name else error
        raise UsageError(f'training needs {needed}; install it with: pip install "segassay[monai]"') from error
