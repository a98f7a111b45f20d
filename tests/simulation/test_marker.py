"""A second channel with a marker: the effect that is put into it is found there, and nowhere else."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from segassay.data.dataset import read_dataset
from segassay.errors import UsageError
from segassay.io.images import image_shape, read_image
from segassay.simulation.dataset import Effect, Simulation, simulate, simulate_case
from segassay.simulation.settings import keep_effect
from segassay.simulation.settings_file import plain_settings, read_simulation
from segassay.tables.effects import effects
from segassay.tables.normalise import normalise
from small_datasets import tables_of

ONE = Simulation(
    shape=(64, 64),
    n_cases=24,
    images_per_subject=1,
    n_nuclei=6,
    regions={},
    background_sd=0.05,
    marker_contrast=3.0,
    groups={"control": Effect(), "treated": Effect(marker=4.0)},
)
TWO = replace(ONE, channels=("DAPI", "cFOS"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return simulate(tmp_path_factory.mktemp("marker") / "data", TWO)


def test_the_planted_effect_is_found_in_the_channel_of_the_marker_alone(folder: Path) -> None:
    dataset = read_dataset(folder)
    assert (dataset.channels, dataset.seen_channels) == (("DAPI", "cFOS"), ("DAPI",))
    assert dataset.experiment is not None
    counts = tables_of(dataset).counts
    normalised = normalise(counts, dataset.experiment, "control", dataset.measurements)
    found = effects(normalised)
    pairs = found[(found["test"] == "mann_whitney") & (found["unit"] == "subject")]
    verdicts = {measure: set(rows["verdict"]) for measure, rows in pairs.groupby("measure")}
    assert verdicts["mean_intensity_cFOS"] == {"higher"}
    assert verdicts["mean_intensity_DAPI"] == {"none"}
    known = json.loads((folder / "simulation.json").read_text())
    assert [row["marker_ratio"] for row in known["expected"]] == [1.0, 4.0]


def test_the_first_channel_and_all_masks_are_those_without_a_marker(folder: Path) -> None:
    alone, truth, masks = simulate_case(ONE, 3)
    image, same_truth, same_masks = simulate_case(TWO, 3)
    np.testing.assert_array_equal(image[0], alone)
    np.testing.assert_array_equal(truth, same_truth)
    assert all(np.array_equal(masks[name], same_masks[name]) for name in masks)
    read = read_image(folder / "images" / "case_0003.ome.tif")
    np.testing.assert_array_equal(read.array, image)
    assert (read.channel_names, read.spacing_um) == (("DAPI", "cFOS"), (0.62, 0.62))


def test_volumes_have_their_channels_as_a_fourth_axis(tmp_path: Path) -> None:
    settings = replace(TWO, shape=(6, 24, 24), n_cases=2, spacing_um=(2.0, 0.5, 0.5))
    folder = simulate(tmp_path / "data", settings)
    path = folder / "images" / "case_0000.nii.gz"
    assert (read_image(path).array.shape, image_shape(path)) == ((2, 6, 24, 24), (6, 24, 24))
    assert read_dataset(folder).intensities == {"mean_intensity_DAPI": 0, "mean_intensity_cFOS": 1}


def test_settings_of_a_marker_are_kept_and_left_out_without_one(tmp_path: Path) -> None:
    (tmp_path / "two.json").write_text(json.dumps(plain_settings(TWO)))
    assert read_simulation(tmp_path / "two.json").channels == TWO.channels
    assert not {"channels", "marker_contrast"} & set(plain_settings(ONE))
    assert "marker" not in plain_settings(ONE)["groups"]["control"]
    assert keep_effect(TWO, "marker").groups["treated"] == Effect(marker=4.0)
    assert keep_effect(TWO, "count").groups["treated"] == Effect()


@pytest.mark.parametrize("names", [("DAPI",), ("DAPI", "DAPI"), ("DAPI", "=1"), ("a", "b", "c"), ("DAPI", "a\nb")])
def test_impossible_names_are_refused(names: tuple[str, ...]) -> None:
    with pytest.raises(UsageError, match="channels must"):
        replace(ONE, channels=names)
