"""Tables of a study that never was, with what its measures should find.

    SimulatedStudy  ->  SimulatedFindings: tables, annotations, clusters, experiment, truth

As `evaluate` would have them, in milliseconds and without a mask, a model or a file. What is planted is said in
`simulated_study`: F1 at IoU > .5, Dice and counts. All other columns and tables follow these plainly, so that every
measure has something to read; nothing should be concluded from them, and no mask exists to which all of them belong.

Names: rater `expert_1`; its models `expert_1/s0` (strategy `expert`); models of the consensus `staple/s0` (strategy
`consensus:staple`, trained_on `staple`), their ensembles `staple/s0-1`; models of the consensus of all raters but one
`staple_without_expert_1/s0` (strategy `consensus:staple`, trained_on `staple_without_expert_1`); `truth`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from segassay.data.annotations import ANNOTATION_COLUMNS, is_rater
from segassay.masks.overlaps import IOU_THRESHOLDS
from segassay.qualities.scores.table import Findings
from segassay.simulation.study import BIASED, NULL, RATERS_AGREE, Draws, Member, SimulatedStudy, cast, draw
from segassay.simulation.study_truth import planted
from segassay.tables.build import Tables, log_ratios
from segassay.tables.case import WHOLE_NUMBERS
from segassay.tables.effects import effects, normalise

__all__ = ["BIASED", "NULL", "SimulatedFindings", "SimulatedStudy", "simulate_tables"]

CONTROL = "group_0"
REGION_PX, OBJECT_PX = 65_536, 60
TRUTH_SHARE, SENSITIVITY, SPECIFICITY = 0.08, 0.8, 0.99  # of pixels, for the tables of votes and raters
N_BINS_PROB, N_BINS_UNCERTAINTY = 20, 50
SIZES = (30, 60, 120, 240)
N_FOLDS = 4


@dataclass(frozen=True, eq=False)
class SimulatedFindings:
    """What an evaluation of the simulated study would read, and what it should find.

    Attributes:
        tables: All tables of `segassay.tables.build.Tables`.
        annotations: Table of `read_annotations`; its paths name no files.
        clusters: Case -> its subject.
        experiment: Case, group, region, subject; the control is `group_0`.
        settings: What was planted.
        truth: Table of `planted`: quality, measure, target, value.
    """

    tables: Tables
    annotations: pd.DataFrame
    clusters: pd.Series
    experiment: pd.DataFrame
    settings: SimulatedStudy
    truth: pd.DataFrame

    def findings(self) -> Findings:
        """What the measures take: with effects and normalised measurements."""
        normalised = normalise(self.tables.counts, self.experiment, CONTROL)
        return Findings(self.tables, self.annotations, self.clusters, effects(normalised), normalised)


def simulate_tables(settings: SimulatedStudy) -> SimulatedFindings:
    """Draw one study.

    Args:
        settings: What is planted; with its seeds it fixes every number.

    Returns:
        Its tables and their truth.

    Example:
        >>> found = simulate_tables(SimulatedStudy(n_seeds=1, n_consensus_seeds=4))
        >>> rows = found.tables.agreement.query("annotator_a == 'expert_1' and iou_threshold == 0.5")
        >>> own, other = rows["annotator_b"] == "expert_1/s0", rows["annotator_b"] == "expert_2/s0"
        >>> bool(rows.loc[own, "f1"].mean() > rows.loc[other, "f1"].mean())
        True
    """
    drawn, members = draw(settings), cast(settings)
    rng = np.random.default_rng([settings.seed, 3])
    experiment = _experiment(settings)
    cases = experiment["case"].to_numpy(dtype=object)
    counts = _counts(cases, members, drawn)
    repeats = _repeats(settings, cases, rng)
    tables = Tables(
        agreement=_agreement(cases, members, drawn, rng),
        distances=_distances(settings, cases, members, drawn, rng),
        leave_one_out=_leave_one_out(settings, cases, members, drawn, rng),
        counts=counts,
        raters=_raters(settings, members, drawn, counts, rng),
        missing=pd.DataFrame({"annotator": [], "case": []}, dtype=object),
        notes=["these tables are simulated"],
        votes=_votes(settings, cases, rng),
        recall_by_size=_recall_by_size(settings, cases, members, drawn, rng),
        calibration=_calibration(cases, members, rng),
        uncertainty=_uncertainty(cases, members, rng),
        repeats=repeats,
        recounts=_recounts(cases, members, drawn),
    )
    clusters = pd.Series("subject " + experiment["subject"].to_numpy(dtype=object), index=cases)
    annotations = _annotations(cases, members, set(repeats["case"]))
    return SimulatedFindings(tables, annotations, clusters, experiment, settings, planted(settings))


def _experiment(settings: SimulatedStudy) -> pd.DataFrame:
    index = np.arange(settings.n_cases)
    subject = index // (settings.n_regions * settings.n_images)
    columns = {
        "case": [f"case_{number:04d}" for number in index],
        "group": [f"group_{number}" for number in subject // settings.n_subjects],
        "region": [f"region_{number}" for number in index // settings.n_images % settings.n_regions],
        "subject": [f"{number:03d}" for number in subject],
    }
    return pd.DataFrame(columns, dtype=object)


def _annotations(cases: np.ndarray, members: list[Member], repeated: set[str]) -> pd.DataFrame:
    """One row per case and annotator, and one per second session of a rater."""
    rows = []
    for number, case in enumerate(cases):
        for member in members:
            of_model = member.role == "model"
            seed = member.seeds[0] if member.kind == "model" else None
            fold = number % N_FOLDS if of_model else None
            for session in (1, 2) if is_rater(member.kind) and case in repeated else (None,):
                path = f"{member.name}/{case}.png" if session != 2 else f"{member.name}/session_2/{case}.png"
                maps = [f"{member.name}/{kind}/{case}.tif" if of_model else "" for kind in ("prob", "uncertainty")]
                known = (case, member.name, member.kind, path, member.strategy, member.trained_on, fold, seed)
                rows.append((*known, True if of_model else None, session, *maps, False))
    table = pd.DataFrame(rows, columns=list(ANNOTATION_COLUMNS))
    return table.astype({"fold": "Int64", "seed": "Int64", "session": "Int64", "held_out": "boolean"})


# ----------------------------------------------------------------------------------------------------- planted tables


def _repeat(names: Sequence[str] | np.ndarray, shape: tuple[int, ...], axis: int) -> Any:
    """A name for each cell of an array, flat; names belong to one of its axes."""
    position = np.arange(shape[axis]).reshape([-1 if at == axis else 1 for at in range(len(shape))])
    return pd.Series(list(names)).array.take(np.broadcast_to(position, shape).ravel())


def _frame(columns: dict[str, Any]) -> pd.DataFrame:
    """Whole numbers are nullable, as in the tables of an evaluation; they come as arrays."""
    return pd.DataFrame(
        {
            name: pd.arrays.IntegerArray(values.astype(np.int64), np.zeros(values.size, dtype=bool))
            if name in WHOLE_NUMBERS
            else values
            for name, values in columns.items()
        }
    )


def _measures(
    n_a: np.ndarray, n_b: np.ndarray, f1: np.ndarray, dice: np.ndarray, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """Columns of the measures, flat, for arrays of one shape; thresholds come as a further, last axis.

    F1 at .5 and Dice are the planted ones. F1 falls with the threshold; tp is the nearest whole number.
    """
    thresholds = np.asarray(IOU_THRESHOLDS)
    fall = 1 - 0.9 * ((thresholds - thresholds[0]) / (1 - thresholds[0])) ** 2
    shape = (*f1.shape, len(thresholds))
    f1_at = f1[..., None] * fall
    tp = np.minimum(np.rint(f1_at * ((n_a + n_b) / 2)[..., None]), np.minimum(n_a, n_b)[..., None])

    def each(values: np.ndarray) -> np.ndarray:
        return np.broadcast_to(values[..., None], shape).ravel()

    with np.errstate(invalid="ignore", divide="ignore"):
        precision, recall = (np.nan_to_num(tp / n[..., None]).ravel() for n in (n_b, n_a))
    mean_iou = 0.4 + 0.5 * dice
    return {
        "n_a": each(n_a.astype(int)),
        "n_b": each(n_b.astype(int)),
        "tp": tp.astype(int).ravel(),
        "precision": precision,
        "recall": recall,
        "f1": f1_at.ravel(),
        "mean_iou": each(mean_iou),
        "dice": each(dice),
        "iou": each(dice / (2 - dice)),
        "sq": (mean_iou[..., None] + (1 - mean_iou[..., None]) * (thresholds - thresholds[0])).ravel(),
        "n_merges": each(rng.poisson(1.0, f1.shape)),
        "n_splits": each(rng.poisson(1.0, f1.shape)),
        "n_px_a": each((n_a * OBJECT_PX).astype(int)),
        "n_px_b": each((n_b * OBJECT_PX).astype(int)),
    }


def _agreement(cases: np.ndarray, members: list[Member], drawn: Draws, rng: np.random.Generator) -> pd.DataFrame:
    names = np.array([member.name for member in members], dtype=object)
    a, b = drawn.pairs.T
    counts = drawn.counts[0]
    measures = _measures(counts[:, a], counts[:, b], drawn.f1[0], drawn.dice[0], rng)
    shape = (len(cases), len(a), len(IOU_THRESHOLDS))
    keys = {
        "case": _repeat(cases, shape, 0),
        "annotator_a": _repeat(names[a], shape, 1),
        "annotator_b": _repeat(names[b], shape, 1),
        "iou_threshold": np.tile(IOU_THRESHOLDS, shape[0] * shape[1]),
    }
    return _frame(keys | measures)


def _leave_one_out(
    settings: SimulatedStudy, cases: np.ndarray, members: list[Member], drawn: Draws, rng: np.random.Generator
) -> pd.DataFrame:
    """The rater itself first, then models, ensembles and the truth; the consensus counts what the others do."""
    human, outside = _positions(members)
    annotator = np.array([[position, *outside] for position in human])
    rater = np.repeat(np.arange(len(human))[:, None], annotator.shape[1], axis=1)
    n_b = drawn.counts[0][:, annotator]
    n_a = np.broadcast_to(_mean_of_others(drawn.counts[0][:, human])[..., None], n_b.shape)
    f1, dice = (of_others[0][:, rater, annotator] for of_others in (drawn.f1_others, drawn.dice_others))
    shape = (len(cases), annotator.size, len(IOU_THRESHOLDS))
    names = np.array([member.name for member in members], dtype=object)
    keys = {
        "case": _repeat(cases, shape, 0),
        "rater": _repeat(np.array(settings.raters, dtype=object)[rater.ravel()], shape, 1),
        "annotator": _repeat(names[annotator.ravel()], shape, 1),
        "iou_threshold": np.tile(IOU_THRESHOLDS, shape[0] * shape[1]),
    }
    return _frame(keys | _measures(n_a, n_b, f1, dice, rng))


def _positions(members: list[Member]) -> tuple[list[int], list[int]]:
    """Of raters, and of whom C₋r does not contain: models, ensembles, the truth."""
    human = [position for position, member in enumerate(members) if is_rater(member.kind)]
    return human, [position for position in range(len(members)) if position not in human]


def _mean_of_others(counts: np.ndarray) -> np.ndarray:
    return np.rint((counts.sum(axis=1, keepdims=True) - counts) / (counts.shape[1] - 1))


def _counts(cases: np.ndarray, members: list[Member], drawn: Draws) -> pd.DataFrame:
    counts, shape = drawn.counts[0].astype(int).ravel(), (len(cases), len(members))
    return _frame(
        {
            "case": _repeat(cases, shape, 0),
            "annotator": _repeat([member.name for member in members], shape, 1),
            "n_objects": counts,
            "area_px": counts * OBJECT_PX,
            "mean_intensity": np.where(counts > 0, drawn.light[0].ravel(), np.nan),
            "region_area_px": np.full(counts.size, REGION_PX),
            "density": counts / REGION_PX,
            "input": np.full(counts.size, "mask", dtype=object),
        }
    )


# -------------------------------------------------------------------------------------- tables that follow them plainly


def _distances(
    settings: SimulatedStudy, cases: np.ndarray, members: list[Member], drawn: Draws, rng: np.random.Generator
) -> pd.DataFrame:
    """Distances fall with Dice; outlines lie where the others have them, but for luck."""
    names = np.array([member.name for member in members], dtype=object)
    human, outside = _positions(members)
    left_out = [(rater, position) for rater, own in enumerate(human) for position in [own, *outside]]
    of_others = np.stack([drawn.dice_others[0][:, rater, position] for rater, position in left_out], axis=1)
    dice = np.concatenate([drawn.dice[0], of_others], axis=1)
    shape, far = dice.shape, 1 - dice.ravel()
    first = [*names[drawn.pairs[:, 0]], *(f"-{settings.raters[rater]}" for rater, _ in left_out)]
    second = [*names[drawn.pairs[:, 1]], *(names[position] for _, position in left_out)]
    return pd.DataFrame(
        {
            "case": _repeat(cases, shape, 0),
            "annotator_a": _repeat(first, shape, 1),
            "annotator_b": _repeat(second, shape, 1),
            "hd95": 20 * far,
            "assd": 4 * far,
            "nsd": 1 - far**2,
            "tolerance": 1.0,
            "unit": "px",
            "diagonal": (2 * REGION_PX) ** 0.5,
            "shift": rng.normal(scale=0.2, size=far.size),
        }
    )


def _raters(
    settings: SimulatedStudy, members: list[Member], drawn: Draws, counts: pd.DataFrame, rng: np.random.Generator
) -> pd.DataFrame:
    human, _ = _positions(members)
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


def _votes(settings: SimulatedStudy, cases: np.ndarray, rng: np.random.Generator) -> pd.DataFrame:
    """Raters of one sensitivity and specificity who err independently."""
    n_raters, n_marked = settings.n_raters, np.arange(settings.n_raters + 1)
    chance = TRUTH_SHARE * _binomial(n_raters, SENSITIVITY) + (1 - TRUTH_SHARE) * _binomial(n_raters, 1 - SPECIFICITY)
    n_pixels = rng.multinomial(REGION_PX, chance / chance.sum(), size=len(cases))
    shape = n_pixels.shape
    columns = {"case": _repeat(cases, shape, 0), "n_raters": np.full(n_pixels.size, n_raters)}
    columns["n_marked"] = np.tile(n_marked, len(cases))
    return _frame(columns | {"n_pixels": n_pixels.ravel()})


def _binomial(n: int, p: float) -> np.ndarray:
    return np.asarray(stats.binom.pmf(np.arange(n + 1), n, p))


def _recall_by_size(
    settings: SimulatedStudy, cases: np.ndarray, members: list[Member], drawn: Draws, rng: np.random.Generator
) -> pd.DataFrame:
    """Larger objects are found more often; as many of each size."""
    human, outside = _positions(members)
    truth = next(position for position in outside if members[position].kind == "truth")
    pairs = [("truth", truth, position) for position in range(len(members)) if position != truth]
    pairs += [(f"-{settings.raters[r]}", own, position) for r, own in enumerate(human) for position in [own, *outside]]
    of_reference = drawn.counts[0][:, [reference for _, reference, _ in pairs]].astype(int)
    n_objects = np.maximum(of_reference[..., None] // (len(SIZES) - 1), 1)
    n_objects = np.broadcast_to(n_objects, (*of_reference.shape, len(SIZES) - 1))
    n_found = rng.binomial(n_objects, np.linspace(0.5, 0.8, len(SIZES) - 1))
    shape = n_objects.shape
    names = [members[position].name for _, _, position in pairs]
    return _frame(
        {
            "case": _repeat(cases, shape, 0),
            "reference": _repeat([reference for reference, _, _ in pairs], shape, 1),
            "annotator": _repeat(names, shape, 1),
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
    keys: dict[str, Any] = {"case": _repeat(cases, shape, 0), "annotator": _repeat(names, shape, 1)}
    keys |= {"reference": "truth", "bin": np.tile(np.arange(n_bins), shape[0] * shape[1]), "n_pixels": n_pixels.ravel()}
    return keys, n_pixels.ravel(), (keys["bin"] + 0.5) / n_bins


def _calibration(cases: np.ndarray, members: list[Member], rng: np.random.Generator) -> pd.DataFrame:
    """Probabilities that are true."""
    keys, n_pixels, p = _maps(cases, members, N_BINS_PROB, rng)
    n_foreground = rng.binomial(n_pixels, p)
    squared = n_foreground * (1 - p) ** 2 + (n_pixels - n_foreground) * p**2
    return _frame(keys | {"sum_prob": n_pixels * p, "sum_squared_error": squared, "n_foreground": n_foreground})


def _uncertainty(cases: np.ndarray, members: list[Member], rng: np.random.Generator) -> pd.DataFrame:
    """Errors and disagreement rise with the uncertainty, in proportion."""
    keys, n_pixels, u = _maps(cases, members, N_BINS_UNCERTAINTY, rng)
    sums = {"sum_uncertainty": n_pixels * u, "n_errors": rng.binomial(n_pixels, u / 2)}
    return _frame(keys | sums | {"sum_disagreement": n_pixels * u * 0.6})


def _recounts(cases: np.ndarray, members: list[Member], drawn: Draws) -> pd.DataFrame:
    """Masks as they are; of objects that count from half the size on there are a tenth more, from double on fewer."""
    sizes, share = (SIZES[0] // 2, SIZES[0], 2 * SIZES[0]), (1.1, 1.0, 0.8)
    counts = np.rint(drawn.counts[0][..., None] * share)
    shape = counts.shape
    return _frame(
        {
            "case": _repeat(cases, shape, 0),
            "annotator": _repeat([member.name for member in members], shape, 1),
            "threshold": np.full(counts.size, np.nan),
            "min_size": np.tile(sizes, shape[0] * shape[1]),
            "n_objects": counts.ravel(),
            "density": counts.ravel() / REGION_PX,
        }
    )


def _repeats(settings: SimulatedStudy, cases: np.ndarray, rng: np.random.Generator) -> pd.DataFrame:
    """Every second case again by every rater: as much above others as `habit` says."""
    again = cases[::2]
    mean = RATERS_AGREE + settings.habit + 2 * np.array(settings.agreeableness)
    f1 = np.clip(mean + settings.case_sd * rng.normal(size=(len(again), settings.n_raters)), 0, 1)
    n = np.full(f1.shape, 80.0)
    at_half = slice(None, None, len(IOU_THRESHOLDS))
    measures = {name: values[at_half] for name, values in _measures(n, n, f1, np.sqrt(f1), rng).items()}
    keys = {"case": _repeat(again, f1.shape, 0), "annotator": _repeat(settings.raters, f1.shape, 1)}
    return _frame(keys | {"session_a": np.ones(f1.size), "session_b": np.full(f1.size, 2)} | measures)
