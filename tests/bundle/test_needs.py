"""Without the libraries of a training, one message says what to install; every other error stays what it is."""

import importlib

import pytest

from segassay.errors import UsageError
from segassay_monai.bundle.needs import training_needs


def test_a_library_that_is_missing_is_named_with_how_to_install_it() -> None:
    with pytest.raises(UsageError) as caught, training_needs():
        importlib.import_module("no_such_library")
    assert str(caught.value) == 'training needs no_such_library; install it with: pip install "segassay[monai]"'
    assert isinstance(caught.value.__cause__, ModuleNotFoundError)


@pytest.mark.parametrize(
    ("error", "needed"),
    [
        (ImportError("no monai.bundle", name="monai.bundle"), "monai"),
        (ImportError("libcuda.so: cannot open shared object file"), "libcuda.so: cannot open shared object file"),
    ],
)
def test_the_library_is_named_not_its_part_and_without_a_name_the_reason(error: ImportError, needed: str) -> None:
    with pytest.raises(UsageError, match=f"^training needs {needed}; install it with"), training_needs():
        raise error


def test_other_errors_pass() -> None:
    with pytest.raises(ValueError, match="not about imports"), training_needs():
        raise ValueError("not about imports")
    with training_needs():
        assert importlib.import_module("json")
