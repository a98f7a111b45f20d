"""Errors of prediction: what the user is told, in fields that survive a process and the way to our own errors."""

import pickle
from pathlib import Path

import pytest

from segassay.errors import DataError
from segassay_monai.bundle.settings import find_own_error
from segassay_monai.ensemble.errors import PredictionError

IN_PARTS = PredictionError.of(Path("a.png"), "has 3 channels", "export one of them")


def fields(error: DataError | PredictionError) -> tuple[str, str | None, str, str]:
    return str(error), error.file, error.what, error.action


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (IN_PARTS, ("a.png: has 3 channels; export one of them", "a.png", "has 3 channels", "export one of them")),
        (PredictionError.of(None, "no channel", "add one"), ("no channel; add one", None, "no channel", "add one")),
        (PredictionError("a sentence"), ("a sentence", None, "", "")),
    ],
)
def test_fields_stay_whatever_carries_the_error(
    error: PredictionError, expected: tuple[str, str | None, str, str]
) -> None:
    """Registered models of an earlier version give a sentence alone; an error may come from another process."""
    ours = find_own_error(error)
    assert isinstance(ours, DataError)
    assert fields(error) == fields(pickle.loads(pickle.dumps(error))) == fields(ours) == expected
