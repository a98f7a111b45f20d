"""Members: which cases they may see, what a checkpoint remembers, and the guard against scoring on training images."""

import dataclasses
import os
import pickle
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from segassay.data.dataset import Dataset, read_dataset, strata
from segassay.errors import DataError, UsageError
from segassay_monai.ensemble.members import (
    Member,
    find_checkpoints,
    held_out_cases,
    image_hashes,
    member_from_state,
    read_members,
)
from segassay_monai.training.assignment import assign_folds, number_subjects
from segassay_monai.training.folds import plan_member


def write_dataset(
    folder: Path, n_cases: int, experiment: pd.DataFrame | None = None, *, name: str = "lab", first_image: int = 0
) -> Dataset:
    """Tiny images, each with its own content, and two raters; cases c0, c1, …"""
    for number in range(n_cases):
        for place in ("images", "labels/anna", "labels/ben"):
            (folder / place).mkdir(parents=True, exist_ok=True)
            content = number + first_image if place == "images" else 255
            Image.fromarray(np.full((2, 3), content, np.uint8)).save(folder / place / f"c{number}.png")
    description = {"name": name, "raters": "labels/*"}
    if experiment is not None:
        experiment.to_csv(folder / "experiment.csv", index=False)
        description["experiment"] = "experiment.csv"
    (folder / "dataset.yaml").write_text(yaml.safe_dump(description))
    return read_dataset(folder)


def plan(dataset: Dataset, **changes: Any) -> Member:
    return plan_member(
        dataset, **{"trained_on": "staple", "fold": 0, "n_folds": 4, "seed": 0, "val_fraction": 0.125} | changes
    )


def table_of(cases: list[dict[str, str]]) -> pd.DataFrame:
    """As `segassay.data.dataset.strata` gives it."""
    table = pd.DataFrame(cases, columns=["group", "region", "subject", "batch", "split"], dtype=str).fillna("")
    return table.set_axis([f"c{number}" for number in range(len(cases))])


NINE_STRATA = [{"group": group, "region": region} for group in "HXY" for region in ("CA1", "CA3", "DG")]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """36 cases: 4 of each of 3 groups × 3 regions."""
    experiment = pd.DataFrame(NINE_STRATA * 4)
    experiment.insert(0, "case", [f"c{number}" for number in range(36)])
    return write_dataset(tmp_path_factory.mktemp("lab"), 36, experiment)


def test_every_fold_holds_out_one_case_of_every_group_and_region(lab):
    table = strata(lab)
    for fold in range(4):
        member = plan(lab, fold=fold)
        held_out = table.loc[list(member.held_out)]
        assert Counter(zip(held_out["group"], held_out["region"], strict=True)) == Counter(
            {(stratum["group"], stratum["region"]): 1 for stratum in NINE_STRATA}
        )


def test_folds_hold_every_case_out_once(lab):
    held_out = [case for fold in range(4) for case in plan(lab, fold=fold).held_out]
    assert sorted(held_out) == sorted(lab.cases)


def test_folds_are_the_same_for_every_seed_and_rater(lab):
    held_out = {
        plan(lab, fold=2, seed=seed, trained_on=rater).held_out for seed in range(5) for rater in ("anna", "staple")
    }
    assert len(held_out) == 1


def test_the_rest_is_split_again_by_seed_and_fold(lab):
    members = [plan(lab, fold=fold, seed=seed) for fold in (0, 1) for seed in range(6)]
    for member in members:
        assert len(member.val) == 3  # an eighth of 27, rounded
        assert sorted(member.train + member.val + member.held_out) == sorted(lab.cases)
    assert len({member.val for member in members}) == 12
    assert plan(lab, seed=5) == plan(lab, seed=5)


def test_the_selection_cases_come_from_different_strata(lab):
    table = strata(lab)
    for seed in range(10):
        rows = table.loc[list(plan(lab, seed=seed).val)]
        assert len(set(zip(rows["group"], rows["region"], strict=True))) == 3


