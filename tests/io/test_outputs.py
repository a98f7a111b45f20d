"""Output folders: whole or not at all, and never over one that may not be replaced."""

import pytest

from segassay.errors import UsageError
from segassay.io.outputs import check_output, prepare_output, publish_output, whole_or_nothing


def test_a_folder_appears_when_it_is_finished(tmp_path):
    partial = prepare_output(tmp_path / "deep" / "out")
    (partial / "file").write_text("new")
    assert not (tmp_path / "deep" / "out").exists()
    assert publish_output(partial) == tmp_path / "deep" / "out"
    assert [path.name for path in (tmp_path / "deep").rglob("*")] == ["out", "file"]


def test_an_older_folder_stays_until_the_new_one_is_finished(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "old").write_text("old")
    with pytest.raises(
        UsageError, match="exists already; give another --output_dir, or --overwrite True to replace it"
    ):
        check_output(tmp_path / "out")
    with pytest.raises(UsageError, match="give another --out, or --force"):
        prepare_output(tmp_path / "out", options=("--out", "--force"))
    partial = prepare_output(tmp_path / "out", overwrite=True)
    assert (tmp_path / "out" / "old").exists()
    publish_output(partial)
    assert list(tmp_path.rglob("*")) == [tmp_path / "out"]


def test_what_a_crashed_process_left_is_cleared(tmp_path):
    (tmp_path / "out.partial").mkdir()
    (tmp_path / "out.partial" / "left").write_text("")
    assert list(prepare_output(tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_unfinished_work_leaves_nothing(tmp_path, error):
    partial = prepare_output(tmp_path / "out")
    with pytest.raises(error), whole_or_nothing(partial):
        raise error
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_a_folder_is_one_message(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="is a file; give another"):
        check_output(tmp_path / "file", overwrite=True)
    with pytest.raises(UsageError, match="cannot be written"):
        prepare_output(tmp_path / "file" / "out")


def test_the_current_folder_is_never_replaced(tmp_path, monkeypatch):
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    for folder in (".", ".."):
        with pytest.raises(UsageError, match="contains the current folder"):
            prepare_output(folder, overwrite=True)
    assert (tmp_path / "work").is_dir()
