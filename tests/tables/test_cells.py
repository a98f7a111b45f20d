"""Summaries of masks by cells: which images are the same, and which masks do not depend on the image."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from segassay.tables.cells import agreement_elsewhere, cells_of, resembling_cases
from voters import compared_votes

RATERS = ("anna", "ben", "cleo")
SHAPE = (128, 128)


def disc(y: float, x: float, radius: float) -> np.ndarray:
    at = np.indices(SHAPE)
    return (np.hypot(at[0] - y, at[1] - x) < radius).astype(np.uint8)


def table_of(tmp_path: Path, images: list[dict[str, np.ndarray]]) -> pd.DataFrame:
    rows = [
        (f"{number}", *row) for number, masks in enumerate(images) for row in cells_of(compared_votes(tmp_path, masks))
    ]
    return pd.DataFrame(rows, columns=["case", "annotator", "cells"])


def image(rng: np.random.Generator, y: float, x: float, radius: float = 20.0) -> dict[str, np.ndarray]:
    """A disc as each of three raters draws it."""
    return {rater: disc(y + rng.normal(), x + rng.normal(), radius + rng.normal()) for rater in RATERS}


def drawn_images(n: int = 12) -> list[dict[str, np.ndarray]]:
    rng = np.random.default_rng(0)
    return [image(rng, *rng.uniform(30, 98, 2)) for _ in range(n)]


def test_an_image_entered_again_is_found_if_pixels_a_mask_and_names_are_others(tmp_path: Path) -> None:
    images = drawn_images()
    again = dict(zip(RATERS, [images[3][name].copy() for name in ("ben", "cleo", "anna")], strict=True))
    for mask in again.values():
        mask[0, 0] ^= 1
    again["cleo"][:] = 0
    found = resembling_cases(table_of(tmp_path, [*images, again]), RATERS)
    assert set(zip(found["case"], found["earlier"], strict=True)) == {("12", "3")}
    assert set(found["rater"]) == {"anna", "ben"}
    assert (found["distance"] < 0.1 * found["usual"]).all()


def test_discs_of_one_size_in_the_middle_of_every_image_are_not_the_same_image(tmp_path: Path) -> None:
    """If somebody drew them; those that a program drew are."""
    rng = np.random.default_rng(1)
    by_hand = table_of(tmp_path, [image(rng, 64, 64) for _ in range(12)])
    found = resembling_cases(by_hand, RATERS)
    near = found["distance"] <= 0.1 * found["usual"]
    assert not near.groupby([found["case"], found["earlier"]]).sum().ge(2).any()
    by_program = table_of(tmp_path, [dict.fromkeys(RATERS, disc(64, 64, 20)) for _ in range(3)])
    assert len(resembling_cases(by_program, RATERS).groupby(["case", "earlier"])) == 3


def test_of_many_images_those_of_the_next_areas_are_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(2)
    images = [image(rng, *rng.uniform(40, 88, 2), radius=radius) for radius in range(8, 32, 2)]
    cells = table_of(tmp_path, [*images, images[2], images[9]])
    whole = resembling_cases(cells, RATERS)
    assert set(zip(whole["case"], whole["earlier"], strict=True)) == {("12", "2"), ("13", "9")}
    monkeypatch.setattr("segassay.tables.cells._N_NEAREST", 1)
    pd.testing.assert_frame_equal(resembling_cases(cells, RATERS), whole)


def test_empty_masks_resemble_nothing(tmp_path: Path) -> None:
    nothing = dict.fromkeys(RATERS, np.zeros(SHAPE, dtype=np.uint8))
    assert resembling_cases(table_of(tmp_path, [*drawn_images(3), nothing, nothing]), RATERS).empty


def test_a_shape_that_is_the_same_in_every_image_agrees_as_well_elsewhere(tmp_path: Path) -> None:
    images = drawn_images()
    found = {}
    for kind in ("constant", "good"):
        models = [disc(64, 64, 30) if kind == "constant" else one["anna"] for one in images]
        cells = table_of(tmp_path, [one | {"model": model} for one, model in zip(images, models, strict=True)])
        table = agreement_elsewhere(cells, RATERS)
        assert set(table["annotator"]) == {*RATERS, "model"}
        found[kind] = table[table["annotator"] == "model"]
    assert (found["constant"]["here"] - found["constant"]["elsewhere"]).abs().max() == pytest.approx(0, abs=1e-6)
    assert (found["good"]["here"] - found["good"]["elsewhere"]).min() > 0.3


def test_numbers_of_cells_by_hand(tmp_path: Path) -> None:
    """Two quarters of an image; each agrees with itself, and shares nothing with the other."""
    left, right = np.zeros(SHAPE, dtype=np.uint8), np.zeros(SHAPE, dtype=np.uint8)
    left[:64, :64], right[:64, 64:] = 1, 1
    cells = table_of(tmp_path, [dict.fromkeys(("anna", "ben", "model"), mask) for mask in (left, right)])
    table = agreement_elsewhere(cells, ("anna", "ben"))
    assert table["here"].tolist() == [1.0] * 6
    assert table["elsewhere"].tolist() == [0.0] * 6
