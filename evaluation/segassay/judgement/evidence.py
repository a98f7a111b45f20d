"""The numbers that verdicts rest on, image by image, and how each becomes a mean or an index with its interval.

    Findings  ->  Evidence: agreement of all pairs (N, A, A), with C₋r (N, R), mirrored (N, R), what marks something

Only images count in which half of the raters, or the annotator in question, mark something: two empty masks agree
perfectly, so that images without any object would reward whoever marks nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd

from segassay.data.annotations import TRAINED, raters_of
from segassay.data.facets import is_exchangeable
from segassay.io.stored_tables import rows_by
from segassay.judgement.criteria import MIN_CASES, Number
from segassay.judgement.nearness import DICE_BLIND_ABOVE, nearness_of_pairs, tolerance_px
from segassay.qualities.scores.groups import grouped, origins
from segassay.qualities.scores.pairs import PairValues, pair_values
from segassay.qualities.scores.table import THRESHOLD, Findings, annotator_kinds
from segassay.statistics.intervals import Interval, mean_interval
from segassay.statistics.jackknife import PLAIN, Scale, jackknife_t
from segassay.tables.build import Tables
from segassay.tables.object_votes import voters_in

__all__ = ["ANY_RATER", "DICE", "F1", "SHARED", "Evidence", "evidence_of", "index", "mean_of", "median_over"]

F1, DICE = "f1", "dice"
"""Measures of finding objects, and of their outlines."""

ANY_RATER = "a rater"
"""Name of exchangeable raters as copies of each other, or as copied by others."""

_VOTES = ["n_with", "n_without", "n_marked_with", "n_marked_without"]
"""Pixels by the vote of a rater, and how many of them an annotator marks."""

SHARED = 0.5
"""Share of images with the same masks from which two annotators are copies of each other."""


ENTERED_AGAIN = 0.1
"""Distance of the masks of two images, as a share of how far a rater usually is from the nearest other one in an
image: who draws an image again differs by more than a tenth of that, so that nearer masks were not drawn twice."""


@dataclass(frozen=True, eq=False)
class Evidence:
    """All comparisons of an evaluation by image.

    Attributes:
        cases: Names of the N images.
        clusters: `(N,)`, name of each image's subject, or of the image itself.
        raters: The R raters who are compared: those with enough masks that find what is there.
        few: Raters with fewer than `MIN_CASES` masks; they take no part.
        careless: Raters whose masks agree with the others no better than their mirror images; they take no part.
        pairs: Measure -> agreement of all pairs.
        others: Measure -> agreement with C₋r, `(N, K)`, and the column of each annotator and rater r.
        repeated: `(N,)`, whether most raters have nearly the masks of an earlier image: the image was entered again.
        marks: `(N, annotators)`, whether an annotator marks any object.
        mirrored: Dice of mirrored masks, one column per annotator and rater.
        elsewhere: Dice with the raters minus that of masks of other images, one column per annotator.
        identical: Share of images, of those in which both mark something, in which two annotators have the same mask.
        single_votes: Annotator -> rows of `Tables.single_votes`.
        object_votes: Annotator who is no rater -> rows of `Tables.object_votes`.
        training: Annotator -> images that may have been in its training, which it need not have masks of.
        alike: Annotator -> all that were trained on the same masks.
        counts: Table of counts.
        level: Coverage of the intervals.
        exchangeable: Whether a rater of two images need not be one person; then all take part, and copies are those of
            any rater.
        near: Table of `nearness_of_pairs`, NSD at the raters' tolerance; None where Dice shows more.
    """

    cases: pd.Index
    clusters: np.ndarray
    raters: tuple[str, ...]
    few: tuple[str, ...]
    careless: tuple[str, ...]
    pairs: dict[str, PairValues]
    others: dict[str, tuple[np.ndarray, dict[tuple[str, str], int]]]
    repeated: np.ndarray
    marks: pd.DataFrame
    mirrored: pd.DataFrame
    elsewhere: pd.DataFrame
    identical: dict[tuple[str, str], float]
    single_votes: Mapping[str, pd.DataFrame]
    object_votes: Mapping[str, pd.DataFrame]
    training: dict[str, np.ndarray]
    alike: dict[str, tuple[str, ...]]
    counts: pd.DataFrame
    level: float
    exchangeable: bool = False
    near: pd.DataFrame | None = None

    @property
    def measures(self) -> tuple[str, ...]:
        """Measures of finding objects and of outlines that judge here: F1, Dice, and where Dice is blind NSD."""
        return tuple(self.pairs)

    def marked(self, names: Sequence[str] = ()) -> np.ndarray:
        """`(N,)`, whether an image says how well annotators agree; False for an image entered again.

        Args:
            names: Annotators who are compared with the raters: one of them, or half of the raters, must mark something.
                What a single rater of several marks would else make an image in which all others agree on absence, and
                differences from the raters would shrink with every such image. Without names one rater is enough.
        """
        marks, column = self._marks
        of_raters, others = (marks[:, [column[name] for name in of if name in column]] for of in (self.raters, names))
        enough = 2 * of_raters.sum(axis=1) >= self._n_drawn if names else True
        return np.asarray(~self.repeated & (of_raters.any(axis=1) & enough | others.any(axis=1)))

    @cached_property
    def _n_drawn(self) -> np.ndarray:
        """`(N,)`, raters with a mask."""
        drawn = self.counts[self.counts["annotator"].isin(self.raters) & self.counts["n_objects"].notna()]
        return drawn.groupby("case").size().reindex(self.cases, fill_value=0).to_numpy()

    @cached_property
    def _marks(self) -> tuple[np.ndarray, dict[str, int]]:
        return self.marks.to_numpy(dtype=bool), {str(name): place for place, name in enumerate(self.marks.columns)}

    def covered(self, names: Sequence[str]) -> np.ndarray:
        """`(N,)`, whether one of these annotators has a mask, or should have one that is missing."""
        rows = self.counts[self.counts["annotator"].isin(list(names))]
        return np.asarray(self.cases.isin(rows["case"]))

    def may_be_held_out(self, name: str) -> np.ndarray:
        """`(N,)`, whether an image was in no training of an annotator, as far as anything is said about that."""
        return ~self.training.get(name, np.zeros(len(self.cases), dtype=bool))

    def with_raters(self, name: str, measure: str) -> np.ndarray:
        """`(N, R)`, agreement with each rater; NaN with itself and without a mask."""
        return self.pairs[measure].between([name], self.raters)[:, 0]

    def between_raters(self, measure: str) -> np.ndarray:
        """`(N, R, R)`, agreement of the raters with each other; NaN on the diagonal."""
        return self.pairs[measure].between(self.raters, self.raters)

    def with_others(self, name: str, measure: str) -> np.ndarray:
        """`(N, R)`, agreement with C₋r of each rater r; NaN without it."""
        found, position = self.others[measure]
        places = [position.get((name, rater), -1) for rater in self.raters]
        return np.asarray(np.pad(found, ((0, 0), (0, 1)), constant_values=np.nan)[:, places])

    def of_raters_with_others(self, measure: str) -> np.ndarray:
        """`(N, R)`, agreement of each rater r with C₋r; NaN without it."""
        own = [self.with_others(rater, measure)[:, place] for place, rater in enumerate(self.raters)]
        return np.stack(own, axis=1) if own else np.full((len(self.cases), 0), np.nan)

    def above_mirrored(self, name: str) -> np.ndarray:
        """`(N,)`, Dice minus that of the mirrored mask, median over the raters; NaN where nothing is marked."""
        mirrored, column = self._mirrored
        places = [column.get((name, rater), -1) for rater in self.raters]
        gap = median_over(self.with_raters(name, DICE) - mirrored[:, places])
        return np.where(self.marked([name]), gap, np.nan)

    def above_elsewhere(self, name: str) -> np.ndarray:
        """`(N,)`, Dice minus that of masks of other images, median over the raters; NaN where nothing is marked."""
        gap = self.elsewhere[name].to_numpy(dtype=float) if name in self.elsewhere else np.full(len(self.cases), np.nan)
        return np.where(self.marked([name]), gap, np.nan)

    @cached_property
    def _mirrored(self) -> tuple[np.ndarray, dict[tuple[str, str], int]]:
        """`(N, K + 1)`, a column for each annotator and rater, the last without any value."""
        table = self.mirrored.reindex(self.cases)
        column = {(str(pair[0]), str(pair[1])): place for place, pair in enumerate(table.columns)}
        return np.pad(table.to_numpy(dtype=float), ((0, 0), (0, 1)), constant_values=np.nan), column

    def votes_of(self, name: str) -> np.ndarray:
        """`(N, R, n_others, 4)`, the numbers of pixels in `_VOTES` of an annotator; 0 without a row."""
        n_most = max((int(rows["n_others"].max()) + 1 for rows in self.single_votes.values()), default=0)
        found = np.zeros((len(self.cases), len(self.raters), n_most, len(_VOTES)))
        if name not in self.single_votes:
            return found
        rows = self.single_votes[name]
        rows = rows[rows["rater"].isin(self.raters)]
        case = self.cases.get_indexer(pd.Index(rows["case"]))
        rater = pd.Index(self.raters).get_indexer(pd.Index(rows["rater"]))
        found[case, rater, rows["n_others"].astype(int)] = rows[_VOTES].to_numpy(dtype=float)
        return found

    def object_votes_of(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Who marked which objects, of the images of which all raters have masks.

        Returns:
            `(P, R)`, the patterns of votes that occur, 0 or 1, in order; and `(N, P, 2)`, objects with each pattern,
            and those of them that the annotator marks, NaN in other images.
        """
        n_raters = len(self.raters)
        if name not in self.object_votes or n_raters == 0:
            return np.zeros((0, n_raters)), np.full((len(self.cases), 0, 2), np.nan)
        rows = self.object_votes[name]
        voters = [voters_in(text) for text in rows["voters"]]
        votes = np.array([[rater in of for rater in self.raters] for of in voters], dtype=float)
        kept = votes.any(axis=1)
        patterns, which = np.unique(votes[kept], axis=0, return_inverse=True)
        found = np.zeros((len(self.cases), len(patterns), 2))
        objects = rows[["n_objects", "n_marked"]].to_numpy(dtype=float) / np.array([[len(of)] for of in voters])
        np.add.at(found, (self.cases.get_indexer(pd.Index(rows["case"]))[kept], which.reshape(-1)), objects[kept])
        answered = self.cases.isin(rows["case"]) & (self._n_drawn == n_raters) & self.marked([name])
        return patterns, np.where(answered[:, None, None], found, np.nan)

    @cached_property
    def votes_of_raters(self) -> np.ndarray:
        """`(N, n_others, 4)`, the numbers in `_VOTES` of all raters with each other together."""
        return np.asarray(np.sum([self.votes_of(rater).sum(axis=1) for rater in self.raters], axis=0))

    def copies(self, names: Sequence[str], of: Sequence[str] | None = None) -> list[tuple[str, str]]:
        """Pairs of annotators, the first of `names` and the second of `of`, with the same masks in most images."""
        wanted = self._known_as(names)
        others = None if of is None else self._known_as(of)
        found = []
        for pair, share in self.identical.items():
            for a, b in (pair, pair[::-1]):
                if share > SHARED and a in wanted and (b in others if others is not None else b not in wanted):
                    found.append((a, b))
        return sorted(set(found))

    def _known_as(self, names: Sequence[str]) -> set[str]:
        """Names in `identical`: exchangeable raters are one."""
        return {ANY_RATER if self.exchangeable and name in self.raters else name for name in names}


