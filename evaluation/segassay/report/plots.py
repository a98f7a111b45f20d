"""The figures of an evaluation, one function each, for the report and for notebooks.

Results  ->  Plots: matplotlib axes, on new figures or on those of the caller  ->  figures/*.svg, *.png
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from segassay.data.annotations import is_rater, is_trained, raters_of
from segassay.data.dataset import units_of
from segassay.data.facets import is_exchangeable
from segassay.data.named_channels import intensities_in, measured_channel
from segassay.errors import UsageError
from segassay.figures.style import encode_figure
from segassay.judgement.classes import class_names
from segassay.judgement.judged import judged_annotators
from segassay.judgement.results import Results
from segassay.judgement.sentences import format_interval
from segassay.judgement.strategies import annotator_points, are_side_by_side, spending_groups
from segassay.qualities.objectivity.imprint import held_out_models
from segassay.qualities.objectivity.records import MIN_RATERS_FOR_IMPRINT
from segassay.qualities.reliability.records import ECE, VARIANCE
from segassay.qualities.reliability.saturation import saturation_curve
from segassay.qualities.scores.groups import strategy_groups
from segassay.qualities.scores.table import Agreement, rows_of
from segassay.qualities.validity.effects import decisive_effects
from segassay.qualities.validity.specification import specification_curve
from segassay.report.charts.bland_altman import bland_altman_figure, with_the_median
from segassay.report.charts.clusters import can_be_clustered, clustered_agreement
from segassay.report.charts.confusion import confusion_figure, confusions
from segassay.report.charts.contrast import contrast_figure, of_contrast
from segassay.report.charts.models import imprint_matrix, saturation_figure
from segassay.report.charts.probabilities import calibration_figure, risk_coverage_figure, uncertainty_figure
from segassay.report.charts.specification import specification_figure
from segassay.report.charts.strategies import spending_figure, strategies_figure
from segassay.report.charts.tables import agreement_matrix, effects_by_annotator, f1_over_threshold, rater_habits
from segassay.report.charts.variation import variance_figure, variation_per_effect
from segassay.tables.mean_rater import MEAN_OF_RATERS
from segassay.tables.persons import different_persons

__all__ = ["Plots", "all_charts", "draw_figures", "encoded_figures", "in_figures", "tested_measures"]

MAX_IN_FIGURES = 15
MAX_JUDGED = 2
"""Judged annotators in the confusion of classes."""

_AMOUNT_WORDS = {"count": ("n_objects", "number of objects"), "area": ("area_px", "area in pixels")}
"""Measurement -> column of `counts`, and in words; the intensity of each channel comes with the table."""

_Draw = Callable[..., Figure]
_EFFECTS, _AMOUNTS = "effects_", "bland_altman_"  # and a measure: name of its figure


@dataclass(frozen=True)
class Plots:
    """Figures of an evaluation, as matplotlib axes.

    Every function draws on a new pyplot figure, which a notebook shows, or on `ax`, or on `figure` if the chart has
    several axes. A function without data to show raises an error; `available` names the others.

    Attributes:
        found: The evaluation.
    """

    found: Results

    @property
    def available(self) -> list[str]:
        """Names of the functions that have something to show; `effects` draws the first measurement by default."""
        return list(dict.fromkeys(map(_without_measure, all_charts(self.found))))

    def agreement(self, ax: Axes | None = None) -> Axes:
        """Mean F1 of objects (IoU > .5) of every pair of annotators."""
        return self._one("agreement", ax)

    def confusion(self, figure: Figure | None = None) -> np.ndarray:
        """What raters, and judged models, call what another rater calls a class; one axes per panel."""
        return self._several("confusion", figure)

    def f1_over_threshold(self, ax: Axes | None = None) -> Axes:
        """F1 against the overlap from which an object counts as found, one line per annotator."""
        return self._one("f1_over_threshold", ax)

    def habits(self, figure: Figure | None = None) -> np.ndarray:
        """How each rater differs from the others; four axes."""
        return self._several("habits", figure)

    def contrast(self, figure: Figure | None = None) -> np.ndarray:
        """How bright the objects are that each annotator marks; two axes."""
        return self._several("contrast", figure)

    def imprint(self, ax: Axes | None = None) -> Axes:
        """How models trained on each rater agree with each rater."""
        return self._one("imprint", ax)

    def saturation(self, ax: Axes | None = None) -> Axes:
        """How agreement grows with the number of members of an ensemble."""
        return self._one("saturation", ax)

    def strategies(self, figure: Figure | None = None) -> np.ndarray:
        """Raters, models and ensembles side by side; one axes per measure."""
        return self._several("strategies", figure)

    def spending(self, figure: Figure | None = None) -> np.ndarray:
        """Models trained on the same number of masks, by few raters or by many; one axes per measure."""
        return self._several("spending", figure)

    def effects(self, measure: str | None = None, figure: Figure | None = None) -> np.ndarray:
        """Effects of the experiment for each annotator; one axes per pair of groups.

        Args:
            measure: A tested measurement, such as `area`; by default the first.
            figure: Figure to draw on; by default a new one.
        """
        if measure is None:
            measure = next(iter(tested_measures(self.found)), "count")
        return self._several(f"{_EFFECTS}{measure}", figure)

    def specifications(self, figure: Figure | None = None) -> np.ndarray:
        """Effects of every analysis of the same images; two axes per pair of groups."""
        return self._several("specifications", figure)

    def clustered_agreement(self, figure: Figure | None = None) -> np.ndarray:
        """Like `agreement`, with annotators next to each other who agree best, and the tree that sorts them."""
        return self._several("clustered_agreement", figure)

    def bland_altman(self, measure: str = "count", figure: Figure | None = None) -> np.ndarray:
        """Measurements of each annotator against the median of the other raters; one axes per annotator.

        Args:
            measure: `count`, `area` or `intensity`; of channels with names `intensity_cFOS`.
            figure: Figure to draw on; by default a new one.
        """
        return self._several(f"{_AMOUNTS}{measure}", figure)

    def variation_per_effect(self, figure: Figure | None = None) -> np.ndarray:
        """Sizes of each effect of the experiment with the masks of every annotator."""
        return self._several("variation_per_effect", figure)

    def variance(self, figure: Figure | None = None) -> np.ndarray:
        """Where the variance of a score comes from: cases, raters and seeds; one axes per quantity."""
        return self._several("variance", figure)

    def calibration(self, figure: Figure | None = None) -> np.ndarray:
        """How often pixels are foreground, against their probability; below, the number of pixels."""
        return self._several("calibration", figure)

    def uncertainty(self, figure: Figure | None = None) -> np.ndarray:
        """Errors, and disagreement of raters, against the uncertainty of a pixel."""
        return self._several("uncertainty", figure)

    def risk_coverage(self, figure: Figure | None = None) -> np.ndarray:
        """Errors among the pixels that are kept if the most uncertain ones are not."""
        return self._several("risk_coverage", figure)

    def _draw(self, name: str) -> _Draw:
        charts = all_charts(self.found)
        if name not in charts:
            raise UsageError(
                f"{self.found.name}: nothing to show as {_call(name)}; there are {', '.join(map(_call, charts))}"
            )
        return charts[name]

    def _one(self, name: str, ax: Axes | None) -> Axes:
        draw = self._draw(name)
        if ax is not None:
            draw(place=ax)
            return ax
        return draw(place=_new_figure()).axes[0]

    def _several(self, name: str, figure: Figure | None) -> np.ndarray:
        draw = self._draw(name)
        return np.array(draw(place=_new_figure() if figure is None else figure).axes, dtype=object)


def _call(name: str) -> str:
    """How the function of a figure is called.

    Example:
        >>> _call("agreement"), _call("effects_count"), _call("bland_altman_area")
        ('agreement', "effects('count')", "bland_altman('area')")
    """
    function = _without_measure(name)
    return name if function == name else f"{function}({name.removeprefix(function + '_')!r})"


def _without_measure(name: str) -> str:
    """The function that draws a figure."""
    return next((start.rstrip("_") for start in (_EFFECTS, _AMOUNTS) if name.startswith(start)), name)


def _new_figure() -> Figure:
    """A figure registered with pyplot, so that notebooks show it."""
    import matplotlib.pyplot as plt

    return plt.figure(layout="constrained")


def _charts(found: Results) -> dict[str, _Draw]:
    """Figures of an evaluation and its report: name -> function that draws on a `place`."""
    tables, kinds = found.tables, in_figures(found)
    charts: dict[str, _Draw] = {}
    if len(kinds) > 1:
        charts["agreement"] = partial(agreement_matrix, tables.agreement, list(kinds))
    if raters_of(kinds):
        curves = partial(f1_over_threshold, tables.agreement, tables.leave_one_out, kinds)
        charts["f1_over_threshold"] = partial(curves, clusters=units_of(found.subjects))
    if len(tables.raters) > 1:
        charts["habits"] = partial(rater_habits, tables.raters, found.scores)
    models = _models_with_raters(found)
    if models is not None:
        charts["imprint"] = partial(imprint_matrix, models)
    curve = saturation_curve(Agreement(tables.agreement, tables.leave_one_out), found.annotations)
    curve = curve[curve.groupby("trained_on")["n_members"].transform("nunique") > 1]
    if len(curve):
        charts["saturation"] = partial(saturation_figure, curve)
    charts |= _of_classes(found) | _of_strategies(found) | _of_effects(found, kinds)
    choices = _specifications(found, kinds)
    if choices is not None:
        charts["specifications"] = partial(specification_figure, choices)
    return charts


def all_charts(found: Results) -> dict[str, _Draw]:
    """All figures that can be drawn, also those that neither an evaluation nor its report draws, to save time."""
    tables, kinds, clusters = found.tables, in_figures(found), units_of(found.subjects)
    charts = _charts(found)
    if can_be_clustered(tables.agreement, list(kinds)):
        charts["clustered_agreement"] = partial(clustered_agreement, tables.agreement, list(kinds))
    for name, (column, words) in _amounts(tables.counts).items():
        measured = with_the_median(tables.counts, list(kinds), raters_of(kinds), column)
        if measured:
            charts[f"{_AMOUNTS}{name}"] = partial(bland_altman_figure, measured, clusters, words)
    if by_contrast := of_contrast(tables.recall_by_contrast, list(kinds)):
        charts["contrast"] = partial(contrast_figure, by_contrast, clusters)
    tested = decisive_effects(found.effects)
    if (tested["annotator"].isin(list(kinds)) & tested["eta_squared"].notna()).any():
        charts["variation_per_effect"] = partial(variation_per_effect, tested, kinds)
    components = found.scores[found.scores["record"] == VARIANCE.key]
    if len(components):
        charts["variance"] = partial(variance_figure, components)
    return charts | _of_maps(found, clusters)


def _amounts(counts: pd.DataFrame) -> dict[str, tuple[str, str]]:
    """As `_AMOUNT_WORDS`, with intensities."""
    of_channels = {}
    for column in intensities_in(list(counts)):
        channel = measured_channel(column)
        words = "mean intensity of objects" + (f" in {channel}" if channel else "")
        of_channels[f"intensity_{channel}" if channel else "intensity"] = (column, words)
    return _AMOUNT_WORDS | of_channels


def _of_maps(found: Results, clusters: pd.Series) -> dict[str, _Draw]:
    calibration, uncertainty = found.tables.calibration, found.tables.uncertainty
    charts: dict[str, _Draw] = {}
    if len(calibration):
        rows = rows_of(found.scores, ECE.form())
        errors = {
            row["target"]: format_interval(row["value"], row["low"], row["high"]) for row in rows.to_dict("records")
        }
        charts["calibration"] = partial(calibration_figure, calibration, clusters, errors)
    if len(uncertainty):
        charts["uncertainty"] = partial(uncertainty_figure, uncertainty, clusters)
        charts["risk_coverage"] = partial(risk_coverage_figure, uncertainty)
    return charts


def _of_classes(found: Results) -> dict[str, _Draw]:
    if not found.of_classes:
        return {}
    persons = different_persons(found.annotations)
    pixels, objects = (_of_others(found.of_classes[name], persons) for name in ("confusion", "confusion_objects"))
    judged = judged_annotators(found.annotations).names[:MAX_JUDGED]
    panels = confusions(pixels, objects, class_names(found.summary), raters_of(found.kinds), judged)
    return {"confusion": partial(confusion_figure, panels)} if panels else {}


def _of_others(table: pd.DataFrame, persons: Mapping[str, str]) -> pd.DataFrame:
    """Pairs of annotators without those of one person, who is several raters."""
    a, b = (table[side].map(lambda name: persons.get(name, name)) for side in ("annotator_a", "annotator_b"))
    return table[a.ne(b)]


def _of_strategies(found: Results) -> dict[str, _Draw]:
    if not are_side_by_side(found.strategies):
        return {}
    points = annotator_points(strategy_groups(found.people), found.scores, found.effects)
    charts: dict[str, _Draw] = {"strategies": partial(strategies_figure, found.strategies, points)}
    if spenders := spending_groups(found.strategies):
        charts["spending"] = partial(spending_figure, found.strategies, points, spenders)
    return charts


def _of_effects(found: Results, kinds: Mapping[str, str]) -> dict[str, _Draw]:
    effects = found.effects[found.effects["annotator"].isin([*kinds, MEAN_OF_RATERS])]
    pooled = effects[(effects["region"] == "") & (effects["test"] == "mann_whitney")]
    tested = [measure for measure in tested_measures(found) if (pooled["measure"] == measure).any()]
    return {f"{_EFFECTS}{measure}": partial(effects_by_annotator, effects, measure) for measure in tested}


def encoded_figures(found: Results) -> dict[str, bytes]:
    """Draw all figures that can be drawn.

    Returns:
        Name -> the figure as SVG: `agreement`, `f1_over_threshold`, and if there is data for them `confusion`,
        `habits`, `imprint`, `saturation`, `strategies`, `spending`, `effects_<measure>` and `specifications`.
    """
    return {name: encode_figure(draw(), "svg") for name, draw in _charts(found).items()}


def draw_figures(found: Results, folder: Path) -> dict[str, bytes]:
    """Draw all figures that can be drawn, as `<name>.svg` and `<name>.png` in `folder`.

    Args:
        found: The evaluation.
        folder: Folder to create.

    Returns:
        What `encoded_figures` returns.
    """
    figures = {name: draw() for name, draw in _charts(found).items()}
    folder.mkdir()
    drawn = {}
    for name, figure in figures.items():
        drawn[name] = encode_figure(figure, "svg")
        (folder / f"{name}.svg").write_bytes(drawn[name])
        figure.set_layout_engine("none")  # the PNG has the layout of the SVG
        (folder / f"{name}.png").write_bytes(encode_figure(figure, "png"))
    return drawn


def in_figures(found: Results) -> dict[str, str]:
    """Annotators shown in figures: all; if there are many, the raters, references and the judged annotators.

    Exchangeable raters are not shown: their names are of no person.
    """
    if is_exchangeable(found.annotations):
        return {name: kind for name, kind in found.kinds.items() if not is_rater(kind)}
    if len(found.kinds) <= MAX_IN_FIGURES:
        return found.kinds
    judged = judged_annotators(found.annotations).names
    return {name: kind for name, kind in found.kinds.items() if not is_trained(kind) or name in judged}


def _models_with_raters(found: Results) -> pd.DataFrame | None:
    """Mean F1 of held-out models with each rater, by what they were trained on; None if too few raters have models."""
    if is_exchangeable(found.annotations):
        return None
    _, raters, models = held_out_models(found.tables.agreement, found.annotations, "f1")
    if len(set(raters) & set(models)) < MIN_RATERS_FOR_IMPRINT:
        return None
    order = [name for name in raters if name in models] + [name for name in models if name not in raters]
    return pd.DataFrame({name: np.nanmean(models[name], axis=0) for name in order}, index=raters).T


def _specifications(found: Results, kinds: Mapping[str, str]) -> pd.DataFrame | None:
    """The curve of these annotators; None without any effect."""
    if found.specifications is None:
        return None
    table = found.specifications[found.specifications["annotator"].isin(kinds)]
    return specification_curve(table) if table["effect"].notna().any() else None


def tested_measures(found: Results) -> list[str]:
    """Measures of the experiment to show, without density if all areas are equal: its tests are those of the counts."""
    one_area = found.tables.counts["region_area_px"].nunique() <= 1
    tested = found.effects["measure"].unique()
    return [measure for measure in tested if measure != "density" or not one_area or "count" not in tested]
