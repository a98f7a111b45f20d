"""Predicted folders: whole per image, gone on with after a kill, and never mixed with results of something else."""

import json
import os
import pickle
import shutil
import signal
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pandas as pd
import platformdirs
import pytest
import tifffile
import torch
import yaml

from drawn_members import write_members
from folders import contents
from machines import Machines
from object_store import MemoryStore
from segassay.assay import evaluate
from segassay.errors import DataError, UsageError
from segassay.io.images import Picture, read_image, read_mask, write_image, write_labels
from segassay.simulation.dataset import Simulation, simulate
from segassay_monai.prediction import records
from segassay_monai.prediction import run as module
from segassay_monai.prediction.case import Options
from segassay_monai.prediction.models import find_model
from segassay_monai.prediction.run import predict


@pytest.fixture
def images(dataset: Path, tmp_path: Path) -> Path:
    """Four images that no member has seen."""
    folder = tmp_path / "images"
    folder.mkdir()
    for number, path in enumerate(sorted((dataset / "images").iterdir())[:4]):
        picture = read_image(path)
        write_image(folder / f"new_{number}.png", Picture(picture.array[:, ::-1]))
    return folder


def test_a_folder_becomes_files_and_tables(models: Path, images: Path, tmp_path: Path) -> None:
    done = predict(models, images, out=tmp_path / "out", save=["all"])
    names = [f"new_{number}" for number in range(4)]
    for kind, ending in {
        "masks": ".png", "instances": ".tif", "prob": ".tif", "uncertainty": ".tif", "disagreement": ".tif",
        "doubt": ".tif", "rois": ".zip", "geojson": ".geojson", "overlays": ".png",
    }.items():  # fmt: skip
        assert sorted(path.name for path in (done.out / kind).iterdir()) == [name + ending for name in names]
    prob, labels = (read_image(done.out / kind / "new_2.tif").array[0] for kind in ("prob", "instances"))
    np.testing.assert_array_equal(read_mask(done.out / "masks" / "new_2.png"), prob > 0.5)
    np.testing.assert_array_equal(labels > 0, prob > 0.5)
    assert list(done.cases["case"]) == names
    own = done.objects[done.objects["case"] == "new_2"]
    assert list(own["label"]) == list(range(1, labels.max() + 1))
    assert list(own["area_px"]) == np.bincount(labels.ravel())[1:].tolist()
    assert done.cases["n_objects"].sum() == len(done.objects) > 4
    row = done.cases.set_index("case").loc["new_2"]
    assert (row["image"], row["n_members"], row["region_area_px"]) == ("new_2.png", 2, 30 * 44)
    assert row["density"] == row["n_objects"] / (30 * 44)
    assert row["mean_intensity"] == pytest.approx(own["mean_intensity"].mean())
    assert row["total"] == pytest.approx(row["disagreement"] + row["doubt"], abs=1e-6)
    assert 0 < row["quality"] < 1
    for name in ("cases", "objects"):
        written = pd.read_csv(done.out / f"{name}.csv", dtype={"case": str})
        pd.testing.assert_frame_equal(written, getattr(done, name), check_dtype=False, rtol=1e-14, obj=name)
    listed = pd.read_csv(done.out / "annotations.csv", dtype=str)
    assert list(listed["path"]) == [f"masks/{name}.png" for name in names]
    assert all(Path(path).is_file() for kind in ("path", "prob", "uncertainty") for path in done.annotations[kind])
    assert not (done.out / "failed.csv").exists()


def test_a_workbook_holds_the_tables_if_it_is_asked_for(models: Path, images: Path, tmp_path: Path) -> None:
    done = predict(models, images, out=tmp_path / "out", save=["mask"], xlsx=True)
    sheets = pd.read_excel(done.out / "tables.xlsx", sheet_name=None, dtype={"case": str})
    assert list(sheets) == ["cases", "objects", "annotations", "review"]
    columns = ["case", "label", "area_px", "mean_intensity"]
    pd.testing.assert_frame_equal(sheets["objects"][columns], done.objects[columns])
    predict(models, images, out=tmp_path / "out", save=["mask"])
    assert not (done.out / "tables.xlsx").exists()


