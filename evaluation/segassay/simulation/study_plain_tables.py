"""Tables of a simulated study without planted effects of their own: they follow from the counts, scores or habit."""

from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import scipy

from segassay.data.annotations import is_rater
from segassay.masks.overlaps import IOU_THRESHOLDS
from segassay.simulation.study import SimulatedStudy
from segassay.simulation.study_draws import Draws
from segassay.simulation.study_frames import REGION_PX, frame_of, measures_of_pairs, positions_of_roles, repeat_names
from segassay.simulation.study_means import RATERS_AGREE
from segassay.simulation.study_members import Member
from segassay.tables.build import log_ratios
from segassay.tables.case import TOLERANCES
from segassay.tables.cells import ELSEWHERE_COLUMNS
from segassay.tables.detections import N_SCORE_BINS
from segassay.tables.maps import N_LEVELS
from segassay.tables.object_votes import voters_as_text

TRUTH_SHARE, SENSITIVITY, SPECIFICITY = 0.08, 0.8, 0.99  # of pixels, for the tables of votes and raters
N_BINS_PROB, N_BINS_UNCERTAINTY = 20, 50
SIZES = (30, 60, 120, 240)
MIRRORED_SHARE = 0.2  # of Dice, if masks are mirrored


def distances_table(
    settings: SimulatedStudy, cases: np.ndarray, members: list[Member], drawn: Draws, rng: np.random.Generator
) -> pd.DataFrame:
    """Distances fall with Dice; outlines agree with the others except for noise."""
    names = np.array([member.name for member in members], dtype=object)
    human, outside = positions_of_roles(members)
    left_out = [(rater, position) for rater, own in enumerate(human) for position in [own, *outside]]
    of_others = np.stack([drawn.dice_others[0][:, rater, position] for rater, position in left_out], axis=1)
    dice = np.concatenate([drawn.dice[0], of_others], axis=1)
    shape, far = dice.shape, 1 - dice.ravel()
    first = [*names[drawn.pairs[:, 0]], *(f"-{settings.raters[rater]}" for rater, _ in left_out)]
    second = [*names[drawn.pairs[:, 1]], *(names[position] for _, position in left_out)]
    return pd.DataFrame(
        {
            "case": repeat_names(cases, shape, 0),
            "annotator_a": repeat_names(first, shape, 1),
            "annotator_b": repeat_names(second, shape, 1),
            "hd95": 20 * far,
            "assd": 4 * far,
            "nsd": 1 - far**2,
            "tolerance": 1.0,
            "unit": "px",
            "diagonal": (2 * REGION_PX) ** 0.5,
            "shift": rng.normal(scale=0.2, size=far.size),
        }
    )


def raters_table(
    settings: SimulatedStudy, members: list[Member], drawn: Draws, counts: pd.DataFrame, rng: np.random.Generator
) -> pd.DataFrame:
    """Rates are those of a good rater; ratios and agreement follow the counts and scores."""
    human, _ = positions_of_roles(members)
    n_cases, raters = settings.n_cases, list(settings.raters)
    rates = np.clip(rng.normal(loc=[SENSITIVITY, SPECIFICITY] * 2, scale=0.005, size=(len(human), 4)), 0, 1)
    of_pairs = {frozenset(pair): position for position, pair in enumerate(drawn.pairs.tolist())}
    with_others = [[of_pairs[frozenset((one, other))] for other in human if other != one] for one in human]
    table = {"rater": raters, "n_cases": n_cases}
    table |= dict(
        zip(
            ("sensitivity", "specificity", "sensitivity_leave_one_out", "specificity_leave_one_out"),
            rates.T,
            strict=True,
        )
    )
    table |= {
        "log_count_ratio": log_ratios(counts, "n_objects", raters).mean().to_numpy(),
        "log_area_ratio": log_ratios(counts, "area_px", raters).mean().to_numpy(),
        "f1_leave_one_out": drawn.f1_others[0][:, np.arange(len(human)), human].mean(axis=0),
        "dice_leave_one_out": drawn.dice_others[0][:, np.arange(len(human)), human].mean(axis=0),
        "n_cases_leave_one_out": n_cases,
        "f1_pairwise": drawn.f1[0][:, with_others].mean(axis=(0, 2)),
        "dice_pairwise": drawn.dice[0][:, with_others].mean(axis=(0, 2)),
    }
    return pd.DataFrame(table)


