"""The members of a study: which target each is trained on, and which images it holds out.

strategies, folds, seeds, dataset  ->  PlannedMember
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from segassay.data.dataset import Dataset, strata
from segassay.errors import UsageError
from segassay_monai.study.file import EXPERT, WITHOUT_EACH, StrategyFile, StudyFile
from segassay_monai.study.identity import identity_of
from segassay_monai.targets import OF, OF_ALL_RATERS, check_target, is_labelled, raters_of, strategy_of, target_of
from segassay_monai.training.version import TRAINING_VERSION

__all__ = ["TEST", "PlannedMember", "labels_of", "plan_members", "slug"]

TEST = "test"
_LONGEST = 60  # characters of a target in the name of a folder


@dataclass(frozen=True)
class PlannedMember:
    """One training.

    Attributes:
        label: Name of the annotator without its seed.
        strategy: Name of the strategy, as in the tables.
        rater: Training target, as in the setting `rater` and in the tables.
        raters: Raters whose masks are read.
        n_train: Number of annotated images that may be used; None for all.
        fold: The fold that is held out.
        n_folds: Number of folds of the study.
        seed: Random seed of the training.
        settings: Further settings of the training.
        held_out: Annotated cases of the fold, which are scored.
        identity: Hash of everything that determines the weights.
    """

    label: str
    strategy: str
    rater: str
    raters: tuple[str, ...]
    n_train: int | None
    fold: int
    n_folds: int
    seed: int
    settings: dict[str, Any]
    held_out: tuple[str, ...]
    identity: str = ""

    @property
    def annotator(self) -> str:
        """Name in tables."""
        return f"{self.label}/s{self.seed}"

    @property
    def id(self) -> str:
        """Name on the command line."""
        return f"{slug(self.label)}_fold{self.fold}_seed{self.seed}"

    @property
    def folder(self) -> str:
        """Name of its folder; it does not depend on the name of the strategy."""
        name = f"{slug(self.rater)[:_LONGEST]}_fold{self.fold}_seed{self.seed}"
        return f"{name}-v{TRAINING_VERSION}-{self.identity[:8]}"

    @property
    def training(self) -> dict[str, Any]:
        """All settings of its training but dataset and folders."""
        own = ("rater", "n_train", "strategy", "fold", "n_folds", "seed")
        return {name: getattr(self, name) for name in own} | self.settings


def slug(label: str) -> str:
    """A label as a file name."""
    return re.sub(r"[^\w.+×-]", "_", label)


def plan_members(
    path: Path, file: StudyFile, dataset: Dataset, of_fold: Mapping[int, tuple[str, ...]]
) -> list[PlannedMember]:
    """Plan every training, in order: the first seed of all strategies, then the second, and so on.

    Args:
        path: STUDY.yaml, for messages.
        file: Content of STUDY.yaml.
        dataset: The dataset of the study.
        of_fold: Cases of each fold that is held out.

    Raises:
        UsageError: If the file has an invalid value.
    """
    members = [
        replace(planned, identity=identity_of(path, dataset, planned.training, file.threads))
        for strategy in file.strategies
        for planned in _of_strategy(path, file, strategy, dataset, of_fold)
    ]
    _check_names(path, members)
    return sorted(members, key=lambda planned: planned.seed)


def labels_of(strategy: StrategyFile, dataset: Dataset, path: Path) -> Iterator[tuple[str, str]]:
    """Label and training target of each model of a strategy; with `n_raters` the target holds their number only."""
    for target in _targets(strategy, dataset, path):
        trained_on = target if strategy.n_raters is None else f"{target}{OF}{strategy.n_raters}"
        if strategy.name is None:
            yield trained_on + (f" of {strategy.n_train} images" if strategy.n_train else ""), trained_on
        elif strategy.target == EXPERT or WITHOUT_EACH.fullmatch(strategy.target):
            yield strategy.name if len(dataset.raters) == 1 else f"{strategy.name} {trained_on}", trained_on
        else:
            yield strategy.name, trained_on


def _targets(strategy: StrategyFile, dataset: Dataset, path: Path) -> Iterator[str]:
    """Each target of a strategy, checked."""
    left_out = WITHOUT_EACH.fullmatch(strategy.target)
    if strategy.target == EXPERT:
        targets = list(dataset.raters)
    elif left_out:
        targets = [f"{left_out[1]}_without_{rater}" for rater in dataset.raters]
    else:
        targets = [strategy.target]
    for target in targets:
        check_target(dataset, target, said=f"{path}: target")
        n_raters = strategy.n_raters or 0
        if n_raters and (target not in OF_ALL_RATERS or n_raters > len(dataset.raters)):
            raise UsageError(
                f"{path}: n_raters {n_raters} of {target}: expected at most {len(dataset.raters)}, of one of "
                f"{', '.join(OF_ALL_RATERS)}"
            )
        yield target


def _of_strategy(
    path: Path, file: StudyFile, strategy: StrategyFile, dataset: Dataset, of_fold: Mapping[int, tuple[str, ...]]
) -> Iterator[PlannedMember]:
    named = _name_of(strategy)
    for label, trained_on in labels_of(strategy, dataset, path):
        for number, seed in enumerate(strategy.seeds):  # type: ignore[arg-type]  # a list, once defaults are filled in
            rater = _rater(strategy, trained_on, dataset, number)
            for fold, cases_of_fold in of_fold.items():
                _check_n_train(path, dataset, strategy, rater, cases_of_fold)
                yield PlannedMember(
                    label=label,
                    strategy=named,
                    rater=rater,
                    raters=tuple(raters_of(dataset, rater)),
                    n_train=strategy.n_train,
                    fold=fold,
                    n_folds=file.n_folds,
                    seed=seed,
                    settings=strategy.settings,
                    held_out=tuple(case for case in cases_of_fold if _is_annotated(dataset, case)),
                )


def _name_of(strategy: StrategyFile) -> str:
    """Name of a strategy in tables; models that leave out one rater belong to the strategy of all raters."""
    if strategy.name is not None:
        return strategy.name
    without_each = WITHOUT_EACH.fullmatch(strategy.target)
    name = strategy_of(without_each[1] if without_each else strategy.target)
    name += f"{OF}{strategy.n_raters}" if strategy.n_raters else ""
    return name + (f" of {strategy.n_train} images" if strategy.n_train else "")


def _rater(strategy: StrategyFile, trained_on: str, dataset: Dataset, number: int) -> str:
    """Training target of a seed; with `n_raters`, raters are assigned to the seeds in turn."""
    if strategy.n_raters is None:
        return trained_on
    all_raters, first = dataset.raters, number * strategy.n_raters
    chosen = {all_raters[(first + place) % len(all_raters)] for place in range(strategy.n_raters)}
    return target_of(strategy.target, [rater for rater in all_raters if rater in chosen])


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
                f"{path}: {planned.annotator} of fold {planned.fold} is in two strategies; give one of them a name"
            )