def evidence_of(found: Findings) -> Evidence:
    """Arrange the tables of an evaluation by image, and find the raters who can be compared."""
    exchangeable = is_exchangeable(found.annotations)
    tables, kinds = found.tables, annotator_kinds(found.annotations)
    pairs = {measure: pair_values(tables.agreement, measure) for measure in (F1, DICE)}
    cases, raters = pairs[F1].cases, tuple(raters_of(kinds))
    n = tables.counts.pivot(index="case", columns="annotator", values="n_objects").reindex(cases)
    enough = n.notna().sum().ge(0 if exchangeable else min(MIN_CASES, len(cases)))
    marks = n.astype(float) > 0
    everyone = Evidence(
        cases,
        found.clusters.reindex(cases).to_numpy(),
        tuple(rater for rater in raters if enough.get(rater, False)),
        tuple(rater for rater in raters if not enough.get(rater, False)),
        (),
        pairs,
        {measure: _others(tables.leave_one_out, cases, measure) for measure in (F1, DICE)},
        _repeated(tables.resembling, cases),
        marks,
        tables.mirrored.pivot(index="case", columns=["annotator", "rater"], values="dice"),
        _above_elsewhere(tables.elsewhere, cases),
        _identical(*(_pooled(tables.identical, marks, raters) if exchangeable else (tables.identical, marks))),
        rows_by(tables.single_votes, "annotator"),
        rows_by(tables.object_votes, "annotator"),
        _training(found.annotations, cases, found.test_cases),
        _alike(found.annotations),
        tables.counts,
        found.level,
        exchangeable,
    )
    if exchangeable:
        return _with_nearness(everyone, tables)
    careless = tuple(rater for rater in everyone.raters if _finds_nothing(everyone, rater))
    kept = tuple(rater for rater in everyone.raters if rater not in careless)
    return _with_nearness(replace(everyone, raters=kept, careless=careless), tables)


