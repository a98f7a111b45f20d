"""Preconditions of all evidence: masks that find something, are nobody's copy, and could come from a model.

Evidence, annotators  ->  criteria that are met or undecided: evidence that fails them supports and refutes nothing
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import chain

import numpy as np

from segassay.judgement.criteria import MIN_CASES, Criterion, Number, What, Why, undecided
from segassay.judgement.evidence import ANY_RATER, DICE, F1, Evidence, index, mean_of, median_over
from segassay.judgement.leaks import beyond_possible_object_turns, beyond_possible_turns
from segassay.qualities.scores.pairs import mean_of_known
from segassay.statistics.attenuation import agreement_ceilings

__all__ = ["neutrality", "preconditions", "standing", "usable"]

Compare = Callable[[np.ndarray, np.ndarray], np.ndarray]

MIN_RATERS_FOR_CEILING = 3
"""Raters from whose agreement with each other one can tell how well anybody may agree with one of them."""

ABOVE_CEILING = 0.05
"""F1 and Dice: agreement with a rater above the best possible; habits that raters share move that by a little."""

LEFT_OUT = 0.05
"""Share of images that an annotator may leave out: of those of models of the same training, and of those of raters."""

FOLLOWS = 0.10
"""Agreement with one rater above what the agreement with the others lets expect."""

TEACHER_WITHIN = -0.20
"""F1 and Dice: models of a rater must agree with the other raters nearly as well as the rater does; poorer ones cannot
show whom they imitate."""


def preconditions(evidence: Evidence, names: Sequence[str]) -> list[Criterion]:
    """What holds for the judged annotators if they are evidence at all.

    Args:
        evidence: All comparisons.
        names: The judged annotators; at least one.
    """
    copies = evidence.copies(names) + evidence.copies(names, names) + evidence.copies(evidence.raters, evidence.raters)
    return [
        _original(copies),
        _complete(evidence, names),
        _credible(evidence, names),
        _depends_on_image(evidence, names),
        _plausible(evidence, names),
    ]


def neutrality(evidence: Evidence, names: Sequence[str]) -> list[Criterion]:
    """That the judged annotators follow no single rater; nothing to be said of raters who are exchangeable."""
    return [] if evidence.exchangeable else [_neutral(evidence, names)]


def _original(copies: Sequence[tuple[str, str]]) -> Criterion:
    if not copies:
        return Criterion(What.ORIGINAL, True)
    return undecided(What.ORIGINAL, Why.COPIES, names=copies[0])


def _complete(evidence: Evidence, names: Sequence[str]) -> Criterion:
    """No annotator leaves out images that models of the same training have: these may be the difficult ones."""
    for name in names:
        others = [other for other in evidence.alike.get(name, ()) if other not in names]
        known = evidence.covered(others)
        if (known & ~evidence.covered([name])).sum() > LEFT_OUT * known.sum():
            return undecided(What.COMPLETE, Why.SOME_IMAGES, names=[name])
    return _all_of_raters(evidence, names)


def _all_of_raters(evidence: Evidence, names: Sequence[str]) -> Criterion:
    """No annotator leaves out images that raters annotated, unless these were in training: all may be difficult."""
    fewest: Number | None = None
    for name in names:
        expected = evidence.covered(evidence.raters) & evidence.may_be_held_out(name)
        absent = expected & ~evidence.covered([name])
        n_all = int(expected.sum())
        number = Number(float(n_all - absent.sum()), np.nan, np.nan, n_all, name)
        if absent.sum() > LEFT_OUT * n_all:
            return undecided(What.COMPLETE, Why.NO_MASKS, number, 1 - LEFT_OUT, [name, *evidence.cases[absent]])
        fewest = number if fewest is None or number.value < fewest.value else fewest
    return Criterion(What.COMPLETE, True, fewest, line=1 - LEFT_OUT)


def _credible(evidence: Evidence, names: Sequence[str]) -> Criterion:
    """Every annotator agrees with the raters better than its mirrored masks do, by the whole interval."""
    gaps = [(name, evidence.above_mirrored(name)) for name in names]
    return _above_trivial(evidence, What.CREDIBLE, Why.NO_BETTER_THAN_MIRRORED, gaps)


def _depends_on_image(evidence: Evidence, names: Sequence[str]) -> Criterion:
    """Every annotator agrees with the raters of an image better than its masks of other images do.

    Evaluations of rules before version 7, of which the report is made again, do not have these numbers.
    """
    if evidence.elsewhere.empty:
        return Criterion(What.OWN_IMAGE, None, counts=False)
    gaps = [(name, evidence.above_elsewhere(name)) for name in names]
    return _above_trivial(evidence, What.OWN_IMAGE, Why.NO_BETTER_THAN_ELSEWHERE, gaps)


def _above_trivial(evidence: Evidence, of: What, why: Why, gaps: Sequence[tuple[str, np.ndarray]]) -> Criterion:
    lowest: Number | None = None
    for name, gap in gaps:
        number = mean_of(evidence, gap, target=name)
        if number is None:
            return undecided(of, Why.NO_NUMBER)
        if number.n_cases < MIN_CASES:
            return undecided(of, Why.FEW_CASES, number, 0.0)
        if not number.low > 0:
            return undecided(of, why, number, 0.0, [name])
        lowest = number if lowest is None or number.low < lowest.low else lowest
    return Criterion(of, True, lowest, line=0.0)


def _plausible(evidence: Evidence, names: Sequence[str]) -> Criterion:
    """Nobody agrees with a rater better than the disagreement of the raters allows, or clearly knows their votes."""
    for name in names:
        for measure in (F1, DICE):
            for number in _above_ceiling(evidence, name, measure):
                if number.low > ABOVE_CEILING:
                    return undecided(What.PLAUSIBLE, Why.TOO_ALIKE, number, ABOVE_CEILING, [name, number.against])
            changing = _nearest_by_image(evidence, name, measure)
            if changing is not None and changing.low > FOLLOWS:
                return undecided(What.PLAUSIBLE, Why.TOO_ALIKE, changing, FOLLOWS, [name, changing.against])
        for number in chain(beyond_possible_turns(evidence, name), beyond_possible_object_turns(evidence, name)):
            if number.low > 0:
                return undecided(What.PLAUSIBLE, Why.KNOWS_VOTES, number, 0.0, [name])
    return Criterion(What.PLAUSIBLE, True, line=ABOVE_CEILING)


def _neutral(evidence: Evidence, names: Sequence[str]) -> Criterion:
    if len(evidence.raters) < MIN_RATERS_FOR_CEILING:
        return undecided(What.NEUTRAL, Why.NO_THIRD_RATER)
    for name in names:
        for measure in evidence.measures:
            for number in _beyond_expected(evidence, name, measure):
                if number.low > FOLLOWS:
                    return undecided(What.NEUTRAL, Why.FOLLOWS_A_RATER, number, FOLLOWS, [name, number.against])
    return Criterion(What.NEUTRAL, True, line=FOLLOWS)


def _above_ceiling(evidence: Evidence, name: str, measure: str) -> Iterator[Number]:
    """Of each rater: agreement minus the most that is possible for someone who does not know the rater's errors."""
    if evidence.exchangeable:
        yield from _above_common_ceiling(evidence, name, measure)
        return
    yield from _of_raters(evidence, name, measure, lambda own, ceiling: own - ceiling)


