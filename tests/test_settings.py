"""Settings: a mistyped one names the nearest, and errors of ours are found under MONAI's."""

from typing import Any

import pytest
import yaml
from monai.bundle import ConfigParser

from segassay.errors import DataError, UsageError
from segassay_monai.bundle import config_path
from segassay_monai.inference import PredictionError
from segassay_monai.settings import check, find_own_error, running_config, write_config

TRAIN = "$__import__('segassay_monai').settings.check('train.yaml', {'dataset_dir': 'the folder with images/'})"


def parsed(config: str = "train.yaml", **overrides: Any) -> ConfigParser:
    """The bundle's configuration with settings of the command line, as `monai.bundle run` prepares it."""
    parser = ConfigParser()
    parser.read_config(str(config_path(config)))
    for name, value in overrides.items():
        parser[name.replace("__", "::")] = value
    return parser


@pytest.fixture(autouse=True)
def _keep_excepthook(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.excepthook", __import__("sys").excepthook)


def problem(config: str = "train.yaml", **overrides: Any) -> str:
    """The message for these settings; empty if there is nothing to complain about."""
    parser = parsed(config, **({"dataset_dir": "data", "models": "models"} | overrides if config != "train.yaml" else {"dataset_dir": "data"} | overrides))
    parser["try"] = f"$__import__('segassay_monai').settings.check({config!r}, {{'dataset_dir': 'the folder'}})"
    parser["overlay"] = "@try"  # a name that is referenced is no typing error; `overlay` itself is
    del parser.config["overlay"]
    parser.config["initialize"] = [parser.config.pop("try"), "$None"]
    try:
        parser.get_parsed_content("initialize")
    except Exception as error:
        ours = find_own_error(error)
        assert isinstance(ours, UsageError), error
        return str(ours)
    return ""


@pytest.mark.parametrize("config", ["train.yaml", "evaluate.yaml", "inference.yaml"])
def test_the_configurations_as_they_are_have_no_problem(config):
    assert problem(config) == ""
