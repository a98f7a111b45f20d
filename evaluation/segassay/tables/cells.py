"""How alike masks of different images are, from a summary of each mask: pixels per cell of a coarse grid.

ComparedCase  ->  cells of each mask  ->  agreement with raters here and in other images; images that resemble others

An image is divided into 16 × 16 cells (of volumes 6 × 6 × 6). A second grid, whose cells are all pixels with the same
remainders of their coordinates, shows what moves within a cell. Two masks are as far apart as in the grid in which they
differ more. Images of any shape can be compared, and no mask is read twice.
"""

import zlib
from base64 import b85decode, b85encode
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd

from segassay.tables.compared import ComparedCase

__all__ = ["ELSEWHERE_COLUMNS", "RESEMBLING_COLUMNS", "agreement_elsewhere", "cells_of", "resembling_cases"]

LOOSE = 0.2
"""Distance of the masks of two images, as a share of the usual distance of nearest raters in one image, up to which
pairs of images are listed."""

ELSEWHERE_COLUMNS = ("case", "annotator", "here", "elsewhere")
RESEMBLING_COLUMNS = ("case", "earlier", "rater", "distance", "usual")

_N_CELLS = 256
_N_ELSEWHERE = 8
"""Other images with which an annotator is compared, evenly spread: neighbours may be slices of one volume."""

_N_NEAREST = 250
"""Images with which an image is compared, on either side: those of the next smaller and of the next larger marked
area (median rater). Of up to 251 images these are all; of more, an image that is entered again has nearly the same
area."""

_MOST_ELSEWHERE, _MOST_COMPARED = 5_000, 10_000
"""Images of which masks are compared with those of others: the grids of all of them are in memory."""

_MOST_LISTED = 5
"""Earlier images that are listed of an image; one is enough to count it once."""

_SIDE_OF_COARSE = 16  # cells that are joined for a first comparison


