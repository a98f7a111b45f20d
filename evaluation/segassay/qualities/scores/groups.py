"""Groups of annotators: raters, models and ensembles by how they were made.

    annotations  ->  one origin per annotator  ->  groups that differ only by the seed, or groups of a strategy

For reliability the source of variation is the seed. Out of fold, a case is held out by only one fold, so fold and case
cannot be separated; annotators of single folds that share cases are in groups of their own.
"""

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from itertools import combinations
from typing import Any, TypeVar

import pandas as pd

from segassay.data.annotations import SPENT_COLUMNS, WITHOUT, is_rater, is_trained, raters_of
from segassay.data.names import natural_key
from segassay.qualities.scores.table import annotator_kinds, seeds_of

__all__ = [
    "RATERS",
    "Group",
    "Origin",
    "grouped",
    "origins",
    "pairs_of_folds",
    "part_of_target",
    "strategy_groups",
    "target_of_part",
    "trained_alike",
]

RATERS = "raters"
"""The group of all raters."""

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True)
class Origin:
    """How an annotator was made.

    Attributes:
        name: Name of the annotator.
        kind: As in the annotations.
        strategy: As in the annotations; empty if it is unknown.
        trained_on: Rater or consensus that it was trained on; empty if it is unknown.
        of_consensus: Whether that is a consensus instead of a single rater.
        seeds: Seeds of its members; empty if they are unknown.
        fold: Fold of a model that predicts cases which models of other folds predict too; else None.
        held_out: Whether it is known that it was not trained on any of its cases.
        n_raters: Number of raters whose masks it was trained on; None if it is unknown.
        n_train: Number of images that it was trained on; None if it is unknown.
    """

    name: str
    kind: str
    strategy: str = ""
    trained_on: str = ""
    of_consensus: bool = False
    seeds: frozenset[int] = frozenset()
    fold: int | None = None
    held_out: bool = False
    n_raters: int | None = None
    n_train: int | None = None

    @property
    def is_trained(self) -> bool:
        """Whether it is a model or an ensemble."""
        return is_trained(self.kind)

    @property
    def approach(self) -> str:
        """Its strategy, else what it was trained on, else its own name; empty for a rater."""
        return "" if is_rater(self.kind) else self.strategy or self.trained_on or self.name

    @property
    def leaves_a_rater_out(self) -> bool:
        """Whether it was trained on a consensus of all raters but one."""
        return WITHOUT in self.trained_on

    @property
    def n_members(self) -> int | None:
        """Number of members of an ensemble, 1 for a model; None for all others, and if it is unknown."""
        return 1 if self.kind == "model" else len(self.seeds) or None if self.kind == "ensemble" else None

    @property
    def members(self) -> frozenset[tuple[str, int]]:
        """What each member was trained on, and its seed."""
        return frozenset((self.trained_on, seed) for seed in self.seeds)


@dataclass(frozen=True)
class Group:
    """Annotators of one kind that were made in the same way.

    Attributes:
        name: What they were trained on, or their strategy; both if several strategies train on the same; with the fold
            if single folds are compared.
        target: The same with the kind, as in a table: `staple models`, `consensus:staple ensembles of 4`, `raters`.
        annotators: At least one.
    """

    name: str
    target: str
    annotators: tuple[Origin, ...]

    @property
    def kind(self) -> str:
        """Kind of all of them."""
        return self.annotators[0].kind

    @property
    def strategy(self) -> str:
        """Strategy of all of them; may be empty."""
        return self.annotators[0].strategy

    @property
    def trained_on(self) -> str:
        """What all of them were trained on; empty if it is unknown or differs."""
        return _same([one.trained_on for one in self.annotators]) or ""

    @property
    def names(self) -> list[str]:
        """Names of the annotators."""
        return [one.name for one in self.annotators]

    @property
    def seeds(self) -> dict[str, frozenset[int]]:
        """Annotator -> seeds of its members."""
        return {one.name: one.seeds for one in self.annotators}

    @property
    def sizes(self) -> list[int]:
        """Numbers of members of its annotators, in ascending order."""
        return sorted({len(one.seeds) for one in self.annotators})

    @property
    def n_members(self) -> int | None:
        """Number of members of each annotator; None if it is unknown or differs."""
        return _same([one.n_members for one in self.annotators])

    def target_of_size(self, size: int) -> str:
        """Target of models, or of the ensembles of one size."""
        return self.target if self.kind == "model" else f"{self.target} of {size}"

    @property
    def on_consensus(self) -> bool:
        """Whether all of them were trained on the masks of several raters, not of one."""
        return all(one.of_consensus for one in self.annotators)

    @property
    def n_raters(self) -> int | None:
        """Number of raters whose masks each of them was trained on; None if it is unknown or differs."""
        return _same([one.n_raters for one in self.annotators])

    @property
    def n_train(self) -> int | None:
        """Number of images that each of them was trained on; None if it is unknown or differs."""
        return _same([one.n_train for one in self.annotators])

    def all_pairs(self) -> list[tuple[str, str]]:
        """Pairs of annotators; of ensembles those that are known to have no member in common."""
        if self.kind != "ensemble":
            return list(combinations(self.names, 2))
        return [(a, b) for a, b in self.pairs() if self.seeds[a] and self.seeds[b]]

    def pairs(self, size: int | None = None) -> list[tuple[str, str]]:
        """Pairs of annotators, of `size` members each if given, that have no member in common."""
        chosen = [one for one in self.annotators if size is None or len(one.seeds) == size]
        return [(a.name, b.name) for a, b in combinations(chosen, 2) if not a.members & b.members]

    def whole_pairs(self) -> list[tuple[str, str]]:
        """The pairs of the largest size that has any; without one, all pairs that have no member in common."""
        return next((pairs for size in reversed(self.sizes) if (pairs := self.pairs(size))), self.pairs())

    def disjoint(self, size: int) -> list[str]:
        """Annotators of `size` members each, none of which has a member in common with another one."""
        chosen: list[Origin] = []
        for one in self.annotators:
            if len(one.seeds) == size and not any(one.members & other.members for other in chosen):
                chosen.append(one)
        return [one.name for one in chosen]


