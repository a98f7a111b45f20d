"""One MLflow run of an evaluation: what people compare as numbers, verdicts as tags and in words, the rest as files.

Results, folder of the evaluation  ->  headlines, tags, description, dataset, tables, files
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pandas as pd
from PIL import Image

from segassay.judgement.classes import WHERE_MARKED, class_names, class_paths
from segassay.judgement.headlines import agreement_names, headlines
from segassay.judgement.judged import judged_annotators
from segassay.judgement.results import Results
from segassay.judgement.sentences import format_interval
from segassay.judgement.summary import judged_in, outcome_of
from segassay.qualities.scores.table import written

__all__ = [
    "VIEW",
    "class_metrics",
    "description",
    "log_classes",
    "log_headlines",
    "log_results",
    "metric_name",
    "metrics_of",
    "numbers_of",
    "plain",
    "tracked_run",
]

VIEW = "view"
"""Folder of artifacts that only MLflow's user interface needs; all others are the files of the evaluation."""

_KEY_FIGURES = ("strategies", "f1_over_threshold", "agreement")
_KEY_FIGURE = f"{VIEW}/key_figure.png"
_WIDTH = 860  # pixels of the key figure
_WHERE = "All numbers are in the artifacts `report.html`, `tables/` and `view/scores.json`."
_WHERE_STUDY = (
    "The report is the artifact `report.html`; tables and figures are artifacts of the child run *evaluate …*."
)
_LONGEST = 7500  # characters of a description; MLflow cuts at 8000


def tracked_run(
    track: bool, experiment: str, name: str, params: Mapping[str, Any]
) -> AbstractContextManager[str | None]:
    """An MLflow run; does nothing if `track` is False, and does not load MLflow."""
    if not track:
        return nullcontext()
    from segassay import __version__, tracking

    return tracking.run(
        experiment, f"evaluate {name}", tags={"kind": "evaluation", "segassay": __version__}, params=params
    )


def log_results(work_dir: Path, found: Results, *, source: str | os.PathLike[str] | None = None) -> None:
    """Log an evaluation to the active MLflow run.

    Args:
        work_dir: Its folder; all files are kept as artifacts under the same relative paths.
        found: The evaluation.
        source: Dataset folder, or table of annotations.
    """
    from segassay import tracking

    tracking.log_dataset(
        found.name,
        found.summary["data_hash"],
        context="evaluation",
        source=source,
        cases=found.annotations["case"].nunique(),
        annotators=found.annotations["annotator"].nunique(),
    )
    log_headlines(found, work_dir)
    for name, table in {"scores": written(found.scores), "strategies": found.strategies}.items():
        if len(table):
            tracking.log_table(written(table), f"{VIEW}/{name}.json")
    tracking.log_files(work_dir)


def log_classes(found: Results) -> None:
    """Log F1, Dice and verdicts of every class to the active MLflow run; nothing if masks have one class.

    Metrics are `classes/<class>/<quality>/<measure>`, the means over classes `mean_of_classes/<quality>/<measure>`, and
    tags `classes/<class>/verdict.<quality>`; a class has the name of its folder.
    """
    from segassay import tracking

    names = class_names(found.summary)
    if not names:
        return
    paths = class_paths(names)
    references = [name for name, kind in found.kinds.items() if kind in ("consensus", "truth")]
    measures = agreement_names(references)
    shown = measures | {f"{name}{WHERE_MARKED}" for name in measures}
    table = found.of_classes["classes"]
    tracking.log_metrics(class_metrics(table[table["measure"].isin(shown)], paths))
    verdicts = {
        f"{paths[name]}/verdict.{quality}": outcome_of(judged)[0]
        for name, of in found.summary["classes"].items()
        for quality, judged in of.items()
    }
    tracking.set_tags(verdicts)


def class_metrics(table: pd.DataFrame, paths: Mapping[str, str]) -> dict[str, float]:
    """Numbers of every class, and their means over classes; undefined ones are left out.

    Args:
        table: Rows of table `classes`, of `segassay.judgement.classes.class_headlines`.
        paths: Class -> its folder, of `class_paths`.

    Example:
        >>> row = {"class": "zone", "quality": "objectivity", "measure": "f1_where_marked", "target": "between raters"}
        >>> class_metrics(pd.DataFrame([row | {"value": 0.5, "n_classes": 0}]), {"zone": "classes/zone"})
        {'classes/zone/objectivity/f1_where_marked': 0.5}
    """
    metrics: dict[str, float] = {}
    for row in table.to_dict("records"):
        if pd.isna(row["value"]):
            continue
        start = "mean_of_classes" if row["n_classes"] else paths[row["class"]]
        metrics.setdefault(metric_name(f"{start}/{row['quality']}/{row['measure']}"), float(row["value"]))
    return metrics


