"""What is damaged in a finished study is noticed, named, set aside and made again; what is not stays as it is."""

import json
import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from folders import contents
from segassay.errors import UsageError
from segassay_monai.study import store, whole
from segassay_monai.study.plan import AGAIN, EVALUATION, HELD_OUT, Study
from segassay_monai.study.whole import is_whole, mend, remember
from segassay_monai.study.worker import do


def flip(path: Path, place: int = -20) -> None:
    """Change one bit, as a bad disk does."""
    data = bytearray(path.read_bytes())
    data[place] ^= 4
    path.write_bytes(data)


def mend_all(study: Study, caplog: pytest.LogCaptureFixture) -> str:
    with caplog.at_level(logging.WARNING, "segassay"):
        caplog.clear()
        mend(study, study.tasks.values())
    return caplog.text


def test_a_whole_study_is_left_as_it_is(copied: Study, caplog: pytest.LogCaptureFixture) -> None:
    before = contents(copied.out)
    assert mend_all(copied, caplog) == ""
    assert {name: data for name, data in contents(copied.out).items() if not name.startswith(".claims")} == before


@pytest.mark.parametrize("how", ["flipped", "deleted", "empty"])
@pytest.mark.parametrize("name", ["masks/case_0001.png", "prob/case_0001.tif", "scores.csv"])
def test_files_of_an_ensemble_are_predicted_again(
    copied: Study, caplog: pytest.LogCaptureFixture, name: str, how: str
) -> None:
    (ensemble,) = copied.predictions
    path = copied.place(ensemble) / name
    if how == "deleted":
        path.unlink()
    elif how == "empty":
        path.write_bytes(b"")
    else:
        flip(path)
    told = mend_all(copied, caplog)
    assert f"{name} is {'missing' if how == 'deleted' else 'not as it was written'}" in told
    assert store.open_tasks(copied) == [ensemble]
    assert (copied.out / "damaged" / ensemble.folder / "annotations.csv").is_file(), "nothing is removed"
    assert mend_all(copied, caplog) == ""


