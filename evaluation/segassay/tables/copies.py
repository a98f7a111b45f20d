"""Notes on references and raters that are not what they are called: a rater, or a consensus of the raters.

identical masks, counts, rater_cases  ->  notes
"""

from collections.abc import Iterator, Mapping

import pandas as pd

from segassay.data.annotations import raters_of
from segassay.tables.notes import About, Note
from segassay.tables.plausible import CONSENSUSES

__all__ = ["notes_on_copies"]

MOST = 0.5
"""Share of the images, of those in which an annotator marks something, from which it is what it equals there."""

MIN_IMAGES = 2

_METHODS = ("staple", "majority")


def notes_on_copies(
    identical: pd.DataFrame,
    counts: pd.DataFrame,
    rater_cases: pd.DataFrame,
    kinds: Mapping[str, str],
    *,
    exchangeable: bool,
) -> Iterator[Note]:
    """Notes on references that are a rater or the raters' own consensus, and on raters that are a consensus.

    Args:
        identical: As in `segassay.tables.build.Tables`.
        counts: As in `segassay.tables.build.Tables`.
        rater_cases: Case × rater, with `is_staple` and `is_majority`: whether the mask is that of the other raters.
        kinds: Annotator -> kind.
        exchangeable: Whether a rater of two cases need not be one person; then a reference may be that of any rater.
    """
    n_marked = counts[counts["area_px"].fillna(0) > 0].groupby("annotator").size()
    for name in (name for name, kind in kinds.items() if kind == "consensus"):
        same = _same_as(identical, name, raters_of(kinds), exchangeable)
        n_all = int(n_marked.get(name, 0))
        for other, n in list(same.items())[:1]:
            if n >= MIN_IMAGES and n > MOST * n_all:
                about: About = "is_the_consensus" if other in CONSENSUSES else "is_a_rater"
                yield Note(about, name, n=n, n_all=n_all, other=other.removeprefix("="))
    for rater, rows in rater_cases.groupby("rater", sort=False):
        n_all = int(n_marked.get(rater, 0))
        for method in _METHODS:
            n = int(rows[f"is_{method}"].sum())
            if n >= MIN_IMAGES and n > MOST * n_all:
                yield Note("rater_is_consensus", str(rater), n=n, n_all=n_all, other=method)
                break


def _same_as(identical: pd.DataFrame, name: str, raters: list[str], exchangeable: bool) -> dict[str, int]:
    """Rater, or consensus of all raters, -> number of images with the same mask, the most first; raters before
    consensuses."""
    pairs = [
        (case, a if b == name else b)
        for case, a, b in identical.itertuples(index=False, name=None)
        if name in (a, b) and {a, b} - {name} <= {*raters, *CONSENSUSES}
    ]
    table = pd.DataFrame(pairs, columns=["case", "other"])
    if exchangeable:
        table["other"] = table["other"].map(lambda other: "a rater" if other in raters else other)
    n = table.drop_duplicates().groupby("other").size()
    rank = {other: place for place, other in enumerate((*raters, "a rater", *CONSENSUSES))}
    return {str(other): int(n[other]) for other in sorted(n.index, key=lambda other: (-n[other], rank[other]))}
