"""Specification curves of tables written by hand, of masks drawn here, and of the raters of lab-wue1."""

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from drawing import draw
from published_lab import Lab
from segassay.data.annotations import ANNOTATION_COLUMNS, read_annotations
from segassay.data.dataset import Dataset, read_dataset
from segassay.io.images import write_map, write_mask
from segassay.qualities.scores.table import SCORE_COLUMNS, Findings
from segassay.qualities.validity.computations import _specifications
from segassay.qualities.validity.specification import (
    specification_curve,
    specification_shares,
    specification_table,
    specifications,
)
from segassay.report.charts.specification import specification_figure
from segassay.tables.build import build_tables
from segassay.tables.effects import EFFECT_COLUMNS, effects
from segassay.tables.normalise import normalise


def curve_of(**rows: tuple[float, float]) -> pd.DataFrame:
    """Annotator -> effect and p of C against H."""
    table = pd.DataFrame(rows.values(), columns=["effect", "p_value"]).assign(annotator=list(rows), measure="count")
    return table.assign(contrast="C against H", low=table["effect"] - 1, high=table["effect"] + 1)


class TestCurve:
    def test_shares_by_hand(self):
        table = curve_of(anna=(0.5, 0.01), ben=(-0.2, 0.04), cleo=(0.1, 0.5), dora=(0.7, 0.001), emil=(np.nan, np.nan))
        curve = specification_curve(table)
        assert curve["annotator"].tolist() == ["ben", "cleo", "anna", "dora", "emil"]
        assert curve["same_sign"].tolist() == [False, True, True, True, False]
        found = specification_shares(curve)
        assert tuple(found) == SCORE_COLUMNS
        assert found["value"].tolist() == [pytest.approx(0.3), 0.75, 0.75]
        assert found.loc[0, ["low", "high"]].tolist() == [-0.2, 0.7]
        assert (found["n_cases"] == 4).all()
        assert (found["n_undefined"] == 1).all()

    def test_each_contrast_by_itself(self):
        both = pd.concat([curve_of(anna=(1.0, 0.01), ben=(2.0, 0.01)), curve_of(anna=(-1.0, 0.5)).assign(contrast="D")])
        found = specification_shares(specification_curve(both)).set_index(["target", "measure"])["value"]
        assert found["C against H", "specifications_significant"] == 1
        assert found["D", "specifications_significant"] == 0
        assert found["D", "specifications_same_sign"] == 1

    def test_a_median_of_zero_has_no_sign(self):
        assert not specification_curve(curve_of(a=(-1.0, 0.1), b=(0.0, 1.0), c=(1.0, 0.1)))["same_sign"].any()

    def test_nothing(self):
        assert len(specification_shares(specification_curve(curve_of(anna=(1, 1)).iloc[:0]))) == 0

    @settings(max_examples=20)
    @given(st.permutations(range(6)))
    def test_order_does_not_matter(self, order):
        table = curve_of(**{name: (i / 7 - 0.3, i / 40) for i, name in enumerate("abcdef")})
        one, other = specification_curve(table), specification_curve(table.iloc[list(order)])
        pd.testing.assert_frame_equal(one, other)

    def test_turning_all_effects_around_keeps_the_shares(self):
        table = curve_of(a=(0.5, 0.01), b=(-0.2, 0.04), c=(0.1, 0.5))
        one, other = (
            specification_shares(specification_curve(rows))["value"]
            for rows in (table, table.assign(effect=-table["effect"]))
        )
        assert one.iloc[1:].tolist() == other.iloc[1:].tolist()
        assert one.iloc[0] == -other.iloc[0]


