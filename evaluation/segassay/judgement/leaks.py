"""Does an annotator know how single raters voted? Where the others are split, nobody can who has not seen their masks.

    pixels, and objects, by the votes of the other raters  ->  how far the mask turns with one vote  ->  beyond what is
    possible

`turn` of an annotator with rater r, among pixels that n further raters mark: the share that the annotator marks where
r does, minus that where r does not. Raters turn with each other too, because a vote tells what is there. Suppose that
half of the pixels are of objects, and that every rater errs by chance, with one probability (1 - J) / 2. Then where the
others are split, a rater turns with another by b = J² / (1 + J²), and someone who marks just what is there by J, which
is √(b / (1 - b)).

Votes on objects say more about what is possible, because they are few and independent: kinds of objects are fitted
within which raters err independently of each other (`segassay.statistics.latent`). Someone who knows of every
object its class, and no more, turns at most as far as the best choice of classes does.

Of exchangeable raters no vote is one person's in all images: all are taken together, and have one rate in each class.
"""

from collections.abc import Iterator
from itertools import permutations, product

import numpy as np

from segassay.judgement.criteria import MIN_CASES, Number
from segassay.judgement.evidence import Evidence, index, median_over
from segassay.statistics.latent import LatentClasses, most_likely_classes

__all__ = [
    "ANYBODY_TURNS",
    "MIN_RATERS",
    "beyond_possible_object_turns",
    "beyond_possible_turns",
    "possible_object_turn",
    "possible_turn",
]

ANYBODY_TURNS = 0.5
"""Turns up to this are always possible: what is hard to see for one rater may be so for the annotator too."""

MIN_RATERS = 3
"""Raters of whom one can be left out of two who are split."""


def possible_turn(of_raters: np.ndarray) -> np.ndarray:
    """How far someone who knows no rater's errors turns at most with one vote.

    Args:
        of_raters: How far raters turn with each other, from -1 to 1; NaN if unknown.

    Returns:
        At least `ANYBODY_TURNS`, at most 1; NaN where unknown.

    Example:
        >>> possible_turn(np.array([0.1, 0.265, 0.5, np.nan])).round(2)
        array([0.5, 0.6, 1. , nan])
    """
    share = np.clip(of_raters, 0.0, 0.5)
    return np.maximum(np.sqrt(share / (1 - share)), ANYBODY_TURNS)


def beyond_possible_turns(evidence: Evidence, name: str) -> Iterator[Number]:
    """For each number of further raters: the turn of an annotator, median over the raters, minus the possible one.

    A rater counts if in `MIN_CASES` images or more there are pixels of both kinds. More than half of the raters must
    count: raters who differ by what they take for an object, and not by chance, are split over one of them at most.
    """
    raters = evidence.raters
    if len(raters) < MIN_RATERS:
        return
    own, between = evidence.votes_of(name), evidence.votes_of_raters
    if evidence.exchangeable:
        own = own.sum(axis=1, keepdims=True)
    for n_others in range(own.shape[2]):
        split = own[:, :, n_others]
        known = np.all(split[:, :, :2] > 0, axis=2) & evidence.marked([name])[:, None]
        counted = known.sum(axis=0) >= MIN_CASES
        if 2 * counted.sum() <= len(counted):
            continue
        beside = between[:, max(n_others - 1, 0) : n_others + 1]
        shapes = (split[:, counted].shape[1:], beside.shape[1:])
        values = np.hstack([part.reshape(len(part), -1) for part in (split[:, counted], beside)])
        values = np.where(known[:, counted].any(axis=1)[:, None], values, np.nan)

        def beyond(means: np.ndarray, shapes: tuple[tuple[int, ...], ...] = shapes) -> np.ndarray:
            n = int(np.prod(shapes[0]))
            turns = _turns(means[:, :n].reshape(-1, *shapes[0]))
            usual = _turns(means[:, n:].reshape(-1, *shapes[1]))
            possible = possible_turn(np.fmax.reduce(usual, axis=1))
            return np.asarray(median_over(turns) - np.fmax(possible, ANYBODY_TURNS))  # unknown: no more than anybody

        number = index(evidence, values, beyond, target=name, against="the raters")
        if number is not None and number.n_cases >= MIN_CASES:
            yield number


