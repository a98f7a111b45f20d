"""Exports of members of volumes, of CT with thick slices: masks, places and voxel sizes are those of `predict`."""

import json
import shutil
from pathlib import Path

import nibabel
import numpy as np
import pytest
import tifffile
import torch
import yaml

from bioimageio_packages import assert_accepted, network, with_core
from bundles import run_exported
from drawn_members import write_members
from segassay.data.dataset import read_dataset
from segassay.errors import DataError, UsageError
from segassay.io.images import read_image, read_mask
from segassay_monai.ensemble.images import NormalisePercentiled
from segassay_monai.prediction import large
from segassay_monai.prediction.familiar import describe_members
from segassay_monai.prediction.run import predict
from segassay_monai.sharing.bioimageio import export
from segassay_monai.sharing.bioimageio.axes import as_seen, network_axes
from segassay_monai.sharing.bioimageio.export import SIMULATED, _sample, export_bioimageio
from segassay_monai.sharing.onnx import export_onnx
from segassay_monai.sharing.verify import verify
from segassay_monai.sharing.zoo.export import export_zoo


@pytest.fixture(scope="module")
def dataset(multirater_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six CT nodules of LIDC, cut to a small part; no axis has the length of another, and slices are the last axis."""
    folder = tmp_path_factory.mktemp("lidc") / "data"
    source = multirater_dir / "lidc_nodules_3d"
    for number, image in enumerate(sorted((source / "images").iterdir())[:6]):
        for path in (image, *source.glob(f"labels/*/{image.name}")):
            target = folder / path.relative_to(source)
            target.parent.mkdir(parents=True, exist_ok=True)
            part = nibabel.load(path).slicer[40 : 71 + number, 45 : 90 + number]
            nibabel.save(part, target)
    return folder


@pytest.fixture(scope="module", params=[None, (10.0, 160.0)], ids=["percentiles", "fixed range"])
def intensity_range(request: pytest.FixtureRequest) -> tuple[float, float] | None:
    """How the members have images scaled: each by its percentiles, or all alike."""
    known: tuple[float, float] | None = request.param
    return known


@pytest.fixture(scope="module")
def models(
    dataset: Path, intensity_range: tuple[float, float] | None, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    folder = tmp_path_factory.mktemp("volumes")
    write_members(folder, dataset, seeds=(14, 15), spacing=(0.7, 0.7, 2.5), intensity_range=intensity_range)
    assert len(describe_members(folder, read_dataset(dataset))) == 2
    return folder


@pytest.fixture(scope="module")
def images(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    for path in sorted((dataset / "images").iterdir())[:2]:
        shutil.copy(path, folder)
    return folder


@pytest.fixture(scope="module")
def ours(models: Path, images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("ours") / "out"
    predict(models, images, out=out, save=["mask", "prob", "instances"])
    for path in (out / "masks").iterdir():
        assert 0 < read_mask(path).mean() < 1
        np.testing.assert_array_equal(nibabel.load(path).affine, nibabel.load(images / path.name).affine)
        assert len(set(read_image(path).spacing_um)) == 2
    return out


def test_a_bundle_for_the_zoo_writes_the_same_bytes(
    models, images, ours, intensity_range, tmp_path, without_this_package
):
    bundle = export_zoo(models, tmp_path / "lung_ct_segmentation")
    run_exported(bundle, tmp_path / "theirs", images, save_instances=True)
    transforms = json.loads((bundle / "configs" / "inference.json").read_text())["preprocessing"]["transforms"]
    assert transforms[1].get("intensity_range") == (intensity_range and list(intensity_range))
    card = (bundle / "README.md").read_text(encoding="utf-8")
    assert ("the value 10 becomes 0 and 160 becomes 1" in card) == (intensity_range is not None)
    assert ("percentile" in card) == (intensity_range is None)
    for kind in ("masks", "prob", "instances"):
        theirs = {path.name: path.read_bytes() for path in (tmp_path / "theirs" / kind).iterdir()}
        assert theirs == {path.name: path.read_bytes() for path in (ours / kind).iterdir()}


def test_a_bundle_for_the_zoo_is_predicted_as_its_members(models, images, ours, tmp_path):
    bundle = export_zoo(models, tmp_path / "lung_ct_segmentation")
    done = predict(bundle, images, out=tmp_path / "out", save=["mask", "prob"])
    for kind in ("masks", "prob"):
        for path in (ours / kind).iterdir():
            np.testing.assert_array_equal(nibabel.load(done.out / kind / path.name).dataobj, nibabel.load(path).dataobj)


def test_windows_are_scaled_as_the_whole(models, images, ours, tmp_path, monkeypatch):
    monkeypatch.setattr(large, "LARGEST", 100)
    parts = predict(models, images, out=tmp_path / "parts", save=["prob"], tile=24)
    for path in (ours / "prob").iterdir():
        here, there = (nibabel.load(folder / "prob" / path.name).get_fdata() for folder in (parts.out, ours))
        np.testing.assert_allclose(here, there, atol=2e-6)


def test_a_fixed_range_keeps_what_a_value_means(dataset, images, tmp_path):
    """A volume that is twice as dense has the same percentiles after scaling, and other values in a fixed range."""
    (image,) = sorted(images.iterdir())[:1]
    twice = tmp_path / "twice" / image.name
    twice.parent.mkdir()
    volume = nibabel.load(image)
    nibabel.save(nibabel.Nifti1Image(volume.get_fdata().astype(np.float32) * 2, volume.affine), twice)
    for scaled in (None, (0.0, 255.0)):
        folder = write_members(
            tmp_path / str(scaled), dataset, seeds=(14,), spacing=(0.7, 0.7, 2.5), intensity_range=scaled
        )
        shown = [
            predict(folder, one, out=tmp_path / f"{scaled} {one.parent.name}", save=["prob"]) for one in (image, twice)
        ]
        one, other = (nibabel.load(done.out / "prob" / image.name).get_fdata() for done in shown)
        assert np.allclose(one, other, atol=1e-4) == (scaled is None)


def test_members_that_scale_otherwise_are_no_ensemble(dataset, images, tmp_path):
    for number, scaled in enumerate([(0.0, 255.0), (0.0, 200.0)]):
        write_members(tmp_path / "m", dataset, seeds=(number,), spacing=(0.7, 0.7, 2.5), intensity_range=scaled)
    with pytest.raises(DataError, match=r"intensity_range \[0.0, 200.0\] and \[0.0, 255.0\]"):
        predict(tmp_path / "m", images, out=tmp_path / "out")


def test_onnx_runtime_gives_the_same_masks(models, images, ours, tmp_path):
    pytest.importorskip("onnx", reason="onnx is not installed: pip install segassay[onnx]")
    onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    export_onnx(models, tmp_path / "net.onnx")
    session = onnxruntime.InferenceSession(str(tmp_path / "net.onnx"))
    for path in images.iterdir():
        prob = session.run(None, {"image": read_image(path).array[None].astype(np.float32)})[0][0, 0]
        np.testing.assert_allclose(prob, read_image(ours / "prob" / path.name).array[0], rtol=0, atol=1e-5)
        told = np.abs(prob - 0.5) > 1e-5
        assert told.mean() > 0.99
        np.testing.assert_array_equal((prob > 0.5)[told], read_mask(ours / "masks" / path.name)[told])


def test_a_package_for_bioimageio_names_the_axes_of_the_network(models, images, ours, tmp_path):
    """A program has planes, rows and columns, and turns them to the axes of the description."""
    pytest.importorskip("onnx", reason="onnx is not installed: pip install segassay[onnx]")
    image = next(images.iterdir())
    package = export_bioimageio(models, tmp_path / "nodules", sample=image)
    described = yaml.safe_load((package / "rdf.yaml").read_text(encoding="utf-8"))
    for tensor in (described["inputs"][0], described["outputs"][0]):
        assert [axis.get("id", axis["type"]) for axis in tensor["axes"]] == ["batch", "channel", "x", "y", "z"]
    net = network(package)
    prob = net(torch.from_numpy(read_image(image).array[None].astype(np.float32))).detach().numpy()[0, 0]
    np.testing.assert_array_equal(prob > 0.5, read_mask(ours / "masks" / image.name))
    np.testing.assert_array_equal(np.load(package / "test_input.npy")[0], read_image(image).array)
    sample = read_image(package / "sample_input.tif").array
    np.testing.assert_array_equal(sample, as_seen(read_image(image).array, "xyz"))
    assert {finding.agrees for finding in verify(package)} == {True, None}
    tifffile.imwrite(tmp_path / "a.tif", sample[0], metadata={"axes": "ZYX"})
    for place, axes in ((tmp_path / "a.tif", "xyz"), (image, "xyz")):
        np.testing.assert_array_equal(_sample(net, axes, place)[0], read_image(image).array)
        np.testing.assert_array_equal(_sample(net, axes[::-1], place)[0], sample)
    assert _sample(net, "zyx", None).shape[2:] == SIMULATED[3] == _sample(net, "xyz", None).shape[:1:-1]


@pytest.fixture
def in_tiles(models, tmp_path, monkeypatch):
    """Packages in tiles whose sample is simulated, or an image of one's own; and the pixels of that image."""
    pytest.importorskip("onnx", reason="onnx is not installed: pip install segassay[onnx]")
    monkeypatch.setattr(export, "SIMULATED", {3: (5, 31, 41)})
    monkeypatch.setattr(export, "LARGEST", {3: 27})
    pixels = np.random.default_rng(0).integers(0, 999, (31, 45, 29)).astype(np.int16)
    image = tmp_path / "own.nii.gz"
    nibabel.save(nibabel.Nifti1Image(pixels, np.eye(4)), image)
    samples = {"simulated": None, "own": image}
    return [
        export_bioimageio(models, tmp_path / f"{name} nodules", sample=sample, tiles=True)
        for name, sample in samples.items()
    ], pixels


def test_the_test_of_a_package_in_tiles_has_the_size_of_a_tile(in_tiles, models, tmp_path):
    """A size that the description does not allow fails the test of bioimage.io, and any size is right as a whole."""
    packages, pixels = in_tiles
    for package, expected in zip(packages, [(40, 28, 14), (24, 24, 26)], strict=True):
        described = yaml.safe_load((package / "rdf.yaml").read_text(encoding="utf-8"))
        given = np.load(package / "test_input.npy")
        assert given.shape == (1, 1, *expected) == np.load(package / "test_output.npy").shape
        for axis, length in zip(described["inputs"][0]["axes"][2:], expected, strict=True):
            n, rest = divmod(length - axis["size"]["min"], axis["size"]["step"])
            assert n >= 0
            assert rest == 0
    np.testing.assert_array_equal(given[0, 0], pixels[3:27, 10:34, 1:27])
    nibabel.save(nibabel.load(tmp_path / "own.nii.gz").slicer[:, :23], tmp_path / "small.nii.gz")
    with pytest.raises(UsageError, match=r"pixels along x, y, z, and the smallest tile 24 × 24 × 14; give a larger"):
        export_bioimageio(models, tmp_path / "nodules", sample=tmp_path / "small.nii.gz", tiles=True)
    assert not (tmp_path / "nodules").exists()


def test_a_package_in_tiles_says_how_images_are_scaled(in_tiles, intensity_range):
    """The steps of the description, by hand, give what the network was trained on."""
    (package, _), pixels = in_tiles
    steps = yaml.safe_load((package / "rdf.yaml").read_text(encoding="utf-8"))["inputs"][0]["preprocessing"]
    known = {step["id"]: step["kwargs"] for step in steps}
    assert list(known) == ["ensure_dtype", "scale_linear" if intensity_range else "scale_range", "clip"]
    card = (package / "README.md").read_text(encoding="utf-8")
    assert ("the value 10 becomes 0 and 160 becomes 1" in card) == (intensity_range is not None)
    if intensity_range is not None:
        scaled = pixels * known["scale_linear"]["gain"] + known["scale_linear"]["offset"]
        image = torch.from_numpy(pixels[None].astype(np.float32))
        expected = NormalisePercentiled("image", intensity_range=intensity_range)({"image": image})["image"][0]
        np.testing.assert_allclose(scaled.clip(known["clip"]["min"], known["clip"]["max"]), expected, atol=1e-5)


@with_core
def test_bioimageio_core_accepts_a_package_in_tiles(in_tiles):
    for package in in_tiles[0]:
        assert_accepted(package)


@pytest.mark.parametrize(
    ("strides", "axes", "warns"),
    [
        ([[1, 2, 2]], "zyx", False),
        ([[2, 2, 1], [2, 2, 2]], "xyz", False),
        ([[2, 2, 2]], "zyx", True),
        ([[2, 2]], "yx", 0),
    ],
)
def test_thick_slices_tell_the_axes_and_else_the_caller(strides, axes, warns, caplog):
    assert network_axes(strides) == axes
    assert ("--axes xyz" in caplog.text) == warns
    assert network_axes(strides, axes[::-1]) == axes[::-1]
    with pytest.raises(UsageError, match="--axes zxy: expected"):
        network_axes(strides, "zxy")
