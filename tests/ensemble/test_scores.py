"""Scores of held-out images on a terminal of 80 columns."""

import pandas as pd
import pytest

from segassay_monai.ensemble.scores import show

PREDICTIONS = ("staple/s0-3", "staple/s0", "staple/s1")
TARGETS = ("consensus_staple", "expert_1_amira")
NUMBERS = {"f1": 0.512, "precision": 0.634, "recall": 0.756, "dice": 0.878, "n_cases": 13}


def rows(*classes: str) -> pd.DataFrame:
    found = [
        {"annotator_a": target, "annotator_b": prediction, **NUMBERS, **({"class": name} if name else {})}
        for target in TARGETS
        for prediction in PREDICTIONS
        for name in classes
    ]
    return pd.DataFrame(found)


@pytest.fixture(autouse=True)
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


def test_each_class_has_a_row_that_can_be_read(capsys: pytest.CaptureFixture[str]) -> None:
    classes = ("mean", "ground_glass", "part_solid", "solid")
    show(rows(*classes), TARGETS[0], [])
    said = capsys.readouterr().out
    assert "…" not in said
    assert max(map(len, said.splitlines())) <= 80
    lines = [line.split() for line in said.splitlines()]
    for name in classes:
        ends = [line[-6:] for line in lines if name in line]
        assert ends == [[name, "0.512", "0.634", "0.756", "0.878", "13"]] * len(TARGETS) * len(PREDICTIONS)
    for name in PREDICTIONS:
        assert sum(line[:1] == [name] for line in lines) == len(TARGETS), "once for all its classes"
    assert "compared with consensus_staple *," in said
    assert "compared with expert_1_amira," in said


def test_without_classes_all_targets_are_in_one_table(capsys: pytest.CaptureFixture[str]) -> None:
    show(rows(""), TARGETS[0], [])
    said = capsys.readouterr().out
    assert "…" not in said
    assert said.count("compared with") == 1
    assert sum("consensus_staple *" in line for line in said.splitlines()) == len(PREDICTIONS)


def test_long_names_are_whole_and_brackets_are_text(capsys: pytest.CaptureFixture[str]) -> None:
    table = rows("mean", "a_class_with_a_name_of_forty_letters_here")
    table["annotator_b"] = "[red]net[/red]"
    show(table, TARGETS[0], [])
    said = capsys.readouterr().out
    assert "[red]net[/red]" in said
    assert "…" not in said
    assert said.count("0.634") == len(table)
