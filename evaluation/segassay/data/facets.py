"""Who the raters are: persons who drew with several tools, or raters whose names mean nothing in the next case.

    dataset.yaml (raters)  ->  columns person, tool, session and site of the annotations, or exchangeable

Neither column is there unless `dataset.yaml` says so.
"""

import reprlib
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

from segassay.errors import Problem, known_names

__all__ = [
    "EXCHANGEABLE",
    "FACETS",
    "FACET_COLUMNS",
    "RaterFacets",
    "facet_problems",
    "is_exchangeable",
    "persons_of",
    "says_exchangeable",
]

EXCHANGEABLE = "exchangeable"
"""Key beside the raters in `dataset.yaml`, and column of the annotations."""

FACETS = ("person", "tool", "session", "site")
"""What may be said of a rater."""

FACET_COLUMNS = ("person", "tool", "site", EXCHANGEABLE)
"""Columns of the annotations, only where they are known; the session has a column anyway."""

_YES_OR_NO = {"true": True, "yes": True, "false": False, "no": False}


class RaterFacets(BaseModel):
    """Who made the masks of a rater, and how; all keys are optional.

    Attributes:
        folder: Folder of the masks; by default `labels/<rater>`.
        person: The person; by default the rater. Raters of one person never count as two.
        tool: The tool, such as a program.
        session: Number of the session.
        site: The place, such as a hospital.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    folder: str | None = None
    person: str | None = Field(default=None, min_length=1)
    tool: str | None = Field(default=None, min_length=1)
    session: int | None = Field(default=None, ge=0)
    site: str | None = Field(default=None, min_length=1)


def says_exchangeable(raters: Any) -> bool:
    """Whether `raters` of `dataset.yaml` says that raters are exchangeable."""
    return isinstance(raters, Mapping) and bool(_YES_OR_NO.get(str(raters.get(EXCHANGEABLE)).lower()))


def facet_problems(path: str, raters: Any) -> Iterator[Problem]:
    """Problems of `raters` that need more words than its type.

    Args:
        path: Path of `dataset.yaml`.
        raters: The value as read.
    """
    if not isinstance(raters, Mapping):
        return
    said = raters.get(EXCHANGEABLE)
    if EXCHANGEABLE in raters and str(said).lower() not in _YES_OR_NO:
        what = f"raters.{EXCHANGEABLE} is {reprlib.repr(said)}; expected true or false"
        yield Problem(path, what, "correct it, or rename a rater of this name", kind="key-value")
    described = {rater: facets for rater, facets in raters.items() if isinstance(facets, Mapping)}
    if described and says_exchangeable(raters):
        what = f"raters are exchangeable, but {next(iter(described))!r} is described as a certain person or tool"
        yield Problem(path, what, "leave one of the two out", kind="key-value")
    for rater, facets in described.items():
        for key in facets:
            if key not in RaterFacets.model_fields:
                action = known_names(str(key), RaterFacets.model_fields, cutoff=0)
                yield Problem(path, f"raters.{rater}: unknown key {reprlib.repr(key)}", action, kind="unknown-key")


def is_exchangeable(annotations: pd.DataFrame) -> bool:
    """Whether a rater of one case need not be the person who has the same name in another case.

    Args:
        annotations: What `read_annotations` returns.

    Example:
        >>> is_exchangeable(pd.DataFrame({"annotator": ["anna"]}))
        False
    """
    return EXCHANGEABLE in annotations and bool(annotations[EXCHANGEABLE].eq(True).any())


def persons_of(annotations: pd.DataFrame, raters: list[str]) -> dict[str, str]:
    """Person of each rater; the rater itself if nothing is said.

    Args:
        annotations: What `read_annotations` returns.
        raters: Names of the raters.

    Example:
        >>> annotations = pd.DataFrame({"annotator": ["anna_gimp", "anna_fiji", "ben"], "person": ["anna", "anna", ""]})
        >>> persons_of(annotations, ["anna_gimp", "anna_fiji", "ben"])
        {'anna_gimp': 'anna', 'anna_fiji': 'anna', 'ben': 'ben'}
    """
    if "person" not in annotations:
        return {rater: rater for rater in raters}
    said = annotations.drop_duplicates("annotator").set_index("annotator")["person"]
    return {rater: str(said[rater]) or rater for rater in raters}
