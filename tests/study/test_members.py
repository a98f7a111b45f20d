"""Members of a study: names of their folders, what they hold out, and what cannot be planned."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from segassay.data.dataset import Dataset, read_dataset
from segassay.errors import UsageError
from segassay_monai.study.file import StrategyFile, StudyFile
from segassay_monai.study.members import PlannedMember, labels_of, plan_members, slug
from segassay_monai.training.version import TRAINING_VERSION
from small_datasets import make_dataset

OF_FOLD = {0: ("c0", "c1"), 1: ("c2", "c3")}
STUDY = Path("lab.yaml")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Six images; ben has annotated two of them, and nobody the last."""
    folder, mask = tmp_path_factory.mktemp("members") / "lab", np.eye(8, dtype=bool)
    images = {f"c{number}": np.full((8, 8), number) for number in range(6)}
    masks = {
        "anna": dict.fromkeys([f"c{number}" for number in range(5)], mask),
        "ben": dict.fromkeys(("c1", "c4"), mask),
    }
    make_dataset(folder, masks, images, raters="labels/*")
    return read_dataset(folder)


def plan(dataset: Dataset, of_fold: dict[int, tuple[str, ...]] = OF_FOLD, **strategy: Any) -> list[PlannedMember]:
    strategies = [StrategyFile(**{"target": "staple", "seeds": [0]} | strategy)]
    file = StudyFile(dataset=str(dataset.folder), strategies=strategies, n_folds=2, seeds=[0])
    return plan_members(STUDY, file, dataset, of_fold)


MEMBER = PlannedMember(
    label="staple of 3 images",
    strategy="consensus:staple",
    rater="staple",
    raters=("anna", "ben"),
    n_train=3,
    fold=1,
    n_folds=2,
    seed=7,
    settings={"epochs": 4},
    held_out=("c2",),
    identity="0123456789abcdef",
)


def test_names_of_a_member() -> None:
    assert MEMBER.annotator == "staple of 3 images/s7"
    assert MEMBER.id == "staple_of_3_images_fold1_seed7"
    assert MEMBER.folder == f"staple_fold1_seed7-v{TRAINING_VERSION}-01234567"
    assert replace(MEMBER, label="x", strategy="y").folder == MEMBER.folder, "not of the name of the strategy"


@pytest.mark.parametrize("name", ["a/b", "../../etc", "a b", "a\\b:c*?", "a\nb", "x" * 500])
def test_no_name_leaves_its_folder(name: str) -> None:
    folder = replace(MEMBER, rater=name).folder
    assert Path(folder).name == folder
    assert not set(folder) & set('/\\:*? \n"<>|')
    assert len(folder) < 120
    assert not set(slug(name)) & set('/\\:*? \n"<>|')


def test_the_settings_of_a_training_hold_all_but_folders() -> None:
    own = {"rater": "staple", "n_train": 3, "strategy": "consensus:staple", "fold": 1, "n_folds": 2, "seed": 7}
    assert MEMBER.training == own | {"epochs": 4}


def test_only_annotated_cases_are_held_out(dataset: Dataset) -> None:
    found = plan(dataset, {0: ("c0", "c5"), 1: ("c1", "c2")})
    assert [member.held_out for member in found] == [("c0",), ("c1", "c2")]


def test_labels_follow_from_target_name_and_number_of_raters(dataset: Dataset) -> None:
    def labels(**strategy: Any) -> list[tuple[str, str]]:
        return list(labels_of(StrategyFile(**strategy), dataset, STUDY))

    assert labels(target="staple") == [("staple", "staple")]
    assert labels(target="staple", n_train=3) == [("staple of 3 images", "staple")]
    assert labels(target="expert") == [("anna", "anna"), ("ben", "ben")]
    assert labels(target="expert", name="own") == [("own anna", "anna"), ("own ben", "ben")]
    assert labels(target="staple", name="own", n_raters=1) == [("own", "staple_of_1")]


@pytest.mark.parametrize(
    ("strategy", "message"),
    [
        ({"target": "zoe"}, r"^lab\.yaml: target zoe: .* has no such rater"),
        ({"n_raters": 3}, r"^lab\.yaml: n_raters 3 of staple: expected at most 2"),
        ({"target": "ben", "n_train": 2}, r"^lab\.yaml: n_train 2: ben has annotated 1 images that are not held out"),
    ],
)
def test_what_cannot_be_planned_names_the_file_and_the_setting(
    dataset: Dataset, strategy: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        plan(dataset, **strategy)


def test_two_strategies_with_members_of_one_name_are_refused(dataset: Dataset) -> None:
    """Also where only capitals differ: some file systems do not tell them apart."""
    strategies = [
        StrategyFile(target=target, name=name, seeds=[0]) for target, name in (("anna", "One"), ("ben", "one"))
    ]
    file = StudyFile(dataset=str(dataset.folder), strategies=strategies, n_folds=2, seeds=[0])
    with pytest.raises(UsageError, match=r"of fold 0 is in two strategies; give one of them a name"):
        plan_members(STUDY, file, dataset, OF_FOLD)
