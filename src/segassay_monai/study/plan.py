"""The plan of a study: every training and every prediction, and which of them are done.

    STUDY.yaml, dataset  ->  members (strategy, fold, seed)  ->  predictions by ensembles, and of test cases
    member or prediction ->  OUT/members/<target>_fold0_seed3-v1-<identity>/, OUT/predictions/<id>-<members>/

The name of a folder holds the identity of its content. The same plan therefore finds a finished training again, and a
training with another setting, image or version gets another folder.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from segassay.data.annotations import WITHOUT, read_annotations
from segassay.data.dataset import Dataset, read_dataset, strata
from segassay.data.folders import data_places
from segassay.errors import UsageError
from segassay.io.addresses import is_address
from segassay.io.outputs import refuse_inputs
from segassay.io.transfers import Transfers, transfers
from segassay.report.html_tables import html_heading, html_table
from segassay_monai.bundle.needs import refuse_without_training
from segassay_monai.ensemble.names import seed_range
from segassay_monai.study.file import StudyFile, read_study_file
from segassay_monai.study.members import TEST, PlannedMember, labels_of, plan_members, slug
from segassay_monai.study.trust import refuse_code
from segassay_monai.training.assignment import assign_folds

__all__ = [
    "AGAIN",
    "COPY",
    "EVALUATION",
    "HELD_OUT",
    "TEST",
    "PlannedMember",
    "Prediction",
    "Study",
    "Task",
    "find_member",
    "own_target",
    "plan_study",
]

HELD_OUT = "held_out"
EVALUATION = {HELD_OUT: "evaluation", TEST: "evaluation_test"}
"""Folder of each evaluation, in that of the study."""
COPY = "study.yaml"
"""STUDY.yaml with all its defaults, in the folder of the study."""
AGAIN = "predict_again"
"""A file in the folder of a trained member whose held-out images are to be predicted again."""


@dataclass(frozen=True)
class Prediction:
    """A prediction by several members, or by one member of test cases; its own fold a member predicts in its training.

    Attributes:
        annotator: Name in tables.
        members: The members that predict.
        on: `held_out` for the cases of a fold, `test` for those of the test split.
        cases: The cases to predict.
    """

    annotator: str
    members: tuple[PlannedMember, ...]
    on: str
    cases: tuple[str, ...]

    @property
    def first(self) -> PlannedMember:
        """One of the members, for what all have in common."""
        return self.members[0]

    @property
    def fold(self) -> int | None:
        """The fold of all members; None for members of several."""
        folds = {member.fold for member in self.members}
        return folds.pop() if len(folds) == 1 else None

    @property
    def id(self) -> str:
        """Name on the command line."""
        fold = "" if self.fold is None else f"_fold{self.fold}"
        seeds = seed_range([member.seed for member in self.members])
        return f"{slug(self.first.label)}{fold}_seeds{seeds}" + ("_test" if self.on == TEST else "")

    @property
    def folder(self) -> str:
        """Name of its folder."""
        parts = [*sorted(member.identity for member in self.members), *self.cases]
        return f"{self.id}-{hashlib.sha256('|'.join(parts).encode()).hexdigest()[:8]}"


Task = PlannedMember | Prediction


def own_target(task: Task) -> str:
    """Training target of the members of a task; the consensus of all raters where their targets differ."""
    members = (task,) if isinstance(task, PlannedMember) else task.members
    targets = {planned.rater for planned in members}
    return targets.pop() if len(targets) == 1 else "staple"


OVERVIEW = ("strategy", "targets", "images", "folds × seeds", "done", "ensembles")
"""Columns of an overview of a study."""


def _strategy_of(planned: PlannedMember) -> str:
    return planned.strategy + (", one rater left out" if WITHOUT in planned.rater else "")


@dataclass(frozen=True, repr=False)
class Study:
    """A planned study.

    Attributes:
        path: STUDY.yaml.
        file: Content of STUDY.yaml, with all defaults.
        dataset: The dataset of the study.
        masks: Folders of further annotators to compare, by name.
        out: Folder that the study writes.
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

    def __str__(self) -> str:
        """Its name, and the numbers of members and predictions."""
        return f"{self.name}: {len(self.members)} members, {len(self.predictions)} further predictions"

    __repr__ = __str__

    def _repr_html_(self) -> str:
        rows = [self.overview(strategy) for strategy in self.by_strategy]
        return f"<div>{html_heading(str(self))}{html_table(OVERVIEW, rows)}</div>"

    @cached_property
    def by_strategy(self) -> dict[str, list[PlannedMember]]:
        """Members of each strategy; those without one rater are a strategy of their own."""
        found: dict[str, list[PlannedMember]] = {}
        for planned in self.members:
            found.setdefault(_strategy_of(planned), []).append(planned)
        return found

    def overview(self, strategy: str) -> list[str]:
        """Cells of `OVERVIEW` for a strategy of `by_strategy`."""
        own = self.by_strategy[strategy]
        ensembles = {p.annotator for p in self.predictions if _strategy_of(p.first) == strategy and len(p.members) > 1}
        return [
            strategy,
            str(len({planned.label for planned in own})),
            "all" if own[0].n_train is None else str(own[0].n_train),
            f"{len({planned.fold for planned in own})} × {len({planned.seed for planned in own})}",
            f"{sum(map(self.is_done, own))}/{len(own)}",
            str(len(ensembles)),
        ]

    @property
    def name(self) -> str:
        """Name of the study and its MLflow experiment."""
        return str(self.file.name)

    @cached_property
    def tasks(self) -> dict[str, Task]:
        """All trainings and predictions, by id."""
        everything: tuple[Task, ...] = (*self.members, *self.predictions)
        return {task.id: task for task in everything}

    def place(self, task: Task) -> Path:
        """Folder of a member or prediction; it may not exist yet."""
        kind = "members" if isinstance(task, PlannedMember) else "predictions"
        return self.out / kind / task.folder

    def is_done(self, task: Task) -> bool:
        """Whether the task is done: its folder appears when all is written; `AGAIN` opens it again."""
        place = self.place(task)
        return place.is_dir() and not (place / AGAIN).exists()

    def checkpoint(self, member: PlannedMember) -> Path:
        """Checkpoint of a member."""
        return self.place(member) / "model.pt"