def _above_common_ceiling(evidence: Evidence, name: str, measure: str) -> Iterator[Number]:
    """The same of exchangeable raters, who have one ceiling: the root of their agreement with each other."""
    if len(evidence.raters) < MIN_RATERS_FOR_CEILING:
        return
    between = evidence.between_raters(measure)
    both = [evidence.with_raters(name, measure), between.reshape(len(between), -1)]
    values = np.stack([mean_of_known(part) for part in both], axis=1)
    values = np.where(evidence.marked([name])[:, None], values, np.nan)
    number = index(evidence, values, lambda means: means[:, 0] - np.sqrt(means[:, 1]), target=name, against=ANY_RATER)
    if number is not None and number.n_cases >= MIN_CASES:
        yield number


def _nearest_by_image(evidence: Evidence, name: str, measure: str) -> Number | None:
    """How far the agreement with the nearest rater of each image is above that with all, minus the same of the raters.

    Agreement is compared with its mean over images, so that an annotator who follows one rater is not meant.
    """
    if len(evidence.raters) < MIN_RATERS_FOR_CEILING:
        return None
    marked = evidence.marked([name])

    def above_all(agreement: np.ndarray) -> np.ndarray:
        values = np.where(marked.reshape(-1, *[1] * (agreement.ndim - 1)), agreement, np.nan)
        change = values - mean_of_known(values, axis=0)
        return np.fmax.reduce(change, axis=-1) - mean_of_known(change)

    own, of_raters = evidence.with_raters(name, measure), evidence.between_raters(measure)
    number = mean_of(
        evidence, above_all(own) - median_over(above_all(of_raters)), target=name, against="another rater in each image"
    )
    return number if number is not None and number.n_cases >= MIN_CASES else None


def _beyond_expected(evidence: Evidence, name: str, measure: str) -> Iterator[Number]:
    """Of each rater: agreement minus what the agreement with all raters, relative to the ceilings, lets expect."""
    yield from _of_raters(
        evidence, name, measure, lambda own, ceiling: own - median_over(own / ceiling)[:, None] * ceiling
    )


