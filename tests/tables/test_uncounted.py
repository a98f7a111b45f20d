"""What raters marked and what of it counts, by hand."""

from pathlib import Path

import numpy as np
from PIL import Image

from segassay.tables.compared import compare_case
from segassay.tables.jobs import Annotator, Job
from segassay.tables.uncounted import uncounted


def job(tmp_path: Path, **areas: object) -> Job:
    """Objects of 4, 2 and 6 pixels; an area covers the last one."""
    mask, area = np.zeros((4, 12), dtype=np.uint8), np.zeros((4, 12), dtype=np.uint8)
    mask[:2, :2] = mask[:1, 4:6] = mask[:2, 8:11] = 255
    area[:, 8:] = 255
    for name, of in (("anna", mask), ("ben", mask), ("area", area)):
        Image.fromarray(of).save(tmp_path / f"{name}.png")
    annotators = tuple(Annotator(name, "human", tmp_path / f"{name}.png") for name in ("anna", "ben"))
    return Job("1", annotators, **areas)


def test_ignored_and_small_objects_are_counted_by_hand(tmp_path: Path) -> None:
    case = compare_case(job(tmp_path, ignore=tmp_path / "area.png", min_size=3))
    assert list(uncounted(case)) == [("anna", 12, 4, 3, 1), ("ben", 12, 4, 3, 1)]


def test_what_lies_outside_a_region_does_not_count(tmp_path: Path) -> None:
    case = compare_case(job(tmp_path, region=tmp_path / "area.png"))
    assert next(uncounted(case)) == ("anna", 12, 6, 3, 1)


def test_without_areas_and_sizes_there_are_no_rows(tmp_path: Path) -> None:
    assert not list(uncounted(compare_case(job(tmp_path))))