def log_headlines(found: Results, folder: Path, about: str = "") -> None:
    """Log the headlines as numbers, the verdicts as tags, and both as description of the active MLflow run.

    Args:
        found: The evaluation.
        folder: Its folder, for the key figure.
        about: What the run is, in Markdown, before the verdicts.
    """
    from segassay import tracking

    table = headlines(found)
    tracking.log_metrics(metrics_of(table))
    log_classes(found)
    judged = judged_annotators(found.annotations)
    verdicts = {f"verdict.{name}": outcome_of(found.summary[name])[0] for name in judged_in(found.summary)}
    tracking.set_tags(verdicts | {"judged": ", ".join(judged.names) or None})
    figure = next((path for name in _KEY_FIGURES if (path := folder / "figures" / f"{name}.png").is_file()), None)
    if figure is not None:
        tracking.log_image(_small(figure), _KEY_FIGURE)
    link = f"get-artifact?path={quote(_KEY_FIGURE, safe='')}&run_uuid={tracking.active_run()}"
    tracking.describe(description(found, table, figure=None if figure is None else link, about=about))


def _small(path: Path) -> Image.Image:
    """A figure as wide as a description: a wider one would keep the text beside it from being wrapped."""
    with Image.open(path) as figure:
        figure.thumbnail((_WIDTH, 10 * _WIDTH))
        return figure.copy()


def metrics_of(table: pd.DataFrame) -> dict[str, float]:
    """Numbers of a run, each with its interval if it has one.

    Args:
        table: Table with `HEADLINE_COLUMNS`.

    Returns:
        `<quality>/<measure>`, with `_low` and `_high`, and `.n_undefined` if there are such cases.

    Example:
        >>> row = {"quality": "validity", "measure": "f1", "contrast": "", "value": 0.7, "low": 0.6, "high": 0.8}
        >>> metrics_of(pd.DataFrame([row | {"n_undefined": 0}]))
        {'validity/f1': 0.7, 'validity/f1_low': 0.6, 'validity/f1_high': 0.8}
    """
    return {f"{quality}/{name}{ending}": number for quality, name, ending, number in numbers_of(table)}


def numbers_of(table: pd.DataFrame) -> Iterator[tuple[str, str, str, float]]:
    """Quality, name, ending and value of the numbers in `metrics_of`; the ending of a value itself is empty."""
    for row in table.to_dict("records"):
        quality, name = row["quality"], metric_name(f"{row['measure']} {row['contrast']}".strip())
        yield quality, name, "", float(row["value"])
        yield from ((quality, name, f"_{end}", float(row[end])) for end in ("low", "high") if pd.notna(row[end]))
        if row["n_undefined"]:
            yield quality, name, ".n_undefined", float(row["n_undefined"])


def description(found: Results, table: pd.DataFrame, *, figure: str | None = None, about: str = "") -> str:
    """Verdicts, sentences, key figure and headlines of an evaluation in Markdown, at most 7,500 characters.

    Args:
        found: The evaluation.
        table: Its headlines.
        figure: Address of the key figure; None for none.
        about: What the run is, in Markdown, as its first paragraph.
    """
    parts = [about] if about else []
    for name in judged_in(found.summary):
        judged = found.summary[name]
        parts.append(f"**{name}: {plain(judged['verdict'])}.** {plain(judged['sentence'])}")
    if figure is not None:
        parts.append(f"![the key figure]({figure})")
    parts.append(_WHERE_STUDY if about else _WHERE)
    lines = ["| measure | value (95 % interval) | of |", "|---|---|---|"]
    for row in table.to_dict("records"):
        name = f"{row['quality']}/{row['measure']} {row['contrast']}".strip()
        value = format_interval(row["value"], row["low"], row["high"])
        lines.append(f"| {plain(name)} | {value} | {plain(row['target'])} |")
    room = _LONGEST - sum(len(part) + 2 for part in parts)
    while lines and sum(len(line) + 1 for line in lines) > room:
        lines.pop()
    return "\n\n".join([*parts, *(["\n".join(lines)] if len(lines) > 2 else [])])[:_LONGEST]


def plain(text: str) -> str:
    r"""Text without any meaning in Markdown or HTML: names of annotators are free.

    Example:
        >>> plain("<b>staple_a|b</b>")
        '&lt;b&gt;staple\\_a\\|b&lt;/b&gt;'
    """
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\n", " ")
    return re.sub(r"([\\`*_\[\]|!])", r"\\\1", text)


def metric_name(text: str) -> str:
    """A name that MLflow accepts: letters, digits and a few signs, without parts that a path cannot have.

    Example:
        >>> metric_name("validity/f1/../nnU-Net (2d)")
        'validity/f1/_/nnU-Net _2d_'
    """
    parts = (re.sub(r"[^\w.\- ]", "_", part) for part in text.split("/"))
    return "/".join("_" if part.strip(".") == "" else part for part in parts)
