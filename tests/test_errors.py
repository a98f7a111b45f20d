"""Errors about the data: their message, and the same in fields."""

import pickle
from pathlib import Path

import pytest

from segassay.errors import DataError, Problem, raise_problems
from segassay.io.images import read_image, read_mask
from segassay.io.text_tables import read_text_table


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (("a.png", "does not exist"), "a.png does not exist"),
        (("a.png", "has two lines", "remove one"), "a.png has two lines; remove one"),
        ((None, "no case has a group", "add some"), "no case has a group; add some"),
    ],
)
def test_the_message_is_made_of_the_fields(parts, message):
    error = DataError.of(*parts)
    assert str(error) == message
    assert (error.file, error.what, error.action) == (*parts, "")[:3]


def test_what_was_expected_belongs_to_what_is_wrong():
    error = DataError.of(Path("a.png"), "has 3 channels", "export one", expected="one")
    assert str(error) == "a.png has 3 channels; expected one: export one"
    assert (error.file, error.what, error.action) == ("a.png", "has 3 channels; expected one", "export one")
    assert str(DataError.of("a.png", "is a folder", expected="a file")) == "a.png is a folder; expected a file"


def test_an_error_comes_from_another_process_as_it_was():
    error = DataError.of("a.png", "has 3 channels", "export one", expected="one")
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.file, again.what, again.action) == (str(error), error.file, error.what, error.action)


def test_one_problem_is_the_error_and_several_are_listed():
    first, second = (
        Problem("a.png", "is broken", "export it", kind="broken"),
        Problem("b.png", "is empty", "remove it", kind="empty"),
    )
    with pytest.raises(DataError) as one:
        raise_problems("data", [first])
    assert (str(one.value), one.value.file, one.value.action) == (str(first), "a.png", "export it")
    with pytest.raises(DataError) as both:
        raise_problems("data", [first, second])
    assert str(both.value) == f"data has 2 problems:\n{first}\n{second}"
    assert both.value.file == "data"
    raise_problems("data", [])


@pytest.mark.parametrize("read", [read_image, read_mask, read_text_table])
@pytest.mark.parametrize("name", ["broken.png", "; odd: name.tif", "gone.nii.gz", "words.txt"])
def test_what_cannot_be_read_is_named_in_a_field(tmp_path, read, name):
    path = tmp_path / name
    if name != "gone.nii.gz":
        path.write_bytes(b"\xff\xfe;broken: so it is; expected")
    with pytest.raises(DataError) as error:
        read(path)
    assert error.value.file == str(path)
    assert str(error.value).startswith(f"{path} {error.value.what}")
    assert error.value.what
    assert str(path) not in error.value.action
