"""The folders of a dataset: which hold its data, so that no result may lie in them."""

from pathlib import Path
from typing import Any

import pytest

from dataset_folders import make
from segassay.data.folders import data_places


@pytest.mark.parametrize(
    ("files", "settings", "expected"),
    [
        ((), {}, ["images", "labels", "labels/expert_10", "labels/expert_2"]),
        (
            ("results/summary.png", "regions/0002.png", "no_use/0002.png", "gt/0002.png", "pictures/0002.png"),
            {
                **{"images": "pictures", "reference": "gt", "ignore": "no_use", "region_masks": "regions"},
                **{"raters": {"anna": "labels/expert_2"}, "experiment": "tables/absent.csv"},
            },
            ["gt", "labels", "labels/expert_2", "no_use", "pictures", "regions"],
        ),
        (("0002.png",), {"images": ".", "raters": "expert_*"}, []),
    ],
)
def test_the_places_of_a_dataset_are_its_folders_and_not_what_lies_beside_them(
    tmp_path: Path, files: tuple[str, ...], settings: dict[str, Any], expected: list[str]
) -> None:
    folder = make(tmp_path, *files, **settings)
    assert [place.relative_to(folder).as_posix() for place in data_places(folder)] == expected


def test_a_place_of_a_dataset_may_be_a_link_and_hold_links(tmp_path: Path) -> None:
    folder = make(tmp_path / "lab")
    (folder / "images").rename(tmp_path / "pictures")
    (folder / "images").symlink_to(tmp_path / "pictures")
    (tmp_path / "pictures" / "0002.png").rename(tmp_path / "0002.png")
    (tmp_path / "pictures" / "0002.png").symlink_to(tmp_path / "0002.png")
    assert {folder / "images", folder / "images" / "0002.png"} <= set(data_places(folder))
