"""The report: one self-contained page that a biologist can read, and the figures in it.

Evaluation -> figures/*.svg, *.png -> report.html, which needs no other file
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from segassay.data.annotations import raters_of
from segassay.figures.style import encode_figure
from segassay.judgement.evaluation import Evaluation
from segassay.judgement.judged import judged_annotators
from segassay.judgement.strategies import annotator_points, are_side_by_side, spending_groups
from segassay.judgement.summary import QUALITIES
from segassay.qualities.objectivity.imprint import held_out_models
from segassay.qualities.objectivity.records import MIN_RATERS_FOR_IMPRINT
from segassay.qualities.reliability.saturation import saturation_curve
from segassay.qualities.scores.groups import strategy_groups
from segassay.qualities.scores.table import Agreement
from segassay.qualities.validity.specification import specification_curve
from segassay.report.charts.models import imprint_matrix, saturation_figure
from segassay.report.charts.specification import specification_figure
from segassay.report.charts.strategies import spending_figure, strategies_figure
from segassay.report.charts.tables import agreement_matrix, effects_by_annotator, f1_over_threshold, rater_habits
from segassay.report.sections import core_scores, sections, side_by_side
from segassay.report.tables import (
    against_references,
    annotators_table,
    beside_people,
    between_raters,
    distance_tables,
    effects_table,
    not_judged_table,
    pooled_effects,
    raters_table,
    trainings_table,
    undefined_table,
)
from segassay.tables.effects import IMAGES_AS_UNITS, MEASURES, unit_of

__all__ = ["draw_figures", "write_report"]

MAX_IN_FIGURES = 15


def draw_figures(found: Evaluation, folder: Path) -> dict[str, bytes]:
    """Draw what there is to draw, as `<name>.svg` and `<name>.png` in `folder`.

    Args:
        found: The evaluation.
        folder: Is made.

    Returns:
        Name -> the figure as SVG: `agreement`, `f1_over_threshold`, and where they exist `habits`, `imprint`,
        `saturation`, `strategies`, `spending`, `effects_<measure>` and `specifications`.
    """
    tables, kinds = found.tables, _in_figures(found)
    figures = {"agreement": agreement_matrix(tables.agreement, list(kinds))}
    if len(raters_of(kinds)):
        figures["f1_over_threshold"] = f1_over_threshold(tables.agreement, tables.leave_one_out, kinds)
    if len(tables.raters) > 1:
        figures["habits"] = rater_habits(tables.raters, found.scores)
    models = _models_with_raters(found)
    if models is not None:
        figures["imprint"] = imprint_matrix(models)
    curve = saturation_curve(Agreement(tables.agreement, tables.leave_one_out), found.annotations)
    curve = curve[curve.groupby("trained_on")["n_members"].transform("nunique") > 1]
    if len(curve):
        figures["saturation"] = saturation_figure(curve)
    if are_side_by_side(found.strategies):
        points = annotator_points(strategy_groups(found.annotations), found.scores, found.effects)
        figures["strategies"] = strategies_figure(found.strategies, points)
        if spenders := spending_groups(found.strategies):
            figures["spending"] = spending_figure(found.strategies, points, spenders)
    effects = found.effects[found.effects["annotator"].isin(kinds)]
    for measure in _tested_measures(found):
        if len(pooled_effects(effects, measure).query("test == 'mann_whitney'")):
            figures[f"effects_{measure}"] = effects_by_annotator(effects, measure)
    choices = _specifications(found, kinds)
    if choices is not None:
        figures["specifications"] = specification_figure(choices)
    folder.mkdir()
    drawn = {}
    for name, figure in figures.items():
        drawn[name] = encode_figure(figure, "svg")
        (folder / f"{name}.svg").write_bytes(drawn[name])
        (folder / f"{name}.png").write_bytes(encode_figure(figure, "png"))
    return drawn


def _in_figures(found: Evaluation) -> dict[str, str]:
    """Annotators that fit into a figure: all, where they are many people, references and whom the verdicts judge."""
    if len(found.kinds) <= MAX_IN_FIGURES:
        return found.kinds
    judged = judged_annotators(found.annotations).names
    return {name: kind for name, kind in found.kinds.items() if kind not in ("model", "ensemble") or name in judged}


def _models_with_raters(found: Evaluation) -> pd.DataFrame | None:
    """Mean F1 of held-out models, by what they were trained on, with each rater; None with too few raters' models."""
    _, raters, models = held_out_models(found.tables.agreement, found.annotations, "f1")
    if len(set(raters) & set(models)) < MIN_RATERS_FOR_IMPRINT:
        return None
    order = [name for name in raters if name in models] + [name for name in models if name not in raters]
    return pd.DataFrame({name: np.nanmean(models[name], axis=0) for name in order}, index=raters).T


def _specifications(found: Evaluation, kinds: Mapping[str, str]) -> pd.DataFrame | None:
    """The curve of these annotators; None where there is no effect."""
    if found.specifications is None:
        return None
    table = found.specifications[found.specifications["annotator"].isin(kinds)]
    return specification_curve(table) if table["effect"].notna().any() else None


def _tested_measures(found: Evaluation) -> list[str]:
    """Measures with a section of their own: where all areas are equal, densities give the tests of the counts."""
    one_area = found.tables.counts["region_area_px"].nunique() <= 1
    return [measure for measure in MEASURES if measure != "density" or not one_area]


def write_report(path: Path, found: Evaluation, figures: Mapping[str, bytes]) -> None:
    """Write the page.

    Args:
        path: File to write.
        found: The evaluation.
        figures: What `draw_figures` returns.
    """
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates", encoding="utf-8"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    sources = {name: f"data:image/svg+xml;base64,{base64.b64encode(svg).decode()}" for name, svg in figures.items()}
    annotations, core = found.annotations, core_scores(found.scores)
    page = environment.get_template("report.html").render(
        name=found.name,
        n_cases=annotations["case"].nunique(),
        kinds=found.kinds,
        summary=found.summary,
        qualities=[(quality, found.summary[quality]) for quality in QUALITIES],
        figures=sources,
        annotators=annotators_table(found),
        between=between_raters(core),
        raters=raters_table(found),
        beside_humans=beside_people(core),
        strategies=side_by_side(found.strategies) if are_side_by_side(found.strategies) else None,
        against=against_references(core),
        reliability=trainings_table(core),
        distances=distance_tables(core),
        effects={measure: effects_table(found.effects, measure) for measure in _tested_measures(found)},
        unit=unit_of(found.effects["unit"] == "subject"),
        images_as_units=IMAGES_AS_UNITS,
        undefined=undefined_table(core),
        sections=sections(found.scores, judged_annotators(found.annotations).names),
        n_scores=len(found.scores),
        n_in_figures=len(_in_figures(found)),
        not_judged=not_judged_table(found),
        policy=found.summary["policy"],
    )
    path.write_text(page, encoding="utf-8", newline="")
