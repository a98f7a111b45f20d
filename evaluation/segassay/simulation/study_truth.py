"""Expected values of the measures of a simulated study: calculated, and as the mean over many drawn cases.

    SimulatedStudy  ->  planted | expectation  ->  one row per quality, measure and target

Both are conditional on the raters and the seeds of the models, as every interval is.
"""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pandas as pd

from segassay.data.annotations import is_rater
from segassay.simulation.study import SimulatedStudy
from segassay.simulation.study_draws import DICE_AT_0, DICE_SLOPE, draw
from segassay.simulation.study_means import mean_agreement, mean_log_count
from segassay.simulation.study_members import Member, cast

__all__ = ["expectation", "planted"]


def planted(study: SimulatedStudy) -> pd.DataFrame:
    """Expected value of each measure, given the raters and the seeds of the models, from the planted means.

    Returns:
        Columns `quality, measure, target, value`; targets are named as in the tables of scores. Numbers of objects are
        assumed to be large; `expectation` does not assume this.

    Example:
        >>> table = planted(SimulatedStudy(imprint=0.5, habit=0.1))
        >>> table.loc[table["measure"] == "imprint", "value"].round(3).to_list()
        [0.05, 0.05, 0.05, 0.05, 0.05]
    """
    f1, f1_others = mean_agreement(study)
    dice = DICE_AT_0 + DICE_SLOPE * f1
    factor = np.exp(mean_log_count(study))[[is_rater(member.kind) for member in cast(study)]]
    others = (factor.sum() - factor) / (len(factor) - 1)
    return _truth(study, f1, f1_others, dice, np.log(factor / others))


def expectation(study: SimulatedStudy, n: int = 100_000) -> pd.DataFrame:
    """The same as `planted`, from the mean over drawn cases, at least n of them; takes seconds."""
    members = cast(study)
    pairs = np.array(list(combinations(range(len(members)), 2)))
    n_studies = -(-n // study.n_cases)
    chunk = max(1, 1_000_000 // (study.n_cases * len(pairs)))
    sums: list[np.ndarray] = []
    human = [is_rater(member.kind) for member in members]
    for start in range(0, n_studies, chunk):
        drawn = draw(replace(study, seed=study.seed + 1 + start), min(chunk, n_studies - start), pairs=pairs)
        counts = drawn.counts[..., human]
        others = (counts.sum(axis=2, keepdims=True) - counts) / (study.n_raters - 1)
        log_ratio = np.log((counts + 0.5) / (others + 0.5))
        of_chunk = [part.sum(axis=(0, 1)) for part in (drawn.f1, drawn.f1_others, drawn.dice, log_ratio)]
        sums = [a + b for a, b in zip(sums, of_chunk, strict=True)] if sums else of_chunk
    f1, f1_others, dice, log_ratio = (part / (n_studies * study.n_cases) for part in sums)
    return _truth(study, _square(f1, pairs), f1_others, _square(dice, pairs), log_ratio)


def _square(values: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    square = np.full([pairs.max() + 1] * 2, np.nan)
    square[pairs[:, 0], pairs[:, 1]] = square[pairs[:, 1], pairs[:, 0]] = values
    return square


def _truth(
    study: SimulatedStudy, f1: np.ndarray, f1_others: np.ndarray, dice: np.ndarray, log_count_ratio: np.ndarray
) -> pd.DataFrame:
    """From means over cases: F1 `(A, A)` of all pairs and `(R, A)` against C₋r, Dice `(A, A)`, log ratios `(R,)`."""
    members = cast(study)
    human = [i for i, member in enumerate(members) if is_rater(member.kind)]
    own = f1_others[np.arange(len(human)), human]
    pairs = list(combinations(human, 2))
    rows: list[tuple[str, str, str, float]] = [
        ("objectivity", "f1", "between raters", np.mean([f1[pair] for pair in pairs])),
        ("objectivity", "f1_leave_one_out", "all raters", own.mean()),
    ]
    for r, name in enumerate(study.raters):
        rows += [("objectivity", "f1_leave_one_out", name, own[r])]
        rows += [("objectivity", "log_count_ratio", name, log_count_ratio[r])]
    rows += _of_expert_models(study, members, f1[:, human])
    rows += _of_each_model(
        members, f1, f1_others, dice[:, human].mean(axis=1) / np.mean([dice[pair] for pair in pairs])
    )
    rows += _of_seeds(study, members, f1)
    effects = zip(study.count_effects, study.light_effects, strict=True)
    for group, (count, light) in enumerate(effects):
        rows += [("validity", "count_ratio", f"group_{group}", count)]
        rows += [("validity", "light_ratio", f"group_{group}", light)]
    return pd.DataFrame(rows, columns=["quality", "measure", "target", "value"])


def _of_expert_models(
    study: SimulatedStudy, members: list[Member], with_raters: np.ndarray
) -> list[tuple[str, str, str, float]]:
    """Imprint and removal of bias, from `(A, R)`; none without models of raters."""
    if not study.n_seeds:
        return []
    trained_on = np.array([member.trained_on if member.kind == "model" else "" for member in members])
    agreement = np.array([with_raters[trained_on == name].mean(axis=0) for name in study.raters])
    rows = []
    for r, name in enumerate(study.raters):
        without = with_raters[trained_on == f"staple_without_{name}", r].mean()
        rows += [("objectivity", "imprint", name, _imprint(agreement, r))]
        rows += [("objectivity", "removal_of_bias", name, without - np.delete(agreement[:, r], r).mean())]
    return rows


def _imprint(agreement: np.ndarray, r: int) -> float:
    """From `(R, R)`, how the models of each rater agree with each rater."""
    others = [j for j in range(len(agreement)) if j != r]
    with_r = agreement[r, r] - agreement[others, r].mean()
    with_others = [agreement[r, j] - agreement[[s for s in others if s != j], j].mean() for j in others]
    return float(with_r - np.mean(with_others))


def _of_each_model(
    members: list[Member], f1: np.ndarray, f1_others: np.ndarray, williams: np.ndarray
) -> list[tuple[str, str, str, float]]:
    truth = [member.kind for member in members].index("truth")
    rows = []
    for i, member in enumerate(members):
        if member.role == "model":
            rows += [("objectivity", "williams_index", member.name, williams[i])]
            rows += [("validity", "f1_leave_one_out", member.name, f1_others[:, i].mean())]
            rows += [("validity", "f1_against_truth", member.name, f1[i, truth])]
    return rows


def _of_seeds(study: SimulatedStudy, members: list[Member], f1: np.ndarray) -> list[tuple[str, str, str, float]]:
    """Agreement of models, and of ensembles, that differ by the seed; and the spread of their F1 over seeds."""
    rows = []
    for kind, size in (("model", 1), ("ensemble", study.ensemble_size)):
        alike = [i for i, member in enumerate(members) if member.kind == kind and member.trained_on == "staple"]
        if len(alike) > 1:
            between = np.mean([f1[pair] for pair in combinations(alike, 2)])
            rows += [("reliability", "f1", f"staple {kind}s", float(between))]
            rows += [("reliability", "sd_over_seeds", f"staple {kind}s", study.seed_sd / size**0.5)]
    return rows