def cells_of(case: ComparedCase) -> Iterator[tuple[str, str]]:
    """Annotator, and pixels of its objects in each cell of both grids as a text; small objects do not count.

    The text begins with the number of axes; nothing follows if nothing is marked.
    """
    if case.shape is None:
        return
    side = round(_N_CELLS ** (1 / len(case.shape)))
    places = np.unravel_index(case.marked, case.shape)
    grid = (side,) * len(case.shape)
    cell = np.ravel_multi_index([at * side // length for at, length in zip(places, case.shape, strict=True)], grid)
    remainder = np.ravel_multi_index([at % side for at in places], grid)
    size = int(np.prod(grid))
    for name in case.names:
        if name not in case.labels:
            continue
        numbers = case.labels[name].reshape(-1)[case.marked]
        large = np.bincount(numbers, minlength=1) >= max(case.job.min_size, 1)
        large[0] = False
        own = large[numbers]
        counts = [np.bincount(of[own], minlength=size) for of in (cell, remainder)]
        text = _as_text(np.concatenate([[case.region.size], *counts])) if own.any() else ""
        yield name, f"{len(case.shape)}{text}"


def _as_text(counts: np.ndarray) -> str:
    return b85encode(zlib.compress(counts.astype("<u8").tobytes())).decode()


def _shares(text: str, size: int) -> np.ndarray:
    """Both grids `(2, size)`, as shares of the pixels of the image."""
    if len(text) == 1:
        return np.zeros((2, size), dtype=np.float32)
    counts = np.frombuffer(zlib.decompress(b85decode(text[1:])), dtype="<u8")
    return (counts[1:] / counts[0]).reshape(2, -1).astype(np.float32)


def _of_most_axes(cells: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """Rows of images with as many axes as most have, and the number of their cells."""
    axes = cells["cells"].str[0]
    most = axes.mode().iloc[0] if len(axes) else "2"
    return cells[axes == most], round(_N_CELLS ** (1 / int(most))) ** int(most)


def _grids(cells: pd.DataFrame, cases: Sequence[str], name: str, size: int) -> np.ndarray:
    """`(N, 2, size)` of an annotator; NaN without a mask."""
    rows = cells[cells["annotator"] == name]
    text_of = dict(zip(rows["case"], rows["cells"], strict=True))
    found = np.full((len(cases), 2, size), np.nan, dtype=np.float32)
    for place, case in enumerate(cases):
        if case in text_of:
            found[place] = _shares(text_of[case], size)
    return found


def _distance(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """1 − Dice of two grids, over the last axis; NaN where both are empty, or one is unknown."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(1 - 2 * _total(np.minimum(one, other)) / (_total(one) + _total(other)))


def _total(grids: np.ndarray) -> np.ndarray:
    return np.asarray(grids.sum(axis=-1, dtype=np.float64))


def agreement_elsewhere(cells: pd.DataFrame, persons: Mapping[str, str]) -> pd.DataFrame:
    """How well each annotator agrees with the raters of an image, and how well its masks of other images do.

    Args:
        cells: Case, annotator and what `cells_of` gives.
        persons: Rater -> person.

    Returns:
        `case, annotator, here, elsewhere`: Dice of cells with the (other) raters, median; `elsewhere` is the mean over
        other images in which the annotator marks something, evenly spread over all. NaN where it is undefined. Of more
        than 5,000 images rows of 5,000, evenly spread; of images with 2 and 3 axes rows of those that are more.
    """
    cells, size = _of_most_axes(cells)
    cases = _spread(list(dict.fromkeys(cells["case"])), _MOST_ELSEWHERE)
    cells = cells[cells["case"].isin(cases)]
    known = set(cells["annotator"])
    of_raters = {rater: _grids(cells, cases, rater, size) for rater in persons if rater in known}
    parts = []
    for name in dict.fromkeys(cells["annotator"]):
        own = of_raters[name] if name in of_raters else _grids(cells, cases, name, size)
        person = persons.get(name, "")
        others = [grids for rater, grids in of_raters.items() if rater != name and persons[rater] != person]
        partners = _partners(own)
        here, there = ([np.full(len(cases), np.nan)] for _ in range(2))
        for grids in others:
            here.append(1 - _distance(own, grids).max(axis=1))
            there.append(_mean([1 - _distance(own[chosen], grids).max(axis=1) for chosen in partners], len(cases)))
        table = {"case": cases, "annotator": name, "here": _median(here), "elsewhere": _median(there)}
        parts.append(pd.DataFrame(table)[~np.isnan(own).any(axis=(1, 2))])
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(ELSEWHERE_COLUMNS))


def _spread(cases: list[str], most: int) -> list[str]:
    """As many of them, evenly spread."""
    if len(cases) <= most:
        return cases
    return [cases[place] for place in np.linspace(0, len(cases) - 1, most).round().astype(int)]


def _partners(own: np.ndarray) -> list[np.ndarray]:
    """Several times `(N,)`, for each image another one in which something is marked; none if there is none."""
    marked = np.flatnonzero((own > 0).any(axis=(1, 2)))
    if len(marked) < 2:
        return []
    place = np.searchsorted(marked, np.arange(len(own)))
    steps = np.unique(np.linspace(1, len(marked) - 1, _N_ELSEWHERE).round().astype(int))
    return [marked[(place + step) % len(marked)] for step in steps]


def _mean(values: list[np.ndarray], n: int) -> np.ndarray:
    return np.mean(values, axis=0) if values else np.full(n, np.nan)


def _median(values: list[np.ndarray]) -> np.ndarray:
    """Median of what is known."""
    known = np.stack(values)
    some = ~np.isnan(known).all(axis=0)
    found = np.full(known.shape[1], np.nan)
    found[some] = np.nanmedian(known[:, some], axis=0)
    return found


def resembling_cases(cells: pd.DataFrame, persons: Mapping[str, str]) -> pd.DataFrame:
    """Pairs of images in which most raters have nearly the same masks.

    Args:
        cells: Case, annotator and what `cells_of` gives.
        persons: Rater -> person.

    Returns:
        `case, earlier, rater, distance, usual`: of each rater who marks something in the case the distance to the
        nearest rater's mask of the earlier case, whoever that is, and the usual distance of nearest raters in one case.
        A pair is listed if that of most raters is at most `LOOSE` times as large; of each case with five earlier ones
        at most. Of more than 10,000 images, those of which most raters have the very same cells.
    """
    cells, size = _of_most_axes(cells)
    cases = list(dict.fromkeys(cells["case"]))
    names = [rater for rater in persons if rater in set(cells["annotator"])]
    columns = list(RESEMBLING_COLUMNS)
    if len(names) < 2 or len(cases) < 2:
        return pd.DataFrame(columns=columns)
    if len(cases) > _MOST_COMPARED:
        return pd.DataFrame(list(_equal_cases(cells, cases, names)), columns=columns)
    grids = np.stack([_grids(cells, cases, rater, size) for rater in names], axis=1)  # (N, R, 2, cells)
    grids[~(grids > 0).any(axis=(2, 3))] = np.nan
    usual = _usual(grids, [persons[name] for name in names])
    coarse = _joined_cells(grids[:, :, 0])
    whole = coarse.sum(axis=2, keepdims=True)
    by_size = np.argsort(_median(list(whole[:, :, 0].T)), kind="stable")  # images without a mask come last
    rank = np.argsort(by_size)
    rows = []
    for place in range(1, len(cases)):
        near = by_size[max(rank[place] - _N_NEAREST, 0) : rank[place] + _N_NEAREST + 1]
        near = np.sort(near[near < place])
        drawn = ~np.isnan(whole[place, :, 0])
        for of in (whole, coarse, grids):  # sums are never further apart than what they are sums of
            distance = _nearest(of[place], of[near])
            alike = _most(distance <= LOOSE * usual, drawn)
            near, distance = near[alike], distance[alike]
        for earlier, of_raters in zip(near[:_MOST_LISTED], distance[:_MOST_LISTED], strict=True):
            rows += [
                (cases[place], cases[earlier], names[rater], float(of_raters[rater]), usual)
                for rater in np.flatnonzero(drawn)
            ]
    return pd.DataFrame(rows, columns=columns)


def _equal_cases(
    cells: pd.DataFrame, cases: Sequence[str], names: Sequence[str]
) -> Iterator[tuple[str, str, str, float, float]]:
    """Rows of pairs of images in which most raters have the same cells as a rater of the earlier one."""
    rows = cells[cells["annotator"].isin(names) & (cells["cells"].str.len() > 1)]
    first_with: dict[str, str] = {}
    of_cases = rows.groupby("case", sort=False)[["annotator", "cells"]]
    for case, drawn in of_cases:
        earlier = Counter(first_with[text] for text in drawn["cells"] if text in first_with)
        for other, n_equal in earlier.most_common(1):
            if n_equal >= 2 and 2 * n_equal > len(drawn):
                for rater, text in zip(drawn["annotator"], drawn["cells"], strict=True):
                    far = 0.0 if first_with.get(text) == other else 1.0
                    yield str(case), other, rater, far, 0.0
        for text in drawn["cells"]:
            first_with.setdefault(text, str(case))


def _usual(grids: np.ndarray, persons: Sequence[str]) -> float:
    """Median distance of a rater from the nearest other one in the same image, over both; 0 if it is unknown.

    The nearest: habits keep two raters apart, and say nothing about how alike one of them draws twice.
    """
    n_raters = grids.shape[1]
    far = np.full((len(grids), n_raters, n_raters), np.nan)
    for a in range(n_raters):
        for b in range(a + 1, n_raters):
            if persons[a] != persons[b]:
                far[:, a, b] = far[:, b, a] = _distance(grids[:, a], grids[:, b]).max(axis=1)
    known = np.fmin.reduce(far, axis=2)
    known = known[~np.isnan(known)]
    return float(np.median(known)) if len(known) else 0.0


def _joined_cells(cells: np.ndarray) -> np.ndarray:
    """`(N, R, fewer)`, sums over neighbouring cells."""
    n_more = -cells.shape[-1] % _SIDE_OF_COARSE
    padded = np.pad(cells, ((0, 0), (0, 0), (0, n_more)))
    return padded.reshape(*cells.shape[:2], -1, _SIDE_OF_COARSE).sum(axis=-1)


def _nearest(own: np.ndarray, others: np.ndarray) -> np.ndarray:
    """`(P, R)`, of each rater's grids `(R, …, cells)` the distance to the nearest of the R of each of P images."""
    found = np.full((len(others), len(own)), np.inf)
    for other in range(len(own)):
        far = _distance(own[None], others[:, other, None])
        found = np.fmin(found, far if far.ndim == 2 else far.max(axis=-1))
    return found


def _most(near: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """`(P,)`, whether most raters who drew something, and two at least, are near `(P, R)`."""
    n_near = (near & drawn).sum(axis=1)
    return np.asarray((n_near >= 2) & (2 * n_near > drawn.sum()))
