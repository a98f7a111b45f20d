"""Which models and ensembles differ by nothing but the seed, and what each of them measured.

    annotations          ->  groups of models, and of ensembles, trained alike
    group, tables        ->  (cases, members): count or score of each

The facet of reliability is the seed. Out of fold, one fold alone holds a case out, so that fold and case cannot be told
apart; annotators of single folds that share cases stand in groups of their own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import pandas as pd

from segassay.data.annotations import SPENT_COLUMNS, WITHOUT
from segassay.data.names import natural_key
from segassay.qualities.scores.table import annotator_kinds, seeds_of

__all__ = ["RATERS", "SeedGroup", "StrategyGroup", "pairs_of_folds", "strategy_groups", "trained_alike"]


@dataclass(frozen=True)
class SeedGroup:
    """Models, or ensembles, that were trained alike.

    Attributes:
        name: What they were trained on, else the strategy; both where several strategies train on the same; with the
            fold where single folds are compared.
        kind: `model` or `ensemble`.
        strategy: As in the annotations; may be empty.
        trained_on: As in the annotations; may be empty.
        seeds: Annotator -> seeds of its members.
    """

    name: str
    kind: str
    strategy: str
    trained_on: str
    seeds: dict[str, frozenset[int]]

    @property
    def target(self) -> str:
        """How the group is called in a table of scores."""
        return f"{self.name} {self.kind}s"

    @property
    def sizes(self) -> list[int]:
        """Numbers of members that an annotator of the group has, in ascending order."""
        return sorted({len(seeds) for seeds in self.seeds.values()})

    def pairs(self, size: int) -> list[tuple[str, str]]:
        """Pairs of annotators of `size` members each that have no member in common."""
        names = [name for name, seeds in self.seeds.items() if len(seeds) == size]
        return [(a, b) for a, b in combinations(names, 2) if not self.seeds[a] & self.seeds[b]]

    def whole_pairs(self) -> list[tuple[str, str]]:
        """The pairs of the largest size that has any; without one, all pairs that have no member in common."""
        for size in reversed(self.sizes):
            if pairs := self.pairs(size):
                return pairs
        return [(a, b) for a, b in combinations(self.seeds, 2) if not self.seeds[a] & self.seeds[b]]

    def disjoint(self, size: int) -> list[str]:
        """Annotators of `size` members each, none of which has a member in common with another one."""
        chosen: list[str] = []
        for name, seeds in self.seeds.items():
            if len(seeds) == size and not any(seeds & self.seeds[other] for other in chosen):
                chosen.append(name)
        return chosen


def trained_alike(annotations: pd.DataFrame) -> list[SeedGroup]:
    """Models, and ensembles, that differ by nothing but their seeds.

    Args:
        annotations: What `read_annotations` returns.

    Returns:
        One group per kind, strategy, what was trained on and, where annotators of single folds share cases, fold. A
        group of one annotator is a group too; annotators whose seeds or training are unknown are in none.

    Example:
        >>> rows = [("1", "staple/s0", "model", "staple", 0), ("1", "staple/s1", "model", "staple", 1)]
        >>> table = pd.DataFrame(rows, columns=["case", "annotator", "kind", "trained_on", "seed"])
        >>> trained_alike(table.assign(strategy="", fold=pd.NA))[0].pairs(1)
        [('staple/s0', 'staple/s1')]
    """
    trained = annotations[annotations["kind"].isin(["model", "ensemble"])].drop_duplicates(["annotator", "seed"])
    fold_of = {name: fold for names in _of_folds(annotations) for name, fold in names.items()}
    fold = trained["annotator"].map(fold_of).astype("Int64").fillna(-1)
    shared = trained.groupby("trained_on")["strategy"].nunique().gt(1).to_dict()
    groups = []
    keys = [trained[column].astype(str) for column in ("kind", "strategy", "trained_on")]
    for (kind, strategy, trained_on, number), rows in trained.groupby([*keys, fold.rename("of_fold")], sort=True):
        seeds = {
            str(name): frozenset(seeds_of(str(name), of["seed"])) for name, of in rows.groupby("annotator", sort=False)
        }
        seeds = {name: found for name, found in seeds.items() if found}
        if seeds and (trained_on or strategy):
            name = f"{strategy} {trained_on}" if trained_on and shared.get(trained_on) else f"{trained_on or strategy}"
            name += f" fold {number}" if str(number) != "-1" else ""
            groups.append(SeedGroup(name, str(kind), str(strategy), str(trained_on), seeds))
    return groups


def _of_folds(annotations: pd.DataFrame) -> list[dict[str, int]]:
    """Models of one fold each that differ by the fold alone and share a case: annotator -> fold."""
    models = annotations[(annotations["kind"] == "model") & annotations["fold"].notna() & annotations["seed"].notna()]
    models = models[models.groupby("annotator")["fold"].transform("nunique") == 1]
    found = []
    for _, rows in models.groupby(["strategy", "trained_on", "seed"], sort=True):
        if rows.groupby("case")["fold"].nunique().max() > 1:
            first = rows.drop_duplicates("annotator")
            found.append({str(name): int(fold) for name, fold in zip(first["annotator"], first["fold"], strict=True)})
    return found


def pairs_of_folds(annotations: pd.DataFrame) -> list[tuple[str, list[tuple[str, str]]]]:
    """Target and pairs of models that differ by nothing but the fold.

    Only models that predict a common case, which none of them was trained on, can be compared; with cross-validation
    these are the cases of a test split.

    Args:
        annotations: What `read_annotations` returns.

    Returns:
        One entry per strategy and what was trained on; empty where no case has predictions of two folds.
    """
    held_out = annotations[annotations["held_out"].eq(True).fillna(False).astype(bool)]
    about = held_out.drop_duplicates("annotator").set_index("annotator")
    pairs: dict[str, list[tuple[str, str]]] = {}
    for folds in _of_folds(held_out):
        first = about.loc[next(iter(folds))]
        target = f"{first['trained_on'] or first['strategy']} folds".strip()
        differ = [(a, b) for a, b in combinations(folds, 2) if folds[a] != folds[b]]
        pairs.setdefault(target, []).extend(differ)
    return list(pairs.items())


RATERS = "raters"
"""The group of all people."""


_RANK = {"human": 0, "model": 1, "ensemble": 2}


@dataclass(frozen=True)
class StrategyGroup:
    """Annotators of one strategy.

    Attributes:
        name: As in the table, such as `expert models` or `consensus:staple ensembles of 4`.
        kind: `human`, `model` or `ensemble`.
        strategy: As in the annotations, else what they were trained on, else the annotator's own name.
        members: Annotator -> its members as pairs of what they were trained on and seed; none where that is unknown.
        n_members: Members that each ensemble has, 1 for a model; None for people and where it is unknown.
        on_consensus: Whether all of them learned from several people's masks, and not from those of one person.
        n_raters: Raters whose masks each of them learned from; None where it is unknown or differs.
        n_train: Images that each of them learned from; None where it is unknown or differs.
    """

    name: str
    kind: str
    strategy: str
    members: dict[str, frozenset[tuple[str, int]]]
    n_members: int | None = None
    on_consensus: bool = False
    n_raters: int | None = None
    n_train: int | None = None

    def pairs(self) -> list[tuple[str, str]]:
        """Pairs of its annotators; of ensembles those that have no member in common."""
        return [(a, b) for a, b in combinations(self.members, 2) if self.kind != "ensemble" or self._disjoint(a, b)]

    def _disjoint(self, a: str, b: str) -> bool:
        one, other = self.members[a], self.members[b]
        return bool(one and other) and not one & other


def strategy_groups(annotations: pd.DataFrame) -> list[StrategyGroup]:
    """Raters, models and ensembles by how they came about.

    A strategy's ensembles of each size are a group, and so are its models, or ensembles, of consensuses that leave one
    rater out (`trained_on` has `_without_`).

    Args:
        annotations: What `read_annotations` returns.

    Returns:
        The raters first, then models, then ensembles; models of single raters stand before those of a consensus. A mask
        of which neither strategy nor training is known is a group by itself, with the annotator's name.

    Example:
        >>> annotations = pd.DataFrame({"annotator": ["anna", "ben", "staple/s0", "staple/s0-1", "anna/s0"],
        ...     "kind": ["human", "human", "model", "ensemble", "model"], "seed": pd.NA,
        ...     "strategy": ["", "", "consensus:staple", "consensus:staple", "expert"],
        ...     "trained_on": ["", "", "staple", "staple", "anna"]})
        >>> [group.name for group in strategy_groups(annotations)]
        ['raters', 'expert models', 'consensus:staple models', 'consensus:staple ensembles of 2']
    """
    kinds = annotator_kinds(annotations)
    raters = {name for name, kind in kinds.items() if kind == "human"}
    rows_of = dict(list(annotations.groupby("annotator", sort=False)))
    found: dict[tuple[str, str, bool, int], dict[str, pd.DataFrame]] = {}
    for name, kind in kinds.items():
        if kind in _RANK:
            found.setdefault(_key(name, kind, rows_of[name]), {})[name] = rows_of[name]
    groups = [_group(key, rows, raters) for key, rows in found.items()]
    return sorted(groups, key=lambda group: (_RANK[group.kind], group.on_consensus, natural_key(group.name)))


def _key(name: str, kind: str, rows: pd.DataFrame) -> tuple[str, str, bool, int]:
    """Kind, strategy, whether a rater was left out, number of members (0: not known, or people)."""
    if kind == "human":
        return kind, "", False, 0
    strategy, trained_on = _text(rows["strategy"]), _text(rows["trained_on"])
    n_members = len(_members(name, rows)) if kind == "ensemble" else 1
    return kind, strategy or trained_on or name, WITHOUT in trained_on, n_members


def _text(column: pd.Series) -> str:
    return str(column.fillna("").iloc[0])


def _members(name: str, rows: pd.DataFrame) -> frozenset[tuple[str, int]]:
    trained_on = _text(rows["trained_on"])
    return frozenset((trained_on, seed) for seed in seeds_of(name, rows["seed"]))


def _group(key: tuple[str, str, bool, int], rows: dict[str, pd.DataFrame], raters: set[str]) -> StrategyGroup:
    kind, strategy, left_out, n_members = key
    trained_on = {_text(of["trained_on"]) for of in rows.values()}
    name = RATERS if kind == "human" else strategy
    if kind != "human" and strategy not in rows:
        name += f" {kind}s" + (f" of {n_members}" if kind == "ensemble" and n_members else "")
        name += " without one rater" if left_out else ""
    return StrategyGroup(
        name,
        kind,
        strategy,
        {name: _members(name, of) for name, of in rows.items()},
        n_members or None,
        kind != "human" and "" not in trained_on and not trained_on & raters,
        *(_same_number([of.get(column) for of in rows.values()]) for column in SPENT_COLUMNS),
    )


def _same_number(columns: Sequence[pd.Series | None]) -> int | None:
    """The number in all cells of all columns; None where they differ or one is empty."""
    numbers = {cell for column in columns for cell in ([pd.NA] if column is None else column)}
    number = numbers.pop() if len(numbers) == 1 else pd.NA
    return None if pd.isna(number) else int(number)