@settings(max_examples=60, deadline=None)
@given(
    cases=st.lists(st.tuples(st.sampled_from("ABC"), st.integers(0, 7)), min_size=2, max_size=30),
    n_folds=st.integers(2, 6),
)
def test_subjects_are_never_split_and_folds_are_as_even_as_can_be(cases, n_folds):
    table = table_of([{"group": group, "subject": f"{group}{subject}"} for group, subject in cases])
    n_subjects = table["subject"].nunique()
    if n_subjects < 2:
        return
    folds = pd.Series(assign_folds(table, n_folds), index=table.index)
    assert set(folds) == set(range(min(n_folds, n_subjects)))
    assert (folds.groupby(table["subject"]).nunique() == 1).all()
    subjects = table.assign(fold=folds).drop_duplicates("subject")
    for _, group in subjects.groupby("group"):
        sizes = group["fold"].value_counts().reindex(range(folds.max() + 1), fill_value=0)
        assert sizes.max() - sizes.min() <= 1


def test_images_of_one_subject_stay_together_in_the_inner_split_too(tmp_path):
    experiment = pd.DataFrame(
        {"case": [f"c{i}" for i in range(12)], "group": "A", "subject": [f"s{i // 2}" for i in range(12)]}
    )
    dataset = write_dataset(tmp_path, 12, experiment)
    subject = dict(zip(experiment["case"], experiment["subject"], strict=True))
    for seed in range(8):
        member = plan(dataset, seed=seed, n_folds=3, fold=1, val_fraction=0.3)
        parts = [{subject[case] for case in part} for part in (member.train, member.val, member.held_out)]
        assert len(set.union(*parts)) == sum(map(len, parts)) == 6


def test_without_subjects_every_case_is_its_own():
    table = table_of([{}] * 10)
    assert sorted(number_subjects(table, seed=[0])) == list(range(10))
    assert Counter(assign_folds(table, 4).tolist()) == Counter({0: 3, 1: 3, 2: 2, 3: 2})


def test_there_are_no_more_folds_than_cases(tmp_path):
    dataset = write_dataset(tmp_path, 3)
    members = [plan(dataset, fold=fold, n_folds=10) for fold in range(3)]
    assert [member.n_folds for member in members] == [3, 3, 3]
    assert sorted(case for member in members for case in member.held_out) == dataset.cases
    assert all(len(member.train) == len(member.val) == 1 for member in members)


def test_a_test_case_is_in_no_fold_and_is_never_seen(tmp_path):
    experiment = pd.DataFrame({"case": [f"c{i}" for i in range(8)], "group": "A", "split": ["test", "train"] * 4})
    dataset = write_dataset(tmp_path, 8, experiment)
    for fold in range(4):
        member = plan(dataset, fold=fold)
        assert {"c0", "c2", "c4", "c6"}.isdisjoint(member.train + member.val + member.held_out)


def test_a_rater_who_lacks_cases_learns_from_what_there_is(tmp_path):
    write_dataset(tmp_path, 8)
    for number in (0, 1, 2):
        (tmp_path / f"labels/ben/c{number}.png").unlink()
    dataset = read_dataset(tmp_path)
    for fold in range(4):
        ben, everybody = plan(dataset, trained_on="ben", fold=fold), plan(dataset, fold=fold)
        assert ben.held_out == everybody.held_out
        assert {"c0", "c1", "c2"}.isdisjoint(ben.train + ben.val)


@pytest.mark.parametrize(
    ("changes", "kind", "message"),
    [
        (
            {"trained_on": "zoe"},
            UsageError,
            "--rater zoe: .* no such rater; choose one of anna, ben, or of all together",
        ),
        ({"fold": 4}, UsageError, r"--fold 4: expected 0 to 3 \(4 folds of 36 cases\)"),
        ({"fold": -1}, UsageError, "--fold -1: expected 0 to 3"),
        ({"n_folds": 1}, DataError, "--n_folds 1"),
        ({"val_fraction": 0}, UsageError, "--val_fraction 0"),
        ({"val_fraction": 1}, UsageError, "--val_fraction 1"),
        ({"seed": -1}, UsageError, "--seed -1"),
    ],
)
def test_a_wrong_call_says_what_is_expected(lab, changes, kind, message):
    with pytest.raises(kind, match=message):
        plan(lab, **changes)


@pytest.mark.parametrize("n_cases", [1, 2])
def test_too_few_images_to_train_select_and_hold_out(tmp_path, n_cases):
    with pytest.raises(DataError, match=rf"{n_cases} case\(s\).*(?s:3 )"):
        plan(write_dataset(tmp_path, n_cases))


def test_enough_images_that_are_too_few_for_these_folds_ask_for_more_folds(tmp_path):
    with pytest.raises(DataError, match="larger --n_folds"):
        plan(write_dataset(tmp_path, 3), n_folds=2)
    plan(write_dataset(tmp_path / "again", 3), n_folds=3)


