"""Tables of the report with a layout of their own: annotators, raters, models compared with raters, effects.

Results, core scores  ->  tables whose cells are text
"""

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from segassay.data.annotations import is_trained, kind_label
from segassay.data.measurements import OF_ALL
from segassay.data.named_channels import INTENSITY, measured_channel
from segassay.io.spacing import shown_unit
from segassay.judgement.results import Results
from segassay.judgement.sentences import format_interval
from segassay.qualities.catalogue import CATALOGUE
from segassay.qualities.objectivity import records as objectivity
from segassay.qualities.scores.measure import AGAINST, LEAVE_ONE_OUT, PAIRWISE
from segassay.qualities.scores.table import ALL_RATERS, BETWEEN_RATERS, MEASURES, QUALITIES
from segassay.qualities.validity import records as validity
from segassay.report.glossary import anchor
from segassay.report.naming import plain_gap, plain_name
from segassay.report.sections import SCORES, Table, terms_of
from segassay.tables.effects import UNEQUAL_SPREAD
from segassay.tables.samples import unit_of

__all__ = [
    "against_references",
    "annotators_table",
    "between_raters",
    "compared_with_raters",
    "distance_tables",
    "effects_table",
    "not_judged_table",
    "pooled_effects",
    "raters_table",
    "trainings_table",
    "undefined_table",
]

_DASH = "–"
_MEASUREMENTS = {
    "count": "Number of objects",
    "density": "Objects per area",
    "mean_intensity": "Mean intensity of objects",
    "object_size": "Mean size of objects",
}
_OBJECTS, _AREA = "objects marked, log ratio", "area marked, log ratio"
_OF_RATERS = {
    "F1": anchor(objectivity.F1.key),
    _OBJECTS: anchor(objectivity.LOG_COUNT_RATIO.key),
    _AREA: anchor(objectivity.LOG_AREA_RATIO.key),
}
_OF_MASKS = {record.words: anchor(record.key) for record in (validity.F1, validity.MEAN_IOU, validity.DICE)}
_COMPARED_WITH = {"": "each other", PAIRWISE: "the raters", LEAVE_ONE_OUT: "the consensus of the other raters"}


def annotators_table(found: Results) -> Table:
    """The annotators: how much each marked, and whether models were trained on the cases."""
    counts = found.tables.counts.groupby("annotator")
    totals = counts["n_objects"].sum()
    rows = []
    for name, kind in found.kinds.items():
        masks = found.annotations[found.annotations["annotator"] == name]
        n_missing = int((found.tables.missing["annotator"] == name).sum())
        n_cases = len(counts.get_group(name)) if name in totals.index else 0
        rows.append(
            [
                name,
                kind_label(kind),
                str(n_cases),
                f"{totals.get(name, 0):,}",
                str(n_missing or _DASH),
                _held_out(masks, kind),
            ]
        )
    header = ("annotator", "kind", "images", "objects", "missing predictions", "held out from training")
    return Table(header, rows, "tables/annotations.csv")


def _held_out(masks: pd.DataFrame, kind: str) -> str:
    if not is_trained(kind):
        return _DASH
    n_known = int(masks["held_out"].fillna(False).sum())
    if n_known == len(masks):
        return "all images"
    return "unknown" if not n_known else f"{n_known} images, unknown for {len(masks) - n_known}"


def between_raters(core: pd.DataFrame) -> Table:
    """Agreement of all raters together."""
    rows = [
        [plain_name(row), row["target"], *_number(row)]
        for row in _of_masks(core, "objectivity").to_dict("records")
        if row["target"] in (BETWEEN_RATERS, ALL_RATERS)
    ]
    header = ("measure", "annotators", "mean (95 % interval)", "images", "undefined")
    return Table(header, rows, SCORES, terms_of(core))


def _of_masks(core: pd.DataFrame, quality: str) -> pd.DataFrame:
    """Rows of one quality, without those of outlines."""
    outlines = [key for key, record in CATALOGUE.items() if record.section == "outlines"]
    return core[core["quality"].eq(quality) & ~core["record"].isin(outlines)]


def _number(row: Mapping[Any, Any]) -> list[str]:
    return [format_interval(row["value"], row["low"], row["high"]), str(row["n_cases"]), str(row["n_undefined"])]


