"""The plan of a study: every training and every prediction it consists of, and what is done already.

    STUDY.yaml, dataset  ->  members (strategy, fold, seed)  ->  predictions by ensembles, and of test cases
    settings, data, training modules  ->  identity  ->  OUT/members/<id>-<identity>/

A member's folder carries its identity, so that a finished training is found again by whoever plans the same one, and
another setting, image or version of the training never takes its place.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
import yaml
from monai.bundle import ConfigParser

from segassay.consensus import objects as object_consensus
from segassay.consensus import pixels
from segassay.data import cases
from segassay.data.annotations import read_annotations
from segassay.data.dataset import Dataset, data_hash, read_dataset, strata
from segassay.errors import UsageError
from segassay.io import images
from segassay.masks import objects, overlaps
from segassay_monai import targets
from segassay_monai.bundle.paths import config_path
from segassay_monai.bundle.settings import find_own_error
from segassay_monai.ensemble import inference
from segassay_monai.ensemble import members as member
from segassay_monai.ensemble.prediction import seed_range
from segassay_monai.study.file import EXPERT, WITHOUT_EACH, StrategyFile, StudyFile, read_study_file
from segassay_monai.targets import OF, OF_ALL_RATERS, check_target, is_labelled, raters_of, strategy_of, target_of
from segassay_monai.training import loss, progress, resume, selection, tiles, train, weight_map
from segassay_monai.training.folds import assign_folds

__all__ = ["PlannedMember", "Prediction", "Study", "find_member", "plan_study"]

TRAINING_MODULES: tuple[ModuleType, ...] = (
    overlaps,
    cases,
    pixels,
    images,
    progress,
    inference,
    loss,
    member,
    selection,
    object_consensus,
    objects,
    resume,
    targets,
    train,
    tiles,
    weight_map,
)
"""What decides on the weights beside settings and data; a change of one of them makes other members."""

_ELSEWHERE = ("bundle_root", "dataset_dir", "experiment", "lr_steps", "n_cached", "output_dir", "overwrite", "imports")
HELD_OUT, TEST = "held_out", "test"


@dataclass(frozen=True)
class PlannedMember:
    """One training.

    Attributes:
        label: Annotator without its seed.
        strategy: As the tables name it.
        rater: What it is trained on, as the training takes it and the tables name it.
        raters: Whose masks are read.
        n_train: How many annotated images may be used; None for all.
        fold: That is held out.
        seed: Of the training.
        settings: Of the training, beside those above.
        identity: Hash of the settings, the data and the training modules.
        held_out: Annotated cases of the fold, which are scored.
    """

    label: str
    strategy: str
    rater: str
    raters: tuple[str, ...]
    n_train: int | None
    fold: int
    seed: int
    settings: dict[str, Any]
    identity: str
    held_out: tuple[str, ...]

    @property
    def annotator(self) -> str:
        """Name in tables."""
        return f"{self.label}/s{self.seed}"

    @property
    def id(self) -> str:
        """Name on the command line."""
        return f"{_slug(self.label)}_fold{self.fold}_seed{self.seed}"

    @property
    def folder(self) -> str:
        """Name of its folder."""
        return f"{self.id}-{self.identity[:8]}"


@dataclass(frozen=True)
class Prediction:
    """What several members predict together, or one predicts of test cases; a single one has predicted its fold itself.

    Attributes:
        annotator: Name in tables.
        members: Who predict.
        on: `held_out` for the cases of a fold, `test` for those of the test split.
        cases: Which.
    """

    annotator: str
    members: tuple[PlannedMember, ...]
    on: str
    cases: tuple[str, ...]

    @property
    def first(self) -> PlannedMember:
        """A member that stands for what all have in common."""
        return self.members[0]

    @property
    def fold(self) -> int | None:
        """The fold of all members; None for members of several."""
        folds = {member.fold for member in self.members}
        return folds.pop() if len(folds) == 1 else None

    @property
    def id(self) -> str:
        """Name of what is done."""
        fold = "" if self.fold is None else f"_fold{self.fold}"
        seeds = seed_range([member.seed for member in self.members])
        return f"{_slug(self.first.label)}{fold}_seeds{seeds}" + ("_test" if self.on == TEST else "")

    @property
    def folder(self) -> str:
        """Name of its folder."""
        parts = [*sorted(member.identity for member in self.members), *self.cases]
        return f"{self.id}-{_digest('|'.join(parts))[:8]}"


@dataclass(frozen=True)
class Study:
    """A study that is planned.

    Attributes:
        path: STUDY.yaml.
        file: What it says, defaults included.
        dataset: What it is about.
        masks: Folders of further annotators to compare, by name.
        out: Folder of all that the study makes.
        members: Every training, in the order in which they are done.
        predictions: Every prediction that is not part of a training.
    """

    path: Path
    file: StudyFile
    dataset: Dataset
    masks: dict[str, Path]
    out: Path
    members: tuple[PlannedMember, ...]
    predictions: tuple[Prediction, ...]

    @property
    def name(self) -> str:
        """Of the study and its MLflow experiment."""
        return str(self.file.name)

    @cached_property
    def tasks(self) -> dict[str, PlannedMember | Prediction]:
        """All that is to be done, by id."""
        everything: tuple[PlannedMember | Prediction, ...] = (*self.members, *self.predictions)
        return {task.id: task for task in everything}

    def place(self, task: PlannedMember | Prediction) -> Path:
        """Folder of a member or prediction, whether or not it is there yet."""
        kind = "members" if isinstance(task, PlannedMember) else "predictions"
        return self.out / kind / task.folder

    def is_done(self, task: PlannedMember | Prediction) -> bool:
        """Whether its folder is there, which appears when all is written."""
        return self.place(task).is_dir()

    def checkpoint(self, member: PlannedMember) -> Path:
        """Its weights."""
        return self.place(member) / "model.pt"


def plan_study(path: str | os.PathLike[str]) -> Study:
    """Read a study and its dataset, and list all that is to be done.

    Args:
        path: STUDY.yaml.

    Raises:
        UsageError: If the file says something that cannot be: an unknown rater, fold or setting, a name used twice.
        DataError: If the dataset has problems.
    """
    path = Path(path)
    file = read_study_file(path)
    folder = path.resolve().parent
    dataset = read_dataset(folder / file.dataset)
    masks = {name: folder / place for name, place in file.masks.items()}
    read_annotations(dataset, masks=masks)  # no pixel; what is wrong is better known before the training
    table = strata(dataset)
    in_folds = table[table["split"] != TEST]
    folds = assign_folds(in_folds, file.n_folds)
    wanted = list(range(folds.max() + 1)) if file.folds is None else file.folds
    if max(wanted) > folds.max():
        raise UsageError(f"{path}: fold {max(wanted)}: expected 0 to {folds.max()}, as {len(in_folds)} images give")
    file = file.model_copy(update={"folds": wanted})
    of_fold = {fold: tuple(in_folds.index[folds == fold]) for fold in wanted}
    members = [planned for strategy in file.strategies for planned in _members(path, file, strategy, dataset, of_fold)]
    _check_names(path, members)
    members.sort(key=lambda planned: planned.seed)  # all strategies with few seeds come before one with all
    test = tuple(table.index[table["split"] == TEST])
    sizes = dict(_sizes(path, file, dataset))
    predictions = [
        prediction
        for label in dict.fromkeys(planned.label for planned in members)
        for prediction in _predictions([m for m in members if m.label == label], sizes[label], test)
    ]
    out = (folder / str(file.output_dir)).resolve()
    _check_folder(path, dataset, out)
    return Study(path.resolve(), file, dataset, masks, out, tuple(members), tuple(predictions))


def _check_folder(path: Path, dataset: Dataset, out: Path) -> None:
    images = [*dataset.images.values(), *(file for masks in dataset.masks.values() for file in masks.values())]
    read = {file.parent.resolve() for file in images}
    if any(folder.is_relative_to(out) or out.is_relative_to(folder) for folder in read):
        raise UsageError(f"{path}: output_dir {out} holds images or masks, or lies among them; give another folder")
    if path.resolve() == out / "study.yaml":
        raise UsageError(f"{path}: output_dir {out} would replace this file; give another folder")
    if out.exists() and not out.is_dir():
        raise UsageError(f"{path}: output_dir {out} is a file; give another folder")


def find_member(study: Study, name: str) -> PlannedMember:
    """A member by its id, or by its number from 1 on, as the array of a cluster counts.

    Raises:
        UsageError: If there is no such member.
    """
    if name.isdecimal() and 1 <= int(name) <= len(study.members):
        return study.members[int(name) - 1]
    for planned in study.members:
        if planned.id == name:
            return planned
    raise UsageError(
        f"--member {name}: no such member; expected 1 to {len(study.members)}, or one of "
        f"{', '.join(planned.id for planned in study.members[:3])}, … (`segassay study plan {study.path} --ids`)"
    )


# ------------------------------------------------------------------------------------------------------------- members


def _labels(strategy: StrategyFile, dataset: Dataset, path: Path) -> Iterator[tuple[str, str]]:
    """Label of each thing that a strategy trains on, and what that is; where raters are dealt, how many they are."""
    left_out = WITHOUT_EACH.fullmatch(strategy.target)
    if strategy.target == EXPERT:
        each = list(dataset.raters)
    elif left_out:
        each = [f"{left_out[1]}_without_{rater}" for rater in dataset.raters]
    else:
        each = [strategy.target]
    for trained_on in each:
        try:
            check_target(dataset, trained_on)
        except UsageError as error:
            raise UsageError(f"{path}: {str(error).replace('--rater', 'target')}") from None
        if strategy.n_raters is not None:
            if trained_on not in OF_ALL_RATERS or strategy.n_raters > len(dataset.raters):
                raise UsageError(
                    f"{path}: n_raters {strategy.n_raters} of {trained_on}: expected at most {len(dataset.raters)}, of "
                    f"one of {', '.join(OF_ALL_RATERS)}"
                )
            trained_on = f"{trained_on}{OF}{strategy.n_raters}"
        if strategy.name is None:
            yield trained_on + (f" of {strategy.n_train} images" if strategy.n_train else ""), trained_on
        else:
            yield strategy.name if len(each) == 1 else f"{strategy.name} {trained_on}", trained_on


def _rater(strategy: StrategyFile, trained_on: str, dataset: Dataset, number: int) -> str:
    """What the training is told; raters are dealt in turn to the first seed, the second and so on."""
    if strategy.n_raters is None:
        return trained_on
    everybody, first = dataset.raters, number * strategy.n_raters
    chosen = {everybody[(first + place) % len(everybody)] for place in range(strategy.n_raters)}
    return target_of(strategy.target, [rater for rater in everybody if rater in chosen])


def _members(
    path: Path, file: StudyFile, strategy: StrategyFile, dataset: Dataset, of_fold: Mapping[int, tuple[str, ...]]
) -> Iterator[PlannedMember]:
    without_each = WITHOUT_EACH.fullmatch(strategy.target)  # the same strategy, with one rater less
    for label, trained_on in _labels(strategy, dataset, path):
        alike = strategy_of(without_each[1] if without_each else strategy.target)
        alike += f"{OF}{strategy.n_raters}" if strategy.n_raters else ""
        named = strategy.name or alike + (f" of {strategy.n_train} images" if strategy.n_train else "")
        for number, seed in enumerate(strategy.seeds):  # type: ignore[arg-type]  # a list, once defaults are said
            rater = _rater(strategy, trained_on, dataset, number)
            for fold, cases_of_fold in of_fold.items():
                _check_n_train(path, dataset, strategy, rater, cases_of_fold)
                own = {
                    "rater": rater,
                    "fold": fold,
                    "n_folds": file.n_folds,
                    "seed": seed,
                    "n_train": strategy.n_train,
                    "strategy": named,
                }
                yield PlannedMember(
                    label=label,
                    strategy=named,
                    rater=rater,
                    raters=tuple(raters_of(dataset, rater)),
                    n_train=strategy.n_train,
                    fold=fold,
                    seed=seed,
                    settings=strategy.settings,
                    identity=_identity(path, dataset, own | strategy.settings, file.threads),
                    held_out=tuple(case for case in cases_of_fold if _is_annotated(dataset, case)),
                )


def _check_n_train(path: Path, dataset: Dataset, strategy: StrategyFile, rater: str, held_out: tuple[str, ...]) -> None:
    table = strata(dataset)
    left = [case for case in table.index[table["split"] != TEST] if case not in held_out]
    n_left = sum(is_labelled(dataset, rater, case) for case in left)
    if strategy.n_train is not None and strategy.n_train > n_left:
        raise UsageError(
            f"{path}: n_train {strategy.n_train}: {rater} has annotated {n_left} images that are not held out"
        )


def _is_annotated(dataset: Dataset, case: str) -> bool:
    return case in dataset.reference or any(case in masks for masks in dataset.masks.values())


def _check_names(path: Path, members: Sequence[PlannedMember]) -> None:
    known: dict[str, PlannedMember] = {}
    for planned in members:
        other = known.setdefault(planned.id.casefold(), planned)
        if other is not planned:
            raise UsageError(
                f"{path}: {planned.annotator} of fold {planned.fold} stands in two strategies; give one of them a name"
            )


def _sizes(path: Path, file: StudyFile, dataset: Dataset) -> Iterator[tuple[str, list[int]]]:
    for strategy in file.strategies:
        for label, _ in _labels(strategy, dataset, path):
            yield label, list(strategy.ensembles or [])


# --------------------------------------------------------------------------------------------------------- predictions


def _predictions(members: Sequence[PlannedMember], sizes: Sequence[int], test: tuple[str, ...]) -> Iterator[Prediction]:
    """Ensembles of neighbouring seeds without a common member, fold by fold, and all that predicts test cases."""
    label = members[0].label
    seeds = sorted({planned.seed for planned in members})
    folds = sorted({planned.fold for planned in members})
    for planned in members if test else ():
        name = planned.annotator + (f" fold {planned.fold}" if len(folds) > 1 else "")
        yield Prediction(name, (planned,), TEST, test)
    for size in sizes:
        for start in range(0, len(seeds) - size + 1, size):
            own = seeds[start : start + size]
            name = f"{label}/s{seed_range(own)}"
            for fold in folds:
                of_fold = tuple(m for m in members if m.fold == fold and m.seed in own)
                yield Prediction(name, of_fold, HELD_OUT, of_fold[0].held_out)
            if test:
                yield Prediction(name, tuple(m for m in members if m.seed in own), TEST, test)


# ------------------------------------------------------------------------------------------------------------ identity


def _identity(path: Path, dataset: Dataset, settings: Mapping[str, Any], threads: int) -> str:
    """Hash of all that decides on the weights of a member."""
    try:
        given = json.dumps(settings, sort_keys=True)
    except TypeError:
        raise UsageError(f"{path}: settings: expected numbers, texts and lists of them, got {dict(settings)}") from None
    config = _config(given, str(path))
    content = {name: value for name, value in config.items() if name not in _ELSEWHERE}
    text = json.dumps([content, dataset.settings.model_dump(), threads], sort_keys=True, default=str)
    return _digest(text + _data_hash(dataset) + _code_hash() + torch.__version__)


@cache
def _data_hash(dataset: Dataset) -> str:
    return data_hash(dataset)


@cache
def _code_hash() -> str:
    sources = [Path(str(module.__file__)).read_text(encoding="utf-8") for module in TRAINING_MODULES]
    return _digest("\0".join(sources))


@cache
def _train_yaml() -> str:
    return config_path("train.yaml").read_text(encoding="utf-8")


@cache
def _config(settings: str, path: str) -> dict[str, Any]:
    """The configuration of a training, checked as it will check itself."""
    own, known = json.loads(settings), yaml.safe_load(_train_yaml())
    for name in own:
        if "::" in name or "#" in name or isinstance(known.get(name), dict):
            raise UsageError(f"{path}: settings.{name}: expected one of the settings at the top of train.yaml")
    parser = ConfigParser(known)
    parser.update({"dataset_dir": "checked", **own})
    try:
        parser.get_parsed_content("initialize::0")
    except Exception as error:
        found = find_own_error(error)
        if found is None:
            raise
        raise UsageError(f"{path}: settings: {found}") from None
    return dict(parser.get())


def training_length(planned: PlannedMember) -> tuple[int, int]:
    """Steps of a training, and looks at the selection images."""
    parser = ConfigParser(yaml.safe_load(_train_yaml()))
    parser.update(planned.settings)
    epochs, steps, interval = (
        int(parser.get_parsed_content(name)) for name in ("epochs", "iterations_per_epoch", "val_interval")
    )
    return epochs * steps, epochs // interval


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _slug(label: str) -> str:
    return re.sub(r"[^\w.+×-]", "_", label)
