"""Uncertainty of an ensemble: one row of numbers per case, and their means.

Prediction of a case -> uncertainty_row -> uncertainty.csv -> summarise_uncertainty -> terminal, MLflow

Uncertainty is per pixel, from 0 to 1 (in bits; of classes see `ensemble.classes.entropy`), and total = disagreement
between members + doubt within them. Most pixels
of most images are background of which every member is certain, so each mean is given twice: over all pixels that
count, and over those of them that the ensemble marks as foreground, of any class. Quality is the mean Dice over all
pairs of members, and over the classes; it needs no reference.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

import numpy as np
import pandas as pd
import torch
from rich.console import Console
from rich.table import Table

from segassay.masks.objects import counted_pixels
from segassay.masks.overlaps import dice_iou, pixel_agreement
from segassay_monai.ensemble.classes import Classes, class_masks
from segassay_monai.ensemble.ensemble_net import Prediction

PARTS = ("total", "disagreement", "doubt")
MEANS = (*PARTS, *(f"{part}_foreground" for part in PARTS), "quality")
COLUMNS = ("case", "n_members", "n_pixels", "n_foreground", *MEANS)
_METRICS = {
    "total": "uncertainty",
    "disagreement": "uncertainty_disagreement",
    "doubt": "uncertainty_doubt",
    "total_foreground": "uncertainty_foreground",
    "disagreement_foreground": "uncertainty_disagreement_foreground",
    "doubt_foreground": "uncertainty_doubt_foreground",
    "quality": "quality",
}
"""Mean -> its name in MLflow."""


def uncertainty_row(
    case: str, prediction: Prediction, *, ignore: np.ndarray | None = None, region: np.ndarray | None = None
) -> dict[str, Any]:
    """Means of the uncertainty maps of one case, and its quality.

    Args:
        case: Name of the case.
        prediction: Prediction of this image alone.
        ignore: Boolean `(*spatial)`; pixels marked here do not count.
        region: Boolean `(*spatial)`; pixels not marked here do not count.

    Returns:
        One row with `COLUMNS`. Means over no pixel, as over an empty foreground, are NaN, and so is the quality of a
        single member. The quality is 1 if no member marks anything.

    References:
        Depeweg et al. (2018), ICML, arXiv:1710.07283 (the two parts); Roy et al. (2019), NeuroImage 195:11-22,
        doi:10.1016/j.neuroimage.2019.03.042 (quality).
    """
    marked = prediction.masks().any(axis=0)
    counted = counted_pixels(np.ones_like(marked), ignore=ignore, region=region)
    foreground = counted & marked
    row: dict[str, Any] = {
        "case": case,
        "n_members": len(prediction.packed_masks),
        "n_pixels": int(counted.sum()),
        "n_foreground": int(foreground.sum()),
    }
    for part in PARTS:
        values = getattr(prediction, part)[0, 0].numpy()
        row[part], row[f"{part}_foreground"] = _mean(values[counted]), _mean(values[foreground])
    row["quality"] = _quality(prediction, ignore, region)
    return {column: row[column] for column in COLUMNS}


def _mean(values: np.ndarray) -> float:
    return float(values.mean(dtype=np.float64)) if values.size else float("nan")


def _quality(prediction: Prediction, ignore: np.ndarray | None, region: np.ndarray | None) -> float:
    pairs = itertools.combinations(range(len(prediction.packed_masks)), 2)
    members = ((prediction.member_masks(a), prediction.member_masks(b)) for a, b in pairs)
    dice = [
        fmean(pixel_agreement(a, b, ignore=ignore, region=region)[0] for a, b in zip(*masks, strict=True))
        for masks in members
    ]
    return fmean(dice) if dice else float("nan")


class UncertaintySums:
    """The same numbers as `uncertainty_row`, of an image that is seen part by part.

    Args:
        n_members: Number of members.
        classes: Of the model.
    """

    def __init__(self, n_members: int, classes: Classes = ()) -> None:
        self.n_members, self.classes = n_members, classes
        self._n = {"": 0, "_foreground": 0}
        self._sums = dict.fromkeys((f"{part}{where}" for part in PARTS for where in self._n), 0.0)
        self._shared = np.zeros((max(len(classes), 1), n_members, n_members), dtype=np.int64)

    def add(self, maps: Mapping[str, np.ndarray], masks: Sequence[np.ndarray], counted: np.ndarray) -> None:
        """Add a part of the image.

        Args:
            maps: `prob` `(K, *spatial)`; `uncertainty` (the total), `disagreement` and `doubt`, `(*spatial)`.
            masks: Boolean masks `(K, *spatial)` of each member.
            counted: Boolean `(*spatial)`; which pixels count.
        """
        marked = class_masks(torch.from_numpy(maps["prob"])[None], self.classes)[0].any(dim=0).numpy()
        foreground = counted & marked
        for where, pixels in (("", counted), ("_foreground", foreground)):
            self._n[where] += int(pixels.sum())
            for part in PARTS:
                values = maps["uncertainty" if part == "total" else part]
                self._sums[f"{part}{where}"] += float(values[pixels].sum(dtype=np.float64))
        for a, b in itertools.combinations_with_replacement(range(self.n_members), 2):
            for shared, one, other in zip(self._shared, masks[a], masks[b], strict=True):
                shared[a, b] += int(np.count_nonzero(one & other & counted))

    def row(self) -> dict[str, Any]:
        """`n_members` and all `MEANS`."""
        row: dict[str, Any] = {"n_members": self.n_members}
        for part in PARTS:
            for where, n in self._n.items():
                row[f"{part}{where}"] = self._sums[f"{part}{where}"] / n if n else float("nan")
        dice = [
            fmean(dice_iou(int(shared[a, b]), int(shared[a, a]), int(shared[b, b]))[0] for shared in self._shared)
            for a, b in itertools.combinations(range(self.n_members), 2)
        ]
        return row | {"quality": fmean(dice) if dice else float("nan")}


def summarise_uncertainty(table: pd.DataFrame) -> pd.DataFrame:
    """Mean over the cases with a defined value, and the number of the others.

    Args:
        table: Rows of `uncertainty_row`.

    Returns:
        `measure, value, n_cases, n_undefined`, one row per column of means; the value is NaN if no case has one.

    Example:
        >>> table = pd.DataFrame([{column: 0.5 for column in MEANS}, {column: float("nan") for column in MEANS}])
        >>> summarise_uncertainty(table)[["measure", "value", "n_undefined"]].to_numpy().tolist()[-1]
        ['quality', 0.5, 1]
    """
    values = table[list(MEANS)].astype(float)
    summary = {"value": values.mean(), "n_cases": values.notna().sum(), "n_undefined": values.isna().sum()}
    return pd.DataFrame(summary).rename_axis("measure").reset_index()


def uncertainty_metrics(summary: pd.DataFrame) -> dict[str, float]:
    """MLflow numbers `reliability/uncertainty…` and `reliability/quality`, with their numbers of undefined cases."""
    metrics: dict[str, float] = {}
    for measure, value, n_undefined in summary[["measure", "value", "n_undefined"]].to_numpy().tolist():
        name = f"reliability/{_METRICS[measure]}"
        metrics |= {name: value} | ({f"{name}.n_undefined": n_undefined} if n_undefined else {})
    return metrics


def show_uncertainty(summary: pd.DataFrame, unit: str = "in bits per pixel") -> None:
    """Print the means as a table; of classes the unit is not bits."""
    rows = summary.set_index("measure")
    table = Table(title=f"Uncertainty {unit} (0 sure, 1 undecided), means over n images")
    for column in ("pixels", "total", "between members", "within members", "n"):
        table.add_column(column, justify="left" if column == "pixels" else "right", no_wrap=True)
    for label, suffix in (("all that count", ""), ("predicted foreground", "_foreground")):
        numbers = [f"{rows['value'][part + suffix]:.4f}".replace("nan", "-") for part in PARTS]
        table.add_row(label, *numbers, str(rows["n_cases"]["total" + suffix]))
    console = Console()
    console.print(table)
    quality = rows.loc["quality"]
    if quality["n_cases"]:
        undefined = f", undefined for {quality['n_undefined']:.0f}" if quality["n_undefined"] else ""
        text = f"{quality['value']:.3f} (mean Dice between members, n {quality['n_cases']:.0f}{undefined})"
    else:
        text = "undefined for a single member"
    console.print(f"Quality of the images: {text}", highlight=False)