_PART = ": "


def target_of_part(target: str, part: str) -> str:
    """Target of a row about one part of what a target is about, such as a term of its variance.

    Example:
        >>> target_of_part("models of single raters", "case:seed")
        'models of single raters: case:seed'
    """
    return f"{target}{_PART}{part}"


def part_of_target(target: str) -> str:
    """The part in such a target.

    Example:
        >>> part_of_target("models of single raters: case:seed")
        'case:seed'
    """
    return target.rpartition(_PART)[2]


def origins(annotations: pd.DataFrame) -> list[Origin]:
    """How each annotator was made.

    Args:
        annotations: What `read_annotations` returns.

    Returns:
        One origin per annotator, in the order of `annotator_order`.

    Example:
        >>> rows = [("anna", "human", "", pd.NA), ("staple/s0-1", "ensemble", "staple", pd.NA)]
        >>> table = pd.DataFrame(rows, columns=["annotator", "kind", "trained_on", "seed"])
        >>> for one in origins(table.assign(case="1", strategy="", fold=pd.NA, held_out=True)):
        ...     print(one.name, one.approach, one.of_consensus, sorted(one.seeds))
        anna  False []
        staple/s0-1 staple True [0, 1]
    """
    kinds = annotator_kinds(annotations)
    raters, folds = set(raters_of(kinds)), _folds(annotations)
    known = ["strategy", "trained_on", "seed", "held_out", *(name for name in SPENT_COLUMNS if name in annotations)]
    told = {column: _distinct(annotations, column) for column in known}
    found = []
    for name, kind in kinds.items():
        strategy, trained_on = (_text(told[column][name][0]) for column in ("strategy", "trained_on"))
        found.append(
            Origin(
                name,
                kind,
                strategy,
                trained_on,
                bool(trained_on) and trained_on not in raters,
                frozenset(seeds_of(name, told["seed"][name])),
                folds.get(name),
                all(not pd.isna(value) and bool(value == True) for value in told["held_out"][name]),  # noqa: E712
                *(_same(told[column][name]) if column in told else None for column in SPENT_COLUMNS),
            )
        )
    return found


def _distinct(annotations: pd.DataFrame, column: str) -> dict[str, list[Any]]:
    """The different values of each annotator, in the order of the rows; missing ones are one value, None."""
    found: dict[str, dict[Any, None]] = {}
    for name, value in zip(annotations["annotator"].tolist(), annotations[column].tolist(), strict=True):
        found.setdefault(name, {})[value if value is pd.NA or value == value else None] = None
    return {name: list(values) for name, values in found.items()}


def _text(value: Any) -> str:
    return "" if pd.isna(value) else str(value)


def _same(values: Iterable[Any]) -> Any:
    """The value that all have; None if they differ or it is unknown."""
    found = set(values)
    value = found.pop() if len(found) == 1 else None
    return None if pd.isna(value) else value


def _folds(annotations: pd.DataFrame) -> dict[str, int]:
    """Models of one fold each that differ only by the fold and share a case: annotator -> fold."""
    if annotations["fold"].isna().all():
        return {}
    wanted = ["annotator", "fold", "case", "strategy", "trained_on", "seed"]
    models = annotations.loc[annotations["kind"] == "model", wanted].dropna()
    of_model: dict[str, set[int]] = {}
    of_case: dict[tuple[Hashable, ...], set[int]] = {}
    rows = list(zip(*(models[column].tolist() for column in wanted), strict=True))
    for name, fold, *_ in rows:
        of_model.setdefault(name, set()).add(fold)
    rows = [row for row in rows if len(of_model[row[0]]) == 1]
    for _, fold, *alike in rows:
        of_case.setdefault(tuple(alike), set()).add(fold)
    shared = {alike[1:] for alike, folds in of_case.items() if len(folds) > 1}
    return {str(name): int(fold) for name, fold, _, *alike in rows if tuple(alike) in shared}


