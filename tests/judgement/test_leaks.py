"""Masks that know how single raters voted; raters miss discs by chance, so that nobody can know which."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import ndimage
from scipy.special import expit

from segassay.assay.sources import read_sources
from segassay.judgement.evidence import Evidence, evidence_of
from segassay.judgement.leaks import (
    ANYBODY_TURNS,
    _turns_of_three,
    _usual,
    beyond_possible_object_turns,
    beyond_possible_turns,
    possible_object_turn,
    possible_turn,
)
from segassay.qualities.scores.table import Findings
from segassay.statistics.latent import LatentClasses, latent_classes, most_likely_classes
from segassay.tables.build import build_tables
from segassay.tables.object_votes import voters_as_text, voters_in

N_IMAGES, N_RATERS, SIDE, DISCS = 14, 4, 60, 16
CENTRES = [(y, x) for y in range(8, SIDE, 15) for x in range(8, SIDE, 15)]


def drawn(found: np.ndarray) -> np.ndarray:
    """Masks `(N, side, side)` of the discs that are found, `(N, discs)`."""
    y, x = np.indices((SIDE, SIDE))
    discs = np.stack([np.hypot(y - at[0], x - at[1]) < 5 for at in CENTRES])
    return np.einsum("nd,dyx->nyx", found.astype(int), discs) > 0


@pytest.fixture(scope="module")
def evidence() -> Evidence:
    rng = np.random.default_rng(0)
    found = rng.random((N_RATERS, N_IMAGES, DISCS)) < 0.6
    most = found.mean(axis=0) > 0.5
    masks = {f"rater_{n}": drawn(one) for n, one in enumerate(found)}
    masks |= {"honest": drawn(rng.random((N_IMAGES, DISCS)) < 0.9)}
    masks |= {"leak": drawn(most), "moved": np.roll(drawn(most), (1, 1), (1, 2)), "union": drawn(found.any(axis=0))}
    masks |= {"eroded": ndimage.binary_erosion(drawn(most), np.ones((1, 3, 3)))}
    masks |= {"dilated": ndimage.binary_dilation(drawn(most), np.ones((1, 3, 3)))}
    masks |= {"salted": drawn(most) ^ (rng.random((N_IMAGES, SIDE, SIDE)) < 0.01)}
    masks |= {"mostly": drawn(np.where(rng.random(most.shape) < 0.15, rng.random(most.shape) < 0.9, most))}
    masks |= {"dropped": drawn(most & (rng.random(most.shape) < 0.85))}
    masks |= {"added": drawn(most | (rng.random(most.shape) < 0.15))}
    masks |= {"ragged": drawn(most) & (rng.random((N_IMAGES, SIDE, SIDE)) < 0.8)}
    rows = [
        {"case": f"{case:02d}", "annotator": name, "kind": "human" if "rater" in name else "model", "path": mask}
        for name, of in masks.items()
        for case, mask in enumerate(of)
    ]
    sources = read_sources(None, pd.DataFrame(rows), {}, kinds={}, described=None)
    clusters = pd.Series({row["case"]: row["case"] for row in rows})
    return evidence_of(
        Findings(build_tables(None, sources.annotations, n_jobs=1), sources.annotations, clusters, pd.DataFrame())
    )


def knows(evidence: Evidence, name: str) -> bool:
    return any(number.low > 0 for number in beyond_possible_turns(evidence, name))


@pytest.mark.parametrize("name", ["leak", "moved", "eroded", "dilated", "salted", "mostly"])
def test_the_raters_own_consensus_is_recognised_whatever_is_done_to_its_outlines(evidence: Evidence, name: str) -> None:
    assert knows(evidence, name)


@pytest.mark.parametrize("name", ["leak", "dilated", "mostly", "dropped", "added", "ragged"])
def test_it_is_recognised_by_its_objects_too(evidence: Evidence, name: str) -> None:
    assert any(number.low > 0 for number in beyond_possible_object_turns(evidence, name))


@pytest.mark.parametrize(
    ("turns", "usual"), [([0.4, 0.2], 0.3), ([0.9, 0.1, 0.3], 0.3), ([0, 0.1, 0.3, 0.2, 1], 0.2), ([0.7], 0.7)]
)
def test_one_rater_with_whom_a_mask_turns_far_does_not_decide(turns: list[float], usual: float) -> None:
    assert _usual(np.array(turns)) == pytest.approx(usual)


@pytest.mark.parametrize("error", [0.1, 0.2])
def test_of_three_raters_the_limit_is_that_of_someone_who_marks_just_what_is_there(error: float) -> None:
    rates = np.array([[error] * 3, [1 - error] * 3])
    votes = np.array(list(product([0.0, 1.0], repeat=3)))
    joint = np.prod(np.where(votes[:, None] > 0, rates, 1 - rates), axis=2) / 2
    turns = _turns_of_three(votes[1:], joint.sum(axis=1)[1:])
    assert possible_turn(turns) == pytest.approx(max(1 - 2 * error, ANYBODY_TURNS))


@pytest.mark.parametrize(("steepness", "apart", "spread"), [(1, 0, 3), (2, 1, 2), (3, 1, 1), (4, 0.5, 1)])
def test_who_sees_every_object_exactly_and_draws_the_best_line_stays_below(
    steepness: float, apart: float, spread: float
) -> None:
    """Objects differ by degrees; five raters see them, more or less surely, and have lines of their own."""
    rng = np.random.default_rng(2)
    seen = rng.normal(0, spread, 40_000)
    votes = (rng.random((seen.size, 5)) < expit(steepness * (seen[:, None] - np.linspace(-apart, apart, 5)))).astype(
        int
    )
    seen, votes = seen[votes.any(axis=1)], votes[votes.any(axis=1)]
    patterns, counts = np.unique(votes, axis=0, return_counts=True)
    classes = most_likely_classes(patterns, counts)
    assert classes is not None
    for n_others in (1, 2, 3):
        limit = possible_object_turn(classes, np.ones(5, dtype=bool), n_others)
        for line in np.quantile(seen, np.linspace(0.1, 0.9, 9)):
            turns = []
            for rater in range(5):
                split = np.delete(votes, rater, axis=1).sum(axis=1) == n_others
                sides = [split & (votes[:, rater] == vote) for vote in (1, 0)]
                turns.append(float(np.subtract(*[(seen[side] > line).mean() for side in sides])))
            assert np.mean(sorted(turns)[1:-1]) < limit + 0.03


@pytest.mark.parametrize("name", ["honest", "union"])
def test_objects_that_are_there_tell_nothing_of_single_votes(evidence: Evidence, name: str) -> None:
    found = list(beyond_possible_object_turns(evidence, name))
    assert found
    assert all(number.high < 0 for number in found)


def test_objects_of_images_that_a_rater_left_out_do_not_count(evidence: Evidence) -> None:
    counts = evidence.counts
    gone = counts["annotator"].eq("rater_0") & counts["case"].lt("06")
    assert not list(beyond_possible_object_turns(replace(evidence, counts=counts[~gone]), "leak"))
    assert not list(beyond_possible_object_turns(replace(evidence, object_votes={}), "leak"))
    assert not list(beyond_possible_object_turns(replace(evidence, raters=evidence.raters[:2]), "leak"))


@pytest.mark.parametrize("error", [0.1, 0.2, 0.3])
def test_who_knows_the_class_of_every_object_turns_as_far_as_classes_allow(error: float) -> None:
    """Half of the objects are there, and five raters err by chance: the same limit as that of pixels."""
    rates = np.array([[error] * 5, [1 - error] * 5])
    votes = np.array(list(product([0.0, 1.0], repeat=5)))
    joint = np.prod(np.where(votes[:, None] > 0, rates, 1 - rates), axis=2) / 2
    classes = latent_classes(votes[1:], 1000 * joint.sum(axis=1)[1:], 2)
    split = votes[:, 1:].sum(axis=1) == 2
    sides = [split & (votes[:, 0] == vote) for vote in (1, 0)]
    with_vote, without = (joint[side, 1].sum() / joint[side].sum() for side in sides)
    limit = possible_object_turn(classes, np.ones(5, dtype=bool), 2)
    assert limit == pytest.approx(max(with_vote - without, ANYBODY_TURNS), abs=0.01)


@pytest.mark.parametrize("name", ["honest", "union"])
def test_masks_of_what_is_there_are_not(evidence: Evidence, name: str) -> None:
    """Raters who never mark what is not there tell with one vote what is; so their union cannot be recognised."""
    assert not knows(evidence, name)


def test_fewer_than_three_raters_or_images_in_which_they_are_split_say_nothing(evidence: Evidence) -> None:
    def numbers(**changed: Any) -> Iterator[object]:
        return beyond_possible_turns(replace(evidence, **changed), "leak")

    assert list(numbers())
    assert not list(numbers(raters=evidence.raters[:2]))
    assert not list(numbers(single_votes={}))
    few = {name: rows[rows["case"] < "09"] for name, rows in evidence.single_votes.items()}
    assert not list(numbers(single_votes=few))


@pytest.mark.parametrize("error", [0.1, 0.2, 0.3])
def test_someone_who_marks_just_what_is_there_stays_below_the_possible_turn(error: float) -> None:
    """Five raters who err by chance: of pixels that two of four others mark, one rater's vote decides."""
    rng = np.random.default_rng(1)
    there = rng.random(200_000) < 0.5
    votes = there ^ (rng.random((5, there.size)) < error)
    split = votes[1:].sum(axis=0) == 2
    own = there[split & votes[0]].mean() - there[split & ~votes[0]].mean()
    of_raters = []
    for n in (1, 2):
        of = votes[2:].sum(axis=0) == n
        of_raters.append(votes[1][of & votes[0]].mean() - votes[1][of & ~votes[0]].mean())
    assert own == pytest.approx(1 - 2 * error, abs=0.02)
    assert possible_turn(np.array(of_raters)).max() == pytest.approx(max(own, ANYBODY_TURNS), abs=0.03)