def _turns(counts: np.ndarray) -> np.ndarray:
    """`(..., 4)` counts -> `(...)` turns; NaN where one kind of pixels is missing."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(counts[..., 2] / counts[..., 0] - counts[..., 3] / counts[..., 1])


def beyond_possible_object_turns(evidence: Evidence, name: str) -> Iterator[Number]:
    """The same of objects: for each number of further raters the usual turn minus the possible one.

    A rater counts if there are objects with the rater's vote, and objects without it, in `MIN_CASES` images each. The
    possible turn is estimated from all images, and taken as known.
    """
    votes, found = evidence.object_votes_of(name)
    known = ~np.isnan(found).any(axis=(1, 2))
    if len(evidence.raters) < MIN_RATERS or not len(votes) or not known.any():
        return
    pooled = evidence.exchangeable
    if pooled:
        votes, found = _by_number_of_votes(votes, found)
    n_objects = found[known, :, 0].sum(axis=0)
    if not n_objects.any():  # raters who do not count drew all objects there
        return
    classes = most_likely_classes(votes[n_objects > 0], n_objects[n_objects > 0], alike=pooled)
    for n_others in range(1, len(evidence.raters)):
        sides = (_sides_of_any if pooled else _sides)(votes, n_others)
        enough = [((np.nan_to_num(found[:, :, 0]) @ side) > 0).sum(axis=0) >= MIN_CASES for side in sides]
        counted = enough[0] & enough[1]
        if 2 * counted.sum() <= len(counted):
            continue
        own = np.ones(len(evidence.raters), dtype=bool) if pooled else counted
        if classes is None:
            shown = _spread(votes, n_objects) if pooled else (votes, n_objects)
            known = possible_turn(_usual(_turns_of_three(*shown)[own]))
            possible = float(np.fmax(known, ANYBODY_TURNS))  # if it is unknown, no more than anybody
        else:
            possible = possible_object_turn(classes, own, n_others)

        def beyond(
            means: np.ndarray,
            chosen: tuple[np.ndarray, ...] = tuple(side[:, counted] for side in sides),
            possible: float = possible,
        ) -> np.ndarray:
            both = means.reshape(len(means), -1, 2)
            return _usual(_object_turns(both[..., 0], both[..., 1], *chosen)) - possible

        number = index(evidence, found.reshape(len(found), -1), beyond, target=name, against="the raters")
        if number is not None and number.n_cases >= MIN_CASES:
            yield number


def possible_object_turn(classes: LatentClasses, counted: np.ndarray, n_others: int) -> float:
    """How far someone who knows of every object its kind turns at most with one vote, usual over the raters.

    Args:
        classes: Fitted to the votes of all R raters.
        counted: `(R,)`, whether a rater counts.
        n_others: Number of further raters that mark an object.

    Returns:
        At least `ANYBODY_TURNS`, at most 1.
    """
    of_others = np.stack(
        [_share_with_votes(np.delete(classes.rates, r, axis=1), n_others) for r in np.flatnonzero(counted)]
    )
    split, rates = classes.shares[:, None] * of_others.T, classes.rates[:, counted]
    with_vote, without = split * rates, split * (1 - rates)
    of_class = with_vote / with_vote.sum(axis=0) - without / without.sum(axis=0)  # (K, raters)
    choices = np.array(list(product([0.0, 1.0], repeat=len(of_class))))
    return float(max(_usual(choices @ of_class).max(), ANYBODY_TURNS))


def _share_with_votes(rates: np.ndarray, n: int) -> np.ndarray:
    """`(K,)`, how probable it is that exactly `n` of the raters mark an object, who do so at these rates `(K, R)`."""
    shares = np.zeros((len(rates), rates.shape[1] + 1))
    shares[:, 0] = 1
    for rate in rates.T[..., None]:
        shares[:, 1:] = shares[:, 1:] * (1 - rate) + shares[:, :-1] * rate
        shares[:, :1] *= 1 - rate
    return shares[:, n]


def _turns_of_three(votes: np.ndarray, n_objects: np.ndarray) -> np.ndarray:
    """`(3,)`, how far raters turn with each of three, of objects that the third one marks; nobody counts the others."""
    turns = np.full((3, 3), np.nan)
    for rater, other, third in permutations(range(3)):
        given = n_objects * (votes[:, third] > 0)
        sides = [given * (votes[:, rater] == vote) for vote in (1, 0)]
        with np.errstate(invalid="ignore", divide="ignore"):
            turns[rater, other] = np.subtract(*[(side @ votes[:, other]) / side.sum() for side in sides])
    return median_over(turns)


def _usual(turns: np.ndarray) -> np.ndarray:
    """Mean over raters `(..., R)` without the highest and the lowest quarter.

    Of three raters or more, each is at least one. Unlike the median, the mean does not jump from rater to rater when an
    image is left out.
    """
    n = turns.shape[-1]
    cut = min(max(n // 4, 1), (n - 1) // 2)
    return np.asarray(np.sort(turns, axis=-1)[..., cut : n - cut].mean(axis=-1))


def _sides(votes: np.ndarray, n_others: int) -> tuple[np.ndarray, np.ndarray]:
    """`(P, R)` each: whether `n_others` other raters vote for a pattern, and the rater does, or does not."""
    split = votes.sum(axis=1, keepdims=True) - votes == n_others
    return (split & (votes > 0)).astype(float), (split & (votes == 0)).astype(float)


def _by_number_of_votes(votes: np.ndarray, found: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Patterns, one for each number of votes `(R, R)`, and the objects of all with as many `(N, R, 2)`."""
    n_raters = votes.shape[1]
    of_number = votes.sum(axis=1)[:, None] == np.arange(1, n_raters + 1)
    return np.tri(n_raters), np.einsum("npo,pk->nko", found, of_number.astype(float))


def _sides_of_any(votes: np.ndarray, n_others: int) -> tuple[np.ndarray, np.ndarray]:
    """`(P, 1)` each, as `_sides`, of any rater."""
    n_votes = votes.sum(axis=1, keepdims=True)
    return (n_votes == n_others + 1).astype(float), (n_votes == n_others).astype(float)


def _spread(votes: np.ndarray, n_objects: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """All patterns with a vote, and the objects of each number of votes spread evenly over those that have it."""
    patterns = np.array(list(product([0.0, 1.0], repeat=votes.shape[1])))[1:]
    same = patterns.sum(axis=1)[:, None] == votes.sum(axis=1)
    return patterns, same @ (n_objects / same.sum(axis=0))


def _object_turns(n: np.ndarray, n_marked: np.ndarray, with_vote: np.ndarray, without: np.ndarray) -> np.ndarray:
    """Objects of each pattern `(rows, P)` -> `(rows, R)` turns."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((n_marked @ with_vote) / (n @ with_vote) - (n_marked @ without) / (n @ without))