def test_masks_of_a_member_are_predicted_again_without_a_training(
    copied: Study, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, new_store: Callable[[Path], str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", new_store(copied.path.parent))
    member = copied.members[0]
    place, before = copied.place(member), contents(copied.place(member))
    flip(place / "held_out" / "masks" / "case_0001.png")
    (place / "held_out" / "annotations.csv").unlink()
    told = mend_all(copied, caplog)
    assert "held_out/annotations.csv is missing, held_out/masks/case_0001.png is not as it was written" in told
    assert store.open_tasks(copied) == [member]
    trained = (place / "model.pt").stat().st_mtime_ns
    do(copied, member)
    assert copied.is_done(member)
    assert contents(place) == before
    assert (place / "model.pt").stat().st_mtime_ns == trained
    assert mend_all(copied, caplog) == ""


def test_an_interrupted_prediction_of_a_member_stays_open(copied: Study) -> None:
    place = copied.place(copied.members[0])
    (place / AGAIN).touch()
    shutil.rmtree(place / "held_out")
    assert not copied.is_done(copied.members[0])


def test_a_damaged_model_is_trained_again(copied: Study, caplog: pytest.LogCaptureFixture) -> None:
    member = copied.members[0]
    flip(copied.checkpoint(member), 2000)
    assert "model.pt is not as it was written; the member is trained again" in mend_all(copied, caplog)
    assert store.open_tasks(copied) == [member]
    assert not copied.place(member).exists()
    assert (copied.out / "damaged" / member.folder / "model.pt").is_file()


def test_a_file_on_which_no_result_depends_costs_no_training(copied: Study, caplog: pytest.LogCaptureFixture) -> None:
    place = copied.place(copied.members[0])
    familiar = (place / "familiar.json").read_bytes()
    (place / "familiar.json").write_text("")
    (place / "seconds.json").write_text("{")
    told = mend_all(copied, caplog)
    assert "familiar.json is made again" in told
    assert store.open_tasks(copied) == []
    assert (place / "familiar.json").read_bytes() == familiar
    assert not (place / "seconds.json").exists()
    assert mend_all(copied, caplog) == ""


def test_a_study_of_an_earlier_version_gets_its_checksums(copied: Study, caplog: pytest.LogCaptureFixture) -> None:
    shutil.rmtree(copied.out / "checksums")
    (ensemble,) = copied.predictions
    (copied.place(ensemble) / "masks" / "case_0001.png").unlink()
    assert "masks/case_0001.png is missing" in mend_all(copied, caplog)
    assert store.open_tasks(copied) == [ensemble]
    flip(copied.place(copied.members[1]) / "held_out" / "masks" / "case_0001.png")
    assert "held_out/masks/case_0001.png is not as it was written" in mend_all(copied, caplog)


def test_a_damaged_list_is_made_again(copied: Study, caplog: pytest.LogCaptureFixture) -> None:
    (path,) = (copied.out / "checksums").glob(f"{copied.members[0].folder}.json")
    listed = path.read_bytes()
    path.write_bytes(listed[: len(listed) // 2])
    assert "is not JSON" in mend_all(copied, caplog)
    assert path.read_bytes() == listed


def test_what_another_process_works_on_is_left_to_it(
    copied: Study, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    flip(copied.checkpoint(copied.members[0]), 2000)
    with store.claim(copied, copied.members[0].folder):
        assert mend_all(copied, caplog) == ""
    assert mend_all(copied, caplog) != ""


@pytest.mark.parametrize("damage", [b"", b'{"run": "1', b"[1, 2]", b"\xff\xfe"])
def test_a_damaged_state_is_set_aside(copied: Study, caplog: pytest.LogCaptureFixture, damage: bytes) -> None:
    store.write_state(copied, run="123", memory=5)
    assert store.read_state(copied) == {"run": "123", "memory": 5}
    path = copied.out / "state.json"
    path.write_bytes(damage)
    assert store.read_state(copied) == {}
    assert "state.json is damaged, and now state.json.damaged. No result is lost" in caplog.text
    assert (copied.out / "state.json.damaged").read_bytes() == damage
    store.write_state(copied, memory=6)
    assert store.read_state(copied) == {"memory": 6}


def test_one_flipped_bit_in_the_state_is_noticed(copied: Study) -> None:
    store.write_state(copied, run="123", memory=5)
    path = copied.out / "state.json"
    whole_state = path.read_bytes()
    for place in range(len(whole_state)):
        flip(path, place)
        state = store.read_state(copied)
        assert state == {} or (state["run"], state["memory"]) == ("123", 5), place
        path.write_bytes(whole_state)


def test_a_state_of_an_earlier_version_is_read(copied: Study) -> None:
    (copied.out / "state.json").write_text(json.dumps({"run": "123"}))
    assert store.read_state(copied) == {"run": "123"}


@pytest.mark.parametrize("name", ["summary.json", "tables/scores.csv", "report.html"])
def test_a_damaged_evaluation_is_not_taken(
    written: SimpleNamespace, tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    folder = tmp_path / EVALUATION[HELD_OUT]
    shutil.copytree(written.folder, folder)
    assert is_whole(folder)
    (folder / name).unlink() if name.endswith("html") else flip(folder / name)
    assert not is_whole(folder)
    assert name in caplog.text


def test_a_study_of_another_user_is_one_message(copied: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*words: object, **named: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(store.FileLock, "acquire", refused)
    with pytest.raises(UsageError, match=r"cannot be written \(Permission denied\); if it is another user's"):
        mend(copied, copied.tasks.values())
    (copied.out / ".claims" / f"{copied.members[0].folder}.lock").touch()
    assert not store.is_claimed(copied, copied.members[0]), "its status is shown nevertheless"


def test_checksums_are_on_the_disk_before_they_have_their_name(copied: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Path] = []
    monkeypatch.setattr(whole, "write_durably", lambda path, text: asked.append(path))
    remember(copied, copied.members[0])
    assert asked == [copied.out / "checksums" / f"{copied.members[0].folder}.json"]
