"""A prediction as text at a prompt and as HTML in a notebook: numbers, what was found, the images to look at first."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from segassay.errors import number_of
from segassay.report.html_tables import html_heading, html_table
from segassay_monai.prediction.gallery import effect_sentences

__all__ = ["as_html", "counted"]

_N_SHOWN = 5  # images


def counted(cases: pd.DataFrame, objects: pd.DataFrame, out: Path | str) -> str:
    """Numbers of images and objects, and the folder or address.

    Example:
        >>> counted(pd.DataFrame({"case": ["1"]}), pd.DataFrame({"case": ["1", "1"]}), Path("out"))
        '1 image, 2 objects: out'
    """
    return f"{number_of(len(cases), 'image')}, {number_of(len(objects), 'object')}: {out}"


def as_html(
    heading: str, failed: pd.DataFrame, notes: Sequence[str], effects: pd.DataFrame | None, review: pd.DataFrame
) -> str:
    """A heading, what failed, notes, what was found between groups, and the images to look at first; all is escaped.

    Args:
        heading: Such as `counted` gives.
        failed: These tables are as in `segassay_monai.prediction.results.Predicted`.
        notes: Sentences about what was left out of the tables.
        effects: None without experiment.
        review: The first five images are shown.
    """
    sentences = [] if effects is None else [[sentence] for _, sentence in effect_sentences(effects)]
    tables = [
        html_table(("failed", "why"), failed[["file", "what"]].astype(str).to_numpy().tolist()),
        html_table(("notes",), [[note] for note in notes]),
        html_table(("groups",), sentences),
        html_table(
            ("look first", "image", "because"),
            review.head(_N_SHOWN)[["rank", "case", "reason"]].astype(str).to_numpy().tolist(),
        ),
    ]
    return f"<div>{html_heading(heading)}{''.join(tables)}</div>"