def plan_study(path: str | os.PathLike[str], *, trust: bool = False, at: Transfers | None = None) -> Study:
    """Read a study and its dataset, and list all tasks.

    Args:
        path: STUDY.yaml.
        trust: Whether its settings may be programs (`$…`, `_target_`), which are run; `study.trust` says why not.
        at: Copies what is at an address; by default without showing how many files are copied.

    Raises:
        UsageError: If the file has an invalid value: an unknown rater, fold or setting, or a name used twice; or if a
            setting is a program. Or if torch or MONAI is not installed.
        DataError: If the dataset has problems.
    """
    if at is None:
        with transfers() as at:
            return plan_study(path, trust=trust, at=at)
    refuse_without_training()
    path = Path(path)
    file = read_study_file(path)
    if not trust:
        refuse_code(path, file)
    folder = path.resolve().parent
    _check_addresses(path, file)
    out = at.resumed(str(file.output_dir), option=f"output_dir in {path}")
    dataset = read_dataset(folder / at.copied(file.dataset))
    masks = {name: folder / at.copied(place) for name, place in file.masks.items()}
    read_annotations(dataset, masks=masks)  # reads no pixels; finds problems before the training
    table = strata(dataset)
    in_folds = table[table["split"] != TEST]
    folds = assign_folds(in_folds, file.n_folds)
    wanted = list(range(folds.max() + 1)) if file.folds is None else file.folds
    if max(wanted) > folds.max():
        raise UsageError(f"{path}: fold {max(wanted)}: expected 0 to {folds.max()}, as {len(in_folds)} images give")
    file = file.model_copy(update={"folds": wanted})
    of_fold = {fold: tuple(in_folds.index[folds == fold]) for fold in wanted}
    members = plan_members(path, file, dataset, of_fold)
    test = tuple(table.index[table["split"] == TEST])
    sizes = dict(_sizes(path, file, dataset))
    predictions = [
        prediction
        for label in dict.fromkeys(planned.label for planned in members)
        for prediction in _predictions([m for m in members if m.label == label], sizes[label], test)
    ]
    out = (folder / out).resolve()
    _check_folder(path, dataset, masks, out)
    return Study(path.resolve(), file, dataset, masks, out, tuple(members), tuple(predictions))


def _check_addresses(path: Path, file: StudyFile) -> None:
    """Refuse a study inside of a folder that it reads, as each call would copy it, too."""
    out = str(file.output_dir)
    for place in (file.dataset, *file.masks.values()) if is_address(out) else ():
        if f"{out.rstrip('/')}/".startswith(f"{place.rstrip('/')}/"):
            raise UsageError(f"{path}: output_dir {out} lies in {place}, which is read; give another folder")


def _check_folder(path: Path, dataset: Dataset, masks: Mapping[str, Path], out: Path) -> None:
    words = {"used": "read", "option": f"{path}: output_dir"}
    refuse_inputs(out, [dataset.folder], folders=data_places(dataset.folder), **words)
    for name in EVALUATION.values():  # masks may lie in the folder of the study, as its predictions do
        refuse_inputs(out / name, [], folders=masks.values(), **words)
    if path.resolve() == out / COPY:
        raise UsageError(f"{path}: output_dir {out} would replace this file; give another folder")
    if out.exists() and not out.is_dir():
        raise UsageError(f"{path}: output_dir {out} is a file; give another folder")


def find_member(study: Study, name: str) -> PlannedMember:
    """Find a member by its id, or by its number from 1, as the job arrays of a cluster count.

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


def _sizes(path: Path, file: StudyFile, dataset: Dataset) -> Iterator[tuple[str, list[int]]]:
    for strategy in file.strategies:
        for label, _ in labels_of(strategy, dataset, path):
            yield label, list(strategy.ensembles or [])


def _predictions(members: Sequence[PlannedMember], sizes: Sequence[int], test: tuple[str, ...]) -> Iterator[Prediction]:
    """Ensembles of consecutive seeds without a common member, fold by fold, and all predictions of test cases."""
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
