"""Simulated nuclei of several classes: shares, looks and confusions that are put in are found in masks and tables."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from scipy import ndimage

from segassay.data.cases import read_case_classes
from segassay.data.dataset import read_dataset
from segassay.errors import UsageError
from segassay.io.images import read_mask
from segassay.simulation.dataset import simulate, simulate_case
from segassay.simulation.settings import NucleusClass, RaterHabit, Simulation
from segassay.simulation.settings_file import plain_settings, read_simulation

EXACT = {"brightness_threshold": -9.0, "miss_rate": 0.0, "merge_rate": 0.0, "false_positives": 0.0, "jitter_px": 0.0}
TWO = Simulation(
    shape=(96, 96),
    n_cases=12,
    n_nuclei=12,
    regions={},
    touching_fraction=0.0,
    crowding=0.0,
    background_sd=0.0,
    unevenness=0.0,
    classes={"small": NucleusClass(share=3.0), "large": NucleusClass(share=1.0, intensity=4.0, size=2.5)},
    raters=(
        RaterHabit("right", **EXACT),
        RaterHabit("wrong", **EXACT, confusion=1.0),
        RaterHabit("some", confusion=0.3),
    ),
)


@pytest.fixture(scope="module")
def cases() -> list[tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]]:
    return [simulate_case(TWO, index) for index in range(TWO.n_cases)]


def test_shares_sizes_and_contrasts_are_those_of_the_classes(
    cases: list[tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]], tmp_path: Path
) -> None:
    known = json.loads((simulate(tmp_path / "data", TWO) / "simulation.json").read_text(encoding="utf-8"))["cases"]
    names = np.array([name for case in known for name in case["classes"]])
    radii = np.array([radius for case in known for radius in case["radii_px"]])
    contrasts = np.array([contrast for case in known for contrast in case["contrasts"]])
    large = names == "large"
    assert 0.15 < large.mean() < 0.35  # of about 140, with a chance of one quarter
    assert np.median(radii[large]) / np.median(radii[~large]) == pytest.approx(2.5**0.5, rel=0.15)
    assert np.median(contrasts[large]) / np.median(contrasts[~large]) == pytest.approx(4, rel=0.6)
    for case, (_, truth, _) in zip(known, cases, strict=True):
        assert set(np.unique(truth)) <= {0, 1, 2}
        assert (1 in truth) == ("small" in case["classes"])


def test_a_rater_who_confuses_none_or_all(
    cases: list[tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]],
) -> None:
    for _, truth, masks in cases:
        both = (truth > 0) & (masks["right"] > 0)
        np.testing.assert_array_equal(masks["right"][both], truth[both])
        np.testing.assert_array_equal(masks["wrong"] > 0, masks["right"] > 0)
        np.testing.assert_array_equal(masks["wrong"][both], 3 - truth[both])


def test_the_rate_of_confusion_is_that_of_the_habit(
    cases: list[tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]],
) -> None:
    confused = []
    for _, truth, masks in cases:
        labels, n = ndimage.label(masks["some"] > 0, np.ones((3, 3)))
        for label in range(1, n + 1):
            mine = labels == label
            if (kinds := truth[mine & (truth > 0)]).size:
                confused.append(np.bincount(kinds).argmax() != masks["some"][mine].max())
    assert len(confused) > 40
    assert abs(np.mean(confused) - 0.3) < 3 * (0.3 * 0.7 / len(confused)) ** 0.5


def test_the_folder_is_a_dataset_of_classes(tmp_path: Path) -> None:
    dataset = read_dataset(simulate(tmp_path / "data", replace(TWO, n_cases=2)))
    assert dataset.class_names == ("small", "large")
    _, truth, masks = simulate_case(TWO, 1)
    np.testing.assert_array_equal(read_case_classes(dataset, "some", "case_0001"), masks["some"])
    np.testing.assert_array_equal(read_mask(dataset.folder / "truth" / "case_0001.png"), truth)


def test_settings_are_read_back_and_left_out_without_classes(tmp_path: Path) -> None:
    path = tmp_path / "settings.yaml"
    path.write_text(yaml.safe_dump({"classes": {"small": {"share": 3}, "large": {"size": 2.5}}}), encoding="utf-8")
    found = read_simulation(path)
    assert found.classes == {"small": NucleusClass(share=3.0), "large": NucleusClass(size=2.5)}
    plain = plain_settings(found)
    path.write_text(yaml.safe_dump(json.loads(json.dumps(plain))), encoding="utf-8")
    assert read_simulation(path) == found
    without = plain_settings(Simulation())
    assert "classes" not in without
    assert not any("confusion" in rater for rater in without["raters"])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"classes": {"one": NucleusClass()}}, "classes must be two or more"),
        ({"classes": {"a": NucleusClass(), "background": NucleusClass()}}, "names that folders and columns can have"),
        (
            {"classes": {"a": NucleusClass(), "b": NucleusClass()}, "instances": True},
            "instances do not go with classes",
        ),
    ],
)
def test_impossible_settings(settings: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Simulation(**settings)
    with pytest.raises(UsageError, match="share must be above 0, got 0"):
        NucleusClass(share=0)
