"""Exports of models that tell touching objects apart: the objects are those of `predict`, divided in the same way."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from bioimageio_packages import assert_accepted, network, with_core
from bundles import run_exported
from drawn_members import write_members
from large_images import write_blobs
from segassay.io.images import read_image, read_mask, write_image
from segassay.io.picture import Picture
from segassay.masks.depth import split_by_depth
from segassay.masks.objects import label_objects
from segassay.masks.overlaps import match_objects
from segassay.simulation.dataset import Simulation, simulate
from segassay_monai.ensemble.mean_net import read_mean_net
from segassay_monai.prediction.models import find_model
from segassay_monai.prediction.run import predict
from segassay_monai.sharing.bioimageio.export import export_bioimageio
from segassay_monai.sharing.onnx import compare, export_onnx
from segassay_monai.sharing.verify import verify
from segassay_monai.sharing.weights import read_whole_image_net
from segassay_monai.sharing.zoo.export import export_zoo


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    folder = tmp_path_factory.mktemp("touching")
    data = simulate(folder / "data", Simulation(shape=(30, 44), n_cases=6, images_per_subject=1, n_nuclei=4))
    seeds = {1: [14], 2: [14, 16]}
    return {n: write_members(folder / str(n), data, seeds=each, objects="touching") for n, each in seeds.items()}


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Blobs that touch: a PNG, and TIFF, OME-TIFF and NIfTI with pixel sizes; no axis fits the network."""
    folder = tmp_path_factory.mktemp("blobs") / "images"
    array = read_image(write_blobs(folder / "blobs.tif", (61, 83), radius=6, n=30)).array
    write_image(folder / "a.png", Picture((array // 257).astype(np.uint8)))
    write_image(folder / "b.ome.tif", Picture(array, (0.5, 0.25)))
    affine = np.array([[0, -0.5, 0, 3], [0.25, 0, 0, -4], [0, 0, 2, 5], [0, 0, 0, 1.0]])
    write_image(folder / "c.nii.gz", Picture(array.astype(np.int16) // 2, (0.5, 0.25), affine))
    return folder


@pytest.mark.parametrize("n", [1, 2])
def test_a_bundle_for_the_zoo_divides_objects_as_predict_does(
    n: int, models: dict[int, Path], images: Path, tmp_path: Path, without_this_package: None
) -> None:
    ours = predict(models[n], images, out=tmp_path / "ours", save=["mask", "prob"], min_object_size=3).out
    bundle = export_zoo(models[n], tmp_path / "cells_light_segmentation")
    run_exported(bundle, tmp_path / "theirs", images, min_object_size=3)
    for folder in ("masks", "prob", "instances"):
        expected = {path.name: path.read_bytes() for path in (ours / folder).iterdir()}
        assert len(expected) == 4
        assert {path.name: path.read_bytes() for path in (tmp_path / "theirs" / folder).iterdir()} == expected
    labels, mask = (read_mask(ours / folder / "b.ome.tif") for folder in ("instances", "masks"))
    assert labels.max() > label_objects(mask > 0, min_size=3).max(), "the depth divides"
    assert find_model(bundle).sha256 == find_model(models[n]).sha256
    again = predict(bundle, images, out=tmp_path / "again", save=["mask"], min_object_size=3).out
    for path in (ours / "instances").iterdir():
        assert (again / "instances" / path.name).read_bytes() == path.read_bytes()
    assert {finding.agrees for finding in verify(bundle)} <= {True, None}


def test_it_can_leave_the_objects_out_and_evaluates_the_foreground(
    models: dict[int, Path], images: Path, tmp_path: Path, without_this_package: None
) -> None:
    bundle = export_zoo(models[2], tmp_path / "cells_light_segmentation")
    run_exported(bundle, tmp_path / "out", images, save_instances=False)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"masks", "prob"}
    configs = [str(bundle / "configs" / f"{name}.json") for name in ("inference", "evaluate")]
    words = {"config_file": configs, "label_dir": str(tmp_path / "out" / "masks")}
    run_exported(bundle, tmp_path / "result", images, "evaluating", **words)
    assert (tmp_path / "result" / "metrics.csv").read_text().split() == ["val_mean_dice,1.0"]


def test_the_metadata_say_what_the_channels_are_and_what_divides_needs(models: dict[int, Path], tmp_path: Path) -> None:
    bundle = export_zoo(models[1], tmp_path / "cells_light_segmentation")
    metadata = json.loads((bundle / "configs" / "metadata.json").read_text(encoding="utf-8"))
    pred = metadata["network_data_format"]["outputs"]["pred"]
    assert (pred["num_channels"], pred["type"], pred["value_range"]) == (2, "probabilities", [0, 1])
    assert "depth" in metadata["pred_classes"]
    assert {"scipy", "scikit-image"} <= set(metadata["required_packages_version"])
    card = (bundle / "docs" / "README.md").read_text(encoding="utf-8")
    assert "two output channels" in card
    assert "valley" in card
    assert "touch in the mask are one object" not in card
    assert json.loads((bundle / "configs" / "train.json").read_text(encoding="utf-8"))["objects"] == "touching"
    scripts = {path.name: path.read_bytes() for path in (bundle / "scripts").iterdir()}
    masks = Path(str(label_objects.__code__.co_filename)).parent
    for name in ("depth.py", "objects.py", "touching.py"):
        assert scripts[name] == (masks / name).read_bytes()
    imported = {
        word for text in scripts.values() for word in re.findall(rb"^(?:from|import) (\w+)", text, re.MULTILINE)
    }
    as_the_zoo = ["--isolated", "--config", "line-length=120", "--config", "format.skip-magic-trailing-comma=true"]
    words = [sys.executable, "-m", "ruff", "format", "--check", *as_the_zoo, str(bundle / "scripts")]
    formatted = subprocess.run(words, capture_output=True, text=True, check=False)
    assert formatted.returncode == 0, formatted.stdout + formatted.stderr
    assert b"segassay" not in imported
    assert b"segassay_monai" not in imported


@pytest.fixture(scope="module", params=[False, True], ids=["whole", "tiles"])
def package(request: pytest.FixtureRequest, models: dict[int, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("onnx", reason="onnx is not installed: pip install segassay[onnx]")
    out = tmp_path_factory.mktemp("package") / "cells"
    return export_bioimageio(models[2], out, tiles=request.param, both_channels=True)


@with_core
def test_bioimageio_core_accepts_it(package: Path) -> None:
    assert_accepted(package)


def test_a_package_for_bioimageio_gives_the_depth_and_says_how_to_divide(
    package: Path, models: dict[int, Path], images: Path
) -> None:
    [given] = yaml.safe_load((package / "rdf.yaml").read_text(encoding="utf-8"))["outputs"]
    assert given["axes"][1]["channel_names"] == ["background", "foreground", "depth"]
    assert "README.md says how the depth divides" in given["description"]
    assert len(given["description"]) <= 128, "the format takes no more"
    net, image = network(package), torch.from_numpy(read_image(images / "blobs.tif").array[None].astype(np.float32))
    with torch.no_grad():
        image = net.normalise(image) if net.normalised else image
        background, prob, depth = net(image)[0].numpy()
        padded = torch.nn.functional.pad(net.normalise(image), (0, 1, 0, 1), mode="reflect")
        expected = read_mean_net(find_model(models[2]).checkpoints)[0](padded)[0, :, :61, :83].numpy()
    if not net.normalised:  # reflected twice is another border
        np.testing.assert_allclose([prob[:50, :70], depth[:50, :70]], expected[:, :50, :70], rtol=0, atol=1e-5)
    np.testing.assert_allclose(background, 1 - prob, rtol=0, atol=1e-6)
    [code] = re.findall(r"```python\n(.*?)```", (package / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    known: dict = {}
    exec(code, known)
    found, ours = known["objects"](prob, depth), split_by_depth(prob > 0.5, depth)
    assert ours.max() > label_objects(prob > 0.5).max()
    matches = match_objects(found, ours)
    assert matches.n_a == matches.n_b == matches.tp[9]
    np.testing.assert_array_equal(found > 0, ours > 0)
    assert len(np.unique(np.stack([found, ours])[:, ours > 0], axis=1).T) == ours.max(), "the same pixels"


def test_onnx_has_both_outputs_and_their_names(models: dict[int, Path], images: Path, tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: pip install segassay[onnx]")
    pytest.importorskip("onnx", reason="onnx is not installed: pip install segassay[onnx]")
    found = export_onnx(models[2], tmp_path / "net.onnx")
    assert found is not None
    assert found.largest <= 1e-5
    assert found.n_pixels == 0
    session = onnxruntime.InferenceSession(str(tmp_path / "net.onnx"))
    assert session.get_modelmeta().custom_metadata_map == {"output_channels": '["foreground", "depth"]'}
    prob, depth = session.run(None, {"image": read_image(images / "blobs.tif").array[None].astype(np.float32)})[0][0]
    shutil.copy(images / "blobs.tif", tmp_path)
    ours = predict(models[2], tmp_path / "blobs.tif", out=tmp_path / "ours").out
    matches = match_objects(split_by_depth(prob > 0.5, depth), read_mask(ours / "instances" / "blobs.tif"))
    assert matches.n_a == matches.n_b == matches.tp[8]


def test_a_depth_has_no_mask_whose_pixels_could_differ(models: dict[int, Path]) -> None:
    net = read_whole_image_net(find_model(models[2]).checkpoints)

    def deeper(image: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            found = net(torch.from_numpy(image)).numpy()
        return found + np.array([0, 0.5], dtype=np.float32).reshape(1, 2, 1, 1)

    image = torch.rand(1, 1, 20, 24, generator=torch.Generator().manual_seed(0))
    difference = compare(net, deeper, [image])
    assert (difference.largest, difference.n_pixels) == (pytest.approx(0.5), 0)
