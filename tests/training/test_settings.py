"""Settings of a training: what is plain, and which names change nothing in the weights."""

from pathlib import Path
from typing import Any

import pytest
from monai.bundle import ConfigParser

from segassay_monai.bundle.paths import config_path
from segassay_monai.bundle.settings import TrainSettings
from segassay_monai.training.settings import ELSEWHERE, is_plain


@pytest.mark.parametrize("value", [8, 0.5, "staple", None, True, Path("a"), [16, 32], [], ("a", [1, (2, None)])])
def test_numbers_texts_and_lists_of_them_are_plain(value: Any) -> None:
    assert is_plain(value)


@pytest.mark.parametrize(
    "value",
    ["$min(2, @epochs)", "@epochs", "%other.yaml::epochs", {}, {"_target_": "AdamW"}, [1, "@epochs"], [[{"a": 1}]]],
)
def test_what_is_built_or_computed_is_not(value: Any) -> None:
    assert not is_plain(value)


def test_names_that_change_no_weights_are_names_of_the_configuration() -> None:
    """A mistyped name would make a finished training look like another one."""
    config = ConfigParser.load_config_file(str(config_path("train.yaml")))
    assert set(ELSEWHERE) <= config.keys()
    assert set(ELSEWHERE) - {"bundle_root"} <= TrainSettings.model_fields.keys()
    assert list(ELSEWHERE) == sorted(set(ELSEWHERE))
