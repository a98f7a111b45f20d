"""What the tests of this room share: a small dataset, and members that were never trained."""

from pathlib import Path

import pytest

from drawn_members import write_members
from segassay.simulation.dataset import Simulation, simulate


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    settings = Simulation(shape=(30, 44), n_cases=6, images_per_subject=1, n_nuclei=4)
    return simulate(tmp_path_factory.mktemp("prediction") / "data", settings)


@pytest.fixture(scope="session")
def models(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_members(tmp_path_factory.mktemp("models"), dataset, seeds=(14, 15))
