"""An ensemble of a study averages what its members have predicted; what was changed since is predicted again."""

import dataclasses
import logging
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from folders import contents
from segassay_monai.ensemble.ensemble_net import EnsembleNet
from segassay_monai.ensemble.stored_maps import stored_probabilities
from segassay_monai.study.averaged import averaged_maps
from segassay_monai.study.plan import TEST, Prediction, Study
from segassay_monai.study.there import list_name
from segassay_monai.study.whole import remember
from segassay_monai.study.worker import do, work

SHAPE = torch.Size([1, 32, 48])


def found(study: Study, caplog: pytest.LogCaptureFixture) -> tuple[list[list[bool]], str]:
    """Whether each map of each member is read, and what is said."""
    ensemble = study.predictions[0]
    with caplog.at_level(logging.WARNING, "segassay"):
        caplog.clear()
        maps = averaged_maps(study, ensemble)
        known = stored_probabilities(maps) or (lambda *_: None)
        return [[known(number, case, SHAPE) is not None for case in ensemble.cases] for number in range(2)], caplog.text


def test_an_ensemble_predicts_no_member_again_and_has_the_same_bytes(
    copied: Study, monkeypatch: pytest.MonkeyPatch, new_store: Callable[[Path], str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", new_store(copied.path.parent))
    (ensemble,) = copied.predictions
    predicted: list[int] = []
    predict = EnsembleNet._predict
    monkeypatch.setattr(EnsembleNet, "_predict", lambda *words: predicted.append(1) or predict(*words))
    shutil.rmtree(copied.place(ensemble))
    do(copied, ensemble)
    averaged = contents(copied.place(ensemble))
    assert not predicted
    for member in copied.members:
        (copied.out / list_name(member)).unlink()
    do(copied, ensemble)
    assert len(predicted) == 2 * len(ensemble.cases), "without the lists nothing says of which checkpoint the maps are"
    assert contents(copied.place(ensemble)) == averaged
    assert sum("prob/" in name for name in averaged) == len(ensemble.cases)


def test_a_damaged_map_is_predicted_again(copied: Study, caplog: pytest.LogCaptureFixture) -> None:
    assert found(copied, caplog) == ([[True] * 3] * 2, "")
    place, (first, second, _) = copied.place(copied.members[1]) / "held_out" / "prob", copied.members[1].held_out
    data = bytearray((place / f"{first}.tif").read_bytes())
    data[-20] ^= 4
    (place / f"{first}.tif").write_bytes(data)
    (place / f"{second}.tif").unlink()
    known, told = found(copied, caplog)
    assert known == [[True] * 3, [False, False, True]]
    assert f"{first}.tif is not as it was written; {first} is predicted again" in told
    assert f"{second}.tif is missing" in told


def test_maps_of_another_member_are_not_averaged(copied: Study, caplog: pytest.LogCaptureFixture) -> None:
    one, other = (copied.place(member) for member in copied.members)
    shutil.copytree(other / "held_out", one / "held_out", dirs_exist_ok=True)
    known, told = found(copied, caplog)
    assert known == [[False] * 3, [True] * 3]
    assert "is not as it was written" in told


def test_maps_of_another_checkpoint_are_not_averaged(copied: Study, caplog: pytest.LogCaptureFixture) -> None:
    one, other = (copied.place(member) for member in copied.members)
    shutil.copy(other / "model.pt", one / "model.pt")
    known, told = found(copied, caplog)
    assert known == [[False] * 3, [True] * 3]
    assert f"{one / 'model.pt'} is not as it was written: the probabilities of {copied.members[0].id}" in told


def test_a_damaged_list_of_checksums_names_no_map(copied: Study, caplog: pytest.LogCaptureFixture) -> None:
    (copied.out / list_name(copied.members[0])).write_text("[]")
    (copied.out / list_name(copied.members[1])).write_text("{")
    assert found(copied, caplog)[0] == [[False] * 3] * 2


def test_an_ensemble_waits_for_what_its_members_predict_of_test_cases_and_averages_it(
    copied: Study, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = [Prediction(member.annotator, (member,), TEST, member.held_out) for member in copied.members]
    ensemble = dataclasses.replace(copied.predictions[0], on=TEST)
    study = dataclasses.replace(copied, predictions=(ensemble, *alone))
    done: list[str] = []

    def predict(study: Study, task: Prediction) -> None:
        done.append(task.id)
        if task != ensemble:
            shutil.copytree(study.place(task.members[0]) / "held_out", study.place(task))
            remember(study, task)
            return
        assert found(study, caplog) == ([[True] * 3] * 2, "")
        first, second = (study.place(task) for task in alone)
        shutil.copytree(second, first, dirs_exist_ok=True)
        known, told = found(study, caplog)
        assert known == [[False] * 3, [True] * 3]
        assert "is not as it was written" in told
        shutil.copytree(second, study.place(task))

    monkeypatch.setattr("segassay_monai.study.worker.do", predict)
    monkeypatch.setattr("segassay_monai.study.worker._has_grown", lambda study: False)
    assert work(study, lambda word, task: None)
    assert done == [*(task.id for task in alone), ensemble.id]
