"""Damaged files of an unfinished training, and a full disk: never other weights, never a traceback."""

import errno
from pathlib import Path

import pytest
import torch

from segassay.errors import DataError, UsageError
from segassay.io.outputs import UNFINISHED, unfinished_output, whole_or_nothing
from segassay_monai.ensemble.members import Member
from segassay_monai.training import resume

MEMBER = Member("lab", "hash", "staple", "staple", 0, 3, 7, ("1",), ("2",), ("3",), ("a", "b"), (), "")


def written(path: Path) -> Path:
    torch.save({"model": {"w": torch.arange(300.0)}, "member": MEMBER.state_dict(), "training_version": 1}, path)
    return path


def flip(path: Path, place: int) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)


def place_of_weights(path: Path) -> int:
    """A byte inside the numbers: a flip there gives other weights, and nothing else would tell."""
    return path.read_bytes().index(torch.arange(300.0).numpy().tobytes()) + 401


@pytest.mark.parametrize("damaged", ["", UNFINISHED, "model.pt"])
def test_one_flipped_bit_in_the_state_or_the_best_model_starts_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, damaged: str
) -> None:
    for name in (UNFINISHED, "model.pt"):
        path = written(tmp_path / name)
        if name == damaged:
            flip(path, place_of_weights(path))
    monkeypatch.setattr(resume, "_differences", lambda path, member: resume.read_members([path]) and "")
    assert resume._can_resume(tmp_path, MEMBER, overwrite=False) is (not damaged)
    if damaged:
        assert f"{tmp_path / damaged} is damaged" in caplog.text
        assert "the training starts from the beginning" in caplog.text


def test_a_finished_model_with_a_flipped_bit_is_never_read(tmp_path: Path) -> None:
    path = written(tmp_path / "model.pt")
    flip(path, place_of_weights(path))
    with pytest.raises(DataError, match="does not agree with its checksum; copy it again, or remove its folder"):
        resume.read_members([path])


def test_advice_about_unknown_settings_does_not_lead_back_to_the_same_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(tmp_path / UNFINISHED)
    (tmp_path / "config.yaml").write_text("epochs: [")
    monkeypatch.setattr(resume, "TRAINING_VERSION", 1)
    monkeypatch.setattr(resume, "config_text", lambda: "epochs: 3\n")
    with pytest.raises(UsageError, match=r"unknown settings \(config.yaml cannot be read\); give another") as raised:
        resume._can_resume(tmp_path, MEMBER, overwrite=False)
    assert "repeat the call" not in str(raised.value)
    assert resume._can_resume(tmp_path, MEMBER, overwrite=True) is False


def test_a_full_disk_is_one_message_and_the_last_epoch_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    partial = unfinished_output(tmp_path / "out")
    partial.mkdir()
    before = written(partial / UNFINISHED).read_bytes()

    def full(state: object, path: Path) -> None:
        path.write_bytes(b"half of it")
        raise RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 576 vs 534")

    monkeypatch.setattr(torch, "save", full)
    message = r"out cannot be written: resume\.pt cannot be written completely"
    with pytest.raises(UsageError, match=message), whole_or_nothing(partial):
        resume._write({}, partial / UNFINISHED)
    assert {path.name: path.read_bytes() for path in partial.iterdir()} == {UNFINISHED: before}


def test_a_state_is_on_the_disk_before_it_replaces_the_last_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = written(tmp_path / UNFINISHED).read_bytes()

    def refused(number: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr("os.fsync", refused)
    with pytest.raises(OSError, match="Input/output error"):
        resume._write({"model": {}}, tmp_path / UNFINISHED)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {UNFINISHED: before}