def _with_nearness(evidence: Evidence, tables: Tables) -> Evidence:
    """With NSD at the raters' tolerance, if raters agree so well that Dice cannot show an outline that is off."""
    raters = list(evidence.raters)
    drawn = 2 * evidence.marks[raters].sum(axis=1).to_numpy() >= np.fmax(evidence._n_drawn, 1)
    dice = median_over(median_over(evidence.between_raters(DICE)))[drawn & ~evidence.repeated]
    if not median_over(dice) > DICE_BLIND_ABOVE:
        return evidence
    tolerance = tolerance_px(tables.surface_shares, evidence.counts, raters)
    if tolerance == 0:
        return evidence
    table, measure = nearness_of_pairs(tables.surface_shares, tolerance)
    of_others = table[table["annotator_a"].isin([f"-{rater}" for rater in raters])]
    of_others = of_others.assign(rater=of_others["annotator_a"].str[1:], annotator=of_others["annotator_b"])
    pairs, others = pair_values(table, measure), _others(of_others, evidence.cases, measure)
    return replace(
        evidence,
        pairs=evidence.pairs | {measure: pairs.of_cases(evidence.cases)},
        others=evidence.others | {measure: others},
        near=table,
    )


def _alike(annotations: pd.DataFrame) -> dict[str, tuple[str, ...]]:
    known = [one for one in origins(annotations) if one.is_trained and one.trained_on]
    found: dict[str, tuple[str, ...]] = {}
    for of in grouped(known, lambda one: one.trained_on).values():
        found |= dict.fromkeys((one.name for one in of), tuple(one.name for one in of))
    return found