def _of_raters(evidence: Evidence, name: str, measure: str, compare: Compare) -> Iterator[Number]:
    """Of each rater what `compare` gives for the agreement with all raters and their ceilings, `(rows, R)` each."""
    n = len(evidence.raters)
    if n < MIN_RATERS_FOR_CEILING:
        return
    a, b = np.triu_indices(n, 1)
    marked = evidence.marked([name])[:, None]
    pairs = evidence.between_raters(measure)[:, a, b]
    values = np.where(marked, np.hstack([evidence.with_raters(name, measure), pairs]), np.nan)
    for place, rater in enumerate(evidence.raters):

        def of_rater(means: np.ndarray, place: int = place) -> np.ndarray:
            return np.asarray(compare(means[:, :n], _ceilings(_square(means[:, n:], n)))[:, place])

        number = index(evidence, values, of_rater, target=name, against=rater)
        if number is not None and number.n_cases >= MIN_CASES:
            yield number


def _ceilings(between: np.ndarray) -> np.ndarray:
    """`(rows, R)` from the agreement of raters `(rows, R, R)`: the best possible for independent errors, or what
    another rater reaches, who did not see the rater's masks either: raters may share habits."""
    return np.fmax(agreement_ceilings(between), np.fmax.reduce(between, axis=-1))


def _square(pairs: np.ndarray, n: int) -> np.ndarray:
    """`(rows, R, R)` from the `(rows, pairs)` of R raters."""
    square = np.full((len(pairs), n, n), np.nan)
    a, b = np.triu_indices(n, 1)
    square[:, a, b] = square[:, b, a] = pairs
    return square


def standing(evidence: Evidence, name: str, measure: str) -> np.ndarray:
    """`(N,)`, agreement with C₋r minus that of rater r, median over the raters; NaN where nothing is marked.

    Without C₋r, of fewer than 4 raters: agreement with rater r minus that of r with the other raters. The median is
    there because one careless rater must not move the bar.
    """
    others = evidence.with_others(name, measure)
    gap = others - evidence.of_raters_with_others(measure)
    if np.isnan(gap).all():
        gap = evidence.with_raters(name, measure) - median_over(evidence.between_raters(measure))
    return np.where(evidence.marked([name]), median_over(gap), np.nan)


def usable(
    evidence: Evidence, models: dict[str, tuple[str, ...]], of_rater: bool
) -> tuple[Why, tuple[str, ...]] | None:
    """Why models cannot show on whom they depend; None if they can.

    Args:
        evidence: All comparisons.
        models: Rater -> names of the models that were trained on that rater, or on a consensus without that rater.
        of_rater: Whether they were trained on the rater.

    Returns:
        Reason and names. Models must find what is there, be no copies of raters, of consensuses, or of models of
        another training, and agree with the raters nearly as well as their teachers: each by its value,
        and all together by the whole interval.
    """
    everyone = [name for names in models.values() for name in names]
    copies = evidence.copies(everyone)
    for rater, names in models.items():
        copies += evidence.copies(names, [name for name in everyone if name not in models[rater]])
    if copies:
        return Why.COPIES, copies[0]
    taught = []
    for rater, names in models.items():
        for name in names:
            number = mean_of(evidence, evidence.above_mirrored(name))
            if number is not None and number.n_cases < MIN_CASES:
                continue  # the imprint says so
            if number is None or not number.low > 0:
                return Why.NO_BETTER_THAN_MIRRORED, (name,)
            number = mean_of(evidence, evidence.above_elsewhere(name))
            if len(evidence.elsewhere) and (number is None or not number.low > 0):
                return Why.NO_BETTER_THAN_ELSEWHERE, (name,)
            taught.append((name, rater))
    for measure in evidence.measures if taught else ():
        gaps = [
            _below_teacher(evidence, name, rater, measure) if of_rater else standing(evidence, name, measure)
            for name, rater in taught
        ]
        values = [-np.inf if (number := mean_of(evidence, gap)) is None else number.value for gap in gaps]
        together = mean_of(evidence, mean_of_known(np.stack(gaps, axis=1)))
        if together is None or not together.low > TEACHER_WITHIN or not min(values) > TEACHER_WITHIN:
            return Why.WEAK_MODELS, (taught[int(np.argmin(values))][0],)
    return None


def _below_teacher(evidence: Evidence, name: str, rater: str, measure: str) -> np.ndarray:
    """`(N,)`, agreement of a model with the others than its rater, minus that of the rater."""
    place = evidence.raters.index(rater)
    gap = evidence.with_others(name, measure)[:, place] - evidence.of_raters_with_others(measure)[:, place]
    if np.isnan(gap).all():
        with_others = np.delete(evidence.with_raters(name, measure), place, axis=1)
        gap = median_over(with_others) - median_over(evidence.between_raters(measure)[:, place])
    return np.where(evidence.marked([name]), gap, np.nan)
