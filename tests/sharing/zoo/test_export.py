"""An exported bundle, as people of the zoo use it: elsewhere, without this package, and with the same masks."""

import ast
import getpass
import json
import logging
import os
import shutil
import sys
import zipfile
from pathlib import Path

import jsonschema
import monai.bundle
import nibabel
import numpy as np
import pytest
import torch
import yaml
from monai.bundle.properties import InferProperties, MetaProperties

from bundles import run_exported as run
from networks import image
from secret_members import DATA_HASH, SECRETS
from segassay.errors import UsageError
from segassay.io.images import read_image, read_mask, sha256, write_image
from segassay.io.picture import Picture
from segassay.masks.objects import label_objects
from segassay_monai.ensemble.mean_net import read_mean_net
from segassay_monai.ensemble.members import find_checkpoints
from segassay_monai.prediction.models import find_model
from segassay_monai.prediction.run import predict
from segassay_monai.sharing.zoo import files
from segassay_monai.sharing.zoo.export import export_zoo

ROOT = Path(__file__).resolve().parents[3]


def content(bundle: Path, name: str) -> dict:
    return json.loads((bundle / "configs" / f"{name}.json").read_text())


def network(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> torch.nn.Module:
    """The network of inference.json, as the checks of the zoo build it: without a workflow."""
    monkeypatch.syspath_prepend(bundle)
    parser = monai.bundle.ConfigParser()
    parser.read_config(str(bundle / "configs" / "inference.json"))
    return parser.get_parsed_content("network_def").eval()


def test_its_files_are_those_of_the_zoo(bundles, kind):
    found = {path.relative_to(bundles[kind]).as_posix() for path in bundles[kind].rglob("*") if path.is_file()}
    configs = {f"configs/{name}.json" for name in ("metadata", "inference", "evaluate", "train")}
    scripts = {"__init__", "errors", "image_files", "images", "inferer", "instances", "label_files", "levels"}
    scripts |= {"encoding", "orientation", "picture", "spacing"}
    scripts |= {"classes", "mean_net", "members_inferer", "network", "region_values"} if kind == "three" else set()
    rest = {"configs/logging.conf", "docs/README.md", "docs/data_license.txt", "README.md", "LICENSE"}
    rest |= {"certificate.json"}
    models = {f"models/{name}" for name in ("model.pt", "model.ts", "familiar.json")}
    assert found == configs | rest | models | {f"scripts/{name}.py" for name in scripts}


@pytest.mark.parametrize("run_id", ["run", "inference"])
def test_its_files_are_ours_in_every_byte(bundles, models, kind, images, tmp_path, without_this_package, run_id):
    """Masks, probabilities and instance labels: same names, pixels, pixel sizes and places."""
    asked = {"save_instances": True, "min_object_size": 60} if run_id == "run" else {}
    run(bundles[kind], tmp_path / "theirs", images, run_id, **asked)
    words = {"min_object_size": 60} if asked else {}
    kinds = ["masks", "prob", "instances"] if asked else ["masks", "prob"]
    predict(models[kind], images, out=tmp_path / "ours", save=["mask", "prob", "instances"], **words)
    for folder in kinds:
        ours = {path.name: path.read_bytes() for path in (tmp_path / "ours" / folder).iterdir()}
        assert {path.name: path.read_bytes() for path in (tmp_path / "theirs" / folder).iterdir()} == ours
        assert len(ours) == 5
    assert asked or not (tmp_path / "theirs" / "instances").exists()
    for path in (tmp_path / "theirs" / "masks").iterdir():
        assert 0 < read_mask(path).sum() < read_mask(path).size
    affine = nibabel.load(tmp_path / "theirs" / "masks" / "c.nii.gz").affine
    np.testing.assert_array_equal(affine, nibabel.load(images / "c.nii.gz").affine)
    for name in ("d.tif", "e.ome.tif"):
        assert read_image(tmp_path / "theirs" / "masks" / name).spacing_um == pytest.approx((0.5, 0.325))
    if asked:
        labels, masks = (
            [*map(read_mask, sorted((tmp_path / "theirs" / part).iterdir()))] for part in ("instances", "masks")
        )
        for label, mask in zip(labels, masks, strict=True):
            np.testing.assert_array_equal(label > 0, label_objects(mask > 0, min_size=60) > 0)


def test_windows_of_a_large_image_give_our_masks(bundles, models, tmp_path, without_this_package):
    """And those of the whole image: each member is evaluated level by level."""
    (tmp_path / "images").mkdir()
    pixels = np.random.default_rng(1).integers(0, 255, (1, 70, 90), dtype=np.uint8)
    write_image(tmp_path / "images" / "a.png", Picture(pixels))
    run(bundles["three"], tmp_path / "theirs", tmp_path / "images", max_pixels=4 * 16**2)
    predict(models["three"], tmp_path / "images", out=tmp_path / "whole", save=["prob"])
    predict(models["three"], tmp_path / "images", out=tmp_path / "ours", save=["prob"], tile=16)
    whole, ours, theirs = (read_image(tmp_path / who / "prob" / "a.tif").array for who in ("whole", "ours", "theirs"))
    np.testing.assert_array_equal(theirs, ours)
    np.testing.assert_allclose(ours, whole, rtol=0, atol=1e-6)


def test_load_gives_a_module_with_the_weights(bundles, models, kind, monkeypatch, without_this_package):
    bundle = bundles[kind]
    monkeypatch.syspath_prepend(bundle)
    net = monai.bundle.load(bundle.name, bundle_dir=str(bundle.parent), device="cpu")
    expected, _ = read_mean_net(find_checkpoints(models[kind]))
    expected = expected if kind == "three" else expected.members[0]
    assert isinstance(net, torch.nn.Module)
    assert net.state_dict().keys() == expected.state_dict().keys()
    assert all(torch.equal(value, net.state_dict()[name]) for name, value in expected.state_dict().items())
    batch = image(2, 1, 16, 24)
    assert torch.equal(net.eval()(batch), expected(batch))
    script, metadata, _ = monai.bundle.load(
        bundle.name, bundle_dir=str(bundle.parent), load_ts_module=True, device="cpu"
    )
    torch.testing.assert_close(script(batch), expected(batch), rtol=0, atol=1e-6)
    assert metadata == content(bundle, "metadata")


def test_this_package_finds_the_same_model_in_it(bundles, models, kind):
    assert find_model(bundles[kind]).sha256 == find_model(models[kind]).sha256


def test_the_weights_are_one_flat_state_dict(bundles, kind):
    weights = torch.load(bundles[kind] / "models" / "model.pt", weights_only=True)
    assert all(isinstance(value, torch.Tensor) for value in weights.values())


def test_the_network_has_literal_arguments_and_fits_the_metadata(bundles, kind, monkeypatch):
    config, metadata = content(bundles[kind], "inference"), content(bundles[kind], "metadata")
    assert not any(mark in json.dumps(config["network_def"]) for mark in "@$%")
    assert content(bundles[kind], "train")["network_def"] == config["network_def"]
    net = network(bundles[kind], monkeypatch)
    net.load_state_dict(torch.load(bundles[kind] / "models" / "model.pt", weights_only=True))
    data = metadata["network_data_format"]
    one, pred = data["inputs"]["image"], data["outputs"]["pred"]
    sizes = [int(text.removesuffix("*n")) for text in one["spatial_shape"]]
    for n in (1, 3):
        shape = [size * n for size in sizes]
        output = net(8 * image(1, one["num_channels"], *shape))
        assert output.shape == (1, pred["num_channels"], *shape)
        assert str(output.dtype) == f"torch.{pred['dtype']}"
    is_probability = pred["value_range"] == [0, 1]
    assert is_probability == (kind == "three")
    assert is_probability == bool(output.min() >= 0 and output.max() <= 1)


def test_metadata_follow_the_schema(bundles, kind, data_dir):
    schema = data_dir.parent / "schema" / "meta_schema_20240725.json"
    if not schema.is_file():
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(f"schema not found: {schema}")
    metadata = content(bundles[kind], "metadata")
    jsonschema.validate(metadata, json.loads(schema.read_text()))
    assert Path(metadata["schema"]).name == schema.name
    assert metadata["version"] in metadata["changelog"]
    assert not any("+" in text for text in metadata["required_packages_version"].values())


def test_scripts_of_the_current_folder_are_not_those_of_the_bundle(
    bundles, images, tmp_path, monkeypatch, without_this_package
):
    """As `python -m` runs it: the current folder comes first on the search path."""
    (tmp_path / "scripts").mkdir()
    for name in ("__init__", "image_files"):
        (tmp_path / "scripts" / f"{name}.py").write_text("raise SystemExit('a stranger runs')\n")
    monkeypatch.syspath_prepend(tmp_path)
    run(bundles["one"], tmp_path / "out", images)
    assert len([*(tmp_path / "out" / "masks").iterdir()]) == 5


@pytest.mark.parametrize(
    ("workflow_type", "names"), [("inference", ["inference"]), ("evaluation", ["inference", "evaluate"])]
)
def test_it_has_every_property_without_data(bundles, kind, workflow_type, names, monkeypatch, without_this_package):
    monkeypatch.syspath_prepend(bundles[kind])
    paths = [str(bundles[kind] / "configs" / f"{name}.json") for name in names]
    words = {"workflow_type": workflow_type, "logging_file": False, "bundle_root": str(bundles[kind])}
    workflow = monai.bundle.create_workflow(config_file=paths, **words)
    assert workflow.check_properties() == []
    values = {name: getattr(workflow, name) for name in {**InferProperties, **MetaProperties}}
    assert [name for name, value in values.items() if value is None] == (["key_metric"] * (names == ["inference"]))
    assert values["dataset_data"] == []
    assert list(Path.cwd().iterdir()) == []


def test_a_folder_without_images_is_one_clear_error(bundles, tmp_path, without_this_package):
    with pytest.raises(RuntimeError) as caught:
        run(bundles["one"], tmp_path / "out", tmp_path / "nowhere")
    causes = []
    error: BaseException | None = caught.value
    while error is not None:
        causes.append(str(error))
        error = error.__cause__
    assert "nowhere: expected a folder with" in "\n".join(causes)


def test_evaluation_compares_with_masks_of_the_same_name(bundles, images, tmp_path, without_this_package):
    bundle = bundles["three"]
    run(bundle, tmp_path / "labels", images)
    configs = [str(bundle / "configs" / f"{name}.json") for name in ("inference", "evaluate")]
    words = {"config_file": configs, "label_dir": str(tmp_path / "labels" / "masks")}
    run(bundle, tmp_path / "result", images, "evaluating", **words)
    assert (tmp_path / "result" / "metrics.csv").read_text().split() == ["val_mean_dice,1.0"]
    details = (tmp_path / "result" / "val_mean_dice_raw.csv").read_text()
    assert [name in details for name in ("a.png", "b.tif", "c.nii.gz")] == [True] * 3


def test_nothing_private_is_in_any_byte(bundles, kind, models):
    private = [
        *SECRETS,
        str(models[kind]),
        str(bundles[kind].parent),
        str(ROOT),
        str(Path.home()),
        str(Path.cwd()),
        sys.prefix,
    ]
    private += [name for name in (getpass.getuser(),) if name not in ("root", "user")]
    for path in [path for path in bundles[kind].rglob("*") if path.is_file()]:
        data = path.read_bytes()
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                data = b"\n".join([*map(str.encode, archive.namelist()), *map(archive.read, archive.namelist())])
        unless = [] if path.name == "certificate.json" else [DATA_HASH]
        found = [word for word in private + unless if word.encode() in data]
        assert not found, f"{path.name}: {found}"


def test_scripts_are_unchanged_and_the_json_is_as_the_zoo_formats_it(bundles, kind):
    rooms = ("evaluation/segassay/io", "src/segassay_monai/sharing/zoo/scripts", "src/segassay_monai/ensemble")
    sources = {path.name: path for room in reversed(rooms) for path in (ROOT / room).glob("*.py")}
    own = ("__init__.py", "image_files.py", "instances.py", "label_files.py", "members_inferer.py")
    sources |= {name: ROOT / rooms[1] / name for name in own}
    sources |= {f"{name}.py": ROOT / rooms[2] / f"{name}.py" for name in ("errors", "images", "classes")}
    sources["region_values.py"] = ROOT / "evaluation/segassay/masks/region_values.py"  # the others are stand-ins
    for path in (bundles[kind] / "scripts").iterdir():
        assert path.read_bytes() == sources[path.name].read_bytes()
    for path in (bundles[kind] / "configs").glob("*.json"):
        text = path.read_text()
        assert text == json.dumps(json.loads(text), indent=4) + "\n"
        assert "/home/" not in text


def test_scripts_import_only_what_the_metadata_names_and_each_other(bundles, kind):
    metadata = content(bundles[kind], "metadata")
    allowed = {"torch", "monai", "numpy", *metadata["required_packages_version"], *sys.stdlib_module_names}
    scripts = list((bundles[kind] / "scripts").glob("*.py"))
    for path in scripts:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                assert {alias.name.partition(".")[0] for alias in node.names} <= allowed, path.name
            elif isinstance(node, ast.ImportFrom):
                known = {script.stem for script in scripts} if node.level else allowed
                assert str(node.module).partition(".")[0] in known, path.name


def test_training_from_the_bundle_works_where_this_package_is_installed(bundles, tmp_path, monkeypatch, new_store):
    from segassay.simulation.dataset import Simulation, simulate

    monkeypatch.setenv("MLFLOW_TRACKING_URI", new_store(tmp_path))
    monkeypatch.chdir(tmp_path)
    data = simulate(tmp_path / "data", Simulation(shape=(40, 48), n_cases=6, images_per_subject=1, n_nuclei=4))
    config = shutil.copytree(bundles["three"], tmp_path / "cells_segmentation") / "configs" / "train.json"
    quick = {"epochs": 1, "iterations_per_epoch": 2, "batch_size": 2, "tile_size": 32, "val_interval": 1}
    words = {"workflow_name": "segassay_monai.Workflow", "logging_file": False, "dataset_dir": str(data)}
    monai.bundle.run(config_file=str(config), **words, **quick)
    new = tmp_path / "cells_segmentation" / "models" / "staple_fold0_seed0" / "model.pt"
    assert torch.load(new, weights_only=True)["network"]["channels"] == [4, 8]


def test_training_without_data_is_one_clear_error(bundles):
    config = str(bundles["three"] / "configs" / "train.json")
    with pytest.raises(UsageError, match="--dataset_dir is missing: give the folder with images/ and labels/"):
        monai.bundle.run(config_file=config, workflow_name="segassay_monai.Workflow", logging_file=False)


def test_large_files_are_listed_with_their_hash(models, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(files, "LARGEST", 15_000)
    about = tmp_path / "about.yaml"
    about.write_text("files_url: https://example.org/v1/\n")
    bundle = export_zoo(models["one"], tmp_path / "cells_segmentation", about=about)
    listed = yaml.safe_load((bundle / "large_files.yml").read_text())["large_files"]
    assert [entry["path"] for entry in listed] == ["models/model.pt", "models/model.ts"]
    assert listed[0]["url"] == "https://example.org/v1/models/model.pt"
    assert listed[0]["hash_val"] == sha256(bundle / "models" / "model.pt")
    assert "larger than 25 MB" not in caplog.text


def test_what_a_reviewer_would_ask_for_is_a_warning(models, tmp_path, caplog):
    with caplog.at_level(logging.WARNING, "segassay"):
        export_zoo(models["one"], tmp_path / "cells")
    for text in ("authors, description, data_source, data_license", "eval_metrics are empty", "_segmentation"):
        assert text in caplog.text


@pytest.mark.parametrize(
    "said", [{"description": "% of nuclei"}, {"authors": ["A", "@lab"]}, {"changelog": {"0.0.1": "$1"}}], ids=str
)
def test_a_text_that_monai_would_take_for_an_expression_is_refused(models, tmp_path, said):
    """`%` alone would stop every command of the bundle."""
    (tmp_path / "about.yaml").write_text(yaml.safe_dump(said))
    with pytest.raises(UsageError, match=r"cannot be exported: configurations of MONAI take what begins with [%@$]"):
        export_zoo(models["one"], tmp_path / "cells_segmentation", about=tmp_path / "about.yaml")
    assert [path.name for path in tmp_path.iterdir()] == ["about.yaml"]


@pytest.mark.parametrize("name", ["my model", "9cells", "cells-segmentation", "cells__x", "zellen_ä"])
def test_a_name_that_the_zoo_cannot_have_is_refused(models, tmp_path, name):
    with pytest.raises(UsageError, match="expected a folder named as the bundle"):
        export_zoo(models["one"], tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_an_existing_folder_stays_as_it_is(models, tmp_path):
    (tmp_path / "cells").mkdir()
    with pytest.raises(UsageError, match="exists already"):
        export_zoo(models["one"], tmp_path / "cells")
    copy = shutil.copytree(models["one"], tmp_path / "own")
    (tmp_path / "own" / "about").mkdir()
    (tmp_path / "own" / "about" / "about.yaml").write_text("title: mine\n")
    for place in (copy, copy / "about"):
        with pytest.raises(UsageError, match=r"contains files that are exported .*; give another folder"):
            export_zoo(copy, place, about=copy / "about" / "about.yaml", overwrite=True)
    assert (copy / "about" / "about.yaml").is_file()
    assert find_checkpoints(copy)
    assert {path.name for path in tmp_path.iterdir()} == {"cells", "own"}
