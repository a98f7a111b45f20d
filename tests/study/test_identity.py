"""When a training is another one: each key of dataset.yaml, each setting and each key of a study is decided here."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from segassay.data.settings import DatasetFile
from segassay_monai.bundle.paths import config_path
from segassay_monai.study import identity
from segassay_monai.study.file import _FROM_STUDY
from segassay_monai.study.plan import PlannedMember, plan_study
from segassay_monai.training.settings import ELSEWHERE, is_plain
from segassay_monai.training.version import TRAINING_VERSION
from small_datasets import make_dataset, save

CASES = [f"c{number}" for number in range(6)]
MASK = np.eye(8, dtype=bool)
STUDY = {"dataset": "lab", "strategies": ["staple"], "n_folds": 2, "folds": [0], "seeds": 1}


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    """Six cases by three raters and a reference, with an ignored area, a region and an experiment."""
    folder = tmp_path / "lab"
    folder.mkdir()
    rows = [f"{case},{'H' if number % 2 else 'A'}\n" for number, case in enumerate(CASES)]
    (folder / "experiment.csv").write_text("case,group\n" + "".join(rows))
    for area in ("truth", "ignored", "inside"):
        save(folder / area / "c0.png", MASK)
    make_dataset(
        folder,
        {rater: dict.fromkeys(CASES, MASK) for rater in ("anna", "ben", "cleo")},
        {case: np.full((8, 8), number) for number, case in enumerate(CASES)},
        raters="labels/*",
        reference="truth",
        ignore="ignored",
        region_masks="inside",
        experiment="experiment.csv",
    )
    return folder


def member(lab: Path, **content: Any) -> PlannedMember:
    path = lab.parent / "study.yaml"
    path.write_text(yaml.safe_dump(STUDY | content), encoding="utf-8")
    identity.known_hash.cache_clear()
    return plan_study(path).members[0]


def say(lab: Path, **settings: Any) -> None:
    """Change dataset.yaml; None takes a key out."""
    known = yaml.safe_load((lab / "dataset.yaml").read_text()) | settings
    text = yaml.safe_dump({key: value for key, value in known.items() if value is not None})
    (lab / "dataset.yaml").write_text(text)


def rename(key: str, old: str, new: str) -> Callable[[Path], None]:
    """The same files under another name, which dataset.yaml says."""

    def change(lab: Path) -> None:
        (lab / old).rename(lab / new)
        say(lab, **{key: new})

    return change


def add_suffix(key: str, *folders: str) -> Callable[[Path], None]:
    def change(lab: Path) -> None:
        for path in [path for folder in folders for path in (lab / folder).rglob("*.png")]:
            path.rename(path.with_name(f"{path.stem}_seg.png"))
        say(lab, **{key: "_seg"})

    return change


def add_prefix(lab: Path) -> None:
    for path in [path for folder in ("labels", "truth") for path in (lab / folder).rglob("*.png")]:
        path.rename(path.with_name(f"Mask of {path.name}"))
    say(lab, mask_prefix="Mask of ")


def rename_raters(lab: Path) -> None:
    (lab / "labels").rename(lab / "masks")
    say(lab, raters="masks/*")


def add_endpoints(lab: Path) -> None:
    (lab / "endpoints.csv").write_text("case,endpoint,value\nc0,freezing,3\n", encoding="utf-8")
    say(lab, endpoints="endpoints.csv")


SAME_MEMBER = {
    "images": rename("images", "images", "pictures"),
    "raters": rename_raters,
    "image_suffix": add_suffix("image_suffix", "images"),
    "mask_prefix": add_prefix,
    "mask_suffix": add_suffix("mask_suffix", "labels", "truth"),
    "ignore": rename("ignore", "ignored", "left_out"),
    "ignore_suffix": add_suffix("ignore_suffix", "ignored"),
    "region_masks": rename("region_masks", "inside", "region"),
    "experiment": rename("experiment", "experiment.csv", "table.csv"),
    "reference": rename("reference", "truth", "best"),
    "control_group": lambda lab: say(lab, control_group="A"),
    "equivalence_margin": lambda lab: say(lab, equivalence_margin=0.2),
    "intensity_channel": lambda lab: say(lab, intensity_channel=0),
    "objects": lambda lab: say(lab, objects="instances"),  # a training asks only which pixels are marked
    "measurements": lambda lab: say(lab, measurements=["count", "area"]),
    "endpoints": add_endpoints,
}
OTHER_MEMBER = {
    "name": lambda lab: say(lab, name="other"),  # stands in the checkpoint, where the leak guard reads it
    "foreground": lambda lab: say(lab, foreground=[255]),
    "classes": lambda lab: say(lab, classes={"cell": 255}),
    "ignore_value": lambda lab: say(lab, classes={"cell": 255}, ignore_value=7),
    "invert": lambda lab: say(lab, invert=True),
    "min_object_size": lambda lab: say(lab, min_object_size=5),
    "spacing_um": lambda lab: say(lab, spacing_um=[0.5, 0.5]),
    "channels": lambda lab: say(lab, channels=["DAPI"]),  # a model picks the channels of other images by these names
    "segment_channels": lambda lab: say(lab, channels=["DAPI"], segment_channels="DAPI"),
}


def test_every_key_of_the_dataset_is_decided():
    assert {*SAME_MEMBER, *OTHER_MEMBER} == set(DatasetFile.model_fields)
    in_data_hash = {"foreground", "classes", "ignore_value", "invert"}  # what the values of masks mean
    of_channels = {"channels", "segment_channels"}  # only where they are given
    assert set(identity.DATASET_KEYS) | in_data_hash | of_channels == set(OTHER_MEMBER)


@pytest.mark.parametrize("key", SAME_MEMBER)
def test_where_files_are_and_what_the_evaluation_needs_changes_nothing(lab, key):
    first = member(lab)
    SAME_MEMBER[key](lab)
    assert member(lab).folder == first.folder


@pytest.mark.parametrize("key", OTHER_MEMBER)
def test_what_a_training_reads_in_the_dataset_makes_another_member(lab, key):
    first = member(lab)
    OTHER_MEMBER[key](lab)
    assert member(lab).folder != first.folder


@pytest.mark.parametrize(
    "file", ["images/c1.png", "labels/ben/c1.png", "truth/c0.png", "ignored/c0.png", "inside/c0.png"]
)
def test_another_content_of_any_file_makes_another_member(lab, file):
    first = member(lab)
    save(lab / file, ~MASK)
    assert member(lab).identity != first.identity


def test_another_experiment_makes_another_member(lab):
    first = member(lab)
    table = lab / "experiment.csv"
    table.write_text(table.read_text().replace("c0,A", "c0,H"))
    assert member(lab).identity != first.identity


def test_another_rater_makes_another_member(lab):
    first = member(lab)
    (lab / "labels" / "ben").rename(lab / "labels" / "dora")
    assert member(lab).identity != first.identity


def test_another_place_is_no_other_data(lab, tmp_path):
    first = member(lab)
    copy = Path(shutil.copytree(lab, tmp_path / "elsewhere" / "lab"))
    assert member(copy).folder == first.folder


KNOWN = yaml.safe_load(config_path("train.yaml").read_text(encoding="utf-8"))
OF_THE_STUDY = {*_FROM_STUDY, "n_train"}
GIVEN = {
    "channels": [8, 16],
    "spatial_dims": 3,
    "strides": [[2, 2]] * 3,
    "val_interval": 3,
    "device": "cpu",
    "num_workers": 1,
    "tile_size": 64,
    "val_fraction": 0.25,
    "objects": "touching",
    "intensity_range": [0, 255],
}
SETTINGS = [
    name
    for name, value in list(KNOWN.items())[: list(KNOWN).index("imports")]
    if name not in OF_THE_STUDY and name != "initialise_from" and (is_plain(value) or name in GIVEN)
]


@pytest.mark.parametrize("name", SETTINGS)
def test_each_setting_of_a_training_is_decided(lab, name):
    known = KNOWN[name]
    value = GIVEN.get(name, not known if isinstance(known, bool) else known + 1 if isinstance(known, int) else 0.5)
    assert value != known
    changed = member(lab, settings={name: value}).identity != member(lab).identity
    assert changed == (name not in ELSEWHERE)


def test_a_default_that_is_given_changes_nothing(lab):
    assert member(lab, settings={"epochs": KNOWN["epochs"]}).folder == member(lab).folder


@pytest.mark.parametrize("new", ["objects", "intensity_range"])
def test_a_setting_that_is_new_changes_no_member_of_before(lab, monkeypatch, new):
    with_it = member(lab).identity
    known = {name: value for name, value in KNOWN.items() if name != new}
    monkeypatch.setattr(identity, "_train_yaml", lambda: dict(known))
    identity._checked.cache_clear()
    without = member(lab).identity
    identity._checked.cache_clear()
    assert with_it == without


def test_a_checkpoint_to_start_from_counts_by_its_content(lab, tmp_path):
    one, other = tmp_path / "one.pt", tmp_path / "other.pt"
    one.write_bytes(b"weights")
    other.write_bytes(b"weights")
    first = member(lab, settings={"initialise_from": str(one)})
    assert first.identity != member(lab).identity
    assert member(lab, settings={"initialise_from": str(other)}).identity == first.identity
    one.write_bytes(b"other weights")
    assert member(lab, settings={"initialise_from": str(one)}).identity != first.identity


@pytest.mark.parametrize(
    "content",
    [
        {"name": "other"},
        {"output_dir": "elsewhere"},
        {"folds": [0, 1]},
        {"seeds": 4},
        {"ensembles": []},
        {"strategies": [{"target": "staple", "name": "the consensus"}]},
        {"strategies": ["staple", "soft"]},
        {"masks": {"best": "lab/truth"}},
    ],
    ids=lambda content: next(iter(content)),
)
def test_what_else_a_study_does_and_what_it_is_called_changes_nothing(lab, content):
    assert member(lab, **content).folder == member(lab).folder


@pytest.mark.parametrize(
    "content",
    [
        {"threads": 2},
        {"n_folds": 3},
        {"folds": [1]},
        {"seeds": [1]},
        {"strategies": ["majority"]},
        {"strategies": [{"n_train": 2}]},
        {"strategies": [{"n_raters": 2}]},
    ],
    ids=str,
)
def test_what_a_study_tells_a_training_makes_another_member(lab, content):
    assert member(lab, **content).identity != member(lab).identity


@pytest.mark.parametrize(("place", "value"), [("TRAINING_VERSION", 3), ("_torch_version", lambda: "1.0")])
def test_another_version_makes_another_member(lab, monkeypatch, place, value):
    first = member(lab)
    monkeypatch.setattr(f"segassay_monai.study.identity.{place}", value)
    assert member(lab).identity != first.identity


def test_a_folder_says_the_version_and_has_a_name_of_bearable_length(lab):
    first = member(lab)
    assert first.folder == f"staple_fold0_seed0-v{TRAINING_VERSION}-{first.identity[:8]}"
    long = "_with_a_long_name" * 8
    for rater in ("anna", "ben", "cleo"):
        (lab / "labels" / rater).rename(lab / "labels" / f"{rater}{long}")
    assert len(member(lab, strategies=[{"n_raters": 2}]).folder) < 100
