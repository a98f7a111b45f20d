"""Summaries of masks by cells: which images are the same, and which masks do not depend on the image."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from segassay.judgement.evidence import _repeated
from segassay.tables.cells import _as_text, agreement_elsewhere, cells_of, resembling_cases
from voters import compared_votes

RATERS = ("anna", "ben", "cleo")
PERSONS = {rater: rater for rater in RATERS}
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
    found = resembling_cases(table_of(tmp_path, [*images, again]), PERSONS)
    assert set(zip(found["case"], found["earlier"], strict=True)) == {("12", "3")}
    assert set(found["rater"]) == {"anna", "ben"}
    assert (found["distance"] < 0.1 * found["usual"]).all()


def test_discs_of_one_size_in_the_middle_of_every_image_are_not_the_same_image(tmp_path: Path) -> None:
    """If somebody drew them; those that a program drew are."""
    rng = np.random.default_rng(1)
    by_hand = table_of(tmp_path, [image(rng, 64, 64) for _ in range(60)])
    found = resembling_cases(by_hand, PERSONS)
    assert len(found)
    assert not _repeated(found, pd.Index(by_hand["case"].unique())).any()
    by_program = table_of(tmp_path, [dict.fromkeys(RATERS, disc(64, 64, 20)) for _ in range(3)])
    found = resembling_cases(by_program, PERSONS)
    assert _repeated(found, pd.Index(by_program["case"].unique())).tolist() == [False, True, True]


def test_persons_with_two_tools_are_one_rater(tmp_path: Path) -> None:
    """Both masks of a person are alike, and say nothing about how far raters are apart."""
    rng = np.random.default_rng(3)
    images = [image(rng, *rng.uniform(30, 98, 2)) for _ in range(12)]
    images.append({name: mask.copy() for name, mask in images[4].items()})
    for mask in images[-1].values():
        mask[tuple(rng.integers(0, 128, 2))] ^= 1
    both = [{f"{name}_{tool}": mask for name, mask in one.items() for tool in (1, 2)} for one in images]
    persons = {f"{name}_{tool}": name for name in RATERS for tool in (1, 2)}
    cells = table_of(tmp_path, both)
    found = resembling_cases(cells, persons)
    assert _repeated(found, pd.Index(cells["case"].unique())).tolist() == [False] * 12 + [True]
    table = agreement_elsewhere(cells, persons)
    assert table.loc[table["annotator"] == "anna_1", "here"].max() < 1


def test_images_with_other_axes_than_most_are_left_out(tmp_path: Path) -> None:
    """Also of an annotator with masks of these alone."""
    text = "3" + _as_text(np.array([1728, *[1] * 432]))
    volume = pd.DataFrame({"case": "v", "annotator": ["anna", "cleo", "tool"], "cells": text})
    cells = pd.concat([table_of(tmp_path, drawn_images(3)), volume], ignore_index=True)
    assert set(agreement_elsewhere(cells, PERSONS)["case"]) == {"0", "1", "2"}
    assert resembling_cases(cells, PERSONS).empty


def test_of_very_many_images_only_the_very_same_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = drawn_images(4)
    again = dict(zip(RATERS, [images[1][name] for name in ("ben", "cleo", "anna")], strict=True))
    nothing = dict.fromkeys(RATERS, np.zeros(SHAPE, dtype=np.uint8))
    cells = table_of(tmp_path, [*images, nothing, nothing, again | {"cleo": disc(9, 9, 4)}])
    monkeypatch.setattr("segassay.tables.cells._MOST_COMPARED", 3)
    found = resembling_cases(cells, PERSONS)
    assert set(zip(found["case"], found["earlier"], strict=True)) == {("6", "1")}
    assert _repeated(found, pd.Index(cells["case"].unique())).tolist() == [False] * 6 + [True]


def test_of_many_images_those_of_the_next_areas_are_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(2)
    images = [image(rng, *rng.uniform(40, 88, 2), radius=radius) for radius in range(8, 32, 2)]
    cells = table_of(tmp_path, [*images, images[2], images[9]])
    whole = resembling_cases(cells, PERSONS)
    assert set(zip(whole["case"], whole["earlier"], strict=True)) == {("12", "2"), ("13", "9")}
    monkeypatch.setattr("segassay.tables.cells._N_NEAREST", 1)
    pd.testing.assert_frame_equal(resembling_cases(cells, PERSONS), whole)


def test_empty_masks_resemble_nothing(tmp_path: Path) -> None:
    nothing = dict.fromkeys(RATERS, np.zeros(SHAPE, dtype=np.uint8))
    assert resembling_cases(table_of(tmp_path, [*drawn_images(3), nothing, nothing]), PERSONS).empty


def test_a_shape_that_is_the_same_in_every_image_agrees_as_well_elsewhere(tmp_path: Path) -> None:
    images = drawn_images()
    found = {}
    for kind in ("constant", "good"):
        models = [disc(64, 64, 30) if kind == "constant" else one["anna"] for one in images]
        cells = table_of(tmp_path, [one | {"model": model} for one, model in zip(images, models, strict=True)])
        table = agreement_elsewhere(cells, PERSONS)
        assert set(table["annotator"]) == {*RATERS, "model"}
        found[kind] = table[table["annotator"] == "model"]
    assert (found["constant"]["here"] - found["constant"]["elsewhere"]).abs().max() == pytest.approx(0, abs=1e-6)
    assert (found["good"]["here"] - found["good"]["elsewhere"]).min() > 0.3


def test_numbers_of_cells_by_hand(tmp_path: Path) -> None:
    """Two quarters of an image; each agrees with itself, and shares nothing with the other."""
    left, right = np.zeros(SHAPE, dtype=np.uint8), np.zeros(SHAPE, dtype=np.uint8)
    left[:64, :64], right[:64, 64:] = 1, 1
    cells = table_of(tmp_path, [dict.fromkeys(("anna", "ben", "model"), mask) for mask in (left, right)])
    table = agreement_elsewhere(cells, {"anna": "anna", "ben": "ben"})
    assert table["here"].tolist() == [1.0] * 6
    assert table["elsewhere"].tolist() == [0.0] * 6
