"""Intensities of several channels: columns of counts, effects in the right channel, and all that reads them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from channel_datasets import DAPI, MARKER, TREATED, draw_channels
from segassay.assay.run import evaluate
from segassay.data.dataset import read_dataset
from segassay.errors import DataError
from segassay.io.images import read_image, read_mask
from segassay.masks.objects import label_objects
from segassay.report.compare import compare_evaluations
from segassay.report.plots import all_charts
from small_datasets import tables_of

CHANNELS = ["mean_intensity_DAPI", "mean_intensity_cFOS"]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_channels(tmp_path_factory.mktemp("channels") / "lab", turned=[3, 4], segment_channels="DAPI")


def test_each_channel_is_a_column_and_its_values_are_those_of_the_objects(lab: Path) -> None:
    counts = tables_of(read_dataset(lab)).counts
    assert list(counts)[2:7] == ["n_objects", "area_px", *CHANNELS, "region_area_px"]
    for row in counts.to_dict("records"):
        picture = read_image(lab / "images" / f"{row['case']}.ome.tif")
        labels = label_objects(read_mask(lab / "labels" / row["annotator"] / f"{row['case']}.png"))
        for name, channel in zip(picture.channel_names, picture.array, strict=True):
            means = [channel[labels == number].mean() for number in range(1, labels.max() + 1)]
            assert row[f"mean_intensity_{name}"] == pytest.approx(np.mean(means), rel=1e-12)
    own = counts.set_index("case")["mean_intensity_cFOS"]
    assert own["c0"].max() < MARKER + 3 < TREATED - 3 < own["c1"].min()


def test_the_effect_is_found_in_its_channel_alone(lab: Path, tmp_path: Path) -> None:
    found = evaluate(lab, out=tmp_path / "out")
    pairs = found.effects[(found.effects["test"] == "mann_whitney") & (found.effects["unit"] == "case")]
    verdicts = pairs.groupby("measure")["verdict"].unique().map(list)
    assert verdicts["mean_intensity_cFOS"] == ["higher"]
    assert verdicts["mean_intensity_DAPI"] == ["none"]
    shift = pairs.loc[pairs["measure"] == "mean_intensity_cFOS", "hl_shift"].iloc[0]
    assert shift == pytest.approx((TREATED - MARKER) / (MARKER + 3.5), abs=0.1)
    text = (tmp_path / "out" / "report.html").read_text()
    assert "Mean intensity of objects in cFOS" in text
    assert "Mean intensity of objects in DAPI" in text
    assert {path.stem for path in (tmp_path / "out" / "figures").glob("effects_*.svg")} >= {
        f"effects_{name}" for name in CHANNELS
    }
    assert {"icc_a1_mean_intensity_cFOS", "icc_a1_mean_intensity_DAPI"} <= set(found.scores["measure"])
    assert {"bland_altman_intensity_cFOS", "bland_altman_intensity_DAPI"} <= set(all_charts(found))
    again = pd.read_csv(tmp_path / "out" / "tables" / "counts.csv")
    assert list(again)[4:6] == CHANNELS


def test_a_number_or_one_name_measures_that_channel(tmp_path: Path) -> None:
    folder = draw_channels(tmp_path / "lab", n=2, intensity_channel="cFOS")
    named = tables_of(read_dataset(folder)).counts
    (folder / "dataset.yaml").write_text("intensity_channel: 1\n")
    numbered = tables_of(read_dataset(folder)).counts
    assert "mean_intensity_DAPI" not in named
    np.testing.assert_array_equal(named["mean_intensity_cFOS"], numbered["mean_intensity"])
    assert numbered["mean_intensity"].between(MARKER, DAPI - 1).all()
    pd.testing.assert_frame_equal(named.drop(columns="mean_intensity_cFOS"), numbered.drop(columns="mean_intensity"))


def test_names_for_more_channels_than_an_image_has_are_refused(tmp_path: Path) -> None:
    folder = draw_channels(tmp_path / "lab", n=2, channels=["DAPI", "cFOS", "GFP"])
    with pytest.raises(DataError, match=r"c0\.ome\.tif has 2 channels, fewer than names of channels"):
        tables_of(read_dataset(folder))


def test_arrays_in_memory_have_named_channels_too() -> None:
    mask = np.zeros((8, 8), dtype=bool)
    mask[2:5, 2:5] = True
    images = {"1": np.stack([np.where(mask, 7, 1), np.where(mask, 3, 0)])}
    masks = {"anna": {"1": mask}, "ben": {"1": mask}}
    found = evaluate(masks=masks, images=images, channels=["DAPI", "cFOS"])
    assert found.counts[CHANNELS].values.tolist() == [[7, 3]] * 2
    found = evaluate(masks=masks, images=images, channels=["DAPI", "cFOS"], intensity_channel="cFOS")
    assert "mean_intensity_DAPI" not in found.counts
    with pytest.raises(DataError, match="'GFP', which is no channel; give one of DAPI, cFOS"):
        evaluate(masks=masks, images=images, channels=["DAPI", "cFOS"], intensity_channel="GFP")
    with pytest.raises(DataError, match="are the same; give each channel a name of its own"):
        evaluate(masks=masks, images=images, channels=["DAPI", "DAPI"])


def test_evaluations_before_and_after_channels_got_names_are_of_the_same_masks(tmp_path: Path) -> None:
    folder = draw_channels(tmp_path / "lab", n=3, intensity_channel=0)
    before = evaluate(folder)
    (folder / "dataset.yaml").write_text("channels: [DAPI, cFOS]\n")
    after = evaluate(folder)
    assert compare_evaluations({"before": before, "after": after}).tables["cases"]["same_as_first"].all()
    other = tables_of(read_dataset(folder)).counts.assign(mean_intensity_DAPI=1.0)
    changed = replace(after, tables=replace(after.tables, counts=other))
    assert not compare_evaluations({"after": after, "changed": changed}).tables["cases"]["same_as_first"].all()
