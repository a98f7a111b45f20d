"""Output folders: whole or not at all, by one process at a time, and never over one that may not be replaced."""

import errno
import os
import threading
from pathlib import Path

import pytest

from segassay.errors import UsageError
from segassay.io import durable, outputs
from segassay.io.outputs import (
    alone,
    check_output,
    prepare_output,
    publish_output,
    recover_output,
    refuse_inputs,
    whole_or_nothing,
)


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


def elsewhere(call):
    """What a call raises in another thread, which is as good as another process."""
    found = []

    def work():
        try:
            call()
        except UsageError as error:
            found.append(str(error))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    return found


@pytest.mark.parametrize(
    ("out", "message"),
    [
        ("lab", "lab contains files that are read"),
        ("lab/images", "images contains files that are read"),
        ("lab/images/new", "new lies in .*images, which holds files that are read; give another folder"),
        ("lab/labels", r"labels contains files that are read \(.*anna\); give another folder"),
        ("elsewhere", r"elsewhere contains files that are read \(.*elsewhere\)"),
        ("elsewhere/new", "new lies in .*elsewhere"),
        ("lab/results", None),
        ("lab/images_2", None),
    ],
)
def test_an_output_neither_holds_inputs_nor_lies_among_them(tmp_path, out, message):
    """A link is an input itself, and so is what it leads to."""
    (tmp_path / "lab" / "images").mkdir(parents=True)
    (tmp_path / "lab" / "labels").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "lab" / "labels" / "anna").symlink_to(tmp_path / "elsewhere")
    folders = [tmp_path / "lab" / "images", tmp_path / "lab" / "labels" / "anna"]

    def refuse() -> None:
        refuse_inputs(tmp_path / out, [tmp_path / "lab"], folders=folders, used="read", option="--out")

    if message is None:
        refuse()
    else:
        with pytest.raises(UsageError, match=f"--out .*{message}"):
            refuse()


def test_of_two_that_write_one_folder_the_second_is_told_and_the_first_loses_nothing(tmp_path):
    out = tmp_path / "out"
    partial = prepare_output(out)
    (partial / "file").write_text("first")
    (told,) = elsewhere(lambda: prepare_output(out, overwrite=True))
    assert told == f"{out}: another process writes to this folder; wait for it, or give another --output_dir"
    publish_output(partial)
    assert (out / "file").read_text() == "first"
    (told,) = elsewhere(lambda: prepare_output(out))
    assert "exists already" in told
    assert elsewhere(lambda: publish_output(prepare_output(out, overwrite=True))) == []
    assert list(tmp_path.iterdir()) == [out]


def test_a_folder_that_another_one_finished_while_this_one_waited_is_not_replaced(tmp_path, monkeypatch):
    lock = outputs._lock

    def finished_meanwhile(final, option):
        final.mkdir()
        return lock(final, option)

    monkeypatch.setattr(outputs, "_lock", finished_meanwhile)
    with pytest.raises(UsageError, match="exists already"):
        prepare_output(tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_block_alone_keeps_the_folder_also_after_it_is_published(tmp_path):
    out = tmp_path / "out"
    with alone(out, "--out"):
        publish_output(prepare_output(out))
        (told,) = elsewhere(lambda: prepare_output(out, overwrite=True))
        assert "another process writes" in told
    assert elsewhere(lambda: publish_output(prepare_output(out, overwrite=True))) == []


@pytest.mark.parametrize(("left", "expected"), [([], "new"), (["resume.pt"], "old")])
def test_killed_between_the_two_renames_the_folder_is_found_again(tmp_path, monkeypatch, caplog, left, expected):
    """An unfinished training is resumed by its own command; the older folder takes its place until then."""
    out = tmp_path / "out"
    out.mkdir()
    (out / "file").write_text("old")
    partial = prepare_output(out, overwrite=True)
    for name in left:
        (partial / name).write_text("")
    (partial / "file").write_text("new")
    rename = Path.rename

    def killed(self, target):
        if self == partial:
            raise KeyboardInterrupt
        return rename(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", killed)
        with pytest.raises(KeyboardInterrupt):
            publish_output(partial)
    outputs._release(out)  # as the end of the process does
    assert not out.exists()
    recover_output(out)
    assert (out / "file").read_text() == expected
    assert f"{out}: a process was killed while it replaced this folder" in caplog.text
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
    assert partial.exists() == bool(left)


def test_a_folder_that_is_being_replaced_is_left_to_its_process(tmp_path):
    hidden = tmp_path / ".out.12345678.old"
    hidden.mkdir()
    with alone(tmp_path / "out", "--out"):
        elsewhere(lambda: recover_output(tmp_path / "out"))
    assert hidden.is_dir()
    recover_output(tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_every_file_is_on_the_disk_before_its_folder_has_its_name(tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr(durable, "_sync", synced.append)
    partial = prepare_output(tmp_path / "out")
    (partial / "tables").mkdir()
    (partial / "tables" / "scores.csv").write_text("1")
    (partial / "summary.json").write_text("{}")
    publish_output(partial)
    assert {partial / "tables" / "scores.csv", partial / "summary.json", partial, partial / "tables"} <= set(synced)


def test_a_disk_that_is_full_at_the_last_moment_is_one_message_and_the_older_folder_stays(tmp_path, monkeypatch):
    (tmp_path / "out").mkdir()
    partial = prepare_output(tmp_path / "out", overwrite=True)
    (partial / "file").write_text("new")

    def full(number):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UsageError, match="out cannot be written: No space left on device; free some space"):
        publish_output(partial)
    assert list(tmp_path.rglob("*")) == [tmp_path / "out"]


def test_a_file_is_replaced_whole_or_stays_as_it_was(tmp_path, monkeypatch):
    path = tmp_path / "state.json"
    durable.write_durably(path, "old")

    def full(number):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        durable.write_durably(path, "new")
    assert {file.name: file.read_text() for file in tmp_path.iterdir()} == {"state.json": "old"}


def test_a_current_folder_that_was_removed_is_one_message(tmp_path, monkeypatch):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    for place in ("out", tmp_path / "out"):
        with pytest.raises(UsageError, match="the current folder was removed; change to another one"):
            check_output(place)
