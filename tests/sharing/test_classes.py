"""Exports of models of classes: masks, probabilities and instances are those of `predict`."""

import json
import re
import shutil
from pathlib import Path

import monai.bundle
import numpy as np
import pytest
import torch
import yaml
from monai.bundle import ConfigParser

import segassay.masks
from bioimageio_packages import assert_accepted, network, with_core
from bundles import run_exported
from class_datasets import EXCLUSIVE, NESTED, draw_dataset
from drawn_members import write_members
from segassay.errors import UsageError
from segassay.io.images import read_image, write_image
from segassay.io.picture import Picture
from segassay_monai import ensemble
from segassay_monai.prediction.run import predict
from segassay_monai.sharing.bioimageio.export import export_bioimageio
from segassay_monai.sharing.verify import verify
from segassay_monai.sharing.zoo.export import export_zoo

KINDS = {"discs": EXCLUSIVE, "nested": NESTED}


@pytest.fixture(scope="module", params=list(KINDS))
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def dataset(kind: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_dataset(tmp_path_factory.mktemp("classes") / kind, KINDS[kind], n=4, shape=(45, 50), raters=["anna"])


@pytest.fixture(scope="module")
def images(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A PNG, and TIFFs with and without pixel size."""
    folder = tmp_path_factory.mktemp("images")
    shutil.copy(dataset / "images" / "c0.png", folder)
    for name, spacing in (("c1.tif", (0.5, 0.25)), ("c2.tif", None), ("c3.ome.tif", (0.5, 0.25))):
        write_image(folder / name, Picture(read_image(dataset / "images" / f"{name[:2]}.png").array, spacing))
    return folder


@pytest.fixture(scope="module")
def models(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    folder = tmp_path_factory.mktemp("members")
    return {n: write_members(folder / str(n), dataset, seeds=range(4, 4 + n)) for n in (1, 2)}


@pytest.mark.parametrize("n", [1, 2])
def test_a_bundle_for_the_zoo_writes_the_same_bytes(
    n: int, kind: str, models: dict[int, Path], images: Path, tmp_path: Path, without_this_package: None
) -> None:
    ours = predict(models[n], images, out=tmp_path / "ours", save=["mask", "prob", "instances"], min_object_size=4).out
    bundle = export_zoo(models[n], tmp_path / "discs_light_segmentation")
    run_exported(bundle, tmp_path / "theirs", images, save_instances=True, min_object_size=4)
    for folder in ("masks", "prob", "instances"):
        expected = {path.name: path.read_bytes() for path in (ours / folder).iterdir()}
        assert len(expected) == 4
        assert {path.name: path.read_bytes() for path in (tmp_path / "theirs" / folder).iterdir()} == expected
    assert (read_image(ours / "masks" / "c0.png").array > 0).any()
    assert {finding.agrees for finding in verify(bundle)} <= {True, None}
    again = predict(bundle, images, out=tmp_path / "again", save=["mask", "prob"], min_object_size=4)
    assert again.objects["class"].isin(KINDS[kind]).all()
    for path in (ours / "masks").iterdir():
        assert (again.out / "masks" / path.name).read_bytes() == path.read_bytes()


def test_the_metadata_name_the_classes_and_their_values(
    kind: str, models: dict[int, Path], dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = export_zoo(models[1], tmp_path / "discs_light_segmentation")
    metadata = json.loads((bundle / "configs" / "metadata.json").read_text(encoding="utf-8"))
    pred = metadata["network_data_format"]["outputs"]["pred"]
    values = (
        {"3": "bright", "7": "dark"}
        if kind == "discs"
        else {"1": "whole", "2": "core and whole", "3": "core and edge and whole"}
    )
    assert pred["channel_def"] == {"0": "background"} | values
    assert (pred["num_channels"], pred["type"]) == (len(values), "probabilities")
    for value, name in values.items():
        assert f"{value} is {name}" in metadata["pred_classes"]
    monkeypatch.syspath_prepend(bundle)
    net = monai.bundle.load("discs_light_segmentation", bundle_dir=str(tmp_path)).eval()
    prob = net(torch.rand(1, 1, 16, 24))
    assert prob.shape == (1, len(values), 16, 24)
    assert ((prob.sum(dim=1) < 1).all()) == (kind == "discs") or kind == "nested"
    config = [str(bundle / "configs" / name) for name in ("inference.json", "evaluate.json")]
    run_exported(bundle, tmp_path / "out", dataset, config_file=config, label_dir=str(dataset / "labels" / "anna"))
    assert (tmp_path / "out" / "val_mean_dice_raw.csv").is_file()
    for module, name in ((ensemble, "classes"), (ensemble, "numbering"), (segassay.masks, "region_values")):
        ours = Path(str(module.__file__)).with_name(f"{name}.py")
        assert (bundle / "scripts" / f"{name}.py").read_bytes() == ours.read_bytes()
    masks = read_image(dataset / "labels" / "anna" / "c0.png").array[0]
    loaded = ConfigParser({"load": {"_target_": "scripts.class_files.LoadImageClassesd", "keys": "label"}})
    loaded["load"]["classes"] = json.loads((bundle / "configs" / "inference.json").read_text())["classes"]
    label = loaded.get_parsed_content("load")({"label": str(dataset / "labels" / "anna" / "c0.png")})["label"]
    for found, of_class in zip(label, KINDS[kind].values(), strict=True):
        np.testing.assert_array_equal(found > 0, np.isin(masks, of_class))


def test_a_class_whose_name_would_be_run_is_refused(models: dict[int, Path], tmp_path: Path) -> None:
    """No dataset may have such a name, but a checkpoint of someone else may."""
    members = Path(shutil.copytree(models[1], tmp_path / "members"))
    [path] = members.rglob("model.pt")
    checkpoint = torch.load(path, weights_only=True)
    checkpoint["network"]["classes"][0][0] = "$print(1)"
    torch.save(checkpoint, path)
    with pytest.raises(UsageError, match=re.escape("the class '$print(1)' cannot be exported")):
        export_zoo(members, tmp_path / "discs_light_segmentation")
    assert not (tmp_path / "discs_light_segmentation").exists()


@pytest.fixture(scope="module", params=[False, True], ids=["whole", "tiles"])
def tiles(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture(scope="module")
def package(tiles: bool, kind: str, models: dict[int, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("onnx", reason="onnx is not installed: pip install segassay[onnx]")
    out = tmp_path_factory.mktemp("package") / "bright and dark"
    return export_bioimageio(models[2], out, tiles=tiles, both_channels=kind == "discs")


@with_core
def test_bioimageio_core_accepts_a_package_of_classes(package: Path) -> None:
    assert_accepted(package)


def test_a_package_for_bioimageio_has_a_channel_for_each_class(
    package: Path, tiles: bool, kind: str, models: dict[int, Path], images: Path, tmp_path: Path
) -> None:
    described = yaml.safe_load((package / "rdf.yaml").read_text(encoding="utf-8"))
    [given] = described["outputs"]
    names = ["background"] * (kind == "discs") + list(KINDS[kind])
    assert given["axes"][1] == {"type": "channel", "channel_names": names}
    assert len(given["description"]) <= 128, "the format takes no more"
    card = (package / "README.md").read_text(encoding="utf-8")
    assert ", ".join(KINDS[kind]) in card
    assert ("more probable than the other classes" in card) == (kind == "discs")
    if tiles:
        return
    ours = predict(models[2], images, out=tmp_path / "ours", save=["prob"]).out
    net = network(package)
    for path in images.iterdir():
        prob = net(torch.from_numpy(read_image(path).array[None].astype(np.float32))).detach().numpy()[0]
        name = path.name.replace(".png", ".tif")
        expected = read_image(ours / "prob" / name).array
        np.testing.assert_allclose(prob[len(names) - len(expected) :], expected, rtol=0, atol=1e-6)
        if kind == "discs":
            mask = np.array([0, *EXCLUSIVE.values()])[prob.argmax(axis=0)]
            np.testing.assert_array_equal(mask, read_image(next((ours / "masks").glob(f"{path.name[:2]}.*"))).array[0])
