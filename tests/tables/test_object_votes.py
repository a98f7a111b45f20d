"""Votes of raters on objects, counted by hand."""

from pathlib import Path

import numpy as np

from segassay.tables.object_votes import object_votes
from voters import compared_votes

BLOCKS = {"anna": (0, 1), "ben": (0,), "cleo": (0, 2), "model": (1, 2)}
"""Blocks of 4 × 4 pixels, with gaps of 4 between them, and who marks them."""


def rows_of(tmp_path: Path, people: dict[str, str] | None = None, raters: int = 3) -> list[tuple[object, ...]]:
    masks = {}
    for name, blocks in list(BLOCKS.items())[3 - raters :]:
        mask = np.zeros((8, 24), dtype=np.uint8)
        for block in blocks:
            mask[:4, 8 * block : 8 * block + 4] = 1
        if name == "model":
            mask = np.roll(mask, 1, axis=0)  # three of four rows are shared: moved, but found
            mask[:, 18:20] = 0  # a half is left of the last block, all of it within the other's
        masks[name] = mask
    return list(object_votes(compared_votes(tmp_path, masks, people)))


def test_objects_are_counted_by_who_marks_them(tmp_path: Path) -> None:
    """The first block is drawn by three raters, so it is counted three times; the model does not mark it."""
    assert sorted(rows_of(tmp_path)) == [
        ("model", "anna", 1, 1),
        ("model", "anna | ben | cleo", 3, 0),
        ("model", "cleo", 1, 1),
    ]


def test_without_three_persons_there_are_no_rows(tmp_path: Path) -> None:
    assert not rows_of(tmp_path, raters=2)
    assert not rows_of(tmp_path, {"anna": "x", "ben": "x", "cleo": "y"})
