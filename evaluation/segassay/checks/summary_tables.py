"""Show the summary of a check as tables for a terminal; 80 columns are enough, nothing is truncated."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from rich import box
from rich.markup import escape as as_it_is
from rich.table import Table

from segassay.checks.facts import spacing_range, spacing_text
from segassay.errors import number_of, printable

__all__ = ["summary_tables"]


def summary_tables(summary: Mapping[str, Any]) -> Iterator[Table]:
    """The dataset, its raters and, where there are several classes or an experiment, its classes and groups."""
    yield _about(summary)
    yield _raters(summary)
    if summary["classes"] is not None:
        yield _classes(summary)
    if summary["experiment"] is not None:
        yield _groups(summary["experiment"])


def escape(text: str) -> str:
    """Text without markup and without letters that a terminal obeys."""
    return as_it_is(printable(text))


def _table(*columns: str) -> Table:
    """First column of text, the others of numbers; a cell that is too long is wrapped, not truncated."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1, 0, 0))
    for position, column in enumerate(columns):
        table.add_column(column, justify="left" if position == 0 else "right", overflow="fold")
    return table


def _about(summary: Mapping[str, Any]) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    images, n_cases = summary["images"], summary["n_cases"]
    lines = {
        "dataset": summary["name"],
        "cases": str(n_cases),
        "raters": str(len(summary["raters"])),
        "reference": summary["reference"]["name"] if summary["reference"] is not None else "none",
        "image size": _counts(images["size"], _size, _sizes),
        "channels": _channels(images),
        "type": _counts(images["type"]),
        "spacing": _spacings(images),
        "smallest object": number_of(summary["min_object_size"], "voxel" if _is_volume(images) else "pixel"),
        "ignored area": _area(summary["ignored"], n_cases),
        "region mask": _area(summary["region"], n_cases),
        "data hash": summary["data_hash"] or "unknown: some files cannot be read",
    }
    for name, value in lines.items():
        table.add_row(name, escape(value))
    return table


def _channels(images: Mapping[str, Any]) -> str:
    """Their number, and their names if they have any."""
    names = images["channels"]
    return _counts(images["n_channels"]) + ("" if names is None else f": {', '.join(names)}")


_MOST_VALUES = 4


def _counts(rows: Sequence[Mapping[str, Any]], text: Any = str, several: Any = None) -> str:
    """`1024 × 1024` if all images agree, else `1024 × 1024 (35), 512 × 512 (1)`; their range if they are many."""
    if several is not None and len(rows) > _MOST_VALUES:
        known = [next(iter(row.values())) for row in rows]
        known = [value for value in known if value is not None]
        if len({len(value) for value in known}) == 1:
            n_unknown = sum(row["n_cases"] for row in rows if next(iter(row.values())) is None)
            unknown = f", unknown ({n_unknown})" if n_unknown else ""
            return f"{several(known)} ({len(known)} different){unknown}"
    values = [(text(next(iter(row.values()))), row["n_cases"]) for row in rows]
    return ", ".join(value if len(values) == 1 else f"{value} ({count})" for value, count in values) or "unknown"


def _size(shape: Sequence[int]) -> str:
    return " × ".join(map(str, shape))


def _sizes(shapes: Sequence[Sequence[int]]) -> str:
    ends = [(min(axis), max(axis)) for axis in zip(*shapes, strict=True)]
    return " × ".join(str(low) if low == high else f"{low} to {high}" for low, high in ends)


def _spacings(images: Mapping[str, Any]) -> str:
    unit = images["spacing_unit"]
    several = partial(spacing_range, digits=4, unit=unit)
    return _counts(images["spacing_um"], partial(_spacing, unit), several) + _source(images)


def _spacing(unit: str | None, spacing_um: Sequence[float] | None) -> str:
    return "unknown" if spacing_um is None else spacing_text(spacing_um, 6, unit)


def _source(images: Mapping[str, Any]) -> str:
    return ", from dataset.yaml" if images["spacing_from"] == "dataset.yaml" else ""


def _is_volume(images: Mapping[str, Any]) -> bool:
    return any(len(row["size"]) == 3 for row in images["size"])


def _area(area: Mapping[str, Any] | None, n_cases: int) -> str:
    if area is None:
        return "none"
    if area["mean_share"] is None:
        return f"{area['n_cases']} of {n_cases} cases"
    mean, largest = _percent(area["mean_share"]), _percent(area["largest_share"])
    return f"{area['n_cases']} of {n_cases} cases, {mean} of their images, at most {largest}"


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.2g} %" if share < 0.1 else f"{100 * share:.0f} %"


def _raters(summary: Mapping[str, Any]) -> Table:
    """Objects per image are the median; foreground is the share of the pixels that count."""
    table = _table("rater", "cases", "objects", "per image", "empty", "foreground", "masks")
    everyone = [*summary["raters"], *([summary["reference"]] if summary["reference"] is not None else [])]
    for rater in everyone:
        name = rater["name"] + (" (reference)" if rater is summary["reference"] else "")
        median = "" if rater["median_objects"] is None else f"{rater['median_objects']:g}"
        cells = (f"{rater['n_cases']} of {summary['n_cases']}", str(rater["n_objects"]), median, str(rater["n_empty"]))
        kind = _kind(rater) if summary["classes"] is None else "classes"
        table.add_row(escape(name), *cells, _percent(rater["foreground_share"]), kind)
    return table


def _classes(summary: Mapping[str, Any]) -> Table:
    """Cases in which an annotator gave the class, and its share of the pixels that count."""
    table = _table("class", "values", "rater", "cases", "share")
    reference = summary["reference"]["name"] if summary["reference"] is not None else None
    for of_class in summary["classes"]:
        for position, row in enumerate(of_class["raters"]):
            values = ", ".join(map(str, of_class["values"]))
            about = (escape(of_class["name"]), values) if position == 0 else ("", "")
            name = escape(row["name"]) + (" (reference)" if row["name"] == reference else "")
            table.add_row(*about, name, f"{row['n_cases']} of {row['n_annotated']}", _percent(row["share"]))
    return table


def _kind(rater: Mapping[str, Any]) -> str:
    labels, all_masks = rater["n_label_images"], rater["n_readable"]
    if not all_masks:
        return ""
    return "binary" if labels == 0 else "labels" if labels == all_masks else "mixed"


def _groups(experiment: Mapping[str, Any]) -> Table:
    rows = experiment["groups"]
    has_region = any(row["region"] is not None for row in rows)
    has_subjects = any(row["n_subjects"] is not None for row in rows)
    table = _table("group", *(["region"] if has_region else []), "cases", *(["subjects"] if has_subjects else []))
    for row in rows:
        name = row["group"] + (" (control)" if row["group"] == experiment["control_group"] else "")
        region = [escape(row["region"] or "")] if has_region else []
        subjects = [str(row["n_subjects"])] if has_subjects else []
        table.add_row(escape(name), *region, str(row["n_cases"]), *subjects)
    return table
