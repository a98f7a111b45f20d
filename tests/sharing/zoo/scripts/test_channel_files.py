"""An exported bundle of a model that sees one channel of several takes it from images by its name."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch

from bundles import run_exported
from channel_datasets import NAMES, draw_channels
from drawn_members import write_members
from segassay.errors import UsageError
from segassay.io.images import read_image
from segassay_monai.prediction.models import find_model
from segassay_monai.prediction.run import predict
from segassay_monai.sharing.zoo.export import export_zoo

IMAGES: dict[str, tuple[list[int], tuple[str, ...]]] = {
    "as_trained": ([0, 1], NAMES),
    "turned": ([1, 0], NAMES[::-1]),
    "unnamed": ([0, 1], ()),
    "single": ([0], ()),
    "single_named": ([0], NAMES[:1]),
}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_channels(tmp_path_factory.mktemp("channels") / "lab", n=4, segment_channels="DAPI")


@pytest.fixture(scope="module")
def models(lab: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_members(tmp_path_factory.mktemp("members"), lab, seeds=(4,))


@pytest.fixture(scope="module")
def bundle(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export_zoo(models, tmp_path_factory.mktemp("zoo") / "cells_light_segmentation")


def write(lab: Path, path: Path, places: list[int], names: tuple[str, ...]) -> Path:
    """An image of the dataset with some of its channels, and other names."""
    path.parent.mkdir(exist_ok=True)
    array = read_image(lab / "images" / "c1.ome.tif").array[places]
    about = {"axes": "CYX"} | ({"Channel": {"Name": list(names)}} if names else {})
    tifffile.imwrite(path, array, ome=True, photometric="minisblack", metadata=about)
    assert read_image(path).channel_names == names
    return path


def test_it_takes_the_channel_that_predict_takes(
    lab: Path, models: Path, bundle: Path, tmp_path: Path, without_this_package: None
) -> None:
    for name, (places, names) in IMAGES.items():
        write(lab, tmp_path / "images" / f"{name}.ome.tif", places, names)
    run_exported(bundle, tmp_path / "theirs", tmp_path / "images")
    ours = predict(models, tmp_path / "images", out=tmp_path / "ours", save=["mask", "prob"]).out
    again = predict(bundle, tmp_path / "images", out=tmp_path / "again", save=["mask", "prob"]).out
    for folder in ("masks", "prob"):
        expected = {path.name: path.read_bytes() for path in (ours / folder).iterdir()}
        assert len(expected) == len(IMAGES)
        for other in (tmp_path / "theirs", again):
            assert {path.name: path.read_bytes() for path in (other / folder).iterdir()} == expected
    prob = {path.name.partition(".")[0]: read_image(path).array for path in (ours / "prob").iterdir()}
    for each in prob.values():
        np.testing.assert_array_equal(each, prob["as_trained"])


def test_the_only_channel_of_another_name_is_refused(
    lab: Path, models: Path, bundle: Path, tmp_path: Path, without_this_package: None
) -> None:
    write(lab, tmp_path / "images" / "a.ome.tif", [1], NAMES[1:])
    said = "has the channels cFOS, but the model sees DAPI: DAPI is missing"
    with pytest.raises(RuntimeError) as caught:
        run_exported(bundle, tmp_path / "theirs", tmp_path / "images")
    error: BaseException | None = caught.value
    texts = []
    while error is not None:
        texts.append(str(error))
        error = error.__cause__
    assert f"a.ome.tif {said}; save OME-TIFF" in "\n".join(texts)
    for model in (models, bundle):
        done = predict(model, tmp_path / "images", out=tmp_path / model.name)
        assert done.failed["what"].tolist() == [said]


def test_it_knows_all_channels_of_the_training(bundle: Path, tmp_path: Path) -> None:
    found = find_model(bundle)
    assert (found.channels, found.image_channels) == (("DAPI",), NAMES)
    older = Path(shutil.copytree(bundle, tmp_path / "older"))
    config = json.loads((older / "configs" / "inference.json").read_text(encoding="utf-8"))
    del config["preprocessing"]["transforms"][0]["image_channels"]
    (older / "configs" / "inference.json").write_text(json.dumps(config), encoding="utf-8")
    assert find_model(older).image_channels == ("DAPI",)


@pytest.mark.parametrize("name", ["$print(1)", "a@b", "#1", "%x"])
def test_a_channel_whose_name_would_be_run_is_refused(models: Path, tmp_path: Path, name: str) -> None:
    """No dataset may have such a name, but a checkpoint of someone else may."""
    [path] = models.rglob("model.pt")
    checkpoint = torch.load(path, weights_only=True)
    checkpoint["member"]["image_channels"] = ["DAPI", name]
    (tmp_path / "s4").mkdir()
    torch.save(checkpoint, tmp_path / "s4" / "model.pt")
    with pytest.raises(UsageError, match="cannot be exported"):
        export_zoo(tmp_path / "s4", tmp_path / "cells_light_segmentation")
