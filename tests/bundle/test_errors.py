"""Broken data and wrong calls: one clear message of the bundle, and nothing half-written."""

import itertools
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import command
from breaking import error_of, good_dataset
from bundles import TINY, broken, train
from damages import DAMAGES
from folders import contents
from segassay.errors import DataError, SegAssayError, UsageError
from segassay.simulation.dataset import Simulation, simulate

pytestmark = pytest.mark.usefixtures("unrendered")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    settings = Simulation(shape=(56, 96), n_cases=9, images_per_subject=1, n_nuclei=5)
    return simulate(tmp_path_factory.mktemp("errors") / "data", settings)


def cut_off(folder: Path) -> None:
    path = folder / "images" / "case_0004.png"
    path.write_bytes(path.read_bytes()[:300])


def other_size(folder: Path) -> None:
    Image.fromarray(np.zeros((56, 95), np.uint8)).save(folder / "labels" / "strict" / "case_0004.png")


def all_empty(folder: Path) -> None:
    for path in (folder / "labels").rglob("*.png"):
        Image.fromarray(np.zeros((56, 96), np.uint8)).save(path)


def one_image(folder: Path) -> None:
    for path in itertools.chain((folder / "images").iterdir(), folder.glob("labels/*/*.png")):
        if path.stem != "case_0000":
            path.unlink()
    (folder / "dataset.yaml").write_text("name: one\n")


def two_kinds(folder: Path) -> None:
    Image.fromarray(np.zeros((56, 96, 3), np.uint8)).save(folder / "images" / "case_0004.png")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (cut_off, "case_0004.png"),
        (other_size, r"strict.case_0004.png has shape \(56, 95\)"),
        (all_empty, "no object in any"),
        (one_image, "cannot hold out any image"),
        (two_kinds, "case_0004.png: expected 1 channel"),
    ],
)
@pytest.mark.parametrize("fold", [0, 1])
def test_broken_data_is_one_clear_message(dataset: Path, tmp_path: Path, damage: Any, message: str, fold: int) -> None:
    """In one of two folds the broken case is trained on, in the other it may be held out: no way around the message."""
    folder = broken(dataset, tmp_path)
    damage(folder)
    with pytest.raises(DataError, match=message):
        train(folder, tmp_path / "m", fold=fold)
    assert [path.name for path in tmp_path.iterdir()] == ["broken"]


BEFORE_A_TRAINING = (
    *("no image", "truncated PNG", "two images of a case", "mask transposed", "mask of probabilities"),
    *("mask without image", "unknown key", "YAML bomb", "a path that goes up", "zeros lost"),
    *("test cases of a trained subject", "reference is a rater"),
)


@pytest.mark.parametrize("name", BEFORE_A_TRAINING)
def test_a_broken_dataset_is_told_in_the_same_words_as_by_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    (case,) = [damage for damage in DAMAGES if damage.name == name]
    case.damage(good_dataset(tmp_path / "data"))
    settings = [word for key, value in TINY.items() for word in (f"--{key}", value)]
    assert command.run(monkeypatch, "train", tmp_path / "data", "--out", tmp_path / "m", *settings) == 1
    message = error_of(capsys.readouterr().err)
    assert case.file in message
    assert case.says in message
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rater": "bob"}, "no such rater; choose one of average, generous, strict, or of all together staple, "),
        ({"fold": 4}, "expected 0 to 3"),
        ({"n_folds": 1}, "at least 2 folds"),
        ({"epoch": 3}, "unknown setting --epoch; did you mean --epochs"),
        ({"epochs": "many"}, "expected a number such as 14"),
        ({"train#trainer#max_epoch": 3}, "did you mean --train#trainer#max_epochs"),
        ({"dataset_dir": "nowhere"}, "nowhere: is not a folder"),
        ({"val_fraction": 2.0}, "between 0 and 1"),
        ({"val_interval": 3}, "expected at most --epochs 2"),
        ({"batch_size": 0}, "expected 1 or more"),
    ],
)
def test_a_wrong_call_is_one_clear_message(
    dataset: Path, tmp_path: Path, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(SegAssayError, match=message):
        train(dataset, tmp_path / "m", **settings)
    assert not list(tmp_path.iterdir())


def test_an_error_in_a_process_that_loads_data_is_the_same_message(dataset: Path, tmp_path: Path) -> None:
    folder = broken(dataset, tmp_path)
    for path in (folder / "labels" / "strict").iterdir():
        Image.fromarray(np.full((56, 95), 255, np.uint8)).save(path)
    with pytest.raises(DataError, match=r"^\S+strict.case_\d+.png has shape \(56, 95\), but its image .* the same$"):
        train(folder, tmp_path / "m", rater="staple", num_workers=1, n_cached=0)
    assert [path.name for path in tmp_path.iterdir()] == ["broken"]


def test_an_output_folder_that_exists_or_cannot_be_written_is_refused(dataset: Path, tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    with pytest.raises(UsageError, match="exists already"):
        train(dataset, tmp_path / "m")
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(UsageError, match="cannot be written"):
        train(dataset, tmp_path / "file" / "m")
    train(dataset, tmp_path / "m", overwrite=True)
    assert (tmp_path / "m" / "model.pt").is_file()


@pytest.mark.parametrize("out", [".", "data", "data/images", "data/labels", "data/labels/strict", "data/images/new"])
def test_overwriting_never_removes_what_is_read(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], out: str
) -> None:
    folder = Path(shutil.copytree(dataset, tmp_path / "data"))
    before = contents(tmp_path)
    words = ["train", folder, "--rater", "strict", "--out", tmp_path / out, "--overwrite"]
    assert command.run(monkeypatch, *words, *(word for key, value in TINY.items() for word in (f"--{key}", value))) == 2
    message = error_of(capsys.readouterr().err)
    assert f"--out {(tmp_path / out).resolve()}" in message
    assert "that are read" in message
    assert message.rstrip().endswith("; give another folder")
    assert contents(tmp_path) == before


def test_a_picture_that_is_trained_on_and_held_out_is_refused_before_the_training(
    dataset: Path, tmp_path: Path
) -> None:
    folder = broken(dataset, tmp_path)
    train(folder, tmp_path / "m")
    state = torch.load(tmp_path / "m" / "model.pt", weights_only=True)["member"]
    picture = (folder / "images" / f"{state['train'][0]}.png").read_bytes()
    (folder / "images" / f"{state['held_out'][0]}.png").write_bytes(picture)
    with pytest.raises(DataError, match="is held out, but the same picture is in the training images"):
        train(folder, tmp_path / "again")
    assert not (tmp_path / "again").exists()


def test_a_case_name_with_a_number_sign_is_trained_and_scored(dataset: Path, tmp_path: Path) -> None:
    """MONAI turns `#` in texts of a configuration into `::`."""
    folder = broken(dataset, tmp_path)
    for path in [*(folder / "images").iterdir(), *folder.glob("labels/*/*.png")]:
        path.rename(path.with_name(path.name.replace("case_", "mouse#")))
    settings = "".join(
        line
        for line in (folder / "dataset.yaml").read_text().splitlines(True)
        if line.split(":")[0] in ("name", "raters")
    )
    (folder / "dataset.yaml").write_text(settings)
    train(folder, tmp_path / "m", epochs=1)
    assert (tmp_path / "m" / "held_out" / "agreement.csv").read_text().count("mouse#")
