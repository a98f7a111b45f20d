"""Expected values of real images, lab-wue1 of Segebarth et al. 2020, computed independently.

tables of an evaluation of its raters  ->  computed and expected numbers
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

__all__ = ["CHECKS_OF_LAB_WUE1", "CheckOfImages"]


@dataclass(frozen=True, eq=False)
class CheckOfImages:
    """Numbers of an evaluation of lab-wue1.

    Attributes:
        estimator: Function that computes them, such as `masks.overlaps.match_objects`.
        what: As of `Check`.
        expected: As of `Check`.
        tolerance: As of `Check`.
        source: As of `Check`.
        pick: Takes the numbers from the tables `agreement`, `leave_one_out`, `counts` and `effects`.
    """

    estimator: str
    what: str
    expected: tuple[float, ...]
    tolerance: float
    source: str
    pick: Callable[[Mapping[str, pd.DataFrame]], Sequence[float]]


_LAB = "Segebarth et al. 2020, lab-wue1, doi:10.5061/dryad.4b8gtht9d; computed independently"
_EXPERTS = tuple(f"expert_{number}" for number in range(1, 6))
_Frames = Mapping[str, pd.DataFrame]


def _mean_of_pairs(measure: str, *pairs: tuple[str, str]) -> Callable[[_Frames], Sequence[float]]:
    """Mean over images at IoU > .5 of each pair."""

    def pick(frames: _Frames) -> Sequence[float]:
        rows = frames["agreement"].query("iou_threshold == 0.5").groupby(["annotator_a", "annotator_b"])[measure].mean()
        return [float(rows[pair]) for pair in pairs]

    return pick


def _totals(frames: _Frames) -> Sequence[float]:
    return frames["counts"].groupby("annotator")["n_objects"].sum()[[*_EXPERTS, "est_GT"]].astype(float).tolist()


def _own_scores(frames: _Frames) -> Sequence[float]:
    rows = frames["leave_one_out"].query("iou_threshold == 0.5 and annotator == rater")
    return (float(rows.groupby("rater")["f1"].mean().mean()),)


def _effects(test: str, *columns: str) -> Callable[[_Frames], Sequence[float]]:
    """Numbers of the pooled tests on counts of `est_GT`: first against the control, then between the other groups."""

    def pick(frames: _Frames) -> Sequence[float]:
        rows = frames["effects"]
        rows = rows[(rows["annotator"] == "est_GT") & (rows["measure"] == "count") & (rows["region"] == "")]
        rows = rows[(rows["unit"] == "case") & (rows["test"] == test)]
        return [float(value) for column in columns for value in rows[column]]

    return pick


CHECKS_OF_LAB_WUE1: tuple[CheckOfImages, ...] = (
    CheckOfImages(
        "masks.overlaps.match_objects",
        "F1 of five raters against est_GT, 36 images",
        (0.5076, 0.8121, 0.7723, 0.7894, 0.8101),
        5e-5,
        _LAB,
        _mean_of_pairs("f1", *(("est_GT", expert) for expert in _EXPERTS)),
    ),
    CheckOfImages(
        "masks.overlaps.match_objects",
        "expert_2 and expert_5: F1",
        (0.6699,),
        5e-5,
        _LAB,
        _mean_of_pairs("f1", ("expert_2", "expert_5")),
    ),
    CheckOfImages(
        "masks.overlaps.match_objects",
        "expert_2 and expert_5: mean IoU",
        (0.6306,),
        5e-5,
        _LAB,
        _mean_of_pairs("mean_iou", ("expert_2", "expert_5")),
    ),
    CheckOfImages(
        "masks.objects.label_objects",
        "objects of five raters and est_GT",
        (1559, 3297, 3612, 3900, 3315, 3296),
        0.5,
        _LAB,
        _totals,
    ),
    CheckOfImages(
        "consensus.pixels.staple",
        "mean F1 of the raters against the STAPLE of the others",
        (0.664,),
        5e-4,
        _LAB,
        _own_scores,
    ),
    CheckOfImages(
        "statistics.groups.mann_whitney",
        "est_GT, counts: η², control against two groups and between them",
        (0.623, 0.681, 0.056),
        5e-4,
        _LAB,
        _effects("mann_whitney", "eta_squared"),
    ),
    CheckOfImages(
        "statistics.groups.mann_whitney",
        "est_GT, counts: p of both groups against the control",
        (1.2e-4, 6e-5),
        5e-6,
        _LAB,
        lambda frames: _effects("mann_whitney", "p_value")(frames)[:2],
    ),
    CheckOfImages(
        "statistics.groups.mann_whitney",
        "est_GT, counts: p between the two groups",
        (0.26,),
        5e-3,
        _LAB,
        lambda frames: _effects("mann_whitney", "p_value")(frames)[2:],
    ),
    CheckOfImages(
        "statistics.groups.kruskal_wallis",
        "est_GT, counts: H of three groups",
        (21.84,),
        5e-3,
        _LAB,
        _effects("kruskal_wallis", "statistic"),
    ),
)
"""Checks that need the images of lab-wue1."""