def test_many_images_of_two_subjects_are_too_few(tmp_path):
    experiment = pd.DataFrame({"case": [f"c{i}" for i in range(6)], "group": "A", "subject": ["s1", "s2"] * 3})
    with pytest.raises(DataError, match="images of at least 3 subjects"):
        plan(write_dataset(tmp_path, 6, experiment))


def test_only_test_cases_are_too_few(tmp_path):
    experiment = pd.DataFrame({"case": ["c0", "c1", "c2"], "group": "A", "split": "test"})
    with pytest.raises(DataError, match="cannot hold out any image"):
        plan(write_dataset(tmp_path, 3, experiment))


def save(path: Path, member: Member, weight: float = 1.0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"model": {"w": torch.full((2,), weight)}, "member": member.state_dict()}, path)
    return path


def test_a_member_comes_back_from_its_checkpoint(lab, tmp_path):
    member = plan(lab, fold=1, seed=3, trained_on="anna")
    assert read_members([save(tmp_path / "model.pt", member)]) == [member]
    assert member_from_state(member.state_dict()) == member
    assert (member.name, member.folder, member.strategy) == ("anna/s3", "anna_fold1_seed3", "expert")
    assert plan(lab).strategy == "consensus:staple"


def test_the_same_weights_twice_are_refused_even_under_another_seed(lab, tmp_path):
    first = save(tmp_path / "a/model.pt", plan(lab))
    copy = save(tmp_path / "b/model.pt", plan(lab, seed=1))
    with pytest.raises(DataError, match=r"b.model\.pt and .*a.model\.pt hold the same weights"):
        read_members([first, copy])
    with pytest.raises(DataError, match="hold the same weights"):
        read_members([first, first])
    assert len(read_members([first, save(copy, plan(lab, seed=1), weight=1.0001)])) == 2


