"""The report: one self-contained page that a biologist can read, and the figures in it.

Evaluation -> figures/*.svg, *.png -> report.html, which needs no other file
"""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from segassay.data.annotations import raters_of
from segassay.figures.style import encode_figure
from segassay.judgement.evaluation import Evaluation
from segassay.judgement.judged import judged_annotators
from segassay.judgement.strategies import annotator_points, are_side_by_side, spending_groups
from segassay.judgement.summary import QUALITIES, format_interval
from segassay.qualities.objectivity.imprint import MIN_RATERS_FOR_IMPRINT, held_out_models
from segassay.qualities.reliability.saturation import saturation_curve
from segassay.qualities.scores.groups import strategy_groups
from segassay.qualities.scores.table import ALL_RATERS, BETWEEN_RATERS, DISTANCES, Agreement
from segassay.qualities.scores.table import MEASURES as MEASURES_OF_MASKS
from segassay.qualities.validity.specification import specification_curve
from segassay.report.charts.models import imprint_matrix, saturation_figure
from segassay.report.charts.specification import specification_figure
from segassay.report.charts.strategies import spending_figure, strategies_figure
from segassay.report.charts.tables import agreement_matrix, effects_by_annotator, f1_over_threshold, rater_habits
from segassay.report.sections import Table, core_scores, in_words, sections, side_by_side
from segassay.tables.effects import IMAGES_AS_UNITS, MEASURES, unit_of

__all__ = ["draw_figures", "write_report"]

MAX_IN_FIGURES = 15
_DASH = "–"
_SHORT = {"f1": "F1", "mean_iou": "mean IoU", "dice": "Dice", "hd95": "HD95", "assd": "ASSD", "nsd": "NSD"}
_UNITS = {"px": "px", "um": "µm"}
_COMPARED_WITH = {"": "each other", "pairwise": "the raters", "leave_one_out": "the others’ consensus"}


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
        if len(_pooled(effects, measure).query("test == 'mann_whitney'")):
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
        annotators=_annotators(found),
        between=_between(core),
        raters=_raters(found),
        beside_humans=_beside_humans(core),
        strategies=side_by_side(found.strategies) if are_side_by_side(found.strategies) else None,
        against=_against(core),
        reliability=_reliability(core),
        distances=_distances(core),
        effects={measure: _effects(found.effects, measure) for measure in _tested_measures(found)},
        unit=_unit(found.effects),
        images_as_units=IMAGES_AS_UNITS,
        undefined=_undefined(core),
        sections=sections(found.scores, judged_annotators(found.annotations).names),
        n_scores=len(found.scores),
        n_in_figures=len(_in_figures(found)),
        not_judged=_not_judged(found),
        policy=found.summary["policy"],
    )
    path.write_text(page, encoding="utf-8", newline="")


# ------------------------------------------------------------------------------------------------- tables of the page


def _annotators(found: Evaluation) -> Table:
    """Who was compared, how much each marked, and whether models saw the cases before."""
    counts = found.tables.counts.groupby("annotator")
    totals = counts["n_objects"].sum()
    rows = []
    for name, kind in found.kinds.items():
        masks = found.annotations[found.annotations["annotator"] == name]
        n_missing = int((found.tables.missing["annotator"] == name).sum())
        n_cases = len(counts.get_group(name)) if name in totals.index else 0
        rows.append(
            [name, kind, str(n_cases), f"{totals.get(name, 0):,}", str(n_missing or _DASH), _held_out(masks, kind)]
        )
    header = ("annotator", "kind", "images", "objects", "missing predictions", "held out from training")
    return Table(header, rows)


def _held_out(masks: pd.DataFrame, kind: str) -> str:
    if kind not in ("model", "ensemble"):
        return _DASH
    n_known = int(masks["held_out"].fillna(False).sum())
    if n_known == len(masks):
        return "all images"
    return "unknown" if not n_known else f"{n_known} images, unknown for {len(masks) - n_known}"


def _between(scores: pd.DataFrame) -> Table:
    rows = [
        [_words(measure), target, *_number(row)]
        for measure, target, row in _scored(scores, "objectivity")
        if target in (BETWEEN_RATERS, ALL_RATERS) and not measure.startswith(DISTANCES)
    ]
    return Table(("measure", "of whom", "mean (95 % interval)", "images", "undefined"), rows)