def _training(annotations: pd.DataFrame, cases: pd.Index, test_cases: Sequence[str]) -> dict[str, np.ndarray]:
    """Annotator -> whether an image may have been in training: it is outside the test split, or the annotator has masks
    of one fold only."""
    found = {}
    for name, rows in annotations[annotations["kind"].isin(TRAINED)].groupby("annotator", sort=False):
        one_fold = rows["fold"].notna().all() and rows["fold"].nunique() == 1
        outside = ~cases.isin(test_cases) if len(test_cases) else np.zeros(len(cases), dtype=bool)
        found[str(name)] = np.ones(len(cases), dtype=bool) if one_fold else np.asarray(outside)
    return found


def _repeated(resembling: pd.DataFrame, cases: pd.Index) -> np.ndarray:
    """Images of which most raters' masks, and two at least, are nearly those of an earlier image."""
    rows = resembling[resembling["case"].isin(cases) & resembling["earlier"].isin(cases)]
    near = (
        (rows["distance"] <= ENTERED_AGAIN * rows["usual"])
        .groupby([rows["case"], rows["earlier"]])
        .agg(["sum", "size"])
    )
    again = near[(near["sum"] >= 2) & (2 * near["sum"] > near["size"])]
    return np.asarray(cases.isin(again.index.get_level_values("case")))


def _above_elsewhere(elsewhere: pd.DataFrame, cases: pd.Index) -> pd.DataFrame:
    gap = elsewhere.assign(gap=elsewhere["here"] - elsewhere["elsewhere"])
    return gap.pivot(index="case", columns="annotator", values="gap").reindex(cases)


def _others(
    leave_one_out: pd.DataFrame, cases: pd.Index, measure: str
) -> tuple[np.ndarray, dict[tuple[str, str], int]]:
    rows = leave_one_out[leave_one_out["iou_threshold"] == THRESHOLD]
    table = rows.pivot(index="case", columns=["annotator", "rater"], values=measure).reindex(cases)
    return table.to_numpy(dtype=float), {
        (str(a), str(r)): place for place, (a, r) in enumerate(map(tuple, table.columns))
    }


