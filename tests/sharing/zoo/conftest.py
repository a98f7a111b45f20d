"""Members with telling names, and bundles that were exported from them, for all tests of this room."""

from pathlib import Path

import numpy as np
import pytest

from secret_members import write_members
from segassay.io.images import write_image
from segassay.io.picture import Picture
from segassay_monai.sharing.zoo.export import export_zoo


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A single member, and an ensemble of three."""
    folder = tmp_path_factory.mktemp("zoo_models")
    return {"one": write_members(folder / "one", [7]), "three": write_members(folder / "three", [1, 2, 3])}


@pytest.fixture(scope="session")
def bundles(models: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("zoo")
    return {name: export_zoo(path, folder / f"cells_{name}_segmentation") for name, path in models.items()}


@pytest.fixture(params=["one", "three"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images of each format, two with pixel sizes; no axis fits the network, and none has the length of another."""
    folder = tmp_path_factory.mktemp("zoo_images")
    rng = np.random.default_rng(0)
    affine = np.array([[0, -0.5, 0, 3], [0.25, 0, 0, -4], [0, 0, 2, 5], [0, 0, 0, 1.0]])
    for name in ("a.png", "b.tif", "c.nii.gz", "d.tif", "e.ome.tif"):
        array = rng.integers(0, 255, (1, 21, 34), dtype=np.uint8)
        spacing = (0.5, 0.325) if name[0] in "de" else None
        write_image(folder / name, Picture(array, spacing, affine if name == "c.nii.gz" else None))
    return folder