@pytest.mark.parametrize("n_others", [1, 2, 4])
def test_the_limit_is_that_of_all_patterns_of_votes_counted_one_by_one(n_others: int) -> None:
    rng = np.random.default_rng(3)
    classes = LatentClasses(np.array([0.2, 0.3, 0.5]), rng.uniform(0.02, 0.98, (3, 6)), 0.0, 1.0)
    votes = np.array(list(product([0.0, 1.0], repeat=6)))
    joint = classes.probabilities(votes)
    counted = np.array([True, True, False, True, True, True])
    turns = []
    for rater in np.flatnonzero(counted):
        split = np.delete(votes, rater, axis=1).sum(axis=1) == n_others
        sides = [joint[split & (votes[:, rater] == vote)].sum(axis=0) for vote in (1, 0)]
        turns.append(sides[0] / sides[0].sum() - sides[1] / sides[1].sum())
    choices = np.array(list(product([0.0, 1.0], repeat=3)))
    expected = max(np.mean(np.sort(np.array(turns) @ choice)[1:-1]) for choice in choices)
    assert possible_object_turn(classes, counted, n_others) == pytest.approx(max(expected, ANYBODY_TURNS))


def test_many_raters_need_no_list_of_all_patterns() -> None:
    """61 raters have 2^61 patterns; where 30 of 60 others are for an object, one vote decides."""
    classes = LatentClasses(np.array([0.5, 0.5]), np.repeat([[0.1], [0.9]], 61, axis=1), 0.0, 1.0)
    assert possible_object_turn(classes, np.ones(61, dtype=bool), 30) == pytest.approx(0.8)