def _scored(scores: pd.DataFrame, quality: str) -> list[tuple[str, str, dict[Any, Any]]]:
    return [(row["measure"], row["target"], row) for row in scores[scores["quality"] == quality].to_dict("records")]


def _number(row: Mapping[Any, Any]) -> list[str]:
    return [format_interval(row["value"], row["low"], row["high"]), str(row["n_cases"]), str(row["n_undefined"])]


def _words(measure: str) -> str:
    """A measure's name for people.

    Example:
        >>> _words("mean_iou_leave_one_out"), _words("f1_against_est_GT")
        ('mean IoU against the others’ consensus', 'F1 against est_GT')
    """
    name, against, reference = measure.partition("_against_")
    for short, long in _SHORT.items():
        name = long + name.removeprefix(short) if name.startswith(short) else name
    for ending, words in (
        ("_minus_raters", ", difference to the raters"),
        ("_leave_one_out", " against the others’ consensus"),
        ("_pairwise", " with the raters"),
        ("_px", " in pixels"),
        ("_um", " in µm"),
    ):
        name = name.replace(ending, words)
    return f"{name} against {reference}" if against else name


def _raters(found: Evaluation) -> Table:
    """Each rater's habit, with intervals where they are known."""
    scores = found.scores[found.scores["quality"] == "objectivity"]
    own = {(row["target"], row["measure"]): _number(row)[0] for row in scores.to_dict("records")}
    rows = []
    for row in found.tables.raters.to_dict("records"):
        rater = row["rater"]
        f1 = own.get((rater, "f1_leave_one_out")) or own.get((rater, "f1_pairwise"), _DASH)
        habits = [own.get((rater, measure), _DASH) for measure in ("log_count_ratio", "log_area_ratio")]
        rates = [_rate(row[f"{name}_leave_one_out"]) for name in ("sensitivity", "specificity")]
        rows.append([rater, str(row["n_cases"]), f1, *habits, *rates])
    header = ("rater", "images", "F1", "log count ratio", "log area ratio", "sensitivity", "specificity")
    return Table(header, rows)


def _rate(value: float) -> str:
    return _DASH if pd.isna(value) else f"{value:.3f}"


def _beside_humans(scores: pd.DataFrame) -> Table:
    """Models and people, scored alike: one row per annotator and measure."""
    validity = scores[scores["quality"] == "validity"]
    validity = validity[~validity["measure"].str.startswith(DISTANCES)]
    difference = validity[validity["measure"].str.endswith("_minus_raters")]
    gap = {(row["target"], row["measure"].removesuffix("_minus_raters")): row for row in difference.to_dict("records")}
    rows = []
    for row in validity[validity["measure"].str.endswith(("_leave_one_out", "_pairwise"))].to_dict("records"):
        human = _DASH if pd.isna(row["human_low"]) else f"{row['human_low']:.2f} to {row['human_high']:.2f}"
        less_human = gap.get((row["target"], row["measure"]))
        value, *counts = _number(row)
        cells = [value, human, _DASH if less_human is None else _number(less_human)[0], *counts]
        rows.append([row["target"], _words(row["measure"].removesuffix("_leave_one_out")), *cells])
    header = ("annotator", "measure", "mean (95 % interval)", "lowest to highest rater", "minus the raters’ mean")
    return Table((*header, "images", "undefined"), rows)


def _against(scores: pd.DataFrame) -> dict[str, Table]:
    """Everybody against each reference or truth: one row per annotator, one column per measure."""
    rows = scores[scores["measure"].str.contains("_against_")]
    tables = {}
    for reference, part in rows.groupby(rows["measure"].str.split("_against_").str[-1], sort=False):
        cells = {(row["target"], row["measure"].split("_against_")[0]): _number(row) for row in part.to_dict("records")}
        shown = [
            [target, *(cells[target, measure][0] for measure in MEASURES_OF_MASKS), *cells[target, "mean_iou"][1:]]
            for target in part["target"].unique()
        ]
        header = ("annotator", *map(_words, MEASURES_OF_MASKS), "images", "without any overlap")
        tables[str(reference)] = Table(header, shown)
    return tables