def raters_table(found: Results) -> Table:
    """How each rater differs from the others, with intervals if they are known."""
    scores = found.scores[found.scores["quality"] == "objectivity"]
    own = {(row["target"], row["base"], row["comparison"]): _number(row)[0] for row in scores.to_dict("records")}
    rows = []
    for row in found.tables.raters.to_dict("records"):
        rater = row["rater"]
        f1 = own.get((rater, "f1", LEAVE_ONE_OUT)) or own.get((rater, "f1", PAIRWISE), _DASH)
        habits = [own.get((rater, measure, ""), _DASH) for measure in ("log_count_ratio", "log_area_ratio")]
        rates = [_rate(row[f"{name}_leave_one_out"]) for name in ("sensitivity", "specificity")]
        rows.append([rater, str(row["n_cases"]), f1, *habits, *rates])
    header = ("rater", "images", "F1", _OBJECTS, _AREA, "foreground found", "background left")
    return Table(header, rows, "tables/raters.csv", _OF_RATERS)


def _rate(value: float) -> str:
    return _DASH if pd.isna(value) else f"{value:.3f}"


def compared_with_raters(core: pd.DataFrame) -> Table:
    """Models and raters, scored in the same way: one row per annotator and measure."""
    scores = _of_masks(core, "validity")
    differences = scores[scores["base"] == validity.MINUS_RATERS.name].to_dict("records")
    gap = {(row["target"], row["of"], row["comparison"]): row for row in differences}
    rows = []
    is_shown = scores["base"].isin(MEASURES) & scores["comparison"].isin([LEAVE_ONE_OUT, PAIRWISE])
    for row in scores[is_shown].to_dict("records"):
        of_raters = _DASH if pd.isna(row["human_low"]) else f"{row['human_low']:.2f} to {row['human_high']:.2f}"
        difference = gap.get((row["target"], row["base"], row["comparison"]))
        value, *counts = _number(row)
        cells = [value, of_raters, _DASH if difference is None else _number(difference)[0], *counts]
        words = CATALOGUE[row["record"]].words if row["comparison"] == LEAVE_ONE_OUT else plain_name(row)
        rows.append([row["target"], words, *cells])
    header = ("annotator", "measure", "mean (95 % interval)", "lowest to highest rater", "minus the raters’ mean")
    terms = {CATALOGUE[record].words: anchor(record) for record in scores["record"].unique()}
    return Table((*header, "images", "undefined"), rows, SCORES, terms | terms_of(scores[is_shown]))


def against_references(core: pd.DataFrame) -> dict[str, Table]:
    """All annotators against each reference or truth: one row per annotator, one column per measure."""
    rows = core[core["comparison"].eq(AGAINST) & core["base"].isin(MEASURES)]
    tables = {}
    for reference, part in rows.groupby("reference", sort=False):
        cells = {(row["target"], row["base"]): _number(row) for row in part.to_dict("records")}
        shown = [
            [target, *(cells[target, measure][0] for measure in MEASURES), *cells[target, "mean_iou"][1:]]
            for target in part["target"].unique()
        ]
        words = [record.words for record in (validity.F1, validity.MEAN_IOU, validity.DICE)]
        header = ("annotator", *words, "images", "without any overlap")
        tables[str(reference)] = Table(header, shown, SCORES, _OF_MASKS)
    return tables


def trainings_table(core: pd.DataFrame) -> Table:
    """Agreement of trainings that differ only by the seed, or by the fold."""
    rows = [
        [row["target"], plain_name(row), row["note"], *_number(row)]
        for row in _of_masks(core, "reliability").to_dict("records")
    ]
    header = ("between", "measure", "pairs", "mean (95 % interval)", "images", "undefined")
    return Table(header, rows, SCORES, terms_of(core))


def distance_tables(core: pd.DataFrame, smallest_um: float = 0.0) -> dict[str, Table]:
    """A table per unit: distances between outlines, with an upper bound if an outline is missing.

    Args:
        core: Scores, as the report sorts them.
        smallest_um: The smallest distance between pixels of any image, see `segassay.io.spacing.shown_unit`.
    """
    rows: dict[str, dict[tuple[str, str], dict[str, str]]] = {}
    nsd = {}
    outlines = [key for key, record in CATALOGUE.items() if record.section == "outlines"]
    for row in core[core["record"].isin(outlines)].to_dict("records"):
        key = row["target"], _compared_with(row)
        value, n_cases, _ = _number(row)
        if row["base"] == "nsd":
            nsd[key] = value
            continue
        unit, per_um = shown_unit(row["variant"], smallest_um)
        value = _number(row | {name: row[name] * per_um for name in ("value", "low", "high")})[0]
        n, n_undefined = row["n_comparisons"], row["n_comparisons_undefined"]
        bound = f"; at most {format_interval(row['bound'] * per_um, math.nan, math.nan)}" if n_undefined else ""
        cells = rows.setdefault(unit, {}).setdefault(key, {})
        cells |= {row["base"]: value + bound, "images": n_cases, "undefined": f"{n_undefined} of {n}"}
    header = ("annotators", "compared with", "HD95 ({0})", "ASSD ({0})", "NSD", "images", "undefined")
    return {
        unit: Table(
            [cell.format(unit) for cell in header],
            [
                [*key, cell["hd95"], cell["assd"], nsd[key], cell["images"], cell["undefined"]]
                for key, cell in of.items()
            ],
            SCORES,
            {cell.format(unit): anchor(validity.HD95.key) for cell in header[2:5]},
        )
        for unit, of in rows.items()
    }


