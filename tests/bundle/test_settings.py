"""Settings: a mistyped one names the nearest, and errors of ours are found under MONAI's."""

import itertools
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from monai.bundle import ConfigParser

from segassay.errors import DataError, UsageError
from segassay_monai.bundle import settings
from segassay_monai.bundle.paths import config_path
from segassay_monai.ensemble.inference import PredictionError

REQUIRED = {"dataset_dir": "data", "models": "models"}


@pytest.fixture(autouse=True)
def _keep_excepthook(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)


def configuration(overrides: Mapping[str, Any], config: str = "train.yaml") -> ConfigParser:
    """The bundle's configuration with settings of the command line, as `monai.bundle run` prepares it."""
    parser = ConfigParser()
    parser.read_config(str(config_path(config)))
    required = {name: value for name, value in REQUIRED.items() if name in parser.config}
    parser.update(required | dict(overrides))
    return parser


def problem(overrides: Mapping[str, Any], config: str = "train.yaml") -> str:
    """What the configuration's own check says of these settings; empty if nothing."""
    parser, found = configuration(overrides, config), None
    try:
        parser.get_parsed_content("initialize::0")
    except Exception as error:
        found = settings.find_own_error(error)
        if found is None:
            raise
    assert found is None or isinstance(found, UsageError)
    assert len(str(found).splitlines()) == 1
    return str(found or "")


@pytest.mark.parametrize("config", ["train.yaml", "evaluate.yaml", "inference.yaml"])
def test_the_configurations_as_they_are_pass(config):
    assert problem({}, config) == ""


@pytest.mark.parametrize(
    "overrides",
    [
        {"epochs": 3, "seed": 7, "rater": "expert_1", "overwrite": True, "channels": [8, 16]},
        {"learning_rate": 1, "experiment": "mine", "device": "cpu", "num_workers": 2},
        {"epochs": "$2 * 4", "channels": "$[8] * 3", "overwrite": "$1 == 1", "seed": "@fold"},
        {"train::trainer::max_epochs": 3, "train::dataset::cache_num": 1},
        {"validate#evaluator#amp": False},
        {"network_def": {"_target_": "monai.networks.nets.SegResNet", "init_filters": 8}},
    ],
    ids=["plain", "defaults that are expressions", "expressions", "nested", "nested with #", "another network"],
)
def test_settings_that_exist_pass(overrides):
    assert problem(overrides) == ""


@pytest.mark.parametrize(
    ("name", "nearest"),
    [("epoch", "epochs"), ("lerning_rate", "learning_rate"), ("output", "output_dir"), ("rater_name", "rater")],
)
def test_an_unknown_setting_names_the_nearest(name, nearest):
    assert problem({name: 8}) == f"unknown setting --{name}; did you mean --{nearest}?"


def test_an_unknown_setting_like_nothing_says_where_they_stand():
    assert problem({"xyzzy": 8}) == ("unknown setting --xyzzy; the settings stand at the top of the configuration file")


@pytest.mark.parametrize("separator", ["::", "#"])
@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("train#trainer#max_epoch", "train#trainer#max_epochs"),
        ("train#datset", "train#dataset"),
        ("network_def#channel", "network_def#channels"),
        ("validate#evaluator#postprocesing", "validate#evaluator#postprocessing"),
    ],
)
def test_an_unknown_nested_setting_names_the_nearest_with_its_whole_name(name, nearest, separator):
    message = problem({name.replace("#", separator): 1})
    assert message == f"unknown setting --{name}; did you mean --{nearest}?"


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        ({"epochs": "many"}, "--epochs many: expected a number such as 14"),
        ({"epochs": True}, "--epochs True: expected a number such as 14"),
        ({"epochs": None}, "--epochs None: expected a number such as 14"),
        ({"epochs": 2.5}, "--epochs 2.5: expected a whole number such as 14"),
        ({"seed": 7.0}, "--seed 7.0: expected a whole number such as 0"),
        ({"learning_rate": ""}, "--learning_rate : expected a number such as 0.01"),
        ({"channels": 16}, "--channels 16: expected a list such as [16, 32, 64, 128]"),
        ({"overwrite": "false"}, "--overwrite false: expected True or False"),
        ({"train::sampler::replacement": "no"}, "--train#sampler#replacement no: expected True or False"),
        ({"dataset_dir": None}, "--dataset_dir is missing: give the folder with images/ and labels/"),
    ],
)
def test_a_value_of_the_wrong_kind_says_what_is_expected(overrides, expected):
    assert problem(overrides) == expected


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        ({"epochs": 0}, "--epochs 0: expected 1 or more"),
        ({"batch_size": 0}, "--batch_size 0: expected 1 or more"),
        ({"iterations_per_epoch": -1}, "--iterations_per_epoch -1: expected 1 or more"),
        ({"learning_rate": -1}, "--learning_rate -1: expected a number above 0"),
        ({"learning_rate": float("nan")}, "--learning_rate nan: expected a number above 0"),
        ({"learning_rate": float("inf")}, "--learning_rate inf: expected a number above 0"),
        ({"warm_up": 2}, "--warm_up 2: expected a number from 0 to 1"),
        ({"foreground": -0.1}, "--foreground -0.1: expected a number from 0 to 1"),
        ({"weight_decay": -1}, "--weight_decay -1: expected 0 or more"),
        ({"spatial_dims": 4}, "--spatial_dims 4: expected 2 for images or 3 for volumes"),
        ({"seed": -1}, "--seed -1: expected 0 or more"),
        ({"n_cached": -1}, "--n_cached -1: expected 0 or more"),
        ({"num_workers": -1}, "--num_workers -1: expected 0 or more"),
        ({"n_folds": 1}, "--n_folds 1: expected at least 2 folds"),
        ({"tile_size": 0}, "--tile_size 0: expected 1 or more"),
        ({"tile_size": 7}, "--tile_size 7: expected a multiple of 8 from 16 on, for --channels has 4 levels"),
        ({"tile_size": 100, "channels": [4, 8, 16, 32]}, "--tile_size 100: expected a multiple of 8 from 16 on"),
        ({"channels": []}, "--channels []: expected two or more whole numbers above 0"),
        ({"channels": [8]}, "--channels [8]: expected two or more whole numbers above 0"),
        ({"channels": [8, 0]}, "--channels [8, 0]: expected two or more whole numbers above 0"),
        ({"channels": [8, 1.5]}, "--channels [8, 1.5]: expected two or more whole numbers above 0"),
    ],
)
def test_a_value_out_of_range_says_what_is_possible(overrides, expected):
    assert problem(overrides).startswith(expected)