def test_images_in_which_only_raters_who_do_not_count_marked_something_say_nothing(evidence: Evidence) -> None:
    """All others have masks of them, but none on the remaining images, where one of them is missing."""
    counts = evidence.counts
    gone = counts["annotator"].eq("rater_0") & counts["case"].gt("00")
    rows = evidence.object_votes["honest"]
    rows = pd.concat([rows[rows["case"] > "00"], rows[rows["case"] == "00"].head(1).assign(voters="careless")])
    changed = replace(evidence, counts=counts[~gone], object_votes={"honest": rows}, careless=("careless",))
    assert not list(beyond_possible_object_turns(changed, "honest"))


def test_bars_in_names_of_raters_change_nothing(evidence: Evidence) -> None:
    new = {"rater_0": "rater_1 | rater_2", "rater_1": "rater_1", "rater_2": "rater_2 |", "rater_3": "|"}
    rows = evidence.object_votes["leak"]
    named = rows.assign(voters=[voters_as_text(new[one] for one in text.split(" | ")) for text in rows["voters"]])
    other = replace(
        evidence,
        raters=tuple(new[one] for one in evidence.raters),
        counts=evidence.counts.replace({"annotator": new}),
        marks=evidence.marks.rename(columns=new),
        object_votes={"leak": named},
    )
    for before, after in zip(evidence.object_votes_of("leak"), other.object_votes_of("leak"), strict=True):
        np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize("n_raters", [3, 4])
