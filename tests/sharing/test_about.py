"""about.yaml: every mistake in it is one clear message."""

import pytest

from segassay.errors import UsageError
from segassay_monai.sharing.about import About, read_about


def test_what_is_said_is_kept_and_the_rest_has_defaults(tmp_path):
    path = tmp_path / "about.yaml"
    path.write_text("authors: [A. Author]\nversion: 1.2.0\n")
    assert read_about(path) == About(authors=["A. Author"], version="1.2.0")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("author: me", "unknown entry author; expected title, description, authors"),
        ("authors: me", "authors is 'me'"),
        ("version: 0.1", "version is 0.1"),
        ("- a list", "expected entries such as"),
        ("", "expected entries such as"),
        ("a: [", "cannot be read"),
        ("[" * 5000, "cannot be read"),
    ],
)
def test_a_mistake_is_one_message(tmp_path, text, message):
    path = tmp_path / "about.yaml"
    path.write_text(text)
    with pytest.raises(UsageError) as caught:
        read_about(path)
    assert message in str(caught.value)


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    with pytest.raises(UsageError, match="no such file"):
        read_about(tmp_path / "about.yaml")
    with pytest.raises(UsageError, match="cannot be read"):
        read_about(tmp_path)