def votes_table(settings: SimulatedStudy, cases: np.ndarray, rng: np.random.Generator) -> pd.DataFrame:
    """Raters of one sensitivity and specificity who err independently."""
    n_raters, n_marked = settings.n_raters, np.arange(settings.n_raters + 1)
    chance = TRUTH_SHARE * _binomial(n_raters, SENSITIVITY) + (1 - TRUTH_SHARE) * _binomial(n_raters, 1 - SPECIFICITY)
    n_pixels = rng.multinomial(REGION_PX, chance / chance.sum(), size=len(cases))
    shape = n_pixels.shape
    columns = {"case": repeat_names(cases, shape, 0), "n_raters": np.full(n_pixels.size, n_raters)}
    columns["n_marked"] = np.tile(n_marked, len(cases))
    return frame_of(columns | {"n_pixels": n_pixels.ravel()})


def _binomial(n: int, p: float) -> np.ndarray:
    return np.asarray(scipy.stats.binom.pmf(np.arange(n + 1), n, p))


def recall_by_size_table(
    settings: SimulatedStudy, cases: np.ndarray, members: list[Member], drawn: Draws, rng: np.random.Generator
) -> pd.DataFrame:
    """Larger objects are found more often; all sizes are equally common."""
    human, outside = positions_of_roles(members)
    truth = next(position for position in outside if members[position].kind == "truth")
    pairs = [("truth", truth, position) for position in range(len(members)) if position != truth]
    pairs += [(f"-{settings.raters[r]}", own, position) for r, own in enumerate(human) for position in [own, *outside]]
    of_reference = drawn.counts[0][:, [reference for _, reference, _ in pairs]].astype(int)
    n_objects = np.maximum(of_reference[..., None] // (len(SIZES) - 1), 1)
    n_objects = np.broadcast_to(n_objects, (*of_reference.shape, len(SIZES) - 1))
    n_found = rng.binomial(n_objects, np.linspace(0.5, 0.8, len(SIZES) - 1))
    shape = n_objects.shape
    names = [members[position].name for _, _, position in pairs]
    return frame_of(
        {
            "case": repeat_names(cases, shape, 0),
            "reference": repeat_names([reference for reference, _, _ in pairs], shape, 1),
            "annotator": repeat_names(names, shape, 1),
            "size_low": np.tile(SIZES[:-1], shape[0] * shape[1]),
            "size_high": np.tile(SIZES[1:], shape[0] * shape[1]),
            "n_objects": n_objects.ravel(),
            "n_found": n_found.ravel(),
        }
    )


def _maps(
    cases: np.ndarray, members: list[Member], n_bins: int, rng: np.random.Generator
) -> tuple[dict[str, Any], np.ndarray, np.ndarray]:
    """Keys, pixels and centre of each bin of the maps of all models; most pixels are in the lowest bin."""
    names = [member.name for member in members if member.role == "model"]
    share = np.r_[10.0, np.ones(n_bins - 1)]
    n_pixels = rng.multinomial(REGION_PX, share / share.sum(), size=(len(cases), len(names)))
    shape = n_pixels.shape
    keys: dict[str, Any] = {"case": repeat_names(cases, shape, 0), "annotator": repeat_names(names, shape, 1)}
    keys |= {"reference": "truth", "bin": np.tile(np.arange(n_bins), shape[0] * shape[1]), "n_pixels": n_pixels.ravel()}
    return keys, n_pixels.ravel(), (keys["bin"] + 0.5) / n_bins


def calibration_table(cases: np.ndarray, members: list[Member], rng: np.random.Generator) -> pd.DataFrame:
    """Calibrated probabilities."""
    keys, n_pixels, p = _maps(cases, members, N_BINS_PROB, rng)
    n_foreground = rng.binomial(n_pixels, p)
    squared = n_foreground * (1 - p) ** 2 + (n_pixels - n_foreground) * p**2
    return frame_of(keys | {"sum_prob": n_pixels * p, "sum_squared_error": squared, "n_foreground": n_foreground})


def prob_votes_table(cases: np.ndarray, members: list[Member], n_raters: int, rng: np.random.Generator) -> pd.DataFrame:
    """Raters who mark pixels independently of each other, each with the probability of the map."""
    keys, n_pixels, p = _maps(cases, members, N_LEVELS, rng)
    votes = np.arange(n_raters + 1)
    n = rng.multinomial(n_pixels, scipy.stats.binom.pmf(votes, n_raters, p[:, None]))
    rows = {name: np.repeat(keys[name], len(votes)) for name in ("case", "annotator")}
    level, centre = np.repeat(keys["bin"], len(votes)), np.repeat(p, len(votes))
    rows |= {"level": level, "n_raters": np.full(n.size, n_raters), "n_marked": np.tile(votes, len(p))}
    rows |= {"n_pixels": n.ravel(), "sum_prob": n.ravel() * centre, "sum_squared_prob": n.ravel() * centre**2}
    return frame_of(rows)


def uncertainty_table(cases: np.ndarray, members: list[Member], rng: np.random.Generator) -> pd.DataFrame:
    """Errors and disagreement rise with the uncertainty, in proportion."""
    keys, n_pixels, u = _maps(cases, members, N_BINS_UNCERTAINTY, rng)
    sums = {"sum_uncertainty": n_pixels * u, "n_errors": rng.binomial(n_pixels, u / 2)}
    return frame_of(keys | sums | {"sum_disagreement": n_pixels * u * 0.6})


def recounts_table(cases: np.ndarray, members: list[Member], drawn: Draws) -> pd.DataFrame:
    """Counts of the masks; a tenth more objects at half the minimum size, fewer at double."""
    sizes, share = (SIZES[0] // 2, SIZES[0], 2 * SIZES[0]), (1.1, 1.0, 0.8)
    counts = np.rint(drawn.counts[0][..., None] * share)
    shape = counts.shape
    return frame_of(
        {
            "case": repeat_names(cases, shape, 0),
            "annotator": repeat_names([member.name for member in members], shape, 1),
            "threshold": np.full(counts.size, np.nan),
            "min_size": np.tile(sizes, shape[0] * shape[1]),
            "n_objects": counts.ravel(),
            "density": counts.ravel() / REGION_PX,
        }
    )


def repeats_table(settings: SimulatedStudy, cases: np.ndarray, rng: np.random.Generator) -> pd.DataFrame:
    """Every second case annotated again by every rater, with agreement above the others by `habit`."""
    again = cases[::2]
    mean = RATERS_AGREE + settings.habit + 2 * np.array(settings.agreeableness)
    f1 = np.clip(mean + settings.case_sd * rng.normal(size=(len(again), settings.n_raters)), 0, 1)
    n = np.full(f1.shape, 80.0)
    at_half = slice(None, None, len(IOU_THRESHOLDS))
    measures = {name: values[at_half] for name, values in measures_of_pairs(n, n, f1, np.sqrt(f1), rng).items()}
    keys = {"case": repeat_names(again, f1.shape, 0), "annotator": repeat_names(settings.raters, f1.shape, 1)}
    return frame_of(keys | {"session_a": np.ones(f1.size), "session_b": np.full(f1.size, 2)} | measures)


def surface_shares_table(distances: pd.DataFrame) -> pd.DataFrame:
    """Distances between outlines are exponential, with the mean that the table gives."""
    pixels = distances["assd"].astype(float).to_numpy() / distances["tolerance"].astype(float).to_numpy()
    share = 1 - np.exp(-(np.array(TOLERANCES) + 0.5) / pixels[:, None])
    keys = distances.loc[distances.index.repeat(len(TOLERANCES)), ["case", "annotator_a", "annotator_b"]]
    columns = {"tolerance_px": np.tile(TOLERANCES, len(distances)), "share": share.ravel()}
    return keys.reset_index(drop=True).assign(**columns)


def boundaries_table(distances: pd.DataFrame) -> pd.DataFrame:
    """Overlaps of rims and centre lines, and MASD, follow the distances."""
    far = distances["assd"].astype(float) / 4
    overlaps = {"boundary_iou": (1 - far) / (1 + far), "centreline_dice": 1 - far**2, "masd": distances["assd"]}
    return distances[["case", "annotator_a", "annotator_b"]].assign(**overlaps, unit=distances["unit"])


def detections_table(cases: np.ndarray, members: list[Member], drawn: Draws, rng: np.random.Generator) -> pd.DataFrame:
    """Of what is marked, the likelier part is found in the truth, of which half is marked."""
    names = [member.name for member in members if member.role == "model"]
    truth = next(place for place, member in enumerate(members) if member.kind == "truth")
    share = np.linspace(0, 1, N_SCORE_BINS)
    n_objects = np.broadcast_to(drawn.counts[0][:, truth, None, None], (len(cases), len(names), N_SCORE_BINS))
    n_marked = rng.multinomial(n_objects[..., 0].astype(int) // 2, share / share.sum())
    n_matched = rng.binomial(n_marked, share)
    shape = n_marked.shape
    columns = {
        "case": repeat_names(cases, shape, 0),
        "annotator": repeat_names(names, shape, 1),
        "reference": "truth",
        "bin": np.tile(np.arange(N_SCORE_BINS), shape[0] * shape[1]),
    }
    columns |= {"n_matched": n_matched.ravel(), "n_false": (n_marked - n_matched).ravel()}
    return frame_of(columns | {"n_objects": n_objects.ravel()})


def mirrored_table(agreement: pd.DataFrame, members: list[Member]) -> pd.DataFrame:
    """Mirrored masks agree with a rater `MIRRORED_SHARE` as well as the masks themselves."""
    raters = {member.name for member in members if is_rater(member.kind)}
    first = agreement["iou_threshold"] == IOU_THRESHOLDS[0]
    pairs = agreement.loc[first, ["case", "annotator_a", "annotator_b", "dice"]]
    columns = ["case", "annotator", "rater", "dice"]
    turned = pairs[["case", "annotator_b", "annotator_a", "dice"]]
    both = pd.concat([table.set_axis(columns, axis=1) for table in (pairs, turned)])
    both = both[both["rater"].isin(raters)].reset_index(drop=True)
    return both.assign(dice=MIRRORED_SHARE * both["dice"].astype(float))


def elsewhere_table(mirrored: pd.DataFrame) -> pd.DataFrame:
    """Masks of other images agree with the raters as mirrored ones do."""
    usual = mirrored.groupby(["case", "annotator"], sort=False)["dice"].median().rename("elsewhere").reset_index()
    return usual.assign(here=usual["elsewhere"] / MIRRORED_SHARE)[list(ELSEWHERE_COLUMNS)]


def object_votes_table(cases: np.ndarray, members: list[Member], rng: np.random.Generator) -> pd.DataFrame:
    """Raters and models find nine of ten objects, each by chance, and there are no others."""
    raters = [member.name for member in members if is_rater(member.kind)]
    models = [member.name for member in members if not is_rater(member.kind)]
    patterns = np.array(list(product([False, True], repeat=min(len(raters), 5))))[1:]
    n_voters = patterns.sum(axis=1)
    share = 0.9**n_voters * 0.1 ** (patterns.shape[1] - n_voters)
    n_objects = rng.poisson(40 * share, size=(len(cases), len(patterns))) * n_voters
    if len(raters) < 3:
        n_objects[:] = 0
    n_marked = rng.binomial(n_objects[:, None], 0.9, size=(len(cases), len(models), len(patterns)))
    shape = n_marked.shape
    voters = [voters_as_text(np.array(raters[: patterns.shape[1]])[row]) for row in patterns]
    columns = {
        "case": repeat_names(cases, shape, 0),
        "annotator": repeat_names(models, shape, 1),
        "voters": repeat_names(voters, shape, 2),
    }
    columns |= {"n_objects": np.broadcast_to(n_objects[:, None], shape).ravel(), "n_marked": n_marked.ravel()}
    found = frame_of(columns)
    return found[found["n_objects"] > 0].reset_index(drop=True)


def single_votes_table(cases: np.ndarray, members: list[Member], rng: np.random.Generator) -> pd.DataFrame:
    """One vote tells little: raters and models mark a tenth more of what a rater marks, whoever the others are."""
    raters = [member.name for member in members if is_rater(member.kind)]
    pairs = [(one.name, rater) for one in members for rater in raters if one.name != rater]
    levels = np.arange(len(raters))
    last = np.array([len(raters) - 1 - (name in raters) for name, _ in pairs])
    n = rng.poisson(200, size=(2, len(cases), len(pairs), len(levels))) * (levels <= last[:, None])
    share = np.minimum(0.1 + 0.7 * levels / len(raters), 0.8)
    marked = np.stack([rng.binomial(n[0], share + 0.1), rng.binomial(n[1], share)])
    shape = n.shape[1:]
    kept = np.broadcast_to(levels <= last[:, None], shape).ravel()
    columns = {
        "case": repeat_names(cases, shape, 0),
        "annotator": repeat_names([name for name, _ in pairs], shape, 1),
        "rater": repeat_names([rater for _, rater in pairs], shape, 1),
        "n_others": np.tile(levels, shape[0] * shape[1]),
    }
    columns |= {"n_with": n[0].ravel(), "n_without": n[1].ravel()}
    columns |= {"n_marked_with": marked[0].ravel(), "n_marked_without": marked[1].ravel()}
    return frame_of(columns)[kept].reset_index(drop=True)
