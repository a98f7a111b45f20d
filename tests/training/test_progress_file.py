"""The file of a training's progress: what is written is read, and whatever else is there counts as nothing known."""

import os
from pathlib import Path

import pytest
from pydantic import ValidationError

from segassay_monai.training.progress_file import (
    PROGRESS,
    TrainingProgress,
    read_progress,
    remove_progress,
    write_progress,
)

GOOD = TrainingProgress(epoch=3, epochs=14, minutes_left=5.25)


def test_what_is_written_is_read_and_nothing_else_stays(tmp_path: Path) -> None:
    write_progress(tmp_path, GOOD.model_copy(update={"epoch": 2}))
    write_progress(tmp_path, GOOD)
    assert read_progress(tmp_path) == GOOD
    assert str(GOOD) == "epoch 3/14, 5.2 min left"
    assert [path.name for path in tmp_path.iterdir()] == [PROGRESS]
    remove_progress(tmp_path)
    remove_progress(tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b'{"epoch": 3, "epochs": 14, "minutes_l',
        b"[" * 99_999,
        b"\xff\xfe\x00",
        b"null",
        b"{}",
        b'{"epoch": 3, "epochs": 14}',
        b'{"epoch": 3, "epochs": 14, "minutes_left": NaN}',
        b'{"epoch": 3, "epochs": 14, "minutes_left": 1e999}',
        b'{"epoch": -1, "epochs": 14, "minutes_left": 1}',
        b'{"epoch": 15, "epochs": 14, "minutes_left": 1}',
        b'{"epoch": true, "epochs": 14, "minutes_left": 1}',
        b'{"epoch": "[red]3", "epochs": 14, "minutes_left": 1}',
        b'{"epoch": ' + b"9" * 5000 + b', "epochs": 14, "minutes_left": 1}',
        b'{"epoch": 3, "epochs": 14, "minutes_left": 1, "more": 0}',
    ],
)
def test_a_damaged_file_counts_as_nothing_known(tmp_path: Path, content: bytes) -> None:
    (tmp_path / PROGRESS).write_bytes(content)
    assert read_progress(tmp_path) is None


def test_a_folder_in_its_place_and_no_folder_at_all_count_as_nothing_known(tmp_path: Path) -> None:
    (tmp_path / PROGRESS).mkdir()
    assert read_progress(tmp_path) is None
    assert read_progress(tmp_path / "nowhere") is None


def test_the_earlier_file_stays_whole_if_writing_stops_before_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_progress(tmp_path, GOOD)

    def stop(source: Path, target: Path) -> None:
        assert read_progress(tmp_path) == GOOD, "the new file is written beside the old one"
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", stop)
    with pytest.raises(KeyboardInterrupt):
        write_progress(tmp_path, GOOD.model_copy(update={"epoch": 4}))
    assert read_progress(tmp_path) == GOOD


def test_no_training_has_more_finished_epochs_than_epochs() -> None:
    with pytest.raises(ValidationError, match="epoch 15 of 14"):
        TrainingProgress(epoch=15, epochs=14, minutes_left=0.0)
