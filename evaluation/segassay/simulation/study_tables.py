"""Tables of a simulated study, with the values that its measures should find.

    SimulatedStudy  ->  SimulatedFindings: tables, annotations, clusters, experiment, truth

They are as from `evaluate`, in milliseconds and without masks, models or files. Planted are F1 at IoU > .5, Dice and
counts (see `segassay.simulation.study`). All other columns and tables follow from these, so that every measure has
input; draw no conclusions from them, for no real masks would give all of them together.

Names: rater `expert_1`; its models `expert_1/s0` (strategy `expert`); models of the consensus `staple/s0` (strategy
`consensus:staple`, trained_on `staple`), their ensembles `staple/s0-1`; models of the consensus of all raters but one
`staple_without_expert_1/s0` (strategy `consensus:staple`, trained_on `staple_without_expert_1`); `truth`.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from segassay.data.annotations import ANNOTATION_COLUMNS, is_rater
from segassay.masks.overlaps import IOU_THRESHOLDS
from segassay.qualities.scores.table import Findings
from segassay.simulation.study import BIASED, NULL, SimulatedStudy
from segassay.simulation.study_draws import Draws, draw
from segassay.simulation.study_frames import (
    OBJECT_PX,
    REGION_PX,
    frame_of,
    measures_of_pairs,
    positions_of_roles,
    repeat_names,
)
from segassay.simulation.study_members import Member, cast
from segassay.simulation.study_plain_tables import (
    boundaries_table,
    calibration_table,
    detections_table,
    distances_table,
    elsewhere_table,
    mirrored_table,
    object_votes_table,
    prob_votes_table,
    raters_table,
    recall_by_size_table,
    recounts_table,
    repeats_table,
    single_votes_table,
    surface_shares_table,
    uncertainty_table,
    votes_table,
)
from segassay.simulation.study_truth import planted
from segassay.tables.build import Tables
from segassay.tables.effects import effects
from segassay.tables.normalise import normalise
from segassay.tables.notes import Note

__all__ = ["BIASED", "NULL", "SimulatedFindings", "SimulatedStudy", "simulate_tables"]

CONTROL = "group_0"
N_FOLDS = 4


@dataclass(frozen=True, eq=False)
class SimulatedFindings:
    """Input of an evaluation of the simulated study, and the values it should find.

    Attributes:
        tables: All tables of `segassay.tables.build.Tables`.
        annotations: Table of `read_annotations`; its paths name no files.
        clusters: Case -> its subject.
        experiment: Case, group, region, subject; the control is `group_0`.
        settings: Settings of the study.
        truth: Table of `planted`: quality, measure, target, value.
    """

    tables: Tables
    annotations: pd.DataFrame
    clusters: pd.Series
    experiment: pd.DataFrame
    settings: SimulatedStudy
    truth: pd.DataFrame

    def findings(self) -> Findings:
        """Input of the measures, with effects and normalised measurements."""
        normalised = normalise(self.tables.counts, self.experiment, CONTROL)
        parts = self.experiment.set_index("case")
        return Findings(self.tables, self.annotations, self.clusters, effects(normalised), normalised, parts=parts)


def simulate_tables(settings: SimulatedStudy) -> SimulatedFindings:
    """Draw one study.

    Args:
        settings: The settings; with their seeds they determine every number.

    Returns:
        Its tables and the planted values.

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
    repeats = repeats_table(settings, cases, rng)
    agreement = _agreement(cases, members, drawn, rng)
    distances = distances_table(settings, cases, members, drawn, rng)
    mirrored = mirrored_table(agreement, members)
    tables = Tables(
        agreement=agreement,
        distances=distances,
        surface_shares=surface_shares_table(distances),
        leave_one_out=_leave_one_out(settings, cases, members, drawn, rng),
        counts=counts,
        raters=raters_table(settings, members, drawn, counts, rng),
        missing=pd.DataFrame({"annotator": [], "case": []}, dtype=object),
        notes=[Note("simulated")],
        votes=votes_table(settings, cases, rng),
        recall_by_size=recall_by_size_table(settings, cases, members, drawn, rng),
        calibration=calibration_table(cases, members, rng),
        prob_votes=prob_votes_table(cases, members, settings.n_raters, np.random.default_rng([settings.seed, 4])),
        uncertainty=uncertainty_table(cases, members, rng),
        repeats=repeats,
        recounts=recounts_table(cases, members, drawn),
        mirrored=mirrored,
        elsewhere=elsewhere_table(mirrored),
        detections=detections_table(cases, members, drawn, np.random.default_rng([settings.seed, 6])),
        boundaries=boundaries_table(distances),
        single_votes=single_votes_table(cases, members, np.random.default_rng([settings.seed, 5])),
        object_votes=object_votes_table(cases, members, np.random.default_rng([settings.seed, 7])),
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


def _agreement(cases: np.ndarray, members: list[Member], drawn: Draws, rng: np.random.Generator) -> pd.DataFrame:
    names = np.array([member.name for member in members], dtype=object)
    a, b = drawn.pairs.T
    counts = drawn.counts[0]
    measures = measures_of_pairs(counts[:, a], counts[:, b], drawn.f1[0], drawn.dice[0], rng)
    shape = (len(cases), len(a), len(IOU_THRESHOLDS))
    keys = {
        "case": repeat_names(cases, shape, 0),
        "annotator_a": repeat_names(names[a], shape, 1),
        "annotator_b": repeat_names(names[b], shape, 1),
        "iou_threshold": np.tile(IOU_THRESHOLDS, shape[0] * shape[1]),
    }
    return frame_of(keys | measures)


def _leave_one_out(
    settings: SimulatedStudy, cases: np.ndarray, members: list[Member], drawn: Draws, rng: np.random.Generator
) -> pd.DataFrame:
    """The rater itself first, then models, ensembles and the truth; the consensus counts what the others do."""
    human, outside = positions_of_roles(members)
    annotator = np.array([[position, *outside] for position in human])
    rater = np.repeat(np.arange(len(human))[:, None], annotator.shape[1], axis=1)
    n_b = drawn.counts[0][:, annotator]
    n_a = np.broadcast_to(_mean_of_others(drawn.counts[0][:, human])[..., None], n_b.shape)
    f1, dice = (of_others[0][:, rater, annotator] for of_others in (drawn.f1_others, drawn.dice_others))
    shape = (len(cases), annotator.size, len(IOU_THRESHOLDS))
    names = np.array([member.name for member in members], dtype=object)
    keys = {
        "case": repeat_names(cases, shape, 0),
        "rater": repeat_names(np.array(settings.raters, dtype=object)[rater.ravel()], shape, 1),
        "annotator": repeat_names(names[annotator.ravel()], shape, 1),
        "iou_threshold": np.tile(IOU_THRESHOLDS, shape[0] * shape[1]),
    }
    return frame_of(keys | measures_of_pairs(n_a, n_b, f1, dice, rng))


def _mean_of_others(counts: np.ndarray) -> np.ndarray:
    return np.rint((counts.sum(axis=1, keepdims=True) - counts) / (counts.shape[1] - 1))


def _counts(cases: np.ndarray, members: list[Member], drawn: Draws) -> pd.DataFrame:
    counts, shape = drawn.counts[0].astype(int).ravel(), (len(cases), len(members))
    return frame_of(
        {
            "case": repeat_names(cases, shape, 0),
            "annotator": repeat_names([member.name for member in members], shape, 1),
            "n_objects": counts,
            "area_px": counts * OBJECT_PX,
            "mean_intensity": np.where(counts > 0, drawn.light[0].ravel(), np.nan),
            "region_area_px": np.full(counts.size, REGION_PX),
            "density": counts / REGION_PX,
            "input": np.full(counts.size, "mask", dtype=object),
        }
    )