def _finds_nothing(evidence: Evidence, rater: str) -> bool:
    """Whether masks of a rater agree with the others' no better than mirrored; False if that is unknown."""
    number = mean_of(evidence, evidence.above_mirrored(rater))
    return number is not None and number.n_cases >= MIN_CASES and not number.low > 0 and not np.isnan(number.low)


def _pooled(identical: pd.DataFrame, marks: pd.DataFrame, raters: Sequence[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Both with all raters as one annotator, whose mask is that of any of them."""
    sides = ["annotator_a", "annotator_b"]
    names = identical[sides].map(lambda name: ANY_RATER if name in raters else name)
    table = identical.assign(**{side: names[side] for side in sides}).drop_duplicates()
    return table, marks.assign(**{ANY_RATER: marks[[rater for rater in raters if rater in marks]].any(axis=1)})


def _identical(table: pd.DataFrame, marks: pd.DataFrame) -> dict[tuple[str, str], float]:
    """Of each pair in the table the share of the images in which both mark something."""
    found = {}
    for (a, b), rows in table.groupby(["annotator_a", "annotator_b"], sort=False):
        both = marks[a] & marks[b] if b in marks else marks[a]
        found[str(a), str(b)] = len(rows) / max(int(both.sum()), 1)
    return found


def median_over(values: np.ndarray) -> np.ndarray:
    """Median over the last axis of what is known; NaN where nothing is.

    Example:
        >>> median_over(np.array([[0.1, np.nan, 0.3], [np.nan, np.nan, np.nan]]))
        array([0.2, nan])
    """
    ordered = np.sort(values, axis=-1)  # NaN last
    n_known = values.shape[-1] - np.isnan(values).sum(axis=-1, keepdims=True)
    if not values.shape[-1]:
        return np.full(values.shape[:-1], np.nan)
    middle = [np.take_along_axis(ordered, place, axis=-1)[..., 0] for place in ((n_known - 1) // 2, n_known // 2)]
    return np.asarray((middle[0] + middle[1]) / 2)


def mean_of(
    evidence: Evidence,
    values: np.ndarray,
    *,
    target: str = "",
    against: str = "",
    limit: float = 1.0,
    lowest: float | None = None,
) -> Number | None:
    """Mean over images with its interval; None without any value.

    Args:
        evidence: Gives clusters and coverage.
        values: `(N,)`, an agreement or a difference between two; NaN where undefined.
        target: Annotator or group that it belongs to.
        against: Rater or measure that it is about.
        limit: Largest size that the mean can have, where the interval ends at the latest.
        lowest: Smallest value that it can have: 0 of an agreement; by default that of a difference, `-limit`.
    """
    if np.isnan(values).all():
        return None
    found = _number(mean_interval(values, evidence.clusters, evidence.level), target, against)
    return replace(found, low=max(found.low, -limit if lowest is None else lowest), high=min(found.high, limit))


def index(
    evidence: Evidence,
    values: np.ndarray,
    statistic: Callable[[np.ndarray], np.ndarray],
    scale: Scale = PLAIN,
    *,
    target: str = "",
    against: str = "",
) -> Number | None:
    """An index of several means over images, with its jackknife interval; None if it is undefined.

    Args:
        evidence: Gives clusters.
        values: `(N, K)`, NaN where undefined; each mean is over its own known images.
        statistic: Takes `(rows, K)` means and gives `(rows,)` values of the index.
        scale: Scale on which the index is nearly normal.
        target: Annotator or group that it belongs to.
        against: Rater or measure that it is about.
    """
    known = ~np.isnan(values)
    used = known.any(axis=1)
    if not used.any():
        return None
    n_columns = values.shape[1]
    both = np.hstack([np.where(known, values, 0.0), known])[used]

    def of_weights(weights: np.ndarray, rows: np.ndarray) -> np.ndarray:
        with np.errstate(invalid="ignore", divide="ignore"):
            means = (weights @ rows[:, :n_columns]) / (weights @ rows[:, n_columns:])
            return statistic(means)

    found = jackknife_t(of_weights, both, evidence.clusters[used], scale, level=evidence.level)
    return None if np.isnan(found.value) else _number(found, target, against)


def _number(found: Interval, target: str, against: str) -> Number:
    """A number of width zero if all images are equal, so that nothing can be told from it."""
    low, high = (found.value, found.value) if found.method in ("constant", "binomial") else (found.low, found.high)
    return Number(float(found.value), float(low), float(high), int(found.n_cases), target, against)
