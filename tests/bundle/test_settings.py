"""Settings: a mistyped one names the nearest, one out of its range says what is possible."""

from collections.abc import Mapping
from typing import Any

import pytest
import yaml

from segassay.errors import UsageError
from segassay_monai.bundle.paths import config_path
from segassay_monai.bundle.settings import SETTINGS
from segassay_monai.bundle.workflow import Workflow

REQUIRED = {"dataset_dir": "data", "models": "models"}


def problem(overrides: Mapping[str, Any], config: str = "train.yaml") -> str:
    """What the configuration's own check says of these settings; empty if nothing."""
    required = {name: value for name, value in REQUIRED.items() if name in SETTINGS[config].model_fields}
    settings = required | dict(overrides)
    workflow = Workflow(config_file=str(config_path(config)), init_id="initialize::0", logging_file=False, **settings)
    try:
        workflow.initialize()
    except UsageError as error:
        message = str(error)
    else:
        return ""
    assert len(message.splitlines()) == 1
    return message


@pytest.mark.parametrize("config", list(SETTINGS))
def test_the_configurations_have_a_model_with_the_same_names(config):
    """Above `imports` stand the settings; in_channels of a training, which follows from the data, stands below."""
    known = yaml.safe_load(config_path(config).read_text(encoding="utf-8"))
    names = list(known)
    own = set(names[: names.index("imports")])
    assert set(SETTINGS[config].model_fields) == own | ({"in_channels"} if config == "train.yaml" else set())


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
    assert problem({"xyzzy": 8}) == ("unknown setting --xyzzy; the settings are at the top of the configuration file")


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
        ({"tile_size": 7}, "--tile_size 7: expected a multiple of 8, at least 16, because --channels has 4 levels"),
        ({"tile_size": 100, "channels": [4, 8, 16, 32]}, "--tile_size 100: expected a multiple of 8, at least 16"),
        (
            {"intensity_range": [400, -1000]},
            "--intensity_range [400, -1000]: expected two numbers, the lower one first",
        ),
        ({"intensity_range": [0]}, "--intensity_range [0]: expected two numbers, the lower one first"),
        ({"intensity_range": [0, float("nan")]}, "--intensity_range [0, nan]: expected two numbers, the lower one"),
        ({"intensity_range": 255}, "--intensity_range 255: expected two numbers, the lower one first"),
        ({"channels": []}, "--channels []: expected two or more whole numbers above 0"),
        ({"channels": [8]}, "--channels [8]: expected two or more whole numbers above 0"),
        ({"channels": [8, 0]}, "--channels [8, 0]: expected two or more whole numbers above 0"),
        ({"channels": [8, 1.5]}, "--channels [8, 1.5]: expected two or more whole numbers above 0"),
    ],
)
def test_a_value_out_of_range_says_what_is_possible(overrides, expected):
    assert problem(overrides).startswith(expected)


@pytest.mark.parametrize(
    "overrides",
    [{"seed": 10**400}, {"tile_size": 4, "channels": [8, 16]}, {"warm_up": 0}, {"intensity_range": [0, 1e-3]}],
)
def test_values_at_the_border_pass(overrides):
    assert problem(overrides) == ""


def test_overwrite_false_as_text_is_refused_before_anything_is_overwritten():
    for config in ("evaluate.yaml", "inference.yaml"):
        assert "expected True or False" in problem({"overwrite": "false"}, config)


def test_a_name_that_an_overlay_refers_to_is_allowed():
    assert "unknown setting --width" in problem({"width": 8})
    assert problem({"width": 8, "channels": "$[@width, 2 * @width]"}) == ""
    assert problem({"width": 8, "network_def::channels": ["@width", 16]}) == ""
