"""What training and prediction need beside the evaluation, and how to install it."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from segassay.errors import UsageError

__all__ = ["refuse_without_training", "training_needs"]


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


def refuse_without_training() -> None:
    """The same where nothing is imported yet: a plan is quick, and useless if what it plans cannot be trained.

    Raises:
        UsageError: If torch or MONAI is not installed.
    """
    for package in ("torch", "monai"):
        with training_needs():
            if find_spec(package) is None:
                raise ModuleNotFoundError(f"No module named {package!r}", name=package)