class Bomb:
    """Unpickling it writes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def test_a_file_that_runs_code_when_read_is_refused_and_does_not_run(lab, tmp_path):
    path, trace = tmp_path / "model.pt", tmp_path / "ran"
    torch.save({"model": {"w": Bomb(trace)}, "member": plan(lab).state_dict()}, path)
    with pytest.raises(DataError, match=r"model\.pt is not a checkpoint written by SegAssay"):
        read_members([path])
    path.write_bytes(pickle.dumps(Bomb(trace)))
    with pytest.raises(DataError, match="not a checkpoint"):
        read_members([path])
    assert not trace.exists()
    pickle.loads(path.read_bytes())
    assert trace.exists(), "the bomb of this test is a dud"


@pytest.mark.parametrize("content", ["text", "empty", "weights alone", "truncated", "old member"])
def test_what_is_no_checkpoint_is_named(lab, tmp_path, content):
    path = save(tmp_path / "model.pt", plan(lab))
    if content == "text":
        path.write_text("not a checkpoint")
    elif content == "empty":
        path.write_bytes(b"")
    elif content == "weights alone":
        torch.save({"w": torch.ones(2)}, path)
    elif content == "truncated":
        path.write_bytes(path.read_bytes()[:300])
    else:
        torch.save({"model": {}, "member": {"seed": 1}}, path)
    what = "damaged: it is cut off" if content == "truncated" else "not a checkpoint written by SegAssay"
    with pytest.raises(DataError, match=rf"model\.pt is {what}"):
        read_members([path])


def test_members_are_found_below_a_folder_in_natural_order(lab, tmp_path):
    folder = tmp_path / "study.partial" / "models"  # only a draft below the folder is left out
    for name in ("seed10", "seed2", "seed3.partial"):
        save(folder / name / "model.pt", plan(lab))
    assert find_checkpoints(folder) == [folder / "seed2/model.pt", folder / "seed10/model.pt"]
    assert find_checkpoints(str(folder / "seed2")) == [folder / "seed2/model.pt"]
    assert find_checkpoints(folder / "seed2/model.pt") == [folder / "seed2/model.pt"]
    given_order = [folder / "seed10/model.pt", folder / "seed2/model.pt"]
    assert find_checkpoints([str(path) for path in given_order]) == given_order


def test_missing_members_are_a_wrong_call(tmp_path):
    with pytest.raises(UsageError, match="expected a folder with trained members"):
        find_checkpoints(tmp_path)
    with pytest.raises(UsageError, match="nowhere: expected a folder"):
        find_checkpoints(tmp_path / "nowhere")
    with pytest.raises(UsageError, match=r"no such checkpoint: .*gone\.pt"):
        find_checkpoints([tmp_path / "gone.pt"])
    with pytest.raises(UsageError, match="the list is empty"):
        find_checkpoints([])


def test_by_default_all_that_every_member_held_out_is_scored(lab):
    members = [plan(lab, fold=1, seed=seed) for seed in range(3)]
    assert held_out_cases(lab, members) == [case for case in lab.cases if case in members[0].held_out]


def test_members_of_different_folds_leave_nothing_to_score(lab):
    with pytest.raises(DataError, match="no case that is held out by all 2 members"):
        held_out_cases(lab, [plan(lab, fold=0), plan(lab, fold=1)])


def test_a_case_used_for_training_or_selection_is_refused(lab):
    member = plan(lab, seed=4)
    for case in (member.train[0], member.val[0]):
        with pytest.raises(DataError, match=rf"case {case} was used in the training of staple/s4"):
            held_out_cases(lab, [member], [*member.held_out, case])
    assert held_out_cases(lab, [member], member.held_out) == list(member.held_out)


def test_one_member_among_many_is_enough_to_refuse(lab):
    honest, other = plan(lab, fold=0), plan(lab, fold=1, seed=9)
    case = honest.held_out[0]
    with pytest.raises(DataError, match="staple/s9"):
        held_out_cases(lab, [honest, other], [case])


def test_a_test_case_may_be_scored_by_everybody(tmp_path):
    experiment = pd.DataFrame({"case": [f"c{i}" for i in range(8)], "group": "A", "split": ["test", "train"] * 4})
    dataset = write_dataset(tmp_path, 8, experiment)
    members = [plan(dataset, fold=fold) for fold in range(4)]
    assert held_out_cases(dataset, members) == ["c0", "c2", "c4", "c6"]


def test_renaming_cases_and_dataset_does_not_hide_an_image(lab, tmp_path):
    member = plan(lab)
    renamed = {case: f"new{number}" for number, case in enumerate(lab.cases)}
    for place in ("images", "labels/anna"):
        (tmp_path / place).mkdir(parents=True)
        for case in lab.cases:
            shutil.copy(lab.folder / place / f"{case}.png", tmp_path / place / f"{renamed[case]}.png")
    (tmp_path / "dataset.yaml").write_text("name: other\n")
    other = read_dataset(tmp_path)
    assert set(held_out_cases(other, [member])) == {renamed[case] for case in member.held_out}
    with pytest.raises(DataError, match="was used in the training"):
        held_out_cases(other, [member], [renamed[member.train[0]]])


def test_saving_an_image_in_another_format_does_not_hide_it(lab, tmp_path):
    member = plan(lab)
    (tmp_path / "images").mkdir()
    (tmp_path / "labels/anna").mkdir(parents=True)
    for case in (member.train[0], member.held_out[0]):
        Image.open(lab.images[case]).save(tmp_path / f"images/new_{case}.tif", compression="tiff_deflate")
        Image.open(lab.masks["anna"][case]).save(tmp_path / f"labels/anna/new_{case}.png")
    assert held_out_cases(read_dataset(tmp_path), [member]) == [f"new_{member.held_out[0]}"]


def test_editing_an_image_does_not_hide_the_case(lab, tmp_path):
    member = plan(lab)
    edited = write_dataset(tmp_path, 36, first_image=100)
    for case in (member.train[0], member.val[0]):
        with pytest.raises(DataError, match="was used in the training"):
            held_out_cases(edited, [member], [case])


def test_a_new_image_of_an_animal_that_was_trained_on_is_refused(tmp_path):
    animals = pd.DataFrame({"case": [f"c{i}" for i in range(8)], "group": "A", "subject": list("aabbccdd")})
    member = plan(write_dataset(tmp_path / "then", 8, animals), n_folds=4)
    grown = pd.concat(
        [animals, pd.DataFrame({"case": [f"c{i}" for i in range(8, 12)], "group": "A", "subject": list("abcd")})]
    )
    now = write_dataset(tmp_path / "now", 12, grown)
    subject = grown.set_index("case")["subject"]
    assert {subject[case] for case in held_out_cases(now, [member])} == {subject[member.held_out[0]]}
    new = next(case for case in ("c8", "c9") if subject[case] != subject[member.held_out[0]])
    with pytest.raises(
        DataError, match=rf"case {new} was used in the training of staple/s0 \(subject {subject[new]}\)"
    ):
        held_out_cases(now, [member], [new])


def test_new_images_of_another_dataset_may_all_be_scored(lab, tmp_path):
    new = write_dataset(tmp_path, 4, name="other lab", first_image=200)
    assert held_out_cases(new, [plan(lab)]) == new.cases


def test_the_list_of_cases_is_understood_as_people_write_it(lab):
    member = dataclasses.replace(plan(lab), held_out=("c0",), train=(), val=(), seen_images=())
    assert held_out_cases(lab, [member], "c0") == ["c0"]
    assert held_out_cases(lab, [member], ["c1", "c1", "c0"]) == ["c1", "c0"]
    with pytest.raises(UsageError, match="has no case 1107"):
        held_out_cases(lab, [member], [1107])
    with pytest.raises(UsageError, match="has no case 1107"):
        held_out_cases(lab, [member], 1107)
    with pytest.raises(UsageError, match="list is empty"):
        held_out_cases(lab, [member], [])


def test_animals_of_another_dataset_with_the_same_names_are_others_and_their_own_stay_known(tmp_path):
    def lab_of(name: str, first_image: int) -> Dataset:
        table = pd.DataFrame(
            {"case": [f"c{i}" for i in range(8)], "group": "a", "subject": [str(i // 2) for i in range(8)]}
        )
        return write_dataset(tmp_path / name, 8, table, name=name, first_image=first_image)

    old, new = lab_of("old", 0), lab_of("new", 100)
    first = plan(old)
    checkpoint = save(tmp_path / "model.pt", first)
    tuned = plan(new, seed=1, initialise_from=checkpoint)
    assert held_out_cases(new, [tuned], tuned.held_out) == list(tuned.held_out)
    for case in first.train + first.val:  # also after the second training
        with pytest.raises(DataError, match="cannot be scored"):
            held_out_cases(old, [tuned], [case])
    later = write_dataset(tmp_path / "later", 8, old.experiment, name="old", first_image=50)  # the same animals again
    with pytest.raises(DataError, match="subject"):
        held_out_cases(later, [tuned], [first.train[0]])


def test_n_train_counts_all_that_had_to_be_annotated(lab):
    for n_train in (2, 6, 12, 24, 27):
        member = plan(lab, n_train=n_train)
        assert len(member.train) + len(member.val) == n_train
        assert len(member.val) == max(1, round(n_train / 8))
    assert plan(lab, n_train=27) == plan(lab)


def test_fewer_images_are_part_of_more_and_even_over_the_groups(lab):
    few, more = (plan(lab, n_train=n, seed=5) for n in (9, 18))
    assert set(few.train + few.val) < set(more.train + more.val)
    assert len(strata(lab).loc[list(few.train + few.val), ["group", "region"]].drop_duplicates()) == 9
    assert plan(lab, n_train=9, seed=6) != few
    assert few.held_out == plan(lab).held_out, "the held-out images do not depend on it"


def test_subjects_are_used_whole(tmp_path):
    experiment = pd.DataFrame(
        {"case": [f"c{n}" for n in range(16)], "group": "H", "subject": [n // 2 for n in range(16)]}
    )
    dataset = write_dataset(tmp_path / "lab", 16, experiment)
    assert len(plan(dataset, n_train=5).train + plan(dataset, n_train=5).val) == 4
    with pytest.raises(UsageError, match="one subject"):
        plan(dataset, n_train=3)


@pytest.mark.parametrize("n_train", [1, 28])
def test_a_number_of_images_that_is_not_there_is_an_error(lab, n_train):
    with pytest.raises(UsageError, match=f"--n_train {n_train}: expected 2 to 27"):
        plan(lab, n_train=n_train)


def test_an_image_is_hashed_once_until_it_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lab = write_dataset(tmp_path, 2)
    path, before = lab.images["c0"], image_hashes(lab, "c0")
    with monkeypatch.context() as patch:
        patch.setattr("segassay_monai.ensemble.members.read_seen_image", None)
        assert image_hashes(lab, "c0") == before
    kept = path.stat()
    Image.fromarray(np.full((2, 3), 7, np.uint8)).save(path)
    os.utime(path, ns=(kept.st_atime_ns, kept.st_mtime_ns))
    assert image_hashes(lab, "c0") not in (before, image_hashes(lab, "c1"))
