"""Rows of boundary IoU, clDice and MASD: those of the functions of two masks, and what an empty mask gives."""

import numpy as np
import pandas as pd
import pytest

from segassay.assay.sources import read_sources
from segassay.masks.boundaries import boundary_iou, centre_lines, centreline_dice, mean_average_surface_distance
from segassay.masks.outlines import surface_distances
from segassay.qualities.validity.boundaries import boundary_scores
from segassay.tables.build import build_tables

CASES = ("1", "2", "3")


@pytest.fixture(scope="module")
def masks() -> dict[str, list[np.ndarray]]:
    """Two raters, a truth, and a model that marks nothing in the last image."""
    rng = np.random.default_rng(0)
    truth = [np.zeros((40, 50), dtype=bool) for _ in CASES]
    for mask in truth:
        for y, x in rng.integers(2, 30, (3, 2)):
            mask[y : y + 8, x : x + 5] = True
    moved = {name: [np.roll(mask, place, 1) for mask in truth] for place, name in enumerate(("anna", "ben", "net"))}
    moved["net"][2] = np.zeros_like(truth[2])
    return {"truth": truth} | moved


@pytest.fixture(scope="module")
def table(masks: dict[str, list[np.ndarray]]) -> pd.DataFrame:
    kinds = {"truth": "truth", "net": "model"}
    rows = [
        {"case": case, "annotator": name, "kind": kinds.get(name, "human"), "path": mask}
        for name, of in masks.items()
        for case, mask in zip(CASES, of, strict=True)
    ]
    annotations = read_sources(None, pd.DataFrame(rows), {}, kinds={}, described=None).annotations
    found = build_tables(None, annotations, n_jobs=1)
    return boundary_scores(found.boundaries, annotations, pd.Series(CASES, index=CASES)).set_index(
        ["measure", "target"]
    )


def expected(a: list[np.ndarray], b: list[np.ndarray]) -> dict[str, float]:
    """Means over cases by the functions of two masks."""
    numbers = [
        (
            boundary_iou(one, other),
            centreline_dice(one, other, centre_lines(one), centre_lines(other)),
            mean_average_surface_distance(surface_distances(one, other)),
        )
        for one, other in zip(a, b, strict=True)
    ]
    return dict(zip(("boundary_iou", "cl_dice", "masd"), np.nanmean(numbers, axis=0), strict=True))


def test_rows_equal_the_functions_of_two_masks(table: pd.DataFrame, masks: dict[str, list[np.ndarray]]) -> None:
    for name in ("anna", "net"):
        for measure, value in expected(masks["truth"], masks[name]).items():
            unit = "_px" if measure == "masd" else ""
            assert table.loc[(f"{measure}{unit}_against_truth", name), "value"] == pytest.approx(value)
    with_raters = [expected(masks["net"], masks[name])["boundary_iou"] for name in ("anna", "ben")]
    assert table.loc[("boundary_iou_pairwise", "net"), "value"] == pytest.approx(np.mean(with_raters))


def test_an_empty_mask_overlaps_with_nothing_and_has_no_distance(table: pd.DataFrame) -> None:
    assert table.loc[("masd_px_against_truth", "net"), "n_undefined"] == 1
    assert table.loc[("boundary_iou_against_truth", "net"), "n_undefined"] == 0


def test_without_pairs_there_are_no_rows() -> None:
    assert boundary_scores(pd.DataFrame(), pd.DataFrame(), pd.Series(dtype=object)).empty
