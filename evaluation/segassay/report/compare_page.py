"""The page of a comparison: one self-contained HTML file, and its tables.

Comparison  ->  compare.html, tables/*.csv, figures/*
"""

import base64
from collections.abc import Mapping
from pathlib import Path

import pandas as pd
from markupsafe import Markup

from segassay.figures.style import encode_figure
from segassay.io.table_files import as_csv
from segassay.judgement.sentences import format_interval
from segassay.report.charts.paired import MAX_ROWS, differences_figure
from segassay.report.compare import Comparison
from segassay.report.sections import Table
from segassay.report.templating import content_policy, environment, text_of

__all__ = ["write_comparison"]


def write_comparison(folder: Path, comparison: Comparison, classes: Mapping[str, str] | None = None) -> Path:
    """Write the page, its tables and figures.

    Args:
        folder: Folder that exists.
        comparison: What `compare_evaluations` returns.
        classes: Class -> folder of its comparison, as a path from this one, to which the page links.

    Returns:
        Path of the page.
    """
    (folder / "tables").mkdir()
    for name, table in comparison.tables.items():
        (folder / "tables" / f"{name}.csv").write_text(as_csv(table), encoding="utf-8", newline="")
    figures = _figures(folder / "figures", comparison)
    tables = comparison.tables
    style = text_of("compare.css")
    page = (
        environment()
        .get_template("compare.html")
        .render(
            style=Markup(style),
            policy_of_content=content_policy(style, ""),
            labels=comparison.labels,
            changes=comparison.changes,
            classes={name: f"{path}/compare.html" for name, path in (classes or {}).items()},
            evaluations=_overview(tables["evaluations"]),
            verdicts=_beside(tables["verdicts"], ["quality"], "verdict", comparison.labels),
            criteria=_differing(
                tables["criteria"].assign(says=_says), ["quality", "criterion"], "says", comparison.labels
            ),
            settings=_differing(tables["settings"], ["setting"], "value", comparison.labels),
            annotators=_beside(tables["annotators"].assign(has=_has), ["annotator"], "has", comparison.labels),
            scores=_differing(_headlines(tables["scores"]), ["words", "target"], "says", comparison.labels),
            differences={label: _paired(tables["differences"], label) for label in comparison.labels[1:]},
            figures=figures,
            max_rows=MAX_ROWS,
        )
    )
    path = folder / "compare.html"
    path.write_text(page, encoding="utf-8", newline="")
    return path


def _figures(folder: Path, comparison: Comparison) -> dict[str, str]:
    """Label -> the figure of its differences, as the address of an image."""
    folder.mkdir()
    found = {}
    for number, label in enumerate(comparison.labels[1:], start=2):
        rows = comparison.tables["differences"]
        rows = rows[rows["evaluation"] == label]
        if (rows["difference"].abs() > 1e-9).any():
            figure = differences_figure(rows)
            svg = encode_figure(figure, "svg")
            (folder / f"differences_{number}.svg").write_bytes(svg)
            figure.set_layout_engine("none")
            (folder / f"differences_{number}.png").write_bytes(encode_figure(figure, "png", dpi=300))
            found[label] = f"data:image/svg+xml;base64,{base64.b64encode(svg).decode()}"
    return found


def _overview(evaluations: pd.DataFrame) -> Table:
    header = ("evaluation", "dataset", "images", "annotators", "hash of the data")
    rows = [[str(cell) for cell in row] for row in evaluations.itertuples(index=False)]
    return Table(header, [[*row[:-1], row[-1][:12]] for row in rows])


def _says(table: pd.DataFrame) -> list[str]:
    return [
        f"{holds}{f': {found}' if found else ''}" for holds, found in zip(table["holds"], table["found"], strict=True)
    ]


def _has(table: pd.DataFrame) -> list[str]:
    return [f"{kind}, {n} images" if kind else "–" for kind, n in zip(table["kind"], table["n_cases"], strict=True)]


def _headlines(scores: pd.DataFrame) -> pd.DataFrame:
    """F1 and Dice between and against raters, in words."""
    rows = scores[scores["base"].isin(["f1", "dice"])]
    return rows.assign(says=[format_interval(*row) for row in rows[["value", "low", "high"]].itertuples(index=False)])


def _beside(table: pd.DataFrame, keys: list[str], says: str, labels: tuple[str, ...]) -> Table:
    """One row per key, one column per evaluation."""
    cells: dict[tuple[str, ...], dict[str, str]] = {}
    for row in table.to_dict("records"):
        cells.setdefault(tuple(str(row[key]) for key in keys), {})[row["evaluation"]] = str(row[says])
    return Table([*keys, *labels], [[*key, *(of.get(label, "–") for label in labels)] for key, of in cells.items()])


def _differing(table: pd.DataFrame, keys: list[str], says: str, labels: tuple[str, ...]) -> Table:
    """The rows of `_beside` in which evaluations differ."""
    whole = _beside(table, keys, says, labels)
    return Table(whole.header, [row for row in whole.rows if len(set(row[len(keys) :])) > 1])


def _paired(differences: pd.DataFrame, label: str) -> Table:
    header = ("annotator or group", "measure", "first", "here", "difference (95 % interval)", "adjusted p", "cases", "")
    rows: list[Mapping[str, object]] = differences[differences["evaluation"] == label].to_dict("records")  # type: ignore[assignment]
    return Table(
        header,
        [
            [
                f"{row['name']} ({row['n_annotators']})",
                str(row["measure"]).replace("_", " "),
                f"{row['mean_first']:.3f}",
                f"{row['mean']:.3f}",
                format_interval(float(str(row["difference"])), float(str(row["low"])), float(str(row["high"]))),
                f"{row['p_adjusted']:.4f}",
                str(row["n_cases"]),
                str(row["against"]),
            ]
            for row in rows
        ],
    )
