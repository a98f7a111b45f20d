"""The page of a prediction: effects of the experiment, and the images to look at, worst first.

tables, thumbnails  ->  report.html, which needs no other file and runs no script
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from segassay.data.named_channels import INTENSITY, measured_channel
from segassay.errors import number_of
from segassay.io.images import write_bytes
from segassay.report.templating import environment
from segassay.tables.samples import on_deciding_unit

__all__ = ["effect_sentences", "write_gallery"]

MAX_BYTES = 3_200_000
"""Bytes of thumbnails on a page, before they grow by a third as text: the page stays below 5 MB."""

_WORDS = {
    "count": "number of objects per image",
    "density": "density of objects",
    "mean_intensity": "mean intensity of objects",
}
_N_OPEN = 4


def _words(measure: str) -> str:
    """A measurement in a sentence; that of a channel with its name.

    Example:
        >>> _words("count"), _words("mean_intensity_cFOS")
        ('number of objects per image', 'mean intensity of objects in cFOS')
    """
    if channel := measured_channel(measure):
        return f"{_WORDS[INTENSITY]} in {channel}"
    return _WORDS.get(measure, measure.replace("_", " "))


def write_gallery(
    path: Path,
    *,
    name: str,
    review: pd.DataFrame,
    cases: pd.DataFrame,
    thumbnails: Mapping[str, bytes | Path],
    subjects: pd.DataFrame | None = None,
    effects: pd.DataFrame | None = None,
    failed: pd.DataFrame | None = None,
    notes: Sequence[str] = (),
) -> None:
    """Write the page.

    Args:
        path: File to write, whole or not at all.
        name: Name of the model.
        review: What `segassay_monai.prediction.review.review` returns.
        cases: Rows of cases.csv: `case`, `n_objects`, and perhaps `is_unlike`.
        thumbnails: Case -> JPEG, or a file that holds it; a case may lack it. The worst are shown until the page is
            full (`MAX_BYTES`), and it says how many are not.
        subjects: Rows of subjects.csv.
        effects: Rows of effects.csv.
        failed: Rows of failed.csv: `file`, `what`, `action`.
        notes: Sentences about what was left out.
    """
    template = environment(Path(__file__).parent / "templates").get_template("report.html")
    shown, n_hidden = _cards(review, cases, thumbnails)
    sentences = [] if effects is None else list(effect_sentences(effects))
    page = template.render(
        name=name,
        n_images=len(cases),
        n_objects=int(cases["n_objects"].sum()) if len(cases) else 0,
        n_unlike=_n_unlike(cases),
        sentences=sentences,
        warns_of_cases=subjects is not None and "subject" not in set(subjects["unit"]),
        subjects=None if subjects is None else _table(subjects),
        effects=None if effects is None or effects.empty else _table(_short(effects)),
        cards=shown,
        n_hidden=n_hidden,
        failed=[] if failed is None else failed.to_dict("records"),
        notes=list(notes),
    )
    write_bytes(path, _with_policy(page).encode())


def _n_unlike(cases: pd.DataFrame) -> int | None:
    """Number of images unlike those of the training; None if no image was compared with them."""
    if "is_unlike" not in cases or not cases["is_unlike"].notna().any():
        return None
    return int(cases["is_unlike"].astype(str).eq("True").sum())


def _with_policy(page: str) -> str:
    """The page with the hash of its style sheet, the only one that a browser then applies."""
    style = re.search(r"<style>(.*?)</style>", page, re.DOTALL)
    assert style is not None, "the template has one style sheet"
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    return page.replace("STYLE_HASH", f"sha256-{digest}", 1)


def _cards(
    review: pd.DataFrame, cases: pd.DataFrame, thumbnails: Mapping[str, bytes | Path]
) -> tuple[list[dict[str, Any]], int]:
    """What the page shows of each image, and the number of images whose picture did not fit."""
    n_objects = dict(zip(cases["case"], cases["n_objects"], strict=True))
    cards, room, n_hidden = [], MAX_BYTES, 0
    for row in review.to_dict("records"):
        found = thumbnails.get(row["case"])
        jpeg = found.read_bytes() if isinstance(found, Path) else found
        if jpeg is not None and len(jpeg) > room:
            room, jpeg = 0, None  # the next ones are better, so none of them is shown in its place
        n_hidden += jpeg is None
        room -= len(jpeg or b"")
        quality = row["expected_quality"]
        card = {
            "rank": row["rank"],
            "case": row["case"],
            "quality": "" if pd.isna(quality) else f"{quality:.2f}",
            "reason": row["reason"],
            "n_objects": number_of(int(n_objects[row["case"]]), "object"),
            "picture": None if jpeg is None else f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}",
            "is_open": row["rank"] <= _N_OPEN,
        }
        cards.append(card)
    return cards, n_hidden


def effect_sentences(effects: pd.DataFrame) -> Iterator[tuple[str, str]]:
    """One plain sentence for each pair of groups and measurement, over all regions; then for each region.

    Args:
        effects: What `segassay.tables.effects.effects` returns, of one annotator.

    Yields:
        The verdict, and the sentence. Subjects are the units where there are any.
    """
    tests = on_deciding_unit(effects)
    for row in tests[tests["test"] == "mann_whitney"].to_dict("records"):
        yield str(row["verdict"]), _sentence(row)


def _sentence(row: Mapping[Any, Any]) -> str:
    measure = _words(str(row["measure"]))
    measure += f" of the class {row['class']}" if row.get("class") else ""
    what = measure if not row["region"] else f"{measure} in {row['region']}"
    one, other = row["group_1"], row["group_2"]
    units = f"{row['n_1']} and {number_of(row['n_2'], row['unit'].replace('case', 'image'))}"
    if row["verdict"] == "not_testable":
        return f"The {what} of {other} and {one} cannot be tested with so few values ({units})."
    shift = f"{row['hl_shift']:+.0%} of the control mean, 95 % interval {row['hl_low']:+.0%} to {row['hl_high']:+.0%}"
    shift = shift.replace("-", "−")
    p_value = max(row["p_adjusted"], row["p_unequal"])
    p = "p < .001" if p_value < 0.001 else f"p = {p_value:.3f}".replace("0.", ".")
    if row["verdict"] in ("higher", "lower"):
        return f"The {what} is {row['verdict']} in {other} than in {one}: by {shift} ({p}, {units})."
    return f"No difference in the {what} between {other} and {one} was found: {shift} ({p}, {units})."


_SHOWN = {
    "measure": "measurement",
    "region": "region",
    "unit": "unit",
    "test": "test",
    "group_1": "group 1",
    "group_2": "group 2",
    "n_1": "n 1",
    "n_2": "n 2",
    "p_adjusted": "p adjusted",
    "hl_shift": "shift",
    "hl_low": "low",
    "hl_high": "high",
    "verdict": "verdict",
}


def _short(effects: pd.DataFrame) -> pd.DataFrame:
    return effects[[name for name in ("class", *_SHOWN) if name in effects]].rename(columns=_SHOWN)


def _table(table: pd.DataFrame) -> dict[str, Any]:
    """Header and rows as text."""
    header = [str(column).replace("_", " ") for column in table]
    return {"header": header, "rows": [[_cell(cell) for cell in row] for row in table.itertuples(index=False)]}


def _cell(cell: Any) -> str:
    if pd.isna(cell):
        return ""
    if isinstance(cell, float):
        return f"{cell:.3g}"
    return str(cell).replace("_", " ") if cell in ("not_testable", "mann_whitney", "kruskal_wallis") else str(cell)