def _reliability(scores: pd.DataFrame) -> Table:
    rows = [
        [target, _words(measure), row["note"], *_number(row)]
        for measure, target, row in _scored(scores, "reliability")
        if not measure.startswith(DISTANCES)
    ]
    return Table(("between", "measure", "pairs", "mean (95 % interval)", "images", "undefined"), rows)


def _distances(scores: pd.DataFrame) -> dict[str, Table]:
    """A table per unit: how far outlines lie apart, and at most where an outline is missing."""
    rows: dict[str, dict[tuple[str, str], dict[str, str]]] = {}
    nsd = {}
    for row in scores[scores["measure"].str.startswith(DISTANCES)].to_dict("records"):
        name, _, ending = row["measure"].partition("_")
        unit, _, ending = ending.partition("_") if name != "nsd" else ("", "", ending)
        *other_notes, undefined = row["note"].split("; ")
        reference = " ".join([ending.removeprefix("against_"), *(["(contains the raters)"] if other_notes else [])])
        key = row["target"], _COMPARED_WITH.get(ending, reference)
        value, n_cases, _ = _number(row)
        if name == "nsd":
            nsd[key] = value
            continue
        undefined = undefined.removesuffix(" comparisons undefined")
        bound = "" if undefined.startswith("0 ") else f"; at most {format_interval(row['bound'], math.nan, math.nan)}"
        cells = rows.setdefault(_UNITS[unit], {}).setdefault(key, {})
        cells |= {name: value + bound, "images": n_cases, "undefined": undefined}
    header = ("of whom", "with", "HD95 ({0})", "ASSD ({0})", "NSD", "images", "undefined")
    return {
        unit: Table(
            [cell.format(unit) for cell in header],
            [
                [*key, cell["hd95"], cell["assd"], nsd[key], cell["images"], cell["undefined"]]
                for key, cell in of.items()
            ],
        )
        for unit, of in rows.items()
    }


def _pooled(effects: pd.DataFrame, measure: str) -> pd.DataFrame:
    """Rows over all regions; of the units that the verdict rests on."""
    rows = effects[(effects["measure"] == measure) & (effects["region"] == "")]
    return rows[rows["unit"] == _unit(effects)]


def _unit(effects: pd.DataFrame) -> str:
    return unit_of(effects["unit"] == "subject")


def _effects(effects: pd.DataFrame, measure: str) -> Table:
    rows = []
    for row in _pooled(effects, measure).to_dict("records"):
        omnibus = row["test"] == "kruskal_wallis"
        if row["test"] == "mixed_model":
            continue
        contrast = "all groups" if omnibus else f"{row['group_2']} against {row['group_1']}"
        sizes = _DASH if omnibus else f"{row['n_2']}, {row['n_1']}"
        eta_squared = max(row["eta_squared"], 0.0) if omnibus else row["eta_squared"]  # floored for display only
        statistic = f"{'H' if omnibus else 'U'} = {row['statistic']:.4g}"
        shift = _DASH if omnibus else format_interval(row["hl_shift"], row["hl_low"], row["hl_high"])
        verdict = str(row["verdict"]).replace("_", " ") or "groups differ"
        cells = [row["annotator"], contrast, sizes, _statistic(statistic), _p(row["p_adjusted"]), _rate(eta_squared)]
        rows.append([*cells, shift, verdict])
    header = ("annotator", "groups", "n", "statistic", "p adjusted", "η²", "shift (95 % interval)", "verdict")
    return Table(header, rows)


def _statistic(text: str) -> str:
    return _DASH if text.endswith("nan") else text


def _p(value: float) -> str:
    return _DASH if pd.isna(value) else "< .0001" if value < 1e-4 else f"{value:.4f}"


def _not_judged(found: Evaluation) -> Table:
    rows = [[row["quality"], in_words(row["measure"]), row["why"]] for row in found.not_judged.to_dict("records")]
    return Table(("quality", "measure", "what is missing"), rows)


def _undefined(scores: pd.DataFrame) -> Table:
    rows = [
        [quality, target, _words(row["measure"]), str(row["n_undefined"]), str(row["n_cases"])]
        for quality in QUALITIES
        for _, target, row in _scored(scores, quality)
        if row["n_undefined"]
    ]
    return Table(("quality", "of whom", "measure", "images undefined", "images that count"), rows)
