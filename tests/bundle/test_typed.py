"""Texts on MONAI's command line arrive as typed, whatever Python they look like."""

import fire
import pytest
import torch
from monai.bundle import ConfigParser

from segassay.errors import UsageError
from segassay_monai.bundle.typed import as_typed

ODD = [
    "lab#2",
    "2020_01_05",
    "a,b",
    "[1]",
    "1e3",
    "true",
    "0x10",
    "(1)",
    "50% new",
    "lab@uni",
    "it's",
    'a"b',
    "x\\y",
    "ä",
]


def _arrive(words: list[str]) -> dict[str, object]:
    return fire.Fire(lambda **settings: settings, command=words)


@pytest.mark.parametrize("name", ["dataset_dir", "rater", "output_dir", "initialise_from"])
@pytest.mark.parametrize("text", ODD)
def test_a_text_arrives_as_typed(name: str, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert _arrive(as_typed([f"--{name}", text, "--epochs", "3"])) == {name: text, "epochs": 3}
    assert _arrive(as_typed([f"--{name}={text}", "--overwrite", "True"])) == {name: text, "overwrite": True}


def test_without_quotes_another_dataset_would_be_read() -> None:
    assert _arrive(["--dataset_dir", "lab#2"]) == {"dataset_dir": "lab"}


def test_numbers_lists_and_none_are_still_read() -> None:
    words = ["--models", "[a,b]", "--channels", "[4,8]", "--initialise_from", "None", "--learning_rate", "1e-3"]
    found = _arrive(as_typed(words))
    assert found == {"models": ["a", "b"], "channels": [4, 8], "initialise_from": None, "learning_rate": 1e-3}


def test_a_folder_named_like_an_expression_is_one_message(tmp_path, monkeypatch) -> None:
    (tmp_path / "@lab").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=r"write \./@lab"):
        as_typed(["--dataset_dir", "@lab"])
    assert as_typed(["--dataset_dir", "./@lab"]) == ["--dataset_dir", "'./@lab'"]


@pytest.mark.parametrize(("text", "device"), [("cpu", "cpu"), ("$torch.device('cpu')", "cpu")])
def test_a_device_is_named_as_people_name_it(text: str, device: str) -> None:
    found = _arrive(as_typed(["--device", text]))["device"]
    assert eval(str(found).removeprefix("$"), {"torch": torch}) == torch.device(device)


@pytest.mark.parametrize("text", ["gpu", "cuda:99", "cpu;import os", ""])
def test_no_such_device_is_one_message(text: str) -> None:
    with pytest.raises(UsageError, match=f"--device {text}"):
        as_typed(["--device", text])


def test_monai_stops_at_a_percent_sign_before_anything_of_ours_runs() -> None:
    """What docs/training.md and docs/share.md say of such a folder."""
    parser = ConfigParser({"dataset_dir": "%lab", "initialize": ["$1 / 0"]})
    with pytest.raises(KeyError, match="query key: lab"):
        parser.parse()
    parser = ConfigParser({"dataset_dir": "./%lab"})
    parser.parse()
    assert parser.get_parsed_content("dataset_dir") == "./%lab"