def test_the_command_of_the_bundle_predicts_the_same(models: Path, images: Path, tmp_path: Path) -> None:
    from bundles import bundle

    predict(models, images, out=tmp_path / "ours", save=["all"], min_object_size=9)
    paths = {"dataset_dir": str(images), "models": str(models), "output_dir": str(tmp_path / "bundle")}
    bundle("inference", "inference.yaml", **paths, min_object_size=9)
    ours, theirs = contents(tmp_path / "ours"), contents(tmp_path / "bundle")
    kinds = ("masks/", "instances/", "prob/", "uncertainty/", "disagreement/", "doubt/")
    common = [name for name in theirs if name.startswith(kinds)]
    assert len(common) == 6 * 4
    assert all(ours[name] == theirs[name] for name in common)


def test_a_call_that_was_killed_goes_on_to_the_same_bytes(
    models: Path, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = predict(models, images, out=tmp_path / "whole")
    n_written = 0

    def killed_at_the_third_record(*words: object) -> None:
        nonlocal n_written
        n_written += 1
        if n_written == 3:
            (tmp_path / "out" / "masks" / ".123.tmp").write_bytes(b"half")
            raise KeyboardInterrupt
        module_write(*words)

    module_write: Callable[..., None] = module.write_record
    with monkeypatch.context() as patch:
        patch.setattr(module, "write_record", killed_at_the_third_record)
        with pytest.raises(KeyboardInterrupt):
            predict(models, images, out=tmp_path / "out")
    before = {name: (tmp_path / "out" / name).stat().st_mtime_ns for name in ("masks/new_0.png", "masks/new_2.png")}
    (tmp_path / "out" / "masks" / "new_2.png").write_bytes(b"half of it")
    done = predict(models, images, out=tmp_path / "out")
    assert contents(done.out) == contents(whole.out)
    assert (done.out / "masks" / "new_0.png").stat().st_mtime_ns == before["masks/new_0.png"]
    assert (done.out / "masks" / "new_2.png").stat().st_mtime_ns > before["masks/new_2.png"]


def test_the_files_of_an_image_are_on_the_disk_before_its_record_says_that_it_is_done(
    models: Path, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []

    def sync(paths: Iterable[Path]) -> None:
        found = list(paths)
        assert all(path.is_file() for path in found)
        assert not (tmp_path / "out" / ".records" / f"{found[0].stem}.json").exists()
        synced.extend(path.relative_to(tmp_path / "out").as_posix() for path in found)

    monkeypatch.setattr(records, "sync_files", sync)
    done = predict(models, images, out=tmp_path / "out")
    kinds = ("masks", "instances", "rois", "overlays", ".records")
    assert {path.partition("/")[0] for path in synced} == set(kinds)
    assert len(synced) == len(kinds) * len(done.cases)


def test_nothing_is_predicted_twice_but_what_changed(
    models: Path, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    predict(models, images, out=tmp_path / "out")
    asked = []
    monkeypatch.setattr(
        module, "predict_case", lambda *words, **areas: asked.append(words[1]) or first(*words, **areas)
    )
    from segassay_monai.prediction.case import predict_case as first

    predict(models, images, out=tmp_path / "out")
    assert asked == []
    shutil.copy(images / "new_0.png", images / "new_1.png")
    (images / "new_3.png").unlink()
    (tmp_path / "out" / "rois" / "new_0.zip").unlink()
    done = predict(models, images, out=tmp_path / "out")
    assert asked == ["new_0", "new_1"]
    assert list(done.cases["case"]) == ["new_0", "new_1", "new_2"]
    assert not [name for name in contents(done.out) if "new_3" in name]


def test_on_a_cluster_the_same_bytes_and_a_deadly_image_is_named(
    models: Path, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One image is broken; another kills the worker that predicts it."""
    (images / "bad.png").write_bytes(b"no image")
    predict(models, images, out=tmp_path / "here")
    (images / "deadly.png").write_bytes((images / "new_0.png").read_bytes())
    in_memory = module._in_memory

    def deadly(*words: Any) -> dict[str, Any]:
        if words[3] == "deadly":
            os.kill(os.getpid(), signal.SIGKILL)
        return in_memory(*words)

    monkeypatch.setattr(module, "_in_memory", deadly)
    machines = Machines(tmp_path / "machines").start(2)
    try:
        done = predict(models, images, out=tmp_path / "there", cluster=machines.address)
    finally:
        machines.stop()
    failed = dict(zip(done.failed["file"].map(os.path.basename), done.failed["what"], strict=True))
    assert list(failed) == ["bad.png", "deadly.png"]
    assert "was killed, also when it ran alone" in failed["deadly.png"]
    here, there = contents(tmp_path / "here"), contents(tmp_path / "there")
    own = [name for name in here if name.startswith(("masks/", "instances/", "rois/", "overlays/", ".records/"))]
    assert len(own) == 6 * 4  # with the small pictures for the page
    assert [name for name in [*own, "cases.csv", "objects.csv"] if here[name] != there.get(name)] == []


def test_workers_of_a_cluster_may_be_in_another_folder(
    dataset: Path, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Elsewhere:
        def results(self, work: Callable[[Any], Any], tasks: Sequence[Any], *, ahead: int | None = None) -> Any:
            for place, task in enumerate(tasks):
                (tmp_path / "elsewhere").mkdir(exist_ok=True)
                monkeypatch.chdir(tmp_path / "elsewhere")
                result = work(pickle.loads(pickle.dumps(task)))
                monkeypatch.chdir(dataset.parent)
                yield place, result

    monkeypatch.chdir(dataset.parent)
    members = os.path.relpath(models)
    done = predict(members, dataset.name, out=tmp_path / "there", cluster=Elsewhere())
    assert done.failed.empty
    predict(members, dataset.name, out=tmp_path / "here")
    assert contents(tmp_path / "here") == contents(done.out)


def test_an_image_that_a_lost_worker_had_finished_is_not_touched_again(
    models: Path, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cluster repeats tasks whose result went with its worker, also while the command ends."""
    tasks: list[Any] = []
    one = module._predict
    monkeypatch.setattr(module, "_predict", lambda task: tasks.append(task) or one(task))
    done = predict(models, images, out=tmp_path / "out")
    before = contents(done.out)
    monkeypatch.setattr(module, "forget", lambda *words: pytest.fail("its files are removed"))
    assert one(tasks[0]) == json.loads(before[f".records/{tasks[0].case}.json"])
    assert contents(done.out) == before


@pytest.mark.parametrize(("device", "expected"), [(None, "cuda:2"), ("cpu", "cpu")])
def test_each_worker_of_a_machine_has_a_gpu_of_its_own(
    models: Path, monkeypatch: pytest.MonkeyPatch, device: str | None, expected: str
) -> None:
    """The seventh worker of a machine with four GPUs, of which this one has none."""
    asked: list[Options] = []
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    monkeypatch.setattr(module, "place_on_machine", lambda: 6)
    monkeypatch.setattr(module, "load_predictor", lambda model, options: asked.append(options))
    module._predictor.cache_clear()
    module._predictor(find_model(models), "", Options(device=device))
    module._predictor.cache_clear()
    assert [options.device for options in asked] == [expected]


def test_one_broken_file_among_good_ones(models: Path, images: Path, tmp_path: Path) -> None:
    (images / "new_1.png").write_bytes((images / "new_1.png").read_bytes()[:60])
    write_labels(images / "volume.tif", np.zeros((3, 5, 4), dtype=int))
    done = predict(models, images, out=tmp_path / "out")
    assert list(done.cases["case"]) == ["new_0", "new_2", "new_3"]
    table = pd.read_csv(done.out / "failed.csv")
    assert list(table) == ["file", "what", "action"]
    assert [Path(file).name for file in table["file"]] == ["new_1.png", "volume.tif"]
    assert table.notna().all(axis=None)
    assert table["what"].str.contains("broken").tolist() == [True, False]
    shutil.copy(images / "new_0.png", images / "new_1.png")
    (images / "volume.tif").unlink()
    done = predict(models, images, out=tmp_path / "out")
    assert len(done.cases) == 4
    assert not (done.out / "failed.csv").exists()


def test_where_every_image_is_broken_the_tables_are_empty(models: Path, tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "bad.png").write_bytes(b"no image")
    done = predict(models, tmp_path / "images", out=tmp_path / "out")
    assert (len(done.cases), len(done.objects), len(done.annotations), len(done.failed)) == (0, 0, 0, 1)
    assert pd.read_csv(done.out / "cases.csv").empty
    assert "bad.png" in (done.out / "report.html").read_text()


@pytest.mark.parametrize(
    ("change", "shown"),
    [
        ({"min_object_size": 5}, "min_object_size 0, now 5"),
        ({"flips": True}, "flips False, now True"),
        ({"save": ["prob"]}, "save"),
    ],
)
def test_other_settings_do_not_mix_with_results_that_are_there(
    models: Path, images: Path, tmp_path: Path, change: dict[str, object], shown: str
) -> None:
    predict(models, images, out=tmp_path / "out")
    before = contents(tmp_path / "out")
    with pytest.raises(UsageError, match=f"made with other settings .*{shown}.*; give another out"):
        predict(models, images, out=tmp_path / "out", **change)
    assert contents(tmp_path / "out") == before
    assert predict(models, images, out=tmp_path / "out", overwrite=True, **change).cases.shape[0] == 4


def test_a_changed_model_and_other_images_do_not_mix_either(models: Path, images: Path, tmp_path: Path) -> None:
    shutil.copytree(models, tmp_path / "models")
    predict(tmp_path / "models", images, out=tmp_path / "out")
    state = torch.load(tmp_path / "models" / "s15" / "model.pt", weights_only=True)
    next(iter(state["model"].values())).add_(1e-3)
    torch.save(state, tmp_path / "models" / "s15" / "model.pt")
    with pytest.raises(UsageError, match="model_sha256"):
        predict(tmp_path / "models", images, out=tmp_path / "out")
    with pytest.raises(UsageError, match=r"images .*, now "):
        predict(models, images / "new_0.png", out=tmp_path / "out")


def test_a_folder_of_something_else_is_never_written_to(models: Path, images: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "diary.txt").write_text("mine")
    with pytest.raises(UsageError, match=r"exists already; give another out \(--out\)"):
        predict(models, images, out=tmp_path / "out")
    for place in (images, images.parent):
        with pytest.raises(UsageError, match="contains files that are read"):
            predict(models, images, out=place, overwrite=True)
    assert len(list(images.iterdir())) == 4


def test_a_forged_record_removes_no_file_elsewhere(models: Path, images: Path, tmp_path: Path) -> None:
    predict(models, images, out=tmp_path / "out")
    (tmp_path / "diary.txt").write_text("mine")
    forged = {"files": {"masks": "../diary.txt", "rois": str(tmp_path / "diary.txt")}, "inputs": []}
    for case in ("new_0", "gone"):
        (tmp_path / "out" / ".records" / f"{case}.json").write_text(json.dumps(forged))
    assert len(predict(models, images, out=tmp_path / "out").cases) == 4
    assert (tmp_path / "diary.txt").read_text() == "mine"
    assert not (tmp_path / "out" / ".records" / "gone.json").exists()


def test_images_without_objects_have_tables_without_rows(models: Path, images: Path, tmp_path: Path) -> None:
    done = predict(models, images, out=tmp_path / "out", min_object_size=10**6, save=["all"])
    assert done.objects.empty
    assert {"area_px", "confidence", "mean_intensity"} <= set(done.objects)
    assert done.cases["n_objects"].tolist() == [0, 0, 0, 0]
    assert done.cases["mean_intensity"].isna().all()
    assert set(done.review["reason"]) == {"nothing found"}
    assert read_mask(done.out / "masks" / "new_0.png").any(), "the mask shows what the model says"


def test_volumes_have_planes_in_their_files(tmp_path: Path) -> None:
    settings = Simulation(shape=(7, 20, 26), n_cases=6, images_per_subject=1, n_nuclei=3, spacing_um=(3.0, 1.0, 1.0))
    data = simulate(tmp_path / "data", settings)
    models = write_members(tmp_path / "models", data, seeds=(14, 15), spacing=(3.0, 1.0, 1.0))
    done = predict(models, data, out=tmp_path / "out", save=["all"], split_touching=True)
    assert done.failed.empty
    case = done.cases["case"][0]
    image = read_image(next(path for path in (data / "images").iterdir() if path.name.startswith(case)))
    labels = read_image(done.out / "instances" / f"{case}.nii.gz")
    np.testing.assert_array_equal(labels.affine, image.affine)
    own = done.objects[done.objects["case"] == case]
    assert own["volume_um3"].sum() == pytest.approx(3.0 * np.count_nonzero(labels.array), rel=1e-6)
    assert list(own["label"]) == list(range(1, labels.array.max() + 1))
    assert {"centroid_x", "centroid_y", "centroid_z"} <= set(own)
    overlay = imagecodecs.png_decode((done.out / "overlays" / f"{case}.png").read_bytes())
    assert overlay.shape[0] / overlay.shape[1] == 26 / 20, "across the thick planes, the head at the top"
    found = done.annotations.set_index("case")["path"]
    assert all("instances" in path for path in found), "a mask cannot show touching objects apart"


def test_two_calls_at_once_are_refused(models: Path, images: Path, tmp_path: Path) -> None:
    from filelock import FileLock

    predict(models, images, out=tmp_path / "out")
    with FileLock(tmp_path / "out" / ".lock"), pytest.raises(UsageError, match="another process is writing"):
        predict(models, images, out=tmp_path / "out")


def test_files_keep_pixel_size_and_affine(models: Path, images: Path, tmp_path: Path) -> None:
    picture = read_image(images / "new_0.png")
    affine = np.array([[0.0, -0.5, 0, 3], [0.5, 0, 0, -2], [0, 0, 1, 7], [0, 0, 0, 1]])
    sized = Picture(picture.array, (0.5, 0.5), affine)
    folder = tmp_path / "sized"
    folder.mkdir()
    write_image(folder / "nifti.nii.gz", sized)
    metadata = {"axes": "YX", "PhysicalSizeX": 0.25, "PhysicalSizeY": 0.5}
    tifffile.imwrite(folder / "ome.ome.tif", picture.array[0], metadata=metadata)
    done = predict(models, folder, out=tmp_path / "out", save=["all"])
    masks = {path.name: read_image(path) for path in (done.out / "masks").iterdir()}
    assert {name: mask.spacing_um for name, mask in masks.items()} == {
        "nifti.nii.gz": (0.5, 0.5),
        "ome.ome.tif": (0.5, 0.25),
    }
    np.testing.assert_allclose(masks["nifti.nii.gz"].affine, affine)
    area = done.cases.set_index("case")
    np.testing.assert_allclose(area["area_um2"], area["area_px"] * [0.25, 0.125])


def test_an_image_whose_pixel_size_is_no_number_is_predicted_and_named(
    models: Path, images: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "new").mkdir()
    path = tmp_path / "new/a.ome.tif"
    size = {"axes": "YX", "PhysicalSizeX": 0.25, "PhysicalSizeY": 0.25}
    tifffile.imwrite(path, read_image(images / "new_0.png").array[0], metadata=size)
    path.write_bytes(path.read_bytes().replace(b'PhysicalSizeX="0.25"', b'PhysicalSizeX="0,25"'))
    done = predict(models, path.parent, out=tmp_path / "out")
    assert "area_um2" not in done.cases or done.cases["area_um2"].isna().all()
    (said,) = [one for one in caplog.messages if "PhysicalSizeX" in one]
    assert (
        said == f'{path}: the header gives PhysicalSizeX="0,25", which is not a valid pixel size; sizes are in pixels'
    )


def test_a_case_with_a_long_name_fails_alone(models: Path, images: Path, tmp_path: Path) -> None:
    shutil.copy(images / "new_0.png", images / f"{'ä' * 123}.png")
    done = predict(models, images, out=tmp_path / "out")
    assert len(done.cases) == 4
    assert "246 bytes" in done.failed["what"].item()


def test_images_of_the_training_are_no_test_of_the_model(dataset: Path, models: Path, tmp_path: Path) -> None:
    done = predict(models, dataset, out=tmp_path / "out")
    assert len(done.cases) == 6
    assert set(done.annotations["held_out"]) == {True}
    assert 0 < len(done.annotations) < 6
    found = evaluate(dataset, annotations=done.annotations)
    assert found.kinds["staple/s14-15"] == "ensemble"
    counts = found.counts[found.counts["annotator"] == "staple/s14-15"].set_index("case")
    own = done.cases.set_index("case").loc[counts.index]
    for column in ("n_objects", "area_px", "region_area_px", "density"):
        assert own[column].tolist() == counts[column].tolist(), column
    alone = predict(models, dataset / "images", out=tmp_path / "alone")
    assert set(alone.annotations["case"]) == set(done.annotations["case"])
    assert alone.annotations["held_out"].isna().all()


def test_an_experiment_gives_subjects_and_effects(dataset: Path, models: Path, images: Path, tmp_path: Path) -> None:
    table = tmp_path / "experiment.csv"
    table.write_text("case,group,subject\n" + "".join(f"new_{n},{'HC'[n % 2]},m{n}\n" for n in range(4)))
    done = predict(models, images, out=tmp_path / "out", experiment=table, control_group="H")
    assert list(done.subjects["group"]) == ["H", "C", "H", "C"]
    assert (done.out / "effects.csv").is_file()
    predict(models, images, out=tmp_path / "out")
    assert not (done.out / "effects.csv").exists()
    with pytest.raises(UsageError, match="give --experiment"):
        predict(models, images, out=tmp_path / "out", control_group="H")
    table.write_text("case,group\nother,H\n")
    with pytest.raises(DataError, match="none of the images"):
        predict(models, images, out=tmp_path / "none", experiment=table)
    assert not (tmp_path / "none").exists()
    own = predict(models, dataset, out=tmp_path / "own")
    assert own.effects is not None


def test_wrong_settings_are_refused_before_anything_is_written(models: Path, images: Path, tmp_path: Path) -> None:
    for change, message in (
        ({"min_object_size": -1}, "expected 0 or more"),
        ({"device": "toaster"}, "--device toaster: cannot be used"),
        ({"save": ["masks"]}, "--save masks: expected some of mask, instances"),
        ({"strategy": "anna"}, "expected one of staple"),
    ):
        with pytest.raises(UsageError, match=message):
            predict(models, images, out=tmp_path / "out", **change)
    assert not (tmp_path / "out").exists()


def test_another_backend_predicts_the_same_and_a_missing_one_is_refused_before_anything_is_written(
    models: Path, images: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="--backend tensorrt: expected one of torch, onnxruntime, openvino"):
        predict(models, images, out=tmp_path / "out", backend="tensorrt")
    assert not (tmp_path / "out").exists()
    for package in ("onnx", "onnxruntime"):
        pytest.importorskip(package, reason=f"{package} is not installed: pip install segassay[onnx]")
    ours = predict(models, images, out=tmp_path / "torch", save=["mask"])
    theirs = predict(models, images, out=tmp_path / "onnx", save=["mask"], backend="onnxruntime")
    assert contents(ours.out / "masks") == contents(theirs.out / "masks")
    pd.testing.assert_frame_equal(ours.cases, theirs.cases, rtol=0, atol=1e-4)


@pytest.fixture
def store(images: Path, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MemoryStore:
    """A store with two images that no member has seen, and the members."""
    monkeypatch.setattr(platformdirs, "user_cache_dir", lambda name: str(tmp_path / "cache" / name))
    found = MemoryStore(monkeypatch)
    for path in sorted(images.iterdir())[2:]:
        path.unlink()
    found.put_folder(images, "bucket/images")
    found.put_folder(models, "bucket/members")
    return found


def sent(store: MemoryStore) -> dict[str, bytes]:
    return {name: of for name, of in store.content("bucket/out").items() if name != "uploaded.json"}


def test_predictions_are_those_of_folders_and_another_machine_goes_on(store, models, tmp_path, monkeypatch):
    predict(models, tmp_path / "images", out=tmp_path / "out")
    words = {"images": "memory://bucket/images", "out": "memory://bucket/out"}
    predict("memory://bucket/members", **words)
    expected, found = contents(tmp_path / "out"), sent(store)
    expected.pop(".lock", None)
    settings = [yaml.safe_load(of.pop("settings.yaml")) for of in (expected, found)]
    assert found == expected
    assert settings[1] == settings[0] | {"images": "memory://bucket/images"}

    shutil.rmtree(tmp_path / "cache")
    predict_one, calls = module._predict_one, []

    def counted(*arguments: object) -> object:
        calls.append(arguments[3])
        return predict_one(*arguments)

    monkeypatch.setattr(module, "_predict_one", counted)
    store.put("bucket/images/new_2.png", (tmp_path / "images" / "new_0.png").read_bytes())
    store.written.clear()
    done = predict("memory://bucket/members", **words)
    assert calls == ["new_2"]
    assert list(done.cases["case"]) == ["new_0", "new_1", "new_2"]
    assert "/bucket/out/masks/new_2.png" in store.written
    assert "/bucket/out/masks/new_1.png" not in store.written
