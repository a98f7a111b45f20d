"""Predictions of models of classes: label images, objects and outlines of each class."""

import json
import logging
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import roifile
import torch
import yaml

from class_datasets import EXCLUSIVE, NESTED, draw_dataset
from drawn_members import write_members
from registered import assert_served_as_predicted
from segassay.errors import UsageError
from segassay.io.images import read_image, write_image, write_mask
from segassay.io.picture import Picture
from segassay.masks.objects import label_objects
from segassay_monai.ensemble.ensemble_net import EnsembleNet
from segassay_monai.ensemble.inferer import WholeImageInferer
from segassay_monai.ensemble.network import NetworkSettings, read_network_settings, residual_unet
from segassay_monai.prediction import large, window_run
from segassay_monai.prediction.bundles import read_bundle
from segassay_monai.prediction.class_tables import cases_of_class
from segassay_monai.prediction.run import predict
from segassay_monai.sharing.onnx import export_onnx
from segassay_monai.sharing.weights import read_whole_image_net, save_torchscript

KINDS = ("masks", "instances", "prob", "uncertainty", "disagreement", "doubt")


@pytest.fixture(scope="session")
def discs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_dataset(tmp_path_factory.mktemp("classes") / "discs", n=5, raters=["anna"])


@pytest.fixture(scope="session")
def nested(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_dataset(tmp_path_factory.mktemp("classes") / "nested", NESTED, n=5, raters=["anna"])


@pytest.fixture(scope="session")
def of_discs(discs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_members(tmp_path_factory.mktemp("members"), discs, seeds=(4, 5))


@pytest.fixture(scope="session")
def of_nested(nested: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_members(tmp_path_factory.mktemp("members"), nested, seeds=(4, 5))


def test_every_file_and_table_says_the_class(discs: Path, of_discs: Path, tmp_path: Path) -> None:
    done = predict(of_discs, discs / "images", out=tmp_path / "out", save=["all"], min_object_size=3)
    names, values = list(EXCLUSIVE), list(EXCLUSIVE.values())
    assert (done.objects["class"].isin(names)).all()
    assert done.objects["class"].nunique() == 2
    for name in names:
        counted = done.objects[done.objects["class"] == name].groupby("case").size()
        expected = done.cases["case"].map(counted).fillna(0)
        np.testing.assert_array_equal(done.cases[f"n_objects_{name}"], expected)
    np.testing.assert_array_equal(
        done.cases[[f"n_objects_{name}" for name in names]].sum(axis=1), done.cases["n_objects"]
    )
    for case in done.cases["case"]:
        mask, instances, prob, *maps = (
            read_image(next((tmp_path / "out" / kind).glob(f"{case}.*"))).array for kind in KINDS
        )
        rest = 1 - prob.sum(axis=0)
        expected = np.where(prob.max(axis=0) > rest, np.array(values)[prob.argmax(axis=0)], 0)
        np.testing.assert_array_equal(mask[0], expected)
        np.testing.assert_allclose(maps[0], maps[1] + maps[2], atol=1e-6)
        own = done.objects[done.objects["case"] == case]
        assert list(own["label"]) == list(range(1, len(own) + 1)) == [n for n in np.unique(instances) if n]
        for row in own.to_dict("records"):
            inside = instances[0] == row["label"]
            assert inside.sum() == row["area_px"] >= 3
            assert set(mask[0][inside]) == {EXCLUSIVE[row["class"]]}
            channel = names.index(row["class"])
            assert row["confidence"] == pytest.approx(prob[channel][inside].mean(), abs=1e-5)
        rois = roifile.roiread(tmp_path / "out" / "rois" / f"{case}.zip")
        assert {roi.name.partition("_")[2] for roi in rois} == set(own["class"])
        features = json.loads((tmp_path / "out" / "geojson" / f"{case}.geojson").read_text())["features"]
        said = {feature["properties"]["name"]: feature["properties"]["classification"] for feature in features}
        assert {int(number): one["name"] for number, one in said.items()} == dict(
            zip(own["label"], own["class"], strict=True)
        )
        assert len({tuple(one["color"]) for one in said.values()}) == own["class"].nunique()
    listed = pd.read_csv(tmp_path / "out" / "annotations.csv", dtype=str)
    assert (listed["path"].str.startswith("masks/")).all()


def test_masks_stay_the_annotation_where_objects_are_divided(discs: Path, of_discs: Path, tmp_path: Path) -> None:
    done = predict(of_discs, discs / "images", out=tmp_path / "out", split_touching=True)
    assert done.failed.empty
    assert {Path(path).parent.name for path in done.annotations["path"]} == {"masks"}
    again = predict(of_discs, discs / "images", out=tmp_path / "out", split_touching=True)
    pd.testing.assert_frame_equal(done.objects, again.objects, check_dtype=False)


def test_objects_of_regions_are_measured_whole(nested: Path, of_nested: Path, tmp_path: Path) -> None:
    done = predict(of_nested, nested / "images", out=tmp_path / "out", save=["all"])
    for case in done.cases["case"]:
        prob = read_image(tmp_path / "out" / "prob" / f"{case}.tif").array
        mask = read_image(tmp_path / "out" / "masks" / f"{case}.png").array[0]
        core, edge, whole = prob > 0.5
        found = np.stack([core, edge, whole])
        of_values = np.array([[value in of_class for of_class in NESTED.values()] for value in range(4)])
        n_wrong = (of_values[:, :, None, None] != found).sum(axis=1)
        np.testing.assert_array_equal(mask, n_wrong.argmin(axis=0))  # the first of several that fit as well
        own = done.objects[done.objects["case"] == case]
        for name, region in zip(NESTED, (core, edge, whole), strict=True):
            expected = np.bincount(label_objects(region).ravel())[1:]
            assert list(own.loc[own["class"] == name, "area_px"]) == expected.tolist()
        assert len(own) == done.cases.set_index("case").loc[case, "n_objects"]


def test_a_dataset_of_other_values_is_said_and_its_order_is_taken(
    discs: Path, of_discs: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    turned = draw_dataset(tmp_path / "discs", dict(reversed(EXCLUSIVE.items())), n=5, raters=["anna"])
    (turned / "images" / "c0.png").write_bytes((discs / "images" / "c0.png").read_bytes())
    one = predict(of_discs, discs / "images" / "c0.png", out=tmp_path / "one", save=["prob"])
    two = predict(of_discs, turned, out=tmp_path / "two", save=["prob"])
    own, other = (read_image(done.out / "prob" / "c0.tif").array for done in (one, two))
    np.testing.assert_array_equal(own, other[::-1])
    assert not [record for record in caplog.records if "masks hold the values of the model" in record.message]
    swapped = draw_dataset(tmp_path / "swapped", {"bright": 7, "dark": 3}, n=3, raters=["anna"])
    with caplog.at_level(logging.WARNING, logger="segassay"):
        predict(of_discs, swapped, out=tmp_path / "three")
    assert [record for record in caplog.records if "masks hold the values of the model" in record.message]


@pytest.mark.parametrize(("which", "split_touching"), [("of_discs", True), ("of_nested", False)])
def test_a_large_image_is_predicted_by_windows_as_it_is_in_memory(
    which: str, split_touching: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    data = draw_dataset(tmp_path / "data", EXCLUSIVE if which == "of_discs" else NESTED, n=1, shape=(52, 75))
    pixels = read_image(data / "images" / "c0.png").array[0]
    (data / "images" / "c0.png").unlink()
    write_image(data / "images" / "c0.tif", Picture(pixels[None], (0.5, 0.25)))
    ignored = np.zeros(pixels.shape, dtype=bool)
    ignored[20:30, 10:40] = True
    (data / "ignored").mkdir()
    write_mask(data / "ignored" / "c0.png", ignored)
    said = yaml.safe_load((data / "dataset.yaml").read_text()) | {"ignore": "ignored"}
    said["classes"] = dict(reversed(said["classes"].items()))  # another order than the model's
    (data / "dataset.yaml").write_text(yaml.safe_dump(said, sort_keys=False))
    words = {"save": ["all"], "min_object_size": 2, "split_touching": split_touching}
    whole = predict(request.getfixturevalue(which), data, out=tmp_path / "whole", **words)
    with monkeypatch.context() as patch:
        patch.setattr(large, "LARGEST", 100)
        patch.setattr(window_run, "_STRIP", 1)
        parts = predict(request.getfixturevalue(which), data, out=tmp_path / "parts", tile=16, **words)
    assert whole.failed.empty
    assert parts.failed.empty, parts.failed.to_dict("records")
    assert whole.objects["class"].nunique() >= 2
    pd.testing.assert_frame_equal(parts.objects, whole.objects, rtol=1e-4)
    pd.testing.assert_frame_equal(parts.cases, whole.cases, rtol=1e-4)
    for kind in KINDS:
        ours, theirs = (read_image(done.out / kind / "c0.tif") for done in (parts, whole))
        assert ours.array.dtype == theirs.array.dtype
        assert ours.spacing_um == theirs.spacing_um
        np.testing.assert_allclose(ours.array, theirs.array, atol=3e-6 if ours.array.dtype.kind == "f" else 0)
    for name in ("overlays/c0.png", "rois/c0.zip"):
        assert (parts.out / name).read_bytes() == (whole.out / name).read_bytes()
    ours, theirs = (json.loads((done.out / "geojson" / "c0.geojson").read_text()) for done in (parts, whole))
    for mine, other in zip(ours["features"], theirs["features"], strict=True):
        assert mine["geometry"] == other["geometry"]
        assert mine["properties"]["classification"] == other["properties"]["classification"]
    assert not list((parts.out / ".records").glob("*.partial"))


@torch.no_grad()
@pytest.mark.parametrize("which", ["of_discs", "of_nested"])
def test_onnx_and_torchscript_have_a_channel_for_each_class(
    which: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    model = request.getfixturevalue(which)
    paths = sorted(model.rglob("model.pt"))
    net = read_whole_image_net(paths)
    image = 100 * torch.rand(1, 1, 21, 34, generator=torch.Generator().manual_seed(0))
    settings = read_network_settings(paths)
    ensemble = EnsembleNet(
        residual_unet(**settings.state_dict()), paths, WholeImageInferer(2), classes=settings.classes
    )
    expected = ensemble(net.normalise(image))
    assert expected.shape == (1, len(settings.classes), 21, 34)
    torch.testing.assert_close(net(image), expected, rtol=0, atol=1e-6)
    save_torchscript(net, tmp_path / "net.pt")
    torch.testing.assert_close(torch.jit.load(tmp_path / "net.pt")(image), expected, rtol=0, atol=1e-6)
    pytest.importorskip("onnx", reason="onnx is not installed: pip install segassay[onnx]")
    onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: pip install segassay[onnx]")
    assert export_onnx(model, tmp_path / "net.onnx").largest <= 1e-5
    session = onnxruntime.InferenceSession(str(tmp_path / "net.onnx"))
    np.testing.assert_allclose(session.run(None, {"image": image.numpy()})[0], expected, rtol=0, atol=1e-5)
    if which == "of_nested":
        with pytest.raises(UsageError, match="overlap, so there is no background channel"):
            read_whole_image_net(paths, both_channels=True)
    else:
        both = read_whole_image_net(paths, both_channels=True)(image)
        torch.testing.assert_close(both.sum(dim=1), torch.ones(1, 21, 34))


def test_a_registered_model_gives_a_channel_for_each_class(
    of_discs: Path, discs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, new_store: object
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", new_store(tmp_path))
    assert_served_as_predicted(of_discs, discs / "images" / "c1.png", tmp_path)


def test_a_bundle_without_classes_is_read_as_before(tmp_path: Path) -> None:
    settings = NetworkSettings(2, 1, [4, 8], [[2, 2]])
    assert "classes" not in settings.state_dict()
    (tmp_path / "configs").mkdir()
    (tmp_path / "models").mkdir()
    (tmp_path / "configs" / "metadata.json").write_text('{"name": "a"}')
    (tmp_path / "configs" / "inference.json").write_text(json.dumps({"network_def": settings.state_dict()}))
    torch.save(residual_unet(**settings.state_dict()).state_dict(), tmp_path / "models" / "model.pt")
    found = read_bundle(tmp_path)
    assert read_network_settings(found.checkpoints) == settings


def test_subjects_and_effects_are_told_by_class(discs: Path, of_discs: Path, tmp_path: Path) -> None:
    table = pd.DataFrame({"case": [f"c{number}" for number in range(5)], "group": list("HHCCC")})
    table.to_csv(tmp_path / "experiment.csv", index=False)
    how = {"experiment": tmp_path / "experiment.csv", "control_group": "H"}
    done = predict(of_discs, discs / "images", out=tmp_path / "out", **how)
    assert done.subjects is not None
    assert done.effects is not None
    names = list(EXCLUSIVE)
    assert done.subjects["class"].unique().tolist() == done.effects["class"].unique().tolist() == ["", *names]
    for name in names:
        own = done.objects[done.objects["class"] == name]
        expected = own.groupby("case").size().reindex(table["case"], fill_value=0)
        rows = done.subjects[(done.subjects["class"] == name) & (done.subjects["region"] == "")].set_index("subject")
        assert rows["n_objects"].reindex(table["case"]).tolist() == expected.tolist()
        means = own.groupby("case")["mean_intensity"].mean().reindex(table["case"])
        np.testing.assert_allclose(rows["mean_intensity"].reindex(table["case"]), means)
    of_all = done.subjects[done.subjects["class"] == ""].set_index("subject")["n_objects"]
    of_each = done.subjects[done.subjects["class"] != ""].groupby("subject")["n_objects"].sum()
    pd.testing.assert_series_equal(of_all.sort_index(), of_each.sort_index())
    written = pd.read_csv(tmp_path / "out" / "effects.csv", keep_default_na=False)
    assert written["class"].unique().tolist() == ["", *names]
    assert f"of the class {names[0]}" in (tmp_path / "out" / "report.html").read_text()


def test_intensities_of_classes_where_some_images_have_names_of_channels_and_some_none() -> None:
    """Each image keeps the measurement that it has with all classes together; no other column fills it."""
    cases = pd.DataFrame(
        {
            "case": ["named", "two", "one"],
            "region_area_px": 100,
            "mean_intensity_DAPI": [5.0, None, None],
            "mean_intensity": [None, 6.0, 7.0],
        }
    )
    objects = pd.DataFrame(
        {
            "case": ["named", "two", "one"],
            "class": "dark",
            "mean_intensity_DAPI": [5.0, None, None],
            "mean_intensity_cFOS": [50.0, None, None],
            "mean_intensity_0": [None, 6.0, None],
            "mean_intensity_1": [None, 60.0, None],
            "mean_intensity": [None, None, 7.0],
        }
    )
    for table in (objects, objects[["case", "class", *reversed(objects.columns[2:])]]):
        found = cases_of_class(cases, table, "dark", 0).set_index("case")
        assert found["mean_intensity_DAPI"].fillna(-1).tolist() == [5, -1, -1]
        assert found["mean_intensity"].fillna(-1).tolist() == [-1, 6, 7]
    numbered = cases_of_class(cases.assign(mean_intensity=[None, 60.0, None]), objects, "dark", 1).set_index("case")
    assert numbered["mean_intensity"].fillna(-1).tolist() == [-1, 60, -1]
    only_names = objects.drop(columns=["mean_intensity", "mean_intensity_0", "mean_intensity_1"])
    chosen = cases_of_class(cases[:1].assign(mean_intensity=50.0), only_names, "dark", 1)  # intensity_channel: 1
    assert chosen["mean_intensity"].tolist() == [50]


def test_outlines_have_the_colours_of_the_dataset(discs: Path, of_discs: Path, tmp_path: Path) -> None:
    folder = tmp_path / "discs"
    shutil.copytree(discs, folder)
    said = yaml.safe_load((folder / "dataset.yaml").read_text())
    said["classes"]["dark"] = {"value": EXCLUSIVE["dark"], "colour": "#0A141e"}
    (folder / "dataset.yaml").write_text(yaml.safe_dump(said, sort_keys=False))
    predict(of_discs, folder, out=tmp_path / "out", save=["geojson", "overlay"])
    colours: dict[str, set[tuple[int, ...]]] = {}
    for path in (tmp_path / "out" / "geojson").iterdir():
        for feature in json.loads(path.read_text())["features"]:
            one = feature["properties"]["classification"]
            colours.setdefault(one["name"], set()).add(tuple(one["color"]))
    assert colours["dark"] == {(10, 20, 30)}
    assert len(colours["bright"]) == 1
    assert colours["bright"] != colours["dark"]
    pictures = [read_image(path).array for path in (tmp_path / "out" / "overlays").iterdir()]
    assert any((picture == np.array([10, 20, 30]).reshape(3, 1, 1)).all(axis=0).any() for picture in pictures)