def test_specifications_leave_out_the_truth_and_densities_that_repeat_counts():
    rng = np.random.default_rng(0)
    counts = pd.DataFrame(
        {"case": [str(i) for i in range(12)] * 3, "annotator": np.repeat(["anna", "ben", "truth"], 12)}
    )
    counts = counts.assign(n_objects=rng.integers(5, 50, 36), mean_intensity=1.0)
    experiment = pd.DataFrame({"case": [str(i) for i in range(12)], "group": ["H", "C"] * 6})
    annotations = pd.DataFrame(
        [("anna", "human"), ("ben", "human"), ("truth", "truth")], columns=["annotator", "kind"]
    ).reindex(columns=list(ANNOTATION_COLUMNS))
    area = np.where(counts["annotator"] == "anna", 100.0, rng.integers(50, 100, 36))
    found = specifications(
        effects(normalise(counts.assign(density=counts["n_objects"] / area), experiment, "H")), annotations
    )
    assert found[["annotator", "measure"]].to_numpy().tolist() == [
        ["anna", "count"],
        ["ben", "count"],
        ["ben", "density"],
    ]
    assert (
        len(specifications(effects(normalise(counts.assign(density=1.0), experiment, "H")).iloc[:0], annotations)) == 0
    )


SMALL_AND_LARGE = draw("#...#### ....#### ##...... ##......")  # 1, 8 and 4 pixels


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    folder = tmp_path / "data"
    drawn = {
        "images": np.zeros((4, 8), dtype=bool),
        "labels/anna": SMALL_AND_LARGE,
        "labels/ben": np.zeros((4, 8), dtype=bool),
    }
    for name, mask in drawn.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        for case in "abcd":
            write_mask(folder / name / f"{case}.png", mask)
    (folder / "experiment.csv").write_text("case,group\na,H\nb,H\nc,C\nd,C\n")
    keys = {"min_object_size": 4, "experiment": "experiment.csv", "control_group": "H"}
    (folder / "dataset.yaml").write_text(yaml.safe_dump(keys))
    return read_dataset(folder)


def with_probabilities(dataset: Dataset, values: np.ndarray) -> pd.DataFrame:
    path = dataset.folder.parent
    write_mask(path / "m.png", SMALL_AND_LARGE)
    write_map(path / "p.tif", values)
    rows = "".join(f"{case},m,model,m.png,p.tif,true\n" for case in "abcd")
    (path / "annotations.csv").write_text("case,annotator,kind,path,prob,held_out\n" + rows)
    return read_annotations(dataset, path / "annotations.csv")


def table_of(dataset: Dataset, annotations: pd.DataFrame) -> pd.DataFrame:
    recounts = build_tables(dataset, annotations, n_jobs=1).recounts
    return specification_table(recounts, annotations, dataset.experiment, "H")


class TestRecounts:
    def test_objects_of_each_size_are_dropped_where_they_are_too_small(self, dataset):
        counts = build_tables(dataset, read_annotations(dataset), n_jobs=1).recounts
        of_anna = counts[(counts["case"] == "a") & (counts["annotator"] == "anna")]
        assert of_anna[["min_size", "n_objects"]].to_numpy().tolist() == [[2, 2], [4, 2], [8, 1]]
        assert of_anna["density"].tolist() == [2 / 32, 2 / 32, 1 / 32]
        empty = counts[counts["annotator"] == "ben"]
        assert empty["n_objects"].tolist() == [0] * 12

    def test_probabilities_beside_the_mask(self, dataset):
        annotations = with_probabilities(dataset, np.where(SMALL_AND_LARGE, 0.6, 0.4))
        counts = build_tables(dataset, annotations, n_jobs=1).recounts
        model = counts[(counts["case"] == "a") & (counts["annotator"] == "m") & (counts["min_size"] == 2)]
        assert model["n_objects"].tolist() == [2, 1, 0]
        np.testing.assert_array_equal(model["threshold"], [np.nan, 0.3, 0.7])

    def test_a_missing_prediction_has_no_rows(self, dataset):
        annotations = with_probabilities(dataset, np.zeros((4, 8)))
        lost = (annotations["annotator"] == "m") & (annotations["case"] == "a")
        counts = build_tables(dataset, annotations.assign(missing=lost), n_jobs=1).recounts
        assert counts.loc[counts["annotator"] == "m", "case"].unique().tolist() == ["b", "c", "d"]

    def test_without_experiment_nothing_is_counted_again(self, dataset):
        (dataset.folder / "dataset.yaml").write_text("name: x\n")
        (dataset.folder / "experiment.csv").unlink()
        plain = read_dataset(dataset.folder)
        assert build_tables(plain, read_annotations(plain), n_jobs=1).recounts.empty