@pytest.mark.parametrize("name", ["leak", "mostly"])
def test_exchangeable_raters_may_change_places(evidence: Evidence, name: str, n_raters: int) -> None:
    """In half of the images each rater has the name of the next one; so does what is known of pixels."""
    raters = evidence.raters[:n_raters]
    following = dict(zip(raters, (*raters[1:], raters[0]), strict=True))
    said = evidence.object_votes[name]
    told = [voters_in(text) & set(raters) for text in said["voters"]]
    objects = said.assign(voters=[voters_as_text(sorted(who)) for who in told])[[bool(who) for who in told]]
    marked = evidence.single_votes[name].query("rater in @raters")
    one = replace(evidence, raters=raters, exchangeable=True)
    changed = [rows["case"].gt("06") for rows in (objects, marked)]
    renamed = [voters_as_text(sorted(following[who] for who in voters_in(text))) for text in objects["voters"]]
    listed, moved = (
        [
            (number.value, number.low, number.n_cases)
            for beyond in (beyond_possible_turns, beyond_possible_object_turns)
            for number in beyond(replace(one, object_votes={name: of_objects}, single_votes={name: of_pixels}), name)
        ]
        for of_objects, of_pixels in (
            (objects, marked),
            (
                objects.assign(voters=objects["voters"].mask(changed[0], pd.Series(renamed, objects.index))),
                marked.assign(rater=marked["rater"].mask(changed[1], marked["rater"].map(following))),
            ),
        )
    )
    assert listed
    np.testing.assert_allclose(moved, listed)
    assert n_raters == 3 or any(low > 0 for _, low, _ in listed)


@pytest.mark.parametrize(("n_marked", "beyond"), [((8, 0), True), ((4, 4), False)])
def test_a_limit_of_three_raters_that_is_unknown_is_what_anybody_can(
    evidence: Evidence, n_marked: tuple[int, int], beyond: bool
) -> None:
    """Two raters mark the same objects, the third one others: nobody knows how far one goes with another."""
    voters = [voters_as_text(evidence.raters[:2]), voters_as_text(evidence.raters[2:3])]
    n_voters = np.array([2, 1])
    of_case = pd.DataFrame({"voters": voters, "n_objects": 8 * n_voters, "n_marked": n_marked * n_voters})
    rows = pd.concat([of_case.assign(case=case) for case in evidence.cases])
    three = replace(evidence, raters=evidence.raters[:3], object_votes={"leak": rows})
    assert np.isnan(_turns_of_three(three.object_votes_of("leak")[0], np.array([8.0, 8.0]))[:2]).all()
    numbers = list(beyond_possible_object_turns(three, "leak"))
    assert numbers
    assert any(number.low > 0 for number in numbers) is beyond
