"""The order of the review, and the reason for each image."""

import numpy as np
import pandas as pd
import pytest

from segassay_monai.prediction.review import REVIEW_COLUMNS, expected_quality, review


def cases_of(**columns: list[object]) -> pd.DataFrame:
    """Images a, b, c … of 1000 pixels, by default with 10 objects of 10 pixels."""
    n = len(next(iter(columns.values())))
    usual = {"n_objects": [10] * n, "area_px": [100] * n, "region_area_px": [1000] * n}
    return pd.DataFrame({"case": list("abcdefghij"[:n])} | usual | columns)


def objects_of(confidence: dict[str, list[float]], at_border: tuple[str, ...] = ()) -> pd.DataFrame:
    rows = [(case, value, case in at_border) for case, values in confidence.items() for value in values]
    return pd.DataFrame(rows, columns=["case", "confidence", "touches_border"])


def reasons(table: pd.DataFrame) -> dict[str, str]:
    return dict(zip(table["case"], table["reason"], strict=True))


SURE = {case: [0.9] for case in "abcdefghij"}


def test_lowest_expected_quality_comes_first() -> None:
    found = review(cases_of(n_objects=[1, 1, 1]), objects_of({"a": [0.9], "b": [0.7], "c": [0.95, 0.85, 0.6]}))
    assert tuple(found) == REVIEW_COLUMNS
    assert found["case"].tolist() == ["b", "c", "a"]
    assert found["rank"].tolist() == [1, 2, 3]
    assert found["expected_quality"].tolist() == pytest.approx([0.7, 0.8, 0.9])


def test_unlike_images_come_before_empty_ones_and_both_before_the_others() -> None:
    cases = cases_of(n_objects=[5, 0, 5], is_unlike=[True, False, False], unlike_training=[3.0, 0.5, 0.5])
    found = review(cases.assign(unlike_threshold=1.0), objects_of({"a": [0.99], "c": [0.6]}))
    assert found["case"].tolist() == ["a", "b", "c"]
    assert reasons(found)["a"] == "unlike the training images (3.0 times the usual limit)"
    assert reasons(found)["b"] == "nothing found"


@pytest.mark.parametrize("column", [[None, None], ["", ""], [False, False], [np.nan, np.nan]])
def test_images_that_were_not_compared_are_not_marked(column: list[object]) -> None:
    cases = cases_of(is_unlike=column, unlike_training=[None, None], unlike_threshold=[None, None])
    assert reasons(review(cases, objects_of(SURE))) == {"a": "", "b": ""}


def test_a_table_read_from_a_file_gives_the_same(tmp_path) -> None:  # type: ignore[no-untyped-def]
    cases = cases_of(is_unlike=[True, False], unlike_training=[3.0, 0.5], unlike_threshold=[1.0, 1.0])
    cases.to_csv(tmp_path / "cases.csv", index=False)
    objects = objects_of({"a": [0.9], "b": [0.8]})
    again = pd.read_csv(tmp_path / "cases.csv", dtype={"case": str})
    pd.testing.assert_frame_equal(review(again, objects), review(cases, objects))


def test_each_reason() -> None:
    cases = cases_of(
        n_objects=[10, 31, 1, 10, 10, 10],
        area_px=[100, 100, 100, 600, 100, 100],
        quality=[0.6, 0.9, 0.9, 0.9, 0.9, np.nan],
    )
    found = review(cases, objects_of(SURE | {"f": [0.7]}, at_border=("e",)))
    assert reasons(found) == {
        "f": "unsure objects",
        "a": "members disagree (mean Dice 0.60)",
        "b": "very many objects: 31, 3.1 times the median of all images",
        "c": "near empty: 1 object, the median of all images is 10",
        "d": "60% of the image is marked",
        "e": "100% of the objects touch the border",
    }


def test_few_images_or_objects_say_nothing_about_what_is_usual() -> None:
    assert set(reasons(review(cases_of(n_objects=[1, 1, 100]), objects_of(SURE))).values()) == {""}
    assert set(reasons(review(cases_of(n_objects=[1, 1, 1, 1, 100]), objects_of(SURE))).values()) == {""}


def test_without_images_or_objects() -> None:
    nothing = pd.DataFrame(columns=["case", "confidence", "touches_border"])
    assert review(cases_of(n_objects=[0, 0]), nothing)["reason"].tolist() == ["nothing found", "nothing found"]
    empty = review(cases_of(n_objects=[1]).iloc[:0], nothing)
    assert empty.empty
    assert tuple(empty) == REVIEW_COLUMNS
    assert expected_quality(cases_of(n_objects=[0]), nothing).isna().all()