def _compared_with(row: Mapping[Any, Any]) -> str:
    """What outlines are compared with."""
    if row["comparison"] != AGAINST:
        return _COMPARED_WITH[row["comparison"]]
    return f"{row['reference']} (contains the raters)" if row["contains_raters"] else str(row["reference"])


def pooled_effects(effects: pd.DataFrame, measure: str) -> pd.DataFrame:
    """Rows over all regions, for the units that the conclusion rests on."""
    rows = effects[(effects["measure"] == measure) & (effects["region"] == "")]
    return rows[rows["unit"] == unit_of(effects["unit"] == "subject")]


def measurement_words(measure: str) -> str:
    """Heading of a measurement.

    Example:
        >>> measurement_words("count"), measurement_words("freezing_time")
        ('Number of objects', 'Freezing time')
        >>> measurement_words("mean_intensity_cFOS")
        'Mean intensity of objects in cFOS'
    """
    if channel := measured_channel(measure):
        return f"{_MEASUREMENTS[INTENSITY]} in {channel}"
    words = measure.replace("_", " ")
    return _MEASUREMENTS.get(measure, words[:1].upper() + words[1:])


def effects_table(effects: pd.DataFrame, measure: str) -> Table:
    """Tests of one measurement, one row per annotator and pair of groups."""
    rows = []
    tested = pooled_effects(effects, measure)
    tested = tested.assign(annotator=tested["annotator"].replace(OF_ALL, "without masks"))
    for row in tested.to_dict("records"):
        omnibus = row["test"] == "kruskal_wallis"
        if row["test"] == "mixed_model":
            continue
        contrast = "all groups" if omnibus else f"{row['group_2']} compared with {row['group_1']}"
        sizes = _DASH if omnibus else f"{row['n_2']}, {row['n_1']}"
        eta_squared = max(row["eta_squared"], 0.0) if omnibus else row["eta_squared"]  # floored for display only
        known = pd.notna(row["statistic"])
        statistic = f"{'H' if omnibus else 'U'} = {row['statistic']:.4g}" if known else _DASH
        shift = _DASH if omnibus else format_interval(row["hl_shift"], row["hl_low"], row["hl_high"])
        verdict = str(row["verdict"]).replace("_", " ") or "groups differ"
        if UNEQUAL_SPREAD in row["note"]:
            verdict += f" (if spreads may differ, p = {_p(row['p_unequal'])})"
        cells = [row["annotator"], contrast, sizes, statistic, _p(row["p_adjusted"]), _rate(eta_squared)]
        rows.append([*cells, shift, verdict])
    header = ("annotator", "groups", "n", "statistic", "adjusted p", "η²", "shift (95 % interval)", "conclusion")
    return Table(header, rows, "tables/effects.csv", {"η²": anchor(validity.ETA_SQUARED.key)})


def _p(value: float) -> str:
    return _DASH if pd.isna(value) else "< .0001" if value < 1e-4 else f"{value:.4f}"


def not_judged_table(found: Results) -> Table:
    """Measures that could not be computed, and what is missing for each."""
    rows = [
        [row["quality"], plain_gap(row["measure"], row["words"]), row["why"]]
        for row in found.not_judged.to_dict("records")
    ]
    return Table(("quality", "measure", "what is missing"), rows, "tables/not_judged.csv")


def undefined_table(core: pd.DataFrame) -> Table:
    """Scores that are undefined for some image."""
    rows = [
        [quality, row["target"], plain_name(row), str(row["n_undefined"]), str(row["n_cases"])]
        for quality in QUALITIES
        for row in core[core["quality"] == quality].to_dict("records")
        if row["n_undefined"]
    ]
    header = ("quality", "annotators", "measure", "images undefined", "images used")
    return Table(header, rows, SCORES, terms_of(core))
