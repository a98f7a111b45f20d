"""A fixed range of values in trainings: what it refuses, what the checkpoint keeps, and what is scored with it."""

import numpy as np
import pytest

from bundles import bundle, train
from segassay.errors import UsageError
from segassay.io.images import read_image
from segassay.simulation.dataset import Simulation, simulate
from segassay_monai.ensemble.network import read_checkpoint


def test_a_range_of_another_unit_is_refused_before_the_training(tmp_path):
    data = simulate(tmp_path / "data", Simulation(shape=(32, 40), n_cases=4, images_per_subject=1, n_nuclei=3))
    for wrong in ([-10_000, 90_000], [1e-9, 1e-8], [1e6, 2e6]):
        with pytest.raises(
            UsageError, match=r"--intensity_range .*: .*case_0000.* has values from [\d.]+ to [\d.]+ .*leave it out"
        ):
            train(data, tmp_path / "out", epochs=1, n_folds=2, tile_size=32, intensity_range=wrong)
    assert not (tmp_path / "out").exists()


def test_a_training_with_a_fixed_range_keeps_it_in_the_checkpoint_and_in_fine_tuning(tmp_path):
    data = simulate(tmp_path / "data", Simulation(shape=(32, 40), n_cases=4, images_per_subject=1, n_nuclei=3))
    words = {"epochs": 1, "val_interval": 1, "n_folds": 2, "tile_size": 32, "intensity_range": [0, 100]}
    member = train(data, tmp_path / "out", **words) / "model.pt"
    assert read_checkpoint(member)["network"]["intensity_range"] == [0.0, 100.0]
    tuned = words | {"initialise_from": str(member)}
    train(data, tmp_path / "tuned", **tuned)
    with pytest.raises(UsageError, match=r"trained with --intensity_range \[0.0, 100.0\]; give the same one"):
        train(data, tmp_path / "other", **tuned | {"intensity_range": None})
    bundle(
        *("evaluating", "evaluate.yaml"),
        dataset_dir=str(data), models=str(member.parent), output_dir=str(tmp_path / "scored"), n_figures=0,
    )  # fmt: skip
    there, here = (
        read_image(next((folder / "prob").glob("*.tif"))).array
        for folder in (member.parent / "held_out", tmp_path / "scored")
    )
    np.testing.assert_array_equal(here, there)
