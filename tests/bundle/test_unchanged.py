"""What a call leaves of a process in which it draws numbers, seeds and searches modules."""

import sys

import pytest
from monai.utils import get_seed, set_determinism

from processes import process_state
from segassay_monai.bundle.unchanged import process_unchanged


@process_unchanged()
def change(error: Exception | None = None) -> None:
    set_determinism(seed=3)
    sys.path.insert(1, "bundle")
    if error:
        raise error


@pytest.mark.parametrize("seed", [None, 5])
def test_the_next_numbers_are_those_that_would_have_come(seed):
    with process_unchanged():  # for other tests
        set_determinism(seed)
        before = process_state()
        change()
        assert process_state() == before
        assert get_seed() == seed


def test_so_they_are_after_an_error():
    before = process_state()
    with pytest.raises(KeyError, match="bug"):
        change(KeyError("bug"))
    assert process_state() == before