def test_every_specification_has_its_choices(dataset):
    annotations = with_probabilities(dataset, np.where(SMALL_AND_LARGE, 0.6, 0.4))
    table = table_of(dataset, annotations[annotations["annotator"] != "ben"])
    assert len(table) == 3 + 9
    assert table[["annotator", "min_size", "threshold"]].drop_duplicates().shape == (12, 3)


def test_specifications_of_lab_wue1(lab_wue1: Lab):
    chosen = ["est_GT", "expert_1"]
    recounts, annotations = (
        table[table["annotator"].isin(chosen)] for table in (lab_wue1.tables.recounts, lab_wue1.annotations)
    )
    table = specification_table(recounts, annotations, lab_wue1.dataset.experiment, "H")
    shares = specification_shares(specification_curve(table)).set_index(["target", "measure"])["value"]
    assert shares["context_0 against H", "specifications_significant"] == 1
    assert shares["context_1 against context_0", "specifications_significant"] == 0
    as_is = table[
        (table["annotator"] == "est_GT") & (table["min_size"] == 30) & (table["contrast"] == "context_0 against H")
    ]
    assert as_is["effect"].round(3).tolist() == [1.533]
    assert as_is["p_value"].item() == pytest.approx(2 * 1.22e-4, rel=0.01)  # Holm: the second smallest of three


def test_measures_are_of_the_objects_counted_again_where_they_were(dataset):
    annotations = with_probabilities(dataset, np.where(SMALL_AND_LARGE, 0.6, 0.4))
    annotations = annotations[annotations["annotator"] != "ben"]
    tables = build_tables(dataset, annotations, n_jobs=1)
    table = specification_table(tables.recounts, annotations, dataset.experiment, "H")
    untested = pd.DataFrame(columns=list(EFFECT_COLUMNS))
    found = Findings(tables, annotations, pd.Series(dtype=object), untested, specifications=table)
    assert _specifications(found)["n_cases"].tolist() == [12 - table["effect"].isna().sum()] * 3
    assert _specifications(dataclasses.replace(found, specifications=None)).empty


class TestFigure:
    table = specification_curve(
        pd.concat(
            [
                curve_of(anna=(0.5, 0.01), ben=(-0.2, 0.4)),
                curve_of(anna=(1, 0.01), ben=(np.nan, np.nan)).assign(contrast="D"),
            ]
        )
    )

    def test_effects_stand_in_their_order_above_their_choices(self):
        figure = specification_figure(self.table)
        above, _, below, _ = figure.axes
        assert above.collections[-1].get_offsets().tolist() == [[0, -0.2], [1, 0.5]]
        assert [label.get_text() for label in below.get_yticklabels()] == ["anna", "ben"]
        assert [collection.get_offsets().tolist() for collection in below.collections] == [[[1, 0]], [[0, 1]]]
        assert above.get_title(loc="left") == "C against H"

    def test_an_undefined_effect_is_not_drawn(self):
        assert len(specification_figure(self.table).axes[1].collections[-1].get_offsets()) == 1

    def test_masks_as_they_are_stand_beside_thresholds(self):
        table = specification_curve(pd.concat([curve_of(a=(1, 0.1)).assign(threshold=t) for t in (np.nan, 0.3)]))
        below = specification_figure(table).axes[1]
        assert sorted(label.get_text() for label in below.get_yticklabels()) == ["mask as it is", "probability > 0.3"]

    def test_nothing_to_draw(self):
        with pytest.raises(ValueError, match="no specification with an effect"):
            specification_figure(self.table.assign(effect=np.nan))