def grouped(annotators: Iterable[Origin], key: Callable[[Origin], Key]) -> dict[Key, tuple[Origin, ...]]:
    """Annotators with the same key, in the order given; keys in the order in which they first occur."""
    found: dict[Key, list[Origin]] = {}
    for one in annotators:
        found.setdefault(key(one), []).append(one)
    return {value: tuple(of) for value, of in found.items()}


def trained_alike(annotations: pd.DataFrame) -> list[Group]:
    """Models, and ensembles, that differ only by their seeds.

    Args:
        annotations: What `read_annotations` returns.

    Returns:
        One group per kind, strategy, what was trained on and, if annotators of single folds share cases, fold. A group
        may have a single annotator; annotators with unknown seeds or training are in no group.

    Example:
        >>> rows = [("1", "staple/s0", "model", "staple", 0), ("1", "staple/s1", "model", "staple", 1)]
        >>> table = pd.DataFrame(rows, columns=["case", "annotator", "kind", "trained_on", "seed"])
        >>> trained_alike(table.assign(strategy="", fold=pd.NA, held_out=True))[0].pairs(1)
        [('staple/s0', 'staple/s1')]
    """
    trained = [one for one in origins(annotations) if one.is_trained]
    strategies = {on: {one.strategy for one in of} for on, of in grouped(trained, lambda one: one.trained_on).items()}
    known = [one for one in trained if one.seeds and (one.trained_on or one.strategy)]
    groups = []
    for (kind, strategy, trained_on, fold), of in sorted(grouped(known, _training).items()):
        name = f"{strategy} {trained_on}" if trained_on and len(strategies[trained_on]) > 1 else trained_on or strategy
        name += f" fold {fold}" if fold >= 0 else ""
        groups.append(Group(name, f"{name} {kind}s", of))
    return groups


def _training(one: Origin) -> tuple[str, str, str, int]:
    """All but the seeds; fold −1 where it does not matter."""
    return one.kind, one.strategy, one.trained_on, -1 if one.fold is None else one.fold


def pairs_of_folds(annotations: pd.DataFrame) -> list[tuple[str, list[tuple[str, str]]]]:
    """Target and pairs of models that differ only by the fold.

    Only models that predict a common case, which none of them was trained on, can be compared; with cross-validation
    these are the cases of a test split.

    Args:
        annotations: What `read_annotations` returns.

    Returns:
        One entry per strategy and what was trained on; empty if no case has predictions of two folds.
    """
    held_out = annotations[annotations["held_out"].eq(True).fillna(False).astype(bool)]
    of_folds = [one for one in origins(held_out) if one.fold is not None]
    pairs: dict[str, list[tuple[str, str]]] = {}
    for (strategy, trained_on, _), of in sorted(grouped(of_folds, _all_but_fold).items()):
        differ = [(a.name, b.name) for a, b in combinations(of, 2) if a.fold != b.fold]
        pairs.setdefault(f"{trained_on or strategy} folds".strip(), []).extend(differ)
    return list(pairs.items())


def _all_but_fold(one: Origin) -> tuple[str, str, tuple[int, ...]]:
    return one.strategy, one.trained_on, tuple(sorted(one.seeds))


def strategy_groups(annotations: pd.DataFrame) -> list[Group]:
    """Raters, models and ensembles by their strategy.

    A strategy's ensembles of each size are a group, and so are its models, or ensembles, of consensuses that leave one
    rater out (`trained_on` has `_without_`).

    Args:
        annotations: What `read_annotations` returns.

    Returns:
        The raters first, then models, then ensembles; models of single raters come before those of a consensus. An
        annotator with unknown strategy and training is a group of its own, with its own name.

    Example:
        >>> annotations = pd.DataFrame({"annotator": ["anna", "ben", "staple/s0", "staple/s0-1", "anna/s0"],
        ...     "kind": ["human", "human", "model", "ensemble", "model"], "seed": pd.NA, "fold": pd.NA,
        ...     "strategy": ["", "", "consensus:staple", "consensus:staple", "expert"], "held_out": True,
        ...     "trained_on": ["", "", "staple", "staple", "anna"], "case": "1"})
        >>> [group.target for group in strategy_groups(annotations)]
        ['raters', 'expert models', 'consensus:staple models', 'consensus:staple ensembles of 2']
    """
    shown = [one for one in origins(annotations) if one.is_trained or is_rater(one.kind)]
    groups = [_of_strategy(of) for of in grouped(shown, _approach).values()]
    order = {"model": 1, "ensemble": 2}
    return sorted(groups, key=lambda one: (order.get(one.kind, 0), one.on_consensus, natural_key(one.target)))


def _approach(one: Origin) -> tuple[str, str, bool, int | None]:
    return one.kind, one.approach, one.leaves_a_rater_out, one.n_members


def _of_strategy(of: tuple[Origin, ...]) -> Group:
    first = of[0]
    if is_rater(first.kind):
        return Group(RATERS, RATERS, of)
    if first.approach in [one.name for one in of]:
        return Group(first.approach, first.approach, of)
    size = f" of {first.n_members}" if first.kind == "ensemble" and first.n_members else ""
    left_out = " without one rater" if first.leaves_a_rater_out else ""
    return Group(first.approach, f"{first.approach} {first.kind}s{size}{left_out}", of)