@pytest.mark.parametrize("overrides", [{"seed": 10**400}, {"tile_size": 4, "channels": [8, 16]}, {"warm_up": 0}])
def test_values_at_the_border_pass(overrides):
    assert problem(overrides) == ""


def test_overwrite_false_as_text_is_refused_before_anything_is_overwritten():
    for config in ("evaluate.yaml", "inference.yaml"):
        assert "expected True or False" in problem({"overwrite": "false"}, config)


def test_a_name_that_an_overlay_refers_to_is_allowed():
    assert "unknown setting --width" in problem({"width": 8})
    assert problem({"width": 8, "channels": "$[@width, 2 * @width]"}) == ""
    assert problem({"width": 8, "network_def::channels": ["@width", 16]}) == ""


def test_no_configuration_running_is_a_clear_error():
    with pytest.raises(RuntimeError, match="no configuration is running"):
        settings.running_config()


def test_the_configuration_in_effect_is_written_with_its_overrides(tmp_path: Path):
    parser = configuration({"epochs": 3, "rater": "ännchen"})
    parser.config["initialize"] = [
        f"$segassay_monai.bundle.settings.write_config(__import__('pathlib').Path({str(tmp_path)!r}) / 'config.yaml')"
    ]
    parser.get_parsed_content("initialize::0")
    written = yaml.safe_load((tmp_path / "config.yaml").read_text(encoding="utf-8"))
    assert (written["epochs"], written["rater"], written["seed"]) == (3, "ännchen", 0)
    assert written["channels"] == [16, 32, 64, 128]
    assert "_meta_" not in written
    again = ConfigParser()
    again.read_config(str(tmp_path / "config.yaml"))
    assert again["epochs"] == 3


def chained(*errors: Exception) -> Exception:
    """Each error raised from the next."""
    for error, cause in itertools.pairwise(errors):
        error.__cause__ = cause
    return errors[0]


def test_our_own_error_is_found_under_others():
    ours = DataError("images/0144.png: truncated")
    assert settings.find_own_error(chained(RuntimeError("transform"), ValueError("x"), ours, OSError())) is ours
    assert settings.find_own_error(ours) is ours
    assert settings.find_own_error(chained(RuntimeError("a"), KeyError("b"))) is None
    assert settings.find_own_error(None) is None


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("segassay.errors.DataError", DataError),
        ("segassay.errors.UsageError", UsageError),
        ("segassay_monai.ensemble.inference.PredictionError", DataError),
    ],
)
def test_our_own_error_is_found_in_the_text_that_a_loading_process_sends(name, kind):
    text = (
        "Caught RuntimeError in DataLoader worker process 0.\nOriginal Traceback (most recent call last):\n"
        f'  File "transforms.py", line 3, in read\n{name}: labels/0144.png: truncated; copy it again\n\n'
        "The above exception was the direct cause of the following exception:\n\nRuntimeError: applying transform\n"
    )
    found = settings.find_own_error(RuntimeError(text))
    assert type(found) is kind
    assert str(found) == "labels/0144.png: truncated; copy it again"


def test_our_own_error_is_found_where_it_was_only_being_handled():
    error = RuntimeError("while cleaning up")
    error.__context__ = UsageError("--fold 9")
    assert str(settings.find_own_error(error)) == "--fold 9"


def test_an_error_of_the_exported_part_reaches_the_user_as_one_of_ours():
    found = settings.find_own_error(
        chained(RuntimeError("applying transform"), PredictionError("0144.png: 3 channels"))
    )
    assert isinstance(found, DataError)
    assert str(found) == "0144.png: 3 channels"


def test_the_hook_shows_the_message_alone_and_ends_with_its_exit_code(monkeypatch, capfd):
    monkeypatch.delenv("SEGASSAY_DEBUG", raising=False)
    codes: list[int] = []
    monkeypatch.setattr(settings.os, "_exit", codes.append)
    monkeypatch.setattr(settings.logging, "shutdown", lambda: None)
    settings.show_plain_errors()
    sys.stdout.write("a table before\n")
    error = chained(RuntimeError("inside MONAI"), UsageError("--fold 9: expected 0 to 3"))
    sys.excepthook(type(error), error, None)
    shown = capfd.readouterr()
    assert shown.err == "error: --fold 9: expected 0 to 3\n"
    assert shown.out == "a table before\n"
    assert codes == [2]


def test_the_hook_shows_an_error_that_is_not_ours_whole(monkeypatch, capfd):
    monkeypatch.setattr(settings.os, "_exit", lambda code: pytest.fail("no early end"))
    settings.show_plain_errors()
    sys.excepthook(ValueError, ValueError("a bug"), None)
    assert "ValueError: a bug" in capfd.readouterr().err
