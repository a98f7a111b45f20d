"""Objects of many images in Parquet files: the same tables as of few, and never those of all images in memory."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from folders import contents
from segassay.errors import UsageError
from segassay.io import stored_tables
from segassay.io.images import Picture, read_image, write_image
from segassay.io.stored_tables import StoredTable
from segassay_monai.prediction import objects
from segassay_monai.prediction.class_tables import cases_of_class
from segassay_monai.prediction.objects import store_objects, without_objects
from segassay_monai.prediction.review import review
from segassay_monai.prediction.run import predict


@pytest.fixture
def images(dataset: Path, tmp_path: Path) -> Path:
    """Four images, of which one is empty."""
    folder = tmp_path / "images"
    folder.mkdir()
    for number, path in enumerate(sorted((dataset / "images").iterdir())[:4]):
        array = read_image(path).array[:, ::-1]
        write_image(folder / f"new_{number}.png", Picture(array if number else np.zeros_like(array)))
    return folder


@pytest.fixture
def few_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """More than three images are many, five objects fill a part, and no table of objects may be read whole."""
    monkeypatch.setattr(objects, "MOST_CASES", 3)
    monkeypatch.setattr(objects, "ROWS", 5)
    frame = StoredTable.frame

    def refused(self: StoredTable, columns: list[str] | None = None) -> pd.DataFrame:
        assert columns is not None, "read whole"
        return frame(self, columns)

    monkeypatch.setattr(StoredTable, "frame", refused)


def test_many_images_have_the_tables_of_few_but_for_objects_in_parts(models, images, tmp_path, few_in_memory):
    few = sorted(path for path in images.iterdir())
    hidden = few[0].rename(tmp_path / few[0].name)
    predict(models, images, out=tmp_path / "out", save=["mask"])
    assert (tmp_path / "out" / "objects.csv").is_file()
    hidden.rename(few[0])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(objects, "MOST_CASES", 4)
        plain = predict(models, images, out=tmp_path / "plain", save=["mask"])
    done = predict(models, images, out=tmp_path / "out", save=["mask"], xlsx=True)
    one, other = contents(tmp_path / "plain"), contents(tmp_path / "out")
    parts = [name for name in other if name not in one and name != "tables.xlsx"]
    assert len(parts) > 1
    assert all(name.startswith("objects/part-0000000") for name in parts)
    assert {name for name in one if name not in other} == {"objects.csv"}
    assert [name for name in one if name in other and one[name] != other[name]] == []
    assert isinstance(done.objects, StoredTable)
    assert len(done.objects) == len(plain.objects)
    pd.testing.assert_frame_equal(pd.concat(done.objects.parts()), plain.objects, check_dtype=False, check_exact=True)
    assert pd.read_parquet(tmp_path / "out" / "objects")["touches_border"].dtype == bool
    few[0].rename(hidden)
    predict(models, images, out=tmp_path / "out", save=["mask"])
    assert (tmp_path / "out" / "objects.csv").is_file()
    assert not (tmp_path / "out" / "objects").exists()


def test_what_is_kept_of_a_record_has_no_objects_and_shares_its_columns():
    known: dict[tuple[str, ...], list[str]] = {}
    records = [{"case": {}, "objects": {"columns": ["label", "area_px"], "rows": [[1, 9]]}} for _ in range(2)]
    one, other = (without_objects(record, known) for record in records)
    assert one == {"case": {}, "objects": {"columns": ["label", "area_px"], "rows": []}}
    assert one["objects"]["columns"] is other["objects"]["columns"]


def test_images_whose_channels_have_other_names_share_a_table(tmp_path, monkeypatch):
    names = ["label", "class", "confidence", "touches_border"]
    found = {
        "1": {
            "columns": [*names, "mean_intensity_a"],
            "rows": [[1, "dark", 0.9, False, 3.5], [2, "pale", 0.6, True, 5]],
        },
        "2": {"columns": names, "rows": []},
        "3": {"columns": [*names, "mean_intensity_b"], "rows": [[1, "dark", 0.7, True, None]]},
    }
    monkeypatch.setattr(objects, "rows_of_objects", lambda out, case: found[case])
    records = {case: {"objects": of} for case, of in found.items()}
    table = store_objects(tmp_path, records)
    expected = pd.DataFrame(
        {
            "case": ["1", "1", "3"],
            "label": [1, 2, 1],
            "class": ["dark", "pale", "dark"],
            "confidence": [0.9, 0.6, 0.7],
            "touches_border": [False, True, True],
            "mean_intensity_a": [3.5, 5.0, np.nan],
            "mean_intensity_b": np.nan,
        }
    )
    pd.testing.assert_frame_equal(table.frame(), expected, check_dtype=False)
    cases = pd.DataFrame({"case": list("123"), "n_objects": [2, 0, 1], "area_px": 9, "region_area_px": 99})
    pd.testing.assert_frame_equal(review(cases, table), review(cases, expected))
    cases = cases.assign(mean_intensity_a=[4.0, np.nan, np.nan])
    pd.testing.assert_frame_equal(cases_of_class(cases, table, "dark"), cases_of_class(cases, expected, "dark"))


def test_no_object_at_all_is_an_empty_table(tmp_path, monkeypatch):
    monkeypatch.setattr(objects, "rows_of_objects", lambda out, case: {"columns": ["label", "confidence"], "rows": []})
    table = store_objects(tmp_path, {"1": {"objects": {"columns": ["label", "confidence"]}}})
    assert (len(table), list(table)) == (0, ["case", "label", "confidence"])
    cases = pd.DataFrame({"case": ["1"], "n_objects": [0], "area_px": 0, "region_area_px": 99})
    assert review(cases, table)["reason"].tolist() == ["nothing found"]


def test_many_images_without_pyarrow_are_one_message_before_anything_is_predicted(
    models, images, tmp_path, few_in_memory, monkeypatch
):
    monkeypatch.setattr(stored_tables, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match="a prediction of more than 3 images needs pyarrow"):
        predict(models, images, out=tmp_path / "out")
    assert not (tmp_path / "out" / "masks").exists()
