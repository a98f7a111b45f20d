"""Votes of single raters on pixels, counted by hand."""

from pathlib import Path

import numpy as np

from segassay.tables.single_votes import single_votes
from voters import compared_votes

BLOCKS = {"anna": (0, 1), "ben": (0,), "cleo": (0, 2), "model": (1,)}
"""Blocks of 4 × 4 pixels in a row of three, and who marks them."""


def rows_of(tmp_path: Path, people: dict[str, str] | None = None, raters: int = 3) -> list[tuple[object, ...]]:
    masks = {}
    for name, blocks in list(BLOCKS.items())[3 - raters :]:
        mask = np.zeros((4, 12), dtype=np.uint8)
        for block in blocks:
            mask[:, 4 * block : 4 * block + 4] = 1
        masks[name] = mask
    return list(single_votes(compared_votes(tmp_path, masks, people)))


def test_pixels_are_counted_away_from_the_edges_of_masks(tmp_path: Path) -> None:
    """Of 4 columns of a block, 3 are away from the next block in the outer ones and 2 in the middle."""
    rows = {row[:3]: row[3:] for row in rows_of(tmp_path)}
    assert rows["model", "anna", 0] == (8, 0, 8, 0)  # the middle block
    assert rows["model", "anna", 1] == (0, 12, 0, 0)  # the last, which cleo marks
    assert rows["model", "anna", 2] == (12, 0, 0, 0)  # the first, which all mark
    assert rows["ben", "anna", 0] == (8, 0, 0, 0)
    assert rows["ben", "anna", 1] == (12, 12, 12, 0)  # of ben himself no vote counts
    assert ("ben", "ben", 0) not in rows


def test_without_three_persons_there_are_no_rows(tmp_path: Path) -> None:
    assert not rows_of(tmp_path, raters=2)
    assert not rows_of(tmp_path, {"anna": "x", "ben": "x", "cleo": "y"})
