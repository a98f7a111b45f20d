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

from segassay.qualities.scores.table import Agreement, seeds_of

__all__ = ["QUANTITIES", "SeedGroup", "complete_cases", "pairs_of_folds", "trained_alike", "values_of"]

QUANTITIES = ("f1", "count")
"""What is measured of each case: agreement of objects with people at IoU > .5, and number of objects."""


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


def values_of(
    names: Sequence[str], quantity: str, *, agreement: Agreement, counts: pd.DataFrame, kinds: dict[str, str]
) -> tuple[pd.DataFrame, str]:
    """What each annotator measured of each case.

    Args:
        names: Annotators.
        quantity: `count`, or a measure of agreement with people: `f1`, `mean_iou` or `dice`.
        agreement: Agreement of all pairs.
        counts: `tables.counts`.
        kinds: Kind of each annotator.

    Returns:
        `(cases, names)`, NaN where undefined, and a note which says what the score is against. That is C₋r, mean over
        raters r; without it the raters, a truth, or a reference; without any of them there is no column.
    """
    if quantity == "count":
        rows = counts[counts["annotator"].isin(names)]
        table = rows.pivot(index="case", columns="annotator", values="n_objects").astype(float)
        return table[[name for name in names if name in table]], ""
    others: list[tuple[str, list[str]]] = [
        ("with the raters", [name for name, kind in kinds.items() if kind == "human"]),
        *((f"against {name}", [name]) for name, kind in kinds.items() if kind in ("truth", "consensus")),
    ]
    found = {name: agreement.with_others(name, quantity) for name in names}
    if any(len(table.columns) for table in found.values()):
        return _means(found), "against C₋r"
    for note, of in others:
        found = {name: agreement.of_pairs([(name, other) for other in of], quantity) for name in names}
        if any(len(table.columns) for table in found.values()):
            return _means(found), note
    return pd.DataFrame(), ""


def _means(found: dict[str, pd.DataFrame]) -> pd.DataFrame:
    columns = {name: table.mean(axis=1) for name, table in found.items() if len(table.columns)}
    return pd.concat(columns, axis=1, sort=False)


def complete_cases(values: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """The cases that every column has a value of, and the number of the others."""
    complete = values.dropna()
    return complete, len(values) - len(complete)
